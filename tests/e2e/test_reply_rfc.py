"""A reply as it reaches the SMTP server, held against the RFCs line by line; each test names its section."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, letter
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import Features, SmtpSink

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from tests.servers.dovecot import Dovecot
    from tests.servers.smtp import Captured

pytestmark = pytest.mark.server

SUBJECT = "Договор аренды: " + "пункт о сроках и пункт о порядке расчётов, " * 6
PARENTS = [f"<parent{number}.{'x' * 60}@vostok.example>" for number in range(5)]


@dataclass(frozen=True)
class Exchange:
    """What came in, what went out, and how it looks to a mail program."""

    asked: bytes
    mail: Captured
    reply: EmailMessage


async def _exchange(dovecot: Dovecot, user: str, folder: Path, *, dsn: bool, **changes: str) -> Exchange:
    async with SmtpSink(features=Features(dsn=dsn)) as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=folder, server=dovecot, sink=sink, user=user, clock=clock, changes={"replies": changes})
        await scene.run()
        asked = letter(
            "ivan@vostok.example",
            SUBJECT,
            "Тайное содержание письма.",
            headers={
                "To": "Office <Office@example.com>",
                "Message-ID": "<ask@vostok.example>",
                "References": "@parents@",
                "Reply-To": "list@lists.example",
            },
        )
        parents = "\r\n ".join([*PARENTS[:2], "junk", *PARENTS[2:]])
        asked = asked.replace(b"@parents@", parents.encode())
        scene.arrive(asked, FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        (mail,) = sink.mails
        reply = email.message_from_bytes(mail.data, policy=email.policy.default)
        return Exchange(asked=asked, mail=mail, reply=reply)  # type: ignore[arg-type]


@pytest.fixture
async def exchange(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> Exchange:
    """One client's letter, and the reply that left."""
    return await _exchange(dovecot_rich, user, tmp_path, dsn=True)


async def test_header_fields(exchange: Exchange) -> None:
    """The reply's header keeps every line of RFC 3834 section 3.1 and RFC 5230 section 5."""
    reply = exchange.reply
    head = exchange.mail.data.partition(b"\r\n\r\n")[0]
    # RFC 3834 section 3.1.1, RFC 5230 section 5.4: the owner's name, and the address that was written to.
    (sender,) = reply["From"].addresses
    assert sender == Address("Анна Светлова", addr_spec="office@example.com")
    # RFC 3834 section 3.1.2: no Reply-To unless configured.
    assert reply["Reply-To"] is None
    # RFC 3834 section 3.1.3, RFC 5230 section 5.5: one recipient, no Cc, no Bcc.
    assert [address.addr_spec for address in reply["To"].addresses] == ["ivan@vostok.example"]
    assert reply["Cc"] is None
    assert reply["Bcc"] is None
    # RFC 3834 section 3.1.4, RFC 5230 section 5.2: Date is when it was generated.
    assert parsedate_to_datetime(str(reply["Date"])) == FRIDAY + timedelta(minutes=4)
    # RFC 3834 section 3.1.5, RFC 5230 section 5.3: a sign that it is automatic, then the original subject.
    subject = str(reply["Subject"])
    assert subject.startswith("Автоответ: Договор аренды: пункт")
    assert len(subject) <= 150
    # RFC 3834 section 3.1.5 and RFC 2047 section 2: encoded, lines of at most 76, none cut inside a character.
    raw_subject = re.search(rb"(?ms)^Subject: .*?(?=\r\n\S)", head)
    assert raw_subject is not None
    assert all(len(line) <= 76 for line in raw_subject[0].split(b"\r\n"))
    assert "\ufffd" not in subject
    # RFC 3834 section 3.1.6, RFC 5230 section 5.8: In-Reply-To is the original's id.
    assert reply["In-Reply-To"] == "<ask@vostok.example>"
    # RFC 5322 section 3.6.4: the parent's References and its id; junk dropped; folded.
    assert str(reply["References"]).split() == [*PARENTS, "<ask@vostok.example>"]
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    # RFC 3834 section 3.1.7 and 5.1: Auto-Submitted once; section 5.2: never auto-generated on a reply.
    assert reply.get_all("Auto-Submitted") == ["auto-replied"]
    # RFC 3834 section 3.1.8: further protection.
    assert reply["Precedence"] == "bulk"
    assert reply["X-Auto-Response-Suppress"] == "All"
    # RFC 5322 section 3.6.4: a Message-ID of its own, under the sender's domain.
    assert re.fullmatch(r"<[^<>\s]+@example\.com>", str(reply["Message-ID"]))
    assert str(reply["Message-ID"]) != "<ask@vostok.example>"
    # RFC 5230 section 5: no 8-bit octet in the header.
    assert head.isascii()


