"""A handle on an IMAP connection by which another thread can cut it, and the library's classes that give it out.

The classes also take an "OK" without words for an answer, from the first command on.

Promises ``mailbox`` that no server can keep the session's thread for ever: not while connecting, not in a TLS
handshake, not with an answer that comes octet by octet. A socket's own time-out only sees silence.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS, wrap_socket

if TYPE_CHECKING:
    import ssl


class Lifeline:
    """The handle; stays good while TLS is laid over the connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._cut = False

    def hold(self, connection: socket.socket) -> None:
        """Take hold of a new connection; one that was cut before it was made is cut now."""
        with self._lock:
            self._handle = connection.dup()
        if self._cut:
            self.cut()

    def cut(self) -> None:
        """End the connection, from any thread: what waits on it fails at once; never raises."""
        with self._lock, contextlib.suppress(OSError):
            self._cut = True
            if self._handle is not None:
                self._handle.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let go of it; never raises."""
        with self._lock, contextlib.suppress(OSError):
            if self._handle is not None:
                self._handle.close()
            self._handle = None


class LifelineClient(IMAPClient):  # type: ignore[misc]  # imapclient bears no types
    """The library's client, whose connection can be cut from the first octet on."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, connect: float, read: float, lifeline: Lifeline
    ) -> None:
        self._connect_seconds = connect
        self._lifeline = lifeline
        timeout: Any = SocketTimeout(connect, read)  # typed as a float only
        super().__init__(host, port=port, ssl=tls is not None, ssl_context=tls, timeout=timeout)

    def _create_IMAP4(self) -> Any:  # noqa: N802 - the library's name
        if self.ssl:
            return _Tls(self._lifeline, self.host, self.port, self.ssl_context, self._connect_seconds)
        return _Plain(self._lifeline, self.host, self.port, self._connect_seconds)


class _Plain(IMAP4WithTimeout):  # type: ignore[misc]  # the same
    def __init__(self, lifeline: Lifeline, host: str, port: int, seconds: float) -> None:
        self._lifeline = lifeline
        super().__init__(host, port, seconds)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        connection: socket.socket = super()._create_socket(timeout)
        self._lifeline.hold(connection)
        return connection

    def _get_capabilities(self) -> None:
        _take_bare_words(self)
        parent: Any = super()  # the method is the library's own, and bears no type
        parent._get_capabilities()  # noqa: SLF001 - where the library begins to speak


class _Tls(IMAP4_TLS):  # type: ignore[misc]  # the same
    def __init__(
        self, lifeline: Lifeline, host: str, port: int, context: ssl.SSLContext | None, seconds: float
    ) -> None:
        self._lifeline = lifeline
        super().__init__(host, port, context, seconds)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout=timeout or self._timeout)
        self._lifeline.hold(connection)
        wrapped: socket.socket = wrap_socket(connection, self.ssl_context, self.host)
        return wrapped

    def _get_capabilities(self) -> None:
        _take_bare_words(self)
        parent: Any = super()  # the method is the library's own, and bears no type
        parent._get_capabilities()  # noqa: SLF001 - where the library begins to speak


def _take_bare_words(imap: Any) -> None:
    """Take a bare "OK" for an answer, as Mail.ru ends commands; imaplib insists on words after it."""
    imap.tagre = re.compile(rb"(?P<tag>" + imap.tagpre + rb"\d+) (?P<type>[A-Z]+)(?: |$)(?P<data>.*)")
