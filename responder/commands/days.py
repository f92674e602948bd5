"""Whole days as a person writes them: "from 24 December to 8 January", «с пятницы по следующий понедельник».

For ``away``. Each end is read by itself: a small grammar knows weekdays, dates and what stands between two ends, in
both languages; what it does not know of a single day goes to dateparser, as one short phrase. Both ends are included.
A date without its year is the nearest one, so that a slip becomes a past day and not one a year ahead.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Enough for any two dates with their words; longer input only costs time.
_LONGEST = 100
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)

EXAMPLES = (
    '"from 24 December to 8 January", «с пятницы по следующий понедельник», "until Friday", "tomorrow", "next week", '
    '"24-28 December" or 2026-12-24..2027-01-08'
)

WEEKDAYS = (
    r"mon(?:day)?|понедельник\w*|пн",
    r"tue(?:s|sday)?|вторник\w*|вт",
    r"wed(?:nesday)?|сред[аеуы]\w{0,2}|ср",
    r"thu(?:rs?|rsday)?|четверг\w*|чт",
    r"fri(?:day)?|пятниц\w*|пт",
    r"sat(?:urday)?|суббот\w*|сб",
    r"sun(?:day)?|воскресень\w*|вс",
)
_MONTHS = (
    r"jan(?:uary)?|январ\w*",
    r"feb(?:ruary)?|феврал\w*",
    r"mar(?:ch)?|март\w*",
    r"apr(?:il)?|апрел\w*",
    r"may|ма[йяе]",
    r"june?|июн\w*",
    r"july?|июл\w*",
    r"aug(?:ust)?|август\w*",
    r"sept?(?:ember)?|сентябр\w*",
    r"oct(?:ober)?|октябр\w*",
    r"nov(?:ember)?|ноябр\w*",
    r"dec(?:ember)?|декабр\w*",
)
_MONTH = "|".join(_MONTHS)
_WEEKDAY = "|".join(WEEKDAYS)
_NEXT = r"next|следующ\w+"
_THIS = r"this|coming|эт\w{1,2}|ближайш\w+"
_NUMBERS = {
    word: number
    for number, words in enumerate(
        ("a an one один одну", "two два две", "three три", "four четыре", "five пять", "six шесть", "seven семь"), 1
    )
    for word in words.split()
}
_LENGTH = rf"(?:(\d{{1,3}}|{'|'.join(_NUMBERS)})\s+)?(days?|weeks?|дн\w+|день|недел\w+)"
_ISO = r"\d{4}-\d\d-\d\d"
_TO = r"to|till|til|until|through|thru|по|до"
_RELATIVE = {
    "today": 0, "сегодня": 0, "tomorrow": 1, "завтра": 1, "the day after tomorrow": 2, "day after tomorrow": 2,
    "послезавтра": 2, "yesterday": -1, "вчера": -1, "сегодняшнего дня": 0, "завтрашнего дня": 1,
}  # fmt: skip
#: Only such phrases go to dateparser: it makes a day of nearly any words ("we", "24-28 December" is one in 2028).
_GUESSABLE = re.compile(r"(?:in|через) .+|.+ (?:ago|назад|from now)")
#: What may stand before the days and says nothing of them.
_LEADING = (
    r"^(?:i am |i'm )?(?:away|off|absent|vacation|holidays?|отпуск|отсутствие|отсутствую|командировка|меня не будет) "
)


def read_days(words: str, today_on: date) -> tuple[date, date]:
    """Return the first and the last day that the words mean, both included; they may lie in the past or be reversed.

    Raises ValueError with a sentence for the owner.
    """
    text = _plain(words)
    if re.search(r"\d:\d\d", text):
        raise ValueError(f'"{words}" names a time of day: an absence is made of whole days; hours go into [hours]')
    try:
        found = next(_readings(text, today_on), None)
    except OverflowError:
        raise ValueError(f'"{words}" reaches beyond the calendar') from None
    if found is None and re.match(r"(?:from|since|со?) ", text):
        raise ValueError(f'"{words}" says from when, but not until when: write {EXAMPLES}')
    if found is None:
        raise ValueError(f'"{words}" names no days I know: write {EXAMPLES}')
    return found


def _plain(words: str) -> str:
    text = re.sub(r"[«»\"“”,;!?]", " ", words[:_LONGEST].lower().replace("ё", "е"))
    text = re.sub(r"[–—−]", "-", text)
    text = re.sub(r"\b(\d{1,2})(?:st|nd|rd|th|-?го|-?о?е)\b", r"\1", text)
    return re.sub(_LEADING, "", " ".join(text.split()).strip(" ."))


def _readings(text: str, today_on: date) -> Iterator[tuple[date, date]]:
    """Yield what the whole phrase can mean, the likeliest first."""
    if match := re.fullmatch(rf"({_ISO}) ?(?:\.\.|/|-|{_TO}) ?({_ISO})", text):
        yield _iso(match[1]), _iso(match[2])
        return
    if match := re.fullmatch(rf"(?:(?:from|since|со?) )?(.+?) (?:for|на) {_LENGTH}", text):
        yield from _lasting(match[1], match[2], match[3], today_on)
    if match := re.fullmatch(rf"(?:for |на )?{_LENGTH}(?: (?:from|since|starting|со?) (.+))?", text):
        yield from _lasting(match[3] or "today", match[1], match[2], today_on)
    if match := re.fullmatch(rf"(?:from|since|со?) (.+?)(?: (?:{_TO}) | ?- ?)(.+)", text):
        yield from _between(match[1], match[2], today_on)
    if match := re.fullmatch(rf"(?:{_TO}) (.+)", text):
        yield from _between("today", match[1], today_on)
    yield from _whole(text, today_on)
    if (on := _day(text, today_on, today_on)) is not None:
        yield on, on
    for match in re.finditer(rf" (?:{_TO}) | - |-", text):
        yield from _between(text[: match.start()], text[match.end() :], today_on)


def _lasting(start: str, number: str | None, unit: str, today_on: date) -> Iterator[tuple[date, date]]:
    from_on = _day(start, today_on, today_on)
    if from_on is not None and (number or not unit.startswith(("d", "д"))):
        count = 1 if number is None else _NUMBERS.get(number) or int(number)
        days = count * (7 if unit.startswith(("week", "недел")) else 1)
        yield from_on, from_on + timedelta(days=max(days, 1) - 1)


def _between(start: str, end: str, today_on: date) -> Iterator[tuple[date, date]]:
    """Yield the stretch between two ends; a start that is a number only takes its month from the end."""
    if re.fullmatch(r"(?:the )?\d{1,2}", start) and (month := re.search(rf"\b(?:{_MONTH})\b(?: \d{{4}})?", end)):
        start = f"{start} {month[0]}"
    elif (match := re.fullmatch(rf"({_MONTH}) (\d{{1,2}})", start)) and re.fullmatch(r"\d{1,2}(?: \d{4})?", end):
        end = f"{match[1]} {end}"
        start += end[len(f"{match[1]} {end.split()[1]}") :]
    from_on = _day(start, today_on, today_on)
    if from_on is None:
        return
    until_on = _day(end, today_on, from_on)
    if until_on is None:
        return
    if until_on == from_on != today_on and re.search(rf"\b(?:{_WEEKDAY})\b", end):
        until_on += _WEEK  # "from Monday to Monday"
    yield from_on, until_on


def _whole(text: str, today_on: date) -> Iterator[tuple[date, date]]:
    """Yield the stretch of a week or a month that goes by its name."""
    text = re.sub(r"^(?:in|on|the|в|на|all|вс[еюь]) ", "", text)
    monday_on = today_on - timedelta(days=today_on.weekday())
    if re.fullmatch(rf"(?:{_NEXT}) (?:week|недел\w+)", text):
        yield monday_on + _WEEK, monday_on + 2 * _WEEK - _DAY
    elif re.fullmatch(rf"(?:{_THIS}) (?:week|недел\w+)", text):
        yield today_on, monday_on + _WEEK - _DAY
    elif re.fullmatch(rf"(?:{_NEXT}) (?:month|месяц\w*)", text):
        first_on = _month_end(today_on) + _DAY
        yield first_on, _month_end(first_on)
    elif match := re.fullmatch(rf"({_MONTH})(?: (\d{{4}}))?", text):
        month = _number_of(match[1], _MONTHS) + 1
        year = int(match[2]) if match[2] else today_on.year + (month < today_on.month)
        first_on = _date(year, month, 1)
        yield first_on, _month_end(first_on)


def _day(text: str, today_on: date, near_on: date) -> date | None:
    """Return the single day that the text means; without a year or a week it is the one near ``near_on``."""
    text = re.sub(r"^(?:(?:on|the|во?|ко?|including) )+", "", text.strip())
    text = re.sub(r" (?:inclusive|included|включительно)$", "", text)
    if text in _RELATIVE:
        return today_on + timedelta(days=_RELATIVE[text])
    if re.fullmatch(_ISO, text):
        return _iso(text)
    if match := re.fullmatch(r"(\d{1,2})[./](\d{1,2})(?:[./](\d{4}|\d\d))?", text):
        year = int(match[3]) + (2000 if len(match[3]) == 2 else 0) if match[3] else None  # noqa: PLR2004 - "26"
        return _date_near(int(match[1]), int(match[2]), year, near_on)
    pattern = rf"(\d{{1,2}}) (?:of )?({_MONTH})(?: (\d{{4}})(?: г(?:ода?)?\.?)?)?"
    if match := re.fullmatch(pattern, text):
        return _date_near(
            int(match[1]), _number_of(match[2], _MONTHS) + 1, int(match[3]) if match[3] else None, near_on
        )
    if match := re.fullmatch(rf"({_MONTH}) (\d{{1,2}})(?: (\d{{4}}))?", text):
        return _date_near(
            int(match[2]), _number_of(match[1], _MONTHS) + 1, int(match[3]) if match[3] else None, near_on
        )
    if (on := _weekday(text, today_on, near_on)) is not None:
        return on
    if match := re.fullmatch(
        r"(?:end|конца?) (?:of (?:the |this )?)?(?:эт\w+ )?(week|month|year|недели|месяца|года)", text
    ):
        ends = {
            "w": near_on + timedelta(days=6 - near_on.weekday()),
            "m": _month_end(near_on),
            "y": date(near_on.year, 12, 31),
        }
        return ends[{"н": "w", "м": "m", "г": "y"}.get(match[1][0], match[1][0])]
    return _guess(text, today_on)


def _weekday(text: str, today_on: date, near_on: date) -> date | None:
    later = rf"(?:of )?(?:{_NEXT}) week|(?:на )?(?:{_NEXT}) недел\w+"
    match = re.fullmatch(rf"(?:(?P<next>{_NEXT}) |(?:{_THIS}) )?(?P<day>{_WEEKDAY})(?P<later> (?:{later}))?", text)
    if match is None:
        return None
    number = _number_of(match["day"], WEEKDAYS)
    if match["next"] or match["later"]:
        on = today_on + timedelta(days=7 - today_on.weekday() + number)
        if on >= near_on:
            return on
    return near_on + timedelta(days=(number - near_on.weekday()) % 7)


def _guess(text: str, today_on: date) -> date | None:
    """Let dateparser read a short phrase about one day ("in two weeks", «через 10 дней»)."""
    if not _GUESSABLE.search(text):
        return None
    import dateparser  # noqa: PLC0415 - heavy, and only wanted here

    parsed = dateparser.parse(
        text,
        languages=["ru", "en"],
        settings={
            "RELATIVE_BASE": datetime.combine(today_on, time(12)),
            "PREFER_DATES_FROM": "future",
            "RETURN_AS_TIMEZONE_AWARE": False,
            "DATE_ORDER": "DMY",
        },
    )
    return None if parsed is None else parsed.date()


def _number_of(word: str, patterns: tuple[str, ...]) -> int:
    return next(number for number, pattern in enumerate(patterns) if re.fullmatch(pattern, word))


def _iso(text: str) -> date:
    return _date(*(int(part) for part in text.split("-")))


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"there is no {year:04}-{month:02}-{day:02} in the calendar") from None


def _date_near(day: int, month: int, year: int | None, near_on: date) -> date:
    """Return the date of that year, or else the one of any year that lies nearest."""
    if year is not None:
        return _date(year, month, day)
    found: list[date] = []
    for each in (near_on.year - 1, near_on.year, near_on.year + 1):
        try:
            found.append(date(each, month, day))
        except ValueError:
            continue
    if not found:
        raise ValueError(f"there is no day {day}.{month:02} in the calendar: day and month, in this order")
    return min(found, key=lambda on: abs(on - near_on))


def _month_end(on: date) -> date:
    return on.replace(day=calendar.monthrange(on.year, on.month)[1])