async def test_destination_and_envelope(exchange: Exchange) -> None:
    """The reply goes to the Return-Path alone (RFC 3834 section 4), and no bounce is asked for (section 3.3)."""
    mail = exchange.mail
    assert mail.recipient == "ivan@vostok.example"
    assert "list@lists.example" not in mail.data.decode("latin-1")
    # RFC 3834 section 3.3: the account's own address by default; gates keep answers to it from looping.
    assert mail.sender == "office@example.com"
    # RFC 3834 section 3.3, RFC 5230 section 5.5: NOTIFY=NEVER where DSN is offered.
    assert any("NOTIFY=NEVER" in option.upper() for option in mail.rcpt_options)


async def test_no_dsn_no_notify(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A server without DSN is not asked for it (RFC 3461 section 4)."""
    exchange = await _exchange(dovecot_rich, user, tmp_path, dsn=False)
    assert not exchange.mail.rcpt_options


async def test_the_empty_envelope_is_selectable(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """RFC 3834 section 3.3, RFC 5230 section 5.1: MAIL FROM:<> where the owner chose it; From stays the owner's."""
    exchange = await _exchange(dovecot_rich, user, tmp_path, dsn=True, envelope="empty")
    assert exchange.mail.sender == ""
    assert exchange.reply["From"].addresses[0].addr_spec == "office@example.com"


async def test_content(exchange: Exchange) -> None:
    """The body keeps RFC 3834 section 3.2 and section 6: brief plain text, nothing of the original but its subject."""
    reply = exchange.reply
    # RFC 3834 section 3.2: text/plain only.
    assert reply.get_content_type() == "text/plain"
    assert not reply.is_multipart()
    text = reply.get_content()  # type: ignore[attr-defined]
    # RFC 3834 section 3.2: no content of the original.
    assert "Тайное" not in text
    # RFC 3834 section 3.2 and RFC 2045: charset and encoding are right, words are decoded before they are quoted.
    assert reply.get_content_charset() == "utf-8"
    assert "=?" not in text
    assert "Договор аренды: пункт" in text
    # RFC 3834 section 1.1: brief.
    assert len(text) < 1500
    # RFC 3834 section 2: says that it is automatic.
    assert "автоматический" in text
    # RFC 5321 section 4.5.3.1.6: no line above a thousand octets.
    assert all(len(line) <= 998 for line in exchange.mail.data.split(b"\r\n"))
    # RFC 3834 section 6: no private data of the owner.
    assert "anna.private" not in text


async def test_bookkeeping(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """RFC 5230 section 4.7 and RFC 8580: the message stays as it was; a copy of the reply lies in Sent, marked."""
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        asked = letter("ivan@vostok.example", "Вопрос")
        scene.arrive(asked, FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        lying = {folder: (flags, raw) for folder, flags, raw in scene.everything()}
    flags, raw = lying["Callbacks/2026-11-16 10-00"]
    assert raw == asked
    assert "\\Seen" not in flags
    assert "\\Answered" not in flags
    copy_flags, copy = lying["Sent"]
    assert "$autosent" in copy_flags.lower()
    assert f"To: <{sink.mails[0].recipient}>".encode() in copy or sink.mails[0].recipient.encode() in copy
    assert OWNER.encode() in copy
