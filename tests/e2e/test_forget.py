"""``responder forget`` beside a running daemon on a real server: no trace stays, and nobody is answered again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.adapters.ledger_build import decision, enter, entry
from tests.adapters.test_ledger_forget import traces
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene
from tests.e2e.test_commands import responder
from tests.e2e.test_daemon import Process, closed_now, daemons, deliver
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

WORDS = (b"ivan", b"vostok", "Договор аренды".encode(), "Здравствуйте".encode())


@pytest.fixture
async def scene(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office that is closed now, whatever day it is."""
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock
        yield Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=closed_now())


@pytest.fixture
def start(scene: Scene) -> Iterator[Callable[[], Process]]:
    """Return what starts a daemon; whatever a test leaves running is ended after it."""
    with daemons(scene) as begin:
        yield begin


async def forget(scene: Scene, *words: str) -> subprocess.CompletedProcess[str]:
    """Give the command as a person does, with no terminal; the servers of this event loop serve on."""
    place = ["--config", str(scene.config), "--state", str(scene.state)]
    return await asyncio.to_thread(lambda: responder("forget", *words, *place, home=scene.folder))


async def filed(scene: Scene, count: int) -> None:
    """Wait until so many messages lie in windows' folders, and nothing is left to be done about them."""
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    try:
        for _ in range(400):
            summary = await ledger.summary(scene.clock.now())
            if summary.by_reason.get("full", 0) == count and not summary.planned:
                return
            await asyncio.sleep(0.05)
    finally:
        await ledger.close()
    raise AssertionError("never filed")


def take_back(scene: Scene) -> None:
    """Drag everything that was filed back to INBOX, as the owner's program does: it gets a new number there."""
    with scene.program.session() as client:
        for folder in (name for name in scene.program.folders() if name.startswith("Callbacks/")):
            client.select_folder(scene.program.wire(folder))
            if uids := client.search():
                client.move(uids, "INBOX")


@pytest.mark.server
async def test_whoever_is_forgotten_is_not_answered_again(scene: Scene, start: Callable[[], Process]) -> None:
    """While the daemon runs all traces go; the mail dragged back is known, the next of the same period is silent."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, "ivan@vostok.example", "Договор аренды")
    deliver(scene, "maya@harborlane.example", "A question")
    await scene.sink.arrived(2, 20)
    await filed(scene, 2)
    assert {word for _, word in traces(scene.state, WORDS)} >= set(WORDS[:2])
    refused = await forget(scene, "ivan@vostok.example")
    assert refused.returncode == 64
    assert "say --yes" in refused.stderr
    done = await forget(scene, "Ivan@Vostok.example", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout)
    assert (held["messages"], held["replies"], held["open_promises"], held["under_way"]) == (1, 1, 1, 0)
    assert traces(scene.state, WORDS) == []
    assert {word for _, word in traces(scene.state, (b"maya", b"harbor"))} == {b"maya", b"harbor"}
    take_back(scene)
    seen = await daemon.logged("message", 4)
    assert [line["reason"] for line in seen[2:]] == ["seen-before", "seen-before"]
    deliver(scene, "ivan@vostok.example", "Ещё вопрос")
    seen = await daemon.logged("message", 5)
    assert seen[4]["reason"] == "told"
    assert await daemon.ended() == 0
    again = start()
    await again.logged("mailbox open", 2)
    assert await again.ended() == 0
    assert len(scene.replies()) == 2
    assert not any(line["event"] in ("session lost", "unexpected") for line in again.lines())


@pytest.mark.server
async def test_it_works_while_the_service_is_stopped(scene: Scene, start: Callable[[], Process]) -> None:
    """Without a daemon the same; a second time there is nothing, and that is no failure."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, "ivan@vostok.example", "Договор аренды")
    await scene.sink.arrived(1, 20)
    await filed(scene, 1)
    assert await daemon.ended() == 0
    done = await forget(scene, "@vostok.example", "--yes")
    assert done.returncode == 0, done.stderr
    assert (
        "@vostok.example: 1 message, 1 reply with its words, 1 promise, 1 of them still open; forgotten." in done.stdout
    )
    assert "vostok is still a client in your file" in done.stdout
    assert traces(scene.state, WORDS) == []
    twice = await forget(scene, "ivan@vostok.example", "--yes")
    assert (twice.returncode, "nothing was remembered; forgotten" in twice.stdout) == (0, True)


