"""The table of rules: every row, the order of the rows, and what hangs on a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.decide import RULES, decide, decide_all
from responder.core.model import (
    Agreement,
    Case,
    Dmarc,
    Facts,
    FilingRules,
    History,
    Limits,
    MessageKey,
    Reason,
    ReplyKind,
)
from tests.core.build import at, client, policy, replies

POLICY = policy()
FRIDAY_EVENING = at("2026-11-27 20:00")
KEY = MessageKey(mailbox="main", uidvalidity=1, uid=7)


def facts(**overrides: Any) -> Facts:
    """Return the facts of a plain letter of Ivan's, any field replaced."""
    fields: dict[str, Any] = {
        "fingerprint": "f" * 64,
        "message_id": "<a@vostok.example>",
        "address": "ivan@vostok.example",
        "return_path": "ivan@vostok.example",
        "client": "vostok",
        "return_path_is_clients": True,
        "addressed": "anna@example.com",
        "named_in": "to",
    }
    return Facts(**(fields | overrides))


def case(
    facts_: Facts | None = None,
    history: History | None = None,
    arrived_at: Any = FRIDAY_EVENING,
    now_at: Any = None,
) -> Case:
    """Return a case of Friday evening, decided three minutes after it arrived."""
    return Case(
        message=KEY,
        facts=facts_ or facts(),
        history=history or History(),
        arrived_at=arrived_at,
        now_at=now_at or arrived_at + timedelta(minutes=3),
    )


PERIOD_ENDS = at("2026-11-30 10:00")

ROWS = [
    (Reason.BEFORE_START, {}, {"before_start": True}),
    (Reason.SEEN_BEFORE, {}, {"decided": True}),
    (Reason.OWN, {"own": "From"}, {}),
    (Reason.BOUNCE_OF_REPLY, {"bounce_of_ours": "ivan@vostok.example"}, {}),
    (Reason.AUTOMATIC, {"automatic": "List-Id: x"}, {}),
    (Reason.UNREADABLE, {"unreadable": "two senders"}, {}),
    (Reason.STRANGER, {"client": ""}, {}),
    (Reason.UNVERIFIED, {"dmarc": Dmarc.FAIL}, {}),
    (Reason.UNVERIFIED, {"dmarc": Dmarc.SEVERAL}, {}),
    (Reason.OPEN, {"dated_at": at("2026-11-27 18:30")}, {}),
    (Reason.CONVERSING, {}, {"owner_wrote_at": at("2026-11-27 19:10")}),
    (Reason.ANSWERED, {}, {"answered_at": at("2026-11-27 20:01")}),
    (Reason.NOT_ADDRESSED, {"named_in": ""}, {}),
    (Reason.COPIED, {"named_in": "cc", "others_in_to": True}, {}),
    (Reason.NO_RETURN_PATH, {"return_path": None}, {}),
    (Reason.RETURN_PATH_DIFFERS, {"return_path_is_clients": False}, {}),
    (Reason.SUSPENDED, {}, {"suspended_until": at("2026-12-20 10:00")}),
    (Reason.ANSWER_TO_REPLY, {"answers_ours": True}, {}),
    (Reason.OWING, {}, {"owed_since": at("2026-11-26 19:00")}),
    (Reason.TOLD, {}, {"told_until": frozenset({PERIOD_ENDS})}),
    (Reason.JOINED, {}, {"later_mail": True}),
    (Reason.LIMIT, {}, {"address_day": 3}),
    (Reason.LIMIT, {}, {"last_hour": 30}),
    (Reason.LIMIT, {}, {"last_day": 200}),
    (Reason.LIMIT, {}, {"breaker_until": PERIOD_ENDS}),
    (Reason.FULL, {}, {}),
    (Reason.FULL, {}, {"full_at": at("2026-11-20 20:00")}),
    (Reason.SHORT, {}, {"full_at": at("2026-11-26 20:00")}),
]


@pytest.mark.parametrize(("reason", "said", "known"), ROWS, ids=lambda value: str(value)[:40])
def test_each_row_has_its_reason(reason: Reason, said: dict[str, Any], known: dict[str, Any]) -> None:
    """A message that only one rule concerns gets that rule's word, and only the last two rules send."""
    verdict = decide(case(facts(**said), History(**known)), POLICY)
    assert verdict.reason is reason
    assert (verdict.reply is not ReplyKind.NONE) == (reason in (Reason.FULL, Reason.SHORT))
    assert verdict.trail[-1].held
    assert not any(step.held for step in verdict.trail[:-1])


