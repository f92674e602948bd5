"""The four things asked of the world: Mailbox, Outbox, Ledger, Clock.

The engine knows only these. Every implementation of a port (the real one, the fake, the sandbox's) passes the same
contract suite. All methods raise the errors of ``responder.errors`` and nothing of a library's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from responder.core.model import Facts, MessageKey, Receipt, Verdict, Window  # noqa: TC001 - fields' types

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from responder.core.follow import Followed, Shelf, Steps
    from responder.core.model import (
        Body,
        Effect,
        FileMessage,
        Flag,
        History,
        Message,
        MoveFiled,
        RemoveDraft,
    )
    from responder.core.morning_rows import Morning
    from responder.core.report_rows import Chronicle


# ---------------------------------------------------------------------------------------- mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a mailbox's server can do, probed at login. Folder names are with "/" as separator, without prefix.

    ``sent`` and ``drafts`` are None where no such folder was found. ``drafts`` may then be made. ``discarded`` are
    those that the server calls junk or trash.
    """

    capabilities: frozenset[str]
    separator: str
    prefix: str
    idle: bool
    move: bool
    uidplus: bool
    special_use: bool
    keywords: bool
    sent: str | None
    drafts: str | None
    folders: tuple[str, ...] = ()
    discarded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxState:
    """INBOX as it was when selected.

    ``uidnext`` of a server that never tells it is reckoned from the newest message, and ``reckoned``: it may then go
    down when that message leaves.
    """

    uidvalidity: int
    uidnext: int
    exists: int
    reckoned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCursor:
    """How far a Sent folder has been read: UIDs below ``uidnext`` are known."""

    folder: str
    uidvalidity: int
    uidnext: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SentHeader:
    """One message of Sent: its header fields, raw, and its INTERNALDATE in UTC."""

    uid: int
    header: bytes
    internal_at: datetime | None
    flags: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Where an APPEND put a message, where the server says so (UIDPLUS); zeros where it does not."""

    folder: str
    uidvalidity: int = 0
    uid: int = 0


#: A folder in which messages of ours may lie.
Place = Literal["sent", "drafts", "inbox"]


class Mailbox(Protocol):
    r"""One IMAP mailbox, seen from INBOX. Never sets \\Seen or \\Answered, never expunges what it did not file.

    ``TemporaryError`` from any method means the session is dead: call ``open`` again. ``ConfigurationError`` from
    ``open`` means that the login was refused.
    """

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        ...

    @property
    def profile(self) -> Profile:
        """What the server can do; only after ``open``."""
        ...

    async def open(self) -> InboxState:
        """Connect, log in, probe, select INBOX. An open session is closed first."""
        ...

    async def close(self) -> None:
        """Log out if possible; never raises."""
        ...

    async def scan(self, from_uid: int) -> tuple[InboxState, Sequence[int]]:
        r"""Return INBOX's state and the UIDs >= ``from_uid`` without \\Deleted, ascending."""
        ...

    async def fetch(self, uids: Sequence[int]) -> Sequence[Message]:
        """Return chosen header fields, INTERNALDATE, size and flags; UIDs that vanished are left out.

        At most some hundreds of UIDs at once, ascending.
        """
        ...

    async def bodies(self, uids: Sequence[int], *, octets: int) -> Mapping[int, Body]:
        """Return the first ``octets`` of each raw body, and its structure; vanished UIDs are left out."""
        ...

    async def find(self, message_id: str) -> int | None:
        """Return the UID in INBOX of the newest message with that Message-ID among the last 5000, None if none."""
        ...

    async def file(self, moves: Sequence[FileMessage]) -> Mapping[int, str]:
        """Move messages out of INBOX, one command per folder; make and subscribe missing folders.

        Before anything is moved the UID is checked to still be that message. Returns by UID what became of it:
        "moved", "gone" (no longer there, or another message), or a sentence saying why it stayed in INBOX.
        TemporaryError, and nothing moved, when a UID is of another UIDVALIDITY than INBOX has now.
        """
        ...

    async def exists(self, folder: str) -> bool:
        """Tell whether there is such a folder, as the server says now; a level that holds no mail is none.

        PermanentError, here and below, for a name that is unfit to be sent; where the answer is a sentence, that.
        """
        ...

    async def look(self, folder: str) -> Sequence[Message] | None:
        r"""Return the messages of another folder without \\Deleted, as ``fetch`` does; None where there is none.

        The last 5000 at most, ascending. Nothing changes by looking. Keys bear that folder's UIDVALIDITY.
        PermanentError when the server will not open a folder that exists: then nothing is known of its messages.
        """
        ...

    async def refile(self, moves: Sequence[MoveFiled]) -> Mapping[str, str]:
        r"""Move messages between folders, one command per pair; make and subscribe missing targets.

        Before anything is moved the UID is checked to still be that message. Returns by fingerprint what became of
        it: "moved", "gone" (no longer in its source, marked as deleted there, or another message; the source
        numbered anew, or gone itself), or a sentence saying why it stayed.
        """
        ...

    async def flag(self, flags: Sequence[Flag]) -> Mapping[str, str]:
        r"""Set \\Flagged on messages that are still the ones meant; by fingerprint "flagged", "gone" or a sentence."""
        ...

    async def remove_folder(self, folder: str) -> str:
        """Remove and unsubscribe a folder that is empty and has no children, asked immediately before.

        Returns "removed", "gone" (there is none), or a sentence saying why it stays. INBOX, Sent and Drafts stay.
        """
        ...

    async def append_inbox(self, message: bytes, at: datetime) -> Appended:
        """Append to INBOX without any flag, so that it is unread. PermanentError when the server refuses it."""
        ...

    async def claim(self, uids: Sequence[int], mark: str) -> Mapping[int, frozenset[str]]:
        """Set the keyword on messages of INBOX, and return the flags that each bears after that.

        Of several who claim one message at the same time, at most one sees no other's mark. Messages that vanished
        are left out; all are where the mailbox permits no keywords (``Profile.keywords``).
        """
        ...

    async def withdraw(self, uids: Sequence[int], mark: str) -> None:
        """Take the keyword off messages of INBOX again."""
        ...

    async def sent_headers(
        self, cursor: SentCursor | None, since: datetime
    ) -> tuple[SentCursor | None, Sequence[SentHeader]]:
        """Return what is new in Sent since the cursor, and the new cursor; (None, ()) without a readable Sent.

        Without a cursor, or after Sent's UIDVALIDITY changed, the last 200 messages are read, and more, some
        thousands at most, while they came after ``since``.
        """
        ...

    async def find_ours(self, place: Place, message_ids: Collection[str]) -> Mapping[str, Appended]:
        """Return where those messages of ours lie that are in that place, among its last 1000."""
        ...

    async def append_sent(self, message: bytes, at: datetime) -> Appended | None:
        r"""Append a copy to Sent, \\Seen and ``$autosent`` where allowed; None without a Sent folder.

        PermanentError when the server refuses it.
        """
        ...

    async def append_draft(self, message: bytes, at: datetime) -> Appended:
        r"""Append to Drafts with \\Draft; make the folder if there is none. PermanentError when the server refuses."""
        ...

    async def remove_draft(self, draft: RemoveDraft) -> str:
        """Delete exactly that draft if its Message-ID still stands at that UID. Returns "removed" or "gone"."""
        ...

    async def wait(self, seconds: float) -> bool:
        """Wait for news (IDLE where offered), at most so long. True is a hint that something happened.

        Ends early on ``wake``. Real seconds, whatever the Clock says.
        """
        ...

    def wake(self) -> None:
        """End a running or the next ``wait`` early; may be called from any thread."""
        ...


