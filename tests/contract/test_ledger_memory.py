"""What every ledger promises through the port of its memory: promises, histories, status, and what it forgets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from responder.core.model import (
    Alert,
    Flag,
    MessageKey,
    Outcome,
    Reason,
    ReplyKind,
)
from responder.errors import PermanentError
from tests.adapters.ledger_build import (
    DAY,
    DUE,
    HOUR,
    IVAN,
    NOW,
    OPENS,
    close,
    decision,
    enter,
    entry,
    move,
    planned,
    question,
    reply,
    state,
    wrote,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from responder.core.model import Effect
    from responder.ports import Decision, Ledger, LedgerEntry


# --------------------------------------------------------------------------------------- promises


async def test_a_promise_is_opened_told_and_listed_by_its_due_time(ledger: Ledger) -> None:
    """Promises open with the verdict at the arrival; the reply's receipt marks its own as told."""
    a, b = entry("a", at=NOW - HOUR), entry("b", address="olga@nord.example", client="nord")
    send, _ = await enter(
        ledger,
        decision(a, reply(a), promises=True),
        decision(b, reply(b), promises=True, due_at=DUE - DAY),
        decision(entry("c"), reason=Reason.NO_DUE_TIME, promises=True, due_at=None),
    )
    await close(ledger, send, at=NOW + HOUR)
    second, first = await ledger.promises()
    assert (second.fingerprint, second.told_at, second.state) == ("b", None, "open")
    assert (first.fingerprint, first.client, first.address, first.due_at) == ("a", "vostok", IVAN, DUE)
    assert (first.opened_at, first.told_at, first.state) == (NOW - HOUR, NOW + HOUR, "open")
    assert await ledger.promises(limit=1) == [second]


async def test_a_filed_message_or_a_reply_in_doubt_tells_nothing(ledger: Ledger) -> None:
    """Only the receipt DONE of a reply marks a promise as told."""
    a = entry("a")
    send, file = await enter(ledger, decision(a, reply(a), move(a), promises=True))
    await close(ledger, file)
    await close(ledger, send, outcome=Outcome.IN_DOUBT)
    assert (await ledger.promises())[0].told_at is None


@pytest.mark.parametrize(
    ("at", "refers_to", "expected"),
    [
        (NOW + HOUR, ("<a@mail.example>",), "kept"),
        (DUE, ("<a@mail.example>",), "kept"),
        (DUE + HOUR, ("<first@mail.example>", "<a@mail.example>"), "late"),
        (NOW + HOUR, ("<thread@mail.example>",), "kept"),
        (NOW - HOUR, ("<thread@mail.example>",), "open"),
        (NOW + HOUR, ("<other@mail.example>",), "open"),
        (NOW + HOUR, (), "open"),
    ],
)
async def test_the_owners_answer_ends_a_promise(
    ledger: Ledger, at: datetime, refers_to: tuple[str, ...], expected: str
) -> None:
    """An answer to the message or its thread keeps the promise, or was late; older or other mail does not."""
    await enter(ledger, decision(entry("a"), promises=True, refers_to=("<thread@mail.example>",)))
    await ledger.owner_wrote([wrote(at, IVAN, refers_to=refers_to)])
    assert [row.state for row in await ledger.promises(open_only=False)] == [expected]
    assert len(await ledger.promises()) == (expected == "open")


async def test_an_answer_read_before_the_verdict_ends_the_promise_at_once(ledger: Ledger) -> None:
    """Who answered during the grace time owes nothing."""
    a = entry("a")
    await ledger.record(state=None, waiting=[a], decisions=(), now_at=NOW)
    await ledger.owner_wrote([wrote(NOW + HOUR, IVAN, refers_to=("<a@mail.example>",))])
    await enter(ledger, decision(a, reason=Reason.ANSWERED, promises=True), now_at=NOW + HOUR)
    assert await ledger.promises() == []
    assert [row.state for row in await ledger.promises(open_only=False)] == ["kept"]


