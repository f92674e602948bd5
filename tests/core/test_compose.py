"""The words of a Russian reply, whole: each text stands here as its reader sees it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder.core import hours, promise
from responder.core.compose import Text, reply_text
from responder.core.model import Agreement, Due, Facts, Placement, Policy, Reason, ReplyKind, Verdict
from tests.core.build import at, client, policy, schedule, term

if TYPE_CHECKING:
    from datetime import datetime

FRIDAY_EVENING = at("2026-11-27 20:00")
TUESDAY_CLOSE = at("2026-12-01 19:00")


def facts_of(**overrides: Any) -> Facts:
    """Return the facts of Vostok's mail about the lease, any field replaced."""
    fields: dict[str, Any] = {
        "client": "vostok",
        "address": "ivan@vostok.example",
        "return_path": "ivan@vostok.example",
        "subject": "Договор аренды",
        "quotable_subject": "Договор аренды",
        "topic": "documents",
    }
    return Facts(fingerprint="0" * 64, **(fields | overrides))


def verdict_of(kind: ReplyKind, due: Due | None) -> Verdict:
    """Return the verdict that this reply goes out."""
    return Verdict(
        reason=Reason.FULL,
        reply=kind,
        file=True,
        promises=True,
        due=due,
        placement=Placement(window=None),
        period=None,
        trail=(),
    )


def text_of(
    rules: Policy,
    facts: Facts | None = None,
    *,
    kind: ReplyKind = ReplyKind.FULL,
    due_at: datetime = TUESDAY_CLOSE,
    now_at: datetime = FRIDAY_EVENING,
) -> Text:
    """Return the words of the reply, by the real calendar."""
    facts = facts or facts_of()
    due = Due(due_at=due_at, term=term("2 working days"), source="topics.documents.response", steps=())
    return reply_text(rules, facts, verdict_of(kind, due), hours.calendar(rules, facts.client), now_at)


EXAMPLE = """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Договор аренды» к утру среды, 2 декабря (точно: до 02:00 по Вашему времени, \
это вторник, 1 декабря, 19:00 в Москве). Документы я смотрю внимательно, поэтому на них мы договорились \
о двух рабочих днях.

Если удобнее голосом: ближайший час для звонка, когда день и у Вас, и у меня, — понедельник, 30 ноября, \
17:00–18:00 по Вашему времени (10:00–11:00 в Москве). WhatsApp откроется в тот же день в 16:00 по Вашему времени; \
в остальное время я на заседаниях.

Так записано в Приложении 2 к договору № 17, которое действует с 1 сентября 2026 года. Это автоматический ответ: \
сейчас я не на работе.

Анна Светлова"""


def test_the_example_of_the_contract_with_the_user() -> None:
    """Mail of Friday evening gets the very words of the example, every hour in them computed by the real rooms."""
    rules, facts = policy(), facts_of()
    calendar = hours.calendar(rules, facts.client)
    agreed, source = promise.term_for(rules, facts.client, facts.topic)
    due = promise.due(calendar, agreed, source, FRIDAY_EVENING)
    text = reply_text(rules, facts, verdict_of(ReplyKind.FULL, due), calendar, FRIDAY_EVENING + timedelta(minutes=3))
    assert text == Text(subject="Автоответ: Договор аренды", body=EXAMPLE)


def test_russian_short() -> None:
    """The short reply: the due time and that it is automatic."""
    assert (
        text_of(policy(), kind=ReplyKind.SHORT).body
        == """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Договор аренды» к утру среды, 2 декабря (точно: до 02:00 по Вашему времени, \
это вторник, 1 декабря, 19:00 в Москве).
Это автоматический ответ: сейчас я не на работе.

Анна Светлова"""
    )


def test_russian_in_the_same_zone() -> None:
    """Where both clocks agree no zone is named; without a topic the owner's reason stands; the new year is said."""
    rules = policy(clients=(client(zone="Europe/Moscow"),))
    facts = facts_of(topic="", subject="Re: Акт", quotable_subject="Акт")
    text = text_of(rules, facts, due_at=at("2027-01-11 19:00"), now_at=at("2026-12-30 20:00"))
    assert text.subject == "Автоответ: Re: Акт"
    assert (
        text.body
        == """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Акт» до 19:00 в понедельник, 11 января 2027 года. \
Вечером и в выходные я не работаю с документами, чтобы днём смотреть их внимательно.

Если удобнее голосом: ближайший час для звонка — четверг, 31 декабря, 10:00–11:00. \
WhatsApp откроется в тот же день в 10:00; в остальное время я на заседаниях.

Так записано в Приложении 2 к договору № 17, которое действует с 1 сентября 2026 года. Это автоматический ответ: \
сейчас я не на работе.

Анна Светлова"""
    )


def test_russian_in_another_zone_by_day() -> None:
    """A due time in the client's day is said plainly, with the owner's clock in brackets."""
    assert text_of(policy(), due_at=at("2026-12-01 11:00")).body.split("\n")[2] == (
        "Я отвечу на Ваше письмо «Договор аренды» до 18:00 во вторник, 1 декабря, по Вашему времени"
        " (11:00 в Москве). Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях."
    )


