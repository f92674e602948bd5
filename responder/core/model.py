"""The nouns. Every value that travels along the straight line is one of these: frozen, plain, printable.

One word per thing:

=============  ===================================================================================
owner          the person whose mailbox it is
client         a person or firm with an agreement: addresses or domains, zone, language, terms
stranger       a sender who matches no client
hours          when the owner works; a gap shorter than ``replies.break`` is a *break*, a longer one a
               *closed period*
channel        phone, WhatsApp, e-mail: when it is welcome, and why not otherwise
window         a callback window: a stretch in which the owner returns calls and answers filed mail
topic          what a message is about, with its own agreed response time
agreement      the document that holds the rules for one client
absence        whole days on which the owner is away, planned ahead; it ends by itself
reply          the automatic answer: *full* (the rules restated) or *short* (this message's due time)
promise        "answered by <instant>"
ledger         the database of messages seen, decisions, replies, promises
digest         the owner's morning overview
=============  ===================================================================================

Units and zones: a name ending in ``_at`` is an aware instant in UTC, ``_on`` is a local date; lengths are
``timedelta``. Every span is half-open: it contains its start and not its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from responder.core.address import account

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, timedelta
    from zoneinfo import ZoneInfo


EMPTY: Mapping[str, str] = MappingProxyType({})


def _empty() -> Mapping[str, str]:
    return EMPTY


# ------------------------------------------------------------------------------------------- rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of wall-clock time on the date it begins on, in minutes after that date's midnight.

    ``closes`` may exceed 1440: the stretch then crosses midnight and still belongs to the date it begins on.
    ``0 <= opens < 1440`` and ``opens < closes <= opens + 1440``.
    """

    opens: int
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedEntry:
    """What holds on the inclusive range of local dates; no stretches means closed."""

    first_on: date
    last_on: date
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Weekly stretches with dated exceptions.

    ``weekdays`` has seven members, Monday first; each is sorted and free of overlaps. ``dates`` is sorted by
    ``first_on``; ranges do not overlap each other, a single date may stand inside a range and beats it.
    """

    weekdays: tuple[tuple[Stretch, ...], ...]
    dates: tuple[DatedEntry, ...] = ()


class TermUnit(StrEnum):
    """How a response time is counted."""

    WORKING_HOURS = "working hours"
    WORKING_DAYS = "working days"
    HOURS = "hours"
    NEXT_WINDOW = "next window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """An agreed response time: ``Term(count=2, unit=TermUnit.WORKING_DAYS)``. ``count`` is 0 for next window."""

    count: int
    unit: TermUnit

    def __str__(self) -> str:
        """Return the term as the configuration file spells it."""
        if self.unit is TermUnit.NEXT_WINDOW:
            return "next window"
        unit = self.unit.value[:-1] if self.count == 1 else self.unit.value
        return f"{self.count} {unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to reach the owner. ``names`` and ``why`` by language; ``why`` may be empty."""

    key: str
    names: Mapping[str, str]
    schedule: Schedule
    why: Mapping[str, str] = field(default_factory=_empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """The rule that makes windows: a schedule, and the keys of the channels that are used in it."""

    key: str
    schedule: Schedule
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open stretch of time between two instants."""

    starts_at: datetime
    ends_at: datetime

    def contains(self, at: datetime) -> bool:
        """Tell whether the instant lies inside."""
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One concrete callback window."""

    key: str
    opens_at: datetime
    closes_at: datetime
    channels: tuple[str, ...] = ()


#: The topics that are shipped, in the order in which they are looked for (see ``presets``).
PresetName = Literal["moving", "invoice", "documents", "status", "matter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a message can be about.

    ``words`` are lower-case; a trailing ``*`` matches any ending, a space any run of white space. ``say`` is the
    reason told to the client, by language. ``attachments``: an attached document alone is enough.
    """

    key: str
    words: tuple[str, ...]
    attachments: bool
    response: Term | None
    say: Mapping[str, str] = field(default_factory=_empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The document that holds the rules; cited only from ``from_on`` to ``until_on``, both inclusive."""

    name: str
    version: str = ""
    from_on: date | None = None
    until_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A person or firm with an agreement.

    ``addresses`` are normalised addresses (see ``facts.normal_address``), ``domains`` are normalised domains
    without the ``@``. ``hours``, ``windows`` and ``channels`` are the client's own, None where the owner's hold;
    the dates of ``hours`` are always the owner's. ``holidays`` is a country code ("DE-BY") or "". ``topics`` are this
    client's response times by topic key. ``urgent_word`` marks a message as urgent in its subject; "" where none is
    agreed.
    """

    key: str
    name: str
    addresses: frozenset[str]
    domains: frozenset[str]
    zone: ZoneInfo
    language: str
    daytime: Schedule
    people: Mapping[str, str] = field(default_factory=_empty)
    agreement: Agreement | None = None
    phone: str = ""
    response: Term | None = None
    topics: Mapping[str, Term] = field(default_factory=dict[str, Term])
    holidays: str = ""
    hours: Schedule | None = None
    windows: tuple[WindowRule, ...] | None = None
    channels: tuple[Channel, ...] | None = None
    auto_reply: bool = True
    urgent_word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The person whose mailbox it is. ``also`` are further own addresses, normalised."""

    name: str
    zone: ZoneInfo
    language: str
    holidays: str = ""
    also: frozenset[str] = frozenset()
    why: Mapping[str, str] = field(default_factory=_empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRules:
    """What the rules need to know of one mailbox. ``addresses`` as written, the first is the default From."""

    name: str
    addresses: tuple[str, ...]
    trusted_authserv_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A stretch of the owner's local dates, both included, on which the owner is away.

    ``say`` is what clients are told of it, by language; ``deputy`` is who stands in. Both may be empty.
    """

    from_on: date
    until_on: date
    say: Mapping[str, str] = field(default_factory=_empty)
    deputy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on replies; days and hours are rolling."""

    per_address_per_day: int = 3
    per_hour: int = 30
    per_day: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRules:
    """The table ``[replies]``."""

    mode: Literal["send", "draft", "off"]
    grace: timedelta
    break_: timedelta
    conversing: timedelta
    full_every: timedelta
    max_age: timedelta
    limits: Limits
    strangers: Literal["silent", "short"]
    envelope: Literal["self", "empty"]
    copy: Literal["Sent", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingRules:
    """The table ``[filing]``: ``folder`` is a pattern over opens, window, client, topic; "/" separates levels."""

    folder: str
    finished: str
    during_hours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRules:
    """The table ``[digest]``: ``at`` in minutes after midnight by the owner's clock, None: none; ``to`` "": INBOX."""

    at: int | None = 510
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Policy:
    """All rules: one object feeds decision, reply, folders and documents, so they cannot disagree.

    Compared by identity: a reload makes a new one, and whatever was computed from the old one goes with it.
    ``clients``, ``topics``, ``channels``, ``windows`` and ``absences`` keep the order of the file. ``templates`` are
    the owner's own words: language → template key → Jinja2 source.
    """

    owner: Owner
    mailboxes: tuple[MailboxRules, ...]
    hours: Schedule
    channels: tuple[Channel, ...]
    windows: tuple[WindowRule, ...]
    topics: tuple[Topic, ...]
    response: Term
    clients: tuple[Client, ...]
    replies: ReplyRules
    filing: FilingRules
    digest: DigestRules = field(default_factory=DigestRules)
    templates: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, "Mapping[str, str]"])
    absences: tuple[Absence, ...] = ()

    def client(self, key: str) -> Client:
        """Return the client with that key; KeyError if there is none."""
        for client in self.clients:
            if client.key == key:
                return client
        raise KeyError(key)

    def mailbox(self, name: str) -> MailboxRules:
        """Return the rules of the mailbox with that name; KeyError if there is none."""
        for mailbox in self.mailboxes:
            if mailbox.name == name:
                return mailbox
        raise KeyError(name)


# ----------------------------------------------------------------------------------------- message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKey:
    """Where a message lies: the mailbox's name in the configuration, INBOX's UIDVALIDITY, the UID."""

    mailbox: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One leaf of a message's MIME structure; a leaf inside an attached message is not among them.

    ``media`` is lower-case "type/subtype"; ``disposition`` is "", "inline" or "attachment"; ``filename`` is
    decoded. ``parameters`` are the Content-Type's, names lower-case.
    """

    media: str
    disposition: str = ""
    filename: str = ""
    parameters: Mapping[str, str] = field(default_factory=_empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What was fetched of a body: the raw beginning of it (undecoded, perhaps cut) and the flat structure.

    ``parts`` is None where the server's BODYSTRUCTURE could not be understood: that counts as no attachment.
    """

    beginning: bytes
    parts: tuple[Part, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as the server gave it.

    ``header`` holds the chosen header fields, raw; ``header_cut`` tells that the server had more than was asked
    for. ``internal_at`` is INTERNALDATE in UTC, None if the server gave none. ``size`` is RFC822.SIZE in octets.
    ``body`` is None until asked for.
    """

    key: MessageKey
    header: bytes
    header_cut: bool
    internal_at: datetime | None
    size: int
    flags: frozenset[str]
    body: Body | None = None


# ------------------------------------------------------------------------------------------- facts


class Dmarc(StrEnum):
    """What the trusted Authentication-Results say of DMARC (RFC 8601)."""

    NOT_ASKED = "not asked"  # no trusted_authserv_id
    NONE = "none"  # no result by the trusted id
    PASS = "pass"  # noqa: S105 - a DMARC result
    FAIL = "fail"
    SEVERAL = "several"  # more than one block claims the trusted id


class AskedKind(StrEnum):
    """What a client asks for a time for."""

    CALL = "call"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A time that a client asks for: the client's own words, and what they mean.

    Where no hour was said the two instants are the ends of the day or stretch that is meant, else they are equal.
    """

    kind: AskedKind
    quote: str
    starts_at: datetime
    ends_at: datetime

    @property
    def exact(self) -> bool:
        """One instant is meant."""
        return self.starts_at == self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a message says of itself, without any judgement about time.

    Attributes:
        fingerprint: 64 hexadecimal digits; see ``facts.fingerprint``.
        message_id: the Message-ID with its angle brackets, "" if missing or not of the strict form.
        references: the ids for the reply's References field, oldest first, without the message's own.
        refers_to: every id in In-Reply-To and References.
        address: the single From address, normalised; "" when unreadable.
        unreadable: why the header cannot be trusted to name one sender; "" when it can.
        return_path: None when missing, "" when null, else the address as written (without brackets).
        own: which field names the owner ("From", "Sender", "Return-Path"); "" when none does.
        automatic: the sign that a machine wrote it ("Auto-Submitted: auto-replied"); "" when there is none.
        report: it may be a delivery report, which only its body shows.
        bounce_of_ours: the address that a failed delivery report about a reply of ours names; "" otherwise.
        bounced_ids: the ids of ours that such a report names.
        answers_ours: In-Reply-To names a reply of ours.
        client: the matching client's key; "" for a stranger.
        by_domain: the client was matched by its domain only, or a reply would go to an address that is not listed:
            nothing of the agreement may then be told.
        return_path_is_clients: the Return-Path is this client's (for a stranger: equals the From address).
        addressed: the first of this mailbox's addresses in To, else in Cc, as the owner wrote it; "" if none is
            there.
        named_in: where an address of the owner stands: "to", "cc" (Resent-* count likewise), or "".
        others_in_to: somebody who is not the owner stands in To.
        dmarc: the trusted result, aligned with the From domain.
        dated_at: the Date field's instant, None if missing or unreadable.
        subject: decoded, free of control characters, white space folded, at most 1000 characters.
        quotable_subject: the subject as a reply may quote it inside its text; "" if it may not.
        topic: the topic's key; "" if none.
        topic_because: the word or attachment that decided, in the message's own spelling; "" if none.
        urgent: the client's urgent word stands in the subject: "put" there, or perhaps only "kept" behind a "Re:"; "".
        asked: the times that the client asks for, as they stand in the text, the subject first.
        encrypted: an encrypted message: no topic.
        text_read: the body's beginning was at hand.
        quirk: the server's structure could not be understood.
    """

    fingerprint: str
    message_id: str = ""
    references: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    address: str = ""
    unreadable: str = ""
    return_path: str | None = None
    own: str = ""
    automatic: str = ""
    report: bool = False
    bounce_of_ours: str = ""
    bounced_ids: tuple[str, ...] = ()
    answers_ours: bool = False
    client: str = ""
    by_domain: bool = False
    return_path_is_clients: bool = False
    addressed: str = ""
    named_in: Literal["", "to", "cc"] = ""
    others_in_to: bool = False
    dmarc: Dmarc = Dmarc.NOT_ASKED
    dated_at: datetime | None = None
    subject: str = ""
    quotable_subject: str = ""
    topic: str = ""
    topic_because: str = ""
    urgent: Literal["", "put", "kept"] = ""
    asked: tuple[Asked, ...] = ()
    encrypted: bool = False
    text_read: bool = False
    quirk: bool = False

    @property
    def person(self) -> str:
        """The sender's account: tags, and a provider's other spellings of the address, do not make several persons."""
        return account(self.address) if self.address else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ledger and the Sent folder know that bears on one message.

    Attributes:
        before_start: the message is older than this mailbox's first start.
        decided: the ledger holds a verdict on this fingerprint already.
        owner_wrote_at: when the owner last wrote to this client by hand before the message arrived.
        answered_at: when the owner answered this message or its thread by hand after it arrived.
        told_until: the ends of the closed periods for which this address was told.
        replied_at: when replies that Sent holds, and the ledger does not, went to this address.
        taken_at: the arrival of those of this address's messages that another responder has taken.
        full_at: when this client address last got a full reply.
        address_day: replies to this address in the last 24 hours.
        last_hour: replies to anybody in the last hour.
        last_day: replies to anybody in the last 24 hours.
        breaker_until: the breaker is open until then.
        suspended_until: the address bounced; no reply until then.
        owed_since: the due time of this client's oldest open promise that is already late.
        later_mail: a later mail of the same grace time gets the reply.
        joined_due_at: the latest due time among the mails that join this one.
        urgent_alerts: the keys of the alerts given lately about this client's urgent mail.
        urgent_spent: an earlier mail of the thread was urgent, and this one answers what the owner wrote after it.
    """

    before_start: bool = False
    decided: bool = False
    owner_wrote_at: datetime | None = None
    answered_at: datetime | None = None
    told_until: frozenset[datetime] = frozenset()
    replied_at: frozenset[datetime] = frozenset()
    taken_at: frozenset[datetime] = frozenset()
    full_at: datetime | None = None
    address_day: int = 0
    last_hour: int = 0
    last_day: int = 0
    breaker_until: datetime | None = None
    suspended_until: datetime | None = None
    owed_since: datetime | None = None
    later_mail: bool = False
    joined_due_at: datetime | None = None
    urgent_alerts: frozenset[str] = frozenset()
    urgent_spent: bool = False


# ----------------------------------------------------------------------------------------- verdict


class Reason(StrEnum):
    """Why a message was treated as it was: exactly one, the first whose rule holds."""

    BEFORE_START = "before-start"
    SEEN_BEFORE = "seen-before"
    OWN = "own"
    BOUNCE_OF_REPLY = "bounce-of-reply"
    AUTOMATIC = "automatic"
    UNREADABLE = "unreadable"
    STRANGER = "stranger"
    UNVERIFIED = "unverified"
    OPEN = "open"
    CONVERSING = "conversing"
    ANSWERED = "answered"
    OPENED_MEANWHILE = "opened-meanwhile"
    NOT_ADDRESSED = "not-addressed"
    COPIED = "copied"
    NO_RETURN_PATH = "no-return-path"
    RETURN_PATH_DIFFERS = "return-path-differs"
    OPTED_OUT = "opted-out"
    SUSPENDED = "suspended"
    ANSWER_TO_REPLY = "answer-to-reply"
    OWING = "owing"
    TOLD = "told"
    JOINED = "joined"
    LIMIT = "limit"
    TOO_OLD = "too-old"
    NO_DUE_TIME = "no-due-time"
    FULL = "full"
    SHORT = "short"


class ReplyKind(StrEnum):
    """Which text goes out."""

    NONE = "none"
    FULL = "full"
    SHORT = "short"
    STRANGER = "stranger"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When a message is to be answered, and how that came about.

    ``steps`` are sentences a person can follow with a calendar in hand; times in them are the owner's clock.
    """

    due_at: datetime
    term: Term
    source: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The window for a message; None: it stays in INBOX. ``note``: "by mail: it is night there" or ""."""

    window: Window | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule asked: its reason's word, whether it held, and what was looked at."""

    rule: str
    held: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The whole input of a decision. ``arrived_at`` = INTERNALDATE, never later than the first sight.

    ``stamped_at`` is INTERNALDATE as the server gave it, None where it gave none: later than now, it tells that one of
    the two clocks is wrong.
    """

    message: MessageKey
    facts: Facts
    history: History
    arrived_at: datetime
    now_at: datetime
    stamped_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to happen to one message, and why.

    ``period`` is the closed period the message arrived in (None unless it arrived closed and got that far).
    ``file`` says that the message goes to ``placement.window``. ``promises`` says that it opens a promise at
    ``due.due_at``. ``urgent`` says that it is flagged; ``alert`` is the key under which the owner is called for it, ""
    when the day's alerts for this client are used up.
    """

    reason: Reason
    reply: ReplyKind
    file: bool
    promises: bool
    due: Due | None
    placement: Placement
    period: Span | None
    trail: tuple[Step, ...]
    urgent: bool = False
    alert: str = ""


# ------------------------------------------------------------------------------------ plan, effects


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReply:
    """One reply to one recipient. ``message``: the whole RFC 5322 text, CRLF; ``sender``: the envelope's."""

    fingerprint: str
    mailbox: str
    kind: ReplyKind
    client: str
    address: str
    sender: str
    recipient: str
    message_id: str
    message: bytes
    due_at: datetime
    period_ends_at: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveDraft:
    """The same reply, laid into Drafts for the owner to look at; removed at ``not_after`` if untouched."""

    fingerprint: str
    mailbox: str
    kind: ReplyKind
    client: str
    address: str
    message_id: str
    message: bytes
    due_at: datetime
    period_ends_at: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDraft:
    """Take an untouched draft of ours away again, at ``not_before``. Repeatable: gone means done.

    ``uid`` is 0 where the server did not say where the draft went: it is then looked for by its Message-ID.
    """

    fingerprint: str
    mailbox: str
    uidvalidity: int
    uid: int
    message_id: str
    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySent:
    """Append a copy of a reply that was sent to Sent."""

    fingerprint: str
    mailbox: str
    message_id: str
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMessage:
    """Move one message from INBOX into a window's folder. ``folder`` uses "/" between levels.

    Repeatable: gone from INBOX means done. After ``not_after`` (the window's opening) it stays in INBOX.
    """

    fingerprint: str
    key: MessageKey
    message_id: str
    folder: str
    window: Window
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveFiled:
    """Move one message from a window's folder into another: the next window's, or the one for what is finished.

    ``key`` is its place in ``source``, as it was seen there. ``window`` is the one it waits for from now on, None when
    it is finished. Repeatable: gone from ``source`` means done, or that the owner has moved it.
    """

    fingerprint: str
    key: MessageKey
    message_id: str
    source: str
    folder: str
    window: Window | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    r"""Set \Flagged on one message, in INBOX (``folder`` is "") or a folder of ours. Repeatable."""

    fingerprint: str
    key: MessageKey
    message_id: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFolder:
    """Remove a folder that we made, if it is empty and has no children. Repeatable: gone means done."""

    mailbox: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigest:
    """The owner's morning overview: appended to INBOX where ``recipient`` is "", else sent to that address.

    ``unique`` names its day, so that it comes once. After ``not_after`` it says nothing true any more.
    """

    unique: str
    mailbox: str
    sender: str
    recipient: str
    message_id: str
    message: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Tell the owner, by the command of ``[alerts]``. ``unique`` keeps the same alert from being given twice."""

    unique: str
    text: str


Effect = (
    SendReply | SaveDraft | RemoveDraft | CopySent | FileMessage | MoveFiled | Flag | RemoveFolder | SendDigest | Alert
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that follows from one verdict, in the order in which it is to happen."""

    effects: tuple[Effect, ...] = ()


class Outcome(StrEnum):
    """How an effect ended."""

    DONE = "done"
    GONE = "gone"  # the message was no longer there: somebody else saw to it
    EXPIRED = "expired"  # its time had passed before it could be done
    REFUSED = "refused"  # a definite no
    RETRY = "retry"  # nothing happened yet; it stays planned
    IN_DOUBT = "in-doubt"  # it may have happened; never repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one effect. ``detail`` is for a person: a server's answer, a folder's UID."""

    effect_id: int
    outcome: Outcome
    at: datetime
    detail: str = ""
