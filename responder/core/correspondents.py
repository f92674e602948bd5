"""Who writes with the owner, told from headers alone: addresses that are the owner's too, people who may be clients.

For ``init``. Nothing here decides anything: what comes out is shown to the owner, who chooses. In doubt nothing is
suggested.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from responder.core import automatic
from responder.core.address import (
    MOST_MAILBOXES,
    account,
    normal_address,
    normal_domain,
    read_mailboxes,
    without_tags,
)
from responder.core.authres import read_block
from responder.core.header import clean, clock_offset, decoded, instant, message_ids, split_fields
from responder.core.subject import without_prefixes
from responder.core.zone_guess import guess_zone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from responder.core.header import Fields
    from responder.core.zone_guess import Clocked, ZoneGuess

#: What is read of a letter: what tells a machine's, and the rest of an envelope.
FIELDS: tuple[str, ...] = (
    *automatic.FIELDS,
    *("To", "Cc", "Date", "Subject", "Message-ID"),
    *("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "Authentication-Results"),
)

_DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to")
_MOST_PEOPLE = 5_000  # addresses that are kept: more is a public mailbox, and the rest are no regulars
_MOST_CLOCKS = 200  # letters of one person whose clocks are compared
_LEAST_CAME = 3  # letters that came to an address of the owner's domain
_LEAST_WROTE = 3  # letters to the owner alone, from somebody who never got an answer
_FAR_SECONDS = 86_400.0  # a Date further from the arrival was not written then
_LEAST_SIGNED, _SIGNED_BY_ONE = 5, 0.9  # senders' domains with results of DMARC, and the share that one server wrote
_MOST_NAME = 60
_MOST_NAMES = 8  # that one person goes by
_MOST_ADDRESSES = 20  # of one firm; more are not people but a shop's counters
_MOST_LISTED = 10  # recipients: a letter to more is a circular and answers nobody
_MOST_IDS = 20_000  # letters that are known again when they lie in a second folder: three times what is read
_LEAST_LETTERS = 20  # of an alphabet: fewer tell no language
_LEAST_CYRILLIC = 5  # the same of one that nobody uses by accident
#: Of Ukrainian and Belarusian, for which there are no words yet: that Cyrillic is not Russian.
_NOT_RUSSIAN = frozenset("іїєґўІЇЄҐЎ")
#: Second levels under which countries give names away: the firm's own label stands before them.
_SECOND_LEVELS = frozenset(["co", "com", "org", "net", "ac", "gov", "edu"])
_NAME = re.compile(r'\s*+"?+([^"<>]*+)"?+\s*+<')


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasHint:
    """An address that seems to be the owner's: so many letters were written from it, so many came to it."""

    address: str
    sent_from: int
    came_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHint:
    """Somebody, or several persons of one firm, with whom the owner writes.

    Attributes:
        key: a name for the client's table.
        name: as they call themselves; the domain where they are several.
        addresses: of all of them, who writes most first.
        wrote: how many letters came from them.
        answered: how many of the owner's went to them.
        zone: where they probably live; None where nothing tells.
        language: "ru" or "en" by the letters of their subjects and names, "" where they are too few.
    """

    key: str
    name: str
    addresses: tuple[str, ...]
    wrote: int
    answered: int
    zone: ZoneGuess | None
    language: str


@dataclass(slots=True)
class _Person:
    """What is kept of one address."""

    wrote: int = 0
    answered: int = 0
    alone: Counter[str] = field(default_factory=Counter[str])  # letters to one account and nobody else, by account
    names: Counter[str] = field(default_factory=Counter[str])
    clocked: list[Clocked] = field(default_factory=list["Clocked"])
    alphabets: Counter[str] = field(default_factory=Counter[str])


