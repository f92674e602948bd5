"""Words of a language: the packaged locale files, and how an instant is said in them.

For every room that speaks to a person. Nothing here knows a client or a rule: it is told a language, an instant and
the two clocks (the reader's and the owner's). The locale files are data of the package, read once; that is the only
disk the core touches.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from babel import Locale
from babel.dates import format_date, get_timezone_location

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from responder.core.absences import Away
    from responder.core.model import Agreement

DayPart = Literal["", "_morning", "_end"]

# Control characters, line and paragraph separators, surrogates, marks that turn the direction of the text, tags: a
# value holding them could start a header line or make a text read as something else. The joiners U+200C and U+200D
# stay: Persian words and many emoji need them.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]+"
)
_SPACES = re.compile(r"\s\s+|[^\S ]")
_HOUR = timedelta(hours=1)


class Preset(NamedTuple):
    """A shipped topic in one language: the words that tell it, and the reason that is given for its term."""

    words: tuple[str, ...]
    say: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """One language's words; the heads of the locale files say what each table means."""

    language: str
    templates: Mapping[str, str]
    automatic: tuple[str, ...]
    outer: tuple[str, str]
    inner: tuple[str, str]
    day: str
    day_year: str
    weekdays: Mapping[str, tuple[str, ...]]
    phrases: Mapping[str, str]
    documents: Mapping[str, tuple[str, str]]
    cities: Mapping[str, str]
    digest: Mapping[str, str]
    counts: Mapping[str, Mapping[str, str]]
    reasons: Mapping[str, str]
    presets: Mapping[str, Preset]

    def say(self, phrase: str, **values: str) -> str:
        """Fill in one phrase."""
        return self.phrases[phrase].format_map(values)

    def tell(self, phrase: str, **values: str) -> str:
        """Fill in one phrase of the digest."""
        return self.digest[phrase].format_map(values)

    def count(self, what: str, number: int) -> str:
        """Say so many of something, in the plural form that the language asks for."""
        forms = self.counts[what]
        form = Locale.parse(self.language).plural_form(number)
        return forms.get(form, forms["other"]).format(n=number)


class Reader(NamedTuple):
    """Whom a phrase is for: their language and clock, the owner's clock, and the reader's present year."""

    language: str
    zone: ZoneInfo
    owner_zone: ZoneInfo
    year: int


@cache
def languages() -> frozenset[str]:
    """Return the languages that are built in."""
    names = (entry.name for entry in resources.files("responder").joinpath("locale").iterdir())
    return frozenset(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


@cache
def lexicon(language: str) -> Lexicon:
    """Return the words of a built-in language; KeyError for any other."""
    if language not in languages():
        raise KeyError(language)
    file = resources.files("responder").joinpath("locale", f"{language}.toml")
    table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return Lexicon(
        language=language,
        templates=table["templates"],
        automatic=tuple(table["check"]["automatic"]),
        outer=tuple(table["quotes"]["outer"]),
        inner=tuple(table["quotes"]["inner"]),
        day=table["dates"]["day"],
        day_year=table["dates"]["day_year"],
        weekdays={form: tuple(names) for form, names in table["weekdays"].items()},
        phrases=table["phrases"],
        documents={name: tuple(forms) for name, forms in table["documents"].items()},
        cities=table["cities"],
        digest={key: value for key, value in table["digest"].items() if isinstance(value, str)},
        counts=table["digest"]["counts"],
        reasons=table["digest"]["reasons"],
        presets={name: Preset(tuple(each["words"]), each["say"]) for name, each in table["presets"].items()},
    )


@cache
def words_of(language: str, table: str) -> Mapping[str, Any]:
    """Return one table of a built-in language's file, for the one room that speaks from it; KeyError for any other."""
    if language not in languages():
        raise KeyError(language)
    file = resources.files("responder").joinpath("locale", f"{language}.toml")
    found: Mapping[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))[table]
    return found


# ------------------------------------------------------------------------------------------ values


