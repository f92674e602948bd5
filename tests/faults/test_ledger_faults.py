"""The ledger fails the real daemon on a real Dovecot: locked, no space, damaged, taken away, lost, an old one put back.

Without an intent on disk there is no reply; a ledger that is lost answers nobody twice; and nothing is ever deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene
from tests.e2e.test_daemon import Process, closed_now, daemons, deliver
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

IVAN, KOLYA, MAYA = "ivan@vostok.example", "kolya@vostok.example", "maya@harborlane.example"
LIMIT = 120.0
#: Holds a ledger for itself until its standard input ends.
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@pytest.fixture
async def scene(dovecot: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office that is closed now, whose alerts go to a file, and whose replies are copied to Sent."""
    changes = closed_now()
    changes["replies"]["copy"] = "Sent"
    changes["alerts"] = {"command": ["/bin/sh", "-c", f"cat >> {tmp_path}/told"]}
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock
        yield Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock, changes=changes)


@pytest.fixture
def start(scene: Scene) -> Iterator[Callable[[], Process]]:
    """Return what starts a daemon; whatever a test leaves running is ended after it."""
    with daemons(scene) as begin:
        yield begin


def ledger_of(scene: Scene) -> Path:
    """Return where the ledger is."""
    return scene.state / "ledger.sqlite3"


def answered(scene: Scene) -> list[str]:
    """Return who got a reply, sorted."""
    return sorted(mail.recipient for mail in scene.replies())


async def filed(scene: Scene, *subjects: str) -> None:
    """Wait until exactly those are filed."""
    ends = time.monotonic() + LIMIT
    while True:
        found = [str(one["Subject"]) for name, mails in scene.tree().items() if "Callbacks" in name for one in mails]
        if sorted(found) == sorted(subjects):
            return
        assert time.monotonic() < ends, f"filed: {found}, INBOX: {scene.subjects('INBOX')}"
        await asyncio.sleep(0.1)


async def trouble(daemon: Process, words: str) -> None:
    """Wait until the log tells of a session lost for that reason."""
    ends = time.monotonic() + LIMIT
    while not any(words in str(line.get("error", "")) for line in daemon.lines()):
        assert time.monotonic() < ends, daemon.log.read_text()
        await asyncio.sleep(0.1)


