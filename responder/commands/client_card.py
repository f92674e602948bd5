"""``responder client list`` and ``show``: who the clients are, and all that holds for one of them."""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from responder import config
from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import edit, place
from responder.commands.absent import english_day
from responder.commands.pictures import client_picture
from responder.commands.when import say_short, say_when
from responder.config.lines import Lines
from responder.config.places import CLIENTS
from responder.config.spelling import meant, shown
from responder.core import decide, hours, promise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from pathlib import Path

    from responder.config import Loaded
    from responder.core.model import Agreement, Client, Policy, Window
    from responder.ports import DecidedRow, PromiseRow

#: Of so many of the newest messages those of the client are looked for, and so many of them are shown.
_LOOKED_AT, _SHOWN = 1000, 5
_AHEAD = timedelta(days=7)


def list_clients(config_path: Path | None, *, as_json: bool) -> int:
    """List the clients in the order of the files; returns 0."""
    policy = config.load(config.find(config_path, os.environ)).policy
    now_at = SystemClock().now()
    if as_json:
        click.echo(json.dumps([_who(client, now_at) for client in policy.clients], ensure_ascii=False, indent=2))
        return 0
    if not policy.clients:
        click.echo("there are no clients yet; add one with `responder client add KEY`")
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("key", "name", "addresses", "zone, and the time there", "language"):
        table.add_column(heading, overflow="fold")
    for client in policy.clients:
        there = f"{client.zone.key}, {now_at.astimezone(client.zone):%H:%M}"
        table.add_row(client.key, client.name, "\n".join(addresses(client)), there, client.language)
    Console(highlight=False, markup=False).print(table)
    return 0


def _who(client: Client, now_at: datetime) -> dict[str, object]:
    return {
        "key": client.key,
        "name": client.name,
        "addresses": addresses(client),
        "timezone": client.zone.key,
        "time_there": now_at.astimezone(client.zone).isoformat(timespec="minutes"),
        "language": client.language,
    }


def addresses(client: Client) -> list[str]:
    """Return the addresses, then the domains as the file writes them."""
    return [*sorted(client.addresses), *(f"@{domain}" for domain in sorted(client.domains))]


def show(config_path: Path | None, state_path: Path | None, key: str, *, as_json: bool) -> int:
    """Show all that holds for one client, and what the ledger knows of it; returns 0."""
    path = config.find(config_path, os.environ)
    loaded = config.load(path)
    known(loaded, key)
    there = place_of(path, key)
    now_at = SystemClock().now()
    rows, promises = of_ledger(config.state_directory(state_path, os.environ, path), key)
    if as_json:
        card = _as_json(loaded.policy, key, now_at) | {"stands_in": there} | _ledger_json(rows, promises)
        click.echo(json.dumps(card, ensure_ascii=False, indent=2))
        return 0
    console = Console(highlight=False)
    show_rules(console, loaded.policy, key, now_at)
    console.print(f"stands in {there}\n", markup=False, soft_wrap=True)
    today_on = now_at.astimezone(loaded.policy.owner.zone).date()
    client = loaded.policy.client(key)
    console.print(client_picture(loaded.policy, client, today_on - timedelta(days=today_on.weekday())))
    _show_ledger(console, rows, promises, loaded.policy, now_at)
    return 0


def place_of(path: Path, key: str) -> str | None:
    """Return "file:line" of a client's table, None where there is no such client."""
    for file in (path, path.parent / CLIENTS):
        text = edit.read_text(file)
        if key in tomllib.loads(text).get("clients", {}):
            return f"{file}:{Lines(text).line(('clients', key))}"
    return None


def known(loaded: Loaded, key: str) -> None:
    """Raise click.UsageError for a key that no client has."""
    keys = [client.key for client in loaded.policy.clients]
    if key not in keys:
        listed = f"; there are {', '.join(keys)}" if keys else "; there is none yet"
        raise click.UsageError(f"there is no client {shown(key)}{listed}{meant(key, keys)}")


# -------------------------------------------------------------------------------------------- rules


def show_rules(console: Console, policy: Policy, key: str, now_at: datetime) -> None:
    """Show who the client is, and what holds between the two."""
    client = policy.client(key)
    calendar = hours.calendar(policy, key)
    zone, today_on = policy.owner.zone, now_at.astimezone(policy.owner.zone).date()
    why = calendar.why_open(now_at)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    rows = [
        ("client", f"{client.name} ({key})"),
        ("addresses", ", ".join(addresses(client))),
        ("people", ", ".join(f"{address}: {name}" for address, name in client.people.items())),
        ("zone", f"{client.zone.key}; there it is {now_at.astimezone(client.zone):%H:%M}"),
        ("language", client.language),
        ("phone", client.phone),
        ("urgent word", client.urgent_word),
        ("holidays there", client.holidays),
        ("agreement", _say_agreement(client.agreement, today_on)),
        ("response", "; ".join(f"{topic or 'otherwise'}: {term}" for topic, term, _ in _terms(policy, key))),
        (
            "own rules",
            ", ".join(name for name in ("hours", "windows", "channels") if getattr(client, name) is not None),
        ),
        ("replies", "" if client.auto_reply else "none: auto_reply = false"),
        ("now", f"{f'open ({why})' if why else 'closed'} until {say_when(calendar.next_change(now_at), zone)}"),
    ]
    for label, value in rows:
        if value:
            table.add_row(label, escape(value))
    console.print(table)
    windows = _windows(policy, key, now_at)
    if not windows:
        console.print("In the next 7 days no callback window is their daytime: they are answered by mail.")
    calls = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("call", "your time", "their time"):
        calls.add_column(heading)
    for window, starts_at, ends_at in windows:
        here = f"{say_short(starts_at, zone)}–{ends_at.astimezone(zone):%H:%M}"
        there = f"{say_short(starts_at, client.zone)}–{ends_at.astimezone(client.zone):%H:%M}"
        calls.add_row(escape(window.key), here, there)
    if windows:
        console.print(calls)


