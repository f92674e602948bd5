"""Faults of ``absences.toml`` that no single key shows: dates that run backwards, a year of absence, lacking words."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responder.config.book import Book
    from responder.config.tables import AbsenceTable
    from responder.core.model import Policy

#: Longer is a slip of the keyboard; whoever really stays away so long has other things to tell than a due time.
LONGEST = timedelta(days=366)


def fault(from_on: date, until_on: date) -> str:
    """Say why these cannot be the two ends of an absence; "" if they can."""
    if until_on < from_on:
        return f"the absence ends ({until_on}) before it begins ({from_on})"
    if until_on - from_on >= LONGEST:
        return f"{from_on} to {until_on} is longer than a year: correct a date, or plan it in parts"
    return ""


def check(book: Book, tables: Sequence[AbsenceTable], policy: Policy) -> None:
    """Tell the book of absences that cannot be, and of words that some client will not get."""
    asked = dict.fromkeys(client.language for client in policy.clients)
    for number, (table, absence) in enumerate(zip(tables, policy.absences, strict=True)):
        if book.trusts(("absences", number)) and (why := fault(table.from_, table.until)):
            book.in_absences(("absences", number, "until"), why)
        lacking = [language for language in asked if absence.say and language not in absence.say]
        if lacking:
            book.warn_of_absences(
                ("absences", number, "say"),
                f"has no words in {', '.join(lacking)}: clients who read that are told the dates only",
            )
