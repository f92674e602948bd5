"""What the mailbox makes of servers that break, refuse, lie, or speak in their own way."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from responder.errors import TemporaryError
from tests.contract.worlds import move
from tests.servers.imap_script import BASICS, CLOSE, ScriptedImap, mailbox_at

if TYPE_CHECKING:
    from collections.abc import Callable

OK = "{tag} OK done\r\n"


# --------------------------------------------------------------------------------------- reading


async def scanned(script: dict[str, Any], from_uid: int = 1) -> tuple[Any, ScriptedImap]:
    """Open, scan, close."""
    with ScriptedImap(script) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        try:
            return await mailbox.scan(from_uid), server
        finally:
            await mailbox.close()


async def test_a_bare_ok_is_an_ok() -> None:
    """Mail.ru ends commands without words, from the first on; that is no reason to hang up."""
    bare = {name: re.sub(r"\{tag\} OK [^\r]*", "{tag} OK", text) for name, text in BASICS.items()}
    (_, uids), _ = await scanned(bare | {"UID SEARCH": "* SEARCH 1 2\r\n{tag} OK\r\n"})
    assert uids == [1, 2]


async def test_uidnext_is_asked_for_where_select_does_not_tell() -> None:
    """Courier tells UIDNEXT in STATUS only; where even that is missing the last UID tells."""
    select = "* 4 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n{tag} OK done\r\n"
    status = '* STATUS "INBOX" (UIDNEXT 41 UIDVALIDITY 7)\r\n{tag} OK done\r\n'
    for answer, uidnext in ((status, 41), ("{tag} NO never\r\n", 13)):
        script = {"SELECT": select, "STATUS": answer, "UID SEARCH": "* SEARCH 12\r\n" + OK}
        with ScriptedImap(script) as server:
            mailbox = mailbox_at(server)
            assert (await mailbox.open()).uidnext == uidnext
            await mailbox.close()


async def test_an_empty_answer_is_not_believed() -> None:
    """Where messages exist and the search finds not even the last, INBOX is selected anew before that is believed."""
    (state, uids), server = await scanned({"UID SEARCH": ["* SEARCH\r\n" + OK, "* SEARCH 5\r\n" + OK]}, 5)
    assert uids == [5]
    assert len(server.said(" SELECT ")) == 2
    assert state.uidnext == 6


async def test_an_empty_inbox_is_selected_each_time() -> None:
    """An empty INBOX is looked at by SELECT: a server may show one that was renamed as empty for ever."""
    select = "* {n} EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 2] n\r\n{{tag}} OK done\r\n"
    script: dict[str, Any] = {"SELECT": [select.format(n=0), select.format(n=1)]}
    (state, uids), _ = await scanned(script)
    assert (state.exists, uids) == (1, [1])


async def test_inbox_is_selected_anew_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session may have been taken along with an INBOX that was renamed: after a minute it is not believed."""
    for seconds, selects in ((60.0, 1), (0.0, 3)):
        monkeypatch.setattr("responder.adapters.imap_folders.LOOK_AGAIN", seconds)
        with ScriptedImap() as server:
            mailbox = mailbox_at(server)
            await mailbox.open()
            for _ in range(2):
                await mailbox.scan(1)
            await mailbox.close()
            assert len(server.said(" SELECT ")) == selects


async def test_mail_that_arrives_during_the_search_is_found() -> None:
    """EXISTS inside the answer to a search means that the search was too early: it is made again."""
    (_, uids), _ = await scanned({"UID SEARCH": ["* SEARCH 1\r\n* 2 EXISTS\r\n" + OK, "* SEARCH 1 2\r\n" + OK]})
    assert uids == [1, 2]


