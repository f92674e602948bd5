"""Header fields: a raw header block to safe values, for everything that is read from incoming mail.

Promises that no byte sequence raises, that time is linear in the size, and that no text it returns holds a control
character: what a sender wrote can become a header of ours only as one harmless line.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from encodings.aliases import aliases
from functools import lru_cache
from typing import TYPE_CHECKING

from responder.core.address import without_comments

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_HEADER = 65_536  # octets; the mailbox asks for no more, and honest mail needs a tenth of it
_MOST_ENCODED = 12_000  # octets of one value; 1000 characters fit even as single-letter encoded words
_MOST_ID = 250  # octets of a Message-ID; RFC 5322 allows a line of 998, a reply has to carry several
_MOST_OFFSET = timedelta(hours=24)

_FOLD = re.compile(rb"\n[ \t]+")
# RFC 5322 section 3.6.8: a name is printable without colon; a value goes on in lines that begin with white space.
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)
_ENCODED_WORD = re.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*+)\?=")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_CHARSET = re.compile(r"[a-z0-9_]{1,40}")
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
# Printable ASCII without quotes, backslash, "<", ">" and "@": safe in a header and in an IMAP argument.
_MESSAGE_ID = re.compile(r"<[!#-;=?A-\[\]-~]++@[!#-;=?A-\[\]-~]++>")
_MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"
_DATE = re.compile(
    rb"(?:[A-Z][a-z]{2}, )?(\d\d?) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4})"
    rb" (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)(?: \([A-Za-z]{1,5}\))?"
)
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;\s"]*+))', re.DOTALL)

# Decoders for text only, and only those of the library: an unknown name would be searched for on the disk.
_CHARSETS = frozenset(aliases) | frozenset(aliases.values()) | {"koi8_u"}
_NOT_CHARSETS = frozenset({"mbcs", "rot_13", "rot13"})


@dataclass(frozen=True, slots=True)
class Fields:
    """A header block's fields, unfolded: in the order of the block, and by lower-case name."""

    ordered: tuple[tuple[str, bytes], ...] = ()
    by_name: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])

    def all(self, name: str) -> list[bytes]:
        """Return the raw values of every field of that lower-case name, topmost first."""
        return self.by_name.get(name, [])

    def first(self, name: str) -> bytes:
        """Return the topmost such field's raw value, empty if there is none."""
        values = self.by_name.get(name)
        return values[0] if values else b""


def split_fields(header: bytes) -> Fields:
    """Split a raw header block, up to its first empty line; lines that are no field are left out."""
    block = header[:MOST_HEADER].replace(b"\r\n", b"\n")
    if block.startswith(b"\n"):
        return Fields()
    ordered: list[tuple[str, bytes]] = []
    by_name: dict[str, list[bytes]] = {}
    for raw_name, raw_value in _FIELD.findall(block.partition(b"\n\n")[0]):
        name = raw_name.decode("ascii").lower()
        value = (_FOLD.sub(b" ", raw_value) if b"\n" in raw_value else raw_value).strip()
        ordered.append((name, value))
        by_name.setdefault(name, []).append(value)
    return Fields(tuple(ordered), by_name)


def clean(text: str, limit: int) -> str:
    """Return the text on one line: no control, bidi or format characters, white space folded, at most ``limit``."""
    if not text.isprintable():
        text = "".join(_printable(ch) for ch in text[: 4 * limit])
    return " ".join(text.split())[:limit].rstrip()


def _printable(ch: str) -> str:
    if ch.isspace() or ch in "\u2028\u2029":
        return " "
    if ch in "\u200c\u200d":  # joiners: part of Persian spelling and of emoji
        return ch
    return "" if unicodedata.category(ch) in {"Cc", "Cf", "Cs"} else ch


def decoded(raw: bytes, limit: int = 1000) -> str:
    """Return a field's text: encoded words and raw 8-bit letters decoded, cleaned. Source: RFC 2047."""
    raw = raw[:_MOST_ENCODED]
    text = raw.decode("ascii") if raw.isascii() else guess_text(raw)
    return clean(_decode_words(text) if "=?" in text else text, limit)


def _decode_words(text: str) -> str:
    pieces: list[str] = []
    pending = b""  # neighbours of one charset are joined first: some programs cut a letter in two
    charset = ""
    end = 0
    for match in _ENCODED_WORD.finditer(text):
        between = text[end : match.start()]
        word = match[3].encode("ascii", "replace")
        octets = lenient_base64(word) if match[2] in "bB" else binascii.a2b_qp(word, header=True)
        if pending and not between.strip() and match[1].lower() == charset:
            pending += octets
        else:
            pieces.append(decode_text(pending, charset))
            pieces.append("" if pending and not between.strip() else between)
            pending, charset = octets, match[1].lower()
        end = match.end()
    return "".join((*pieces, decode_text(pending, charset), text[end:]))


