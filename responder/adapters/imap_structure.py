"""BODYSTRUCTURE, what a server says of a message's MIME parts, as a flat list of leaves.

Promises that an answer which cannot be understood costs its message the structure and nothing else.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import collapse_rfc2231_value, decode_params
from typing import TYPE_CHECKING, Any

from responder.adapters.imap_answers import CONTROL, grouped, unescaped
from responder.core.model import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from responder.adapters.imap_answers import Record

_CUT_NAME = 1_000  # octets of a parameter; honest file names have at most 255
# Opens, closes, quoted, literal, atom. A quote that nobody closed runs to the end: looked at once, not from each of
# its escaped quotes again.
_TOKEN = re.compile(
    rb'(\()|(\))|"((?:[^"\\]|\\.)*+)\\?(?:"|\Z)|(\{\d+\}$)|([^\s()"]++)',
    re.DOTALL,
)


def structures(records: Sequence[Record]) -> dict[int, tuple[Part, ...]]:
    """Return the flat structure of each message whose BODYSTRUCTURE can be understood, by UID."""
    result: dict[int, tuple[Part, ...]] = {}
    for group in grouped(records):
        try:
            items = _nested(group)[-1]
            named = {key.upper(): value for key, value in zip(items[::2], items[1::2], strict=True)}
            result[int(named[b"UID"])] = tuple(_leaves(named[b"BODYSTRUCTURE"]))
        except Exception:  # noqa: BLE001, S112 - hostile input, nested without end: any failure is "not understood"
            continue
    return result


def _nested(group: Sequence[Record]) -> tuple[Any, ...]:
    """Return an answer as nested tuples of octets; NIL is None. Source: RFC 3501 section 9."""
    levels: list[list[Any]] = [[]]
    for record in group:
        text, literal = record if isinstance(record, tuple) else (record, b"")
        for token in _TOKEN.finditer(text):
            match token.lastindex:
                case 3:
                    levels[-1].append(unescaped(token[3]))
                case 5:
                    atom = token[5]
                    levels[-1].append(None if atom.upper() == b"NIL" else atom)
                case 1:
                    levels.append([])
                case 2:
                    inner = tuple(levels.pop())
                    levels[-1].append(inner)
                case _:
                    levels[-1].append(literal)
    (whole,) = levels  # else it lacks a bracket
    return tuple(whole)


def _leaves(structure: tuple[Any, ...]) -> Iterator[Part]:
    """Yield the leaves, in order; an attached message is a leaf. Source: RFC 3501 section 7.4.2.

    The nesting is walked, not recursed into: a sender chooses how deep it is.
    """
    waiting = [structure]
    while waiting:
        node = waiting.pop()
        if isinstance(node[0], tuple):
            parts = list(itertools.takewhile(lambda each: isinstance(each, tuple), node))
            waiting.extend(reversed(parts))
        else:
            yield _leaf(node)


def _leaf(structure: tuple[Any, ...]) -> Part:
    media = f"{_text(structure[0])}/{_text(structure[1])}".lower()
    parameters = _parameters(structure[2])
    extension = 8 if not media.startswith("text/") else 9
    if media in ("message/rfc822", "message/global"):
        extension = 11
    disposition, filename = "", ""
    found: tuple[Any, ...] | None = structure[extension] if len(structure) > extension else None
    if found:
        disposition = _text(found[0]).lower()
        filename = _parameters(found[1]).get("filename", "")
    return Part(
        media=media,
        disposition=disposition if disposition in ("", "inline") else "attachment",  # RFC 2183 section 2.8
        filename=filename or parameters.get("name", ""),
        parameters=parameters,
    )


def _text(value: bytes | None) -> str:
    return (value or b"")[:_CUT_NAME].decode("utf-8", "replace")


def _parameters(value: tuple[Any, ...] | None) -> dict[str, str]:
    """Return parameters with lower-case names and decoded values. Source: RFC 2231, RFC 2047."""
    words = [_text(word) for word in value or ()]
    pairs = [(name.lower(), text) for name, text in zip(words[::2], words[1::2], strict=False)]
    if any("*" in name for name, _ in pairs):
        pairs = [(name, collapse_rfc2231_value(coded)) for name, coded in decode_params([("", ""), *pairs])[1:]]
    decoded: dict[str, str] = {}
    for name, coded in pairs:
        text = coded
        if "=?" in text:
            with contextlib.suppress(HeaderParseError, LookupError, ValueError):
                text = str(make_header(decode_header(text)))
        decoded.setdefault(name, CONTROL.sub("", text.strip('"')))
    return decoded
