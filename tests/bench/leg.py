"""The measured process: ``responder run`` or ``responder run --once`` itself, with a stop-watch at each port.

``python -m tests.bench.leg once|watch CONFIG STATE``; prints one line of JSON at its end. Nothing of the program is
replaced: its methods are wrapped, and what they used is added up.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from responder import assessing, engine
from responder.adapters.ledger import SqliteLedger
from responder.adapters.mailbox import ImapMailbox
from responder.adapters.outbox import SmtpOutbox
from responder.commands.run import run
from responder.core import facts
from responder.core.model import Outcome
from tests.bench.process import peak_memory

#: What is shown as one line of the profile, by class or module and name.
PARTS = {
    ImapMailbox: {
        "open": "log in",
        "scan": "scan",
        "fetch": "read headers",
        "bodies": "read texts",
        "sent_headers": "look at Sent",
        "file": "file",
    },
    SmtpOutbox: {"send": "send replies"},
    facts: {"observe": "observe headers", "observe_body": "observe bodies"},
    assessing: {"decide_all": "decide", "make_plan": "plan and compose"},
    engine: {"log_verdict": "log"},
}


class Watch:
    """Adds up, by part of the line: seconds, calls, and what the mailbox received meanwhile."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.octets: defaultdict[str, int] = defaultdict(int)
        self.messages: defaultdict[str, int] = defaultdict(int)
        self.made: dict[str, Any] = {}
        self.chunks: list[int] = []
        self.folders: set[str] = set()
        self.round_trips: defaultdict[str, int] = defaultdict(int)
        self.replies = 0
        self.woken: list[float] = []

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Put a stop-watch around a function or a method."""
        inner = getattr(owner, name)
        if not inspect.iscoroutinefunction(inner):

            @functools.wraps(inner)
            def timed(*args: Any, **named: Any) -> Any:
                began = time.perf_counter()
                try:
                    return inner(*args, **named)
                finally:
                    self.seconds[part] += time.perf_counter() - began
                    self.calls[part] += 1

            setattr(owner, name, timed)
            return

        @functools.wraps(inner)
        async def awaited(port: Any, *args: Any, **named: Any) -> Any:
            self.made[type(port).__name__] = port
            counters = getattr(port, "counters", {})
            began, before = time.perf_counter(), dict(counters)
            result: Any = None
            try:
                result = await inner(port, *args, **named)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self.calls[part] += 1
                if counters:
                    self.octets[part] += counters["bytes_in"] - before["bytes_in"]
                    self.round_trips[part] += counters["round_trips"] - before["round_trips"]
                if part in {"read headers", "read texts", "file"} and result is not None:
                    self.messages[part] += len(result)
                if part == "file":
                    folders = {move.folder for move in args[0]}
                    self.chunks.append(len(folders))
                    self.folders |= folders
                if part == "send replies" and result:
                    self.replies += sum(sent.outcome == Outcome.DONE for sent in result)
                if part == "wait" and result:
                    self.woken.append(time.monotonic())
            return result

        setattr(owner, name, awaited)

    def figures(self, wall: float) -> dict[str, Any]:
        """Return all of it as plain values."""
        mailbox, outbox = self.made["ImapMailbox"], self.made.get("SmtpOutbox")
        return {
            "wall": wall,
            "peak": peak_memory(),
            "round_trips": mailbox.counters["round_trips"],
            "bytes_in": mailbox.counters["bytes_in"],
            "smtp_round_trips": outbox.traffic.round_trips if outbox else 0,
            "seconds": dict(self.seconds),
            "calls": dict(self.calls),
            "octets": dict(self.octets),
            "messages": dict(self.messages),
            "chunks": self.chunks,
            "folders": len(self.folders),
            "round_trips_of": dict(self.round_trips),
            "replies": self.replies,
            "woken": self.woken,
            "dateparser": "dateparser" in sys.modules,
        }


def main() -> None:
    """Run the program with stop-watches in it."""
    once = sys.argv[1] == "once"
    watch = Watch()
    for owner, names in PARTS.items():
        for name, part in names.items():
            watch.wrap(owner, name, part)
    for name, method in vars(SqliteLedger).copy().items():
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            watch.wrap(SqliteLedger, name, f"ledger: {name}")
    watch.wrap(ImapMailbox, "wait", "wait")
    began = time.perf_counter()
    status = run(Path(sys.argv[2]), Path(sys.argv[3]), once=once)
    print(json.dumps(watch.figures(time.perf_counter() - began)))
    sys.exit(status)


if __name__ == "__main__":
    main()
