"""What every Mailbox promises of the folders that mail was filed into, in every world."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.errors import PermanentError, TemporaryError
from tests.contract.test_mailbox import CYRILLIC, HOSTILE_FOLDERS
from tests.contract.worlds import AT, flagging, letter, move, opened, refiling, uids_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responder.core.model import MessageKey
    from responder.ports import Mailbox
    from tests.contract.worlds import World

TODAY = "Обратные звонки/2026-11-24 10-00"
LATER = "Обратные звонки/2026-11-25 10-00/ООО «Восток» & Ко"
DONE = "Callbacks/Done"


async def shelved(world: World, mailbox: Mailbox, folder: str, *raws: bytes) -> Sequence[MessageKey]:
    """Lay messages into a folder, made if need be, and return their keys as the mailbox sees them."""
    if folder not in world.folders():
        world.make_folder(folder)
    world.deliver(*raws, folder=folder)
    found = await mailbox.look(folder)
    assert found is not None
    return [message.key for message in found]


# --------------------------------------------------------------------------------------- looking


async def test_a_folder_exists_or_does_not(world: World) -> None:
    """The server is asked each time: a folder that was made or removed by others is seen at once."""
    async with opened(world) as mailbox:
        assert await mailbox.exists("INBOX")
        assert await mailbox.exists("Sent")
        for folder in (CYRILLIC, DONE, "2026"):
            assert not await mailbox.exists(folder)
            world.make_folder(folder)
            assert await mailbox.exists(folder)
            world.remove_folder(folder)
            assert not await mailbox.exists(folder)
        world.deliver(letter(1))
        assert await uids_of(mailbox) == [1]


async def test_a_look_at_a_folder_changes_nothing(world: World) -> None:
    """Its messages come as INBOX's do, ascending, without those marked as deleted; INBOX is selected afterwards."""
    raws = [letter(n) for n in range(1, 5)]
    world.make_folder(TODAY)
    world.deliver(raws[0], folder=TODAY, at=AT - timedelta(days=1), flags=["\\Flagged"])
    world.deliver(*raws[1:], folder=TODAY)
    world.mark_deleted(3, TODAY)
    before = world.stored(TODAY)
    world.deliver(letter(9))
    async with opened(world) as mailbox:
        found = await mailbox.look(TODAY)
        assert found is not None
        assert [message.key.uid for message in found] == [1, 2, 4]
        first = found[0]
        assert (first.internal_at, first.size, first.flags) == (AT - timedelta(days=1), len(raws[0]), {"\\Flagged"})
        assert b"Message-ID: <1@vostok.example>\r\n" in first.header
        assert b"X-Mailer" not in first.header
        assert first.body is None
        assert len({message.key.uidvalidity for message in found}) == 1
        assert await mailbox.look(DONE) is None
        world.make_folder(DONE)
        assert await mailbox.look(DONE) == []
        assert await uids_of(mailbox) == [1]
    assert world.stored(TODAY) == before


async def test_twelve_hundred_messages_are_looked_at_and_moved_on(world: World) -> None:
    """More than one chunk: each is found, moved to its folder, and there once."""
    raws = [letter(n) for n in range(1, 1_201)]
    async with opened(world) as mailbox:
        keys = await shelved(world, mailbox, TODAY, *raws)
        assert [key.uid for key in keys] == list(range(1, 1_201))
        moves = [refiling(key, TODAY, DONE if key.uid > 100 else LATER) for key in keys]
        assert set((await mailbox.refile(moves)).values()) == {"moved"}
        assert await mailbox.look(TODAY) == []
    assert sorted(each.raw for each in world.stored(DONE)) == sorted(raws[100:])
    assert sorted(each.raw for each in world.stored(LATER)) == sorted(raws[:100])


# ---------------------------------------------------------------------------------------- moving on


async def test_mail_moves_on_whole(world: World) -> None:
    """It has its text, INTERNALDATE and flags in a folder made for it; nothing else has moved, nothing is marked."""
    world.make_folder(TODAY)
    world.deliver(letter(1), folder=TODAY, at=AT - timedelta(days=3, seconds=1), flags=["\\Flagged", "\\Seen"])
    world.deliver(letter(2), letter(3), folder=TODAY)
    world.deliver(letter(1), letter(2))
    before, inbox = world.stored(TODAY), world.stored()
    async with opened(world) as mailbox:
        keys = await shelved(world, mailbox, TODAY)
        moves = [refiling(keys[0], TODAY, LATER), refiling(keys[1], TODAY, DONE)]
        assert await mailbox.refile(moves) == {f"{TODAY}:1": "moved", f"{TODAY}:2": "moved"}
        assert await mailbox.refile(moves) == {f"{TODAY}:1": "gone", f"{TODAY}:2": "gone"}
        there = await mailbox.look(LATER)
        assert there is not None
        back = refiling(there[0].key, LATER, DONE, message_id="<1@vostok.example>")
        assert await mailbox.refile([back]) == {f"{LATER}:1": "moved"}
        assert await uids_of(mailbox) == [1, 2]
    assert world.stored(DONE) == [before[1], before[0]]
    assert world.stored(TODAY) == [before[2]]
    assert world.stored() == inbox


