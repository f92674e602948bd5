"""``responder away``: plans absences, shows them, takes them back. They stand in ``absences.toml``.

What was understood is said in full, in the owner's language and with what it means, before anything is written.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from responder import config
from responder.adapters.clock import SystemClock
from responder.commands import client_card, edit
from responder.commands.absent import english_day, english_days
from responder.commands.days import read_days
from responder.commands.when import say_short
from responder.config.absences import fault
from responder.config.places import ABSENCES
from responder.core import hours
from responder.core.words import languages, lexicon, say_count, say_date, say_days, sentence
from responder.errors import ResponderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from responder.config import Loaded
    from responder.core.model import Absence, Policy

#: So long a past absence stays in the file, for whoever wonders what clients were told.
KEPT = timedelta(days=30)
_DAY = timedelta(days=1)
#: Farther is a slip of the keyboard.
_FARTHEST = timedelta(days=3660)
#: No run of closed days is longer that anybody wants to read about.
_LOOKED_AHEAD = 400
_SAY = re.compile(r"([a-z]{2,3}(?:-[A-Za-z]{2,8})*)=(.+)", re.DOTALL)

_HEAD = "# When you are away, both days included; see `responder away --help`. May be edited by hand.\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An absence as the command line has it. ``say`` are texts, each perhaps with its language before it."""

    words: str
    say: tuple[str, ...]
    deputy: str
    yes: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """The configuration that was read, the file of absences beside it, and the owner's present date."""

    loaded: Loaded
    path: Path
    today_on: date

    @property
    def file(self) -> Path:
        """The file of absences; it need not exist."""
        return self.path.parent / ABSENCES

    @property
    def policy(self) -> Policy:
        """The rules that hold now."""
        return self.loaded.policy

    def numbered(self) -> list[tuple[int, Absence]]:
        """Return the absences in order of time, each with its place in the file."""
        return sorted(enumerate(self.policy.absences), key=lambda each: (each[1].from_on, each[1].until_on, each[0]))


def _open(config_path: Path | None) -> Desk:
    path = config.find(config_path, os.environ)
    loaded = config.load(path)
    return Desk(loaded, path, SystemClock().now().astimezone(loaded.policy.owner.zone).date())


# -------------------------------------------------------------------------------------------- plan


def plan(config_path: Path | None, state_path: Path | None, wish: Wish) -> int:
    """Plan an absence; returns 0, or 1 when the owner thought better of it.

    Raises click.UsageError for days that cannot be, ConfigurationError when the files would have errors.
    """
    desk = _open(config_path)
    from_on, until_on = _stretch(desk, wish.words)
    language = desk.policy.owner.language
    table: dict[str, Any] = {"from": from_on, "until": until_on}
    if say := _say(wish.say, language):
        table["say"] = say
    if wish.deputy:
        table["deputy"] = wish.deputy

    def change(document: Any) -> None:
        _prune(document, desk.today_on)
        _append(document, table)

    there = edit.try_out(desk.path, desk.file, edit.changed(edit.read_text(desk.file) or _HEAD, change))
    for line in _told(desk, there.policy, table):
        click.echo(line)
    for line in _promised(desk, state_path, from_on, until_on):
        click.echo(line)
    for warning in there.warnings:
        if warning.file == str(desk.file) and warning not in desk.loaded.warnings:
            click.echo(f"warning: {warning.text}")
    if not edit.confirm(lexicon(language).phrases["absent_ask"], yes=wish.yes):
        click.echo("nothing was changed")
        return 1
    edit.write(desk.path, desk.file, change, new=_HEAD)
    click.echo(f"Written to {desk.file}.")
    edit.tell_service(desk.path, state_path)
    return 0