async def test_a_big_inbox_is_searched_in_windows() -> None:
    """Above 20,000 messages no single answer can break the session's line limit."""
    select = "* 50000 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 50001] n\r\n" + OK
    (_, uids), server = await scanned(
        {"SELECT": select, "UID SEARCH": ["* SEARCH 7\r\n" + OK, "* SEARCH 50000\r\n" + OK]}
    )
    spans = [line.split(" ")[4] for line in server.said("UID SEARCH")]
    assert spans == ["1:20000", "20001:40000", "40001:*"]
    assert uids == [7, 50_000]


async def test_uidvalidity_that_changes_is_reported() -> None:
    """A new UIDVALIDITY at a later SELECT stands in the state that scan returns."""
    select = "* 0 EXISTS\r\n* OK [UIDVALIDITY {n}] v\r\n* OK [UIDNEXT 1] n\r\n{{tag}} OK done\r\n"
    (state, _), _ = await scanned(
        {"SELECT": [select.format(n=7), select.format(n=8)], "UID SEARCH": "* SEARCH\r\n" + OK}
    )
    assert state.uidvalidity == 8


AS_ASKED = b"* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9 BODY[HEADER.FIELDS (FROM)]<0> {3}\r\nabc)\r\n"
FETCHES: list[tuple[str, bytes]] = [
    ("as asked", AS_ASKED),
    ("without the origin", AS_ASKED.replace(b"<0>", b"")),
    (
        "Courier's quotes and order",
        b'* 1 FETCH (BODY[HEADER.FIELDS ("FROM" "MESSAGE-ID")]<0> {3}\r\nabc FLAGS (\\Seen) RFC822.SIZE 9 UID 1)\r\n',
    ),
    (
        "unasked news around it",
        b"* 2 FETCH (FLAGS (\\Answered))\r\n" + AS_ASKED + b"* 1 FETCH (UID 1 FLAGS ())\r\n* 9 EXISTS\r\n",
    ),
    ("quoted", b'* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9 BODY[HEADER.FIELDS (FROM)]<0> "abc")\r\n'),
    (
        "another's message too",
        AS_ASKED + b"* 5 FETCH (UID 5 FLAGS () RFC822.SIZE 9 BODY[HEADER.FIELDS (FROM)]<0> {3}\r\nxyz)\r\n",
    ),
]