#: The order that the README promises, written down once more by hand.
ORDER = [
    "before-start",
    "seen-before",
    "own",
    "bounce-of-reply",
    "automatic",
    "unreadable",
    "stranger",
    "unverified",
    "open",
    "conversing",
    "answered",
    "opened-meanwhile",
    "not-addressed",
    "copied",
    "no-return-path",
    "return-path-differs",
    "opted-out",
    "suspended",
    "answer-to-reply",
    "owing",
    "told",
    "joined",
    "limit",
    "too-old",
    "no-due-time",
    "full",
    "short",
]


def test_the_rules_are_in_the_promised_order() -> None:
    """The rules are asked in the order that the README promises; each reason stands in it once."""
    assert [rule.reason for rule in RULES] == ORDER
    assert sorted(ORDER) == sorted(Reason)


@pytest.mark.parametrize("first", range(len(ROWS) - 3))
def test_an_earlier_row_wins(first: int) -> None:
    """When two rows hold, the earlier one is the reason."""
    reason, said, known = ROWS[first]
    for later, more_said, more_known in ROWS[first + 1 :]:
        both = decide(case(facts(**{**more_said, **said}), History(**{**more_known, **known})), POLICY)
        assert ORDER.index(both.reason) <= ORDER.index(reason), (reason, later)


def test_mail_in_hours_in_a_break_and_in_a_window_is_open() -> None:
    """Inside the hours and in the lunch break nobody is told; such mail stays in INBOX but is promised."""
    for when in ("2026-11-27 10:30", "2026-11-27 13:30", "2026-11-27 18:59"):
        verdict = decide(case(arrived_at=at(when)), POLICY)
        assert (verdict.reason, verdict.file, verdict.promises) == (Reason.OPEN, False, True)


def test_during_hours_files_what_arrives_while_open() -> None:
    """With filing.during_hours mail that arrives while open goes to its window as well."""
    filing = FilingRules(folder="C/{opens:%Y}", finished="C/Done", during_hours=True)
    verdict = decide(case(arrived_at=at("2026-11-26 12:00")), policy(filing=filing))
    assert verdict.reason is Reason.OPEN
    assert verdict.file


def test_nobody_is_told_after_opening() -> None:
    """A message that arrived closed and is decided when it is open, or closed again later, gets no reply."""
    for now in ("2026-11-30 10:00", "2026-11-30 20:00"):
        verdict = decide(case(now_at=at(now)), POLICY)
        assert verdict.reason is Reason.OPENED_MEANWHILE


def test_old_mail_is_filed_but_not_answered() -> None:
    """After replies.max_age a reply would only confuse."""
    verdict = decide(case(now_at=FRIDAY_EVENING + timedelta(hours=12, minutes=1)), POLICY)
    assert (verdict.reason, verdict.file) == (Reason.TOO_OLD, True)


def test_a_stranger_passes_only_with_dmarc_pass_and_is_never_filed() -> None:
    """With strangers = "short" an unproven stranger is unverified; a proven one gets the stranger's text."""
    rules = policy(replies=replies(strangers="short"))
    someone = facts(client="", address="who@else.example", return_path="who@else.example")
    assert decide(case(someone), rules).reason is Reason.UNVERIFIED
    verdict = decide(case(replace(someone, dmarc=Dmarc.PASS)), rules)
    assert (verdict.reason, verdict.reply) == (Reason.SHORT, ReplyKind.STRANGER)
    assert (verdict.file, verdict.promises) == (False, False)


@pytest.mark.parametrize("reason", [Reason.ANSWER_TO_REPLY, Reason.NOT_ADDRESSED, Reason.COPIED])
def test_what_opens_no_promise(reason: Reason) -> None:
    """An answer to our reply and mail not really to the owner open no promise, but are filed."""
    said = {row[0]: row[1] for row in ROWS}[reason]
    verdict = decide(case(facts(**said)), POLICY)
    assert (verdict.reason, verdict.promises, verdict.file) == (reason, False, True)