# -------------------------------------------------------------------------------------- histories


async def test_nothing_is_known_of_a_new_message(ledger: Ledger) -> None:
    """An empty ledger answers with nothing, and no question with no answer."""
    (history,) = await ledger.histories([question(entry("a"))], NOW)
    assert history == type(history)()
    assert await ledger.histories([], NOW) == ()


async def test_histories_come_in_the_order_of_the_questions(ledger: Ledger) -> None:
    """Each question gets its own answer, also when two are about one sender."""
    a = entry("a")
    await enter(ledger, decision(a, reply(a)))
    others = [entry("b", address="olga@nord.example", client="nord"), a, entry("c")]
    histories = await ledger.histories([question(one) for one in others], NOW)
    assert [history.decided for history in histories] == [False, True, False]
    assert [history.told_until for history in histories] == [frozenset(), {OPENS}, {OPENS}]


async def test_told_lasts_as_long_as_the_closed_period(ledger: Ledger) -> None:
    """A long absence that ends next year is still told after months; one that ended long ago is forgotten."""
    a, b = entry("a"), entry("b")
    await enter(ledger, decision(a, reply(a)), decision(b, reply(b, ends_at=OPENS + 200 * DAY)))
    (history,) = await ledger.histories([question(entry("c"))], NOW + 100 * DAY)
    assert history.told_until == {OPENS + 200 * DAY}


@pytest.mark.parametrize("kind", [ReplyKind.FULL, ReplyKind.SHORT])
@pytest.mark.parametrize("outcome", [None, Outcome.DONE, Outcome.IN_DOUBT, Outcome.REFUSED])
async def test_the_last_full_reply_is_the_last_that_may_have_left(
    ledger: Ledger, kind: ReplyKind, outcome: Outcome | None
) -> None:
    """Only a full reply that left, or may have, sets the time of the last full one."""
    a = entry("a")
    (send,) = await enter(ledger, decision(a, reply(a, kind=kind)))
    if outcome is not None:
        await close(ledger, send, outcome=outcome, at=NOW + HOUR)
    (history,) = await ledger.histories([question(entry("b"))], NOW + 2 * HOUR)
    left = kind is ReplyKind.FULL and outcome in {Outcome.DONE, Outcome.IN_DOUBT}
    assert history.full_at == (NOW + HOUR if left else None)


async def test_the_caps_count_rolling_hours_and_days(ledger: Ledger) -> None:
    """Replies are counted by the address and by all, from the moment they were planned or left."""
    for days, name in enumerate("abc"):
        one = entry(name)
        await enter(ledger, decision(one, reply(one, ends_at=OPENS + days * DAY)), now_at=NOW - 23 * HOUR + days * HOUR)
    one = entry("d", address="olga@nord.example")
    (send,) = await enter(ledger, decision(one, reply(one)), now_at=NOW - 3 * DAY)
    await close(ledger, send, at=NOW)
    (history,) = await ledger.histories([question(entry("e"))], NOW)
    assert (history.address_day, history.last_hour, history.last_day) == (3, 1, 4)
    (history,) = await ledger.histories([question(entry("e"))], NOW + HOUR)
    assert (history.address_day, history.last_hour, history.last_day) == (2, 0, 3)


async def test_the_breaker_is_tripped_once_and_closes_by_itself(ledger: Ledger) -> None:
    """Only the first to trip it is told so; after its time nothing holds any more."""
    assert await ledger.trip_breaker(OPENS) is True
    assert await ledger.trip_breaker(OPENS) is False
    assert await ledger.trip_breaker(OPENS - HOUR) is False
    (history,) = await ledger.histories([question(entry("a"))], NOW)
    assert history.breaker_until == OPENS
    assert (await ledger.summary(NOW)).breaker_until == OPENS
    (history,) = await ledger.histories([question(entry("a"))], OPENS)
    assert history.breaker_until is None
    assert (await ledger.summary(OPENS)).breaker_until is None
    assert await ledger.trip_breaker(OPENS + DAY) is True