# ----------------------------------------------------------------------------------------- outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one SMTP transaction: DONE, REFUSED, RETRY, EXPIRED or IN_DOUBT of ``Outcome``."""

    outcome: str
    detail: str


class Letter(Protocol):
    """What an outbox needs of a message: ``SendReply``, or a digest that goes to an address."""

    @property
    def sender(self) -> str:
        """The envelope's sender."""
        ...

    @property
    def recipient(self) -> str:
        """The one address it goes to."""
        ...

    @property
    def message(self) -> bytes:
        """The whole RFC 5322 text, CRLF."""
        ...

    @property
    def not_after(self) -> datetime:
        """After this instant it must not leave any more."""
        ...


class Outbox(Protocol):
    """One SMTP submission account. Connections are reused and closed when idle."""

    async def send(self, replies: Sequence[Letter]) -> Sequence[Sent]:
        """Send each letter once; the n-th answer belongs to the n-th letter.

        Nothing left the house: RETRY. A server's code is definite: DONE or REFUSED (4xx: RETRY). Silence after
        the body left: IN_DOUBT. ``not_after`` passed before the body could leave:
        EXPIRED. Raises ConfigurationError when the login is refused (nothing was sent).
        """
        ...

    async def probe(self) -> Mapping[str, str]:
        """Connect and log in, send nothing; return what the server offers, for ``check``."""
        ...

    async def close(self) -> None:
        """Close the connections; never raises."""
        ...


