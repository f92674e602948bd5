"""The message's octets: every field as the RFCs want it, whatever came in."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core.compose import Text, reply_message
from responder.core.model import Facts, MailboxRules
from responder.errors import PermanentError
from tests.core.build import at, owner, policy

if TYPE_CHECKING:
    from email.message import EmailMessage

NOW_AT = at("2026-11-27 20:03")
OWN_ID = "<r.0123456789abcdef@example.com>"
FIELDS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Precedence",
    "X-Responder-Id",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Language",
]
RULES = policy()


def _decoded(value: str) -> str:
    return str(email.header.make_header(email.header.decode_header(value)))


def _facts(**overrides: Any) -> Facts:
    fields: dict[str, Any] = {
        "client": "vostok",
        "address": "ivan@vostok.example",
        "return_path": "ivan@vostok.example",
        "addressed": "office@example.com",
        "message_id": "<question@vostok.example>",
    }
    return Facts(fingerprint="0" * 64, **(fields | overrides))


def _octets(subject: str = "Auto: Lease", body: str = "Hello,\n\nBye.", rules: Any = RULES, **overrides: Any) -> bytes:
    text = Text(subject=subject, body=body)
    return reply_message(rules, "main", _facts(**overrides), text, OWN_ID, NOW_AT)


def _parsed(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.default)


def _assert_sound(message: bytes) -> None:
    """Check what holds for every message: RFC 5322 section 2.1, RFC 2047 section 2, RFC 5230 section 5."""
    assert message.isascii()
    assert message.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message)
    header = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(re.match(rb"[A-Za-z-]+: |[ \t]\S", line) for line in header)
    assert all(len(line) <= 76 for line in message.split(b"\r\n") if b"<" not in line and b"@" not in line)
    assert [line.partition(b":")[0].decode() for line in header if line[:1].strip()] == FIELDS


def test_a_reply_in_full() -> None:
    """The whole of a short English reply, as it goes to the server."""
    rules = policy(owner=owner(name="Anna Light", language="en"))
    message = _octets(rules=rules, client="", references=("<first@vostok.example>",))
    expected = """\
From: Anna Light <office@example.com>
To: ivan@vostok.example
Subject: Auto: Lease
Date: Fri, 27 Nov 2026 17:03:00 +0000
Message-ID: <r.0123456789abcdef@example.com>
In-Reply-To: <question@vostok.example>
References: <first@vostok.example> <question@vostok.example>
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All
Precedence: bulk
X-Responder-Id: <r.0123456789abcdef@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit
Content-Language: en

Hello,

