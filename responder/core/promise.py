"""From the agreed response time to the instant a message is to be answered by, with the way there.

Promises that mail which arrives in one closed period gets one due time under one term of working days, that a term
counted in work ends at the end of work or within it, and that ``Due.steps`` can be followed by a person with a
calendar in hand. The steps are plain English and the owner's clock: they are for ``explain``, not for clients.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from responder.core.model import Due, Term, TermUnit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from responder.core.hours import Calendar
    from responder.core.model import Policy, Span, Window

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAY = timedelta(days=1)
# Because a promise for more than two years on is a mistake in the rules, not a promise.
HORIZON = 800
# Because most terms end within two weeks: the hours of a longer one are asked for in parts.
FORTNIGHT = timedelta(days=14)
# Because a row of free days is read one by one up to a long weekend, and as "from … to …" beyond.
LISTED = 4


def term_for(policy: Policy, client: str, topic: str) -> tuple[Term, str]:
    """Return the term for a message and the path of the rule that says so ("topics.documents.response").

    The client's topic, else the owner's topic, else the client's default, else the owner's. ``client`` is "" for a
    stranger, ``topic`` "" for none.
    """
    own = policy.client(client) if client else None
    if own is not None and topic in own.topics:
        return own.topics[topic], f"clients.{client}.topics.{topic}.response"
    for each in policy.topics:
        if each.key == topic and each.response is not None:
            return each.response, f"topics.{topic}.response"
    if own is not None and own.response is not None:
        return own.response, f"clients.{client}.response"
    return policy.response, "response.default"


def due(calendar: Calendar, term: Term, source: str, arrived_at: datetime) -> Due | None:
    """Return when a message that arrived then is to be answered; None if nothing is found within 800 days."""
    found = _RECKONED[term.unit](calendar, term, arrived_at)
    if found is None:
        return None
    due_at, steps = found
    return Due(due_at=due_at, term=term, source=source, steps=steps)


_Found = tuple[datetime, tuple[str, ...]]


def _hours(calendar: Calendar, term: Term, arrived_at: datetime) -> _Found | None:
    """Count plain hours, by day and by night."""
    due_at = arrived_at + timedelta(hours=term.count)
    if due_at - arrived_at > HORIZON * DAY:
        return None
    arrived = arrived_at.astimezone(calendar.zone)
    until = _moment(due_at.astimezone(calendar.zone), arrived.date())
    return due_at, (f"Arrived on {_stamp(arrived)}.", f"{term} later, day and night alike: {until}.")


def _next_window(calendar: Calendar, _: Term, arrived_at: datetime) -> _Found | None:
    """Take the end of the first window that suits the client and had not begun at arrival."""
    arrived = arrived_at.astimezone(calendar.zone)
    windows = calendar.windows(arrived_at, days=HORIZON)
    first = next(windows, None)
    if first is None:
        return None
    key = "next window", first.opens_at
    window: Window | None = calendar.derived.get(key)
    if window is None:
        window = next((each for each in chain((first,), windows) if calendar.suits(each)), None)
        if window is None:
            return None
        calendar.derived[key] = window
    opens, closes = window.opens_at.astimezone(calendar.zone), window.closes_at.astimezone(calendar.zone)
    stretch = f"{_moment(opens, arrived.date())} to {_clock(closes, opens.date())}"
    return window.closes_at, (
        f"Arrived on {_stamp(arrived)}.",
        f'The first window that suits and had not begun: "{window.key}", {stretch}.',
    )


def _working_days(calendar: Calendar, term: Term, arrived_at: datetime) -> _Found | None:
    """Count the dates whose first opening comes after the arrival: the day of arrival only before that opening."""
    arrived = arrived_at.astimezone(calendar.zone)
    first_on, standing = _counting(calendar, arrived.date(), arrived_at)
    key = "working days", term, first_on
    found: _Found | None = calendar.derived.get(key)
    if found is None:
        found = _count_days(calendar, term, first_on)
        if found is None:
            return None
        calendar.derived[key] = found
    return found[0], (f"Arrived on {_stamp(arrived)}{standing}.", *found[1])


def _counting(calendar: Calendar, today: date, arrived_at: datetime) -> tuple[date, str]:
    """Return the first date that may count for mail of today, and why."""
    spans = calendar.hours_on(today)
    late = calendar.hours_on(today - DAY)
    if late and arrived_at < late[0].starts_at:  # a clock change at midnight moved that opening into today
        return today - DAY, ", before the first opening of the day before"
    if not spans:
        return today + DAY, f", {calendar.closed_because(today)}: counting begins with the next day"
    if arrived_at < spans[0].starts_at:
        return today, ", before that day's first opening: it belongs to the day before"
    which = "last" if arrived_at >= spans[-1].starts_at else "first"
    return today + DAY, f", after that day's {which} opening: counting begins with the next day"


def _count_days(calendar: Calendar, term: Term, first_on: date) -> _Found | None:
    steps: list[str] = []
    free: list[tuple[date, str]] = []
    counted = 0
    for on in (first_on + timedelta(days=days) for days in range(HORIZON)):
        spans = calendar.hours_on(on)
        if not spans:
            free.append((on, calendar.closed_because(on)))
            continue
        steps.extend(_free_days(free, first_on))
        free.clear()
        counted += 1
        if counted == term.count:
            due_at = max(span.ends_at for span in spans)
            ends = _clock(due_at.astimezone(calendar.zone), on)
            steps.append(f"{_day(on, first_on)}: working day {counted}; its last stretch ends at {ends}.")
            return due_at, tuple(steps)
        steps.append(f"{_day(on, first_on)}: working day {counted}.")
    return None


def _free_days(free: list[tuple[date, str]], since: date) -> Iterator[str]:
    """Yield a line for each free day, and one for a longer row of days that are free for one reason."""
    start = 0
    for index in range(1, len(free) + 1):
        if index < len(free) and free[index][1] == free[start][1]:
            continue
        row = free[start:index]
        if len(row) < LISTED:
            yield from (f"{_day(on, since)}: {reason}." for on, reason in row)
        else:
            yield f"{_day(row[0][0], since)}, to {_day(row[-1][0], since)}: {row[0][1]}."
        start = index


def _working_hours(calendar: Calendar, term: Term, arrived_at: datetime) -> _Found | None:
    """Count the time inside this client's hours, from the arrival on."""
    arrived = arrived_at.astimezone(calendar.zone)
    spans = _hours_from(calendar, arrived_at)
    first = next(spans, None)
    if first is None:
        return None
    whole = chain((first,), spans)
    if arrived_at >= first.starts_at:
        found, standing = _count_hours(whole, term, arrived_at, calendar.zone), "inside hours"
    else:
        key = "working hours", term, first.starts_at
        found = calendar.derived.get(key)
        if found is None:
            found = calendar.derived[key] = _count_hours(whole, term, first.starts_at, calendar.zone)
        standing = "outside hours"
    return None if found is None else (found[0], (f"Arrived on {_stamp(arrived)}, {standing}.", *found[1]))


