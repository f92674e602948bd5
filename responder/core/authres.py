"""Authentication-Results: what the owner's own mail server found out about DMARC, and nobody else.

Promises that a block is believed only under the configured authserv-id. A *fail* counts wherever the block stands;
a *pass* only from the topmost block, above the first Received of a foreign host, and for the From domain.
Sources: RFC 8601 sections 2.2, 4.1 and 5; RFC 7489.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.core.address import normal_domain, without_comments
from responder.core.model import Dmarc

if TYPE_CHECKING:
    from responder.core.header import Fields

_FIELD = "authentication-results"
_MOST_BLOCK = 8_000  # characters; a block of twenty results has two thousand
_MOST_BLOCKS = 50

# Pieces between semicolons; words of a piece: name=value with an optionally quoted value.
_PIECE = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?|[^;"]++)*+', re.DOTALL)
_ASSIGNMENT = re.compile(r'([A-Za-z0-9_./-]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^\s;"]++))', re.DOTALL)
_BY = re.compile(r"(?:^|\s)by\s+([A-Za-z0-9.-]+)", re.IGNORECASE)
_SHORT_LABEL = 3  # "co.uk", "com.au": a second level that belongs to nobody


@dataclass(frozen=True, slots=True)
class Block:
    """One Authentication-Results field: who claims it, and its results as (method, result, properties)."""

    authserv_id: str
    results: tuple[tuple[str, str, dict[str, str]], ...]


def read_block(raw: bytes) -> Block:
    """Read one field's value; what does not follow the grammar is left out. Source: RFC 8601 section 2.2."""
    text = raw[:_MOST_BLOCK].decode("latin-1")
    plain = without_comments(text)
    torn = plain is None  # what stood in a comment cannot be told from results: believe only what is bad
    if plain is None:
        plain = text.replace("(", " ").replace(")", " ")
    head, *pieces = [piece for piece in _PIECE.findall(plain) if piece] or [""]
    words = head.replace('"', " ").split()
    results: list[tuple[str, str, dict[str, str]]] = []
    for piece in pieces:
        found = [(m[1].lower(), m[3] if m[2] is None else m[2]) for m in _ASSIGNMENT.finditer(piece)]
        if found:
            (method, result), *properties = found
            if not torn or result.lower() == "fail":
                results.append((method.partition("/")[0], result.lower(), dict(properties)))
    return Block(words[0].lower() if words else "", tuple(results))


def trusted_dmarc(fields: Fields, trusted_id: str, from_domain: str) -> Dmarc:
    """Return what the server with that authserv-id says of DMARC for the From domain (a normal domain).

    ``trusted_id`` may begin with "*." for any host below. A pass for another domain counts as no result.
    """
    if not trusted_id:
        return Dmarc.NOT_ASKED
    blocks: list[tuple[Block, bool]] = []
    foreign = False
    for name, raw in fields.ordered:
        if name == "received":
            foreign = foreign or _is_foreign(raw, trusted_id)
        elif name == _FIELD and len(blocks) < _MOST_BLOCKS:
            blocks.append((read_block(raw), foreign))
    claims = [index for index, (block, _) in enumerate(blocks) if _claims(block.authserv_id, trusted_id)]
    if len(claims) > 1:
        return Dmarc.SEVERAL
    if not claims:
        return Dmarc.NONE
    block, below_foreign = blocks[claims[0]]
    found = [(result, properties) for method, result, properties in block.results if method == "dmarc"]
    if any(result == "fail" for result, _ in found):
        return Dmarc.FAIL
    first = claims[0] == 0 and not below_foreign
    passed = any(
        result == "pass" and _aligned(properties.get("header.from", ""), from_domain) for result, properties in found
    )
    return Dmarc.PASS if first and passed else Dmarc.NONE


def _claims(authserv_id: str, trusted_id: str) -> bool:
    trusted = trusted_id.lower()
    return authserv_id.endswith(trusted[1:]) if trusted.startswith("*.") else authserv_id == trusted


def _aligned(header_from: str, from_domain: str) -> bool:
    domain = normal_domain(header_from.rpartition("@")[2])
    return bool(domain) and (from_domain == domain or from_domain.endswith("." + domain))


def _is_foreign(raw: bytes, trusted_id: str) -> bool:
    """Tell whether a Received was written by a named host of another organisation than the trusted one's.

    Hosts without a domain and IP addresses are the inner stations of large providers.
    """
    own = _organisation(trusted_id.lower().removeprefix("*."))
    plain = without_comments(raw[:_MOST_BLOCK].decode("latin-1"))
    match = _BY.search(plain or "")
    by = normal_domain(match[1]) if match else ""
    return bool(own) and "." in by and _organisation(by) != own


def _organisation(host: str) -> str:
    labels = host.split(".")
    if len(labels) < 2:  # noqa: PLR2004 - a bare name has no organisation
        return ""
    short = len(labels[-1]) < _SHORT_LABEL and len(labels[-2]) <= _SHORT_LABEL
    return ".".join(labels[-3:] if short else labels[-2:])
