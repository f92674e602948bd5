"""The table of public holidays: names, decrees, codes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date

import pytest

from responder.core import hours


@pytest.mark.parametrize(
    ("code", "on", "language", "name"),
    [
        ("RU", date(2026, 11, 4), "ru", "День народного единства"),
        ("RU", date(2026, 11, 4), "en", "Unity Day"),
        ("RU", date(2026, 11, 4), "fr", "Unity Day"),  # a language the country lacks: English
        ("DE-BY", date(2027, 1, 6), "de", "Heilige Drei Könige"),
        ("DE", date(2027, 1, 6), "de", ""),  # kept in Bavaria only
        ("WS", date(2027, 1, 1), "ru", "New Year's Day"),  # a country with names in one language
        ("", date(2027, 1, 1), "ru", ""),
        ("RU", date(2026, 11, 5), "ru", ""),
    ],
)
def test_names(code: str, on: date, language: str, name: str) -> None:
    """A holiday's name comes in the language asked for, else in English, else in the country's own."""
    assert hours.public_holiday(code, on, language) == name


@pytest.mark.parametrize("locale", ["C.UTF-8", "ru_RU.UTF-8", ""])
def test_names_do_not_follow_the_process(locale: str) -> None:
    """A shell and a service with other locales give the same name."""
    script = (
        "from datetime import date; from responder.core.hours import public_holiday as name;"
        "print(ascii([name(code, date(2027, 1, 7), 'de') for code in ('RU', 'UA')]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"LANG": locale, "LC_ALL": locale, "LANGUAGE": locale},
    )
    assert answer.stdout == "['Christmas Day', '']\n"


def test_transferred_working_days() -> None:
    """A decree's Saturday is a working day there and nowhere else."""
    assert hours.transferred_working_day("RU", date(2027, 2, 20))
    assert not hours.transferred_working_day("RU", date(2027, 2, 27))
    assert not hours.transferred_working_day("DE", date(2027, 2, 20))
    assert not hours.transferred_working_day("", date(2027, 2, 20))


@pytest.mark.parametrize("code", ["RU", "DE", "DE-BY", "US-CA"])
def test_known_codes(code: str) -> None:
    """Countries and their parts are known by their capitals."""
    assert hours.known_holiday_code(code)


@pytest.mark.parametrize("code", ["", "ru", "XX", "DE-", "DE-XX", "-BY", "Germany"])
def test_unknown_codes(code: str) -> None:
    """Anything else is refused rather than closed on no day at all."""
    assert not hours.known_holiday_code(code)
