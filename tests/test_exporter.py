"""The figures follow the settings in force, and nothing about them stops the mail."""

from __future__ import annotations

import asyncio
import socket
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from responder import exporter as exporter_room
from responder.config import MetricsSettings
from responder.errors import TemporaryError
from responder.exporter import Exporter
from responder.meters import Meter
from tests.adapters.test_metrics_page import values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path


class Desk:
    """Settings that change, and a gatherer that counts how often it was asked."""

    def __init__(self) -> None:
        self.settings = MetricsSettings()
        self.fails: Exception | None = None
        self.exporter = Exporter(self._gather, lambda: self.settings)

    async def _gather(self, running: bool) -> Sequence[Meter]:  # noqa: FBT001 - as the exporter calls it
        if self.fails is not None:
            raise self.fails
        return (Meter(name="running", kind="gauge", meaning="x", samples=(((), float(running)),)),)

    def want(self, **settings: object) -> None:
        """Put other settings in force."""
        self.settings = MetricsSettings(**settings)  # type: ignore[arg-type] # a test's short way
        self.exporter.call()


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[Desk]:
    """Keep the exporter going."""
    task = asyncio.create_task(desk.exporter.run())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await desk.exporter.close()


async def until(holds: Callable[[], bool]) -> None:
    """Poll with a deadline."""
    for _ in range(400):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never became so")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Tell whether the page is served there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            return b"responder_running 1.0" in page.read()
    except (urllib.error.URLError, OSError):
        return False


def status(port: int) -> int:
    """Return the page's status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            code: int = page.status
    except urllib.error.HTTPError as error:
        with error:
            code = error.code
    return code


async def test_the_page_comes_moves_and_goes_with_the_settings() -> None:
    """A reload may ask for it, for another port, and for none."""
    one, two = free_port(), free_port()
    async with running(Desk()) as desk:
        desk.want(listen=("127.0.0.1", one))
        await until(lambda: answers(one))
        desk.want(listen=("127.0.0.1", two))
        await until(lambda: answers(two))
        assert not await asyncio.to_thread(answers, one)
        desk.want()
        await until(lambda: not answers(two))
        assert desk.exporter.trouble == ""


async def test_a_port_in_use_is_said_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as the other program is gone, the page is there."""
    monkeypatch.setattr(exporter_room, "EVERY", 0.1)
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    async with running(Desk()) as desk:
        desk.want(listen=("127.0.0.1", port))
        await until(lambda: "another program listens there" in desk.exporter.trouble)
        taken.close()
        await until(lambda: answers(port))
        await until(lambda: desk.exporter.trouble == "")


async def test_the_file_says_at_the_end_that_nobody_is_at_work(tmp_path: Path) -> None:
    """While it runs the file says 1, afterwards 0."""
    path = tmp_path / "responder.prom"
    async with running(Desk()) as desk:
        desk.want(textfile=path)
        await until(path.exists)
        assert values(path.read_text()) == {("responder_running", ()): 1.0}
    assert values(path.read_text()) == {("responder_running", ()): 0.0}


@pytest.mark.parametrize("error", [TemporaryError("the ledger is held"), ValueError("a defect")])
async def test_what_goes_wrong_is_said_and_ends_nothing(tmp_path: Path, error: Exception) -> None:
    """A ledger that cannot be read, or a defect, leaves the task alive; the file comes when it can be made."""
    desk = Desk()
    desk.fails = error
    port = free_port()
    async with running(desk):
        desk.want(textfile=tmp_path / "responder.prom", listen=("127.0.0.1", port))
        await until(lambda: desk.exporter.trouble != "")
        assert await asyncio.to_thread(status, port) == 503
        desk.fails = None
        desk.exporter.call()
        await until((tmp_path / "responder.prom").exists)
        await until(lambda: desk.exporter.trouble == "")
