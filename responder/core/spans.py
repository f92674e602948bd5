"""Wall-clock time made into spans of real time, and what can be done with spans.

Promises ``hours`` (and nobody else) that a local rule becomes an instant by the zone's own rules at that date, and
that all further reckoning is done in UTC. At a clock change:

- a wall time that does not exist (spring) moves forward by the gap; one that exists twice (autumn) is the first of
  the two, as an opening and as a closing. So stretches that touch on the wall touch in real time: no hour is lost;
- a stretch whose opening moved past its closing keeps its length, so that no span is empty, and spans that then
  overlap are cut at the end of the earlier one: no hour is doubled;
- a date that the zone left out altogether (Apia, 30 December 2011) has no stretches.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

from responder.core.model import Span, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from responder.core.model import DatedEntry, Schedule

DAY = timedelta(days=1)
NOON = time(12)


class Bounded(Protocol):
    """Whatever begins and ends."""

    @property
    def starts_at(self) -> datetime:
        """Return the first instant inside."""
        ...

    @property
    def ends_at(self) -> datetime:
        """Return the first instant after it."""
        ...


def edge(on: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the instant that many wall-clock minutes after that date's midnight."""
    days, minute = divmod(minutes, 1440)
    return datetime.combine(on + timedelta(days=days), time(*divmod(minute, 60)), zone).astimezone(UTC)


def spans_on(stretches: Iterable[Stretch], on: date, zone: ZoneInfo) -> tuple[Span, ...]:
    """Return the stretches of one local date as spans."""
    spans: list[Span] = []
    for stretch in stretches:
        starts_at, ends_at = edge(on, stretch.opens, zone), edge(on, stretch.closes, zone)
        if ends_at <= starts_at:
            ends_at = starts_at + timedelta(minutes=stretch.closes - stretch.opens)
        spans.append(Span(starts_at=starts_at, ends_at=ends_at))
    if spans and datetime.combine(on, NOON, zone).astimezone(UTC).astimezone(zone).date() != on:
        return ()
    return tuple(disjoint(spans))


def disjoint(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans in order of time, each cut at the end of those before it."""
    until_at: datetime | None = None
    for span in sorted(spans, key=lambda each: each.starts_at):
        if until_at is None or span.starts_at >= until_at:
            yield span
        elif span.ends_at > until_at:
            yield Span(starts_at=until_at, ends_at=span.ends_at)
        else:
            continue
        until_at = span.ends_at


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans in order of time, those that touch or overlap as one."""
    last: Span | None = None
    for span in sorted(spans, key=lambda each: each.starts_at):
        if last is None or span.starts_at > last.ends_at:
            if last is not None:
                yield last
            last = span
        elif span.ends_at > last.ends_at:
            last = Span(starts_at=last.starts_at, ends_at=span.ends_at)
    if last is not None:
        yield last


def without(span: Span, holes: Iterable[Bounded]) -> Iterator[Span]:
    """Yield what is left of the span; the holes are in order of time and do not overlap."""
    at = span.starts_at
    for hole in holes:
        if hole.ends_at <= at:
            continue
        if hole.starts_at >= span.ends_at:
            break
        if hole.starts_at > at:
            yield Span(starts_at=at, ends_at=hole.starts_at)
        at = hole.ends_at
    if at < span.ends_at:
        yield Span(starts_at=at, ends_at=span.ends_at)


def dated_entry(schedule: Schedule, on: date) -> DatedEntry | None:
    """Return the dated entry that holds on that date: a single date beats a range."""
    found = None
    for entry in schedule.dates:
        if entry.first_on <= on <= entry.last_on:
            if entry.first_on == entry.last_on:
                return entry
            found = entry
    return found


def common(some: Sequence[Stretch], others: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Return what the stretches of two schedules for one date have in common."""
    pairs = ((one, other) for one in some for other in others)
    both = ((max(one.opens, other.opens), min(one.closes, other.closes)) for one, other in pairs)
    return tuple(Stretch(opens=opens, closes=closes) for opens, closes in both if opens < closes)


def dates_touching(from_at: datetime, until_at: datetime) -> Iterator[date]:
    """Yield the local dates, in whatever zone, on which something may begin that touches the range.

    Two before, because a zone may be a date behind UTC and a stretch may end on the next date; one after, because
    a zone may be a date ahead.
    """
    on = from_at.date() - 2 * DAY
    last_on = until_at.date() + DAY
    while on <= last_on:
        yield on
        on += DAY


def utc(at: datetime) -> datetime:
    """Return the instant with UTC as its zone: its ``date()`` is then a date of UTC."""
    return at if at.tzinfo is UTC else at.astimezone(UTC)
