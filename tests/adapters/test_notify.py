"""sd_notify, read back from a socket as systemd would."""

from __future__ import annotations

import os
import socket
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.adapters.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd holds it, and the address as it stands in the environment."""
    name = f"responder-{uuid.uuid4()}"
    address = str(tmp_path / "notify") if request.param == "path" else f"@{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(address if request.param == "path" else f"\0{name}")
        made.settimeout(5)
        yield made, address


def _heard(made: socket.socket) -> list[str]:
    return made.recv(65536).decode().split("\n")


def test_a_life_in_messages(systemd: tuple[socket.socket, str]) -> None:
    """Ready, status, ping and stop arrive as systemd expects them; Cyrillic too."""
    made, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})
    notifier.ready("слежу за 1 ящиком")
    notifier.status("всё хорошо")
    notifier.ping()
    notifier.stopping()
    assert [_heard(made) for _ in range(4)] == [
        ["READY=1", "STATUS=слежу за 1 ящиком"],
        ["STATUS=всё хорошо"],
        ["WATCHDOG=1"],
        ["STOPPING=1"],
    ]


def test_a_reload_carries_the_monotonic_time(systemd: tuple[socket.socket, str]) -> None:
    """RELOADING=1 comes with the time of CLOCK_MONOTONIC in microseconds, as systemd 253 checks it."""
    made, address = systemd
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier({"NOTIFY_SOCKET": address}).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    first, second = _heard(made)
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= after


def test_a_status_cannot_say_anything_else(systemd: tuple[socket.socket, str]) -> None:
    """A line break in a status does not begin another assignment."""
    made, address = systemd
    Notifier({"NOTIFY_SOCKET": address}).status("bad file:\nSTOPPING=1\r\nline 3: \ud800")
    assert _heard(made) == ["STATUS=bad file: STOPPING=1 line 3: ?"]


@given(st.text())
def test_no_text_becomes_two_lines(text: str) -> None:
    """Whatever the status, one datagram holds one line."""
    name = f"responder-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(f"\0{name}")
        made.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).status(text)
        assert b"\n" not in made.recv(65536)


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1", "relative", "/nobody/listens/here"])
def test_without_systemd_nothing_happens(address: str) -> None:
    """No socket, an unknown kind, or a dead one: every call returns quietly."""
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"} if address else {})
    notifier.ready("x")
    notifier.status("x")
    notifier.reloading()
    notifier.ping()
    notifier.stopping()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdogs_time(environ: dict[str, str], seconds: float | None) -> None:
    """The watchdog's time is taken only if it is set, sound, and meant for this process."""
    assert Notifier(environ).watchdog_seconds == seconds


def test_no_ping_without_a_watchdog(systemd: tuple[socket.socket, str]) -> None:
    """Where no watchdog is set, a ping sends nothing."""
    made, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ping()
    notifier.stopping()
    assert _heard(made) == ["STOPPING=1"]