def _count_hours(spans: Iterable[Span], term: Term, from_at: datetime, zone: ZoneInfo) -> _Found | None:
    since = from_at.astimezone(zone).date()
    left = timedelta(hours=term.count)
    steps: list[str] = []
    for span in spans:
        begins_at = max(span.starts_at, from_at)
        here = span.ends_at - begins_at
        if here >= left:
            due_at = begins_at + left
            steps.append(f"{_stretch(begins_at, due_at, zone, since)}: the last {_length(left)} of {term}.")
            return due_at, tuple(steps)
        left -= here
        steps.append(f"{_stretch(begins_at, span.ends_at, zone, since)}: {_length(here)}; {_length(left)} to go.")
    return None


def _hours_from(calendar: Calendar, at: datetime) -> Iterator[Span]:
    """Yield the hours that end after the instant, in order, for 800 days."""
    from_at, last_at = at, at + HORIZON * DAY
    while from_at < last_at:
        until_at = from_at + FORTNIGHT
        for span in calendar.hours_spans(from_at, until_at):
            if from_at == at or span.starts_at >= from_at:  # else the part before has told of it
                yield span
        from_at = until_at


_RECKONED = {
    TermUnit.HOURS: _hours,
    TermUnit.NEXT_WINDOW: _next_window,
    TermUnit.WORKING_DAYS: _working_days,
    TermUnit.WORKING_HOURS: _working_hours,
}


# --------------------------------------------------------------------------------------- sentences


def _day(on: date, since: date) -> str:
    """Return "Monday, 30 November", with the year where it is not that of ``since``."""
    year = "" if on.year == since.year else f" {on.year}"
    return f"{WEEKDAYS[on.weekday()]}, {on.day} {MONTHS[on.month - 1]}{year}"


def _stamp(local: datetime) -> str:
    """Return "Friday, 27 November 2026, 20:00"."""
    return f"{_day(local.date(), date.min)}, {local:%H:%M}"


def _moment(local: datetime, since: date) -> str:
    return f"{_day(local.date(), since)}, {local:%H:%M}"


def _clock(local: datetime, on: date) -> str:
    """Return "19:00", with the day where it is another than ``on``."""
    return f"{local:%H:%M}" if local.date() == on else f"{local:%H:%M} on {_day(local.date(), on)}"


def _stretch(from_at: datetime, until_at: datetime, zone: ZoneInfo, since: date) -> str:
    begins, ends = from_at.astimezone(zone), until_at.astimezone(zone)
    return f"{_moment(begins, since)} to {_clock(ends, begins.date())}"


def _length(length: timedelta) -> str:
    """Return "3 h", "45 min", "1 h 30 min"; seconds are left out."""
    hours, minutes = divmod(int(length.total_seconds()) // 60, 60)
    return " ".join(f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number) or "0 min"
