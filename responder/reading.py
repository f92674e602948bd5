"""Reads messages one by one: none costs more than its budget, and the event loop gets its turn in between.

Promises the engine that whatever a sender wrote costs that one message at most `BUDGET` seconds of CPU, after which
it is `unreadable`; the others of the chunk are read as if it were not there. Every reader of the core is linear and
capped, so no message known comes near it: this is the net below a defect that nobody knows yet.

A thread could not be ended, and a catastrophic regular expression never gives the interpreter's lock back, so that
nobody could even watch it. A process of its own would cost 35 MB and the copying of every message. A timer of the
main thread needs neither: its signal is heard in Python code and inside regular expressions alike, and it counts CPU
time, so that a busy machine makes no message unreadable.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from responder.asked import parse
from responder.core import facts as facts_room
from responder.core.model import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import FrameType

    from responder.core.facts import Identity, SentFacts
    from responder.core.model import Body, Message, Policy

    Read = tuple[Message, Facts]

T = TypeVar("T")
R = TypeVar("R")

#: Seconds of CPU for one message. The worst that is known costs some hundredths of a second (64 KB of hostile header),
#: a letter a third of a millisecond; a small computer may be ten times as slow.
BUDGET = 3.0
#: After the first signal: where it was caught on its way (in a callback, in a finalizer), the next one comes.
_AGAIN = 0.05
#: So many seconds at a stretch belong to reading, then to whatever else waits in the event loop.
SLICE = 0.02

TOO_SLOW = "reading it took too long"

log = structlog.get_logger()


class OvertimeError(BaseException):
    """The budget is spent. No `Exception`: nothing that reads a message may take it for a message's defect."""


class _Alarm:
    """The one timer of the process, and whether anybody is to be interrupted by it now."""

    def __init__(self) -> None:
        self.installed = False
        self.armed = False

    def ring(self, number: int, frame: FrameType | None) -> None:
        """Interrupt whatever reads."""
        del number, frame
        if self.armed:
            raise OvertimeError


_ALARM = _Alarm()


def limited(seconds: float, work: Callable[[], R]) -> R:
    """Do work; OvertimeError once it has used that much CPU. In the main thread only.

    Elsewhere (the demo runs its daemon beside the terminal) signals are not heard, and there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    if not _ALARM.installed:
        signal.signal(signal.SIGVTALRM, _ALARM.ring)
        _ALARM.installed = True
    # One frame and no context manager: the signal can be heard after any call, and nothing may be called between the
    # end of the work and the disarming.
    _ALARM.armed = True
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN)
        return work()
    finally:
        _ALARM.armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)


async def in_turns(items: Iterable[T], work: Callable[[T], R]) -> list[R]:
    """Do work for each item, in order; let the event loop do other things every `SLICE` seconds."""
    done: list[R] = []
    began = time.monotonic()
    for item in items:
        done.append(work(item))
        if time.monotonic() - began > SLICE:
            await asyncio.sleep(0)
            began = time.monotonic()
    return done


async def read_headers(messages: Sequence[Message], policy: Policy, identity: Identity) -> list[Read]:
    """Read what the headers say."""

    def read(message: Message) -> Read:
        try:
            return message, limited(BUDGET, lambda: facts_room.observe(message, policy, identity, parse))
        except OvertimeError:
            return message, _too_slow(message)

    return await in_turns(messages, read)


async def read_bodies(
    first: Sequence[Read], bodies: Mapping[int, Body], policy: Policy, identity: Identity
) -> list[Read]:
    """Add what the bodies say, by UID; a message without one stays as it is."""

    def read(one: Read) -> Read:
        message, facts = one
        body = bodies.get(message.key.uid)
        if body is None:
            return one
        whole = replace(message, body=body)
        try:
            return whole, limited(BUDGET, lambda: facts_room.observe_body(whole, facts, policy, identity, parse))
        except OvertimeError:
            return whole, _too_slow(whole)

    return await in_turns(first, read)


async def read_sent(headers: Sequence[bytes]) -> list[SentFacts | None]:
    """Read messages of Sent; None for one that took too long: it is no evidence."""

    def read(header: bytes) -> SentFacts | None:
        try:
            return limited(BUDGET, lambda: facts_room.read_sent(header))
        except OvertimeError:
            return None

    return await in_turns(headers, read)


def _too_slow(message: Message) -> Facts:
    """Return the facts of a message that is not read to its end: who it is, and that nothing follows from it."""
    mark = facts_room.fingerprint(message.header, message.size)
    log.error("given up: reading a message took too long", mailbox=message.key.mailbox, uid=message.key.uid)
    return Facts(fingerprint=mark, unreadable=TOO_SLOW)
