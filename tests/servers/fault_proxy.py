r"""A TCP proxy between a client and a real server that knows IMAP's and SMTP's lines, and breaks those it is told to.

    cut = Rule(r"\S+ UID MOVE ", cut_after())
    async with FaultProxy(dovecot.imap_port, "imap", cut) as proxy:
        ...  # the client connects to proxy.port
        assert cut.struck

For plain text on loopback; towards the client it can speak TLS. A rule's pattern is matched at the beginning of each
line of the client, upper and lower case alike; ``GREETING`` matches a new connection. The n-th line that matches is
struck, once unless ``times`` says otherwise. The fault decides what becomes of the line and of its answer:

    cut_before()      both sides are closed, and the server never sees the line
    cut_after()       the server obeys and answers, but the answer is lost and both sides are closed
    reset()           as cut_before, with an RST
    reset_after()     as cut_after, with an RST
    black_hole()      from now on nothing comes through either way, and the connections stand (half-open)
    cut_answer(n)     the server obeys, n octets of its answer come through, both sides are closed
    swallow()         the server obeys, its answer is lost, and the connection goes on
    delay(s)          the server sees the line s seconds later
    trickle(s)        the answer comes octet by octet, s seconds between them
    answer(text)      the server never sees the line; the client gets the text, with {tag} made the command's tag
    goodbye(text)     the same, and both sides are closed
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

Protocol = Literal["imap", "smtp"]
Kind = Literal[
    "cut_before",
    "cut_after",
    "reset",
    "reset_after",
    "black_hole",
    "cut_answer",
    "swallow",
    "delay",
    "trickle",
    "answer",
    "goodbye",
]

GREETING = "<connected>"
LONGEST_LINE = 1 << 24  # of a client or a server
_GREETED = re.compile(rb"[^\n]*\n")
_SMTP_ANSWER = re.compile(rb"\d{3}[ \r]")
_CONTINUE = b"+"


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of a line and of its answer; made by the functions below."""

    kind: Kind
    seconds: float = 0.0
    octets: int = 0
    text: bytes = b""


def cut_before() -> Fault:
    """Close both sides; the server never sees the line."""
    return Fault("cut_before")


def cut_after() -> Fault:
    """Close both sides once the server has answered, without giving the answer."""
    return Fault("cut_after")


def reset() -> Fault:
    """Cut the client off with an RST; the server never sees the line."""
    return Fault("reset")


def reset_after() -> Fault:
    """Cut the client off with an RST once the server has answered, without giving the answer."""
    return Fault("reset_after")


def black_hole() -> Fault:
    """Let nothing through any more, either way, and keep the connections standing."""
    return Fault("black_hole")


def cut_answer(octets: int) -> Fault:
    """Give so many octets of the answer, then close both sides."""
    return Fault("cut_answer", octets=octets)


def swallow() -> Fault:
    """Lose this line's answer, and go on as if nothing had been."""
    return Fault("swallow")


def delay(seconds: float) -> Fault:
    """Let the server see the line so much later."""
    return Fault("delay", seconds=seconds)


def trickle(seconds: float) -> Fault:
    """Give the answer octet by octet, with so many seconds between them."""
    return Fault("trickle", seconds=seconds)


def answer(text: str | bytes) -> Fault:
    """Say this to the client instead, as it stands; "{tag}" becomes the command's tag."""
    return Fault("answer", text=text.encode() if isinstance(text, str) else text)


def goodbye(text: str | bytes) -> Fault:
    """Say this to the client instead, and close both sides."""
    return Fault("goodbye", text=text.encode() if isinstance(text, str) else text)


@dataclass(slots=True)
class Rule:
    """Which line is struck, and how. ``struck`` counts the strikes, ``hit`` is set at the first.

    Args:
        line: a pattern, matched at the beginning of the line, whatever the case; or ``GREETING``.
        fault: what happens.
        nth: the first line that is struck, counted among those that match.
        times: how many are struck from there on; None: all.
    """

    line: str
    fault: Fault
    nth: int = 1
    times: int | None = 1
    struck: int = 0
    hit: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: int = 0

    def strikes(self, line: bytes) -> bool:
        """Tell whether this line is struck; counts it."""
        if not re.match(self.line.encode(), line, re.IGNORECASE):
            return False
        self._seen += 1
        if self._seen < self.nth or (self.times is not None and self._seen >= self.nth + self.times):
            return False
        self.struck += 1
        self.hit.set()
        return True


