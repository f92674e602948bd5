"""Other folders than INBOX on real servers: what a crash, a lost line or another program leaves of a move."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from responder.errors import PermanentError, TemporaryError
from tests.contract.worlds import AT, ServerWorld, flagging, letter, refiling, uids_of
from tests.servers.fault_proxy import FaultProxy, Rule, cut_after, cut_answer, cut_before, goodbye

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from responder.adapters.mailbox import ImapMailbox
    from responder.core.model import MessageKey
    from tests.servers.dovecot import Dovecot
    from tests.servers.fault_proxy import Fault
    from tests.servers.mail_program import ImapServer

TODAY = "Обратные звонки/2026-11-24 10-00"
LATER = "Обратные звонки/2026-11-25 10-00/ООО «Восток» & Ко"
REAL = [
    pytest.param(name, marks=pytest.mark.server)
    for name in ("dovecot_rich", "dovecot_poor", "courier", "cyrus", "cyrus_inbox")
]
FAULTS = (cut_before, cut_after, lambda: cut_answer(9), lambda: goodbye("* BYE Server shutting down.\r\n"))


@pytest.fixture
def world(imap_server: ImapServer, user: str) -> ServerWorld:
    """Return a new user of each server."""
    return ServerWorld(imap_server, user)


@pytest.fixture
async def mailbox(world: ServerWorld) -> AsyncIterator[ImapMailbox]:
    """Return the user's mailbox, open."""
    made = world.mailbox()
    await made.open()
    yield made
    await made.close()


async def keys_in(mailbox: ImapMailbox, folder: str) -> Sequence[MessageKey]:
    """Return the keys of a folder's messages."""
    return [message.key for message in await mailbox.look(folder) or ()]


def lies(world: ServerWorld) -> dict[bytes, list[str]]:
    """Return where each message lies, by its text."""
    found: dict[bytes, list[str]] = {}
    for folder, each in world.program.everything():
        found.setdefault(each.raw, []).append(folder)
    return found


# ------------------------------------------------------------------------------------- moving on


async def test_a_new_folder_is_subscribed_and_a_removed_one_no_more(world: ServerWorld, mailbox: ImapMailbox) -> None:
    """The owner's program shows the folder that mail was moved on to, and forgets the one that was removed."""
    world.make_folder(TODAY)
    world.deliver(letter(1), folder=TODAY)
    (key,) = await keys_in(mailbox, TODAY)
    assert set((await mailbox.refile([refiling(key, TODAY, LATER)])).values()) == {"moved"}
    assert LATER in world.program.subscribed()
    with world.program.session() as client:
        client.select_folder(world.program.wire(LATER))
        client.delete_messages([1])
        client.expunge()
    assert await mailbox.remove_folder(LATER) == "removed"
    assert LATER not in world.program.subscribed()
    assert LATER not in world.folders()


async def test_a_copy_made_before_a_crash_is_finished(world: ServerWorld, mailbox: ImapMailbox) -> None:
    """A move that broke off after the copy is finished: no message is copied twice, and each leaves its folder."""
    for folder in (TODAY, LATER):
        world.make_folder(folder)
    world.deliver(letter(1), letter(2), folder=TODAY)
    with world.program.session() as client:
        client.select_folder(world.program.wire(TODAY))
        client.copy([1], world.program.wire(LATER))
    moves = [refiling(key, TODAY, LATER) for key in await keys_in(mailbox, TODAY)]
    mailbox._refiling = True  # as after a session that was lost in a move; without MOVE it is always looked
    assert set((await mailbox.refile(moves)).values()) == {"moved"}
    assert await keys_in(mailbox, TODAY) == []
    assert [each.raw for each in world.stored(LATER)] == [letter(1), letter(2)]
    assert await uids_of(mailbox) == []


