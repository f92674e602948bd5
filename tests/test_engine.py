"""Troubles on the line, over fakes with behaviour: what must go on goes on, and what cannot is visible."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder import assessing
from responder.adapters.ledger import SqliteLedger
from responder.adapters.outbox import SmtpOutbox
from responder.assessing import Rules
from responder.core.facts import HEADER_FIELDS
from responder.core.model import SendReply
from responder.engine import Engine
from responder.errors import PermanentError, TemporaryError
from tests.core.build import at, policy, replies, term
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import letter
from tests.fakes.mail_server import FakeServer
from tests.fakes.mailbox import FakeMailbox
from tests.fakes.outbox import FakeOutbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from responder.core.model import FileMessage, Message, Policy
    from responder.ports import Appended

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


async def test_a_reply_put_off_is_judged_again(world: World) -> None:
    """What was put off does not leave any more once the owner has answered, switched off, or it says a past hour."""
    engine = world.engine()
    await engine.begin()
    for sender, change in (("ivan@vostok.example", "answered"), ("kolya@vostok.example", "off")):
        world.outbox.unreachable = True
        world.arrive(sender)
        await engine.round()
        world.outbox.unreachable = False
        world.clock.at += timedelta(minutes=3)
        if change == "answered":
            answer = letter("anna@example.com", "by hand", headers={"To": sender}, return_path=None)
            world.server.deliver(answer, world.clock.at - timedelta(minutes=1), folder="Sent")
            world.arrive("olga@vostok.example")
        else:
            world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="none", mode="off"))
        await engine.round()
        assert world.outbox.sent == [], change
        assert (await world.ledger.summary(world.clock.at)).planned == 0


async def test_a_past_hour_is_never_promised(world: World) -> None:
    """Mail that was due before it could be answered gets no reply; nor does mail that comes from the future."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="none"), response=term("2 hours"))
    engine = world.engine()
    await engine.begin()
    world.server.deliver(letter("ivan@vostok.example", "three hours old"), EVENING)
    world.server.deliver(letter("kolya@vostok.example", "of tomorrow"), EVENING + timedelta(days=1))
    world.clock.at = EVENING + timedelta(hours=3)
    await engine.round()
    assert world.outbox.sent == []
    assert [row.entry.reason for row in await world.ledger.decided(last=9)] == ["no-due-time"] * 2


async def test_tags_do_not_make_several_persons(world: World) -> None:
    """A sender who writes under ever new +tags is told once in a closed period."""
    engine = world.engine()
    await engine.begin()
    for number in range(4):
        world.arrive(f"ticket+{number}@vostok.example")
        world.clock.at += timedelta(minutes=1)
        await engine.round()
    assert len(world.outbox.sent) == 1


async def test_a_word_to_anybody_of_the_client_is_a_conversation(world: World) -> None:
    """Who of the client's people the owner wrote to does not matter: they are in conversation."""
    answer = letter("anna@example.com", "by hand", headers={"To": "petr@vostok.example"}, return_path=None)
    world.server.deliver(answer, EVENING - timedelta(minutes=5), folder="Sent")
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    await engine.round()
    assert world.outbox.sent == []


class DeafMailbox(FakeMailbox):
    """A mailbox whose server hangs up whenever one certain message is to be shown."""

    poisoned: int = 0

    async def fetch(self, uids: Sequence[int]) -> Sequence[Message]:
        """Fetch, unless the poison is among them."""
        if self.poisoned in uids:
            raise TemporaryError("the server hung up")
        return await super().fetch(uids)


async def test_a_message_that_cannot_be_shown_does_not_stop_the_others(world: World) -> None:
    """One message that the server cannot show is given up and visible; those around it are answered."""
    mailbox = DeafMailbox(world.server, header_fields=HEADER_FIELDS)
    world.mailbox = mailbox
    engine = world.engine()
    await engine.begin()
    world.arrive(*(f"p{number}@vostok.example" for number in range(7)))
    mailbox.poisoned = 4
    for _ in range(20):
        try:
            await engine.begin()
            await engine.round()
        except TemporaryError:
            continue
        break
    else:
        pytest.fail("the poison stops every round")
    assert len(world.outbox.sent) == 6
    reasons = [row.entry.reason for row in await world.ledger.decided(last=9)]
    assert sorted(reasons) == ["full"] * 6 + ["unreadable"]