@pytest.mark.server
async def test_on_a_terminal_it_asks(scene: Scene, start: Callable[[], Process]) -> None:
    """It says what it would forget and forgets nothing unless told "y"."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, "ivan@vostok.example", "Договор аренды")
    await scene.sink.arrived(1, 20)
    await filed(scene, 1)
    assert await daemon.ended() == 0
    for answer, status, left in (("n", 130, True), ("y", 0, False)):
        said, code = await asyncio.to_thread(_on_a_terminal, scene, answer)
        assert code == status, said
        assert "ivan@vostok.example: 1 message" in said
        assert "Forget it? It does not come back; your mailbox is not touched. [y/N]" in said
        assert bool(traces(scene.state, WORDS[:1])) is left


def _on_a_terminal(scene: Scene, answer: str) -> tuple[str, int]:
    ours, theirs = pty.openpty()
    words = ["forget", "ivan@vostok.example", "--config", str(scene.config), "--state", str(scene.state)]
    with subprocess.Popen(
        [sys.executable, "-m", "responder", *words],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=EXAMPLE.parent,
    ) as child:
        os.write(ours, answer.encode() + b"\n")
        assert child.stdout is not None
        said = child.stdout.read().decode()
    os.close(ours)
    os.close(theirs)
    return said, child.returncode


async def _many(path: Path) -> None:
    """Make a ledger of twenty persons."""
    ledger = SqliteLedger.open(path)
    ones = [entry(f"n{number}", address=f"p{number % 20}@x.example", client="", uid=number) for number in range(4000)]
    await enter(ledger, *(decision(one) for one in ones))
    await ledger.close()


def test_killed_at_any_moment_it_has_forgotten_all_or_nothing(tmp_path: Path) -> None:
    """Before, in and after the transaction, and while the file is written anew: the ledger is whole each time."""
    made = tmp_path / "made"
    asyncio.run(_many(made / "ledger.sqlite3"))
    took, kept = 0.0, set[int]()
    for step in (None, *range(10)):
        state = tmp_path / f"state-{step}"
        shutil.copytree(made, state)
        began = time.monotonic()
        with subprocess.Popen(
            [
                *[sys.executable, "-m", "responder", "forget", "p7@x.example", "--yes"],
                *["--config", str(EXAMPLE), "--state", str(state)],
            ],
            stdout=subprocess.DEVNULL,
            cwd=EXAMPLE.parent,
        ) as child:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(60 if step is None else took * (0.5 + step / 18))
            child.kill()
        took = took or time.monotonic() - began
        with closing(sqlite3.connect(state / "ledger.sqlite3")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (count,) = connection.execute("SELECT count(*) FROM messages WHERE address = 'p7@x.example'").fetchone()
            assert count in (0, 200)
            kept.add(count)
            assert connection.execute("SELECT count(*) FROM messages").fetchone() == (4000,)
    assert 0 in kept


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["nobody", "--yes"], 64, "is not an e-mail address"),
        (["@", "--yes"], 64, "is not an e-mail address"),
        (["ivan@vostok.example", "--yes"], 78, "nothing is remembered about anybody"),
    ],
)
def test_wrong_words_get_a_sentence(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    """What is no address, or no ledger, is said plainly, and nothing is made."""
    place = ["--config", str(EXAMPLE), "--state", str(tmp_path / "state")]
    told = responder("forget", *words, *place, home=tmp_path)
    assert (told.returncode, said in told.stderr) == (status, True), told.stderr
    assert not (tmp_path / "state").exists()
