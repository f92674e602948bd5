"""Corners of the contract on a real server: several mailboxes, renumbered INBOX, strangers, caps, identity."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, OWNER, Scene, body_of, letter
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    """An SMTP server that keeps what it takes."""
    async with SmtpSink() as server:
        yield server


@pytest.fixture
def scene(dovecot_rich: Dovecot, sink: SmtpSink, user: str, tmp_path: Path) -> Scene:
    """The example configuration on a Friday afternoon."""
    clock = FixedClock(at("2026-11-13 17:00"))
    return Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)


async def reasons(scene: Scene) -> dict[str, str]:
    """Return what the ledger decided, by Message-ID."""
    ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
    try:
        return {row.entry.message_id: row.entry.reason for row in await ledger.decided(last=500)}
    finally:
        await ledger.close()


def two_mailboxes(scene: Scene) -> dict[str, Any]:
    """Return a second mailbox, whose address is office@."""
    secret = str(scene.folder / "password")
    server = {"host": "127.0.0.1", "security": "none"}
    return {
        "main": {"addresses": [OWNER]},
        "office": {
            "addresses": ["office@example.com"],
            "imap": {**server, "port": scene.dovecot.imap_port},
            "smtp": {**server, "port": scene.sink.port},
            "username": f"{scene.user}-office",
            "password": {"file": secret},
        },
    }


async def test_a_letter_to_two_mailboxes_is_answered_once(scene: Scene) -> None:
    """The same letter delivered to two mailboxes gets one reply, and the second copy stays where it is."""
    scene.changes = {"mailboxes": two_mailboxes(scene)}
    scene.write()
    await scene.run()
    raw = letter("ivan@vostok.example", "to both", headers={"To": f"{OWNER}, office@example.com"})
    scene.arrive(raw, FRIDAY)
    scene.dovecot.append(f"{scene.user}-office", raw, FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    await scene.run()
    assert len(scene.replies()) == 1
    assert scene.subjects("INBOX") == []
    left = scene.dovecot.doveadm("fetch", "-u", f"{scene.user}-office", "mailbox", "all").split()
    assert left == ["mailbox:", "INBOX"]


async def test_told_counts_over_all_mailboxes(scene: Scene) -> None:
    """A client who was told by one mailbox is not told again by the other in the same closed period."""
    scene.changes = {"mailboxes": two_mailboxes(scene)}
    scene.write()
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "one"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    second = letter("ivan@vostok.example", "two", headers={"To": "office@example.com"})
    scene.dovecot.append(f"{scene.user}-office", second, FRIDAY + timedelta(hours=1))
    scene.clock.at = FRIDAY + timedelta(hours=2)
    await scene.run()
    assert len(scene.replies()) == 1
    assert "told" in (await reasons(scene)).values()


async def test_a_renumbered_inbox_answers_nobody(scene: Scene) -> None:
    """After UIDVALIDITY changed nothing that lies in INBOX is answered; what comes later is."""
    await scene.run()
    scene.arrive(letter("who@nowhere.example", "stays"), FRIDAY - timedelta(hours=1))
    scene.clock.at = FRIDAY
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "unlucky"), FRIDAY)
    scene.dovecot.doveadm("mailbox", "update", "-u", scene.user, "--uid-validity", "4711", "INBOX")
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    assert scene.replies() == []
    assert sorted(scene.subjects("INBOX")) == ["stays", "unlucky"]
    scene.arrive(letter("kolya@vostok.example", "later"), FRIDAY + timedelta(minutes=5))
    scene.clock.at = FRIDAY + timedelta(minutes=10)
    await scene.run()
    assert [mail.recipient for mail in scene.replies()] == ["kolya@vostok.example"]


async def test_mail_dragged_back_is_not_answered_again(scene: Scene) -> None:
    """A filed mail that the owner drags back into INBOX stays there and gets nothing."""
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "back again"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    folder = "Callbacks/2026-11-16 10-00"
    scene.dovecot.doveadm("move", "-u", scene.user, "INBOX", "mailbox", folder, "all")
    scene.clock.at += timedelta(hours=1)
    await scene.run()
    assert len(scene.replies()) == 1
    assert scene.subjects("INBOX") == ["back again"]


async def test_a_proven_stranger_gets_the_neutral_text(scene: Scene) -> None:
    """With strangers = "short" only dmarc=pass by the trusted server is answered, without hours or names."""
    scene.changes = {
        "replies": {"strangers": "short"},
        "mailboxes": {"main": {"trusted_authserv_id": "mx.example.com"}},
    }
    scene.write()
    await scene.run()
    for number, (who, result) in enumerate((("good", "pass"), ("bad", "fail"), ("odd", "none"))):
        proof = f"mx.example.com; dmarc={result} header.from={who}.example"
        raw = letter(f"x@{who}.example", "Hello", headers={"Message-ID": f"<{who}@x.example>"})
        raw = f"Authentication-Results: {proof}\r\n".encode() + raw
        scene.arrive(raw, FRIDAY + timedelta(seconds=number))
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    (reply,) = scene.replies()
    assert reply.recipient == "x@good.example"
    text = body_of(reply)
    for private in ("Светлова", "10:00", "WhatsApp", "Восток", "договор"):
        assert private not in text
    assert sorted(scene.subjects("INBOX")) == ["Hello"] * 3


async def test_a_forged_client_is_not_answered(scene: Scene) -> None:
    """A client's address that the trusted server reports as forged is silent, stays in INBOX, and is named so."""
    scene.changes = {"mailboxes": {"main": {"trusted_authserv_id": "mx.example.com"}}}
    scene.write()
    await scene.run()
    proof = b"Authentication-Results: mx.example.com; dmarc=fail header.from=vostok.example\r\n"
    forged = letter("ivan@vostok.example", "pay here", headers={"Message-ID": "<forged@vostok.example>"})
    scene.arrive(proof + forged, FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    assert scene.replies() == []
    assert await reasons(scene) == {"<forged@vostok.example>": "unverified"}


async def test_the_breaker_stops_and_alerts_the_owner(scene: Scene) -> None:
    """When the hourly cap is reached no more replies leave until the opening, and the owner is told once."""
    told = scene.folder / "alerts.txt"
    scene.changes = {
        "replies": {"limits": {"per_hour": 2}},
        "alerts": {"command": ["sh", "-c", f"cat >> {told}; echo >> {told}"]},
    }
    scene.write()
    await scene.run()
    for number in range(5):
        scene.arrive(letter(f"p{number}@vostok.example", f"mail {number}"), FRIDAY + timedelta(seconds=number))
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    scene.arrive(letter("late@vostok.example", "much later"), FRIDAY + timedelta(hours=3))
    scene.clock.at = FRIDAY + timedelta(hours=4)
    await scene.run()
    assert len(scene.replies()) == 2
    assert len(scene.subjects("Callbacks/2026-11-16 10-00")) == 6
    assert told.read_text().count("The cap of 2 replies in an hour") == 1


async def test_a_late_promise_is_never_repeated(scene: Scene) -> None:
    """To a client whose promise is late no machine promises again: silent, filed, and the owner is alerted."""
    told = scene.folder / "alerts.txt"
    scene.changes = {"alerts": {"command": ["sh", "-c", f"cat >> {told}"]}}
    scene.write()
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "first"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    tuesday = at("2026-11-17 21:00")
    scene.arrive(letter("ivan@vostok.example", "and now?"), tuesday)
    scene.clock.at = tuesday + timedelta(minutes=4)
    await scene.run()
    assert len(scene.replies()) == 1
    assert "a promise is late" in told.read_text()
    assert "owing" in (await reasons(scene)).values()


async def test_an_answer_by_hand_keeps_the_promise(scene: Scene) -> None:
    """After the owner's own answer the client is owed nothing, and the next closed period tells anew."""
    await scene.run()
    first = letter("ivan@vostok.example", "first", headers={"Message-ID": "<first@vostok.example>"})
    scene.arrive(first, FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    answer = letter(OWNER, "Re: first", headers={"To": "ivan@vostok.example", "In-Reply-To": "<first@vostok.example>"})
    scene.dovecot.append(scene.user, answer, at("2026-11-16 12:00"), folder="Sent")
    tuesday = at("2026-11-17 21:00")
    scene.arrive(letter("ivan@vostok.example", "thanks, and more"), tuesday)
    scene.clock.at = tuesday + timedelta(minutes=4)
    await scene.run()
    assert len(scene.replies()) == 2
    assert "answered" not in (await reasons(scene)).values()


async def test_a_refused_reply_is_not_told(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A definite refusal is no reply: the next mail of the same night is answered; silence after the body is one."""
    from tests.servers.smtp import drop, reply  # noqa: PLC0415

    async with SmtpSink(script={"DOT": [reply("550 5.7.1 no"), drop(), None]}) as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        for number in range(3):
            when = FRIDAY + timedelta(hours=number)
            scene.arrive(
                letter("ivan@vostok.example", f"n{number}", headers={"Message-ID": f"<n{number}@vostok.example>"}), when
            )
            clock.at = when + timedelta(minutes=4)
            await scene.run()
        found = await reasons(scene)
        assert [found[f"<n{number}@vostok.example>"] for number in range(3)] == ["full", "full", "told"]
        assert len(scene.subjects("Callbacks/2026-11-16 10-00")) == 3


@pytest.mark.usefixtures("as_root")
async def test_root_leaves_every_file_to_the_service(scene: Scene, tmp_path: Path) -> None:
    """``sudo responder status`` sees the service's ledger and leaves every file in it owned by the service."""
    await scene.run()
    for path in (scene.state, *scene.state.iterdir()):
        os.chown(path, 5000, 5000)
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(Path("/tmp")) and path != Path("/tmp"):  # noqa: S108 - where pytest keeps its folders
            path.chmod(0o755)
    told = await asyncio.to_thread(_as_root, scene, "status", "--json")
    assert told.returncode in (0, 1), told.stderr
    assert '"running": false' in told.stdout
    assert {path.stat().st_uid for path in scene.state.iterdir()} == {5000}
    assert {path.stat().st_mode & 0o077 for path in scene.state.iterdir()} == {0}


@pytest.mark.usefixtures("as_root")
async def test_root_reads_the_password_before_it_becomes_the_service(scene: Scene, tmp_path: Path) -> None:
    """A dry run by root logs in with a password that only root may read, and looks into the service's ledger."""
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "looked at"), FRIDAY)
    for path in (scene.state, *scene.state.iterdir()):
        os.chown(path, 5000, 5000)
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(Path("/tmp")) and path != Path("/tmp"):  # noqa: S108 - where pytest keeps its folders
            path.chmod(0o755)
    told = await asyncio.to_thread(_as_root, scene, "run", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "1 message looked at" in told.stdout
    assert {path.stat().st_uid for path in scene.state.iterdir()} == {5000}


def _as_root(scene: Scene, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "responder", *words, "--config", str(scene.config), "--state", str(scene.state)],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLE.parent,
    )