async def test_a_bounced_address_is_suspended_for_thirty_days(ledger: Ledger) -> None:
    """A failed delivery report about a reply of ours silences the address it went to, and no other."""
    asked = entry("asked")
    await enter(ledger, decision(asked, reply(asked)))
    report = entry("report", address="mailer-daemon@vostok.example", client="")
    ids = (reply(asked).message_id,)
    bounced = decision(report, reason=Reason.BOUNCE_OF_REPLY, due_at=None, bounce_of_ours=IVAN, bounced_ids=ids)
    await enter(ledger, bounced)
    olga = entry("b", address="olga@nord.example")
    ivans, olgas = await ledger.histories([question(entry("a")), question(olga)], NOW)
    assert (ivans.suspended_until, olgas.suspended_until) == (NOW + 30 * DAY, None)
    assert (await ledger.summary(NOW)).suspended == 1
    (history,) = await ledger.histories([question(entry("a"))], NOW + 30 * DAY)
    assert history.suspended_until is None


async def test_a_forged_report_silences_nobody_else(ledger: Ledger) -> None:
    """Whoever names another's address in a report about the reply to himself silences himself alone."""
    asked = entry("asked")
    await enter(ledger, decision(asked, reply(asked)))
    forged = entry("forged", address="mailer-daemon@vostok.example", client="")
    known, unknown = reply(asked).message_id, "<r.nobody@example.com>"
    for ids in ((unknown,), (known, unknown)):
        bounced = decision(
            replace(forged, fingerprint=f"forged{len(ids)}"),
            reason=Reason.BOUNCE_OF_REPLY,
            due_at=None,
            bounce_of_ours="olga@nord.example",
            bounced_ids=ids,
        )
        await enter(ledger, bounced)
        assert (await ledger.summary(NOW)).suspended == len(ids) - 1
    olga = entry("b", address="olga@nord.example")
    ivans, olgas = await ledger.histories([question(entry("a")), question(olga)], NOW)
    assert (ivans.suspended_until, olgas.suspended_until) == (NOW + 30 * DAY, None)


async def test_a_client_is_owed_by_all_its_addresses(ledger: Ledger) -> None:
    """The oldest late promise counts for the whole client, for thirty days; nobody else is owed."""
    oleg = entry("oleg", address="oleg@vostok.example")
    await enter(
        ledger,
        decision(entry("a"), promises=True),
        decision(oleg, promises=True, due_at=DUE - HOUR),
    )
    asked = [
        entry("b"),
        entry("c", address="n@x.example", client=""),
    ]
    questions = [question(one) for one in asked]
    assert [one.owed_since for one in await ledger.histories(questions, DUE - HOUR)] == [None, None]
    late = DUE + HOUR
    assert [one.owed_since for one in await ledger.histories(questions, late)] == [DUE - HOUR, None]
    assert [one.owed_since for one in await ledger.histories(questions, DUE + 24 * 31 * HOUR)] == [None, None]
    await ledger.owner_wrote([wrote(late, IVAN, refers_to=("<oleg@mail.example>", "<a@mail.example>"))])
    assert [one.owed_since for one in await ledger.histories(questions, late)] == [None, None]


@pytest.mark.parametrize(
    ("ago", "recipient", "by_domain", "found"),
    [
        (0 * HOUR, IVAN, False, True),
        (HOUR, IVAN, False, True),
        (1.1 * HOUR, IVAN, False, False),
        (0.5 * HOUR, "oleg@vostok.example", False, False),
        (0.5 * HOUR, "oleg@vostok.example", True, True),
        (0.5 * HOUR, "oleg@sub.vostok.example", True, False),
    ],
)
async def test_the_owner_wrote_to_this_client_just_before(
    ledger: Ledger, ago: float, recipient: str, *, by_domain: bool, found: bool
) -> None:
    """Mail to any address of the client counts, or to a domain of the client's; both ends included."""
    at = NOW - ago  # type: ignore[operator] # a timedelta, which pytest's table does not say
    await ledger.owner_wrote([wrote(at, "x@y.example", recipient), wrote(NOW + HOUR, "x@y.example", name="p")])
    domains = frozenset({"vostok.example"} if by_domain else ())
    asked = replace(question(entry("a"), by_domain=by_domain), addresses=frozenset({IVAN}), domains=domains)
    (history,) = await ledger.histories([asked], NOW)
    assert history.owner_wrote_at == (at if found else None)
    assert history.answered_at is None


