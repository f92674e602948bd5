"""The reply as a complete RFC 5322 message, in octets.

For ``compose``. Written by hand because the standard library's composer takes ten times as long; the tests parse
every message with that library and compare. No octet above 127, no line that an incoming value could begin: every
inherited value passes ``clean``, ``_address`` or ``_MESSAGE_ID`` first.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_qp
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING

from responder.core.address import wire_address
from responder.core.words import clean
from responder.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# RFC 2047 section 2: a line with an encoded word has at most 76 characters, the word itself at most 75. Other lines
# keep to the same width (RFC 5322 section 2.1.1 asks for 78).
_WIDTH = 76
_WORD_WIDTH = 75
_WORD_OPENS = "=?utf-8?b?"
_WORD_CLOSES = "?="
# RFC 5321 section 4.5.3.1.3: 256 octets with the angle brackets.
_ADDRESS_LIMIT = 254
# A strict id: ids of this form cannot end the line or the field they stand in.
_MESSAGE_ID = re.compile(r"<(?=.{3,248}>\Z)[!-;=?A-~]+@[!-;=?A-~]+>")
# RFC 5322 section 3.2.3: a dot-atom. A quoted local part would need rules of its own and is nobody's address.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
# Long threads would let References grow for ever: the first id names the thread, the newest find the parent.
_REFERENCES = 21
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_message(  # noqa: PLR0913 - a message has so many parts
    *,
    name: str,
    sender: str,
    recipient: str,
    subject: str,
    body: str,
    language: str,
    message_id: str,
    answers: str,
    references: Sequence[str],
    now_at: datetime,
) -> bytes:
    """Return the reply as it goes to the SMTP server: CRLF, seven bits, at most 76 characters a line.

    Args:
        name: the owner's name, for From.
        sender: the owner's address, for From.
        recipient: the one address it goes to.
        subject: any text.
        body: any text; its line breaks are kept, paragraphs are not wrapped.
        language: for Content-Language.
        message_id: of the reply, with its angle brackets.
        answers: the Message-ID of the message answered; "" if it has none.
        references: the ids that its References named, oldest first; what is no id is left out.
        now_at: the Date.

    Raises PermanentError when an address or the id cannot stand in a header field: this reply can never be sent.

    Source: RFC 3834 section 3, RFC 5230 section 5, RFC 5322 section 3.6, RFC 2047.
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise PermanentError(f"{message_id!r} is no Message-ID; the reply was not written")
    encoding, octets = _encoded(body)
    lines = [
        f"From: {_mailbox(name, sender)}",
        f"To: {_address(recipient)}",
        f"Subject: {_unstructured(clean(subject), len('Subject: '))}",
        f"Date: {_date(now_at)}",
        f"Message-ID: {message_id}",
    ]
    if _MESSAGE_ID.fullmatch(answers):
        lines.append(f"In-Reply-To: {answers}")
        lines.append(_references(references, answers))
    lines += (
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        "Precedence: bulk",
        f"X-Responder-Id: {message_id}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
        f"Content-Language: {language}",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii") + octets


def write_digest(
    *,
    name: str,
    address: str,
    recipient: str,
    subject: str,
    text: str,
    html: str,
    language: str,
    message_id: str,
    now_at: datetime,
) -> bytes:
    """Return the owner's digest, from the owner to the owner: multipart/alternative, the HTML last (RFC 2046 5.1.4).

    Args:
        name: the owner's name, for From and To.
        address: the owner's address, for From.
        recipient: for To.
        subject: any text.
        text: the plain text.
        html: the same as a page.
        language: for Content-Language.
        message_id: with its angle brackets.
        now_at: the Date.

    Raises PermanentError when an address or the id cannot stand in a header field.

    Source: RFC 3834 section 5, "auto-generated".
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise PermanentError(f"{message_id!r} is no Message-ID; the digest was not written")
    # Base64 can hold no "_": nothing that stands in a part is taken for its end.
    boundary = f"=_{message_id[1:].partition('@')[0]}"
    lines = [
        f"From: {_mailbox(name, address)}",
        f"To: {_mailbox(name, recipient, len('To: '))}",
        f"Subject: {_unstructured(clean(subject), len('Subject: '))}",
        f"Date: {_date(now_at)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Precedence: bulk",
        "MIME-Version: 1.0",
        f"Content-Language: {language}",
        "Content-Type: multipart/alternative;",
        f' boundary="{boundary}"',
        "",
        "",
    ]
    octets = "\r\n".join(lines).encode("ascii")
    for kind, body in (("plain", text), ("html", html)):
        coded = b64encode("\r\n".join(body.splitlines()).encode("utf-8", "replace") + b"\r\n")
        head = f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        octets += head.encode("ascii") + _in_lines(coded)
    return octets + f"--{boundary}--\r\n".encode("ascii")


# ------------------------------------------------------------------------------------------ fields


@lru_cache(maxsize=1024)
def _address(address: str) -> str:
    """Return the address in ASCII, its domain as punycode; the gate of every address on its way into a field."""
    local, at, domain = wire_address(address).rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain) or ".." in domain:
        raise PermanentError(f"{address[:80]!r} cannot be written as one mail address; the reply was not written")
    if len(local) + 1 + len(domain) > _ADDRESS_LIMIT:
        raise PermanentError("the address is longer than SMTP allows; the reply was not written")
    return f"{local}@{domain}"


@lru_cache(maxsize=64)
def _mailbox(name: str, address: str, used: int = len("From: ")) -> str:
    """Return From's value: the name, quoted or encoded where it has to be, and the address.

    ``used`` characters of its first line are taken.
    """
    name = clean(name, 200)
    address = _address(address)
    if not name:
        return address
    words = name
    if not _PLAIN_NAME.fullmatch(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        words = f'"{escaped}"'
    if not name.isascii() or "=?" in name or len(words) > _WIDTH - used:
        words = _encoded_words(name, used)
    last = len(words) - (words.rfind("\n") + 1)
    gap = " " if last + len(address) + 3 <= _WIDTH - used else "\r\n "
    return f"{words}{gap}<{address}>"


@lru_cache(maxsize=1024)
def _unstructured(text: str, used: int) -> str:
    """Return an unstructured field's value, folded; ``used`` characters of its first line are taken.

    Encoded if and only if it is not plain ASCII, or a reader would take it for encoded (RFC 5230 section 4.3), or a
    word of it is longer than a line.
    """
    if not text.isascii() or "=?" in text:
        return _encoded_words(text, used)
    lines = [""]
    room = _WIDTH - used
    for word in text.split(" "):
        if len(word) > _WIDTH - used:
            return _encoded_words(text, used)
        if not lines[-1]:
            lines[-1] = word
        elif len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
            room = _WIDTH - 1
    return "\r\n ".join(lines)


def _encoded_words(text: str, used: int) -> str:
    """Return the text as encoded words, one a line; a character is never cut (RFC 2047 section 5)."""
    words: list[str] = []
    octets = text.encode("utf-8", "replace")
    start = 0
    while start < len(octets):
        width = min(_WORD_WIDTH, _WIDTH - (1 if words else used))
        end = start + (width - len(_WORD_OPENS) - len(_WORD_CLOSES)) // 4 * 3
        # An octet 10xxxxxx continues a character.
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # noqa: PLR2004 - UTF-8's own mark
            end -= 1
        words.append(f"{_WORD_OPENS}{b64encode(octets[start:end]).decode('ascii')}{_WORD_CLOSES}")
        start = end
    return "\r\n ".join(words)


def _references(references: Sequence[str], answers: str) -> str:
    """Return the References field: the parent's ids and the parent's own, folded between ids (RFC 5322 3.6.4)."""
    ids = [each for each in references if _MESSAGE_ID.fullmatch(each) and each != answers]
    if len(ids) >= _REFERENCES:
        ids = [ids[0], *ids[2 - _REFERENCES :]]
    field = "References:"
    width = len(field)
    for each in (*ids, answers):
        width += len(each) + 1
        if width > _WIDTH and not field.endswith(":"):
            field += "\r\n"
            width = len(each) + 1
        field += f" {each}"
    return field


@lru_cache(maxsize=64)
def _date(at: datetime) -> str:
    """Return the instant as a Date field has it, in UTC (RFC 5322 section 3.3)."""
    at = at.astimezone(UTC)
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} +0000"
    )


# -------------------------------------------------------------------------------------------- body


def _encoded(body: str) -> tuple[str, bytes]:
    """Return the transfer encoding and the octets, ending with CRLF."""
    text = "\r\n".join(body.splitlines()) + "\r\n"
    octets = text.encode("utf-8", "replace")
    lines = text.split("\r\n")
    if octets.isascii() and all(len(line) <= _WIDTH and line.isprintable() for line in lines):
        return "7bit", octets
    # Base64 makes four octets of three, quoted-printable three of one that is not ASCII: it is shorter where less
    # than a sixth is not. A dash or a quotation mark has three octets, two more than characters.
    if 9 * (len(octets) - len(text)) < len(octets):
        return "quoted-printable", b2a_qp(octets)
    return "base64", _in_lines(b64encode(octets))


def _in_lines(coded: bytes) -> bytes:
    return b"".join(coded[at : at + _WIDTH] + b"\r\n" for at in range(0, len(coded), _WIDTH))
