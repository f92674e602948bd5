"""What every ledger promises through the port, asked of the one on disk and of the one in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder.core.model import (
    Alert,
    CopySent,
    Outcome,
    Reason,
    Receipt,
    ReplyKind,
    SaveDraft,
    SendReply,
)
from responder.errors import TemporaryError
from responder.ports import Ledger, SentCursor
from tests.adapters.ledger_build import (
    DAY,
    DUE,
    HOUR,
    IVAN,
    MESSAGE,
    NOW,
    OPENS,
    TEXT,
    WINDOW,
    close,
    decision,
    enter,
    entry,
    move,
    planned,
    question,
    reply,
    state,
    trail,
)

# --------------------------------------------------------------------------------------- mailboxes


async def test_a_mailbox_is_unknown_before_its_first_start_and_then_remembered(ledger: Ledger) -> None:
    """A mailbox's cursor comes back as it was saved, with and without a place in Sent."""
    assert await ledger.mailbox("main") is None
    await ledger.save_mailbox(state(5))
    assert await ledger.mailbox("main") == state(5)
    read = replace(state(6), sent=SentCursor(folder="Отправленные", uidvalidity=3, uidnext=90))
    await ledger.save_mailbox(read)
    assert await ledger.mailbox("main") == read
    assert await ledger.mailbox("other") is None


async def test_the_cursor_moves_with_what_was_recorded(ledger: Ledger) -> None:
    """Recording and reading Sent each move the cursor they bring."""
    await ledger.record(state=state(9), waiting=(), decisions=(), now_at=NOW)
    assert await ledger.mailbox("main") == state(9)
    read = replace(state(9), sent=SentCursor(folder="Sent", uidvalidity=1, uidnext=2))
    await ledger.owner_wrote([], read)
    assert await ledger.mailbox("main") == read


# ---------------------------------------------------------------------------------------- messages


async def test_a_message_waits_until_it_is_decided(ledger: Ledger) -> None:
    """A message that waits is known without a reason, and stops waiting with its verdict."""
    late, early = entry("late", uid=2), entry("early", at=NOW - HOUR)
    await ledger.record(state=None, waiting=[late, early], decisions=(), now_at=NOW)
    assert await ledger.waiting("main") == [early, late]
    assert await ledger.waiting("other") == []
    assert await ledger.known(["early", "nobody"]) == {"early": early}
    await enter(ledger, decision(early, reason=Reason.TOLD))
    assert await ledger.waiting("main") == [late]
    assert await ledger.known(["early"]) == {"early": replace(early, reason="told")}


async def test_a_message_seen_again_while_it_waits_gets_its_new_place_only(ledger: Ledger) -> None:
    """Another UID is taken over; the first arrival and the first sight stand."""
    first = entry("a")
    again = entry("a", uid=77, at=NOW + HOUR)
    await ledger.record(state=None, waiting=[first], decisions=(), now_at=NOW)
    await ledger.record(state=None, waiting=[again], decisions=(), now_at=NOW)
    assert await ledger.waiting("main") == [replace(first, key=again.key)]


async def test_a_decided_message_does_not_wait_again(ledger: Ledger) -> None:
    """A message with a verdict keeps it when it is entered as waiting."""
    await enter(ledger, decision(entry("a"), reason=Reason.OPEN))
    await ledger.record(state=None, waiting=[entry("a", uid=5)], decisions=(), now_at=NOW)
    assert await ledger.waiting("main") == []
    assert (await ledger.known(["a"]))["a"].reason == "open"


async def test_a_decision_entered_twice_changes_nothing(ledger: Ledger) -> None:
    """Neither in one call nor in two does a message get a second verdict, plan or promise."""
    one = entry("a")
    made = decision(one, reply(one), move(one), promises=True)
    assert len(await enter(ledger, made, made)) == 2
    assert await enter(ledger, replace(made, verdict=replace(made.verdict, reason=Reason.OWN))) == []
    assert (await ledger.known(["a"]))["a"].reason == "full"
    assert len(await ledger.promises()) == 1
    assert len(await planned(ledger)) == 2


