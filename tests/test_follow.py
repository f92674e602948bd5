"""Mail followed up by an engine that runs on, over fakes: each hour is known, and each corner ends where it should."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from responder.core.facts import HEADER_FIELDS
from responder.errors import PermanentError, TemporaryError
from tests.core.build import at, policy, replies
from tests.e2e.scene import OWNER, letter
from tests.fakes.mailbox import FakeMailbox
from tests.test_engine import EVENING, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from responder.core.model import Message
    from responder.engine import Engine
    from responder.ports import Fate

IVAN, COLLEAGUE = "ivan@vostok.example", "oleg@vostok.example"
MONDAY, TUESDAY = "Callbacks/2026-11-30 10-00", "Callbacks/2026-12-01 10-00"
WEDNESDAY, DONE = "Callbacks/2026-12-02 10-00", "Callbacks/Done"
#: One working day after Friday evening.
DUE = at("2026-11-30 19:00")
ANSWERED = "answered"


class Life:
    """One engine that runs on. ``wakes``: the instants for which it asked to be called, and was."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.engine: Engine = world.engine()
        self.next_at: datetime | None = None

    async def begin(self) -> None:
        """Start anew: what the old engine knew in memory is gone."""
        self.engine = self.world.engine()
        await self.engine.begin()

    async def look(self, when: datetime | str | None = None) -> datetime | None:
        """Make one round at that time."""
        if when is not None:
            self.world.clock.at = at(when) if isinstance(when, str) else when
        self.next_at = await self.engine.round()
        return self.next_at

    def deliver(self, subject: str, *, sender: str = IVAN, folder: str = "INBOX", **headers: str) -> int:
        """Let a message come now. A name's underscores are hyphens."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = letter(sender, subject, headers={"Message-ID": f"<{subject.encode().hex()[:60]}@x.example>", **names})
        return self.world.server.deliver(raw, self.world.clock.at, folder=folder)

    def drag(self, subject: str, source: str, target: str) -> None:
        """Move a message by hand."""
        server = self.world.server
        stored = next(one for one in server.folders[source].messages.values() if subject_of(one.raw) == subject)
        del server.folders[source].messages[stored.uid]
        server.deliver(stored.raw, stored.internal_at, stored.flags, folder=target)

    def where(self, subject: str = "Вопрос") -> list[str]:
        """Return the folders, without Sent, in which messages with that subject lie."""
        return [
            name
            for name, folder in sorted(self.world.server.folders.items())
            for one in folder.messages.values()
            if subject_of(one.raw) == subject and name != "Sent"
        ]

    def flags(self, subject: str = "Вопрос") -> set[str]:
        """Return the flags of the one message with that subject, without a claim's mark."""
        (found,) = (
            one.flags
            for folder in self.world.server.folders.values()
            for one in folder.messages.values()
            if subject_of(one.raw) == subject
        )
        return {flag for flag in found if flag.startswith("\\")}

    async def fate(self, subject: str = "Вопрос") -> Fate:
        """Return what the ledger tells of it."""
        message_id = f"<{subject.encode().hex()[:60]}@x.example>"
        (row,) = await self.world.ledger.decided(message_id=message_id)
        return await self.world.ledger.fate(row.entry.fingerprint)


def subject_of(raw: bytes) -> str:
    """Return a stored message's subject."""
    import email  # noqa: PLC0415
    import email.policy  # noqa: PLC0415

    return str(email.message_from_bytes(raw, policy=email.policy.default)["Subject"])


@pytest.fixture
async def life() -> AsyncIterator[Life]:
    """An engine that watches since Friday evening, without a grace time."""
    world = World(policy(replies=replies(grace=timedelta(0), copy="none")))
    made = Life(world)
    await made.begin()
    yield made
    await world.ledger.close()


async def filed(life: Life, subject: str = "Вопрос") -> None:
    """Let a letter be filed for Monday morning."""
    life.deliver(subject)
    await life.look()
    assert life.where(subject) == [MONDAY]


# ---------------------------------------------------------------------------------------- by the clock