def test_without_an_agreement_only_a_reply_promises() -> None:
    """A client without an agreement in force is promised something only by a reply."""
    loose = client(agreement=Agreement(name="Annex", from_on=date(2027, 1, 1)))
    rules = policy(clients=(loose,))
    assert decide(case(), rules).promises
    assert not decide(case(history=History(told_until=frozenset({PERIOD_ENDS}))), rules).promises


def test_opted_out_and_mode_off_are_silent() -> None:
    """auto_reply = false and mode = "off" silence the reply and nothing else."""
    for rules in (policy(clients=(client(auto_reply=False),)), policy(replies=replies(mode="off"))):
        verdict = decide(case(), rules)
        assert (verdict.reason, verdict.file, verdict.promises) == (Reason.OPTED_OUT, True, True)


def test_one_reply_for_several_mails_with_the_latest_due_time() -> None:
    """Of one address's mails the last is answered, with the latest due time; the others are joined."""
    documents = case(facts(topic="documents", fingerprint="1" * 64))
    plain = case(facts(fingerprint="2" * 64), arrived_at=FRIDAY_EVENING + timedelta(minutes=1))
    decided = decide_all([documents, plain], POLICY)
    assert [verdict.reason for _, verdict in decided] == [Reason.JOINED, Reason.FULL]
    last = decided[1][1]
    assert last.due is not None
    assert last.due.due_at == at("2026-12-01 19:00")


def test_caps_count_within_one_batch() -> None:
    """Replies decided together count against the caps one after the other."""
    rules = policy(
        replies=replies(limits=Limits(per_hour=2)),
        clients=(client(domains=frozenset({"vostok.example"})),),
    )
    many = [case(facts(address=f"{n}@vostok.example", fingerprint=str(n) * 64)) for n in range(1, 5)]
    reasons = [verdict.reason for _, verdict in decide_all(many, rules)]
    assert reasons == [Reason.FULL, Reason.FULL, Reason.LIMIT, Reason.LIMIT]


@given(
    own=st.sampled_from(["", "From"]),
    automatic=st.sampled_from(["", "Precedence: bulk"]),
    unreadable=st.sampled_from(["", "cut"]),
    who=st.sampled_from(["", "vostok"]),
    named=st.sampled_from(["", "to", "cc"]),
    return_path=st.sampled_from([None, "ivan@vostok.example"]),
    ours=st.booleans(),
    decided=st.booleans(),
    told=st.booleans(),
    count=st.integers(0, 4),
    hour=st.integers(0, 24 * 14),
    later=st.integers(0, 60 * 24),
)
def test_exactly_one_reason_and_never_a_reply_to_a_machine_or_late(  # noqa: PLR0917
    own: str,
    automatic: str,
    unreadable: str,
    who: str,
    named: Any,
    return_path: str | None,
    ours: bool,  # noqa: FBT001
    decided: bool,  # noqa: FBT001
    told: bool,  # noqa: FBT001
    count: int,
    hour: int,
    later: int,
) -> None:
    """Whatever comes together, one reason holds; a reply goes only to a person, in time, and not twice."""
    arrived_at = at("2026-11-23 00:00") + timedelta(hours=hour)
    given_facts = facts(
        own=own,
        automatic=automatic,
        unreadable=unreadable,
        client=who,
        named_in=named,
        return_path=return_path,
        answers_ours=ours,
    )
    history = History(decided=decided, told_until=frozenset({PERIOD_ENDS} if told else ()), address_day=count)
    the_case = case(given_facts, history, arrived_at, arrived_at + timedelta(minutes=later))
    verdict = decide(the_case, POLICY)
    assert sum(step.held for step in verdict.trail) == 1
    if verdict.reply is not ReplyKind.NONE:
        assert not any((own, automatic, unreadable, ours, decided))
        assert who == "vostok"
        assert verdict.period is not None
        assert verdict.period.contains(the_case.now_at)
        assert verdict.due is not None
        assert verdict.due.due_at > the_case.now_at
    if verdict.file:
        assert verdict.placement.window is not None
        assert verdict.placement.window.opens_at > the_case.now_at
        assert verdict.due is not None
        assert verdict.placement.window.opens_at < verdict.due.due_at