async def test_the_last_of_several_messages_before_the_arrival_counts(ledger: Ledger) -> None:
    """Of what the owner wrote before, the latest is named; of what came after, the first."""
    minute = HOUR / 60
    times = [NOW - 50 * minute, NOW - 10 * minute, NOW + 5 * minute, NOW + 9 * minute]
    await ledger.owner_wrote([wrote(at, IVAN, name=str(place)) for place, at in enumerate(reversed(times))])
    (history,) = await ledger.histories([question(entry("a"))], NOW + HOUR)
    assert (history.owner_wrote_at, history.answered_at) == (times[1], times[2])


@pytest.mark.parametrize(
    ("refers_to", "recipient", "found"),
    [
        (("<a@mail.example>",), "someone@x.example", True),
        (("<thread@mail.example>",), "someone@x.example", True),
        ((), IVAN, True),
        (("<other@mail.example>",), "oleg@vostok.example", False),
    ],
)
async def test_an_answer_is_to_the_message_its_thread_or_its_sender(
    ledger: Ledger, refers_to: tuple[str, ...], recipient: str, *, found: bool
) -> None:
    """What the owner wrote after the arrival is an answer by reference or by recipient."""
    await ledger.owner_wrote([wrote(NOW + HOUR, recipient, refers_to=refers_to)])
    asked = question(entry("a"), refers_to=("<thread@mail.example>",))
    (history,) = await ledger.histories([asked], NOW + HOUR)
    assert history.answered_at == (NOW + HOUR if found else None)
    assert history.owner_wrote_at is None


async def test_a_message_without_an_id_is_not_answered_by_chance(ledger: Ledger) -> None:
    """No Message-ID matches no reference."""
    await ledger.owner_wrote([wrote(NOW + HOUR, "x@y.example", refers_to=("",))])
    nameless = replace(entry("a"), message_id="")
    (history,) = await ledger.histories([question(nameless)], NOW)
    assert history.answered_at is None


# ------------------------------------------------------------------------------------------ status


async def test_the_summary_counts_what_is_and_what_was_lately(ledger: Ledger) -> None:
    """Reasons, doubts and refusals are the last week's; promises, waiting and planned are the present ones."""
    a, b, c = (entry(name, address=f"{name}@x.example") for name in "abc")
    doubted, refused, *_ = await enter(
        ledger, decision(a, reply(a)), decision(b, reply(b), promises=True), decision(c, reply(c), move(c))
    )
    await close(ledger, doubted, outcome=Outcome.IN_DOUBT)
    await close(ledger, refused, outcome=Outcome.REFUSED)
    await ledger.record(state=None, waiting=[entry("w")], decisions=(), now_at=NOW)
    now = await ledger.summary(NOW)
    assert now.by_reason == {"full": 3}
    assert (now.open_promises, now.late_promises, now.waiting, now.planned) == (1, 0, 1, 2)
    assert (now.in_doubt, now.refused, now.suspended) == (1, 1, 0)
    later = await ledger.summary(NOW + 8 * DAY)
    assert later.by_reason == {}
    assert (later.open_promises, later.late_promises, later.planned) == (1, 1, 2)
    assert (later.in_doubt, later.refused) == (0, 0)


async def test_notes_keep_their_last_word(ledger: Ledger) -> None:
    """A note is replaced, not added."""
    assert await ledger.notes() == {}
    await ledger.note("poll", "10:00")
    await ledger.note("poll", "10:01")
    await ledger.note("state", "active")
    assert await ledger.notes() == {"poll": "10:01", "state": "active"}