async def test_seen_before_does_not_decide_a_message_that_waits(ledger: Ledger) -> None:
    """The copy in a second mailbox is passed over while the first waits for its verdict."""
    await ledger.record(state=None, waiting=[entry("a")], decisions=(), now_at=NOW)
    await enter(ledger, decision(entry("a", mailbox="office"), reason=Reason.SEEN_BEFORE))
    assert await ledger.waiting("main") == [entry("a")]


async def test_a_decided_message_is_told_in_full(ledger: Ledger) -> None:
    """A decided row has the verdict as it was, the folder, the window and the words of the reply."""
    one = entry("a")
    await enter(ledger, decision(one, reply(one), move(one), topic="documents"))
    (row,) = await ledger.decided(message_id="<a@mail.example>")
    assert row.entry == replace(one, reason="full")
    assert (row.reply, row.due_at, row.topic, row.window) == ("full", DUE, "documents", WINDOW)
    assert (row.folder, row.decided_at) == ("Callbacks/2026-11-30 10-00", NOW)
    assert row.steps == ("Fri 20:00", "Tue 19:00")
    assert row.trail == tuple(
        {"rule": step.rule, "held": step.held, "detail": step.detail} for step in trail(Reason.FULL)
    )
    assert row.text == TEXT


async def test_decided_messages_come_newest_first_by_id_by_sender_or_just_the_last(ledger: Ledger) -> None:
    """Each filter finds its own, at most as many as asked for; what waits is not among them."""
    other = "olga@nord.example"
    await ledger.record(state=None, waiting=[entry("waits")], decisions=(), now_at=NOW)
    for hour, name in enumerate("abc"):
        one = entry(name, address=other if name == "b" else IVAN, at=NOW + hour * HOUR)
        await enter(ledger, decision(one, reason=Reason.TOLD), now_at=NOW + hour * HOUR)
    assert [row.entry.fingerprint for row in await ledger.decided(last=9)] == ["c", "b", "a"]
    assert [row.entry.fingerprint for row in await ledger.decided()] == ["c"]
    assert [row.entry.fingerprint for row in await ledger.decided(address=IVAN, last=9)] == ["c", "a"]
    assert [row.entry.fingerprint for row in await ledger.decided(message_id="<b@mail.example>")] == ["b"]
    assert await ledger.decided(message_id="<waits@mail.example>") == []
    assert [row.entry.fingerprint for row in await ledger.decided(reason=Reason.TOLD, last=2)] == ["c", "b"]
    assert await ledger.decided(reason=Reason.UNREADABLE, last=9) == []
    assert (await ledger.decided())[0].text == ""


async def test_stray_bytes_of_a_header_do_not_stop_the_line(ledger: Ledger) -> None:
    """A lone surrogate in an address, an id or a trail is stored as best it can be."""
    broken = replace(entry("a"), address="iv\udcffan@x.example", message_id="<\udcfe@x>")
    await enter(ledger, decision(broken, move(broken), promises=True, refers_to=("<\udcfd@x>",)))
    await ledger.histories([question(broken)], NOW)
    assert [row.entry.address for row in await ledger.decided()] == ["iv?an@x.example"]


# ---------------------------------------------------------------------------------------- replies


async def test_effects_come_back_in_their_order_with_growing_ids(ledger: Ledger) -> None:
    """What was planned is returned in the order given, and unfinished oldest first."""
    a, b = entry("a"), entry("b", address="olga@nord.example")
    stored = await enter(ledger, decision(a, reply(a), move(a)), decision(b, move(b)))
    assert [one.effect for one in stored] == [reply(a), move(a), move(b)]
    assert [one.id for one in stored] == sorted({one.id for one in stored})
    assert {one.state for one in stored} == {"planned"}
    assert await ledger.unfinished("main") == stored
    assert await ledger.unfinished("office") == []


