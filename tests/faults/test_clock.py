"""Clocks that are wrong: a live daemon whose clock is stepped, on a real Dovecot that has the right time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, body_of, letter
from tests.e2e.test_daemon import Process, closed_now, deliver
from tests.servers.smtp import SmtpSink, delay, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.matrix, pytest.mark.server]

MOSCOW = ZoneInfo("Europe/Moscow")
HOUR = timedelta(hours=1)
FAKETIME = "libfaketimeMT.so.1"
IVAN, KOLYA = "ivan@vostok.example", "kolya@vostok.example"


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the time that is right


def _faketime() -> str:
    """Return the library that steps a process's clock; without it the tests are left out, but not in CI."""
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    reason = f"{FAKETIME} is not installed (Debian: faketime)"
    if not found and os.environ.get("CI"):
        pytest.fail(reason)
    if not found:
        pytest.skip(reason)
    return str(found[0])


class Watch:
    """The daemon's clock, which a test steps while the daemon runs. The monotonic clock stays real."""

    def __init__(self, scene: Scene) -> None:
        self._file = scene.folder / "clock"
        self.by = timedelta(0)
        self.step(self.by)
        self.environ: Mapping[str, str] = {
            "LD_PRELOAD": _faketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, by: timedelta) -> None:
        """Make the daemon's clock wrong by so much."""
        self.by = by
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{by.total_seconds():+.0f}\n")
        fresh.replace(self._file)

    def show(self, at: datetime) -> None:
        """Make the daemon's clock show this instant now."""
        self.step(at - _now())

    def now(self) -> datetime:
        """Return what the daemon's clock shows."""
        return _now() + self.by


def opening_in(hours: float, *, lasts: float = 3.0, **more: Any) -> dict[str, Any]:
    """Return changes with which it opens (or opened) so many hours from now, for so long; closed days around that."""
    opens = (_now() + hours * HOUR).astimezone(MOSCOW)
    minutes = opens.hour * 60 + opens.minute
    closes = int(minutes + lasts * 60) % 1440
    stretch = f"{minutes // 60:02}:{minutes % 60:02}-{closes // 60:02}:{closes % 60:02}"
    tables = closed_now()
    later = opens.date() + timedelta(days=5)
    tables["hours"] = {
        **dict.fromkeys(tables["hours"]),
        "2026-12-31": None,
        "2027-01-01..2027-01-08": None,
        f"{opens.date() - timedelta(days=20)}..{later - timedelta(days=1)}": [],
        str(opens.date()): [stretch],
        str(later): ["10:00-13:00"],
    }
    tables["windows"]["morning"]["hours"] = {str(opens.date()): [stretch]}
    return tables | {name: tables.get(name, {}) | table for name, table in more.items()}


