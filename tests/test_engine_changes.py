"""The mailbox changes under our feet, ledgers are lost, others answer too: over fakes, so that each corner is cheap."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.core.facts import mark_of
from responder.core.model import Limits, MessageKey, Outcome
from responder.errors import TemporaryError
from tests.core.build import at, policy, replies
from tests.e2e.scene import letter
from tests.fakes.mail_server import Folder
from tests.fakes.mailbox import FakeMailbox
from tests.test_engine import EVENING, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from responder.core.model import FileMessage
    from responder.ports import InboxState

GRACE = timedelta(minutes=3)
FOREIGN = "$Responder-ffffffff"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world with a grace time and copies in Sent, whose engine has begun once."""
    made = World(policy(replies=replies(grace=GRACE, copy="Sent")))
    await made.engine().begin()
    yield made
    await made.ledger.close()


async def pass_(world: World) -> None:
    """Let one engine begin and make one round."""
    engine = world.engine()
    await engine.begin()
    await engine.round()


async def reasons(world: World) -> dict[str, str]:
    """Return each address's reason; addresses are used once here."""
    return {row.entry.address: row.entry.reason for row in await world.ledger.decided(last=99)}


async def trail_of(world: World, address: str) -> str:
    """Return the last sentence of the trail of an address's newest message."""
    (row,) = await world.ledger.decided(address=address)
    return str(row.trail[-1]["detail"])


# ------------------------------------------------------------------------------------ numbered anew


@pytest.mark.parametrize("openly", [True, False], ids=["UIDVALIDITY changed", "UIDs went down without a word"])
async def test_waiting_mail_is_found_again_after_uidvalidity_changed(world: World, *, openly: bool) -> None:
    """Mail in its grace time is known by its fingerprint under its new UID, and answered and filed as always."""
    for number in range(3):
        world.arrive(f"gone{number}@vostok.example")
    world.arrive("ivan@vostok.example")
    await pass_(world)
    for uid in (1, 2, 3):
        world.server.expunge(uid)
    world.server.renumber(openly=openly)
    world.clock.at += GRACE
    await pass_(world)
    assert [reply.recipient for reply in world.outbox.sent] == ["ivan@vostok.example"]
    assert world.filed() == 1
    assert set((await reasons(world)).values()) == {"before-start", "full"}


