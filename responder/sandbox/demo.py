"""``responder demo``: the real daemon over real sockets through one invented weekend, told live and kept.

It promises the person at the terminal a picture of the product within half a minute, with no network beyond
loopback; and to whoever changes the code that the demo fails (exit status 1) when the daemon no longer does what
the story says.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w
from rich.text import Text

from responder.adapters.clock import SystemClock
from responder.core.model import Reason
from responder.errors import ConfigurationError
from responder.sandbox import picture
from responder.sandbox.letters import OWNER
from responder.sandbox.overview import find_overview, overview_panel
from responder.sandbox.practice import PASSWORD_FILE, configuration
from responder.sandbox.servers import SandboxImap, SandboxSmtp
from responder.sandbox.stage import Stage
from responder.sandbox.story import Ending
from responder.sandbox.weekend import weekend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import Console

    from responder.ports import DecidedRow
    from responder.sandbox.servers import CapturedMail, StoredMessage
    from responder.sandbox.stage import StartDaemon
    from responder.sandbox.story import Story

_HEADING = """\
# The rules of the demo's weekend. Its servers are gone; everything else is as you would write it.
# Ask: responder check --offline --config config.toml

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """What is left when the weekend is over. ``replies`` with the instants at which they left."""

    rows: Sequence[DecidedRow]
    replies: Sequence[tuple[CapturedMail, datetime]]
    tree: Mapping[str, Sequence[StoredMessage]]


async def run_demo(folder: Path | None, *, console: Console, start_daemon: StartDaemon) -> int:
    """Play the weekend and show what came of it.

    Args:
        folder: where everything is kept; a new one in the present directory if None.
        console: where it is told.
        start_daemon: starts the daemon that is shown.

    Returns:
        0, or 1 if a message did not end as the story says.

    Raises:
        ConfigurationError: the extra ``demo`` is missing, or the folder cannot be used.
        TemporaryError: the daemon was stopped, or does not answer.
    """
    story = weekend()
    password = secrets.token_urlsafe(16)
    with SandboxImap({OWNER: password}) as imap, SandboxSmtp({OWNER: password}) as smtp:
        folder = make_folder(folder)
        config_path = _write_configuration(folder, password, imap.port, smtp.port)
        state = folder / "state"
        state.mkdir(mode=0o700)
        console.print("The real daemon and private mail servers; a weekend in seconds.")
        console.print(f"All times are the owner's: {story.zone.key}.")
        stage = Stage(story, imap, smtp)
        async with start_daemon(config_path, state=state, clock=stage.clock, on_round=stage.on_round) as daemon:
            await stage.play(daemon, picture.Feed(console, story))
            rows = await daemon.decided()
        show = Show(rows=rows, replies=stage.replies, tree=imap.tree(OWNER))
    _keep(show, story, folder)
    console.print()
    console.print(picture.folder_tree(show.tree, story))
    console.print()
    console.print(picture.reply_panels(show.replies, story), width=min(console.width, picture.PAGE_WIDTH))
    console.print(picture.silent_table(show.rows, story))
    if overview := find_overview(show.tree):
        console.print()
        console.print(overview_panel(overview), width=min(console.width, picture.PAGE_WIDTH))
    return _verdict(show, story, folder, console)


# ------------------------------------------------------------------------------------------- files


def make_folder(folder: Path | None) -> Path:
    """Make the folder that keeps everything; an existing one must be empty.

    Raises:
        ConfigurationError: it cannot be made, or holds something.
    """
    if folder is None:
        local = SystemClock().now().astimezone()
        name = f"responder-demo-{local:%Y%m%d-%H%M%S}"
        here = Path.cwd()
        folder = (here if os.access(here, os.W_OK) else Path(tempfile.gettempdir())) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty: name a new folder for the demo")
    except OSError as error:
        raise ConfigurationError(f"{folder}: this folder cannot be used ({error.strerror})") from error
    return folder


def _write_configuration(folder: Path, password: str, imap_port: int, smtp_port: int) -> Path:
    secret = folder / PASSWORD_FILE
    secret.touch(mode=0o600)
    secret.write_text(f"{password}\n", encoding="utf-8")
    path = folder / "config.toml"
    path.write_text(_HEADING + tomli_w.dumps(configuration(imap_port, smtp_port)), encoding="utf-8")
    return path


