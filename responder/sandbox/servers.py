"""IMAP and SMTP servers inside the process, for the demo and for quick tests.

Both listen on loopback only, on a port of the system's choice, keep everything in memory, and are gone without
a trace when they are closed. IMAP is pymap's, SMTP is aiosmtpd's: both come with the extra ``demo`` and are
imported when a server is made.

What pymap does not have, a test that matters must not rest on: SPECIAL-USE, NAMESPACE, CONDSTORE, SORT.
"""

from __future__ import annotations

import asyncio
import imaplib
import logging
import re
import socket
import threading
from argparse import Namespace
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from responder.errors import ConfigurationError, how_to_add
from responder.sandbox.mended import mend

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Coroutine, Mapping

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
# Long enough for a machine under load; a server in the same process answers within milliseconds.
TIMEOUT_SECONDS = 10.0
# pymap cannot say which folder is which (no SPECIAL-USE), so the usual names have to do.
FOLDERS = ("Sent", "Drafts")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    r"""A message as it lies in a folder; ``flags`` without the session's own \\Recent."""

    uid: int
    flags: frozenset[str]
    internal_at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedMail:
    """A mail that the SMTP server took: the envelope (a null sender is "") and the message as sent."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


class _LoopThread:
    """An event loop in a thread of its own, so that blocking clients may be used beside it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine over there and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_SECONDS)

    def close(self) -> None:
        """Stop the loop, after what it still has to close."""
        if self._loop.is_closed():
            return
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_SECONDS)
        self._loop.close()


# ------------------------------------------------------------------------------------------- IMAP


