"""sd_notify: tells systemd how the daemon is doing. Never raises, and does nothing where no systemd listens.

Own lines and no library: systemd-watchdog 1.0.1 knows neither RELOADING nor STOPPING, paces its pings by the wall
clock (a clock set back would stop them, and systemd would kill a healthy daemon), lets a line break in a status
become a second message, and keeps a socket open.
Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SEND_SECONDS = 2.0  # systemd reads at once; a full queue must not hold up the mail for longer


class Notifier:
    """The line to the service manager, as the environment describes it.

    Args:
        environ: looked at once for NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = _watchdog(environ)

    @property
    def watchdog_seconds(self) -> float | None:
        """Within how many seconds the next ping must follow the last; None where no watchdog is set for us."""
        return self._watchdog

    def ready(self, status: str) -> None:
        """Say that start-up, or a reload, is finished."""
        self._send("READY=1", f"STATUS={_line(status)}")

    def status(self, text: str) -> None:
        """Show a line in ``systemctl status``."""
        self._send(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """Say that the rules are being reread; ``ready`` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def ping(self) -> None:
        """Tell the watchdog that the mail loop moves."""
        if self._watchdog is not None:
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address.startswith(("/", "\0")):  # none, or a kind of address (vsock) that no unit of ours has
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.settimeout(SEND_SECONDS)
            to.sendto("\n".join(lines).encode(errors="replace"), self._address)


def _line(text: str) -> str:
    """Fold white space, so that no part of a status can become an assignment of its own."""
    return " ".join(text.split())


def _watchdog(environ: Mapping[str, str]) -> float | None:
    length, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (length.isascii() and length.isdigit()) or int(length) == 0:
        return None
    if pid and pid != str(os.getpid()):  # meant for another process
        return None
    return int(length) / 1_000_000
