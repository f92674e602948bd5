"""Delivery reports as the mail servers of the world write them: same structure, our own words, made-up hosts.

``FORMS`` by name: each makes a whole message from the reply that failed (its header as it left, CRLF, without a blank
line), the address that the report names, and what became of it ("failed", "delayed").
"""

from __future__ import annotations

import base64
import email
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OWNER = "anna@example.com"


def _head(sender: str, subject: str, *lines: str) -> str:
    fields = [
        "Return-Path: <>",
        "Received: from mx.far.example (mx.far.example [192.0.2.9]) by mx.example.com with ESMTPS id 7;",
        "\tFri, 13 Nov 2026 19:20:00 +0300",
        f"From: {sender}",
        f"To: <{OWNER}>",
        f"Subject: {subject}",
        "Date: Fri, 13 Nov 2026 19:20:00 +0300",
        *lines,
    ]
    return "\r\n".join(fields) + "\r\n"


def _returned(reply: str) -> str:
    """Return the reply's header as the far server saw it: with what stood on top by then."""
    path = f"Return-Path: <{OWNER}>\r\nReceived: from smtp.example.com by mx.far.example with ESMTPS id 6;\r\n"
    signature = f"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=mail;\r\n bh={'A' * 43}=;\r\n b={'B' * 340}\r\n"
    return f"{path}\tFri, 13 Nov 2026 19:19:00 +0300\r\n{signature}{reply}"


def _id(reply: str) -> str:
    return str(email.message_from_string(reply)["Message-ID"])


def _status(address: str, action: str, *more: str) -> str:
    code = "5.1.1" if action == "failed" else "4.4.1"
    lines = ["Reporting-MTA: dns; mx.far.example", "Arrival-Date: Fri, 13 Nov 2026 19:19:00 +0300", ""]
    lines += [f"Final-Recipient: rfc822; {address}", *more, f"Action: {action}", f"Status: {code}"]
    return "\r\n".join([*lines, "Diagnostic-Code: smtp; 550 there is no such person here"]) + "\r\n"


def _report(head: str, *parts: str) -> bytes:
    kind = 'Content-Type: multipart/report; report-type=delivery-status; boundary="=_r"'
    body = "".join(f"--=_r\r\n{part}\r\n" for part in parts)
    return f"{head}MIME-Version: 1.0\r\n{kind}\r\n\r\nA report in parts.\r\n\r\n{body}--=_r--\r\n".encode()


def postfix(reply: str, address: str, action: str = "failed") -> bytes:
    """Three parts: a text, the status with Original-Recipient, the header that came back."""
    return _report(
        _head("MAILER-DAEMON@mx.far.example (Mail System)", "Not delivered", "Auto-Submitted: auto-replied"),
        f"Content-Description: Notification\r\nContent-Type: text/plain\r\n\r\n<{address}>: nobody.\r\n",
        "Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n"
        + _status(address, action, f"Original-Recipient: rfc822;{address}", "X-Queue-Id: 4C1"),
        f"Content-Description: Message\r\nContent-Type: text/rfc822-headers\r\n\r\n{_returned(reply)}",
    )


def exim(reply: str, address: str, action: str = "failed") -> bytes:
    """With a field that names who failed, and the whole message."""
    failed = [f"X-Failed-Recipients: {address}"] if action == "failed" else []
    return _report(
        _head("Mail Delivery System <Mailer-Daemon@mx.far.example>", "Delivery", *failed, f"References: {_id(reply)}"),
        f"Content-type: text/plain; charset=us-ascii\r\n\r\nFor one address it did not work:\r\n\r\n  {address}\r\n",
        f"Content-type: message/delivery-status\r\n\r\n{_status(address, action)}",
        f"Content-type: message/rfc822\r\n\r\n{_returned(reply)}\r\nGood evening.\r\n",
    )


