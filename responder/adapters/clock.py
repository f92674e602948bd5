"""Clock: the one room that may ask what time it is. Everybody else is told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the Clock that everybody else asks

    def real_seconds(self, seconds: float) -> float:
        """Return the same number: this clock runs at the world's pace."""
        return seconds


class FastClock:
    """A clock for the demo: it starts at a chosen instant and runs faster than the world's.

    Args:
        start_at: the instant it shows when it is made.
        speed: how many of its seconds pass in one real second; above zero.
    """

    def __init__(self, start_at: datetime, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"a clock's speed must be above zero, not {speed}")
        self._start_at = start_at.astimezone(UTC)
        self._speed = speed
        self._began = time.monotonic()  # a step of the machine's clock must not move the demo

    def now(self) -> datetime:
        """Return this clock's present instant, aware, in UTC."""
        return self._start_at + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def real_seconds(self, seconds: float) -> float:
        """Return how many real seconds that many of this clock's seconds last."""
        return seconds / self._speed
