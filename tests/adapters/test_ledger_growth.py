"""What is kept is bounded by ``[ledger] keep``: in rows, and in the size of the file."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from responder.adapters import ledger_file
from responder.adapters.ledger import SqliteLedger
from responder.core.model import Alert, RemoveDraft
from responder.entries import looked_at_key
from tests.adapters.ledger_build import DAY, NOW, close, decision, enter, entry, move, reply, state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

KEEP = 30 * DAY
#: Of a busy practice.
A_DAY = 40


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Return an empty ledger on the disk."""
    made = SqliteLedger.open(tmp_path / "ledger.sqlite3")
    yield made
    await made.close()


async def a_day(ledger: SqliteLedger, at: datetime) -> None:
    """Enter a day's mail: each answered and filed, with an alert in the evening."""
    ones = [entry(f"{at:%y%m%d}.{number}", address=f"p{number}@x.example", at=at) for number in range(A_DAY)]
    ends_at = at + DAY / 2
    alert = Alert(unique=f"owing:{at:%y%m%d}", text="x" * 200)
    decisions = [decision(one, reply(one, ends_at=ends_at), move(one)) for one in ones]
    decisions[-1] = replace(decisions[-1], effects=(*decisions[-1].effects, alert))
    await close(ledger, *await enter(ledger, *decisions, now_at=at), at=at)


async def test_the_file_stops_growing_when_as_much_is_forgotten_as_comes(ledger: SqliteLedger, tmp_path: Path) -> None:
    """After ``keep`` the file's size stays: room that became free is used again."""
    path = tmp_path / "ledger.sqlite3"
    sizes: list[int] = []
    for day in range(120):
        now_at = NOW + day * DAY
        await a_day(ledger, now_at)
        await ledger.prune(now_at - KEEP)
        sizes.append(path.stat().st_size)
    assert sizes[29] > 10 * sizes[0]
    assert max(sizes[35:]) < 1.2 * sizes[35]
    assert not (tmp_path / "ledger.sqlite3-wal").stat().st_size


async def test_a_shorter_keep_gives_the_room_back(
    ledger: SqliteLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where most of the file became free, it is written anew; what is kept is all there."""
    monkeypatch.setattr(ledger_file, "WORTH_WHILE", 100_000)
    path = tmp_path / "ledger.sqlite3"
    for day in range(30):
        await a_day(ledger, NOW + day * DAY)
    await ledger.prune(NOW - KEEP)
    before = path.stat().st_size
    assert await ledger.prune(NOW + 27 * DAY) == 27 * A_DAY
    assert path.stat().st_size < before / 3
    assert len(await ledger.decided(last=1000)) == 3 * A_DAY
    assert (await ledger.summary(NOW)).by_reason == {"full": 3 * A_DAY}


async def test_what_is_open_is_never_forgotten(ledger: SqliteLedger) -> None:
    """An open promise, a draft still to be removed and a period that lasts outlive any ``keep``."""
    promised, drafted, lasting, plain = (entry(name, address=f"{name}@x.example") for name in ("p", "d", "l", "x"))
    remove = RemoveDraft(
        fingerprint="d", mailbox="main", uidvalidity=1, uid=2, message_id="<d@example.com>", not_before=NOW
    )
    stored = await enter(
        ledger,
        decision(promised, promises=True),
        decision(drafted, remove),
        decision(lasting, reply(lasting, ends_at=NOW + 900 * DAY)),
        decision(plain),
    )
    await close(ledger, *(one for one in stored if one.effect != remove))
    assert await ledger.prune(NOW + 800 * DAY) == 1
    assert sorted(await ledger.known(["p", "d", "l", "x"])) == ["d", "l", "p"]
    assert [one.effect for one in await ledger.unfinished("main")] == [remove]


async def test_what_belongs_to_a_message_goes_with_it(ledger: SqliteLedger) -> None:
    """Where it was filed, its promise, its effects and their words leave no row behind."""
    one = entry("a")
    await close(ledger, *await enter(ledger, decision(one, reply(one), move(one))))
    filed = "SELECT count(*) FROM filed"
    assert await ledger._call(lambda connection: connection.execute(filed).fetchone()) == (1,)
    assert await ledger.prune(NOW + 900 * DAY) == 1
    for table in ("messages", "effects", "payloads", "promises", "filed"):
        count = f"SELECT count(*) FROM {table}"  # noqa: S608 - ours
        assert await ledger._call(lambda connection, asked=count: connection.execute(asked).fetchone()) == (0,), table


async def test_a_mailbox_that_left_the_file_is_forgotten_after_the_same_time(ledger: SqliteLedger) -> None:
    """Its cursor and the words about it go when nobody has looked at it for so long; one like it in name stays."""
    for name, looked_at in (("old", NOW - DAY), ("old.er", NOW + DAY), ("main", NOW + DAY)):
        await ledger.save_mailbox(state(5, name=name))
        await ledger.note(looked_at_key(name), looked_at.isoformat())
        await ledger.note(f"mailbox.{name}.trouble", "login refused")
    await ledger.prune(NOW)
    assert await ledger.mailbox("old") is None
    assert await ledger.mailbox("old.er") == state(5, name="old.er")
    assert sorted(await ledger.notes()) == [
        "mailbox.main.looked_at",
        "mailbox.main.trouble",
        "mailbox.old.er.looked_at",
        "mailbox.old.er.trouble",
    ]


async def test_readers_do_not_keep_it_from_being_tidied(ledger: SqliteLedger, tmp_path: Path) -> None:
    """A command that looks meanwhile sees one moment of the ledger, and a prune waits for nobody."""
    await a_day(ledger, NOW)
    reader = SqliteLedger.read(tmp_path / "ledger.sqlite3")
    counts = await asyncio.gather(reader.decided(last=1000), ledger.prune(NOW + 900 * DAY), reader.decided(last=1000))
    assert len(counts[0]) in (0, A_DAY)
    assert counts[1] == A_DAY
    await reader.close()
