"""``responder explain``: what was decided about a message, or would be, and why, down to the text of the reply.

For a message in the ledger it prints what was decided then; for a file or a sender it walks the very same line, up to
the ledger, and writes nothing.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.asked import parse
from responder.commands import place
from responder.commands.looking import known_secret, looking_engine
from responder.commands.when import parse_when, say_when
from responder.core import decide, suiting
from responder.core import facts as facts_room
from responder.core.facts import Identity
from responder.core.model import Asked, Case, Facts, FileMessage, History, Message, MessageKey, ReplyKind, Window
from responder.core.plan import make_plan, reply_text
from responder.entries import make_question
from responder.errors import ConfigurationError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from responder.core.model import Policy, Verdict
    from responder.ports import DecidedRow, Fate, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked: exactly one of ``what`` (a Message-ID or a file), ``sender`` and ``last``."""

    what: str | None = None
    sender: str | None = None
    last: int | None = None
    at_words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One message's story, for a person or as JSON. ``facts`` is empty for one that the ledger tells of.

    ``fate``: what became of it, None for one that is not decided yet.
    """

    title: str
    facts: Mapping[str, str]
    trail: Sequence[Mapping[str, object]]
    steps: Sequence[str]
    reason: str
    reply: str
    due_at: datetime | None
    window: Window | None
    folder: str | None
    client: str | None
    topic: str | None
    text: str | None
    subject: str | None
    message_id: str | None
    arrived_at: datetime
    fate: Fate | None = None

    def as_json(self) -> dict[str, object]:
        """Return the documented form; instants in ISO 8601, UTC."""
        window = None
        if self.window is not None:
            window = {
                "name": self.window.key,
                "opens_at": _iso(self.window.opens_at),
                "closes_at": _iso(self.window.closes_at),
            }
        return {
            "reason": self.reason,
            "reply": self.reply,
            "due_at": _iso(self.due_at) if self.due_at is not None else None,
            "window": window,
            "folder": self.folder,
            "client": self.client,
            "topic": self.topic,
            "urgent": any(step["rule"] == "urgent" and step["held"] for step in self.trail),
            "asked": suiting.told(self.trail),
            "trail": list(self.trail),
            "text": self.text,
            "subject": self.subject,
            "message_id": self.message_id,
            "sender": self.facts.get("address"),
            "arrived_at": _iso(self.arrived_at),
            "promise": _promise_as_json(self.fate),
            "filed": _filed_as_json(self.fate),
        }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _maybe_iso(at: datetime | None) -> str | None:
    return None if at is None else _iso(at)


def _promise_as_json(fate: Fate | None) -> dict[str, object] | None:
    """Return how the promise stands; ``evidence``: "message", "answered", "moved" (the last two are weak)."""
    if fate is None or not fate.state:
        return None
    return {
        "state": fate.state,
        "due_at": _maybe_iso(fate.due_at),
        "declared_late_at": _maybe_iso(fate.declared_at),
        "ended_at": _maybe_iso(fate.ended_at),
        "evidence": (fate.weak or "message") if fate.ended_at is not None else None,
    }


def _filed_as_json(fate: Fate | None) -> dict[str, object] | None:
    if fate is None or not fate.filed:
        return None
    return {"folder": fate.folder or "INBOX", "carried_over": fate.carried, "left_at": _maybe_iso(fate.left_at)}


def explain(config_path: Path | None, state_path: Path | None, question: Question, *, as_json: bool) -> int:
    """Answer the question; returns 0, or 1 when the message is not known."""
    here = place.with_passwords(place.find_place(config_path, state_path))
    zone = here.loaded.policy.owner.zone
    at = parse_when(question.at_words, zone) if question.at_words else SystemClock().now()
    raw = _read_file(question.what)
    place.take_on_identity(here.state)
    found = asyncio.run(_answer(here, question, at, raw))
    if as_json:
        answers = [one.as_json() for one in found]
        click.echo(json.dumps(answers if question.last else answers[0], ensure_ascii=False, indent=2))
        return 0
    console = Console(highlight=False)
    if question.sender or raw is not None:
        console.print(f"As if it arrived {say_when(at, zone)}.")
    for one in found:
        _show(console, one, here.loaded.policy)
    return 0


def _read_file(what: str | None) -> bytes | None:
    """Read the message file before any identity is given up; None when the words are a Message-ID."""
    if what is None or what.startswith("<"):
        return None
    path = Path(what)
    if not path.exists():
        if "@" in what and not what.endswith(".eml"):
            return None
        raise click.UsageError(f"{what}: no such file, and no Message-ID either (they look like <abc@host>)")
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{what}: cannot be read ({error.strerror})") from error


async def _answer(here: place.Place, question: Question, at: datetime, raw: bytes | None) -> list[Explained]:
    ledger: SqliteLedger | None = SqliteLedger.read(here.ledger) if place.is_there(here.ledger) else None
    try:
        if raw is not None:
            return [await _explain_file(here, ledger or SqliteLedger.in_memory(), raw, at)]
        if question.sender is not None:
            return [await _explain_sender(here, ledger, question.sender, at)]
        if ledger is None:
            raise ConfigurationError(f"{here.ledger}: there is no ledger yet; has the service run?")
        if question.last is not None:
            rows = await ledger.decided(last=question.last)
        else:
            wanted = question.what or ""
            message_id = wanted if wanted.startswith("<") else f"<{wanted}>"
            rows = await ledger.decided(message_id=message_id)
            if not rows:
                return [await _explain_in_mailbox(here, ledger, message_id, at)]
        if not rows:
            raise PermanentError("the ledger holds no decided message yet")
        return [_from_row(row, await ledger.fate(row.entry.fingerprint)) for row in rows]
    finally:
        if ledger is not None:
            await ledger.close()


def _from_row(row: DecidedRow, fate: Fate) -> Explained:
    return Explained(
        title=f"{row.entry.message_id or row.entry.fingerprint[:12]}, decided {_iso(row.decided_at)}",
        facts={"address": row.entry.address},
        trail=row.trail,
        steps=row.steps,
        reason=row.entry.reason,
        reply=_kind(row.reply or ReplyKind.NONE, row.entry.reason),
        due_at=row.due_at,
        window=row.window,
        folder=row.folder or None,
        client=row.entry.client or None,
        topic=row.topic or None,
        text=row.text or None,
        subject=None,
        message_id=row.entry.message_id or None,
        arrived_at=row.entry.arrived_at,
        fate=fate,
    )


async def _explain_file(here: place.Place, ledger: Ledger, raw: bytes, at: datetime) -> Explained:
    """Judge a whole message as if it arrived at that instant in the mailbox it is addressed to."""
    policy = here.loaded.policy
    header, body = facts_room.split_message(raw)
    read: list[tuple[str, Facts]] = []
    for rules in policy.mailboxes:
        message = Message(
            key=MessageKey(mailbox=rules.name, uidvalidity=1, uid=1),
            header=header,
            header_cut=False,
            internal_at=at,
            size=len(raw),
            flags=frozenset(),
            body=body,
        )
        read.append(
            (
                rules.name,
                facts_room.observe(
                    message, policy, Identity(mailbox=rules.name, secret=known_secret(here.state)), parse
                ),
            )
        )
    name, facts = next((one for one in read if one[1].addressed), read[0])
    (history,) = await ledger.histories([make_question(policy, facts, at)], at)
    return _judge(here, name, facts, history, at, "a message file")


async def _explain_sender(here: place.Place, ledger: Ledger | None, sender: str, at: datetime) -> Explained:
    """Judge a plain message from an address as if it arrived at that instant."""
    policy = here.loaded.policy
    address = facts_room.normal_address(sender)
    if not address:
        raise click.UsageError(f"{sender}: not an e-mail address")
    mailbox = policy.mailboxes[0]
    raw = (
        f"Return-Path: <{address}>\r\nFrom: <{address}>\r\nTo: <{mailbox.addresses[0]}>\r\n"
        f"Message-ID: <explain@{address.rpartition('@')[2]}>\r\nSubject: \r\n"
    ).encode("ascii")
    message = Message(
        key=MessageKey(mailbox=mailbox.name, uidvalidity=1, uid=1),
        header=raw,
        header_cut=False,
        internal_at=at,
        size=len(raw),
        flags=frozenset(),
    )
    facts = facts_room.observe(message, policy, Identity(mailbox=mailbox.name, secret=known_secret(here.state)))
    history = History()
    if ledger is not None:
        (history,) = await ledger.histories([make_question(policy, facts, at)], at)
    return _judge(here, mailbox.name, facts, history, at, f"a plain message from {address}")


def _judge(here: place.Place, mailbox: str, facts: Facts, history: History, at: datetime, title: str) -> Explained:
    policy = here.loaded.policy
    key = MessageKey(mailbox=mailbox, uidvalidity=1, uid=1)
    case = Case(message=key, facts=facts, history=history, arrived_at=at, now_at=at)
    return _from_verdict(here, case, decide.decide(case, policy), title)


def _from_verdict(here: place.Place, case: Case, verdict: Verdict, title: str) -> Explained:
    policy = here.loaded.policy
    plan = make_plan(case, verdict, policy, Identity(mailbox=case.message.mailbox, secret=known_secret(here.state)))
    text = reply_text(case, verdict, policy)
    folder = next((effect.folder for effect in plan.effects if isinstance(effect, FileMessage)), None)
    facts = {
        field.name: _plain(getattr(case.facts, field.name))
        for field in fields(case.facts)
        if field.name != "fingerprint" and getattr(case.facts, field.name) not in ("", (), False, None)
    }
    return Explained(
        title=title,
        facts=facts,
        trail=[{"rule": step.rule, "held": step.held, "detail": step.detail} for step in verdict.trail],
        steps=verdict.due.steps if verdict.due is not None else (),
        reason=str(verdict.reason),
        reply=_kind(verdict.reply, verdict.reason),
        due_at=verdict.due.due_at if verdict.due is not None else None,
        window=verdict.placement.window,
        folder=folder,
        client=case.facts.client or None,
        topic=case.facts.topic or None,
        text=text.body if text is not None else None,
        subject=text.subject if text is not None else None,
        message_id=case.facts.message_id or None,
        arrived_at=case.arrived_at,
    )


async def _explain_in_mailbox(here: place.Place, ledger: SqliteLedger, message_id: str, at: datetime) -> Explained:
    """Look for a message that the ledger does not know in the mailboxes, and judge it as if it came now."""
    for settings in here.loaded.settings.mailboxes:
        mailbox, engine = looking_engine(here, settings, ledger)
        try:
            await mailbox.open()
            uid = await mailbox.find(message_id)
            if uid is None:
                continue
            messages = await mailbox.fetch([uid])
            for item in await engine.assess(messages, {}, at, fresh=True):
                return _from_verdict(here, item.case, item.verdict, f"{message_id}, not decided yet")
        finally:
            await mailbox.close()
    raise PermanentError(f"{message_id}: neither the ledger nor an INBOX knows this message")


def _kind(reply: str, reason: str) -> str:
    """Name the reply as the documented form does: a stranger's is a short one, an urgent one stands for either."""
    if reply == ReplyKind.URGENT:
        return str(reason)
    return "short" if reply == ReplyKind.STRANGER else str(reply)


