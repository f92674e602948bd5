"""One pass of the real daemon in a process of its own, at a time of the test's choosing, measured.

``python -m tests.faults.once_child CONFIG STATE AT`` prints, as its last line, the JSON of its peak memory in octets
and its CPU time in seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
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
    print(json.dumps({"peak": peak() * 1024, "cpu": time.process_time()}))


def peak() -> int:
    """Return this process's greatest resident KB. What the kernel counts for getrusage begins with the parent's."""
    found = re.search(r"^VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    main()
