"""``responder status``: is it alive, what is it doing and why, what is held; exit status 0 or 1 for monitoring."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from responder import config
from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import place
from responder.commands.absent import now_and_next
from responder.commands.when import say_short, say_span, say_when
from responder.core import hours
from responder.core.model import Reason
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from responder.config import Loaded
    from responder.core.model import Policy
    from responder.ports import DecidedRow, PromiseRow, StoredEffect, Summary

#: A mailbox that was not looked at for so long is in trouble, whatever its poll: the longest delay between two tries
#: is fifteen minutes.
_STALE = timedelta(minutes=16)
#: So long after its mark was last met, another responder counts as still at work.
_SECOND_SHOWN = timedelta(days=1)
#: So many of the messages that could not be read are named; the count tells of the others.
_UNREADABLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that ``status`` knows. ``policy`` is None while the file on disk has errors: the old rules stay in force."""

    policy: Policy | None
    running: bool
    notes: Mapping[str, str]
    summary: Summary
    promises: Sequence[PromiseRow]
    in_doubt: Sequence[StoredEffect]
    unreadable: Sequence[DecidedRow]
    troubles: Sequence[str]


def status(config_path: Path | None, state_path: Path | None, *, as_json: bool) -> int:
    """Print the state of things; returns 0 when all is well, 1 when something needs the owner."""
    path = config.find(config_path, os.environ)
    state = config.state_directory(state_path, os.environ, path)
    loaded: Loaded | None = None
    problems: list[str] = []
    try:
        loaded = config.load(path)
    except ConfigurationError as error:
        problems = str(error).splitlines()
    ledger = state / place.LEDGER
    place.take_on_identity(state)
    if not place.is_there(ledger):
        click.echo("not running: it has never run here; switch it on with `systemctl enable --now responder`")
        for problem in problems:
            click.echo(problem)
        return 1
    now_at = SystemClock().now()
    report = asyncio.run(_gather(ledger, loaded, problems, now_at))
    if as_json:
        click.echo(json.dumps(_as_json(report, now_at), ensure_ascii=False, indent=2))
    else:
        _show(Console(highlight=False), report, now_at)
    return 1 if report.troubles else 0


async def _gather(path: Path, loaded: Loaded | None, problems: Sequence[str], now_at: datetime) -> Report:
    ledger = SqliteLedger.read(path)
    try:
        notes = await ledger.notes()
        summary = await ledger.summary(now_at)
        running = is_running(path.parent)
        troubles = _troubles(loaded, problems, running=running, notes=notes, summary=summary, now_at=now_at)
        return Report(
            policy=loaded.policy if loaded is not None else None,
            running=running,
            notes=notes,
            summary=summary,
            promises=await ledger.promises(),
            in_doubt=await ledger.in_doubt(),
            unreadable=await ledger.decided(reason=Reason.UNREADABLE, last=_UNREADABLE),
            troubles=troubles,
        )
    finally:
        await ledger.close()


