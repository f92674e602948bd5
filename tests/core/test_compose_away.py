"""The words of a reply out of an absence, whole, in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core import hours, promise
from responder.core.compose import reply_text
from responder.core.model import Absence, ReplyKind
from tests.core.build import at, client, policy, schedule, term
from tests.core.test_compose import facts_of, verdict_of

if TYPE_CHECKING:
    from responder.core.model import Facts, Policy

DECEMBER = Absence(
    from_on=date(2026, 12, 4),
    until_on=date(2026, 12, 14),
    say={"ru": "Я на конференции, телефон выключен", "en": "I am at a conference, with my phone switched off"},
    deputy="Пётр Иванов, petr@example.com",
)


def rules(*absences: Absence, language: str = "ru", zone: str = "Europe/Moscow", **overrides: object) -> Policy:
    """Return the example's rules without its dated entries, with a client and absences."""
    people = {"ivan@vostok.example": "Иван Петрович" if language == "ru" else "Mr Petrov"}
    fields = {"hours": schedule({"mon-fri": ["10:00-13:00", "14:00-19:00"]})} | overrides
    return policy(clients=(client(zone=zone, language=language, people=people),), absences=absences, **fields)


def text_at(there: Policy, arrived: str, *, kind: ReplyKind = ReplyKind.SHORT, facts: Facts | None = None) -> str:
    """Return the reply's text for a mail that came then, due in one working day."""
    calendar = hours.calendar(there, "vostok")
    due = promise.due(calendar, term("1 working day"), "", at(arrived))
    verdict = replace(verdict_of(kind, due), period=calendar.closed_period(at(arrived)))
    return reply_text(there, facts or facts_of(), verdict, calendar, at(arrived)).body


def test_russian_within_it() -> None:
    """First when, then until which day, the reason, and who stands in."""
    assert text_at(rules(DECEMBER), "2026-12-07 12:00") == (
        "Здравствуйте, Иван Петрович!\n\n"
        "Я отвечу на Ваше письмо «Договор аренды» до 19:00 во вторник, 15 декабря. Меня не будет на работе по "
        "понедельник, 14 декабря, включительно. Я на конференции, телефон выключен.\n\n"
        "Если дело не может ждать, меня замещает Пётр Иванов, petr@example.com.\n\n"
        "Это автоматический ответ.\n\n"
        "Анна Светлова"
    )


def test_russian_in_the_evening_before() -> None:
    """What has not begun has a first day too; without words and deputy a sentence says that the mail is safe."""
    plain = replace(DECEMBER, say={}, deputy="")
    assert text_at(rules(plain), "2026-12-03 20:00") == (
        "Здравствуйте, Иван Петрович!\n\n"
        "Я отвечу на Ваше письмо «Договор аренды» до 19:00 во вторник, 15 декабря. Меня не будет на работе с пятницы, "
        "4 декабря, по понедельник, 14 декабря, включительно.\n\n"
        "До тех пор от Вас ничего не требуется: письмо получено, я прочту его, когда вернусь.\n\n"
        "Это автоматический ответ.\n\n"
        "Анна Светлова"
    )


def test_english_within_it() -> None:
    """The same in English."""
    assert text_at(rules(DECEMBER, language="en"), "2026-12-07 12:00") == (
        "Dear Mr Petrov,\n\n"
        "I will answer your message “Договор аренды” by 19:00 on Tuesday, 15 December. Until and including Monday, "
        "14 December, I am away from work. I am at a conference, with my phone switched off.\n\n"
        "If it cannot wait until then, you can turn to my stand-in, Пётр Иванов, petr@example.com.\n\n"
        "This is an automatic reply.\n\n"
        "Анна Светлова"
    )


@pytest.mark.parametrize(
    ("language", "first", "last", "arrived", "said"),
    [
        ("ru", "2026-12-02", "2026-12-02", "2026-12-02 12:00", "Меня не будет на работе в среду, 2 декабря."),
        ("ru", "2026-12-02", "2026-12-08", "2026-12-01 20:00", "со среды, 2 декабря, по вторник, 8 декабря, включ"),
        ("ru", "2026-12-28", "2027-01-17", "2026-12-28 12:00", "по воскресенье, 17 января 2027 года, включительно."),
        ("en", "2026-12-02", "2026-12-02", "2026-12-02 12:00", "I am away from work on Wednesday, 2 December."),
        (
            *("en", "2026-12-28", "2027-01-10", "2026-12-27 12:00"),
            "I am away from work from Monday, 28 December, to Sunday, 10 January 2027, both days included.",
        ),
    ],
)
def test_days_and_years_are_said_as_people_say_them(
    language: str, first: str, last: str, arrived: str, said: str
) -> None:
    """One day, the right cases, and a year only where it is another."""
    absence = Absence(from_on=date.fromisoformat(first), until_on=date.fromisoformat(last))
    assert said in text_at(rules(absence, language=language), arrived)


def test_a_missing_language_leaves_the_dates() -> None:
    """Words in a language that the client does not read are not sent to them."""
    russian = replace(DECEMBER, say={"ru": "Я на море."})
    body = text_at(rules(russian, language="en"), "2026-12-07 12:00")
    assert "море" not in body
    assert "Until and including Monday, 14 December, I am away from work." in body


def test_the_owners_own_text_is_used_even_for_the_full_reply() -> None:
    """Whichever kind was decided, mail that waits in an absence gets the text for it; outside it, never."""
    own = {"ru": {"away": "{{ away }} {{ when }} {{ say }} {{ deputy }} {{ call }} Автоответ"}}
    there = rules(DECEMBER, templates=own)
    for kind in (ReplyKind.FULL, ReplyKind.SHORT):
        assert text_at(there, "2026-12-07 12:00", kind=kind).startswith("Меня не будет на работе по понедельник")
        assert "Меня не будет" not in text_at(there, "2026-12-15 20:00", kind=kind)


@settings(deadline=None, max_examples=60)  # the first example reads the locale files
@given(
    language=st.sampled_from(["ru", "en"]),
    zone=st.sampled_from(["Europe/Moscow", "Asia/Vladivostok", "America/Los_Angeles", "Pacific/Kiritimati"]),
    begins=st.integers(0, 400),
    lasts=st.integers(0, 60),
    minute=st.integers(0, 60 * 24 * 70),
    say=st.sampled_from(["", "7", "Конференция."]),
    deputy=st.sampled_from(["", "N. N."]),
)
def test_every_text_reads_well(  # noqa: PLR0917 - what a text depends on
    language: str, zone: str, begins: int, lasts: int, minute: int, say: str, deputy: str
) -> None:
    """At any hour around any absence: no placeholder, no doubled blank, no all-number date."""
    first_on = date(2026, 12, 1) + timedelta(days=begins)
    absence = Absence(
        from_on=first_on,
        until_on=first_on + timedelta(days=lasts),
        say={language: say} if say else {},
        deputy=deputy,
    )
    there = rules(absence, language=language, zone=zone)
    arrived = at(f"{first_on} 00:00") + timedelta(minutes=minute) - timedelta(days=3)
    if hours.calendar(there, "vostok").is_open(arrived):
        return
    body = text_at(there, f"{arrived.astimezone(there.owner.zone):%Y-%m-%d %H:%M}")
    assert not re.search(r"  | [,.;:!)]|\( |\(\)|\.\.|[{}]|None|«»|“”|, ?[!,.]|\n\n\n", body)
    assert not re.search(r"\d[./-]\d", body)
    assert all(line == line.strip() for line in body.split("\n"))
