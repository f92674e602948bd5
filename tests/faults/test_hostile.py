"""Hostile letters on real servers, all at once among honest ones: each costs itself at most, and nobody is fooled."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import os
import re
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from responder import reading
from responder.adapters.ledger import SqliteLedger
from responder.commands.place import LEDGER
from responder.core import facts as facts_room
from responder.core.model import Body
from tests.core.test_facts import ME, POLICY, raw
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, body_of
from tests.e2e.scene import letter as honest
from tests.e2e.test_commands import responder
from tests.e2e.test_daemon import Process, closed_now
from tests.faults.letters import LETTERS, Letter
from tests.faults.readings import check_whole
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from responder.ports import DecidedRow
    from tests.servers.dovecot import Dovecot
    from tests.servers.smtp import Captured

pytestmark = [pytest.mark.server, pytest.mark.matrix]

LIMITS = {"per_address_per_day": 3, "per_hour": 500, "per_day": 500}


@pytest.fixture
async def scene(dovecot: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office that is closed now and has no cap that these letters reach."""
    changes = closed_now()
    changes["replies"]["limits"] = LIMITS
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock
        yield Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock, changes=changes)


def cases(way: str) -> list[tuple[str, Letter]]:
    """Return the letters that can come this way, each followed by an honest one."""
    return [(name, one) for name, one in LETTERS.items() if one.over in ("", way)]


def sender_of(number: int) -> str:
    """Return the address that this letter alone is sent from."""
    return f"c{number}@vostok.example"


def written(number: int, one: Letter) -> bytes:
    """Return the letter with its own sender and number."""
    return one.raw.replace(b"{me}", sender_of(number).encode()).replace(b"{n}", b"m%d" % number)


def arrive(scene: Scene, way: str, number: int, message: bytes) -> None:
    """Let it arrive: over LMTP the server itself writes the Return-Path."""
    if way == "lmtp":
        scene.dovecot.deliver(scene.user, message, sender=sender_of(number))
    else:
        path = f"Return-Path: <{sender_of(number)}>\r\n".encode()
        scene.dovecot.append(scene.user, path + message, scene.clock.at)


async def decided(scene: Scene) -> dict[int, DecidedRow]:
    """Return what was decided, by UID."""
    ledger = SqliteLedger.read(scene.state / LEDGER)
    try:
        return {row.entry.key.uid: row for row in await ledger.decided(last=1000)}
    finally:
        await ledger.close()


def octets_out(server: Dovecot, user: str) -> int:
    """Return how much the server has sent to this user's sessions, by its own log."""
    return sum(int(found) for found in re.findall(rf"imap\({user}\).*? out=(\d+)", server.log()))


@pytest.mark.parametrize("way", ["lmtp", "append"])
async def test_hostile_letters_among_honest_ones(scene: Scene, way: str) -> None:
    """Each is answered or not as it deserves, every honest one is answered, and no reply says what a forger wrote."""
    await scene.run()
    letters = cases(way)
    for number, (_, one) in enumerate(letters, 1):
        arrive(scene, way, number, written(number, one))
        arrive(scene, way, 1000 + number, honest(sender_of(1000 + number), return_path=None))
    sent_before = octets_out(scene.dovecot, scene.user)
    scene.clock.at = datetime.now(UTC) + timedelta(seconds=1)  # noqa: TID251 - later than what LMTP stamped
    began = time.process_time()
    await scene.run()
    spent = time.process_time() - began
    rows = await decided(scene)
    by_recipient: dict[str, list[Captured]] = {}
    for mail in scene.replies():
        by_recipient.setdefault(mail.recipient, []).append(mail)
    wrong: dict[str, object] = {}
    for number, (name, one) in enumerate(letters, 1):
        row = rows[2 * number - 1]
        got = by_recipient.get(sender_of(number), [])
        if row.entry.reason not in one.reasons or len(got) != (row.entry.reason in {"full", "short"}):
            wrong[name] = (row.entry.reason, [step["detail"] for step in row.trail][-1], len(got))
        if got and (fault := _faults(got[0], one)):
            wrong[name] = fault
        if len(by_recipient.get(sender_of(1000 + number), [])) != 1:
            wrong[f"the honest letter behind {name}"] = rows[2 * number].entry.reason
    assert wrong == {}
    assert len(rows) == 2 * len(letters)
    assert {mail.recipient for mail in scene.replies()} <= {sender_of(n) for n in range(2000)}
    assert octets_out(scene.dovecot, scene.user) - sent_before < 4_000_000  # of more than sixty million
    assert spent < 60
    print(f"{2 * len(letters)} letters, {len(scene.replies())} replies, {spent:.1f} s of CPU")
    kept = list(scene.everything())
    assert len(kept) == 2 * len(letters)
    assert not [flags for _, flags, _ in kept if "\\Seen" in flags]


