"""What ``responder init`` was given on the command line: read at once, all faults together, before any question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from responder.commands.asking import (
    read_address,
    read_country,
    read_name,
    read_place,
    read_response,
    read_server,
    read_spoken_language,
    system_zone,
)
from responder.commands.week_words import read_week, read_windows

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was given, as it was read; None where it was not."""

    name: str
    addresses: list[str]
    timezone: str
    language: str
    holidays: str | None
    hours: dict[str, list[str]] | None
    windows: dict[str, list[str]] | None
    response: str


#: Nothing of it was given: the rules are asked for anew.
NOTHING = Given(name="", addresses=[], timezone="", language="", holidays=None, hours=None, windows=None, response="")


def read_given(wish: Wish) -> Given:
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
    found = Given(
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


def demand(wish: Wish) -> None:
    """Raise click.UsageError that names all that is missing, where nobody can be asked."""
    missing = [option for option, value in (("--name", wish.name), ("--address", wish.addresses)) if not value]
    if not wish.timezone and not system_zone():
        missing.append("--timezone (this machine has none of its own)")
    if missing:
        raise click.UsageError(f"nothing was written: there is no terminal to ask on; missing: {', '.join(missing)}")
