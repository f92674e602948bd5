"""What is said to an IMAP server and what it answers, as text: gates, UID sets, parsers.

Promises ``imap_session`` that nothing of a message becomes an argument with a control character in it, and that an
odd answer costs one message, never the rest. Touches no socket.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.imap_utf7 import encode as encode_utf7

from responder.core.header import clean, message_ids, split_fields
from responder.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONGEST_COMMAND = 8_000  # octets; Dovecot answers BAD above 64 KB, RFC 7162 section 4 asks for 8,192 at most
LONGEST_TEXT = 200  # characters of a server's answer that are worth showing

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line and paragraph separators
_FIELD_NAME = re.compile(r"[A-Za-z0-9-]+")
_MONTHS = {month: n for n, month in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_MONTH_NAMES = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Record = bytes | tuple[bytes, bytes]  # a line of a FETCH answer, or one that ends in a literal, with the literal

_START = re.compile(rb"\d+ \(")
# Keys are known by their beginning: Courier quotes the field names inside BODY[HEADER.FIELDS (...)].
_ITEM = re.compile(
    rb"[ (](?:UID (\d+)"
    rb"|FLAGS \(([^()]*)\)"
    rb'|INTERNALDATE "([^"]*)"'
    rb"|RFC822\.SIZE (\d+)"
    rb'|BODY\[[^\[\]]*+\](?:<\d+>)? (?:(\{\d+\})|"((?:[^"\\]|\\.)*+)"|(NIL)))',
    re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_COPYUID = re.compile(rb"\d+ ([\d,:]+) [\d,:]+")
_STATUS = re.compile(rb"\(([^()]*)\)\s*$")
_BACKOFF = re.compile(r"Backoff Time:? (\d+) milliseconds", re.IGNORECASE)
_MOST_DIGITS = 12  # thirty years; Python refuses to read a number of thousands of digits


# -------------------------------------------------------------------------------------------- said


def is_safe(text: str) -> bool:
    """Tell whether the text may stand in an IMAP command: a control character could smuggle one in."""
    return not CONTROL.search(text) and not any(unicodedata.category(char) in _UNFIT for char in text if char > "~")


def imap_safe(text: str, what: str) -> str:
    """Return the text if it may stand in an IMAP command: the one gate for everything that we did not write.

    Raises:
        PermanentError: it holds a control character.
    """
    if not is_safe(text):
        raise PermanentError(f"the {what} {text!r} holds a control character; it was not sent to the IMAP server")
    return text


def quoted(text: str) -> str:
    """Return the text as an IMAP quoted string; it must be ASCII that passed the gate."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def header_item(fields: Sequence[str], octets: int) -> str:
    """Return the FETCH item for the first octets of those header fields; marks nothing as read."""
    for name in fields:
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header field")
    return f"BODY.PEEK[HEADER.FIELDS ({' '.join(fields).upper()})]<0.{octets}>"


def imap_date(at: datetime) -> str:
    """Return an instant as the quoted date-time of APPEND."""
    utc = at.astimezone(UTC)
    return f'"{utc.day:02}-{_MONTH_NAMES[utc.month]}-{utc:%Y %H:%M:%S} +0000"'


def imap_day(at: datetime) -> str:
    """Return an instant's day in UTC as the date of SEARCH. Source: RFC 3501 section 9, date."""
    utc = at.astimezone(UTC)
    return f"{utc.day}-{_MONTH_NAMES[utc.month]}-{utc.year:04}"


def uid_sets(uids: Iterable[int], octets: int = LONGEST_COMMAND) -> list[str]:
    """Return the UIDs as sets with ranges, in ascending order, each at most so many octets long."""
    sets: list[str] = []
    line = ""
    for first, last in _ranges(uids):
        piece = str(first) if first == last else f"{first}:{last}"
        if line and len(line) + 1 + len(piece) > octets:
            sets.append(line)
            line = ""
        line = f"{line},{piece}" if line else piece
    if line:
        sets.append(line)
    return sets


