"""Bodies: the readable text in a body's raw beginning, and the flat structure of a whole message.

Promises that a beginning cut anywhere (in a boundary, a base64 group, a letter) still gives the text before the
cut, that nothing inside an attached message is looked at, and that no bytes raise.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from itertools import islice, pairwise
from typing import TYPE_CHECKING, cast

from responder.core.header import Fields, clean, decode_text, decoded, lenient_base64, media_type, split_fields
from responder.core.model import Body, Part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message as ParsedMessage

MOST_BODY = 65_536  # octets looked at; the new text of a letter stands at its beginning
_MOST_PARTS = 60  # per level; a letter has up to ten
_MOST_LEVELS = 8  # mixed > related > alternative is three
_MOST_LEAVES = 500
_MOST_NAME = 200  # characters of a file name

_DELIMITER_END = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\r?\Z)")
_HALF_QUANTUM = re.compile(rb"=[0-9A-Fa-f]?\Z")
_PGP_BEGINS = "-----BEGIN PGP MESSAGE-----"
_PGP = re.compile(rf"^{_PGP_BEGINS}", re.MULTILINE)
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})


@dataclass(frozen=True, slots=True)
class Text:
    """The first readable text of a body, decoded; ``html`` tells its kind."""

    content: str = ""
    html: bool = False


def split_parts(fields: Fields, raw: bytes) -> list[tuple[Fields, bytes]]:
    """Return a multipart's parts, the last perhaps cut; none without a usable boundary. Source: RFC 2046 5.1.1."""
    boundary = media_type(fields.first("content-type"))[1].get("boundary", "").rstrip()
    if not boundary or not boundary.isascii():
        return []
    raw = b"\n" + raw
    lines = list(islice(_delimiters(raw, b"\n--" + boundary.encode("ascii")), _MOST_PARTS))
    parts: list[tuple[Fields, bytes]] = []
    for (_, start, closing), (end, _, _) in pairwise((*lines, (len(raw), 0, False))):
        if closing:
            break
        header, body = split_header(raw[start:end])
        parts.append((split_fields(header), body))
    return parts


def _delimiters(raw: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield each delimiter line's start, its end, and whether it closes; no pattern is compiled for a boundary."""
    at = raw.find(mark)
    while at >= 0:
        match = _DELIMITER_END.match(raw, at + len(mark))
        if match is not None:
            yield at, match.end(), match[1] is not None
        at = raw.find(mark, at + 1 if match is None else match.end())


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """Split at the first empty line; the header keeps its last line's end."""
    if raw.startswith((b"\n", b"\r\n")):
        return b"", raw.partition(b"\n")[2]
    lf, crlf = raw.find(b"\n\n"), raw.find(b"\n\r\n")
    ends = [end for end in (lf, crlf) if end >= 0]
    if not ends:
        return raw, b""
    end = min(ends) + 1
    return raw[:end], raw[end:].partition(b"\n")[2]


def first_text(fields: Fields, raw: bytes) -> Text:
    """Return the first text of a body, plain where both are offered; no attachment, no attached message."""
    return _first_text(fields, raw[:MOST_BODY], _MOST_LEVELS) or Text()


def _first_text(fields: Fields, raw: bytes, levels: int) -> Text | None:
    media, parameters = media_type(fields.first("content-type"))
    if media.startswith("multipart/"):
        if not levels:
            return None
        rich: Text | None = None
        for part_fields, body in split_parts(fields, raw):
            found = _first_text(part_fields, body, levels - 1)
            if found is None:
                continue
            if media != "multipart/alternative" or not found.html:
                return found
            rich = rich or found
        return rich
    if media not in {"text/plain", "text/html"} or _disposition(fields) == "attachment":
        return None
    content = decode_text(_untransferred(fields, raw), parameters.get("charset", ""))
    return Text(content, media == "text/html") if content.strip() else None


def _untransferred(fields: Fields, raw: bytes) -> bytes:
    encoding = fields.first("content-transfer-encoding").strip().lower()
    if encoding == b"base64":
        return lenient_base64(raw)
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(_HALF_QUANTUM.sub(b"", raw))
    return raw


def _disposition(fields: Fields) -> str:
    raw = fields.first("content-disposition")
    kind = media_type(raw)[0] if raw else ""
    # RFC 2183 section 2.8: an unknown kind is to be treated as an attachment.
    return kind if kind in {"", "inline"} else "attachment"


def is_encrypted(fields: Fields, body: Body | None, text: str) -> bool:
    """Tell whether the message is encrypted: PGP/MIME, S/MIME or an inline PGP block."""
    media, parameters = media_type(fields.first("content-type"))
    if media == "multipart/encrypted":
        return True
    if media in _PKCS7:  # without a type it is the older form of an envelope
        return not parameters.get("smime-type", "").lower().startswith(("signed", "certs", "compressed"))
    if body is not None and any(part.media == "application/pgp-encrypted" for part in body.parts or ()):
        return True
    return _PGP_BEGINS in text and _PGP.search(text) is not None


def split_message(raw: bytes) -> tuple[bytes, Body]:
    """Split a whole message into its header block and its body with the flat structure.

    Leaves inside an attached message are not among the parts; ``parts`` is None where the structure could not be
    read.
    """
    header, beginning = split_header(raw)
    parts: tuple[Part, ...] | None
    try:
        parts = tuple(_part(leaf) for leaf in _leaves(message_from_bytes(raw)))
    except (MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        parts = None  # the email package is known to raise all of these on hostile mail
    return header, Body(beginning=beginning, parts=parts)


def _leaves(message: ParsedMessage) -> Iterator[ParsedMessage]:
    stack = [message]
    count = 0
    while stack and count < _MOST_LEAVES:
        node = stack.pop()
        payload = cast("object", node.get_payload())
        if isinstance(payload, list) and node.get_content_maintype() == "multipart":
            stack.extend(reversed(cast("list[ParsedMessage]", payload)))
        else:
            count += 1
            yield node


def _part(leaf: ParsedMessage) -> Part:
    raw_items = [(name.lower(), str(value).encode("utf-8", "surrogateescape")) for name, value in leaf.items()]
    by_name: dict[str, list[bytes]] = {}
    for name, value in raw_items:
        by_name.setdefault(name, []).append(b" ".join(value.split()))
    fields = Fields(by_name=by_name)
    media, parameters = media_type(fields.first("content-type"))
    try:
        name = leaf.get_filename() or ""
    except (IndexError, ValueError, LookupError, TypeError):  # `name*` without a value raises on some versions
        name = ""
    filename = decoded(name.encode("utf-8", "surrogateescape"), _MOST_NAME) if "=?" in name else clean(name, _MOST_NAME)
    return Part(media=media, disposition=_disposition(fields), filename=filename, parameters=parameters)
