"""Hypothesis strategies for the time rooms: rules of any shape, and instants near where clocks change."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from responder.core.model import Absence, DatedEntry, Policy, Schedule, Stretch, WindowRule
from tests.core import build, oracle


class Place(NamedTuple):
    """A zone, and a date on which something happens there."""

    zone: str
    on: date
    holidays: str = ""


PLACES = (
    Place("Europe/Moscow", date(2027, 2, 21), "RU"),  # a transferred Saturday, then two days off
    Place("Europe/Moscow", date(2026, 12, 31), "RU"),
    Place("Asia/Vladivostok", date(2026, 11, 28)),
    Place("America/New_York", date(2026, 11, 1)),
    Place("America/New_York", date(2027, 3, 14)),
    Place("Asia/Kathmandu", date(2026, 12, 1)),
    Place("Pacific/Apia", date(2011, 12, 30)),  # a date that never was
    Place("Europe/Berlin", date(2026, 10, 25)),
    Place("Europe/Berlin", date(2027, 3, 28)),
    Place("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour
    Place("Australia/Lord_Howe", date(2027, 4, 4)),
    Place("America/Havana", date(2026, 11, 1)),  # back over midnight
    Place("America/Havana", date(2027, 3, 14)),  # midnight does not exist
)
CLIENT_ZONES = ("Asia/Vladivostok", "America/New_York", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe")

#: Minutes after midnight, many of them where clocks change.
POINTS = st.one_of(st.sampled_from(range(0, 241, 15)), st.sampled_from(range(0, 1440, 5)))


@st.composite
def stretches(draw: st.DrawFn, *, least: int = 0) -> tuple[Stretch, ...]:
    """Draw up to three stretches of one date; the last may cross midnight."""
    points = sorted(draw(st.sets(POINTS, min_size=2 * least, max_size=6)))
    found = [Stretch(opens=a, closes=b) for a, b in zip(points[::2], points[1::2], strict=False)]
    if found and draw(st.integers(0, 5)) == 0:
        late = found.pop()
        found.append(Stretch(opens=late.opens, closes=1440 + draw(st.integers(0, min(late.opens, 300)))))
    if found and draw(st.integers(0, 5)) == 0:  # two that touch
        first = found[0]
        if first.closes - first.opens > 1:
            middle = (first.opens + first.closes) // 2
            found[:1] = [Stretch(opens=first.opens, closes=middle), Stretch(opens=middle, closes=first.closes)]
    return tuple(found)


@st.composite
def schedules(draw: st.DrawFn, on: date, *, dated: bool = True) -> Schedule:
    """Draw a schedule with at least two days in the week, and now and then dated entries near the date."""
    some = [draw(stretches(least=1)), draw(stretches(least=1)), draw(stretches())]
    kinds = draw(st.lists(st.integers(0, 3), min_size=7, max_size=7))
    kinds[draw(st.integers(0, 2))] = 0
    kinds[draw(st.integers(3, 6))] = 1
    dates: list[DatedEntry] = []
    if dated and draw(st.booleans()):
        first_on = on + timedelta(days=draw(st.integers(-3, 3)))
        last_on = first_on + timedelta(days=draw(st.integers(1, 3)))
        dates.append(DatedEntry(first_on=first_on, last_on=last_on, stretches=draw(stretches())))
        if draw(st.booleans()):
            single = first_on + timedelta(days=draw(st.integers(-1, 1)))
            dates.append(DatedEntry(first_on=single, last_on=single, stretches=draw(stretches())))
    return Schedule(
        weekdays=tuple(() if kind == 3 else some[kind] for kind in kinds),
        dates=tuple(sorted(dates, key=lambda entry: entry.first_on)),
    )


@st.composite
def absences(draw: st.DrawFn, on: date) -> tuple[Absence, ...]:
    """Draw up to three absences near the date, in any order; they may overlap, follow at once or be the same."""
    found: list[Absence] = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 2, 3)))):
        from_on = on + timedelta(days=draw(st.integers(-4, 3)))
        found.append(Absence(from_on=from_on, until_on=from_on + timedelta(days=draw(st.integers(0, 4)))))
    return tuple(found)


class Scene(NamedTuple):
    """Rules, a client ("" or "other"), and the date on which it matters."""

    policy: Policy
    client: str
    on: date


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Draw rules for one of the places."""
    place = draw(st.sampled_from(PLACES))
    windows = tuple(
        WindowRule(key=key, schedule=draw(schedules(place.on))) for key in ("a", "b", "c")[: draw(st.integers(0, 3))]
    )
    own: dict[str, Any] = {"daytime": draw(schedules(place.on))}
    if draw(st.booleans()):
        own["daytime"] = build.schedule({"mon-sun": ["09:00-21:00"]})
    if draw(st.integers(0, 3)) == 0:
        own["hours"] = draw(schedules(place.on, dated=False))
    if draw(st.integers(0, 3)) == 0:
        own["windows"] = (WindowRule(key="own", schedule=draw(schedules(place.on))),)
    client = build.client("other", zone=draw(st.sampled_from((place.zone, *CLIENT_ZONES))), **own)
    policy = build.policy(
        owner=build.owner(place.zone, holidays=place.holidays),
        hours=draw(schedules(place.on)),
        windows=windows,
        clients=(client,),
        absences=draw(absences(place.on)),
        replies=build.replies(break_=timedelta(minutes=draw(st.sampled_from((0, 30, 120, 600))))),
    )
    return Scene(policy, draw(st.sampled_from(("", "other", "other"))), place.on)


def minutes_near(on: date) -> st.SearchStrategy[int]:
    """Draw a minute within three days of the date, half of them within some hours."""
    middle = oracle.wall(on, 0)
    return st.one_of(st.integers(middle - 600, middle + 1440), st.integers(middle - 4320, middle + 4320))
