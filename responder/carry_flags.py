r"""Carries flags out: \Flagged on urgent mail where it lies.

It promises ``carry`` that each flag is closed with a receipt, and that one which breaks the session is given up after
some tries, so that it stops no other mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from responder.core.model import Flag, Outcome, Receipt
from responder.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responder.ports import Clock, Ledger, Mailbox, StoredEffect

#: What broke the session so often is given up.
MOST_TRIES = 3

_OUTCOMES = {"flagged": Outcome.DONE, "gone": Outcome.GONE}

log = structlog.get_logger()


async def carry_flags(effects: Sequence[StoredEffect], mailbox: Mailbox, ledger: Ledger, clock: Clock) -> None:
    """Set the flags among the effects; one that broke the session before is tried alone.

    Raises TemporaryError when the session broke.
    """
    flags = [one for one in effects if isinstance(one.effect, Flag)]
    fresh = [one for one in flags if not one.tries]
    for batch in ([fresh] if fresh else []) + [[one] for one in flags if one.tries]:
        await _carry(batch, mailbox, ledger, clock)


async def _carry(batch: Sequence[StoredEffect], mailbox: Mailbox, ledger: Ledger, clock: Clock) -> None:
    flags = {one.id: one.effect for one in batch if isinstance(one.effect, Flag)}
    try:
        words = await mailbox.flag(list(flags.values()))
    except TemporaryError as error:
        at = clock.now()
        receipts: list[Receipt] = []
        for one in batch:
            outcome = Outcome.REFUSED if one.tries + 1 >= MOST_TRIES else Outcome.RETRY
            receipts.append(Receipt(effect_id=one.id, outcome=outcome, at=at, detail=str(error)))
        await ledger.advance(receipts=receipts)
        raise
    receipts = []
    at = clock.now()
    for number, flag in flags.items():
        word = words.get(flag.fingerprint, "gone")
        outcome = _OUTCOMES.get(word, Outcome.REFUSED)
        if outcome is Outcome.REFUSED:
            log.warning("not flagged", mailbox=mailbox.name, detail=word)
        receipts.append(Receipt(effect_id=number, outcome=outcome, at=at, detail=word))
    await ledger.advance(receipts=receipts)
