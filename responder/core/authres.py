"""Authentication-Results: what the owner's own mail server found out about DMARC, and nobody else.

Promises that a block is believed only under the configured authserv-id. A *fail* counts wherever the block stands; a
*pass* only from the topmost block, above the first Received of a foreign host, and for the From domain; and where two
blocks that claim the id both tell of DMARC, one of them is forged and neither is believed. Whoever forges a block can
so silence the reply to his own mail, and never cause one.
Microsoft's servers write no id: under `MICROSOFT` only the topmost block is heard, and only if it bears none.
Sources: RFC 8601 sections 2.2, 4.1 and 5; RFC 7489.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.core.address import normal_domain, without_comments
from responder.core.model import Dmarc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from responder.core.header import Fields

#: Stands for an authserv-id where the provider is Microsoft. No id looks like it: it has a space.
MICROSOFT = "microsoft 365"
#: The domains of the hosts that Microsoft's Received fields name: its clouds for the world, the US government, China.
MICROSOFT_HOSTS = frozenset({"outlook.com", "office365.com", "exchangelabs.com", "office365.us", "outlook.cn"})

_FIELD = "authentication-results"

# Pieces between semicolons; words of a piece: name=value with an optionally quoted value. A result begins its piece.
_PIECE = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?|[^;"]++)*+', re.DOTALL)
_NAME = r"[A-Za-z0-9_./-]"
_ASSIGNMENT = re.compile(rf'(?<!{_NAME})({_NAME}++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^\s;"]++))', re.DOTALL)
_RESULT_BEGINS = re.compile(rf"\s*+{_NAME}++\s*+=")
_BY = re.compile(r"(?:^|\s)by\s+([A-Za-z0-9.-]+)", re.IGNORECASE)
_SHORT_LABEL = 3  # "co.uk", "com.au": a second level that belongs to nobody


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a block: "dmarc", "pass", and its properties in their order."""

    method: str
    word: str
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One Authentication-Results field: who claims it ("" where it begins with a result), and its results."""

    authserv_id: str
    results: tuple[Result, ...]

    @property
    def dmarc(self) -> tuple[Result, ...]:
        """What it tells of DMARC: one result, in an honest block."""
        return tuple(result for result in self.results if result.method == "dmarc")


def read_block(raw: bytes) -> Block:
    """Read one field's value; what does not follow the grammar is left out. Source: RFC 8601 section 2.2."""
    text = raw.decode("utf-8", "replace")
    plain = without_comments(text)
    torn = plain is None  # what stood in a comment cannot be told from results: believe only what is bad
    if plain is None:
        plain = text.replace("(", " ").replace(")", " ")
    pieces = [piece for piece in _PIECE.findall(plain) if piece]
    words: list[str] = []
    if pieces and not _RESULT_BEGINS.match(pieces[0]):
        words = pieces.pop(0).replace('"', " ").split()
    results = [result for piece in pieces if (result := _read_result(piece)) is not None]
    return Block(
        authserv_id=words[0].lower().rstrip(".") if words else "",
        results=tuple(result for result in results if not torn or result.word == "fail"),
    )


def _read_result(piece: str) -> Result | None:
    if not _RESULT_BEGINS.match(piece):
        return None
    found = [(match[1].lower(), match[3] if match[2] is None else match[2]) for match in _ASSIGNMENT.finditer(piece)]
    if not found:
        return None
    (method, word), *properties = found
    return Result(method.partition("/")[0], word.lower(), tuple(properties))


def trusted_dmarc(fields: Fields, trusted_id: str, from_domain: str) -> Dmarc:
    """Return what the server with that authserv-id says of DMARC for the From domain (a normal domain).

    ``trusted_id`` may begin with "*." for any host below, or be `MICROSOFT`. A pass for another domain counts as no
    result.
    """
    if not trusted_id:
        return Dmarc.NOT_ASKED
    if trusted_id == MICROSOFT:
        return _by_microsoft(fields, from_domain)
    trusted = trusted_id.lower().rstrip(".")
    own = _organisation(trusted.removeprefix("*."))
    foreign = False
    blocks = 0
    telling: list[tuple[Block, bool]] = []
    for name, raw in fields.ordered:
        if name == "received":
            foreign = foreign or _is_foreign(raw, {own})
        elif name == _FIELD:
            block = read_block(raw)
            # A server's DKIM and DMARC filters may write one block each: only those that tell of DMARC compete.
            if _claims(block.authserv_id, trusted) and block.dmarc:
                telling.append((block, blocks == 0 and not foreign))
            blocks += 1
    if len(telling) > 1:
        return Dmarc.SEVERAL
    return _verdict(telling[0][0].dmarc, from_domain, first=telling[0][1]) if telling else Dmarc.NONE


def _by_microsoft(fields: Fields, from_domain: str) -> Dmarc:
    """Hear the topmost block, if Microsoft's own hosts alone stand above it; senders' servers write blocks below."""
    for name, raw in fields.ordered:
        if name == "received" and _is_foreign(raw, MICROSOFT_HOSTS):
            break
        if name == _FIELD:
            block = read_block(raw)
            return Dmarc.NONE if block.authserv_id else _verdict(block.dmarc, from_domain, first=True)
    return Dmarc.NONE


def _verdict(results: Collection[Result], from_domain: str, *, first: bool) -> Dmarc:
    if any(result.word == "fail" for result in results):
        return Dmarc.FAIL
    if len(results) > 1:
        return Dmarc.SEVERAL
    passed = any(result.word == "pass" and _aligned(result.properties, from_domain) for result in results)
    return Dmarc.PASS if first and passed else Dmarc.NONE


def _claims(authserv_id: str, trusted: str) -> bool:
    return authserv_id.endswith(trusted[1:]) if trusted.startswith("*.") else authserv_id == trusted


def _aligned(properties: Iterable[tuple[str, str]], from_domain: str) -> bool:
    """Tell whether header.from is the From domain or one above it, each time it is named."""
    domains = [normal_domain(value.rpartition("@")[2]) for name, value in properties if name == "header.from"]
    return bool(domains) and all(
        domain and (from_domain == domain or from_domain.endswith("." + domain)) for domain in domains
    )


def _is_foreign(raw: bytes, own: Collection[str]) -> bool:
    """Tell whether a Received was written by a named host of none of these organisations, or cannot be read.

    Hosts without a domain and IP addresses are the inner stations of large providers.
    """
    plain = without_comments(raw.decode("latin-1"))
    if plain is None:
        return True
    match = _BY.search(plain)
    by = normal_domain(match[1].rstrip(".")) if match else ""
    return "." in by and _organisation(by) not in own


def _organisation(host: str) -> str:
    labels = host.split(".")
    if len(labels) < 2:  # noqa: PLR2004 - a bare name has no organisation
        return ""
    short = len(labels[-1]) < _SHORT_LABEL and len(labels[-2]) <= _SHORT_LABEL
    return ".".join(labels[-3:] if short else labels[-2:])
