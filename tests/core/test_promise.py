"""Response times by hand: which term, due when, and how it is told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.core import hours, promise
from responder.core.model import Topic
from tests.core.build import at, client, owner, policy, schedule, term, window

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.model import Due, Policy

NEXT = ": counting begins with the next day"


def due(text: str, arrived_at: datetime, rules: Policy | None = None, key: str = "vostok") -> Due:
    """Return the due time under a term, which must exist."""
    found = promise.due(hours.calendar(rules or policy(), key), term(text), "response.default", arrived_at)
    assert found is not None
    return found


# ------------------------------------------------------------------------------------- which term


@pytest.mark.parametrize(
    ("key", "topic", "expected", "source"),
    [
        ("own", "documents", "1 working day", "clients.own.topics.documents.response"),
        ("own", "moving", "4 working hours", "clients.own.response"),
        ("own", "", "4 working hours", "clients.own.response"),
        ("plain", "documents", "2 working days", "topics.documents.response"),
        ("plain", "moving", "next window", "response.default"),
        ("", "documents", "2 working days", "topics.documents.response"),
        ("", "", "next window", "response.default"),
        ("other", "documents", "2 working days", "topics.documents.response"),  # a topic beats the client's default
    ],
)
def test_which_term(key: str, topic: str, expected: str, source: str) -> None:
    """The client's topic, else the owner's topic, else the client's default, else the owner's."""
    rules = policy(
        response=term("next window"),
        topics=(
            Topic(key="documents", words=(), attachments=True, response=term("2 working days")),
            Topic(key="moving", words=("move*",), attachments=False, response=None),
        ),
        clients=(
            client("own", response=term("4 working hours"), topics={"documents": term("1 working day")}),
            client("plain"),
            client("other", response=term("6 hours")),
        ),
    )
    assert promise.term_for(rules, key, topic) == (term(expected), source)


# ------------------------------------------------------------------------------------ working days


def test_the_example_of_the_contract_with_the_user() -> None:
    """Friday evening, two working days: Tuesday at 19:00, every step told."""
    found = due("2 working days", at("2026-11-27 20:00"))
    assert found.due_at == at("2026-12-01 19:00")
    assert found.source == "response.default"
    assert found.term == term("2 working days")
    assert found.steps == (
        f"Arrived on Friday, 27 November 2026, 20:00, after that day's last opening{NEXT}.",
        "Saturday, 28 November: no hours that weekday.",
        "Sunday, 29 November: no hours that weekday.",
        "Monday, 30 November: working day 1.",
        "Tuesday, 1 December: working day 2; its last stretch ends at 19:00.",
    )


@pytest.mark.parametrize(
    ("arrived", "text", "expected"),
    [
        ("2026-11-27 09:59", "1 working day", "2026-11-27 19:00"),  # before the opening: the day itself counts
        ("2026-11-27 10:00", "1 working day", "2026-11-30 19:00"),  # at the opening it does not
        ("2026-11-27 13:30", "1 working day", "2026-11-30 19:00"),
        ("2026-11-29 12:00", "1 working day", "2026-11-30 19:00"),
        ("2026-11-30 00:00", "1 working day", "2026-11-30 19:00"),
        ("2026-12-30 20:00", "1 working day", "2026-12-31 14:00"),  # the short day
        ("2026-12-31 14:00", "1 working day", "2027-01-11 19:00"),  # over New Year
        ("2026-12-30 20:00", "3 working days", "2027-01-12 19:00"),
        ("2027-02-19 20:00", "1 working day", "2027-02-20 19:00"),  # a transferred Saturday
        ("2027-02-19 20:00", "2 working days", "2027-02-24 19:00"),
    ],
)
def test_working_days(arrived: str, text: str, expected: str) -> None:
    """The day of arrival does not count, but mail before its first opening belongs to the day before."""
    assert due(text, at(arrived)).due_at == at(expected)


def test_a_long_row_of_free_days_is_told_in_one_line() -> None:
    """New Year is one line, the weekend behind it two; the year is named where it is another."""
    assert due("1 working day", at("2026-12-31 20:00")).steps == (
        f"Arrived on Thursday, 31 December 2026, 20:00, after that day's last opening{NEXT}.",
        "Friday, 1 January, to Friday, 8 January: dated entry.",
        "Saturday, 9 January: no hours that weekday.",
        "Sunday, 10 January: no hours that weekday.",
        "Monday, 11 January: working day 1; its last stretch ends at 19:00.",
    )


@pytest.mark.parametrize(
    ("arrived", "told"),
    [
        (
            "2026-11-27 08:00",
            "27 November 2026, 08:00, before that day's first opening: it belongs to the day before.",
        ),
        (
            "2026-11-27 11:00",
            "27 November 2026, 11:00, after that day's first opening" + NEXT + ".",
        ),
        ("2026-11-28 11:00", "28 November 2026, 11:00, no hours that weekday: counting begins with the next day."),
        (
            "2026-11-04 11:00",
            "4 November 2026, 11:00, public holiday: Unity Day: counting begins with the next day.",
        ),
    ],
)
def test_where_counting_begins_is_told(arrived: str, told: str) -> None:
    """The first step says when it arrived and which day counts first."""
    assert due("1 working day", at(arrived)).steps[0].endswith(told)


def test_a_working_day_that_ends_after_midnight() -> None:
    """The due time is the end of the stretch that begins on that day, told with its date."""
    rules = policy(hours=schedule({"mon-fri": ["10:00-12:00", "22:00-02:00"]}))
    found = due("1 working day", at("2026-11-26 12:30"), rules)
    assert found.due_at == at("2026-11-28 02:00")
    assert found.steps[-1] == (
        "Friday, 27 November: working day 1; its last stretch ends at 02:00 on Saturday, 28 November."
    )


def test_the_clients_own_hours_make_the_working_days() -> None:
    """A client served on Saturdays has a working day on Saturday."""
    rules = policy(clients=(client(hours=schedule({"sat": ["12:00-14:00"]})),))
    assert due("1 working day", at("2026-11-27 20:00"), rules).due_at == at("2026-11-28 14:00")


def test_one_due_time_where_a_change_moves_an_opening_into_the_next_date() -> None:
    """In Nuuk Saturday's 23:30 opens at 00:30 on Sunday: mail on both sides of midnight waits for the same."""
    rules = policy(owner=owner("America/Nuuk", holidays=""), hours=schedule({"sat": ["23:30-23:50"]}), windows=())
    dues = {
        due("1 working day", at(f"2027-03-{text}", "America/Nuuk"), rules).due_at for text in ("27 22:50", "28 00:10")
    }
    assert dues == {at("2027-03-28 00:50", "America/Nuuk")}


