"""What every Mailbox promises of Sent, drafts, waiting and its session, in every world."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.errors import ConfigurationError, TemporaryError
from tests.contract.worlds import AT, letter, opened, removal, uids_of

if TYPE_CHECKING:
    from tests.contract.worlds import World


# ---------------------------------------------------------------------------------- Sent, drafts


async def test_sent_is_read_once(world: World) -> None:
    """Without a cursor what is there comes; with one only what is new; the session stands in INBOX afterwards."""
    world.deliver(letter(1))
    async with opened(world) as mailbox:
        assert mailbox.profile.sent == "Sent"
        world.deliver(letter(11, extra="In-Reply-To: <1@vostok.example>\r\nBcc: x@mail.example\r\n"), folder="Sent")
        first, headers = await mailbox.sent_headers(None, AT)
        assert first is not None
        assert (first.folder, first.uidnext) == ("Sent", 2)
        assert [header.uid for header in headers] == [1]
        assert b"In-Reply-To: <1@vostok.example>\r\n" in headers[0].header
        assert b"Bcc: x@mail.example\r\n" in headers[0].header
        assert b"X-Mailer" not in headers[0].header
        assert headers[0].internal_at == AT
        again, nothing = await mailbox.sent_headers(first, AT)
        assert (again, list(nothing)) == (first, [])
        world.deliver(letter(12), letter(13), folder="Sent")
        second, news = await mailbox.sent_headers(first, AT)
        assert second is not None
        assert ([header.uid for header in news], second.uidnext) == ([2, 3], 4)
        assert await uids_of(mailbox) == [1]


async def test_sent_of_another_uidvalidity_is_read_anew(world: World) -> None:
    """A cursor of another UIDVALIDITY is worth nothing; then the last 200 messages come, and more of the asked time."""
    world.deliver(*(letter(n) for n in range(1, 206)), folder="Sent")
    async with opened(world) as mailbox:
        later = AT + timedelta(seconds=1)
        cursor, headers = await mailbox.sent_headers(None, later)
        assert cursor is not None
        assert [header.uid for header in headers] == list(range(6, 206))
        old = type(cursor)(folder="Sent", uidvalidity=cursor.uidvalidity + 1, uidnext=cursor.uidnext)
        assert len((await mailbox.sent_headers(old, later))[1]) == 200
        assert [header.uid for header in (await mailbox.sent_headers(None, AT))[1]] == list(range(1, 206))


async def test_a_copy_in_sent_is_read_and_marked(world: World) -> None:
    r"""A copy of a reply lies in Sent with its time, \\Seen and (if kept) the keyword; the next reading brings it."""
    async with opened(world) as mailbox:
        cursor, _ = await mailbox.sent_headers(None, AT)
        message = letter(7, extra="Auto-Submitted: auto-replied\r\nX-Responder-Id: <r.1@example.com>\r\n")
        appended = await mailbox.append_sent(message, AT)
        assert appended is not None
        assert appended.folder == "Sent"
        assert appended.uid in ((1,) if world.uidplus else (0, 1))
        _, (header,) = await mailbox.sent_headers(cursor, AT)
        assert b"X-Responder-Id: <r.1@example.com>\r\n" in header.header
    (stored,) = world.stored("Sent")
    flags = {"\\Seen", "$autosent"} if world.keywords else {"\\Seen"}
    assert (stored.raw, stored.internal_at, set(stored.flags)) == (message, AT, flags)


async def test_a_draft_is_saved_and_taken_away(world: World) -> None:
    """Drafts is made where it is missing; our draft is removed once, and no other draft with it."""
    async with opened(world) as mailbox:
        before = mailbox.profile
        assert before.drafts is None
        first = await mailbox.append_draft(letter(1), AT)
        second = await mailbox.append_draft(letter(2), AT)
        assert mailbox.profile.drafts == first.folder == second.folder == "Drafts"
        assert all("\\Draft" in each.flags for each in world.stored("Drafts"))
        assert await mailbox.remove_draft(removal(first.uidvalidity, first.uid, "<1@vostok.example>")) == "removed"
        assert await mailbox.remove_draft(removal(first.uidvalidity, first.uid, "<1@vostok.example>")) == "gone"
        assert [stored.raw for stored in world.stored("Drafts")] == [letter(2)]
        world.deliver(letter(3))
        assert await uids_of(mailbox) == [1]


async def test_a_draft_that_is_another_stays(world: World) -> None:
    """With another id, UID or UIDVALIDITY nothing is removed."""
    async with opened(world) as mailbox:
        await mailbox.append_draft(letter(1), AT)
        uidvalidity = 1 + max((await mailbox.append_draft(letter(2), AT)).uidvalidity, 1)
        assert await mailbox.remove_draft(removal(uidvalidity, 1, "<1@vostok.example>")) == "gone"
        assert await mailbox.remove_draft(removal(uidvalidity - 1, 2, "<1@vostok.example>")) == "gone"
        assert await mailbox.remove_draft(removal(0, 0, "<9@vostok.example>")) == "gone"
        assert await mailbox.remove_draft(removal(0, 0, "")) == "gone"
        assert len(world.stored("Drafts")) == 2


async def test_messages_of_ours_are_found_where_they_lie(world: World) -> None:
    """Each is found with its place, in Sent or in Drafts and not in the other; what is not there is left out."""
    async with opened(world) as mailbox:
        assert await mailbox.find_ours("drafts", ["<1@vostok.example>"]) == {}
        await mailbox.append_sent(letter(1), AT)
        await mailbox.append_draft(letter(2), AT)
        await mailbox.append_draft(letter(3), AT)
        ids = [f"<{number}@vostok.example>" for number in range(1, 5)]
        (first,) = (await mailbox.find_ours("sent", ids)).items()
        assert (first[0], first[1].folder, first[1].uid) == (ids[0], "Sent", 1)
        renamed = letter(8, extra="X-Responder-Id: <4@vostok.example>\r\n")  # by a provider that has ids of its own
        await mailbox.append_sent(renamed, AT)
        assert {name: found.uid for name, found in (await mailbox.find_ours("sent", ids)).items()} == {
            ids[0]: 1,
            ids[3]: 2,
        }
        drafts = await mailbox.find_ours("drafts", ids)
        assert {name: found.uid for name, found in drafts.items()} == {ids[1]: 1, ids[2]: 2}
        found = drafts[ids[2]]
        assert await mailbox.remove_draft(removal(found.uidvalidity, found.uid, ids[2])) == "removed"
        assert await mailbox.find_ours("drafts", ids[2:]) == {}
        assert await uids_of(mailbox) == []


# --------------------------------------------------------------------------------------- waiting


async def test_wait_ends_on_delivery(world: World) -> None:
    """New mail ends the wait where the server tells of it at once; elsewhere the scan after the wait finds it."""
    async with opened(world) as mailbox:
        await mailbox.scan(1)
        begun = time.monotonic()
        waiting = asyncio.create_task(mailbox.wait(60 if world.prompt else 0.05))
        await asyncio.sleep(0)
        world.deliver(letter(1))
        told = await waiting
        assert told or not world.prompt
        assert world.idle or not told
        assert time.monotonic() - begun < 30
        assert await uids_of(mailbox) == [1]


async def test_mail_between_scan_and_wait_is_not_slept_through(world: World) -> None:
    """A message that lands after the scan and before the wait ends the wait at once."""
    async with opened(world) as mailbox:
        for n in (1, 2, 3):
            await mailbox.scan(n)
            world.deliver(letter(n))
            begun = time.monotonic()
            assert await mailbox.wait(8 if world.idle else 0) is world.idle
            assert time.monotonic() - begun < 5
            assert await uids_of(mailbox, n) == [n]


async def test_wake_ends_a_wait(world: World) -> None:
    """Ringing from another thread ends a running wait, and ringing before it the next one; then it is quiet."""
    async with opened(world) as mailbox:
        await mailbox.scan(1)
        begun = time.monotonic()
        waiting = asyncio.create_task(mailbox.wait(60))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(mailbox.wake)
        assert await waiting
        mailbox.wake()
        mailbox.wake()
        assert await mailbox.wait(60)
        assert not await mailbox.wait(0.05)
        assert time.monotonic() - begun < 10


async def test_a_cancelled_wait_leaves_the_mailbox_usable(world: World) -> None:
    """Cancelling a wait does not keep the session from doing the next thing."""
    async with opened(world) as mailbox:
        waiting = asyncio.create_task(mailbox.wait(60))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        world.deliver(letter(1))
        assert await uids_of(mailbox) == [1]


async def test_closing_ends_a_wait(world: World) -> None:
    """A wait that was rung for ends at once, with news; close may come twice, and before open."""
    mailbox = world.mailbox()
    await mailbox.close()
    mailbox.wake()
    await mailbox.open()
    async with asyncio.timeout(4):
        await mailbox.wait(5)
    await mailbox.close()
    await mailbox.close()
    mailbox.wake()


# --------------------------------------------------------------------------------------- session


async def test_a_lost_session_is_temporary_and_can_be_rebuilt(world: World) -> None:
    """After the server ended the session a call is a TemporaryError, so is the next; open makes it good."""
    world.deliver(letter(1))
    mailbox = world.mailbox()
    await mailbox.open()
    assert await uids_of(mailbox) == [1]
    world.kick()
    with pytest.raises(TemporaryError, match=r"\w"):
        await mailbox.scan(1)
    with pytest.raises(TemporaryError, match="session"):
        await mailbox.fetch([1])
    await mailbox.open()
    assert await uids_of(mailbox) == [1]
    await mailbox.close()


async def test_a_session_lost_while_waiting_is_told(world: World) -> None:
    """A connection that ends during the wait is no quiet night: it is a TemporaryError by the next scan."""
    mailbox = world.mailbox()
    await mailbox.open()
    waiting = asyncio.create_task(mailbox.wait(10 if world.idle else 0.3))
    await asyncio.sleep(0.1)
    world.kick()
    with pytest.raises(TemporaryError):  # noqa: PT012 - where it is noticed depends on IDLE
        await waiting
        await mailbox.scan(1)
    await mailbox.close()


async def test_open_replaces_an_open_session(world: World) -> None:
    """Open on an open mailbox logs in anew."""
    world.deliver(letter(1))
    async with opened(world) as mailbox:
        await mailbox.open()
        assert await uids_of(mailbox) == [1]


async def test_without_a_session_everything_is_temporary(world: World) -> None:
    """Before open and after close a call says that the mailbox is to be opened."""
    mailbox = world.mailbox()
    with pytest.raises(TemporaryError):
        await mailbox.scan(1)
    with pytest.raises(TemporaryError):
        _ = mailbox.profile


async def test_a_wrong_password_is_the_owners_to_mend(world: World) -> None:
    """A refused login is a ConfigurationError that does not hold the password."""
    mailbox = world.mailbox(password="wrong horse")
    with pytest.raises(ConfigurationError) as caught:
        await mailbox.open()
    assert "wrong horse" not in str(caught.value)
    await mailbox.close()
