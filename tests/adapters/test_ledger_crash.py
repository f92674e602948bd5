"""A service that is killed at any moment leaves a ledger that is whole and forgets nothing it confirmed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.core.model import SendReply

ROOT = Path(__file__).parents[2]

#: Records a chunk of four messages of two senders, starts the replies, closes them; says after each step that it is
#: on disk. Steps run without end: this process is always killed.
WRITER = """
import asyncio, sys
from pathlib import Path
from responder.adapters.ledger import SqliteLedger
from responder.core.model import CopySent, Outcome, Receipt, SendReply
from tests.adapters.ledger_build import DAY, NOW, OPENS, decision, entry, move, reply, state

async def main():
    ledger = SqliteLedger.open(Path(sys.argv[1]))
    for number in range(10**9):
        now_at = NOW + number * DAY
        ones = [entry(f"{number}-{place}", address=f"{place % 2}@x.example", uid=place) for place in range(4)]
        stored = await ledger.record(
            state=state(number),
            waiting=[entry(f"{number}-waits")],
            decisions=[
                decision(one, reply(one, ends_at=OPENS + number * DAY), move(one), promises=True) for one in ones
            ],
            now_at=now_at,
        )
        print("recorded", number, flush=True)
        sends = [one for one in stored if isinstance(one.effect, SendReply)]
        await ledger.advance(start=[one.id for one in sends])
        print("started", number, flush=True)
        await ledger.advance(
            receipts=[Receipt(effect_id=one.id, outcome=Outcome.DONE, at=now_at) for one in sends],
            follow=[
                CopySent(fingerprint=one.effect.fingerprint, mailbox="main", message_id="<r>", message=b"x")
                for one in sends
            ],
        )
        print("closed", number, flush=True)

asyncio.run(main())
"""

BROKEN = {
    "a reply beside its verdict": """
        SELECT fingerprint FROM messages WHERE reason = 'full' AND NOT EXISTS
            (SELECT 1 FROM effects WHERE message = messages.id AND reply_kind IS NOT NULL)""",
    "a verdict without its filing": """
        SELECT fingerprint FROM messages WHERE reason IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM effects WHERE message = messages.id AND kind = 'file-message')""",
    "a verdict without its promise": """
        SELECT fingerprint FROM messages WHERE reason IS NOT NULL AND id NOT IN (SELECT message FROM promises)""",
    "two replies for one period": """
        SELECT address FROM effects WHERE reply_kind IS NOT NULL
            GROUP BY address, period_ends_at HAVING count(*) > 1""",
    "a reply done without its copy or its word told": """
        SELECT id FROM effects AS sent WHERE state = 'done' AND (NOT EXISTS
            (SELECT 1 FROM effects WHERE kind = 'copy-sent' AND message = sent.message)
            OR (SELECT told_at FROM promises WHERE message = sent.message) IS NULL)""",
    "an effect without what it is": "SELECT id FROM effects WHERE id NOT IN (SELECT effect FROM payloads)",
}


def write(path: Path) -> subprocess.Popen[str]:
    """Start a service that writes until it is killed."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("lines", [1, 2, 3, 5, 8, 13, 22, 34])
async def test_a_killed_service_leaves_a_whole_ledger(tmp_path: Path, lines: int) -> None:
    """After SIGKILL all that was confirmed is there, nothing is there by half, and the service goes on."""
    path = tmp_path / "ledger.db"
    with write(path) as writer:
        assert writer.stdout is not None
        confirmed = [writer.stdout.readline().split() for _ in range(lines)]
        writer.kill()
        confirmed += [line.split() for line in writer.stdout.read().splitlines()]
    last = {step: int(number) for step, number in (line for line in confirmed if line)}

    reader = SqliteLedger.read(path)
    ledger = SqliteLedger.open(path)
    mailbox = await ledger.mailbox("main")
    assert mailbox is not None
    assert mailbox.next_uid in {last["recorded"], last["recorded"] + 1}
    count = (mailbox.next_uid + 1) * 4
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM messages WHERE reason IS NOT NULL").fetchone() == (count,)
        found = {what: connection.execute(query).fetchall() for what, query in BROKEN.items()}
        assert {what: rows for what, rows in found.items() if rows} == {}
    unfinished = await ledger.unfinished("main")
    sends = [one for one in unfinished if isinstance(one.effect, SendReply)]
    assert len(sends) <= 2
    if last.get("started", -1) == last["recorded"] and mailbox.next_uid == last["recorded"]:
        assert {one.state for one in sends} <= {"started"}
    assert await reader.unfinished("main") == unfinished
    await reader.close()
    await ledger.close()


async def test_status_reads_while_the_service_writes(tmp_path: Path) -> None:
    """A reader beside a busy writer is never refused and never sees half of a transaction."""
    path = tmp_path / "ledger.db"
    with write(path) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        reader = SqliteLedger.read(path)
        for _ in range(20):
            writer.stdout.readline()
            summary = await reader.summary((await reader.decided())[0].decided_at)
            assert summary.by_reason["full"] == summary.by_reason["told"]
            assert sum(summary.by_reason.values()) % 4 == 0
            assert summary.refused == summary.in_doubt == 0
        await reader.close()
        writer.kill()
