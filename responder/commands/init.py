"""``responder init``: a conversation of three minutes that ends in a working configuration, and in a running service.

Until the last question nothing is written, nothing is sent, and nothing in the mailbox is changed. Every question has
an option, so that it works without a terminal as well.
"""

from __future__ import annotations

import os
import shlex
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from responder import config
from responder.adapters.clock import SystemClock
from responder.adapters.oauth_tokens import TokenStore
from responder.commands import check, edit, place, run, service
from responder.commands.acquaint import look_back
from responder.commands.asking import Asker, read_address, read_name
from responder.commands.init_draft import MAILBOX, Draft, write_files
from responder.commands.init_given import Wish, demand, read_given
from responder.commands.init_people import ask_addresses, ask_clients
from responder.commands.init_rules import ask_rules, given_week
from responder.commands.init_servers import Account
from responder.config.places import is_there, new_place
from responder.core.correspondents import FIELDS
from responder.errors import ConfigurationError, ResponderError

if TYPE_CHECKING:
    from pathlib import Path

    from responder.core.correspondents import Correspondence

_BACK = timedelta(days=90)


def init(config_path: Path | None, state_path: Path | None, wish: Wish) -> int:
    """Ask, try, write and check; start it if wanted. Returns 0, or 1 when ``check`` found something or it was dropped.

    Raises click.UsageError for what was given and cannot stand, ConfigurationError where there is a configuration
    already or the files cannot be written, and what the servers said where nobody can be asked.
    """
    path = _place(config_path)
    read = read_given(wish)
    asker = Asker(on_terminal=edit.on_terminal() and not wish.yes)
    if not asker.on_terminal:
        demand(wish)
    console = Console(highlight=False)
    console.print(f"This sets responder up and writes {path}.", markup=False, soft_wrap=True)
    if asker.on_terminal:
        console.print(
            "It takes about three minutes. Until the end nothing is written, and nothing in your mailbox is changed or "
            "sent; Ctrl-C ends it. Enter takes what stands in brackets.\n"
        )
    draft = Draft()
    draft.check_beside(path)
    if faults := given_week(draft, path, read):
        raise click.UsageError("nothing was written: " + "\n".join(faults))
    draft.name = read.name or asker.ask("Your name, as replies are signed", read_name)
    draft.addresses = read.addresses or [asker.ask("Your mail address", read_address)]
    account = Account(asker, console, draft, path, wish)
    account.find()
    account.log_in()
    past = _look_back(console, account, draft)
    if len(read.addresses) <= 1:
        ask_addresses(asker, console, draft, past)
    draft.check_beside(path)  # now that the owner's addresses are known
    _ask_trust(asker, console, draft, past)
    ask_rules(asker, console, draft, path, read, past)
    ask_clients(asker, console, draft, path, past)
    draft.trial = _trial(asker, console, wish)
    console.print()
    if not asker.confirm(f"Write {path} and the files beside it?", default=True):
        console.print("Nothing was written.")
        return 1
    for file in write_files(path, draft):
        console.print(f"Written: {file}", markup=False, soft_wrap=True)
    state = config.state_directory(state_path, os.environ, path)
    if account.tokens is not None:
        place.make_state(state)
        with place.as_its_owner(state):
            TokenStore(state, MAILBOX).save(account.tokens)
    console.rule("check", align="left")
    found = check.check(path, state_path, offline=False)
    if found:
        then = shlex.join(("responder", "check", *_options(path, state_path)))
        console.print(f"Mend what is named above in {path}, then: {then}", markup=False, soft_wrap=True)
        return found
    return _start(asker, console, path, state_path, wish, with_password=draft.oauth2 is None)


def _place(config_path: Path | None) -> Path:
    """Return where the configuration will be; raises ConfigurationError where there is one already."""
    try:
        there = config.find(config_path, os.environ)
    except ConfigurationError:
        return _writable(new_place(os.environ, as_root=os.geteuid() == 0))
    if config_path is None or is_there(there):
        raise ConfigurationError(
            f"there is a configuration already: {there}. `responder check` says what it means, `responder client add` "
            "adds clients; to begin anew move it away, or name another file with --config"
        )
    return _writable(there)


def _writable(path: Path) -> Path:
    """Return the path if a file can be made there: said now, and not after all the questions."""
    folder = next(each for each in path.absolute().parents if is_there(each))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{path}: nothing can be written in {folder}. Another place is named with --config; below /etc it takes "
            "`sudo`"
        )
    return path


# ---------------------------------------------------------------------------------------- past mail


def _look_back(console: Console, account: Account, draft: Draft) -> Correspondence | None:
    """Read the headers of the last 90 days; None where they cannot be read: nothing else depends on them."""

    async def look(state: Path) -> Correspondence:
        mailbox = account.past_mailbox(state, header_fields=FIELDS)
        try:
            await mailbox.open()
            return await look_back(mailbox, draft.addresses, SystemClock().now(), _BACK, progressed)
        finally:
            await mailbox.close()

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Reading the headers of the last 90 days", total=None)

        def progressed(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        try:
            return account.run(look)
        except ResponderError as error:
            console.print(
                f"Past mail could not be read, so nothing is suggested: {error}", markup=False, soft_wrap=True
            )
            return None


def _ask_trust(asker: Asker, console: Console, draft: Draft, past: Correspondence | None) -> None:
    """Ask whether the server that signs what it found out about senders is to be believed; a known provider's is."""
    name = past.signer() if past is not None else ""
    if draft.trusted_authserv_id or not name:
        return
    console.print(
        f"\nYour mail server checks who really sent a letter, and signs what it found as {name}. What it reports as "
        "forged then gets no reply.",
        markup=False,
    )
    if asker.confirm("Believe it?", default=True):
        draft.trusted_authserv_id = name


# ------------------------------------------------------------------------------------------ the end


def _trial(asker: Asker, console: Console, wish: Wish) -> bool:
    if wish.mode:
        return wish.mode == "draft"
    if not asker.on_terminal:
        return True
    console.print(
        "\nA trial week: replies are laid into Drafts for you to look at, and none is sent. To have them sent after "
        "it, you take one line out of config.toml, which says so."
    )
    return asker.confirm("Begin with a trial week?", default=True)


def _start(
    asker: Asker, console: Console, path: Path, state_path: Path | None, wish: Wish, *, with_password: bool
) -> int:
    """Start it as the machine allows: as a service, or here in the terminal; else say how."""
    if service.is_for(path):
        question = "Install it as a service and start it?"
        if wish.start or (wish.start is None and asker.on_terminal and asker.confirm(question, default=True)):
            return service.install(console, path, with_password=with_password)
        console.print('To have it always on: see the README, "The same by hand".')
        return 0
    if wish.start or (wish.start is None and asker.on_terminal and asker.confirm("Start it now?", default=True)):
        console.print(
            'It runs in this terminal until Ctrl-C. To have it always on: see the README, "The same by hand".'
        )
        sys.stdout.flush()
        return run.run(path, state_path, once=False)
    console.print(
        f"To start it: {shlex.join(('responder', 'run', *_options(path, state_path)))}", markup=False, soft_wrap=True
    )
    return 0


def _options(path: Path, state_path: Path | None) -> list[str]:
    try:
        found: Any = config.find(None, os.environ)
    except ConfigurationError:
        found = None
    words = [] if found == path else ["--config", str(path)]
    return words if state_path is None else [*words, "--state", str(state_path)]
