"""The calendar by hand: dates, holidays, clients in other zones, windows, calls."""

from __future__ import annotations

import gc
import weakref
from datetime import date, timedelta

import pytest

from responder.core import hours
from responder.core.model import Span
from tests.core.build import at, channel, client, owner, policy, replies, schedule, told, window

HOUR = timedelta(hours=1)


# ------------------------------------------------------------------------------------------ dates


@pytest.mark.parametrize(
    ("on", "expected", "because"),
    [
        ("2026-11-27", ["11-27 10:00 to 11-27 13:00", "11-27 14:00 to 11-27 19:00"], ""),
        ("2026-11-28", [], "no hours that weekday"),
        ("2026-11-04", [], "public holiday: Unity Day"),
        ("2026-12-31", ["12-31 10:00 to 12-31 14:00"], ""),  # a short day, though the state has given it free
        ("2027-01-05", [], "dated entry"),  # the range comes before the New Year holidays
        ("2027-01-11", ["01-11 10:00 to 01-11 13:00", "01-11 14:00 to 01-11 19:00"], ""),
        ("2027-02-20", ["02-20 10:00 to 02-20 13:00", "02-20 14:00 to 02-20 19:00"], ""),  # a working Saturday
        ("2027-02-21", [], "no hours that weekday"),
        ("2027-02-22", [], "public holiday: Day off (substituted from 02/20/2027)"),
    ],
)
def test_hours_on_a_date(on: str, expected: list[str], because: str) -> None:
    """A dated entry beats a public holiday, which beats the weekday; a transferred Saturday is a Friday."""
    calendar = hours.calendar(policy(), "")
    assert told(calendar.hours_on(date.fromisoformat(on))) == expected
    assert calendar.is_working_day(date.fromisoformat(on)) is bool(expected)
    assert calendar.closed_because(date.fromisoformat(on)) == because


def test_a_single_date_beats_a_range() -> None:
    """Inside a closed range a single date may be open, wherever it stands in the file."""
    rules = policy(
        hours=schedule({"mon-fri": ["10:00-18:00"], "2026-12-07..2026-12-11": [], "2026-12-09": ["12:00-13:00"]})
    )
    calendar = hours.calendar(rules, "")
    working = [day for day in range(7, 12) if calendar.is_working_day(date(2026, 12, day))]
    assert working == [9]


def test_a_transferred_saturday_takes_fridays_windows_and_channels() -> None:
    """On 20 February 2027 the windows and channels are those of a Friday, not of a Saturday or Monday."""
    calendar = hours.calendar(policy(), "")
    opening = [f"{w.key} {w.opens_at:%d %H:%M}" for w in calendar.windows(at("2027-02-20 00:00"), days=1)]
    assert opening == ["morning 20 07:00"]
    phone = calendar.channel_spans(calendar.channels[0], at("2027-02-20 00:00"), at("2027-02-21 00:00"))
    assert told(phone) == ["02-20 10:00 to 02-20 11:00"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"mon-sun": ["09:00-11:00", "13:00-17:00"]}, ["10:00 to 11:00", "13:00 to 14:00"]),
        ({"mon-sun": ["16:00-17:00"]}, []),
        ({"mon-sun": ["09:00-17:00"], "2026-12-31": ["15:00-16:00"]}, ["15:00 to 16:00"]),
        ({"mon-sun": ["09:00-17:00"], "2026-12-20..2027-01-10": ["13:00-16:00"]}, ["13:00 to 14:00"]),
    ],
)
def test_windows_and_channels_on_a_dated_day(own: dict[str, list[str]], expected: list[str]) -> None:
    """On a dated day they are cut to its stretches, unless their own table names that very date."""
    rules = policy(windows=(window("w", own),), channels=(channel("c", own),))
    calendar = hours.calendar(rules, "")
    spans = [Span(starts_at=w.opens_at, ends_at=w.closes_at) for w in calendar.windows(at("2026-12-31 00:00"), days=1)]
    wanted = [" to ".join(f"12-31 {clock}" for clock in each.split(" to ")) for each in expected]
    assert told(tuple(spans)) == wanted
    assert told(calendar.channel_spans(calendar.channels[0], at("2026-12-31 00:00"), at("2027-01-01 00:00"))) == wanted


def test_windows_on_a_public_holiday() -> None:
    """On a public holiday there are none, unless their own table names the date."""
    rules = policy(windows=(window("w", {"mon-sun": ["10:00-11:00"], "2026-11-04": ["12:00-12:30"]}),))
    opened = [w.opens_at for w in hours.calendar(rules, "").windows(at("2026-11-04 00:00"), days=1)]
    assert opened == [at("2026-11-04 12:00")]
    assert not list(hours.calendar(policy(), "").windows(at("2026-11-04 00:00"), days=1))


# ----------------------------------------------------------------------------------- open and closed


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        ("2026-11-27 09:59", ""),
        ("2026-11-27 10:00", "hours"),
        ("2026-11-27 12:59", "hours"),
        ("2026-11-27 13:00", "break"),
        ("2026-11-27 14:00", "hours"),
        ("2026-11-27 19:00", ""),
        ("2026-12-31 14:30", ""),
    ],
)
def test_why_open(moment: str, why: str) -> None:
    """Spans hold their beginning and not their end; lunch is a break."""
    calendar = hours.calendar(policy(), "vostok")
    assert calendar.why_open(at(moment)) == why
    assert calendar.is_open(at(moment)) is bool(why)