async def test_it_knows_each_next_hour_without_new_mail(life: Life) -> None:
    """Called only when it asks to be, one engine carries over, declares late and tidies up for days on end."""
    await filed(life)
    seen: list[tuple[str, list[str]]] = []
    while life.next_at is not None and life.next_at < at("2026-12-02 12:00"):
        when = life.next_at
        await life.look(when)
        seen.append((f"{when.astimezone(EVENING.tzinfo):%d %H:%M}", life.where()))
        assert life.next_at is None or life.next_at > when, "it would never rest"
    # By the owner's clock 11:00 and 19:00 on Monday, 11:00 on the days after.
    assert seen == [
        ("30 08:00", [TUESDAY]),
        ("30 16:00", [TUESDAY]),
        ("01 08:00", [WEDNESDAY]),
        ("02 08:00", ["Callbacks/2026-12-03 10-00"]),
    ]
    assert sorted(life.world.server.folders) == [WEDNESDAY, "Callbacks/2026-12-03 10-00", "INBOX", "Sent"]
    assert life.flags() == {"\\Flagged"}
    assert len(life.world.alerts) == 1
    fate = await life.fate()
    assert (fate.state, fate.due_at, fate.carried, fate.folder) == ("open", DUE, 3, "Callbacks/2026-12-03 10-00")


async def test_mail_that_cannot_be_moved_is_asked_about_by_the_hour(life: Life) -> None:
    """Without any window left, or a target that cannot be made, it stays, and nothing spins."""
    await filed(life)
    life.world.server.unmakeable.add(TUESDAY)
    life.world.rules.policy = replace(life.world.rules.policy)
    assert await life.look("2026-11-30 11:00") == at("2026-11-30 12:00")
    assert life.where() == [MONDAY]
    life.world.rules.policy = policy(windows=(), replies=replies(grace=timedelta(0), copy="none"))
    assert await life.look("2026-12-01 11:30") == at("2026-12-01 12:30"), "also while its folder would be removed"
    assert life.where() == [MONDAY]
    life.world.rules.policy = policy(replies=replies(grace=timedelta(0), copy="none"))
    await life.look("2026-12-01 12:30")
    assert life.where() == [WEDNESDAY]


async def test_a_look_that_breaks_the_session_is_put_off(life: Life) -> None:
    """The next look waits, longer each time; new mail is seen to meanwhile."""
    await filed(life)

    def trouble(method: str, when: str) -> None:
        if (method, when) == ("look", "before"):
            raise TemporaryError("the server hung up")

    life.world.server.trouble = trouble
    life.world.clock.at = at("2026-11-30 11:00")
    for pause in (2, 4, 8, 16, 32, 60, 60):
        with pytest.raises(TemporaryError):
            await life.engine.round()
        await life.engine.begin()
        assert await life.engine.round() == life.world.clock.at + timedelta(minutes=pause)
        life.world.clock.at += timedelta(minutes=pause)
    life.deliver("Новое", sender="kolya@vostok.example")
    life.world.server.trouble = None
    await life.look()
    assert life.where() == [TUESDAY]


async def test_a_service_that_was_down_for_a_week_catches_up(life: Life) -> None:
    """The letter goes into a window that has not begun, the promise is late since its due time, and alarms once."""
    await filed(life)
    await life.begin()
    await life.look("2026-12-07 12:00")
    assert life.where() == ["Callbacks/2026-12-08 10-00"]
    assert life.flags() == {"\\Flagged"}
    assert (await life.fate()).carried == 1
    (told,) = life.world.alerts
    assert "ООО «Восток» (since 2026-11-30 19:00)" in told
    assert MONDAY not in life.world.server.folders


# ------------------------------------------------------------------------------------------ evidence


