"""What only a real server can show: what lies in its folders, and how a broken filing is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.errors import TemporaryError
from tests.contract.worlds import AT, ServerWorld, letter, move, uids_of
from tests.servers.dovecot import Dovecot

if TYPE_CHECKING:
    from tests.servers.mail_program import ImapServer


@pytest.fixture
def world(imap_server: ImapServer, user: str) -> ServerWorld:
    """Return a new user of each server."""
    return ServerWorld(imap_server, user)


async def test_new_folders_are_subscribed(world: ServerWorld) -> None:
    """The owner's program shows what we made; a dot inside a name makes no level of its own."""
    world.deliver(letter(1))
    mailbox = world.mailbox()
    state = await mailbox.open()
    folder = "Callbacks/2026-11-24 10.00"
    assert await mailbox.file([move(1, state.uidvalidity, folder)]) == {1: "moved"}
    await mailbox.close()
    made = folder if world.server.separator == "/" else "Callbacks/2026-11-24 10_00"
    assert made in world.folders()
    assert made in world.program.subscribed()
    again = world.mailbox()
    await again.open()
    assert made in again.profile.folders
    assert all(world.stored(each) is not None for each in again.profile.folders)  # each can be selected
    await again.close()


async def test_a_parent_that_holds_no_mail_can_become_a_target(world: ServerWorld) -> None:
    """A level above a folder, which cannot be selected, is made into a folder when mail is to go there."""
    world.deliver(letter(1), letter(2))
    mailbox = world.mailbox()
    state = await mailbox.open()
    await mailbox.file([move(1, state.uidvalidity, "Callbacks/today")])
    assert await mailbox.file([move(2, state.uidvalidity, "Callbacks")]) == {2: "moved"}
    await mailbox.close()
    assert (len(world.stored("Callbacks")), len(world.stored("Callbacks/today"))) == (1, 1)


@pytest.mark.parametrize("imap_server", ["dovecot_poor", "courier"], indirect=True)
async def test_a_copy_made_before_a_crash_is_not_made_again(world: ServerWorld) -> None:
    r"""Without MOVE a crash may come between COPY and \Deleted: the next try finishes, and copies nothing twice."""
    world.deliver(letter(1), letter(2), at=AT)
    mailbox = world.mailbox()
    state = await mailbox.open()
    with world.program.session() as client:
        client.create_folder("INBOX.Callbacks")
        client.select_folder("INBOX")
        client.copy([1], "INBOX.Callbacks")
    moves = [move(uid, state.uidvalidity, "Callbacks") for uid in (1, 2)]
    await mailbox.open()
    assert await mailbox.file(moves) == {1: "moved", 2: "moved"}
    assert (await mailbox.scan(1))[1] == []
    await mailbox.close()
    assert [stored.raw for stored in world.stored("Callbacks")] == [letter(1), letter(2)]


async def test_another_message_with_the_same_id_is_not_lost(world: ServerWorld) -> None:
    """A second message that bears a filed one's Message-ID is copied all the same before it leaves INBOX."""
    world.deliver(letter(1), letter(1, body="same length, isn't"))
    mailbox = world.mailbox()
    state = await mailbox.open()
    for uid in (1, 2):
        same = move(uid, state.uidvalidity, "Callbacks", message_id="<1@vostok.example>")
        assert await mailbox.file([same]) == {uid: "moved"}
    await mailbox.close()
    assert len({stored.raw for stored in world.stored("Callbacks")}) == 2


async def test_read_only_changes_nothing(world: ServerWorld) -> None:
    """Opened read-only, INBOX is read as always and nothing can leave it."""
    world.deliver(letter(1))
    mailbox = world.mailbox(read_only=True)
    state = await mailbox.open()
    assert len(await mailbox.fetch((await mailbox.scan(1))[1])) == 1
    (word,) = (await mailbox.file([move(1, state.uidvalidity, "Callbacks")])).values()
    await mailbox.close()
    assert "reading only" in word
    assert "Callbacks" not in world.folders()
    assert [stored.raw for stored in world.stored()] == [letter(1)]


async def test_an_unchanged_sent_costs_one_command(world: ServerWorld) -> None:
    """Asking for news of Sent where there is none is one STATUS; INBOX stays selected."""
    mailbox = world.mailbox()
    await mailbox.open()
    cursor, _ = await mailbox.sent_headers(None, AT)
    before = mailbox.counters["commands"]
    await mailbox.sent_headers(cursor, AT)
    assert mailbox.counters["commands"] == before + 1
    await mailbox.close()


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("imap_server", ["sandbox", "dovecot_rich"], indirect=True)  # the others refuse the renaming
async def test_an_inbox_that_was_renamed_is_left(
    world: ServerWorld, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    """A session that was taken along with INBOX comes back to the new one: after the next wait, or after a minute."""
    world.deliver(letter(1), letter(2))
    mailbox = world.mailbox()
    await mailbox.open()
    assert await uids_of(mailbox) == [1, 2]
    with world.program.session() as client:
        client.rename_folder("INBOX", "Old")
    world.deliver(letter(3))
    try:
        try:
            if waits:
                await mailbox.wait(0.2)
            else:
                monkeypatch.setattr("responder.adapters.imap_folders.LOOK_AGAIN", 0.0)
            uids = await uids_of(mailbox)
        except TemporaryError:  # pymap notices, and so does Dovecot at times: the session ends
            await mailbox.open()
            uids = await uids_of(mailbox)
        # Dovecot 2.3 may close an idling session here and lose the letter, also of a bare client (6 of 150 runs).
        if not isinstance(world.server, Dovecot) or world.stored():
            assert uids == [1]
        if uids:
            (message,) = await mailbox.fetch(uids)
            assert b"<3@vostok.example>" in message.header
    finally:
        await mailbox.close()
