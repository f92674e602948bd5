"""The fault proxy: each fault does what it says, to the line it was told, and to no other."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.servers.fault_proxy import (
    GREETING,
    Fault,
    FaultProxy,
    Rule,
    answer,
    black_hole,
    cut_after,
    cut_answer,
    cut_before,
    delay,
    goodbye,
    reset,
    reset_after,
    swallow,
    trickle,
)
from tests.servers.imap_script import GREETING as HELLO
from tests.servers.imap_script import ScriptedImap
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOOP = b"a1 OK done\r\n"


@asynccontextmanager
async def client(proxy: FaultProxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def heard(reader: asyncio.StreamReader, seconds: float = 0.3) -> tuple[bytes, str]:
    """Return what comes in that time, and how it ended: "open", "closed" or "reset"."""
    said = b""
    try:
        async with asyncio.timeout(seconds):
            while piece := await reader.read(1000):
                said += piece
    except TimeoutError:
        return said, "open"
    except ConnectionResetError:
        return said, "reset"
    return said, "closed"


@pytest.mark.parametrize(
    ("fault", "said", "end", "reached"),
    [
        (cut_before(), b"", "closed", False),
        (cut_after(), b"", "closed", True),
        (reset(), b"", "reset", False),
        (reset_after(), b"", "reset", True),
        (black_hole(), b"", "open", False),
        (cut_answer(4), b"a1 O", "closed", True),
        (swallow(), b"", "open", True),
        (delay(0.05), NOOP, "open", True),
        (trickle(0.001), NOOP, "open", True),
        (answer("{tag} NO [LIMIT] x\r\n"), b"a1 NO [LIMIT] x\r\n", "open", False),
        (goodbye("* BYE x\r\n"), b"* BYE x\r\n", "closed", False),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_each_fault(fault: Fault, said: bytes, end: str, reached: bool) -> None:  # noqa: FBT001 - a table's column
    """The second NOOP is struck, not the first: what the client hears, how it ends, whether the server saw it."""
    rule = Rule(r"\S+ noop", fault, nth=2)
    with ScriptedImap() as server:
        async with FaultProxy(server.port, "imap", rule) as proxy, client(proxy) as (reader, writer):
            assert await reader.readline() == HELLO.encode()
            writer.write(b"a0 NOOP\r\n")
            assert await reader.readline() == b"a0 OK done\r\n"
            assert not rule.struck
            writer.write(b"a1 NOOP\r\n")
            assert await heard(reader, 1.0) == (said, end)
            assert rule.struck == 1
            assert proxy.lines == [b"a0 NOOP\r\n", b"a1 NOOP\r\n"]
        assert bool(server.said("a1 NOOP")) is reached


async def test_after_an_answer_is_swallowed_the_conversation_goes_on() -> None:
    """The next command's answer comes, and belongs to it."""
    with ScriptedImap() as server:
        async with FaultProxy(server.port, "imap", Rule(r"\S+ NOOP", swallow())) as proxy, client(proxy) as (inp, out):
            await inp.readline()
            out.write(b"a1 NOOP\r\na2 LOGOUT\r\n")
            assert await heard(inp) == (b"* BYE bye\r\na2 OK done\r\n", "open")


async def test_a_continuation_comes_through_and_idle_is_answered_by_it() -> None:
    """A login's "+" is not its answer; IDLE's is; DONE is answered under IDLE's tag."""
    script = {"SASL": "a1 OK in\r\n"}
    rules = [Rule(r"\S+ AUTHENTICATE", swallow()), Rule(r"\S+ IDLE", swallow()), Rule("DONE", cut_after())]
    with ScriptedImap(script) as server:
        async with FaultProxy(server.port, "imap", *rules) as proxy, client(proxy) as (reader, writer):
            await reader.readline()
            writer.write(b"a1 AUTHENTICATE PLAIN\r\n")
            assert await reader.readline() == b"+ \r\n"
            writer.write(b"AGEAYg==\r\na2 IDLE\r\n")
            assert await heard(reader) == (b"", "open")
            writer.write(b"DONE\r\n")
            assert await heard(reader) == (b"", "closed")
            assert [rule.struck for rule in rules] == [1, 1, 1]


async def test_a_greeting_is_a_line_too() -> None:
    """The first connection is greeted by the proxy, the second by the server; ``times`` counts from ``nth`` on."""
    rule = Rule(GREETING, goodbye("* BYE full\r\n"), times=1)
    with ScriptedImap() as server:
        async with FaultProxy(server.port, "imap", rule) as proxy:
            async with client(proxy) as (reader, _):
                assert await heard(reader) == (b"* BYE full\r\n", "closed")
            async with client(proxy) as (reader, _):
                assert await reader.readline() == HELLO.encode()
            assert proxy.connections == 2


async def test_smtp_answers_end_at_the_line_without_a_hyphen() -> None:
    """An answer of several lines is lost as a whole, and what follows comes through."""
    rule = Rule("EHLO", swallow())
    async with SmtpSink() as sink, FaultProxy(sink.port, "smtp", rule) as proxy, client(proxy) as (reader, writer):
        await reader.readline()
        writer.write(b"EHLO x\r\nNOOP\r\n")
        assert await heard(reader) == (b"250 here\r\n", "open")


async def test_lines_of_the_server_can_be_edited_and_connections_severed() -> None:
    """An edit sees whole lines; ``sever`` closes both sides at once."""

    def edit(line: bytes) -> bytes:
        return line.replace(b"ready", b"edited")

    with ScriptedImap() as server:
        async with FaultProxy(server.port, "imap", edit=edit) as proxy, client(proxy) as (reader, _):
            assert b"edited" in await reader.readline()
            began = time.monotonic()
            proxy.sever()
            assert await heard(reader, 10) == (b"", "closed")
            assert time.monotonic() - began < 5