@pytest.mark.parametrize(
    ("subject", "headers", "ends"),
    [
        ("Re: Вопрос", {}, True),
        ("Ответ: Вопрос", {"To": COLLEAGUE}, True),
        ("RE:  вопрос", {"To": "who@else.example", "Cc": IVAN}, True),
        ("Вопрос", {}, True),
        ("Re: Другое", {}, False),
        ("Re: ", {}, False),
        ("Re: Вопрос", {"To": "ivan@other.example"}, False),
        ("Re: Вопрос", {"References": "<another@x.example>"}, False),
        ("Re: Вопрос", {"Auto-Submitted": "auto-replied"}, False),
        ("Другое", {"In-Reply-To": "<d092d0bed0bfd180d0bed181@x.example>"}, True),
    ],
)
async def test_what_the_owner_writes_ends_a_promise_or_does_not(
    life: Life, subject: str, headers: dict[str, str], *, ends: bool
) -> None:
    """The thread tells, or where a telephone names none the subject, to that client; nothing else does."""
    await filed(life)
    life.world.clock.at = at("2026-11-30 10:30")
    written = {"To": IVAN, "Message-ID": "<own@anna.example>", **headers}
    life.world.server.deliver(letter(OWNER, subject, headers=written), life.world.clock.at, folder="Sent")
    await life.look("2026-11-30 11:00")
    fate = await life.fate()
    assert (fate.state, fate.weak) == (("kept", "") if ends else ("open", ""))
    assert fate.ended_at == (at("2026-11-30 10:30") if ends else None)
    assert life.where() == [DONE if ends else TUESDAY]


async def test_a_draft_in_sent_is_no_answer(life: Life) -> None:
    """Nobody has sent it yet."""
    await filed(life)
    raw = letter(OWNER, "Re: Вопрос", headers={"To": IVAN})
    life.world.server.deliver(raw, at("2026-11-30 10:30"), {"\\Draft"}, folder="Sent")
    await life.look("2026-11-30 11:00")
    assert (await life.fate()).state == "open"


async def test_an_empty_subject_proves_nothing(life: Life) -> None:
    """Two messages without a subject have nothing in common."""
    life.deliver("", Message_ID="<empty@x.example>")
    await life.look()
    raw = letter(OWNER, "Re:", headers={"To": IVAN, "Message-ID": "<own@anna.example>"})
    life.world.server.deliver(raw, at("2026-11-30 10:30"), folder="Sent")
    await life.look("2026-11-30 11:00")
    (promise,) = await life.world.ledger.promises()
    assert promise.state == "open"


async def test_a_telephones_answer_in_the_grace_time_is_enough() -> None:
    """No machine answers what was just answered by hand, and its promise is kept."""
    world = World(policy(replies=replies(grace=timedelta(minutes=3), copy="none")))
    life = Life(world)
    await life.begin()
    life.deliver("Вопрос")
    await life.look()
    raw = letter(OWNER, "Re: Вопрос", headers={"To": IVAN, "Message-ID": "<own@anna.example>"})
    world.server.deliver(raw, EVENING + timedelta(minutes=1), folder="Sent")
    await life.look(EVENING + timedelta(minutes=4))
    assert world.outbox.sent == []
    (row,) = await world.ledger.decided()
    assert row.entry.reason == ANSWERED
    assert (await life.fate()).state == "kept"
    await world.ledger.close()


async def test_weak_evidence_after_the_alarm_is_late(life: Life) -> None:
    """Dragged to where finished mail lies before it was declared late it is kept, afterwards late; both say so."""
    await filed(life)
    await filed(life, "Ещё вопрос")
    life.drag("Вопрос", MONDAY, DONE)
    await life.look("2026-11-30 11:00")
    await life.look(DUE)
    life.drag("Ещё вопрос", TUESDAY, DONE)
    await life.look("2026-12-01 11:00")
    first, second = await life.fate(), await life.fate("Ещё вопрос")
    assert (first.state, first.weak) == ("kept", "moved")
    assert (second.state, second.weak, second.ended_at) == ("late", "moved", at("2026-12-01 11:00"))
    assert second.left_at is not None
    assert len(life.world.alerts) == 1


async def test_out_of_inbox_and_back_is_no_evidence(life: Life) -> None:
    """By day a letter stays in INBOX; dragged away and back it has another number, and is still to be answered."""
    life.world.clock.at = at("2026-11-30 12:00")
    life.deliver("Вопрос")
    await life.look()
    life.drag("Вопрос", "INBOX", "Архив")
    life.drag("Вопрос", "Архив", "INBOX")
    await life.look()
    await life.look("2026-12-01 19:00")
    assert (await life.fate()).state == "open"
    assert life.flags() == {"\\Flagged"}


