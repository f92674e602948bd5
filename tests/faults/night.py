"""One night of the real daemon for a test: a real Dovecot and an SMTP server, both behind fault proxies.

The night's clock runs faster than the world's, so that a reply that is put off for two minutes leaves a second later;
servers are waited for briefly, so that a dead one costs little. What came of the night is read from the servers and
the ledger only.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responder import config
from responder.adapters.ledger import SqliteLedger
from responder.daemon import Daemon
from responder.pace import Patience
from tests.core.build import at
from tests.e2e.scene import Scene, letter
from tests.servers.dovecot import PASSWORD
from tests.servers.fault_proxy import FaultProxy
from tests.servers.smtp import Features, SmtpSink

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

    from responder.ports import Summary
    from tests.servers.dovecot import Dovecot

#: The office has closed on Friday at 19:00 in Moscow, and opens on Monday at 10:00.
FRIDAY_NIGHT = at("2026-11-13 20:00")
#: So many seconds of the night pass in one of the world's.
RATE = 120.0
#: Short against a dead server, long against a busy machine that runs a live one.
BRIEF = Patience(answer=2.0, verdict=6.0, first=0.05, longest=0.5, lived=60.0, refused=1.0)
#: What a test waits for comes at last, or never: a busy machine may take long.
LIMIT = 90.0

CLIENTS = ("ivan@vostok.example", "maya@harborlane.example")
STRANGER = "who@nowhere.example"
LATECOMER = "kolya@vostok.example"


class QuickClock:
    """Runs from ``starts_at`` on, ``rate`` times as fast as the world's."""

    def __init__(self, starts_at: datetime, rate: float = RATE) -> None:
        self._starts_at, self._rate = starts_at, rate
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Return the night's time."""
        return self._starts_at + timedelta(seconds=(time.monotonic() - self._began) * self._rate)

    def real_seconds(self, seconds: float) -> float:
        """Return how long that lasts in the world."""
        return seconds / self._rate


async def until(holds: Callable[[], bool], what: str, limit: float = LIMIT) -> None:
    """Wait until it holds; fail, saying what never did."""
    ends = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < ends, f"never: {what}"
        await asyncio.sleep(0.02)