# ------------------------------------------------------------------------------------------- prune


async def test_prune_forgets_what_is_old_and_owes_nothing(ledger: Ledger) -> None:
    """Old decided messages go with their effects; what is open, unfinished, waiting or recent stays."""
    old, owes, busy, recent, waits = (entry(name, address=f"{name}@x.example") for name in ("o", "p", "b", "r", "w"))
    send, file, owing, _ = await enter(
        ledger,
        decision(old, reply(old), move(old)),
        decision(owes, reply(owes), promises=True),
        decision(busy, move(busy)),
    )
    await close(ledger, send, file, owing)
    await enter(ledger, decision(recent), now_at=OPENS + 9 * DAY)
    await ledger.record(state=None, waiting=[waits], decisions=(), now_at=NOW)
    assert await ledger.prune(OPENS + DAY) == 1
    assert sorted(await ledger.known(["o", "p", "b", "r", "w"])) == ["b", "p", "r", "w"]
    (history,) = await ledger.histories([question(entry("x", address="o@x.example"))], NOW)
    assert (history.told_until, history.full_at, history.address_day) == (frozenset(), None, 0)
    assert await ledger.prune(OPENS + DAY) == 0
    await ledger.owner_wrote([wrote(NOW + HOUR, refers_to=("<p@mail.example>",))])
    assert await ledger.prune(OPENS + DAY) == 1
    assert await ledger.promises(open_only=False) == []


async def test_prune_keeps_what_was_told_for_a_period_that_still_lasts(ledger: Ledger) -> None:
    """However little is kept, nobody is told twice in one long absence."""
    a = entry("a")
    (send,) = await enter(ledger, decision(a, reply(a, ends_at=OPENS + 60 * DAY)))
    await close(ledger, send)
    assert await ledger.prune(NOW + 30 * DAY) == 0
    assert await ledger.prune(OPENS + 61 * DAY) == 1


async def test_rewind_makes_what_a_clock_ahead_entered_age_as_anything_else(ledger: Ledger) -> None:
    """Replies, owner's mail, breaker and suspensions of a wrong future count as of now, and then pass."""
    future = NOW + 20_000 * DAY
    a, waits = entry("a", at=future), entry("w", at=future)
    (send,) = await enter(ledger, decision(a, reply(a), promises=True), now_at=future)
    await close(ledger, send, at=future)
    await ledger.record(state=None, waiting=[waits], decisions=(), now_at=future)
    await ledger.owner_wrote([wrote(future, IVAN)])
    await ledger.trip_breaker(future)
    await ledger.rewind(NOW)
    asked = question(entry("x", at=NOW + HOUR))
    (history,) = await ledger.histories([asked], NOW + HOUR / 2)
    assert (history.address_day, history.last_hour, history.answered_at) == (1, 1, None)
    (later,) = await ledger.histories([asked], NOW + 31 * DAY)
    assert (later.address_day, later.last_day, later.breaker_until) == (0, 0, None)
    (entered,) = await ledger.waiting("main")
    assert (entered.arrived_at, entered.seen_at) == (NOW, NOW)
    before = await ledger.notes(), await ledger.promises(), await ledger.waiting("main")
    await ledger.rewind(NOW + DAY)
    assert (await ledger.notes(), await ledger.promises(), await ledger.waiting("main")) == before


async def test_an_id_is_never_used_again(ledger: Ledger) -> None:
    """A receipt for an effect that was forgotten cannot close another."""
    a, b = entry("a"), entry("b")
    (file,) = await enter(ledger, decision(a, move(a)))
    await close(ledger, file)
    assert await ledger.prune(NOW + DAY) == 1
    (other,) = await enter(ledger, decision(b, move(b)))
    assert other.id > file.id


async def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    """To close twice is no error; to ask a closed ledger is."""
    await ledger.close()
    await ledger.close()
    with pytest.raises(PermanentError, match="closed"):
        await ledger.notes()


