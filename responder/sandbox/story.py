"""The nouns of a story that is played in front of a mailbox: its messages, and the weekend they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from responder.core.model import Reason
    from responder.sandbox.letters import Person


@dataclass(frozen=True, slots=True)
class Ending:
    """What ought to come of a message: the reason, the folder ("" for INBOX), the due time that a reply names."""

    reason: Reason
    folder: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryMessage:
    r"""One message of the weekend.

    Attributes:
        label: what should come of it, in words; unique in the story.
        at: when it arrives.
        sender: who is named in From.
        subject: decoded.
        message_id: with its angle brackets.
        raw: as it is laid into ``folder``.
        ending: what ought to come of it; None where the daemon is to decide nothing about it.
        folder: INBOX, or Sent for what the owner writes by hand.
        flags: as in ``"\\Seen"``.
    """

    label: str
    at: datetime
    sender: Person
    subject: str
    message_id: str
    raw: bytes
    ending: Ending | None
    folder: str = "INBOX"
    flags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A stretch of invented life in front of one mailbox.

    ``before`` lies in the mailbox when the daemon starts at ``starts_at``; ``messages`` arrive afterwards, in this
    order; at ``ends_at`` nothing is left to happen. ``days`` says what is special about a date in ``zone``.
    """

    zone: ZoneInfo
    starts_at: datetime
    ends_at: datetime
    before: tuple[StoryMessage, ...]
    messages: tuple[StoryMessage, ...]
    days: Mapping[date, str]