async def test_a_ledger_that_another_process_locks(scene: Scene, start: Callable[[], Process]) -> None:
    """While a backup holds the ledger longer than we wait, nothing is sent or filed; afterwards all is, by itself."""
    daemon = start()
    await daemon.logged("mailbox open")
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(ledger_of(scene)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        deliver(scene, IVAN, "one")
        await trouble(daemon, "could not be used")
        assert scene.replies() == []
        assert scene.subjects("INBOX") == ["one"]
        assert await Process(scene).ended(0) == 75  # a second one is told that the first runs
        holder.stdin.close()
        assert await holder.wait() == 0
    finally:
        if holder.returncode is None:
            holder.kill()
            await holder.wait()
    await filed(scene, "one")
    assert await daemon.ended() == 0
    assert answered(scene) == [IVAN]


@contextlib.contextmanager
def tiny_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of four megabytes there: room for a small ledger and its log."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_disk_without_space(scene: Scene, start: Callable[[], Process]) -> None:
    """On a full disk there is no intent and no reply, and mail stays; with space it goes on by itself."""
    if os.getuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("needs root, to mount a small disk")
        pytest.skip("needs root, to mount a small disk; the next test limits a file's size instead")
    with tiny_disk(scene.state):
        daemon = start()
        await daemon.logged("mailbox open")
        deliver(scene, MAYA, "zero")
        await filed(scene, "zero")
        filler = scene.state / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass
        for number in range(12):
            deliver(scene, f"p{number}@vostok.example", f"{number}")
        await trouble(daemon, "is the disk full")
        sent = len(scene.replies())
        filler.unlink()
        await filed(scene, "zero", *map(str, range(12)))
        assert await daemon.ended() == 0
        with sqlite3.connect(f"file:{ledger_of(scene)}?mode=ro", uri=True) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            doubts = connection.execute("SELECT count(*) FROM effects WHERE state = 'in-doubt'").fetchone()[0]
        connection.close()
    print(f"{scene.dovecot.kind}: {sent} replies had left before the disk was full, {doubts} stayed in doubt")
    recipients = answered(scene)
    assert len(recipients) == len(set(recipients))
    assert len(recipients) == 13


async def test_a_file_that_may_not_grow(scene: Scene, start: Callable[[], Process]) -> None:
    """A quota on the ledger's file is a full disk: nothing leaves, nothing is lost, and it goes on by itself."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, MAYA, "zero")
    await filed(scene, "zero")
    pid = daemon._child.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = max(file.stat().st_size for file in scene.state.glob("ledger.sqlite3*"))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    for number in range(12):
        deliver(scene, f"p{number}@vostok.example", f"{number}")
    await trouble(daemon, "is the disk full")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    await filed(scene, "zero", *map(str, range(12)))
    assert await daemon.ended() == 0
    recipients = answered(scene)
    assert len(recipients) == len(set(recipients)) == 13


def damage(path: Path, how: str) -> None:
    """Damage a ledger at rest."""
    if how == "a page is overwritten":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(4096 * 3))
    elif how == "it is no database":
        path.write_bytes(b"not a database, but a letter\n" * 200)
    else:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2 - 100)


@pytest.mark.parametrize("how", ["a page is overwritten", "it is no database", "its end is missing"])
async def test_a_damaged_ledger(scene: Scene, start: Callable[[], Process], how: str) -> None:
    """With a damaged ledger the service ends with 78 and says what to do, also by the alert; file and mail stay."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "one")
    await filed(scene, "one")
    assert await daemon.ended() == 0
    damage(ledger_of(scene), how)
    before = hashlib.sha256(ledger_of(scene).read_bytes()).hexdigest()
    deliver(scene, KOLYA, "two")
    again = start()
    assert again._child.wait(60) == 78
    assert "is damaged" in again.log.read_text()
    told = (scene.folder / "told").read_text()
    assert "responder has stopped" in told
    assert "Nothing was deleted" in told
    assert hashlib.sha256(ledger_of(scene).read_bytes()).hexdigest() == before
    assert scene.subjects("INBOX") == ["two"]
    assert answered(scene) == [IVAN]


@pytest.mark.parametrize("how", ["moved away", "replaced by an old one"])
async def test_a_ledger_taken_away_while_it_is_used(scene: Scene, start: Callable[[], Process], how: str) -> None:
    """What is written to a file that nobody will find again is lost: the service ends instead, and says so."""
    daemon = start()
    await daemon.logged("mailbox open")
    path = ledger_of(scene)
    deliver(scene, IVAN, "one")
    await filed(scene, "one")
    aside = path.with_name("aside")
    if how == "moved away":
        path.rename(aside)
    else:
        shutil.copy(path, aside)
        aside.replace(path)
    deliver(scene, KOLYA, "two")
    assert daemon._child.wait(60) == 78
    assert "was moved away or replaced" in (scene.folder / "told").read_text()
    assert answered(scene) == [IVAN]
    assert scene.subjects("INBOX") == ["two"]


async def test_a_ledger_made_unreadable_while_it_is_used(scene: Scene, start: Callable[[], Process]) -> None:
    """Rights that are taken away do not stop the running service, and the next start puts them right."""
    daemon = start()
    await daemon.logged("mailbox open")
    ledger_of(scene).chmod(0)
    deliver(scene, IVAN, "one")
    await filed(scene, "one")
    assert await daemon.ended() == 0
    again = start()
    await again.logged("mailbox open", 2)
    assert ledger_of(scene).stat().st_mode & 0o777 == 0o600
    deliver(scene, KOLYA, "two")
    await filed(scene, "one", "two")
    assert await again.ended() == 0
    assert answered(scene) == [IVAN, KOLYA]


def lose(scene: Scene, how: str, backup: Path) -> None:
    """Lose what the ledger knows."""
    files = list(scene.state.glob("ledger.sqlite3*"))
    if how == "all of the state is lost":
        shutil.rmtree(scene.state)
        scene.state.mkdir(mode=0o700)
        return
    for file in files:
        file.unlink()
    if how == "it is empty":
        ledger_of(scene).write_bytes(b"")
    elif how == "an old one is put back":
        shutil.copy(backup, ledger_of(scene))


@pytest.mark.parametrize("how", ["it is missing", "it is empty", "an old one is put back", "all of the state is lost"])
async def test_a_lost_ledger(scene: Scene, start: Callable[[], Process], tmp_path: Path, how: str) -> None:
    """Whoever was answered in this closed period is not answered again, though the ledger knows nothing of it."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, MAYA, "zero")
    await filed(scene, "zero")
    backup = tmp_path / "backup"
    with (
        contextlib.closing(sqlite3.connect(ledger_of(scene))) as one,
        contextlib.closing(sqlite3.connect(backup)) as two,
    ):
        one.backup(two)
    people = [f"p{number}@vostok.example" for number in range(8)]
    for person in people:
        deliver(scene, person, f"first {person}")
    await filed(scene, "zero", *(f"first {person}" for person in people))
    deliver(scene, "who@nowhere.example", "a stranger's")
    await daemon.logged("message", 10)
    assert await daemon.ended() == 0
    lose(scene, how, backup)
    again = start()
    await again.logged("mailbox open", 2)
    for person in [*people, KOLYA]:
        deliver(scene, person, f"second {person}")
    await filed(
        scene,
        "zero",
        *(f"first {person}" for person in people),
        *(f"second {person}" for person in [*people, KOLYA]),
    )
    assert await again.ended() == 0
    assert answered(scene) == sorted([MAYA, *people, KOLYA])
    assert scene.subjects("INBOX") == ["a stranger's"]
