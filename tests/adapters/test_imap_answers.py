"""The gates let nothing harmful through, and the parsers read every answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.adapters.imap_answers import (
    LONGEST_COMMAND,
    asked_to_wait,
    copied,
    folder_from_wire,
    folder_to_wire,
    header_item,
    imap_date,
    imap_safe,
    instant,
    is_message,
    quoted,
    readable,
    searched,
    status,
    uid_sets,
)
from responder.adapters.imap_structure import structures
from responder.errors import PermanentError


def expanded(sets: list[str]) -> list[int]:
    """Return the UIDs that the sets name."""
    uids: list[int] = []
    for piece in ",".join(sets).split(",") if sets else ():
        first, _, last = piece.partition(":")
        uids.extend(range(int(first), int(last or first) + 1))
    return uids


@given(st.sets(st.integers(1, 2**32 - 1), max_size=300) | st.sets(st.integers(1, 400)))
def test_uid_sets_hold_each_uid_once(uids: set[int]) -> None:
    """The sets name exactly the UIDs given, ascending, and none is longer than allowed."""
    sets = uid_sets(uids, octets=100)
    assert expanded(sets) == sorted(uids)
    assert all(len(each) <= 100 for each in sets)


def test_uid_sets_are_short() -> None:
    """Neighbours become a range, and a long list several commands."""
    assert uid_sets(range(1, 50_001)) == ["1:50000"]
    assert uid_sets([9, 3, 4, 5, 7, 7]) == ["3:5,7,9"]
    assert uid_sets([]) == []
    scattered = uid_sets(range(1, 100_000, 2))
    assert max(map(len, scattered)) <= LONGEST_COMMAND
    assert len(scattered) < 45


@given(st.text())
def test_nothing_with_a_control_character_passes_the_gate(text: str) -> None:
    """What the gate lets through holds no control character, no line end and no lone surrogate."""
    try:
        safe = imap_safe(text, "folder name")
    except PermanentError:
        return
    assert safe == text
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" for char in safe)
    safe.encode("utf-8")


@given(st.text(), st.sampled_from(["/", ".", "\\", "|", ""]), st.sampled_from(["", "INBOX."]))
def test_a_folder_name_on_the_wire_is_one_printable_string(name: str, separator: str, prefix: str) -> None:
    """Whatever the name, what is sent is printable ASCII, which quoting makes one argument."""
    try:
        wire = folder_to_wire(name, separator=separator, prefix=prefix)
    except PermanentError:
        return
    assert all(32 <= ord(char) < 127 for char in quoted(wire))
    assert wire.startswith(prefix)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/."), min_size=1), min_size=1, max_size=4))
def test_a_folder_name_comes_back(levels: list[str]) -> None:
    """A name without the server's separator in it is the same after the journey, for each kind of server."""
    name = "/".join(levels)
    for separator, prefix in (("/", ""), (".", "INBOX."), (".", "")):
        try:
            wire = folder_to_wire(name, separator=separator, prefix=prefix)
        except PermanentError:
            return
        assert folder_from_wire(wire.encode(), separator=separator, prefix=prefix) == name


@pytest.mark.parametrize(
    ("name", "separator", "prefix", "wire"),
    [
        ("Callbacks/2026-11-24 10-00", "/", "", "Callbacks/2026-11-24 10-00"),
        ("Callbacks/10.00", ".", "INBOX.", "INBOX.Callbacks.10_00"),
        ("Callbacks/10.00", "", "", "Callbacks-10.00"),
        ("Звонки & Ко", "/", "", "&BBcEMgQ+BD0EOgQ4- &- &BBoEPg-"),
        ('a"b\\c', "/", "", 'a"b\\c'),
    ],
)
def test_folder_names_by_server(name: str, separator: str, prefix: str, wire: str) -> None:
    """Levels, prefix and letters are spelt as the server wants them."""
    assert folder_to_wire(name, separator=separator, prefix=prefix) == wire


def test_a_folder_in_no_known_spelling_is_still_listed() -> None:
    """A server's name that is not modified UTF-7 does not break the list."""
    assert folder_from_wire(b"caf\xc3\xa9 &\xff-", separator="/", prefix="")
    assert folder_from_wire(2026, separator="/", prefix="") == "2026"


def test_only_header_fields_can_be_asked_for() -> None:
    """A field's name that could be more than a name is a mistake in the program."""
    assert header_item(["From", "List-Id"], 10) == "BODY.PEEK[HEADER.FIELDS (FROM LIST-ID)]<0.10>"
    for bad in ("From)", "a b", "", "x\r\ny"):
        with pytest.raises(ValueError, match="header field"):
            header_item([bad], 10)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - the strategy takes naive bounds
    st.integers(-14 * 60, 14 * 60),
)
def test_instants_survive(naive: datetime, minutes: int) -> None:
    """An instant, written as APPEND wants it or as a server in any zone shows it, is read as the same one."""
    at = naive.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert instant(imap_date(at).strip('"').encode()) == at
    assert instant(f"{at.day:>2}-{imap_date(at.replace(tzinfo=UTC))[4:12]} {at:%H:%M:%S %z}".encode()) == at


