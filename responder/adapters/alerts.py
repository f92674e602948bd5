"""Alerts: runs the owner's command with the text on its standard input; never in an argument, never in a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from responder.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_SECONDS = 20.0  # a notifier that waits for a network that is gone must not hold up the mail


async def alert(command: Sequence[str], text: str) -> None:
    """Give the text to the command and wait until it ends; kill it, and what it started, after 20 seconds.

    Raises:
        TemporaryError: it could not be started, ended with an error, or did not end. Never holds the text.
    """
    if not command:
        raise TemporaryError("alerts.command names no program: the alert was not given")
    program = command[0]
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,  # it may repeat the text, and a log must not hold it
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TemporaryError(f"alerts.command: {program} could not be started: {reason}") from error
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await child.communicate(text.encode(errors="replace"))
    except TimeoutError as error:
        raise TemporaryError(
            f"alerts.command: {program} did not end within {LIMIT_SECONDS:g} s and was stopped"
        ) from error
    finally:
        await _end(child)
    if child.returncode:
        raise TemporaryError(
            f"alerts.command: {program} ended with status {child.returncode}; try it by hand: echo test | {program}"
        )


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill the command and its children if it still runs, and collect it."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # its own session: the group's number is the child's
    await child.wait()