Bye.
"""
    assert message.decode() == expected.replace("\n", "\r\n")


def test_from_is_the_owner_by_the_address_written_to() -> None:
    """RFC 3834 section 3.1.1: the owner's name and the address written to, else the mailbox's first."""
    (sender,) = _parsed(_octets())["From"].addresses
    assert sender == Address(display_name="Анна Светлова", addr_spec="office@example.com")
    (sender,) = _parsed(_octets(addressed=""))["From"].addresses
    assert sender.addr_spec == "anna@example.com"


@pytest.mark.parametrize(
    "name",
    ["Anna", 'Anna "Law" Light', "Light, Anna B.", "back\\slash", "=?utf-8?q?x?=", "Анна", "А" * 120, "A" * 120],
)
def test_any_name_of_the_owner_survives(name: str) -> None:
    """RFC 5322 section 3.4: a name is quoted or encoded where it has to be, and read back as it was."""
    message = _octets(rules=policy(owner=owner(name=name)))
    _assert_sound(message)
    # Python 3.11's new parser leaves blanks between encoded words, against RFC 2047 section 6.2.
    field = email.message_from_bytes(message)["From"]
    shown = email.utils.unquote(field.rpartition("<")[0].strip())
    assert name == (shown if name.isascii() and "=?" not in field else _decoded(shown))
    assert email.utils.parseaddr(field)[1] == "office@example.com"


def test_it_goes_to_the_return_path_and_nobody_else() -> None:
    """RFC 3834 sections 3.1.3 and 4: one recipient, the Return-Path, no Cc, no Bcc, no Reply-To."""
    message = _parsed(_octets(return_path="prvs=1a2b=ivan@vostok.example"))
    assert [each.addr_spec for each in message["To"].addresses] == ["prvs=1a2b=ivan@vostok.example"]
    assert not {"cc", "bcc", "reply-to"} & {name.lower() for name in message}


def test_an_international_domain_is_written_as_punycode() -> None:
    """RFC 5890: no octet above 127 is needed for a Cyrillic domain."""
    assert b"\r\nTo: ivan@xn--b1aqlaog.example\r\n" in _octets(return_path="ivan@восток.example")


@pytest.mark.parametrize(
    "recipient",
    [
        None,
        "",
        "ivan",
        "ivan@",
        "@vostok.example",
        "a@b@vostok.example",
        "ivan@vostok.example>, <x@evil.example",
        "ivan@vostok.example\r\nBcc: x@evil.example",
        "ivan @vostok.example",
        '"ivan x"@vostok.example',
        "иван@vostok.example",
        "ivan@vostok..example",
        f"ivan@{'а' * 64}.example",
        f"{'i' * 240}@vostok.example",
        "ivan@vostok.example\n",
    ],
)
def test_what_is_no_single_address_gets_no_message(recipient: str | None) -> None:
    """An address that could be two, or begin a line, is a definite no."""
    with pytest.raises(PermanentError):
        _octets(return_path=recipient)


def test_date_is_now() -> None:
    """RFC 3834 section 3.1.4: the Date is when the reply was made."""
    assert _parsed(_octets())["Date"].datetime == NOW_AT == datetime(2026, 11, 27, 17, 3, tzinfo=UTC)


def test_it_is_marked_as_automatic_once() -> None:
    """RFC 3834 sections 3.1.7, 3.1.8 and 5.1: Auto-Submitted: auto-replied exactly once, and the field's others."""
    message = _parsed(_octets())
    assert message.get_all("Auto-Submitted") == ["auto-replied"]
    assert message.get_all("X-Auto-Response-Suppress") == ["All"]
    assert message.get_all("Precedence") == ["bulk"]
    assert message["Message-ID"] == message["X-Responder-Id"] == OWN_ID


def test_a_message_without_an_id_is_not_referred_to() -> None:
    """RFC 5230 section 5.8: In-Reply-To and References only if the original has an id, and a strict one."""
    for message_id in (
        "",
        "<no-at>",
        "<a b@c>",
        "<a@b>\r\nBcc: x@y.example",
        "<ä@b>",
        f"<{'a' * 250}@b>",
        "<a@b><c@d>",
    ):
        message = _parsed(_octets(message_id=message_id))
        assert "In-Reply-To" not in message
        assert "References" not in message


def test_references_are_the_parents_and_the_parent() -> None:
    """RFC 5322 section 3.6.4: the parent's References, then its Message-ID; garbage is dropped."""
    ids = ("<one@a.example>", "garbage", "<two@b.example>\r\nBcc: x@y.example", f"<{'c' * 80}@c.example>", "<d@e>")
    message = _octets(references=ids)
    _assert_sound(message)
    assert _parsed(message)["References"].split() == [ids[0], ids[3], ids[4], "<question@vostok.example>"]


def test_long_threads_keep_the_first_and_the_newest() -> None:
    """RFC 5322 section 3.6.4: of a long thread the first id and the newest twenty are named."""
    ids = tuple(f"<{number}@thread.example>" for number in range(500))
    message = _octets(references=ids)
    _assert_sound(message)
    named = _parsed(message)["References"].split()
    assert named == [ids[0], *ids[-19:], "<question@vostok.example>"]


@pytest.mark.parametrize(
    "subject",
    [
        "Auto: Re: Lease",
        "Auto: " + "word " * 28 + "end",
        "Auto: " + "x" * 140,
        "Автоответ: Договор аренды",
        "Auto: 契約書の確認をお願いします" * 9,
        "Auto: 👩‍⚖️" * 20,
        "Auto: =?utf-8?q?Bcc?=",
        "Auto: ß",
    ],
)
def test_a_subject_survives_its_folding(subject: str) -> None:
    """RFC 2047 sections 2 and 5: lines of at most 76, no character cut, and the text comes back as it was."""
    message = _octets(subject)
    _assert_sound(message)
    assert _parsed(message)["Subject"] == subject
    raw = message.partition(b"\r\nSubject: ")[2].partition(b"\r\nDate:")[0].decode()
    for word in re.findall(r"=\?utf-8\?b\?([^?]*)\?=", raw):
        assert email.header.decode_header(f"=?utf-8?b?{word}?=")[0][0].decode()


