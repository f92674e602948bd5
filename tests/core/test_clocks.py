"""When a clock is believed: what speaks against it, and what outweighs that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from responder.core import clocks
from tests.core.build import at

NOW = at("2026-11-27 20:00")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("now_at", "believed_at", "says"),
    [
        (NOW, None, ""),
        (NOW, NOW, ""),
        (NOW, NOW + 5 * MINUTE, ""),
        (NOW, NOW + 6 * MINUTE, "was set back"),
        (NOW, NOW + 3 * 365 * DAY, "was set back"),
        (NOW, NOW - 30 * DAY, ""),
        (NOW, NOW - 31 * DAY, "ahead"),
        (datetime(2106, 2, 7, tzinfo=UTC), NOW, "ahead"),
        (datetime(1970, 1, 1, tzinfo=UTC), None, "a year before 2026"),
        (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), NOW, "a year before 2026"),
    ],
)
def test_what_speaks_against_a_clock(now_at: datetime, believed_at: datetime | None, says: str) -> None:
    """Before the program's year, set back by more than five minutes, or ahead by more than thirty days."""
    found = clocks.doubt(now_at, believed_at)
    assert says in found
    assert bool(found) == bool(says)


def test_a_doubt_is_said_in_the_same_words_while_it_lasts() -> None:
    """The owner is alerted once for each new sentence, not once a minute."""
    assert len({clocks.doubt(NOW + n * MINUTE, NOW + DAY) for n in range(60)}) == 1


@pytest.mark.parametrize(
    ("stamped", "dated", "confirms"),
    [
        (NOW, NOW, True),
        (NOW - 5 * MINUTE, NOW - 5 * MINUTE, True),
        (NOW + 3 * MINUTE, NOW, True),
        (NOW - 6 * MINUTE, NOW, False),
        (NOW, NOW - 6 * MINUTE, False),
        (NOW, NOW + DAY, False),
        (NOW, None, False),
        (None, NOW, False),
    ],
)
def test_two_others_must_read_the_same_time(
    stamped: datetime | None,
    dated: datetime | None,
    confirms: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A message confirms the clock where its server and its writer both agree with it within five minutes."""
    assert clocks.bears_witness(stamped, dated, NOW) is confirms


def test_no_message_confirms_a_year_before_the_programs() -> None:
    """A dead clock on all three machines is still dead."""
    dead = datetime(1970, 1, 1, tzinfo=UTC)
    assert not clocks.bears_witness(dead, dead, dead)