async def test_a_move_that_broke_off_before_it_was_expunged_is_finished(
    world: ServerWorld, mailbox: ImapMailbox
) -> None:
    r"""What is copied and marked as deleted is expunged with UIDPLUS, so that its folder can become empty.

    What the owner has marked, and what lies nowhere else, is not touched.
    """
    for folder in (TODAY, LATER):
        world.make_folder(folder)
    world.deliver(letter(1), letter(2), folder=TODAY)
    moves = [refiling(key, TODAY, LATER) for key in await keys_in(mailbox, TODAY)]
    with world.program.session() as client:
        client.select_folder(world.program.wire(TODAY))
        client.copy([1], world.program.wire(LATER))
        client.delete_messages([1, 2])
    mailbox._refiling = True
    words = list((await mailbox.refile(moves)).values())
    assert words == (["moved", "gone"] if world.uidplus else ["gone", "gone"])
    with world.program.session() as client:
        client.select_folder(world.program.wire(TODAY), readonly=True)
        assert client.search("DELETED") == ([2] if world.uidplus else [1, 2])
    assert [each.raw for each in world.stored(LATER)] == [letter(1)]
    assert "not empty" in await mailbox.remove_folder(TODAY)


async def test_another_message_with_the_same_id_moves_on_too(world: ServerWorld, mailbox: ImapMailbox) -> None:
    """A second message that bears the first one's Message-ID and length is not taken for its copy."""
    world.make_folder(TODAY)
    world.deliver(letter(1), letter(1, body="Could you, call m?"), folder=TODAY)
    for key in await keys_in(mailbox, TODAY):
        moving = refiling(key, TODAY, LATER, message_id="<1@vostok.example>")
        assert set((await mailbox.refile([moving])).values()) == {"moved"}
    assert len({each.raw for each in world.stored(LATER)}) == 2


@pytest.mark.matrix
@pytest.mark.parametrize("fault", FAULTS, ids=["cut before", "cut after", "answer cut", "BYE"])
@pytest.mark.parametrize("imap_server", REAL, indirect=True)
async def test_wherever_the_line_breaks_each_message_moves_once(world: ServerWorld, fault: Any) -> None:
    """TemporaryError, ``open``, and the same again: each message lies in its new folder, once, and nowhere else."""
    struck: list[str] = []
    lines = ("SELECT", "UID FETCH", "LIST", "CREATE", "SUBSCRIBE", "UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE")
    world.make_folder(TODAY)
    async with FaultProxy(world.server.imap_port, "imap") as proxy:
        mailbox = world.mailbox(port=proxy.port)
        for n, line in enumerate(lines):
            raws = [letter(10 * n + 1), letter(10 * n + 2)]
            await asyncio.to_thread(lambda raws=raws: world.deliver(*raws, folder=TODAY))
            await mailbox.open()
            moves = [
                refiling(key, TODAY, f"{LATER}/{n}", message_id=f"<{10 * n + m}@vostok.example>")
                for m, key in enumerate(await keys_in(mailbox, TODAY), 1)
            ]
            assert len(moves) == 2
            rule = Rule(rf"\S+ {line} ", fault())
            proxy.rules = [rule]
            try:
                await mailbox.refile(moves)
            except TemporaryError:
                struck.append(line)
            proxy.rules = []
            assert bool(rule.struck) == (line in struck)
            await mailbox.open()
            assert set((await mailbox.refile(moves)).values()) <= {"moved", "gone"}
            assert await keys_in(mailbox, TODAY) == []
            found = await asyncio.to_thread(lies, world)
            assert [found[raw] for raw in raws] == [[f"{LATER}/{n}"]] * 2, line
        await mailbox.close()
        assert not proxy.said(r"\S+ (EXPUNGE|CLOSE)")
    assert {"SELECT", "UID FETCH", "CREATE", "SUBSCRIBE"} <= set(struck)
    assert ("UID MOVE" in struck) == mailbox.profile.move
    assert ({"UID COPY", "UID STORE"} <= set(struck)) == (not mailbox.profile.move)
    assert not any("\\Seen" in each.flags for _, each in await asyncio.to_thread(lambda: [*world.program.everything()]))


# -------------------------------------------------------------------------------------- removing


