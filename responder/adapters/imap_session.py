"""One IMAP connection on top of imapclient: log in safely, run commands, wait.

Promises ``mailbox`` whole answers or an error of ``responder.errors``, after which the session is dead. Belongs to
one thread. imapclient connects, starts TLS and logs in; UID commands go one floor deeper, to its imaplib object,
because the wrapper sends UID lists uncompressed (servers refuse long lines) and hides COPYUID.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from responder.adapters.alarm import readable_within
from responder.adapters.auth import without_secret
from responder.adapters.imap_answers import (
    CONTROL,
    Answer,
    asked_to_wait,
    fetched,
    folder_from_wire,
    imap_day,
    is_safe,
    quoted,
    readable,
    searched,
    status,
    uid_sets,
)
from responder.adapters.imap_lifeline import Lifeline, LifelineClient
from responder.adapters.imap_structure import structures
from responder.errors import ConfigurationError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from responder.adapters.imap_account import Account
    from responder.adapters.imap_answers import Fetched, Record
    from responder.core.model import Part

MOST_LITERAL = 128 * 1024 * 1024  # octets; twice what providers let a message have
MOST_LINES = 1_000_000  # of one answer; a hundred thousand messages marked as read elsewhere are a tenth of it
PIECE = 65_536  # octets of a literal read at once, so that it is seen to come on
WINDOW = 20_000  # UIDs asked for at once: 220 KB of answer at most, imaplib breaks at 1 MB
CONNECT_SECONDS = 30.0  # beyond that a server is not there; logging in may take the whole time-out

# Refusals that pass: RFC 5530, and what Gmail, Microsoft 365 and Yandex write instead.
_PASSING = re.compile(
    r"\[(?:UNAVAILABLE|LIMIT|INUSE|SERVERBUG|CONTACTADMIN)\]|throttl|too many|exceeded|try again|temporar"
    r"|(?:server|backend) (?:error|busy|unavailable)",
    re.IGNORECASE,
)


class ImapSession:
    """A logged-in connection.

    Attributes:
        capabilities: upper-case, as they stand after the login.
        uidvalidity: of the selected folder; 0 where the server has none.
        uidnext: every UID below it existed when the folder was last looked at.
        reckoned: the server does not tell UIDNEXT: it was reckoned from the newest message.
        exists: how many messages the selected folder holds, as far as the server has said.
        keywords: the selected folder takes new keywords.
        read_only: nothing in the selected folder can be changed.
        fresh: IDLE has just ended and told its news; the next search needs no NOOP before it.
        doubtful: the server could not watch the selected folder, which may no longer be what it was.
        news: mail has come since the last search; a server tells it once, so IDLE will not tell it again.
    """

    def __init__(self, account: Account, counters: dict[str, int], lifeline: Lifeline) -> None:
        self._account = account
        self._counters = counters
        self._lifeline = lifeline
        self._lines = 0
        self._client = _connected(account, lifeline)
        self._imap: Any = self._client._imap  # noqa: SLF001 - see the module's docstring
        try:
            self._tame()
            self._secure()
            self._log_in()
        except BaseException:
            self.drop()
            raise
        self.capabilities = frozenset(each.decode("ascii", "replace") for each in self._client.capabilities())
        self._client.folder_encode = False
        self.uidvalidity = self.uidnext = self.exists = 0
        self.keywords = self.read_only = self.fresh = self.news = self.reckoned = self.doubtful = False

    # ------------------------------------------------------------------------------------ beginning

    def _tame(self) -> None:
        """Take away the library's slow and its dangerous habits."""
        imap, counters = self._imap, self._counters
        imap.debug = 0  # imapclient sets 5: every answer is repr()'d, bodies included
        read, readline = imap.read, imap.readline
        self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def counted_read(size: int) -> bytes:
            if size > MOST_LITERAL:
                raise IMAPClientAbortError(f"the server announces {size} octets at once")
            data: bytes = b""
            pieces: list[bytes] = []
            while size > 0 and (data := read(min(size, PIECE))):
                counters["bytes_in"] += len(data)
                pieces.append(data)
                size -= len(data)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

        def counted_line() -> bytes:  # without the copy of each line that imaplib keeps for its log
            line: bytes = readline()
            if not line.endswith(b"\r\n"):
                raise IMAPClientAbortError("the server closed the connection")
            counters["bytes_in"] += len(line)
            self._lines += 1
            if self._lines > MOST_LINES:
                raise IMAPClientAbortError("the server's answer has no end")
            return line[:-2]

        imap.read, imap._get_line = counted_read, counted_line  # noqa: SLF001 - see the module's docstring

    def _secure(self) -> None:
        if self._imap.state != "NONAUTH":
            raise TemporaryError(
                f"{self._account}: the server says that somebody is logged in already (PREAUTH); refused"
            )
        if self._account.security == "starttls":
            if not self._client.has_capability("STARTTLS"):
                raise TemporaryError(
                    f"{self._account}: the server offers no STARTTLS; no password is sent without it. Try "
                    'security = "tls" (port 993)'
                )
            self._client.starttls(_tls(self._account))
            self._imap.untagged_responses = {}  # what came before TLS may be anybody's

    def _log_in(self) -> None:
        account = self._account
        if account.token is not None:
            self._log_in_by_token(account.token)
            return
        assert account.password is not None  # noqa: S101 - one or the other
        password = account.password()
        if not (is_safe(account.username) and is_safe(password)):
            raise ConfigurationError(f"{account}: the user name or the password holds a control character")
        try:
            if self._client.has_capability("AUTH=PLAIN"):
                self._client.plain_login(account.username, password)
            else:
                self._client.login(quoted(account.username), password)
        except LoginError as error:
            cause = error.__context__
            words = readable(without_secret(str(error), account.username, password))
            if isinstance(cause, IMAPClientAbortError):  # the connection broke: imapclient calls that a refusal too
                raise cause from None
            if _PASSING.search(words):
                raise TemporaryError(
                    f"{account}: logging in: {words}; trying again later", retry_after=asked_to_wait(words)
                ) from error
            raise ConfigurationError(
                f"{account}: the server refused the login of {account.username}: {words}. Check username and "
                "password; many providers want an app password, and IMAP switched on in their settings"
            ) from error
        except UnicodeError as error:
            raise ConfigurationError(f"{account}: this server takes ASCII user names and passwords only") from error

    def _log_in_by_token(self, token: Callable[..., str]) -> None:
        """Log in by OAuth2; a token that the server refuses is renewed once: it may have been revoked early.

        Source: RFC 7628 (OAUTHBEARER); XOAUTH2 is what came before it, and what the big providers speak.
        """
        account = self._account
        if self._client.has_capability("AUTH=XOAUTH2"):
            log_in = self._client.oauth2_login
        elif self._client.has_capability("AUTH=OAUTHBEARER"):
            log_in = self._client.oauthbearer_login
        else:
            raise ConfigurationError(f"{account}: this server offers no login by OAuth2 (XOAUTH2, OAUTHBEARER)")
        rejected = ""
        for last in (False, True):
            access = token(rejected=rejected)
            try:
                log_in(account.username, access)
            except LoginError as error:
                cause = error.__context__
                words = readable(without_secret(str(error), account.username, access))
                if isinstance(cause, IMAPClientAbortError):
                    raise cause from None
                if _PASSING.search(words):
                    raise TemporaryError(
                        f"{account}: logging in: {words}; trying again later", retry_after=asked_to_wait(words)
                    ) from None
                if last:
                    raise ConfigurationError(
                        f"{account}: the server refused the token of {account.username}: {words}. Is it the account "
                        "that was signed in, and IMAP switched on for it? Else sign in again with `responder login`"
                    ) from None
                rejected = access
            else:
                return

    # ------------------------------------------------------------------------------------- commands

    def command(self, name: str, *words: str, literal: bytes | None = None) -> Answer:
        """Run one command and take in its news. NO is an answer; BAD and a lost connection are errors."""
        self._counters["round_trips"] += 1
        return self._finish(name, self._send(name, *words, literal=literal))

    def _send(self, name: str, *words: str, literal: bytes | None = None) -> bytes:
        """Send a command; the last gate before the wire, behind those that every name has passed already."""
        if any(CONTROL.search(word) for word in words):
            raise ValueError(f"{name}: a control character stands in its arguments; it was not sent")
        imap = self._imap
        self._counters["commands"] += 1
        self._lines = 0
        imap.literal = literal
        tag: bytes = imap._command(name, *words)  # noqa: SLF001 - see the module's docstring
        return tag

    def _finish(self, name: str, tag: bytes) -> Answer:
        imap = self._imap
        kind, data = imap._command_complete(name, tag)  # noqa: SLF001 - see the module's docstring
        untagged: dict[str, list[Any]] = imap.untagged_responses
        imap.untagged_responses = {}
        answer = Answer(kind == "OK", readable((data[0] or b"").decode("utf-8", "replace")), untagged)
        if "EXISTS" in untagged:
            self.exists, self.news = answer.number("EXISTS"), True
        elif "EXPUNGE" in untagged:
            self.exists -= len(untagged["EXPUNGE"])
        return answer

    def demand(self, name: str, *words: str) -> Answer:
        """Run one command that must succeed; NO means that the session cannot be used."""
        answer = self.command(name, *words)
        if not answer.ok:
            raise IMAPClientError(f"{name}: {answer.text}")
        return answer

    def select(self, wire: str, *, read_only: bool = False) -> bool:
        """Select a folder; False if the server will not. Then nothing is selected."""
        answer = self.command("EXAMINE" if read_only else "SELECT", quoted(wire))
        self._imap.state = "SELECTED" if answer.ok else "AUTH"
        self._imap.is_readonly = True  # keeps imaplib from raising where a folder turns out to be read-only
        if not answer.ok:
            return False
        self.doubtful = False
        self.exists = answer.number("EXISTS")
        self.uidvalidity, self.uidnext = answer.number("UIDVALIDITY"), answer.number("UIDNEXT")
        self.keywords = any(rb"PERMANENTFLAGS" in line and rb"\*" in line for line in answer.all("OK"))
        self.read_only = "READ-ONLY" in answer.untagged
        if not self.uidnext:  # Courier tells it in STATUS only
            self.uidnext = self.status(wire).get("UIDNEXT", 0)
        self.reckoned = not self.uidnext
        if not self.uidnext and self.exists:
            last = self.demand("UID", "SEARCH", "UID", "*").all("SEARCH")
            self.uidnext = max(searched(last), default=0) + 1
        return True

    def status(self, wire: str, items: str = "UIDNEXT UIDVALIDITY") -> dict[str, int]:
        """Return a folder's UIDNEXT and UIDVALIDITY by name; empty where the server will not say."""
        answer = self.command("STATUS", quoted(wire), f"({items})")
        return status(answer.all("STATUS")) if answer.ok else {}

    def search(self, from_uid: int) -> list[int]:
        r"""Return the UIDs >= ``from_uid`` without \\Deleted, ascending; and at least the folder's last UID.

        The last one is no answer to the question: RFC 3501 lets "n:*" name it; its absence is a sign of trouble.
        """
        found: list[int] = []
        last: list[int] = []
        if self.exists > WINDOW:
            while from_uid + WINDOW < self.uidnext:
                span = f"{from_uid}:{from_uid + WINDOW - 1}"
                found += searched(self.demand("UID", "SEARCH", "UID", span, "UNDELETED").all("SEARCH"))
                from_uid += WINDOW
        for _ in range(3):
            answer = self.demand("UID", "SEARCH", "UID", f"{from_uid}:*", "UNDELETED")
            last = searched(answer.all("SEARCH"))
            if "EXISTS" not in answer.untagged:  # else mail arrived while the server was searching
                self.news = False
                break
        return sorted({*found, *last})

    def fetch(self, uids: Iterable[int], items: str) -> list[Record]:
        """Return the raw records of a UID FETCH, in as few commands as may be."""
        records: list[Record] = []
        for uid_set in uid_sets(uids):
            answer = self.command("UID", "FETCH", uid_set, items)
            if not answer.ok and "[EXPUNGEISSUED]" not in answer.text:  # that one means: all but those that vanished
                raise IMAPClientError(f"FETCH: {answer.text}")
            records += answer.all("FETCH")
        return records

    def messages(self, uids: Iterable[int], items: str) -> dict[int, Fetched]:
        """Return those of the messages that are still there, by ascending UID; unasked-for news is left out."""
        wanted = set(uids)
        found = _with_data(self.fetch(wanted, items))
        return {uid: found[uid] for uid in sorted(wanted & found.keys())}

    def bodies(self, uids: Iterable[int], items: str) -> tuple[dict[int, Fetched], dict[int, tuple[Part, ...]]]:
        """Return ``messages`` and the structure of each that the server can tell, in one round trip for both.

        Two commands, sent together (RFC 3501 section 5.5): a structure that is refused, or cannot be understood,
        costs nothing else.
        """
        wanted = set(uids)
        texts: list[Record] = []
        parts: list[Record] = []
        for uid_set in uid_sets(wanted):
            self._counters["round_trips"] += 1
            tags = [self._send("UID", "FETCH", uid_set, each) for each in (items, "(UID BODYSTRUCTURE)")]
            answer = self._finish("UID", tags[0])
            if not answer.ok and "[EXPUNGEISSUED]" not in answer.text:
                raise IMAPClientAbortError(f"FETCH: {answer.text}")  # with an answer still to come: of no use any more
            texts += answer.all("FETCH")
            try:
                parts += self._finish("UID", tags[1]).all("FETCH")
            except IMAPClientAbortError:
                raise
            except IMAPClientError:
                self._imap.untagged_responses = {}
        found, told = _with_data(texts), structures(parts)
        if not (found.keys() >= wanted and told.keys() >= wanted):  # a server may mix the two answers
            found, told = _with_data([*texts, *parts]), structures([*parts, *texts])
        return {uid: found[uid] for uid in sorted(wanted & found.keys())}, told

    def mark(self, uids: Iterable[int], keyword: str) -> dict[int, frozenset[str]] | None:
        """Set a keyword and return the flags that each message bears after that; None if the server will not set it.

        Without ".SILENT" the answer tells the flags as they are once ours is in (RFC 3501 section 6.4.6); a server
        may leave out those that bore it already.
        """
        wanted = set(uids)
        records: list[Record] = []
        for uid_set in uid_sets(wanted):
            try:
                answer = self.command("UID", "STORE", uid_set, "+FLAGS", f"({keyword})")
            except IMAPClientAbortError:
                raise
            except IMAPClientError:  # BAD: some servers have no word for a keyword
                return None
            if not answer.ok and "[EXPUNGEISSUED]" not in answer.text:
                return None
            records += answer.all("FETCH")
        told = {one.uid: one.flags for one in fetched(records) if keyword.lower() in map(str.lower, one.flags)}
        if left := wanted - told.keys():
            told |= {one.uid: one.flags for one in fetched(self.fetch(left, "(UID FLAGS)"))}
        return {uid: told[uid] for uid in sorted(wanted & told.keys())}

    def present(self, uids: Iterable[int]) -> set[int]:
        """Return which of the UIDs are still in the selected folder."""
        return {
            uid
            for uid_set in uid_sets(uids)
            for uid in searched(self.demand("UID", "SEARCH", "UID", uid_set).all("SEARCH"))
        }

    def last(self, most: int) -> list[int]:
        r"""Return the UIDs of the selected folder's last messages without \Deleted, ascending."""
        if self.exists <= 0:
            return []
        span = f"{max(self.exists - most + 1, 1)}:*"
        return sorted(searched(self.demand("UID", "SEARCH", span, "UNDELETED").all("SEARCH")))

    def since(self, at: datetime) -> list[int]:
        r"""Return the UIDs of the selected folder's messages that came then or later, or little before, ascending.

        Without \Deleted. The server knows days only, and each message's by the zone it was stored with: a day more
        covers every zone. From the newest on, so that what is expunged meanwhile shifts nothing that is still to come.
        """
        day = imap_day(at - timedelta(days=1))
        found: set[int] = set()
        for last in range(self.exists, 0, -WINDOW):
            span = f"{max(last - WINDOW + 1, 1)}:{last}"
            found.update(searched(self.demand("UID", "SEARCH", span, "SINCE", day, "UNDELETED").all("SEARCH")))
        return sorted(found)

    def list_folders(self, pattern: str = "*") -> list[tuple[frozenset[bytes], str]]:
        """Return folders as (lower-case attributes, name as the server spells it): all, or those of a pattern."""
        extended = {"SPECIAL-USE", "LIST-EXTENDED"} <= self.capabilities and pattern == "*"
        words = ['""', quoted(pattern), *(["RETURN (SPECIAL-USE)"] if extended else [])]
        lines = self.demand("LIST", *words).all("LIST")
        rows = self._client._proc_folder_list(lines)  # noqa: SLF001 - the public method cannot ask for SPECIAL-USE
        return [
            (
                frozenset(bytes(flag).lower() for flag in flags),
                name.decode("latin-1") if isinstance(name, bytes) else str(name),
            )
            for flags, _, name in rows
        ]

    def namespace(self) -> tuple[str, str]:
        """Return the prefix and the separator of the owner's own folders; "" where there are no levels."""
        if "NAMESPACE" in self.capabilities:
            self._counters["commands"] += 1
            self._counters["round_trips"] += 1
            personal = self._client.namespace().personal
            if personal:
                prefix, separator = personal[0]
                return folder_from_wire(prefix or b"", separator="", prefix=""), separator or ""
        rows = self._client.list_folders("", "")
        return "", rows[0][1].decode("ascii", "replace") if rows and rows[0][1] else ""

    # ------------------------------------------------------------------------------------- waiting

    def idle(self, seconds: float, wake: int) -> bool:
        """Wait in IDLE for news or for the descriptor ``wake``; True if the server told of a change.

        The library's own ``idle_check`` loses lines that are cut in two and spins at the end of the stream: here
        the socket only says when to leave IDLE, and whole lines are read until the command's end.
        """
        imap = self._imap
        self._counters["commands"] += 1
        self._counters["round_trips"] += 1
        tag = imap._command("IDLE")  # noqa: SLF001 - see the module's docstring
        while imap._get_response() is not None:  # noqa: SLF001 - lines may come before the "+"
            if imap.tagged_commands.get(tag) is not None:  # refused
                self._finish("IDLE", tag)
                return readable_within([wake], seconds)
        if not imap.untagged_responses and not self._buffered():
            readable_within([self._client.socket().fileno(), wake], seconds)
        imap.send(b"DONE\r\n")
        answer = self._finish("IDLE", tag)
        self.doubtful = "NO" in answer.untagged
        # Courier shows new mail only to who asks for news: after a quiet IDLE the next search must ask again.
        self.fresh = bool(answer.untagged.keys() & {"EXISTS", "EXPUNGE", "FETCH", "VANISHED"})
        return self.fresh

    def _buffered(self) -> bool:
        """Tell whether lines were read along with the last one: a poll of the socket does not see them."""
        own = getattr(self._imap, "_readbuf", None)  # Python 3.14 keeps its own buffer
        if own is not None:
            return bool(own)
        connection = self._client.socket()
        connection.setblocking(False)
        try:
            return bool(self._imap.file.peek(1))
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            connection.settimeout(self._account.timeout)

    # --------------------------------------------------------------------------------------- ending

    def log_out(self) -> None:
        """Say goodbye if the server still listens, and let go of the connection; never raises."""
        with contextlib.suppress(Exception):
            self._client.socket().settimeout(2)  # the goodbye is a courtesy
            self._client.logout()
        self.drop()

    def drop(self) -> None:
        """Let go of the connection; never raises."""
        with contextlib.suppress(Exception):
            self._client.shutdown()
        self._lifeline.release()


def _with_data(records: Sequence[Record]) -> dict[int, Fetched]:
    return {one.uid: one for one in fetched(records) if one.data is not None}


def _connected(account: Account, lifeline: Lifeline) -> Any:
    tls = _tls(account) if account.security == "tls" else None
    try:
        return LifelineClient(
            account.host,
            account.port,
            tls=tls,
            connect=min(CONNECT_SECONDS, account.timeout),
            read=account.timeout,
            lifeline=lifeline,
        )
    except BaseException:
        lifeline.release()
        raise


def _tls(account: Account) -> ssl.SSLContext:
    """Return the demands on TLS: a known authority, the right name, at least version 1.2."""
    context = ssl.create_default_context(cafile=str(account.ca_file) if account.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
