"""What the engine enters into the ledger and the log about one message: plain values, made without asking anybody."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from responder.core import facts as facts_room
from responder.core.address import account, shorten
from responder.core.decide import NOWHERE
from responder.core.model import Facts, Reason, ReplyKind, Step, Verdict
from responder.ports import Decision, HistoryQuestion, LedgerEntry, MailboxState, OwnerMessage, SeenReply

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from responder.core.facts import SentFacts
    from responder.core.model import Case, Message, MessageKey, Plan, Policy
    from responder.ports import InboxState, SentHeader

#: An INTERNALDATE before it is no date: the protocol is not so old.
OLDEST_MAIL = 1988

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """One message, judged: the whole line up to the plan."""

    message: Message
    entry: LedgerEntry
    facts: Facts
    case: Case
    verdict: Verdict
    plan: Plan


def baseline(name: str, inbox: InboxState, now_at: datetime) -> MailboxState:
    """Return the state at a mailbox's first start: what lies in it now is older than we are."""
    uidnext = max(inbox.uidnext, 1)
    return MailboxState(
        name=name,
        uidvalidity=inbox.uidvalidity,
        baseline_uid=uidnext,
        next_uid=uidnext,
        started_at=now_at,
    )


def looked_at_key(mailbox: str) -> str:
    """Return the note that says when a mailbox was last looked at, by a clock that was believed."""
    return f"mailbox.{mailbox}.looked_at"


def has_verdict(entry: LedgerEntry | None) -> bool:
    """Tell whether the ledger has decided about this message."""
    return entry is not None and bool(entry.reason)


def make_entry(message: Message, facts: Facts, known: LedgerEntry | None, now_at: datetime) -> LedgerEntry:
    """Return the ledger's entry: arrival = INTERNALDATE, never later than the first sight."""
    if known is not None and not known.reason:
        return replace(known, key=message.key)
    internal_at = message.internal_at
    if internal_at is None or internal_at.year < OLDEST_MAIL:
        internal_at = now_at
    return LedgerEntry(
        fingerprint=facts.fingerprint,
        key=message.key,
        address=facts.person,
        client=facts.client,
        message_id=facts.message_id,
        arrived_at=min(internal_at, now_at),
        seen_at=now_at,
    )


def is_answered(message: Message) -> bool:
    r"""Tell whether the owner's program marked the message \Answered."""
    return any(flag.lower() == "\\answered" for flag in message.flags)


def is_deleted(message: Message) -> bool:
    r"""Tell whether somebody marked the message \\Deleted: it is on its way out."""
    return any(flag.lower() == "\\deleted" for flag in message.flags)


def is_draft(flags: Iterable[str]) -> bool:
    r"""Tell whether the flags are those of a draft."""
    return any(flag.lower() == "\\draft" for flag in flags)


def owner_message(item: Assessed, policy: Policy) -> OwnerMessage | None:
    """Read a copy of the owner's own message in INBOX as evidence; None for automatic ones, and for drafts."""
    sent = facts_room.read_sent(item.message.header)
    if sent.automatic or is_draft(item.message.flags):
        return None
    return OwnerMessage(
        message_id=sent.message_id,
        refers_to=sent.refers_to,
        recipients=sent.recipients,
        at=item.entry.arrived_at,
        answers_subject=sent.answers_subject,
        clients=facts_room.clients_among(sent.recipients, policy),
    )


