"""What the mailbox makes of servers that break or refuse while it is in other folders than INBOX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from responder.core.model import MessageKey
from responder.errors import PermanentError, TemporaryError
from tests.contract.worlds import AT, flagging, letter, refiling
from tests.servers.imap_script import BASICS, CLOSE, ScriptedImap, mailbox_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from responder.adapters.mailbox import ImapMailbox

OK = "{tag} OK done\r\n"
NO = "{tag} NO not now\r\n"
SHELF, TARGET = "Callbacks/today", "Callbacks/later"
KEY = MessageKey(mailbox="main", uidvalidity=7, uid=1)
FETCHED = (
    '* 1 FETCH (UID 1 INTERNALDATE "20-Nov-2026 17:00:00 +0000" RFC822.SIZE 35 FLAGS () '
    "BODY[] {35}\r\nMessage-ID: <1@vostok.example>\r\n\r\nx)\r\n" + OK
)
MOVED = "* OK [COPYUID 9 1 5] x\r\n* 1 EXPUNGE\r\n" + OK


def listed(*names: str, attributes: str = "") -> str:
    """Return the answer to LIST with these folders."""
    return "".join(f'* LIST ({attributes}) "/" "{name}"\r\n' for name in names) + OK


LISTS = listed("INBOX", "Sent", SHELF, TARGET)


async def said(
    script: dict[str, Any], work: Callable[[ImapMailbox], Awaitable[Any]], *, opens: int = 1
) -> tuple[Any, list[str]]:
    """Open, do the work, close; return what came of it and the lines that the server was told after it was opened.

    ``opens``: before the last opening the work is done too, and must end in a TemporaryError.
    """
    with ScriptedImap({"LIST": LISTS, "UID FETCH": FETCHED, **script}) as server:
        mailbox = mailbox_at(server)
        try:
            for _ in range(opens - 1):
                await mailbox.open()
                with pytest.raises(TemporaryError):
                    await work(mailbox)
            await mailbox.open()
            begun = len(server.lines)
            result = await work(mailbox)
            return result, [line.partition(" ")[2] for line in server.lines[begun:]]
        finally:
            await mailbox.close()


def removing(folder: str) -> Callable[[ImapMailbox], Awaitable[str]]:
    """Return the work that removes a folder."""
    return lambda mailbox: mailbox.remove_folder(folder)


# -------------------------------------------------------------------------------------- removing

EMPTY = f'* STATUS "{SHELF}" (MESSAGES 0)\r\n' + OK


async def test_a_folder_is_asked_about_right_before_it_is_removed() -> None:
    """LIST of it, LIST of what is below it, STATUS, DELETE, UNSUBSCRIBE: nothing comes in between, the level after."""
    script = {"LIST": [LISTS, listed(SHELF), listed()], "STATUS": EMPTY, "DELETE": OK, "UNSUBSCRIBE": OK}
    word, lines = await said(script, removing(SHELF))
    assert word == "removed"
    assert lines == [
        f'LIST "" "{SHELF}"',
        f'LIST "" "{SHELF}/*"',
        f'STATUS "{SHELF}" (MESSAGES)',
        f'DELETE "{SHELF}"',
        f'UNSUBSCRIBE "{SHELF}"',
        'LIST "" "Callbacks"',
    ]


@pytest.mark.parametrize(
    ("level", "below", "goes"),
    [
        (listed("Callbacks", attributes=r"\Noselect"), listed(), True),
        (listed("Callbacks", attributes=r"\NonExistent"), listed(), True),
        (listed("Callbacks"), listed(), False),
        (listed(), listed(), False),
        (listed("Callbacks", attributes=r"\Noselect"), listed("Callbacks/other"), False),
        (listed("Callbacks", attributes=r"\Noselect"), listed("CALLBACKS/other"), False),
    ],
)
async def test_a_level_that_holds_nothing_goes_with_its_last_folder(level: str, below: str, *, goes: bool) -> None:
    """Only one that can hold no mail and has nothing below it; a folder, whoever made it, stays."""
    script = {"LIST": [LISTS, listed(SHELF), listed(), level, below], "STATUS": EMPTY, "DELETE": OK, "UNSUBSCRIBE": OK}
    word, lines = await said(script, removing(SHELF))
    assert word == "removed"
    assert ('DELETE "Callbacks"' in lines) is goes


async def test_a_level_that_was_left_behind_goes_later() -> None:
    """Where the service died in between, the folder is gone when it is asked again, and the level goes then."""
    level = listed("Callbacks", attributes=r"\Noselect")
    script = {"LIST": [LISTS, listed(), level, listed()], "STATUS": NO, "DELETE": OK, "UNSUBSCRIBE": OK}
    word, lines = await said(script, removing(SHELF))
    assert word == "gone"
    assert 'DELETE "Callbacks"' in lines


KEPT: list[tuple[str, dict[str, Any], str]] = [
    ("one message", {"STATUS": f'* STATUS "{SHELF}" (MESSAGES 1)\r\n' + OK}, "not empty"),
    ("status refused", {"STATUS": NO}, "does not say"),
    ("status without a number", {"STATUS": f'* STATUS "{SHELF}" ()\r\n' + OK}, "does not say"),
    ("status of nothing", {"STATUS": OK}, "does not say"),
    ("a child", {"LIST": [LISTS, listed(SHELF), listed(f"{SHELF}/x")]}, "below"),
    ("a child, spelt otherwise", {"LIST": [LISTS, listed(SHELF), listed("CALLBACKS/TODAY/x")]}, "below"),
    (
        "a child that is no folder",
        {"LIST": [LISTS, listed(SHELF), listed(f"{SHELF}/x", attributes=r"\Noselect")]},
        "be",
    ),
]


@pytest.mark.parametrize(("script", "word"), [row[1:] for row in KEPT], ids=[row[0] for row in KEPT])
async def test_delete_is_not_sent_unless_the_folder_is_surely_empty(script: dict[str, Any], word: str) -> None:
    """Anything but the plain answer that it holds nothing and has nothing below it keeps the folder."""
    told, lines = await said({"LIST": [LISTS, listed(SHELF), listed()], "STATUS": EMPTY, **script}, removing(SHELF))
    assert word in told
    assert not [line for line in lines if line.startswith(("DELETE", "UNSUBSCRIBE"))]


async def test_a_removal_that_is_refused_is_told() -> None:
    """In the server's words, where the folder is still there; where it is not, it is gone."""
    script = {"STATUS": EMPTY, "DELETE": "{tag} NO [NOPERM] keep off\r\n", "UNSUBSCRIBE": OK}
    lists = [LISTS, listed(SHELF), listed()]
    word, lines = await said({**script, "LIST": [*lists, listed(SHELF)]}, removing(SHELF))
    assert word.startswith(f"the server did not remove {SHELF}: ")
    assert "keep off" in word
    assert not [line for line in lines if line.startswith("UNSUBSCRIBE")]
    script["STATUS"] = [EMPTY, NO]
    word, _ = await said({**script, "LIST": [*lists, listed()]}, removing(SHELF))
    assert word == "gone"