# ----------------------------------------------------------------------------------------- ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """What the ledger remembers of a mailbox between runs.

    ``baseline_uid``: UIDs below it are older than the first start. ``next_uid``: every UID below it is in the
    ledger or below the baseline.
    """

    name: str
    uidvalidity: int
    baseline_uid: int
    next_uid: int
    started_at: datetime
    sent: SentCursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One message in the ledger. ``reason`` is "" while it waits for its verdict."""

    fingerprint: str
    key: MessageKey
    address: str
    client: str
    message_id: str
    arrived_at: datetime
    seen_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuestion:
    """What is asked of the ledger for one message.

    ``addresses`` and ``domains`` are all of the client's: what the owner wrote to any was written to the client.
    """

    facts: Facts
    arrived_at: datetime
    conversing_since: datetime
    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One message's verdict with its plan, as the ledger takes it in."""

    entry: LedgerEntry
    facts: Facts
    verdict: Verdict
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEffect:
    """An effect in the ledger. ``state`` is "planned", "started" or one of the outcomes' words.

    ``tries`` counts how often it was put off (RETRY).
    """

    id: int
    state: str
    effect: Effect
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerMessage:
    """A message that the owner wrote by hand, read from Sent or from a copy in INBOX.

    ``answers_subject`` is its subject without "Re:" where nothing else tells what it answers; else "". ``clients`` are
    the keys of the clients it went to, by the rules of when it was read.
    """

    message_id: str
    refers_to: tuple[str, ...]
    recipients: tuple[str, ...]
    at: datetime
    answers_subject: str = ""
    clients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenReply:
    """A sign that an address was answered, by whomever: a reply in Sent, or a message that another has taken.

    ``key`` names it once and for all: the reply's id, or the mark and the message. ``address`` is the recipient's
    without tags, ``answers`` the Message-ID of the message answered ("" if unknown). ``taken``: known by a mark, and
    ``at`` is then the arrival of the message that bears it.
    """

    key: str
    address: str
    answers: str
    at: datetime
    taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderMade:
    """A folder that we file into, and the stretch it is for. ``made``: it was not there before us."""

    mailbox: str
    folder: str
    window: Window
    made: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """What is to be followed up in one mailbox: mail with a promise or in a folder of ours, and those folders.

    Left out is mail that is on its way already.
    """

    mail: Sequence[Followed] = ()
    shelves: Sequence[Shelf] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a message after its verdict.

    Attributes:
        state: its promise: "open", "kept", "late"; "" for none.
        due_at: when that fell, or falls, due.
        declared_at: when it was found to be late.
        ended_at: when it ended: the owner's message, or the moment at which weak evidence was noticed.
        weak: "answered" or "moved" where only a mark or a move by hand told; "" for the owner's own message.
        folder: the folder in which it was filed last; "" for INBOX, or where it was never filed.
        filed: it was filed once.
        carried: how often it was carried over to a later window.
        left_at: when it was finished, or found taken out of our folders.
    """

    state: str = ""
    due_at: datetime | None = None
    declared_at: datetime | None = None
    ended_at: datetime | None = None
    weak: str = ""
    folder: str = ""
    filed: bool = False
    carried: int = 0
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow:
    """One promise, for ``status`` and ``explain``."""

    fingerprint: str
    client: str
    address: str
    due_at: datetime
    opened_at: datetime
    told_at: datetime | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedRow:
    """One decided message as ``explain`` and ``status`` show it; ``trail`` as it was when decided."""

    entry: LedgerEntry
    reply: str
    due_at: datetime | None
    topic: str
    window: Window | None
    folder: str
    decided_at: datetime
    trail: tuple[Mapping[str, object], ...]
    steps: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts for ``status``. ``unfiled`` is mail that could not be moved and stays in INBOX.

    ``breaker_until`` is when replies begin again after too many in an hour; None while they leave. ``urgent``: how
    often each client used the urgent word in the last 30 days.
    """

    by_reason: Mapping[str, int] = field(default_factory=dict[str, int])
    open_promises: int = 0
    late_promises: int = 0
    waiting: int = 0
    planned: int = 0
    in_doubt: int = 0
    refused: int = 0
    unfiled: int = 0
    suspended: int = 0
    breaker_until: datetime | None = None
    urgent: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How often one kind of thing happened in a mailbox since the ledger began; forgetting takes nothing away.

    ``name`` is "messages" (``word`` its reason), "replies" (its kind, with their ``outcome``; a draft laid is
    "drafted") or "promises" ("opened", or the state it ended in).
    """

    name: str
    mailbox: str
    word: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What the ledger holds, or held, about somebody who is to be forgotten.

    ``waiting`` messages have no verdict yet; ``under_way`` are steps still to be carried out; ``signs`` are replies of
    others, or of a lost ledger, that were seen.
    """

    messages: int = 0
    waiting: int = 0
    replies: int = 0
    under_way: int = 0
    promises: int = 0
    open_promises: int = 0
    owner_messages: int = 0
    signs: int = 0
    suspensions: int = 0


