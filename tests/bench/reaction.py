"""The daemon at its real work: mail that comes one by one, and nights in which none comes."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.bench.mails import FIRMS
from tests.bench.place import Template, write_config
from tests.bench.process import cpu_of, ended, memory_of, start
from tests.e2e.scene import letter
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.place import Place
    from tests.servers.smtp_session import Session

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """What was measured of the running daemon.

    ``reactions``: seconds from the end of IDLE to the acceptance of the reply, ascending. ``idle_cpu``: CPU seconds
    an hour. ``memory`` in octets, idle, after the mail.
    """

    reactions: tuple[float, ...]
    idle_seconds: float
    idle_cpu: float
    memory: int
    dateparser: bool


class TimedSink(SmtpSink):
    """The SMTP server for tests, which notes when it accepts a mail (monotonic clock)."""

    def __init__(self) -> None:
        super().__init__(keep=False)
        self.accepted: list[float] = []

    def take(self, session: Session, data: bytes) -> None:
        """Note the instant; the answer follows at once."""
        self.accepted.append(time.monotonic())
        super().take(session, data)


def measure(place: Place, deliveries: int, idle_seconds: float, *, progress: Callable[[str], None]) -> Daily:
    """Run the daemon, deliver mail to it one by one over LMTP, then leave it alone for a while."""
    return asyncio.run(_measure(place, deliveries, idle_seconds, progress))


async def _measure(place: Place, deliveries: int, idle_seconds: float, progress: Callable[[str], None]) -> Daily:
    async with TimedSink() as sink:
        place = replace(place, smtp_port=sink.port)
        owner = Template(place, "daily")
        write_config(owner.config, place, owner.user)
        child = start("tests.bench.leg", "watch", str(owner.config), str(owner.state), log=owner.log)
        with ended(child):
            await _opened(owner)
            for number in range(deliveries):
                if number % 20 == 0:
                    progress(f"reaction: {number} of {deliveries} deliveries")
                sender = f"daily{number}@firm{number % FIRMS}.example"
                raw = letter(sender, f"Question {number}", at=datetime.now(UTC), return_path=None)  # noqa: TID251 - as above
                await asyncio.to_thread(place.dovecot.deliver, owner.user, raw, sender=sender)
                await sink.arrived(number + 1, START_SECONDS)
            progress(f"idle: {idle_seconds:.0f} s")
            await asyncio.sleep(1)  # lets the last filing end: it is no part of idling
            began, cpu = time.monotonic(), cpu_of(child.pid)
            await asyncio.sleep(idle_seconds)
            idle_cpu = (cpu_of(child.pid) - cpu) / (time.monotonic() - began) * 3600
            memory = memory_of(child.pid)
            child.send_signal(signal.SIGTERM)
            assert child.stdout is not None
            said: dict[str, Any] = json.loads((await asyncio.to_thread(child.stdout.read)).splitlines()[-1])
        shutil.rmtree(owner.folder)
        return Daily(
            reactions=tuple(sorted(_reactions(said["woken"], sink.accepted))),
            idle_seconds=idle_seconds,
            idle_cpu=idle_cpu,
            memory=memory,
            dateparser=said["dateparser"],
        )


async def _opened(owner: Template) -> None:
    """Wait until the daemon has logged that it watches the mailbox."""
    async with asyncio.timeout(START_SECONDS):
        while "mailbox open" not in owner.log.read_text():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.05)


def _reactions(woken: list[float], accepted: list[float]) -> list[float]:
    """Pair each accepted reply with the last wake-up before it: mails came one by one."""
    return [at - max((wake for wake in woken if wake <= at), default=float("-inf")) for at in accepted]