@pytest.mark.matrix
@pytest.mark.parametrize("fault", FAULTS, ids=["cut before", "cut after", "answer cut", "BYE"])
@pytest.mark.parametrize("imap_server", REAL, indirect=True)
async def test_wherever_the_line_breaks_a_folder_is_removed_once(world: ServerWorld, fault: Any) -> None:
    """After a removal that broke off the next one finishes it, and what has come into the folder meanwhile stays."""
    async with FaultProxy(world.server.imap_port, "imap") as proxy:
        mailbox = world.mailbox(port=proxy.port)
        for n, line in enumerate(("LIST", "STATUS", "DELETE", "UNSUBSCRIBE")):
            for folder, filled in ((f"{TODAY} {n}", True), (f"{TODAY} {n} empty", False)):
                await asyncio.to_thread(world.make_folder, folder)
                await mailbox.open()
                proxy.rules = [Rule(rf"\S+ {line} ", fault())]
                with pytest.raises(TemporaryError):
                    await mailbox.remove_folder(folder)
                proxy.rules = []
                if filled:
                    if folder not in await asyncio.to_thread(world.folders):
                        await asyncio.to_thread(world.make_folder, folder)
                    await asyncio.to_thread(world.deliver, letter(1), folder=folder)
                await mailbox.open()
                word = await mailbox.remove_folder(folder)
                assert "not empty" in word if filled else word in ("removed", "gone")
                assert (folder in await asyncio.to_thread(world.folders)) == filled
                assert not filled or len(await asyncio.to_thread(world.stored, folder)) == 1
        await mailbox.close()


async def test_a_level_that_holds_no_mail_is_no_folder(world: ServerWorld, mailbox: ImapMailbox) -> None:
    """A name that only has folders below it does not exist, unless the server makes it one; what is below it stays."""
    world.make_folder("Callbacks/2026/morning")
    world.deliver(letter(1), folder="Callbacks/2026/morning")
    real = await mailbox.exists("Callbacks/2026")  # Cyrus makes the levels above
    found = await mailbox.look("Callbacks/2026")
    word = await mailbox.remove_folder("Callbacks/2026")
    assert (found, "below" in word) == (([], True) if real else (None, False))
    assert real or word == "gone"
    assert [each.raw for each in world.stored("Callbacks/2026/morning")] == [letter(1)]


@pytest.mark.parametrize("imap_server", ["sandbox", "dovecot_rich", "dovecot_poor", "courier"], indirect=True)
async def test_a_name_with_wildcards_is_that_name(world: ServerWorld, mailbox: ImapMailbox) -> None:
    r"""A client called "50% * "x"" is looked for by that name: others that match it are neither it nor below it."""
    odd, like = 'Callbacks/50% * "x" \\ & ю', 'Callbacks/50 and % and "x" \\ & ю'
    for folder in (like, f"{like}/deeper"):
        world.make_folder(folder)
    assert not await mailbox.exists(odd)
    assert await mailbox.remove_folder(odd) == "gone"
    world.make_folder(odd)
    world.deliver(letter(1), folder=odd)
    assert await mailbox.exists(odd)
    (key,) = await keys_in(mailbox, odd)
    assert "not empty" in await mailbox.remove_folder(odd)
    assert set((await mailbox.refile([refiling(key, odd, TODAY)])).values()) == {"moved"}
    if world.uidplus:
        assert await mailbox.remove_folder(odd) == "removed"
        assert odd not in world.folders()
    assert {like, f"{like}/deeper"} <= world.folders()
    assert [each.raw for each in world.stored(TODAY)] == [letter(1)]


# ------------------------------------------------------------------------------- INBOX, read-only


async def test_a_message_whose_answer_was_lost_is_found(world: ServerWorld) -> None:
    """APPEND was obeyed and its answer lost: after ``open`` the message is found in INBOX by its id."""
    async with FaultProxy(world.server.imap_port, "imap", Rule("kept", cut_after())) as proxy:
        mailbox = world.mailbox(port=proxy.port)
        await mailbox.open()
        with pytest.raises(TemporaryError):
            await mailbox.append_inbox(b"Message-ID:<7@vostok.example>\r\n\r\nkept\r\n", AT)
        await mailbox.open()
        found = await mailbox.find_ours("inbox", ["<7@vostok.example>"])
        assert [place.uid for place in found.values()] == [1]
        assert await uids_of(mailbox) == [1]
        await mailbox.close()


