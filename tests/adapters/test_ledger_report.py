"""The ledger's chronicle: what clients wrote in a span, what became of it, and what the owner wrote."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.core.model import Reason
from responder.core.report_rows import NOBODYS, ChronicleRow, OwnerWrote
from tests.adapters.ledger_build import (
    DAY,
    DUE,
    HOUR,
    IVAN,
    NOW,
    close,
    decision,
    enter,
    entry,
    move,
    reply,
    wrote,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from responder.ports import Ledger


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """A ledger in a file."""
    made = SqliteLedger.open(tmp_path / "ledger.sqlite3")
    yield made
    await made.close()


def change(path: Path, statement: str, *values: object) -> None:
    """Change the file as the service will, where no method does so yet."""
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


async def _rows(ledger: Ledger, client: str = "") -> list[ChronicleRow]:
    return list((await ledger.chronicle(NOW - DAY, NOW + 30 * DAY, client)).rows)


async def test_a_message_is_told_with_its_reply_and_promise(ledger: SqliteLedger) -> None:
    """A promise that the owner's own message ended: when it was told, when it was kept, and nothing weak about it."""
    one = entry("one")
    stored = await enter(ledger, decision(one, reply(one), move(one), promises=True, topic="documents"))
    await close(ledger, *stored, at=NOW + HOUR)
    before = await _rows(ledger)
    row = ChronicleRow(
        client="vostok",
        address=IVAN,
        arrived_at=NOW,
        reason="full",
        reply="full",
        due_at=DUE,
        topic="documents",
        promise="open",
        told_at=NOW + HOUR,
    )
    assert before == [row]
    answer = wrote(DUE - HOUR, IVAN, refers_to=(one.message_id,))
    await ledger.owner_wrote([answer])
    kept = (await _rows(ledger))[0]
    assert (kept.promise, kept.ended_at, kept.weak, kept.declared_at) == ("kept", DUE - HOUR, "", None)
    chronicle = await ledger.chronicle(NOW, NOW + 30 * DAY)
    assert chronicle.wrote == [OwnerWrote(at=DUE - HOUR, recipients=(IVAN,))]


async def test_weak_evidence_lateness_urgency_and_later_windows(ledger: SqliteLedger, tmp_path: Path) -> None:
    """What the follow-up enters comes back: weaker evidence, when it was found late, the mark, how often carried."""
    one = entry("one")
    await enter(ledger, decision(one, promises=True))
    path = tmp_path / "ledger.sqlite3"
    late, ended = DUE + HOUR, DUE + DAY
    micros = [int(at.timestamp() * 1_000_000) for at in (ended, late)]
    change(path, "UPDATE promises SET state = 'late', weak = 'moved', ended_at = ?, declared_at = ?", *micros)
    change(path, "UPDATE messages SET urgent = 1")
    change(path, "INSERT OR REPLACE INTO filed SELECT id, mailbox, 'Callbacks/Done', '{}', 2, NULL FROM messages")
    row = (await _rows(ledger))[0]
    assert (row.promise, row.weak, row.ended_at, row.declared_at) == ("late", "moved", ended, late)
    assert (row.urgent, row.carried) == (True, 2)


async def test_the_span_contains_its_beginning_and_not_its_end(ledger: SqliteLedger) -> None:
    """By arrival, whenever it was decided; the owner's messages likewise."""
    ones = [entry(name, at=NOW + n * HOUR, uid=n) for n, name in enumerate(("a", "b", "c"), start=1)]
    await enter(ledger, *(decision(one) for one in ones), now_at=NOW + DAY)
    await ledger.owner_wrote([wrote(one.arrived_at, "maya@harbor.example") for one in ones])
    found = await ledger.chronicle(NOW + HOUR, NOW + 3 * HOUR)
    assert [row.arrived_at for row in found.rows] == [NOW + HOUR, NOW + 2 * HOUR]
    assert [one.at for one in found.wrote] == [NOW + HOUR, NOW + 2 * HOUR]


async def test_what_no_client_wrote_and_what_waits_is_left_out(ledger: SqliteLedger) -> None:
    """Machines, forgers and strangers are no client's messages; what has no verdict yet is not there yet."""
    ones = [entry(reason, uid=n) for n, reason in enumerate(Reason, start=1)]
    await enter(ledger, *(decision(one, reason=Reason(one.fingerprint)) for one in ones))
    stranger = entry("stranger-too", client="", uid=90)
    await enter(ledger, decision(stranger, reason=Reason.SHORT))
    await ledger.record(state=None, waiting=[entry("waits", uid=91)], decisions=[], now_at=NOW)
    assert {row.reason for row in await _rows(ledger)} == set(Reason) - NOBODYS


async def test_one_client_alone(ledger: SqliteLedger) -> None:
    """Asked for one client, no row of another comes out of the ledger."""
    await enter(ledger, decision(entry("a")), decision(entry("b", client="harbor", address="m@harbor.example", uid=2)))
    assert [row.client for row in await _rows(ledger, "harbor")] == ["harbor"]
    assert len(await _rows(ledger)) == 2