class FaultProxy:
    """The proxy; an async context manager, in the caller's event loop.

    Args:
        server_port: the real server's, on 127.0.0.1.
        protocol: tells how an answer ends.
        rules: the first that strikes a line is the one.
        tls: speak TLS to the client with this certificate; the server is spoken to in plain text.
        edit: changes each line of the server on its way to the client.

    Attributes:
        port: where it listens.
        lines: what clients have said, line by line; ``connected_at``: when, on the monotonic clock.
    """

    def __init__(
        self,
        server_port: int,
        protocol: Protocol,
        *rules: Rule,
        tls: ssl.SSLContext | None = None,
        edit: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.port = 0
        self.protocol: Protocol = protocol
        self.rules = list(rules)
        self.edit = edit
        self.lines: list[bytes] = []
        self.connected_at: list[float] = []
        self._server_port = server_port
        self._tls = tls
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=LONGEST_LINE, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for link in list(self._links):
            link.end()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports end before the loop does

    @property
    def connections(self) -> int:
        """How many there have been."""
        return len(self.connected_at)

    def arm(self, *rules: Rule) -> None:
        """Add rules from now on."""
        self.rules += rules

    def said(self, pattern: str) -> list[bytes]:
        """Return the clients' lines that match at their beginning."""
        return [line for line in self.lines if re.match(pattern.encode(), line, re.IGNORECASE)]

    def sever(self) -> None:
        """Close every connection that stands, on both sides."""
        for link in list(self._links):
            link.end()

    def fault_for(self, line: bytes) -> Fault | None:
        """Return what the rules have for this line."""
        return next((rule.fault for rule in self.rules if rule.strikes(line)), None)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connected_at.append(time.monotonic())
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
                await link.run(self._server_port)
        finally:
            self._links.discard(link)
            self._tasks.discard(task)
            link.end()


class _Link:
    """One client's connection and the server's that belongs to it."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client_in, self._client_out = reader, writer
        self._server_out: asyncio.StreamWriter | None = None
        self._tag = b""
        self._hole = False
        self._fault: Fault | None = None  # what the answer that is awaited meets
        self._ends: Callable[[bytes], bool] = lambda _: False
        self._left = 0

    async def run(self, port: int) -> None:
        """Carry lines both ways until one side ends."""
        server_in, self._server_out = await asyncio.open_connection("127.0.0.1", port, limit=LONGEST_LINE)
        if not await self._carry(GREETING.encode(), self._server_out, _GREETED.match, forward=False):
            return
        down = asyncio.create_task(self._down(server_in))
        try:
            await self._up(self._server_out)
            if self._hole:  # the other side never hears that this one has gone
                await asyncio.Event().wait()
        finally:
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)

    def end(self) -> None:
        """Close both sides."""
        for writer in (self._client_out, self._server_out):
            if writer is not None:
                writer.transport.abort() if self._hole else writer.close()

    async def _up(self, server: asyncio.StreamWriter) -> None:
        while line := await self._client_in.readline():
            self._proxy.lines.append(line)
            if not self._hole and not await self._carry(line, server, self._end_of(line), forward=True):
                return

    def _end_of(self, line: bytes) -> Callable[[bytes], object]:
        """Return what tells the last line of the answer to this line."""
        if self._proxy.protocol == "smtp":
            return _SMTP_ANSWER.match
        words = line.split()
        if len(words) > 1:
            self._tag = words[0]
            if words[1].upper() == b"IDLE":
                return lambda said: said.startswith(_CONTINUE)
        tag = self._tag + b" "
        return lambda said: said.startswith(tag)

    async def _carry(
        self, line: bytes, server: asyncio.StreamWriter, ends: Callable[[bytes], object], *, forward: bool
    ) -> bool:
        """Let the server see a line, unless a rule has something else for it; False: it is over."""
        fault = self._proxy.fault_for(line)
        match fault.kind if fault else None:
            case "cut_before":
                self.end()
                return False
            case "reset":
                self._reset()
                return False
            case "black_hole":
                self._hole = True
                return True
            case "answer" | "goodbye":
                assert fault is not None
                self._client_out.write(fault.text.replace(b"{tag}", self._tag))
                await self._client_out.drain()
                if fault.kind == "goodbye":
                    self.end()
                return fault.kind == "answer"
            case "delay":
                assert fault is not None
                await asyncio.sleep(fault.seconds)
            case None:
                pass
            case _:
                assert fault is not None
                self._fault, self._left = fault, fault.octets
                self._ends = lambda said: bool(ends(said))
        if forward:
            server.write(line)
            await server.drain()
        return True

    async def _down(self, server: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await server.readline():
                if self._hole:
                    continue
                if self._proxy.edit is not None:
                    line = self._proxy.edit(line)
                if self._fault is None:
                    self._client_out.write(line)
                    await self._client_out.drain()
                elif not await self._give(line, self._fault):
                    return
        if not self._hole:
            self.end()

    async def _give(self, line: bytes, fault: Fault) -> bool:
        """Treat a line of an answer as its fault says; False: it is over."""
        over = self._ends(line)
        if fault.kind == "trickle":
            for place in range(len(line)):
                self._client_out.write(line[place : place + 1])
                await self._client_out.drain()
                await asyncio.sleep(fault.seconds)
        elif fault.kind == "cut_answer":
            self._client_out.write(line[: self._left])
            await self._client_out.drain()
            self._left -= len(line)
            if self._left <= 0 or over:
                self.end()
                return False
        elif line.startswith(_CONTINUE) and not over:  # the command cannot come to its end without it
            self._client_out.write(line)
        if over:
            self._fault = None
            if fault.kind == "reset_after":
                self._reset()
            elif fault.kind == "cut_after":
                self.end()
            return fault.kind in {"swallow", "trickle"}
        return True

    def _reset(self) -> None:
        option = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends an RST
        self._client_out.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self._client_out.transport.abort()
        if self._server_out is not None:
            self._server_out.close()