@pytest.mark.parametrize("answer", [answer for _, answer in FETCHES], ids=[name for name, _ in FETCHES])
async def test_fetch_understands_every_dialect(answer: bytes) -> None:
    """The same message comes out, however the server orders, quotes and mixes its answer."""
    with ScriptedImap({"UID FETCH": answer + b"{tag} OK done\r\n"}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        (message,) = await mailbox.fetch([1])
        assert (message.key.uid, message.header, message.size, set(message.flags)) == (1, b"abc", 9, {"\\Seen"})
        assert message.internal_at is None
        await mailbox.close()


STRUCTURES = [
    '* 1 FETCH (UID 1 BODYSTRUCTURE ("TEXT"))\r\n' + OK,
    "* 1 FETCH (UID 1 BODYSTRUCTURE " + "(" * 3_000 + ")\r\n" + OK,
    "* 1 FETCH (UID 1 BODYSTRUCTURE " + "(" * 3_000 + '"a"' + ")" * 3_000 + ")\r\n" + OK,
    "* 1 FETCH (UID 1 BODYSTRUCTURE NIL)\r\n" + OK,
    "{tag} NO cannot\r\n",
    "{tag} BAD Parse Error\r\n",
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=["short", "unclosed", "deep", "nil", "no", "bad"])
async def test_a_structure_that_cannot_be_understood_costs_nothing_else(structure: str) -> None:
    """The body's beginning is there, its parts are None, and the session goes on."""
    text = "* 1 FETCH (UID 1 BODY[TEXT]<0> {5}\r\nhello)\r\n" + OK
    with ScriptedImap({"UID FETCH": [text, structure]}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        body = (await mailbox.bodies([1], octets=100))[1]
        assert (body.beginning, body.parts) == (b"hello", None)
        assert (await mailbox.scan(1))[1] == [1]
        await mailbox.close()


@pytest.mark.parametrize(
    "answer",
    [
        "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)]<0> {900000000}\r\nabc" + CLOSE.decode(),
        "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)]<0> {90}\r\nabc" + CLOSE.decode(),
        "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)]<0> {90}\r\nabc",
        "* 1 FETCH (UID 1 BOD" + CLOSE.decode(),
        "* 1 FETCH (" + "x" * 1_100_000 + ")\r\n" + OK,
        "what?\r\n",
        "x9 OK for nobody\r\n",
        "* BYE going down\r\n" + CLOSE.decode(),
        "{tag} BAD Request is throttled. Suggested Backoff Time: 1500 milliseconds\r\n",
        "{tag} NO [UNAVAILABLE] Backend error\r\n",
    ],
)
async def test_a_broken_answer_ends_the_session(answer: str) -> None:
    """Nothing of a cut, endless or senseless answer is believed: TemporaryError, and open starts anew."""
    with ScriptedImap({"UID FETCH": answer}) as server:
        mailbox = mailbox_at(server, timeout=0.5)
        await mailbox.open()
        with pytest.raises(TemporaryError) as caught:
            await mailbox.fetch([1])
        assert caught.value.retry_after == (1.5 if "throttled" in answer else None)
        with pytest.raises(TemporaryError):
            await mailbox.scan(1)
        await mailbox.open()
        assert (await mailbox.scan(1))[1] == [1]
        await mailbox.close()


# ---------------------------------------------------------------------------------------- filing

IDENTITY = (
    "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 9 BODY[HEADER.FIELDS (MESSAGE-ID)]<0> {36}\r\n"
    "Message-ID: <1@vostok.example>\r\n\r\n\r\n)\r\n" + OK
)


async def filed(script: dict[str, Any]) -> tuple[str, ScriptedImap]:
    """Open, file message 1 to Sent/today, close; return the word and the server."""
    with ScriptedImap({"UID FETCH": IDENTITY, "CREATE": OK, "SUBSCRIBE": OK, **script}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        word = (await mailbox.file([move(1, 7, "Callbacks/today")]))[1]
        await mailbox.close()
        return word, server


MOVED = "* OK [COPYUID 9 1 5] x\r\n* 1 EXPUNGE\r\n" + OK
MOVES: list[tuple[str, dict[str, Any], Callable[[str], bool]]] = [
    ("copyuid", {"UID MOVE": MOVED}, lambda word: word == "moved"),
    ("tagged copyuid", {"UID MOVE": "* 1 EXPUNGE\r\n{tag} OK [COPYUID 9 1 5] x\r\n"}, lambda word: word == "moved"),
    (
        "copied only",
        {"UID MOVE": "* OK [COPYUID 9 1 5] x\r\n" + OK, "UID SEARCH": "* SEARCH 1\r\n" + OK},
        lambda word: "left it in INBOX" in word,
    ),
    ("no uidplus", {"UID MOVE": OK, "UID SEARCH": "* SEARCH\r\n" + OK}, lambda word: word == "moved"),
    ("still there", {"UID MOVE": OK, "UID SEARCH": "* SEARCH 1\r\n" + OK}, lambda word: "did not move" in word),
    (
        "another's copyuid",
        {"UID MOVE": "* OK [COPYUID 9 3 5] x\r\n" + OK, "UID SEARCH": "* SEARCH\r\n" + OK},
        lambda word: word == "gone",
    ),
    ("quota", {"UID MOVE": "{tag} NO [OVERQUOTA] full\r\n"}, lambda word: "OVERQUOTA" in word),
    (
        "vanished",
        {"UID MOVE": "{tag} NO [EXPUNGEISSUED] gone\r\n", "UID SEARCH": "* SEARCH\r\n" + OK},
        lambda word: word == "gone",
    ),
    (
        "try create",
        {"UID MOVE": ["{tag} NO [TRYCREATE] no folder\r\n", MOVED]},
        lambda word: word == "moved",
    ),
    (
        "no folder",
        {"CREATE": "{tag} NO [NOPERM] not here\r\n", "STATUS": "{tag} NO no\r\n"},
        lambda word: word.startswith("could not create folder Callbacks/today") and "not here" in word,
    ),
    (
        "exists already",
        {
            "CREATE": "{tag} NO [ALREADYEXISTS] there\r\n",
            "STATUS": '* STATUS "x" (UIDNEXT 5 UIDVALIDITY 9)\r\n' + OK,
            "UID MOVE": MOVED,
        },
        lambda word: word == "moved",
    ),
]


@pytest.mark.parametrize(("script", "expected"), [row[1:] for row in MOVES], ids=[row[0] for row in MOVES])
async def test_moved_is_said_only_of_what_moved(script: dict[str, Any], expected: Callable[[str], bool]) -> None:
    """COPYUID, or the message's absence from INBOX, proves a move; a refusal is told in the server's words."""
    word, _ = await filed(script)
    assert expected(word), word


async def test_a_lost_answer_to_a_move_is_not_believed() -> None:
    """The connection ends after MOVE was sent: TemporaryError, so that the next scan decides."""
    with pytest.raises(TemporaryError):
        await filed({"UID MOVE": CLOSE})


# --------------------------------------------------------------------------------------- waiting


async def test_news_in_one_piece_with_the_go_ahead_is_seen() -> None:
    """EXISTS that comes together with "+ idling" or before it ends the wait at once."""
    for answer in ("+ idling\r\n* 2 EXISTS\r\n", "* 2 EXISTS\r\n+ idling\r\n"):
        with ScriptedImap({"IDLE": answer}) as server:
            mailbox = mailbox_at(server)
            await mailbox.open()
            begun = time.monotonic()
            assert await mailbox.wait(30)
            assert time.monotonic() - begun < 5
            await mailbox.close()


async def test_the_end_of_the_stream_in_idle_is_an_error() -> None:
    """A connection that ends in IDLE is a TemporaryError and not a quiet night."""
    for answer in ("+ idling\r\n" + CLOSE.decode(), "+ idling\r\n* BYE\r\n" + CLOSE.decode(), CLOSE):
        with ScriptedImap({"IDLE": answer}) as server:
            mailbox = mailbox_at(server)
            await mailbox.open()
            with pytest.raises(TemporaryError):
                await mailbox.wait(30)
            await mailbox.close()


async def test_a_half_open_connection_is_noticed() -> None:
    """A server that does not answer DONE costs the time-out and then is a TemporaryError."""
    with ScriptedImap({"DONE": ""}) as server:
        mailbox = mailbox_at(server, timeout=0.3)
        await mailbox.open()
        with pytest.raises(TemporaryError, match="no answer in time"):
            await mailbox.wait(0.05)
        await mailbox.close()


async def test_a_sign_of_life_is_no_news() -> None:
    """A server's "still here" ends the round, and the wait says that nothing happened."""
    with ScriptedImap({"IDLE": "+ idling\r\n* OK Still here\r\n"}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        assert not await mailbox.wait(30)
        await mailbox.close()


async def test_a_folder_that_cannot_be_watched_is_selected_anew() -> None:
    """Dovecot says NO in IDLE when INBOX was renamed under the session: the next scan selects INBOX."""
    with ScriptedImap({"IDLE": ["* NO Internal error\r\n+ idling\r\n", "+ idling\r\n"]}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        for _ in range(2):
            await mailbox.wait(0.05)
            await mailbox.scan(1)
        await mailbox.close()
        assert len(server.said(" SELECT ")) == 2


async def test_idle_that_is_refused_is_waited_for_without() -> None:
    """A server that offers IDLE and says NO to it is polled."""
    with ScriptedImap({"IDLE": "{tag} NO not now\r\n"}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        assert not await mailbox.wait(0.05)
        mailbox.wake()
        assert await mailbox.wait(30)
        await mailbox.close()


async def test_closing_does_not_wait_for_a_deaf_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close cuts a command short that will never be answered."""
    monkeypatch.setattr("responder.adapters.mailbox.CLOSE_SECONDS", 0.2)
    with ScriptedImap({"NOOP": "", "LOGOUT": ""}) as server:
        mailbox = mailbox_at(server, timeout=60)
        await mailbox.open()
        hanging = asyncio.create_task(mailbox.scan(1))
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await mailbox.close()
        with pytest.raises(TemporaryError):
            await hanging
        assert time.monotonic() - begun < 10


async def test_a_wake_up_costs_three_lines() -> None:
    """From news to knowing the UIDs: DONE and one search, and no NOOP."""
    with ScriptedImap({"IDLE": "+ idling\r\n* 2 EXISTS\r\n"}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        before = len(server.lines)
        await mailbox.wait(30)
        await mailbox.scan(2)
        lines = [line.partition(" ")[2] or line for line in server.lines[before:]]
        assert lines == ["IDLE", "DONE", "UID SEARCH UID 2:* UNDELETED"]
        await mailbox.close()


async def test_after_a_quiet_idle_the_next_scan_asks_for_news() -> None:
    """Courier shows new mail only to who asks: after an IDLE that told nothing a NOOP comes before the search."""
    with ScriptedImap() as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        await mailbox.scan(2)
        before = len(server.lines)
        assert not await mailbox.wait(0.05)
        await mailbox.scan(2)
        lines = [line.partition(" ")[2] or line for line in server.lines[before:]]
        assert lines == ["IDLE", "DONE", "NOOP", "UID SEARCH UID 2:* UNDELETED"]
        await mailbox.close()


async def test_a_header_longer_than_asked_for_is_cut() -> None:
    """Courier sends two octets more than the limit of a partial FETCH: the port keeps its own."""
    octets = 65_538
    answer = f"* 1 FETCH (UID 1 RFC822.SIZE 90000 FLAGS () BODY[HEADER.FIELDS (FROM)]<0> {{{octets}}}\r\n"
    with ScriptedImap({"UID FETCH": answer + "x" * octets + ")\r\n" + OK}) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        (message,) = await mailbox.fetch([1])
        assert (len(message.header), message.header_cut) == (65_536, True)
        await mailbox.close()


async def test_a_move_that_the_servers_death_cut_short_is_finished() -> None:
    """Cyrus, killed in its MOVE, had made the copy and left the message in INBOX: it is not moved a second time."""
    record = (
        '* 1 FETCH (UID 1 INTERNALDATE "20-Nov-2026 17:00:00 +0000" RFC822.SIZE 35 FLAGS () '
        "BODY[] {35}\r\nMessage-ID: <1@vostok.example>\r\n\r\nx)\r\n"
    )
    script: dict[str, Any] = {
        "LIST": '* LIST () "/" INBOX\r\n* LIST () "/" Callbacks\r\n' + OK,
        "EXAMINE": BASICS["SELECT"],
        "UID FETCH": record + OK,
        "UID MOVE": CLOSE,
        "UID STORE": OK,
        "UID EXPUNGE": "* 1 EXPUNGE\r\n" + OK,
    }
    with ScriptedImap(script) as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        with pytest.raises(TemporaryError):
            await mailbox.file([move(1, 7, "Callbacks")])
        await mailbox.open()
        assert await mailbox.file([move(1, 7, "Callbacks")]) == {1: "moved"}
        await mailbox.close()
        done = [line.partition(" ")[2] for line in server.said(r" UID (?:MOVE|COPY|STORE|EXPUNGE) ")]
        assert done == ['UID MOVE 1 "Callbacks"', r"UID STORE 1 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 1"]
