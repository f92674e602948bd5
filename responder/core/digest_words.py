"""The digest in words: every line of the page as the owner reads it, in the owner's language and by their clock.

For ``digest_pages``, which puts the lines on a page, and for the terminal. What comes from a message, from the file or
from a server passes ``clean`` here: it is one harmless line, and only the page escapes it further.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from responder.core.address import account
from responder.core.digest import is_late, known_client
from responder.core.digest_held import SUBJECT_LIMIT, held_lines, name_of, reason_of, totals
from responder.core.digest_times import Teller
from responder.core.phrases import NAME_LIMIT, said_in
from responder.core.spans import edge
from responder.core.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from responder.core.digest import Digest, Entry, Slot
    from responder.core.model import Policy, Span, Window
    from responder.core.morning_rows import OpenMail

#: With more clients than this in one place each gets two lines: the most urgent message, and how many more there are.
DENSE = 12
#: So many of those to whom a promise is late are named; nobody calls more in a morning, and ``today`` shows them all.
MOST_LATE = 40
#: So many names stand in the line of a later window.
MOST_NAMES = 6
#: After noon it is no morning's overview any more.
_NOON = 12
#: The number as people write it, and an extension behind it (RFC 3966 section 3).
_PHONE = re.compile(
    r"\s*(\+?[\d\s()./\u2010-\u2015-]{4,}\d)\s*(?:[,;]?\s*(?:доб|ext|x)\D{0,3}(\d{1,8}))?\s*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message: its subject, and what is to be known of it; ``due`` is the fact that tells until when."""

    subject: str
    facts: tuple[str, ...]
    due: str
    late: bool = False
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One client. ``number`` is the place in the order, 0 where there is none; ``tel`` a link, "" where it is none.

    ``more`` says how many more messages there are where only the first is shown.
    """

    number: int
    name: str
    phone: str
    tel: str
    when: str
    items: tuple[Item, ...]
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A heading with rows or lines. ``kind``: "late", "today", "shelf", "later" or "held"."""

    kind: str
    heading: str
    note: str = ""
    rows: tuple[Row, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole overview."""

    language: str
    title: str
    subject: str
    lead: str
    blocks: tuple[Block, ...]
    totals: tuple[str, ...]
    foot: str


def make_page(policy: Policy, digest: Digest, *, whole: bool = False) -> Page:
    """Put a digest into words; ``whole`` leaves out nothing, however much there is."""
    return _Speaker(policy, digest, whole=whole).page()


def tel_link(phone: str) -> str:
    """Return a number as a link that a telephone dials; "" where it is not certain what to dial.

    Source: RFC 3966.
    """
    match = _PHONE.fullmatch(phone)
    if match is None:
        return ""
    number = re.sub(r"[^\d+]", "", match[1])
    return f"tel:{number};ext={match[2]}" if match[2] else f"tel:{number}"


class _Speaker:
    """Says one digest."""

    def __init__(self, policy: Policy, digest: Digest, *, whole: bool) -> None:
        self._policy = policy
        self._digest = digest
        self._whole = whole
        self._tell = Teller(policy.owner, digest.on)
        self._words = self._tell.words

    def page(self) -> Page:
        digest, words = self._digest, self._words
        morning = digest.now_at.astimezone(self._tell.zone).hour < _NOON
        title = words.tell("title_morning" if morning else "title_day", **self._tell.dated(digest.on))
        title = title[:1].upper() + title[1:]
        what = ", ".join(self._counts) or words.digest["nobody"]
        return Page(
            language=words.language,
            title=title,
            subject=words.tell("subject", title=title, what=what),
            lead=", ".join([*self._counts, *self._due]) or words.digest["nobody"],
            blocks=tuple(self._blocks()),
            totals=tuple(totals(digest, self._tell)),
            foot=words.digest["foot"],
        )

    @cached_property
    def _counts(self) -> list[str]:
        digest = self._digest
        counts = (("calls", digest.calls), ("letters", digest.letters), ("late", digest.late_mail))
        return [self._words.count(what, number) for what, number in counts if number]

    @cached_property
    def _due(self) -> list[str]:
        number = sum(len(entry.mail) for shelf in self._digest.shelves if not shelf.folder for entry in shelf.entries)
        return [self._words.count("due", number)] if number else []

    def _blocks(self) -> Iterator[Block]:
        digest, words = self._digest, self._words
        if digest.late:
            named = digest.late if self._whole else digest.late[:MOST_LATE]
            left = len(digest.late) - len(named)
            yield Block(
                kind="late",
                heading=words.digest["heading_late"],
                note=words.count("mail", digest.late_mail),
                rows=self._rows(named, where=True),
                lines=(words.count("more", left),) if left else (),
            )
        for slot in digest.today:
            yield Block(
                kind="today",
                heading=self._tell.window(slot.window),
                note=self._slot_note(slot),
                rows=self._rows(slot.entries, window=slot.window),
            )
        for shelf in digest.shelves:
            heading = words.digest["heading_inbox"]
            if shelf.folder:
                heading = words.tell("heading_folder", folder=clean(shelf.folder, NAME_LIMIT))
            yield Block(
                kind="shelf",
                heading=heading,
                note=words.count("clients", len(shelf.entries)),
                rows=self._rows(shelf.entries),
            )
        if digest.later:
            lines = tuple(self._later(slot) for slot in digest.later)
            yield Block(kind="later", heading=words.digest["heading_later"], lines=lines)
        if held := tuple(held_lines(self._policy, digest, self._tell)):
            yield Block(kind="held", heading=words.digest["heading_held"], lines=held)

    # ------------------------------------------------------------------------------------------ rows

    def _rows(self, entries: Sequence[Entry], *, window: Window | None = None, where: bool = False) -> tuple[Row, ...]:
        """Say each client of one place; those of a window are numbered in the order in which to call them."""
        dense = len(entries) > DENSE and not self._whole
        return tuple(
            self._row(entry, 0 if window is None else number, window, dense=dense, where=where)
            for number, entry in enumerate(entries, start=1)
        )

    def _row(self, entry: Entry, number: int, window: Window | None, *, dense: bool, where: bool) -> Row:
        client = known_client(self._policy, entry.client)
        # Whoever cannot be called is not shown with a button that calls.
        phone = clean(client.phone, NAME_LIMIT) if client is not None and entry.calls else ""
        shown = entry.mail[:1] if dense else entry.mail
        left = len(entry.mail) - len(shown)
        return Row(
            number=number,
            name=name_of(self._policy, entry.client),
            phone=phone,
            tel=tel_link(phone),
            when=self._when_to_call(entry, window),
            items=tuple(self._item(entry, mail, dense=dense, where=where) for mail in shown),
            more=self._words.count("more", left) if left else "",
        )

    def _item(self, entry: Entry, mail: OpenMail, *, dense: bool, where: bool) -> Item:
        late = is_late(mail, self._digest.now_at)
        due = self._due_of(entry, mail, late=late)
        facts = [due]
        if where:
            facts.append(self._place(mail))
        if not dense:
            facts += [self._person(mail), clean(mail.topic, NAME_LIMIT)]
            facts.append(self._words.tell("came", when=self._tell.at(mail.arrived_at)))
        if mail.carried:
            facts.append(self._words.count("carried", mail.carried))
        return Item(
            subject=clean(mail.subject, SUBJECT_LIMIT) or f"({self._words.digest['no_subject']})",
            facts=tuple(fact for fact in facts if fact),
            due=due,
            late=late,
            urgent=mail.urgent,
        )

    def _person(self, mail: OpenMail) -> str:
        """Name the sender as the owner addresses them, else by address; "" where the client is one person."""
        client = known_client(self._policy, mail.client)
        people = {} if client is None else {account(address): name for address, name in client.people.items()}
        if name := people.get(mail.address):
            return clean(name, NAME_LIMIT)
        alone = client is not None and not client.domains and len(client.addresses) == 1
        return "" if alone else clean(mail.address, NAME_LIMIT)

    def _due_of(self, entry: Entry, mail: OpenMail, *, late: bool) -> str:
        words = self._words
        if not mail.promised or mail.due_at is None:
            return words.tell("no_due", why=reason_of(words, mail.reason))
        if late:
            return words.tell("due_late", when=self._tell.at(mail.due_at))
        until = self._tell.by(mail.due_at, entry.zone)
        return words.tell("due" if mail.told_at is None else "due_told", until=until)

    def _place(self, mail: OpenMail) -> str:
        words = self._words
        if mail.window is not None and mail.window.closes_at > self._digest.now_at:
            window = self._tell.window(mail.window)
            return words.tell("in_window", window=window[:1].lower() + window[1:])
        return (
            words.tell("in_folder", folder=clean(mail.folder, NAME_LIMIT)) if mail.folder else words.digest["in_inbox"]
        )

    def _when_to_call(self, entry: Entry, window: Window | None) -> str:
        """Say when a call is welcome; nothing where the owner's own clock and the heading say it."""
        words, now_at = self._words, self._digest.now_at
        if window is None:
            if self._tell.same_clock(now_at, entry.zone) and entry.calls:
                return ""
            opens_at, closes_at = now_at, edge(self._digest.on, 1440, self._tell.zone)
        else:
            opens_at, closes_at = max(window.opens_at, now_at), window.closes_at
        if entry.instead == "night":
            span = self._tell.span(opens_at, closes_at, entry.zone)
            return words.tell("by_mail_night", there=span)
        if not entry.calls:
            return words.digest["by_mail_holiday"]
        said = [self._call(entry, call, opens_at, closes_at) for call in entry.calls]
        return ", ".join(one for one in said if one)

    def _call(self, entry: Entry, call: Span, opens_at: datetime, closes_at: datetime) -> str:
        """Say when a call is day for both: nothing where that is the whole window by one clock."""
        span = self._tell.span(call.starts_at, call.ends_at, self._tell.zone)
        there = self._tell.span(call.starts_at, call.ends_at, entry.zone)
        same = self._tell.same_clock(call.starts_at, entry.zone)
        if (call.starts_at, call.ends_at) == (opens_at, closes_at):
            return "" if same else self._words.tell("call_whole", there=there)
        return self._words.tell("call_part" if same else "call_part_other", span=span, there=there)

    # ----------------------------------------------------------------------------------------- lines

    def _slot_note(self, slot: Slot) -> str:
        calls = sum(bool(entry.calls) for entry in slot.entries)
        counts = (("calls", calls), ("letters", len(slot.entries) - calls))
        said = [self._words.count(what, number) for what, number in counts if number]
        names = {channel.key: channel for channel in self._policy.channels}
        language = self._words.language
        used = [said_in(names[key].names, language) for key in slot.window.channels if key in names]
        return " · ".join([", ".join(said), *(clean(name, NAME_LIMIT) for name in used)])

    def _later(self, slot: Slot) -> str:
        names = [name_of(self._policy, entry.client) for entry in slot.entries]
        left = 0 if self._whole else len(names) - MOST_NAMES
        shown = ", ".join(names[:MOST_NAMES]) if left > 0 else ", ".join(names)
        more = f" {self._words.count('more', left)}" if left > 0 else ""
        return f"{self._tell.window(slot.window)}: {shown}{more}"