def clean(value: str, limit: int = 1000) -> str:
    """Return a value from outside as one harmless line of at most ``limit`` characters.

    The gate of every inherited value on its way into a text or a header: what could break a line or turn the
    writing direction becomes a space, runs of white space become one.
    """
    # What is unsafe is never printable: most values pass this far quicker test.
    if not value.isprintable() or "  " in value:
        value = _SPACES.sub(" ", _UNSAFE.sub(" ", value))
    value = value.strip()
    return value if len(value) <= limit else f"{value[: limit - 1].rstrip()}…"


def inner_quotes(text: str, language: str) -> str:
    """Return the text with the language's outer quotation marks replaced by its inner ones."""
    words = lexicon(language)
    for outer, inner in zip(words.outer, words.inner, strict=True):
        text = text.replace(outer, inner)
    return text


def sentence(text: str) -> str:
    """Return the text with a full stop, unless it ends as a sentence does already."""
    text = clean(text)
    return text if not text or text[-1] in ".!?…" else f"{text}."


# ------------------------------------------------------------------------------------------- dates


@lru_cache(maxsize=1024)
def say_date(language: str, on: date, year: int | None) -> str:
    """Say a date without its weekday; with its year unless it is ``year`` (None: always)."""
    words = lexicon(language)
    return format_date(on, words.day if on.year == year else words.day_year, locale=language)


@lru_cache(maxsize=2048)
def say_due(reader: Reader, at: datetime, part: DayPart) -> str:
    """Say a due time: "by 14:00 on Tuesday, 1 December, your time (19:00 in Moscow)".

    ``part`` is the part of the reader's night it falls into: before their daytime, after it, or "" for neither.
    """
    words = lexicon(reader.language)
    here = at.astimezone(reader.zone)
    values = _dated(reader, here)
    if _same_clock(reader, at):
        return words.say(f"due{part}", **values)
    return words.say(f"due{part}_other", **values, there=_there(reader, here))


@lru_cache(maxsize=2048)
def say_call(reader: Reader, starts_at: datetime, ends_at: datetime) -> str:
    """Say when the two can talk, by both clocks where they differ."""
    words = lexicon(reader.language)
    starts = starts_at.astimezone(reader.zone)
    values = _dated(reader, starts)
    values["time"] = clock_span(starts, ends_at.astimezone(reader.zone))
    values["what"] = words.phrases["call_hour" if ends_at - starts_at == _HOUR else "call_time"]
    if _same_clock(reader, starts_at):
        return words.say("call", **values)
    theirs = clock_span(starts_at.astimezone(reader.owner_zone), ends_at.astimezone(reader.owner_zone))
    return words.say("call_other", **values, there=_there(reader, starts, theirs))


@lru_cache(maxsize=2048)
def say_hours(reader: Reader, starts_at: datetime, ends_at: datetime) -> str:
    """Say a stretch of time, by both clocks where they differ: "Monday, 30 November, 17:00–18:00 your time (…)"."""
    starts = starts_at.astimezone(reader.zone)
    values = _dated(reader, starts) | {"time": clock_span(starts, ends_at.astimezone(reader.zone))}
    if _same_clock(reader, starts_at):
        return lexicon(reader.language).say("hours", **values)
    theirs = clock_span(starts_at.astimezone(reader.owner_zone), ends_at.astimezone(reader.owner_zone))
    return lexicon(reader.language).say("hours_other", **values, there=_there(reader, starts, theirs))


@lru_cache(maxsize=2048)
def say_instant(reader: Reader, phrase: str, name: str, at: datetime) -> str:
    """Fill in a phrase about ``name`` at an instant by the reader's clock; ``_other`` where the owner's differs."""
    key = phrase if _same_clock(reader, at) else f"{phrase}_other"
    return lexicon(reader.language).say(key, name=name, **_dated(reader, at.astimezone(reader.zone)))


def _dated(reader: Reader, local: datetime) -> dict[str, str]:
    """Return what a phrase may say of a local instant."""
    forms = lexicon(reader.language).weekdays
    day = local.weekday()
    return {
        "time": f"{local:%H:%M}",
        "date": say_date(reader.language, local.date(), reader.year),
        "weekday": forms["nominative"][day],
        "of": forms["genitive"][day],
        "on": forms["on"][day],
    }