def _ranges(uids: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = 0
    for uid in sorted(set(uids)):
        if first and uid == last + 1:
            last = uid
            continue
        if first:
            yield first, last
        first = last = uid
    if first:
        yield first, last


def folder_to_wire(name: str, *, separator: str, prefix: str) -> str:
    """Return a folder's name as the server spells it, in modified UTF-7.

    "/" separates levels, "-" stands for it where the server knows no levels. The server's own separator inside a
    level becomes "_": it would make a level of its own.

    Raises:
        PermanentError: it holds a control character, or a level is empty.
    """
    levels = imap_safe(name, "folder name").split("/")
    if not all(level.strip() for level in levels):
        raise PermanentError(f"the folder name {name!r} has an empty level")
    if separator not in ("", "/"):
        levels = [level.replace(separator, "_") for level in levels]
    wire: bytes = encode_utf7(prefix + (separator or "-").join(levels))
    return wire.decode("ascii")


def folder_from_wire(name: bytes | str | int, *, separator: str, prefix: str) -> str:
    """Return a server's folder name with "/" between levels, without the prefix."""
    wire = name if isinstance(name, bytes) else str(name).encode("utf-8", "replace")
    try:
        text: str = decode_utf7(wire)
    except ValueError:  # not modified UTF-7 at all: some servers send their own spelling
        text = wire.decode("utf-8", "replace")
    text = text.removeprefix(prefix)
    return text.replace(separator, "/") if separator else text


# ---------------------------------------------------------------------------------------- answered


@dataclass(slots=True)
class Answer:
    """A command's answer: whether it was OK, the server's words, and what else it said, by upper-case type."""

    ok: bool
    text: str
    untagged: dict[str, list[Any]]

    def all(self, kind: str) -> list[Any]:
        """Return the untagged answers of a kind, or the data of a response code of that name."""
        return self.untagged.get(kind, [])

    def number(self, kind: str) -> int:
        """Return the last such answer as a number, 0 where there is none."""
        for value in reversed(self.all(kind)):
            if isinstance(value, bytes) and value.isdigit():
                return int(value)
        return 0


class Fetched(NamedTuple):
    r"""One message's line of a FETCH answer. ``data`` is the one BODY[…] item, None if the line had none.

    ``flags`` are without \\Recent, which is about sessions, not about the message.
    """

    uid: int
    flags: frozenset[str]
    internal_at: datetime | None
    size: int
    data: bytes | None


def grouped(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Yield each message's records of a FETCH answer (after a literal, imaplib starts a new record)."""
    group: list[Record] = []
    for record in records:
        if group and _START.match(record[0] if isinstance(record, tuple) else record):
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def fetched(records: Sequence[Record]) -> Iterator[Fetched]:
    """Yield what a FETCH answer says; lines without a UID are left out."""
    for group in grouped(records):
        text = b"".join([record[0] if isinstance(record, tuple) else record for record in group])
        uid = size = 0
        flags = _NO_FLAGS
        internal_at = data = None
        for item in _ITEM.finditer(text):
            match item.lastindex:
                case 1:
                    uid = int(item[1])
                case 2:
                    flags = _flags(item[2])
                case 3:
                    internal_at = instant(item[3])
                case 4:
                    size = int(item[4])
                case 5:
                    data = next((record[1] for record in group if isinstance(record, tuple)), b"")
                case 6:
                    data = unescaped(item[6])
                case _:
                    data = b""
        if uid:
            yield Fetched(uid, flags, internal_at, size, data)


_NO_FLAGS: frozenset[str] = frozenset()


@lru_cache(maxsize=256)  # a mailbox knows few combinations
def _flags(raw: bytes) -> frozenset[str]:
    return frozenset(raw.decode("ascii", "replace").split()) - {"\\Recent"}


def instant(raw: bytes) -> datetime | None:
    """Return an INTERNALDATE in UTC, None if it is none. Source: RFC 3501 section 9, date-time."""
    text = raw.strip().zfill(26)
    try:
        local = datetime(
            int(text[7:11]),
            _MONTHS[text[3:6]],
            int(text[:2]),
            int(text[12:14]),
            int(text[15:17]),
            int(text[18:20]),
            tzinfo=UTC,
        )
        minutes = int(text[22:24]) * 60 + int(text[24:26])
        if not minutes:
            return local
        return local + timedelta(minutes=minutes if text[21:22] == b"-" else -minutes)
    except (ValueError, KeyError, OverflowError):
        return None


def unescaped(text: bytes) -> bytes:
    """Return the content of a quoted string."""
    return _ESCAPE.sub(rb"\1", text) if b"\\" in text else text


def is_message(header: bytes, message_id: str) -> bool:
    """Tell whether a header block is that message's; "" stands for one without a Message-ID of the strict form."""
    if message_id:
        return message_id in ids(header)
    return len(split_fields(header).all("message-id")) != 1 or not ids(header)


def ids(header: bytes, *names: str) -> list[str]:
    """Return the strict ids of a header block's fields of those lower-case names, else of Message-ID."""
    fields = split_fields(header)
    return [each for name in names or ("message-id",) for raw in fields.all(name) for each in message_ids(raw)]


def searched(lines: Sequence[bytes | None]) -> list[int]:
    """Return the UIDs of a SEARCH answer, which may come in several lines."""
    return [int(word) for line in lines if line for word in line.split() if word.isdigit()]


def copied(answers: Sequence[bytes | None], uids: Iterable[int]) -> set[int]:
    """Return those of the UIDs that the COPYUID codes name as copied or moved. Source: RFC 4315 section 3."""
    spans: list[tuple[int, int]] = []
    for answer in answers:
        match = _COPYUID.match(answer or b"")
        for piece in match[1].split(b",") if match else ():
            first, _, last = piece.partition(b":")
            if first.isdigit() and (last.isdigit() or not last):
                ends = sorted((int(first), int(last or first)))
                spans.append((ends[0], ends[1]))
    return {uid for uid in uids if any(first <= uid <= last for first, last in spans)}


def status(records: Sequence[Record]) -> dict[str, int]:
    """Return the numbers of a STATUS answer, by upper-case name."""
    for record in reversed(records):
        match = _STATUS.search(record if isinstance(record, bytes) else record[0])
        if match:
            words = match[1].decode("ascii", "replace").split()
            pairs = zip(words[::2], words[1::2], strict=False)
            return {name.upper(): int(number) for name, number in pairs if number.isdecimal()}
    return {}


def readable(text: str) -> str:
    """Return a server's words for a person: one line, no control or bidi characters, not endless."""
    return clean(CONTROL.sub(" ", text), LONGEST_TEXT)


def asked_to_wait(text: str) -> float | None:
    """Return the seconds that a throttling server asks for, None where it asks for none."""
    match = _BACKOFF.search(text)
    return int(match[1][:_MOST_DIGITS]) / 1000 if match else None
