"""Joins the real daemon to the demo's stage."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from responder import config
from responder.adapters.ledger import SqliteLedger
from responder.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from responder.ports import Clock, DecidedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RealDaemon:
    """The daemon in this process."""

    daemon: Daemon
    ledger: SqliteLedger
    task: asyncio.Task[None]

    def wake(self) -> None:
        """Make it look again now."""
        self.daemon.wake()

    async def decided(self) -> Sequence[DecidedRow]:
        """Return every message decided so far, newest first."""
        return await self.ledger.decided(last=1000)


@asynccontextmanager
async def start_daemon(
    config_path: Path, *, state: Path, clock: Clock, on_round: Callable[[str, datetime | None], None]
) -> AsyncGenerator[RealDaemon]:
    """Run the real daemon; its log goes to ``daemon.log`` in the state directory."""
    with (state / "daemon.log").open("w", encoding="utf-8") as log:
        before = structlog.get_config()
        structlog.configure(
            processors=[structlog.processors.add_log_level, structlog.processors.LogfmtRenderer()],
            logger_factory=structlog.WriteLoggerFactory(file=log),
            cache_logger_on_first_use=False,
        )
        daemon = Daemon(config.load(config_path), state=state, clock=clock, environ=os.environ, on_round=on_round)
        ledger = SqliteLedger.read(state / "ledger.sqlite3")
        task = asyncio.create_task(daemon.run())
        try:
            yield RealDaemon(daemon=daemon, ledger=ledger, task=task)
        finally:
            daemon.stop()
            await asyncio.wait({task})
            await ledger.close()
            structlog.configure(**before)
    task.result()
