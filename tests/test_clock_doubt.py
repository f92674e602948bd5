"""A clock that cannot be believed, over fakes with behaviour: nothing is decided by it, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder.core.model import Facts
from responder.entries import looked_at_key, make_question
from responder.errors import ClockError
from tests.core.build import at, policy, replies
from tests.e2e.scene import letter
from tests.test_engine import EVENING, World, world

__all__ = ["world"]

HOUR = timedelta(hours=1)


async def test_a_clock_set_back_decides_nothing_until_it_is_right(world: World) -> None:
    """With a clock that was set back a mail waits undecided in INBOX; when it is right again it is answered, once."""
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    await engine.round()
    world.clock.at -= timedelta(hours=2)
    world.server.deliver(letter("kolya@vostok.example", "while it is wrong"), EVENING)
    for _ in range(3):
        with pytest.raises(ClockError, match="was set back"):
            await engine.round()
        with pytest.raises(ClockError, match="was set back"):
            await engine.begin()
    assert [row.entry.address for row in await world.ledger.decided(last=9)] == ["ivan@vostok.example"]
    world.clock.at = EVENING + timedelta(minutes=1)
    await engine.begin()
    await engine.round()
    await engine.round()
    assert [reply.address for reply in world.outbox.sent] == ["ivan@vostok.example", "kolya@vostok.example"]


async def test_what_was_put_off_does_not_leave_by_a_clock_set_back(world: World) -> None:
    """A reply that is put off over the opening, and a clock set back before it: it does not leave late."""
    world.outbox.unreachable = True
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    world.clock.at = at("2026-11-30 09:59")
    await engine.round()
    world.clock.at = at("2026-11-30 09:00")  # in truth it is 10:05
    world.outbox.unreachable = False
    with pytest.raises(ClockError):
        await engine.round()
    assert world.outbox.sent == []
    world.clock.at = at("2026-11-30 10:06")
    await engine.round()
    assert world.outbox.sent == []
    assert await world.ledger.unfinished("main") == []


async def test_new_mail_that_bears_the_same_time_outweighs_what_a_wrong_clock_wrote(world: World) -> None:
    """After a clock that ran ahead for a while is set right, the first mail with a right date opens the gate again."""
    world.clock.at = at("2106-02-05 20:00")
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    await engine.round()
    assert len(world.outbox.sent) == 1
    world.clock.at = EVENING
    world.server.deliver(letter("kolya@vostok.example", "no date"), EVENING)
    with pytest.raises(ClockError):
        await engine.begin()
    world.server.deliver(letter("ivan@vostok.example", "dated", at=EVENING), EVENING)
    await engine.begin()
    await engine.round()
    assert [reply.address for reply in world.outbox.sent[1:]] == ["kolya@vostok.example", "ivan@vostok.example"]
    facts = Facts(fingerprint="x", address="ivan@vostok.example", client="vostok")
    (history,) = await world.ledger.histories([make_question(world.rules.policy, facts, EVENING)], EVENING + 25 * HOUR)
    assert (history.address_day, history.last_day) == (0, 0), "what was sent in 2106 is not recent for ever"


async def test_a_restart_finds_a_clock_that_was_set_back_while_it_was_off(world: World) -> None:
    """What the ledger remembers of the last look speaks against an earlier clock after a restart too."""
    await world.ledger.note(looked_at_key("main"), EVENING.isoformat())
    world.clock.at = EVENING - timedelta(minutes=6)
    with pytest.raises(ClockError):
        await world.engine().begin()
    world.clock.at = EVENING - timedelta(minutes=4)
    await world.engine().begin()


async def test_a_clock_that_jumps_ahead_forgets_nothing(world: World) -> None:
    """A clock that jumps to 2106 decides nothing; set right again, whoever was told is not told again."""
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    await engine.round()
    world.clock.at = at("2106-02-05 20:00")
    world.server.deliver(letter("ivan@vostok.example", "again"), EVENING + timedelta(minutes=1))
    with pytest.raises(ClockError, match="ahead"):
        await engine.round()
    world.clock.at = EVENING + timedelta(minutes=2)
    await engine.begin()
    await engine.round()
    assert len(world.outbox.sent) == 1
    assert [row.entry.reason for row in await world.ledger.decided(last=9)] == ["told", "full"]


async def test_a_clock_set_right_by_minutes_in_the_grace_time_answers_once(world: World) -> None:
    """A grace time over which the clock goes back or forward by minutes ends, and its mail is answered once."""
    world.rules.policy = policy(replies=replies(grace=timedelta(minutes=3), copy="none"))
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    for minutes in (0, 2, -1, 1, 2):
        world.clock.at = EVENING + timedelta(minutes=minutes)
        await engine.round()
        assert world.outbox.sent == []
    for minutes in (9, 5, 6):
        world.clock.at = EVENING + timedelta(minutes=minutes)
        await engine.round()
        assert len(world.outbox.sent) == 1


async def test_mail_from_the_servers_future_stays_in_inbox(world: World) -> None:
    """Where the mail server's clock is hours ahead of ours, nothing is said, promised or filed: the mail stays."""
    engine = world.engine()
    await engine.begin()
    world.server.deliver(letter("ivan@vostok.example", "from tomorrow"), EVENING + timedelta(hours=3))
    await engine.round()
    assert (world.outbox.sent, world.filed()) == ([], 0)
    assert [row.entry.reason for row in await world.ledger.decided()] == ["no-due-time"]
    assert await world.ledger.promises() == []
