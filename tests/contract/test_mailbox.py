"""What every Mailbox promises, tried on the fake one and on the real one against two kinds of server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from responder.errors import TemporaryError
from tests.contract.worlds import AT, letter, move, opened, removal, uids_of

if TYPE_CHECKING:
    from tests.contract.worlds import World

CYRILLIC = "Обратные звонки/2026-11-24 10-00/ООО «Восток» & Ко"
HOSTILE_FOLDERS = (
    'Callbacks"\r\nx1 DELETE Victim\r\n',
    "Callbacks\nx1 DELETE Victim",
    "Callbacks\x00",
    "Callbacks\x7f",
    "Call\x85backs",
    "Call\u2028backs",
    "Call\ud800backs",
    "Callbacks//late",
    "/Callbacks",
    "Callbacks/ ",
    "",
)
HOSTILE_IDS = (
    '<a@b.example>" "\r\nx1 DELETE Victim\r\n',
    "<a\r\nx1 DELETE Victim\r\n@b.example>",
    "<a\x00@b.example>",
    '<"@b.example>',
    "<" + "a" * 10_000 + "@b.example>",
)

MIXED = (
    b"From: ivan@vostok.example\r\nMessage-ID: <mixed@vostok.example>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n'
    b"--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"
    b"--b2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n"
    b"--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>html</p>\r\n--b2--\r\n"
    b"--b1\r\nContent-Type: application/PDF\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''%D0%B4%D0%BE%D0%B3%D0%BE%D0%B2%D0%BE%D1%80.pdf\r\n\r\n%PDF\r\n"
    b'--b1\r\nContent-Type: image/png; name="logo.png"\r\nContent-Disposition: inline\r\n\r\nx\r\n'
    b"--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: x@vostok.example\r\nContent-Type: application/zip\r\n\r\nzip\r\n"
    b"--b1--\r\n"
)


# --------------------------------------------------------------------------------------- reading


async def test_an_empty_mailbox_says_what_comes_next(world: World) -> None:
    """INBOX without messages has a UIDVALIDITY, nothing in it, and UID 1 ahead."""
    async with opened(world) as mailbox:
        state, uids = await mailbox.scan(1)
        assert state.uidvalidity > 0
        assert (state.uidnext, state.exists, list(uids)) == (1, 0, [])


async def test_scan_gives_arrival_order_from_the_uid_on(world: World) -> None:
    """UIDs come ascending, from the one asked for; "n:*" does not bring the last message again."""
    world.deliver(*(letter(n) for n in range(1, 6)))
    mailbox = world.mailbox()
    opening = await mailbox.open()
    assert (opening.uidnext, opening.exists) == (6, 5)
    assert await uids_of(mailbox) == [1, 2, 3, 4, 5]
    assert await uids_of(mailbox, 4) == [4, 5]
    assert await uids_of(mailbox, 6) == []
    await mailbox.close()


async def test_scan_sees_what_arrived_since(world: World) -> None:
    """A session that is open already sees new mail at the next scan, with UIDNEXT behind it."""
    async with opened(world) as mailbox:
        world.deliver(letter(1), letter(2))
        state, uids = await mailbox.scan(1)
        assert (state.uidnext, state.exists, list(uids)) == (3, 2, [1, 2])
        world.deliver(letter(3))
        assert await uids_of(mailbox, 3) == [3]


async def test_scan_leaves_out_what_is_deleted(world: World) -> None:
    r"""A message marked \\Deleted or expunged is not among the UIDs, even if it is the last one."""
    world.deliver(*(letter(n) for n in range(1, 5)))
    async with opened(world) as mailbox:
        world.mark_deleted(4)
        world.expunge(2)
        left = await uids_of(mailbox)
        assert {2, 4}.isdisjoint(left)
        assert {1, 3} <= set(left)
        assert await uids_of(mailbox, 4) == []


async def test_fetch_brings_the_chosen_fields_raw(world: World) -> None:
    """A message has its chosen fields in their order and as they were folded, its arrival in UTC, size and flags."""
    raw = letter(1).replace(b"Subject: letter 1", b"Subject: =?utf-8?q?=D0=B4?=\r\n =?utf-8?q?=D0=B0?=")
    flags = {"\\Flagged", "$label1"} if world.keywords else {"\\Flagged"}
    world.deliver(raw, at=datetime(2026, 11, 20, 20, 0, 7, tzinfo=UTC), flags=flags)
    async with opened(world) as mailbox:
        (message,) = await mailbox.fetch([1])
        assert message.header == (
            b"Return-Path: <ivan@vostok.example>\r\nFrom: Ivan <ivan@vostok.example>\r\nTo: anna@example.com\r\n"
            b"Subject: =?utf-8?q?=D0=B4?=\r\n =?utf-8?q?=D0=B0?=\r\nDate: Fri, 20 Nov 2026 20:00:00 +0300\r\n"
            b"Message-ID: <1@vostok.example>\r\n\r\n"
        )
        assert (message.key.mailbox, message.key.uid, message.size) == ("main", 1, len(raw))
        assert message.key.uidvalidity == (await mailbox.scan(1))[0].uidvalidity
        assert message.internal_at == datetime(2026, 11, 20, 20, 0, 7, tzinfo=UTC)
        assert message.flags == flags
        assert not message.header_cut
        assert message.body is None


async def test_a_huge_header_is_cut_and_says_so(world: World) -> None:
    """Of a header larger than 65,536 octets that many come, marked as cut."""
    world.deliver(letter(1, extra="".join(f"In-Reply-To: <{n:0900}@b.example>\r\n" for n in range(100))))
    async with opened(world) as mailbox:
        (message,) = await mailbox.fetch([1])
        assert message.header_cut
        assert len(message.header) == 65_536


async def test_reading_changes_nothing(world: World) -> None:
    r"""Scan, fetch, bodies and find leave every flag as it was: never \\Seen, never \\Answered."""
    world.deliver(letter(1), letter(2, body="x" * 5_000), flags=["\\Flagged"])
    world.deliver(letter(3))
    before = world.stored()
    async with opened(world) as mailbox:
        await mailbox.scan(1)
        await mailbox.fetch([1, 2, 3])
        await mailbox.bodies([1, 2, 3], octets=100)
        assert await mailbox.find("<1@vostok.example>") == 1
        await mailbox.wait(0)
        await mailbox.sent_headers(None, AT)
        assert await uids_of(mailbox) == [1, 2, 3]
    assert world.stored() == before


async def test_bodies_are_beginnings_with_a_flat_structure(world: World) -> None:
    """A body comes raw up to the octets asked for; its leaves are listed, an attached message is one of them."""
    world.deliver(MIXED, letter(2, body="0123456789"))
    async with opened(world) as mailbox:
        bodies = await mailbox.bodies([1, 2], octets=4)
        assert bodies[2].beginning == b"0123"
        parts = bodies[1].parts
        assert bodies[1].beginning == b"--b1"
        assert parts is not None
        assert [(part.media, part.disposition, part.filename) for part in parts] == [
            ("text/plain", "", ""),
            ("text/html", "", ""),
            ("application/pdf", "attachment", "договор.pdf"),
            ("image/png", "inline", "logo.png"),
            ("message/rfc822", "", ""),
        ]
        assert parts[0].parameters["charset"] == "utf-8"
        whole = await mailbox.bodies([1], octets=100_000)
        assert whole[1].beginning == MIXED.partition(b"\r\n\r\n")[2]


async def test_an_empty_body_is_there(world: World) -> None:
    """A message without a body has an empty one."""
    world.deliver(b"From: ivan@vostok.example\r\nMessage-ID: <1@vostok.example>\r\n\r\n")
    async with opened(world) as mailbox:
        assert (await mailbox.bodies([1], octets=100))[1].beginning == b""


async def test_vanished_messages_are_left_out(world: World) -> None:
    """What was expunged after the scan is missing from every answer, and nothing fails."""
    world.deliver(letter(1), letter(2), letter(3))
    async with opened(world) as mailbox:
        await mailbox.scan(1)
        world.expunge(2)
        for _ in range(2):  # a session may answer from what it remembers until its next look
            await mailbox.find("<2@x.example>")
            assert {1, 3} <= {message.key.uid for message in await mailbox.fetch([1, 2, 3])} <= {1, 2, 3}
            assert {1, 3} <= set(await mailbox.bodies([1, 2, 3], octets=10)) <= {1, 2, 3}
        assert await uids_of(mailbox) == [1, 3]
        assert [message.key.uid for message in await mailbox.fetch([1, 2, 3, 99])] == [1, 3]
        assert list(await mailbox.bodies([1, 2, 3], octets=10)) == [1, 3]
        assert await mailbox.fetch([]) == []


async def test_what_vanished_is_not_filed(world: World) -> None:
    """A message that the owner's program removed between scan and filing is "gone"; the others are moved."""
    world.deliver(letter(1), letter(2), letter(3))
    async with opened(world) as mailbox:
        state, uids = await mailbox.scan(1)
        world.expunge(2)
        moves = [move(uid, state.uidvalidity, "Callbacks") for uid in uids]
        assert await mailbox.file(moves) == {1: "moved", 2: "gone", 3: "moved"}


