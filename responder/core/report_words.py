"""The report in a language: every figure as a person says it, and each picture with its words.

For ``report_page``, which puts them on a page. Nothing is counted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.dates import get_day_names, get_timezone_location
from babel.numbers import format_decimal, format_percent

from responder.core import heat
from responder.core.words import clean, lexicon, say_date, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from responder.core.heat import Cell, Frame
    from responder.core.report import Clock, Promises, Report, Section

#: From so many minutes on a length is said in days.
_LONG = 48 * 60
#: With fewer there is no "most of them".
_FEW = 3
_NAME = 200
#: What became of promises, in the order in which it is shown.
FATES = ("kept", "kept_weak", "late", "overdue", "open", "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One large figure."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of the table of all figures; ``part``: of the line before."""

    label: str
    value: str
    part: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One piece of the bar of promises, in thousandths of its length."""

    kind: str
    label: str
    value: str
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One week by one clock, with its words; ``named`` is unique on the page."""

    named: str
    caption: str
    busiest: str
    description: str
    cells: tuple[tuple[Cell, str], ...]
    frames: tuple[Frame, ...]
    weekdays: tuple[str, ...]
    legend: tuple[tuple[int, str], ...]
    inside: bool
    table: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One client's part of the page, or that of all clients."""

    named: str
    heading: str
    about: str
    notes: tuple[str, ...]
    empty: bool
    cards: tuple[Card, ...]
    pictures: tuple[Picture, ...]
    bars: tuple[Bar, ...]
    bars_said: str
    facts: tuple[tuple[Fact, ...], ...]
    own: tuple[Picture, ...]
    own_heading: str
    own_said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One client's line in the overview."""

    named: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    language: str
    title: str
    owner: str
    span: str
    total: Part | None
    lines: tuple[Line, ...]
    parts: tuple[Part, ...]
    silent: str
    notes: tuple[str, ...]
    words: Mapping[str, Any]


class Voice:
    """One language's way to say the report's figures."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.words = words_of(language, "report")
        self.labels: Mapping[str, str] = self.words["labels"]
        self._locale = Locale.parse(language)

    def say(self, phrase: str, **values: str) -> str:
        """Fill in one phrase."""
        said: str = self.words[phrase]
        return said.format_map(values)

    def count(self, what: str, number: int) -> str:
        """Say so many of something, in the plural form that the language asks for."""
        forms: Mapping[str, str] = self.words["counts"][what]
        form = forms.get(self._locale.plural_form(number), forms["other"])
        return form.format(n=self.number(number))

    def number(self, number: int) -> str:
        """Say a number."""
        return format_decimal(number, locale=self._locale)

    def share(self, part: int, of: int) -> str:
        """Say a share in per cent; 0 % is none of them, and 100 % is all."""
        if not of:
            return self.say("none")
        rounded = round(100 * part / of)
        return format_percent((max(1, min(99, rounded)) if 0 < part < of else rounded) / 100, locale=self._locale)

    def length(self, length: timedelta | None, *, in_days: bool = True) -> str:
        """Say a length of time; working hours are never days."""
        if length is None:
            return self.say("none")
        return self._length(round(length.total_seconds() / 60), in_days=in_days).replace(" ", "\N{NO-BREAK SPACE}")

    def _length(self, minutes: int, *, in_days: bool) -> str:
        units: Mapping[str, str] = self.words["units"]
        if in_days and minutes >= _LONG:
            hours = (minutes + 30) // 60
            days = self.count("days", hours // 24)
            return self.say("days_hours", days=days, hours=units["hours"].format(n=hours % 24)) if hours % 24 else days
        if minutes < 60:  # noqa: PLR2004 - minutes of an hour
            return units["minutes"].format(n=minutes)
        if minutes % 60:
            return units["hours_minutes"].format(h=minutes // 60, m=minutes % 60)
        return units["hours"].format(n=minutes // 60)

    def instant(self, at: datetime, zone: ZoneInfo) -> str:
        """Say an instant in full."""
        local = at.astimezone(zone)
        return self.say("instant", date=say_date(self.language, local.date(), None), time=f"{local:%H:%M}")

    def city(self, zone: ZoneInfo) -> str:
        """Name the place whose clock it is."""
        key = zone.key or ""
        if "/" not in key or key.startswith("Etc/"):
            return key
        return get_timezone_location(key, locale=self._locale, return_city=True)

    def weekdays(self) -> tuple[str, ...]:
        """Name the weekdays briefly."""
        names = get_day_names("abbreviated", "stand-alone", self._locale)
        return tuple(names[day].rstrip(".") for day in range(7))


def make_page(report: Report, language: str) -> Page:
    """Say the report in that language; with ``report.client`` it is for that client's eyes too."""
    voice = Voice(language)
    parts = tuple(_part(voice, report, section, f"c{n}") for n, section in enumerate(report.sections, start=1))
    name = clean(report.sections[0].name, _NAME) if report.client and report.sections else report.client
    span = voice.say(
        "span",
        since=voice.instant(report.since_at, report.zone),
        until=voice.instant(report.until_at, report.zone),
        city=voice.city(report.zone),
    )
    weak = any(each.promises.kept_weak or each.answers.weak for each in report.sections)
    notes = [voice.say("made", at=voice.instant(report.made_at, report.zone)), voice.say("working")]
    return Page(
        language=language,
        title=voice.say("title_client", client=name) if report.client else voice.say("title"),
        owner=clean(report.owner, _NAME),
        span=span,
        total=None if report.total is None else _part(voice, report, report.total, "all"),
        lines=tuple(_lines(voice, report)),
        parts=parts,
        silent=voice.count("silent", report.silent) if report.silent else "",
        notes=(*notes, voice.say("weaker")) if weak else tuple(notes),
        words=voice.words,
    )