async def test_one_address_is_told_once_for_one_closed_period(ledger: Ledger) -> None:
    """Of two replies to an address for one period, in one call or two mailboxes, exactly one is planned."""
    a, b, c = entry("a"), entry("b"), entry("c", mailbox="office")
    both = await enter(ledger, decision(a, reply(a)), decision(b, reply(b, kind=ReplyKind.SHORT), move(b)))
    assert [one.effect for one in both] == [reply(a), move(b)]
    assert await enter(ledger, decision(c, reply(c), reason=Reason.SHORT, promises=True)) == []
    for one in (b, c):
        (row,) = await ledger.decided(message_id=one.message_id)
        assert (row.entry.reason, row.reply) == ("told", "none")
    assert [row.fingerprint for row in await ledger.promises()] == ["c"]


async def test_another_end_of_the_period_or_another_address_is_another_reply(ledger: Ledger) -> None:
    """A moved end, and a colleague at the same client, are told anew."""
    a, b, c = entry("a"), entry("b"), entry("c", address="oleg@vostok.example")
    stored = await enter(
        ledger, decision(a, reply(a)), decision(b, reply(b, ends_at=OPENS + DAY)), decision(c, reply(c))
    )
    assert len(stored) == 3


async def test_one_message_gets_one_reply_whatever_the_period(ledger: Ledger) -> None:
    """A second reply to the same message is left out even where the period differs."""
    a = entry("a")
    await enter(ledger, decision(a, reply(a)))
    assert await ledger.advance(follow=[reply(a, ends_at=OPENS + DAY)]) == []
    assert await planned(ledger) == [reply(a)]


async def test_a_draft_counts_as_told(ledger: Ledger) -> None:
    """A reply laid into Drafts takes the place of a reply that was sent."""
    a, b = entry("a"), entry("b")
    draft = SaveDraft(
        fingerprint="a",
        mailbox="main",
        kind=ReplyKind.FULL,
        client="vostok",
        address=IVAN,
        message_id="<r.a@example.com>",
        message=MESSAGE,
        due_at=DUE,
        period_ends_at=OPENS,
        not_after=OPENS,
    )
    (stored,) = await enter(ledger, decision(a, draft, promises=True))
    await close(ledger, stored)
    assert await enter(ledger, decision(b, reply(b))) == []
    assert (await ledger.promises())[0].told_at == NOW


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (Outcome.DONE, False),
        (Outcome.IN_DOUBT, False),
        (Outcome.RETRY, False),
        (Outcome.REFUSED, True),
        (Outcome.EXPIRED, True),
        (Outcome.GONE, True),
    ],
)
async def test_only_a_reply_that_certainly_did_not_leave_makes_room(
    ledger: Ledger, outcome: Outcome, *, again: bool
) -> None:
    """A refused, expired or withdrawn reply is not told; in doubt, and to be tried again, is."""
    a, b = entry("a"), entry("b")
    (stored,) = await enter(ledger, decision(a, reply(a)))
    await ledger.advance(start=[stored.id])
    await close(ledger, stored, outcome=outcome)
    (history,) = await ledger.histories([question(b)], NOW)
    assert history.told_until == (frozenset() if again else {OPENS})
    assert history.last_day == (0 if again else 1)
    assert bool(await enter(ledger, decision(b, reply(b)))) is again


# ---------------------------------------------------------------------------------------- effects


async def test_an_effect_is_started_closed_and_followed(ledger: Ledger) -> None:
    """Receipts, starts and followers happen together, and only what is unfinished remains."""
    a = entry("a")
    send, file = await enter(ledger, decision(a, reply(a), move(a)))
    await ledger.advance(start=[send.id])
    assert [one.state for one in await ledger.unfinished("main")] == ["started", "planned"]
    copy = CopySent(fingerprint="a", mailbox="main", message_id="<r.a@example.com>", message=MESSAGE)
    (follower,) = await ledger.advance(
        receipts=[Receipt(effect_id=send.id, outcome=Outcome.DONE, at=NOW, detail="250 ok")],
        start=[file.id],
        follow=[copy],
    )
    assert await ledger.unfinished("main") == [replace(file, state="started"), follower]
    assert follower.effect == copy


async def test_a_retry_is_planned_again_and_can_be_started_again(ledger: Ledger) -> None:
    """Nothing happened yet: the effect waits for its next turn."""
    a = entry("a")
    (send,) = await enter(ledger, decision(a, reply(a)))
    for _ in range(2):
        await ledger.advance(start=[send.id])
        await close(ledger, send, outcome=Outcome.RETRY, detail="451 later")
    assert await ledger.unfinished("main") == [replace(send, tries=2)]


