"""Hours of a week as a person writes them: "mon-fri 10-13 14-19, sat 10-12", «пн-пт с 10 до 19».

For ``init``. What is read is given back as ``config.toml`` spells it, so that the file and the question cannot differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from responder.commands.days import WEEKDAYS
from responder.config.spelling import DAYS, MIDNIGHT, read_stretch, say_stretch, shown

EXAMPLES = '"mon-fri 10-19", "mon-thu 9:30-13 14-18, fri 9-14" or «пн-пт с 10 до 19»'
#: Enough for seven days with their words; longer input only costs time.
_LONGEST = 300

_TOKEN = re.compile(
    r"(?P<time>\d{1,2}(?:[:.]\d{1,2})?(?:\s*[ap]\.?m\b\.?)?)|(?P<word>[^\W\d_]+)\.?|(?P<dash>[-–—−])|(?P<comma>[,;\n])",
    re.IGNORECASE,
)
_HALF = re.compile(r"[ap]", re.IGNORECASE)
_HALF_DAY = 12  # hours
_TO = frozenset(["to", "till", "until", "through", "по", "до"])
_BEFORE = frozenset(["from", "at", "on", "and", "с", "со", "от", "и", "в", "every", "each", "open", "work", "hours"])
_SEVERAL = {
    "mon-sun": "daily everyday ежедневно day days день",
    "mon-fri": "weekdays weekday workdays будни будням рабочие будние",
    "sat-sun": "weekend weekends выходные выходным",
}
_NO_WINDOWS = frozenset({"none", "no", "-", "нет"})
_NAMES = {word: days for days, words in _SEVERAL.items() for word in words.split()}


def read_week(text: str) -> dict[str, list[str]]:
    """Return days → stretches, as in ``{"mon-fri": ["10:00-13:00", "14:00-19:00"]}``, in the order of the text.

    Raises ValueError with a sentence that can be shown as it is.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"that is too long: write days and hours like {EXAMPLES}")
    reader = _Reader()
    at = 0
    for match in _TOKEN.finditer(text):
        if between := text[at : match.start()].strip():
            raise ValueError(f"{shown(between)} is not understood here: write days and hours like {EXAMPLES}")
        at = match.end()
        reader.take(str(match.lastgroup), match[0].strip())
    if rest := text[at:].strip():
        raise ValueError(f"{shown(rest)} is not understood here: write days and hours like {EXAMPLES}")
    return reader.finish()


def read_windows(text: str) -> dict[str, list[str]]:
    """Return callback windows as days → stretches; empty for "none"."""
    return {} if text.casefold() in _NO_WINDOWS else read_week(text)


def say_week(week: dict[str, list[str]]) -> str:
    """Return hours as they may be typed again: "mon-fri 10:00-13:00 14:00-19:00, sat 10:00-12:00"."""
    return ", ".join(" ".join((days, *stretches)) for days, stretches in week.items())


