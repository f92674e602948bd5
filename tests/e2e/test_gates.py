"""Every gate of "must not reply", with real mail on a real server: one INBOX, many letters, each with its reason."""

from __future__ import annotations

import contextlib
import email
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, letter
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server


def _person(number: int) -> str:
    """Return an address of a client firm that nobody else in this test has."""
    return f"person{number}@vostok.example"


#: (reason, header fields, return path or None = not recorded). "full" = a person, who is answered.
GATES: list[tuple[str, dict[str, str], str | None]] = [
    # RFC 3834 section 2: null and missing Return-Path.
    ("automatic", {}, "<>"),
    ("automatic", {}, "< >"),
    ("no-return-path", {}, None),
    ("return-path-differs", {}, "somebody@else.example"),
    # RFC 3834 section 5.1: the grammar of Auto-Submitted.
    ("automatic", {"Auto-Submitted": "auto-replied"}, ""),
    ("automatic", {"Auto-Submitted": "AUTO-GENERATED; x=y"}, ""),
    ("automatic", {"Auto-Submitted": 'auto-notified; owner-email="a@b"'}, ""),
    ("automatic", {"Auto-Submitted": "(c) auto-replied (d)"}, ""),
    ("automatic", {"Auto-Submitted": "x-foo"}, ""),
    ("full", {"Auto-Submitted": "no"}, ""),
    ("full", {"Auto-Submitted": "no (typed by hand)"}, ""),
    ("full", {"Auto-Submitted": "(really) NO"}, ""),
    # RFC 2369, RFC 2919, RFC 5230 section 4.6: list fields, each alone.
    *[
        ("automatic", {f"List-{name}": "<https://lists.example/x>"}, "")
        for name in ("Id", "Help", "Subscribe", "Unsubscribe", "Post", "Owner", "Archive")
    ],
    # RFC 3834 section 2: Precedence, whatever its case.
    ("automatic", {"Precedence": "Bulk"}, ""),
    ("automatic", {"Precedence": "list"}, ""),
    ("automatic", {"Precedence": "junk"}, ""),
    ("full", {"Precedence": "first-class"}, ""),
    # MS-OXOMSG 2.2.1.77.
    ("automatic", {"X-Auto-Response-Suppress": "DR, OOF, RN"}, ""),
    ("automatic", {"X-Auto-Response-Suppress": "All"}, ""),
    ("automatic", {"X-Auto-Response-Suppress": "AutoReply"}, ""),
    ("full", {"X-Auto-Response-Suppress": "DR, RN"}, ""),
    # Signs of other systems; their value counts.
    ("automatic", {"X-Autoreply": "yes"}, ""),
    ("automatic", {"X-Autorespond": "on holiday"}, ""),
    ("automatic", {"X-Loop": "robot@shop.example"}, ""),
    ("automatic", {"X-Spam-Flag": "YES"}, ""),
    ("full", {"X-Spam-Flag": "NO"}, ""),
    ("automatic", {"X-Autoresponder": "1"}, ""),
    ("automatic", {"X-Precedence": "bulk"}, ""),
    ("automatic", {"Mailing-List": "contact x@lists.example"}, ""),
    ("automatic", {"X-Ignorevacation": "yes"}, ""),
    ("full", {"X-Ignorevacation": "no"}, ""),
    ("automatic", {"Sender": "MAILER-DAEMON@vostok.example"}, ""),
    # RFC 5230 section 4.6: addresses of systems.
    *[
        ("automatic", {"From": f"{name}@vostok.example"}, "")
        for name in (
            "noreply",
            "no-reply",
            "do_not_reply",
            "owner-news",
            "news-request",
            "majordomo",
            "LISTSERV",
            "news-bounces",
        )
    ],
    # RFC 5230 section 4.5: written to the owner, by any of the owner's names.
    ("not-addressed", {"To": "others@else.example"}, ""),
    ("not-addressed", {"To": "undisclosed-recipients:;"}, ""),
    ("full", {"To": "=?utf-8?b?0JDQvdC90LA=?= <ANNA@Example.COM>"}, ""),
    ("full", {"To": "office@example.com"}, ""),
    ("full", {"To": "team: anna@example.com, x@else.example;"}, ""),
    ("full", {"To": "x@else.example", "Resent-To": "anna@example.com"}, ""),
    ("full", {"To": "anna+clients@example.com"}, ""),
    ("copied", {"To": "x@else.example", "Resent-Cc": "anna@example.com"}, ""),
    ("copied", {"To": "x@else.example", "Resent-Bcc": "anna@example.com"}, ""),
    ("copied", {"To": "boss@else.example", "Cc": OWNER}, ""),
    # RFC 3834 section 4: the destination is the Return-Path, after BATV and +tag.
    ("full", {}, "prvs=0123abcdef={person}"),
    ("full", {}, "{local}+tag@vostok.example"),
    # Nothing but one readable sender.
    ("unreadable", {"From": "a@vostok.example, b@vostok.example"}, ""),
    ("unreadable", {"From": "team: a@vostok.example;"}, ""),
    ("unreadable", {"From": ""}, ""),
    ("unreadable", {"From": "a@vostok.example)b@evil.example"}, ""),
    ("unreadable", {"From": "<a@vostok.example> <b@evil.example>"}, ""),
    ("stranger", {"From": '"a@vostok.example" <b@evil.example>'}, ""),
    ("stranger", {"From": "a@vostok.example.evil.example"}, ""),
    ("full", {"Reply-To": "b@evil.example"}, ""),
]


