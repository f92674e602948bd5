"""The locale files are complete, and an instant is said as a person would say it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from string import Formatter
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from responder.core.model import Agreement, Reason
from responder.core.words import (
    Reader,
    clean,
    inner_quotes,
    languages,
    lexicon,
    say_agreement,
    say_call,
    say_due,
    say_instant,
    sentence,
)
from tests.core.build import at

if TYPE_CHECKING:
    from responder.core.words import DayPart

LANGUAGES = sorted(languages())


def _reader(language: str, zone: str, owner: str = "Europe/Moscow", year: int = 2026) -> Reader:
    return Reader(language, ZoneInfo(zone), ZoneInfo(owner), year)


def test_russian_and_english_are_built_in() -> None:
    """The package speaks Russian and English."""
    assert {"en", "ru"} <= languages()


def test_an_unknown_language_is_an_error() -> None:
    """A language without a locale file is refused, a path is no language."""
    for language in ("xx", "../locale/ru", ""):
        with pytest.raises(KeyError):
            lexicon(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_phrases(language: str) -> None:
    """A phrase that one language has, every language has, and none names a value that no other names."""
    words, english = lexicon(language), lexicon("en")
    assert words.phrases.keys() == english.phrases.keys()
    assert words.templates.keys() == english.templates.keys()
    assert words.digest.keys() == english.digest.keys()
    for key, phrase in words.digest.items():
        fields = {field for _, field, _, _ in Formatter().parse(phrase) if field}
        theirs = {field for _, field, _, _ in Formatter().parse(english.digest[key]) if field}
        assert fields - {"of", "weekday"} == theirs - {"of", "weekday"}, key
    assert words.counts.keys() == english.counts.keys()
    tags = Locale.parse(language).plural_form.tags | {"other"}
    assert all(forms.keys() == tags for forms in words.counts.values())
    assert words.reasons.keys() == set(Reason)
    assert {form: len(names) for form, names in words.weekdays.items()} == dict.fromkeys(english.weekdays, 7)
    known = {field for phrase in english.phrases.values() for _, field, _, _ in Formatter().parse(phrase) if field}
    said = {field for phrase in words.phrases.values() for _, field, _, _ in Formatter().parse(phrase) if field}
    assert said == known


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_city_belongs_to_a_zone(language: str) -> None:
    """The table of cities names only zones that exist."""
    assert set(lexicon(language).cities) <= available_timezones()


@pytest.mark.parametrize(
    ("language", "zone", "due", "part", "said"),
    [
        ("ru", "Europe/Moscow", "2026-12-01 14:00", "", "до 14:00 во вторник, 1 декабря"),
        ("ru", "Europe/Moscow", "2026-12-02 02:00", "_morning", "к утру среды, 2 декабря (точно: до 02:00)"),
        ("ru", "Europe/Moscow", "2026-12-03 22:30", "_end", "к концу четверга, 3 декабря (точно: до 22:30)"),
        ("ru", "Europe/Moscow", "2027-01-11 19:00", "", "до 19:00 в понедельник, 11 января 2027 года"),
        # A zone of another name whose clock shows the same is no other clock.
        ("ru", "Europe/Istanbul", "2026-12-04 19:00", "", "до 19:00 в пятницу, 4 декабря"),
        (
            "ru",
            "Europe/Berlin",
            "2026-12-05 19:00",
            "",
            "до 17:00 в субботу, 5 декабря, по Вашему времени (19:00 в Москве)",
        ),
        (
            "ru",
            "Asia/Vladivostok",
            "2026-12-01 19:00",
            "_morning",
            "к утру среды, 2 декабря (точно: до 02:00 по Вашему времени, это вторник, 1 декабря, 19:00 в Москве)",
        ),
        (
            "ru",
            "Asia/Yekaterinburg",
            "2026-12-06 20:30",
            "_end",
            "к концу воскресенья, 6 декабря (точно: до 22:30 по Вашему времени, это 20:30 в Москве)",
        ),
        (
            "ru",
            "Asia/Vladivostok",
            "2026-12-31 19:00",
            "_morning",
            (
                "к утру пятницы, 1 января 2027 года"
                " (точно: до 02:00 по Вашему времени, это четверг, 31 декабря, 19:00 в Москве)"
            ),
        ),
        (
            "ru",
            "America/New_York",
            "2026-12-01 02:00",
            "",
            "до 18:00 в понедельник, 30 ноября, по Вашему времени (вторник, 1 декабря, 02:00 в Москве)",
        ),
        ("en", "Europe/Moscow", "2026-12-01 14:00", "", "by 14:00 on Tuesday, 1 December"),
        (
            "en",
            "Europe/London",
            "2026-12-02 19:00",
            "",
            "by 16:00 on Wednesday, 2 December, your time (19:00 in Moscow)",
        ),
        (
            "en",
            "Asia/Vladivostok",
            "2026-12-01 19:00",
            "_morning",
            (
                "by the morning of Wednesday, 2 December"
                " (exactly: by 02:00 your time, which is Tuesday, 1 December, 19:00 in Moscow)"
            ),
        ),
        (
            "en",
            "Asia/Yekaterinburg",
            "2026-12-01 20:30",
            "_end",
            "by the end of Tuesday, 1 December (exactly: by 22:30 your time, which is 20:30 in Moscow)",
        ),
    ],
)
def test_a_due_time_is_said_by_the_readers_clock_first(
    language: str, zone: str, due: str, part: DayPart, said: str
) -> None:
    """A due time is said in the client's clock; the owner's follows only where it differs."""
    assert say_due(_reader(language, zone), at(due), part) == said


def test_both_clocks_are_compared_at_the_instant() -> None:
    """London and Lisbon agree all year, Moscow and Istanbul did not always: the instant's own offset decides."""
    istanbul = _reader("en", "Europe/Istanbul", year=2015)
    assert say_due(istanbul, datetime(2015, 12, 1, 16, tzinfo=UTC), "").endswith("your time (19:00 in Moscow)")
    assert say_due(istanbul, datetime(2015, 7, 1, 16, tzinfo=UTC), "") == "by 19:00 on Wednesday, 1 July"


