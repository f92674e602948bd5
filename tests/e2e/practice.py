"""Ninety days of a made-up lawyer's mail, as they lie in her mailbox: clients abroad, lists, machines, an alias.

Every date is reckoned from the present, because that is what ``init`` looks back from.
"""

from __future__ import annotations

import email.message
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from responder.config.spelling import DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "anna@example.com"
ALIAS = "office@example.com"
#: The name by which her provider signs what it found out about senders.
SIGNER = "mx.example.com"


def closed_now() -> str:
    """Return hours on one weekday only, three days from now: it is closed whenever the test runs."""
    today = datetime.now(ZoneInfo("Europe/Moscow"))  # noqa: TID251 - the daemon runs under the real clock
    return f"{DAYS[(today.weekday() + 3) % 7]} 10-13"


@dataclass(frozen=True, slots=True)
class Past:
    """One message: where it lies, when it came, what it is."""

    folder: str
    at: datetime
    raw: bytes


def past(now_at: datetime) -> Iterator[Past]:
    """Yield what lies in the folders, oldest first within each correspondent."""
    yield from _talk("Иван Петров <ivan@vostok.example>", "Asia/Vladivostok", now_at, letters=14, answers=9)
    yield from _talk("Maya Ortega <maya@harborlane.example>", "America/New_York", now_at, letters=8, answers=5)
    yield from _talk("Accounts <accounts@harborlane.example>", "America/New_York", now_at, letters=2, answers=1)
    yield from _talk("Lena Wolf <lena@linden-partner.example>", "Europe/Berlin", now_at, letters=5, answers=2, to=ALIAS)
    for number in range(30):
        at = now_at - timedelta(days=80 - 2 * number)
        extra = {"List-Id": "<news.lists.example>", "Precedence": "list"}
        yield Past("INBOX", at, _letter("News <news@lists.example>", OWNER, "Weekly news", at, UTC, extra))
    for number in range(6):
        at = now_at - timedelta(days=70 - 9 * number)
        robot = {"Auto-Submitted": "auto-generated"}
        yield Past("INBOX", at, _letter("Shop <noreply@shop.example>", OWNER, "Your invoice", at, UTC, robot))
    at = now_at - timedelta(days=20)
    yield Past("INBOX", at, _letter("Somebody <somebody@nowhere.example>", OWNER, "An offer", at, UTC))


def _talk(sender: str, zone: str, now_at: datetime, *, letters: int, answers: int, to: str = OWNER) -> Iterator[Past]:
    clock = ZoneInfo(zone)
    address = sender.partition("<")[2].rstrip(">")
    subject = "Договор аренды" if "Asia" in zone else "The lease"
    for number in range(letters):
        at = now_at - timedelta(days=85 - 80 * number // letters, hours=number)
        yield Past("INBOX", at, _letter(sender, to, f"{subject} {number + 1}", at, clock))
        if number < answers:
            later = at + timedelta(hours=5)
            yield Past(
                "Sent", later, _letter(f"Anna <{OWNER}>", address, f"Re: {subject}", later, ZoneInfo("Europe/Moscow"))
            )


def _letter(
    sender: str, to: str, subject: str, at: datetime, clock: ZoneInfo | object, extra: dict[str, str] | None = None
) -> bytes:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(at.astimezone(clock))  # type: ignore[arg-type]
    message["Message-ID"] = f"<{at.timestamp():.0f}.{abs(hash((sender, subject)))}@mail.example>"
    for name, value in (extra or {}).items():
        message[name] = value
    message.set_content("Written for a test.")
    address = sender.partition("<")[2].rstrip(">")
    trace = f"Return-Path: <{address}>\r\nAuthentication-Results: {SIGNER}; dmarc=pass header.from={address}\r\n"
    return trace.encode() + message.as_bytes()
