"""One pass of the real daemon in a process of its own, at a time of the test's choosing, measured.

``python -m tests.faults.once_child CONFIG STATE AT`` prints, as its last line, the JSON of its peak memory in octets
and its CPU time in seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from datetime import datetime
from pathlib import Path

from responder import config, daemon
from tests.e2e.clocks import FixedClock


def main() -> None:
    """Run once."""
    path, state, at = sys.argv[1:4]
    clock = FixedClock(datetime.fromisoformat(at))

    async def go() -> None:
        running = daemon.Daemon(config.load(Path(path)), state=Path(state), clock=clock, environ=os.environ)
        await running.once()

    asyncio.run(go())
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"peak": used.ru_maxrss * 1024, "cpu": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()