async def test_a_server_that_lists_another_spelling_is_believed_by_its_status() -> None:
    """A folder that LIST spells otherwise, and STATUS knows, exists."""
    script = {"LIST": [LISTS, listed("CALLBACKS/TODAY")], "STATUS": f'* STATUS "x" (UIDNEXT 1 UIDVALIDITY 7)\r\n{OK}'}
    assert (await said(script, lambda mailbox: mailbox.exists(SHELF)))[0]
    assert not (await said({**script, "STATUS": NO}, lambda mailbox: mailbox.exists(SHELF)))[0]


# -------------------------------------------------------------------------------------- visiting


async def test_a_folder_that_cannot_be_opened_is_not_an_empty_one() -> None:
    """A folder that is there and is refused: nothing is known of its mail, and each wish is answered in words."""
    script: dict[str, Any] = {"EXAMINE": NO, "LIST": [LISTS, listed(SHELF)]}
    with pytest.raises(PermanentError, match="would not open"):
        await said(script, lambda mailbox: mailbox.look(SHELF))
    script |= {"SELECT": [BASICS["SELECT"], NO, BASICS["SELECT"]], "LIST": [LISTS, listed(SHELF)]}
    words, _ = await said(script, lambda mailbox: mailbox.refile([refiling(KEY, SHELF, TARGET)]))
    assert list(words.values()) == [f"the server would not open {SHELF}"]
    script |= {"SELECT": [BASICS["SELECT"], NO, BASICS["SELECT"]], "LIST": [LISTS, listed(SHELF)]}
    words, lines = await said(script, lambda mailbox: mailbox.flag([flagging(KEY, SHELF)]))
    assert list(words.values()) == [f"the server would not open {SHELF}"]
    assert lines[1] == 'SELECT "INBOX"'


async def test_inbox_is_selected_again_after_a_target_that_cannot_be() -> None:
    """A target with an unfit name is told of, nothing is moved, and INBOX is selected in the end."""
    words, lines = await said({}, lambda mailbox: mailbox.refile([refiling(KEY, SHELF, "Callbacks//x")]))
    assert "empty level" in next(iter(words.values()))
    assert [line for line in lines if line.startswith(("SELECT", "UID MOVE"))] == [
        f'SELECT "{SHELF}"',
        'SELECT "INBOX"',
    ]


