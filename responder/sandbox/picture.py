"""The demo on paper and on the terminal: the live feed, the folders, the replies, and why the others got none.

On a terminal there are colours and a pace for reading; elsewhere plain lines. Nothing moves the cursor.
"""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

from babel.dates import format_datetime
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from responder.core.model import Reason
from responder.sandbox.letters import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime
    from email.message import EmailMessage
    from zoneinfo import ZoneInfo

    from responder.ports import DecidedRow
    from responder.sandbox.servers import CapturedMail, StoredMessage
    from responder.sandbox.story import Story, StoryMessage

#: Real seconds after each line on a terminal: the whole weekend takes a quarter of a minute.
PACE_SECONDS = 0.25
#: For files; a terminal has a width of its own.
PAPER_WIDTH = 100
#: A reply reads best on a page, however wide the terminal is.
PAGE_WIDTH = 84


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Say an instant of the weekend: "Fri 18:41"."""
    return format_datetime(at.astimezone(zone), "EEE HH:mm", locale="en")


def _date_and_clock(at: datetime, zone: ZoneInfo) -> str:
    return format_datetime(at.astimezone(zone), "EEE d MMM HH:mm", locale="en")


class Feed:
    """Tells, line by line and in the owner's clock, who writes and what comes of it."""

    def __init__(self, console: Console, story: Story) -> None:
        self._console = console
        self._story = story
        self._by_id = {message.message_id: message for message in story.messages}
        self._told: set[str] = set()
        self._on: date | None = None
        marks = ("*", ">", "|") if console.options.ascii_only else ("✉", "✎", "↳")
        self._mail, self._pen, self._then = marks

    async def arrived(self, message: StoryMessage) -> None:
        """Tell of a message."""
        zone = self._story.zone
        self._day(message.at)
        line = Text(f"{clock(message.at, zone)}  ")
        if message.folder == "INBOX":
            line.append(f"{self._mail} ").append(message.sender.name, style="bold")
        else:
            line.append(f"{self._pen} ").append(f"{message.sender.name}, by hand", style="bold")
        if message.sender.zone.key != zone.key:
            line.append(f" ({message.at.astimezone(message.sender.zone):%H:%M} in {message.sender.place})")
        line.append(f": {message.subject}")
        await self._print(line)

    async def settled(self, rows: Sequence[DecidedRow]) -> None:
        """Tell of the verdicts that are new; ``rows`` newest first."""
        for row in reversed(rows):
            message = self._by_id.get(row.entry.message_id)
            if message is None or row.entry.fingerprint in self._told:
                continue
            self._told.add(row.entry.fingerprint)
            self._day(row.decided_at)
            await self._print(self._verdict(row))

    def _verdict(self, row: DecidedRow) -> Text:
        zone = self._story.zone
        line = Text(f"{clock(row.decided_at, zone)}    {self._then} ")
        if replied(row) and row.due_at is not None:
            line.append(f"{row.reply} reply: by {_date_and_clock(row.due_at, zone)}", style="green")
        else:
            line.append(f"no reply: {row.entry.reason}", style="yellow")
            line.append(f", {because(row)}")
        line.append(f"; {where(row)}", style="dim")
        return line

    def _day(self, at: datetime) -> None:
        local = at.astimezone(self._story.zone)
        if local.date() == self._on:
            return
        self._on = local.date()
        line = Text("\n").append(format_datetime(local, "EEEE, d MMMM y", locale="en"), style="bold cyan")
        if note := self._story.days.get(self._on):
            line.append(f"  ({note})", style="dim")
        self._console.print(line, soft_wrap=True)

    async def _print(self, line: Text) -> None:
        terminal = self._console.is_terminal
        self._console.print(line, no_wrap=terminal, overflow="ellipsis" if terminal else None, soft_wrap=not terminal)
        if terminal:
            await asyncio.sleep(PACE_SECONDS)


def replied(row: DecidedRow) -> bool:
    """Tell whether the verdict was to reply."""
    return row.entry.reason in {Reason.FULL, Reason.SHORT}


def because(row: DecidedRow) -> str:
    """Return what was seen by the rule that held."""
    return next((str(step["detail"]) for step in row.trail if step["held"]), "")


def where(row: DecidedRow) -> str:
    """Say where the message went."""
    return f"into {row.folder}" if row.folder else "stays in INBOX"


