"""The owner's morning overview as data: what is late, whom to call today and in which order, what waits.

For ``digest_words``, which says it, and for ``responder today``, which draws it. What the ledger knows is put under
the rules of now: a window is the one the mail was filed for, the hours in which a call is day for both are reckoned
anew, so that a client who moved to another zone is not called by night.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from responder.core import hours
from responder.core.model import Span, Window
from responder.core.spans import edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from responder.core.model import Client, Policy
    from responder.core.morning_rows import Morning, OpenMail

#: Why a client is answered by mail: it is night there in the whole of the window, or a public holiday.
Instead = Literal["", "night", "holiday"]

#: A promise that went late longer ago was kept by a call, or forgotten by both (as in ``decide``: it silences nobody).
FORGOTTEN = timedelta(days=30)

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One client in one place, with all of the client's mail there, earliest due first.

    ``calls`` are the hours in which a call is day there: those of the window, or where there is none those that are
    left of the owner's date; where there are none, ``instead`` says why. ``client`` may be a key that the rules no
    longer know.
    """

    client: str
    zone: ZoneInfo
    mail: tuple[OpenMail, ...]
    calls: tuple[Span, ...] = ()
    instead: Instead = ""

    @property
    def due_at(self) -> datetime:
        """The earliest due time; far in the future where there is none."""
        return min((_due(mail) for mail in self.mail), default=_NEVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One window with those who wait for it, in the order in which to call them."""

    window: Window
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder that no window lies ahead of; "" is INBOX."""

    folder: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One morning.

    Attributes:
        on: the owner's date.
        now_at: when it was made.
        late: clients to whom a promise is late, the oldest first, with the late mail only.
        today: the windows of today that have not closed.
        shelves: what lies in INBOX and is due today or urgent, and what was left in a folder whose window is over.
        later: the windows of later dates.
        ended: clients whose agreement is no longer in force, of those who wait or who lost it since the last digest.
        morning: all else that the ledger knows.
    """

    on: date
    now_at: datetime
    late: tuple[Entry, ...]
    today: tuple[Slot, ...]
    shelves: tuple[Shelf, ...]
    later: tuple[Slot, ...]
    ended: tuple[Client, ...]
    morning: Morning

    @property
    def calls(self) -> int:
        """How many clients can be called today."""
        return len({entry.client for slot in self.today for entry in slot.entries if entry.calls})

    @property
    def letters(self) -> int:
        """How many clients of today's windows can only be answered by mail."""
        called = {entry.client for slot in self.today for entry in slot.entries if entry.calls}
        return len({entry.client for slot in self.today for entry in slot.entries} - called)

    @property
    def late_mail(self) -> int:
        """How many promises are late."""
        return sum(len(entry.mail) for entry in self.late)


def make_digest(policy: Policy, morning: Morning, now_at: datetime) -> Digest | None:
    """Return the overview as it stands now; None where there is nothing to say."""
    zone = policy.owner.zone
    on = now_at.astimezone(zone).date()
    today: defaultdict[Window, list[OpenMail]] = defaultdict(list)
    later: defaultdict[Window, list[OpenMail]] = defaultdict(list)
    shelves: defaultdict[str, list[OpenMail]] = defaultdict(list)
    late: list[OpenMail] = []
    for mail in morning.mail:
        if is_late(mail, now_at) and not is_forgotten(mail, now_at):
            late.append(mail)
        if mail.window is not None and mail.window.closes_at > now_at:
            ahead = mail.window.opens_at.astimezone(zone).date() > on
            (later if ahead else today)[mail.window].append(mail)
        elif not is_late(mail, now_at) and (mail.folder or mail.urgent or _is_due(mail, on, zone)):
            shelves[mail.folder].append(mail)
    rest = Window(key="", opens_at=now_at, closes_at=edge(on, 1440, zone))
    digest = Digest(
        on=on,
        now_at=now_at,
        late=tuple(sorted(_entries(policy, late, rest, now_at), key=_by_due)),
        today=_slots(policy, today, now_at),
        shelves=tuple(
            Shelf(folder=folder, entries=tuple(sorted(_entries(policy, shelves[folder], rest, now_at), key=_by_due)))
            for folder in sorted(shelves)
        ),
        later=_slots(policy, later, now_at),
        ended=_ended(policy, morning, on),
        morning=morning,
    )
    return digest if _says_something(digest) else None


def is_late(mail: OpenMail, now_at: datetime) -> bool:
    """Tell whether the promise to answer this mail has been broken by now."""
    return mail.promised and mail.due_at is not None and mail.due_at < now_at


def is_forgotten(mail: OpenMail, now_at: datetime) -> bool:
    """Tell whether that was so long ago that nobody is told of it each morning any more."""
    return mail.promised and mail.due_at is not None and mail.due_at < now_at - FORGOTTEN


def known_client(policy: Policy, key: str) -> Client | None:
    """Return the client with that key; None where the rules no longer know it."""
    return next((client for client in policy.clients if client.key == key), None)


def _says_something(digest: Digest) -> bool:
    morning = digest.morning
    mail = digest.late or digest.today or digest.shelves or digest.later
    held = morning.replies or morning.unfiled or morning.unreadable or morning.unverified or morning.breaker_until
    return bool(mail or held or any(one.fresh for one in morning.suspended))


def _is_due(mail: OpenMail, on: date, zone: ZoneInfo) -> bool:
    return mail.promised and mail.due_at is not None and mail.due_at.astimezone(zone).date() <= on


def _due(mail: OpenMail) -> datetime:
    return mail.due_at if mail.promised and mail.due_at is not None else _NEVER


def _by_due(entry: Entry) -> tuple[datetime, str]:
    return entry.due_at, entry.client


def _by_clock(entry: Entry) -> tuple[datetime, datetime, str]:
    """Whose day ends first comes first; who cannot be called comes last."""
    return max((call.ends_at for call in entry.calls), default=_NEVER), entry.due_at, entry.client


def _slots(policy: Policy, windows: Mapping[Window, Iterable[OpenMail]], now_at: datetime) -> tuple[Slot, ...]:
    return tuple(
        Slot(window=window, entries=tuple(sorted(_entries(policy, windows[window], window, now_at), key=_by_clock)))
        for window in sorted(windows, key=lambda each: (each.opens_at, each.closes_at, each.key))
    )


def _entries(policy: Policy, mails: Iterable[OpenMail], window: Window, now_at: datetime) -> list[Entry]:
    """Group mail by client; ``window`` is the stretch in which they would be called."""
    by_client: defaultdict[str, list[OpenMail]] = defaultdict(list)
    for mail in mails:
        by_client[mail.client].append(mail)
    entries: list[Entry] = []
    for key, group in by_client.items():
        client = known_client(policy, key)
        calls, instead = _calls(policy, "" if client is None else key, window, now_at)
        zone = policy.owner.zone if client is None else client.zone
        group.sort(key=lambda each: (_due(each), each.arrived_at))
        entries.append(Entry(client=key, zone=zone, mail=tuple(group), calls=calls, instead=instead))
    return entries


def _calls(policy: Policy, key: str, window: Window, now_at: datetime) -> tuple[tuple[Span, ...], Instead]:
    """Return what is left of the hours in which a call is day for both; or why there is none."""
    calendar = hours.calendar(policy, key)
    if not calendar.suits(window):
        return (), "night"
    parts = (Span(starts_at=window.opens_at, ends_at=window.closes_at),) if not key else calendar.overlaps(window)
    whole = min(hours.SHORTEST_CALL, window.closes_at - window.opens_at)
    parts = tuple(part for part in parts if part.ends_at - part.starts_at >= whole)
    if not parts:
        return (), "holiday"
    left = tuple(
        Span(starts_at=max(part.starts_at, now_at), ends_at=part.ends_at) for part in parts if part.ends_at > now_at
    )
    return left, "" if left else "night"


def _ended(policy: Policy, morning: Morning, on: date) -> tuple[Client, ...]:
    waiting = {mail.client for mail in morning.mail}
    since_on = morning.since_at.astimezone(policy.owner.zone).date()
    return tuple(
        client
        for client in policy.clients
        if client.agreement is not None
        and client.agreement.until_on is not None
        and client.agreement.until_on < on
        and (client.key in waiting or client.agreement.until_on >= since_on)
    )
