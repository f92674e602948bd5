"""Abuse: somebody makes responder send. Caps hold whatever comes, filing goes on, the owner is told, and it ends.

Ten thousand mails in one night lie on a real Dovecot; the real daemon runs in a process of its own, hour by hour.
"""

from __future__ import annotations

import asyncio
import email
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, letter
from tests.e2e.test_commands import responder
from tests.e2e.test_corners import reasons
from tests.servers.smtp import Captured, SmtpSink, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

FRIDAY = at("2026-11-13 20:00")
MONDAY = at("2026-11-16 20:00")
FOLDER = "Callbacks/2026-11-16 10-00"
COUNT = 10_000
HOURS = 5
#: A process that looks at two thousand mails takes some seconds and some seventy megabytes: ten times that, and thrice.
MOST_SECONDS = 120
MOST_MEMORY = 250 << 20
#: The longest reply that the example's rules make, with its header.
MOST_REPLY = 6_000


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    """An SMTP server that keeps what it takes."""
    async with SmtpSink() as server:
        yield server


@pytest.fixture
def scene(dovecot_rich: Dovecot, sink: SmtpSink, user: str, tmp_path: Path) -> Scene:
    """The example configuration with its own caps, and an owner who can be alerted."""
    told = tmp_path / "alerts.txt"
    aurora = {"addresses": ["olga@aurora.example"], "timezone": "Europe/Moscow"}
    changes = {
        "alerts": {"command": ["sh", "-c", f"cat >> {told}; echo >> {told}"]},
        "clients": {"aurora": aurora},
    }
    clock = FixedClock(at("2026-11-13 17:00"))
    return Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=changes)


def alerts(scene: Scene) -> list[str]:
    """Return what the owner was told."""
    told = scene.folder / "alerts.txt"
    return told.read_text().split("\n\n") if told.exists() else []


@dataclass(frozen=True)
class Cost:
    """What one pass of the daemon cost."""

    peak: int
    cpu: float


async def once(scene: Scene) -> Cost:
    """Run one pass in a process of its own; the SMTP server goes on meanwhile."""
    command = [sys.executable, "-m", "tests.faults.once_child"]
    arguments = [str(scene.config), str(scene.state), scene.clock.at.isoformat()]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, *arguments],
        check=False,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=MOST_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def bomb(number: int, sender: str, sent_at: datetime) -> bytes:
    """Return one small mail of a bomb: no longer than it must be to be answered."""
    return (
        f"Return-Path: <{sender}>\r\nFrom: <{sender}>\r\nTo: <{OWNER}>\r\nSubject: {number}\r\n"
        f"Message-ID: <{number}@bomb.example>\r\nDate: {email.utils.format_datetime(sent_at)}\r\n\r\nAnswer me.\r\n"
    ).encode()


async def drop(scene: Scene, senders: Callable[[int], str]) -> tuple[int, list[Cost]]:
    """Let ten thousand mails come in five hours of one night; returns their octets and what each hour cost."""
    await scene.run()
    each = COUNT // HOURS
    octets = 0
    costs: list[Cost] = []
    for hour in range(HOURS):
        arrived_at = FRIDAY + timedelta(hours=hour)
        raws = [bomb(number, senders(number), arrived_at) for number in range(hour * each, (hour + 1) * each)]
        octets += sum(map(len, raws))
        scene.dovecot.append_many(scene.user, raws, arrived_at)
        scene.clock.at = arrived_at + timedelta(minutes=4)
        costs.append(await once(scene))
    return octets, costs


def counts(scene: Scene) -> dict[str, int]:
    """Return how many messages lie in each folder, without reading them."""
    found: dict[str, int] = {}
    with scene.dovecot.client(scene.user) as imap:
        for name in ("INBOX", FOLDER, "Sent"):
            kind, data = imap.select(f'"{name}"', readonly=True)
            found[name] = int(data[0] or b"0") if kind == "OK" else 0
    return found


async def by_reason(scene: Scene) -> dict[str, int]:
    """Return how many messages got each reason."""
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    summary = await ledger.summary(scene.clock.at)
    await ledger.close()
    return dict(summary.by_reason)


def small(mails: list[Captured], received: int) -> None:
    """Assert that what was sent is little beside what came."""
    assert all(len(mail.data) < MOST_REPLY for mail in mails)
    assert sum(len(mail.data) for mail in mails) < received


def spellings(number: int) -> str:
    """Return the one client's address in another spelling each time."""
    local = "".join(ch.upper() if number >> place & 1 else ch for place, ch in enumerate("ivan"))
    tag = f"+{number}" if number % 3 else ""
    return f"{local}{tag}@{'VOSTOK' if number % 2 else 'vostok'}.example"