def _lines(voice: Voice, report: Report) -> Iterator[Line]:
    if report.client:
        return
    for n, section in enumerate(report.sections, start=1):
        values = (
            voice.number(section.messages),
            voice.share(section.outside, section.messages),
            voice.share(*in_time(section.promises)),
            voice.length(section.answers.median_worked, in_days=False),
        )
        yield Line(named=f"c{n}", name=clean(section.name, _NAME), values=values)


def in_time(promises: Promises) -> tuple[int, int]:
    """Return how many promises were kept, by whatever evidence, and how many were due."""
    kept = promises.kept + promises.kept_weak
    return kept, kept + promises.late + promises.overdue


def _part(voice: Voice, report: Report, section: Section, named: str) -> Part:
    whole = section is report.total
    owner = clean(report.owner, _NAME)
    own_hint = "" if report.client else voice.say("own_hint")
    own_count = voice.say("own_count", n=voice.number(section.own_outside), of=voice.number(section.own))
    return Part(
        named=named,
        heading=voice.say("all_clients") if whole else clean(section.name, _NAME),
        about="" if section.zone is None else voice.say("clock", city=voice.city(section.zone)),
        notes=() if whole or section.known else (voice.say("gone"),),
        empty=not section.messages,
        cards=tuple(_cards(voice, section)),
        pictures=_pictures(voice, report, section, named),
        bars=tuple(_bars(voice, section.promises)),
        bars_said=", ".join(f"{voice.labels[fate]}: {number}" for fate, number in _fates(section.promises)),
        facts=(tuple(_promised(voice, section)), tuple(_other(voice, section, whole=whole))),
        own=_pictures(voice, report, section, named, own=True),
        own_heading=voice.say("own", owner=owner),
        own_said=f"{own_count} {own_hint}".rstrip(),
    )


def _cards(voice: Voice, section: Section) -> Iterator[Card]:
    def of(part: int, all_: int) -> str:
        return voice.say("n_of", n=voice.number(part), of=voice.number(all_))

    messages, promises, answers = section.messages, section.promises, section.answers
    yield Card(value=voice.number(messages), label=voice.labels["messages"])
    yield Card(
        value=voice.share(section.outside, messages),
        label=voice.labels["outside"],
        note=of(section.outside, messages) if messages else "",
    )
    if section.night is not None:
        yield Card(
            value=voice.share(section.night, messages), label=voice.labels["night"], note=of(section.night, messages)
        )
    kept, due = in_time(promises)
    if due:
        note = of(kept, due)
        if promises.kept_weak:
            note = voice.say("in_time_weak", said=note, n=voice.number(promises.kept_weak))
        yield Card(value=voice.share(kept, due), label=voice.labels["in_time"], note=note)
    if answers.count:
        yield Card(
            value=voice.length(answers.median_worked, in_days=False),
            label=voice.labels["answer"],
            note=voice.labels["elapsed"].format(length=voice.length(answers.median_elapsed)),
        )


def _busiest(voice: Voice, phrase: str, clock: Clock) -> str:
    found = clock.busiest
    if found is None or found.of < _FEW:
        return ""
    until = found.until_hour if found.until_hour <= 24 else found.until_hour - 24  # noqa: PLR2004 - hours of a day
    return voice.say(
        phrase,
        on=lexicon(voice.language).weekdays["on"][found.weekday],
        day=voice.number(found.on_weekday),
        hours=voice.number(found.in_hours),
        of=voice.number(found.of),
        **{"from": f"{found.from_hour:02d}:00", "until": f"{until:02d}:00"},
    )


