"""What the ledger tells of a morning: what is open whenever it came, and what happened since the last digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from responder.adapters import ledger_morning
from responder.core.model import Outcome, Reason
from tests.adapters.ledger_build import DAY, DUE, HOUR, NOW, close, decision, enter, entry, move, reply, state

if TYPE_CHECKING:
    import pytest

    from responder.ports import Ledger


async def test_an_empty_ledger_has_a_quiet_morning(ledger: Ledger) -> None:
    """Nothing is open and nothing happened; the start is remembered."""
    morning = await ledger.morning(NOW - DAY, NOW)
    assert (morning.since_at, morning.mail, morning.more, morning.replies, dict(morning.by_reason)) == (
        NOW - DAY, (), 0, (), {},
    )  # fmt: skip


async def test_open_promises_come_earliest_due_first(ledger: Ledger) -> None:
    """With the subject, the topic and when the client was told; mail without a promise in INBOX is nobody's worry."""
    late, soon, other = entry("late"), entry("soon", uid=2, address="b@vostok.example"), entry("other", uid=3)
    await enter(ledger, decision(soon, promises=True, subject="Второе", topic="documents"))
    effects = await enter(
        ledger, decision(late, reply(late), due_at=NOW - HOUR, promises=True), decision(other, reason=Reason.COPIED)
    )
    await close(ledger, *effects, at=NOW + timedelta(minutes=1))
    first, second = (await ledger.morning(NOW - DAY, NOW)).mail
    assert (first.fingerprint, first.due_at, first.told_at) == ("late", NOW - HOUR, NOW + timedelta(minutes=1))
    assert (second.fingerprint, second.subject, second.topic, second.told_at) == ("soon", "Второе", "documents", None)
    assert (second.promised, second.folder, second.window, second.due_at) == (True, "", None, DUE)


async def test_what_was_held_since_then(ledger: Ledger) -> None:
    """Replies in doubt and refused, mail that was not filed, unreadable and unverified mail; not what came before."""
    for days in (3, 0):
        names = [f"{name}{days}" for name in ("doubt", "refused", "unfiled", "unreadable", "unverified")]
        entries = [
            entry(name, uid=n, address=f"{name}@vostok.example", at=NOW - days * DAY) for n, name in enumerate(names, 1)
        ]
        doubt, refused, unfiled, unreadable, unverified = entries
        sent = await enter(
            ledger, decision(doubt, reply(doubt)), decision(refused, reply(refused)), now_at=NOW - days * DAY
        )
        moved = await enter(ledger, decision(unfiled, move(unfiled), subject="full"), now_at=NOW - days * DAY)
        at = NOW - days * DAY
        await close(ledger, sent[0], outcome=Outcome.IN_DOUBT, at=at, detail="silence")
        await close(ledger, sent[1], outcome=Outcome.REFUSED, at=at, detail="550 no")
        await close(ledger, *moved, outcome=Outcome.REFUSED, at=at, detail="NO quota")
        await enter(
            ledger,
            decision(unreadable, reason=Reason.UNREADABLE, due_at=None),
            decision(unverified, reason=Reason.UNVERIFIED, due_at=None, subject="pay"),
            now_at=at,
        )
    morning = await ledger.morning(NOW - DAY, NOW)
    assert {(held.state, held.address, held.detail) for held in morning.replies} == {
        ("in-doubt", "doubt0@vostok.example", "silence"),
        ("refused", "refused0@vostok.example", "550 no"),
    }
    assert [(held.address, held.subject, held.detail) for held in morning.unfiled] == [
        ("unfiled0@vostok.example", "full", "NO quota")
    ]
    assert [(one.mailbox, one.why) for one in morning.unreadable] == [("main", "no address of the owner stands there")]
    assert [(one.client, one.subject) for one in morning.unverified] == [("vostok", "pay")]
    assert dict(morning.by_reason) == {"full": 3, "unreadable": 1, "unverified": 1}
    assert morning.replied == 0


async def test_suspensions_and_the_breaker(ledger: Ledger) -> None:
    """A suspension is fresh once; the breaker is told while it is open."""
    mail = entry("mail")
    (sent,) = await enter(ledger, decision(mail, reply(mail)))
    await close(ledger, sent)
    bounce = replace(entry("bounce", uid=2, client=""), address="mailer@vostok.example")
    report = decision(bounce, reason=Reason.BOUNCE_OF_REPLY, due_at=None, bounced_ids=("<r.mail@example.com>",))
    await enter(ledger, report, now_at=NOW + HOUR)
    await ledger.trip_breaker(NOW + 2 * HOUR)
    morning = await ledger.morning(NOW, NOW + HOUR)
    assert [(one.address, one.until_at, one.fresh) for one in morning.suspended] == [
        (mail.address, NOW + HOUR + 30 * DAY, True)
    ]
    assert morning.breaker_until == NOW + 2 * HOUR
    later = await ledger.morning(NOW + HOUR, NOW + 3 * HOUR)
    assert [one.fresh for one in later.suspended] == [False]
    assert later.breaker_until is None
    assert (await ledger.morning(NOW, NOW + 40 * DAY)).suspended == ()


async def test_mailboxes_whose_sent_was_never_read(ledger: Ledger) -> None:
    """They are named: of the owner's answers there only weak signs are known."""
    await ledger.save_mailbox(state())
    assert (await ledger.morning(NOW - DAY, NOW)).without_sent == ("main",)


async def test_too_much_mail_is_cut_at_the_far_end(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due last is left out, and counted."""
    monkeypatch.setattr(ledger_morning, "MOST_MAIL", 3)
    made = [
        decision(entry(f"m{n}", uid=n, address=f"{n}@vostok.example"), due_at=NOW + n * HOUR, promises=True)
        for n in range(1, 6)
    ]
    await enter(ledger, *reversed(made))
    morning = await ledger.morning(NOW - DAY, NOW)
    assert ([mail.fingerprint for mail in morning.mail], morning.more) == (["m1", "m2", "m3"], 2)
