"""The digest on its way, over fakes with behaviour: sessions that break, outboxes that refuse, days that end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.storable import to_micros
from responder.core.model import DigestRules, Outcome
from responder.engine import Engine
from responder.errors import TemporaryError
from responder.morning import MorningDuty
from tests.core.build import at, policy, replies
from tests.e2e.scene import letter
from tests.test_engine import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from responder.core.model import Policy

NIGHT = at("2026-11-26 22:00")
MORNING = at("2026-11-27 08:31")
TO = "anna@phone.example"
LOST = "The digest of 2026-11-27 did not come, or nobody knows whether it did"


class Office(World):
    """A world whose engine bears the digest; a promise is late, so there is something to say each morning."""

    def __init__(self, rules: Policy) -> None:
        super().__init__(rules)
        self.clock.at = NIGHT

    def engine(self) -> Engine:
        """Return a new engine with its duty."""
        secret = b"0123456789abcdef"
        duty = MorningDuty(ledger=self.ledger, rules=self.rules, clock=self.clock, secret=secret)

        async def alert(text: str) -> None:
            self.alerts.append(text)

        engine = Engine(
            mailbox=self.mailbox,
            outbox=self.outbox,
            ledger=self.ledger,
            clock=self.clock,
            rules=self.rules,
            secret=secret,
            lock=asyncio.Lock(),
            alert=alert,
        )
        engine.duties = (duty,)  # and no other
        return engine

    async def live(self) -> Engine:
        """Begin on Thursday night, take in a client's mail, and let Friday morning come."""
        engine = self.engine()
        await engine.begin()
        self.server.deliver(letter("ivan@vostok.example", "Вопрос"), self.clock.at)
        await engine.round()
        late = "UPDATE promises SET due_at = ?", (to_micros(NIGHT),)
        await self.ledger._write(lambda connection: connection.execute(*late))
        self.clock.at = MORNING
        return engine

    def digests(self) -> int:
        """Count the digests in INBOX."""
        return sum(b"auto-generated" in stored.raw for stored in self.server.inbox.messages.values())

    async def outcome(self) -> str:
        """Return what became of the newest digest."""
        query = "SELECT state FROM effects WHERE kind = 'send-digest' ORDER BY id DESC LIMIT 1"
        ((state,),) = await self.ledger._call(lambda connection: connection.execute(query).fetchall())
        return str(state)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """Return an office whose digest goes to INBOX."""
    made = Office(policy(replies=replies(mode="off")))
    yield made
    await made.ledger.close()


@pytest.fixture
async def away() -> AsyncIterator[Office]:
    """Return one whose digest goes to an address."""
    made = Office(policy(replies=replies(mode="off"), digest=DigestRules(to=TO)))
    yield made
    await made.ledger.close()


async def test_the_engine_wakes_for_it(office: Office) -> None:
    """The round before tells that it wants to look at the hour, and after it at the next one."""
    engine = await office.live()
    office.clock.at = at("2026-11-27 08:00")
    assert await engine.round() == at("2026-11-27 08:30")
    office.clock.at = MORNING
    assert await engine.round() == at("2026-11-30 08:30")
    assert (office.digests(), await office.outcome()) == (1, "done")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_session_that_breaks_at_the_append(office: Office, when: str) -> None:
    """Broken before it arrived it is appended again; after it, it is found, and there is one in both."""
    engine = await office.live()
    broken: list[str] = []

    def break_once(method: str, now: str) -> None:
        if method == "append_inbox" and now == when and not broken:
            broken.append(method)
            raise TemporaryError("the line went dead")

    office.server.trouble = break_once
    with pytest.raises(TemporaryError):
        await engine.round()
    assert office.digests() == (1 if when == "after" else 0)
    await engine.begin()
    await engine.round()
    assert (office.digests(), await office.outcome()) == (1, "done")


async def test_an_append_that_breaks_each_session_is_given_up(office: Office) -> None:
    """After three tries the mail is not kept waiting any longer."""
    engine = await office.live()

    def always(method: str, now: str) -> None:
        if (method, now) == ("append_inbox", "before"):
            raise TemporaryError("the line went dead")

    office.server.trouble = always
    for _ in range(3):
        with pytest.raises(TemporaryError):
            await engine.round()
        await engine.begin()
    await engine.round()
    assert (office.digests(), await office.outcome()) == (0, "refused")
    assert [text.partition(" (")[0] for text in office.alerts] == [LOST]


async def test_a_full_inbox_is_a_definite_no(office: Office) -> None:
    """It is not tried again on that day; the next day has its own."""
    engine = await office.live()
    office.server.full = True
    await engine.round()
    assert await office.outcome() == "refused"
    office.server.full = False
    for _ in range(2):
        await engine.round()
    assert office.digests() == 0
    assert [text.partition(" (")[0] for text in office.alerts] == [LOST]
    office.clock.at = at("2026-11-30 08:30")
    await engine.round()
    assert office.digests() == 1


@pytest.mark.parametrize(
    ("outcome", "state", "came"),
    [(Outcome.DONE, "done", 1), (Outcome.REFUSED, "refused", 0), (Outcome.IN_DOUBT, "in-doubt", 1)],
)
async def test_what_the_outbox_says_is_what_became_of_it(away: Office, outcome: Outcome, state: str, came: int) -> None:
    """One text, one verdict; in doubt is never sent again."""
    away.outbox.outcomes[TO] = [outcome]
    engine = await away.live()
    for _ in range(3):
        await engine.round()
        away.clock.at += timedelta(minutes=10)
    assert (len(away.outbox.sent), await away.outcome()) == (came, state)
    assert away.digests() == 0
    assert len(away.alerts) == (outcome is not Outcome.DONE)


@pytest.mark.parametrize("trouble", ["unreachable", "login_refused"])
async def test_an_outbox_that_takes_nothing_is_asked_again(away: Office, trouble: str) -> None:
    """Nothing has left: it is tried again every five minutes, and comes once."""
    setattr(away.outbox, trouble, True)
    engine = await away.live()
    assert await engine.round() == MORNING + timedelta(minutes=5)
    assert await away.outcome() == "planned"
    setattr(away.outbox, trouble, False)
    away.clock.at += timedelta(minutes=5)
    for _ in range(2):
        await engine.round()
    assert ([one.recipient for one in away.outbox.sent], await away.outcome()) == ([TO], "done")


async def test_after_its_day_it_says_nothing_true_any_more(away: Office) -> None:
    """What could not leave before midnight expires; Monday's tells all of it."""
    away.outbox.unreachable = True
    engine = await away.live()
    await engine.round()
    away.outbox.unreachable = False
    away.clock.at = at("2026-11-28 00:00")
    await engine.round()
    assert (away.outbox.sent, await away.outcome()) == ([], "expired")
    away.clock.at = at("2026-11-30 08:30")
    await engine.round()
    assert len(away.outbox.sent) == 1


async def test_started_and_unanswered_it_is_in_doubt(away: Office) -> None:
    """A run that ended while the text was on its way: nobody knows, and it is not sent again."""
    away.outbox.unreachable = True
    engine = await away.live()
    await engine.round()
    (stored,) = await away.ledger.unfinished("main")
    await away.ledger.advance(start=[stored.id])
    away.outbox.unreachable = False
    engine = away.engine()
    await engine.begin()
    await engine.round()
    assert (away.outbox.sent, await away.outcome()) == ([], "in-doubt")
    assert [text.partition(" (")[0] for text in away.alerts] == [LOST]
