"""The urgent word: where it counts, what follows from it at any hour, and that it is nothing in anybody else's mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.compose import check_templates
from responder.core.decide import decide, decide_all
from responder.core.facts import Identity, observe
from responder.core.model import (
    Alert,
    Case,
    Dmarc,
    Facts,
    FileMessage,
    Flag,
    History,
    Message,
    MessageKey,
    Policy,
    Reason,
    ReplyKind,
    SendReply,
    Verdict,
)
from responder.core.plan import make_plan
from responder.core.urgent import MOST_ALERTS, ORDINARY, fault_of_word, word_in
from tests.core.build import at, client, policy, replies

NIGHT = at("2026-11-27 20:00")
IDENTITY = Identity(mailbox="main", secret=b"s" * 32)
RULES = policy(clients=(client(urgent_word="СРОЧНО"), client("berlin", zone="Europe/Berlin", language="en")))
PLAIN = Facts(
    fingerprint="f" * 64,
    message_id="<1@vostok.example>",
    address="ivan@vostok.example",
    return_path="ivan@vostok.example",
    return_path_is_clients=True,
    addressed="anna@example.com",
    named_in="to",
    client="vostok",
    subject="СРОЧНО: договор",
    urgent="put",
    text_read=True,
)


def case(
    facts: Facts = PLAIN, *, history: History | None = None, now: str = "", came: str = "2026-11-27 20:00"
) -> Case:
    """Return the case of a message that came at an instant of Moscow's clock and is decided four minutes later."""
    arrived_at = at(came)
    return Case(
        message=MessageKey(mailbox="main", uidvalidity=1, uid=7),
        facts=facts,
        history=history or History(),
        arrived_at=arrived_at,
        now_at=at(now) if now else arrived_at + timedelta(minutes=4),
    )


def planned(one: Case, rules: Policy = RULES) -> tuple[Verdict, list[str]]:
    """Return the verdict and the kinds of the effects that follow from it."""
    verdict = decide(one, rules)
    return verdict, [type(effect).__name__ for effect in make_plan(one, verdict, rules, IDENTITY).effects]


def alert_of(one: Case, rules: Policy = RULES) -> Alert:
    """Return the one alert that follows."""
    verdict = decide(one, rules)
    (found,) = [each for each in make_plan(one, verdict, rules, IDENTITY).effects if isinstance(each, Alert)]
    return found


# ------------------------------------------------------------------------------------------- the word


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("СРОЧНО: договор", "put"),
        ("срочно договор", "put"),
        ("Договор, Срочно!", "put"),
        ("[СРОЧНО] договор", "put"),
        ("договор_СРОЧНО_2", "put"),
        ("СРОЧНО-договор", "put"),
        ("Договор", ""),
        ("", ""),
        ("бессрочно", ""),
        ("срочность", ""),
        ("несрочно", ""),
        ("СРОЧНО2", ""),
        ("Не срочно: договор", ""),
        ("не-срочно", ""),
        ("Почему не отвечаете? СРОЧНО", "put"),
        ("Re: СРОЧНО: договор", "kept"),
        ("RE[2]: Отв: СРОЧНО: договор", "kept"),
        ("Fwd: СРОЧНО", "kept"),
        ("СРОЧНО Re: договор", "put"),
    ],
)
def test_the_word_counts_as_a_whole_word(subject: str, found: str) -> None:
    """It is found whatever its case and its neighbours, never inside another word, and a "Re:" before it is told."""
    assert word_in(subject, "СРОЧНО") == found


@pytest.mark.parametrize(
    ("word", "subject", "found"),
    [
        ("cito", "CITO! results", "put"),
        ("cito", "explicito", ""),
        ("СЕЙЧАС", "сеи\u0306час", "put"),  # decomposed, as some telephones write it
        ("ЁЛКА", "елка", "put"),
        ("URGENT", "not urgent: lunch", ""),
        ("URGENT", "non-urgent", ""),
        ("DRINGEND", "nicht dringend", ""),
        ("DRINGEND", "Dringend", "put"),
        ("STRASSE", "straße", "put"),
        ("", "anything", ""),
    ],
)
def test_the_word_is_compared_as_people_write_it(word: str, subject: str, found: str) -> None:
    """Composed and decomposed letters are the same, ё is е, and a denial before the word takes it back."""
    assert word_in(subject, word) == found


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_subject_breaks_the_search(subject: str, word: str) -> None:
    """Whatever a stranger writes into a subject, and whatever was agreed, an answer comes."""
    assert word_in(subject, word) in ("", "put", "kept")