async def test_back_in_inbox_when_the_note_of_it_was_lost(life: Life) -> None:
    """A death between the sight of a letter in INBOX and the ledger costs nothing: the next start sees it again."""
    await filed(life)
    life.drag("Вопрос", MONDAY, "INBOX")
    record = life.world.ledger.record

    async def dies(**_: object) -> Sequence[object]:
        raise TemporaryError("the power went")

    life.world.ledger.record = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(TemporaryError):
        await life.look()
    life.world.ledger.record = record  # type: ignore[method-assign]
    await life.begin()
    await life.look("2026-11-30 11:00")
    assert (await life.fate()).state == "open"
    assert life.where() == ["INBOX"]


async def test_a_second_copy_in_inbox_changes_nothing(life: Life) -> None:
    """Delivered twice, the first is filed and carried over as always; the second stays in INBOX."""
    await filed(life)
    life.deliver("Вопрос")
    assert await life.look() == at("2026-11-30 11:00")
    await life.look("2026-11-30 11:00")
    assert life.where() == [TUESDAY, "INBOX"]
    assert (await life.fate()).folder == TUESDAY


async def test_a_promise_in_inbox_outlives_a_new_numbering(life: Life) -> None:
    """After UIDVALIDITY changed a letter is known at its new place: not gone, and flagged when it is late."""
    life.world.clock.at = at("2026-11-30 12:00")
    life.deliver("Чужое", sender="who@nowhere.example")
    life.deliver("Вопрос")
    await life.look()
    life.world.server.expunge(1)
    life.world.server.renumber()
    await life.begin()
    await life.look("2026-12-01 19:00")
    assert (await life.fate()).state == "open"
    assert life.flags() == {"\\Flagged"}


class LockedMailbox(FakeMailbox):
    """A mailbox with a folder that the server will not open."""

    async def look(self, folder: str) -> Sequence[Message] | None:
        """Refuse to open Monday's."""
        if folder == MONDAY:
            raise PermanentError("the server would not open it")
        return await super().look(folder)


async def test_a_folder_that_does_not_open_proves_nothing() -> None:
    """What may lie there is neither gone nor answered; at its due time the owner is told all the same."""
    world = World(policy(replies=replies(grace=timedelta(0), copy="none")))
    world.mailbox = LockedMailbox(world.server, header_fields=HEADER_FIELDS)
    life = Life(world)
    await life.begin()
    await filed(life)
    await life.look("2026-11-30 11:00")
    assert (await life.fate()).state == "open"
    await life.look(DUE)
    fate = await life.fate()
    assert (fate.state, fate.declared_at, fate.left_at) == ("open", DUE, None)
    assert len(world.alerts) == 1
    await world.ledger.close()


class HastyMailbox(FakeMailbox):
    """A mailbox whose owner drags a letter to a place that was just looked at."""

    life: Life | None = None

    async def look(self, folder: str) -> Sequence[Message] | None:
        """Look, and let her drag meanwhile."""
        seen = await super().look(folder)
        if folder == MONDAY and self.life is not None:
            life, self.life = self.life, None
            life.drag("Вопрос", TUESDAY, MONDAY)
        return seen


async def test_what_is_dragged_during_the_look_is_not_gone() -> None:
    """A letter that moves from a place not yet looked at to one that was is found at the second glance."""
    world = World(policy(replies=replies(grace=timedelta(0), copy="none")))
    mailbox = HastyMailbox(world.server, header_fields=HEADER_FIELDS)
    world.mailbox = mailbox
    life = Life(world)
    await life.begin()
    await filed(life)
    await life.look("2026-11-30 11:00")
    assert life.where() == [TUESDAY]
    mailbox.life = life
    await life.look(DUE)
    assert life.where() == [TUESDAY], "carried over again: Monday is over"
    assert (await life.fate()).state == "open"
    await world.ledger.close()


# ----------------------------------------------------------------------------------- without a promise


async def test_mail_without_a_promise_ends_with_any_word_to_the_client(life: Life) -> None:
    """A copy for information is carried over unread; once the owner has written to that client it is finished."""
    life.deliver("К сведению", To="somebody@else.example", Cc=OWNER)
    await life.look()
    assert life.where("К сведению") == [MONDAY]
    await life.look("2026-11-30 11:00")
    assert life.where("К сведению") == [TUESDAY]
    raw = letter(OWNER, "О другом", headers={"To": COLLEAGUE, "Message-ID": "<own@anna.example>"})
    life.world.server.deliver(raw, at("2026-11-30 18:00"), folder="Sent")
    await life.look("2026-12-01 11:00")
    assert life.where("К сведению") == [DONE]


