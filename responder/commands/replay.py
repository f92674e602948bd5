"""``responder replay``: what the rules would have done with past mail, or what two sets of rules would do differently.

Looks only: the folders are opened for reading, the ledger, the replies and the filing are imagined. The line is the
daemon's own.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import logging
import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
import structlog
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from responder import config
from responder.adapters.clock import SystemClock
from responder.commands import place
from responder.commands.rehearse import PastInbox, Row, SetClock, rehearse
from responder.commands.when import parse_since, say_short, say_when
from responder.errors import ConfigurationError
from responder.premises import build_past_mailbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from responder.adapters.imap_past import Past, PastMailbox
    from responder.core.model import Policy
    from responder.ports import SentHeader

#: What the owner wrote before the span still tells whether a conversation was going on, or a thread was answered.
BEFORE = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for. ``folders`` empty: all that may hold mail; ``text_of``: a Message-ID, or a row's number."""

    since: str
    folders: tuple[str, ...] = ()
    other: Path | None = None
    text_of: str = ""
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """One mailbox's past: where it is read, what came when, what the owner wrote."""

    mailbox: PastMailbox
    index: Sequence[Past]
    wrote: Sequence[SentHeader]


def replay(config_path: Path | None, state_path: Path | None, wish: Wish) -> int:
    """Print what would have been done; returns 0."""
    here = place.with_passwords(place.find_place(config_path, state_path))
    other = config.load(wish.other).policy if wish.other is not None else None
    now_at = SystemClock().now()
    zone = here.loaded.policy.owner.zone
    since_at = parse_since(wish.since, zone, now_at)
    # The engine's own log would tell of replies as if they had left.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console = Console(highlight=False, stderr=wish.as_json)
    console.print(
        f"Mail since {say_when(since_at, zone)}, as if the service had been started then; "
        "nothing is sent, moved, marked or remembered."
    )
    rows, others = asyncio.run(_replay(here, other, wish, since_at, now_at))
    if wish.as_json:
        click.echo(json.dumps([_as_json(row) for row in rows], ensure_ascii=False, indent=2))
    elif others is not None:
        _show_difference(console, rows, others, zone)
    else:
        _show(console, rows, zone)
    if wish.text_of:
        return _show_text(console, rows, wish.text_of)
    return 0


async def _replay(
    here: place.Place, other: Policy | None, wish: Wish, since_at: datetime, now_at: datetime
) -> tuple[list[Row], list[Row] | None]:
    shelves: list[_Shelf] = []
    try:
        for settings in here.loaded.settings.mailboxes:
            mailbox = build_past_mailbox(settings, here.loaded, os.environ, state=here.state)
            await mailbox.open()
            shelves.append(_Shelf(mailbox=mailbox, index=(), wrote=()))
            shelves[-1] = await _looked_through(mailbox, wish, since_at, now_at)
        rows = await _rehearsed("the rules", shelves, here.loaded.policy, since_at, wish.text_of)
        if other is None:
            return rows, None
        _same_mailboxes(here.loaded.policy, other)
        return rows, await _rehearsed("the other rules", shelves, other, since_at, "")
    finally:
        for shelf in shelves:
            await shelf.mailbox.close()


def _same_mailboxes(policy: Policy, other: Policy) -> None:
    names, others = ({mailbox.name for mailbox in each.mailboxes} for each in (policy, other))
    if missing := names - others:
        raise ConfigurationError(
            f"--diff: the other file has no mailbox named {', '.join(sorted(missing))}; "
            "both must name the same mailboxes to be compared"
        )


async def _looked_through(mailbox: PastMailbox, wish: Wish, since_at: datetime, now_at: datetime) -> _Shelf:
    there = mailbox.folders()
    unknown = [folder for folder in wish.folders if folder not in mailbox.profile.folders]
    if unknown:
        raise ConfigurationError(
            f"mailbox {mailbox.name}: there is no folder {unknown[0]!r}; there are: {', '.join(there[:20])}"
        )
    found: list[Past] = []
    for folder in wish.folders or there:
        found += await mailbox.index(folder, since_at, now_at)
    found.sort(key=lambda past: (past.arrived_at, past.folder, past.uid))
    return _Shelf(mailbox=mailbox, index=found, wrote=await mailbox.wrote(since_at - BEFORE))


