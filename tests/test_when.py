"""Where a span begins and ends, as a person writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import pytest

from responder.commands.when import parse_since, parse_until
from tests.core.build import at

if TYPE_CHECKING:
    from datetime import datetime

NOW = at("2026-11-25 15:00")
ZONE = ZoneInfo("Europe/Moscow")


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("2026-11-20", at("2026-11-21 00:00")),
        ("20 ноября", at("2026-11-21 00:00")),
        ("1 September", at("2026-09-02 00:00")),
        ("2026-11-20T12:00", at("2026-11-20 12:00")),
        ("2026-11-20 00:00", at("2026-11-20 00:00")),
        ("вчера", at("2026-11-25 00:00")),
        ("2026-11-25", NOW),
        ("неделя", at("2026-11-18 15:00")),
    ],
)
def test_a_day_that_ends_a_span_belongs_to_it(words: str, until: datetime) -> None:
    """A day is taken to its end, today up to now; a time of day or a length is what it says."""
    assert parse_until(words, ZONE, NOW) == until


@pytest.mark.parametrize(
    ("words", "since"),
    [
        ("30 days", at("2026-10-26 15:00")),
        ("неделя", at("2026-11-18 15:00")),
        ("неделю", at("2026-11-18 15:00")),
        ("week", at("2026-11-18 15:00")),
        ("Месяц", at("2026-10-25 15:00")),
        ("month", at("2026-10-25 15:00")),
        ("год", at("2025-11-25 15:00")),
        ("2 недели", at("2026-11-11 15:00")),
        ("вчера", at("2026-11-24 00:00")),
        ("today", at("2026-11-25 00:00")),
        ("вчера в 22:15", at("2026-11-24 22:15")),
        ("monday", at("2026-11-23 00:00")),
        ("1 September", at("2026-09-01 00:00")),
        ("сентябрь", at("2026-09-01 00:00")),
        ("2026-09-01", at("2026-09-01 00:00")),
    ],
)
def test_a_span_begins_a_length_ago_or_at_a_days_midnight(words: str, since: datetime) -> None:
    """A length needs no number to be one; a day or a month that is named begins at its first midnight."""
    assert parse_since(words, ZONE, NOW) == since


def test_a_span_does_not_end_in_the_future() -> None:
    """What is still to come has no mail yet."""
    with pytest.raises(click.UsageError, match="still to come"):
        parse_until("2026-11-26", ZONE, NOW)
