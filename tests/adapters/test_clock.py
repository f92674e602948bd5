"""The machine's own clock."""

from __future__ import annotations

import time
from datetime import UTC

from responder.adapters.clock import SystemClock


def test_the_systems_clock_is_the_machines() -> None:
    """It shows the machine's time, in UTC, and a second is a second."""
    before = time.time()
    now = SystemClock().now()
    assert before <= now.timestamp() <= time.time()
    assert now.tzinfo is UTC
    assert SystemClock().real_seconds(60.0) == 60.0