async def test_ten_thousand_mails_of_one_client(scene: Scene, sink: SmtpSink) -> None:
    """However it spells its address, the client is told once in the night; all its mail is filed, cheaply."""
    received, costs = await drop(scene, spellings)
    assert [mail.recipient.partition("+")[0].lower().removesuffix("@vostok.example") for mail in sink.mails] == ["ivan"]
    small(sink.mails, received)
    assert counts(scene) == {"INBOX": 0, FOLDER: COUNT, "Sent": 1}
    found = await by_reason(scene)
    assert found.pop("told") + found.pop("joined") == COUNT - 1
    assert found == {"full": 1}
    assert max(cost.peak for cost in costs) < MOST_MEMORY
    assert max(cost.cpu for cost in costs) < MOST_SECONDS
    assert alerts(scene) == []


async def test_ten_thousand_mails_of_a_thousand_forged_clients(scene: Scene, sink: SmtpSink) -> None:
    """Names invented at a client's domain draw the hourly cap and no more until the opening; then all is normal."""
    received, costs = await drop(scene, lambda number: f"person{number % 1_000}@vostok.example")
    assert len(sink.mails) == 30
    assert len({mail.recipient for mail in sink.mails}) == 30
    small(sink.mails, received)
    assert counts(scene) == {"INBOX": 0, FOLDER: COUNT, "Sent": 30}
    found = await by_reason(scene)
    assert found["full"] == 30
    assert sum(found.values()) == COUNT
    assert found["limit"] > 900
    assert max(cost.peak for cost in costs) < MOST_MEMORY
    assert max(cost.cpu for cost in costs) < MOST_SECONDS
    # The owner is told once, and monitoring sees it as long as it holds.
    assert len([alert for alert in alerts(scene) if "The cap of 30 replies in an hour" in alert]) == 1
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    opening = at("2026-11-16 10:00")
    assert (await ledger.summary(scene.clock.at)).breaker_until == opening
    assert (await ledger.summary(opening)).breaker_until is None
    await ledger.close()
    # Another client that night: silent, filed.
    scene.arrive(letter("maya@harborlane.example"), FRIDAY + timedelta(hours=6))
    scene.clock.at = FRIDAY + timedelta(hours=6, minutes=4)
    await scene.run()
    assert len(sink.mails) == 30
    # On Monday evening the forged letters' promises are late; whoever is owed nothing is answered as ever.
    scene.arrive(letter("olga@aurora.example"), MONDAY)
    scene.clock.at = MONDAY + timedelta(minutes=4)
    await scene.run()
    assert [mail.recipient for mail in sink.mails[30:]] == ["olga@aurora.example"]


# -------------------------------------------------------------------------------------- edges of the caps


async def arrive(scene: Scene, when: datetime, *senders: str) -> None:
    """Let each of them write at that instant, and the daemon look four minutes later."""
    for sender in senders:
        scene.arrive(letter(sender), when)
    scene.clock.at = when + timedelta(minutes=4)
    await scene.run()


def persons(first: int, last: int) -> list[str]:
    """Return addresses at a client's domain."""
    return [f"p{number}@vostok.example" for number in range(first, last)]


async def test_the_hour_rolls(scene: Scene, sink: SmtpSink) -> None:
    """Thirty in an hour are sent, and the thirty-first an hour later: the cap was reached and never passed."""
    await scene.run()
    await arrive(scene, FRIDAY, *persons(0, 29))
    await arrive(scene, FRIDAY + timedelta(minutes=59), *persons(29, 30))
    assert len(sink.mails) == 30
    await arrive(scene, FRIDAY + timedelta(minutes=61), *persons(30, 31))
    assert len(sink.mails) == 31
    assert alerts(scene) == []


async def test_the_thirty_first_in_an_hour(scene: Scene, sink: SmtpSink) -> None:
    """One more than the cap, a minute before the hour is over: the breaker holds until the opening, not an hour."""
    await scene.run()
    await arrive(scene, FRIDAY, *persons(0, 30))
    await arrive(scene, FRIDAY + timedelta(minutes=59), *persons(30, 31))
    await arrive(scene, FRIDAY + timedelta(hours=3), *persons(31, 32))
    await arrive(scene, FRIDAY + timedelta(hours=40), *persons(32, 33))
    assert len(sink.mails) == 30
    (alert,) = alerts(scene)
    assert alert.startswith(
        "The cap of 30 replies in an hour is reached. No automatic reply goes out until 2026-11-16 10"
    )
    await arrive(scene, MONDAY, "p40@vostok.example")
    found = Counter((await reasons(scene)).values())
    assert found["limit"] == 3


async def test_a_status_that_needs_the_owner(scene: Scene, sink: SmtpSink) -> None:
    """While the breaker holds by the machine's own clock, status says so and until when, and exits with 1."""
    await scene.run()
    ledger = SqliteLedger.open(scene.state / "ledger.sqlite3")
    await ledger.trip_breaker(SystemClock().now() + timedelta(hours=1))
    await ledger.close()
    place = ["--config", str(scene.config), "--state", str(scene.state)]
    told = await asyncio.to_thread(responder, "status", *place, home=scene.folder)
    assert "needs you: too many automatic replies within an hour: none goes out until" in told.stdout
    assert told.returncode == 1
    said = json.loads((await asyncio.to_thread(responder, "status", "--json", *place, home=scene.folder)).stdout)
    assert any("too many automatic replies within an hour" in trouble for trouble in said["troubles"])
    assert said["breaker_until"]
    assert sink.mails == []


