"""The words of an English reply, whole: each text stands here as its reader sees it."""

from __future__ import annotations

from datetime import date
from typing import Any

from responder.core.compose import Text
from responder.core.model import Agreement, ReplyKind
from tests.core.build import at, channel, client, owner, policy, window
from tests.core.test_compose import facts_of, text_of

ENGLISH: dict[str, Any] = {
    "language": "en",
    "people": {"ivan@vostok.example": "Mr Harris"},
    "agreement": Agreement(name="Annex 2 to contract No. 17", from_on=date(2026, 9, 1)),
}


def test_english_in_another_zone() -> None:
    """The same rules in English: a due time in the client's night, a call, a channel, the agreement."""
    text = text_of(policy(clients=(client(**ENGLISH),)), facts_of(subject="Re: Lease", quotable_subject="Lease"))
    assert text == Text(
        subject="Auto: Re: Lease",
        body="""\
Dear Mr Harris,

I will answer your message “Lease” by the morning of Wednesday, 2 December (exactly: by 02:00 your time, \
which is Tuesday, 1 December, 19:00 in Moscow). I read documents with care, so we agreed on two working days \
for them.

If you would rather talk: the next hour for a call that is daytime for both of us is Monday, 30 November, \
17:00–18:00 your time (10:00–11:00 in Moscow). WhatsApp opens the same day at 16:00 your time; \
otherwise I am in hearings.

This is set out in Annex 2 to contract No. 17, which has been in force since 1 September 2026. \
This is an automatic reply: I am not at work now.

Анна Светлова""",
    )


def test_english_by_day_short() -> None:
    """A due time in the client's day, in two lines."""
    rules = policy(clients=(client(zone="Europe/London", **ENGLISH),))
    assert (
        text_of(rules, kind=ReplyKind.SHORT).body
        == """\
Dear Mr Harris,

I will answer your message “Договор аренды” by 16:00 on Tuesday, 1 December, your time (19:00 in Moscow).
This is an automatic reply: I am not at work now.

Анна Светлова"""
    )


def test_english_in_the_same_zone_without_topic_name_or_agreement() -> None:
    """What there is not leaves no trace: no empty greeting, no empty quotation marks."""
    rules = policy(clients=(client(zone="Europe/Moscow", language="en", people={}, agreement=None),))
    assert (
        text_of(rules, facts_of(topic="", quotable_subject="")).body
        == """\
Hello,

I will answer your message by 19:00 on Tuesday, 1 December. \
In the evening and at weekends I leave documents alone, to read them with care by day.

If you would rather talk: the next hour for a call is Monday, 30 November, 10:00–11:00. \
WhatsApp opens the same day at 09:00; otherwise I am in hearings.

This is an automatic reply: I am not at work now.

Анна Светлова"""
    )


def test_english_without_a_call() -> None:
    """No window and no channel: the client need do nothing."""
    rules = policy(clients=(client(**ENGLISH),), windows=(), channels=())
    assert text_of(rules).body.split("\n")[4] == (
        "There is nothing you need to do until then: your message has arrived. "
        "If you want to add something, simply reply to this one, and I will read it all together."
    )


def test_english_with_a_channel_open_now() -> None:
    """Open channels come first, then the others with their next opening."""
    rules = policy(
        clients=(client(zone="Europe/Moscow", **ENGLISH),),
        windows=(),
        channels=(
            channel("later", {"tue": ["10:00-12:00"]}, names={"en": "Signal"}),
            channel("same", {"tue": ["11:00-12:00"]}, names={"en": "Chat"}),
            channel("now", {"mon": ["08:00-12:00"]}, names={"ru": "Почта"}),
            channel("always", {"mon-sun": ["00:00-24:00"]}, names={"en": "E-mail, any time"}),
            channel("never", {}, names={"en": "Fax"}),
        ),
    )
    assert text_of(rules, now_at=at("2026-11-30 09:30")).body.split("\n")[4] == (
        "Почта is open even now, until 12:00. E-mail is open even now. "
        "Signal opens on Tuesday, 1 December, at 10:00. Chat opens the same day at 11:00."
    )


def test_english_to_a_stranger() -> None:
    """The neutral text of an owner who writes English."""
    text = text_of(policy(owner=owner(language="en")), facts_of(client="", subject="Offer"), kind=ReplyKind.STRANGER)
    assert text == Text(
        subject="Auto: Offer",
        body="""\
Hello,

Your message has arrived and will be read in working time.
This is an automatic reply.""",
    )


def test_the_channels_of_a_call_are_named_where_there_is_a_choice() -> None:
    """With two channels in the windows, the offered hour says which of them serve it."""
    windows = (
        window("morning", {"mon": ["10:00-11:00"]}, ("phone",)),
        window("noon", {"tue": ["12:00-13:00"]}, ("phone", "whatsapp")),
    )
    rules = policy(clients=(client(zone="Europe/Moscow", **ENGLISH),), windows=windows)
    assert "30 November, 10:00–11:00; channel: Phone.\n" in text_of(rules).body
    later = text_of(rules, now_at=at("2026-11-30 20:00")).body
    assert "1 December, 12:00–13:00; channels: Phone, WhatsApp.\n" in later
