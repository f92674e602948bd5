"""The daemon as a real process under the real clock: LMTP deliveries, reload, restart, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, body_of, letter
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

MOSCOW = ZoneInfo("Europe/Moscow")


def closed_now() -> dict[str, Any]:
    """Return changes that close yesterday, today and the next two days, and open the third for a whole morning."""
    today = datetime.now(MOSCOW).date()  # noqa: TID251 - the test runs under the real clock
    closed = f"{today - timedelta(days=1)}..{today + timedelta(days=2)}"
    opens = today + timedelta(days=3)
    return {
        "owner": {"holidays": None},
        "hours": {closed: [], str(opens): ["10:00-13:00"], "2027-01-01..2027-01-08": None, "2026-12-31": None},
        "windows": {"evening": None, "morning": {"hours": {str(opens): ["10:00-11:00"]}, "channels": ["phone"]}},
        "channels": {
            "phone": {"hours": {"mon-fri": ["10:00-11:00"], str(opens): ["10:00-11:00"]}},
        },
        "replies": {"grace": "0 s", "copy": "none"},
        # One term for all: whatever day it is, everything is due at that morning's end.
        "topics": None,
        "clients": {name: {"response": None, "topics": None, "windows": None} for name in ("harbor", "linden")},
    }


class Process:
    """``responder run`` in a process of its own."""

    def __init__(self, scene: Scene, environ: Mapping[str, str] | None = None) -> None:
        self.log = scene.folder / "log.jsonl"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [
                    *[sys.executable, "-m", "responder", "run"],
                    *["--config", str(scene.config), "--state", str(scene.state)],
                ],
                stderr=log,
                cwd=EXAMPLE.parent,
                env={**os.environ, **(environ or {})},
            )

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged, parsed."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until an event was logged so often."""
        for _ in range(400):
            found = [line for line in self.lines() if line["event"].startswith(event)]
            if len(found) >= count:
                return found
            assert self._child.poll() is None, self.log.read_text()
            await asyncio.sleep(0.05)
        raise AssertionError(f"never logged: {event}\n{self.log.read_text()}")

    def send(self, number: int) -> None:
        """Send a signal."""
        self._child.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it and return its status."""
        if self._child.poll() is None:
            self._child.send_signal(number)
        return self._child.wait(20)

    async def ended(self, number: int = signal.SIGTERM) -> int:
        """End it and return its status; meanwhile the servers of this event loop serve it on.

        A round that has begun is finished first, and may still need them.
        """
        return await asyncio.to_thread(self.end, number)


@contextlib.contextmanager
def daemons(scene: Scene) -> Iterator[Callable[[], Process]]:
    """Yield what starts a daemon; whatever a test leaves running is ended after it, also when the test fails."""
    started: list[Process] = []

    def begin() -> Process:
        started.append(Process(scene))
        return started[-1]

    try:
        yield begin
    finally:
        for process in started:
            process.end(signal.SIGKILL)


@pytest.fixture
async def scene(dovecot: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office that is closed now, whatever day it is."""
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock
        yield Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock, changes=closed_now())


@pytest.fixture
def start(scene: Scene) -> Iterator[Callable[[], Process]]:
    """Return what starts a daemon; whatever a test leaves running is ended after it."""
    with daemons(scene) as begin:
        yield begin


def deliver(scene: Scene, sender: str, subject: str, **more: Any) -> None:
    """Deliver by LMTP, as a mail server does."""
    scene.dovecot.deliver(scene.user, letter(sender, subject, return_path=None, **more), sender=sender)


async def test_three_zones_two_languages_over_lmtp(scene: Scene, start: Callable[[], Process]) -> None:
    """Clients in three zones are answered in their clock and language, once; a restart answers nobody again."""
    deliver(scene, "ivan@vostok.example", "old")
    daemon = start()
    await daemon.logged("mailbox open")
    clients = {
        "ivan@vostok.example": "Договор",
        "maya@harborlane.example": "A question",
        "jonas@linden-partner.example": "Plan",
    }
    for address, subject in clients.items():
        deliver(scene, address, subject)
    deliver(scene, "list@lists.example", "digest", headers={"Precedence": "list"})
    mails = await scene.sink.arrived(3, 20)
    await daemon.logged("message", 4)
    assert sorted(mail.recipient for mail in mails) == sorted(clients)
    texts = {mail.recipient: body_of(mail) for mail in mails}
    due_on = scene.clock.at.astimezone(MOSCOW).date() + timedelta(days=3)
    due = datetime.combine(due_on, time(13), MOSCOW)
    for address, zone in (
        ("maya@harborlane.example", "America/New_York"),
        ("jonas@linden-partner.example", "Europe/Berlin"),
    ):
        assert f"{due.astimezone(ZoneInfo(zone)):%H:%M}" in texts[address], texts[address]
        assert "13:00 in Moscow" in texts[address]
    assert "Здравствуйте" in texts["ivan@vostok.example"]
    assert await daemon.ended() == 0
    folder = f"Callbacks/{due:%Y-%m-%d} 10-00"
    assert sorted(scene.subjects(folder)) == sorted(clients.values())
    assert scene.subjects("INBOX") == ["old", "digest"]
    again = start()
    await again.logged("mailbox open", 2)
    assert await again.ended() == 0
    assert len(scene.replies()) == 3


async def test_reload_keeps_the_old_rules_when_the_file_is_bad(scene: Scene, start: Callable[[], Process]) -> None:
    """A bad file on SIGHUP is named in the log and changes nothing; a good one changes the rules at once."""
    daemon = start()
    await daemon.logged("mailbox open")
    good = scene.config.read_text()
    scene.config.write_text(good + "\n[nonsense]\n")
    daemon.send(signal.SIGHUP)
    (refused,) = await daemon.logged("configuration refused")
    assert "nonsense" in refused["problem"]
    deliver(scene, "ivan@vostok.example", "one")
    await scene.sink.arrived(1, 20)
    scene.changes["replies"] = {"grace": "0 s", "copy": "none", "mode": "off"}
    scene.write()
    daemon.send(signal.SIGHUP)
    await daemon.logged("configuration read")
    deliver(scene, "kolya@vostok.example", "two")
    await daemon.logged("message", 2)
    assert await daemon.ended() == 0
    assert len(scene.replies()) == 1


async def test_a_second_daemon_stands_aside(start: Callable[[], Process]) -> None:
    """On one ledger only one daemon runs; the other says so and exits with 75: it may be tried again."""
    first = start()
    await first.logged("mailbox open")
    second = start()
    assert await second.ended(signal.SIGCONT) == 75
    assert "another responder is running" in first.log.read_text()
    assert await first.ended() == 0


async def test_a_lost_session_is_rebuilt(scene: Scene, start: Callable[[], Process]) -> None:
    """A session that the server ends is opened again, and mail that came meanwhile is answered."""
    daemon = start()
    await daemon.logged("mailbox open")
    scene.dovecot.kick(scene.user)
    deliver(scene, "ivan@vostok.example", "after the kick")
    await scene.sink.arrived(1, 30)
    assert await daemon.ended() == 0


async def test_the_log_tells_no_secret(scene: Scene, start: Callable[[], Process]) -> None:
    """Log lines bear a reason and a shortened address; no subject, no body, no password."""
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, "ivan@vostok.example", "Совершенно секретно", text="Тело письма, которого никто не видит.")
    await daemon.logged("reply")
    assert await daemon.ended() == 0
    log = daemon.log.read_text()
    for secret in ("Совершенно", "Тело", "password", "ivan@vostok.example"):
        assert secret not in log
    assert "i…@vostok.example" in log
