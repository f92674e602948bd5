"""Public holidays and transferred working days, for ``hours`` and for the configuration's check.

Promises the same answer on every machine: the names never follow the process's locale, and a year's table is
read once. A year whose decrees are not out yet simply has no transferred days; a newer ``holidays`` brings them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

# Because a calendar looks at two or three years in one or two languages for a handful of countries.
TABLES = 128


@lru_cache(maxsize=TABLES)
def _names(code: str, year: int, language: str) -> Mapping[date, str]:
    from holidays import country_holidays  # noqa: PLC0415 - 0.16 s and 25 MB: only where a rule names a country

    country, _, subdivision = code.partition("-")
    known = country_holidays(country)
    supported = known.supported_languages
    chosen = next(
        (
            tag
            for wanted in (language, "en")
            for tag in supported
            if tag == wanted or tag.partition("_")[0] == wanted.partition("_")[0]
        ),
        known.default_language,
    )
    return dict(
        country_holidays(country, subdiv=subdivision or None, years=year, expand=False, language=chosen).items()
    )


@lru_cache(maxsize=TABLES)
def _transferred(code: str, year: int) -> frozenset[date]:
    from holidays import country_holidays  # noqa: PLC0415 - as above

    country, _, subdivision = code.partition("-")
    table = country_holidays(
        country,
        subdiv=subdivision or None,
        years=year,
        expand=False,
        language=country_holidays(country).default_language,
    )
    return frozenset(table.weekend_workdays)


def public_holiday(code: str, on: date, language: str) -> str:
    """Return the holiday's name, "" on any other day and for the code "".

    ``code`` is a country or country-subdivision ("RU", "DE-BY"). A country without names in that language gives
    its English ones, or else its own.
    """
    return _names(code, on.year, language).get(on, "") if code else ""


def transferred_working_day(code: str, on: date) -> bool:
    """Tell whether a decree makes that weekend day a working day."""
    return bool(code) and on in _transferred(code, on.year)


def known_holiday_code(code: str) -> bool:
    """Tell whether there is a table of holidays for that country or country-subdivision."""
    from holidays import list_supported_countries  # noqa: PLC0415 - as above

    country, dash, subdivision = code.partition("-")
    supported = list_supported_countries()
    return country in supported and (not dash or subdivision in supported[country])
