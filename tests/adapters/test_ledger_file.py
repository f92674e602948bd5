"""The ledger's file: private, durable, refused when it is not ours, and never made worse."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from responder.adapters import ledger_file, ledger_schema
from responder.adapters.ledger import SqliteLedger
from responder.adapters.storable import freeze_window
from responder.core.model import Outcome, Receipt, SendReply
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from responder.ports import FolderMade, SeenReply
from tests.adapters.ledger_build import (
    HOUR,
    NOW,
    OPENS,
    WINDOW,
    close,
    decision,
    enter,
    entry,
    move,
    reply,
    state,
    wrote,
)

if TYPE_CHECKING:
    from pathlib import Path

#: Opens a write transaction on the file it is given, says so, and ends it when it is told to.
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a place in a folder that is not there yet."""
    return tmp_path / "state" / "ledger.db"


def damage(path: Path, what: str) -> bytes:
    """Spoil the file and return what is in it now."""
    octets = bytearray(path.read_bytes())
    if what == "a page":
        octets[3 * 4096 : 20 * 4096] = b"\xa5" * (17 * 4096)
    else:
        octets[:100] = b"x" * 100
    path.write_bytes(octets)
    return bytes(octets)


def hold(path: Path) -> subprocess.Popen[str]:
    """Start a process that holds the ledger; it has said so when this returns."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def content(path: Path) -> bytes:
    """Return what is in the file."""
    return path.read_bytes()


def mode(path: Path) -> int:
    """Return the permissions."""
    return stat.S_IMODE(path.stat().st_mode)


async def filled(path: Path) -> None:
    """Make a ledger with one message in it."""
    ledger = SqliteLedger.open(path)
    one = entry("a")
    await enter(ledger, decision(one, reply(one), move(one), promises=True))
    await ledger.close()


# -------------------------------------------------------------------------------- private, durable


async def test_the_file_and_what_lies_beside_it_belong_to_the_owner_only(path: Path) -> None:
    """The folder is 0700, the database and its two companions are 0600."""
    ledger = SqliteLedger.open(path)
    await ledger.note("poll", "10:00")
    assert mode(path.parent) == 0o700
    beside = sorted(path.parent.iterdir())
    assert [one.name for one in beside] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
    assert {mode(one) for one in beside} == {0o600}
    await ledger.close()


async def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    """Opening the ledger takes away what an older umask gave."""
    await filled(path)
    os.chmod(path, 0o644)  # noqa: PTH101 - what is to be mended
    await SqliteLedger.open(path).close()
    assert mode(path) == 0o600


async def test_each_commit_reaches_the_disk(path: Path) -> None:
    """The settings that make a commit durable are in force on the connection that writes."""
    ledger = SqliteLedger.open(path)

    def settings(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    full = 2
    assert await ledger._call(settings) == ["wal", full, 1, ledger_file.BUSY_SECONDS * 1000, 1]
    await ledger.close()


async def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """A ledger that was closed and opened again knows what it knew."""
    await filled(path)
    ledger = SqliteLedger.open(path)
    assert [one.id for one in await ledger.unfinished("main")] == [1, 2]
    assert len(await ledger.promises()) == 1
    await ledger.close()


async def test_the_database_itself_forbids_a_second_reply(path: Path) -> None:
    """Even past the code, neither the same message nor the same period takes a second reply, nor does an alert."""
    await filled(path)
    again = (
        "INSERT INTO effects (message, mailbox, kind, state, unfinished, counts, reply_kind, address,"
        " period_ends_at, only_once, changed_at) VALUES (?, 'main', 'send-reply', 'planned', 1, 1, ?, ?, ?, ?, 0)"
    )
    ends = int(OPENS.timestamp()) * 1_000_000
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.IntegrityError, match=r"effects\.message"):
            connection.execute(again, (1, "short", "x@y.example", 1, None))
        with pytest.raises(sqlite3.IntegrityError, match=r"effects\.address, effects\.period_ends_at"):
            connection.execute(again, (None, "short", "ivan@vostok.example", ends, None))
        connection.execute(again, (None, None, None, None, "breaker"))
        with pytest.raises(sqlite3.IntegrityError, match="only_once"):
            connection.execute(again, (None, None, None, None, "breaker"))


async def test_what_is_forgotten_leaves_no_bytes_behind(path: Path) -> None:
    """After a prune the words of a reply stand nowhere in the file or beside it."""
    ledger = SqliteLedger.open(path)
    one = entry("a")
    send, file = await enter(ledger, decision(one, reply(one, message=b"\r\n\r\nsecret words"), move(one)))
    await close(ledger, send, file)
    assert any(b"secret words" in other.read_bytes() for other in path.parent.iterdir())
    assert await ledger.prune(OPENS + HOUR) == 1
    assert not any(b"secret words" in other.read_bytes() for other in path.parent.iterdir())
    await ledger.close()


async def test_a_folder_keeps_the_stretch_it_was_first_made_for(path: Path) -> None:
    """A later word about the same folder changes nothing; forgotten is it when the stretch is long past."""
    ledger = SqliteLedger.open(path)
    made = FolderMade(mailbox="main", folder="Callbacks/a", window=WINDOW)
    await ledger.folder_made([made, replace(made, window=replace(WINDOW, key="evening"))])
    kept = "SELECT window_key, opens_at, closes_at FROM folders"
    opens = int(OPENS.timestamp()) * 1_000_000
    rows = await ledger._call(lambda connection: connection.execute(kept).fetchall())
    assert rows == [("morning", opens, opens + 3_600_000_000)]
    await ledger.prune(OPENS + 2 * HOUR)
    assert await ledger._call(lambda connection: connection.execute(kept).fetchall()) == []
    await ledger.close()


async def test_the_owners_messages_are_kept_as_long_as_the_rest(path: Path) -> None:
    """Older ones go when the ledger is pruned: the report looks back as far as the ledger does."""
    ledger = SqliteLedger.open(path)
    await ledger.owner_wrote([wrote(NOW - 41 * 24 * HOUR, "x@y.example"), wrote(NOW - 39 * 24 * HOUR, "x@y.example")])
    await ledger.prune(NOW - 40 * 24 * HOUR)
    count = "SELECT count(*) FROM owner_messages"
    assert await ledger._call(lambda connection: connection.execute(count).fetchone()) == (1,)
    await ledger.close()


# ---------------------------------------------------------------------------------------- refused


def test_a_place_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    """A folder in the ledger's place, or a file in its folder's, is named with the reason."""
    with pytest.raises(ConfigurationError, match=f"cannot use {tmp_path}"):
        SqliteLedger.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError):
        SqliteLedger.open(tmp_path / "file" / "ledger.db")


def test_another_programs_database_is_refused_and_untouched(path: Path) -> None:
    """A database without our mark gets no tables from us."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE contacts (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="another program's database"):
        SqliteLedger.open(path)
    assert path.read_bytes() == before


