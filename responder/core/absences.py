"""Absences: on which dates the owner is away, and what is told of it.

For ``hours``, which closes those dates, and for everybody who says until when. Dates are the owner's local ones, both
ends included. Absences may overlap: a date is closed if any of them covers it, and of several the one that ends last
is asked for its words, since whoever stands in does so until the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from babel.dates import format_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from responder.core.model import Absence


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """What one closed period has of absences: its first and its last such date, and the words that go with them.

    ``begun`` tells that the first date has begun already. ``say`` is by language.
    """

    from_on: date
    until_on: date
    begun: bool
    say: Mapping[str, str] = field(default_factory=dict[str, str])
    deputy: str = ""


def covering(absences: Sequence[Absence], on: date) -> Absence | None:
    """Return the absence that covers that date; of several the one that ends last, else the first of the file."""
    found = [each for each in absences if each.from_on <= on <= each.until_on]
    return max(found, key=lambda each: each.until_on) if found else None


def words_for(absences: Sequence[Absence], from_on: date, until_on: date) -> tuple[Mapping[str, str], str]:
    """Return the ``say`` and the deputy for those dates: each of the absence that ends last and has one."""
    there = [each for each in absences if each.from_on <= until_on and from_on <= each.until_on]
    there.sort(key=lambda each: each.until_on, reverse=True)
    nothing: Mapping[str, str] = {}
    say = next((each.say for each in there if each.say), nothing)
    return say, next((each.deputy for each in there if each.deputy), "")


def run_until(absences: Sequence[Absence], on: date) -> date:
    """Return the last date of the run of absences that covers the date: those that overlap or follow at once."""
    while (each := covering(absences, on)) is not None:
        if covering(absences, each.until_on + timedelta(days=1)) is None:
            return each.until_on
        on = each.until_on + timedelta(days=1)
    return on


def because(absence: Absence) -> str:
    """Say it in English for a derivation: "away until 14 December 2026"."""
    return f"away until {format_date(absence.until_on, 'd MMMM y', locale='en')}"
