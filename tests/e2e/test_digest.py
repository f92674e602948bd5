"""The morning on a real Dovecot: one digest in INBOX, unread, that nobody takes for a client's or the owner's mail."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder import config
from responder.adapters.ledger import SqliteLedger
from responder.daemon import Daemon
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.crash import Patient, Zygote
from tests.e2e.scene import OWNER, Scene, letter
from tests.e2e.test_commands import responder
from tests.servers.mail_program import MailProgram
from tests.servers.smtp import SmtpSink, ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

#: A past weekend: a server keeps no arrival that lies in its future.
FRIDAY = at("2026-11-13 20:00")
MONDAY = at("2026-11-16 08:31")
ON = {"digest": {"at": "08:30"}}


def digests(scene: Scene, folder: str = "INBOX") -> list[EmailMessage]:
    """Return the digests that lie in a folder."""
    return [one for one in scene.tree().get(folder, []) if one["Auto-Submitted"] == "auto-generated"]


def part(message: EmailMessage, kind: str) -> str:
    """Return the text of one of its parts."""
    (found,) = [each for each in message.walk() if each.get_content_type() == f"text/{kind}"]
    return str(found.get_content())  # type: ignore[attr-defined]


async def reasons(scene: Scene) -> dict[str, int]:
    """Return how many messages were judged how."""
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    try:
        summary = await ledger.summary(scene.clock.at)
    finally:
        await ledger.close()
    return dict(summary.by_reason)


@pytest.fixture
def scene(dovecot: Dovecot, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration with its digest, watched since Friday afternoon."""
    with ThreadedSmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        yield Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock, changes=dict(ON))


async def weekend(scene: Scene) -> None:
    """Let a client write on Friday night, and Monday morning come."""
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    scene.clock.at = MONDAY


async def test_one_digest_each_morning(scene: Scene) -> None:
    """It lies in INBOX, unread, from the owner to the owner, once, and says whom to call when."""
    await weekend(scene)
    for _ in range(3):
        await scene.run()
        scene.clock.at += timedelta(minutes=1)
    (digest,) = digests(scene)
    assert str(digest["Subject"]) == "Утро понедельника, 16 ноября: 1 звонок"
    assert OWNER in str(digest["From"])
    assert OWNER in str(digest["To"])
    assert (digest["Precedence"], digest["X-Auto-Response-Suppress"]) == ("bulk", "All")
    for kind in ("plain", "html"):
        said = part(digest, kind)
        assert "Договор аренды" in said
        assert "Сегодня, 10:00–11:00" in said
        assert "ООО «Восток»" in said
    assert 'href="tel:+7' in part(digest, "html")
    (flags,) = [flags for folder, flags, raw in scene.everything() if folder == "INBOX" and b"auto-generated" in raw]
    assert "\\Seen" not in flags


async def test_it_is_never_answered_and_is_no_evidence(scene: Scene) -> None:
    """Read again as mail of INBOX it is the owner's own: no reply, nothing filed, and no promise ends by it."""
    await weekend(scene)
    await scene.run()
    sent = len(scene.replies())
    scene.clock.at += timedelta(minutes=10)
    await scene.run()
    assert (await reasons(scene)).get("own") == 1
    assert len(scene.replies()) == sent == 1
    assert len(digests(scene)) == 1
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    assert [row.state for row in await ledger.promises()] == ["open"]
    wrote = await ledger._call(lambda connection: connection.execute("SELECT * FROM owner_messages").fetchall())
    await ledger.close()
    assert wrote == []


async def test_nothing_waits_and_nothing_comes(scene: Scene) -> None:
    """After a quiet weekend INBOX stays as it was; a digest that is switched off comes never."""
    await scene.run()
    scene.clock.at = MONDAY
    await scene.run()
    assert scene.tree() == {}
    scene.changes = {"digest": {"at": "off"}}
    scene.write()
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), MONDAY)
    scene.clock.at += timedelta(days=1)
    await scene.run()
    assert digests(scene) == []


async def test_only_the_first_mailbox_bears_it(scene: Scene) -> None:
    """With two mailboxes one digest comes, into the first, and tells of the mail of both."""
    await weekend(scene)
    other = MailProgram(scene.server, f"{scene.user}-2")
    tables = tomllib.loads(scene.config.read_text())
    second = tables["mailboxes"]["main"] | {"username": f"{scene.user}-2", "addresses": ["second@example.com"]}
    scene.changes = ON | {"mailboxes": {"second": second}}
    scene.write()
    await scene.run()
    assert len(digests(scene)) == 1
    assert [message for _, message in other.everything()] == []