@dataclass
class Night:
    """The set-up, and the daemon where it runs."""

    scene: Scene
    imap: FaultProxy
    smtp: FaultProxy
    sink: SmtpSink
    patience: Patience
    rounds: int = 0
    expected: list[str] = field(default_factory=list)
    daemon: Daemon | None = None
    _task: asyncio.Task[None] | None = None

    def arrive(self, *senders: str) -> None:
        """Let one message of each sender arrive now; its subject is the sender's address."""
        for sender in senders:
            self.scene.arrive(letter(sender, sender), self.scene.clock.now())
            self.expected.append(sender)

    def start(self) -> None:
        """Start the daemon."""
        self.daemon = Daemon(
            config.load(self.scene.config),
            state=self.scene.state,
            clock=self.scene.clock,
            environ=os.environ,
            on_round=self._count,
            patience=self.patience,
        )
        self._task = asyncio.create_task(self.daemon.run())

    def _count(self, _name: str, _next_at: datetime | None) -> None:
        self.rounds += 1

    async def stop(self) -> None:
        """Stop the daemon; it must come to its end by itself."""
        if self.daemon is not None and self._task is not None:
            self.daemon.stop()
            await asyncio.wait_for(self._task, LIMIT)
            self.daemon = self._task = None

    async def baseline(self) -> None:
        """Do the first start, which leaves alone what lies in INBOX."""
        self.start()
        await self.round()
        await self.stop()

    async def round(self, more: int = 1) -> None:
        """Wait until so many more rounds were completed."""
        wanted = self.rounds + more
        await until(lambda: self.rounds >= wanted, f"{more} more rounds")

    async def summary(self) -> Summary:
        """Return the ledger's counts."""
        ledger = SqliteLedger.read(self.scene.state / "ledger.sqlite3")
        try:
            return await ledger.summary(self.scene.clock.now())
        finally:
            await ledger.close()

    async def notes(self) -> dict[str, str]:
        """Return the ledger's words about the daemon."""
        ledger = SqliteLedger.read(self.scene.state / "ledger.sqlite3")
        try:
            return dict(await ledger.notes())
        finally:
            await ledger.close()

    async def rest(self) -> Summary:
        """Wait until all that arrived is decided and nothing is left to do; return the ledger's counts."""
        ends = time.monotonic() + LIMIT
        while True:
            assert self._task is None or not self._task.done(), "the daemon ended"
            summary = await self.summary()
            decided = sum(summary.by_reason.values())
            if decided >= len(self.expected) and not summary.waiting and not summary.planned:
                return summary
            assert time.monotonic() < ends, f"never at rest: {summary}"
            await asyncio.sleep(0.05)

    # ------------------------------------------------------------------------- what came of it

    def places(self) -> dict[str, list[str]]:
        """Return by subject in which folders it lies, Sent left out; each place once for each copy."""
        found: dict[str, list[str]] = {}
        for folder, messages in self.scene.tree().items():
            if folder != "Sent":
                for message in messages:
                    found.setdefault(str(message["Subject"]), []).append(folder)
        return found

    def told(self) -> Counter[str]:
        """Return how many replies each address got."""
        return Counter(mail.recipient for mail in self.sink.mails)

    def copies(self) -> Counter[str]:
        """Return how many copies of replies to each address lie in Sent."""
        sent = self.scene.tree().get("Sent", [])
        return Counter(str(message["To"]) for message in sent if message["X-Responder-Id"])

    def check_filed(self) -> None:
        """Assert that every mail lies in exactly one place: a client's in a folder of a window, others in INBOX."""
        places = self.places()
        assert sorted(places) == sorted(self.expected), places
        for subject, folders in places.items():
            assert len(folders) == 1, (subject, folders)
            assert folders[0].startswith("INBOX" if subject == STRANGER else "Callbacks/"), (subject, folders)

    def check_told_once(self) -> None:
        """Assert that each client got one reply, nobody else any, and that each reply lies in Sent once."""
        clients = Counter(set(self.expected) - {STRANGER})
        assert self.told() == clients, self.told()
        assert self.copies() == clients, self.copies()


@asynccontextmanager
async def night(
    dovecot: Dovecot,
    user: str,
    folder: Path,
    *,
    patience: Patience = BRIEF,
    starts_at: datetime = FRIDAY_NIGHT,
    changes: dict[str, Any] | None = None,
    edit: Callable[[bytes], bytes] | None = None,
    tls: ssl.SSLContext | None = None,
    script: dict[str, Any] | None = None,
) -> AsyncIterator[Night]:
    """Open a night: servers run, and the daemon is stopped at the end."""
    async with AsyncExitStack() as stack:
        features = Features(user=user, password=PASSWORD)
        sink = await stack.enter_async_context(SmtpSink(features=features, script=script))
        imap = await stack.enter_async_context(FaultProxy(dovecot.imap_port, "imap", edit=edit, tls=tls))
        smtp = await stack.enter_async_context(FaultProxy(sink.port, "smtp"))
        scene = Scene(
            folder=folder,
            server=dovecot,
            sink=sink,
            user=user,
            clock=QuickClock(starts_at),  # type: ignore[arg-type]
            changes={"replies": {"grace": "0 s"}, **(changes or {})},
        )
        mailbox = scene.changes.setdefault("mailboxes", {}).setdefault("main", {})
        for name, proxy in (("imap", imap), ("smtp", smtp)):
            mailbox[name] = {"port": proxy.port, **mailbox.get(name, {})}
        mailbox.setdefault("poll", "60 s")
        scene.write()
        opened = Night(scene, imap, smtp, sink, patience)
        stack.push_async_callback(opened.stop)
        yield opened
