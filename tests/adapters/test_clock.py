"""The clocks: the machine's own, and the demo's fast one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from responder.adapters.clock import FastClock, SystemClock


def test_the_systems_clock_is_the_machines() -> None:
    """It shows the machine's time, in UTC, and a second is a second."""
    before = time.time()
    now = SystemClock().now()
    assert before <= now.timestamp() <= time.time()
    assert now.tzinfo is UTC
    assert SystemClock().real_seconds(60.0) == 60.0


def test_the_fast_clock_runs_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 3600 times the speed one real second is an hour, counted from its beginning."""
    start = datetime(2026, 11, 27, 20, 0, tzinfo=timezone(timedelta(hours=3)))
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    clock = FastClock(start, 3600.0)
    assert clock.now() == start
    assert clock.now().tzinfo is UTC
    monkeypatch.setattr(time, "monotonic", lambda: 102.5)
    assert clock.now() - start == timedelta(hours=2, minutes=30)
    assert clock.real_seconds(7200.0) == 2.0


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_a_clock_must_go_forward(speed: float) -> None:
    """A speed of zero or below is refused."""
    with pytest.raises(ValueError, match="above zero"):
        FastClock(datetime(2026, 11, 27, tzinfo=UTC), speed)
