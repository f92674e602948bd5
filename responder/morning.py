"""The digest's hour: once on each working day the owner's overview is made and planned.

It promises the engine a duty that keeps to the owner's clock, whatever the clocks do in a night of change: it comes at
its hour, or late on that day where the machine slept, never on a day off, and never twice. Days that were missed are
told in the next one. Where there is nothing to say, nothing is said.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from responder.core import hours
from responder.core.address import wire_address
from responder.core.digest import make_digest
from responder.core.digest_pages import digest_message
from responder.core.facts import derive_message_id
from responder.core.model import SendDigest
from responder.core.spans import edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responder.assessing import Rules
    from responder.core.digest import Digest
    from responder.core.model import Policy
    from responder.ports import Clock, Ledger, StoredEffect

#: The ledger's notes: since when the next digest tells, and the last date that had its turn.
SINCE, LAST_ON = "digest.since", "digest.on"
_DAY = timedelta(days=1)
_MIDNIGHT = 1440

log = structlog.get_logger()


class MorningDuty:
    """Sees to the digest; implements the port ``Duty``.

    Args:
        ledger: what is open, and what was told when.
        rules: the rules in force, shared.
        clock: time.
        secret: the installation's secret, from which the message's id is derived.
    """

    def __init__(self, *, ledger: Ledger, rules: Rules, clock: Clock, secret: bytes) -> None:
        self._ledger = ledger
        self._rules = rules
        self._clock = clock
        self._secret = secret
        self._since_at: datetime | None = None
        self._last_on: date | None = None
        self._found: tuple[Policy, date, date | None] | None = None

    async def begin(self) -> None:
        """Read what was told last; at the first start the next one tells from now on."""
        notes = await self._ledger.notes()
        if SINCE in notes and LAST_ON in notes:
            self._since_at = datetime.fromisoformat(notes[SINCE])
            self._last_on = date.fromisoformat(notes[LAST_ON])
            return
        now_at = self._clock.now()
        on = self._today(now_at)
        at = self._rules.policy.digest.at
        if at is not None and edge(on, at, self._rules.policy.owner.zone) > now_at:
            on -= _DAY
        await self._note(since_at=now_at, on=on)

    @property
    def next_at(self) -> datetime | None:
        """The hour of the next working day that has not had its turn; in the past where it was missed today."""
        policy = self._rules.policy
        if policy.digest.at is None or self._last_on is None:
            return None
        on = self._today(self._clock.now())
        if self._last_on == on:  # a later date was noted by a clock that was wrong: nobody waits for it
            on += _DAY
        if self._found is None or self._found[0] is not policy or self._found[1] != on:
            self._found = policy, on, _working_day(policy, on)
        found = self._found[2]
        return None if found is None else edge(found, policy.digest.at, policy.owner.zone)

    async def see_to(self, now_at: datetime) -> Sequence[StoredEffect]:
        """Plan today's digest, if there is something to say."""
        next_at = self.next_at
        if next_at is None or next_at > now_at or self._since_at is None:
            return ()
        on = self._today(now_at)
        since_at = min(self._since_at, now_at)
        planned: Sequence[StoredEffect] = ()
        try:
            digest = make_digest(self._rules.policy, await self._ledger.morning(since_at, now_at), now_at)
            effects = () if digest is None else (self._effect(digest),)
        except (ValueError, LookupError, TypeError, ArithmeticError):  # a defect of ours must not keep the mail waiting
            log.exception("no digest today: it could not be made")
            effects = ()
        if effects:
            planned = await self._ledger.advance(follow=effects)
        # One that was planned before a crash told of what had come by then, and not of what came since.
        await self._note(since_at=now_at if planned else since_at, on=on)
        return planned

    def _effect(self, digest: Digest) -> SendDigest:
        policy = self._rules.policy
        mailbox = policy.mailboxes[0]
        sender = wire_address(mailbox.addresses[0])
        recipient = wire_address(policy.digest.to)
        domain = sender.rpartition("@")[2]
        message_id = derive_message_id(self._secret, mailbox.name, f"digest|{digest.on}", domain)
        return SendDigest(
            unique=f"digest:{digest.on}",
            mailbox=mailbox.name,
            sender=sender,
            recipient=recipient,
            message_id=message_id,
            message=digest_message(policy, digest, sender=sender, recipient=recipient, message_id=message_id),
            not_after=edge(digest.on, _MIDNIGHT, policy.owner.zone),
        )

    def _today(self, now_at: datetime) -> date:
        return now_at.astimezone(self._rules.policy.owner.zone).date()

    async def _note(self, *, since_at: datetime, on: date) -> None:
        await self._ledger.note(LAST_ON, on.isoformat())
        await self._ledger.note(SINCE, since_at.isoformat())
        self._since_at, self._last_on = since_at, on


def _working_day(policy: Policy, on: date) -> date | None:
    """Return the first working day from that date on; None if none is in sight."""
    calendar = hours.calendar(policy, "")
    return next((day for day in (on + n * _DAY for n in range(hours.HORIZON)) if calendar.is_working_day(day)), None)