@pytest.fixture
async def scene(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office on a server with the right time."""
    async with SmtpSink() as sink:
        yield Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=FixedClock(_now()))


@pytest.fixture
def watch(scene: Scene) -> Watch:
    """The daemon's clock, right until a test steps it."""
    return Watch(scene)


@pytest.fixture
def start(scene: Scene, watch: Watch) -> Iterator[Callable[..., Process]]:
    """Return what starts a daemon with that clock; whatever a test leaves running is ended after it."""
    started: list[Process] = []

    def begin(**changes: Any) -> Process:
        alarm = scene.folder / "alarm"
        alarm.write_text(f"#!/bin/sh\ncat >> {scene.folder}/alarms\n")
        alarm.chmod(0o755)
        scene.changes = {**changes, "alerts": {"command": [str(alarm)]}}
        scene.write()
        started.append(Process(scene, watch.environ))
        return started[-1]

    yield begin
    for process in started:
        process.end(signal.SIGKILL)


async def until(scene: Scene, holds: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
    """Wait until `responder status --json`, run by the right time, shows something."""
    for _ in range(200):
        found = await asyncio.to_thread(status, scene)
        if holds(found):
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"never came: {what}\n{found}\n{(scene.folder / 'log.jsonl').read_text()[-4000:]}")


def status(scene: Scene) -> dict[str, Any]:
    """Return what `responder status --json` prints."""
    command = [sys.executable, "-m", "responder", "status", "--json"]
    command += ["--config", str(scene.config), "--state", str(scene.state)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLE.parent, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def reasons(scene: Scene) -> list[str]:
    """Return the reasons of all that was decided, oldest first."""
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    try:
        return [row.entry.reason for row in reversed(await ledger.decided(last=99))]
    finally:
        await ledger.close()


def troubled(found: dict[str, Any]) -> bool:
    """Tell whether status speaks of the clock."""
    return "clock" in " ".join(found["troubles"])


# ------------------------------------------------------------------------------------------ forward


async def test_forward_over_the_opening_in_the_grace_time(
    scene: Scene, watch: Watch, start: Callable[..., Process]
) -> None:
    """A reply that waits in its grace time while the clock steps over the opening does not leave."""
    daemon = start(**opening_in(2, replies={"grace": "30 s"}))
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "in its grace time")
    await until(scene, lambda found: found["waiting"] == 1, "the grace time")
    watch.step(3 * HOUR)
    await daemon.logged("message")
    assert await reasons(scene) == ["opened-meanwhile"]
    assert scene.replies() == []
    assert await daemon.ended() == 0


async def test_forward_over_the_opening_with_a_reply_put_off(
    scene: Scene, watch: Watch, start: Callable[..., Process]
) -> None:
    """A reply that the server put off, and a clock that steps over the opening: it expires instead of leaving late."""
    scene.sink.script["RCPT"] = reply("451 4.3.0 later")
    daemon = start(**opening_in(2))
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "put off")
    await daemon.logged("reply")
    scene.sink.script.clear()
    watch.step(3 * HOUR)
    await until(scene, lambda found: found["planned"] == 0, "the end of what was planned")
    watch.step(timedelta(0))
    deliver(scene, KOLYA, "afterwards, with its date", at=_now())
    await scene.sink.arrived(1, 60)
    assert [mail.recipient for mail in scene.replies()] == [KOLYA]
    assert await daemon.ended() == 0


async def test_asleep_over_the_opening(scene: Scene, watch: Watch, start: Callable[..., Process]) -> None:
    """A machine that sleeps from its grace time until after the opening answers nobody when it wakes."""
    daemon = start(**opening_in(2, replies={"grace": "20 s"}))
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "before it slept")
    await until(scene, lambda found: found["waiting"] == 1, "the grace time")
    daemon.send(signal.SIGSTOP)
    deliver(scene, KOLYA, "while it slept")
    watch.step(3 * HOUR)
    daemon.send(signal.SIGCONT)
    await daemon.logged("message", 2)
    assert await reasons(scene) == ["opened-meanwhile"] * 2
    assert scene.replies() == []
    assert await daemon.ended() == 0


# -------------------------------------------------------------------------------------------- back


@pytest.mark.parametrize(
    "wrong",
    [timedelta(minutes=-8), -3 * HOUR, timedelta(days=-3), timedelta(days=-2000), datetime(1970, 1, 1, 3, tzinfo=UTC)],
    ids=["8-minutes", "3-hours", "3-days", "years", "1970"],
)
async def test_set_back_while_it_runs(
    scene: Scene, watch: Watch, start: Callable[..., Process], wrong: timedelta | datetime
) -> None:
    """While the clock is set back nobody is answered and the owner is told; set right, all is as if nothing was."""
    daemon = start(**opening_in(30))
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "one")
    await scene.sink.arrived(1, 30)
    await daemon.logged("reply")
    if isinstance(wrong, datetime):
        watch.show(wrong)
    else:
        watch.step(wrong)
    deliver(scene, IVAN, "two")
    deliver(scene, KOLYA, "three")
    await daemon.logged("the clock is not believed", 2)
    found = await until(scene, troubled, "the trouble in status")
    assert "nothing is decided, sent or moved" in " ".join(found["troubles"])
    alarms = scene.folder / "alarms"
    assert "the machine's clock" in alarms.read_text()
    assert scene.subjects("INBOX") == ["two", "three"]
    watch.step(timedelta(0))
    await scene.sink.arrived(2, 30)
    await daemon.logged("message", 3)
    assert sorted(await reasons(scene)) == ["full", "full", "told"]
    assert sorted(mail.recipient for mail in scene.replies()) == [IVAN, KOLYA]
    assert alarms.read_text().count("the machine's clock") == 1
    await until(scene, lambda found: found["planned"] == 0 and not troubled(found), "the filing")
    assert scene.subjects("INBOX") == []
    assert await daemon.ended() == 0


