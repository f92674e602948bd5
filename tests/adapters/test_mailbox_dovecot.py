"""What only Dovecot can show: TLS, a new UIDVALIDITY, mail delivered over LMTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from responder.errors import TemporaryError
from tests.contract.worlds import ServerWorld, letter, move

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server


@pytest.fixture
def world(dovecot: Dovecot, user: str) -> ServerWorld:
    """Return a new user of each server."""
    return ServerWorld(dovecot, user)


async def test_tls_with_a_known_authority(world: ServerWorld) -> None:
    """Over TLS and over STARTTLS the mailbox works, and IDLE there hears of new mail too."""
    server = world.server
    ways = (("tls", server.imaps_port), ("starttls", server.imap_port))
    for n, (security, port) in enumerate(ways, 1):
        mailbox = world.mailbox(security=security, port=port, ca_file=server.certificate)
        await mailbox.open()
        await mailbox.scan(1)
        waiting = asyncio.create_task(mailbox.wait(10 if world.idle else 0))
        world.deliver(letter(n))
        assert await waiting is world.idle
        assert [message.key.uid for message in await mailbox.fetch((await mailbox.scan(n))[1])] == [n]
        await mailbox.close()


async def test_tls_is_not_believed_blindly(world: ServerWorld, tmp_path: Path) -> None:
    """An authority we do not know, or a certificate for another name, is refused, and the error says why."""
    server = world.server
    for security, port in (("tls", server.imaps_port), ("starttls", server.imap_port)):
        unknown = world.mailbox(security=security, port=port)
        with pytest.raises(TemporaryError, match="certificate is not trusted"):
            await unknown.open()
        other = world.mailbox(security=security, port=port, ca_file=server.certificate, host="127.0.0.1")
        with pytest.raises(TemporaryError, match="certificate is not trusted"):
            await other.open()
        missing = world.mailbox(security=security, port=port, ca_file=tmp_path / "none.pem")
        with pytest.raises(TemporaryError):
            await missing.open()
    assert f"Login: user=<{world.user}>" not in server.log()


async def test_plain_text_at_the_tls_port(world: ServerWorld) -> None:
    """TLS spoken to a port without it, and the other way round, is a TemporaryError."""
    wrong = world.mailbox(security="tls", ca_file=world.server.certificate)
    with pytest.raises(TemporaryError):
        await wrong.open()
    silent = world.mailbox(security="none", port=world.server.imaps_port, timeout=0.5)
    with pytest.raises(TemporaryError):
        await silent.open()


async def test_idle_can_be_left_unused(dovecot_rich: Dovecot, user: str) -> None:
    """Where the owner wants no IDLE, only the time and ``wake`` end a wait."""
    world = ServerWorld(dovecot_rich, user)
    mailbox = world.mailbox(idle=False)
    await mailbox.open()
    world.deliver(letter(1))
    assert not mailbox.profile.idle
    assert not await mailbox.wait(0.01)
    assert (await mailbox.scan(1))[1] == [1]
    await mailbox.close()


async def test_uidvalidity_that_changed_between_sessions(world: ServerWorld) -> None:
    """After the server numbered INBOX anew, open tells the new UIDVALIDITY, and an old UID is filed no more."""
    world.deliver(letter(1))
    mailbox = world.mailbox()
    old = await mailbox.open()
    world.server.doveadm("mailbox", "update", "-u", world.user, "--uid-validity", "4711", "INBOX")
    with pytest.raises(TemporaryError):  # noqa: PT012 - Dovecot ends the session, sooner or later
        for _ in range(20):
            await mailbox.scan(1)
            await mailbox.wait(0.1)
    new = await mailbox.open()
    assert new.uidvalidity == 4711
    with pytest.raises(TemporaryError, match="numbered anew"):
        await mailbox.file([move(1, old.uidvalidity, "Callbacks")])
    await mailbox.open()
    assert (await mailbox.scan(1))[1] == [1]
    await mailbox.close()


async def test_the_return_path_is_at_hand(world: ServerWorld) -> None:
    """Mail delivered over LMTP has its envelope sender and its recipient in the header."""
    raw = letter(1).partition(b"\r\n")[2]
    world.server.deliver(world.user, raw, sender="ivan@vostok.example")
    mailbox = world.mailbox()
    await mailbox.open()
    (message,) = await mailbox.fetch([1])
    assert message.header.startswith(b"Return-Path: <ivan@vostok.example>\r\n")
    await mailbox.close()