def test_a_gap_as_long_as_the_break_is_closed() -> None:
    """Only a gap shorter than ``replies.break`` is a break."""
    calendar = hours.calendar(policy(replies=replies(break_=HOUR)), "")
    assert told(calendar.closed_period(at("2026-11-27 13:30"))) == ["11-27 13:00 to 11-27 14:00"]


def test_a_break_may_span_midnight() -> None:
    """The gap between one date's last and the next date's first stretch is a break too, if short."""
    rules = policy(hours=schedule({"mon-sun": ["01:00-23:30"]}))
    calendar = hours.calendar(rules, "")
    assert calendar.why_open(at("2026-11-27 00:10")) == "break"
    assert calendar.closed_period(at("2026-11-27 00:10")) is None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-27 20:00", "11-27 19:00 to 11-30 10:00"),
        ("2026-11-30 09:59", "11-27 19:00 to 11-30 10:00"),
        ("2026-12-31 23:00", "12-31 14:00 to 01-11 10:00"),  # ten days of New Year in one piece
        ("2027-01-05 12:00", "12-31 14:00 to 01-11 10:00"),
        ("2027-02-21 12:00", "02-20 19:00 to 02-24 10:00"),
    ],
)
def test_closed_period(moment: str, expected: str) -> None:
    """The closed period is the longest closed span round the instant, and its end is the next change."""
    calendar = hours.calendar(policy(), "vostok")
    period = calendar.closed_period(at(moment))
    assert period is not None
    assert told(period) == [expected]
    assert calendar.next_change(at(moment)) == period.ends_at


def test_next_change_runs_through_breaks_and_windows() -> None:
    """Open ends where neither hours, nor a break, nor a suiting window goes on."""
    rules = policy(windows=(window("late", {"mon-fri": ["18:00-20:00"]}),))
    assert hours.calendar(rules, "").next_change(at("2026-11-27 12:00")) == at("2026-11-27 20:00")


def test_without_end() -> None:
    """Where nothing ever changes within 800 days the search stops there."""
    never = hours.calendar(policy(hours=schedule({"2026-12-31": []}), windows=()), "")
    period = never.closed_period(at("2026-11-27 20:00"))
    assert period is not None
    assert period.ends_at - period.starts_at == timedelta(days=1600)
    always = hours.calendar(policy(hours=schedule({"mon-sun": ["00:00-00:00"]}), owner=owner(holidays="")), "")
    assert always.next_change(at("2026-11-27 20:00")) == at("2026-11-27 20:00") + timedelta(days=800)


def test_a_window_opens_the_office_only_for_whom_it_suits() -> None:
    """A window outside hours is open time for the client in Moscow, closed time for the one in Vladivostok."""
    rules = policy(
        windows=(window("late", {"mon-fri": ["20:00-21:00"]}),),
        clients=(client(), client("near", zone="Europe/Moscow")),
    )
    moment = at("2026-11-26 20:30")
    assert hours.calendar(rules, "near").why_open(moment) == "window"
    assert hours.calendar(rules, "vostok").why_open(moment) == ""
    assert hours.calendar(rules, "").why_open(moment) == "window"
    assert hours.calendar(rules, "near").window_at(moment) is not None
    assert hours.calendar(rules, "vostok").window_at(moment) is None


def test_hours_across_midnight() -> None:
    """A stretch across midnight belongs to the date on which it begins, and is open on the next."""
    rules = policy(hours=schedule({"fri": ["22:00-04:00"]}), windows=())
    calendar = hours.calendar(rules, "")
    assert told(calendar.hours_on(date(2026, 11, 27))) == ["11-27 22:00 to 11-28 04:00"]
    assert not calendar.is_working_day(date(2026, 11, 28))
    assert calendar.why_open(at("2026-11-28 03:59")) == "hours"
    assert calendar.why_open(at("2026-11-28 04:00")) == ""


def test_hours_that_end_two_dates_of_utc_later() -> None:
    """In a zone behind UTC a stretch across midnight is found from its end too."""
    rules = policy(
        owner=owner("America/New_York", holidays=""),
        hours=schedule({"sat": ["23:00-22:00"]}),
        windows=(),
        replies=replies(break_=timedelta()),
    )
    calendar = hours.calendar(rules, "")
    assert calendar.why_open(at("2026-11-29 21:59", "America/New_York")) == "hours"
    assert calendar.why_open(at("2026-11-29 22:00", "America/New_York")) == ""


# ------------------------------------------------------------------------------------------- memory


def test_a_policy_is_let_go() -> None:
    """What was worked out from a policy goes with it."""
    rules = policy()
    calendar = hours.calendar(rules, "vostok")
    assert calendar.is_open(at("2026-11-27 12:00"))
    assert calendar.policy is rules
    gone = weakref.ref(rules)
    del rules, calendar
    gc.collect()
    assert gone() is None


def test_an_unknown_client() -> None:
    """A key that no client has is the caller's mistake."""
    with pytest.raises(KeyError):
        hours.calendar(policy(), "nobody")


def test_memory_is_bounded() -> None:
    """Asking for thousands of dates keeps no more than a bounded number of them."""
    calendar = hours.calendar(policy(owner=owner(holidays="")), "")
    for days in range(3 * hours.KEPT):
        calendar.hours_on(date(2026, 1, 1) + timedelta(days=days))
    assert len(calendar._memo.hours) <= hours.KEPT  # pyright: ignore[reportPrivateUsage] - a test may look inside
