"""The page of figures over HTTP: read by the real library's parser, and no reader holds anything up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import stat
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text

from responder.adapters import metrics_page, metrics_text
from responder.adapters.metrics_page import MetricsPage
from responder.errors import TemporaryError
from responder.meters import Meter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

METERS = (
    Meter(name="running", kind="gauge", meaning="one", samples=(((), 1.0),)),
    Meter(
        name="messages",
        kind="counter",
        meaning='messages, "by" reason',
        labels=("mailbox", "reason"),
        samples=((("main", "full"), 3.0), (('odd"name\n', "told"), 0.0)),
    ),
)
VALUES = {
    ("responder_running", ()): 1.0,
    ("responder_messages_total", (("mailbox", "main"), ("reason", "full"))): 3.0,
    ("responder_messages_total", (("mailbox", 'odd"name\n'), ("reason", "told"))): 0.0,
}


class Reader:
    """The other side: sends a request and reads what comes until the end."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def ask(self, request: str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") -> tuple[str, str]:
        """Return the head and the text of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.encode())
        answer = (await asyncio.wait_for(reader.read(), 20)).decode()
        writer.close()
        head, _, text = answer.partition("\r\n\r\n")
        return head, text


@pytest.fixture
async def served() -> AsyncIterator[Reader]:
    """A page with two meters."""

    async def make(accept: str) -> tuple[bytes, str]:
        return metrics_text.page(METERS, accept)

    async with opened(MetricsPage(make)) as reader:
        yield reader


@contextlib.asynccontextmanager
async def opened(page: MetricsPage) -> AsyncIterator[Reader]:
    """Open a page at a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    await page.open("127.0.0.1", port)
    try:
        yield Reader(port)
    finally:
        await page.close()


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read a page as Prometheus does."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


async def test_the_page_reads_as_it_was_meant(served: Reader) -> None:
    """Names, labels and values come back through the library's parser; nothing else stands there."""
    head, text = await served.ask()
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain")
    assert values(text) == VALUES
    assert "_created" not in text


async def test_the_newer_form_is_given_to_who_asks(served: Reader) -> None:
    """OpenMetrics, as Prometheus prefers it."""
    wanted = "GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
    head, text = await served.ask(wanted)
    assert "openmetrics-text" in head
    assert text.endswith("# EOF\n")
    assert "_created" not in text
    assert {family.name for family in read_open(text)} == {"responder_running", "responder_messages"}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /metrics?x=1 HTTP/1.1", 200),
        ("HEAD /metrics HTTP/1.0", 200),
        ("GET / HTTP/1.1", 404),
        ("GET /../secret HTTP/1.1", 404),
        ("POST /metrics HTTP/1.1", 405),
        ("nonsense", 405),
    ],
)
async def test_only_the_page_is_there(served: Reader, request_line: str, status: int) -> None:
    """Anything else is told so, with the length it has."""
    head, text = await served.ask(request_line + "\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ")
    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    assert length == len(text) or request_line.startswith("HEAD")
    assert bool(text) is not request_line.startswith("HEAD")


async def test_what_cannot_be_read_is_status_503() -> None:
    """Prometheus then counts the service as down, and says so."""

    async def make(_: str) -> tuple[bytes, str]:
        raise TemporaryError("the ledger is held")

    async with opened(MetricsPage(make)) as reader:
        assert await reader.ask() == (mock.ANY, "the ledger is held\n")
        head, _ = await reader.ask()
        assert head.startswith("HTTP/1.1 503 ")


async def test_silent_rude_and_many_readers_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks nothing, or too much, is let go; more than a few at once are turned away; then the page is there."""
    monkeypatch.setattr(metrics_page, "SECONDS", 0.5)

    async def make(accept: str) -> tuple[bytes, str]:
        return metrics_text.page(METERS, accept)

    async with opened(MetricsPage(make)) as reader:
        silent = [await asyncio.open_connection("127.0.0.1", reader.port) for _ in range(metrics_page.MOST_READERS + 5)]
        for stream, _ in silent:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(stream.read(), 20) == b""
        for _, writer in silent:
            writer.close()
        with contextlib.suppress(ConnectionError):
            assert await reader.ask("GET /" + "x" * 100_000) == ("", "")
        head, _ = await reader.ask()
        assert head.startswith("HTTP/1.1 200 ")


async def test_the_end_waits_for_no_reader(served: Reader) -> None:
    """A reader that never asks does not keep the service from ending."""
    stream, writer = await asyncio.open_connection("127.0.0.1", served.port)
    page = MetricsPage(mock.AsyncMock())
    await page.close()  # one that never opened
    writer.close()
    assert await asyncio.wait_for(stream.read(), 20) == b""


async def test_a_port_in_use_says_what_to_do(served: Reader) -> None:
    """The error names the place and the mend."""
    with pytest.raises(TemporaryError, match=f"127.0.0.1:{served.port}: another program listens there; name another"):
        await MetricsPage(mock.AsyncMock()).open("127.0.0.1", served.port)


async def test_what_systemd_forbids_says_what_to_do() -> None:
    """The unit lets nothing listen: the error names the line that does."""
    denied = OSError(errno.EPERM, "Operation not permitted")
    with (
        mock.patch.object(asyncio, "start_server", side_effect=denied),
        pytest.raises(TemporaryError, match="SocketBindAllow=tcp:9469"),
    ):
        await MetricsPage(mock.AsyncMock()).open("127.0.0.1", 9469)


def test_the_file_is_whole_and_readable_whatever_the_umask(tmp_path: Path) -> None:
    """Written beside and renamed, 0644; what a killed process left is in nobody's way."""
    path = tmp_path / "responder.prom"
    path.write_text("old")
    path.chmod(0o600)
    (tmp_path / ".responder.prom.new").write_text("half of one")
    metrics_text.write(path, METERS)
    assert values(path.read_text()) == VALUES
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["responder.prom"]


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    """The error names the file, and the line of the unit that may be missing."""
    with pytest.raises(TemporaryError, match=r"cannot write the figures .*ReadWritePaths="):
        metrics_text.write(tmp_path / "none" / "responder.prom", METERS)
