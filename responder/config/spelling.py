"""How a person writes days, hours, lengths, terms, zones and languages; every refusal says what is allowed.

Each ``read_…`` takes the text as it stands in the file and raises ``ValueError`` with a sentence that can be shown
to the owner as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from responder.core.model import Stretch, Term, TermUnit

if TYPE_CHECKING:
    from collections.abc import Iterable

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: The languages for which every word is built in.
BUILT_IN_LANGUAGES = frozenset({"ru", "en"})

#: Longer is a slip of the keyboard, and past any agreement.
LONGEST = timedelta(days=3660)
LARGEST_COUNT = 1000

_DAY = "|".join(DAYS)
DAYS_PATTERN = rf"({_DAY})(-({_DAY}))?"
DATES_PATTERN = r"\d{4}-\d\d-\d\d(\.\.\d{4}-\d\d-\d\d)?"
STRETCH_PATTERN = r"\d{1,2}:\d\d\s*[-–]\s*\d{1,2}:\d\d"
MOMENT_PATTERN = r"\d{1,2}:\d\d|off"
TERM_PATTERN = r"next window|\d{1,4} (working hours?|working days?|hours?)"

_UNITS: dict[str, timedelta] = {
    word: length
    for words, length in (
        ("s sec second seconds", timedelta(seconds=1)),
        ("min minute minutes", timedelta(minutes=1)),
        ("h hour hours", timedelta(hours=1)),
        ("day days", timedelta(days=1)),
        ("week weeks", timedelta(weeks=1)),
    )
    for word in words.split()
}
DURATION_PATTERN = rf"\d{{1,6}}(\.\d{{1,3}})?\s*({'|'.join(_UNITS)})"
_DURATION = re.compile(DURATION_PATTERN, re.ASCII)

MIDNIGHT = 24 * 60


def shown(value: object) -> str:
    """Return a value as a message shows it: on one line, quoted if text, cut where it is long."""
    text = str(value)
    if len(text) > 60:  # noqa: PLR2004 - what a line of a terminal has room for
        text = text[:59] + "…"
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return f'"{text}"' if isinstance(value, str) else text


def meant(word: str, allowed: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest of the allowed words, "" if none is near."""
    near = get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {shown(near[0])}?" if near else ""


@dataclass(frozen=True, slots=True)
class Dates:
    """An inclusive range of local dates."""

    first_on: date
    last_on: date


def read_days(text: str) -> tuple[int, ...] | Dates:
    """Read "mon", "fri-mon" (the weekdays, Monday is 0), "2026-12-31" or "2027-01-01..2027-01-08"."""
    if re.fullmatch(DATES_PATTERN, text, re.ASCII):
        first, _, last = text.partition("..")
        try:
            dates = Dates(date.fromisoformat(first), date.fromisoformat(last or first))
        except ValueError:
            raise ValueError(f"{shown(text)} is not a date of the calendar") from None
        if dates.last_on < dates.first_on:
            raise ValueError(f"{shown(text)} ends before it begins")
        return dates
    if match := re.fullmatch(DAYS_PATTERN, text):
        first_day = DAYS.index(match[1])
        last_day = DAYS.index(match[3] or match[1])
        return tuple((first_day + step) % 7 for step in range((last_day - first_day) % 7 + 1))
    short = "-".join(part.strip()[:3] for part in text.lower().replace("–", "-").split("-"))
    hint = f"; did you mean {shown(short)}?" if re.fullmatch(DAYS_PATTERN, short) else ""
    raise ValueError(
        f'is not a day: allowed are "mon" to "sun", ranges like "mon-fri", dates like "2026-12-31" '
        f'and "2027-01-01..2027-01-08"{hint}'
    )


def read_stretch(text: str) -> Stretch:
    """Read "10:00-13:00"; "24:00" may end it, and an end before the beginning lies on the next date."""
    if not re.fullmatch(STRETCH_PATTERN, text, re.ASCII):
        raise ValueError(f'{shown(text)} is not a stretch of time: write it like "10:00-13:00"')
    opens, closes = (_minutes(part.strip()) for part in re.split("[-–]", text))
    if opens == MIDNIGHT:
        raise ValueError(f'{shown(text)}: "24:00" may end a stretch, but not begin one')
    if opens == closes:
        raise ValueError(f'{shown(text)} ends where it begins: a whole day is "00:00-24:00"')
    return Stretch(opens=opens, closes=closes if closes > opens else closes + MIDNIGHT)


def _minutes(clock: str) -> int:
    hours, minutes = (int(part) for part in clock.split(":"))
    if minutes > 59 or hours * 60 + minutes > MIDNIGHT:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"{shown(clock)} is not a time of day: 00:00 to 24:00")
    return hours * 60 + minutes


def read_moment(text: str) -> int | None:
    """Read "08:30" as minutes after midnight; "off" is None."""
    if text == "off":
        return None
    if not re.fullmatch(MOMENT_PATTERN, text, re.ASCII):
        raise ValueError(f'{shown(text)} is not a time of day: write it like "08:30", or "off"')
    minutes = _minutes(text)
    if minutes == MIDNIGHT:
        raise ValueError(f'{shown(text)}: that is the next day; write "00:00" or a time before midnight')
    return minutes


def say_stretch(stretch: Stretch) -> str:
    """Return a stretch as the file spells it."""
    closes = stretch.closes if stretch.closes <= MIDNIGHT else stretch.closes - MIDNIGHT
    return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (stretch.opens, closes))