# ----------------------------------------------------------------------------------- working hours


@pytest.mark.parametrize(
    ("arrived", "text", "expected"),
    [
        ("2026-11-27 11:00", "1 working hour", "2026-11-27 12:00"),
        ("2026-11-27 11:00", "2 working hours", "2026-11-27 13:00"),  # the end of a stretch, not the next opening
        ("2026-11-27 12:30", "1 working hour", "2026-11-27 14:30"),  # lunch does not count
        ("2026-11-27 18:00", "4 working hours", "2026-11-30 13:00"),
        ("2026-11-28 12:00", "4 working hours", "2026-11-30 15:00"),
        ("2026-12-31 13:00", "2 working hours", "2027-01-11 11:00"),
        ("2026-11-27 20:00", "120 working hours", "2026-12-18 19:00"),
        ("2026-11-27 11:00", "100 working hours", "2026-12-15 16:00"),
    ],
)
def test_working_hours(arrived: str, text: str, expected: str) -> None:
    """Only time inside hours counts, from the arrival on."""
    assert due(text, at(arrived)).due_at == at(expected)


def test_working_hours_are_told_stretch_by_stretch() -> None:
    """Each stretch says what it gave and what is left."""
    assert due("4 working hours", at("2026-11-27 18:30")).steps == (
        "Arrived on Friday, 27 November 2026, 18:30, inside hours.",
        "Friday, 27 November, 18:30 to 19:00: 30 min; 3 h 30 min to go.",
        "Monday, 30 November, 10:00 to 13:00: 3 h; 30 min to go.",
        "Monday, 30 November, 14:00 to 14:30: the last 30 min of 4 working hours.",
    )


def test_working_hours_over_clock_changes() -> None:
    """A night shift of eight hours on the wall holds seven in spring and nine in autumn."""
    rules = policy(owner=owner("Europe/Berlin", holidays=""), hours=schedule({"mon-sun": ["22:00-06:00"]}), windows=())
    for arrived, expected in (
        ("2027-03-27 22:00", "2027-03-28 23:00"),
        ("2027-03-28 22:00", "2027-03-29 06:00"),
        ("2026-10-24 22:00", "2026-10-25 05:00"),
    ):
        found = due("8 working hours", at(arrived, "Europe/Berlin"), rules)
        assert found.due_at == at(expected, "Europe/Berlin")


# ------------------------------------------------------------------------------- hours, next window


def test_plain_hours() -> None:
    """Plain hours elapse by night too, and over a clock change they are real hours."""
    found = due("12 hours", at("2026-11-27 20:00"))
    assert found.due_at == at("2026-11-28 08:00")
    assert found.steps == (
        "Arrived on Friday, 27 November 2026, 20:00.",
        "12 hours later, day and night alike: Saturday, 28 November, 08:00.",
    )
    berlin = policy(owner=owner("Europe/Berlin", holidays=""))
    assert due("12 hours", at("2027-03-27 20:00", "Europe/Berlin"), berlin).due_at == at(
        "2027-03-28 09:00", "Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        ("2026-11-27 20:00", "2026-11-30 11:00"),
        ("2026-11-30 09:59", "2026-11-30 11:00"),
        ("2026-11-30 10:00", "2026-12-01 11:00"),  # begun; the evening does not suit Vladivostok
    ],
)
def test_next_window(arrived: str, expected: str) -> None:
    """The end of the first window that suits and had not begun at arrival."""
    assert due("next window", at(arrived)).due_at == at(expected)


def test_next_window_is_told() -> None:
    """The step names the window and its time in the owner's clock."""
    assert due("next window", at("2026-11-27 20:00")).steps == (
        "Arrived on Friday, 27 November 2026, 20:00.",
        'The first window that suits and had not begun: "morning", Monday, 30 November, 10:00 to 11:00.',
    )


@pytest.mark.parametrize("text", ["1 working day", "1 working hour", "next window", "20000 hours"])
def test_nothing_is_promised_for_more_than_800_days(text: str) -> None:
    """Where the rules never come to an end there is no due time."""
    rules = policy(hours=schedule({"2026-12-31": []}), windows=(window("night", {"mon": ["17:00-18:00"]}),))
    calendar = hours.calendar(rules, "vostok")
    assert promise.due(calendar, term(text), "response.default", at("2026-11-27 20:00")) is None
    none = hours.calendar(policy(windows=()), "")
    assert promise.due(none, term("next window"), "response.default", at("2026-11-27 20:00")) is None


def test_seconds_count() -> None:
    """A message that arrives within a minute is due at its own second."""
    arrived_at = at("2026-11-27 11:00") + timedelta(seconds=30)
    assert due("1 working hour", arrived_at).due_at == at("2026-11-27 12:00") + timedelta(seconds=30)
