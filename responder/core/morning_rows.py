"""What the ledger knows in the morning: the nouns of the digest, as plain values.

For the ledger, which fills them, and for ``digest``, which makes an overview of them. A subject, an address, a
server's answer is data: whoever shows one takes it through a gate first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from responder.core.model import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMail:
    """One message of a client that still concerns the owner.

    ``due_at`` and ``told_at`` are its promise's; without an open promise ``promised`` is False, and ``due_at`` is what
    it was reckoned to be, if it was. ``folder`` is "" while it lies in INBOX; ``window`` is the one it waits for.
    """

    fingerprint: str
    mailbox: str
    client: str
    address: str
    subject: str
    topic: str
    reason: str
    arrived_at: datetime
    due_at: datetime | None = None
    told_at: datetime | None = None
    promised: bool = False
    folder: str = ""
    window: Window | None = None
    carried: int = 0
    note: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A reply of which nobody knows whether it left ("in-doubt"), or that was refused; a mail that was not filed."""

    state: str
    client: str
    address: str
    subject: str
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A message to which nothing was said because of what it is: unreadable, or not verified."""

    mailbox: str
    client: str
    address: str
    subject: str
    arrived_at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """An address that bounced a reply; ``fresh``: since the last digest."""

    address: str
    until_at: datetime
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """All of it. What happened is counted since ``since_at``; what is open is so whenever it came.

    ``more`` is how much open mail was left out because there is too much of it. ``without_sent`` are mailboxes whose
    Sent was never read: there is only weak evidence of the owner's answers.
    """

    since_at: datetime
    mail: tuple[OpenMail, ...] = ()
    more: int = 0
    replies: tuple[Held, ...] = ()
    unfiled: tuple[Held, ...] = ()
    unreadable: tuple[Unanswered, ...] = ()
    unverified: tuple[Unanswered, ...] = ()
    suspended: tuple[Suspended, ...] = ()
    breaker_until: datetime | None = None
    without_sent: tuple[str, ...] = ()
    by_reason: Mapping[str, int] = field(default_factory=dict[str, int])
    replied: int = 0