@pytest.mark.parametrize(
    ("language", "zone", "there"),
    [
        ("ru", "Asia/Vladivostok", "(13:00 во Владивостоке)"),
        ("ru", "Asia/Kamchatka", "(15:00 на Камчатке)"),
        ("ru", "Pacific/Kanton", "(16:00, часовой пояс «Кантон»)"),
        ("ru", "Etc/UTC", "(03:00, часовой пояс «UTC»)"),
        ("en", "Asia/Calcutta", "(08:30 in Kolkata)"),
        ("en", "America/Argentina/Buenos_Aires", "(00:00 in Buenos Aires)"),
        ("en", "Etc/UTC", "(03:00 UTC)"),
    ],
)
def test_the_owners_city_is_said_in_its_case(language: str, zone: str, there: str) -> None:
    """Russian puts the city into the prepositional, or names the zone in words that need no case."""
    due_at = datetime(2026, 12, 2, 3, tzinfo=UTC)
    assert say_due(_reader(language, "Asia/Bangkok", zone), due_at, "").endswith(there)


@pytest.mark.parametrize(
    ("language", "zone", "minutes", "said"),
    [
        ("ru", "Europe/Moscow", 60, "ближайший час для звонка — понедельник, 30 ноября, 10:00–11:00"),
        ("ru", "Europe/Moscow", 90, "ближайшее время для звонка — понедельник, 30 ноября, 10:00–11:30"),
        ("en", "Europe/Moscow", 60, "the next hour for a call is Monday, 30 November, 10:00–11:00"),
        ("ru", "Europe/Moscow", 840, "ближайшее время для звонка — понедельник, 30 ноября, 10:00–24:00"),
        (
            "ru",
            "Asia/Vladivostok",
            60,
            (
                "ближайший час для звонка, когда день и у Вас, и у меня, —"
                " понедельник, 30 ноября, 17:00–18:00 по Вашему времени (10:00–11:00 в Москве)"
            ),
        ),
        (
            "en",
            "America/Los_Angeles",
            60,
            (
                "the next hour for a call that is daytime for both of us is"
                " Sunday, 29 November, 23:00–24:00 your time (Monday, 30 November, 10:00–11:00 in Moscow)"
            ),
        ),
    ],
)
def test_a_call_is_offered_by_both_clocks(language: str, zone: str, minutes: int, said: str) -> None:
    """An hour for a call is called an hour only if it is one, and midnight as its end is 24:00."""
    starts_at = at("2026-11-30 10:00")
    assert say_call(_reader(language, zone), starts_at, starts_at + timedelta(minutes=minutes)) == said