def _plain(value: object) -> str:
    """Say a fact in one line: ids side by side, instants in ISO 8601."""
    if isinstance(value, tuple):
        return " ".join(_plain(one) for one in cast("tuple[object, ...]", value))
    if isinstance(value, Asked):
        return f"{value.kind} “{value.quote}” = {suiting.when(value)}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _iso(value) if isinstance(value, datetime) else str(value)


#: What weak evidence was seen, in words.
_WEAK = {
    "answered": "the mail was marked as answered",
    "moved": "you took the mail out of the folders of responder",
}


def _tell_fate(fate: Fate | None, zone: ZoneInfo) -> Iterator[str]:
    """Say what became of the promise and of the mail."""
    if fate is None:
        return
    if fate.state == "open":
        late = f"late, as was found {say_when(fate.declared_at, zone)}" if fate.declared_at is not None else "open"
        yield f"Promise: {late}; not answered yet."
    elif fate.state and fate.ended_at is not None:
        what = f"{_WEAK[fate.weak]} (weak evidence)" if fate.weak else "you wrote"
        yield f"Promise: {fate.state}; {what}, {say_when(fate.ended_at, zone)}."
    if fate.filed:
        carried = {0: "", 1: ", carried over once"}.get(fate.carried, f", carried over {fate.carried} times")
        if fate.left_at is None:
            yield f"Mail: in {fate.folder or 'INBOX'}{carried}."
        else:
            yield f"Mail: last in {fate.folder or 'INBOX'}{carried}; followed until {say_when(fate.left_at, zone)}."