class Correspondence:
    """Takes in one header after the other; its memory is bounded.

    Args:
        own: the owner's addresses, as far as they are known.
        free_mail: domains at which anybody may have an address.
    """

    def __init__(self, own: Iterable[str], free_mail: Collection[str]) -> None:
        self._free_mail = free_mail
        self._own: set[str] = set()
        self._own_domains: set[str] = set()
        self._people: dict[str, _Person] = {}
        self._owner = _Person()
        self._sent_from: Counter[str] = Counter()
        self._came_to: Counter[str] = Counter()
        self._delivered: set[str] = set()
        self._signed: set[tuple[str, str]] = set()  # who signed the topmost results, and the sender's domain
        self._answered: Counter[str] = Counter()  # the owner's letters, by firm: one to three of its people is one
        self._ids: set[int] = set()
        self.add_own(own)

    def add_own(self, addresses: Iterable[str]) -> None:
        """Learn of further addresses of the owner's."""
        for address in filter(None, map(normal_address, addresses)):
            self._own.add(account(address))
            domain = address.rpartition("@")[2]
            if domain not in self._free_mail:
                self._own_domains.add(domain)

    def came(self, header: bytes, arrived_at: datetime | None) -> None:
        """Take in a message that was received; never raises."""
        fields = split_fields(header)
        self._note_signer(fields)
        sender = _single(fields, "from")
        if not sender or self._is_own(sender) or automatic.sign_of_robot(fields) or automatic.is_robot(sender):
            return
        if self._is_again(fields):
            return
        everybody = [*_listed(fields, "to"), *_listed(fields, "cc")]
        self._note_way(fields, [each for each in everybody if each])
        person = self._person(sender)
        if person is None:
            return
        person.wrote += 1
        if len(everybody) == 1 and everybody[0]:
            _count(person.alone, account(everybody[0]), MOST_MAILBOXES)
        name = _display_name(fields)
        if name:
            if name not in person.names:
                _note_letters(person, name)
            _count(person.names, name, _MOST_NAMES)
        _note_letters(person, without_prefixes(decoded(fields.first("subject"), 100)))
        self._note_clock(person, fields, arrived_at)

    def wrote(self, header: bytes, sent_at: datetime | None) -> None:
        """Take in a message of the owner's own, from Sent; never raises."""
        fields = split_fields(header)
        if automatic.sign_of_robot(fields) or self._is_again(fields):
            return
        self._note_clock(self._owner, fields, sent_at)
        sender = _single(fields, "from")
        if sender and not self._is_own(sender):
            _count(self._sent_from, without_tags(sender), _MOST_PEOPLE)
        listed = {each for each in (*_listed(fields, "to"), *_listed(fields, "cc")) if each}
        if len(listed) > _MOST_LISTED:
            return
        firms: set[str] = set()
        for address in listed:
            if not self._is_own(address) and (person := self._person(address)) is not None:
                person.answered += 1
                firms.add(self._firm(address))
        self._answered.update(firms)

    # ---------------------------------------------------------------------------------- suggestions

    def aliases(self) -> tuple[AliasHint, ...]:
        """Return what seems to be the owner's as well, the most evident first.

        What letters were written from, what the server says it delivered to; or an address of the owner's own domain to
        which alone letters came. Not an address that writes to the owner itself, or that the owner writes to: a
        colleague's, to whom such letters went with a hidden copy; a client's, whose letter was sent on as it was.
        """
        found: list[AliasHint] = []
        for address in {*self._sent_from, *self._came_to}:
            sent_from, came_to = self._sent_from[address], self._came_to[address]
            person = self._people.get(address) or _Person()
            at_home = address.rpartition("@")[2] in self._own_domains and came_to >= _LEAST_CAME
            reached = (address in self._delivered or at_home) and not (sent_from or person.wrote or person.answered)
            evident = reached or self._is_written_from(address, person)
            if evident and not self._is_own(address):
                found.append(AliasHint(address=address, sent_from=sent_from, came_to=came_to))
        return tuple(sorted(found, key=lambda one: (-one.sent_from, -one.came_to, one.address)))

    def clients(self, owner_zone: str, most: int = 20) -> tuple[ClientHint, ...]:
        """Return with whom the owner writes, most letters first; people of one firm together."""
        firms: dict[str, dict[str, _Person]] = {}
        for address, person in self._people.items():
            owners = self._is_own(address) or self._is_written_from(address, person)
            if person.wrote and not owners and address.rpartition("@")[2] not in self._own_domains:
                firms.setdefault(self._firm(address), {})[address] = person
        known = [(firm, people) for firm, people in firms.items() if self._answered[firm] or self._is_regular(people)]
        known.sort(key=lambda one: (-sum(each.wrote for each in one[1].values()), one[0]))
        keys: set[str] = set()
        return tuple(_hint(firm, people, self._answered[firm], owner_zone, keys) for firm, people in known[:most])

    def own_zone(self, system_zone: str) -> ZoneGuess | None:
        """Return where the owner probably lives, by the clock of what they wrote; None where nothing tells.

        ``system_zone`` is that of the machine, "" where it has none of a place.
        """
        domain = min(self._own_domains, default="")
        return guess_zone(sorted(self._owner.clocked, key=lambda each: each[0]), domain, system_zone)

    def signer(self) -> str:
        """Return the authserv-id by which the owner's own server seems to sign what it found out of DMARC, "" if none.

        It is the topmost on the letters of nearly all senders. Where the server signs nothing, the senders' servers
        differ; so each sender's domain counts once, however much it writes.
        """
        signers = Counter(name for name, _ in self._signed)
        (name, count), *_ = signers.most_common(1) or [("", 0)]
        if count < _LEAST_SIGNED or count < _SIGNED_BY_ONE * signers.total():
            return ""
        return name if "." in name and normal_domain(name) == name else ""

    # --------------------------------------------------------------------------------------- memory

    def _is_own(self, address: str) -> bool:
        return account(address) in self._own

    def _is_written_from(self, address: str, person: _Person) -> bool:
        """Tell whether the owner's letters bear that address, and not only one that was sent on as it had come."""
        sent_from = self._sent_from[without_tags(address)]
        return sent_from > 0 and person.wrote <= sent_from

    def _firm(self, address: str) -> str:
        domain = address.rpartition("@")[2]
        return address if domain in self._free_mail else domain

    def _is_regular(self, people: dict[str, _Person]) -> bool:
        """Tell whether they have written to the owner alone, again and again."""
        alone = sum(count for one in people.values() for to, count in one.alone.items() if to in self._own)
        return alone >= _LEAST_WROTE

    def _is_again(self, fields: Fields) -> bool:
        """Tell whether the letter was taken in already: at some providers it lies in several folders."""
        ids = message_ids(fields.first("message-id"))
        if not ids:
            return False
        # Programs that write one letter to each of many give all of them the same id.
        this = hash((ids[0], fields.first("to")))
        known = this in self._ids
        if len(self._ids) < _MOST_IDS:
            self._ids.add(this)
        return known

    def _person(self, address: str) -> _Person | None:
        if address not in self._people:
            if len(self._people) >= _MOST_PEOPLE:
                return None
            self._people[address] = _Person()
        return self._people[address]

    def _note_way(self, fields: Fields, listed: Sequence[str]) -> None:
        """Note by which address a message came, where that was none that is known."""
        if any(map(self._is_own, listed)):
            return
        if len(listed) == 1:
            _count(self._came_to, without_tags(listed[0]), _MOST_PEOPLE)
        for address in {each for name in _DELIVERED for each in _listed(fields, name)}.intersection(listed):
            if len(self._delivered) < _MOST_PEOPLE:
                self._delivered.add(without_tags(address))

    def _note_signer(self, fields: Fields) -> None:
        """Note who signed the topmost results of a letter, if they tell of DMARC."""
        block = read_block(fields.first("authentication-results"))
        domain = _single(fields, "from").rpartition("@")[2]
        if block.dmarc and domain and len(self._signed) < _MOST_PEOPLE:
            self._signed.add((block.authserv_id, domain))

    @staticmethod
    def _note_clock(person: _Person, fields: Fields, arrived_at: datetime | None) -> None:
        """Note the clock that a letter was written by, unless its arrival is unknown or gives it the lie."""
        written_at, ahead = instant(fields.first("date")), clock_offset(fields.first("date"))
        if written_at is None or ahead is None or arrived_at is None or len(person.clocked) >= _MOST_CLOCKS:
            return
        if abs((written_at - arrived_at).total_seconds()) < _FAR_SECONDS:
            person.clocked.append((written_at, ahead))


