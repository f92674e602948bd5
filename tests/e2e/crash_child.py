"""A real run in a process of its own that dies, by SIGKILL, before or after its n-th call of the outside world.

``python -m tests.e2e.crash_child CONFIG STATE AT N before|after``; N = 0 never dies. Prints the number of calls made.
The calls counted are those of the ports that change something or learn something: each is an outside call.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from responder import config, daemon
from responder.adapters.ledger import SqliteLedger
from responder.adapters.mailbox import ImapMailbox
from responder.adapters.outbox import SmtpOutbox
from tests.e2e.clocks import FixedClock

_COUNTED = {
    ImapMailbox: ("open", "scan", "fetch", "bodies", "file", "sent_headers", "append_sent", "append_draft"),
    SmtpOutbox: ("send",),
    SqliteLedger: ("save_mailbox", "record", "advance", "owner_wrote", "folder_made"),
}


class Fuse:
    """Counts calls, and kills the process at the chosen one."""

    def __init__(self, at_call: int, when: str) -> None:
        self.calls = 0
        self._at_call = at_call
        self._when = when

    def before(self) -> int:
        """Count a call; die if it is the one."""
        self.calls += 1
        if self.calls == self._at_call and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.calls

    def after(self, call: int) -> None:
        """Die if that call was the one."""
        if call == self._at_call and self._when == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def _wrap(kind: type, name: str, fuse: Fuse) -> None:
    real = getattr(kind, name)
    assert inspect.iscoroutinefunction(real), (kind, name)

    async def fused(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = fuse.before()
        result = await real(self, *args, **kwargs)
        fuse.after(call)
        return result

    setattr(kind, name, fused)


def main() -> None:
    """Run once under the fuse."""
    path, state, at, at_call, when = sys.argv[1:6]
    fuse = Fuse(int(at_call), when)
    for kind, names in _COUNTED.items():
        for name in names:
            _wrap(kind, name, fuse)

    async def go() -> None:
        running = daemon.Daemon(
            config.load(Path(path)),
            state=Path(state),
            clock=FixedClock(datetime.fromisoformat(at)),
            environ=os.environ,
        )
        await running.once()

    asyncio.run(go())
    print(fuse.calls)


if __name__ == "__main__":
    main()
