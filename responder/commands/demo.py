"""``responder demo``: a whole weekend in seconds, the real daemon against servers inside this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.console import Console

from responder.sandbox.demo import run_demo
from responder.sandbox.wiring import start_daemon

if TYPE_CHECKING:
    from pathlib import Path


def show(folder: Path | None) -> int:
    """Run the demonstration; returns 0 when the weekend went as the story says."""
    console = Console(highlight=False)
    return asyncio.run(run_demo(folder, console=console, start_daemon=start_daemon))