async def test_the_watched_folder_is_the_inbox(world: ServerWorld) -> None:
    """Where another folder is watched, ours lies there, is found and flagged there, and it is never removed."""
    world.make_folder(TODAY)
    mailbox = world.mailbox(inbox=TODAY)
    await mailbox.open()
    assert (await mailbox.append_inbox(letter(1), AT)).folder == TODAY
    assert (await mailbox.find_ours("inbox", ["<1@vostok.example>"]))["<1@vostok.example>"].folder == TODAY
    (key,) = [message.key for message in await mailbox.fetch(await uids_of(mailbox))]
    assert list((await mailbox.flag([flagging(key, "")])).values()) == ["flagged"]
    assert "own folders" in await mailbox.remove_folder(TODAY)
    assert await uids_of(mailbox) == [1]
    await mailbox.close()
    assert [each.flags for each in world.stored(TODAY)] == [{"\\Flagged"}]
    assert world.stored() == []


async def test_read_only_refuses_everything_that_changes(world: ServerWorld) -> None:
    """Opened read-only, folders are looked at as always; nothing is moved, flagged, removed or appended."""
    for folder in (TODAY, "Callbacks"):
        world.make_folder(folder)
    world.deliver(letter(1), folder=TODAY)
    mailbox = world.mailbox(read_only=True)
    await mailbox.open()
    (key,) = await keys_in(mailbox, TODAY)
    words = [
        *(await mailbox.refile([refiling(key, TODAY, LATER)])).values(),
        *(await mailbox.flag([flagging(key, TODAY), flagging(replace(key, uid=1), "")])).values(),
        await mailbox.remove_folder("Callbacks"),
    ]
    assert all("reading only" in word for word in words)
    with pytest.raises(PermanentError, match="reading only"):
        await mailbox.append_inbox(letter(2), AT)
    assert await uids_of(mailbox) == []
    await mailbox.close()
    assert "Callbacks" in world.folders()
    assert LATER not in world.folders()
    assert [(each.raw, each.flags) for each in world.stored(TODAY)] == [(letter(1), frozenset())]


@pytest.mark.server
async def test_without_move_each_message_moves_once(dovecot_rich: Dovecot, user: str) -> None:
    """With UIDPLUS and without MOVE: wherever the line breaks, what was moved is expunged, and nothing else is."""
    world = ServerWorld(dovecot_rich, user)
    world.make_folder(TODAY)
    world.deliver(letter(99), folder=TODAY)
    world.mark_deleted(1, TODAY)  # by the owner, and it lies nowhere else
    faults: list[Fault] = [make() for make in FAULTS]
    lines = ("UID COPY", "UID STORE", "UID EXPUNGE", "EXAMINE")
    async with FaultProxy(
        dovecot_rich.imap_port, "imap", edit=lambda line: line.replace(b" MOVE", b"") if b"CAPABILITY" in line else line
    ) as proxy:
        mailbox = world.mailbox(port=proxy.port)
        for n, (line, fault) in enumerate(((line, fault) for line in lines for fault in faults), 1):
            await asyncio.to_thread(world.deliver, letter(n), folder=TODAY)
            await mailbox.open()
            (key,) = await keys_in(mailbox, TODAY)
            moves = [refiling(key, TODAY, LATER, message_id=f"<{n}@vostok.example>")]
            proxy.rules = [Rule(rf"\S+ {line} ", fault)]
            with pytest.raises(TemporaryError):
                await mailbox.refile(moves)
            proxy.rules = []
            await mailbox.open()
            assert set((await mailbox.refile(moves)).values()) <= {"moved", "gone"}
            assert await keys_in(mailbox, TODAY) == []
            assert len(await keys_in(mailbox, LATER)) == n, (line, fault)
        await mailbox.close()
    with world.program.session() as client:
        client.select_folder(TODAY, readonly=True)
        assert client.search("DELETED") == [1]
