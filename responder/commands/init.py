"""``responder init``: a conversation of three minutes that ends in a working configuration, and in a running service.

Until the last question nothing is written, nothing is sent, and nothing in the mailbox is changed. Every question has
an option, so that it works without a terminal as well.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from responder import config
from responder.adapters.clock import SystemClock
from responder.adapters.oauth_tokens import TokenStore
from responder.commands import check, edit, place, run, service
from responder.commands.acquaint import look_back
from responder.commands.asking import (
    Asker,
    country_of,
    language_of,
    read_address,
    read_country,
    read_name,
    read_place,
    read_server,
    read_spoken_language,
)
from responder.commands.init_draft import MAILBOX, Draft, write_files
from responder.commands.init_people import ask_addresses, ask_clients
from responder.commands.init_servers import Account, Given
from responder.commands.pictures import week_picture
from responder.commands.week_words import EXAMPLES, first_hours, read_week, say_week
from responder.config.places import is_there, new_place
from responder.config.spelling import read_term
from responder.core.correspondents import FIELDS
from responder.errors import ConfigurationError, ResponderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from responder.core.correspondents import Correspondence

T = TypeVar("T")

_BACK = timedelta(days=90)
_NO_WINDOWS = frozenset({"none", "no", "-", "нет"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line says; "" or None was not given. ``mode`` is "draft" or "send"."""

    name: str = ""
    addresses: tuple[str, ...] = ()
    timezone: str = ""
    language: str = ""
    holidays: str = ""
    hours: str = ""
    windows: str = ""
    response: str = ""
    mode: str | None = None
    imap: str = ""
    smtp: str = ""
    username: str = ""
    password_file: str = ""
    oauth_client_id: str = ""
    start: bool | None = None
    yes: bool = False


def init(config_path: Path | None, state_path: Path | None, wish: Wish) -> int:
    """Ask, try, write and check; start it if wanted. Returns 0, or 1 when ``check`` found something or it was dropped.

    Raises click.UsageError for what was given and cannot stand, ConfigurationError where there is a configuration
    already or the files cannot be written, and what the servers said where nobody can be asked.
    """
    path = _place(config_path)
    read = _given(wish)
    asker = Asker(on_terminal=edit.on_terminal() and not wish.yes)
    if not asker.on_terminal:
        _demand(wish)
    console = Console(highlight=False)
    console.print(f"This sets responder up and writes {path}.", markup=False, soft_wrap=True)
    if asker.on_terminal:
        console.print(
            "It takes about three minutes. Until the end nothing is written, and nothing in your mailbox is changed or "
            "sent; Ctrl-C ends it. Enter takes what stands in brackets.\n"
        )
    draft = Draft()
    draft.check_beside(path)
    if faults := _given_week(draft, path, read):
        raise click.UsageError("nothing was written: " + "\n".join(faults))
    draft.name = read.name or asker.ask("Your name, as replies are signed", read_name)
    draft.addresses = read.addresses or [asker.ask("Your mail address", read_address)]
    account = Account(asker, console, draft, path, _servers(wish))
    account.find()
    account.log_in()
    past = _look_back(console, account, draft)
    if len(read.addresses) <= 1:
        ask_addresses(asker, console, draft, past)
    draft.check_beside(path)  # now that the owner's addresses are known
    _ask_trust(asker, console, draft, past)
    _ask_rules(asker, console, draft, path, read, past)
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


# ------------------------------------------------------------------------------------ the command line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was given, as it was read; None where it was not."""

    name: str
    addresses: list[str]
    timezone: str
    language: str
    holidays: str | None
    hours: dict[str, list[str]] | None
    windows: dict[str, list[str]] | None
    response: str


def _given(wish: Wish) -> _Read:
    """Read what the command line has; raises click.UsageError with all that cannot stand."""
    faults: list[str] = []

    def value(option: str, text: str, read: Callable[[str], T], otherwise: T) -> T:
        if not text:
            return otherwise
        try:
            return read(text)
        except ValueError as error:
            faults.append(f"{option}: {error}")
            return otherwise

    nothing: dict[str, list[str]] | None = None
    found = _Read(
        name=value("--name", wish.name, read_name, ""),
        addresses=[value("--address", each, read_address, each) for each in wish.addresses],
        timezone=value("--timezone", wish.timezone, read_place, ""),
        language=value("--language", wish.language, read_spoken_language, ""),
        holidays=value("--holidays", wish.holidays, _country, None),
        hours=value("--hours", wish.hours, _week, nothing),
        windows=value("--windows", wish.windows, read_windows, nothing),
        response=value("--response", wish.response, read_response, ""),
    )
    value("--imap", wish.imap, read_server("imap"), None)
    value("--smtp", wish.smtp, read_server("smtp"), None)
    if faults:
        raise click.UsageError("nothing was written: " + "\n".join(faults))
    return found


def _country(text: str) -> str | None:
    return read_country(text)


def _week(text: str) -> dict[str, list[str]] | None:
    return read_week(text)


def _servers(wish: Wish) -> Given:
    return Given(
        imap=wish.imap,
        smtp=wish.smtp,
        username=wish.username,
        password_file=wish.password_file,
        oauth_client_id=wish.oauth_client_id,
        yes=wish.yes,
    )