def _same_clock(reader: Reader, at: datetime) -> bool:
    """Tell whether both clocks show the same at that instant."""
    return at.astimezone(reader.zone).utcoffset() == at.astimezone(reader.owner_zone).utcoffset()


def _there(reader: Reader, here: datetime, time: str = "") -> str:
    """Say by the owner's clock what stands in the reader's; the day is named where it differs."""
    local = here.astimezone(reader.owner_zone)
    values = _dated(reader, local) | {"city": _city(reader.language, reader.owner_zone.key or "")}
    if time:
        values["time"] = time
    return lexicon(reader.language).say("there" if local.date() == here.date() else "there_day", **values)


@lru_cache(maxsize=256)
def _city(language: str, zone_key: str) -> str:
    words = lexicon(language)
    if city := words.cities.get(zone_key):
        return words.say("city_known", city=city)
    return words.say("city_unknown", city=get_timezone_location(zone_key, locale=language, return_city=True))


def clock_span(starts: datetime, ends: datetime) -> str:
    """Say local times as "10:00–11:00"; midnight as an end is 24:00."""
    midnight = not (ends.hour or ends.minute) and ends.date() == starts.date() + timedelta(days=1)
    return f"{starts:%H:%M}–{'24:00' if midnight else f'{ends:%H:%M}'}"


def say_days(language: str, phrase: str, from_on: date, until_on: date, year: int | None) -> str:
    """Fill in a phrase about a stretch of whole days; the ending ``_day`` is its form for a single one.

    Years are said where they are not the present one, ``year``, and no more often than they change; None: always.
    """
    words = lexicon(language)
    forms = words.weekdays
    known = from_on.year if year is not None and from_on.year == until_on.year else year
    values = {
        "from": forms["from"][from_on.weekday()],
        "from_date": say_date(language, from_on, known),
        "until": forms["until"][until_on.weekday()],
        "until_date": say_date(language, until_on, year),
        "on": forms["on"][from_on.weekday()],
    }
    return words.say(f"{phrase}_day" if from_on == until_on else phrase, **values)


def say_away(reader: Reader, away: Away) -> str:
    """Say in a sentence until when the owner is away; from when too, where it has not begun."""
    phrase = "away_until" if away.begun and away.from_on != away.until_on else "away"
    return sentence(say_days(reader.language, phrase, away.from_on, away.until_on, reader.year))


def say_deputy(language: str, name: str) -> str:
    """Say in a sentence who stands in for the owner; "" for no name."""
    name = clean(name, 200)
    return sentence(lexicon(language).say("away_deputy", name=name)) if name else ""


def say_count(language: str, phrase: str, count: int) -> str:
    """Fill in a phrase about a number, in the form that the language has for it."""
    form = Locale.parse(language).plural_form(count)
    return lexicon(language).say(f"{phrase}_{form}", count=str(count))


# -------------------------------------------------------------------------------------- agreements


@lru_cache(maxsize=512)
def say_agreement(language: str, agreement: Agreement) -> str:
    """Say where a rule stands: "in Annex 2 to contract No. 17, which has been in force since 1 September 2026"."""
    words = lexicon(language)
    document, which = _document(words, clean(agreement.name, 200))
    phrase = "agreement"
    values = {"document": document, "which": which}
    if agreement.from_on is not None:
        phrase += "_from"
        values["from"] = say_date(language, agreement.from_on, None)
    if agreement.until_on is not None:
        phrase += "_until"
        values["until"] = say_date(language, agreement.until_on, None)
    return words.say(phrase, **values)


def _document(words: Lexicon, name: str) -> tuple[str, str]:
    """Return the document's name as the language puts it after "stands …", and the relative pronoun's clause."""
    lower = name.lower()
    for head, (form, which) in words.documents.items():
        rest = name[len(head) :]
        if lower.startswith(head) and not rest[:1].isalnum() and rest[:1] != "-":
            preposition, _, noun = form.partition(" ")
            spoken = noun.upper() if name[: len(head)].isupper() else name[0] + noun[1:]
            return f"{preposition} {spoken}{rest}", which
    quoted = words.outer[0] in words.phrases["document_in"]
    name = inner_quotes(name, words.language) if quoted else name
    return words.say("document_in", name=name), words.phrases["document_which"]
