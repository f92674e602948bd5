"""Whole days in words: what a person means by them, in both languages, and what is refused."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.commands.days import read_days

#: A Wednesday.
TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("from 24 December to 8 January", "2026-12-24 2027-01-08"),
        ("с 24 декабря по 8 января 2027 года", "2026-12-24 2027-01-08"),
        ("с 24 по 28 декабря", "2026-12-24 2026-12-28"),
        ("с 1-го по 5-е декабря", "2026-12-01 2026-12-05"),
        ("from the 1st to the 5th of December", "2026-12-01 2026-12-05"),
        ("from dec 24 to dec 28", "2026-12-24 2026-12-28"),
        ("24-28 December", "2026-12-24 2026-12-28"),
        ("24–28 декабря", "2026-12-24 2026-12-28"),
        ("December 24-28", "2026-12-24 2026-12-28"),
        ("December 24-28 2027", "2027-12-24 2027-12-28"),
        ("24 december - 8 january", "2026-12-24 2027-01-08"),
        ("24.12-08.01", "2026-12-24 2027-01-08"),
        ("24.12.2026 - 08.01.2027", "2026-12-24 2027-01-08"),
        ("24/12/26", "2026-12-24 2026-12-24"),
        ("2026-12-24..2027-01-08", "2026-12-24 2027-01-08"),
        ("2026-12-24 to 2027-01-08", "2026-12-24 2027-01-08"),
        ("2026-12-24", "2026-12-24 2026-12-24"),
        # weekdays: the nearest, the end not before the beginning; "next": of the next calendar week
        ("с пятницы по следующий понедельник", "2026-11-27 2026-11-30"),
        ("from friday to next monday", "2026-11-27 2026-11-30"),
        ("с понедельника по среду", "2026-11-30 2026-12-02"),
        ("from monday to monday", "2026-11-30 2026-12-07"),
        ("mon-fri", "2026-11-30 2026-12-04"),
        ("wednesday", "2026-11-25 2026-11-25"),
        ("в следующую пятницу", "2026-12-04 2026-12-04"),
        ("понедельник на следующей неделе", "2026-11-30 2026-11-30"),
        ("до пятницы", "2026-11-25 2026-11-27"),
        ("until Friday.", "2026-11-25 2026-11-27"),
        ("до 8 января включительно", "2026-11-25 2027-01-08"),
        ("tomorrow", "2026-11-26 2026-11-26"),
        ("послезавтра", "2026-11-27 2026-11-27"),
        ("с завтрашнего дня по пятницу", "2026-11-26 2026-11-27"),
        ("from tomorrow until next friday", "2026-11-26 2026-12-04"),
        # weeks, months, lengths
        ("next week", "2026-11-30 2026-12-06"),
        ("на следующей неделе", "2026-11-30 2026-12-06"),
        ("this week", "2026-11-25 2026-11-29"),
        ("в декабре", "2026-12-01 2026-12-31"),
        ("next month", "2026-12-01 2026-12-31"),
        ("until the end of the month", "2026-11-25 2026-11-30"),
        ("до конца недели", "2026-11-25 2026-11-29"),
        ("for 3 days", "2026-11-25 2026-11-27"),
        ("с понедельника на две недели", "2026-11-30 2026-12-13"),
        ("2 weeks from monday", "2026-11-30 2026-12-13"),
        ("отпуск с 1 по 14 декабря", "2026-12-01 2026-12-14"),
        # what only dateparser knows
        ("in two weeks", "2026-12-09 2026-12-09"),
        ("через 10 дней", "2026-12-05 2026-12-05"),
        # a date without its year is the nearest: a slip stays a past day, or a reversed one
        ("from 20 November to 24 November", "2026-11-20 2026-11-24"),
        ("from 10 December to 5 December", "2026-12-10 2026-12-05"),
        ("yesterday", "2026-11-24 2026-11-24"),
    ],
)
def test_days_are_what_a_person_means(words: str, expected: str) -> None:
    """The first and the last day, both included."""
    assert " ".join(map(str, read_days(words, TODAY))) == expected


def test_a_year_ends_between_the_two() -> None:
    """In January the last days of December are those that were, and the first of next January are a year off."""
    assert read_days("from 28 December to 3 January", date(2027, 1, 2)) == (date(2026, 12, 28), date(2027, 1, 3))
    assert read_days("29 February", date(2027, 12, 1)) == (date(2028, 2, 29), date(2028, 2, 29))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "names no days I know"),
        ("gibberish", "names no days I know"),
        ("we", "names no days I know"),
        ("day", "names no days I know"),
        ("с пятницы", "says from when, but not until when"),
        ("from friday", "says from when, but not until when"),
        ("friday 15:00", "names a time of day"),
        ("31 November", "there is no day 31.11 in the calendar"),
        ("12/24", "there is no day 12.24 in the calendar: day and month, in this order"),
        ("2026-02-30", "there is no 2026-02-30 in the calendar"),
        ("9999-12-31 for 9 weeks", "reaches beyond the calendar"),
    ],
)
def test_what_means_no_days_is_refused_with_a_sentence(words: str, said: str) -> None:
    """Nothing is guessed: a phrase that is not understood says what is."""
    with pytest.raises(ValueError, match=said):
        read_days(words, TODAY)


WORDS = "from с to по - until до next следующий monday пятницу 24 8 0 december января 2026 weeks на for . / in через"


@settings(max_examples=300, deadline=None)  # the first example loads dateparser
@given(st.lists(st.sampled_from(WORDS.split()) | st.text(max_size=4), max_size=9).map(" ".join))
def test_any_words_are_days_or_a_sentence(words: str) -> None:
    """Whatever is typed, it is two dates or a sentence, never another error."""
    found = None
    with contextlib.suppress(ValueError):
        found = read_days(words, TODAY)
    assert found is None or all(isinstance(on, date) for on in found)
