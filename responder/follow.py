"""Follows the mail up at set times: promises that fall due, windows that close, folders that are used no more.

It promises the engine, as a duty, that a look is only a look (the steps that follow are on disk before the first of
them), that the same look twice changes nothing, and that a folder which breaks the session keeps no mail waiting.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from responder.core import facts as facts_room
from responder.core.follow import Office, Sight, Sighting, follow_up
from responder.entries import is_deleted
from responder.errors import PermanentError, TemporaryError
from responder.ports import Agenda

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from responder.assessing import Rules
    from responder.core.follow import Followed, Shelf
    from responder.core.model import Message
    from responder.ports import Ledger, Mailbox, MailboxState, StoredEffect

#: A folder is removed so long after its window, as the owner's programs may still show it.
REMOVED_AFTER = timedelta(days=1)
#: A folder that is not empty is asked about so often, and so long.
ASKED_AGAIN, ASKED_FOR = timedelta(days=1), timedelta(days=30)
#: What could not be done is tried again after this.
AGAIN = timedelta(hours=1)
#: A look that broke the session so often is put off.
MOST_TRIES = 3
#: UIDs looked at in one command.
CHUNK = 500

log = structlog.get_logger()


class Follower:
    """Follows up the mail of one mailbox. Implements ``ports.Duty``.

    Args:
        mailbox: where it lies.
        ledger: what is known of it.
        rules: the rules in force.
        state: what is remembered of the mailbox.
    """

    def __init__(self, mailbox: Mailbox, ledger: Ledger, rules: Rules, state: Callable[[], MailboxState]) -> None:
        self._mailbox, self._ledger, self._rules, self._state = mailbox, ledger, rules, state
        self._agenda = Agenda()
        self._seen_at: datetime | None = None
        self._asked: dict[str, datetime] = {}
        self._stumbled = 0

    async def begin(self) -> None:
        """Learn what is to be followed up."""
        self._agenda = await self._ledger.agenda(self._mailbox.name)

    @property
    def next_at(self) -> datetime | None:
        """The next instant at which something may have come about: a due time, a window's end, a folder's."""
        mail, shelves = self._agenda.mail, self._agenda.shelves
        times = [one.due_at for one in mail if one.state == "open" and not one.declared and one.due_at is not None]
        times += [one.window.closes_at for one in mail if one.folder and one.window is not None]
        if self._seen_at is not None:  # what was due at the last look and is there still could not be done: it waits
            times = [at if at > self._seen_at else self._seen_at + AGAIN for at in times]
        return min([*times, *(at for shelf in shelves if (at := self._removal_at(shelf)) is not None)], default=None)

    def _removal_at(self, shelf: Shelf) -> datetime | None:
        """Return when a folder is to be removed, or asked about again; None: never."""
        first_at = shelf.window.closes_at + REMOVED_AFTER
        asked_at = self._asked.get(shelf.folder)
        at = first_at if asked_at is None else asked_at + ASKED_AGAIN
        return at if shelf.made and at < first_at + ASKED_FOR else None

    async def see_to(self, now_at: datetime) -> Sequence[StoredEffect]:
        """Look at the mail that is followed, and enter what has become of it."""
        name = self._mailbox.name
        agenda = await self._ledger.agenda(name)
        self._seen_at = now_at
        try:
            sight = await self._look(agenda)
        except TemporaryError:
            self._stumbled += 1
            if self._stumbled < MOST_TRIES:
                self._seen_at = None
            raise
        self._stumbled = 0
        office = Office(policy=self._rules.policy, mailbox=name, now_at=now_at)
        due = {one.folder for one in agenda.shelves if (at := self._removal_at(one)) is not None and at <= now_at}
        steps = follow_up(agenda.mail, agenda.shelves, sight, office, due)
        self._asked.update(dict.fromkeys(steps.removed, now_at))
        effects = await self._ledger.followed(name, steps, now_at)
        if steps.weak or steps.declared or effects:
            log.info(
                "followed up",
                mailbox=name,
                dealt_with=len(steps.weak),
                late=len(steps.declared),
                moves=sum(type(one.effect).__name__ == "MoveFiled" for one in effects),
            )
        await self.begin()
        return effects

    async def _look(self, agenda: Agenda) -> Sight:
        """Look into the folders of ours, and at the mail in INBOX that has a promise or was dragged back there."""
        followed = {one.fingerprint: one for one in agenda.mail}
        found: dict[str, Sighting] = {}
        looked: set[str] = set()
        folders = {one.folder for one in agenda.mail if one.folder} | {shelf.folder for shelf in agenda.shelves}
        uidvalidity = self._state().uidvalidity
        here = [one for one in agenda.mail if not one.folder and one.key.uidvalidity == uidvalidity]
        uids = sorted({one.key.uid for one in here})
        for start in range(0, len(uids), CHUNK):
            _note(await self._mailbox.fetch(uids[start : start + CHUNK]), "", followed, found)
        if len(here) == sum(not one.folder for one in agenda.mail):  # else some were numbered anew: nobody knows
            looked.add("")
        for folder in sorted(folders):
            try:
                messages = await self._mailbox.look(folder)
            except PermanentError as error:  # nothing is known of what lies there
                log.warning("a folder cannot be looked at", folder=folder, detail=str(error))
                continue
            looked.add(folder)
            _note(messages or (), folder, followed, found)
        return Sight(found=found, looked=frozenset(looked))


def _note(messages: Sequence[Message], folder: str, followed: dict[str, Followed], found: dict[str, Sighting]) -> None:
    """Enter those of the messages that are followed; one that lies in a folder of ours lies there, not in INBOX."""
    for message in messages:
        fingerprint = facts_room.fingerprint(message.header, message.size)
        if fingerprint in followed and not is_deleted(message):
            found[fingerprint] = Sighting(folder=folder, key=message.key, flags=message.flags)
