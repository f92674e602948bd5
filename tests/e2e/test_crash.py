"""Killed, by SIGKILL, before and after every outside call, and started again: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, letter
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

#: More calls than one pass makes: the last ones find nothing left to kill, which the test also wants to see.
_MOST_CALLS = 60
#: So many children at once keep two cores busy.
_AT_ONCE = 3


async def _child(scene: Scene, call: int, when: str) -> tuple[int, str]:
    """Run one pass in a process that dies at that call; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.e2e.crash_child", str(scene.config), str(scene.state)],
        *[scene.clock.at.isoformat(), str(call), when],
        cwd=EXAMPLE.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await asyncio.wait_for(process.communicate(), 60)
    status = process.returncode or 0
    assert status in (0, -signal.SIGKILL), complaints.decode()
    return status, printed.decode()


async def _prepare(dovecot: Dovecot, sink: SmtpSink, folder: Path, user: str) -> Scene:
    clock = FixedClock(at("2026-11-13 17:00"))
    scene = Scene(folder=folder, server=dovecot, sink=sink, user=user, clock=clock)
    await scene.run()
    for number, (sender, subject) in enumerate(_NIGHT):
        scene.arrive(letter(sender, subject), FRIDAY + timedelta(minutes=number))
    clock.at = FRIDAY + timedelta(minutes=20)
    return scene


_NIGHT = (
    ("ivan@vostok.example", "Договор аренды"),
    ("kolya@vostok.example", "Вопрос"),
    ("kolya@vostok.example", "Ещё вопрос"),
    ("who@nowhere.example", "stranger"),
)


async def _check(scene: Scene, call: int, when: str) -> None:
    """Start again and look at the servers and the ledger only."""
    where = f"killed {when} call {call}"
    scene.clock.at += timedelta(minutes=3)
    await scene.run()
    tree = scene.tree()
    assert scene.subjects("INBOX") == ["stranger"], where
    assert sorted(scene.subjects("Callbacks/2026-11-16 10-00")) == sorted(s for _, s in _NIGHT[:3]), where
    assert sum(len(found) for folder, found in tree.items() if folder != "Sent") == len(_NIGHT), where
    recipients = [mail.recipient for mail in scene.replies()]
    assert len(recipients) == len(set(recipients)), where
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    summary = await ledger.summary(scene.clock.at)
    doubtful = await ledger.in_doubt()
    await ledger.close()
    held = {getattr(stored.effect, "recipient", "") for stored in doubtful}
    assert {"ivan@vostok.example", "kolya@vostok.example"} <= held | set(recipients), where
    assert summary.planned == 0, where
    assert summary.waiting == 0, where
    copies = [str(message["To"]) for message in tree.get("Sent", [])]
    assert set(copies) <= set(recipients), where


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_every_outside_call(dovecot_rich: Dovecot, user: str, tmp_path: Path, when: str) -> None:
    """Wherever the process dies: at most one reply for each client, every mail filed once, what is held is shown."""
    limit = asyncio.Semaphore(_AT_ONCE)
    finished: list[int] = []

    async def one(call: int) -> None:
        async with limit:
            if finished and call > min(finished):
                return
            async with SmtpSink() as sink:
                scene = await _prepare(dovecot_rich, sink, tmp_path / f"{when}-{call}", f"{user}-{when}-{call}")
                status, _ = await _child(scene, call, when)
                if status == 0:
                    finished.append(call)
                await _check(scene, call, when)

    async with asyncio.TaskGroup() as group:
        for call in range(1, _MOST_CALLS):
            group.create_task(one(call))
    assert finished, f"one pass makes more than {_MOST_CALLS} calls"
    assert min(finished) > 10, "the fuse never burned"