async def test_only_the_message_meant_moves_on(world: World) -> None:
    """Another message, UID, UIDVALIDITY or folder, and what is marked as deleted: "gone", and nothing moves."""
    async with opened(world) as mailbox:
        keys = await shelved(world, mailbox, TODAY, letter(1), letter(2), letter(3))
        world.mark_deleted(3, TODAY)
        moves = [
            refiling(keys[0], TODAY, DONE, message_id="<other@vostok.example>"),
            refiling(replace(keys[1], uidvalidity=keys[1].uidvalidity + 1), TODAY, DONE),
            refiling(keys[2], TODAY, DONE),
            refiling(replace(keys[0], uid=99), TODAY, DONE),
            refiling(keys[0], LATER, DONE),
        ]
        assert set((await mailbox.refile(moves)).values()) == {"gone"}
        assert await mailbox.refile([]) == {}
        assert not await mailbox.exists(DONE)
        assert not await mailbox.exists(LATER)
        assert await uids_of(mailbox) == []
    assert [each.raw for each in world.stored(TODAY)] == [letter(1), letter(2)]


async def test_mail_that_is_where_it_should_be_stays(world: World) -> None:
    """A move into its own folder moves nothing, and is done."""
    async with opened(world) as mailbox:
        (key,) = await shelved(world, mailbox, TODAY, letter(1))
        assert await mailbox.refile([refiling(key, TODAY, TODAY)]) == {f"{TODAY}:1": "moved"}
        assert await shelved(world, mailbox, TODAY) == [key]


async def test_mail_without_a_message_id_moves_on_as_such(world: World) -> None:
    """The empty id stands for a message that has none, and for no other."""
    async with opened(world) as mailbox:
        raws = [letter(1).replace(b"Message-ID: <1@vostok.example>\r\n", b""), letter(2)]
        keys = await shelved(world, mailbox, TODAY, *raws)
        moves = [refiling(key, TODAY, DONE, message_id="") for key in keys]
        assert list((await mailbox.refile(moves)).values()) == ["moved", "gone"]


@pytest.mark.parametrize("folder", HOSTILE_FOLDERS)
async def test_an_unfit_name_is_never_sent(world: World, folder: str) -> None:
    """A name with a control character or an empty level: nothing is asked, made, moved or removed, and it is told."""
    async with opened(world) as mailbox:
        (key,) = await shelved(world, mailbox, TODAY, letter(1))
        folders = world.folders()
        for move_on in (refiling(key, TODAY, folder), refiling(key, folder, TODAY)):
            (word,) = (await mailbox.refile([move_on])).values()
            assert word not in ("moved", "gone")
            assert "folder" in word
        if folder:
            (word,) = (await mailbox.flag([flagging(key, folder)])).values()
            assert "folder" in word
        assert "folder" in await mailbox.remove_folder(folder)
        for ask in (mailbox.exists, mailbox.look):
            with pytest.raises(PermanentError, match="folder"):
                await ask(folder)
        assert world.folders() == folders
        assert await uids_of(mailbox) == []


async def test_a_target_that_vanished_is_made_again(world: World) -> None:
    """A folder that was known and then removed, by the owner or by us, is made anew when mail is to go there."""
    async with opened(world) as mailbox:
        keys = await shelved(world, mailbox, TODAY, letter(1), letter(2), letter(3))
        await mailbox.refile([refiling(keys[0], TODAY, LATER)])
        world.remove_folder(LATER)
        assert await mailbox.refile([refiling(keys[1], TODAY, LATER)]) == {f"{TODAY}:2": "moved"}
        assert await mailbox.refile([refiling(keys[2], TODAY, DONE)]) == {f"{TODAY}:3": "moved"}
        there = await mailbox.look(DONE)
        assert there is not None
        away = refiling(there[0].key, DONE, LATER, message_id="<3@vostok.example>")
        assert await mailbox.refile([away]) == {f"{DONE}:1": "moved"}
        assert [each.raw for each in world.stored(LATER)] == [letter(2), letter(3)]
        world.deliver(letter(4))
        state, _ = await mailbox.scan(1)
        if world.uidplus:
            assert await mailbox.remove_folder(DONE) == "removed"
        assert await mailbox.file([replace(move(1, state.uidvalidity, DONE), message_id="<4@vostok.example>")]) == {
            1: "moved"
        }
    assert [each.raw for each in world.stored(DONE)] == [letter(4)]


async def test_a_session_lost_while_mail_moves_on_moves_it_once(world: World) -> None:
    """TemporaryError, and after another ``open`` the same again: each message is in its new folder exactly once."""
    async with opened(world) as mailbox:
        keys = await shelved(world, mailbox, TODAY, letter(1), letter(2))
        moves = [refiling(key, TODAY, LATER) for key in keys]
        world.kick()
        with pytest.raises(TemporaryError):
            await mailbox.refile(moves)
        await mailbox.open()
        assert set((await mailbox.refile(moves)).values()) == {"moved"}
        assert await mailbox.look(TODAY) == []
    assert [each.raw for each in world.stored(LATER)] == [letter(1), letter(2)]


