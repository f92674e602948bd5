"""Whatever comes in, the reply reads well, and no value of it runs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core import hours
from responder.core.compose import SUBJECT_LIMIT, Text, reply_text
from responder.core.model import ReplyKind
from responder.core.phrases import offers
from responder.errors import ConfigurationError
from tests.core.build import at, channel, client, policy
from tests.core.test_compose import EXAMPLE, FRIDAY_EVENING, facts_of, text_of, verdict_of

ZONES = ("Europe/Moscow", "Asia/Vladivostok", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu")
HOSTILE = st.text(max_size=90) | st.sampled_from(
    ["{{ 7 * 7 }}", "{% if", "{name}", "a\r\nb", "\u202eabc", "«»“”", "a\u2028b"]
)


@settings(deadline=None)  # the first example reads the locale files
@given(
    language=st.sampled_from(["ru", "en"]),
    zone=st.sampled_from(ZONES),
    kind=st.sampled_from([ReplyKind.FULL, ReplyKind.SHORT]),
    minutes=st.integers(0, 60 * 24 * 365),
    due_minutes=st.integers(1, 60 * 24 * 14),
    name=st.sampled_from(["Mr Harris", ""]),
    topic=st.sampled_from(["documents", ""]),
)
def test_every_text_reads_well(  # noqa: PLR0917 - what a text depends on
    language: str,
    zone: str,
    kind: ReplyKind,
    minutes: int,
    due_minutes: int,
    name: str,
    topic: str,
) -> None:
    """At any hour, in any zone: no placeholder, no empty greeting, no doubled blank, no all-number date."""
    people = {"ivan@vostok.example": name}
    rules = policy(clients=(client(zone=zone, language=language, people=people),))
    now_at = FRIDAY_EVENING + timedelta(minutes=minutes)
    facts = facts_of(topic=topic, quotable_subject="Lease" if name else "")
    body = text_of(rules, facts, kind=kind, now_at=now_at, due_at=now_at + timedelta(minutes=due_minutes)).body
    assert not re.search(r"  | [,.;:!)]|\( |\(\)|\.\.|[{}]|None|«»|“”|, ?[!,.]|\n\n\n", body)
    assert not re.search(r"\d[./-]\d", body)
    assert all(line == line.strip() for line in body.split("\n"))
    assert len(body.split("\n")) == (9 if kind is ReplyKind.FULL else 6)


@settings(deadline=None)  # the first example reads the locale files
@given(kind=st.sampled_from(list(ReplyKind)[1:]), subject=HOSTILE, name=HOSTILE)
def test_what_came_in_cannot_change_a_texts_shape(kind: ReplyKind, subject: str, name: str) -> None:
    """A subject and a name add no line, turn no direction and never run as a template."""
    rules = policy(clients=(client(people={"ivan@vostok.example": name}),))
    facts = facts_of(subject=subject, quotable_subject=subject)
    if kind is ReplyKind.STRANGER:
        facts = replace(facts, client="")
    text = text_of(rules, facts, kind=kind)
    lines = {ReplyKind.FULL: 9, ReplyKind.SHORT: 6, ReplyKind.URGENT: 7, ReplyKind.STRANGER: 4}
    assert len(text.body.splitlines()) == lines[kind]
    assert len(text.subject.splitlines()) == 1
    assert len(text.subject) <= SUBJECT_LIMIT
    assert not set(text.body + text.subject) & set("\u202e\r\0\u2028")


def test_a_name_is_data() -> None:
    """A name like a template and a subject like a phrase come out as they went in."""
    rules = policy(clients=(client(people={"ivan@vostok.example": "{{ 7*7 }} {time}"}),))
    text = text_of(rules, facts_of(quotable_subject="{% raw %} {date} «x»"), kind=ReplyKind.SHORT)
    assert text.body.startswith("Здравствуйте, {{ 7*7 }} {time}!\n\nЯ отвечу на Ваше письмо «{% raw %} {date} „x“» к")


def test_a_long_subject_is_cut() -> None:
    """The reply's subject keeps as much of the original as fits."""
    subject = text_of(policy(), facts_of(subject="Re: " + "слово " * 100)).subject
    assert len(subject) <= SUBJECT_LIMIT
    assert subject.startswith("Автоответ: Re: слово слово")
    assert subject.endswith("…")


def test_the_owners_own_template_is_used() -> None:
    """An owner's text replaces the built-in one of its language and key, and no other."""
    own = {"short": "{{ name }}: {{ when }}, автоматически", "subject": "Ответ на {{ original }}"}
    rules = policy(templates={"ru": own})
    text = text_of(rules, kind=ReplyKind.SHORT, due_at=at("2026-12-01 11:00"))
    assert text == Text(
        subject="Ответ на Договор аренды",
        body="Иван Петрович: до 18:00 во вторник, 1 декабря, по Вашему времени (11:00 в Москве), автоматически",
    )
    assert text_of(rules).body == EXAMPLE


def test_a_bad_template_is_an_error_of_the_configuration() -> None:
    """A template that nobody checked fails as a fault of the file, not as a library's exception."""
    with pytest.raises(ConfigurationError):
        text_of(policy(templates={"ru": {"full": "{{ x }}"}}))


def test_a_verdict_without_a_due_time_has_no_words() -> None:
    """A reply that could not name its hour is never written."""
    for verdict in (verdict_of(ReplyKind.FULL, None), verdict_of(ReplyKind.NONE, None)):
        with pytest.raises(ValueError, match="no words"):
            reply_text(policy(), facts_of(), verdict, hours.calendar(policy(), "vostok"), FRIDAY_EVENING)


@settings(deadline=None)  # the first example reads the locale files
@given(st.lists(st.integers(0, 60 * 24 * 21), min_size=2, max_size=12), st.sampled_from(ZONES))
def test_what_is_remembered_is_what_would_be_found(minutes: list[int], zone: str) -> None:
    """Offers asked for in any order are the same as offers asked for the first time."""
    person = client(zone=zone)
    extra = (
        channel("always", {"mon-sun": ["00:00-24:00"]}),
        channel("seldom", {"2026-12-24": ["10:00-12:00"]}),
        channel("night", {"mon-sun": ["22:00-02:00"]}),
    )
    rules = policy(clients=(person,), channels=(*policy().channels, *extra))
    for minute in minutes:
        now_at = FRIDAY_EVENING + timedelta(minutes=minute)
        fresh = replace(rules)
        warm = offers(rules, person, hours.calendar(rules, "vostok"), now_at)
        cold = offers(fresh, person, hours.calendar(fresh, "vostok"), now_at)
        assert (warm.call, warm.channels) == (cold.call, cold.channels)
