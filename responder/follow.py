"""Follows the mail up at set times: promises that fall due, windows that close, folders that are used no more.

It promises the engine, as a duty, that a look is only a look (the steps that follow are on disk before the first of
them), that the same look twice changes nothing, and that a folder which breaks the session keeps no mail waiting.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from responder.core import facts as facts_room
from responder.core.follow import Office, Sight, Sighting, follow_up
from responder.core.model import MoveFiled
from responder.entries import is_deleted
from responder.errors import PermanentError, TemporaryError
from responder.ports import Agenda

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from responder.assessing import Rules
    from responder.core.follow import Followed, Shelf
    from responder.core.model import Message
    from responder.ports import Ledger, Mailbox, MailboxState, StoredEffect

#: A folder is removed so long after its window, as the owner's programs may still show it.
REMOVED_AFTER = timedelta(days=1)
#: A folder that is not empty is asked about so often, and so long. So long, too, mail may be dragged into it.
ASKED_AGAIN, USED_FOR = timedelta(days=1), timedelta(days=30)
#: What was due, and is not done, is looked at again after this.
AGAIN = timedelta(hours=1)
#: After a look that broke the session the next one waits so long, and twice as long after each further one.
PAUSE = timedelta(minutes=2)
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
        self._looked_at: datetime | None = None
        self._not_before: datetime | None = None
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
        if self._looked_at is not None:  # what was due at the last look and is there still could not be done: it waits
            times = [at if at > self._looked_at else self._looked_at + AGAIN for at in times]
        times += [at for shelf in shelves if (at := self._removal_at(shelf)) is not None]
        if self._not_before is not None:
            times = [max(at, self._not_before) for at in times]
        return min(times, default=None)

    def _removal_at(self, shelf: Shelf) -> datetime | None:
        """Return when a folder is to be removed, or asked about again; None: never."""
        first_at = shelf.until_at + REMOVED_AFTER
        asked_at = self._asked.get(shelf.folder)
        at = first_at if asked_at is None else max(first_at, asked_at + ASKED_AGAIN)
        return at if shelf.made and at < first_at + USED_FOR else None

    async def see_to(self, now_at: datetime) -> Sequence[StoredEffect]:
        """Look at the mail that is followed, and enter what has become of it."""
        if self._not_before is not None and now_at < self._not_before:
            return ()
        name = self._mailbox.name
        agenda = await self._ledger.agenda(name)
        try:
            sight = await self._look(agenda, now_at)
        except TemporaryError:
            self._not_before = now_at + min(PAUSE * 2**self._stumbled, AGAIN)
            self._stumbled += 1
            raise
        self._stumbled, self._not_before, self._looked_at = 0, None, now_at
        office = Office(policy=self._rules.policy, mailbox=name, now_at=now_at)
        used_up = {one.folder for one in agenda.shelves if (at := self._removal_at(one)) is not None and at <= now_at}
        steps = follow_up(agenda.mail, agenda.shelves, sight, office, used_up)
        self._asked |= dict.fromkeys(used_up, now_at)
        effects = await self._ledger.followed(name, steps, now_at)
        if steps.weak or steps.declared or effects:
            log.info(
                "followed up",
                mailbox=name,
                dealt_with=len(steps.weak),
                late=len(steps.declared),
                moves=sum(isinstance(one.effect, MoveFiled) for one in effects),
            )
        return effects

    async def _look(self, agenda: Agenda, now_at: datetime) -> Sight:
        """Look for the mail that is followed, in INBOX and in the folders of ours."""
        known = {one.folder for one in agenda.mail} - {""}
        in_use = {shelf.folder for shelf in agenda.shelves if now_at < shelf.until_at + USED_FOR}
        found, blind = await self._sightings(agenda.mail, known | in_use)
        if missing := [one for one in agenda.mail if one.fingerprint not in found]:
            # What was dragged from a place not yet looked at to one that had been is found at the second glance.
            again, blind_again = await self._sightings(missing, known | in_use)
            found, blind = again | found, blind or blind_again
        current = self._state().uidvalidity
        return Sight(
            found=found,
            unknown=frozenset(
                one.fingerprint
                for one in agenda.mail
                if one.fingerprint not in found and (blind or not (one.folder or one.key.uidvalidity == current))
            ),
        )

    async def _sightings(self, mail: Iterable[Followed], folders: Collection[str]) -> tuple[dict[str, Sighting], bool]:
        """Return where messages lie, a folder of ours before INBOX, and whether a folder could not be looked at."""
        wanted = {one.fingerprint: one for one in mail}
        found: dict[str, Sighting] = {}
        if not wanted:
            return found, False
        current = self._state().uidvalidity
        uids = sorted({one.key.uid for one in wanted.values() if one.key.uidvalidity == current})
        for start in range(0, len(uids), CHUNK):
            _note(await self._mailbox.fetch(uids[start : start + CHUNK]), "", wanted, found)
        blind = False
        for folder in sorted(folders):
            try:
                messages = await self._mailbox.look(folder)
            except PermanentError as error:  # nothing is known of what lies there
                log.warning("a folder cannot be looked at", folder=folder, detail=str(error))
                blind = True
            else:
                _note(messages or (), folder, wanted, found)
        return found, blind


def _note(messages: Sequence[Message], folder: str, wanted: Collection[str], found: dict[str, Sighting]) -> None:
    """Enter those of the messages that are looked for."""
    for message in messages:
        fingerprint = facts_room.fingerprint(message.header, message.size)
        if fingerprint in wanted and not is_deleted(message):
            found[fingerprint] = Sighting(folder=folder, key=message.key, flags=message.flags)