def exim_in_plain_text(reply: str, address: str, action: str = "failed") -> bytes:
    """As before it wrote reports in parts: one text, with the message below a line."""
    failed = [f"X-Failed-Recipients: {address}"] if action == "failed" else []
    head = _head(
        "Mail Delivery System <Mailer-Daemon@mx.far.example>", "Delivery", "Auto-Submitted: auto-replied", *failed
    )
    return (
        f"{head}\r\nThis was written by the mail program. For one address it did not work:\r\n\r\n  {address}\r\n"
        "    the other side says: 550 there is no such person here\r\n\r\n"
        f"------ The message follows, with its header ------\r\n\r\n{_returned(reply)}\r\nGood evening.\r\n"
    ).encode()


def exchange(reply: str, address: str, action: str = "failed") -> bytes:
    """A page of HTML comes before the status: tens of thousands of octets."""
    page = f"<p>{'It could not be handed over. ' * 30}</p>\r\n" * 30
    return _report(
        _head(
            "<postmaster@far.example>",
            "Undeliverable",
            "X-MS-Exchange-Message-Is-Ndr:",
            "Auto-Submitted: auto-replied",
            f"In-Reply-To: {_id(reply)}",
            f"References: {_id(reply)}",
        ),
        'Content-Type: multipart/alternative; boundary="=_a"\r\n\r\n--=_a\r\nContent-Type: text/plain'
        f"\r\n\r\n{address}: nobody.\r\n--=_a\r\nContent-Type: text/html\r\n\r\n{page}\r\n--=_a--\r\n",
        "Content-Type: message/delivery-status\r\n\r\n"
        + _status(address, action, "X-Display-Name: Ivan").replace("rfc822; ", "rfc822;"),
        f"Content-Type: message/rfc822\r\n\r\n{_returned(reply)}\r\nGood evening.\r\n",
    )


def exchange_about_another_id(reply: str, address: str, action: str = "failed") -> bytes:
    """The provider that sent the reply gave it an id of its own; ours stands in our second field alone."""
    ours = _id(reply)
    theirs = "<DB7PR05MB1@DB7PR05MB1.eurprd05.prod.outlook.example>"
    changed = reply.replace(f"Message-ID: {ours}", f"Message-ID: {theirs}")
    assert changed != reply
    return exchange(changed, address, action)


def gmail(reply: str, address: str, action: str = "failed") -> bytes:
    """HTML with a picture comes before the status; a field names who failed, also where it is only late."""
    picture = base64.encodebytes(bytes(4_500)).decode().replace("\n", "\r\n")
    return _report(
        _head(
            "Mail Delivery Subsystem <mailer-daemon@far.example>",
            "Delivery Status Notification",
            "Auto-Submitted: auto-replied",
            f"X-Failed-Recipients: {address}",
            f"In-Reply-To: {_id(reply)}",
            f"References: {_id(reply)}",
        ),
        'Content-Type: multipart/related; boundary="=_g"\r\n\r\n--=_g\r\nContent-Type: text/html\r\n\r\n'
        f"<p>{address}</p>\r\n--=_g\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{picture}"
        "\r\n--=_g--\r\n",
        f"Content-Type: message/delivery-status\r\n\r\n{_status(address, action)}",
        f"Content-Type: message/rfc822\r\n\r\n{_returned(reply)}\r\nGood evening.\r\n",
    )


def qmail(reply: str, address: str, action: str = "failed") -> bytes:
    """No MIME at all (QSBMF): a known beginning, a paragraph for each address, the message below a line."""
    begins = "Hi. This is the mail program at mx.far.example."
    named = f"<{address}>:\r\nNobody of that name.\r\n" if action == "failed" else "It will be tried again.\r\n"
    head = _head("MAILER-DAEMON@mx.far.example", "failure notice")
    return (
        f"{head}\r\n{begins}\r\nIt did not work.\r\n\r\n{named}\r\n"
        f"--- Below this line is the message.\r\n\r\n{_returned(reply)}\r\nGood evening.\r\n"
    ).encode()


FORMS: dict[str, Callable[..., bytes]] = {
    form.__name__: form
    for form in (postfix, exim, exim_in_plain_text, exchange, exchange_about_another_id, gmail, qmail)
}