@pytest.mark.parametrize("word", ["СРОЧНО", "urgent", "СИТО", "code-red", "l'urgence", "Żółw"])
def test_a_word_that_may_be_agreed(word: str) -> None:
    """A word of three letters and more that is no everyday word is accepted, and found in a subject of its own."""
    assert fault_of_word(word) == ""
    assert word_in(f"{word}: please", word) == "put"


@pytest.mark.parametrize(
    "word",
    ["re", "Re", "ab1", "123", "very urgent", "СРОЧНО!", "*", "fwd", "Договор", "СЧЁТ", "a\nb", "x" * 31, "", "_ab_"],
)
def test_a_word_that_may_not(word: str) -> None:
    """Short, ordinary, several or hostile words are refused, each with a reason."""
    assert fault_of_word(word)


def test_no_ordinary_word_is_missed_for_its_spelling() -> None:
    """The list is written as words are compared: lower case, without ё."""
    assert all(word == word.casefold().replace("ё", "е") for word in ORDINARY)


# ------------------------------------------------------------------------------------------- facts


def facts_of(subject: str, sender: str = "ivan@vostok.example", more: str = "") -> Facts:
    """Return the facts of a message with that subject."""
    header = (
        f"Return-Path: <{sender}>\r\nFrom: <{sender}>\r\nTo: anna@example.com\r\n{more}"
        f"Message-ID: <1@x.example>\r\nSubject: {subject}\r\n\r\n"
    ).encode()
    key = MessageKey(mailbox="main", uidvalidity=1, uid=7)
    message = Message(
        key=key, header=header, header_cut=False, internal_at=NIGHT, size=len(header), flags=frozenset(), body=None
    )
    return observe(message, RULES, IDENTITY)


def test_the_word_is_read_from_an_encoded_subject() -> None:
    """What a mail program encodes is decoded first."""
    assert facts_of("=?utf-8?b?0KHQoNCe0KfQndCeOiDQtNC+0LPQvtCy0L7RgA==?=").urgent == "put"


@pytest.mark.parametrize("sender", ["hans@berlin.example", "who@nowhere.example"])
def test_the_word_is_nothing_to_others(sender: str) -> None:
    """Another client's mail and a stranger's are not urgent by this client's word."""
    assert facts_of("СРОЧНО: договор", sender).urgent == ""


def test_a_sender_known_by_domain_may_use_the_word() -> None:
    """Somebody of the client's house, matched by the domain alone, who has the word may call the owner by it."""
    facts = facts_of("СРОЧНО: договор", "kolya@vostok.example")
    assert (facts.urgent, facts.by_domain) == ("put", True)


# ----------------------------------------------------------------------------------------- verdicts


def test_by_night_it_is_flagged_told_and_answered_with_the_urgent_text() -> None:
    """It stays in INBOX, gets a flag, the owner is called, the reply is the urgent one, and a promise opens."""
    verdict, kinds = planned(case())
    assert (verdict.reason, verdict.reply, verdict.file, verdict.urgent) == (Reason.FULL, ReplyKind.URGENT, False, True)
    assert verdict.promises
    assert kinds == ["SendReply", "Flag", "Alert"]
    assert (verdict.trail[-1].rule, verdict.trail[-1].held) == ("urgent", True)


def test_by_day_it_is_flagged_and_told() -> None:
    """While open nobody is answered, and the owner is called all the same."""
    verdict, kinds = planned(case(came="2026-11-27 12:00"))
    assert (verdict.reason, verdict.reply, verdict.promises) == (Reason.OPEN, ReplyKind.NONE, True)
    assert kinds == ["Flag", "Alert"]


def test_without_the_word_nothing_is_different() -> None:
    """A client with an urgent word who does not use it is answered and filed as ever, and the trail says nothing."""
    verdict, kinds = planned(case(replace(PLAIN, urgent="", subject="Договор")))
    assert (verdict.reply, verdict.file, verdict.urgent) == (ReplyKind.FULL, True, False)
    assert kinds == ["SendReply", "FileMessage"]
    assert all(step.rule != "urgent" for step in verdict.trail)


