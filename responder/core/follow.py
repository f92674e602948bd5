"""What became of the mail after it was filed, and what follows: promises that end, mail that is carried over.

Promises ``follow`` (the room that looks) that the same sight always comes to the same steps, that only mail of ours is
ever moved, and that weak evidence never counts for more than it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from responder.core import compose, hours
from responder.core.model import Alert, Flag, MoveFiled, RemoveFolder, Window

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from responder.core.model import Effect, MessageKey, Policy

Weak = Literal["answered", "moved"]

#: A promise that went late longer ago alarms nobody any more. So long does a late promise silence its client.
ALARM_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One message that is followed, as the ledger has it.

    Attributes:
        fingerprint: names it.
        key: where it lay in INBOX when it was last seen there; another UIDVALIDITY than INBOX has now tells nothing.
        message_id: its Message-ID.
        client: the client's key.
        topic: its topic's key.
        folder: the folder of ours in which it was last known to lie; "" for INBOX.
        window: the window it waits for; None for mail that was never filed.
        state: its promise: "open", "kept", "late"; "" for none.
        due_at: when that falls due.
        declared: the promise was found to be late, and the owner was told.
        answered: the owner has written to the client since.
    """

    fingerprint: str
    key: MessageKey
    message_id: str
    client: str
    topic: str
    folder: str
    window: Window | None
    state: str
    due_at: datetime | None
    declared: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder that mail was filed in, and the window it is for. ``made``: by us.

    ``until_at`` is the end of the last window for which mail was filed there.
    """

    folder: str
    window: Window
    made: bool
    until_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A message as it lies somewhere now. ``folder`` is "" for INBOX."""

    folder: str
    key: MessageKey
    flags: frozenset[str]

    def has(self, flag: str) -> bool:
        r"""Tell whether it bears that flag, such as "\\seen"."""
        return any(each.lower() == flag for each in self.flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a look at the mailbox has shown.

    Attributes:
        found: the messages that lie in INBOX or in a folder of ours, by fingerprint.
        unknown: those of which nobody can say, because a place could not be looked at. All others are gone.
    """

    found: Mapping[str, Sighting]
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What follows from a look, for one transaction of the ledger.

    Attributes:
        weak: promises that end by weak evidence, by fingerprint.
        declared: promises that are found to be late.
        places: where filed messages were found that were believed elsewhere, and the window that they wait for there.
        stayed: the window that messages wait for from now on in the folder they lie in.
        left: messages that have left our folders.
        removed: folders that are to be removed if they are empty.
        effects: what is to be done, in its order.
    """

    weak: Mapping[str, Weak]
    declared: tuple[str, ...]
    places: Mapping[str, tuple[str, Window]]
    stayed: Mapping[str, Window]
    left: tuple[str, ...]
    removed: tuple[str, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Whose mail is followed, under which rules, and when."""

    policy: Policy
    mailbox: str
    now_at: datetime


def follow_up(
    mail: Sequence[Followed],
    shelves: Sequence[Shelf],
    sight: Sight,
    office: Office,
    used_up: Collection[str],
) -> Steps:
    """Return what follows from what was seen. Of mail that could not be looked for only the due time counts.

    ``used_up`` are the folders whose time to be removed has come.
    """
    weak: dict[str, Weak] = {}
    late: list[tuple[Followed, Sighting | None]] = []
    there: list[tuple[Followed, Sighting]] = []
    left: list[str] = []
    places: dict[str, tuple[str, Window]] = {}
    windows = {shelf.folder: shelf.window for shelf in shelves}
    for one in mail:
        seen = sight.found.get(one.fingerprint)
        unknown = seen is None and one.fingerprint in sight.unknown
        now = one
        if one.state == "open" and not unknown and (evidence := _evidence(seen)):
            weak[one.fingerprint] = evidence
            now = replace(one, state="late" if one.declared else "kept")
        elif _is_late(one, office.now_at):
            late.append((one, seen))
        if seen is not None:
            if seen.folder != one.folder and one.window is not None:  # dragged into another folder of ours
                places[one.fingerprint] = seen.folder, windows.get(seen.folder, one.window)
                now = replace(now, window=places[one.fingerprint][1])
            there.append((now, seen))
        elif one.window is not None and not unknown:
            left.append(one.fingerprint)
    moves = {one.fingerprint: _move(one, seen, office) for one, seen in there if _has_closed(one, seen, office.now_at)}
    # Moves come before removals: a folder that they empty may go at once.
    kept = {seen.folder for one, seen in there if not isinstance(moves.get(one.fingerprint), MoveFiled)}
    removed = tuple(sorted(set(used_up) - kept))
    return Steps(
        weak=weak,
        declared=tuple(one.fingerprint for one, _ in late),
        places=places,
        stayed={fingerprint: window for fingerprint, window in moves.items() if isinstance(window, Window)},
        left=tuple(left),
        removed=removed,
        effects=(
            *_alarms(late, office),
            *(move for move in moves.values() if isinstance(move, MoveFiled)),
            *(RemoveFolder(mailbox=office.mailbox, folder=folder) for folder in removed),
        ),
    )


def _evidence(seen: Sighting | None) -> Weak | None:
    r"""Return the sign that the owner has dealt with a message: \\Answered, or taken out of our folders."""
    if seen is None:
        return "moved"
    return "answered" if seen.has("\\answered") else None


def _is_late(one: Followed, now_at: datetime) -> bool:
    return one.state == "open" and not one.declared and one.due_at is not None and one.due_at <= now_at


def _has_closed(one: Followed, seen: Sighting, now_at: datetime) -> bool:
    return bool(seen.folder) and one.window is not None and one.window.closes_at <= now_at


def _move(one: Followed, seen: Sighting, office: Office) -> MoveFiled | Window | None:
    """Return where a message goes whose window has closed; just the window where its folder stays the same."""
    policy = office.policy
    answered = seen.has("\\answered") or one.state in ("kept", "late")
    # Without a promise nothing is owed: what the owner has read, or written about since, need not come back.
    if answered or (not one.state and (one.answered or seen.has("\\seen"))):
        return _moved(one, seen, policy.filing.finished, None)
    client = one.client if any(each.key == one.client for each in policy.clients) else ""
    calendar = hours.calendar(policy, client)
    coming = list(calendar.windows(office.now_at))
    window = next(filter(calendar.suits, coming), None) or next(iter(coming), None)
    if window is None:
        return None
    folder = compose.folder_name(policy, window, client, one.topic)
    return window if folder == seen.folder else _moved(one, seen, folder, window)


def _moved(one: Followed, seen: Sighting, folder: str, window: Window | None) -> MoveFiled:
    return MoveFiled(
        fingerprint=one.fingerprint,
        key=seen.key,
        message_id=one.message_id,
        source=seen.folder,
        folder=folder,
        window=window,
    )


def _alarms(late: Sequence[tuple[Followed, Sighting | None]], office: Office) -> list[Effect]:
    """Flag what is late where it lies, and tell the owner once of all that is late by now."""
    policy, now_at = office.policy, office.now_at
    effects: list[Effect] = []
    told: list[str] = []
    zone = policy.owner.zone
    names = {client.key: client.name for client in policy.clients}
    for one, seen in late:
        assert one.due_at is not None  # noqa: S101 - only what was due is late
        if now_at - one.due_at > ALARM_FOR:
            continue
        if seen is not None:
            flag = Flag(fingerprint=one.fingerprint, key=seen.key, message_id=one.message_id, folder=seen.folder)
            effects.append(flag)
        told.append(f"{names.get(one.client, one.client)} (since {one.due_at.astimezone(zone):%Y-%m-%d %H:%M})")
    if told:
        first = min(one.fingerprint for one, _ in late)
        text = "A promise is late" if len(told) == 1 else f"{len(told)} promises are late"
        effects.append(
            Alert(
                unique=f"late:{now_at:%Y-%m-%d %H:%M}:{first[:16]}",
                text=f"{text}: {', '.join(told)}. Until you have answered, nothing more is promised there.",
            )
        )
    return effects
