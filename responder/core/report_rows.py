"""What the ledger tells of a span of time: the nouns of the report, as plain values.

For the ledger, which fills them, and for ``report``, which counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.core.model import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: With these nobody knows that the client wrote, or it was no person: rows 1 to 8 of the table of reasons.
NOBODYS = frozenset(
    {
        Reason.BEFORE_START,
        Reason.SEEN_BEFORE,
        Reason.OWN,
        Reason.BOUNCE_OF_REPLY,
        Reason.AUTOMATIC,
        Reason.UNREADABLE,
        Reason.STRANGER,
        Reason.UNVERIFIED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChronicleRow:
    """One message that a client wrote, and what became of it.

    ``promise`` is "" where nothing was promised, else "open", "kept", "late" or "withdrawn"; ``due_at`` is then the
    promise's. ``ended_at`` is when it was answered. ``weak`` says by what weaker evidence that is known: "answered",
    "moved"; "" means a message of the owner's. ``declared_at`` is when it was found to be late. ``carried`` counts how
    often the message went on to a later window.
    """

    client: str
    address: str
    arrived_at: datetime
    reason: str
    reply: str = "none"
    due_at: datetime | None = None
    topic: str = ""
    urgent: bool = False
    promise: str = ""
    told_at: datetime | None = None
    ended_at: datetime | None = None
    weak: str = ""
    declared_at: datetime | None = None
    carried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerWrote:
    """One message that the owner wrote by hand: when, and to which addresses."""

    at: datetime
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicle:
    """What clients wrote in a span of time and what the owner wrote in it, both by time."""

    rows: Sequence[ChronicleRow]
    wrote: Sequence[OwnerWrote]