@pytest.mark.parametrize(
    ("change", "history", "reason"),
    [
        ({}, History(owner_wrote_at=NIGHT - timedelta(minutes=5)), Reason.CONVERSING),
        ({}, History(answered_at=NIGHT + timedelta(minutes=1)), Reason.ANSWERED),
        ({"named_in": ""}, History(), Reason.NOT_ADDRESSED),
        ({"named_in": "cc", "others_in_to": True}, History(), Reason.COPIED),
        ({"return_path": None}, History(), Reason.NO_RETURN_PATH),
        ({"return_path_is_clients": False}, History(), Reason.RETURN_PATH_DIFFERS),
        ({"answers_ours": True}, History(), Reason.ANSWER_TO_REPLY),
        ({}, History(told_until=frozenset({at("2026-11-30 10:00")})), Reason.TOLD),
        ({}, History(suspended_until=NIGHT + timedelta(days=1)), Reason.SUSPENDED),
        ({}, History(breaker_until=NIGHT + timedelta(days=1)), Reason.LIMIT),
    ],
)
def test_rows_nine_to_thirteen_bear_the_mark(change: dict[str, object], history: History, reason: Reason) -> None:
    """Whatever else keeps a reply from being sent, the mail is flagged in INBOX and the owner is called."""
    facts = replace(PLAIN, **change)  # type: ignore[arg-type] # a test's short way
    verdict, kinds = planned(case(facts, history=history))
    assert (verdict.reason, verdict.file) == (reason, False)
    assert kinds == ["Flag", "Alert"]


def test_an_owed_clients_urgent_mail_is_said_to_stay() -> None:
    """Who is owed a promise and writes urgently is in both alerts, and neither says that the mail is filed."""
    one = case(history=History(owed_since=NIGHT - timedelta(days=1)))
    verdict = decide(one, RULES)
    texts = [effect.text for effect in make_plan(one, verdict, RULES, IDENTITY).effects if isinstance(effect, Alert)]
    assert verdict.reason is Reason.OWING
    assert len(texts) == 2
    assert all("stays in INBOX" in text and "filed" not in text for text in texts)


@pytest.mark.parametrize(
    ("change", "history"),
    [
        ({"automatic": "Precedence: bulk"}, History()),
        ({"own": "From"}, History()),
        ({"unreadable": "two From fields"}, History()),
        ({"dmarc": Dmarc.FAIL}, History()),
        ({}, History(decided=True)),
        ({}, History(before_start=True)),
    ],
)
def test_the_rows_above_know_no_mark(change: dict[str, object], history: History) -> None:
    """What is a machine's, forged, the owner's own or no news is not urgent, whatever its subject says."""
    facts = replace(PLAIN, **change)  # type: ignore[arg-type] # a test's short way
    verdict, kinds = planned(case(facts, history=history))
    assert (verdict.urgent, verdict.alert, kinds) == (False, "", [])


def test_a_threads_old_word_is_spent_once_the_owner_has_answered() -> None:
    """A "Re:" that keeps the word is ordinary mail then; before that, and with the word anew, it is urgent."""
    kept = replace(PLAIN, urgent="kept", subject="Re: СРОЧНО: договор")
    verdict, kinds = planned(case(kept, history=History(urgent_spent=True)))
    assert (verdict.urgent, verdict.reply, kinds) == (False, ReplyKind.FULL, ["SendReply", "FileMessage"])
    assert (verdict.trail[-1].rule, verdict.trail[-1].held) == ("urgent", False)
    assert decide(case(kept), RULES).urgent
    assert decide(case(history=History(urgent_spent=True)), RULES).urgent


# ------------------------------------------------------------------------------------------- alerts


def test_the_alert_says_who_and_when_and_not_what() -> None:
    """The client, the person as the owner calls them, the owner's clock; never the subject or the whole address."""
    one = alert_of(case())
    assert one.unique == "urgent:vostok:2026-11-27:1"
    assert one.text == (
        "Urgent: ООО «Восток», Иван Петрович, 2026-11-27 20:00. The message is flagged and stays in INBOX."
    )
    other = alert_of(case(replace(PLAIN, address="kolya@vostok.example", by_domain=True)))
    assert "ООО «Восток», k…@vostok.example, " in other.text
    assert "договор" not in one.text + other.text


def test_the_fourth_of_a_day_is_flagged_and_calls_nobody() -> None:
    """Three alerts a day, counted from what was given; the third says so, and the fourth's reply does not boast."""
    given = {f"urgent:vostok:2026-11-27:{number}" for number in (1, 2)}
    third = alert_of(case(history=History(urgent_alerts=frozenset(given))))
    assert third.unique.endswith(":3")
    assert "only flagged" in third.text
    verdict, kinds = planned(case(history=History(urgent_alerts=frozenset({*given, third.unique}))))
    assert (verdict.urgent, verdict.alert, verdict.reply) == (True, "", ReplyKind.FULL)
    assert kinds == ["SendReply", "Flag"]


