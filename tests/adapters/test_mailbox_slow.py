"""Servers that answer and do not get on: octet by octet, or without end. A socket's time-out sees nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from responder.errors import TemporaryError
from tests.servers.fault_proxy import GREETING, FaultProxy, Rule, trickle
from tests.servers.imap_script import ScriptedImap, mailbox_at

if TYPE_CHECKING:
    from responder.adapters.mailbox import ImapMailbox


async def _looked(mailbox: ImapMailbox) -> None:
    await mailbox.open()
    await mailbox.scan(1)


async def _is_left(mailbox: ImapMailbox) -> None:
    """Open and scan; a TemporaryError that names the reason comes soon, and the thread comes to its end."""
    began = time.monotonic()
    with pytest.raises(TemporaryError, match=r"no (whole )?answer in time"):
        await _looked(mailbox)
    assert time.monotonic() - began < 10
    thread = mailbox._thread
    await mailbox.close()
    assert thread is not None
    await asyncio.to_thread(thread.shutdown, wait=True)


@pytest.mark.parametrize("line", [GREETING, r"\S+ CAPABILITY", r"\S+ AUTHENTICATE", r"\S+ SELECT", r"\S+ UID SEARCH"])
async def test_an_answer_octet_by_octet_is_not_waited_for(line: str) -> None:
    """An octet now and then is no answer; the connection is cut after twice the time-out."""
    rule = Rule(line, trickle(0.1))
    with ScriptedImap({"SASL": "{tag} OK " + "welcome " * 20 + "\r\n"}) as server:
        async with FaultProxy(server.port, "imap", rule) as proxy:
            await _is_left(mailbox_at(server, port=proxy.port, timeout=0.3))
        assert rule.struck


async def test_a_tls_handshake_octet_by_octet_is_not_waited_for() -> None:
    """While TLS is being agreed upon the time-out is for the whole of it."""
    gone = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KB begins
            for _second in range(600):
                writer.write(b"\x00")
                await writer.drain()
                await asyncio.sleep(0.1)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        gone.set()

    with ScriptedImap() as unused:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await _is_left(mailbox_at(unused, port=port, security="tls", host="localhost", timeout=0.3))
            await asyncio.wait_for(gone.wait(), 30)


async def test_an_answer_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line after line and never the last: the session ends before memory does."""
    monkeypatch.setattr("responder.adapters.imap_session.MOST_LINES", 1_000)
    with ScriptedImap({"UID SEARCH": "* OK Still here\r\n" * 2_000}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        with pytest.raises(TemporaryError, match="has no end"):
            await mailbox.scan(1)
        await mailbox.close()
