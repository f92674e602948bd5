"""Hours of a week as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.commands.week_words import first_hours, read_week, say_week
from responder.config.spelling import DAYS

READ = {
    "mon-fri 10-19": {"mon-fri": ["10:00-19:00"]},
    "Mon-Fri 10:00-13:00, 14:00-19:00": {"mon-fri": ["10:00-13:00", "14:00-19:00"]},
    "mon-thu 9:30-13 14-18, fri 9-14": {"mon-thu": ["09:30-13:00", "14:00-18:00"], "fri": ["09:00-14:00"]},
    "mon, wed, fri 10-14": {"mon": ["10:00-14:00"], "wed": ["10:00-14:00"], "fri": ["10:00-14:00"]},
    "mon to fri from 9am to 5:30 pm": {"mon-fri": ["09:00-17:30"]},
    "Monday - Friday 9.30–18": {"mon-fri": ["09:30-18:00"]},
    "пн-пт с 10 до 19": {"mon-fri": ["10:00-19:00"]},
    "с понедельника по пятницу с 10:00 до 13:00 и с 14:00 до 19:00": {"mon-fri": ["10:00-13:00", "14:00-19:00"]},
    "пн–чт 10–19; пт 10–17": {"mon-thu": ["10:00-19:00"], "fri": ["10:00-17:00"]},
    "будни 10-18, сб 11-14": {"mon-fri": ["10:00-18:00"], "sat": ["11:00-14:00"]},
    "weekdays 9-17; weekends 10-12": {"mon-fri": ["09:00-17:00"], "sat-sun": ["10:00-12:00"]},
    "daily 22-02": {"mon-sun": ["22:00-02:00"]},
    "every day 0-24": {"mon-sun": ["00:00-24:00"]},
    "fri-mon 12am-12pm": {"fri-mon": ["00:00-12:00"]},
    "mon-fri 1-5pm": {"mon-fri": ["13:00-17:00"]},
    "mon-fri 9-5 p.m.": {"mon-fri": ["09:00-17:00"]},
    "mon 10-12pm 12:30-1 pm": {"mon": ["10:00-12:00", "12:30-13:00"]},
    "sat 8am-1pm 6 pm-2 am": {"sat": ["08:00-13:00", "18:00-02:00"]},
    "mon 9-10, mon 11-12": {"mon": ["09:00-10:00", "11:00-12:00"]},
    "Tuesdays and Thursdays 10-12": {"tue": ["10:00-12:00"], "thu": ["10:00-12:00"]},
}

REFUSED = {
    "": "write days and hours like",
    "10-19": "which days?",
    "mon-fri": "at what hours?",
    "mon-fri 10": "from when until when?",
    "mon-fri 10 19": "with a dash",
    "funday 10-19": '"funday" is no day of the week',
    "mon-fri 10-25": "is not a time of day",
    "mon-fri 10-10": "ends where it begins",
    "mon-fri 13pm-14pm": "is no time of day",
    "mon-fri 9:5-10": "two digits",
    "mon-fri, sat": "at what hours?",
    "mon-fri 10-19 & more": "is not understood",
    "mon 10-12, tue": "at what hours?",
    "mon 10, tue 11-12": "from when until when?",
    "mon-fri 9-5": "through the night: write hours from 0 to 24, like 9-17",
    "mon-fri 9 am-5": "through the night",
    "x" * 400: "too long",
}


@pytest.mark.parametrize("text", READ)
def test_hours_are_read_as_they_are_meant(text: str) -> None:
    """English and Russian, dashes and words, whole hours and minutes: all come out as the file spells them."""
    assert read_week(text) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_is_told_with_the_mend(text: str) -> None:
    """Each refusal says what is missing."""
    with pytest.raises(ValueError, match=r".") as refused:
        read_week(text)
    assert REFUSED[text] in str(refused.value)


_QUARTERS = st.integers(0, 4 * 24 - 2).map(lambda n: n * 15)


@given(
    st.dictionaries(
        st.sampled_from([*DAYS, "mon-fri", "sat-sun", "fri-mon"]),
        st.lists(st.tuples(_QUARTERS, st.integers(1, 30)), min_size=1, max_size=3, unique=True),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_said_is_read_back(week: dict[str, list[tuple[int, int]]]) -> None:
    """Whatever hours the file can hold, the line that shows them is read as the same hours."""
    spelled = {
        days: list(
            dict.fromkeys(
                f"{_clock(begin)}-{_clock((begin + 15 * length) % 1440 or 1440)}" for begin, length in stretches
            )
        )
        for days, stretches in week.items()
    }
    assert read_week(say_week(spelled)) == spelled


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def test_calls_are_offered_for_the_first_hour_of_each_day() -> None:
    """A suggestion for the callback window: the first hour, or the first stretch where that is shorter."""
    assert first_hours(read_week("mon-thu 14-18 9:30-13, fri 9-9:30 11-14")) == {
        "mon-thu": ["09:30-10:30"],
        "fri": ["09:00-09:30"],
    }
    assert first_hours(read_week("sat 23:30-3, sun 23:15-23:45")) == {"sat": ["23:30-00:30"], "sun": ["23:15-23:45"]}