async def test_a_reply_is_started_by_one_run_only(ledger: Ledger) -> None:
    """The second to start a reply, or one that was closed, gets an error and nothing else of the call happens."""
    a = entry("a")
    send, file = await enter(ledger, decision(a, reply(a), move(a)))
    await ledger.advance(start=[send.id])
    with pytest.raises(TemporaryError, match="Nothing was started"):
        await ledger.advance(start=[file.id, send.id])
    assert [one.state for one in await ledger.unfinished("main")] == ["started", "planned"]
    await close(ledger, send)
    with pytest.raises(TemporaryError):
        await ledger.advance(start=[send.id])


async def test_what_can_be_repeated_may_be_started_again_after_a_crash(ledger: Ledger) -> None:
    """A filing that was started and never closed may be started once more."""
    a = entry("a")
    (file,) = await enter(ledger, decision(a, move(a)))
    await ledger.advance(start=[file.id])
    await ledger.advance(start=[file.id])
    assert [one.state for one in await ledger.unfinished("main")] == ["started"]


async def test_a_closed_effect_stays_closed(ledger: Ledger) -> None:
    """A late receipt changes nothing; only a reply in doubt may be found to have left."""
    a, b = entry("a"), entry("b", address="olga@nord.example")
    first, second = await enter(ledger, decision(a, reply(a), promises=True), decision(b, reply(b)))
    await close(ledger, first, outcome=Outcome.IN_DOUBT)
    await close(ledger, second, outcome=Outcome.REFUSED)
    assert [one.effect for one in await ledger.in_doubt()] == [reply(a)]
    for outcome in (Outcome.RETRY, Outcome.REFUSED):
        await close(ledger, first, second, outcome=outcome)
    assert await ledger.unfinished("main") == []
    assert [one.state for one in await ledger.in_doubt()] == ["in-doubt"]
    await close(ledger, first, second)
    assert await ledger.in_doubt() == []
    assert [(row.fingerprint, row.told_at) for row in await ledger.promises()] == [("a", NOW)]
    assert (await ledger.summary(NOW)).refused == 1


async def test_replies_in_doubt_come_newest_first(ledger: Ledger) -> None:
    """The last ones are shown first, at most as many as asked for."""
    ones = [entry(name, address=f"{name}@x.example") for name in "abc"]
    stored = await enter(ledger, *(decision(one, reply(one)) for one in ones))
    for hour, one in enumerate(stored):
        await close(ledger, one, outcome=Outcome.IN_DOUBT, at=NOW + hour * HOUR)
    doubtful = await ledger.in_doubt(limit=2)
    assert [one.effect.fingerprint for one in doubtful if isinstance(one.effect, SendReply)] == ["c", "b"]


async def test_the_same_alert_is_given_once(ledger: Ledger) -> None:
    """An alert with a known key is left out; it belongs to the mailbox of what caused it."""
    alert = Alert(unique="owing vostok", text="A promise is late.")
    a, b = entry("a"), entry("b", mailbox="office")
    first, file = await enter(ledger, decision(a, alert, move(a)))
    assert await enter(ledger, decision(b, alert)) == []
    await close(ledger, first)
    assert await ledger.advance(follow=[alert]) == []
    await close(ledger, file)
    other = replace(alert, unique="breaker")
    receipt = Receipt(effect_id=file.id, outcome=Outcome.DONE, at=NOW)
    assert [one.effect for one in await ledger.advance(receipts=[receipt], follow=[other, other])] == [other]
    assert await planned(ledger) == [other]


async def test_an_alert_that_could_not_be_given_may_come_again(ledger: Ledger) -> None:
    """A refused alert makes room for the next of its key; without a cause it belongs to no mailbox."""
    alert = Alert(unique="login main", text="The login was refused.")
    (first,) = await ledger.advance(follow=[alert])
    assert await ledger.unfinished("") == [first]
    await close(ledger, first, outcome=Outcome.REFUSED)
    (second,) = await ledger.advance(follow=[alert])
    assert second.id > first.id