async def test_planned_moves_follow_their_messages_after_uidvalidity_changed(world: World) -> None:
    """A move that was decided and not done yet is done under the new UID; that of a vanished message is given up."""
    mailbox = Tired(world.server, header_fields=world.mailbox._fields)
    world.mailbox = mailbox
    world.arrive("gone@vostok.example", "ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    mailbox.tired = True
    with pytest.raises(TemporaryError):
        await pass_(world)
    assert (await world.ledger.summary(world.clock.at)).planned == 2
    world.server.expunge(1)
    world.server.renumber()
    mailbox.tired = False
    await pass_(world)
    assert world.filed() == 1
    assert (await world.ledger.summary(world.clock.at)).planned == 0
    assert len(world.outbox.sent) == 2


class Tired(FakeMailbox):
    """A mailbox whose server hangs up when anything is to be moved, for a while."""

    tired: bool = False

    async def file(self, moves: Sequence[FileMessage]) -> Mapping[int, str]:
        """Move, or hang up."""
        if self.tired:
            self._generation = None
            raise TemporaryError("the server hung up")
        return await super().file(moves)


async def test_what_is_unknown_after_uidvalidity_changed_is_left_alone_and_entered(world: World) -> None:
    """Mail that nobody can call new is never answered, but the owner can ask about it; decided mail stays decided."""
    world.server.deliver(letter("ancient@vostok.example"), EVENING - timedelta(days=900))
    world.arrive("told@harbor.example", "kolya@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    world.server.unmakeable.add("Callbacks/2026-11-30 10-00")  # all stay in INBOX
    await pass_(world)
    sent = len(world.outbox.sent)
    world.arrive("between@vostok.example")
    world.server.renumber()
    await pass_(world)
    world.arrive("after@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert [reply.recipient for reply in world.outbox.sent[sent:]] == ["after@vostok.example"]
    decided = await reasons(world)
    assert decided["between@vostok.example"] == "before-start"
    assert "numbered anew" in await trail_of(world, "between@vostok.example")
    assert decided["kolya@vostok.example"] == "full"


async def test_waiting_mail_that_is_gone_after_uidvalidity_changed_is_given_up(world: World) -> None:
    """What the owner took away together with the renumbering is not waited for."""
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.server.expunge(1)
    world.server.renumber()
    world.clock.at += GRACE
    await pass_(world)
    assert world.outbox.sent == []
    assert await trail_of(world, "ivan@vostok.example") == "not found again after INBOX was numbered anew"


async def test_uidvalidity_zero_is_a_uidvalidity(world: World) -> None:
    """A server without UIDVALIDITY is believed as it is: nothing seems to change, and mail is handled once."""
    world.server.folders["INBOX"] = Folder(0)
    await pass_(world)
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    await pass_(world)
    assert len(world.outbox.sent) == world.filed() == 1


async def test_a_reckoned_uidnext_may_go_down(world: World) -> None:
    """Where the server never tells UIDNEXT, filing the newest message is not a renumbering; new mail is new."""
    world.mailbox = Reckoning(world.server, header_fields=world.mailbox._fields)
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert world.filed() == 1
    world.arrive("kolya@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert len(world.outbox.sent) == world.filed() == 2


class Reckoning(FakeMailbox):
    """A mailbox whose server tells no UIDNEXT."""

    def _state(self) -> InboxState:
        state = super()._state()
        return replace(state, uidnext=max(self.server.inbox.messages, default=0) + 1, reckoned=True)


async def test_a_message_that_cannot_be_shown_does_not_stop_a_renumbering(world: World) -> None:
    """Where looking through INBOX breaks the session again and again, it is given up, and new mail is answered."""
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.server.renumber()

    def trouble(method: str, when: str) -> None:
        if method == "fetch" and when == "before" and 1 in world.server.inbox.messages and broken:
            raise TemporaryError("the server hung up")

    broken = True
    world.server.trouble = trouble
    engine = world.engine()
    for _ in range(6):
        try:
            await engine.begin()
        except TemporaryError:
            continue
        break
    else:
        pytest.fail("the mailbox never begins")
    broken = False
    world.arrive("kolya@vostok.example")
    await engine.round()
    world.clock.at += GRACE
    await engine.round()
    assert [reply.recipient for reply in world.outbox.sent] == ["kolya@vostok.example"]


# --------------------------------------------------------------------- ledgers that are lost or old


def on_disk(world: World, path: Path) -> None:
    """Let the world's next engines use a ledger in a file."""
    world.ledger = SqliteLedger.open(path)


async def test_a_lost_ledger_answers_nobody_twice(world: World) -> None:
    """With an empty ledger the replies in Sent count as told for their closed period, and for no other."""
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert len(world.outbox.sent) == 1
    await world.ledger.close()
    world.ledger = SqliteLedger.in_memory()
    await pass_(world)
    world.arrive("ivan@vostok.example", "kolya@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert [reply.recipient for reply in world.outbox.sent] == ["ivan@vostok.example", "kolya@vostok.example"]
    assert (await reasons(world))["ivan@vostok.example"] == "told"
    assert "Sent holds a reply to this address" in await trail_of(world, "ivan@vostok.example")
    await world.ledger.close()
    world.ledger = SqliteLedger.in_memory()
    world.clock.at = at("2026-11-30 20:00")
    await pass_(world)
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert len(world.outbox.sent) == 3


async def test_an_old_ledger_sends_nothing_that_a_newer_one_has_sent(world: World, tmp_path: Path) -> None:
    """After a backup was put back, what it holds as planned or waiting and Sent shows as sent does not leave again."""
    path, backup = tmp_path / "ledger.sqlite3", tmp_path / "backup.sqlite3"
    await world.ledger.close()
    on_disk(world, path)
    await world.engine().begin()
    world.arrive("ivan@vostok.example", "kolya@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    world.outbox.unreachable = True
    await pass_(world)  # both replies are planned now
    world.arrive("late@vostok.example")
    await pass_(world)  # and one message waits
    await world.ledger.close()
    shutil.copy(path, backup)
    on_disk(world, path)
    world.outbox.unreachable = False
    world.clock.at += GRACE
    await pass_(world)
    assert len(world.outbox.sent) == 3
    await world.ledger.close()
    shutil.copy(backup, path)
    on_disk(world, path)
    for _ in range(2):
        await pass_(world)
        world.clock.at += GRACE
    assert len(world.outbox.sent) == 3
    assert (await world.ledger.summary(world.clock.at)).planned == 0


async def test_a_reply_in_doubt_that_lies_in_sent_is_done(world: World) -> None:
    """A provider that lays replies into Sent itself tells that one has left of which no answer came."""
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    world.outbox.outcomes["ivan@vostok.example"] = [Outcome.IN_DOUBT]
    await pass_(world)
    assert (await world.ledger.summary(world.clock.at)).in_doubt == 1
    (reply,) = await world.ledger.in_doubt()
    world.server.deliver(getattr(reply.effect, "message", b""), world.clock.at, folder="Sent")
    world.arrive("kolya@vostok.example")
    await pass_(world)
    assert (await world.ledger.summary(world.clock.at)).in_doubt == 0
    assert {row.told_at is not None for row in await world.ledger.promises() if row.address == "ivan@vostok.example"}


async def test_sent_counts_for_the_caps_of_a_lost_ledger(world: World) -> None:
    """What an earlier ledger sent today counts against today's caps."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="Sent", limits=Limits(per_day=2)))
    world.arrive("a@vostok.example", "b@vostok.example")
    await pass_(world)
    assert len(world.outbox.sent) == 2
    await world.ledger.close()
    world.ledger = SqliteLedger.in_memory()
    await pass_(world)
    world.arrive("c@vostok.example")
    await pass_(world)
    assert len(world.outbox.sent) == 2
    assert (await reasons(world))["c@vostok.example"] == "limit"


# ------------------------------------------------------------------------------- other responders


async def test_what_another_responder_has_marked_is_told(world: World) -> None:
    """A foreign mark means silence for its sender in this closed period; its bearer files it; the owner learns."""
    world.server.deliver(letter("ivan@vostok.example"), world.clock.at, flags=[FOREIGN])
    await pass_(world)
    world.arrive("ivan@vostok.example", "kolya@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert [reply.recipient for reply in world.outbox.sent] == ["kolya@vostok.example"]
    assert world.filed() == 2
    assert list(world.server.inbox.messages) == [1]
    (alert,) = world.alerts
    assert "another responder answers mail here too" in alert
    assert "another responder" in await trail_of(world, "ivan@vostok.example")


async def test_a_claim_that_another_won_is_told(world: World) -> None:
    """Whoever finds another's mark beside its own when it claims stands aside, for all of that sender's mail."""

    def rival(method: str, when: str) -> None:
        if method == "claim" and when == "before":
            world.server.inbox.messages[2].flags.add(FOREIGN)

    world.server.trouble = rival
    world.arrive("ivan@vostok.example", "ivan@vostok.example", "kolya@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert [reply.recipient for reply in world.outbox.sent] == ["kolya@vostok.example"]
    assert list(world.server.inbox.messages) == [2]
    assert len(world.alerts) == 1


@pytest.mark.parametrize("grace", [timedelta(0), GRACE], ids=["no grace", "grace"])
async def test_what_vanishes_before_it_is_claimed_is_not_answered(world: World, grace: timedelta) -> None:
    """Whoever took the message out of INBOX at the last moment, another responder or the owner, sees to it."""
    world.rules.policy = policy(replies=replies(grace=grace, copy="none"))

    def rival(method: str, when: str) -> None:
        if method == "claim" and when == "before" and 1 in world.server.inbox.messages:
            world.server.expunge(1)

    world.server.trouble = rival
    world.arrive("ivan@vostok.example", "kolya@vostok.example")
    for _ in range(2):
        await pass_(world)
        world.clock.at += grace
    assert [reply.recipient for reply in world.outbox.sent] == ["kolya@vostok.example"]
    assert (await reasons(world))["ivan@vostok.example"] == "answered"
    assert (await world.ledger.summary(world.clock.at)).waiting == 0


@pytest.mark.parametrize("keep", [True, False], ids=["it stays", "it steps back"])
async def test_of_two_at_the_same_moment_the_lower_mark_goes_first(world: World, *, keep: bool) -> None:
    """Both saw each other: the one with the higher mark steps back, and the other answers once it is alone."""
    looks = 0

    def rival(method: str, when: str) -> None:
        nonlocal looks
        if method == "claim" and when == "before":
            looks += 1
            flags = world.server.inbox.messages[1].flags
            flags.add(FOREIGN)
            if looks > 1 and not keep:
                flags.discard(FOREIGN)

    world.server.trouble = rival
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert len(world.outbox.sent) == world.filed() == (0 if keep else 1)


async def test_who_steps_back_takes_its_mark_away(world: World) -> None:
    """The higher of two marks leaves the message, and nobody waits for it."""

    def rival(method: str, when: str) -> None:
        if method == "claim" and when == "before":
            world.server.inbox.messages[1].flags.add("$Responder-00000000")

    world.server.trouble = rival
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert world.outbox.sent == []
    assert world.server.inbox.messages[1].flags == {"$Responder-00000000"}
    assert world.mailbox.calls["claim"] == 1


async def test_only_one_files_what_neither_answers(world: World) -> None:
    """Two who move one message at once could leave two copies: what is only to be filed is claimed as well."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="none", mode="off"))
    world.server.deliver(letter("ivan@vostok.example"), world.clock.at, flags=[FOREIGN])
    world.arrive("kolya@vostok.example")
    await pass_(world)
    assert world.filed() == 1
    assert list(world.server.inbox.messages) == [1]
    assert (await reasons(world))["ivan@vostok.example"] == "opted-out"


@pytest.mark.parametrize("grace", [timedelta(0), GRACE], ids=["no grace", "grace"])
async def test_a_mark_of_ours_is_no_obstacle_after_a_crash(world: World, grace: timedelta) -> None:
    """Stopped between the mark and the ledger, the message is answered at the next start, once."""
    world.rules.policy = policy(replies=replies(grace=grace, copy="Sent"))

    def crash(method: str, when: str) -> None:
        if method == "claim" and when == "after" and falling:
            raise TemporaryError("stopped")

    falling = True
    world.server.trouble = crash
    world.arrive("ivan@vostok.example")
    for _ in range(2):
        world.clock.at += GRACE
        try:
            await pass_(world)
        except TemporaryError:
            break
    else:
        pytest.fail("nothing was claimed")
    falling = False
    await pass_(world)
    await pass_(world)
    assert len(world.outbox.sent) == world.filed() == 1


async def test_a_mark_of_ours_that_the_ledger_does_not_know_is_told(world: World) -> None:
    """The mark outlives a ledger that was lost: its message is not answered again, and nobody is alarmed."""
    world.server.deliver(letter("ivan@vostok.example"), world.clock.at, flags=[mark_of(b"0123456789abcdef").upper()])
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert world.outbox.sent == []
    assert world.filed() == 1
    assert world.alerts == []


async def test_without_keywords_there_are_no_claims(world: World) -> None:
    """Where INBOX takes no keywords, replies leave all the same."""
    world.server.keywords = False
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    assert len(world.outbox.sent) == world.filed() == 1
    assert "claim" not in world.mailbox.calls


async def test_a_put_off_reply_stays_when_another_responder_has_answered(world: World) -> None:
    """Before a reply that was put off is tried again, Sent is asked whether somebody else has told the client."""
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    world.outbox.unreachable = True
    await pass_(world)
    (stored,) = [one for one in await world.ledger.unfinished("main") if hasattr(one.effect, "recipient")]
    other = getattr(stored.effect, "message", b"").replace(b"<responder.", b"<responder.ffff", 1)
    other = b"X-Responder-Id: <responder." + b"a" * 24 + b"." + b"b" * 24 + b"@example.com>\r\n" + other
    world.server.deliver(other, world.clock.at, folder="Sent")
    world.outbox.unreachable = False
    world.clock.at += GRACE
    await pass_(world)
    assert world.outbox.sent == []


# ------------------------------------------------------------------------------------- a full mailbox


async def test_a_draft_that_is_refused_costs_nothing_else(world: World) -> None:
    """When Drafts takes nothing, each draft is refused once and visible; all mail is filed in the same round."""
    world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="Sent", mode="draft"))
    world.server.full = True
    world.arrive("a@vostok.example", "b@vostok.example", "c@vostok.example")
    await pass_(world)
    await pass_(world)
    assert world.filed() == 3
    assert (await world.ledger.summary(world.clock.at)).refused == 3
    assert world.mailbox.calls["append_draft"] == 3
    world.server.full = False
    world.arrive("a@vostok.example")
    await pass_(world)
    assert len(world.server.folders["Drafts"].messages) == 1


async def test_a_copy_that_is_refused_costs_nothing_else(world: World) -> None:
    """When Sent takes nothing, the replies have left all the same, and no copy is tried again."""
    world.server.full = True
    world.arrive("a@vostok.example", "b@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    await pass_(world)
    await pass_(world)
    assert len(world.outbox.sent) == world.filed() == 2
    assert world.mailbox.calls["append_sent"] == 2


async def test_a_move_of_a_message_that_is_another_now_moves_nothing(world: World) -> None:
    """Should a UID stand for another message without any sign of it, the Message-ID keeps that one where it is."""
    mailbox = Tired(world.server, header_fields=world.mailbox._fields)
    world.mailbox = mailbox
    world.arrive("ivan@vostok.example")
    await pass_(world)
    world.clock.at += GRACE
    mailbox.tired = True
    with pytest.raises(TemporaryError):
        await pass_(world)
    mailbox.tired = False
    inbox = world.server.inbox
    inbox.messages[1].raw = letter("kolya@vostok.example", "another")
    await pass_(world)
    assert world.filed() == 0
    assert len(inbox.messages) == 1
    assert (await world.ledger.known(["x"])) == {}
    (row,) = await world.ledger.decided(address="ivan@vostok.example")
    assert row.entry.key == MessageKey(mailbox="main", uidvalidity=inbox.uidvalidity, uid=1)