async def test_find_gives_the_newest(world: World) -> None:
    """Of two messages with one Message-ID the newer is found; none gives None."""
    world.deliver(letter(1), letter(2), letter(1))
    async with opened(world) as mailbox:
        assert await mailbox.find("<1@vostok.example>") == 3
        assert await mailbox.find("<2@vostok.example>") == 2
        assert await mailbox.find("<9@vostok.example>") is None


async def test_many_messages_pass_in_chunks(world: World) -> None:
    """Twelve hundred messages are found, fetched and filed."""
    world.deliver(*(letter(n) for n in range(1, 1_201)))
    async with opened(world) as mailbox:
        state, uids = await mailbox.scan(1)
        assert list(uids) == list(range(1, 1_201))
        for start in range(0, 1_200, 400):
            messages = await mailbox.fetch(uids[start : start + 400])
            assert [f"<{each.key.uid}@vostok.example>".encode() in each.header for each in messages] == [True] * 400
        folders = ("Callbacks/one", "Callbacks/two")
        moves = [move(uid, state.uidvalidity, folders[uid % 2]) for uid in uids]
        assert set((await mailbox.file(moves)).values()) == {"moved"}
        assert await uids_of(mailbox) == []
    assert [len(world.stored(folder)) for folder in folders] == [600, 600]