async def test_each_gate_has_its_reason(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Each letter gets the reason that its gate calls for, and only the persons among them are answered."""
    limits = {"per_address_per_day": 3, "per_hour": 500, "per_day": 500}
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        changes = {"replies": {"limits": limits}}
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=changes)
        await scene.run()
        for number, (_, headers, path) in enumerate(GATES):
            person = _person(number)
            names = {"person": person, "local": person.partition("@")[0]}
            fields = {"Message-ID": f"<gate{number}@vostok.example>", **headers}
            raw = (
                letter(person, headers=fields, return_path=None if path is None else path.format(**names) or "")
                if "From" not in headers
                else _with_from(person, fields)
            )
            scene.arrive(raw, FRIDAY + timedelta(seconds=number))
        clock.at = FRIDAY + timedelta(minutes=20)
        await scene.run()
        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(ledger.close)
            found = {row.entry.message_id: row.entry.reason for row in await ledger.decided(last=500)}
        wanted = {f"<gate{number}@vostok.example>": reason for number, (reason, _, _) in enumerate(GATES)}
        assert found == wanted
        answered = {mail.recipient for mail in sink.mails}
        assert len(answered) == len(sink.mails) == sum(reason == "full" for reason, _, _ in GATES)


def _with_from(person: str, fields: dict[str, str]) -> bytes:
    raw = letter(person, headers={name: value for name, value in fields.items() if name != "From"})
    return raw.replace(f"From: Someone <{person}>".encode(), f"From: {fields['From']}".encode())


async def test_nothing_inside_an_attached_message_counts(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A person who attaches a bounce, an invitation and a contract in a message is a person, about nothing special."""
    attached = (
        b"Return-Path: <ivan@vostok.example>\r\nFrom: <ivan@vostok.example>\r\nTo: <anna@example.com>\r\n"
        b"Message-ID: <outer@vostok.example>\r\nSubject: see below\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nPlease read.\r\n'
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: robot@shop.example\r\nAuto-Submitted: auto-generated\r\n"
        b"List-Id: <x.shop.example>\r\nSubject: contract review\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="c"\r\n\r\n--c\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n'
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n--c\r\n"
        b'Content-Type: application/pdf; name="contract.pdf"\r\nContent-Disposition: attachment\r\n\r\nJVBERi0=\r\n'
        b"--c--\r\n--b--\r\n"
    )
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        scene.arrive(attached, FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        (row,) = await ledger.decided(last=5)
        await ledger.close()
        assert (row.entry.reason, row.topic) == ("full", "")


#: Content-Type of the whole message → the part that tells it, after an ordinary text.
MACHINES = {
    "report": (
        'multipart/report; report-type=delivery-status; boundary="b"',
        "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@else.example\r\nAction: failed\r\n",
    ),
    "receipt": (
        'multipart/report; report-type=disposition-notification; boundary="b"',
        "Content-Type: message/disposition-notification\r\n\r\nDisposition: manual-action; displayed\r\n",
    ),
    "invitation": (
        'multipart/alternative; boundary="b"',
        "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
    ),
}


async def test_machines_that_only_the_structure_shows(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """Delivery reports, read receipts and invitations are never answered (RFC 3464, RFC 8098, RFC 6047)."""
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock)
        await scene.run()
        for number, (name, (kind, part)) in enumerate(MACHINES.items()):
            person = _person(number)
            raw = (
                f"Return-Path: <{person}>\r\nFrom: <{person}>\r\nTo: <{OWNER}>\r\n"
                f"Message-ID: <{name}@vostok.example>\r\n"
                f"Subject: {name}\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n"
                f"--b\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n--b\r\n{part}--b--\r\n"
            )
            scene.arrive(raw.encode(), FRIDAY + timedelta(seconds=number))
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        assert sink.mails == []
        assert sorted(scene.subjects("INBOX")) == sorted(MACHINES)


async def test_a_bounce_of_a_reply_silences_the_address(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A failed delivery report about a reply of ours is recognised by its id, and that address gets no more replies."""
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        scene.arrive(letter("ivan@vostok.example", "first"), FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        (reply,) = sink.mails
        ours = email.message_from_bytes(reply.data)["Message-ID"]
        bounce = (
            f"Return-Path: <>\r\nFrom: <mailer-daemon@mx.example>\r\nTo: <{OWNER}>\r\nMessage-ID: <dsn@mx.example>\r\n"
            "Subject: Undelivered\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
            "--b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
            "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ivan@vostok.example\r\nAction: failed\r\n"
            "Status: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
            f"Message-ID: {ours}\r\nSubject: Auto\r\n\r\n--b--\r\n"
        )
        scene.arrive(bounce.encode(), FRIDAY + timedelta(minutes=5))
        clock.at = FRIDAY + timedelta(minutes=6)
        await scene.run()
        monday = at("2026-11-16 20:00")
        answer = letter(OWNER, "Re: first", headers={"To": "ivan@vostok.example"}, return_path=None)
        scene.dovecot.append(user, answer, at("2026-11-16 11:00"), folder="Sent")
        scene.arrive(letter("ivan@vostok.example", "second"), monday)
        clock.at = monday + timedelta(minutes=4)
        await scene.run()
        assert len(sink.mails) == 1
        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        found = [row.entry.reason for row in await ledger.decided(last=5)]
        await ledger.close()
        assert sorted(found) == ["bounce-of-reply", "full", "suspended"]


#: Subjects that would write a header or a command if anything let them.
HOSTILE = (
    "=?utf-8?b?ZXZpbA0KQmNjOiB4QHZvc3Rvay5leGFtcGxl?=",
    "=?utf-8?q?evil=0D=0ABcc:=20x@vostok.example?=",
    "=?utf-8?q?evil=0ABcc:_x@vostok.example?=",
    "=?utf-8?q?evil=E2=80=A8Bcc:_x@vostok.example?=",
    "=?utf-8?q?=00=1B[2J_DELETE_INBOX?=",
    '" BODY[] \\\\ {3+} * OK',
    "{{ 7*7 }} {% for x in range(10**9) %}",
)


async def test_a_hostile_letter_injects_nothing(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Whatever a subject or Message-ID holds, the reply has one recipient, no new header field, and folders stay."""
    async with SmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        scene.dovecot.append(user, letter("who@nowhere.example", "keep me"), FRIDAY, folder="Sent")
        for number, subject in enumerate(HOSTILE):
            raw = letter(_person(number), "@@", headers={"Message-ID": "@id@"})
            raw = raw.replace(b"@@", subject.encode())
            raw = raw.replace(b"@id@", b'<x"\\r\\nzz1 DELETE Sent' + str(number).encode() + b"@vostok.example>")
            scene.arrive(raw, FRIDAY + timedelta(seconds=number))
        clock.at = FRIDAY + timedelta(minutes=20)
        await scene.run()
        assert "keep me" in scene.subjects("Sent")
        assert sorted(mail.recipient for mail in sink.mails) == [_person(number) for number in range(len(HOSTILE))]
        for mail in sink.mails:
            head = mail.data.partition(b"\r\n\r\n")[0]
            names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in b" \t"}
            assert b"bcc" not in names
            assert head.count(b"\r\nTo: ") + head.startswith(b"To: ") == 1
            assert b"\x00" not in mail.data
            assert b"\x1b" not in mail.data
        assert len(scene.subjects("Callbacks/2026-11-16 10-00")) == len(HOSTILE)