def _faults(mail: Captured, one: Letter) -> str:
    """Say what is wrong with a reply to a hostile letter; "" if nothing."""
    message = email.message_from_bytes(mail.data, policy=email.policy.default)
    if message.get_all("To") != [mail.recipient] or message.get_all("Bcc") or message.get_all("Cc"):
        return f"recipients: {message.items()}"
    text = body_of(mail)
    whole = f"{message.items()}\n{text}"
    if any(word in whole for word in ("\x00", "\x1b", "\x07", "\r\r", *one.silent_about)):
        return f"it says: {whole}"
    if "evil.example" in text:
        return f"it passes on: {text}"
    if one.says and one.says not in text:
        return f"it does not say {one.says}: {text}"
    return ""


def memory_of(daemon: Process) -> int:
    """Return the megabytes of memory that the process had at its highest."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{daemon._child.pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) // 1024


@pytest.fixture
def start() -> Iterator[list[Process]]:
    """Return the daemons that were started; whatever a test leaves running is ended after it."""
    started: list[Process] = []
    yield started
    for process in started:
        process.end(signal.SIGKILL)


async def test_a_daemon_lives_through_all_of_it_and_status_names_what_it_could_not_read(
    scene: Scene, start: list[Process], tmp_path: Path
) -> None:
    """The real process decides all, stays small, answers a later honest letter; ``status`` tells why, no subject."""
    start.append(Process(scene))
    daemon = start[0]
    await daemon.logged("mailbox open")
    letters = cases("lmtp")
    for number, (_, one) in enumerate(letters, 1):
        arrive(scene, "lmtp", number, written(number, one))
    arrive(scene, "lmtp", 1001, honest(sender_of(1001), return_path=None))
    deadline = time.monotonic() + 120
    while len([line for line in daemon.lines() if line["event"] == "message"]) <= len(letters):
        assert time.monotonic() < deadline, daemon.log.read_text()[-3000:]
        await asyncio.sleep(0.1)
    # In threads: the daemon may still be handing replies to the server that runs in this loop.
    places = ("--config", str(scene.config), "--state", str(scene.state))
    status = await asyncio.to_thread(responder, "status", *places, home=tmp_path)
    as_json = await asyncio.to_thread(responder, "status", "--json", *places, home=tmp_path)
    highest = memory_of(daemon)
    print(f"the daemon's memory at its highest: {highest} MB")
    assert highest < 200
    assert await asyncio.to_thread(daemon.end) == 0
    assert sender_of(1001) in {mail.recipient for mail in scene.replies()}
    assert [line for line in daemon.lines() if line["level"] in {"error", "critical"}] == []
    assert all(line.isprintable() for line in daemon.log.read_text().split("\n"))
    unreadable = sum(line["reason"] == "unreadable" for line in daemon.lines() if line["event"] == "message")
    assert unreadable >= sum(one.reasons == {"unreadable"} for _, one in letters)
    assert f"{unreadable} messages of the last 7 days could not be read: they lie in INBOX" in status.stdout
    assert "its Return-Path is at vostok.example" in status.stdout
    assert "Hello" not in status.stdout
    assert '"unreadable": [' in as_json.stdout
    assert '"why": "' in as_json.stdout
    assert "Hello" not in as_json.stdout


# ------------------------------------------------------------------------------------- the budget


def _heavy() -> Iterator[tuple[str, bytes, bytes]]:
    """Yield every letter as the mailbox brings it: 64 KB of header, 2,500 octets of body."""
    for name, one in LETTERS.items():
        head, _, body = written(1, one).partition(b"\r\n\r\n")
        yield name, head[:65_536] + b"\r\n\r\n", body[:2_500]


def test_no_known_letter_comes_near_its_budget() -> None:
    """The costliest hostile letter takes less than a tenth of what one letter may take."""
    costs: dict[str, float] = {}
    for name, head, body in _heavy():
        began = time.process_time()
        facts = facts_room.observe(raw(head), POLICY, ME)
        facts_room.observe_body(raw(head, body=Body(beginning=body, parts=None)), facts, POLICY, ME)
        costs[name] = time.process_time() - began
    worst = max(costs, key=lambda name: costs[name])
    print(f"worst: {worst}, {1000 * costs[worst]:.0f} ms")
    assert costs[worst] < reading.BUDGET / 10


@pytest.mark.parametrize("name", LETTERS)
def test_each_letter_is_read_whole_as_explain_reads_a_file(name: str) -> None:
    """``explain`` reads a whole file, structure and all: nothing raises, and the same promises hold."""
    began = time.process_time()
    check_whole(written(1, LETTERS[name]))
    assert time.process_time() - began < 10


CATASTROPHE = re.compile(r"(a+)+$")


@pytest.mark.parametrize("how", ["a loop of ours", "a regular expression", "a handler that swallows"])
async def test_a_letter_beyond_its_budget_is_unreadable_and_the_others_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A reader that never comes back is interrupted; its letter is shown as unreadable and never tried again."""
    whole = facts_room.observe
    tries = 0

    def stuck(message: Any, *others: Any) -> Any:
        nonlocal tries
        swallowed = 0
        if b"poison" in message.header:
            tries += 1
            while True:
                if how == "a regular expression":
                    CATASTROPHE.match("a" * 60 + "!")
                elif how == "a handler that swallows":
                    how_often = sum(range(1000))
                    with contextlib.suppress(BaseException if swallowed < 3 else ()):
                        swallowed += 1
                        while how_often:
                            pass
        return whole(message, *others)

    monkeypatch.setattr(reading, "BUDGET", 0.3)
    monkeypatch.setattr(facts_room, "observe", stuck)
    await scene.run()
    for number in (1, 2, 3):
        subject = "poison" if number == 2 else "Hello"
        arrive(scene, "append", number, honest(sender_of(number), subject, return_path=None))
    for _ in range(3):
        began = time.process_time()
        await scene.run()
        assert time.process_time() - began < 10
    assert tries == 1
    assert sorted(mail.recipient for mail in scene.replies()) == [sender_of(1), sender_of(3)]
    rows = await decided(scene)
    assert rows[2].entry.reason == "unreadable"
    assert rows[2].trail[-1]["detail"] == reading.TOO_SLOW
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


async def test_reading_lets_the_event_loop_breathe() -> None:
    """While five thousand hostile headers are read, whatever else waits in the loop has its turn every moment."""
    gaps: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    heads = [head for _, head, _ in _heavy()]
    messages = [raw(heads[number % len(heads)]) for number in range(5000)]
    messages = [replace(one, key=replace(one.key, uid=uid)) for uid, one in enumerate(messages, 1)]
    ticking = asyncio.create_task(tick())
    began = time.process_time()
    read = await reading.read_headers(messages, POLICY, ME)
    spent = time.process_time() - began
    ticking.cancel()
    assert [message.key.uid for message, _ in read] == list(range(1, 5001))
    assert len(gaps) > 10
    assert max(gaps) < 2
    print(f"5000 headers in {spent:.1f} s; longest gap {1000 * max(gaps):.0f} ms; load {os.getloadavg()[0]:.1f}")