def _keep(show: Show, story: Story, folder: Path) -> None:
    """Write everything down beside the configuration and the ledger."""
    replies = folder / "replies"
    replies.mkdir()
    for number, (mail, _) in enumerate(show.replies, 1):
        name = f"{number:02d}-{_file_name(mail.recipients[0])}"
        (replies / f"{name}.eml").write_bytes(mail.raw)
        (replies / f"{name}.txt").write_text(f"{picture.reply_text(mail)}\n", encoding="utf-8")
    for name, messages in show.tree.items():
        place = folder / "mail" / Path(*(_file_name(level) for level in name.split("/")))
        place.mkdir(parents=True)
        for stored in messages:
            (place / f"{stored.uid}.eml").write_bytes(stored.raw)
    tree = picture.folder_tree(show.tree, story)
    (folder / "folders.txt").write_text(picture.on_paper(tree), encoding="utf-8")
    (folder / "silent.txt").write_text(picture.on_paper(picture.silent_table(show.rows, story)), encoding="utf-8")
    if overview := find_overview(show.tree):
        (folder / "digest.html").write_text(overview.html, encoding="utf-8")
    (folder / "explain.txt").write_text(picture.on_paper(picture.explained(show.rows, story)), encoding="utf-8")


def _file_name(text: str) -> str:
    """Return a name that is safe in any file system: never hidden, never ".."."""
    return re.sub(r"[^\w @.-]", "_", text).lstrip(".") or "_"


# ----------------------------------------------------------------------------------------- the end


def faults(show: Show, story: Story) -> list[str]:
    """Return what is not as the story says it should be: verdicts, lost mail, marks, second answers."""
    endings = {
        row.entry.message_id: Ending(Reason(row.entry.reason), row.folder, row.due_at if row.reply != "none" else None)
        for row in show.rows
    }
    found = [
        f"{message.sender.name}, {message.subject}: {endings.get(message.message_id)}, and not {message.ending}"
        for message in story.messages
        if message.ending != endings.get(message.message_id)
    ]
    lying = [stored for messages in show.tree.values() for stored in messages]
    for message in (*story.before, *story.messages):
        there = [stored for stored in lying if stored.raw == message.raw]
        if len(there) != 1:
            found.append(f"{message.sender.name}, {message.subject}: there {len(there)} times, and not once")
        elif {"\\Seen", "\\Answered"} & there[0].flags != ({"\\Seen"} & set(message.flags.split())):
            found.append(f"{message.sender.name}, {message.subject}: marked {' '.join(sorted(there[0].flags))}")
    answered = Counter(picture.answers(mail) for mail, _ in show.replies)
    found += [f"answered {times} times: {message_id}" for message_id, times in answered.items() if times > 1]
    return found


def _verdict(show: Show, story: Story, folder: Path, console: Console) -> int:
    wrong = faults(show, story)
    console.print()
    decided, left = len(story.messages), len(story.before)
    if wrong:
        console.print(Text("The daemon did not do what the story says:", style="bold red"))
        for line in wrong:
            console.print(Text(f"  {line}"))
    else:
        console.print(
            Text(
                f"{decided} messages, {len(show.replies)} replies, {left} older messages left alone;"
                " none lost, none marked read, none answered twice.",
                style="bold green",
            )
        )
    console.print(Text(f"Everything is kept in {folder}", style="bold"))
    for name, what in (
        ("config.toml", "the rules, as you would write them"),
        ("replies/", "each reply as it left, and its words"),
        ("mail/", "the folders with every message"),
        ("folders.txt", "the folders as a picture"),
        ("silent.txt", "why the others got no reply"),
        ("digest.html", "the owner's morning overview"),
        ("explain.txt", "each message: the rules asked, and how its due time came about"),
        ("state/", "the ledger and the daemon's log"),
    ):
        console.print(Text(f"  {name:<13}{what}"))
    console.print("For your own mailbox: responder init", highlight=False)
    return 1 if wrong else 0