async def test_the_running_daemon_wakes_for_it(scene: Scene) -> None:
    """No mail comes and nobody calls: when the clock shows the hour, the digest lies there."""
    await weekend(scene)
    scene.clock.at = MONDAY - timedelta(minutes=30)
    rounds: asyncio.Queue[str] = asyncio.Queue()
    daemon = Daemon(
        config.load(scene.config),
        state=scene.state,
        clock=scene.clock,
        environ={},
        on_round=lambda name, _: rounds.put_nowait(name),
    )
    running = asyncio.create_task(daemon.run())
    try:
        for _ in range(3):
            await asyncio.wait_for(rounds.get(), 60)
        before = await asyncio.to_thread(digests, scene)
        scene.clock.at = MONDAY
        for _ in range(200):
            await asyncio.wait_for(rounds.get(), 60)
            if await asyncio.to_thread(digests, scene):
                break
    finally:
        daemon.stop()
        await running
    assert (len(before), len(digests(scene))) == (0, 1)


async def test_to_an_address_it_is_sent_once(scene: Scene) -> None:
    """Sent by the outbox to the address of the file, and to nobody else; INBOX holds none."""
    scene.changes = {"digest": {"at": "08:30", "to": "anna@phone.example"}}
    scene.write()
    await weekend(scene)
    for _ in range(2):
        await scene.run()
        scene.clock.at += timedelta(minutes=6)
    (mail,) = [mail for mail in scene.replies() if mail.recipient == "anna@phone.example"]
    message: Any = email.message_from_bytes(mail.data, policy=email.policy.default)
    assert message["To"].addresses[0].addr_spec == "anna@phone.example"
    assert "Договор аренды" in part(message, "plain")
    assert digests(scene) == []


async def test_today_shows_the_same(scene: Scene) -> None:
    """The command looks without the daemon: the promise that is late by now comes first, in words and as JSON."""
    await weekend(scene)
    words = ["today", "--config", str(scene.config), "--state", str(scene.state)]
    told = await asyncio.to_thread(responder, *words, home=scene.folder)
    assert told.returncode == 0, told.stderr
    assert "Просрочено" in told.stdout
    assert "Договор аренды" in told.stdout
    told = await asyncio.to_thread(responder, *words, "--json", home=scene.folder)
    answer = json.loads(told.stdout)
    assert [(one["name"], one["mail"][0]["subject"]) for one in answer["late"]] == [("ООО «Восток»", "Договор аренды")]
    assert answer["late"][0]["mail"][0]["due_at"] == "2026-11-17T16:00:00Z"


#: Points around which a digest could be lost or doubled.
DEATHS = (
    *(("ledger before COMMIT", number) for number in range(1, 8)),
    *(("ledger after COMMIT", number) for number in range(1, 8)),
    ("imap sent APPEND", 1),
    ("imap announced a text", 1),
    ("imap answered APPEND", 1),
)


@pytest.mark.parametrize("to", ["inbox", "anna@phone.example"])
async def test_killed_around_every_step(dovecot_rich: Dovecot, user: str, tmp_path: Path, to: str) -> None:
    """Wherever it dies on that morning, one digest comes to INBOX; to an address at most one, else it is in doubt."""
    deaths = DEATHS if to == "inbox" else (*DEATHS[:14], ("smtp before the text", 1), ("smtp sent the text", 1))
    killed = came = 0
    with Zygote() as zygote:
        async with SmtpSink() as sink:
            for number, (kind, which) in enumerate(deaths):
                sink.mails.clear()
                scene = Scene(
                    folder=tmp_path / str(number),
                    server=dovecot_rich,
                    sink=sink,
                    user=f"{user}-{number}",
                    clock=FixedClock(at("2026-11-13 17:00")),
                    changes={"digest": {"at": "08:30", "to": to}, "replies": {"mode": "off"}},
                )
                patient = Patient(scene, zygote, "send")
                await patient.run()
                scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
                scene.clock.at = FRIDAY + timedelta(minutes=4)
                await patient.run()
                scene.clock.at = MONDAY
                killed += (await patient.run(kind, which)).killed
                for _ in range(2):
                    scene.clock.at += timedelta(minutes=6)
                    await patient.run()
                where = f"died at {patient.deaths}"
                if to == "inbox":
                    assert len(digests(scene)) == 1, where
                else:
                    came += len(sink.mails)
                    assert len(sink.mails) <= 1, where
                state = await _state(scene)
                assert state == "done" or (to != "inbox" and state == "in-doubt"), where
                assert sink.mails or state == "in-doubt" or to == "inbox", where
    assert to == "inbox" or came >= len(deaths) - 4
    assert killed >= len(deaths) - 4  # a pass may have fewer commits than are tried


async def _state(scene: Scene) -> str:
    """Return what became of the one digest."""
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    try:
        query = "SELECT state FROM effects WHERE kind = 'send-digest'"
        ((state,),) = await ledger._call(lambda connection: connection.execute(query).fetchall())
    finally:
        await ledger.close()
    return str(state)
