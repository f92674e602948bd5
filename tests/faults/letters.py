"""Hostile letters by name, and what becomes of each: the expected reason, and what the reply must and must not say."""

from __future__ import annotations

import base64
from dataclasses import dataclass

#: Reasons of letters that are answered.
ANSWERED = frozenset({"full", "short"})
UNREADABLE = frozenset({"unreadable"})
AUTOMATIC = frozenset({"automatic"})
STRANGER = frozenset({"stranger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter. ``{me}`` in it becomes its sender's address, which nobody else has.

    Attributes:
        raw: the message, with CRLF, without Return-Path.
        reasons: what may become of it.
        says: what stands in the reply.
        silent_about: what does not.
        over: only by LMTP or only by APPEND, where the other way does not take it.
    """

    raw: bytes
    reasons: frozenset[str]
    says: str = ""
    silent_about: tuple[str, ...] = ()
    over: str = ""


def letter(
    *lines: bytes,
    body: bytes = b"Hello\r\n",
    sender: bytes = b"From: Somebody <{me}>",
    to: bytes = b"To: anna@example.com",
    message_id: bytes = b"Message-ID: <{n}@vostok.example>",
) -> bytes:
    """Put a letter together; an empty line is left out."""
    subject = () if any(line.lower().startswith(b"subject") for line in lines) else (b"Subject: Hello",)
    return b"\r\n".join(line for line in (sender, to, message_id, *subject, *lines) if line) + b"\r\n\r\n" + body


def _nested(depth: int, kind: bytes = b"multipart/mixed") -> bytes:
    return b"".join(
        b'--b%d\r\nContent-Type: %b; boundary="b%d"\r\n\r\n' % (level, kind, level + 1) for level in range(depth)
    )


def _bomb(depth: int) -> bytes:
    """Return messages attached to messages."""
    return b"Content-Type: message/rfc822\r\n\r\n" * depth + b"Subject: inside\r\nList-Id: <x.example>\r\n\r\nx\r\n"


RTL = "\u202etxt.exe\u202c \u2066x\u2069"
WORD = "=?utf-8?b?" + base64.b64encode("Договор аренды".encode()).decode() + "?="
LONG = b"\r\n =?utf-8?q?a?="

LETTERS: dict[str, Letter] = {
    # ------------------------------------------------------------------ depth and size
    "two thousand multiparts": Letter(
        raw=letter(b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="b0"', body=_nested(2000)),
        reasons=ANSWERED,
    ),
    "five hundred attached messages in one another": Letter(
        raw=letter(b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="b"', body=b"--b\r\n" + _bomb(500)),
        reasons=ANSWERED,
    ),
    "twenty thousand divs": Letter(
        raw=letter(b"MIME-Version: 1.0", b"Content-Type: text/html", body=b"<div>" * 20_000), reasons=ANSWERED
    ),
    "twenty thousand encoded words": Letter(raw=letter(b"Subject:" + LONG * 20_000), reasons=UNREADABLE),
    "four thousand encoded words": Letter(raw=letter(b"Subject:" + LONG * 4_000), reasons=ANSWERED),
    "300 KB of a field that is read": Letter(
        raw=letter(b"References:" + b"\r\n <a@b.example>" * 18_000), reasons=UNREADABLE
    ),
    "a list's sign behind 300 KB of other fields": Letter(
        raw=letter(b"\r\n".join([b"X-Junk: " + b"j" * 900] * 330), b"List-Id: <l.example>"), reasons=AUTOMATIC
    ),
    "a list's sign behind 70 KB of fields that are read": Letter(
        raw=letter(b"References:" + b"\r\n <a@b.example>" * 4_200, b"List-Id: <l.example>"),
        reasons=UNREADABLE | AUTOMATIC,
    ),
    "twenty thousand recipients": Letter(
        raw=letter(to=b"To: " + b"".join(b"r%d@x.example,\r\n " % n for n in range(20_000)) + b"anna@example.com"),
        reasons=UNREADABLE,
    ),
    "three thousand recipients, the owner last": Letter(
        raw=letter(to=b"To: " + b"".join(b"r%d@x.example,\r\n " % n for n in range(3_000)) + b"anna@example.com"),
        reasons=frozenset({"not-addressed"}),
    ),
    "fifty megabytes": Letter(raw=letter(body=(b"0123456789" * 7 + b"\r\n") * 700_000), reasons=ANSWERED),
    # ------------------------------------------------------------------ octets
    "NUL": Letter(
        raw=letter(b"Subject: nul \x00 here", b"X-Nul: \x00", body=b"a\x00b\r\n"), reasons=ANSWERED, over="lmtp"
    ),
    "bare CR": Letter(raw=letter(b"Subject: bare\rcarriage Bcc: eve@evil.example", body=b"a\rb\r\n"), reasons=ANSWERED),
    "a field behind a bare CR": Letter(raw=letter(b"Subject: x\rList-Id: <l.example>"), reasons=ANSWERED | AUTOMATIC),
    "bare LF": Letter(raw=letter(b"Subject: Hello", body=b"a\nb\n").replace(b"\r\n", b"\n"), reasons=ANSWERED),
    "escape sequences": Letter(raw=letter(b"Subject: \x1b[2J\x1b]0;x\x07 bell"), reasons=ANSWERED),
    "an unknown charset": Letter(
        raw=letter(b"Subject: =?x-klingon?q?abc?=", b"Content-Type: text/plain; charset=x-klingon"), reasons=ANSWERED
    ),
    "a wrong charset": Letter(
        raw=letter(
            b"Subject: =?us-ascii?q?=C4=EE=E3=EE=E2=EE=F0?=",
            b"Content-Type: text/plain; charset=utf-8",
            body="Добрый день".encode("cp1251"),
        ),
        reasons=ANSWERED,
        says="«Договор»",
    ),
    "a byte order mark": Letter(
        raw=letter(b"Subject: =?utf-8?q?=EF=BB=BFHello?=", body=b"\xef\xbb\xbfHello\r\n"), reasons=ANSWERED
    ),
    "UTF-7": Letter(
        raw=letter(
            b"Subject: =?utf-7?q?+AAo-Bcc:_eve?=", b"Content-Type: text/plain; charset=utf-7", body=b"+AAo-x\r\n"
        ),
        reasons=ANSWERED,
    ),
    "raw Windows-1251": Letter(
        raw=letter(b"Subject: " + "Договор аренды".encode("cp1251")), reasons=ANSWERED, says="«Договор аренды»"
    ),
    "raw KOI8-R": Letter(
        raw=letter(b"Subject: " + "Договор аренды".encode("koi8_r")), reasons=ANSWERED, says="«Договор аренды»"
    ),
    "base64 in base64 only by name": Letter(
        raw=letter(b"Subject: =?utf-8?b?!!!?=", b"Content-Transfer-Encoding: base64", body=b"!!!\r\n"), reasons=ANSWERED
    ),
    # -------------------------------------------------------------- Message-ID
    "no Message-ID": Letter(raw=letter(message_id=b""), reasons=ANSWERED, silent_about=("In-Reply-To",)),
    "two Message-IDs": Letter(
        raw=letter(b"Message-ID: <second@vostok.example>"), reasons=ANSWERED, silent_about=("In-Reply-To",)
    ),
    "an empty Message-ID": Letter(
        raw=letter(message_id=b"Message-ID: <>"), reasons=ANSWERED, silent_about=("In-Reply-To",)
    ),
    "a Message-ID of Exchange": Letter(
        raw=letter(message_id=b"Message-ID: <[{n}@vostok.example]>"), reasons=ANSWERED
    ),
    "a huge Message-ID": Letter(
        raw=letter(message_id=b"Message-ID: <" + b"x" * 20_000 + b"{n}@x.example>"),
        reasons=ANSWERED,
        silent_about=("In-Reply-To", "xxxxx"),
    ),
    "a Message-ID with a command": Letter(
        raw=letter(message_id=b'Message-ID: <{n}"\r\n zz1 DELETE "Callbacks@x.example>'),
        reasons=ANSWERED,
        silent_about=("In-Reply-To", "DELETE"),
    ),
    # ------------------------------------------------------------------ senders
    "two From fields": Letter(raw=letter(b"From: boss@vostok.example"), reasons=UNREADABLE),
    "two senders": Letter(raw=letter(sender=b"From: {me}, eve@evil.example"), reasons=UNREADABLE),
    "a group as sender": Letter(raw=letter(sender=b"From: friends: {me};"), reasons=UNREADABLE),
    "an empty group as sender": Letter(raw=letter(sender=b"From: undisclosed:;"), reasons=UNREADABLE),
    "an empty From": Letter(raw=letter(sender=b"From:"), reasons=UNREADABLE),
    "no From": Letter(raw=letter(sender=b""), reasons=UNREADABLE),
    "a client's address as a name": Letter(
        raw=letter(sender=b'From: "ivan@vostok.example" <eve@evil.example>'), reasons=STRANGER
    ),
    "a client's address as a bare name": Letter(
        raw=letter(sender=b"From: ivan@vostok.example <eve@evil.example>"), reasons=UNREADABLE
    ),
    "a client's address in a comment": Letter(
        raw=letter(sender=b"From: eve@evil.example (ivan@vostok.example)"), reasons=STRANGER
    ),
    "two addresses joined by a parenthesis": Letter(
        raw=letter(sender=b"From: ivan@vostok.example)eve@evil.example"), reasons=UNREADABLE
    ),
    "two addresses joined by brackets": Letter(
        raw=letter(sender=b"From: <ivan@vostok.example>eve@evil.example"), reasons=UNREADABLE
    ),
    "an address as an encoded word": Letter(
        raw=letter(sender=b"From: =?utf-8?q?ivan=40vostok=2Eexample?="), reasons=UNREADABLE
    ),
    "an address with an encoded line break": Letter(
        raw=letter(sender=b"From: =?utf-8?q?Ivan=0D=0ABcc=3A_eve=40evil.example?= <{me}>"),
        reasons=ANSWERED,
        silent_about=("eve",),
    ),
    "an address with an encoded line break and a colon": Letter(
        raw=letter(sender=b"From: =?utf-8?q?Ivan=0D=0ABcc:_eve=40evil.example?= <{me}>"), reasons=UNREADABLE
    ),
    "an address with a NUL's sister": Letter(raw=letter(sender=b"From: <ivan@vostok.example\x80>"), reasons=UNREADABLE),
    "an open bracket": Letter(raw=letter(sender=b"From: <@"), reasons=UNREADABLE),
    "a thousand parentheses": Letter(raw=letter(sender=b"From: " + b"(" * 900 + b"{me}"), reasons=UNREADABLE),
    "a name that is a template": Letter(
        raw=letter(b"Subject: {{'xyz'*3}} {% for a in b %}", sender=b"From: \"{{'xyz'*3}}{% raw %}\" <{me}>"),
        reasons=ANSWERED,
        says="{{'xyz'*3}} {% for a in b %}",
        silent_about=("xyzxyz", "{% raw %}"),
    ),
    "a name of ten kilobytes": Letter(
        raw=letter(sender=b'From: "' + b"\r\n ".join([b"n" * 70] * 140) + b'" <{me}>'),
        reasons=ANSWERED,
        silent_about=("nnnn",),
    ),
    # ----------------------------------------------------------------- subjects
    "a line break in an encoded subject": Letter(
        raw=letter(b"Subject: =?UTF-8?Q?Hello=0D=0ABcc:_eve=40evil.example?="), reasons=ANSWERED
    ),
    "marks that turn the text": Letter(
        raw=letter(b"Subject: " + RTL.encode()), reasons=ANSWERED, silent_about=("\u202e", "\u2066")
    ),
    "a link in the subject": Letter(
        raw=letter(b"Subject: Win at www.evil.example now"), reasons=ANSWERED
    ),
    # --------------------------------------------------------------------- MIME
    "a name without a value": Letter(
        raw=letter(b"Content-Type: text/plain; name*", b"Content-Disposition: attachment; filename*"), reasons=ANSWERED
    ),
    "a name in a hundred pieces": Letter(
        raw=letter(b"Content-Type: text/plain;" + b";".join(b"\r\n name*%d*=%%41" % n for n in range(100))),
        reasons=ANSWERED,
    ),
    "quotes in a file's name": Letter(
        raw=letter(
            b"MIME-Version: 1.0",
            b'Content-Type: multipart/mixed; boundary="b"',
            body=b'--b\r\nContent-Type: application/pdf; name="' + b'\\"' * 400 + b'"\r\n\r\nx\r\n--b--\r\n',
        ),
        reasons=ANSWERED,
    ),
    "a boundary of quotes": Letter(
        raw=letter(b'Content-Type: multipart/mixed; boundary="\\"\\""', body=b'--""\r\n\r\nx\r\n'), reasons=ANSWERED
    ),
    "an empty boundary": Letter(
        raw=letter(b'Content-Type: multipart/mixed; boundary=""', body=b"--\r\n\r\nx\r\n--\r\n"), reasons=ANSWERED
    ),
    "sixty thousand boundaries": Letter(
        raw=letter(b'Content-Type: multipart/mixed; boundary="b"', body=b"--b\r\n" * 60_000), reasons=ANSWERED
    ),
    "an invitation": Letter(
        raw=letter(
            b"MIME-Version: 1.0",
            b'Content-Type: multipart/mixed; boundary="b"',
            body=b"--b\r\n\r\nx\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nx\r\n--b--\r\n",
        ),
        reasons=AUTOMATIC,
    ),
    "a continuation behind the server's own fields": Letter(
        raw=b" x: y\r\n" + letter(b"Auto-Submitted: auto-replied"), reasons=AUTOMATIC, over="lmtp"
    ),
}  # fmt: skip
