"""Absences in words: for every command that tells how things stand. In English, as commands speak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.dates import format_date

from responder.core import hours
from responder.core.absences import run_until, words_for

if TYPE_CHECKING:
    from datetime import date

    from responder.core.model import Policy


def now_and_next(policy: Policy, today_on: date) -> list[str]:
    """Say in English what absence goes on, and which come: for commands that tell how things stand."""
    lines: list[str] = []
    if hours.calendar(policy, "").away_on(today_on):
        until_on = run_until(policy.absences, today_on)
        _, deputy = words_for(policy.absences, today_on, until_on)
        lines.append(f"away until {english_day(until_on)}{f'; {deputy} stands in' if deputy else ''}")
    coming = sorted((each.from_on, each.until_on) for each in policy.absences if each.from_on > today_on)
    lines += [f"will be away {english_days(*each)}" for each in coming]
    return lines


def english_days(from_on: date, until_on: date) -> str:
    """Say a stretch of days in English, as the messages of commands do."""
    if from_on == until_on:
        return f"on {english_day(from_on)}"
    return f"from {english_day(from_on)} to {english_day(until_on)}"


def english_day(on: date) -> str:
    """Say a day in full: "Friday, 4 December 2026"."""
    return format_date(on, "EEEE, d MMMM y", locale="en")
