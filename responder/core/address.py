"""Mail addresses: one strict reading, for configuration, matching and destinations alike.

What does not read as exactly one plain address yields "": a caller can then stay silent, but can never take one
address for another. `email.utils` is not asked: its answers differ between patch levels (CVE-2023-27043).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1035 section 2.3.4
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*+(?![0-9]+\Z){_LABEL}")  # a last label of digits: an IP without its brackets

MOST_OCTETS = 254  # RFC 3696 erratum 1690: the longest address that fits into a path
_MOST_LOCAL = 64  # RFC 5321 section 4.5.3.1.1
_MOST_LABEL = 63  # characters; before punycode, which is slow on long ones

MOST_MAILBOXES = 200  # a longer list is a mass mailing; the owner stands early or not at all
_MOST_LIST = 20_000  # characters: 200 addresses of 100

# Possessive, so that a hostile value is scanned once: an unclosed quote, bracket or comment runs to the end.
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_LIST_TOKEN = re.compile(rf'{_QUOTED}?|<[^<>"]*+>?|[,;:]|[^",;:<]++', re.DOTALL)
_OUTSIDE = re.compile(rf'{_QUOTED}?|\\.|[()]|[^"()\\]++|\\', re.DOTALL)
_INSIDE = re.compile(r"\\.|[()]|[^()\\]++|\\", re.DOTALL)
_CLOSED_QUOTED = re.compile(_QUOTED, re.DOTALL)
_NAME_ADDR = re.compile(rf'(?:[^"<>@,;:()\\]*+|\s*"[^"\\]*+"\s*)<({_ATEXT}(?:\.{_ATEXT})*@[^<>@\s"(),:;\\]+)>\s*')

# BATV: "prvs=tag=user" (draft-levine-smtp-batv), "prvs=user/tag" (its first form), "btv1==tag==user" (Barracuda).
_BATV = re.compile(r"prvs=(?:([^=/]+)/[0-9a-z]+|[0-9a-z]+=(.+))|btv1==[0-9a-z]+==(.+)")

# Providers that deliver several spellings to one account, by the domain that stands for it: its other domains, and
# what the local part's letters are read as. Gmail and Proton ignore full stops (Proton "-" and "_" too), Yandex takes
# "." and "-" for the same.
_ONE_ACCOUNT = {
    domain: (domains[0], letters)
    for domains, letters in (
        (("gmail.com", "googlemail.com"), str.maketrans("", "", ".")),
        (("yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua"), str.maketrans(".", "-")),
        (("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), str.maketrans("", "", ".-_")),
        (("icloud.com", "me.com", "mac.com"), str.maketrans("", "")),
    )
    for domain in domains
}

_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 section 3.1: the full stops of IDN
_IDN_CATEGORIES = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})  # RFC 5892: letters, marks, digits


def normal_domain(text: str) -> str:
    """Return the domain lower-cased, an IDN as punycode; "" if it is none (an address literal is none).

    Source: RFC 5890; not Python's codec, which follows IDNA 2003 and would read "ß" as "ss", another domain.
    """
    if not text or len(text) > MOST_OCTETS:
        return ""
    domain = text if text.isascii() else _idn(text)
    return domain.lower() if _DOMAIN.fullmatch(domain) else ""


def wire_address(text: str) -> str:
    """Return the address as it travels: the local part as it is, the domain lower-cased and as punycode."""
    local, at, domain = text.rpartition("@")
    return f"{local}{at}{normal_domain(domain) or domain}"


def _idn(text: str) -> str:
    labels: list[str] = []
    for label in _DOTS.split(unicodedata.normalize("NFKC", text).lower()):
        if label.isascii():
            labels.append(label)
            continue
        plain = all(ch == "-" or unicodedata.category(ch) in _IDN_CATEGORIES for ch in label)
        if not plain or len(label) > _MOST_LABEL:
            return ""
        labels.append("xn--" + unicodedata.normalize("NFC", label).encode("punycode").decode("ascii"))
    return ".".join(labels)


def normal_address(text: str) -> str:
    """Return one addr-spec with local part and domain lower-cased, an IDN domain as punycode.

    White space around it is allowed, nothing else: no name, no brackets, no comment, no quoted or non-ASCII local
    part. "" if it is not exactly one such address of at most 254 octets. Source: RFC 5322 section 3.4.1.
    """
    local, at, domain = text.strip(" \t\r\n").partition("@")
    if not at or len(local) > _MOST_LOCAL or not _LOCAL.fullmatch(local):
        return ""
    normal = normal_domain(domain)
    address = f"{local.lower()}@{normal}"
    return address if normal and len(address) <= MOST_OCTETS else ""


def without_tags(address: str) -> str:
    """Return a normal address without a BATV tag and without what follows a "+" in its local part."""
    local, _, domain = address.rpartition("@")
    if (match := _BATV.fullmatch(local)) is not None:
        local = match[1] or match[2] or match[3]
    return f"{local.partition('+')[0] or local}@{domain}"


@lru_cache(maxsize=1024)
def account(address: str) -> str:
    """Return the one spelling of a normal address that stands for everything its provider delivers to the same person.

    Without tags anywhere; at Gmail, Yandex, Proton and iCloud also one domain for all of theirs, and the local part as
    they read it. For comparing only: mail goes to addresses as they were written.
    """
    local, at, domain = without_tags(address).rpartition("@")
    if (family := _ONE_ACCOUNT.get(domain)) is not None:
        domain = family[0]
        local = local.translate(family[1]) or local
    return f"{local}{at}{domain}"


def without_comments(value: str) -> str | None:
    """Replace each comment by a space; None if the parentheses do not pair up.

    Source: RFC 5322 section 3.2.2. The nesting is counted, not recursed into.
    """
    if "(" not in value and ")" not in value:
        return value
    kept: list[str] = []
    depth = at = 0
    while match := (_INSIDE if depth else _OUTSIDE).match(value, at):
        piece, at = match[0], match.end()
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth -= 1
            if depth < 0:
                return None
            kept.append(" ")
        elif not depth:
            kept.append(piece)
    return None if depth else "".join(kept)


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """An address list as it was read.

    Attributes:
        addresses: each member's normal address in the order of the list, "" for one that does not read as one.
        grouped: a member stands in a group.
        broken: the list's own punctuation does not hold together.
    """

    addresses: tuple[str, ...]
    grouped: bool = False
    broken: bool = False


@lru_cache(maxsize=64)  # From, Sender and Return-Path are asked for several times in one message
def read_mailboxes(value: str) -> Mailboxes:
    """Read an address list: names, quoted names, comments, groups; at most the first `MOST_MAILBOXES`.

    Source: RFC 5322 section 3.4; semicolons between mailboxes, as Outlook writes them, are allowed.
    """
    if (match := _NAME_ADDR.fullmatch(value)) is not None:
        return Mailboxes((normal_address(match[1]),))
    if len(value) > _MOST_LIST:
        value = value[: value.rfind(",", 0, _MOST_LIST) + 1]
    plain = without_comments(value)
    if plain is None:
        return Mailboxes((), broken=True)
    members: list[list[str]] = [[]]
    grouped = False
    for match in _LIST_TOKEN.finditer(plain):
        piece = match[0]
        if piece == ":":
            grouped = True
            members[-1] = []
        elif piece in ",;":
            if len(members) >= MOST_MAILBOXES:
                break
            members.append([])
        elif not piece.isspace():
            members[-1].append(piece)
    return Mailboxes(tuple(_read_member(member) for member in members if member), grouped)


def shorten(address: str) -> str:
    """Shorten an address for a log or an alert: enough for the owner to know it, too little to be worth stealing."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}" if local else "–"


def _read_member(tokens: list[str]) -> str:
    """Return the address of ``name <address>`` or ``address``, "" for anything else."""
    *names, last = tokens
    if not last.startswith("<"):
        return "" if names else normal_address(last)
    address = normal_address(last[1:-1]) if last.endswith(">") else ""
    for name in names:
        if name.startswith('"'):
            if not _CLOSED_QUOTED.fullmatch(name):
                return ""
        elif ("@" in name or "<" in name or ">" in name) and normal_address(name) != address:
            return ""  # two addresses in one member: programs differ over which of them it names
    return address