# ---------------------------------------------------------------------------------------- filing


async def test_filed_mail_is_whole_in_its_folder(world: World) -> None:
    """A filed message has left INBOX, and has its text, INTERNALDATE and flags in nested Cyrillic folders."""
    world.deliver(letter(1), at=AT - timedelta(days=3, seconds=1), flags=["\\Flagged", "\\Seen"])
    world.deliver(letter(2), letter(3))
    before = world.stored()
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        moves = [move(1, state.uidvalidity, CYRILLIC), move(2, state.uidvalidity, "Callbacks/Done")]
        assert await mailbox.file(moves) == {1: "moved", 2: "moved"}
        assert await uids_of(mailbox) == [3]
        assert await mailbox.file(moves) == {1: "gone", 2: "gone"}
        world.deliver(letter(4))
        assert await uids_of(mailbox) == [3, 4]
        assert await mailbox.file([move(4, state.uidvalidity, CYRILLIC)]) == {4: "moved"}
    assert world.stored(CYRILLIC)[0] == before[0]
    assert len(world.stored(CYRILLIC)) == 2
    assert world.stored("Callbacks/Done") == [before[1]]


async def test_only_the_message_meant_is_filed(world: World) -> None:
    """Another message at that UID, or one that is deleted already, is "gone", and stays."""
    world.deliver(letter(1), letter(2), letter(3))
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        world.mark_deleted(3)
        await mailbox.scan(1)
        moves = [
            move(1, state.uidvalidity, "Callbacks", message_id="<other@vostok.example>"),
            move(3, state.uidvalidity, "Callbacks"),
            move(99, state.uidvalidity, "Callbacks"),
        ]
        assert set((await mailbox.file(moves)).values()) == {"gone"}
        assert await uids_of(mailbox) == [1, 2]
        assert "Callbacks" not in world.folders()