@pytest.mark.parametrize(
    "raw", [b"", b"yesterday", b"32-Jan-2026 00:00:00 +0000", b"01-Foo-2026 00:00:00 +0000", b"\xff" * 26]
)
def test_a_date_that_is_none_is_none(raw: bytes) -> None:
    """An INTERNALDATE that cannot be read is missing, not an error."""
    assert instant(raw) is None


def test_copied_names_only_what_was_asked() -> None:
    """COPYUID counts for the UIDs asked about; a range without end costs nothing."""
    assert copied([b"9 1:3,7 11:14"], [1, 2, 4, 7]) == {1, 2, 7}
    assert copied([b"9 4294967295:1 5:6"], [3]) == {3}
    assert copied([b"9 * 5", b"nonsense", None, b"9 ,2,x: 5", b"9 ,3,, 5"], [2, 3]) == {3}


def test_search_and_status_answers() -> None:
    """SEARCH may come in several lines, STATUS with any folder name."""
    assert searched([b"1 2", None, b"", b"30 (MODSEQ 5)"]) == [1, 2, 30]
    assert status([b'"Sent (UIDNEXT 1)" (UIDNEXT 5 UIDVALIDITY 7)']) == {"UIDNEXT": 5, "UIDVALIDITY": 7}
    assert status([(b"{4}", b"Sent"), b" (uidnext 5)"]) == {"UIDNEXT": 5}
    assert status([]) == {}


def test_server_words_for_people() -> None:
    """A server's words become one short line, and the wait it asks for a number of seconds."""
    assert readable("a\r\nb\x1b[1m" + "c" * 500).startswith("a b [1mccc")
    assert len(readable("c" * 500)) == 200
    assert asked_to_wait("Suggested Backoff Time: 178755 milliseconds") == pytest.approx(178.755)
    assert asked_to_wait("no") is None


@pytest.mark.parametrize(
    ("header", "message_id", "same"),
    [
        (b"Message-ID: <a@b.example>\r\n\r\n", "<a@b.example>", True),
        (b"Message-Id:\r\n <a@b.example>\r\n\r\n", "<a@b.example>", True),
        (b"Message-ID: <a@b.example>\r\n\r\n", "<A@b.example>", False),
        (b"Message-ID: <a@b.example>\r\n\r\n", "", False),
        (b"Message-ID: nonsense\r\n\r\n", "", True),
        (b"\r\n", "", True),
        (b"\r\n", "<a@b.example>", False),
        (b"Message-ID: <a@b.example>\r\nMessage-ID: <c@b.example>\r\n\r\n", "", True),
    ],
)
def test_a_message_is_known_by_its_id(header: bytes, message_id: str, same: bool) -> None:  # noqa: FBT001 - a table
    """The id is compared as it is; the empty one stands for a message without exactly one strict id."""
    assert is_message(header, message_id) is same


def test_structures() -> None:
    """Names are decoded, an attached message is a leaf, an unknown disposition is an attachment."""
    line = (
        b'1 (UID 4 BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 5 1 NIL NIL NIL NIL)'
        b'("APPLICATION" "PDF" ("NAME" "=?utf-8?b?0LDQutGC?=") NIL NIL "BASE64" 5 NIL ("x-odd" NIL) NIL NIL)'
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 5 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) '
        b'(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)("APPLICATION" "ZIP" NIL NIL NIL "7BIT" 5) "MIXED") 9 NIL '
        b'("ATTACHMENT" ("FILENAME*0" "let" "FILENAME*1" {7}'
    )
    rest = b')) NIL NIL) "MIXED" ("BOUNDARY" "b") NIL NIL NIL))'
    (parts,) = structures([(line, b"ter.eml"), rest]).values()
    assert [(part.media, part.disposition, part.filename) for part in parts] == [
        ("text/plain", "", ""),
        ("application/pdf", "attachment", "акт"),
        ("message/rfc822", "attachment", "letter.eml"),
    ]
    assert parts[0].parameters == {"charset": "utf-8"}


@given(st.binary(max_size=200))
def test_no_structure_breaks_the_reader(noise: bytes) -> None:
    """Any octets in the place of a structure give none for that message, and the next message has its own."""
    good = b'2 (UID 5 BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1))'
    assert structures([b"1 (UID 4 BODYSTRUCTURE " + noise + b")", good])[5][0].media == "text/plain"
