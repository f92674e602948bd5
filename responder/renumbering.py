"""Goes on after INBOX was numbered anew: the known messages are found again by their fingerprints.

It promises the engine that nobody is answered whose mail cannot be known to be new.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from responder.core import facts as facts_room
from responder.core.model import MessageKey, Reason
from responder.entries import make_entry, unjudged
from responder.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responder.assessing import Assessor
    from responder.core.model import Message
    from responder.ports import Decision, InboxState, Ledger, LedgerEntry, Mailbox, MailboxState

#: So many of INBOX's newest messages are looked through …
LAST = 5_000
#: … so many at once.
CHUNK = 500
#: After so many tries that broke the session none of them is looked at any more.
MOST_TRIES = 3

log = structlog.get_logger()


def is_renumbered(inbox: InboxState, state: MailboxState) -> bool:
    """Tell whether the UIDs that the ledger knows mean nothing any more.

    UIDNEXT never goes down (RFC 3501 section 2.3.1.1): where it does, the server has forgotten its numbers without
    saying so, and new mail could come under a UID that counts as seen.
    """
    return inbox.uidvalidity != state.uidvalidity or (not inbox.reckoned and inbox.uidnext < state.next_uid)


class Renumbering:
    """Finds the messages of one mailbox again.

    Args:
        mailbox: whose INBOX it is.
        ledger: what knows the messages.
        assessor: reads them.
    """

    def __init__(self, mailbox: Mailbox, ledger: Ledger, assessor: Assessor) -> None:
        self._mailbox = mailbox
        self._ledger = ledger
        self._assessor = assessor
        self._stumbled = 0

    async def go_on(
        self, old: MailboxState, waiting: Mapping[str, LedgerEntry], now_at: datetime
    ) -> tuple[MailboxState, dict[str, LedgerEntry]]:
        """Find the known messages again after INBOX was numbered anew, by their fingerprints, and go on with them.

        What was decided stays so, what waits keeps waiting, planned moves get their new UIDs. What lies there and the
        ledger does not know is never answered: whether it came just now or was forgotten cannot be told; it is
        entered, so that the owner can ask about it. What comes from now on is new mail.

        ``waiting`` is the mail that has no verdict yet, by fingerprint; returned is what of it was found again.
        """
        name = old.name
        inbox, uids = await self._mailbox.scan(1)
        log.warning("INBOX was numbered anew", mailbox=name, was=old.uidvalidity, now=inbox.uidvalidity)
        places: dict[str, MessageKey] = {}
        strange: list[Decision] = []
        try:
            newest = uids[-LAST:] if self._stumbled < MOST_TRIES else ()
            for start in range(0, len(newest), CHUNK):
                for message, mark, entry in await self._recognised(newest[start : start + CHUNK]):
                    if entry is not None:
                        places.setdefault(mark, message.key)
                    elif message.internal_at is None or message.internal_at >= old.started_at:
                        strange.append(await self._left_alone(message, now_at))
        except TemporaryError:
            self._stumbled += 1  # a message that the server cannot show must not stop the mailbox for ever
            raise
        self._stumbled = 0
        lost = [
            unjudged(entry, Reason.BEFORE_START, "not found again after INBOX was numbered anew")
            for mark, entry in waiting.items()
            if mark not in places
        ]
        first = max(inbox.uidnext, uids[-1] + 1 if uids else 1, 1)
        state = replace(old, uidvalidity=inbox.uidvalidity, baseline_uid=first, next_uid=first)
        await self._ledger.renumber(state=state, places=places, decisions=[*lost, *strange], now_at=now_at)
        log.info("found again", mailbox=name, known=len(places), lost=len(lost), left_alone=len(strange))
        return state, {mark: replace(entry, key=places[mark]) for mark, entry in waiting.items() if mark in places}

    async def _recognised(self, uids: Sequence[int]) -> list[tuple[Message, str, LedgerEntry | None]]:
        """Return messages with their fingerprints and what the ledger holds of them in this mailbox."""
        found = [(one, facts_room.fingerprint(one.header, one.size)) for one in await self._mailbox.fetch(uids)]
        known = await self._ledger.known([mark for _, mark in found])
        return [(message, mark, known.get(mark)) for message, mark in found]

    async def _left_alone(self, message: Message, now_at: datetime) -> Decision:
        """Return the decision for a message of which nobody can say whether it is new."""
        ((_, facts),) = await self._assessor.read_headers([message])
        entry = make_entry(message, facts, None, now_at)
        return unjudged(entry, Reason.BEFORE_START, "it lay here when INBOX was numbered anew: not known to be new")