def _count(counter: Counter[str], key: str, most: int) -> None:
    """Count one more, as long as no more than so many different ones are kept."""
    if key in counter or len(counter) < most:
        counter[key] += 1


def _note_letters(person: _Person, text: str) -> None:
    alphabets = person.alphabets
    alphabets["cyrillic"] += sum("\u0400" <= each <= "\u04ff" for each in text)
    alphabets["not russian"] += sum(each in _NOT_RUSSIAN for each in text)
    alphabets["latin"] += sum("a" <= each.lower() <= "z" for each in text)


def _hint(firm: str, people: dict[str, _Person], answered: int, owner_zone: str, keys: set[str]) -> ClientHint:
    addresses = tuple(sorted(people, key=lambda address: (-people[address].wrote, address)))[:_MOST_ADDRESSES]
    members = list(people.values())
    clocked = sorted((each for one in members for each in one.clocked), key=lambda each: each[0])
    names, alphabets = Counter[str](), Counter[str]()
    for one in members:
        names.update(one.names)
        alphabets.update(one.alphabets)
    name = firm
    if len(addresses) == 1:
        name = names.most_common(1)[0][0] if names else addresses[0]
    return ClientHint(
        key=_key(firm, keys),
        name=name,
        addresses=addresses,
        wrote=sum(one.wrote for one in members),
        answered=answered,
        zone=guess_zone(clocked, addresses[0].rpartition("@")[2], owner_zone),
        language=_language(alphabets),
    )


