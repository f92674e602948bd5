"""Clock: the one room that may ask what time it is. Everybody else is told."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the Clock that everybody else asks

    def real_seconds(self, seconds: float) -> float:
        """Return the same number: this clock runs at the world's pace."""
        return seconds
