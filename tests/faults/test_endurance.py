"""Endurance under the real clock: memory, threads and descriptors stay flat, and a full INBOX is no burden."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.e2e.clocks import FixedClock
from tests.e2e.crash import say
from tests.e2e.scene import EXAMPLE, Scene, letter
from tests.e2e.test_daemon import Process, closed_now, deliver
from tests.servers.smtp import SmtpSink, ThreadedSmtpSink, drop, reply

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

#: Rounds of mail, and those of them in which caches fill.
ROUNDS, WARM = 48, 16
#: Mails in a round.
A_ROUND = 12
#: Growth of the resident memory that no leak explains: what the allocator keeps. A leaked session is ten times less,
#: yet forty rounds of them are more.
FLAT_KB = 6_000
#: A full INBOX, and what arrives while the service is down.
FULL, MISSED = 100_000, 20_000
#: What a pass may take of memory with the modules that it needs (70 MB): bounded, whatever lies in INBOX.
MOST_KB = 160_000


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the test runs under the real clock


def usage(pid: int) -> tuple[int, int, int]:
    """Return resident KB, threads and open descriptors of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = [re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE) for name in ("VmRSS", "Threads")]
    rss, threads = [int(match[1]) for match in found if match]
    return rss, threads, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - only how many


async def test_memory_threads_and_descriptors_stay_flat(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over hundreds of mails, dozens of replaced sessions and broken submissions, nothing of the process grows."""
    measured: list[tuple[int, int, int]] = []
    async with SmtpSink() as sink:
        clock = FixedClock(_now())
        changes = closed_now()
        changes["replies"] |= {"copy": "Sent", "limits": {"per_hour": 9_000, "per_day": 9_000}}
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=changes)
        daemon = Process(scene)
        try:
            await daemon.logged("mailbox open")
            for number in range(ROUNDS):
                sink.script = [{}, {"DOT": [drop()]}, {"RCPT": [reply("451 later")]}][number % 3]
                for one in range(A_ROUND):
                    sender = f"p{number}-{one}@vostok.example" if one % 3 else f"s{one}@nowhere.example"
                    await asyncio.to_thread(deliver, scene, sender, f"{number} {one}", text="word " * 200)
                await daemon.logged("message", (number + 1) * A_ROUND)
                scene.changes["mailboxes"] = {"main": {"poll": f"{number % 2 + 1} s"}}
                scene.write()
                daemon.send(signal.SIGHUP)  # every session, and every connection to the SMTP server, is made anew
                await daemon.logged("mailbox open", number + 2)
                measured.append(usage(daemon._child.pid))
            assert await daemon.ended() == 0
        finally:
            daemon.end(signal.SIGKILL)
    third = (ROUNDS - WARM) // 3
    early, late = measured[WARM : WARM + third], measured[-third:]
    grown = median(rss for rss, _, _ in late) - median(rss for rss, _, _ in early)
    say(capsys, f"{measured[0]} {early[0]} {measured[-1]}, grown by {grown} KB")
    assert grown < FLAT_KB, measured
    for what in (1, 2):
        assert max(each[what] for each in late) <= max(each[what] for each in early) + 2, measured


def _pass(scene: Scene) -> tuple[int, float]:
    """Run one pass in a process of its own; return its greatest resident KB, and its seconds."""
    began = time.monotonic()
    with (scene.folder / "pass.log").open("ab") as log:
        child = subprocess.run(
            [
                *[sys.executable, "-m", "tests.faults.once_child"],
                *[str(scene.config), str(scene.state), scene.clock.now().isoformat()],
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=EXAMPLE.parent,
            check=False,
        )
        log.write(child.stdout)
    assert child.returncode == 0, (scene.folder / "pass.log").read_text()[-3_000:]
    return json.loads(child.stdout.splitlines()[-1])["peak"] // 1024, time.monotonic() - began


def test_a_full_inbox_and_a_long_absence(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first start on 100,000 mails answers none; 20,000 missed mails are taken in; memory stays bounded by both."""
    with ThreadedSmtpSink() as sink:
        clock = FixedClock(_now())
        changes = closed_now()
        changes["replies"] |= {"limits": {"per_hour": 10, "per_day": 10}}
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=changes)
        for start in range(0, FULL, 5_000):
            dovecot_rich.append_many(user, [letter("ivan@vostok.example", f"old {start + n}") for n in range(5_000)])
        first = _pass(scene)
        assert sink.mails == []
        assert "100000" in (scene.folder / "pass.log").read_text()

        senders = ("who@nowhere.example", "list@lists.example", "mailer-daemon@vostok.example", "ivan@vostok.example")
        for start in range(0, MISSED, 5_000):
            raws = [letter(senders[n % 4], f"missed {start + n}") for n in range(5_000)]
            dovecot_rich.append_many(user, raws)
        second = _pass(scene)
        assert [mail.recipient for mail in sink.mails] == ["ivan@vostok.example"]
        deliver(scene, "kolya@vostok.example", "new")
        third = _pass(scene)
        assert [mail.recipient for mail in sink.mails][1:] == ["kolya@vostok.example"]
    for what, (most, seconds) in (("first start", first), ("absence", second), ("one mail", third)):
        say(capsys, f"{what}: {most / 1000:.0f} MB, {seconds:.1f} s")
        assert most < MOST_KB, what
