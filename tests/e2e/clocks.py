"""Clocks for tests: one that stands still until it is told the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class FixedClock:
    """Stands at ``at``; a test moves it by setting the attribute."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the instant that was set."""
        return self.at

    def real_seconds(self, seconds: float) -> float:
        """Make every wait short: nothing happens by itself in a test."""
        return min(seconds, 0.05)
