"""Alerts: the owner's command, and Apprise, get the text on standard input; never in an argument, never in a shell.

It promises that an alert is given when one of the ways took it, that nothing here lasts longer than some seconds, and
that no error holds the text or a service's address, which is a secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from responder.adapters.auth import read_secret
from responder.errors import ConfigurationError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from responder.config.settings import Settings

LIMIT_SECONDS = 20.0  # a notifier that waits for a network that is gone must not hold up the mail

#: Of that limit a service has this share, so that what the others took is known before the process is killed.
SERVICE_SHARE = 0.6

#: By its path and without the working directory (-P): neither it nor this folder hides a module of the library's.
CHILD = (sys.executable, "-P", str(Path(__file__).with_name("apprise_child.py")))

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]{0,30})://")
_SAID = {
    "unknown": "Apprise knows no such service, or the address lacks something",
    "refused": "it refused, or could not be reached",
    "late": "it did not answer in time",
}

log = structlog.get_logger()


async def give_alert(text: str, settings: Settings, environ: Mapping[str, str]) -> None:
    """Give the text by every way that ``[alerts]`` names; it counts as given when one of them took it.

    Raises:
        TemporaryError: none did, with what each said; or there is none.
    """
    ways: list[Awaitable[None]] = []
    if settings.alerts_command:
        ways.append(alert(settings.alerts_command, text))
    if settings.alerts_apprise:
        ways.append(alert_services(text, settings, environ))
    if not ways:
        raise TemporaryError("[alerts] names nobody to call: give command or apprise")
    failures = [each for each in await asyncio.gather(*ways, return_exceptions=True) if each is not None]
    for failure in failures:
        if not isinstance(failure, TemporaryError):
            raise failure
    if len(failures) == len(ways):
        raise TemporaryError("; ".join(map(str, failures)))
    for failure in failures:
        log.warning("one way to alert failed, another took it", error=str(failure))


def say_ways(settings: Settings) -> str:
    """Say how alerts are given, without a secret."""
    ways = [f"by the command {settings.alerts_command[0]}"] if settings.alerts_command else []
    if count := len(settings.alerts_apprise):
        ways.append(f"by Apprise to {count} service{'' if count == 1 else 's'}")
    return " and ".join(ways) or "nobody is called; what needs you stands in the log and in `responder status`"


async def alert(command: Sequence[str], text: str) -> None:
    """Give the text to the command and wait until it ends; kill it, and what it started, after 20 seconds.

    Raises:
        TemporaryError: it could not be started, ended with an error, or did not end. Never holds the text.
    """
    if not command:
        raise TemporaryError("alerts.command names no program: the alert was not given")
    program = command[0]
    status, _ = await _run(command, text, f"alerts.command: {program}")
    if status:
        raise TemporaryError(
            f"alerts.command: {program} ended with status {status}; try it by hand: echo test | {program}"
        )


async def alert_services(text: str, settings: Settings, environ: Mapping[str, str]) -> None:
    """Give the text to the services of ``alerts.apprise``, all at once; some of them may fail.

    Raises:
        TemporaryError: none took it. Never holds the text or an address.
    """
    services, failures = await asyncio.to_thread(_services, settings, environ)
    if services:
        asked = json.dumps(
            {"services": list(services.values()), "text": text, "seconds": LIMIT_SECONDS * SERVICE_SHARE}
        )
        status, answer = await _run(CHILD, asked, "alerts.apprise: the sending process")
        try:
            words = [str(word) for word in json.loads(answer)]
        except (ValueError, TypeError):
            words = []
        if status or len(words) != len(services):
            raise TemporaryError(f"alerts.apprise: the sending process ended with status {status} and no answer")
        for (number, service), word in zip(services.items(), words, strict=True):
            if word != "taken":
                failures.append(f"service {number} ({_scheme(service)}): {_SAID.get(word, word)}")
    if len(failures) == len(settings.alerts_apprise):
        raise TemporaryError(f"alerts.apprise: {'; '.join(failures)}")
    for failure in failures:
        log.warning("one service did not take the alert, another did", error=failure)


def _services(settings: Settings, environ: Mapping[str, str]) -> tuple[dict[int, str], list[str]]:
    """Return the services' addresses by their place in the list, and why others cannot be had; may take some seconds.

    They are read anew each time: one that is mended serves the next alert.
    """
    services: dict[int, str] = {}
    failures: list[str] = []
    for number, ref in enumerate(settings.alerts_apprise, start=1):
        try:
            services[number] = read_secret(
                ref, config_directory=settings.path.parent, environ=environ, username="alerts"
            )
        except ConfigurationError as error:
            failures.append(f"service {number}: {str(error).removeprefix('password: ')}")
    return services, failures


def _scheme(service: str) -> str:
    match = _SCHEME.match(service)
    return match[1] if match else "no scheme"


async def _run(command: Sequence[str], text: str, name: str) -> tuple[int, bytes]:
    """Run a program with the text as its input; return its status and what it wrote."""
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if command is CHILD else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,  # it may repeat the text, and a log must not hold it
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TemporaryError(f"{name} could not be started: {reason}") from error
    written: bytes | None = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            written, _ = await child.communicate(text.encode(errors="replace"))
    except TimeoutError as error:
        raise TemporaryError(f"{name} did not end within {LIMIT_SECONDS:g} s and was stopped") from error
    finally:
        await _end(child)
    return child.returncode or 0, written or b""


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill the command and its children if it still runs, and collect it."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # its own session: the group's number is the child's
    await child.wait()