# ------------------------------------------------------------------------------------------ urgent


def urgent(one: LedgerEntry, *effects: Effect) -> Decision:
    """Return the decision about an urgent message."""
    made = decision(one, *effects)
    return replace(made, verdict=replace(made.verdict, urgent=True))


async def test_urgent_alerts_are_known_to_who_asks_about_urgent_mail(ledger: Ledger) -> None:
    """The keys of those that were given, or will be, come back for three days; what could not be given makes room."""
    keys = [f"urgent:vostok:2026-11-27:{number}" for number in (1, 2, 3)]
    names = ("a", "b", "c", "d")
    stored = await enter(
        ledger,
        *(
            urgent(entry(name), Alert(unique=key, text="x"))
            for name, key in zip(names, [*keys, "owing:x"], strict=True)
        ),
    )
    await close(ledger, stored[0])
    await close(ledger, stored[1], outcome=Outcome.REFUSED)
    asked = question(entry("e"), urgent="put")
    (history,) = await ledger.histories([asked], NOW)
    assert history.urgent_alerts == {keys[0], keys[2]}
    (later,) = await ledger.histories([asked], NOW + 3 * DAY)
    assert later.urgent_alerts == frozenset()


@pytest.mark.parametrize(
    ("first_is_urgent", "answered_after", "said", "spent"),
    [
        (True, HOUR / 2, "kept", True),
        (True, HOUR / 2, "put", False),
        (True, -HOUR / 2, "kept", False),  # the owner wrote in the thread before it became urgent
        (True, None, "kept", False),
        (False, HOUR / 2, "kept", False),
    ],
)
async def test_a_threads_word_is_spent_by_the_owners_answer(
    ledger: Ledger, *, first_is_urgent: bool, answered_after: timedelta | None, said: str, spent: bool
) -> None:
    """Only where the thread was urgent, and this message answers what the owner wrote after that, is the word spent."""
    first = entry("first", at=NOW - HOUR)
    await enter(ledger, urgent(first) if first_is_urgent else decision(first))
    mine = wrote(first.arrived_at + (answered_after or HOUR), IVAN, refers_to=(first.message_id,))
    if answered_after is not None:
        await ledger.owner_wrote([mine])
    for thread in ((first.message_id, mine.message_id), (mine.message_id,)):
        asked = question(entry("second"), urgent=said, refers_to=thread)
        (history,) = await ledger.histories([asked], NOW)
        assert history.urgent_spent is spent


async def test_the_uses_of_a_month_are_counted_by_client(ledger: Ledger) -> None:
    """Each message that was urgent counts for thirty days, whatever became of it."""
    await enter(ledger, urgent(entry("a")), urgent(entry("b")), urgent(entry("c", client="nord")), decision(entry("d")))
    assert (await ledger.summary(NOW)).urgent == {"nord": 1, "vostok": 2}
    assert (await ledger.summary(NOW + 29 * DAY)).urgent == {"nord": 1, "vostok": 2}
    assert (await ledger.summary(NOW + 31 * DAY)).urgent == {}


async def test_a_planned_flag_follows_its_message(ledger: Ledger) -> None:
    """When INBOX is numbered anew a flag gets the new place, or is closed with its message; elsewhere it stays."""
    a, b, c = entry("a"), entry("b", uid=2), entry("c", uid=3)
    flags = {
        one.fingerprint: Flag(fingerprint=one.fingerprint, key=one.key, message_id=one.message_id, folder=folder)
        for one, folder in ((a, ""), (b, ""), (c, "Callbacks/x"))
    }
    await enter(ledger, *(urgent(one, flags[one.fingerprint]) for one in (a, b, c)))
    place = MessageKey(mailbox="main", uidvalidity=8, uid=40)
    await ledger.renumber(state=state(50), places={"a": place}, decisions=(), now_at=NOW)
    assert await planned(ledger) == [replace(flags["a"], key=place), flags["c"]]
