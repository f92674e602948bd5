"""Entries, verdicts and effects for the ledger's tests: short ways to say what a test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from responder.core.model import (
    Due,
    Effect,
    Facts,
    FileMessage,
    MessageKey,
    Outcome,
    Placement,
    Reason,
    Receipt,
    ReplyKind,
    SendReply,
    Span,
    Step,
    Term,
    TermUnit,
    Verdict,
    Window,
)
from responder.ports import (
    Decision,
    HistoryQuestion,
    Ledger,
    LedgerEntry,
    MailboxState,
    OwnerMessage,
    StoredEffect,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Friday evening in Moscow.
NOW = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
#: When that closed period ends: Monday morning.
OPENS = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)
DUE = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
IVAN = "ivan@vostok.example"
WINDOW = Window(key="morning", opens_at=OPENS, closes_at=OPENS + HOUR, channels=("phone",))
TEXT = "Здравствуйте!\n\nЯ отвечу на Ваше письмо к утру среды.\n"
MESSAGE = (
    b"From: anna@example.com\r\nTo: ivan@vostok.example\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
) + TEXT.replace("\n", "\r\n").encode()


def trail(reason: Reason) -> tuple[Step, ...]:
    """Return the rules asked up to that one, with a detail of the usual length."""
    rules = list(Reason)
    return tuple(
        Step(rule=rule, held=rule is reason, detail="no address of the owner stands there")
        for rule in rules[: rules.index(reason) + 1]
    )


def entry(
    name: str,
    *,
    address: str = IVAN,
    client: str = "vostok",
    at: datetime = NOW,
    mailbox: str = "main",
    uid: int = 1,
) -> LedgerEntry:
    """Return a message that waits."""
    return LedgerEntry(
        fingerprint=name,
        key=MessageKey(mailbox=mailbox, uidvalidity=7, uid=uid),
        address=address,
        client=client,
        message_id=f"<{name}@mail.example>",
        arrived_at=at,
        seen_at=at,
    )


def facts(one: LedgerEntry, **more: object) -> Facts:
    """Return the facts of that message."""
    said: dict[str, object] = {"address": one.address, "client": one.client, "message_id": one.message_id}
    return Facts(fingerprint=one.fingerprint, **{**said, **more})  # type: ignore[arg-type] # a test's short way


def reply(
    one: LedgerEntry, *, kind: ReplyKind = ReplyKind.FULL, ends_at: datetime = OPENS, message: bytes = MESSAGE
) -> SendReply:
    """Return the reply to that message."""
    return SendReply(
        fingerprint=one.fingerprint,
        mailbox=one.key.mailbox,
        kind=kind,
        client=one.client,
        address=one.address,
        sender="anna@example.com",
        recipient=one.address,
        message_id=f"<r.{one.fingerprint}@example.com>",
        message=message,
        due_at=DUE,
        period_ends_at=ends_at,
        not_after=ends_at,
    )


def move(one: LedgerEntry) -> FileMessage:
    """Return the filing of that message."""
    return FileMessage(
        fingerprint=one.fingerprint,
        key=one.key,
        message_id=one.message_id,
        folder="Callbacks/2026-11-30 10-00",
        window=WINDOW,
        not_after=OPENS,
    )


def decision(
    one: LedgerEntry,
    *effects: Effect,
    reason: Reason = Reason.FULL,
    due_at: datetime | None = DUE,
    promises: bool = False,
    **more: object,
) -> Decision:
    """Return a verdict on that message with its plan."""
    kind = next((effect.kind for effect in effects if isinstance(effect, SendReply)), ReplyKind.NONE)
    term = Term(count=2, unit=TermUnit.WORKING_DAYS)
    due = Due(due_at=due_at, term=term, source="topic documents", steps=("Fri 20:00", "Tue 19:00")) if due_at else None
    return Decision(
        entry=one,
        facts=facts(one, **more),
        verdict=Verdict(
            reason=reason,
            reply=kind,
            file=True,
            promises=promises,
            due=due,
            placement=Placement(window=WINDOW),
            period=Span(starts_at=NOW - HOUR, ends_at=OPENS),
            trail=trail(reason),
        ),
        effects=effects,
    )


def question(one: LedgerEntry, **more: object) -> HistoryQuestion:
    """Ask about that message, with an hour of conversing."""
    return HistoryQuestion(facts=facts(one, **more), arrived_at=one.arrived_at, conversing_since=one.arrived_at - HOUR)


def wrote(at: datetime, *recipients: str, refers_to: tuple[str, ...] = (), name: str = "o") -> OwnerMessage:
    """Return a message of the owner's."""
    return OwnerMessage(
        message_id=f"<{name}.{at:%d%H%M}@example.com>", refers_to=refers_to, recipients=recipients, at=at
    )


def state(next_uid: int = 1, *, name: str = "main") -> MailboxState:
    """Return a mailbox's cursor."""
    return MailboxState(name=name, uidvalidity=7, baseline_uid=1, next_uid=next_uid, started_at=NOW)


async def enter(ledger: Ledger, *decisions: Decision, now_at: datetime = NOW) -> Sequence[StoredEffect]:
    """Enter decisions and nothing else."""
    return await ledger.record(state=None, waiting=(), decisions=decisions, now_at=now_at)


async def close(
    ledger: Ledger, *effects: StoredEffect, outcome: Outcome = Outcome.DONE, at: datetime = NOW, detail: str = ""
) -> None:
    """Close effects, all alike."""
    await ledger.advance(receipts=[Receipt(effect_id=one.id, outcome=outcome, at=at, detail=detail) for one in effects])


async def planned(ledger: Ledger, mailbox: str = "main") -> list[Effect]:
    """Return what is still to be done."""
    return [one.effect for one in await ledger.unfinished(mailbox)]