def lenient_base64(raw: bytes) -> bytes:
    """Decode base64 that may be cut anywhere or hold foreign characters; what stands after padding is dropped."""
    plain = _NOT_BASE64.sub(b"", raw.partition(b"=")[0])
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))


def decode_text(raw: bytes, charset: str) -> str:
    """Decode with the declared charset; guess where it is unknown, ASCII in name only, or plainly not true."""
    name = charset.lower().strip().replace("-", "_").replace(" ", "_")
    if _CHARSET.fullmatch(name) is None or name not in _CHARSETS or name in _NOT_CHARSETS or name.endswith("_codec"):
        return guess_text(raw)
    codec = aliases.get(name, name)
    if codec.endswith("_codec") or codec in _NOT_CHARSETS or (codec in {"ascii", "utf_8"}):
        return guess_text(raw)
    if codec == "latin_1":
        codec = "cp1252"  # what is so labelled was written on Windows; WHATWG Encoding says the same
    try:
        return raw.decode(codec, "replace")
    except (LookupError, ValueError):  # an alias whose decoder this Python lacks
        return guess_text(raw)


def guess_text(raw: bytes) -> str:
    """Decode UTF-8, perhaps cut in a letter; else what is plausible of Windows-1251, KOI8-R, Windows-1252."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return raw[: error.start].decode("utf-8")
    high = len(raw) - len(raw.translate(None, _HIGH))
    if 3 * high < len(_LETTER.findall(raw)):  # single letters among ASCII ones: a Western language
        return raw.decode("cp1252", "replace")
    # Small letters prevail in any text; they stand at 0xE0-0xFF in Windows-1251 and at 0xC0-0xDF in KOI8-R.
    small_1251 = len(raw) - len(raw.translate(None, _E0_FF))
    small_koi8 = len(raw) - len(raw.translate(None, _C0_DF))
    return raw.decode("koi8_r" if small_koi8 > small_1251 else "cp1251", "replace")


_HIGH = bytes(range(0x80, 0x100))
_C0_DF = bytes(range(0xC0, 0xE0))
_E0_FF = bytes(range(0xE0, 0x100))


@lru_cache(maxsize=64)  # a Content-Type is asked for several times in one message
def media_type(raw: bytes) -> tuple[str, Mapping[str, str]]:
    """Return a Content-Type's lower-case "type/subtype" and parameters; "text/plain" where it says nothing.

    Works for Content-Disposition too ("inline" has no subtype). Source: RFC 2045 section 5.
    """
    value = raw[:_MOST_ENCODED].decode("latin-1")
    value = value if '"' in value else without_comments(value) or value
    media = value.partition(";")[0].strip().lower()
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        quoted = match[2]
        parameters.setdefault(match[1].lower(), match[3] if quoted is None else quoted.replace("\\", ""))
    return media or "text/plain", parameters


def message_ids(raw: bytes) -> list[str]:
    """Return the ids of the strict form ``<left@right>`` in a field, in order; everything else is dropped."""
    if b"<" not in raw:
        return []
    found = _MESSAGE_ID.findall(raw.decode("latin-1"))
    return [message_id for message_id in found if len(message_id) <= _MOST_ID]


def instant(raw: bytes) -> datetime | None:
    """Return a Date field's instant in UTC, None if it is unreadable. Source: RFC 5322 section 3.3."""
    try:
        if (match := _DATE.fullmatch(raw)) is not None:  # as nearly every program writes it, at a tenth of the cost
            day, year, hour, minute, second, hours, minutes = map(int, match.group(1, 3, 4, 5, 6, 8, 9))
            month = _MONTHS.index(match[2]) // 3 + 1
            offset = timedelta(hours=hours, minutes=minutes) * (-1 if match[7] == b"-" else 1)
        else:
            parts = parsedate_tz(raw[:100].decode("latin-1"))
            if parts is None:
                return None
            year, month, day, hour, minute, second = parts[:6]
            offset = timedelta(seconds=parts[9] or 0)
        if abs(offset) >= _MOST_OFFSET:
            return None
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC) - offset
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def clock_offset(raw: bytes) -> timedelta | None:
    """Return how far ahead of UTC the writer's clock was; None where a Date field does not say, as "-0000" does not."""
    try:
        parts = parsedate_tz(raw[:100].decode("latin-1"))
        found = None if parts is None or parts[9] is None else timedelta(seconds=parts[9])
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return found if found is not None and abs(found) < _MOST_OFFSET else None
