"""``responder status``: is it alive, what is it doing and why, what is held; exit status 0 or 1 for monitoring."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import place
from responder.commands.when import say_short, say_span, say_when
from responder.core import hours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from responder.core.model import Policy
    from responder.ports import PromiseRow, StoredEffect, Summary

#: A mailbox that was not looked at for so long is in trouble, whatever its poll: the longest delay between two tries
#: is fifteen minutes.
_STALE = timedelta(minutes=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that ``status`` knows."""

    running: bool
    notes: Mapping[str, str]
    summary: Summary
    promises: Sequence[PromiseRow]
    in_doubt: Sequence[StoredEffect]


def status(config_path: Path | None, state_path: Path | None, *, as_json: bool) -> int:
    """Print the state of things; returns 0 when all is well, 1 when something needs the owner."""
    here = place.find_place(config_path, state_path)
    place.take_on_identity(here.state)
    now_at = SystemClock().now()
    report = asyncio.run(_gather(here, now_at))
    troubles = _troubles(here, report, now_at)
    if as_json:
        click.echo(json.dumps(_as_json(here.loaded.policy, report, troubles, now_at), ensure_ascii=False, indent=2))
    else:
        _show(Console(highlight=False), here, report, troubles, now_at)
    return 1 if troubles else 0


async def _gather(here: place.Place, now_at: datetime) -> Report:
    ledger = SqliteLedger.read(here.ledger)
    try:
        return Report(
            running=is_running(here.state),
            notes=await ledger.notes(),
            summary=await ledger.summary(now_at),
            promises=await ledger.promises(),
            in_doubt=await ledger.in_doubt(),
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


def _troubles(here: place.Place, report: Report, now_at: datetime) -> list[str]:
    """Return what needs the owner, in words."""
    troubles: list[str] = []
    if not report.running:
        troubles.append("the daemon is not running")
    if said := report.notes.get("config", ""):
        troubles.append(said)
    for settings in here.loaded.settings.mailboxes:
        if said := report.notes.get(f"mailbox.{settings.name}.trouble", ""):
            troubles.append(f"{settings.name}: {said}")
        looked = report.notes.get(f"mailbox.{settings.name}.looked_at")
        if looked is None:
            troubles.append(f"{settings.name}: not looked at yet")
        elif report.running and now_at - datetime.fromisoformat(looked) > _STALE:
            troubles.append(f"{settings.name}: not looked at for {say_span(now_at - datetime.fromisoformat(looked))}")
    if report.summary.in_doubt:
        troubles.append(f"{report.summary.in_doubt} replies are in doubt: nobody knows whether they left")
    if report.summary.unfiled:
        troubles.append(f"{report.summary.unfiled} messages could not be filed and lie in INBOX")
    if report.summary.late_promises:
        troubles.append(f"{report.summary.late_promises} promises are late")
    return troubles


def _as_json(policy: Policy, report: Report, troubles: Sequence[str], now_at: datetime) -> dict[str, object]:
    calendar = hours.calendar(policy, "")
    return {
        "running": report.running,
        "open": calendar.why_open(now_at) or None,
        "changes_at": calendar.next_change(now_at).isoformat(),
        "troubles": list(troubles),
        "notes": dict(report.notes),
        **{key: dict(value) if key == "by_reason" else value for key, value in asdict(report.summary).items()},
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


def _show(console: Console, here: place.Place, report: Report, troubles: Sequence[str], now_at: datetime) -> None:
    policy = here.loaded.policy
    zone = policy.owner.zone
    calendar = hours.calendar(policy, "")
    why = calendar.why_open(now_at)
    console.print("running" if report.running else "not running")
    console.print(
        f"{f'open ({why}): no replies' if why else 'closed: clients are answered'}"
        f" until {say_when(calendar.next_change(now_at), zone)}"
    )
    for settings in here.loaded.settings.mailboxes:
        looked = report.notes.get(f"mailbox.{settings.name}.looked_at")
        said = say_short(datetime.fromisoformat(looked), zone) if looked else "never"
        console.print(f"{settings.name}: last looked at {said}")
    counts = report.summary
    console.print(
        f"promises: {counts.open_promises} open, {counts.late_promises} late; "
        f"waiting for the grace time: {counts.waiting}; to be carried out: {counts.planned}; "
        f"in doubt: {counts.in_doubt}; refused: {counts.refused}; suspended addresses: {counts.suspended}"
    )
    if counts.by_reason:
        said = ", ".join(f"{reason} {count}" for reason, count in counts.by_reason.items())
        console.print(f"last 7 days: {said}")
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
    for stored in report.in_doubt:
        address = getattr(stored.effect, "address", "")
        console.print(f"in doubt: the reply to {address}; look into Sent, or ask; it is never sent again")
    for trouble in troubles:
        console.print(f"[yellow]needs you:[/yellow] {trouble}", soft_wrap=True)