async def test_a_uid_of_another_uidvalidity_moves_nothing(world: World) -> None:
    """After INBOX was numbered anew no old UID is believed: the session ends, and every message stays."""
    world.deliver(letter(1), letter(2))
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        with pytest.raises(TemporaryError, match="numbered anew"):
            await mailbox.file([move(1, state.uidvalidity, "Callbacks"), move(2, state.uidvalidity + 1, "Callbacks")])
        assert len(world.stored()) == 2
        assert "Callbacks" not in world.folders()


async def test_a_claim_tells_the_flags_and_who_else_claims(world: World) -> None:
    r"""A claim sets one keyword, never \\Seen, and tells all flags after it; the same claim again tells the same.

    Where no keywords are taken it tells of no message.
    """
    world.deliver(letter(1), flags=["\\Flagged"])
    world.deliver(letter(2), letter(3))
    async with opened(world) as mailbox, opened(world) as other:
        await mailbox.scan(1)
        await other.scan(1)
        first = await mailbox.claim([1, 2, 99], "$Responder-0000000a")
        if not world.keywords:
            assert first == {}
            return
        assert first == {1: frozenset({"\\Flagged", "$Responder-0000000a"}), 2: frozenset({"$Responder-0000000a"})}
        second = await other.claim([2, 3], "$Responder-0000000b")
        assert second == {
            2: frozenset({"$Responder-0000000a", "$Responder-0000000b"}),
            3: frozenset({"$Responder-0000000b"}),
        }
        assert (await mailbox.claim([1], "$Responder-0000000a"))[1] == first[1]
        (message,) = await mailbox.fetch([3])
        assert "$Responder-0000000b" in message.flags
        await mailbox.withdraw([2, 99], "$Responder-0000000a")
        assert (await other.claim([2], "$Responder-0000000b"))[2] == frozenset({"$Responder-0000000b"})
    assert not any("\\Seen" in each.flags for each in world.stored())


async def test_mail_without_a_message_id_is_filed_as_such(world: World) -> None:
    """The empty id stands for a message that has none, and for no other."""
    world.deliver(letter(1).replace(b"Message-ID: <1@vostok.example>\r\n", b""), letter(2))
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        moves = [move(uid, state.uidvalidity, "Callbacks", message_id="") for uid in (1, 2)]
        assert await mailbox.file(moves) == {1: "moved", 2: "gone"}


async def test_a_folder_that_vanished_is_made_again(world: World) -> None:
    """A target that the owner deleted after we had used it is made anew."""
    world.deliver(letter(1), letter(2))
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        await mailbox.file([move(1, state.uidvalidity, "Callbacks/today")])
        world.remove_folder("Callbacks/today")
        assert await mailbox.file([move(2, state.uidvalidity, "Callbacks/today")]) == {2: "moved"}
    assert len(world.stored("Callbacks/today")) == 1


@pytest.mark.parametrize("folder", HOSTILE_FOLDERS)
async def test_an_unfit_folder_name_never_reaches_the_server(world: World, folder: str) -> None:
    """A folder name with a control character or an empty level files nothing, deletes nothing, and is told."""
    world.deliver(letter(1))
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        folders = world.folders()
        (word,) = (await mailbox.file([move(1, state.uidvalidity, folder)])).values()
        assert word not in ("moved", "gone")
        assert "folder" in word
        assert world.folders() == folders
        assert await uids_of(mailbox) == [1]


@pytest.mark.parametrize("message_id", HOSTILE_IDS)
async def test_a_message_id_is_never_an_argument(world: World, message_id: str) -> None:
    """A hostile Message-ID is only compared: nothing is found, nothing is filed, no command is smuggled in."""
    world.deliver(letter(1))
    async with opened(world) as mailbox:
        state, _ = await mailbox.scan(1)
        await mailbox.file([move(1, state.uidvalidity, "Victim")])
        world.deliver(letter(2))
        assert await mailbox.find(message_id) is None
        assert await mailbox.file([move(2, state.uidvalidity, "Victim", message_id=message_id)]) == {2: "gone"}
        appended = await mailbox.append_draft(letter(3), AT)
        assert await mailbox.remove_draft(removal(appended.uidvalidity, appended.uid, message_id)) == "gone"
        assert "Victim" in world.folders()
        assert await uids_of(mailbox) == [2]
