"""The real daemon on each IMAP server: sessions are killed, and IDLE is offered but tells nothing."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, letter
from tests.e2e.test_daemon import Process, closed_now
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.servers.mail_program import ImapServer

pytestmark = [pytest.mark.server, pytest.mark.matrix]

CLIENTS = ("ivan@vostok.example", "maya@harborlane.example", "jonas@linden-partner.example")


@pytest.fixture
async def scene(imap_server: ImapServer, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office that is closed now, whatever day it is."""
    async with SmtpSink() as sink:
        clock = FixedClock(_now())
        yield Scene(folder=tmp_path, server=imap_server, sink=sink, user=user, clock=clock, changes=closed_now())


@pytest.fixture
def daemon(scene: Scene) -> Iterator[Process]:
    """The daemon, running."""
    process = Process(scene)
    yield process
    process.end(signal.SIGKILL)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the daemon runs under the real clock


async def test_killed_sessions_lose_nothing(scene: Scene, daemon: Process) -> None:
    """Whenever the server ends the session, a new one finds what came; each client is answered once, all is filed."""
    await daemon.logged("mailbox open")
    for number, sender in enumerate(CLIENTS, 1):
        scene.server.kick(scene.user)
        scene.arrive(letter(sender, sender), _now())
        await scene.sink.arrived(number, 60)
    await daemon.logged("message", len(CLIENTS))
    assert await daemon.ended() == 0
    assert sorted(mail.recipient for mail in scene.replies()) == sorted(CLIENTS)
    tree = {folder: len(mails) for folder, mails in scene.tree().items()}
    assert sum(count for folder, count in tree.items() if folder.startswith("Callbacks/")) == len(CLIENTS)
    assert "INBOX" not in tree


@pytest.mark.parametrize("imap_server", ["courier"], indirect=True)
async def test_mail_is_found_where_idle_tells_nothing(scene: Scene, daemon: Process) -> None:
    """Courier takes IDLE and tells of news once a minute: the poll (here 1 s) finds the mail."""
    await daemon.logged("mailbox open")
    scene.arrive(letter(CLIENTS[0]), _now())
    await scene.sink.arrived(1, 30)
    assert await daemon.ended() == 0
