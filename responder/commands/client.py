"""``responder client add`` and ``remove``: change ``clients.toml``, and nothing else of the owner's.

The file is theirs: comments and order stay, and a client that stands in ``config.toml`` is theirs to change.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from responder import config
from responder.adapters.clock import SystemClock
from responder.commands import client_card, edit
from responder.commands.absent import english_day
from responder.commands.asking import read_place
from responder.commands.days import read_days
from responder.commands.when import say_short
from responder.config.places import CLIENTS
from responder.config.spelling import STAND_IN_ZONE, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from responder.config import Loaded

#: Take the place of what is still to be asked, so that the rest can be looked at; no client has such an address.
_STAND_INS = {"addresses": ["nobody@stand-in.invalid"], "timezone": STAND_IN_ZONE}
#: So many addresses one asks for, in a row, before it is another's turn.
_ASKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A client as the command line has it; what is None or empty was not given. Dates are words."""

    key: str
    name: str = ""
    addresses: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    timezone: str = ""
    language: str = ""
    phone: str = ""
    response: str = ""
    agreement: str = ""
    version: str = ""
    from_words: str = ""
    until_words: str = ""
    urgent_word: str = ""
    yes: bool = False


def add(config_path: Path | None, state_path: Path | None, wish: Wish) -> int:
    """Add a client; what is needed and was not given is asked for on a terminal. Returns 0, or 1 if it was dropped.

    Raises click.UsageError for whatever the configuration would not take.
    """
    path = config.find(config_path, os.environ)
    loaded = config.load(path)
    file = path.parent / CLIENTS
    if (there := client_card.place_of(path, wish.key)) is not None:
        raise click.UsageError(f"there is a client {wish.key} already, at {there}; edit it there, or take another key")
    table = _table(loaded, wish)

    def change(document: Any) -> None:
        edit.add_clients(document, {wish.key: table})

    def tried(more: dict[str, Any]) -> Loaded:
        def attempt(document: Any) -> None:
            edit.add_clients(document, {wish.key: table | more})

        return edit.try_out(path, file, edit.changed(edit.read_text(file) or edit.CLIENTS_HEAD, attempt))

    asked = _ask_for_the_rest(loaded, table, tried)
    there_now = tried({})
    console = Console(highlight=False)
    client_card.show_rules(console, there_now.policy, wish.key, SystemClock().now())
    for warning in there_now.warnings:
        if warning.path.startswith(f"clients.{wish.key}"):
            console.print(f"warning: {warning.text}", markup=False, soft_wrap=True)
    if asked and not edit.confirm("Add this client?", yes=wish.yes):
        click.echo("nothing was changed")
        return 1
    edit.write(path, file, change, new=edit.CLIENTS_HEAD)
    click.echo(f"Written to {file}.")
    edit.tell_service(path, state_path)
    return 0


def _table(loaded: Loaded, wish: Wish) -> dict[str, Any]:
    """Return the client's table in the order in which a person would write it."""
    table = {
        "name": wish.name,
        "addresses": list(wish.addresses),
        "people": dict(map(_person, wish.people)),
        "timezone": _zone(wish.timezone) if wish.timezone else "",
        "language": wish.language,
        "agreement": _agreement(loaded, wish),
        "phone": wish.phone,
        "response": wish.response,
        "urgent_word": wish.urgent_word,
    }
    return {key: value for key, value in table.items() if value}


def _agreement(loaded: Loaded, wish: Wish) -> dict[str, Any]:
    rest = {"version": wish.version, "from": wish.from_words, "until": wish.until_words}
    given = {key: words for key, words in rest.items() if words}
    if not wish.agreement:
        if given:
            raise click.UsageError("--version, --from and --until belong to an --agreement: name it too")
        return {}
    dates = {key: words if key == "version" else _date(loaded, words, key) for key, words in given.items()}
    return {"name": wish.agreement, **dates}


def _person(text: str) -> tuple[str, str]:
    address, equals, name = text.partition("=")
    if not equals or "@" not in address:
        raise click.UsageError(f'--person {shown(text)}: write it like "ivan@vostok.example=Mr Petrov"')
    return address.strip(), name.strip()