def test_an_instant_is_said_about_a_name() -> None:
    """A name with braces is data, not a phrase."""
    said = say_instant(_reader("en", "Europe/Moscow"), "channel_opens", "{time}", at("2026-11-30 10:00"))
    assert said == "{time} opens on Monday, 30 November, at 10:00"


@pytest.mark.parametrize(
    ("language", "name", "from_on", "until_on", "said"),
    [
        (
            "ru",
            "Приложение 2 к договору № 17",
            date(2026, 9, 1),
            None,
            "в Приложении 2 к договору № 17, которое действует с 1 сентября 2026 года",
        ),
        (
            "ru",
            "Правила связи",
            date(2026, 9, 1),
            date(2026, 12, 31),
            "в Правилах связи, которые действуют с 1 сентября 2026 года по 31 декабря 2026 года",
        ),
        ("ru", "памятка", None, date(2026, 12, 31), "в памятке, которая действует по 31 декабря 2026 года"),
        ("ru", "ДОГОВОР № 5", None, None, "в ДОГОВОРЕ № 5"),
        ("ru", "Дополнительное соглашение № 3", None, None, "в Дополнительном соглашении № 3"),
        ("ru", "Порядок «Связь»", None, None, "в Порядке «Связь»"),
        (
            "ru",
            "Меморандум «О связи»",
            date(2026, 9, 1),
            None,
            "в документе «Меморандум „О связи“», который действует с 1 сентября 2026 года",
        ),
        ("ru", "Договорённость", None, None, "в документе «Договорённость»"),
        ("ru", "Договор-оферта", None, None, "в документе «Договор-оферта»"),
        (
            "en",
            "Annex 2 to contract No. 17",
            date(2026, 9, 1),
            None,
            "in Annex 2 to contract No. 17, which has been in force since 1 September 2026",
        ),
        (
            "en",
            "“Ground Rules”",
            date(2026, 9, 1),
            date(2027, 8, 31),
            "in “Ground Rules”, which is in force from 1 September 2026 to 31 August 2027",
        ),
    ],
)
def test_an_agreement_is_cited_in_its_case(
    language: str, name: str, from_on: date | None, until_on: date | None, said: str
) -> None:
    """A known document is declined with its pronoun; any other is quoted."""
    assert say_agreement(language, Agreement(name=name, from_on=from_on, until_on=until_on)) == said


def test_every_document_of_the_table_is_declined() -> None:
    """Each name of the Russian table comes out in another case, with a pronoun and its verb."""
    for name, (form, which) in lexicon("ru").documents.items():
        said = say_agreement("ru", Agreement(name=name.capitalize(), from_on=date(2026, 9, 1)))
        assert said.lower() == f"{form}, {which} с 1 сентября 2026 года"
        assert which in {"который действует", "которая действует", "которое действует", "которые действуют"}


@given(st.text())
def test_a_clean_value_is_one_harmless_line(value: str) -> None:
    """Nothing that breaks a line or turns the direction of writing is left, and cleaning twice changes nothing."""
    said = clean(value, 40)
    assert len(said) <= 40
    assert len(said.splitlines()) <= 1
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in said)
    assert not set(said) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff")
    assert said == said.strip()
    assert "  " not in said
    assert clean(said, 40) == said
    said.encode()


def test_a_long_value_is_cut_with_an_ellipsis() -> None:
    """What is left out is seen to be left out."""
    assert clean("один два три", 6) == "один…"


def test_quotes_inside_quotes_are_the_inner_ones() -> None:
    """A subject's own quotation marks do not end the reply's."""
    assert inner_quotes("Иск «Восток»", "ru") == "Иск „Восток“"
    assert inner_quotes("The “Lease”", "en") == "The ‘Lease’"


def test_a_sentence_ends_once() -> None:
    """A full stop is added only where the owner wrote none."""
    assert [sentence(text) for text in ("Да", "Да.", "Да!", "")] == ["Да.", "Да.", "Да!", ""]