def _language(alphabets: Counter[str]) -> str:
    """Return the language of the subjects and names; "" where it is in doubt.

    A quarter of Cyrillic is Russian: Russians write their names and those of firms in Latin letters too.
    """
    cyrillic, latin = alphabets["cyrillic"], alphabets["latin"]
    if cyrillic >= _LEAST_CYRILLIC and 3 * cyrillic >= latin:
        return "" if 20 * alphabets["not russian"] >= cyrillic else "ru"
    return "en" if latin >= _LEAST_LETTERS and 10 * cyrillic < latin else ""


def _key(firm: str, keys: set[str]) -> str:
    """Return a name for the client's table, of the firm's own label or of the address, that no other has."""
    local, at, domain = firm.rpartition("@")
    labels = domain.split(".")
    label = labels[-3] if len(labels) > 2 and labels[-2] in _SECOND_LEVELS else labels[-2 if len(labels) > 1 else 0]  # noqa: PLR2004 - name.co.uk
    plain = re.sub(r"[^a-z0-9]+", "-", (local if at else label).lower()).strip("-")[:40] or "client"
    key, number = plain, 1
    while key in keys:
        number += 1
        key = f"{plain}-{number}"
    keys.add(key)
    return key


def _single(fields: Fields, name: str) -> str:
    """Return the one address of a field, "" where there is not exactly one."""
    values = fields.all(name)
    if len(values) != 1:
        return ""
    read = read_mailboxes(values[0].decode("utf-8", "replace"))
    return read.addresses[0] if len(read.addresses) == 1 and not read.grouped and not read.broken else ""


def _listed(fields: Fields, name: str) -> list[str]:
    found: list[str] = []
    for value in fields.all(name)[:MOST_MAILBOXES]:
        found += read_mailboxes(value.decode("utf-8", "replace")).addresses
    return found[:MOST_MAILBOXES]


def _display_name(fields: Fields) -> str:
    """Return the name beside the sender's address; "" where there is none, or it holds an address."""
    match = _NAME.match(decoded(fields.first("from")))
    name = clean(match[1], _MOST_NAME) if match is not None else ""
    return "" if "@" in name else name