# ---------------------------------------------------------------------------------------- flagging


async def test_a_flag_is_set_on_the_message_meant(world: World) -> None:
    r"""\Flagged and nothing else is set, in INBOX and elsewhere, once; another message is "gone"."""
    async with opened(world) as mailbox:
        keys = await shelved(world, mailbox, TODAY, letter(1), letter(2), letter(3))
        world.mark_deleted(3, TODAY)
        world.deliver(letter(1), letter(2))
        state, _ = await mailbox.scan(1)
        inbox = [replace(key, uidvalidity=state.uidvalidity) for key in keys[:2]]
        flags = [
            flagging(keys[0], TODAY),
            flagging(keys[1], TODAY, message_id="<other@vostok.example>"),
            flagging(keys[2], TODAY),
            flagging(inbox[0], ""),
            flagging(replace(inbox[1], uidvalidity=state.uidvalidity + 1), ""),
            flagging(keys[0], DONE),
        ]
        expected = ["flagged", "gone", "gone", "flagged", "gone", "gone"]
        for _ in range(2):
            assert list((await mailbox.flag(flags)).values()) == expected
        assert await uids_of(mailbox) == [1, 2]
        assert [message.flags for message in await mailbox.fetch([1, 2])] == [{"\\Flagged"}, frozenset()]
    assert [each.flags for each in world.stored(TODAY)] == [{"\\Flagged"}, frozenset()]


# ---------------------------------------------------------------------------------------- removing


async def test_an_empty_folder_is_removed_once(world: World) -> None:
    """It is gone for the owner's program too; a folder that is not there is "gone"; INBOX is selected afterwards."""
    async with opened(world) as mailbox:
        for folder in (TODAY, DONE):
            world.make_folder(folder)
            assert await mailbox.look(folder) == []
            assert await mailbox.remove_folder(folder) == "removed"
            assert folder not in world.folders()
            assert await mailbox.remove_folder(folder) == "gone"
            assert await mailbox.look(folder) is None
        world.deliver(letter(1))
        assert await uids_of(mailbox) == [1]


async def test_a_folder_that_holds_anything_is_never_removed(world: World) -> None:
    r"""A message, one that is \Deleted and not yet expunged, or a folder below: it stays with all that is in it."""
    async with opened(world) as mailbox:
        for folder in ("Callbacks", TODAY, DONE):
            world.make_folder(folder)
        await mailbox.open()  # the folders are known to be empty
        world.deliver(letter(1), folder=TODAY)
        assert "not empty" in await mailbox.remove_folder(TODAY)
        assert len(world.stored(TODAY)) == 1
        world.mark_deleted(1, TODAY)
        assert await mailbox.look(TODAY) == []
        assert "not empty" in await mailbox.remove_folder(TODAY)
        assert "below" in await mailbox.remove_folder("Callbacks")
        world.make_folder(f"{DONE}/2026")
        assert "below" in await mailbox.remove_folder(DONE)
        assert {TODAY, DONE, "Callbacks", f"{DONE}/2026"} <= world.folders()
        for own in ("INBOX", "inbox", "Sent"):
            assert await mailbox.remove_folder(own) not in ("removed", "gone")
        assert await uids_of(mailbox) == []
    assert {"INBOX", "Sent"} <= world.folders()


async def test_a_folder_is_not_taken_for_one_of_a_longer_name(world: World) -> None:
    """A folder that begins with the other's name is not below it, and stays."""
    async with opened(world) as mailbox:
        for folder in ("Callbacks/Do", DONE):
            world.make_folder(folder)
        world.deliver(letter(1), folder=DONE)
        assert await mailbox.remove_folder("Callbacks/Do") == "removed"
        assert DONE in world.folders()
        assert len(world.stored(DONE)) == 1


# ------------------------------------------------------------------------------------ into INBOX


async def test_a_message_of_ours_lies_unread_in_inbox(world: World) -> None:
    """It is there whole, without a flag, with its time; it is found by its id, and the next scan brings it."""
    async with opened(world) as mailbox:
        world.deliver(letter(1))
        assert await uids_of(mailbox) == [1]
        assert await mailbox.find_ours("inbox", ["<7@vostok.example>"]) == {}
        appended = await mailbox.append_inbox(letter(7), AT + timedelta(hours=5))
        assert (appended.folder, appended.uid) in {("INBOX", 2), ("INBOX", 0)}
        found = await mailbox.find_ours("inbox", ["<7@vostok.example>", "<8@vostok.example>"])
        assert {name: (place.folder, place.uid) for name, place in found.items()} == {
            "<7@vostok.example>": ("INBOX", 2)
        }
        state, uids = await mailbox.scan(2)
        assert (found["<7@vostok.example>"].uidvalidity, list(uids)) == (state.uidvalidity, [2])
    last = world.stored()[-1]
    assert (last.raw, last.internal_at, last.flags) == (letter(7), AT + timedelta(hours=5), frozenset())
