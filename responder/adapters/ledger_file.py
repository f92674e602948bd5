"""The ledger's file: made private, opened with the settings that make it durable, checked, migrated.

It promises ``adapters/ledger.py`` a connection to tables of exactly this version, or an error that says what to do.
Nothing is ever deleted or repaired here: a damaged ledger is for the owner to look at.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, TypeVar

from responder.adapters.ledger_schema import APPLICATION_ID, MIGRATIONS
from responder.errors import ConfigurationError, DamagedError, PermanentError, ResponderError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

T = TypeVar("T")

#: How long a second process (a command, a backup) may hold the ledger before we give up for this time.
BUSY_SECONDS = 5.0
#: Between two tries to cut the log.
_PAUSE = 0.05
#: A smaller file is not worth being written anew.
WORTH_WHILE = 5_000_000
#: Beyond this size a check at every start would take seconds; SQLite still notices most damage as it reads.
CHECKED_OCTETS = 50_000_000

#: What time, or somebody else, may mend.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
#: An extended result code holds the primary one in its low octet.
_PRIMARY = 0xFF


def opened(path: Path) -> sqlite3.Connection:
    """Open the ledger to write; make the file (0600) and its folder (0700) if they are not there."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # SQLite gives the files that it puts beside it the same mode
    except OSError as error:
        raise ConfigurationError(f"cannot use {path} as the ledger: {error.strerror}") from error
    with _closed_on_error(_connect(path.absolute().as_uri() + "?mode=rw")) as connection:
        _refuse_foreign(connection, str(path))
        # The journal mode stays with the file; FULL makes each commit reach the disk before the first effect.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if path.stat().st_size < CHECKED_OCTETS:
            _check(connection, str(path))
        _migrate(connection, str(path))
        return connection


def opened_to_read(path: Path) -> sqlite3.Connection:
    """Open the ledger to look only; another process may be writing."""
    return _opened_as_it_is(path, "ro")


def opened_to_amend(path: Path) -> sqlite3.Connection:
    """Open the ledger to change what it holds, and never its tables; another process may be writing."""
    connection = _opened_as_it_is(path, "rw")
    with _closed_on_error(connection):
        connection.execute("PRAGMA synchronous = FULL")
    return connection


def tidy(connection: sqlite3.Connection) -> None:
    """Bring the log into the file; give room back where more of the file is free than used.

    Free room is used again first. So the file stays as large as what was held at most, and shrinks when ``keep`` does.
    """
    free, pages, size = (_number(connection, each) for each in ("freelist_count", "page_count", "page_size"))
    if free > pages - free and pages * size > WORTH_WHILE:
        connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def compact(connection: sqlite3.Connection) -> None:
    """Write the file anew, without what was deleted, and cut the log beside it to nothing.

    Raises:
        TemporaryError: others kept reading for longer than we wait.
    """
    connection.execute("VACUUM")
    ends = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > ends:
            raise TemporaryError(
                "the ledger was in use all the time: what was deleted is gone from its tables, but its log (the file"
                " that ends in -wal) may still hold it; give the same command again"
            )
        time.sleep(_PAUSE)


def copied(source: Path, target: Path) -> None:
    """Copy the ledger as it is at one moment into a file that is not there yet, while others may be writing to it.

    The copy is one file (0600) without a log beside it, looked through from end to end, and on the disk.

    Raises:
        ConfigurationError: there is no ledger, or it is not ours.
        DamagedError: it is damaged; the copy is then worth nothing.
        TemporaryError: the disk is full, or the ledger is held.
    """
    name = str(source)
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with (
            contextlib.closing(_opened_as_it_is(source, "ro", older=True)) as original,
            contextlib.closing(_connect(target.absolute().as_uri() + "?mode=rw")) as copy,
        ):
            # In one step: it reads one moment of the ledger, and in WAL mode a reader holds up no writer.
            original.backup(copy, pages=-1)
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok" or copy.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise _damaged(name, found.splitlines()[-1])
    except sqlite3.Error as error:
        raise translated(error, name) from error
    except OSError as error:
        raise TemporaryError(f"cannot copy the ledger to {target}: {error.strerror}") from error


