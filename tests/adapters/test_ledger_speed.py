"""What the ledger costs each message, printed; the limit is held by the bench of the whole line."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING

from responder.adapters.ledger import SqliteLedger
from responder.core.model import CopySent, Outcome, Reason, Receipt, SendReply
from tests.adapters.ledger_build import (
    DAY,
    HOUR,
    MESSAGE,
    NOW,
    OPENS,
    close,
    decision,
    enter,
    entry,
    move,
    question,
    reply,
    state,
    wrote,
)

if TYPE_CHECKING:
    from pathlib import Path

COUNT, CHUNK = 10_000, 500


async def test_ten_thousand_messages_in_chunks(tmp_path: Path) -> None:
    """Half of them by forty clients with a reply each, half automatic: every message and reply is entered."""
    ledger = SqliteLedger.open(tmp_path / "ledger.db")
    spent: dict[str, float] = {}
    words = MESSAGE + b"x" * 1200
    sent = 0
    for first in range(0, COUNT, CHUNK):
        now_at = NOW + first * DAY
        ones = [
            entry(
                sha256(str(uid).encode()).hexdigest(),
                address=f"c{uid % 80}@x.example" if uid % 2 else f"s{uid}@y.example",
                client=f"c{uid % 80}" if uid % 2 else "",
                at=now_at,
                uid=uid,
            )
            for uid in range(first, first + CHUNK)
        ]
        questions = [question(one) for one in ones]
        decisions = [
            decision(one, reply(one, ends_at=OPENS + one.key.uid * DAY, message=words), move(one), promises=True)
            if one.client
            else decision(one, reason=Reason.AUTOMATIC, due_at=None)
            for one in ones
        ]
        started = time.perf_counter()
        await ledger.known([one.fingerprint for one in ones])
        spent["known"] = spent.get("known", 0) - started + (started := time.perf_counter())
        await ledger.histories(questions, now_at)
        spent["histories"] = spent.get("histories", 0) - started + (started := time.perf_counter())
        stored = await ledger.record(state=state(first), waiting=(), decisions=decisions, now_at=now_at)
        spent["record"] = spent.get("record", 0) - started + (started := time.perf_counter())
        replies = [(one.id, one.effect) for one in stored if isinstance(one.effect, SendReply)]
        await ledger.advance(start=[effect_id for effect_id, _ in replies])
        copies = await ledger.advance(
            receipts=[Receipt(effect_id=effect_id, outcome=Outcome.DONE, at=now_at) for effect_id, _ in replies],
            follow=[
                CopySent(fingerprint=one.fingerprint, mailbox="main", message_id="<r>", message=words)
                for _, one in replies
            ],
        )
        rest = [one.id for one in (*stored, *copies) if not isinstance(one.effect, SendReply)]
        await ledger.advance(receipts=[Receipt(effect_id=one, outcome=Outcome.DONE, at=now_at) for one in rest])
        spent["advance"] = spent.get("advance", 0) - started + time.perf_counter()
        sent += len(replies)
    print()
    for what, seconds in {**spent, "all": sum(spent.values())}.items():
        print(f"{what:10} {seconds / COUNT * 1e6:6.1f} microseconds a message")
    assert sent == COUNT / 2
    assert await ledger.unfinished("main") == []
    await ledger.close()


async def test_what_is_followed_is_told_at_once(tmp_path: Path) -> None:
    """Two thousand filed messages and as many of the owner's since: asked after each round with news, in no time.

    Asked one by one which of the messages came after which, it took a minute.
    """
    ledger = SqliteLedger.open(tmp_path / "ledger.db")
    decisions = [decision(one, move(one)) for one in (entry(f"{uid:064}", uid=uid) for uid in range(2_000))]
    await close(ledger, *await enter(ledger, *decisions))
    await ledger.owner_wrote([wrote(NOW + number * HOUR, "who@else.example") for number in range(2_000)])
    started = time.perf_counter()
    agenda = await ledger.agenda("main")
    spent = time.perf_counter() - started
    print(f"agenda of {len(agenda.mail)}: {spent * 1000:.0f} ms")
    assert len(agenda.mail) == 2_000
    assert not any(one.answered for one in agenda.mail)
    assert spent < 2
    await ledger.close()
