"""The ledger's file when the process or the power goes: old schema or new, this COMMIT or the last one, never half."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.adapters.ledger_schema import MIGRATIONS
from tests.adapters.ledger_build import NOW, decision, entry, move, reply, state
from tests.e2e.crash import MOST, say
from tests.e2e.crash_child import Request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.crash import Zygote

pytestmark = [pytest.mark.matrix]

#: Steps that a later version may have: a new table, a column with what is known of old rows, and an index.
LATER = [
    ["CREATE TABLE later (id INTEGER PRIMARY KEY, word TEXT NOT NULL) STRICT"],
    [
        "ALTER TABLE messages ADD COLUMN length INTEGER NOT NULL DEFAULT 0",
        "UPDATE messages SET length = length(fingerprint)",
        "INSERT INTO later (id, word) SELECT id, fingerprint FROM messages",
        "CREATE INDEX later_words ON later (word)",
    ],
]
#: Enough rows for a step that rewrites them to need more pages than one.
ROWS = 300
#: (the version before, further steps after ours).
CHANGES = [(version, []) for version in range(len(MIGRATIONS))] + [(len(MIGRATIONS), LATER), (0, LATER)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a state directory."""
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


def build(path: Path, version: int) -> None:
    """Make a ledger as the version of that number left it, with what it knew; 0 is no file at all."""
    if not version:
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        for statement in itertools.chain(*MIGRATIONS[:version]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(
            "INSERT INTO mailboxes (name, uidvalidity, baseline_uid, next_uid, started_at) VALUES ('main', 7, 1, 9, 0)"
        )
        connection.executemany(
            "INSERT INTO messages (fingerprint, mailbox, uidvalidity, uid, address, client, message_id, arrived_at,"
            " seen_at) VALUES (?, 'main', 7, ?, 'ivan@vostok.example', 'vostok', ?, 0, 0)",
            [(f"{number:064}", number, f"<{number}@vostok.example>") for number in range(1, ROWS + 1)],
        )
        connection.execute("COMMIT")


def look(path: Path) -> tuple[int, list[Any]]:
    """Return the version and the schema of a whole ledger; what is not whole fails."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        schema = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
        if any(name == "messages" for _, name, _ in schema):
            (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
            assert count in (0, ROWS)
        return version, schema


def _open(zygote: Zygote, folder: Path, more: Sequence[Sequence[str]], **death: Any) -> bool:
    """Open the ledger in a process of its own; tell whether it died of it."""
    request = Request(state=str(folder), act="open", more=[list(step) for step in more], **death)
    return zygote.ask(request).killed


@pytest.mark.parametrize("how", ["at a statement", "in a write"])
@pytest.mark.parametrize(
    ("before", "more"), CHANGES, ids=[f"{before}-to-{len(MIGRATIONS) + len(more)}" for before, more in CHANGES]
)
def test_dies_while_it_migrates(  # noqa: PLR0917 - fixtures
    zygote: Zygote,
    folder: Path,
    before: int,
    more: list[list[str]],
    how: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before and after each statement, and within each write: the old schema or the new one, and then the new one."""
    build(tmp_path / "old.sqlite3", before)
    old = look(tmp_path / "old.sqlite3") if before else (0, [])
    path = folder / "ledger.sqlite3"
    deaths = 0
    kept: set[int] = set()
    for number in range(1, MOST):
        for each in folder.iterdir():
            each.unlink()
        if before:
            shutil.copy(tmp_path / "old.sqlite3", path)
        death = {"kind": "statement", "number": number} if how == "at a statement" else {"most_octets": number * 2_011}
        killed = _open(zygote, folder, more, **death)
        found = look(path) if path.exists() else (0, [])
        new = len(MIGRATIONS) + len(more)
        assert found == old or found[0] == new, f"half a migration: {found[0]} after death {number}"
        kept.add(found[0])
        assert not _open(zygote, folder, more)
        assert look(path)[0] == new
        if found[0] == new:
            assert look(path) == found
        deaths += killed
        if not killed and (how == "at a statement" or path.stat().st_size < number * 2_011):
            break
    say(capsys, f"{deaths} deaths")
    assert deaths > 5
    assert old[0] in kept


async def test_power_fails_within_the_write_ahead_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever the log ends, or turns to noise, the ledger opens as it was after one of its commits, and goes on."""
    source = tmp_path / "source"
    ledger = SqliteLedger.open(source / "ledger.sqlite3")
    wal = source / "ledger.sqlite3-wal"
    steps = [wal.stat().st_size]
    for number in range(8):
        one = entry(f"{number}", address=f"{number}@x.example", uid=number + 1)
        await ledger.record(
            state=state(number), waiting=(), decisions=[decision(one, reply(one), move(one))], now_at=NOW
        )
        steps.append(wal.stat().st_size)
    image = wal.read_bytes()[: steps[-1]]
    database = (source / "ledger.sqlite3").read_bytes()
    cuts = sorted({*range(0, len(image), 1_373), *(step + shift for step in steps for shift in (-1, 0, 1))})
    trial = tmp_path / "trial"
    trial.mkdir()
    for cut, noise in itertools.product(cuts, (b"", b"\x5a" * 4_120, bytes(4_120))):
        for each in trial.iterdir():
            each.unlink()
        (trial / "ledger.sqlite3").write_bytes(database)
        (trial / "ledger.sqlite3-wal").write_bytes(image[: max(cut, 0)] + noise)
        there = SqliteLedger.open(trial / "ledger.sqlite3")
        known = await there.known([str(number) for number in range(8)])
        whole = sum(step <= cut for step in steps[1:])
        assert sorted(known) == [str(number) for number in range(whole)], cut
        assert len(await there.unfinished("main")) == 2 * whole
        one = entry("after")
        await there.record(state=state(99), waiting=(), decisions=[decision(one, reply(one))], now_at=NOW)
        await there.close()
        with closing(sqlite3.connect(trial / "ledger.sqlite3")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    await ledger.close()
    say(capsys, f"{3 * len(cuts)} cuts")


def test_dies_while_the_ledger_is_copied(
    zygote: Zygote, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever copies the ledger page by page and dies leaves it whole, and the service goes on writing beside it."""

    async def fill() -> None:
        ledger = SqliteLedger.open(folder / "ledger.sqlite3")
        for number in range(40):
            one = entry(f"{number}", address=f"{number}@x.example", uid=number)
            await ledger.record(
                state=state(number), waiting=(), decisions=[decision(one, reply(one), move(one))], now_at=NOW
            )
        await ledger.close()

    async def go_on(number: int) -> None:
        ledger = SqliteLedger.open(folder / "ledger.sqlite3")
        await ledger.note("copied", str(number))
        assert len(await ledger.unfinished("main")) == 80
        await ledger.close()

    asyncio.run(fill())
    for number in range(1, MOST):
        copy = tmp_path / f"copy-{number}.sqlite3"
        request = Request(state=str(folder), act="copy", then=str(copy), kind="copy", number=number)
        killed = zygote.ask(request).killed
        asyncio.run(go_on(number))
        if not killed:
            break
    assert number > 10
    shutil.copy(copy, folder / "ledger.sqlite3")
    asyncio.run(go_on(0))
    say(capsys, f"{number - 1} deaths")
