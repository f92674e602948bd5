"""The calendar against the minute-by-minute oracle, for rules of any shape where clocks change."""

from __future__ import annotations

from datetime import UTC, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from responder.core import hours, promise
from responder.core.model import Term, TermUnit
from tests.core.oracle import BeyondError, Oracle, instant, minute
from tests.core.rules import Scene, minutes_near, scenes

if TYPE_CHECKING:
    from datetime import datetime

MINUTE = timedelta(minutes=1)
EXAMPLES = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def second_opinion(scene: Scene) -> Oracle:
    """Return the oracle for a scene; scenes that reach beyond its weeks are left out."""
    try:
        return Oracle(scene.policy, scene.client, scene.on)
    except BeyondError:
        assume(False)
        raise


@EXAMPLES
@given(scenes(), st.data())
def test_open_and_closed(scene: Scene, data: st.DataObject) -> None:
    """Every minute is open or closed as the oracle says, and so are the edges of the closed periods."""
    truth = second_opinion(scene)
    calendar = hours.calendar(scene.policy, scene.client)
    first = data.draw(minutes_near(scene.on))
    for at in range(first, first + 4000, 7):
        assert calendar.is_open(instant(at)) is (at in truth.open), instant(at)
    for at in data.draw(st.lists(minutes_near(scene.on), min_size=8, max_size=8)):
        try:
            expected = truth.closed_period(at)
        except BeyondError:
            continue
        period = calendar.closed_period(instant(at))
        assert (None if period is None else (minute(period.starts_at), minute(period.ends_at))) == expected
        change_at = calendar.next_change(instant(at))
        if change_at - instant(at) > timedelta(days=700):  # rules that never close: the search is cut
            continue
        assert calendar.is_open(change_at) is not calendar.is_open(instant(at))
        assert calendar.is_open(change_at - MINUTE) is calendar.is_open(instant(at))


@EXAMPLES
@given(scenes(), st.data())
def test_what_is_told_of_absences(scene: Scene, data: st.DataObject) -> None:
    """The dates told lie in the closed period, are closed by an absence, and are all that are left of it."""
    truth = second_opinion(scene)
    calendar = hours.calendar(scene.policy, scene.client)
    for at in data.draw(st.lists(minutes_near(scene.on), min_size=8, max_size=8)):
        period = calendar.closed_period(instant(at))
        try:
            expected = truth.away(at)
        except BeyondError:
            continue
        assert period is not None
        found = calendar.away(period, period.ends_at, instant(at))
        assert (None if found is None else (found.from_on, found.until_on)) == (
            (expected[0], expected[-1]) if expected else None
        )


@EXAMPLES
@given(scenes(), st.data())
def test_working_terms(scene: Scene, data: st.DataObject) -> None:
    """Terms in working hours and days end when counting minutes and dates by hand says so."""
    truth = second_opinion(scene)
    calendar = hours.calendar(scene.policy, scene.client)
    for arrived in data.draw(st.lists(minutes_near(scene.on), min_size=6, max_size=6)):
        count = data.draw(st.integers(1, 6))
        for unit, count_by_hand in (
            (TermUnit.WORKING_HOURS, truth.working_hours),
            (TermUnit.WORKING_DAYS, truth.working_days),
        ):
            try:
                expected = count_by_hand(arrived, count)
            except BeyondError:
                continue
            due = promise.due(calendar, Term(count=count, unit=unit), "", instant(arrived))
            assert due is not None
            assert due.due_at == instant(expected), due.steps
            assert not closed_just_before(calendar, due.due_at), due.steps


def closed_just_before(calendar: hours.Calendar, due_at: datetime) -> bool:
    """Tell whether the moment before a due time lies in closed time."""
    return calendar.why_open(due_at - timedelta(microseconds=1)) == ""


@EXAMPLES
@given(scenes(), st.data())
def test_windows(scene: Scene, data: st.DataObject) -> None:
    """The window for a message and the term "next window" are what looking through all windows finds."""
    truth = second_opinion(scene)
    calendar = hours.calendar(scene.policy, scene.client)
    for arrived in data.draw(st.lists(minutes_near(scene.on), min_size=8, max_size=8)):
        due_at = instant(arrived) + timedelta(hours=data.draw(st.integers(0, 90)))
        placement = calendar.place(instant(arrived), due_at)
        window = placement.window
        try:
            assert (None if window is None else (window.key, minute(window.opens_at))) == truth.place(
                arrived, minute(due_at)
            )
            expected = truth.next_window(arrived)
        except BeyondError:
            continue
        if window is not None:
            assert instant(arrived) < window.opens_at < due_at
            assert calendar.suits(window) is (placement.note == "")
        due = promise.due(calendar, Term(count=0, unit=TermUnit.NEXT_WINDOW), "", instant(arrived))
        assert due is not None
        assert due.due_at == instant(expected)


@EXAMPLES
@given(scenes(), st.data())
def test_calls_lie_in_the_clients_day(scene: Scene, data: st.DataObject) -> None:
    """Every call offered lies in the future, in its window and, minute by minute, in the client's daytime."""
    truth = second_opinion(scene)
    calendar = hours.calendar(scene.policy, scene.client)
    now = data.draw(minutes_near(scene.on))
    last_at = instant(now)
    for window, span in calendar.calls(instant(now), days=4):
        assert last_at <= span.starts_at
        assert instant(now) < span.starts_at < span.ends_at
        assert window.opens_at <= span.starts_at
        assert span.ends_at <= window.closes_at
        assert truth.day is None or truth.day >= set(range(minute(span.starts_at), minute(span.ends_at)))
        assert calendar.in_daytime(span.starts_at)
        last_at = span.starts_at


@EXAMPLES
@given(scenes(), st.data())
def test_one_due_time_for_one_closed_period(scene: Scene, data: st.DataObject) -> None:
    """All mail of one closed period has one due time under one term of working days."""
    calendar = hours.calendar(scene.policy, scene.client)
    period = calendar.closed_period(instant(data.draw(minutes_near(scene.on))))
    assume(period is not None)
    assert period is not None
    term = Term(count=data.draw(st.integers(1, 3)), unit=TermUnit.WORKING_DAYS)
    length = int((period.ends_at - period.starts_at).total_seconds())
    seconds = data.draw(st.lists(st.integers(0, length - 1), max_size=10))
    arrivals = [period.starts_at + timedelta(seconds=each) for each in (0, *seconds, length - 1)]
    dues = [promise.due(calendar, term, "", arrived_at) for arrived_at in arrivals]
    assert len({None if due is None else due.due_at for due in dues}) == 1


@EXAMPLES
@given(scenes())
def test_no_hour_is_lost_or_doubled(scene: Scene) -> None:
    """Over a clock change the hours of the dates are the hours of the range, disjoint, non-empty and in UTC."""
    calendar = hours.calendar(scene.policy, scene.client)
    dates = [scene.on + timedelta(days=days) for days in range(-4, 5)]
    single = [span for on in dates for span in calendar.hours_on(on)]
    assert all(span.starts_at < span.ends_at for span in single)
    assert all(span.starts_at.tzinfo is UTC is span.ends_at.tzinfo for span in single)
    if single:
        spans = calendar.hours_spans(min(each.starts_at for each in single), max(each.ends_at for each in single))
        assert all(a.ends_at <= b.starts_at for a, b in pairwise(spans))
        truth = second_opinion(scene)
        counted = {at for span in spans for at in range(minute(span.starts_at), minute(span.ends_at))}
        assert counted >= {at for on in dates for pair in truth.hours[on] for at in range(*pair)}
        assert counted <= truth.working
