"""``responder backup``: a whole copy beside a daemon that writes, and a restored one answers nobody twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.adapters.ledger_build import close, decision, enter, entry, move, reply
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, letter
from tests.e2e.test_commands import responder
from tests.e2e.test_forget import take_back
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a ledger of one answered message, and a secret."""
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    (made / "secret").write_bytes(b"s" * 32)
    asyncio.run(_one_answered(made))
    return made


async def _one_answered(made: Path) -> None:
    ledger = SqliteLedger.open(made / "ledger.sqlite3")
    one = entry("a")
    await close(ledger, *await enter(ledger, decision(one, reply(one), move(one))))
    await ledger.close()


def back_up(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Give the command as a person does."""
    place = ["--config", str(EXAMPLE), "--state", str(state)]
    return responder("backup", *words, *place, home=state.parent)


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack it as the manual says, and return the folder."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_the_copy_is_whole_private_and_complete(state: Path, tmp_path: Path) -> None:
    """One file, 0600, with the ledger as one file and the secret; nothing is left beside it or in the state."""
    target = tmp_path / "copies" / "responder.tar"
    target.parent.mkdir()
    before = sorted(path.name for path in state.iterdir())
    done = back_up(state, str(target))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["responder.tar"]
    assert sorted(path.name for path in state.iterdir() if not path.name.endswith(("-wal", "-shm"))) == before
    restored = unpacked(target, tmp_path / "restored")
    assert sorted(path.name for path in restored.iterdir()) == ["ledger.sqlite3", "secret"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in restored.iterdir()} == {0o600}
    assert (restored / "secret").read_bytes() == b"s" * 32
    with closing(sqlite3.connect(restored / "ledger.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT fingerprint FROM messages").fetchall() == [("a",)]


def test_a_file_that_is_there_is_replaced_only_on_demand(state: Path, tmp_path: Path) -> None:
    """Without --force the old one stays to the octet; a folder, or the state directory, is no place."""
    target = tmp_path / "responder.tar"
    target.write_bytes(b"precious")
    refused = back_up(state, str(target))
    assert (refused.returncode, target.read_bytes()) == (64, b"precious")
    assert "say --force to replace it" in refused.stderr
    assert back_up(state, str(target), "--force").returncode == 0
    assert tarfile.is_tarfile(target)
    for words, said in (
        ([str(tmp_path), "--force"], "is no file: name one"),
        ([str(state / "copy.tar")], "lies in the state directory"),
        ([str(tmp_path / "none" / "copy.tar")], "cannot write to"),
    ):
        told = back_up(state, *words)
        assert (told.returncode, said in told.stderr) == (64, True), told.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["responder.tar", "state"]


def test_a_damaged_ledger_is_not_called_a_backup(state: Path, tmp_path: Path) -> None:
    """The copy is looked through: what is damaged is said, with status 78, and the old backup stays."""
    target = tmp_path / "responder.tar"
    target.write_bytes(b"precious")
    ledger = state / "ledger.sqlite3"
    octets = bytearray(ledger.read_bytes())
    octets[4096 * 3 : 4096 * 8] = b"\xff" * 4096 * 5
    ledger.write_bytes(octets)
    told = back_up(state, str(target), "--force")
    assert told.returncode == 78, told.stderr
    assert "is damaged" in told.stderr
    assert target.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["responder.tar", "state"]


def test_without_a_ledger_there_is_nothing_to_copy(tmp_path: Path) -> None:
    """It says so, with status 78, and makes nothing."""
    told = back_up(tmp_path / "state", str(tmp_path / "responder.tar"))
    assert (told.returncode, "there is nothing to copy" in told.stderr) == (78, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("as_root")
def test_root_writes_where_only_root_may_and_reads_as_the_service(state: Path, tmp_path: Path) -> None:
    """``sudo responder backup FILE``: the copy is root's, unpacked it is the service's; the state stays so."""
    for path in (state, *state.iterdir()):
        os.chown(path, 5000, 5000)
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(Path("/tmp")) and path != Path("/tmp"):  # noqa: S108 - where pytest keeps its folders
            path.chmod(0o755)
    place = tmp_path / "root"
    place.mkdir(mode=0o700)
    done = subprocess.run(
        [
            *[sys.executable, "-m", "responder", "backup", str(place / "r.tar")],
            *["--config", str(EXAMPLE), "--state", str(state)],
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLE.parent,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (place / "r.tar").stat().st_uid == 0
    with tarfile.open(place / "r.tar") as tar:
        assert {(one.name, one.uid) for one in tar.getmembers()} == {("ledger.sqlite3", 5000), ("secret", 5000)}
    assert {path.stat().st_uid for path in state.iterdir()} == {5000}
    os.chown(state / "ledger.sqlite3", 0, 0)
    (state / "ledger.sqlite3").chmod(0o600)
    told = subprocess.run(
        [
            *[sys.executable, "-m", "responder", "backup", str(place / "s.tar")],
            *["--config", str(EXAMPLE), "--state", str(state)],
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLE.parent,
        timeout=60,
    )
    assert told.returncode == 75, told.stderr  # what the child could not do is told by the parent, with its status
    assert not (place / "s.tar").exists()


async def test_each_copy_under_load_is_one_moment_of_the_ledger(state: Path, tmp_path: Path) -> None:
    """While a service writes as fast as it can, every copy is whole, and holds each message with all that is its."""
    service = SqliteLedger.open(state / "ledger.sqlite3")
    done = asyncio.Event()

    async def write() -> int:
        number = 0
        while not done.is_set():
            number += 1
            one = entry(f"s{number}", address=f"s{number}@x.example", uid=number)
            await close(service, *await enter(service, decision(one, reply(one), move(one), promises=True)))
        return number

    async def copy() -> list[int]:
        sizes: list[int] = []
        for number in range(4):
            target = tmp_path / f"{number}.tar"
            told = await asyncio.to_thread(back_up, state, str(target))
            assert told.returncode == 0, told.stderr
            folder = await asyncio.to_thread(unpacked, target, tmp_path / str(number))
            with closing(sqlite3.connect(folder / "ledger.sqlite3")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                messages, effects, promises = (
                    connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours
                    for table in ("messages", "effects", "promises")
                )
            assert (effects, promises) == (2 * messages, messages - 1)
            sizes.append(messages)
        done.set()
        return sizes

    written, sizes = await asyncio.gather(write(), copy())
    assert sizes == sorted(set(sizes))
    assert 1 < sizes[-1] <= written + 1
    await service.close()


@pytest.mark.server
async def test_a_restored_ledger_answers_nobody_twice(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Who was answered before the copy, and who was between it and the loss, gets no second reply."""
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        scene.arrive(letter("ivan@vostok.example", "before the copy"), FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        target = tmp_path / "responder.tar"
        told = await asyncio.to_thread(back_up, scene.state, str(target))
        assert told.returncode == 0, told.stderr
        scene.arrive(letter("jonas@linden-partner.example", "after the copy"), FRIDAY + timedelta(minutes=5))
        clock.at = FRIDAY + timedelta(minutes=9)
        await scene.run()
        assert len(scene.replies()) == 2
        secret = (scene.state / "secret").read_bytes()
        shutil.rmtree(scene.state)
        unpacked(target, scene.state)
        assert (scene.state / "secret").read_bytes() == secret
        take_back(scene)
        for minutes, sender in ((20, "ivan@vostok.example"), (21, "jonas@linden-partner.example")):
            scene.arrive(letter(sender, "once more"), FRIDAY + timedelta(minutes=minutes))
        clock.at = FRIDAY + timedelta(minutes=30)
        await scene.run()
        await scene.run()
        assert len(scene.replies()) == 2
        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        rows = await ledger.decided(last=10)
        await ledger.close()
        assert {row.entry.reason for row in rows[:2]} == {"told"}


def test_an_archive_is_what_every_tar_reads(state: Path, tmp_path: Path) -> None:
    """The system's own tar lists the two members."""
    target = tmp_path / "responder.tar"
    assert back_up(state, str(target)).returncode == 0
    listed = subprocess.run(["tar", "-tf", target], capture_output=True, text=True, check=True, timeout=60)
    assert sorted(listed.stdout.split()) == ["ledger.sqlite3", "secret"]