async def test_a_newer_version_is_refused_and_untouched(path: Path) -> None:
    """A ledger of a later responder is neither opened nor read."""
    await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for opened in (SqliteLedger.open, SqliteLedger.read):
        with pytest.raises(ConfigurationError, match="newer responder"):
            opened(path)


@pytest.mark.parametrize("what", ["not a database", "a page"])
async def test_a_damaged_file_is_a_permanent_error_and_stays(path: Path, what: str) -> None:
    """Damage is told with what to do; the file is left as it is."""
    await filled(path)
    octets = damage(path, what)
    with pytest.raises(PermanentError, match=r"is damaged .* Nothing was deleted"):
        SqliteLedger.open(path)
    assert content(path) == octets


# -------------------------------------------------------------------------------------- migrations


def tables(path: Path) -> set[str]:
    """Return the tables that are there."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


async def test_an_empty_file_becomes_a_ledger_of_this_version(path: Path) -> None:
    """A fresh ledger bears our mark and the number of the last step."""
    os.mkdir(path.parent)  # noqa: PTH102 - pathlib is not for async functions
    os.close(os.open(path, os.O_CREAT))
    await SqliteLedger.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(ledger_schema.MIGRATIONS),)
        assert connection.execute("PRAGMA application_id").fetchone() == (ledger_schema.APPLICATION_ID,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_an_older_ledger_gets_only_the_steps_it_lacks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step added later runs once on the ledger that is there, which keeps what it holds; a reader asks for it."""
    await filled(path)
    more = (*ledger_schema.MIGRATIONS, ("CREATE TABLE later (id INTEGER) STRICT",))
    monkeypatch.setattr(ledger_file, "MIGRATIONS", more)
    with pytest.raises(ConfigurationError, match="older version"):
        SqliteLedger.read(path)
    for _ in range(2):
        ledger = SqliteLedger.open(path)
        assert list(await ledger.known(["a"])) == ["a"]
        await ledger.close()
    assert "later" in tables(path)