class Ledger(Protocol):
    """The memory, and the authority. Each method is one transaction, on disk when it returns.

    Raises TemporaryError when the database is locked or the disk is full (then: no intent, no reply), and
    DamagedError when it is damaged, or was taken away.
    """

    async def mailbox(self, name: str) -> MailboxState | None:
        """Return what is remembered of a mailbox, None before its first start."""
        ...

    async def save_mailbox(self, state: MailboxState) -> None:
        """Remember it."""
        ...

    async def known(self, fingerprints: Sequence[str]) -> Mapping[str, LedgerEntry]:
        """Return the entries that exist, by fingerprint."""
        ...

    async def waiting(self, mailbox: str) -> Sequence[LedgerEntry]:
        """Return that mailbox's entries that have no verdict yet, oldest arrival first."""
        ...

    async def histories(self, questions: Sequence[HistoryQuestion], now_at: datetime) -> Sequence[History]:
        """Return the history for each question, as it stands before any of them is decided."""
        ...

    async def record(
        self,
        *,
        state: MailboxState | None,
        waiting: Sequence[LedgerEntry],
        decisions: Sequence[Decision],
        now_at: datetime,
    ) -> Sequence[StoredEffect]:
        """Enter messages, verdicts, promises and planned effects, and move the cursor: all or nothing.

        A reply that a unique key forbids (the same message, or the same address and closed period) is not planned;
        everything else of its decision is. A decision with reason ``bounce-of-reply`` suspends for 30 days the address
        to which the reply with one of ``facts.bounced_ids`` went. Returns the planned effects in the order given.
        """
        ...

    async def advance(
        self, *, receipts: Sequence[Receipt] = (), start: Sequence[int] = (), follow: Sequence[Effect] = ()
    ) -> Sequence[StoredEffect]:
        """Close effects, mark others as started, and plan what follows from them, in one transaction.

        The receipt DONE of a SendReply or SaveDraft marks its promise as told. Returns the effects of ``follow``.
        """
        ...

    async def unfinished(self, mailbox: str) -> Sequence[StoredEffect]:
        """Return that mailbox's effects that are planned or started, oldest first."""
        ...

    async def owner_wrote(
        self,
        messages: Sequence[OwnerMessage],
        state: MailboxState | None = None,
        replies: Sequence[SeenReply] = (),
    ) -> None:
        """Remember the owner's own messages, replies that were seen, how far Sent was read: evidence for ``histories``.

        A reply that the ledger holds itself is no news; but one that it believes unsent, or in doubt, is DONE.
        """
        ...

    async def renumber(
        self,
        *,
        state: MailboxState,
        places: Mapping[str, MessageKey],
        decisions: Sequence[Decision],
        now_at: datetime,
    ) -> None:
        """Take in that INBOX was numbered anew, all or nothing.

        ``places`` are the new places of known messages by fingerprint: those that wait for their verdict, and
        planned moves, get them. The moves of messages without a new place are GONE. ``decisions`` as in ``record``.
        """
        ...

    async def folder_made(self, made: Sequence[FolderMade]) -> None:
        """Remember for which stretch a folder is, before it is made; the first word on who made it stands.

        Of a folder that serves several stretches the last end is remembered too.
        """
        ...

    async def agenda(self, mailbox: str) -> Agenda:
        """Return what is to be followed up in that mailbox."""
        ...

    async def followed(self, mailbox: str, steps: Steps, now_at: datetime) -> Sequence[StoredEffect]:
        """Enter what a look has shown, all or nothing; return the effects that follow from it.

        A promise that ended meanwhile stays as it ended.
        """
        ...

    async def found_again(self, keys: Mapping[str, MessageKey]) -> None:
        """Remember where messages that are decided lie in INBOX, by fingerprint: the owner has dragged them there."""
        ...

    async def fate(self, fingerprint: str) -> Fate:
        """Return what became of a message and of its promise, for ``explain``."""
        ...

    async def trip_breaker(self, until_at: datetime) -> bool:
        """Open the breaker until then; False if it was open already."""
        ...

    async def decided(
        self, *, message_id: str = "", address: str = "", reason: str = "", last: int = 1
    ) -> Sequence[DecidedRow]:
        """Return decided messages, newest first, by Message-ID, sender's address or reason, or just the last ones."""
        ...

    async def in_doubt(self, limit: int = 20) -> Sequence[StoredEffect]:
        """Return the replies of which nobody knows whether they left, newest first."""
        ...

    async def promises(self, *, open_only: bool = True, limit: int = 200) -> Sequence[PromiseRow]:
        """Return promises, earliest due first."""
        ...

    async def summary(self, now_at: datetime) -> Summary:
        """Return the counts for ``status``."""
        ...

    async def morning(self, since_at: datetime, now_at: datetime) -> Morning:
        """Return what concerns the owner now, and what happened since then: the matter of the digest."""
        ...

    async def chronicle(self, since_at: datetime, until_at: datetime, client: str = "") -> Chronicle:
        """Return what clients wrote and what became of it, and what the owner wrote, for ``report``.

        By arrival, from ``since_at`` to before ``until_at``; ``client`` "" asks for all. Only what a client wrote, as
        far as that is known: neither machines' mail nor forgers'. The owner's messages are those to anybody.
        """
        ...

    async def counted(self) -> Sequence[Counted]:
        """Return how often what has happened since the ledger began."""
        ...

    async def note(self, key: str, value: str) -> None:
        """Remember one word about the daemon itself (last poll, its state) for ``status``."""
        ...

    async def notes(self) -> Mapping[str, str]:
        """Return those words."""
        ...

    async def rewind(self, now_at: datetime) -> None:
        """Bring back to now what was entered as later than now, by a clock that was wrong.

        It then ages as anything else: nothing counts as recent, holds up or silences anybody for years.
        """
        ...

    async def prune(self, before_at: datetime) -> int:
        """Forget messages decided before then that owe nothing; returns how many."""
        ...

    async def close(self) -> None:
        """Close the database; never raises."""
        ...


# ----------------------------------------------------------------------------------------- duties


class Duty(Protocol):
    """What is to be seen to at set times, beside new mail: it enters the line at the plan, as a tick."""

    async def begin(self) -> None:
        """Learn when it is to be seen to: at the start of a session, and after something has changed."""
        ...

    @property
    def next_at(self) -> datetime | None:
        """When it is to be seen to next; None: not before something has changed."""
        ...

    async def see_to(self, now_at: datetime) -> Sequence[StoredEffect]:
        """Enter what has become of it into the ledger; return the effects planned, to be carried out.

        May be asked before its time, when another duty is due: then it does what is of use already, or nothing.
        What cannot be done now is put off by ``next_at``: a duty never keeps the mail waiting.
        """
        ...


# ------------------------------------------------------------------------------------------ clock


class Clock(Protocol):
    """Time, for hours and promises. Time-outs are the adapters' own and run on the monotonic clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def real_seconds(self, seconds: float) -> float:
        """Return how many real seconds that many of this clock's seconds last (the demo's clock is fast)."""
        ...