def folder_tree(tree: Mapping[str, Sequence[StoredMessage]], story: Story) -> Tree:
    """Return the folders with their messages as a picture."""
    root = Tree(Text(f"The mailbox, {_date_and_clock(story.ends_at, story.zone)}", style="bold"))
    branches: dict[str, Tree] = {}
    for name, messages in tree.items():
        parent, path = root, ""
        for level in name.split("/"):
            path = f"{path}/{level}" if path else level
            if path not in branches:
                branches[path] = parent.add(Text(level, style="bold cyan"))
            parent = branches[path]
        for stored in messages:
            parent.add(_one_line(stored, story))
    return root


def _one_line(stored: StoredMessage, story: Story) -> Text:
    message = _parsed(stored.raw)
    if message["From"].addresses[0].addr_spec == OWNER:
        name = f"to {message['To'].addresses[0].addr_spec}"
    else:
        name = message["From"].addresses[0].display_name
    line = Text(f"{clock(stored.internal_at, story.zone)}  {name}: {message['Subject']}")
    if "\\Seen" in stored.flags:
        line.stylize("dim")
    return line


def reply_panels(replies: Iterable[tuple[CapturedMail, datetime]], story: Story) -> Group:
    """Return every reply as it left, with the recipient and both clocks above it."""
    by_id = {message.message_id: message for message in story.messages}
    panels: list[Panel] = []
    for mail, at in replies:
        message = _parsed(mail.raw)
        asked = by_id.get(answers(mail))
        times = clock(at, story.zone)
        if asked is not None and asked.sender.zone.key != story.zone.key:
            times += f", {clock(at, asked.sender.zone)} in {asked.sender.place}"
        title = Text(f"to {mail.recipients[0]}, {times}", style="bold")
        subject = Text(str(message["Subject"]), style="bold")
        body = Text(reply_text(mail))
        panels.append(Panel(Group(subject, Text(), body), title=title, title_align="left"))
    return Group(*panels)


def reply_text(mail: CapturedMail) -> str:
    """Return the words of a reply."""
    return str(_parsed(mail.raw).get_content()).rstrip()


def answers(mail: CapturedMail) -> str:
    """Return the Message-ID that a reply answers."""
    return str(_parsed(mail.raw)["In-Reply-To"])


def silent_table(rows: Sequence[DecidedRow], story: Story) -> Table:
    """Return why the others got no reply; ``rows`` newest first."""
    by_id = {message.message_id: message for message in story.messages}
    table = Table(title="No reply, and why", title_justify="left", title_style="bold")
    table.add_column("arrived", no_wrap=True)
    table.add_column("from")
    table.add_column("reason", no_wrap=True)
    table.add_column("why", ratio=1)
    for row in reversed(rows):
        message = by_id.get(row.entry.message_id)
        if message is None or replied(row):
            continue
        table.add_row(
            clock(row.entry.arrived_at, story.zone),
            Text(message.sender.name),
            row.entry.reason,
            Text(message.label),
        )
    return table


def explained(rows: Sequence[DecidedRow], story: Story) -> Group:
    """Return each message's trail and the steps of its due time; ``rows`` newest first."""
    by_id = {message.message_id: message for message in story.messages}
    parts: list[Text] = []
    for row in reversed(rows):
        message = by_id.get(row.entry.message_id)
        name = message.sender.name if message is not None else row.entry.address
        subject = message.subject if message is not None else ""
        part = Text(f"{clock(row.entry.arrived_at, story.zone)}  {name}: {subject}\n")
        part.append(f"  {row.entry.reason}; reply: {row.reply or 'none'}; {where(row)}\n")
        for step in row.trail:
            part.append(f"  [{'x' if step['held'] else ' '}] {step['rule']}: {step['detail']}\n")
        for step_of_due in row.steps:
            part.append(f"  due: {step_of_due}\n")
        parts.append(part)
    return Group(*parts)


def on_paper(*pictures: Tree | Group | Table) -> str:
    """Return pictures as plain text."""
    console = Console(width=PAPER_WIDTH, color_system=None, force_terminal=False, highlight=False, record=False)
    with console.capture() as capture:
        for picture in pictures:
            console.print(picture, soft_wrap=isinstance(picture, Group))
    return capture.get()


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=default)