def _demand(wish: Wish) -> None:
    """Raise click.UsageError that names all that is missing, where nobody can be asked."""
    missing = [option for option, value in (("--name", wish.name), ("--address", wish.addresses)) if not value]
    if not wish.timezone and not system_zone():
        missing.append("--timezone (this machine has none of its own)")
    if missing:
        raise click.UsageError(f"nothing was written: there is no terminal to ask on; missing: {', '.join(missing)}")


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
    with (
        Progress(*columns, console=console, transient=True) as progress,
        tempfile.TemporaryDirectory(prefix="responder-init-") as state,
    ):
        task = progress.add_task("Reading the headers of the last 90 days", total=None)

        def progressed(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        if account.tokens is not None:
            TokenStore(Path(state), MAILBOX).save(account.tokens)
        try:
            found = asyncio.run(look(Path(state)))
        except ResponderError as error:
            console.print(
                f"Past mail could not be read, so nothing is suggested: {error}", markup=False, soft_wrap=True
            )
            return None
        if account.tokens is not None:
            account.tokens = TokenStore(Path(state), MAILBOX).read()
    return found


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


# -------------------------------------------------------------------------------------------- rules


def _ask_rules(
    asker: Asker, console: Console, draft: Draft, path: Path, read: _Read, past: Correspondence | None
) -> None:
    """Ask for zone, language, holidays, hours, windows and term; the week is shown, and asked until it is right."""
    draft.timezone = read.timezone or _ask_zone(asker, past)
    spoken = language_of(draft.name, os.environ.get("LC_ALL") or os.environ.get("LANG", ""))
    draft.language = read.language or asker.ask(
        "Language",
        read_spoken_language,
        default=spoken,
        hint="ru or en: of your morning overview, and of replies to clients for whom you name none.",
    )
    draft.holidays = read.holidays if read.holidays is not None else _ask_holidays(asker, draft)
    wanted = read
    while True:
        if wanted.hours is None:
            draft.hours = asker.ask(
                "When do you work?",
                lambda text: _fitting(draft, path, "hours", read_week(text)),
                default=say_week(draft.hours),
                hint=f"Days, then hours, in your own time: {EXAMPLES}.",
            )
        if wanted.windows is None:
            draft.windows = asker.ask(
                "When do you return calls?",
                lambda text: _fitting(draft, path, "windows", read_windows(text)),
                default=say_week(draft.windows or first_hours(draft.hours)),
                hint='Mail that came meanwhile waits in a folder for these hours; "none": it stays in INBOX.',
            )
        if not wanted.response or draft.faults(path, "response"):
            draft.response = asker.ask(
                "How soon do you answer?",
                lambda text: _fitting(draft, path, "response", read_response(text)),
                default=draft.response,
                hint='What replies promise: "4 working hours", "1 working day", "24 hours" or "next window".',
            )
        _show_week(console, draft, path)
        if asker.confirm("Is this your week?", default=True):
            return
        wanted = _NOTHING


def _given_week(draft: Draft, path: Path, read: _Read) -> list[str]:
    """Take over what the command line has of the week; return what speaks against it."""
    draft.hours = read.hours or draft.hours
    draft.windows = first_hours(draft.hours) if read.windows is None else read.windows  # as it would be suggested
    draft.response = read.response or draft.response
    found = [f"--{name}: {fault}" for name in ("hours", "windows", "response") for fault in draft.faults(path, name)]
    draft.windows = read.windows or {}
    return found


def _fitting(draft: Draft, path: Path, name: str, value: T) -> T:
    """Return a value that the configuration takes in that table; raises ValueError with what it says against it."""
    before = getattr(draft, name)
    setattr(draft, name, value)
    if faults := draft.faults(path, name):
        setattr(draft, name, before)
        raise ValueError(faults[0])
    return value


def _ask_zone(asker: Asker, past: Correspondence | None) -> str:
    """Ask where the owner lives: by the clock of what they sent, where that is sure, else by this machine's.

    Where nobody can be asked the machine's counts, which somebody has set.
    """
    default, why = system_zone(), ""
    guess = past.own_zone(default) if past is not None and asker.on_terminal else None
    if guess is not None and (guess.sure or not default):
        default, why = guess.zone, f" Your sent mail: {guess.why}."
    return asker.ask(
        "Your time zone",
        read_place,
        default=default or None,
        hint=f"A city will do, or a name like Europe/Moscow.{why}",
    )


def _ask_holidays(asker: Asker, draft: Draft) -> str:
    return asker.ask(
        "Public holidays",
        read_country,
        default=country_of(draft.timezone) or "none",
        hint='On which you are closed: those of a country, like DE, or of a part of it, like DE-BY; "none" for none.',
    )


_NOTHING = _Read(name="", addresses=[], timezone="", language="", holidays=None, hours=None, windows=None, response="")


def _show_week(console: Console, draft: Draft, path: Path) -> None:
    policy = draft.load(path).policy
    today_on = SystemClock().now().astimezone(policy.owner.zone).date()
    console.print()
    console.print(week_picture(policy, today_on - timedelta(days=today_on.weekday())))


def read_windows(text: str) -> dict[str, list[str]]:
    """Return callback windows as days → stretches; empty for "none"."""
    return {} if text.casefold() in _NO_WINDOWS else read_week(text)


def read_response(text: str) -> str:
    """Return a response time as the file spells it."""
    plain = " ".join(text.lower().split())
    read_term(plain)
    return plain


def system_zone() -> str:
    """Return this machine's zone, "" where it has none of a place (a server in UTC)."""
    import tzlocal  # noqa: PLC0415 - only here; it is what dateparser asks as well

    try:
        return read_place(tzlocal.get_localzone_name())
    except Exception:  # noqa: BLE001 - whatever the machine has set: it is only a suggestion
        return ""


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
        if wish.start or (wish.start is None and asker.confirm("Install it as a service and start it?", default=True)):
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