def _stretch(desk: Desk, words: str) -> tuple[date, date]:
    """Read the days, and refuse those that cannot be an absence to come."""
    try:
        from_on, until_on = read_days(words, desk.today_on)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    said = english_days(from_on, until_on)
    if why := fault(from_on, until_on):
        raise click.UsageError(f'"{words}" was read as {said}: {why}')
    if from_on > desk.today_on + _FARTHEST:
        raise click.UsageError(f'"{words}" was read as {said}: that is more than ten years away; correct the year')
    if until_on < desk.today_on:
        raise click.UsageError(
            f'"{words}" was read as {said}: that has passed already (today is '
            f"{english_day(desk.today_on)}); if you mean another year, write it"
        )
    same = [each for each in desk.policy.absences if (each.from_on, each.until_on) == (from_on, until_on)]
    if same:
        raise click.UsageError(f"{said}: planned already; to change it, `responder away cancel` it first")
    return from_on, until_on


def _promised(desk: Desk, state_path: Path | None, from_on: date, until_on: date) -> Iterator[str]:
    """Yield what is promised for those days already, where the ledger can be read: no absence takes a promise back."""
    try:
        promises = client_card.open_promises(config.state_directory(state_path, os.environ, desk.path))
    except ResponderError:
        return
    zone = desk.policy.owner.zone
    for row in promises:
        if from_on <= row.due_at.astimezone(zone).date() <= until_on:
            yield f"An answer is promised to {row.address} by {say_short(row.due_at, zone)}: that stays promised."


def _days(policy: Policy, from_on: date, until_on: date) -> str:
    return say_days(policy.owner.language, "span_of_days", from_on, until_on, None)


def _say(texts: Sequence[str], language: str) -> dict[str, str]:
    """Return the words by language; those without one are in the owner's."""
    found: dict[str, str] = {}
    for text in texts:
        match = _SAY.fullmatch(text)
        tongue, said = (match[1], match[2]) if match and match[1] in languages() else (language, text)
        if tongue in found:
            raise click.UsageError(f"--say has two texts in {tongue!r}: write each language once, as --say en=TEXT")
        found[tongue] = said.strip()
    return found


def _append(document: Any, table: dict[str, Any]) -> None:
    """Add an absence to the plain data, or to the document with its comments."""
    if edit.is_plain(document):
        document.setdefault("absences", []).append(table)
        return
    import tomlkit  # noqa: PLC0415 - only for those who write

    if not document.get("absences"):
        document.pop("absences", None)
        document.append("absences", tomlkit.aot())
    else:
        document["absences"][-1].add(tomlkit.nl())
    document["absences"].append(edit.table_of(table))


def _prune(document: Any, today_on: date) -> None:
    """Take out what has long been past."""
    absences = document.get("absences", [])
    for number in reversed(range(len(absences))):
        if absences[number]["until"] < today_on - KEPT:
            del absences[number]


def _told(desk: Desk, policy: Policy, table: dict[str, Any]) -> list[str]:
    """Say what was understood and what it means, in the owner's language."""
    from_on, until_on = table["from"], table["until"]
    language = policy.owner.language
    words = lexicon(language)
    working, open_on, back_on = _meaning(policy, from_on, until_on)
    days = say_days(language, "absent", from_on, until_on, None)
    said = f"{days}: {say_count(language, 'working_days', working)}"
    if back_on is not None:
        back = words.say(
            "absent_back", weekday=words.weekdays["nominative"][back_on.weekday()], date=_date(language, back_on)
        )
        said = f"{said}; {back}"
    lines = [f"{said}."]
    lines += [
        words.say("absent_open", weekday=words.weekdays["nominative"][on.weekday()], date=_date(language, on)) + "."
        for on in open_on
    ]
    lines += [
        words.say("absent_beside", other=_days(policy, each.from_on, each.until_on)) + "."
        for each in desk.policy.absences
        if each.from_on <= until_on and from_on <= each.until_on
    ]
    if table.get("deputy"):
        lines.append(sentence(words.say("absent_deputy", name=table["deputy"])))
    lines += [words.say("absent_say", language=tongue, text=text) for tongue, text in table.get("say", {}).items()]
    return lines


def _date(language: str, on: date) -> str:
    return say_date(language, on, None)


