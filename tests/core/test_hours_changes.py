"""Hours at clock changes, by hand."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from responder.core import hours
from tests.core.build import at, client, owner, policy, schedule, window


def spans(zone: str, on: str, *stretches: str) -> list[str]:
    """Return a date's hours in a zone as UTC clocks."""
    rules = policy(owner=owner(zone, holidays=""), hours=schedule({"mon-sun": list(stretches)}), windows=())
    found = hours.calendar(rules, "").hours_on(date.fromisoformat(on))
    return [f"{span.starts_at:%d %H:%M}-{span.ends_at:%d %H:%M}" for span in found]


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        (["01:00-04:00"], ["28 00:00-28 02:00"]),  # two hours, not three
        (["02:30-04:00"], ["28 01:30-28 02:00"]),  # opens at 03:30: forward by the gap
        (["01:00-02:30"], ["28 00:00-28 01:30"]),  # closes at 03:30
        (
            ["01:00-02:30", "02:30-05:00"],
            ["28 00:00-28 01:30", "28 01:30-28 03:00"],
        ),  # still touch: nothing is lost
        (["02:00-02:30", "03:00-04:00"], ["28 01:00-28 01:30", "28 01:30-28 02:00"]),  # cut: nothing is doubled
        (["02:30-03:00"], ["28 01:30-28 02:00"]),  # keeps its length: not empty
    ],
)
def test_spring_in_berlin(stretches: list[str], expected: list[str]) -> None:
    """Between 02:00 and 03:00 there is nothing on 28 March 2027."""
    assert spans("Europe/Berlin", "2027-03-28", *stretches) == expected


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        (["01:00-04:00"], ["24 23:00-25 03:00"]),  # four hours, not three
        (["02:30-04:00"], ["25 00:30-25 03:00"]),  # the first 02:30
        (["01:00-02:30"], ["24 23:00-25 00:30"]),  # the first too: closed in the second
        (["01:00-02:30", "02:30-04:00"], ["24 23:00-25 00:30", "25 00:30-25 03:00"]),
    ],
)
def test_autumn_in_berlin(stretches: list[str], expected: list[str]) -> None:
    """Between 02:00 and 03:00 the clocks go round twice on 25 October 2026."""
    assert spans("Europe/Berlin", "2026-10-25", *stretches) == expected


@pytest.mark.parametrize(
    ("zone", "on", "length"),
    [
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2027-03-28", 23),
        ("America/New_York", "2026-11-01", 25),
        ("America/New_York", "2027-03-14", 23),
        ("America/Havana", "2026-11-01", 25),
        ("America/Havana", "2027-03-14", 23),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2027-04-04", 24.5),
        ("Europe/Moscow", "2027-03-28", 24),
        ("Asia/Kathmandu", "2027-03-28", 24),
        ("Pacific/Apia", "2011-12-30", 0),  # the date that never was
        ("Pacific/Apia", "2011-12-31", 24),
    ],
)
def test_the_length_of_a_day(zone: str, on: str, length: float) -> None:
    """A stretch from midnight to midnight lasts as long as the day does, and the days join without a seam."""
    rules = policy(owner=owner(zone, holidays=""), hours=schedule({"mon-sun": ["00:00-00:00"]}), windows=())
    calendar = hours.calendar(rules, "")
    day = date.fromisoformat(on)
    found = calendar.hours_on(day)
    assert sum((span.ends_at - span.starts_at for span in found), timedelta()) == timedelta(hours=length)
    around = [span for days in range(-2, 3) for span in calendar.hours_on(day + timedelta(days=days))]
    assert all(one.ends_at == other.starts_at for one, other in pairwise(around))


def test_only_one_side_has_changed_its_clocks() -> None:
    """Between the American and the European change the overlap of a Berlin window lies an hour later."""
    rules = policy(
        owner=owner("Europe/Berlin", holidays=""),
        clients=(client(zone="America/New_York"),),
        windows=(window("w", {"mon-sun": ["14:00-18:00"]}),),
    )
    calls = hours.calendar(rules, "vostok").calls(at("2027-03-12 00:00"), days=20)
    begins = {f"{span.starts_at:%m-%d}": span.starts_at.astimezone(rules.owner.zone).hour for _, span in calls}
    assert (begins["03-13"], begins["03-15"], begins["03-29"]) == (15, 14, 15)


def test_an_opening_that_a_change_moves_into_the_next_date() -> None:
    """In Nuuk clocks jump from 23:00 to midnight: a window at 23:30 opens at 00:30 and keeps its place in time."""
    rules = policy(
        owner=owner("America/Nuuk", holidays=""),
        windows=(window("late", {"sat": ["23:30-23:50"]}), window("early", {"sun": ["00:15-00:20"]})),
    )
    found = list(hours.calendar(rules, "").windows(at("2027-03-27 12:00", "America/Nuuk"), days=1))
    assert [(w.key, f"{w.opens_at.astimezone(rules.owner.zone):%H:%M}") for w in found] == [
        ("early", "00:15"),
        ("late", "00:30"),
    ]


def test_a_window_of_twenty_five_hours() -> None:
    """A window round the clock over the autumn change is open until its last minute, two dates of UTC later."""
    rules = policy(
        owner=owner("America/New_York", holidays=""),
        hours=schedule({"wed": ["10:00-11:00"]}),
        windows=(window("w", {"sat": ["19:30-19:30"]}),),
    )
    calendar = hours.calendar(rules, "")
    assert calendar.why_open(at("2026-11-01 19:29", "America/New_York")) == "window"
    assert calendar.window_at(at("2026-11-01 19:29", "America/New_York")) is not None
    assert calendar.why_open(at("2026-11-01 19:30", "America/New_York")) == ""
