"""Times that a client asks for: a call that is proposed, a deadline that is set, in the client's own words.

Promises to the reply that a finding is quoted as it was written, means one instant (or says honestly that it means a
day or a stretch), and is there only where nothing else could be meant: who is unsure is silent. The grammar finds the
words and puts them into a short English phrase; what the phrase comes to is the parser's business, which is handed in:
it is heavy, and this floor imports nothing heavy.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from responder.core import asked_words as words
from responder.core.asked_atoms import NOON, Atom, Clock, groups
from responder.core.model import Asked, AskedKind
from responder.core.spans import utc
from responder.core.subject import quotable, without_prefixes

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator

    #: From a short English phrase and a naive local time to the naive local time that is meant; None where unknown.
    Parse = Callable[[str, datetime], datetime | None]

MOST_TEXT = 8_000  # characters of subject and text together
MOST_QUOTE = 80
_MOST_FOUND = 6
_MOST_TRIED = 40  # groups of words that are looked at: who writes more of them writes a timetable
_FAR = timedelta(days=180)
_LONG_LINE = 50  # a mail program breaks lines at 72 columns; a shorter line ends where its writer ended it
_SHORT_SENTENCE = 60
_NIGHT_ENDS = 5  # before this hour "tomorrow" may mean today
_NEXT = 3  # days: on a Sunday "next Monday" may be tomorrow or the one after
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}


class _UnsureError(Exception):
    """More than one thing can be meant, or none."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose clock is meant. ``minutes``: the offset that its name stands for, None for any."""

    zone: tzinfo
    minutes: int | None = None

    def instant(self, local: datetime) -> datetime:
        """Return the instant at which clocks there show that; unsure where they show it twice or never."""
        aware = local.replace(tzinfo=self.zone)
        offset = aware.utcoffset()
        if offset != aware.replace(fold=1).utcoffset() or self.minutes not in {None, offset and offset // _MINUTE}:
            raise _UnsureError
        return utc(aware)


def find(
    subject: str,
    text: str,
    at: datetime,
    zone: ZoneInfo,
    owner_zone: ZoneInfo,
    parse: Parse,
    *,
    cut: bool = False,
) -> tuple[Asked, ...]:
    """Return what the new text of a letter asks for, in its order, the subject first.

    Args:
        subject: the subject as decoded.
        text: the new text, without quotes and signatures.
        at: when the letter arrived.
        zone: the writer's zone.
        owner_zone: the reader's zone: "your time".
        parse: the parser of phrases.
        cut: the text goes on where we have no more of it: "at 1" may be the beginning of "at 15:00".
    """
    reader = _Reader(at.astimezone(zone), zone, owner_zone, parse)
    found: dict[tuple[AskedKind, datetime, datetime], Asked] = {}
    tried = 0
    # Most texts name no time at all, and need not be cut into sentences.
    wholes = [whole for whole in (without_prefixes(subject), text) if words.may_name_time(_flat(whole[:MOST_TEXT]))]
    if cut and wholes and wholes[-1] is text:
        wholes[-1] = _without_last(text)
    for sentence, before in _sentences(wholes):
        # Letter for letter: a place in the folded sentence is the same place in the written one.
        plain = _folded(sentence)
        if not words.HINT.search(plain.lower()):
            continue
        before_it = _folded(before)
        if not _speaks(plain) and not (len(plain) <= _SHORT_SENTENCE and _speaks(before_it)):
            continue
        masked = words.NO_TIME.sub(lambda match: "¤" * len(match[0]), plain)
        for group in groups(masked):
            tried += 1
            if tried > _MOST_TRIED or len(found) >= _MOST_FOUND:
                return tuple(found.values())
            asked = reader.read(sentence, masked, before_it, group)
            if asked is not None:
                found.setdefault((asked.kind, asked.starts_at, asked.ends_at), asked)
    return tuple(found.values())


def _sentences(wholes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each sentence of each text with the one before it ("" for the first), white space as single spaces."""
    for whole in wholes:
        before = ""
        lines: list[str] = []
        for written in unicodedata.normalize("NFC", whole[:MOST_TEXT]).split("\n"):
            line = " ".join(written.split())
            if lines and line and lines[-1] and (len(lines[-1]) >= _LONG_LINE or line[0].islower()):
                lines[-1] += f" {line}"
            else:
                lines.append(line)
        for sentence in _pieces("\n".join(lines)):
            yield sentence, before
            before = sentence


def _without_last(text: str) -> str:
    """Return the text without its last sentence."""
    ends = [match.end() for match in words.SENTENCE_END.finditer(text) if match.end() < len(text)]
    return text[: ends[-1]] if ends else ""


def _flat(text: str) -> str:
    """Return the text as the sentences will be looked at, but in one piece."""
    return _folded(" ".join(unicodedata.normalize("NFC", text).split())).lower()


def _folded(text: str) -> str:
    return text.replace("ё", "е").replace("Ё", "Е").replace("’", "'")


def _pieces(text: str) -> Iterator[str]:
    start = 0
    for match in words.SENTENCE_END.finditer(text):
        if piece := text[start : match.end()].strip():
            yield piece
        start = match.end()
    if piece := text[start:].strip():
        yield piece


def _speaks(sentence: str) -> bool:
    """Tell whether the sentence may ask for something."""
    return bool(words.CALL.search(sentence) or words.WANT.search(sentence) or words.DEADLINE.search(sentence))


# --------------------------------------------------------------------------------------- their meaning


class _Reader:
    """Reads groups of atoms as times, by one letter's clock."""

    def __init__(self, local: datetime, zone: ZoneInfo, owner_zone: ZoneInfo, parse: Parse) -> None:
        self._local = local
        self._base = local.replace(tzinfo=None)
        self._at = local.astimezone(UTC)
        self._zone = zone
        self._owner_zone = owner_zone
        self._parse = parse

    def read(self, sentence: str, masked: str, before: str, group: list[Atom]) -> Asked | None:
        """Return what the group asks for, None if nothing, or if that is not sure."""
        lead = words.LEAD.search(masked[: group[0].start])
        start = lead.start() if lead else group[0].start
        end = group[-1].end
        if masked[end - 1] == "." and not masked[:end].endswith(("m.", "г.")):
            end -= 1
        zone_words = words.ZONE.match(masked, end)
        if more := words.INCLUSIVE.match(masked, end):
            end = more.end()
        if zone_words is not None and any(atom.clock for atom in group):
            end = zone_words.end()
        else:
            zone_words = None
        clocked = any(atom.clock for atom in group)
        if words.GOES_ON.match(masked, end) or (not clocked and words.OTHERWISE.match(masked, end)):
            return None
        quote = sentence[start:end].strip(" ,(")
        links = [masked[start : group[0].start]] + [masked[one.end : other.start] for one, other in pairwise(group)]
        try:
            kind = self._kind(masked, before, group, links)
            if kind is None or len(quote) > MOST_QUOTE or quotable(quote) != quote or not quote.isprintable():
                return None
            zone = self._named_zone(zone_words)
            starts_at, ends_at = self._meant(group, links, zone, kind, named=zone_words is not None)
        except (_UnsureError, OverflowError, ValueError):
            return None
        if (max(starts_at, ends_at)) <= self._at or starts_at - self._at > _FAR:
            return None
        return Asked(kind=kind, quote=quote, starts_at=starts_at, ends_at=ends_at)

    # ------------------------------------------------------------------------------------------ kind

    def _kind(self, masked: str, before: str, group: list[Atom], links: list[str]) -> AskedKind | None:
        if words.NOT_ASKED.search(masked) or words.OWN_EVENT.search(masked) or words.CONDITION.search(masked):
            return None
        ranged = self._ranged(group, links)
        by = not ranged and any(words.BY.search(link) for link in links)
        if not ranged and any(words.UNTIL.search(link) for link in links):
            return None
        call, want = words.CALL.search(masked), words.WANT.search(masked)
        if words.DEADLINE.search(masked):
            return AskedKind.DEADLINE
        if by or group[0].until or (group[0].ahead and not call):
            asked = want or (not call and words.WANT.search(before))
            if not asked or words.OWN_PROMISE.search(masked):
                return None
            within = group[0].until or by or masked[group[0].start :].lower().startswith(("в ", "within", "в течение"))
            return AskedKind.DEADLINE if within else None
        if call:
            return AskedKind.CALL
        if words.NEED.search(masked) and not words.OWN_PROMISE.search(masked):
            return AskedKind.DEADLINE
        if len(masked) <= _SHORT_SENTENCE and words.CALL.search(before) and not words.NOT_ASKED.search(before):
            return None if words.OWN_PROMISE.search(masked) else AskedKind.CALL
        return None

    @staticmethod
    def _ranged(group: list[Atom], links: list[str]) -> bool:
        """Tell whether two hours are the ends of one stretch."""
        clocks = [index for index, atom in enumerate(group) if atom.clock]
        if len(clocks) != 2 or clocks[1] != clocks[0] + 1:  # noqa: PLR2004 - its two ends
            return False
        opening = words.OPENING.search(links[clocks[0]])
        closing = words.BETWEEN.search(links[clocks[1]])
        return bool(closing and (opening or "-" in links[clocks[1]] or "–" in links[clocks[1]]))

    # ------------------------------------------------------------------------------------------ zone

    def _named_zone(self, match: re.Match[str] | None) -> _Place:
        if match is None or match["mine"]:
            return _Place(self._zone)
        if match["yours"]:
            return _Place(self._owner_zone)
        if match["moscow"]:
            return _Place(ZoneInfo("Europe/Moscow"))
        if match["offset"]:
            text = match["offset"].lower().removeprefix("utc").removeprefix("gmt").replace(" ", "").replace("−", "-")
            hours, _, minutes = text[1:].partition(":")
            if len(hours) > 2:  # noqa: PLR2004 - +0530
                hours, minutes = hours[:-2], hours[-2:]
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            if offset > timedelta(hours=14):
                raise _UnsureError
            return _Place(timezone(-offset if text[0] == "-" else offset))
        if match["name"]:
            name = match["name"].lower()
            return _Place(ZoneInfo(words.ZONES[name]), words.OFFSETS.get(name))
        raise _UnsureError

    # ------------------------------------------------------------------------------------------ time

    def _meant(
        self, group: list[Atom], links: list[str], zone: _Place, kind: AskedKind, *, named: bool
    ) -> tuple[datetime, datetime]:
        """Return the instant as both ends, or the ends of the day or stretch that is meant."""
        if group[0].ahead is not None:
            return self._ahead(*group[0].ahead)
        if any(atom.until for atom in group):
            return self._until(group)
        clocks = [atom.clock for atom in group if atom.clock is not None]
        parts = {atom.part for atom in group if atom.part}
        days = list(dict.fromkeys(atom.day for atom in group if atom.day))
        part = next(iter(parts), "")
        weak = any(atom.weak for atom in group) and not (days and (clocks or len(days) > 1))
        if len(parts) > 1 or weak or not (clocks or days or (part and kind is AskedKind.CALL)):
            raise _UnsureError
        if not clocks:
            day = self._day(days, None)
            opens, closes = _PARTS.get(part, (0, 24))
            return self._edge(day, opens), self._edge(day, closes)
        ranged = self._ranged(group, links)
        if len(clocks) > 1 and not ranged:
            raise _UnsureError
        times = self._settled(clocks, part, named=named)
        return self._clocked(days, times, zone, named=named, after=any(words.AFTER.search(link) for link in links))

    def _clocked(
        self, days: list[str], times: list[tuple[int, int]], zone: _Place, *, named: bool, after: bool
    ) -> tuple[datetime, datetime]:
        """Return the instant of a day's hour, or the stretch between two of its hours, or after one."""
        on = self._day(days, times[0])
        starts_at, *ends = (self._at_clock(on, each, zone) for each in times)
        # By another zone's clock the day may be another one: then it is not sure whose "tomorrow" is meant.
        written = any(day[0].isdigit() for day in days)
        if starts_at <= self._at or (named and not written and starts_at.astimezone(self._zone).date() != on):
            raise _UnsureError
        if ends:
            if ends[0] <= starts_at:
                raise _UnsureError
            return starts_at, ends[0]
        return starts_at, self._edge(starts_at.astimezone(self._zone).date(), 24) if after else starts_at

    def _ahead(self, count: int, unit: str) -> tuple[datetime, datetime]:
        local = self._phrase(f"in {count} {unit}", self._base)
        if unit == "days":
            return self._edge(local.date(), 0), self._edge(local.date(), 24)
        # By the clock of the wall the parser counts; a change of the clocks in between would make that wrong.
        length = local - self._base
        if length != timedelta(**{unit: count}):
            raise _UnsureError
        at = (self._at + length).replace(second=0, microsecond=0)
        return at, at

    def _until(self, group: list[Atom]) -> tuple[datetime, datetime]:
        """Return the rest of a day, a week or a month; "the end of the day" may name its day."""
        today = self._base.date()
        until = next(atom.until for atom in group if atom.until)
        days = [atom.day for atom in group if atom.day]
        if any(atom.clock or atom.part for atom in group) or (days and until != "day"):
            raise _UnsureError
        if until == "day":
            day = self._day(days, None)
            return self._edge(day, 0), self._edge(day, 24)
        if until == "week":
            last = today + timedelta(days=6 - today.weekday())
        else:
            last = (today.replace(day=28) + timedelta(days=4)).replace(day=1) - _DAY
        return self._edge(today, 0), self._edge(last, 24)

    def _edge(self, on: date, hour: int) -> datetime:
        day, hour = (on + _DAY, 0) if hour == 24 else (on, hour)  # noqa: PLR2004
        return utc(datetime(day.year, day.month, day.day, hour, tzinfo=self._zone))

    def _phrase(self, phrase: str, base: datetime) -> datetime:
        found = self._parse(phrase, base)
        if found is None or found.tzinfo is not None:
            raise _UnsureError
        return found

    def _at_clock(self, on: date, clock: tuple[int, int], zone: _Place) -> datetime:
        hour, minute = clock
        if hour == 24:  # noqa: PLR2004
            on, hour = on + _DAY, 0
        local = self._phrase(f"{on.day} {_MONTHS[on.month - 1]} {on.year} {hour:02}:{minute:02}", self._base)
        if (local.date(), local.hour, local.minute) != (on, hour, minute):
            raise _UnsureError
        return zone.instant(local)

    def _day(self, days: list[str], clock: tuple[int, int] | None) -> date:
        """Return the one date that the day's words mean; by the writer's calendar."""
        today = self._base.date()
        if not days:
            return today
        written = {self._written(day, today) for day in days if day[0].isdigit()}
        named = [day for day in days if not day[0].isdigit()]
        if written:
            on = written.pop()
            if written or any(
                day.rpartition(" ")[2] != words.NAMES[on.weekday()] for day in named if self._is_weekday(day)
            ):
                raise _UnsureError
            named = [day for day in named if not self._is_weekday(day)]
            written = {on}
        dates = written | {self._named(day, clock) for day in named}
        if len(dates) > 1:
            raise _UnsureError
        return dates.pop()

    @staticmethod
    def _is_weekday(day: str) -> bool:
        return day.rpartition(" ")[2] in words.NAMES

    def _named(self, day: str, clock: tuple[int, int] | None) -> date:
        """Return the date of "tomorrow", "friday", "next friday"."""
        here = self._base
        night = here.hour < _NIGHT_ENDS
        if not self._is_weekday(day):
            if night:
                raise _UnsureError
            return self._phrase(day, here).date()
        if night:  # who is up at two in the night of a Saturday and writes "Saturday" means the day to come
            here -= _DAY
        today = here.date()
        which, _, name = day.rpartition(" ")
        found = self._phrase(name, here).date()
        ahead = (found - today).days
        if found.weekday() != words.NAMES.index(name) or not 1 <= ahead <= 7 or which == "last":  # noqa: PLR2004
            raise _UnsureError
        next_monday = today + timedelta(days=7 - today.weekday())
        if which == "this" and found >= next_monday:
            raise _UnsureError
        if which == "next" and (found < next_monday or ahead < _NEXT):
            raise _UnsureError
        # On a Tuesday "Tuesday at 22:00" may still be today's.
        if ahead == 7 and not which and not night and clock is not None and clock > (here.hour, here.minute):  # noqa: PLR2004
            raise _UnsureError
        return found

    @staticmethod
    def _written(day: str, today: date) -> date:
        """Return a date of which the year, or the month too, may be left out: the next one."""
        number, month, year = day.split(".")
        if year:
            return date(int(year), int(month), int(number))
        if month:
            found = date(today.year, int(month), int(number))
            return found if found >= today else date(today.year + 1, int(month), int(number))
        first = today.replace(day=1)
        if int(number) < today.day:
            first = (first + timedelta(days=32)).replace(day=1)
        return first.replace(day=int(number))

    @staticmethod
    def _settled(clocks: list[Clock], part: str, *, named: bool) -> list[tuple[int, int]]:
        """Return hours of the day: what "3" means by its neighbours; unsure where that is not plain."""
        halves = [clock.half for clock in clocks]
        if len(clocks) > 1 and halves[1] and not halves[0] and not clocks[0].literal:
            halves[0] = "pm" if halves[1] == "pm" and clocks[0].hour % 12 < clocks[1].hour % 12 else "am"
        found: list[tuple[int, int]] = []
        for clock, half in zip(clocks, halves, strict=True):
            hour = clock.hour
            if half == "am":
                hour %= NOON
            elif half == "pm":
                hour = hour % NOON + NOON
            elif not clock.literal:
                if part == "evening" or (part == "afternoon" and hour != NOON):
                    hour = hour % NOON + NOON
                elif not part and hour <= 6:  # noqa: PLR2004 - nobody asks for a call at three in the night
                    if named:
                        raise _UnsureError
                    hour += NOON
                elif not part and hour <= 8:  # noqa: PLR2004 - eight in the morning, or in the evening
                    raise _UnsureError
            found.append((hour, clock.minute))
        return found


_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