def seen_reply(sent: SentFacts, internal_at: datetime | None) -> SeenReply | None:
    """Read a message of Sent as a sign that somebody was answered by a responder; None where it is no such reply.

    Its Date is when it was written; INTERNALDATE is only that of the copy, and a move to another server resets it.
    """
    at = sent.dated_at or internal_at
    if not sent.reply_id or at is None or len(sent.recipients) != 1:
        return None
    return SeenReply(
        key=sent.reply_id,
        address=account(sent.recipients[0]),
        answers=sent.refers_to[0] if sent.refers_to else "",
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a stretch of Sent tells.

    Attributes:
        wrote: what the owner wrote by hand.
        replies: whom a responder has answered.
    """

    wrote: tuple[OwnerMessage, ...]
    replies: tuple[SeenReply, ...]


def read_evidence(headers: Iterable[SentHeader], facts: Iterable[SentFacts | None], policy: Policy) -> Evidence:
    """Sort what Sent holds; a message without facts could not be read and is no evidence."""
    wrote: list[OwnerMessage] = []
    seen: list[SeenReply] = []
    for header, sent in zip(headers, facts, strict=True):
        if sent is None or is_draft(header.flags):  # nobody has sent a draft, wherever it lies
            continue
        at = header.internal_at or sent.dated_at
        if sent.automatic:
            if (reply := seen_reply(sent, header.internal_at)) is not None:
                seen.append(reply)
        elif at is not None:
            wrote.append(
                OwnerMessage(
                    message_id=sent.message_id,
                    refers_to=sent.refers_to,
                    recipients=sent.recipients,
                    at=at,
                    answers_subject=sent.answers_subject,
                    clients=facts_room.clients_among(sent.recipients, policy),
                )
            )
    return Evidence(wrote=tuple(wrote), replies=tuple(seen))


def taken_reply(item: Assessed, mark: str) -> SeenReply:
    """Return the sign that another responder, or a lost ledger of this one, has taken a message: it bears a mark."""
    return SeenReply(
        key=f"{mark} {item.facts.fingerprint}",
        address=item.facts.person,
        answers=item.facts.message_id,
        at=item.entry.arrived_at,
        taken=True,
    )


def unjudged(entry: LedgerEntry, reason: Reason, detail: str) -> Decision:
    """Return the decision for a mail that waited and can no longer be read: nothing follows from it."""
    return Decision(
        entry=replace(entry, reason=reason),
        facts=Facts(fingerprint=entry.fingerprint, address=entry.address, client=entry.client),
        verdict=Verdict(
            reason=reason,
            reply=ReplyKind.NONE,
            file=False,
            promises=False,
            due=None,
            placement=NOWHERE,
            period=None,
            trail=(Step(rule=reason, held=True, detail=detail),),
        ),
        effects=(),
    )


def unseen(key: MessageKey, now_at: datetime) -> LedgerEntry:
    """Return an entry for a message that the server lists and cannot show: named by its place alone."""
    place = f"{key.mailbox}|{key.uidvalidity}|{key.uid}".encode()
    return LedgerEntry(
        fingerprint=hashlib.sha256(place).hexdigest(),
        key=key,
        address="",
        client="",
        message_id="",
        arrived_at=now_at,
        seen_at=now_at,
    )


def replies(item: Assessed) -> bool:
    """Tell whether a reply goes out to this message, or to a later one of its grace time."""
    return item.verdict.reply is not ReplyKind.NONE or item.verdict.reason is Reason.JOINED


def log_verdict(mailbox: str, item: Assessed) -> None:
    """Write the one log line that a message gets: no body, no subject, the address shortened."""
    verdict = item.verdict
    window = verdict.placement.window
    log.info(
        "message",
        mailbox=mailbox,
        reason=str(verdict.reason),
        reply=str(verdict.reply),
        client=item.facts.client or None,
        sender=shorten(item.facts.address),
        due_at=verdict.due.due_at.isoformat() if verdict.due is not None else None,
        window=window.opens_at.isoformat() if verdict.file and window is not None else None,
        urgent=verdict.urgent or None,
        quirk="the structure was not understood" if item.facts.quirk else None,
        fingerprint=item.facts.fingerprint[:12],
    )


def make_question(policy: Policy, facts: Facts, arrived_at: datetime) -> HistoryQuestion:
    """Return what the ledger is asked about one message."""
    client = policy.client(facts.client) if facts.client else None
    return HistoryQuestion(
        facts=facts,
        arrived_at=arrived_at,
        conversing_since=arrived_at - policy.replies.conversing,
        addresses=client.addresses if client is not None else frozenset(),
        domains=client.domains if client is not None else frozenset(),
    )
