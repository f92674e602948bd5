"""What the owner wrote, read from Sent as it grows: the evidence by which promises end and nobody is answered twice.

It promises the engine that each message of Sent is read once, and that a Sent folder which breaks the session does not
keep the mail waiting.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from responder import reading
from responder.core import hours
from responder.entries import read_evidence
from responder.errors import TemporaryError

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.model import Policy
    from responder.ports import Ledger, Mailbox, MailboxState

#: The caps count so far back.
DAY = timedelta(days=1)
#: So many seconds long what was read of Sent counts as known: a backlog does not ask anew for each of its chunks.
KNOWN = 2.0
#: A Sent folder that broke the session so often is left alone …
MOST_TRIES = 3
#: … and looked at again after so many rounds.
AGAIN = 100

log = structlog.get_logger()


class SentReader:
    """Reads the Sent folder of one mailbox into the ledger.

    Args:
        mailbox: where Sent lies.
        ledger: what remembers the owner's messages, and how far they were read.
    """

    def __init__(self, mailbox: Mailbox, ledger: Ledger) -> None:
        self._mailbox = mailbox
        self._ledger = ledger
        self._stumbled = 0
        self._read = -KNOWN

    def is_known(self) -> bool:
        """Tell whether it was read just now."""
        return time.monotonic() - self._read < KNOWN

    def forget(self) -> None:
        """Read it at the next opportunity, however short a while ago it was read."""
        self._read = -KNOWN

    async def read(self, state: MailboxState, policy: Policy, now_at: datetime) -> MailboxState:
        """Read what is new, enter it, and return the state with the new cursor."""
        if self._stumbled >= MOST_TRIES:
            self._stumbled += 1
            if self._stumbled % AGAIN:
                return state
        try:
            cursor, headers = await self._mailbox.sent_headers(state.sent, _evidence_since(policy, now_at))
        except TemporaryError:
            self._stumbled += 1
            if self._stumbled == MOST_TRIES:
                log.error(  # noqa: TRY400 - no traceback: the owner reads this
                    "Sent cannot be read: only weak evidence of the owner's answers is left", mailbox=state.name
                )
            raise
        self._stumbled = 0
        self._read = time.monotonic()
        evidence = read_evidence(headers, await reading.read_sent([header.header for header in headers]), policy)
        if cursor != state.sent:
            state = replace(state, sent=cursor)
            await self._ledger.owner_wrote(evidence.wrote, state, evidence.replies)
        return state


def _evidence_since(policy: Policy, now_at: datetime) -> datetime:
    """Return from when on replies in Sent can bear on mail of now: the longest closed period that lasts, or a day.

    A day, because the caps count so far back.
    """
    periods = [hours.calendar(policy, key).closed_period(now_at) for key in ("", *(one.key for one in policy.clients))]
    return min([now_at - DAY, *(period.starts_at for period in periods if period is not None)])
