"""Brings the digest to the owner: appended to INBOX, or sent to an address.

It promises ``carry`` that one digest comes, whatever breaks: an append that got no answer is looked for before it is
made again; a text that left for an address and got no answer is in doubt and never repeated.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from responder.core.model import Alert, Outcome, Receipt, SendDigest
from responder.errors import ConfigurationError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responder.ports import Clock, Ledger, Mailbox, Outbox, StoredEffect

#: A digest that nobody took is offered again after this long, until its day ends.
RETRY_AFTER = timedelta(minutes=5)
#: An append that broke the session so often is given up: the mail must not wait for it.
MOST_TRIES = 3

_LOST = "The digest of {on} did not come, or nobody knows whether it did ({why}). `responder today` shows it."

log = structlog.get_logger()


class DigestCarrier:
    """Carries out ``SendDigest``.

    Args:
        mailbox: whose INBOX it is laid into.
        outbox: by which it leaves for an address.
        ledger: where receipts go.
        clock: time.
    """

    def __init__(self, *, mailbox: Mailbox, outbox: Outbox, ledger: Ledger, clock: Clock) -> None:
        self._mailbox = mailbox
        self._outbox = outbox
        self._ledger = ledger
        self._clock = clock
        self._alerted = False

    async def settle(self, unfinished: Sequence[StoredEffect]) -> None:
        """Close the digests that were on their way to an address when a run ended: nobody knows whether they left."""
        for stored in unfinished:
            digest = stored.effect
            if isinstance(digest, SendDigest) and digest.recipient and stored.state == "started":
                await self._close(stored, digest, Outcome.IN_DOUBT, "stopped while it was being sent")

    async def carry(self, effects: Sequence[StoredEffect]) -> datetime | None:
        """Carry out the digests among the effects; return when to try again what could not be done, None for never.

        Raises TemporaryError when the session broke.
        """
        self._alerted = again = False
        for stored in effects:
            digest = stored.effect
            if not isinstance(digest, SendDigest):
                continue
            if digest.not_after <= self._clock.now():
                await self._close(stored, digest, Outcome.EXPIRED, "its day is over")
            elif digest.recipient:
                again |= await self._send(stored, digest)
            else:
                await self._append(stored, digest)
        if self._alerted:
            return self._clock.now()
        return self._clock.now() + RETRY_AFTER if again else None

    async def _append(self, stored: StoredEffect, digest: SendDigest) -> None:
        try:
            if stored.state == "started" or stored.tries:
                found = (await self._mailbox.find_ours("inbox", [digest.message_id])).get(digest.message_id)
                if found is not None:
                    await self._close(stored, digest, Outcome.DONE, f"found in {found.folder}")
                    return
            await self._ledger.advance(start=[stored.id])
            appended = await self._mailbox.append_inbox(digest.message, self._clock.now())
        except PermanentError as error:
            await self._close(stored, digest, Outcome.REFUSED, str(error))
        except TemporaryError as error:
            given_up = stored.tries + 1 >= MOST_TRIES
            await self._close(stored, digest, Outcome.REFUSED if given_up else Outcome.RETRY, str(error))
            raise
        else:
            await self._close(stored, digest, Outcome.DONE, appended.folder)

    async def _send(self, stored: StoredEffect, digest: SendDigest) -> bool:
        """Send it to its address; tell whether it is to be tried again."""
        await self._ledger.advance(start=[stored.id])
        try:
            (answer,) = await self._outbox.send([digest])
        except (TemporaryError, ConfigurationError) as error:
            await self._close(stored, digest, Outcome.RETRY, str(error))
            return True
        outcome = Outcome(answer.outcome)
        await self._close(stored, digest, outcome, answer.detail)
        return outcome is Outcome.RETRY

    async def _close(self, stored: StoredEffect, digest: SendDigest, outcome: Outcome, detail: str) -> None:
        """Write down what became of it; a morning on which none came is told by an alert."""
        report = log.info if outcome is Outcome.DONE else log.warning
        report("digest", mailbox=self._mailbox.name, outcome=str(outcome))
        receipt = Receipt(effect_id=stored.id, outcome=outcome, at=self._clock.now(), detail=detail)
        lost = outcome in (Outcome.REFUSED, Outcome.IN_DOUBT)
        alert = Alert(unique=f"{digest.unique}:lost", text=_LOST.format(on=digest.unique.partition(":")[2], why=detail))
        await self._ledger.advance(receipts=[receipt], follow=[alert] if lost else [])
        self._alerted |= lost
