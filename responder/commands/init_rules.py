"""``responder init``: the rules, asked for one after the other and shown as a picture until they are right."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from responder.adapters.clock import SystemClock
from responder.commands.asking import (
    country_of,
    language_of,
    read_country,
    read_response,
    read_spoken_language,
    system_zone,
)
from responder.commands.init_given import NOTHING
from responder.commands.pictures import week_picture
from responder.commands.week_words import EXAMPLES, first_hours, read_week, read_windows, say_week

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from responder.commands.asking import Asker
    from responder.commands.init_draft import Draft
    from responder.commands.init_given import Given
    from responder.core.correspondents import Correspondence

T = TypeVar("T")


def ask_rules(
    asker: Asker, console: Console, draft: Draft, path: Path, read: Given, past: Correspondence | None
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
        wanted = NOTHING


def given_week(draft: Draft, path: Path, read: Given) -> list[str]:
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
    return asker.ask_zone("Your time zone", default=default, hint=f"A city will do, or a name like Europe/Moscow.{why}")


def _ask_holidays(asker: Asker, draft: Draft) -> str:
    return asker.ask(
        "Public holidays",
        read_country,
        default=country_of(draft.timezone) or "none",
        hint='On which you are closed: those of a country, like DE, or of a part of it, like DE-BY; "none" for none.',
    )


def _show_week(console: Console, draft: Draft, path: Path) -> None:
    policy = draft.load(path).policy
    today_on = SystemClock().now().astimezone(policy.owner.zone).date()
    console.print()
    console.print(week_picture(policy, today_on - timedelta(days=today_on.weekday())))
