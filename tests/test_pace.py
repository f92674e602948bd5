"""How soon a server is asked again: delays, a wait that is asked for, and news that is none."""

from __future__ import annotations

import pytest

from responder.pace import FREE_WAKES, PATIENCE, WAKE_SECONDS, Pace


def test_the_delay_grows_and_a_good_session_makes_it_short_again() -> None:
    """Doubled at each loss up to five minutes, with jitter; after a session that lived a minute it begins anew."""
    pace = Pace(PATIENCE, poll=60, now=0)
    for longest in (1, 2, 4, 8, 16, 32, 64, 128, 256, *[300] * 2_000):
        assert longest / 2 <= pace.lost(0, 30) <= longest
    assert pace.lost(0, 61) <= 1


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(178.755, 178.755, 178.755), (0.001, 0.5, 1), (0.0, 0.5, 1), (1e9, 900, 900)]
)
def test_a_wait_that_is_asked_for_is_obeyed_within_bounds(asked: float, least: float, most: float) -> None:
    """Never sooner than our own delay, never later than a quarter of an hour: a millisecond would be a busy loop."""
    assert least <= Pace(PATIENCE, poll=60, now=0).lost(0, 1, asked) <= most


def test_news_that_are_none_are_ignored_after_a_while() -> None:
    """Some early wake-ups are free; a server that goes on is looked at once in ten seconds, or at its poll."""
    for poll, pause in ((60, WAKE_SECONDS), (1, 1)):
        pace = Pace(PATIENCE, poll=poll, now=0)
        assert [pace.woken(0.0) for _ in range(FREE_WAKES)] == [0.0] * FREE_WAKES
        assert pace.woken(0.001) == pause
        assert pace.woken(pause + 0.1) == 0.0
        assert pace.woken(pause + 0.2) == pause
        pace.called()
        assert pace.woken(pause + 0.3) == 0.0


def test_an_outage_is_told_after_an_hour() -> None:
    """Not before, however often the session is lost; and a round that comes to its end takes it back."""
    pace = Pace(PATIENCE, poll=60, now=0)
    assert not pace.unreached(10_000)
    pace.lost(0, 100)
    pace.lost(0, 3_000)
    assert not pace.unreached(3_699)
    assert pace.unreached(3_700)
    pace.looked()
    assert not pace.unreached(9_999)
