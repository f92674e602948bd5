"""``responder run``: the daemon, one pass of it (``--once``), or its decisions only (``--dry-run``)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from typing import TYPE_CHECKING

import structlog
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from responder.adapters.alerts import give_alert
from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import logs, place
from responder.commands.looking import looking_engine
from responder.commands.when import parse_when, say_short, say_when
from responder.core import facts as facts_room
from responder.core.model import FileMessage, ReplyKind
from responder.daemon import Daemon
from responder.errors import DamagedError, TemporaryError
from responder.premises import only_one

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from responder.core.model import Message
    from responder.entries import Assessed

log = structlog.get_logger()

#: So many of the newest messages are looked at by a dry run where no run has set a baseline yet.
_NEWEST = 50
#: And so many at most where one has.
_MOST = 1000


def run(config_path: Path | None, state_path: Path | None, *, once: bool) -> int:
    """Run the daemon until it is told to stop, or one pass of it; returns the exit status."""
    here = place.with_passwords(place.find_place(config_path, state_path))
    place.make_state(here.state)
    place.take_on_identity(here.state)
    logs.configure()
    for warning in here.loaded.warnings:
        log.warning("configuration", problem=str(warning))

    # What was imported stays: the collector need not walk it again and again (measured: 5 % of a backlog's time).
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)

    async def go() -> None:
        try:
            daemon = Daemon(here.loaded, state=here.state, clock=SystemClock(), environ=os.environ)
            await (daemon.once() if once else daemon.run())
        except DamagedError as error:  # it ends here, and nothing but the owner brings it back
            with contextlib.suppress(TemporaryError):
                await give_alert(f"responder has stopped: {error}", here.loaded.settings, os.environ)
            raise

    with only_one(here.state):
        asyncio.run(go())
    return 0


def dry_run(config_path: Path | None, state_path: Path | None, at_words: str | None) -> int:
    """Decide about what lies in INBOX and print it; touch neither server nor ledger."""
    here = place.with_passwords(place.find_place(config_path, state_path))
    zone = here.loaded.policy.owner.zone
    at = parse_when(at_words, zone) if at_words else None
    return asyncio.run(_dry_run(here, at))


async def _dry_run(here: place.Place, at: datetime | None) -> int:
    zone = here.loaded.policy.owner.zone
    now_at = at or SystemClock().now()
    console = Console(highlight=False)
    console.print(f"As if it were {say_when(now_at, zone)}; nothing is sent, moved or remembered.")
    if place.is_there(here.ledger):
        place.take_on_identity(here.state)
        ledger = SqliteLedger.read(here.ledger)
    else:
        ledger = SqliteLedger.in_memory()
        console.print(f"No run has been here yet: the newest {_NEWEST} messages are looked at.")
    total = 0
    try:
        for settings in here.loaded.settings.mailboxes:
            mailbox, engine = looking_engine(here, settings, ledger)
            try:
                await mailbox.open()
                state = await ledger.mailbox(settings.name)
                start = state.baseline_uid if state is not None else 1
                _, uids = await mailbox.scan(start if at is None else 1)
                newest = uids[-_NEWEST:] if state is None else uids[-_MOST:]
                messages = [one for one in await mailbox.fetch(newest) if at is None or _came_by(one, at)]
                prints = [facts_room.fingerprint(message.header, message.size) for message in messages]
                known = await ledger.known([] if at is not None else prints)
                assessed = await engine.assess(messages, known, now_at, fresh=at is not None)
                total += len(assessed)
                console.print(_table(settings.name, assessed, here))
            finally:
                await mailbox.close()
    finally:
        await ledger.close()
    console.print(f"{total} message{'' if total == 1 else 's'} looked at.")
    return 0


def _came_by(message: Message, at: datetime) -> bool:
    return message.internal_at is not None and message.internal_at <= at


def _table(name: str, assessed: list[Assessed], here: place.Place) -> Table:
    zone = here.loaded.policy.owner.zone
    table = Table(title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("arrived", "sender", "reason", "reply", "due", "folder"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("arrived", "reason", "reply", "due"))
    for item in assessed:
        verdict = item.verdict
        folder = next((e.folder for e in item.plan.effects if isinstance(e, FileMessage)), "stays in INBOX")
        table.add_row(
            say_short(item.entry.arrived_at, zone),
            escape(item.facts.address or "–"),
            str(verdict.reason),
            "" if verdict.reply is ReplyKind.NONE else str(verdict.reply),
            say_short(verdict.due.due_at, zone) if verdict.due is not None else "",
            escape(folder),
        )
    return table
