"""Whether a clock can be believed: by what was seen before, and by what a message says of the time.

A machine's clock may be dead, set wrong, or set right in the middle of the work. It promises ``decide`` and the engine
one sentence that says what is wrong with it, or "". Who reads a wrong hour from a clock answers at a wrong hour, or a
second time: with a doubt nothing is decided, sent or moved, and no mail is lost by waiting.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

#: Clocks of servers differ by seconds; by more than this, one of them is wrong and no hour can be said.
CLOCKS_APART = timedelta(minutes=10)

#: A clock that is corrected goes back by seconds, seldom by more than this.
SET_BACK = timedelta(minutes=5)

#: No more than ``ledger.keep`` may be, so that a clock which ran ahead cannot make the ledger forget what still
#: matters; and a service is seldom off for longer.
JUMPED = timedelta(days=30)

#: The program was not there before this year.
BUILT_IN = 2026


def doubt(now_at: datetime, believed_at: datetime | None) -> str:
    """Say why the clock cannot be believed; "" if it can. The sentence stays the same while the doubt does.

    Args:
        now_at: what it shows.
        believed_at: the latest instant at which it was believed; None if it never was.
    """
    if now_at.year < BUILT_IN:
        return f"the machine's clock shows a year before {BUILT_IN}, when this program was written"
    if believed_at is None:
        return ""
    seen = f"{believed_at:%Y-%m-%d %H:%M} UTC"
    if now_at < believed_at - SET_BACK:
        return f"the machine's clock was set back: this mailbox was looked at {seen}, which is later than now"
    if now_at > believed_at + JUMPED:
        return f"the machine's clock is more than {JUMPED.days} days ahead of the last look at this mailbox, {seen}"
    return ""


def bears_witness(stamped_at: datetime | None, dated_at: datetime | None, now_at: datetime) -> bool:
    """Tell whether a message just come confirms the clock: its server and its writer read the same time from theirs."""
    return (
        now_at.year >= BUILT_IN
        and stamped_at is not None
        and dated_at is not None
        and max(abs(stamped_at - now_at), abs(dated_at - now_at)) <= SET_BACK
    )


def apart(stamped_at: datetime | None, now_at: datetime) -> bool:
    """Tell whether the server says that a message came later than now: one of the two clocks is wrong."""
    return stamped_at is not None and stamped_at - now_at > CLOCKS_APART