def _windows(policy: Policy, key: str, now_at: datetime) -> list[tuple[Window, datetime, datetime]]:
    """Return the windows of the next days that may be offered for a call, with the part of each in their day."""
    calendar = hours.calendar(policy, key)
    return [(window, span.starts_at, span.ends_at) for window, span in calendar.calls(now_at, days=_AHEAD.days)]


def _terms(policy: Policy, key: str) -> list[tuple[str, str, str]]:
    """Return the response times that hold: topic ("" for any other mail), term, and the rule that says so."""
    found = [(topic.key, *promise.term_for(policy, key, topic.key)) for topic in policy.topics]
    found.append(("", *promise.term_for(policy, key, "")))
    return [(topic, str(term), source) for topic, term, source in found]


def _say_agreement(agreement: Agreement | None, today_on: date) -> str:
    if agreement is None:
        return "none: a due time is promised only where a reply went out"
    name = agreement.name if not agreement.version else f"{agreement.name}, version {agreement.version}"
    if agreement.from_on is not None and today_on < agreement.from_on:
        return f"{name}: not in force before {english_day(agreement.from_on)}, and not cited"
    if agreement.until_on is not None and today_on > agreement.until_on:
        return f"{name}: ended {english_day(agreement.until_on)}, and is cited no more"
    until = f", until {english_day(agreement.until_on)}" if agreement.until_on is not None else ""
    return f"{name}: in force{until}"


def _as_json(policy: Policy, key: str, now_at: datetime) -> dict[str, object]:
    client = policy.client(key)
    calendar = hours.calendar(policy, key)
    agreement = client.agreement
    return _who(client, now_at) | {
        "people": dict(client.people),
        "phone": client.phone or None,
        "urgent_word": client.urgent_word or None,
        "holidays": client.holidays or None,
        "auto_reply": client.auto_reply,
        "agreement": None
        if agreement is None
        else {
            "name": agreement.name,
            "version": agreement.version or None,
            "from": agreement.from_on.isoformat() if agreement.from_on else None,
            "until": agreement.until_on.isoformat() if agreement.until_on else None,
            "in_force": decide.in_force(client, policy, now_at),
        },
        "response": [{"topic": topic or None, "term": term, "rule": rule} for topic, term, rule in _terms(policy, key)],
        "open": calendar.is_open(now_at),
        "changes_at": calendar.next_change(now_at).isoformat(),
        "calls": [
            {"window": window.key, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
            for window, starts_at, ends_at in _windows(policy, key, now_at)
        ],
    }


# ------------------------------------------------------------------------------------------- ledger


def of_ledger(state: Path, key: str) -> tuple[Sequence[DecidedRow], Sequence[PromiseRow]]:
    """Return the client's last messages and open promises; none where there is no ledger yet."""
    rows, promises = _read(state)
    return [row for row in rows if row.entry.client == key][:_SHOWN], [row for row in promises if row.client == key]


def open_promises(state: Path) -> Sequence[PromiseRow]:
    """Return all open promises, earliest due first; none where there is no ledger yet."""
    return _read(state)[1]


def _read(state: Path) -> tuple[Sequence[DecidedRow], Sequence[PromiseRow]]:
    async def read(path: Path) -> tuple[Sequence[DecidedRow], Sequence[PromiseRow]]:
        ledger = SqliteLedger.read(path)
        try:
            return await ledger.decided(last=_LOOKED_AT), await ledger.promises(limit=_LOOKED_AT)
        finally:
            await ledger.close()

    with place.as_its_owner(state):
        path = state / place.LEDGER
        return asyncio.run(read(path)) if place.is_there(path) else ((), ())


def _ledger_json(rows: Sequence[DecidedRow], promises: Sequence[PromiseRow]) -> dict[str, object]:
    return {
        "messages": [
            {
                "arrived_at": row.entry.arrived_at.isoformat(),
                "address": row.entry.address,
                "message_id": row.entry.message_id or None,
                "reason": row.entry.reason,
                "due_at": row.due_at.isoformat() if row.due_at else None,
            }
            for row in rows
        ],
        "promises": [
            {
                "address": row.address,
                "due_at": row.due_at.isoformat(),
                "told_at": row.told_at.isoformat() if row.told_at else None,
            }
            for row in promises
        ],
    }


def _show_ledger(
    console: Console, rows: Sequence[DecidedRow], promises: Sequence[PromiseRow], policy: Policy, now_at: datetime
) -> None:
    zone = policy.owner.zone
    if not rows and not promises:
        console.print("The ledger knows no mail of theirs yet.")
    for promised in promises:
        late = " (late)" if promised.due_at < now_at else ""
        console.print(f"promised to {promised.address} by {say_short(promised.due_at, zone)}{late}", markup=False)
    for row in rows:
        arrived = say_short(row.entry.arrived_at, zone)
        console.print(f"{arrived}  {row.entry.address}: {row.entry.reason}", markup=False)