def test_the_days_are_the_owners_and_the_count_is_the_clients() -> None:
    """What was given yesterday, or for another client, leaves this client's three of today."""
    given = frozenset(
        f"urgent:{key}:{on}:{number}"
        for key, on in (("vostok", "2026-11-26"), ("berlin", "2026-11-27"))
        for number in (1, 2, 3)
    )
    assert alert_of(case(history=History(urgent_alerts=given))).unique == "urgent:vostok:2026-11-27:1"


def test_mails_judged_together_count_for_each_other() -> None:
    """Five urgent mails in one round are five flags and three alerts, no two under one key."""
    cases = [
        replace(
            case(replace(PLAIN, fingerprint=f"{number}" * 64, address=f"p{number}@vostok.example")),
            message=MessageKey(mailbox="main", uidvalidity=1, uid=number),
        )
        for number in range(1, 6)
    ]
    verdicts = [verdict for _, verdict in decide_all(cases, RULES)]
    assert [verdict.urgent for verdict in verdicts] == [True] * 5
    keys = [verdict.alert for verdict in verdicts if verdict.alert]
    assert len(set(keys)) == len(keys) == MOST_ALERTS


def test_the_flag_is_for_the_message_in_inbox() -> None:
    """The flag names the message by its place and its Message-ID, and INBOX."""
    one = case()
    (flag,) = [e for e in make_plan(one, decide(one, RULES), RULES, IDENTITY).effects if isinstance(e, Flag)]
    assert (flag.key, flag.message_id, flag.folder) == (one.message, PLAIN.message_id, "")


# -------------------------------------------------------------------------------------------- texts


def body(one: Case, rules: Policy = RULES) -> str:
    """Return the text of the reply, decoded."""
    import email  # noqa: PLC0415
    import email.policy  # noqa: PLC0415

    plan = make_plan(one, decide(one, rules), rules, IDENTITY)
    (reply,) = [effect for effect in plan.effects if isinstance(effect, SendReply)]
    return str(email.message_from_bytes(reply.message, policy=email.policy.default).get_content())  # type: ignore[attr-defined]


def test_the_urgent_text_promises_the_due_time_and_no_more() -> None:
    """It says that the owner is called, that it is automatic, and the instant that was agreed."""
    text = " ".join(body(case(replace(PLAIN, quotable_subject="СРОЧНО: договор"))).split())
    assert "отмечено как срочное, мне отправлен сигнал." in text
    assert "самое позднее отвечу к утру вторника, 1 декабря (точно: до 02:00 по Вашему времени" in text
    assert "Это автоматический ответ" in text
    assert "поставьте в тему" not in text


def test_the_full_text_names_the_word_to_a_known_address_only() -> None:
    """Who is listed is told the word; who is matched by the domain alone is not, nor anybody where none is agreed."""
    ordinary = replace(PLAIN, urgent="", subject="Договор")
    said = "поставьте в тему письма слово «СРОЧНО»: я получу сигнал."
    assert said in body(case(ordinary))
    assert "СРОЧНО" not in body(case(replace(ordinary, address="kolya@vostok.example", by_domain=True)))
    assert "поставьте" not in body(case(ordinary), policy())


def test_the_english_texts_say_the_same() -> None:
    """An English client is told of the word, and answered when it was used."""
    rules = policy(clients=(client(language="en", people={}, urgent_word="URGENT"),))
    ordinary = replace(PLAIN, urgent="", subject="Contract")
    assert "put the word “URGENT” into the subject: I will be alerted." in body(case(ordinary), rules)
    text = " ".join(body(case(replace(PLAIN, subject="URGENT")), rules).split())
    assert "Your message is marked as urgent, and I have been sent an alert." in text
    assert "at the latest, I will answer by the morning of Tuesday, 1 December" in text


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("Это автоматический ответ: {{ urgent }}.", "lacks the due time"),
        ("{{ when }}", "does not say that it is automatic"),
        ("{{ word }}", "unknown variable"),
    ],
)
def test_the_owners_urgent_text_is_tried(source: str, fault: str) -> None:
    """A text of the owner's for urgent mail must hold the due time and say that it is automatic."""
    (found,) = check_templates(replace(RULES, templates={"ru": {"urgent": source}}))
    assert found.path == "templates.ru.urgent"
    assert fault in found.text


def test_replies_that_are_off_leave_the_mark() -> None:
    """Whoever wants no automatic replies is still called for urgent mail."""
    rules = replace(RULES, replies=replies(mode="off"))
    verdict, kinds = planned(case(), rules)
    assert (verdict.reason, kinds) == (Reason.OPTED_OUT, ["Flag", "Alert"])
    assert FileMessage.__name__ not in kinds
