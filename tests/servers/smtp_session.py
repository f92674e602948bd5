"""One connection of the SMTP server for tests: the commands, the features, and the script of misbehaviour."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    from tests.servers.smtp import SmtpSink

PATH = re.compile(r"(?:FROM|TO):<([^<>]*)>(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Act:
    """One piece of misbehaviour; made by the functions below."""

    kind: Literal["reply", "drop", "silence", "delay", "reset"]
    text: str = ""
    seconds: float = 0.0


def reply(text: str) -> Act:
    """Answer with this text ("451 4.3.0 later") instead."""
    return Act("reply", text)


def drop() -> Act:
    """Close the connection without an answer."""
    return Act("drop")


def silence() -> Act:
    """Say nothing more on this connection."""
    return Act("silence")


def delay(seconds: float) -> Act:
    """Answer as usual, but so many seconds later."""
    return Act("delay", seconds=seconds)


def reset() -> Act:
    """Cut the connection with an RST."""
    return Act("reset")


Script = dict[str, Act | list[Act | None]]


@dataclass(frozen=True, slots=True)
class Captured:
    """One mail for one recipient, as it was taken; ``data`` is free of dot-stuffing, ``at`` is in UTC."""

    sender: str
    recipient: str
    mail_options: tuple[str, ...]
    rcpt_options: tuple[str, ...]
    data: bytes
    at: datetime
    connection: int


@dataclass(slots=True)
class Features:
    """What the server offers. ``tls`` needs ``context``; with ``user`` mail is taken only after a login."""

    dsn: bool = True
    size: int | None = 10_000_000
    smtputf8: bool = False
    eight_bit: bool = True
    tls: Literal["none", "starttls", "tls"] = "none"
    context: ssl.SSLContext | None = None
    user: str = ""
    password: str = ""
    methods: str = "PLAIN LOGIN"


class Session(asyncio.Protocol):
    """One connection. Commands are handled as they come in, so a client may pipeline."""

    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.mode: Literal["command", "body", "login", "mute"] = "command"
        self.encrypted = sink.features.tls == "tls"
        self.logged_in = not sink.features.user
        self.mail: tuple[str, tuple[str, ...]] | None = None
        self.recipients: list[tuple[str, tuple[str, ...]]] = []
        self.login: list[bytes] = []
        self.started = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = cast("asyncio.Transport", transport)
        if self.started:  # the same session, now encrypted
            return
        self.started = True
        self.sink.connections += 1
        self.number = self.sink.connections
        self.sink.open_connections.add(self)
        self._answer("CONNECT", "220 sink.example ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Forget the session."""
        self.sink.open_connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Handle all that is complete."""
        self.buffer += data
        while self.mode != "mute":
            if self.mode == "body":
                if not self._body():
                    return
                continue
            end = self.buffer.find(b"\n")
            if end < 0:
                return
            line = bytes(self.buffer[:end]).rstrip(b"\r")
            del self.buffer[: end + 1]
            self.sink.lines.append(line)
            if self.mode == "login":
                self._secret(line)
            else:
                self._command(line.decode("latin-1"))

    def _answer(self, phase: str, usual: str) -> bool:
        """Answer as the script says, else as usual; tell whether the usual holds."""
        act = self.sink.act(phase) if self.sink.script else None
        if act is None:
            self.transport.write(usual.encode("latin-1") + b"\r\n")
            return True
        if act.kind == "reply":
            self.transport.write(act.text.encode("latin-1") + b"\r\n")
            return False
        if act.kind == "delay":
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(act.seconds, self._late, usual)
            return True
        self.mode = "mute"
        if act.kind == "reset":
            option = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            self.transport.abort()
        elif act.kind == "drop":
            self.transport.close()
        return False

    def _late(self, usual: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(usual.encode("latin-1") + b"\r\n")
            self.transport.resume_reading()

    def _command(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        if verb == "EHLO":
            self._answer("EHLO", self._offer())
        elif verb == "STARTTLS" and self.sink.features.tls == "starttls" and not self.encrypted:
            self._starttls()
        elif verb == "AUTH" and self.sink.features.user:
            self._auth(rest)
        elif verb in {"MAIL", "RCPT"}:
            self._envelope(verb, rest)
        elif verb == "DATA" and self.recipients:
            if self._answer("DATA", "354 go ahead"):
                self.mode = "body"
        else:
            self._small(verb)

    def _small(self, verb: str) -> None:
        if verb == "RSET":
            if self._answer("RSET", "250 flushed"):
                self.mail, self.recipients = None, []
        elif verb == "NOOP":
            self.transport.write(b"250 here\r\n")
        elif verb == "QUIT":
            if self._answer("QUIT", "221 bye"):
                self.transport.close()
        else:
            self.transport.write(b"503 5.5.1 not now\r\n")

    def _starttls(self) -> None:
        self.transport.pause_reading()  # the client's first octets are for TLS, not for us
        if self._answer("STARTTLS", "220 go ahead"):
            self.sink.spawn(self._encrypt())
        else:
            self.transport.resume_reading()

    def _offer(self) -> str:
        has = self.sink.features
        lines = ["sink.example"]
        lines += ["DSN"] * has.dsn + ["8BITMIME"] * has.eight_bit + ["SMTPUTF8"] * has.smtputf8
        lines += [f"SIZE {has.size}"] * (has.size is not None)
        lines += ["STARTTLS"] * (has.tls == "starttls" and not self.encrypted)
        lines += [f"AUTH {has.methods}"] * bool(has.user)
        return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])

    async def _encrypt(self) -> None:
        loop = asyncio.get_running_loop()
        self.mode = "mute"  # what comes in before the transport is known waits
        self.buffer.clear()
        with contextlib.suppress(OSError):  # the client did not like the certificate
            context = cast("ssl.SSLContext", self.sink.features.context)
            transport = await loop.start_tls(self.transport, self, context, server_side=True)
            self.transport = cast("asyncio.Transport", transport)
            self.encrypted = True
            self.mode = "command"
            self.data_received(b"")

    def _auth(self, rest: str) -> None:
        method, _, first = rest.partition(" ")
        self.login = []
        if method.upper() not in self.sink.features.methods:
            self.transport.write(b"504 5.5.4 unknown method\r\n")
        elif first:
            self._secret(first.encode())
        else:
            self.mode = "login"
            self.transport.write(b"334 \r\n")

    def _secret(self, line: bytes) -> None:
        self.login.append(base64.b64decode(line + b"=="))
        given = self.login[0].split(b"\0")[1:] if b"\0" in self.login[0] else self.login
        if len(given) < 2:
            self.mode = "login"
            self.transport.write(b"334 UGFzc3dvcmQ6\r\n")
            return
        self.mode = "command"
        has = self.sink.features
        right = given == [has.user.encode(), has.password.encode()]
        self.sink.logins += 1
        self.logged_in = self._answer("AUTH", "235 welcome" if right else "535 5.7.8 no") and right

    def _envelope(self, verb: str, rest: str) -> None:
        if not self.logged_in:
            self.transport.write(b"530 5.7.0 authentication required\r\n")
            return
        found = PATH.fullmatch(rest)
        if not found or (verb == "RCPT" and self.mail is None) or (verb == "MAIL" and self.mail is not None):
            self.transport.write(b"503 5.5.1 bad sequence or syntax\r\n")
            return
        if self._answer(verb, "250 ok"):
            path = (found[1], tuple(found[2].split()))
            if verb == "MAIL":
                self.mail = path
            else:
                self.recipients.append(path)

    def _body(self) -> bool:
        """Take the body if it is complete; tell whether there is more to do."""
        if self.buffer and self.sink.script and "BODY" in self.sink.script:
            self._answer("BODY", "")
            return False
        end = -3 if self.buffer.startswith(b".\r\n") else self.buffer.find(b"\r\n.\r\n")
        if end == -1:
            return False
        end += 2
        data = bytes(self.buffer[: max(end, 0)])
        del self.buffer[: max(end, 0) + 3]
        self.mode = "command"
        act = self.sink.peek("DOT") if self.sink.script else None
        if act is None or act.kind != "reply" or act.text[0] not in "45":
            self.sink.take(self, data)
        self._answer("DOT", "250 2.0.0 taken")
        self.mail, self.recipients = None, []
        return True