async def test_the_day_rolls(scene: Scene, sink: SmtpSink) -> None:
    """The daily cap stops without an alert, and lets go 24 hours later, though it is still closed."""
    scene.changes["replies"] = {"limits": {"per_hour": 500, "per_day": 20}}
    scene.write()
    await scene.run()
    await arrive(scene, FRIDAY, *persons(0, 21))
    await arrive(scene, FRIDAY + timedelta(hours=23), *persons(21, 22))
    assert len(sink.mails) == 20
    await arrive(scene, FRIDAY + timedelta(hours=25), *persons(22, 42))
    assert len(sink.mails) == 40
    assert alerts(scene) == []
    assert Counter((await reasons(scene)).values())["limit"] == 2


async def test_the_owners_cap_comes_before_the_providers(scene: Scene, sink: SmtpSink) -> None:
    """A provider that refuses the thirty-first mail never sees one."""
    sink.script = {"MAIL": [None] * 30 + [reply("450 4.2.1 too many today")] * 1000}
    await scene.run()
    await arrive(scene, FRIDAY, *persons(0, 100))
    await arrive(scene, FRIDAY + timedelta(hours=5), *persons(100, 110))
    assert len(sink.mails) == 30
    assert sum(line.upper().startswith(b"MAIL") for line in sink.lines) == 30
    found = await by_reason(scene)
    assert found == {"full": 30, "limit": 80}


# ------------------------------------------------------------------------------------- spellings, dates, grace

GMAIL = ["i.petrov@gmail.com", "ipetrov@gmail.com", "I.Petrov@GoogleMail.com", "i.p.e.t.r.o.v+9@gmail.com"]
YANDEX = ["maria.k@ya.ru", "maria-k@yandex.ru", "Maria.K+x@yandex.com", "maria-k@yandex.by"]
IDN = ["olga@почта.example", "OLGA@ПОЧТА.example", "olga@xn--80a1acny.example", "olga+7@XN--80A1ACNY.example"]


@pytest.mark.parametrize("listed", [0, 1])
@pytest.mark.parametrize("group", [GMAIL, YANDEX, IDN], ids=["gmail", "yandex", "idn"])
async def test_spellings_of_one_account_draw_one_reply(
    scene: Scene, sink: SmtpSink, group: list[str], listed: int
) -> None:
    """Full stops, tags, capitals, a provider's other domains, an IDN's two forms: one person, told once."""
    scene.changes["clients"] = {
        "one": {"addresses": [group[listed]], "timezone": "Europe/Moscow", "language": "ru"},
    }
    scene.write()
    await scene.run()
    for number, address in enumerate(group * 3):
        path = address.replace("почта", "xn--80a1acny").replace("ПОЧТА", "xn--80a1acny")
        raw = bomb(number, "@@", FRIDAY).replace(b"From: <@@>", f"From: <{address}>".encode())
        raw = raw.replace(b"<@@>", f"<{path}>".encode())
        scene.arrive(raw, FRIDAY + timedelta(minutes=10 * number))
        scene.clock.at = FRIDAY + timedelta(minutes=10 * number + 4)
        await scene.run()
    assert len(sink.mails) == 1
    assert Counter((await reasons(scene)).values()) == {"full": 1, "told": 11}


async def test_a_bomb_within_the_grace_time(scene: Scene, sink: SmtpSink) -> None:
    """Five hundred mails within three minutes, from one sender: one reply, to the last of them."""
    await scene.run()
    raws = [bomb(number, "ivan@vostok.example", FRIDAY) for number in range(500)]
    for part in range(5):
        when = FRIDAY + timedelta(seconds=30 * part)
        scene.dovecot.append_many(scene.user, raws[100 * part : 100 * (part + 1)], when)
        scene.clock.at = when + timedelta(seconds=5)
        await scene.run()
    assert sink.mails == []
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    (mail,) = sink.mails
    assert b"In-Reply-To: <499@bomb.example>" in mail.data
    assert counts(scene)[FOLDER] == 500


@pytest.mark.parametrize(
    ("dated", "reason"),
    [
        (timedelta(hours=-100_000), "told"),
        (timedelta(days=-1), "told"),
        (timedelta(hours=-3), "told"),
        (timedelta(minutes=-90), "open"),
        (timedelta(hours=1), "told"),
        (timedelta(days=4000), "told"),
    ],
    ids=str,
)
async def test_a_date_draws_no_second_reply(scene: Scene, sink: SmtpSink, dated: timedelta, reason: str) -> None:
    """A forged Date makes no other period, no younger mail and no later hour: at most it keeps us silent."""
    await scene.run()
    await arrive(scene, FRIDAY, "ivan@vostok.example")
    scene.arrive(bomb(1, "ivan@vostok.example", FRIDAY + dated), FRIDAY + timedelta(minutes=10))
    scene.clock.at = FRIDAY + timedelta(minutes=14)
    await scene.run()
    assert len(sink.mails) == 1
    assert (await reasons(scene))["<1@bomb.example>"] == reason