def _meaning(policy: Policy, from_on: date, until_on: date) -> tuple[int, list[date], date | None]:
    """Return how many working days an absence takes, which dates stay open in it, and the first working day after."""
    without = hours.calendar(replace(policy, absences=()), "")
    calendar = hours.calendar(policy, "")
    dates = [from_on + timedelta(days=days) for days in range((until_on - from_on).days + 1)]
    open_on = [on for on in dates if calendar.is_working_day(on)]
    working = sum(without.is_working_day(on) for on in dates) - len(open_on)
    after = (until_on + timedelta(days=days) for days in range(1, _LOOKED_AHEAD))
    return working, open_on, next((on for on in after if calendar.is_working_day(on)), None)


# ------------------------------------------------------------------------------------ list, cancel


def show(config_path: Path | None, *, as_json: bool) -> int:
    """List the absences in order of time; returns 0."""
    desk = _open(config_path)
    if as_json:
        click.echo(
            json.dumps([_as_json(desk, *each) for each in enumerate(desk.numbered(), 1)], ensure_ascii=False, indent=2)
        )
        return 0
    if not desk.policy.absences:
        click.echo('no absences are planned; plan one with `responder away "from friday to monday"`')
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "", "absence", "stands in", "words in"):
        table.add_column(heading)
    for number, (_, absence) in enumerate(desk.numbered(), 1):
        days = _days(desk.policy, absence.from_on, absence.until_on)
        table.add_row(str(number), _state(desk, absence), days, absence.deputy, ", ".join(absence.say))
    Console(highlight=False, markup=False).print(table)
    return 0


def _as_json(desk: Desk, number: int, each: tuple[int, Absence]) -> dict[str, object]:
    absence = each[1]
    return {
        "number": number,
        "from": absence.from_on.isoformat(),
        "until": absence.until_on.isoformat(),
        "state": _state(desk, absence),
        "say": dict(absence.say),
        "deputy": absence.deputy or None,
    }


def _state(desk: Desk, absence: Absence) -> str:
    if absence.until_on < desk.today_on:
        return "past"
    return "now" if absence.from_on <= desk.today_on else "planned"


def cancel(config_path: Path | None, state_path: Path | None, words: str, *, yes: bool) -> int:
    """Take an absence back; one that has begun ends with yesterday. Returns 0, or 1 when nothing was changed.

    ``words`` is its number in the list, or days that belong to it alone; "" for the only one there is.
    """
    desk = _open(config_path)
    absence = _named(desk, words)
    begun = absence.from_on < desk.today_on
    click.echo(f"{_days(desk.policy, absence.from_on, absence.until_on)}.")
    if not edit.confirm("End it with yesterday?" if begun else "Take it back?", yes=yes):
        click.echo("nothing was changed")
        return 1

    def change(document: Any) -> None:
        # By its dates: the file may have changed meanwhile.
        for number, each in enumerate(document.get("absences", [])):
            if (each["from"], each["until"]) == (absence.from_on, absence.until_on):
                if begun:
                    each["until"] = desk.today_on - _DAY
                else:
                    del document["absences"][number]
                break
        _prune(document, desk.today_on)

    edit.write(desk.path, desk.file, change)
    click.echo("It ended with yesterday." if begun else "It is taken back.")
    edit.tell_service(desk.path, state_path)
    return 0


def _named(desk: Desk, words: str) -> Absence:
    """Return the one absence that the words mean, of those that are not past."""
    numbered = [(number, absence) for number, (_, absence) in enumerate(desk.numbered(), 1)]
    left = [(number, absence) for number, absence in numbered if absence.until_on >= desk.today_on]
    if not left:
        raise click.UsageError("there is no absence to take back: none is planned or goes on")
    if not words:
        found = left
    elif words.isdigit():
        found = [(number, absence) for number, absence in left if number == int(words)]
    else:
        try:
            from_on, until_on = read_days(words, desk.today_on)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        exact = [each for each in left if (each[1].from_on, each[1].until_on) == (from_on, until_on)]
        found = exact or [each for each in left if each[1].from_on <= until_on and from_on <= each[1].until_on]
    if len(found) == 1:
        return found[0][1]
    listed = "\n".join(f"  {number}  {_days(desk.policy, one.from_on, one.until_on)}" for number, one in left)
    which = "none of the absences is meant by that" if not found else "several absences are meant by that"
    raise click.UsageError(f"{which}; name one by its number:\n{listed}")
