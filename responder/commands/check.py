"""``responder check``: validate the file, log in, and show what the rules mean. Changes nothing."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from responder.adapters.alerts import give_alert, say_ways
from responder.adapters.clock import SystemClock
from responder.commands import place, versions
from responder.commands.absent import now_and_next
from responder.commands.pictures import client_picture, week_picture
from responder.commands.sample import sample_reply
from responder.commands.when import say_short, say_when
from responder.core import facts as facts_room
from responder.core import hours
from responder.core.facts import Identity
from responder.core.model import ReplyKind
from responder.errors import ResponderError
from responder.premises import build_mailbox, build_outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from responder.config import MailboxSettings, Settings
    from responder.core.model import Facts, Policy

#: So many of the newest messages show whether the server records a Return-Path, and whose.
_NEWEST = 50
_NEXT_WINDOWS = 6


def check(config_path: Path | None, state_path: Path | None = None, *, offline: bool, alert: bool = False) -> int:
    """Check everything and print it, give a trial alert if wanted; returns 0, or 1 when something could not be done."""
    here = place.find_place(config_path, state_path)
    console = Console(highlight=False)
    policy = here.loaded.policy
    now_at = SystemClock().now()
    for file in here.loaded.settings.files:
        console.print(f"read {file}: no errors")
    for warning in here.loaded.warnings:
        console.print(f"[yellow]warning[/yellow] {escape(str(warning))}", soft_wrap=True)
    _show_versions(console, now_at)
    console.print()
    _show_rules(console, policy, now_at)
    _show_samples(console, policy, now_at)
    settings = here.loaded.settings
    console.print(f"alerts: {say_ways(settings)}", markup=False, soft_wrap=True)
    troubles = asyncio.run(_try_alert(console, settings)) if alert else 0
    if offline:
        console.print("The servers were not asked (--offline).")
        return troubles
    return asyncio.run(_ask_servers(console, here)) or troubles


async def _try_alert(console: Console, settings: Settings) -> int:
    """Give a trial alert; returns 0, or 1 when nobody took it."""
    try:
        await give_alert("This is a trial: alerts of responder reach you here.", settings, os.environ)
    except ResponderError as error:
        console.print(f"[red]the trial alert failed:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    console.print("[green]The trial alert was taken.[/green] See whether it has reached you.")
    return 0


def _show_versions(console: Console, now_at: datetime) -> None:
    tz_version, whose = versions.tz_in_use()
    console.print(", ".join(versions.in_use()), soft_wrap=True)
    console.print(f"time zones: tzdata {tz_version} ({whose}); holidays {version('holidays')}")
    for warning in versions.warnings(now_at.year, tz_version=tz_version):
        console.print(f"[yellow]warning[/yellow] {escape(warning)}", soft_wrap=True)


def _show_rules(console: Console, policy: Policy, now_at: datetime) -> None:
    today_on = now_at.astimezone(policy.owner.zone).date()
    monday_on = today_on - timedelta(days=today_on.weekday())
    console.print(week_picture(policy, monday_on))
    calendar = hours.calendar(policy, "")
    zone = policy.owner.zone
    why = calendar.why_open(now_at)
    change = say_when(calendar.next_change(now_at), zone)
    console.print(f"Now: {'open (' + why + '), until' if why else 'closed, until'} {change}\n")
    for line in now_and_next(policy, today_on):
        console.print(f"You {line.replace('away', 'are away', 1) if line.startswith('away') else line}", markup=False)
    for client in policy.clients:
        console.print(client_picture(policy, client, monday_on))
    table = Table(title="The next windows", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("window")
    table.add_column("your clock")
    for client in policy.clients:
        table.add_column(escape(client.name))
    for window, _ in zip(calendar.windows(now_at), range(_NEXT_WINDOWS), strict=False):
        row = [window.key, f"{say_short(window.opens_at, zone)}–{window.closes_at.astimezone(zone):%H:%M}"]
        for client in policy.clients:
            overlaps = hours.calendar(policy, client.key).overlaps(window)
            row.append(
                ", ".join(
                    f"{span.starts_at.astimezone(client.zone):%H:%M}–{span.ends_at.astimezone(client.zone):%H:%M}"
                    for span in overlaps
                )
                or "night"
            )
        table.add_row(*row)
    console.print(table)
    console.print()


def _show_samples(console: Console, policy: Policy, now_at: datetime) -> None:
    """Show the replies that each client would get for a plain message in the next closed period."""
    for client in policy.clients:
        calendar = hours.calendar(policy, client.key)
        at = now_at if not calendar.why_open(now_at) else calendar.next_change(now_at) + timedelta(minutes=1)
        for kind in (ReplyKind.FULL, ReplyKind.SHORT, *((ReplyKind.URGENT,) if client.urgent_word else ())):
            text = sample_reply(policy, client.key, kind, at)
            title = f"{client.name}: {kind} reply to a message of {say_short(at, policy.owner.zone)}"
            body = f"Subject: {text.subject}\n\n{text.body}" if text is not None else "none: automatic replies are off"
            console.print(Panel(escape(body.rstrip()), title=escape(title), title_align="left"))


async def _ask_servers(console: Console, here: place.Place) -> int:
    troubles: list[str] = []
    for settings in here.loaded.settings.mailboxes:
        console.rule(f"mailbox {settings.name}", align="left")
        try:
            await _ask_imap(console, here, settings)
        except ResponderError as error:
            console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
            troubles.append(str(error))
        outbox = build_outbox(settings, here.loaded, os.environ, state=here.state)
        try:
            offers = await outbox.probe()
            where = f"SMTP {settings.smtp.host}:{settings.smtp.port}"
            asked = f"logged in as {settings.username}" if offers["auth"] else "reached; it asks for no login"
            console.print(f"{where}, {asked}")
            console.print(f"  encryption: {offers['tls']}")
            console.print(f"  bounces of our replies can be declined (DSN): {offers['dsn']}")
        except ResponderError as error:
            console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
            troubles.append(str(error))
        finally:
            await outbox.close()
    console.rule()
    if not troubles:
        console.print("[green]All is well.[/green]")
    for trouble in troubles:
        console.print(f"[red]needs you:[/red] {escape(trouble)}", soft_wrap=True)
    return 1 if troubles else 0


async def _ask_imap(console: Console, here: place.Place, settings: MailboxSettings) -> None:
    mailbox = build_mailbox(settings, here.loaded, os.environ, state=here.state, read_only=True)
    try:
        inbox = await mailbox.open()
        profile = mailbox.profile
        console.print(f"IMAP {settings.imap.host}:{settings.imap.port}, logged in as {settings.username}")
        console.print(
            f"  {inbox.exists} messages in {settings.inbox}; what lies there at the very first run is left alone"
        )
        console.print(f"  new mail: {'IDLE' if profile.idle else f'asked every {settings.poll.total_seconds():.0f} s'}")
        console.print(f"  filing: {_filing(move=profile.move, uidplus=profile.uidplus)}")
        console.print(
            f"  folders: separator {profile.separator!r}, prefix {profile.prefix!r}, {len(profile.folders)} found:"
        )
        console.print(f"    {', '.join(profile.folders)}", markup=False)
        if profile.sent is None:
            console.print("  [yellow]no Sent folder was found: only weak evidence of your own answers is left[/yellow]")
        else:
            console.print(f"  your answers are read in {profile.sent}")
        console.print(f"  a second responder on this mailbox: {_second(sent=profile.sent is not None)}")
        console.print(f"  drafts: {profile.drafts or 'no folder yet; it is made when needed'}")
        _, uids = await mailbox.scan(1)
        messages = await mailbox.fetch(uids[-_NEWEST:])
        policy = here.loaded.policy
        identity = Identity(mailbox=settings.name, secret=b"check")
        _judge_paths(console, policy, [facts_room.observe(message, policy, identity) for message in messages])
    finally:
        await mailbox.close()


def _filing(*, move: bool, uidplus: bool) -> str:
    if move:
        return "MOVE"
    return "COPY and EXPUNGE of that message alone" if uidplus else "COPY and \\Deleted; your mail program expunges"


def _second(*, sent: bool) -> str:
    """Say how another would be noticed. Whether INBOX takes keywords shows only when it is opened for writing."""
    marks = 'by its marks where INBOX takes keywords (the service logs "marks" when it opens the mailbox)'
    return f"noticed by its replies in Sent, and {marks}" if sent else f"[yellow]noticed only {marks}[/yellow]"


def _judge_paths(console: Console, policy: Policy, seen: Sequence[Facts]) -> None:
    """Say when the server records no Return-Path, and which clients could never be answered."""
    if not seen:
        console.print("  INBOX is empty: whether the server records a Return-Path cannot be told yet")
        return
    without = sum(facts.return_path is None for facts in seen)
    if without == len(seen):
        console.print(
            "  [yellow]the server records no Return-Path: no message can be answered; "
            "mail is filed all the same. Ask your provider to record it.[/yellow]"
        )
    elif without:
        console.print(
            f"  {without} of the last {len(seen)} messages bear no Return-Path: such mail is filed, not answered"
        )
    for client in policy.clients:
        theirs = [facts for facts in seen if facts.client == client.key and facts.return_path]
        if theirs and not any(facts.return_path_is_clients for facts in theirs):
            paths = sorted({facts.return_path or "" for facts in theirs})
            console.print(
                f"  [yellow]{client.name} could never be answered: its mail comes with the Return-Path "
                f"{', '.join(paths)}; if that is theirs, add it to clients.{client.key}.addresses[/yellow]"
            )
