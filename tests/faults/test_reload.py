"""The configuration changes while the daemon runs: often, badly, half, in the middle of a round; no mail is lost."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
import tomli_w

from tests.e2e.test_daemon import Process, closed_now, deliver, scene, start
from tests.servers.smtp import delay

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.e2e.scene import Scene

__all__ = ["scene", "start"]

pytestmark = [pytest.mark.matrix, pytest.mark.server]

IVAN, KOLYA, MAYA = "ivan@vostok.example", "kolya@vostok.example", "maya@harborlane.example"
NEWCOMER = "vera@newcomer.example"


def changed(scene: Scene, **more: Any) -> str:
    """Return the configuration with more changes, table by table; the file itself stays as it is."""
    before = scene.config.read_text()
    tables = closed_now()
    scene.changes = tables | {name: tables.get(name, {}) | table for name, table in more.items()}
    scene.write()
    after = scene.config.read_text()
    scene.config.write_text(before)
    return after


def put(scene: Scene, text: str) -> None:
    """Replace the file as a careful editor does: whole or not at all."""
    fresh = scene.config.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(scene.config)


async def unharmed(daemon: Process) -> None:
    """Assert that nothing unexpected happened, and end the daemon."""
    assert await daemon.ended() == 0
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert not [line for line in daemon.lines() if line["event"] == "unexpected"]


async def verdicts(daemon: Process, count: int) -> list[str]:
    """Wait until so many messages were decided, and return their reasons."""
    return [line["reason"] for line in await daemon.logged("message", count)]


async def test_a_storm_of_signals(scene: Scene, start: Callable[[], Process]) -> None:
    """Hundreds of SIGHUPs in a second, while mail comes in: each mail is handled once."""
    daemon = start()
    await daemon.logged("mailbox open")
    people = [f"person{number}@vostok.example" for number in range(20)]
    for person in people:
        for _ in range(20):
            daemon.send(signal.SIGHUP)
        deliver(scene, person, f"from {person}")
        await asyncio.sleep(0)
    await scene.sink.arrived(len(people), 60)
    await verdicts(daemon, len(people))
    read = len(await daemon.logged("configuration read"))
    await unharmed(daemon)
    assert sorted(mail.recipient for mail in scene.replies()) == sorted(people)
    assert scene.subjects("INBOX") == []
    assert read <= 200, "signals that come together are answered together"


@pytest.mark.parametrize("what", ["rules", "accounts"])
async def test_in_the_middle_of_a_reply(scene: Scene, start: Callable[[], Process], what: str) -> None:
    """A change while a reply is being sent lets it end; the new rules hold for what comes after it."""
    scene.sink.script["DOT"] = [delay(2)]
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "one")
    await scene.sink.arrived(1, 60)
    more = {"mailboxes": {"main": {"poll": "2 s"}}} if what == "accounts" else {}
    put(scene, changed(scene, replies={"mode": "off"}, **more))
    for _ in range(5):
        daemon.send(signal.SIGHUP)
    (line,) = await daemon.logged("reply")
    assert line["outcome"] == "done"
    if what == "accounts":
        await daemon.logged("mailbox open", 2)
    await daemon.logged("configuration read")
    deliver(scene, KOLYA, "two")
    assert await verdicts(daemon, 2) == ["full", "opted-out"]
    await unharmed(daemon)
    assert len(scene.replies()) == 1
    assert scene.subjects("INBOX") == []


async def test_a_file_replaced_is_noticed_without_a_signal(scene: Scene, start: Callable[[], Process]) -> None:
    """A file put in the other's place is read by itself."""
    daemon = start()
    await daemon.logged("mailbox open")
    put(scene, changed(scene, replies={"mode": "off"}))
    await daemon.logged("configuration read")
    deliver(scene, IVAN, "one")
    assert await verdicts(daemon, 1) == ["opted-out"]
    await unharmed(daemon)


async def test_a_file_that_is_still_being_written_is_not_read(scene: Scene, start: Callable[[], Process]) -> None:
    """Half a file can be in good order and lack the clients: it is read only when nobody writes to it any more."""
    daemon = start()
    await daemon.logged("mailbox open")
    whole = changed(scene)
    half = whole[: whole.index("\n[clients.")]
    loop = asyncio.get_running_loop()
    until = loop.time() + 5
    number = 0
    while loop.time() < until:
        number += 1
        scene.config.write_text(f"{half}\n# {number}\n")  # in place, as a simple editor does
        if number == 20:
            deliver(scene, IVAN, "while it is written")
        await asyncio.sleep(0.1)
    scene.config.write_text(whole)
    await daemon.logged("configuration read")
    deliver(scene, KOLYA, "afterwards")
    assert await verdicts(daemon, 2) == ["full", "full"]
    await unharmed(daemon)


@pytest.mark.parametrize("fault", ["gone", "a folder", "empty", "cut", "no text", "a wrong zone"])
async def test_a_file_that_cannot_be_read_changes_nothing(
    scene: Scene, start: Callable[[], Process], fault: str
) -> None:
    """Gone, a folder, empty, cut, no text, a zone that does not exist: the old rules stay, and it is said."""
    daemon = start()
    await daemon.logged("mailbox open")
    good = scene.config.read_text()
    scene.config.unlink()
    match fault:
        case "a folder":
            scene.config.mkdir()
        case "empty":
            scene.config.touch()
        case "cut":
            scene.config.write_text(good[: len(good) // 2] + '\nname = "')
        case "no text":
            scene.config.write_bytes(bytes(range(256)) * 20)
        case "a wrong zone":
            put(scene, changed_zone(good))
        case _:
            pass
    await daemon.logged("configuration refused")
    deliver(scene, IVAN, "by the old rules")
    await scene.sink.arrived(1, 60)
    if fault == "a folder":
        scene.config.rmdir()
    put(scene, good)
    await daemon.logged("configuration read")
    deliver(scene, KOLYA, "by the new")
    await scene.sink.arrived(2, 60)
    await unharmed(daemon)


def changed_zone(text: str) -> str:
    """Return the configuration with a zone that no place has."""
    return text.replace('timezone = "Europe/Moscow"', 'timezone = "Europe/Atlantis"', 1)


async def test_clients_in_a_file_of_their_own_come_break_and_go(scene: Scene, start: Callable[[], Process]) -> None:
    """clients.toml appears, breaks and vanishes: known, still known, and a stranger again."""
    clients = scene.config.parent / "clients.toml"
    daemon = start()
    await daemon.logged("mailbox open")
    deliver(scene, NEWCOMER, "before")
    assert await verdicts(daemon, 1) == ["stranger"]
    table = {"name": "Newcomer", "addresses": [NEWCOMER], "timezone": "Europe/Paris", "language": "en"}
    clients.write_text(tomli_w.dumps({"clients": {"newcomer": table}}))
    await daemon.logged("configuration read")
    deliver(scene, NEWCOMER, "known")
    await scene.sink.arrived(1, 60)
    clients.write_text("[clients.newcomer\n")
    await daemon.logged("configuration refused")
    deliver(scene, NEWCOMER, "still known")
    deliver(scene, IVAN, "as ever")
    await scene.sink.arrived(2, 60)
    clients.unlink()
    await daemon.logged("configuration read", 2)
    deliver(scene, NEWCOMER, "a stranger again")
    assert sorted(await verdicts(daemon, 5)) == ["full", "full", "stranger", "stranger", "told"]
    await unharmed(daemon)
    assert sorted(mail.recipient for mail in scene.replies()) == [IVAN, NEWCOMER]