def _show(console: Console, one: Explained, policy: Policy) -> None:
    zone = policy.owner.zone
    console.rule(escape(one.title), align="left")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_row("arrived", say_when(one.arrived_at, zone))
    for name, value in one.facts.items():
        table.add_row(name.replace("_", " "), escape(value))
    console.print("[bold]Facts[/bold]")
    console.print(table)
    console.print("\n[bold]Rules, in order; the first that holds decides[/bold]")
    rules = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for step in one.trail:
        rules.add_row("yes" if step["held"] else "no", str(step["rule"]), escape(str(step["detail"])))
    console.print(rules)
    console.print(
        f"\nReason: [bold]{one.reason}[/bold]; reply: {one.reply}; folder: {escape(one.folder or 'stays in INBOX')}"
    )
    if one.due_at is not None:
        console.print(f"\n[bold]Due {say_when(one.due_at, zone)}[/bold]")
        for line in one.steps:
            console.print(f"  {line}", markup=False)
        client = next((each for each in policy.clients if each.key == one.client), None)
        if client is not None:
            there = client.zone
            console.print(f"  In the client's clock: {say_when(one.due_at, there)}.")
    for line in _tell_fate(one.fate, zone):
        console.print(escape(line), soft_wrap=True)
    if one.text is not None:
        subject = f"Subject: {one.subject}\n\n" if one.subject else ""
        console.print(Panel(escape(f"{subject}{one.text}".rstrip()), title="the reply", title_align="left"))
    console.print()
