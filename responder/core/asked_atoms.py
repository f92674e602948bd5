"""One word or number of a time: "Friday", "27.11", "3pm", «в половине двенадцатого»; and the runs of them.

For ``asked``, which tells what a run means. Nothing here knows a clock or a calendar: a date that does not exist is
still a date as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.core import asked_words as words

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

NOON = 12
_MOST_ATOMS = 12


@dataclass(frozen=True, slots=True)
class Clock:
    """An hour as written. ``half``: "am", "pm" or ""; ``literal``: it cannot be the other half of the day."""

    hour: int
    minute: int
    half: str
    literal: bool


@dataclass(frozen=True, slots=True)
class Atom:
    """One word or number of a time: exactly one of the last five is given."""

    start: int
    end: int
    day: str = ""
    clock: Clock | None = None
    part: str = ""
    until: str = ""
    ahead: tuple[int, str] | None = None
    weak: bool = False


def groups(masked: str) -> Iterator[list[Atom]]:
    """Yield the runs of words that together say one time."""
    group: list[Atom] = []
    for match in words.ATOM.finditer(masked):
        atom = _atom(match, masked[: match.start()])
        if atom is None:
            continue
        if group and (
            len(group) >= _MOST_ATOMS
            or not words.GAP.fullmatch(masked, group[-1].end, atom.start)
            or not _joins(group, atom)
        ):
            yield group
            group = []
        group.append(atom)
    if group:
        yield group


def _joins(group: list[Atom], atom: Atom) -> bool:
    """Tell whether an atom can belong to the group: a length stands alone."""
    return atom.ahead is None and group[-1].ahead is None


# ----------------------------------------------------------------------------------------- one atom


def _atom(match: re.Match[str], before: str) -> Atom | None:  # noqa: C901, PLR0912 - one line for each way of writing
    """Read one atom; None where it says nothing."""
    start, end = match.span()
    got = {name: value.lower() for name, value in match.groupdict().items() if value is not None}
    if "end" in got:
        what = got.get("end_ru") or got.get("end_en") or ("week" if got["end"] == "eow" else "day")
        return Atom(start, end, until={"дня": "day", "недели": "week", "месяца": "month"}.get(what, what))
    if "week" in got:
        return Atom(start, end, until="week")
    if "relative" in got:
        return _relative(start, end, got["relative"])
    if "weekday" in got:
        return Atom(start, end, day=f"{_which(got.get('which', ''))}{_weekday(got['weekday'])}")
    if "short" in got:
        return Atom(start, end, day=words.WEEKDAYS[got["short"]], weak=True)
    if "month" in got:
        return Atom(start, end, day=f"{got['day']}.{words.MONTHS[got['month']]}.{got.get('year', '')}")
    if "month2" in got:
        return Atom(start, end, day=f"{got['day2']}.{words.MONTHS[got['month2']]}.{got.get('year2', '')}")
    if "iso" in got:
        year, month, day = got["iso"].split("-")
        return Atom(start, end, day=f"{day}.{month}.{year}")
    if "slash" in got:
        first, second, *year = got["slash"].split("/")
        if int(second) > 12:  # noqa: PLR2004 - months
            return Atom(start, end, day=f"{second}.{first}.{''.join(year)}")
        return Atom(start, end, day=f"{first}.{second}.{''.join(year)}") if int(first) > 12 else None  # noqa: PLR2004
    if "nth" in got:
        return Atom(start, end, day=f"{got['nth']}..")
    if "ahead" in got:
        return _ahead(start, end, got)
    if "part" in got:
        return Atom(start, end, part=_part(got["part"]))
    if "dotted" in got:
        return _dotted(start, end, got, before)
    clock = _clock(match, got, before)
    return None if clock is None else Atom(start, end, clock=clock, weak="bare" in got)


def _relative(start: int, end: int, word: str) -> Atom:
    if word.startswith(("послезавтра", "the day after", "day after")):
        return Atom(start, end, day="in 2 days")
    if word.startswith(("завтра", "tomorrow")):
        return Atom(start, end, day="tomorrow")
    return Atom(start, end, day="today", part="evening" if word == "tonight" else "")


def _weekday(word: str) -> str:
    return next(name for stem, name in words.WEEKDAYS.items() if word.startswith(stem))


def _which(word: str) -> str:
    if word.startswith(("следующ", "next")):
        return "next "
    if word.startswith(("прошл", "last")):
        return "last "
    return "this " if word.startswith(("эт", "this")) else ""


def _part(word: str) -> str:
    if word.startswith(("утр", "до обеда", "перв", "before")) or word.endswith("morning"):
        return "morning"
    return "evening" if word.startswith("вечер") or word.endswith("evening") else "afternoon"


def _ahead(start: int, end: int, got: dict[str, str]) -> Atom | None:
    unit = got["unit"]
    many = got.get("many", "")
    if unit in {"получаса", "полчаса", "half an hour"}:
        return Atom(start, end, ahead=(30, "minutes"))
    count = int(many) if many.isdecimal() else words.COUNTS.get(many, 0)
    if not count or (not many and got["ahead"] == "in"):
        return None
    if unit.startswith(("час", "hour")):
        return Atom(start, end, ahead=(count, "hours"))
    if unit.startswith(("мин", "minute")):
        return Atom(start, end, ahead=(count, "minutes"))
    if not many:  # "in the day", "в течение дня": today
        return Atom(start, end, until="day")
    return Atom(start, end, ahead=(count, "days"))


def _dotted(start: int, end: int, got: dict[str, str], before: str) -> Atom | None:
    """Read "15.30" or "15.12": an hour after "в", else a date if there is such a month."""
    first, second, *year = (int(number) for number in got["dotted"].split("."))
    hour = words.AT.search(before[-12:])
    at_hour = hour is not None and hour[0].strip().lower() in {"в", "во", "at"}
    half = _half(got.get("dotted_half", ""))
    if (at_hour or half or not 1 <= second <= 12) and not year and first < 24 and second < 60:  # noqa: PLR2004
        return Atom(start, end, clock=Clock(first, second, half, literal=True))
    if at_hour or not (1 <= first <= 31 and 1 <= second <= 12):  # noqa: PLR2004
        return None
    full = year[0] + 2000 if year and year[0] < 100 else year[0] if year else ""  # noqa: PLR2004
    return Atom(start, end, day=f"{first}.{second}.{full}")


def _half(word: str) -> str:
    if word.startswith(("a", "утра")):
        return "am"
    return "pm" if word.startswith(("p", "дня", "вечера")) else ""


def _number(word: str) -> int:
    return int(word) if word.isdecimal() else words.HOURS[word]


def _clock(match: re.Match[str], got: dict[str, str], before: str) -> Clock | None:  # noqa: C901 - as above
    """Read an hour; None where the number is none."""
    minute, half, literal = 0, "", False
    if "hour" in got:
        hour, minute, half = int(got["hour"]), int(got.get("minute", 0)), _half(got["half"])
    elif "hour2" in got:
        hour, minute, half = int(got["hour2"]), int(got["minute2"]), _half(got.get("half2", ""))
        literal = got["hour2"].startswith("0") or (hour > 6 and _cyrillic(match.string))  # noqa: PLR2004 - see _settled
    elif "dashed" in got:
        if not words.AT.search(before[-12:]):
            return None
        hour, minute, literal = int(got["dashed"].split("-")[0]), int(got["dashed"].split("-")[1]), True
    elif "hour3" in got:
        hour, half = _number(got["hour3"]), _half(got.get("half3", ""))
    elif "hour4" in got:
        hour, half = _number(got["hour4"]), _half(got["half4"])
    elif "past" in got:
        hour, minute = _number(got["past"]), 30
        if "past" not in match[0].lower():  # «половина двенадцатого» is half an hour before twelve
            hour = hour - 1 or 12
    elif "noon" in got:
        return Clock(NOON, 0, "", literal=True)
    else:
        if not words.AT.search(before[-12:]):
            return None
        hour = _number(got["bare"])
    if hour > 24 or (half and not 1 <= hour <= 12 and not hour > NOON) or (hour == 24 and minute):  # noqa: PLR2004
        return None
    return Clock(hour, minute, half, literal or hour > NOON or hour == 0)


def _cyrillic(text: str) -> bool:
    return any("а" <= ch <= "я" for ch in text.lower())