class SandboxImap:
    """An IMAP server with the folders INBOX, Sent and Drafts for each user.

    Args:
        users: passwords by user name.

    Raises:
        ConfigurationError: pymap is not installed.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        _require("pymap")
        self._users = dict(users)
        self._connections: dict[str, imaplib.IMAP4] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = _LoopThread("sandbox-imap")
        self._server, self.port = self._loop.run(self._start())
        for user in self._users:
            connection = self._connection(user)
            for folder in FOLDERS:
                _ok(connection.create(folder))
                _ok(connection.subscribe(folder))

    def deliver(self, user: str, raw: bytes, internal_at: datetime, *, folder: str = "INBOX", flags: str = "") -> None:
        r"""Lay a message into a folder, as the provider's delivery does. ``flags`` as in ``"\\Seen \\Flagged"``."""
        stamp = imaplib.Time2Internaldate(internal_at)
        _ok(self._connection(user).append(folder, f"({flags})", stamp, raw))

    def tree(self, user: str) -> dict[str, list[StoredMessage]]:
        """Return every folder with its messages in the order of their UIDs; INBOX first, then by name."""
        connection = self._connection(user)
        lines: list[bytes] = _ok(connection.list())
        # A level that is no folder itself ("Callbacks" above "Callbacks/2026-03-10 10-00") is listed too.
        names = [_folder_name(line) for line in lines if b"\\NOSELECT" not in line.upper()]
        names.sort(key=lambda name: (name != "INBOX", name))
        return {_from_utf7(name): self._messages(connection, name) for name in names}

    def close(self) -> None:
        """Hang up on everybody and stop; once closed, again does nothing."""
        for connection in self._connections.values():
            connection.shutdown()
        self._connections.clear()
        if self._server is not None:
            server, self._server = self._server, None
            self._loop.run(self._stop(server))
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self, user: str) -> imaplib.IMAP4:
        connection = self._connections.get(user)
        if connection is None:
            connection = imaplib.IMAP4(LOOPBACK, self.port, timeout=TIMEOUT_SECONDS)
            # Without it each APPEND waits 40 ms for Nagle's algorithm (measured: 46 ms against 0.9 ms).
            connection.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _ok(connection.login(user, self._users[user]))
            self._connections[user] = connection
        return connection

    @staticmethod
    def _messages(connection: imaplib.IMAP4, folder: str) -> list[StoredMessage]:
        _ok(connection.select(f'"{folder}"', readonly=True))
        found: list[bytes | None] = _ok(connection.uid("SEARCH", "ALL"))
        uids = b"".join(line or b"" for line in found).split()
        if not uids:
            return []
        items: list[bytes | tuple[bytes, bytes]] = _ok(
            connection.uid("FETCH", b",".join(uids).decode(), "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        )
        return [_stored(item[0], item[1]) for item in items if isinstance(item, tuple)]

    async def _start(self) -> tuple[asyncio.Server | None, int]:
        from pymap.backend.dict import Config, Identity, Login  # noqa: PLC0415 - an extra
        from pymap.concurrent import Subsystem  # noqa: PLC0415
        from pymap.imap import IMAPServer  # noqa: PLC0415
        from pymap.user import UserMetadata  # noqa: PLC0415
        from pysasl.hashing import Cleartext  # noqa: PLC0415

        mend()
        nothing = Namespace(passlib_cfg=None, proxy_protocol=None, inherited_sockets=None)
        config: Any = Config(
            nothing,
            host=LOOPBACK,
            port=0,
            demo_data=False,
            demo_user="",
            demo_password="",
            tls_enabled=False,
            hash_context=Cleartext(),
            cpu_subsystem=Subsystem.for_asyncio(),
        )
        config.apply_context()
        login: Any = Login(config)
        for user, password in self._users.items():
            await Identity(user, login, None, frozenset()).set(UserMetadata(config, user, password=password))
        serve: Any = IMAPServer(login, config)

        def connected(reader: StreamReader, writer: StreamWriter) -> None:
            self._keep(asyncio.get_running_loop().create_task(_talk(serve, reader, writer)))

        server = await asyncio.start_server(connected, LOOPBACK, 0)
        return server, server.sockets[0].getsockname()[1]

    def _keep(self, task: asyncio.Task[None]) -> None:
        # A loop refers to its tasks only weakly: on Python 3.13 idling clients were lost by garbage collection.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        # First the connections: since Python 3.12 wait_closed waits for them.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()


async def _talk(serve: Any, reader: StreamReader, writer: StreamWriter) -> None:
    """Serve one connection, without the detour over the PROXY protocol that drops its tasks on Python 3.13."""
    from proxyprotocol.sock import SocketInfo  # noqa: PLC0415 - comes with pymap

    try:
        await serve(reader, writer, SocketInfo.get(writer, None, unique_id=b"sandbox"))
    finally:
        writer.close()


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise AssertionError(f"the sandbox's IMAP server said {status}: {data!r}")
    return data


_LIST_LINE = re.compile(rb'\([^)]*\) (?:NIL|"[^"]*") (?:"((?:[^"\\]|\\.)*)"|(\S+))$')
_UID = re.compile(rb"UID (\d+)")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_INTERNALDATE = re.compile(rb'INTERNALDATE "([^"]+)"')


def _folder_name(line: bytes) -> str:
    matched = _LIST_LINE.search(line)
    if matched is None:
        raise AssertionError(f"not understood in the answer to LIST: {line!r}")
    return (matched[1] or matched[2]).decode("ascii")


def _from_utf7(name: str) -> str:
    """Decode a folder name. Source: RFC 3501 section 5.1.3."""

    def decoded(matched: re.Match[str]) -> str:
        coded = matched[1].replace(",", "/")
        return b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-16-be") if coded else "&"

    return re.sub(r"&([^-]*)-", decoded, name)


def _stored(head: bytes, raw: bytes) -> StoredMessage:
    uid, flags, internal = _UID.search(head), _FLAGS.search(head), _INTERNALDATE.search(head)
    if uid is None or flags is None or internal is None:
        raise AssertionError(f"not understood in the answer to FETCH: {head!r}")
    return StoredMessage(
        uid=int(uid[1]),
        flags=frozenset(flags[1].decode().split()) - {"\\Recent"},
        internal_at=datetime.strptime(internal[1].decode(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC),
        raw=raw,
    )


# ------------------------------------------------------------------------------------------- SMTP


class SandboxSmtp:
    """A submission server that demands a login, takes every mail, and delivers none of them.

    Args:
        users: passwords by user name.

    Raises:
        ConfigurationError: aiosmtpd is not installed.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        _require("aiosmtpd")
        self._users = {user.encode(): password.encode() for user, password in users.items()}
        self._taken: list[CapturedMail] = []
        # aiosmtpd logs a warning about its own internals at each login, and nothing else that matters here.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        self._loop = _LoopThread("sandbox-smtp")
        self._server, self.port = self._loop.run(self._start())

    @property
    def taken(self) -> tuple[CapturedMail, ...]:
        """The mails taken so far, in order."""
        return tuple(self._taken)

    def close(self) -> None:
        """Stop; once closed, again does nothing."""
        if self._server is not None:
            server, self._server = self._server, None
            self._loop.run(self._stop(server))
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _start(self) -> tuple[asyncio.Server | None, int]:
        from aiosmtpd.smtp import SMTP, AuthResult  # noqa: PLC0415 - an extra

        loop = asyncio.get_running_loop()
        users = self._users
        self._transports: set[Any] = set()
        transports = self._transports

        class Conversation(SMTP):
            def connection_made(self, transport: Any) -> None:
                transports.add(transport)
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                transports.discard(self.transport)
                super().connection_lost(error)

        def authenticate(*given: Any) -> Any:
            secret = given[-1]
            return AuthResult(success=users.get(secret.login) == secret.password, handled=False)

        def conversation() -> Any:
            return Conversation(
                _Sink(self._taken),
                hostname="sandbox.example",
                loop=loop,
                enable_SMTPUTF8=True,
                auth_require_tls=False,
                authenticator=authenticate,
            )

        server = await loop.create_server(conversation, LOOPBACK, 0)
        return server, server.sockets[0].getsockname()[1]

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()


class _Sink:
    """The handler that aiosmtpd calls. The login is demanded here: aiosmtpd warns about its own switch."""

    def __init__(self, taken: list[CapturedMail]) -> None:
        self._taken = taken

    async def handle_MAIL(self, _: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        """Refuse who has not logged in; the name is aiosmtpd's."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        """Take the mail; the name is aiosmtpd's."""
        sender = "" if envelope.mail_from in {None, "<>"} else envelope.mail_from
        self._taken.append(
            CapturedMail(sender=sender, recipients=tuple(envelope.rcpt_tos), raw=envelope.original_content)
        )
        return "250 2.0.0 taken"


def _require(library: str) -> None:
    try:
        __import__(library)
    except ImportError as error:
        raise ConfigurationError(f"the demo needs {library}, which is not installed; {how_to_add('demo')}") from error
