"""An SMTP server for tests: takes mail, remembers it, and misbehaves on demand. For loopback only.

``SmtpSink`` runs in the caller's event loop, ``ThreadedSmtpSink`` in a thread of its own, and
``python -m tests.servers.smtp`` as a process that prints its port (for measurements: nothing is kept).
A script names, by phase, what to do instead of the usual answer::

    async with SmtpSink(script={"RCPT": reply("451 4.3.0 later"), "DOT": [None, drop()]}) as sink:

An ``Act`` holds always; in a list the n-th member holds for the n-th time (None: the usual), then the usual again.
Phases: CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA BODY (the first octets of it) DOT RSET QUIT. At DOT every act but
a reply with 4xx or 5xx counts as "the server took it": the mail stands in ``mails``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, cast

from responder.adapters.clock import SystemClock
from tests.servers.smtp_session import Act, Captured, Features, Script, Session, delay, drop, reply, reset, silence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

__all__ = [
    "Act",
    "Captured",
    "Features",
    "SmtpSink",
    "ThreadedSmtpSink",
    "delay",
    "drop",
    "reply",
    "reset",
    "silence",
]

CLOCK = SystemClock()


class SmtpSink:
    """The server in the caller's event loop; an async context manager.

    Attributes:
        port: where it listens; a free one by default.
        mails: what was taken, in order; empty when ``keep`` is false.
        count: how many were taken.
        lines: every line received outside a body, as it came.
        connections: how many there have been; ``open_connections``: those that stand.
        logins: how many tries there have been.
        script: may be changed at any time.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        features: Features | None = None,
        script: Mapping[str, Act | Sequence[Act | None]] | None = None,
        keep: bool = True,
    ) -> None:
        self.port = port
        self.features = features or Features()
        self.script: Script = {
            phase: act if isinstance(act, Act) else list(act) for phase, act in (script or {}).items()
        }
        self.mails: list[Captured] = []
        self.count = 0
        self.lines: list[bytes] = [] if keep else _Nowhere()
        self.connections = 0
        self.open_connections: set[Session] = set()
        self.logins = 0
        self._keep = keep
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        context = self.features.context if self.features.tls == "tls" else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for session in list(self.open_connections):
            session.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets them end before the loop does

    def act(self, phase: str) -> Act | None:
        """Return what the script has for this phase now, and move on."""
        acts = self.script.get(phase)
        return acts.pop(0) if isinstance(acts, list) and acts else None if isinstance(acts, list) else acts

    def peek(self, phase: str) -> Act | None:
        """Return what the script has for this phase now."""
        acts = self.script.get(phase)
        return (acts[0] if acts else None) if isinstance(acts, list) else acts

    def take(self, session: Session, data: bytes) -> None:
        """Keep a mail, once for each recipient."""
        self.count += len(session.recipients)
        self._news.set()
        if not self._keep or session.mail is None:
            return
        data = (b"\r\n" + data).replace(b"\r\n..", b"\r\n.")[2:]
        for recipient, options in session.recipients:
            sender, mail_options = session.mail
            self.mails.append(Captured(sender, recipient, mail_options, options, data, CLOCK.now(), session.number))

    def spawn(self, work: object) -> None:
        """Run a coroutine beside the sessions."""
        task = asyncio.ensure_future(cast("asyncio.Future[None]", work))
        self._tasks.add(cast("asyncio.Task[None]", task))
        task.add_done_callback(lambda done: self._tasks.discard(cast("asyncio.Task[None]", done)))

    async def arrived(self, count: int, limit: float = 10.0) -> list[Captured]:
        """Wait until so many mails have been taken, and return them; TimeoutError after ``limit`` seconds."""
        async with asyncio.timeout(limit):
            while self.count < count:
                self._news.clear()
                await self._news.wait()
        return self.mails


class _Nowhere(list[bytes]):
    """A list that keeps nothing."""

    def append(self, line: bytes, /) -> None:
        """Forget it."""


@dataclass
class ThreadedSmtpSink:
    """The same server in a thread with its own event loop, for tests without one; a context manager."""

    features: Features | None = None
    script: Mapping[str, Act | Sequence[Act | None]] | None = None
    _ready: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> SmtpSink:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="smtp-sink")
        self._thread.start()
        self._ready.wait()
        return self._sink

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._sink = SmtpSink(features=self.features, script=self.script)
        async with self._sink:
            self._ready.set()
            await self._end.wait()


async def _serve(port: int, *, count: bool) -> None:
    async with SmtpSink(port=port, keep=False) as sink:
        print(sink.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        if count:
            print(sink.count, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the port; take mail, and keep none, until standard input ends.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--count", action="store_true", help="print at the end how many were taken")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.port, count=arguments.count))