def _opened_as_it_is(path: Path, mode: str, *, older: bool = False) -> sqlite3.Connection:
    """Open a ledger that is there and of this version, or of an earlier one where that is wanted."""
    if not path.is_file():
        raise ConfigurationError(f"no ledger at {path}: has the service run?")
    with _closed_on_error(_connect(f"{path.absolute().as_uri()}?mode={mode}")) as connection:
        _refuse_foreign(connection, str(path))
        if not older and _number(connection, "user_version") < len(MIGRATIONS):
            raise ConfigurationError(f"the ledger {path} is an older version's: start the service once to migrate it")
        return connection


def identity(path: Path) -> tuple[int, int]:
    """Return what tells this file from another of its name.

    Raises:
        DamagedError: there is none any more.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise _taken_away(path) from error
    except OSError as error:
        raise TemporaryError(f"cannot look at the ledger {path}: {error.strerror}; it will be tried again") from error
    return found.st_dev, found.st_ino


def be_sure(path: Path, known: tuple[int, int]) -> None:
    """Raise DamagedError when the file was moved away or replaced: what is written now would be lost with it."""
    if identity(path) != known:
        raise _taken_away(path)


def _taken_away(path: Path) -> DamagedError:
    return DamagedError(
        f"the ledger {path} was moved away or replaced while the service was using it. Nothing was written, and nothing"
        " is answered or filed until you start the service again; do such things only while it is stopped"
    )


def opened_in_memory() -> sqlite3.Connection:
    """Make a ledger that is forgotten when closed."""
    connection = _connect("file::memory:")
    _migrate(connection, "in memory")
    return connection


def transaction(connection: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do the work between ``begin`` and COMMIT; whatever is raised undoes it all."""
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    return result


def translated(error: sqlite3.Error, name: str) -> ResponderError:
    """Return SQLite's error as one of ours, with what to do."""
    # Absent from errors of the module itself, such as a wrong number of parameters.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in _PASSING:
        return TemporaryError(
            f"the ledger {name} could not be used ({error}): is the disk full, or another process holding it?"
            " Nothing was written; it will be tried again"
        )
    if code in _DAMAGE:
        return _damaged(name, str(error))
    return PermanentError(f"the ledger {name} refused ({error}): nothing was written")


def _damaged(name: str, found: str) -> DamagedError:
    return DamagedError(
        f"the ledger {name} is damaged ({found}). Nothing was deleted, no mail was touched, and nothing is answered or"
        " filed until you have mended it: put a backup in its place (and remove the files that end in -wal and -shm),"
        " or, without one, move the file away. Then start the service; without a ledger it leaves all mail that lies in"
        " INBOX alone. Whom it has answered it then reads in Sent"
    )


def _connect(uri: str) -> sqlite3.Connection:
    # No implicit transactions: each begins and ends where it is written.
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    with _closed_on_error(connection):
        connection.execute("PRAGMA foreign_keys = ON")
        # What is forgotten is overwritten, not only unlinked.
        connection.execute("PRAGMA secure_delete = ON")
    return connection


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number


def _refuse_foreign(connection: sqlite3.Connection, name: str) -> None:
    """Raise ConfigurationError for another program's database, and for a version that is not known yet."""
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not empty and _number(connection, "application_id") != APPLICATION_ID:
        raise ConfigurationError(f"{name} is another program's database: give the ledger a place of its own")
    version = _number(connection, "user_version")
    if version > len(MIGRATIONS):
        raise ConfigurationError(
            f"the ledger {name} was written by a newer responder (its version is {version}, this one knows"
            f" {len(MIGRATIONS)}): install that one again; nothing was changed"
        )


def _check(connection: sqlite3.Connection, name: str) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _damaged(name, found.splitlines()[-1])


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the tables to this version: all steps or none, however many processes try it at once."""

    def work(connection: sqlite3.Connection) -> None:
        _refuse_foreign(connection, name)  # as it is now that nobody else can write
        version = _number(connection, "user_version")
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    if _number(connection, "user_version") != len(MIGRATIONS):
        transaction(connection, "BEGIN IMMEDIATE", work)