async def test_set_back_from_open_to_closed_on_one_machine_with_the_server(
    scene: Scene, watch: Watch, start: Callable[..., Process]
) -> None:
    """Server and daemon share the wrong clock: the mail's own date still speaks against it, and nobody is answered."""
    daemon = start(**opening_in(-1, lasts=3))
    await daemon.logged("mailbox open")
    watch.step(-2 * HOUR)
    scene.arrive(letter(IVAN, "in the open hours", at=_now()), watch.now())
    await daemon.logged("the clock is not believed")
    assert scene.replies() == []
    watch.step(timedelta(0))
    scene.arrive(letter(KOLYA, "later", at=_now()), _now())
    await daemon.logged("message", 2)
    assert scene.replies() == []
    assert await daemon.ended() == 0


async def test_a_dead_clock_at_the_start(scene: Scene, watch: Watch, start: Callable[..., Process]) -> None:
    """A machine that begins in 1970 waits until its clock is set; what came meanwhile is then answered, once."""
    daemon = start(**opening_in(30))
    await daemon.logged("mailbox open")
    assert await daemon.ended() == 0
    watch.show(datetime(1970, 1, 1, 0, 2, tzinfo=UTC))
    daemon = start(**opening_in(30))
    deliver(scene, IVAN, "in 1970")
    await daemon.logged("the clock is not believed", 2)
    assert scene.replies() == []
    watch.step(timedelta(0))
    await scene.sink.arrived(1, 30)
    await daemon.logged("message")
    assert await reasons(scene) == ["full"]
    assert await daemon.ended() == 0


async def test_a_dead_clock_at_the_first_start(scene: Scene, watch: Watch, start: Callable[..., Process]) -> None:
    """The very first start in 1970 sets no baseline; it is set when the clock is, and older mail is left alone."""
    deliver(scene, IVAN, "old")
    watch.show(datetime(1970, 1, 1, 0, 2, tzinfo=UTC))
    daemon = start(**opening_in(30))
    await daemon.logged("the clock is not believed", 2)
    watch.step(timedelta(0))
    await daemon.logged("first start")
    deliver(scene, KOLYA, "new")
    await scene.sink.arrived(1, 30)
    assert [mail.recipient for mail in scene.replies()] == [KOLYA]
    assert await daemon.ended() == 0


# ------------------------------------------------------------------------------------------- ahead


async def test_ahead_to_2106_and_back(scene: Scene, watch: Watch, start: Callable[..., Process]) -> None:
    """A clock in 2106 decides nothing and forgets nothing; set right, who was told is not told again."""
    daemon = start(**opening_in(30))
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "one")
    await daemon.logged("reply")
    watch.show(datetime(2106, 2, 7, 6, 28, tzinfo=UTC))
    deliver(scene, IVAN, "two")
    await daemon.logged("the clock is not believed", 2)
    assert await daemon.ended() == 0
    daemon = start(**opening_in(30))  # a restart helps nobody
    await daemon.logged("the clock is not believed", 4)
    watch.step(timedelta(0))
    await daemon.logged("message", 2)
    assert await reasons(scene) == ["full", "told"]
    assert len(scene.replies()) == 1
    assert await daemon.ended() == 0


async def test_a_first_start_in_2106_recovers_by_itself(
    scene: Scene, watch: Watch, start: Callable[..., Process]
) -> None:
    """Born in 2106, with answers given there: set right, the first mail that bears the right time opens the gate."""
    watch.show(datetime(2106, 2, 7, 6, 28, tzinfo=UTC))
    daemon = start(**opening_in(30))
    await daemon.logged("mailbox open")
    scene.arrive(letter(KOLYA, "a moved mail", at=_now() - 2 * HOUR), _now() - 2 * HOUR)
    await daemon.logged("message")
    assert scene.replies() == []
    watch.step(timedelta(0))
    await daemon.logged("the clock is not believed")
    assert troubled(await until(scene, troubled, "the trouble"))
    scene.dovecot.deliver(scene.user, letter(IVAN, "right", at=_now(), return_path=None), sender=IVAN)
    await scene.sink.arrived(1, 30)
    assert [mail.recipient for mail in scene.replies()] == [IVAN]
    await until(scene, lambda found: not troubled(found), "the end of the trouble")
    assert await daemon.ended() == 0