def first_hours(week: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the first hour of each day: when many return calls."""
    found: dict[str, list[str]] = {}
    for days, stretches in week.items():
        first = min(map(read_stretch, stretches), key=lambda stretch: stretch.opens)
        found[days] = [say_stretch(replace(first, closes=min(first.opens + 60, first.closes)))]
    return found


@dataclass(slots=True)
class _Reader:
    """Takes one token after the other: days first, then their stretches."""

    week: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    days: list[str] = field(default_factory=list[str])
    #: The beginning of a stretch whose end is still to come, and whether it was written without "am" or "pm".
    open_time: str = ""
    open_bare: bool = False
    #: The days have had a stretch: the next day begins a new group.
    closed: bool = True
    to: bool = False

    def take(self, kind: str, text: str) -> None:
        word = text.lower().rstrip(".")
        if kind == "comma":
            self._no_loose_end()
        elif kind == "dash" or word in _TO:
            self.to = True
        elif kind == "time":
            self._time(text)
        elif word not in _BEFORE:
            self._day(text, word)

    def _day(self, text: str, word: str) -> None:
        if self.open_time:
            raise ValueError(f"{shown(self.open_time)} is no stretch of time: from when until when? Like 10-13")
        day = _NAMES.get(word) or _day(word)
        if not day:
            raise ValueError(f"{shown(text)} is no day of the week: write days and hours like {EXAMPLES}")
        if self.to and self.days and not self.closed and "-" not in day + self.days[-1]:
            self.days[-1] = f"{self.days[-1]}-{day}"
        else:
            if self.closed:
                self.days, self.closed = [], False
            self.days.append(day)
        self.to = False

    def _time(self, text: str) -> None:
        clock = _clock(text)
        if not self.open_time:
            self.open_time, self.open_bare, self.to = clock, not _HALF.search(text), False
            return
        if not self.to:
            raise ValueError(f"{shown(self.open_time)} and {shown(clock)}: write a stretch with a dash, like 10-13")
        afternoon = self.open_bare and (half := _HALF.search(text)) is not None and half[0].lower() == "p"
        stretch = _stretch(_in_the_afternoon(self.open_time, clock) if afternoon else self.open_time, clock)
        self.open_time, self.to = "", False
        if not self.days:
            raise ValueError(f"which days? Write them before the hours, like {EXAMPLES}")
        for day in self.days:
            there = self.week.setdefault(day, [])
            if stretch not in there:
                there.append(stretch)
        self.closed = True

    def _no_loose_end(self) -> None:
        if self.open_time:
            raise ValueError(f"{shown(self.open_time)} is no stretch of time: from when until when? Like 10-13")

    def finish(self) -> dict[str, list[str]]:
        self._no_loose_end()
        if not self.week and not self.days:
            raise ValueError(f"write days and hours like {EXAMPLES}")
        if not self.closed:
            raise ValueError(f"{shown(', '.join(self.days))}: at what hours? Like {EXAMPLES}")
        return self.week


def _day(word: str) -> str:
    for day, pattern in zip(DAYS, WEEKDAYS, strict=True):
        if re.fullmatch(rf"(?:{pattern})|{day}s|(?:{pattern})s", word):
            return day
    return ""


def _in_the_afternoon(opens: str, closes: str) -> str:
    """Return the beginning of a stretch whose end alone has its "pm": "1-5 pm" is 13:00, "9-5 pm" is 09:00."""
    hours = int(opens[:2])
    before = (hours % _HALF_DAY, opens[3:]) < (int(closes[:2]) % _HALF_DAY, closes[3:])
    return f"{hours + _HALF_DAY}{opens[2:]}" if before and 0 < hours < _HALF_DAY else opens


def _stretch(opens: str, closes: str) -> str:
    """Return a stretch as the file spells it; one through the whole night is a slip, like "9-5" for "9-17"."""
    stretch = read_stretch(f"{opens}-{closes}")
    if stretch.closes > MIDNIGHT and stretch.closes - stretch.opens > _HALF_DAY * 60:
        raise ValueError(
            f"{opens} to {closes} would last through the night: write hours from 0 to 24, like 9-17, or with am and pm"
        )
    return say_stretch(stretch)


def _clock(text: str) -> str:
    """Return "9.30", "9", "5 pm" as "09:30", "09:00", "17:00"; what is no time stays for the reader to refuse."""
    match = re.fullmatch(r"(\d{1,2})(?:[:.](\d{1,2}))?\s*(?:([ap])\.?m\.?)?", text, re.IGNORECASE)
    if match is None:
        raise ValueError(f"{shown(text)} is no time of day")
    hours, minutes, half = int(match[1]), match[2] or "00", (match[3] or "").lower()
    if len(minutes) == 1:
        raise ValueError(f"{shown(text)} is no time of day: write minutes with two digits")
    if half:
        if not 1 <= hours <= _HALF_DAY:
            raise ValueError(f"{shown(text)} is no time of day")
        hours = hours % _HALF_DAY + (_HALF_DAY if half == "p" else 0)
    return f"{hours:02}:{minutes}"