def test_a_subject_is_encoded_if_and_only_if_it_must_be() -> None:
    """RFC 5230 section 4.3: plain ASCII is not encoded, anything else is."""
    assert b"\r\nSubject: Auto: Re: Lease\r\n" in _octets("Auto: Re: Lease")
    assert b"\r\nSubject: =?utf-8?b?" in _octets("Автоответ: Lease")


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("Hello,\n\nBye.", "7bit"),
        ("An unwrapped paragraph. " * 20, "quoted-printable"),
        ("I will answer “Lease” by 16:00–17:00.\n.\nFrom me = you " * 5, "quoted-printable"),
        ("Здравствуйте!\n\nЯ отвечу.", "base64"),
        ("\x00\x1b[0m", "quoted-printable"),
    ],
)
def test_the_body_travels_in_seven_bits(body: str, encoding: str) -> None:
    """RFC 2045 section 6: the encoding fits the text, and the text comes back as it was."""
    message = _octets(body=body)
    _assert_sound(message)
    read = _parsed(message)
    assert read["Content-Transfer-Encoding"] == encoding
    assert read.get_content_type() == "text/plain"
    assert read.get_content_charset() == "utf-8"
    assert read.get_content().replace("\r\n", "\n").removesuffix("\n") == body
    assert read.get_payload(decode=True) == ("\r\n".join(body.split("\n")) + "\r\n").encode()


def test_the_language_is_named() -> None:
    """RFC 3282: Content-Language is the client's, for a stranger the owner's."""
    assert _parsed(_octets())["Content-Language"] == "ru"
    rules = policy(owner=owner(language="en"))
    assert _parsed(_octets(rules=rules, client=""))["Content-Language"] == "en"


def test_an_id_that_is_none_is_refused() -> None:
    """RFC 5322 section 3.6.4: the reply's own id passes the same gate."""
    with pytest.raises(PermanentError):
        reply_message(RULES, "main", _facts(), Text(subject="a", body="b"), "<a@b>\r\nBcc: x@y.example", NOW_AT)


HOSTILE = st.text() | st.sampled_from(
    [
        "x\r\nBcc: evil@evil.example",
        "x\nBcc: evil@evil.example\n\nBody",
        "x\r\n\r\nBody",
        "x\x85Bcc: y@z.example",
        "x\u2028Bcc: y@z.example",
        "=?utf-8?b?ZXZpbA0KQmNjOiB4QHk=?=",
        "\ud800\udfff",
        "a\x00b",
        "\u202egnp.exe",
    ]
)


@settings(deadline=None)  # the first example reads the locale files
@given(subject=HOSTILE, name=HOSTILE, body=HOSTILE, message_id=HOSTILE, reference=HOSTILE)
def test_nothing_that_came_in_begins_a_field(
    subject: str, name: str, body: str, message_id: str, reference: str
) -> None:
    """RFC 5322 section 2.2: whatever a subject, a name, a body or an id holds, the fields stay the same."""
    rules = policy(owner=owner(name=name), mailboxes=(MailboxRules(name="main", addresses=("anna@example.com",)),))
    message = _octets(
        subject, body, rules=rules, message_id=f"<{message_id}@x>", references=(reference, f"<{reference}@y>")
    )
    assert message.isascii()
    header = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    names = [line.partition(b":")[0].decode() for line in header if line[:1] not in {b" ", b"\t"}]
    assert [each for each in FIELDS if each in names] == names
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message)
    assert set(FIELDS) - set(names) <= {"In-Reply-To", "References"}
    assert b"evil.example" not in b"".join(line for line in header if not line.startswith((b"Subject", b"From", b" ")))
    _parsed(message).as_bytes()