@pytest.mark.parametrize(
    ("due", "said"),
    [
        ("2026-12-01 16:59", "к концу вторника, 1 декабря (точно: до 23:59 по Вашему времени, это 16:59 в Москве)"),
        (
            "2026-12-01 17:00",
            "к утру среды, 2 декабря (точно: до 00:00 по Вашему времени, это вторник, 1 декабря, 17:00 в Москве)",
        ),
        ("2026-12-02 01:59", "к утру среды, 2 декабря (точно: до 08:59 по Вашему времени, это 01:59 в Москве)"),
        ("2026-12-02 02:00", "до 09:00 в среду, 2 декабря, по Вашему времени (02:00 в Москве)"),
        ("2026-12-02 13:59", "до 20:59 в среду, 2 декабря, по Вашему времени (13:59 в Москве)"),
        ("2026-12-02 14:00", "к концу среды, 2 декабря (точно: до 21:00 по Вашему времени, это 14:00 в Москве)"),
    ],
)
def test_the_clients_night_begins_and_ends_with_their_daytime(due: str, said: str) -> None:
    """Up to the start of daytime it is "by the morning of", from its end on "by the end of", each to the minute."""
    assert f" {said}." in text_of(policy(), due_at=at(due)).body


def test_a_day_without_daytime_has_no_morning() -> None:
    """Where the client has no daytime at all that day the exact time is said, and so it is in a break of it."""
    weekdays = client(daytime=schedule({"mon-fri": ["09:00-12:00", "14:00-21:00"]}))
    rules = policy(clients=(weekdays,))
    assert " до 02:00 в субботу, 5 декабря, по Вашему" in text_of(rules, due_at=at("2026-12-04 19:00")).body
    assert " до 13:00 в пятницу, 4 декабря, по Вашему" in text_of(rules, due_at=at("2026-12-04 06:00")).body


def test_russian_without_a_call() -> None:
    """No window is daytime for both: nothing is offered that does not exist; with a channel, that is offered."""
    rules = policy(clients=(client(zone="America/Los_Angeles"),), channels=policy().channels[:1])
    assert (
        text_of(rules).body
        == """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Договор аренды» к утру вторника, 1 декабря (точно: до 08:00 по Вашему времени, \
это 19:00 в Москве). Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях.

До тех пор от Вас ничего не требуется: письмо получено. Если захотите что-то добавить, просто ответьте на это \
письмо, я прочту всё вместе.

Так записано в Приложении 2 к договору № 17, которое действует с 1 сентября 2026 года. Это автоматический ответ: \
сейчас я не на работе.

Анна Светлова"""
    )
    rules = policy(clients=(client(zone="America/Los_Angeles"),))
    assert text_of(rules).body.split("\n")[4] == (
        "WhatsApp откроется в воскресенье, 29 ноября, в 22:00 по Вашему времени; в остальное время я на заседаниях."
    )


def test_russian_with_a_channel_open_now() -> None:
    """A channel that is open now comes with its end, and its day where that is not today."""
    text = text_of(policy(), now_at=at("2026-11-30 09:30"))
    assert text.body.split("\n")[4].endswith(
        "WhatsApp работает и сейчас, до 02:00 во вторник, 1 декабря, по Вашему времени;"
        " в остальное время я на заседаниях."
    )
    text = text_of(policy(clients=(client(zone="Europe/Moscow"),)), now_at=at("2026-11-30 09:30"))
    assert " WhatsApp работает и сейчас, до 19:00; в остальное время" in text.body


def test_russian_to_a_sender_known_by_domain_only() -> None:
    """Somebody at the client's domain gets no name and no agreement; a subject that may not be quoted is not."""
    facts = facts_of(address="x@vostok.example", by_domain=True, quotable_subject="")
    assert (
        text_of(policy(), facts).body
        == """\
Здравствуйте!

Я отвечу на Ваше письмо к утру среды, 2 декабря (точно: до 02:00 по Вашему времени, это вторник, 1 декабря, \
19:00 в Москве). Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях.

Если удобнее голосом: ближайший час для звонка, когда день и у Вас, и у меня, — понедельник, 30 ноября, \
17:00–18:00 по Вашему времени (10:00–11:00 в Москве). WhatsApp откроется в тот же день в 16:00 по Вашему времени; \
в остальное время я на заседаниях.

Это автоматический ответ: сейчас я не на работе.

Анна Светлова"""
    )


def test_russian_to_a_stranger() -> None:
    """A stranger reads no hour, no name and no agreement."""
    text = text_of(policy(), facts_of(client="", topic="", subject=""), kind=ReplyKind.STRANGER)
    assert text == Text(
        subject="Автоответ: Ваше письмо",
        body="""\
Здравствуйте!

Ваше письмо получено, оно будет прочитано в рабочее время.
Это автоматический ответ.""",
    )


@pytest.mark.parametrize(
    ("from_on", "until_on", "cited"),
    [
        (date(2026, 11, 27), None, True),
        (date(2026, 11, 28), None, False),
        (None, date(2026, 11, 27), True),
        (None, date(2026, 11, 26), False),
        (None, None, True),
    ],
)
def test_an_agreement_is_cited_only_while_in_force(
    from_on: date | None,
    until_on: date | None,
    cited: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Both its days count, by the owner's calendar: 23:30 on the 27th in Moscow is the 28th in Vladivostok."""
    agreement = Agreement(name="Договор № 5", from_on=from_on, until_on=until_on)
    text = text_of(policy(clients=(client(agreement=agreement),)), now_at=at("2026-11-27 23:30"))
    assert ("Так записано в Договоре № 5" in text.body) is cited