async def test_a_move_whose_receipt_was_lost_is_still_followed(life: Life) -> None:
    """The server filed a letter and the session died: it is known to lie there, also without a promise."""

    def trouble(method: str, when: str) -> None:
        if (method, when) == ("file", "after"):
            life.world.server.trouble = None
            raise TemporaryError("the line was cut")

    life.world.server.trouble = trouble
    life.deliver("К сведению", To="somebody@else.example", Cc=OWNER)
    with pytest.raises(TemporaryError):
        await life.look()
    await life.begin()
    await life.look()
    assert (await life.fate("К сведению")).folder == MONDAY
    await life.look("2026-11-30 11:00")
    assert life.where("К сведению") == [TUESDAY]


# ------------------------------------------------------------------------------------- several mailboxes


async def test_each_mailbox_follows_its_own() -> None:
    """A letter of one mailbox is not missed in the other, whoever looks first."""
    world = World(policy(replies=replies(grace=timedelta(0), copy="none")))
    life = Life(world)
    await life.begin()
    await filed(life)
    other = World(world.rules.policy)
    await other.ledger.close()
    other.ledger, other.clock = world.ledger, world.clock
    other.mailbox = FakeMailbox(other.server, header_fields=HEADER_FIELDS, name="office")
    second = Life(other)
    await second.begin()
    await second.look("2026-11-30 11:00")
    assert second.next_at is None
    assert (await life.fate()).state == "open"
    await life.look()
    assert life.where() == [TUESDAY]
    await world.ledger.close()


# --------------------------------------------------------------------------------------------- crashes


async def test_whatever_breaks_the_end_is_the_same() -> None:
    """The session dies before or after any one call of the passes that follow up: nothing is doubled or lost."""
    broken = 0
    for number in range(1, 200):
        world = World(policy(replies=replies(grace=timedelta(0), copy="none")))
        life = Life(world)
        await life.begin()
        for subject in ("Ответ", "Звонок", "Вопрос", "Метка"):
            await filed(life, subject)
        raw = letter(OWNER, "Re: Ответ", headers={"To": IVAN, "Message-ID": "<own@anna.example>"})
        world.server.deliver(raw, at("2026-11-30 10:30"), folder="Sent")
        life.drag("Звонок", MONDAY, "Архив")
        for one in world.server.folders[MONDAY].messages.values():
            if subject_of(one.raw) == "Метка":
                one.flags.add("\\Answered")
        left = number

        def trouble(method: str, when: str, world: World = world) -> None:
            nonlocal left
            left -= 1
            if not left:
                world.server.trouble = None
                raise TemporaryError(f"{when} {method}")

        world.server.trouble = trouble
        for when in ("2026-11-30 11:00", "2026-11-30 19:00", "2026-12-01 11:00"):
            world.clock.at = at(when)
            try:
                await life.begin()
                await life.look()
            except TemporaryError:
                broken += 1
                await life.begin()
                await life.look()
                await life.look(world.clock.at + timedelta(minutes=2))
        where = f"broken at call {number}"
        assert {one: life.where(one) for one in ("Ответ", "Звонок", "Вопрос", "Метка")} == {
            "Ответ": [DONE],
            "Звонок": ["Архив"],
            "Вопрос": [WEDNESDAY],
            "Метка": [DONE],
        }, where
        states = {one: (await life.fate(one)).state for one in ("Ответ", "Звонок", "Метка", "Вопрос")}
        assert states == {"Ответ": "kept", "Звонок": "kept", "Метка": "kept", "Вопрос": "open"}, where
        assert (await life.fate()).carried == 2, where
        assert life.flags() == {"\\Flagged"}, where
        assert len(world.alerts) == 1, where
        assert MONDAY not in world.server.folders, where
        assert (await world.ledger.summary(world.clock.at)).planned == 0, where
        await world.ledger.close()
        if left > 0:
            break
    assert broken > 30