async def test_a_migration_that_fails_leaves_the_old_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps or none: half a step is undone and the old version still opens."""
    await filled(path)
    before = tables(path)
    more = (
        *ledger_schema.MIGRATIONS,
        ("CREATE TABLE later (id INTEGER) STRICT", "CREATE TABLE later (id INTEGER)"),
    )
    with monkeypatch.context() as patched:
        patched.setattr(ledger_file, "MIGRATIONS", more)
        with pytest.raises(PermanentError, match="nothing was written"):
            SqliteLedger.open(path)
    assert tables(path) == before
    ledger = SqliteLedger.open(path)
    assert list(await ledger.known(["a"])) == ["a"]
    await ledger.close()


# ------------------------------------------------------------------------------------- two at once


def test_there_is_nothing_to_read_before_the_service_has_run(path: Path) -> None:
    """A reader makes no ledger, and says what is missing."""
    with pytest.raises(ConfigurationError, match="has the service run"):
        SqliteLedger.read(path)
    assert not path.parent.exists()


async def test_a_reader_sees_what_the_service_writes_and_writes_nothing(path: Path) -> None:
    """Status works while the daemon runs, and after it; it cannot write."""
    ledger = SqliteLedger.open(path)
    reader = SqliteLedger.read(path)
    await ledger.note("poll", "10:00")
    assert await reader.notes() == {"poll": "10:00"}
    with pytest.raises(PermanentError, match="readonly"):
        await reader.note("poll", "10:01")
    await ledger.note("poll", "10:02")
    assert await reader.notes() == {"poll": "10:02"}
    await reader.close()
    await ledger.close()
    reader = SqliteLedger.read(path)
    assert await reader.notes() == {"poll": "10:02"}
    await reader.close()


async def test_a_second_writer_waits_for_its_turn(path: Path) -> None:
    """A write that another process holds up happens when that one is through."""
    ledger = SqliteLedger.open(path)
    with hold(path) as holder:
        writing = asyncio.create_task(ledger.save_mailbox(state(5)))
        await asyncio.sleep(0)  # the write is with the ledger's thread now
        assert not writing.done()
        holder.communicate("\n")
        await writing
    assert await ledger.mailbox("main") == state(5)
    await ledger.close()


async def test_a_ledger_that_stays_locked_is_a_temporary_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time to wait nothing was written, reading works all the same, and later writing does."""
    monkeypatch.setattr(ledger_file, "BUSY_SECONDS", 0.05)
    ledger = SqliteLedger.open(path)
    one = entry("a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TemporaryError, match="locked"):
            await enter(ledger, decision(one, reply(one)))
        assert await ledger.known(["a"]) == {}
        other.execute("COMMIT")
    assert len(await enter(ledger, decision(one, reply(one)))) == 1
    await ledger.close()


async def test_a_full_disk_is_a_temporary_error_and_passes(path: Path) -> None:
    """No intent, no reply: nothing of the call is there, and when space returns the same call succeeds."""
    ledger = SqliteLedger.open(path)

    async def pages(limit: str) -> None:
        await ledger._call(lambda connection: connection.execute(f"PRAGMA max_page_count = {limit}").close())

    await pages("40")
    ones = [entry(str(number), address=f"{number}@x.example") for number in range(100)]
    decisions = [decision(one, reply(one), move(one)) for one in ones]
    with pytest.raises(TemporaryError, match="disk full"):
        await ledger.record(state=state(101), waiting=(), decisions=decisions, now_at=NOW)
    assert await ledger.mailbox("main") is None
    assert await ledger.known([one.fingerprint for one in ones]) == {}
    assert await ledger.unfinished("main") == []
    await pages("100000")
    assert len(await ledger.record(state=state(101), waiting=(), decisions=decisions, now_at=NOW)) == 200
    await ledger.close()


def _take_back_fourth_step(connection: sqlite3.Connection) -> None:
    """Make a ledger what it was before it counted, and could forget."""
    for trigger in ("message_entered", "message_decided", "reply_closed", "promise_opened", "promise_ended"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("DROP TABLE counters")
    connection.execute("DROP TABLE forgetting")


def _take_back_third_step(connection: sqlite3.Connection) -> None:
    """Make a ledger what it was before the mail was followed."""
    _take_back_fourth_step(connection)
    connection.execute("DROP TABLE filed")
    for table, column in (
        *(("messages", name) for name in ("subject", "note", "urgent")),
        *(("promises", name) for name in ("weak", "declared_at")),
        *(("folders", name) for name in ("made", "until_at")),
        *(("owner_messages", name) for name in ("subject", "clients")),
    ):
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


async def test_filed_mail_of_the_second_version_is_followed(path: Path) -> None:
    """After the step from version 2, what was filed is known to lie in its folder; nobody knows who made that."""
    ledger = SqliteLedger.open(path)
    one, two = entry("a"), entry("b")
    moves = [move(one), move(two)]
    stored = await enter(ledger, decision(one, moves[0]), decision(two, moves[1]))
    done = Receipt(effect_id=stored[0].id, outcome=Outcome.DONE, at=NOW)
    await ledger.advance(receipts=[done])
    await ledger.folder_made([FolderMade(mailbox="main", folder=moves[0].folder, window=WINDOW)])
    await ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        _take_back_third_step(connection)
        connection.execute("PRAGMA user_version = 2")
    await SqliteLedger.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT fingerprint, filed.folder, filed.window, carried, left_at FROM filed JOIN messages ON id = message"
        ).fetchall()
        made = connection.execute("SELECT made FROM folders").fetchall()
    assert rows == [(one.fingerprint, moves[0].folder, freeze_window(WINDOW), 0, None)]
    assert made == [(0,)]


async def test_replies_of_the_first_version_are_known_by_their_ids(path: Path) -> None:
    """After the step from version 1, a reply in Sent that an old ledger holds as planned is done, and no news."""
    ledger = SqliteLedger.open(path)
    one = entry("a")
    (planned,) = await enter(ledger, decision(one, reply(one)))
    await ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        _take_back_third_step(connection)
        connection.execute("DROP INDEX replies_by_id")
        connection.execute("ALTER TABLE effects DROP COLUMN reply_id")
        connection.execute("DROP TABLE seen_replies")
        connection.execute("PRAGMA user_version = 1")
    ledger = SqliteLedger.open(path)
    sent = planned.effect
    assert isinstance(sent, SendReply)
    unknown = SeenReply(key="<other@x.example>", address="b@x.example", answers="", at=NOW)
    await ledger.owner_wrote((), replies=[SeenReply(key=sent.message_id, address="", answers="", at=NOW), unknown])
    assert await ledger.unfinished("main") == []
    await ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT key FROM seen_replies").fetchall() == [(unknown.key,)]
        assert connection.execute("SELECT state FROM effects").fetchall() == [("done",)]
