"""Replies to send, and the real SMTP adapter wired to a test's server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from responder.adapters.outbox import SmtpOutbox
from responder.core.model import ReplyKind, SendReply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers.smtp import SmtpSink

NOW = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
TEXT = b"From: anna@example.com\r\nSubject: Auto: lease\r\n\r\nBy Wednesday morning.\r\n"


def make_reply(recipient: str, *, sender: str = "anna@example.com", message: bytes = TEXT) -> SendReply:
    """Return a short reply to that address."""
    return SendReply(
        fingerprint="0" * 64,
        mailbox="main",
        kind=ReplyKind.SHORT,
        client="vostok",
        address=recipient,
        sender=sender,
        recipient=recipient,
        message_id="<r.1@example.com>",
        message=message,
        due_at=NOW + timedelta(days=3),
        period_ends_at=NOW + timedelta(days=2),
        not_after=NOW + timedelta(days=2),
    )


def make_outbox(**settings: Any) -> SmtpOutbox:
    """Return the adapter with short time-outs; ``host``, ``port`` and ``security`` at least must be given."""
    return SmtpOutbox(
        **{
            "username": "anna@example.com",
            "password": lambda: "secret",
            "empty_envelope": False,
            "timeout": 5.0,
            "data_timeout": 5.0,
            **settings,
        }
    )


@asynccontextmanager
async def smtp_outbox(sink: SmtpSink, **settings: Any) -> AsyncIterator[SmtpOutbox]:
    """Open the adapter onto that server; any of its settings may be given."""
    made = make_outbox(
        **{
            "host": "127.0.0.1" if sink.features.tls == "none" else "localhost",
            "port": sink.port,
            "security": sink.features.tls,
            **settings,
        }
    )
    try:
        yield made
    finally:
        await made.close()