async def _rehearsed(
    what: str, shelves: Sequence[_Shelf], policy: Policy, since_at: datetime, text_of: str
) -> list[Row]:
    def inboxes(clock: SetClock) -> Sequence[PastInbox]:
        return [PastInbox(shelf.mailbox, shelf.index, shelf.wrote, clock) for shelf in shelves]

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=sum(len(shelf.index) for shelf in shelves))
        return await rehearse(
            inboxes, policy, since_at, lambda count: progress.update(task, completed=count), text_of=text_of
        )


def _show(console: Console, rows: Sequence[Row], zone: ZoneInfo) -> None:
    table = _table()
    for number, row in enumerate(rows, start=1):
        table.add_row(str(number), *_cells(row, zone))
    console.print(table)
    _show_totals(console, rows)


def _table() -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "arrived", "sender", "reason", "reply", "due", "folder"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("arrived", "reason", "reply", "due"))
    return table


def _cells(row: Row, zone: ZoneInfo) -> tuple[str, ...]:
    return (
        say_short(row.arrived_at, zone),
        escape(row.client or row.address or "–"),
        row.reason,
        "" if row.reply == "none" else row.reply,
        say_short(row.due_at, zone) if row.due_at is not None and row.promised else "",
        escape(row.folder or "stays in INBOX"),
    )


def _show_totals(console: Console, rows: Sequence[Row]) -> None:
    console.print()
    reasons = Counter(row.reason for row in rows)
    replies = Counter(row.reply for row in rows if row.reply != "none")
    filed = sum(bool(row.folder) for row in rows)
    promises = sum(row.promised for row in rows)
    sent = ", ".join(f"{count} {kind}" for kind, count in sorted(replies.items())) or "none"
    console.print(f"{_messages(len(rows))}; replies: {sent}; filed: {filed}; promises: {promises}")
    console.print(", ".join(f"{reason} {count}" for reason, count in reasons.most_common()), style="dim")


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


def _show_difference(console: Console, rows: Sequence[Row], others: Sequence[Row], zone: ZoneInfo) -> None:
    by_print = {row.fingerprint: row for row in others}
    pairs = [(row, by_print[row.fingerprint]) for row in rows if row.fingerprint in by_print]
    changed = [(row, other) for row, other in pairs if row.outcome != other.outcome]
    table = _table()
    for number, (row, other) in enumerate(changed, start=1):
        table.add_row(str(number), *_cells(row, zone))
        cells, before = _cells(other, zone), _cells(row, zone)
        told = ["" if cell == was else f"→ {cell}" for cell, was in zip(cells[2:], before[2:], strict=True)]
        table.add_row("", "", "", *told, end_section=True, style="yellow")
    if changed:
        console.print(table)
    console.print(f"\n{_messages(len(rows))} looked at, {len(changed)} treated differently.")
    for name, each in (("these rules", rows), ("the other rules", others)):
        console.print(f"\n[bold]{name}[/bold]", end="")
        _show_totals(console, each)


def _show_text(console: Console, rows: Sequence[Row], wanted: str) -> int:
    row = next((one for one in rows if wanted in (one.message_id, one.fingerprint)), None)
    if row is None:
        console.print(f"No message {wanted} came in that time.")
        return 1
    if not row.message:
        console.print(f"No reply would have gone out to {wanted}: {row.reason}.")
        return 0
    reply = email.message_from_bytes(row.message, policy=email.policy.default)
    body = reply.get_content().rstrip()
    console.print(Panel(escape(body), title=escape(str(reply["Subject"])), title_align="left"))
    return 0


def _as_json(row: Row) -> dict[str, object]:
    return {
        "message_id": row.message_id or None,
        "mailbox": row.mailbox,
        "found_in": row.found_in,
        "arrived_at": _iso(row.arrived_at),
        "decided_at": _iso(row.decided_at),
        "sender": row.address or None,
        "client": row.client or None,
        "topic": row.topic or None,
        "reason": row.reason,
        "reply": row.reply,
        "due_at": _iso(row.due_at) if row.due_at is not None else None,
        "promised": row.promised,
        "folder": row.folder or None,
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
