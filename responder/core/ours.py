"""Names of messages: the fingerprint of an incoming one, and the Message-ID of our reply to it.

Promises that both can be found again without a database: the same message has the same fingerprint in every
mailbox, and an id of ours is known by its seal. So is the mark that an installation leaves on what it answers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from responder.core.header import split_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from responder.core.header import Fields

_IDENTIFYING = ("message-id", "date", "from", "subject")
_MARK = "$Responder-"
_OURS = re.compile(r"<responder\.([0-9a-f]{24})\.([0-9a-f]{24})@[^@<>\s]+>")


def fingerprint(header: bytes, size: int) -> str:
    """Return 64 hexadecimal digits that name this message in every mailbox.

    A digest over the raw Message-ID, Date, From and Subject, unfolded, a run of white space counting as one space;
    over ``size`` (octets) too where there is no Message-ID.
    """
    return fingerprint_of(split_fields(header), size)


def fingerprint_of(fields: Fields, size: int) -> str:
    """Return the `fingerprint` of a header block that is already split."""
    pieces: list[bytes] = []
    for name in _IDENTIFYING:
        values = fields.all(name)
        pieces.append(b"%d," % len(values))
        for value in values:
            plain = b" ".join(value.split())
            pieces.append(b"%d:%b" % (len(plain), plain))
    if not any(fields.all("message-id")):
        pieces.append(b"size %d" % size)
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def derive_message_id(secret: bytes, mailbox: str, fingerprint: str, domain: str) -> str:
    """Return the Message-ID of the reply to that message: always the same one, and known again by `is_ours`."""
    nonce = _seal(secret, f"{mailbox}|{fingerprint}")
    return f"<responder.{nonce}.{_seal(secret, f'ours|{nonce}')}@{domain}>"


def is_ours(secret: bytes, message_id: str) -> bool:
    """Tell whether `derive_message_id` made this id with this secret, whatever the domain."""
    match = _OURS.fullmatch(message_id)
    return match is not None and hmac.compare_digest(_seal(secret, f"ours|{match[1]}"), match[2])


def looks_ours(message_id: str) -> bool:
    """Tell whether the id has the form of ours, by whomever: a forger can only make his own mail a machine's."""
    return _OURS.fullmatch(message_id) is not None


def mark_of(secret: bytes) -> str:
    """Return the keyword by which this installation marks a message before it answers it."""
    return f"{_MARK}{_seal(secret, 'mark')[:8]}"


def marks_in(flags: Iterable[str]) -> frozenset[str]:
    """Return the marks of responders among a message's flags, in lower case: servers differ in how they keep it."""
    return frozenset(flag.lower() for flag in flags if flag.lower().startswith(_MARK.lower()))


def _seal(secret: bytes, text: str) -> str:
    return hmac.digest(secret, text.encode(), "sha256").hex()[:24]
