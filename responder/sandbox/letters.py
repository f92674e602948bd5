"""Builds mail as other people's programs write it and as the owner's provider lays it into the mailbox.

Pure and repeatable: the same call gives the same octets. Nothing here was taken from real mail.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: The name with which the owner's provider signs its Authentication-Results.
AUTHSERV_ID = "mx.svetlova.example"
OWNER = "anna@svetlova.example"
OWNER_NAME = "Анна Светлова"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a mail program writes: its own header fields, its charset, and how it encodes a body."""

    fields: Mapping[str, str]
    charset: str = "utf-8"
    encoding: Literal["base64", "quoted-printable", "8bit"] = "quoted-printable"


OUTLOOK = Program(
    fields={
        "X-Mailer": "Microsoft Outlook 16.0",
        "Thread-Index": "AdysV3kQ7mYt0p1qS8uJ2cXzR4aB6w==",
        "Importance": "Normal",
    },
    encoding="base64",
)
PHONE = Program(fields={"X-Mailer": "iPhone Mail (23D127)"})
BAT = Program(fields={"X-Mailer": "The Bat! (v10.5) Professional", "X-Priority": "3 (Normal)"}, charset="windows-1251")
THUNDERBIRD = Program(fields={"User-Agent": "Mozilla Thunderbird", "Content-Language": "ru"}, encoding="8bit")
KOI8 = Program(fields={"X-Mailer": "Webmail 5.2"}, charset="koi8-r", encoding="base64")
WEBMAIL = Program(fields={"X-Mailer": "Webmail 5.2"})
SERVER = Program(fields={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who writes. ``host`` is the server that hands the mail over."""

    name: str
    address: str
    zone: ZoneInfo
    host: str

    @property
    def header(self) -> Address:
        """The person as a From field names them."""
        return Address(self.name, addr_spec=self.address)

    @property
    def place(self) -> str:
        """The city of the person's zone, as a person would say it."""
        return self.zone.key.rpartition("/")[2].replace("_", " ")


def person(name: str, address: str, zone: str = "Europe/Moscow", host: str = "") -> Person:
    """Return a person whose mail comes from ``mail.`` their domain where no host is given."""
    domain = address.rpartition("@")[2]
    return Person(name=name, address=address, zone=ZoneInfo(zone), host=host or f"mail.{domain}")


def message_id(number: int, sender: Person) -> str:
    """Return the Message-ID of the story's letter with that number."""
    return f"<weekend.{number:02d}.{sender.host.replace('.', '-')}@{sender.address.rpartition('@')[2]}>"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to be written and delivered.

    Attributes:
        number: unique in the story; it makes the Message-ID.
        at: when it is written, and taken by the owner's provider; the Date is in the sender's own zone.
        sender: who writes.
        subject: decoded.
        text: the body; HTML and nothing else where ``html``.
        program: what it is written with.
        to: the recipients.
        cc: those who get a copy.
        answers: the Message-ID that it answers, "" for none.
        fields: further header fields.
        pdf: the name of a PDF document to attach, "" for none.
        calendar: the text of an invitation to go beside the text, "" for none.
        return_path: the envelope's sender, "" for the null sender, None where it is the sender's address.
        dmarc: what the owner's provider finds about the From field: "pass", "fail", "none".
    """

    number: int
    at: datetime
    sender: Person
    subject: str
    text: str
    program: Program
    _: KW_ONLY
    html: bool = False
    to: tuple[Address, ...] = (Address(OWNER_NAME, addr_spec=OWNER),)
    cc: tuple[Address, ...] = ()
    answers: str = ""
    fields: Mapping[str, str] | None = None
    pdf: str = ""
    calendar: str = ""
    return_path: str | None = None
    dmarc: str = "pass"

    def composed(self) -> bytes:
        """Return the message as its sender's program writes it."""
        message = EmailMessage(policy=SMTP)
        message["Date"] = format_datetime(self.at.astimezone(self.sender.zone))
        message["From"] = self.sender.header
        message["To"] = self.to
        if self.cc:
            message["Cc"] = self.cc
        message["Message-ID"] = message_id(self.number, self.sender)
        if self.answers:
            message["In-Reply-To"] = self.answers
            message["References"] = self.answers
        message["Subject"] = self.subject
        for name, value in (*self.program.fields.items(), *(self.fields or {}).items()):
            message[name] = value
        kind = "html" if self.html else "plain"
        message.set_content(self.text, subtype=kind, charset=self.program.charset, cte=self.program.encoding)
        if self.calendar:
            message.add_alternative(self.calendar, subtype="calendar", params={"method": "REQUEST"})
        if self.pdf:
            message.add_attachment(_PDF, maintype="application", subtype="pdf", filename=self.pdf)
        # The library draws boundaries by lot.
        for place, part in enumerate(message.walk()):
            if part.is_multipart():
                part.set_boundary(f"=_weekend_{self.number:02d}_{place}")
        return message.as_bytes()

    def delivered(self) -> bytes:
        """Return the message as it lies in INBOX."""
        path = self.sender.address if self.return_path is None else self.return_path
        return received(self.at, self.sender, return_path=path, dmarc=self.dmarc) + self.composed()


def bounce(number: int, at: datetime, sender: Person, *, recipient: str) -> bytes:
    """Return, as it lies in INBOX, a delivery report about a letter that the owner wrote by hand.

    Source: RFC 3464 section 2.
    """
    lines = f"""\
Date: {format_datetime(at.astimezone(sender.zone))}
From: {sender.name} <{sender.address}>
To: {OWNER}
Message-ID: {message_id(number, sender)}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_weekend_{number:02d}_0"

--=_weekend_{number:02d}_0
Content-Type: text/plain; charset=us-ascii

The mail system could not deliver your message to <{recipient}>:
550 5.1.1 no such user here

--=_weekend_{number:02d}_0
Content-Type: message/delivery-status

Reporting-MTA: dns; {sender.host}

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user here

--=_weekend_{number:02d}_0
Content-Type: text/rfc822-headers

From: {OWNER}
To: {recipient}
Message-ID: <letter.0603@svetlova.example>
Subject: Reference letter

--=_weekend_{number:02d}_0--
"""
    report = lines.replace("\n", "\r\n").encode("ascii")
    return received(at, sender, return_path="", dmarc="none") + report


def received(at: datetime, sender: Person, *, return_path: str, dmarc: str) -> bytes:
    """Return what the owner's provider writes above a message when it takes it."""
    path_domain = return_path.rpartition("@")[2] or sender.host
    from_domain = sender.address.rpartition("@")[2]
    return (
        f"Return-Path: <{return_path}>\r\n"
        f"Delivered-To: {OWNER}\r\n"
        f"Received: from {sender.host} ({sender.host} [192.0.2.25])\r\n"
        f"\tby {AUTHSERV_ID} with ESMTPS; {format_datetime(at.astimezone(ZoneInfo('Europe/Moscow')))}\r\n"
        f"Authentication-Results: {AUTHSERV_ID};\r\n"
        f"\tspf=pass smtp.mailfrom={path_domain};\r\n"
        f"\tdmarc={dmarc} header.from={from_domain}\r\n"
    ).encode("ascii")


#: The smallest document that a PDF reader opens: one empty page.
_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
