"""One small page over HTTP, on loopback: what Prometheus asks for every few seconds.

It promises the daemon that no reader, however slow, rude or many, holds up the mail: it lives in the event loop, reads
one short request, answers, and closes. Own lines and no library's server: theirs start a thread for each reader.
Source: RFC 9112; Prometheus, "Exposition formats".
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from http import HTTPStatus
from typing import TYPE_CHECKING

from responder.errors import ResponderError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    #: Makes the page for an Accept field: its text and its content type.
    Make = Callable[[str], Awaitable[tuple[bytes, str]]]

#: A request of Prometheus is some hundred octets.
MOST_OCTETS = 8_192
#: So long a reader may take to ask, and again to take the answer.
SECONDS = 5.0
_PLAIN = "text/plain; charset=utf-8"
#: Prometheus reads one page at a time; a few more for who looks by hand.
MOST_READERS = 8


class MetricsPage:
    """The page at ``/metrics``.

    Args:
        make: makes it; what it raises of ours becomes status 503.
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        self._server: asyncio.Server | None = None
        self._readers: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> None:
        """Begin to listen.

        Raises:
            TemporaryError: the place is taken, or not ours to take.
        """
        try:
            self._server = await asyncio.start_server(self._greet, host, port, limit=MOST_OCTETS)
        except OSError as error:
            raise TemporaryError(f"no page of figures at {host}:{port}: {_why(error, port)}") from error

    async def close(self) -> None:
        """Stop to listen, and leave readers who are not done; never raises."""
        if self._server is not None:
            self._server.close()
            readers = tuple(self._readers)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._readers) >= MOST_READERS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Left alone is a reader who does not ask, or does not wait for the answer.
        gone = contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
        try:
            with gone:
                async with asyncio.timeout(SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                answer = await self._answer(head.decode("latin-1").split("\r\n"))
                async with asyncio.timeout(SECONDS):
                    writer.write(answer)
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            with contextlib.suppress(Exception):
                writer.transport.abort()

    async def _answer(self, lines: list[str]) -> bytes:
        method, _, rest = lines[0].partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _said(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n")
        if path != "/metrics":
            return _said(HTTPStatus.NOT_FOUND, b"the figures are at /metrics\n")
        accept = next((line.partition(":")[2] for line in lines[1:] if line.lower().startswith("accept:")), "")
        try:
            text, kind = await self._make(accept.strip())
        except ResponderError as error:
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode())
        return _said(HTTPStatus.OK, text, kind, head_only=method == "HEAD")


def _said(status: HTTPStatus, text: bytes, kind: str = _PLAIN, *, head_only: bool = False) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else text)


def _why(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; name another port in [metrics], or stop that program"
    if error.errno in (errno.EPERM, errno.EACCES):
        return (
            f"the system does not allow it; under systemd write SocketBindAllow=tcp:{port} below [Service],"
            " by `systemctl edit responder`"
        )
    return error.strerror or str(error)