async def test_a_message_for_which_nothing_can_be_planned_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect that meets the plan with a reply and the plan without one leaves that message in INBOX, unreadable."""
    whole = assessing.make_plan

    def odd(case: Any, *others: Any) -> Any:
        if case.facts.address == "b@vostok.example":
            raise LookupError("a defect")
        return whole(case, *others)

    monkeypatch.setattr(assessing, "make_plan", odd)
    world.arrive("a@vostok.example", "b@vostok.example", "c@vostok.example")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    await engine.round()
    assert sorted(reply.recipient for reply in world.outbox.sent) == ["a@vostok.example", "c@vostok.example"]
    (row,) = await world.ledger.decided(reason="unreadable", last=9)
    assert row.entry.address == "b@vostok.example"
    assert row.trail[-1]["detail"] == "nothing could be planned for it (LookupError)"
    assert [stored.uid for stored in world.server.inbox.messages.values()] == [2]
    assert {promise.address for promise in await world.ledger.promises()} == {"a@vostok.example", "c@vostok.example"}


async def test_a_slow_server_cannot_make_a_reply_late() -> None:
    """When the opening passes while the server takes its time, the text does not leave."""
    from tests.servers.outboxes import make_reply  # noqa: PLC0415
    from tests.servers.smtp import SmtpSink  # noqa: PLC0415

    clock = FixedClock(EVENING)

    def late(at_: datetime) -> bool:
        clock.at += timedelta(hours=20)  # each question to the server lasts for ever
        return at_ <= clock.at

    async with SmtpSink() as sink:
        outbox = SmtpOutbox(
            host="127.0.0.1",
            port=sink.port,
            security="none",
            username="anna",
            password=lambda: "secret",
            empty_envelope=False,
            late=late,
        )
        reply = replace(make_reply("ivan@vostok.example"), not_after=EVENING + timedelta(hours=1))
        (sent,) = await outbox.send([reply])
        await outbox.close()
        assert sent.outcome == "expired"
        assert sink.mails == []


# ------------------------------------------------------------------------------ broken in between


async def _broken_at(world: World, method: str, when: str) -> None:
    """Run a round whose session breaks once, before or after the work of one method."""
    armed = [True]

    def trouble(name: str, moment: str) -> None:
        if armed[0] and (name, moment) == (method, when):
            armed[0] = False
            raise TemporaryError("the session broke")

    world.server.trouble = trouble
    engine = world.engine()
    await engine.begin()
    with pytest.raises(TemporaryError):
        await engine.round()
    world.server.trouble = None
    await engine.begin()
    await engine.round()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_copy_whose_answer_was_lost_is_laid_once(world: World, when: str) -> None:
    """A session that breaks around APPEND leaves one copy in Sent, whether the server had taken it or not."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0)))
    world.arrive("ivan@vostok.example")
    await _broken_at(world, "append_sent", when)
    assert len(world.server.folders["Sent"].messages) == len(world.outbox.sent) == 1
    assert (await world.ledger.summary(world.clock.at)).planned == 0


@pytest.mark.parametrize(("when", "drafts", "doubts"), [("before", 0, 1), ("after", 1, 0)])
async def test_a_draft_whose_answer_was_lost_is_looked_for(world: World, when: str, drafts: int, doubts: int) -> None:
    """What lies in Drafts counts, and goes when the office opens; what does not is in doubt and not laid again."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0), mode="draft"))
    world.arrive("ivan@vostok.example")
    await _broken_at(world, "append_draft", when)
    folder = world.server.folder("Drafts")
    assert len(folder.messages) == drafts
    assert len(await world.ledger.in_doubt()) == doubts
    world.clock.at = at("2026-11-30 10:01")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    assert len(folder.messages) == 0
    assert world.outbox.sent == []


async def test_a_reply_that_lies_in_sent_has_left(world: World) -> None:
    """Where the provider keeps a copy itself, a reply cut off by a crash is known to have left, and is not copied."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0)))
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    world.outbox.unreachable = True
    await engine.round()
    (stored,) = [one for one in await world.ledger.unfinished("main") if isinstance(one.effect, SendReply)]
    assert isinstance(stored.effect, SendReply)
    await world.ledger.advance(start=[stored.id])
    world.server.deliver(stored.effect.message, world.clock.at, folder="Sent")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    assert await world.ledger.in_doubt() == []
    assert (await world.ledger.summary(world.clock.at)).planned == 0
    assert len(world.server.folders["Sent"].messages) == 1
    assert world.outbox.sent == []


async def test_a_sent_folder_that_breaks_the_look_leaves_a_doubt(world: World) -> None:
    """After three sessions that broke over the look into Sent what was started is in doubt, and mail goes on."""
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    world.outbox.unreachable = True
    await engine.round()
    (stored,) = [one for one in await world.ledger.unfinished("main") if isinstance(one.effect, SendReply)]
    await world.ledger.advance(start=[stored.id])
    world.outbox.unreachable = False

    def trouble(name: str, moment: str) -> None:
        if (name, moment) == ("find_ours", "before"):
            raise TemporaryError("the session broke")

    world.server.trouble = trouble
    for _ in range(3):
        with pytest.raises(TemporaryError):
            await engine.begin()
    await engine.begin()
    world.arrive("kolya@vostok.example")
    await engine.round()
    assert [one.id for one in await world.ledger.in_doubt()] == [stored.id]
    assert [reply.address for reply in world.outbox.sent] == ["kolya@vostok.example"]


async def test_a_refused_draft_leaves_the_session_alone(world: World) -> None:
    """A draft that the server will not have is refused, told so, and keeps no other from its folder."""

    class Full(FakeMailbox):
        async def append_draft(self, message: bytes, at: datetime) -> Appended:
            assert message
            assert at
            raise PermanentError("Drafts did not take the draft: [OVERQUOTA] full")

    world.mailbox = Full(world.server, header_fields=HEADER_FIELDS)
    world.rules.policy = policy(replies=replies(grace=timedelta(0), mode="draft"))
    world.arrive("ivan@vostok.example")
    engine = world.engine()
    await engine.begin()
    await engine.round()
    summary = await world.ledger.summary(world.clock.at)
    assert (summary.refused, summary.planned, world.filed()) == (1, 0, 1)
