"""Two responders with ledgers of their own on one mailbox, as after a move to a new computer: no double reply.

Each marks a message with a keyword before it answers it, and the server does one STORE after the other. What the
other has answered before is read in Sent.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.claims import contend
from tests.contract.worlds import ServerWorld
from tests.contract.worlds import letter as plain_letter
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, letter
from tests.e2e.test_daemon import Process, closed_now
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

#: So many messages are claimed by both at the same moment.
RACES = 100
#: Senders, and how many letters each writes.
SENDERS, LETTERS = 40, 2
LIMIT = 180.0
MARKS = ("$Responder-0000000a", "$Responder-0000000b")


async def test_of_two_who_claim_at_once_one_wins(dovecot: Dovecot, user: str) -> None:
    """Two sessions contend for the same messages at the same time, many times: one wins, and never both."""
    world = ServerWorld(dovecot, user)
    dovecot.append_many(user, [plain_letter(n) for n in range(RACES)])
    first, second = world.mailbox(), world.mailbox()
    await first.open()
    await second.open()
    won: Counter[tuple[bool, bool]] = Counter()
    for uid in range(1, RACES + 1):
        one, other = await asyncio.gather(contend(first, [uid], MARKS[0]), contend(second, [uid], MARKS[1]))
        won[uid not in one, uid not in other] += 1
    await first.close()
    await second.close()
    print(f"{dovecot.kind}: the first won {won[True, False]}, the second {won[False, True]}, none {won[False, False]}")
    assert won[True, True] == 0
    assert won[False, False] <= RACES / 50  # a machine may be too busy to see who stepped back: then both are silent


@pytest.fixture
async def scenes(dovecot: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Callable[..., list[Scene]]]:
    """Return what makes two set-ups for one mailbox, with a state each, in an office that is closed now."""
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock

        def make(**replies: Any) -> list[Scene]:
            changes = closed_now()
            changes["replies"] |= {"limits": {"per_hour": 10_000, "per_day": 10_000}} | replies
            return [
                Scene(folder=tmp_path / name, server=dovecot, sink=sink, user=user, clock=clock, changes=changes)
                for name in ("old", "new")
            ]

        yield make


@pytest.fixture
def start() -> Iterator[Callable[[Scene], Process]]:
    """Return what starts a daemon; whatever a test leaves running is ended after it."""
    started: list[Process] = []

    def begin(scene: Scene) -> Process:
        started.append(Process(scene))
        return started[-1]

    yield begin
    for process in started:
        process.end(9)


async def at_rest(scenes: list[Scene]) -> None:
    """Wait until INBOX is empty and neither ledger has anything left to do."""
    ends = time.monotonic() + LIMIT
    while time.monotonic() < ends:
        if not scenes[0].subjects("INBOX"):
            summaries = []
            for scene in scenes:
                ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
                summaries.append(await ledger.summary(scene.clock.now()))
                await ledger.close()
            if all(summary.planned == summary.waiting == 0 for summary in summaries):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never at rest: {scenes[0].subjects('INBOX')}")


@pytest.mark.parametrize(
    ("replies", "letters"),
    [
        pytest.param({"grace": "0 s", "copy": "none"}, 1, id="marks alone"),
        pytest.param({"grace": "0 s", "copy": "Sent"}, LETTERS, id="marks and Sent"),
        pytest.param({"grace": "2 s", "copy": "Sent"}, LETTERS, id="both at the end of the grace time"),
    ],
)
async def test_two_daemons_answer_nobody_twice(
    scenes: Callable[..., list[Scene]], start: Callable[[Scene], Process], replies: dict[str, str], letters: int
) -> None:
    """Two daemons under a shower of mail: at most one reply to each address, each letter filed once, the owner told."""
    both = scenes(**replies)
    daemons = [start(scene) for scene in both]
    for daemon in daemons:
        await daemon.logged("mailbox open")
    dovecot, user = both[0].dovecot, both[0].user
    for round_ in range(letters):
        for number in range(SENDERS):
            sender = f"p{number}@vostok.example"
            dovecot.deliver(user, letter(sender, f"{number}.{round_}", return_path=None), sender=sender)
            await asyncio.sleep(0.05)  # a shower, not one bucket: both find some of it first
    await at_rest(both)
    for daemon in daemons:
        assert await daemon.ended() == 0
    count = Counter(mail.recipient for mail in both[0].replies())
    by = [sum(line["event"] == "reply" for line in daemon.lines()) for daemon in daemons]
    print(f"{dovecot.kind}: {SENDERS * letters} letters, {len(count)} of {SENDERS} answered, by each: {by}")
    assert not {address: n for address, n in count.items() if n > 1}
    assert len(count) >= SENDERS * 3 // 4  # where both saw the other's mark both were silent
    tree = both[0].tree()
    filed = [str(mail["Subject"]) for name, mails in tree.items() if "Callbacks" in name for mail in mails]
    assert sorted(filed) == sorted(f"{number}.{round_}" for number in range(SENDERS) for round_ in range(letters))


async def test_the_owner_learns_of_the_other_responder(
    scenes: Callable[..., list[Scene]], start: Callable[[Scene], Process]
) -> None:
    """A message that bears another's mark is left to that one; log, alert and status name the other responder."""
    _, scene = scenes(grace="0 s", copy="none")
    told = scene.folder / "told"
    scene.changes["alerts"] = {"command": ["/bin/sh", "-c", f"cat >> {told}"]}
    scene.write()
    daemon = start(scene)
    await daemon.logged("mailbox open")
    scene.dovecot.append(
        scene.user,
        letter("ivan@vostok.example", "taken"),
        datetime.now(UTC),  # noqa: TID251 - the test runs under the real clock
        flags=MARKS[0],
    )
    ends = time.monotonic() + LIMIT
    while not (told.exists() and "another responder answers mail here too" in told.read_text()):
        assert time.monotonic() < ends, daemon.log.read_text()
        await asyncio.sleep(0.1)
    command = [sys.executable, "-m", "responder", "status", "--config", str(scene.config), "--state", str(scene.state)]
    ends = time.monotonic() + LIMIT
    while True:
        status = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if "another responder answers mail here too" in status.stdout or time.monotonic() > ends:
            break
        await asyncio.sleep(0.2)
    assert "another responder answers mail here too" in status.stdout, status.stdout + status.stderr
    assert status.returncode == 1
    assert await daemon.ended() == 0
    assert scene.replies() == []
    assert scene.subjects("INBOX") == ["taken"]