def read_duration(text: str) -> timedelta:
    """Read "3 min", "2 h", "7 days", "1.5 hours"."""
    if not (match := _DURATION.fullmatch(text)):
        raise ValueError(
            f'{shown(text)} is not a length of time: write it like "60 s", "3 min", "2 h", "7 days", "2 weeks"'
        )
    unit = match[2]
    length = float(text[: match.start(2)]) * _UNITS[unit]
    if length > LONGEST:
        raise ValueError(f"{shown(text)} is longer than ten years")
    return length


def read_term(text: str) -> Term:
    """Read "1 working day", "4 working hours", "24 hours" or "next window"."""
    if text == "next window":
        return Term(count=0, unit=TermUnit.NEXT_WINDOW)
    if not re.fullmatch(TERM_PATTERN, text, re.ASCII):
        raise ValueError(
            f'{shown(text)} is not a response time: allowed are "4 working hours", "1 working day", "24 hours" '
            f'and "next window"{_meant_term(text)}'
        )
    number, _, unit = text.partition(" ")
    count = int(number)
    if not 1 <= count <= LARGEST_COUNT:
        raise ValueError(f"{shown(text)}: the number must be 1 to {LARGEST_COUNT}")
    return Term(count=count, unit=TermUnit(unit if unit.endswith("s") else unit + "s"))


def _meant_term(text: str) -> str:
    number, _, unit = text.strip().lower().partition(" ")
    if not number.isascii() or not number.isdigit():
        return meant(text, ["next window"])
    units = ["working hours", "working days", "hours"]
    near = get_close_matches(unit.strip(), units, n=1, cutoff=0.5)
    return f"; did you mean {shown(f'{number} {near[0]}')}?" if near else ""


_OFFSET = re.compile(
    r"(?:Etc/)?(?:UTC|GMT|UT)?\s*[+\-−]?\s*\d{1,2}(?::?\d\d)?|(?:Etc/)?GMT|Z|Zulu|EST|MST|HST|MSK", re.IGNORECASE
)

#: What people write who mean a place, and one place that they may mean.
_PLACES = {"MSK": "Europe/Moscow", "GMT": "Europe/London", "EST": "America/New_York", "MST": "America/Denver"}


#: Takes the place of a zone that is faulty, so that everything else can still be looked at.
STAND_IN_ZONE = "Europe/London"

_MEND_ZONES = "install the system's tzdata again (Debian: apt install --reinstall tzdata), or pip install tzdata"


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names of all zones, sorted."""
    # "localtime" is whatever this machine is set to, "Factory" is a placeholder.
    return tuple(sorted(available_timezones() - {"localtime", "Factory"}))


def read_zone(text: str) -> ZoneInfo:
    """Return the named zone; fixed offsets are refused, since no place keeps one for ever."""
    if _OFFSET.fullmatch(text):
        place = _PLACES.get(text.upper(), "Europe/Berlin")
        raise ValueError(
            f"{shown(text)} is a fixed offset, which knows no change of the clocks: name the zone by a place, "
            f'like "{place}"'
        )
    if text not in zone_names():
        raise ValueError(f'{shown(text)} is no time zone: allowed are IANA names like "Europe/Berlin"{_near(text)}')
    if (zone := _zone(text)) is None:
        raise ValueError(f"the data of {shown(text)} on this machine is damaged: {_MEND_ZONES}")
    return zone


def without_zones() -> str:
    """Say that no time zone data can be read on this machine; "" if it can."""
    return f"the machine's time zone data is missing or damaged: {_MEND_ZONES}" if _zone(STAND_IN_ZONE) is None else ""


def _zone(name: str) -> ZoneInfo | None:
    """Return the zone; None where its data is missing or damaged."""
    try:
        return ZoneInfo(name)
    except Exception:  # noqa: BLE001 - the library raises whatever its reader stumbles over
        return None


def _near(text: str) -> str:
    names = zone_names()
    wanted = text.strip().replace(" ", "_").lower()
    for name in names:  # the right place in other letters, or a city without its continent
        if wanted in (name.lower(), name.lower().rpartition("/")[2]):
            return f"; did you mean {shown(name)}?"
    cities = {name.rpartition("/")[2]: name for name in names}
    if near := get_close_matches(wanted.rpartition("/")[2].title(), list(cities), n=1, cutoff=0.75):
        return f"; did you mean {shown(cities[near[0]])}?"
    return meant(text, names)


@cache
def language_known(text: str) -> bool:
    """Tell whether the names of months and days are known in that language."""
    if text in BUILT_IN_LANGUAGES:
        return True
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,8}){0,2}", text):
        return False
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - 45 ms, and most need only the built-in ones

    try:
        Locale.parse(text, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True


def read_language(text: str) -> str:
    """Return the language's code if Babel knows it."""
    if not language_known(text):
        raise ValueError(f'{shown(text)} is no language: allowed are codes like "en", "ru", "de", "pt-BR"')
    return text


@cache
def holidays_fault(code: str) -> str:
    """Return why a code of public holidays cannot be used; "" if it can."""
    from holidays.utils import list_supported_countries  # noqa: PLC0415 - 0.1 s, and only where a code is given

    known = list_supported_countries()
    country, dash, part = code.partition("-")
    if country not in known:
        near = country.upper() if country.upper() in known else ""
        hint = f"; did you mean {shown(near + dash + part.upper())}?" if near else ""
        return (
            f'{shown(code)} is no known code of public holidays: allowed is a country like "DE" '
            f'or a country with its part like "DE-BY"{hint}'
        )
    if dash and part not in known[country]:
        parts = ", ".join(known[country]) or "none"
        return f"{shown(code)}: {country} has no part {shown(part)} with holidays of its own; known: {parts}"
    return ""


def read_holidays(text: str) -> str:
    """Return the code if the table of public holidays knows it; "" means none."""
    if text and (fault := holidays_fault(text)):
        raise ValueError(fault)
    return text