# ------------------------------------------------------------------------------------- during SMTP


@pytest.mark.parametrize("by", [3 * HOUR, -3 * HOUR, timedelta(days=20000)], ids=["forward", "back", "decades"])
async def test_a_step_while_a_reply_is_being_sent(
    scene: Scene, watch: Watch, start: Callable[..., Process], by: timedelta
) -> None:
    """A clock that is stepped while the server takes a reply: it was sent, it is recorded so, and never again."""
    scene.sink.script["DOT"] = [delay(3)]
    daemon = start(**opening_in(2))
    await daemon.logged("mailbox open")
    deliver(scene, IVAN, "one")
    await scene.sink.arrived(1, 30)
    watch.step(by)
    (line,) = await daemon.logged("reply")
    assert line["outcome"] == "done"
    await asyncio.to_thread(status, scene)
    watch.step(timedelta(0))
    deliver(scene, IVAN, "two", at=_now())
    await daemon.logged("message", 2)
    assert await reasons(scene) in (["full", "told"], ["told", "full"])
    found = await until(scene, lambda found: not troubled(found), "the end of the trouble")
    assert (found["in_doubt"], len(scene.replies())) == (0, 1)
    assert await daemon.ended() == 0


# ----------------------------------------------------------------------------- nights of the change


@pytest.mark.parametrize(
    ("zone", "client_zone", "night"),
    [
        ("Europe/Berlin", "America/New_York", "2026-03-29 01:00"),  # the owner's gap
        ("Europe/Berlin", "America/New_York", "2026-10-25 00:00"),  # the owner's fold
        ("Europe/Berlin", "America/New_York", "2026-03-08 06:00"),  # the client's gap
        ("Europe/Berlin", "America/New_York", "2026-11-01 05:00"),  # the client's fold
        ("America/New_York", "Europe/Berlin", "2026-03-08 05:00"),
        ("America/New_York", "Europe/Berlin", "2026-11-01 04:00"),
        ("Australia/Lord_Howe", "Europe/London", "2026-04-04 14:00"),  # half an hour
        ("Australia/Lord_Howe", "Europe/London", "2026-10-03 14:30"),
    ],
)
@pytest.mark.parametrize("response", ["24 hours", "4 working hours"])
async def test_a_night_in_which_the_clocks_change(
    scene: Scene, zone: str, client_zone: str, night: str, response: str
) -> None:
    """Mail around a change of the clocks: one reply in the closed period, and its hours are right in both clocks."""
    begins = datetime.fromisoformat(night).replace(tzinfo=UTC)
    scene.changes = {
        "owner": {"timezone": zone, "holidays": None, "language": "en"},
        "hours": {"mon-fri": ["10:00-18:00"], "2026-12-31": None, "2027-01-01..2027-01-08": None},
        "windows": None,
        "channels": None,
        "topics": None,
        "response": {"default": response},
        "replies": {"grace": "0 s", "copy": "none"},
        "clients": {
            "harbor": None,
            "linden": None,
            "vostok": {
                "timezone": client_zone, "language": "en", "topics": None, "response": None, "holidays": None,
                "daytime": None, "agreement": None, "people": None,
            },
        },
    }  # fmt: skip
    scene.write()
    scene.clock.at = begins - HOUR
    await scene.run()
    for number in range(8):  # every half hour, through the change
        at = begins + number * timedelta(minutes=30)
        scene.arrive(letter(IVAN, f"letter {number}", at=at), at)
        scene.clock.at = at + timedelta(minutes=1)
        await scene.run()
    (answer,) = scene.replies()
    if response == "24 hours":
        due = begins + 24 * HOUR
    else:
        monday = begins.astimezone(ZoneInfo(zone)).date()
        monday += timedelta(days=(7 - monday.weekday()) % 7)
        due = datetime(monday.year, monday.month, monday.day, 14, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    text = body_of(answer)
    for clock in (zone, client_zone):
        assert f"{due.astimezone(ZoneInfo(clock)):%H:%M}" in text, text
    assert await reasons(scene) == ["full"] + ["told"] * 7