async def test_a_source_numbered_anew_in_between_moves_nothing() -> None:
    """While the target was looked through the source got another UIDVALIDITY: the session ends, nothing is moved."""
    other = BASICS["SELECT"].replace("UIDVALIDITY 7", "UIDVALIDITY 8")
    script = {
        "CAPABILITY": BASICS["CAPABILITY"].replace(" MOVE", ""),
        "EXAMINE": BASICS["SELECT"],
        "SELECT": [BASICS["SELECT"], BASICS["SELECT"], other],
        "UID COPY": OK,
        "UID STORE": OK,
    }
    with ScriptedImap({"LIST": LISTS, "UID FETCH": FETCHED, **script}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        with pytest.raises(TemporaryError, match="numbered anew"):
            await mailbox.refile([refiling(KEY, SHELF, TARGET)])
        await mailbox.close()
        assert not server.said(r" UID (COPY|STORE|EXPUNGE|MOVE) ")


async def test_a_move_on_that_the_servers_death_cut_short_is_finished() -> None:
    """The copy was made and the message left where it was: it is not moved a second time, and leaves its folder."""
    script = {
        "EXAMINE": BASICS["SELECT"],
        "UID MOVE": CLOSE,
        "UID STORE": OK,
        "UID EXPUNGE": "* 1 EXPUNGE\r\n" + OK,
    }
    words, lines = await said(script, lambda mailbox: mailbox.refile([refiling(KEY, SHELF, TARGET)]), opens=2)
    assert list(words.values()) == ["moved"]
    done = [line for line in lines if line.startswith(("SELECT", "EXAMINE", "UID MOVE", "UID STORE", "UID EXPUNGE"))]
    assert done == [
        f'SELECT "{SHELF}"',
        f'EXAMINE "{TARGET}"',
        f'SELECT "{SHELF}"',
        r"UID STORE 1 +FLAGS.SILENT (\Deleted)",
        "UID EXPUNGE 1",
        'SELECT "INBOX"',
    ]


async def test_a_source_for_reading_only_keeps_its_mail() -> None:
    """A folder that opens READ-ONLY: no move and no flag is tried, and its name is told."""
    select = BASICS["SELECT"].replace("READ-WRITE", "READ-ONLY")
    for wish in (
        lambda mailbox: mailbox.refile([refiling(KEY, SHELF, TARGET)]),
        lambda mailbox: mailbox.flag([flagging(KEY, SHELF)]),
    ):
        script = {"SELECT": [BASICS["SELECT"], select, BASICS["SELECT"]]}
        words, lines = await said(script, wish)
        assert list(words.values()) == [f"{SHELF} is open for reading only"]
        assert not [line for line in lines if line.startswith(("UID MOVE", "UID COPY", "UID STORE"))]


async def test_a_refused_move_names_the_folder_it_stays_in() -> None:
    """What the server copied and left is told with its folder's name."""
    script = {"UID MOVE": "* OK [COPYUID 9 1 5] x\r\n" + OK, "UID SEARCH": "* SEARCH 1\r\n" + OK}
    words, _ = await said(script, lambda mailbox: mailbox.refile([refiling(KEY, SHELF, TARGET)]))
    assert list(words.values()) == [f"the server copied it to {TARGET} and left it in {SHELF}"]


# ------------------------------------------------------------------------------- flags, appending


async def test_a_flag_that_is_refused_is_told() -> None:
    """In the server's words; and what bears the flag already is not asked for again."""
    words, _ = await said({"UID STORE": NO}, lambda mailbox: mailbox.flag([flagging(KEY, SHELF)]))
    assert list(words.values()) == [f"the server did not flag it in {SHELF}: not now"]
    script = {"UID STORE": NO, "UID FETCH": FETCHED.replace("FLAGS ()", r"FLAGS (\Flagged)")}
    words, lines = await said(script, lambda mailbox: mailbox.flag([flagging(KEY, "")]))
    assert list(words.values()) == ["flagged"]
    assert [line.split()[:2] for line in lines] == [["UID", "FETCH"]]  # INBOX is selected already


async def test_a_message_that_inbox_refuses_is_a_definite_no() -> None:
    """With the server's words; APPEND names no flag."""
    script = {"APPEND": "{tag} NO [OVERQUOTA] full\r\n"}
    with pytest.raises(PermanentError, match="OVERQUOTA"):
        await said(script, lambda mailbox: mailbox.append_inbox(letter(1), AT))
    with ScriptedImap(script) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        with pytest.raises(PermanentError):
            await mailbox.append_inbox(letter(1), AT)
        await mailbox.close()
        (line,) = server.said(" APPEND ")
    assert 'APPEND "INBOX" () "20-Nov-2026 17:00:00 +0000" {' in line
