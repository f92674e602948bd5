"""Tables of days and stretches → schedules, with the faults that only show when all keys are laid side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.config.spelling import DAYS, MIDNIGHT, Dates, read_days, say_stretch, shown
from responder.core.model import DatedEntry, Schedule, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from responder.config.lines import Path

    Report = Callable[[Path, str], None]
    Keyed = tuple[Stretch, str]


def schedule(table: Mapping[str, Sequence[Stretch]], path: Path, report: Report) -> Schedule:
    """Return the schedule; stretches of the same day add up, touching ones become one.

    Overlaps are told to ``report`` with the path of the later key, and left out of the schedule.
    """
    told: set[str] = set()

    def once(key: str, text: str) -> None:
        if text not in told:  # the same two keys meet on several days
            told.add(text)
            report((*path, key), text)

    weekdays: list[list[Keyed]] = [[] for _ in DAYS]
    dated: list[tuple[Dates, str]] = []
    for key, stretches in table.items():
        days = read_days(key)
        if isinstance(days, Dates):
            dated.append((days, key))
        else:
            for day in days:
                weekdays[day].extend((stretch, key) for stretch in stretches)
    plain = [_apart(day, once) for day in weekdays]
    for today, tomorrow in zip(plain, plain[1:] + plain[:1], strict=True):
        _next_day(today, tomorrow, once)
    entries: list[DatedEntry] = []
    for dates, key in _dates(dated, once):
        same = _apart([(stretch, key) for stretch in table[key]], once)
        if dates.last_on > dates.first_on:
            _next_day(same, same, once)
        entries.append(DatedEntry(first_on=dates.first_on, last_on=dates.last_on, stretches=tuple(_joined(same))))
    return Schedule(weekdays=tuple(tuple(_joined(day)) for day in plain), dates=tuple(entries))


def _apart(day: Sequence[Keyed], report: Callable[[str, str], None]) -> list[Keyed]:
    """Return one day's stretches in order, without those that overlap an earlier one."""
    kept: list[Keyed] = []
    for stretch, key in sorted(day, key=lambda each: (each[0].opens, each[0].closes)):
        if kept and stretch.opens < kept[-1][0].closes:
            report(key, _overlap(kept[-1], (stretch, key)))
        else:
            kept.append((stretch, key))
    return kept


def _next_day(day: list[Keyed], following: Sequence[Keyed], report: Callable[[str, str], None]) -> None:
    """Cut the day's last stretch where it runs over midnight into the following day's first."""
    if not day or not following:
        return
    (last, key), first = day[-1], following[0]
    if last.closes - MIDNIGHT > first[0].opens:
        report(first[1], f"{_overlap(day[-1], first)}: the first runs over midnight")
        day[-1] = (Stretch(opens=last.opens, closes=MIDNIGHT), key)


def _overlap(one: Keyed, other: Keyed) -> str:
    return f"{say_stretch(one[0])} ({one[1]}) and {say_stretch(other[0])} ({other[1]}) overlap"


def _joined(day: Sequence[Keyed]) -> list[Stretch]:
    joined: list[Stretch] = []
    for stretch, _key in day:
        before = joined[-1] if joined else None
        if before and before.closes == stretch.opens and stretch.closes - before.opens <= MIDNIGHT:
            joined[-1] = Stretch(opens=before.opens, closes=stretch.closes)
        else:
            joined.append(stretch)
    return joined


def _dates(dated: Sequence[tuple[Dates, str]], report: Callable[[str, str], None]) -> list[tuple[Dates, str]]:
    """Return the entries in order without overlaps; a single date may stand inside a range."""
    kept: list[tuple[Dates, str]] = []
    latest: dict[bool, tuple[Dates, str]] = {}
    for dates, key in sorted(dated, key=lambda each: (each[0].first_on, each[0].last_on)):
        single = dates.first_on == dates.last_on
        before = latest.get(single)
        if before and dates.first_on <= before[0].last_on:
            report(key, f"{shown(before[1])} and {shown(key)} overlap: a date may stand in one range only")
            continue
        latest[single] = (dates, key)
        kept.append((dates, key))
    return kept
