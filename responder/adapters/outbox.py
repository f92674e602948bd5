"""Outbox over SMTP submission: a reply leaves at most once, and what became of it is known or called in doubt.

The conversation is driven command by command, because only so is it known how far it got: until the first octet of
a body is handed to the socket a failure is a safe retry; a server's code is definite; silence afterwards is in
doubt. Connections are encrypted (or on loopback), kept for the next call, and closed when idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

import aiosmtplib
from aiosmtplib.protocol import PERIOD_REGEX, normalize_message_line_endings

from responder.adapters.auth import without_secret
from responder.adapters.smtp_words import meaning, plain, reason, smtp_address
from responder.core.model import Outcome
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from responder.ports import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from responder.ports import Letter

IDLE_SECONDS = 30.0  # providers drop an idle submission after one to five minutes: be gone before
QUIT_SECONDS = 2.0  # all is settled before QUIT; its answer is worth no longer wait


@dataclass(slots=True)
class Traffic:
    """What an outbox has used of the network since it was made. A command and its answer are one round trip."""

    connections: int = 0
    round_trips: int = 0
    octets_sent: int = 0


@dataclass(frozen=True, slots=True)
class _Parcel:
    """One reply on its way: its place in the call, both addresses past the gate, the text."""

    place: int
    sender: str
    recipient: str
    message: bytes
    late: Callable[[], bool]


class _LostError(Exception):
    """The connection is no more, and nothing of a body had left."""


class _Connection:
    """One connection, logged in. ``used``: it has carried something; ``dirty``: a transaction lies open on it."""

    def __init__(self, smtp: aiosmtplib.SMTP, traffic: Traffic, data_timeout: float) -> None:
        self.smtp = smtp
        self.used = False
        self.timer: asyncio.TimerHandle | None = None
        self._dirty = False
        self._traffic = traffic
        self._data_timeout = data_timeout
        self._transport = cast("asyncio.WriteTransport", smtp.transport)
        self._size = smtp.supports_extension("size")
        self._eight_bit = smtp.supports_extension("8bitmime")
        self._never = (b"NOTIFY=NEVER",) if smtp.supports_extension("dsn") else ()  # RFC 3834 section 3.3
        traffic.connections += 1

    @property
    def alive(self) -> bool:
        """Tell whether neither side has ended it, as far as is known."""
        return self.smtp.is_connected

    def drop(self) -> None:
        """End it at once."""
        if self.timer:
            self.timer.cancel()
        self.smtp.close()
        self._transport.abort()

    async def part(self) -> None:
        """Say QUIT, wait briefly, end it; never raises."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self.smtp.quit(timeout=QUIT_SECONDS)
        self.drop()

    async def carry(self, parcel: _Parcel) -> Sent:
        """Do one transaction. Raises _LostError if the connection died before the body: then nothing has left."""
        if self._dirty:
            if (await self._ask(b"RSET")).code != aiosmtplib.SMTPStatus.completed:
                self.drop()
                raise _LostError("the server did not take RSET")
            self._dirty = False
        body = _with_crlf(parcel.message)
        options = [b"SIZE=%d" % len(body)] if self._size else []
        if self._eight_bit and not body.isascii():
            options.append(b"BODY=8BITMIME")
        for expected, words in (
            (2, (b"MAIL", b"FROM:<%b>" % parcel.sender.encode("ascii"), *options)),
            (2, (b"RCPT", b"TO:<%b>" % parcel.recipient.encode("ascii"), *self._never)),
            (3, (b"DATA",)),
        ):
            answer = await self._ask(*words)
            if answer.code // 100 != expected:
                if self.used and not self.alive:  # 421 to a connection that had lain idle: a new one may do
                    raise _LostError(meaning(*answer))
                return self._refused(answer, words[0].decode())
        if parcel.late():  # the server took its time: hanging up here throws the transaction away
            self.drop()
            return Sent(outcome=Outcome.EXPIRED, detail="its time had passed before the text could leave")
        return await self._deliver(_with_dots(body) + b".\r\n")

    async def _deliver(self, octets: bytes) -> Sent:
        """Send the body and hear the verdict: from the first line on there is no way back."""
        protocol = self.smtp.protocol
        if protocol is None or not protocol.is_connected:
            self.drop()
            raise _LostError("the server hung up before the text")
        protocol.write(octets)  # nothing was awaited since the question: it cannot raise
        self._traffic.octets_sent += len(octets)
        self._traffic.round_trips += 1
        try:
            answer = await protocol.read_response(timeout=self._data_timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.drop()
            return Sent(outcome=Outcome.IN_DOUBT, detail=f"the text had left when {_why(error)}")
        self.used = True
        if answer.code // 100 == 2:  # noqa: PLR2004 - RFC 5321 section 4.2.1: 2yz is success
            return Sent(outcome=Outcome.DONE, detail=plain(f"{answer.code} {answer.message}"))
        if answer.code // 100 in {4, 5}:
            return self._refused(answer, "the text")
        self.drop()
        return Sent(outcome=Outcome.IN_DOUBT, detail=f"the text had left when {meaning(*answer)}")

    def _refused(self, answer: aiosmtplib.SMTPResponse, what: str) -> Sent:
        self._dirty = True
        if answer.code // 100 not in {4, 5} or answer.code == aiosmtplib.SMTPStatus.domain_unavailable:
            self.drop()  # the server goes; or it answered something else, and the pairing is lost
        else:
            self.used = True
        definite = answer.code // 100 == 5  # noqa: PLR2004 - RFC 5321 section 4.2.1: 5yz is permanent
        return Sent(outcome=Outcome.REFUSED if definite else Outcome.RETRY, detail=f"{what}: {meaning(*answer)}")

    async def _ask(self, *words: bytes) -> aiosmtplib.SMTPResponse:
        self._traffic.round_trips += 1
        self._traffic.octets_sent += sum(map(len, words)) + len(words) + 1
        try:
            return await self.smtp.execute_command(*words)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.drop()
            raise _LostError(f"{words[0].decode()}: {_why(error)}") from error


class SmtpOutbox:
    """One submission account; implements the port ``Outbox``.

    Args:
        host: the server's name; under TLS its certificate must bear it.
        security: "tls" from the first octet, "starttls" demanded, "none" only on loopback.
        password: asked in a thread at each login; may raise ConfigurationError; None where ``token`` is.
        token: gives an access token for OAuth2, another one than ``rejected``; asked as the password is.
        empty_envelope: send with ``MAIL FROM:<>``.
        late: tells whether that instant has passed: asked of each reply's ``not_after`` when its text could leave.
        ca_file: trust only these certificates; None: the system's.
        connections: at most so many at once.
        timeout: seconds to wait for a connection or an answer.
        data_timeout: seconds to wait for the verdict on a text; RFC 5321 section 4.5.3.2.6 asks for 10 minutes.
        local_hostname: what EHLO says; an address literal, because the machine's name is nobody's business.

    Raises:
        ConfigurationError: "none" and a host that is not on loopback, or an unreadable ``ca_file``.
    """

    def __init__(  # noqa: PLR0913 - an account's settings, all by keyword
        self,
        *,
        host: str,
        port: int,
        security: Literal["tls", "starttls", "none"],
        username: str,
        password: Callable[[], str] | None,
        token: Callable[..., str] | None = None,
        empty_envelope: bool,
        late: Callable[[datetime], bool] = lambda _: False,
        ca_file: str | None = None,
        connections: int = 4,
        timeout: float = 60.0,
        data_timeout: float = 600.0,
        local_hostname: str = "[127.0.0.1]",
    ) -> None:
        self.traffic = Traffic()
        self._host, self._port, self._security = host, port, security
        self._username, self._password, self._token = username, password, token
        self._empty_envelope = empty_envelope
        self._late = late
        self._connections = connections
        self._timeout, self._data_timeout = timeout, data_timeout
        self._local_hostname = local_hostname
        self._where = f"{host} port {port}"
        self._idle: list[_Connection] = []
        self._sending = asyncio.Lock()  # two calls at once would double the connections
        self._tls: ssl.SSLContext | None = None
        if security == "none":
            if host != "localhost" and not _loopback(host):
                raise ConfigurationError(f'SMTP {self._where}: security = "none" is only for this machine itself')
            return
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ConfigurationError(f"SMTP {self._where}: {ca_file} holds no certificates: {error}") from error
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    async def send(self, replies: Sequence[Letter]) -> Sequence[Sent]:
        """Send each letter once; see the port. What no connection could be had for is RETRY."""
        sent: dict[int, Sent] = {}
        waiting: deque[_Parcel] = deque()
        for place, reply in enumerate(replies):
            try:
                sender = "" if self._empty_envelope or not reply.sender else smtp_address(reply.sender)
                late = partial(self._late, reply.not_after)
                waiting.append(_Parcel(place, sender, smtp_address(reply.recipient), reply.message, late))
            except PermanentError as error:
                sent[place] = Sent(outcome=Outcome.REFUSED, detail=str(error))
        if waiting:
            async with self._sending:
                left_because = await self._carry_all(waiting, sent)
            for parcel in waiting:
                sent[parcel.place] = Sent(outcome=Outcome.RETRY, detail=left_because)
        return [sent[place] for place in range(len(replies))]

    async def probe(self) -> Mapping[str, str]:
        """Connect and log in, send nothing; return "server", "tls", "size", "dsn", "auth", "smtputf8".

        TemporaryError without a connection, ConfigurationError when the login is refused.
        """
        connection = await self._open()
        smtp = connection.smtp
        tls = cast("ssl.SSLObject | None", smtp.get_transport_info("ssl_object"))
        greeting = smtp.last_ehlo_response
        offered = {
            "server": plain(greeting.message.split("\n", 1)[0]) if greeting else "",
            "tls": (tls.version() or "") if tls else "none",
            "size": plain(smtp.esmtp_extensions.get("size", "")),
            "dsn": "yes" if smtp.supports_extension("dsn") else "no",
            "auth": plain(" ".join(smtp.server_auth_methods)),
            "smtputf8": "yes" if smtp.supports_extension("smtputf8") else "no",
        }
        await connection.part()
        return offered

    async def close(self) -> None:
        """Close the connections; never raises."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.part() for connection in idle))

    async def _carry_all(self, waiting: deque[_Parcel], sent: dict[int, Sent]) -> str:
        """Carry what waits over several connections; return why some of it still waits.

        The first connection is made alone: a wrong password must be tried once, not four times.
        """
        try:
            first = await self._take()
        except TemporaryError as error:
            return str(error)
        more = min(self._connections, len(waiting)) - 1
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._work(waiting, sent, first))]
            tasks += [group.create_task(self._work(waiting, sent, None)) for _ in range(more)]
        return "; ".join(dict.fromkeys(task.result() for task in tasks if task.result()))

    async def _work(self, waiting: deque[_Parcel], sent: dict[int, Sent], connection: _Connection | None) -> str:
        """Carry parcels over one connection until none waits; return why it stopped early, else ""."""
        try:
            while waiting:
                if connection is None:
                    connection = await self._take()
                    continue  # the others may have carried the rest meanwhile
                connection, trouble = await self._carry_one(connection, waiting, sent)
                if trouble:
                    return trouble
        except (TemporaryError, ConfigurationError) as error:
            return str(error)
        except BaseException:  # cancelled in the middle of a transaction: nothing may follow on this connection
            if connection:
                connection.drop()
            raise
        finally:
            if connection and connection.alive:
                self._keep(connection)
        return ""

    async def _carry_one(
        self, connection: _Connection, waiting: deque[_Parcel], sent: dict[int, Sent]
    ) -> tuple[_Connection | None, str]:
        """Carry the next parcel; return the connection to go on with (None: take another), and a reason to stop.

        A connection that ends is replaced only if it had carried something: a server that hangs up on every
        newcomer, or leaves a text in doubt, must not be given the whole queue.
        """
        parcel, seasoned = waiting.popleft(), connection.used
        try:
            result = await connection.carry(parcel)
        except _LostError as lost:
            if seasoned:
                waiting.appendleft(parcel)
                return await self._open(), ""
            result = Sent(outcome=Outcome.RETRY, detail=str(lost))
        sent[parcel.place] = result
        if connection.alive:
            return connection, ""
        if result.outcome == Outcome.EXPIRED or (seasoned and result.outcome != Outcome.IN_DOUBT):
            return None, ""
        return None, f"SMTP {self._where}: {result.detail}"

    def _keep(self, connection: _Connection) -> None:
        connection.timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire, connection)
        self._idle.append(connection)

    def _retire(self, connection: _Connection) -> None:
        """Close an idle connection with a QUIT whose answer nobody awaits."""
        self._idle.remove(connection)
        if connection.alive and connection.smtp.protocol:
            connection.smtp.protocol.write(b"QUIT\r\n")
        connection.smtp.close()

    async def _take(self) -> _Connection:
        """Return an idle connection that still stands, else a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.timer:
                connection.timer.cancel()
            if connection.alive:
                return connection
            connection.drop()
        return await self._open()

    async def _open(self) -> _Connection:
        """Connect, encrypt, log in. A refusal before the login is about the moment, not a reply: temporary."""
        smtp = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._local_hostname,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",  # False is never "perhaps": aiosmtplib's default would be
            tls_context=self._tls,
        )
        try:
            await smtp.connect()
            await smtp.ehlo()
            await self._log_in(smtp)
            return _Connection(smtp, self.traffic, self._data_timeout)
        except BaseException as error:
            smtp.close()
            if isinstance(error, (aiosmtplib.SMTPException, OSError)):
                raise TemporaryError(f"SMTP {self._where}: {_why(error)}; nothing was sent") from error
            if isinstance(error, UnicodeError):
                raise ConfigurationError(f"SMTP {self._where}: this is not a host name") from error
            raise

    async def _log_in(self, smtp: aiosmtplib.SMTP) -> None:
        """Log in with the first method offered, once: aiosmtplib's own login would try a wrong password thrice."""
        if self._security == "none":
            peer = cast("tuple[str, int]", smtp.get_transport_info("peername"))
            if not _loopback(peer[0]):
                raise ConfigurationError(f"SMTP {self._where} is not on this machine: no login without encryption")
            if not smtp.supports_extension("auth"):
                return
        if self._token is not None:
            await self._log_in_by_token(smtp, self._token)
            return
        password_of = self._password
        assert password_of is not None  # noqa: S101 - one or the other
        ways = {"plain": smtp.auth_plain, "login": smtp.auth_login, "cram-md5": smtp.auth_crammd5}
        offered = [way for name, way in ways.items() if name in smtp.server_auth_methods]
        if not offered:
            known = plain(" ".join(smtp.server_auth_methods)) or "none"
            raise ConfigurationError(
                f"SMTP {self._where} offers no login with a password (it offers: {known}): is it the right port?"
            )
        password = await asyncio.to_thread(password_of)
        for way in offered:
            try:
                await way(self._username, password)
            except aiosmtplib.SMTPAuthenticationError as error:
                error.message = without_secret(error.message, self._username, password)
                if error.code == 504 and way is not offered[-1]:  # noqa: PLR2004 - offered, yet not implemented
                    continue
                if error.code // 100 != 5:  # noqa: PLR2004 - "try later" is not a wrong password
                    raise
                raise ConfigurationError(
                    f"SMTP {self._where}, user {self._username}: {_why(error)}; nothing was sent"
                ) from error
            return

    async def _log_in_by_token(self, smtp: aiosmtplib.SMTP, token: Callable[..., str]) -> None:
        """Log in by OAuth2; a token that the server refuses is renewed once. Source: RFC 7628, RFC 4954 section 4."""
        known = next((name for name in ("xoauth2", "oauthbearer") if name in smtp.server_auth_methods), "")
        if not known:
            offered = plain(" ".join(smtp.server_auth_methods)) or "none"
            raise ConfigurationError(f"SMTP {self._where} offers no login by OAuth2 (it offers: {offered})")
        rejected = ""
        for last in (False, True):
            access = await asyncio.to_thread(token, rejected=rejected)
            answer = await smtp.execute_command(b"AUTH", known.upper().encode(), self._initial(known, access))
            if answer.code == aiosmtplib.SMTPStatus.auth_continue:  # the reason, to be answered before the refusal
                answer = await smtp.execute_command(b"AQ==" if known == "oauthbearer" else b"=")
            if answer.code // 100 == 2:  # noqa: PLR2004 - RFC 5321 section 4.2.1: 2yz is success
                return
            words = without_secret(answer.message, self._username, access)
            error = aiosmtplib.SMTPAuthenticationError(answer.code, words)
            if answer.code // 100 != 5:  # noqa: PLR2004 - "try later" is not a refused token
                raise error
            if last:
                raise ConfigurationError(
                    f"SMTP {self._where}, user {self._username}: the server refused the token: {_why(error)}; nothing "
                    "was sent. Is sending switched on for the account? Else sign in again with `responder login`"
                )
            rejected = access

    def _initial(self, method: str, access: str) -> bytes:
        """Return the first answer of a login by OAuth2, in base64."""
        user = self._username
        if method == "oauthbearer":
            words = f"n,a={user},\x01host={self._host}\x01port={self._port}\x01auth=Bearer {access}\x01\x01"
        else:
            words = f"user={user}\x01auth=Bearer {access}\x01\x01"
        return b64encode(words.encode())


def _with_crlf(message: bytes) -> bytes:
    """Return the message with CRLF at the end of each line; ours has it so already, which is quickly told."""
    pairs = message.count(b"\r\n")
    if message.endswith(b"\r\n") and message.count(b"\n") == pairs == message.count(b"\r"):
        return message
    return normalize_message_line_endings(message)


def _with_dots(body: bytes) -> bytes:
    """Double the dot at the beginning of a line. Source: RFC 5321 section 4.5.2."""
    return PERIOD_REGEX.sub(b"..", body) if body.startswith(b".") or b"\n." in body else body


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.split("%", 1)[0]).is_loopback
    except ValueError:
        return False


def _why(error: Exception) -> str:
    """Return the reason of a failure as the end of a sentence."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if error.code < 0:  # the library's own code
            return plain(f"the server sent what is no SMTP answer ({error.message})")
        return meaning(error.code, error.message)
    return reason(error.__cause__ or error)