def _date(loaded: Loaded, words: str, key: str) -> date:
    today_on = SystemClock().now().astimezone(loaded.policy.owner.zone).date()
    try:
        first_on, last_on = read_days(words, today_on)
    except ValueError as error:
        raise click.UsageError(f"--{key}: {error}") from error
    if first_on != last_on:
        raise click.UsageError(f"--{key} {shown(words)}: one day is wanted, like 2026-09-01")
    click.echo(f"The agreement holds {'from' if key == 'from' else 'until'} {english_day(first_on)}.")
    return first_on


def _ask_for_the_rest(loaded: Loaded, table: dict[str, Any], tried: Callable[[dict[str, Any]], Loaded]) -> bool:
    """Ask for what the table lacks, until each answer can stand; return whether anything was asked.

    Raises click.UsageError that names what is missing where there is nobody to ask.
    """
    missing = [name for name in ("addresses", "timezone") if name not in table]
    if not missing:
        return False
    if not edit.on_terminal():
        options = {"addresses": "--address", "timezone": "--timezone"}
        raise click.UsageError(f"missing: {', '.join(options[name] for name in missing)}")
    tried({name: _STAND_INS[name] for name in missing})  # what was given is told now, not after all the questions
    given = dict(table)
    table.clear()
    if "name" not in given and (name := click.prompt("Name of the client", default="", show_default=False)):
        table["name"] = name
    table |= given
    if "addresses" in missing:
        table["addresses"] = _ask_addresses(tried)
    if "timezone" in missing:
        zone = loaded.policy.owner.zone.key
        table["timezone"] = click.prompt("Where are they? An IANA zone", default=zone, value_proc=_zone)
    if "language" not in given:
        own = loaded.policy.owner.language
        language = click.prompt("Language of the replies", default=own, value_proc=_language(tried))
        if language != own:
            table["language"] = language
    return True


def _language(tried: Callable[[dict[str, Any]], Loaded]) -> Callable[[str], str]:
    def check(text: str) -> str:
        tried({"language": text})
        return text

    return check


def _zone(text: str) -> str:
    try:
        return read_place(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _ask_addresses(tried: Callable[[dict[str, Any]], Loaded]) -> list[str]:
    found: list[str] = []

    def check(text: str) -> str:
        if text:
            tried(_STAND_INS | {"addresses": [*found, text]})
        elif not found:
            raise click.UsageError("at least one address or @domain is needed")
        return text

    while len(found) < _ASKED:
        text = click.prompt(
            "Another address (Enter: no more)" if found else "An address or @domain they write from",
            default="",
            show_default=False,
            value_proc=check,
        )
        if not text:
            break
        found.append(text)
    return found


# ------------------------------------------------------------------------------------------ remove


def remove(config_path: Path | None, state_path: Path | None, key: str, *, yes: bool) -> int:
    """Remove a client from ``clients.toml``; returns 0, or 1 when nothing was changed."""
    path = config.find(config_path, os.environ)
    loaded = config.load(path)
    client_card.known(loaded, key)
    file = path.parent / CLIENTS
    if key not in tomllib.loads(edit.read_text(file)).get("clients", {}):
        raise click.UsageError(
            f"nothing was changed: {key} stands in {client_card.place_of(path, key)}, which is yours alone; take the "
            "table out there"
        )
    client = loaded.policy.client(key)
    click.echo(f"{client.name}: {', '.join(client_card.addresses(client))}")
    _, promises = client_card.of_ledger(config.state_directory(state_path, os.environ, path), key)
    zone = loaded.policy.owner.zone
    for row in promises:
        due = say_short(row.due_at, zone)
        click.echo(f"An answer is still promised to {row.address} by {due}: that stays promised.")
    click.echo("Their mail will be a stranger's: not answered, not filed.")
    if not edit.confirm(f"Remove {key}?", yes=yes):
        click.echo("nothing was changed")
        return 1

    def change(document: Any) -> None:
        document["clients"].pop(key, None)

    edit.write(path, file, change)
    click.echo(f"Removed from {file}.")
    edit.tell_service(path, state_path)
    return 0
