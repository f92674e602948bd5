"""The figures of a real daemon on a real server, read as Prometheus reads them."""

from __future__ import annotations

import asyncio
import signal
import socket
import stat
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.adapters.test_metrics_page import values
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, letter
from tests.e2e.test_commands import responder
from tests.e2e.test_daemon import Process, closed_now, daemons, deliver
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server


@pytest.fixture
def port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
    return found


@pytest.fixture
async def scene(dovecot_rich: Dovecot, user: str, tmp_path: Path, port: int) -> AsyncIterator[Scene]:
    """An office that is closed now, with a page of figures and a file."""
    changes = closed_now() | {
        "metrics": {"listen": f"127.0.0.1:{port}", "textfile": str(tmp_path / "figures" / "responder.prom")}
    }
    (tmp_path / "figures").mkdir()
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock
        yield Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=changes)


@pytest.fixture
def start(scene: Scene) -> Iterator[Callable[[], Process]]:
    """Return what starts a daemon; whatever a test leaves running is ended after it."""
    with daemons(scene) as begin:
        yield begin


def _read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text: str = page.read().decode()
    return text


def figure(text: str, name: str, **labels: str) -> float:
    """Return one figure of a page."""
    return values(text)[f"responder_{name}", tuple(sorted(labels.items()))]


async def page(port: int, holds: Callable[[str], bool]) -> str:
    """Read the page until it shows what is awaited."""
    text = ""
    for _ in range(400):
        try:
            text = await asyncio.to_thread(_read, port)
        except (urllib.error.URLError, ConnectionError):
            text = ""
        if text and holds(text):
            return text
        await asyncio.sleep(0.05)
    raise AssertionError(f"never shown:\n{text}")


def answered(count: int) -> Callable[[str], bool]:
    """Tell when so many replies have left."""
    return lambda text: figure(text, "replies_total", mailbox="main", kind="full", outcome="done") == count


async def test_the_figures_move_with_the_mail_and_survive_a_restart(
    scene: Scene, start: Callable[[], Process], port: int
) -> None:
    """A mail moves what counts it; the page names nobody; after a restart the mail's counters go on where they were."""
    daemon = start()
    await daemon.logged("mailbox open")
    before = await page(port, lambda text: figure(text, "mailbox_watched", mailbox="main") == 1)
    assert answered(0)(before)
    deliver(scene, "ivan@vostok.example", "Договор")
    deliver(scene, "list@lists.example", "digest", headers={"Precedence": "list"})
    await scene.sink.arrived(1, 20)
    text = await page(port, lambda text: answered(1)(text) and figure(text, "effects_planned") == 0)
    assert figure(text, "messages_total", mailbox="main", reason="full") == 1
    assert figure(text, "promises_open") == 1
    assert figure(text, "promises_total", mailbox="main", event="opened") == 1
    await page(port, lambda text: figure(text, "messages_total", mailbox="main", reason="automatic") == 1)
    assert figure(text, "held", what="in-doubt") == 0
    assert figure(text, "last_look_timestamp_seconds", mailbox="main") > scene.clock.at.timestamp()
    for private in ("ivan", "vostok", "@", "Договор", "example"):
        assert private not in text
    assert await daemon.ended() == 0
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port))
    left = (scene.folder / "figures" / "responder.prom").read_text()
    assert (figure(left, "running"), answered(1)(left)) == (0, True)
    again = start()
    text = await page(port, answered(1))
    assert figure(text, "running") == 1
    assert figure(text, "session_losses_total", mailbox="main") == 0
    scene.dovecot.kick(scene.user)
    await page(port, lambda text: figure(text, "session_losses_total", mailbox="main") == 1)
    assert await again.ended() == 0


async def test_a_reload_moves_the_page_and_a_bad_file_shows(
    scene: Scene, start: Callable[[], Process], port: int
) -> None:
    """The file's faults are a figure; a good file with another port takes the page there."""
    daemon = start()
    await page(port, lambda text: figure(text, "config_errors") == 0)
    scene.config.write_text(scene.config.read_text() + "\n[nonsense]\n[other]\n")
    daemon.send(signal.SIGHUP)
    await page(port, lambda text: figure(text, "config_errors") == 2)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        other = probe.getsockname()[1]
    scene.changes["metrics"] = {"listen": f"127.0.0.1:{other}"}
    scene.write()
    daemon.send(signal.SIGHUP)
    await page(other, lambda text: figure(text, "config_errors") == 0)
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port))
    assert await daemon.ended() == 0


async def test_a_port_in_use_stops_no_mail(
    scene: Scene, start: Callable[[], Process], port: int, tmp_path: Path
) -> None:
    """Mail is answered as always; the log and ``status`` say that there is no page, and why."""
    with socket.create_server(("127.0.0.1", port)):
        daemon = start()
        (said,) = await daemon.logged("no figures")
        assert f"127.0.0.1:{port}: another program listens there" in said["problem"]
        await daemon.logged("mailbox open")
        deliver(scene, "ivan@vostok.example", "Договор")
        await scene.sink.arrived(1, 20)
        place = ["--config", str(scene.config), "--state", str(scene.state)]
        told = await asyncio.to_thread(lambda: responder("status", *place, home=tmp_path))
        assert told.returncode == 1
        assert "another program listens there" in told.stdout
    assert await daemon.ended() == 0


async def test_a_single_pass_writes_the_file(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """``run --once`` from cron counts on where the last pass was, and everybody may read the file."""
    path = tmp_path / "responder.prom"
    async with SmtpSink() as sink:
        clock = FixedClock(FRIDAY - timedelta(hours=3))
        changes = {"metrics": {"textfile": str(path)}}
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=changes)
        await scene.run()
        assert answered(0)(path.read_text())
        scene.arrive(letter("ivan@vostok.example", "Договор"), FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
    text = path.read_text()
    assert answered(1)(text)
    assert figure(text, "last_look_timestamp_seconds", mailbox="main") == clock.at.timestamp()
    assert figure(text, "running") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