def is_running(state: Path) -> bool:
    """Tell whether a daemon holds the state directory's lock."""
    try:
        descriptor = os.open(state / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _troubles(
    loaded: Loaded | None,
    problems: Sequence[str],
    *,
    running: bool,
    notes: Mapping[str, str],
    summary: Summary,
    now_at: datetime,
) -> list[str]:
    """Return what needs the owner, in words."""
    troubles: list[str] = []
    if not running:
        troubles.append("the daemon is not running")
    if problems:
        troubles.append("the configuration has errors; the rules read before them stay in force:")
        troubles += problems
    for settings in loaded.settings.mailboxes if loaded is not None else ():
        said = _troubles_of(settings.name, notes, now_at, running=running)
        troubles += [f"{settings.name}: {one}" for one in said]
    if running and (no_figures := notes.get("metrics", "")):
        troubles.append(no_figures)
    for count, what in (
        (summary.in_doubt, "replies in doubt: nobody knows whether they left; they are never sent again"),
        (summary.refused, "replies refused by the mail server"),
        (summary.unfiled, "messages that could not be filed: they lie in INBOX"),
        (summary.late_promises, "promises that are late"),
    ):
        if count:
            troubles.append(f"{count} {what}")
    if summary.breaker_until is not None:
        zone = loaded.policy.owner.zone if loaded is not None else ZoneInfo("UTC")
        troubles.append(
            "too many automatic replies within an hour: none goes out until "
            f"{say_when(summary.breaker_until, zone)}; mail is filed as always"
        )
    return troubles


def _troubles_of(name: str, notes: Mapping[str, str], now_at: datetime, *, running: bool) -> Iterator[str]:
    """Yield what the notes tell of troubles of one mailbox."""
    if said := notes.get(f"mailbox.{name}.trouble", ""):
        yield said
    second = notes.get(f"mailbox.{name}.second")
    if second is not None and now_at - datetime.fromisoformat(second) < _SECOND_SHOWN:
        yield "another responder answers mail here too; stop one of the two"
    looked = notes.get(f"mailbox.{name}.looked_at")
    if looked is None:
        yield "not looked at yet"
    elif running and now_at - datetime.fromisoformat(looked) > _STALE:
        yield f"not looked at for {say_span(now_at - datetime.fromisoformat(looked))}"


def _as_json(report: Report, now_at: datetime) -> dict[str, object]:
    times: dict[str, object] = {"open": None, "why": None, "changes_at": None, "absences": None}
    if report.policy is not None:
        calendar = hours.calendar(report.policy, "")
        why = calendar.why_open(now_at)
        today_on = now_at.astimezone(report.policy.owner.zone).date()
        times = {
            "open": bool(why),
            "why": why or None,
            "changes_at": calendar.next_change(now_at).isoformat(),
            "absences": [
                {"from": each.from_on.isoformat(), "until": each.until_on.isoformat(), "now": each.from_on <= today_on}
                for each in sorted(report.policy.absences, key=lambda each: each.from_on)
                if each.until_on >= today_on
            ],
        }
    return {
        "running": report.running,
        **times,
        "troubles": list(report.troubles),
        "notes": dict(report.notes),
        **{key: _plain(value) for key, value in asdict(report.summary).items()},
        "unreadable": [
            {"mailbox": row.entry.key.mailbox, "arrived_at": row.entry.arrived_at.isoformat(), "why": _why(row)}
            for row in report.unreadable
        ],
        "promises": [
            {
                "client": row.client,
                "due_at": row.due_at.isoformat(),
                "told_at": row.told_at.isoformat() if row.told_at is not None else None,
                "late": row.due_at < now_at,
            }
            for row in report.promises
        ],
    }


def _plain(value: object) -> object:
    """Return a count, a table of counts or an instant as JSON can say it."""
    return value.isoformat() if isinstance(value, datetime) else value


def _show(console: Console, report: Report, now_at: datetime) -> None:
    zone = report.policy.owner.zone if report.policy is not None else ZoneInfo("UTC")
    console.print("running" if report.running else "not running")
    if report.policy is None:
        console.print("times below are in UTC: your zone stands in the file that has errors")
    else:
        calendar = hours.calendar(report.policy, "")
        why = calendar.why_open(now_at)
        until = say_when(calendar.next_change(now_at), zone)
        modes = {"send": "clients are answered automatically", "draft": "replies are laid into Drafts"}
        mode = modes.get(report.policy.replies.mode, "automatic replies are off")
        console.print(f"open ({why}) until {until}" if why else f"closed until {until}; {mode}")
        for line in now_and_next(report.policy, now_at.astimezone(zone).date()):
            console.print(line, markup=False)
    _show_mailboxes(console, report.notes, zone)
    counts = report.summary
    said = [
        f"{count} {what}"
        for count, what in (
            (counts.open_promises, "promises open"),
            (counts.late_promises, "late"),
            (counts.waiting, "messages in their grace time"),
            (counts.planned, "steps still to be carried out"),
            (counts.in_doubt, "replies in doubt"),
            (counts.refused, "replies refused"),
            (counts.suspended, "addresses that bounced a reply: none for 30 days"),
        )
        if count
    ]
    console.print(", ".join(said) or "nothing is open")
    if counts.by_reason:
        reasons = ", ".join(f"{reason} {count}" for reason, count in counts.by_reason.items())
        console.print(f"last 7 days: {reasons}")
    if counts.urgent:
        names = {client.key: client.name for client in report.policy.clients} if report.policy is not None else {}
        uses = ", ".join(f"{names.get(key, key)} {count}" for key, count in counts.urgent.items())
        console.print(f"urgent mail in the last 30 days: {uses}", markup=False)
    if report.promises:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("due", "client", "told", ""):
            table.add_column(heading)
        for row in report.promises[:20]:
            table.add_row(
                say_short(row.due_at, zone),
                row.client,
                say_short(row.told_at, zone) if row.told_at is not None else "–",
                "late" if row.due_at < now_at else "",
            )
        console.print(table)
    _show_unreadable(console, report, zone)
    for stored in report.in_doubt:
        address = getattr(stored.effect, "address", "")
        console.print(f"in doubt: the reply to {address}; look into Sent, or ask the client")
    for trouble in report.troubles:
        console.print(f"[yellow]needs you:[/yellow] {escape(trouble)}", soft_wrap=True)


def _show_unreadable(console: Console, report: Report, zone: ZoneInfo) -> None:
    """Name the messages that nobody was answered for because they could not be read; never by their subject."""
    count = report.summary.by_reason.get(Reason.UNREADABLE, 0)
    if not count:
        return
    console.print(
        f"{count} messages of the last 7 days could not be read: they lie in INBOX, unanswered; look at them yourself:"
    )
    for row in report.unreadable[:count]:
        arrived = say_short(row.entry.arrived_at, zone)
        console.print(f"  {row.entry.key.mailbox}, {arrived}: {escape(_why(row))}", soft_wrap=True)


def _why(row: DecidedRow) -> str:
    """Return what the rule said that made it unreadable."""
    said = [str(step["detail"]) for step in row.trail if step["rule"] == Reason.UNREADABLE and step["held"]]
    return said[-1] if said else "no reason was kept"


def _show_mailboxes(console: Console, notes: Mapping[str, str], zone: ZoneInfo) -> None:
    for key, value in notes.items():
        if key.endswith(".looked_at"):
            name = key.removeprefix("mailbox.").removesuffix(".looked_at")
            console.print(f"{name}: last looked at {say_short(datetime.fromisoformat(value), zone)}")
        elif key.endswith(".quirks"):
            name = key.removeprefix("mailbox.").removesuffix(".quirks")
            console.print(
                f"{name}: the structure of {value} messages was not understood; they count as without attachment"
            )
