"""Troubles on the line, over fakes with behaviour: what must go on goes on, and what cannot is visible."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.core.facts import HEADER_FIELDS
from responder.engine import Engine, Rules
from responder.errors import TemporaryError
from tests.core.build import at, policy, replies
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import letter
from tests.fakes.mail_server import FakeServer
from tests.fakes.mailbox import FakeMailbox
from tests.fakes.outbox import FakeOutbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from responder.core.model import FileMessage, Policy

EVENING = at("2026-11-27 20:00")


class World:
    """A mailbox, an outbox, a ledger and an engine over them."""

    def __init__(self, rules: Policy | None = None) -> None:
        self.server = FakeServer()
        self.outbox = FakeOutbox()
        self.ledger = SqliteLedger.in_memory()
        self.clock = FixedClock(EVENING)
        self.mailbox = FakeMailbox(self.server, header_fields=HEADER_FIELDS)
        self.alerts: list[str] = []
        self.alert_works = True
        self.rules = Rules(policy=rules or policy(replies=replies(grace=timedelta(0), copy="none")))

    def engine(self) -> Engine:
        """Return a new engine: what an old one knew in memory is gone."""

        async def alert(text: str) -> None:
            if not self.alert_works:
                raise TemporaryError("the command failed")
            self.alerts.append(text)

        return Engine(
            mailbox=self.mailbox,
            outbox=self.outbox,
            ledger=self.ledger,
            clock=self.clock,
            rules=self.rules,
            secret=b"0123456789abcdef",
            lock=asyncio.Lock(),
            alert=alert,
        )

    def arrive(self, *senders: str) -> None:
        """Deliver one letter from each."""
        for sender in senders:
            self.server.deliver(letter(sender, f"from {sender}"), self.clock.at)

    def filed(self) -> int:
        """Count what lies in window folders."""
        return sum(len(folder.messages) for name, folder in self.server.folders.items() if "Callbacks" in name)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world whose engine has begun once."""
    made = World()
    await made.engine().begin()
    yield made
    await made.ledger.close()


async def test_filing_goes_on_when_the_submission_login_is_refused(world: World) -> None:
    """With a wrong SMTP password nothing is sent, mail is filed all the same, and the trouble is named."""
    world.outbox.login_refused = True
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    assert world.outbox.sent == []
    assert world.filed() == 1
    assert "refused the login" in engine.trouble
    world.outbox.login_refused = False
    world.clock.at += timedelta(minutes=16)
    await engine.round()
    assert len(world.outbox.sent) == 1
    assert engine.trouble == ""


async def test_a_reply_put_off_leaves_later_or_never(world: World) -> None:
    """A 4xx is tried again after a while, and expires at the opening instead of leaving late."""
    world.outbox.unreachable = True
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    next_at = await engine.round()
    assert next_at == EVENING + timedelta(minutes=2)
    world.clock.at = at("2026-11-30 10:00")
    world.outbox.unreachable = False
    await engine.round()
    assert world.outbox.sent == []
    assert (await world.ledger.summary(world.clock.at)).planned == 0


class PoisonedMailbox(FakeMailbox):
    """A mailbox whose server hangs up whenever one certain message is to be moved."""

    poisoned: int = 0

    async def file(self, moves: Sequence[FileMessage]) -> Mapping[int, str]:
        """Move, unless the poison is among them."""
        if any(move.key.uid == self.poisoned for move in moves):
            raise TemporaryError("the server hung up")
        return await super().file(moves)


async def test_a_move_that_breaks_the_session_does_not_stop_the_others(world: World) -> None:
    """One message that cannot be moved stays in INBOX after some tries; all others are filed and new mail is seen."""
    mailbox = PoisonedMailbox(world.server, header_fields=HEADER_FIELDS)
    world.mailbox = mailbox
    world.arrive("a@vostok.example", "b@vostok.example", "c@vostok.example")
    mailbox.poisoned = 2
    for _ in range(6):
        engine = world.engine()
        try:
            await engine.begin()
            await engine.round()
        except TemporaryError:
            continue
        break
    else:
        pytest.fail("the poison stops every round")
    assert world.filed() == 2
    assert [stored.uid for stored in world.server.inbox.messages.values()] == [2]
    assert len(world.outbox.sent) == 3
    assert (await world.ledger.summary(world.clock.at)).unfiled == 1


async def test_a_locked_ledger_sends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an intent on disk there is no reply; when the ledger is free again the mail is answered."""
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()

    async def locked(**_: object) -> None:
        raise TemporaryError("the ledger is locked")

    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "record", locked)
        with pytest.raises(TemporaryError):
            await engine.round()
    assert world.outbox.sent == []
    engine = world.engine()
    await engine.begin()
    await engine.round()
    assert len(world.outbox.sent) == 1


async def test_an_alert_that_fails_is_given_up_in_the_end(world: World) -> None:
    """A broken alert command is tried again at growing distances, some times, and never stops the line."""
    world.alert_works = False
    world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="none"))
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    await engine.round()
    world.clock.at = at("2026-12-02 20:00")
    world.arrive("ivan@vostok.example")
    await engine.round()
    for _ in range(20):
        world.clock.at += timedelta(hours=10)
        await engine.round()
    assert world.alerts == []
    assert (await world.ledger.summary(world.clock.at)).planned == 0


async def test_odd_mail_is_visible_and_stops_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a defect of ours cannot judge is unreadable; the others of its chunk are answered."""
    from responder.core import decide  # noqa: PLC0415

    real = decide.decide

    def odd(case: decide.Case, rules: Policy) -> object:
        if case.facts.address == "odd@vostok.example" and case.facts.client:
            raise RuntimeError("a defect")
        return real(case, rules)

    monkeypatch.setattr(decide, "decide", odd)
    world.arrive("odd@vostok.example", "ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    assert [reply.recipient for reply in world.outbox.sent] == ["ivan@vostok.example"]
    reasons = {row.entry.address: row.entry.reason for row in await world.ledger.decided(last=9)}
    assert reasons["odd@vostok.example"] == "unreadable"