def _pictures(voice: Voice, report: Report, section: Section, named: str, *, own: bool = False) -> tuple[Picture, ...]:
    """Return the week by the owner's clock, and by the client's where it differs; none of an empty week."""
    clock, theirs = (section.own_clock, section.own_theirs) if own else (section.clock, section.theirs)
    if not any(map(any, clock.all)):
        return ()
    phrase = "own_busiest" if own else "busiest"
    named = f"{named}-own" if own else named
    here = voice.say("clock", city=voice.city(report.zone))
    pictures = [_picture(voice, clock, here, phrase, f"{named}-here")]
    if theirs is not None:
        zone = section.zone
        there = voice.say("clock_each") if zone is None else voice.say("clock", city=voice.city(zone))
        pictures.append(_picture(voice, theirs, there, phrase, f"{named}-there"))
    return tuple(pictures)


def _picture(voice: Voice, clock: Clock, caption: str, phrase: str, named: str) -> Picture:
    weekdays = lexicon(voice.language).weekdays["nominative"]
    cells = tuple(heat.cells(clock.all, clock.outside))
    count, outside = sum(map(sum, clock.all)), sum(map(sum, clock.outside))
    busiest = _busiest(voice, phrase, clock)
    said = voice.say("picture", n=voice.number(count), outside=voice.number(outside))
    return Picture(
        named=named,
        caption=caption,
        busiest=busiest,
        description=f"{said} {busiest}".rstrip(),
        cells=tuple(
            (
                cell,
                voice.say(
                    "cell",
                    weekday=weekdays[cell.weekday],
                    span=_span(cell.hour),
                    n=voice.number(cell.count),
                    outside=voice.number(cell.outside),
                ),
            )
            for cell in cells
        ),
        frames=tuple(heat.frames(clock.usual)),
        weekdays=voice.weekdays(),
        legend=tuple(
            (step, str(low) if low == high else f"{low}–{high}")
            for step, low, high in heat.ranges(max(cell.count for cell in cells))
        ),
        inside=any(not cell.mostly_outside for cell in cells),
        table=tuple((_span(hour), tuple(day[hour] for day in clock.all)) for hour in range(24)),
    )


def _span(hour: int) -> str:
    return f"{hour:02d}:00–{hour + 1:02d}:00"


def _fates(promises: Promises) -> list[tuple[str, int]]:
    return [(fate, number) for fate in FATES if (number := getattr(promises, fate))]


def _bars(voice: Voice, promises: Promises) -> Iterator[Bar]:
    x = 0.0
    for fate, number in _fates(promises):
        width = 1000 * number / promises.made
        yield Bar(kind=fate, label=voice.labels[fate], value=voice.number(number), x=x, width=width)
        x += width


def _promised(voice: Voice, section: Section) -> Iterator[Fact]:
    promises = section.promises
    for label, number, part, always in (
        ("made", promises.made, False, True),
        ("told", promises.told, True, True),
        ("kept", promises.kept, False, True),
        ("kept_weak", promises.kept_weak, False, True),
        ("late", promises.late, False, True),
        ("late_weak", promises.late_weak, True, False),
        ("overdue", promises.overdue, False, True),
        ("open", promises.open, False, True),
        ("withdrawn", promises.withdrawn, False, False),
    ):
        if number or always:
            yield Fact(label=voice.labels[label], value=voice.number(number), part=part)


def _other(voice: Voice, section: Section, *, whole: bool) -> Iterator[Fact]:
    answers = section.answers
    yield Fact(label=voice.labels["answered"], value=voice.number(answers.count))
    if answers.weak:
        yield Fact(label=voice.labels["answered_weak"], value=voice.number(answers.weak), part=True)
    if answers.count:
        for label, length, in_days in (
            ("median_worked", answers.median_worked, False),
            ("slowest_worked", answers.slowest_worked, False),
            ("median_elapsed", answers.median_elapsed, True),
            ("slowest_elapsed", answers.slowest_elapsed, True),
        ):
            yield Fact(label=voice.labels[label], value=voice.length(length, in_days=in_days))
    for label, number in (("replies", section.replies), ("urgent", section.urgent), ("carried", section.carried)):
        yield Fact(label=voice.labels[label], value=voice.number(number))
    own = voice.say("n_of", n=voice.number(section.own_outside), of=voice.number(section.own))
    yield Fact(label=voice.labels["own_all" if whole else "own"], value=own)
