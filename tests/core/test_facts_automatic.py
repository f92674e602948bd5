"""Every gate against machines holds, and none of them keeps a person out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.facts import HEADER_FIELDS, Identity, derive_message_id, observe, wants_body
from responder.core.model import Body, Facts, Message, MessageKey, Part
from tests.core.build import policy

SECRET = b"a secret of this installation"
POLICY = policy()
OURS = derive_message_id(SECRET, "main", "f" * 64, "example.com")
LETTER = "From: Ivan <ivan@vostok.example>\r\nTo: anna@example.com\r\nMessage-ID: <1@vostok.example>\r\n"
PATH = "Return-Path: <ivan@vostok.example>\r\n"


def see(lines: str, body: Body | None = None, letter: str = LETTER) -> Facts:
    """Return the facts of Ivan's letter with those lines above it."""
    key = MessageKey(mailbox="main", uidvalidity=1, uid=1)
    header = "\r\n".join(part for part in (lines, letter) if part).encode() + b"\r\n"
    message = Message(key=key, header=header, header_cut=False, internal_at=None, size=1, flags=frozenset(), body=body)
    return observe(message, POLICY, Identity("main", SECRET))


MACHINES = [
    # RFC 3834 section 2: the null sender
    "Return-Path: <>",
    "Return-Path: < >",
    "Return-Path:",
    "Return-Path: <ivan@vostok.example>\r\nReturn-Path: <>",
    # RFC 3834 section 5.1: any keyword but "no"
    "Auto-Submitted: auto-replied",
    "Auto-Submitted: AUTO-GENERATED; x=y",
    'Auto-Submitted: auto-notified; owner-email="a@b"',
    "Auto-Submitted: (c) auto-replied (d)",
    "Auto-Submitted: x-foo",
    "Auto-Submitted:",
    "Auto-Submitted: no\r\nAuto-Submitted: auto-replied",
    "Auto-Submitted: auto-replied\r\nAuto-Submitted: no",
    "Auto-Submitted: no (unclosed",
    "AUTO-SUBMITTED:\r\n auto-replied",
    # RFC 2369 and RFC 2919
    *(
        f"{name}: <x>"
        for name in (
            "List-Id",
            "List-Help",
            "List-Subscribe",
            "List-Unsubscribe",
            "List-Post",
            "List-Owner",
            "List-Archive",
        )
    ),
    "List-Post: NO",
    # RFC 3834 section 2: precedence
    "Precedence: bulk",
    "Precedence: LIST",
    "Precedence: junk (c)",
    "Precedence: auto_reply",
    "X-Precedence: bulk",
    # MS-OXCMAIL
    "X-Auto-Response-Suppress: All",
    "X-Auto-Response-Suppress: DR, OOF, RN",
    "X-Auto-Response-Suppress: autoreply",
    # further fields
    "X-Autoreply: yes",
    "X-Autorespond: x",
    "X-Autoresponder:",
    "X-Loop: x",
    "X-Ignorevacation: yes",
    "X-Failed-Recipients: a@x.example",
    "Mailing-List: list x@x.example",
    "X-Mailman-Version: 2.1",
    "X-Spam-Flag: YES",
    # types
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    'Content-Type: Multipart/Report; boundary="b"',
    "Content-Type: message/disposition-notification",
    "Content-Type: text/calendar; method=REPLY",
    "Content-Type: text/plain\r\nContent-Type: multipart/report",
    # local parts
    "Sender: news-bounces@x.example",
    "Sender: owner-news@x.example",
    "Return-Path: <mailer-daemon@x.example>",
    "Return-Path: MAILER-DAEMON",
    "Return-Path: <bounces+12-ivan=vostok.example@x.example>",
    "Return-Path: <prvs=0123=noreply@x.example>",
    # another responder, whose other signs a server on the way took away
    f"Message-ID: <responder.{'0' * 24}.{'f' * 24}@x.example>",
    f"X-Responder-Id: <responder.{'0' * 24}.{'f' * 24}@x.example>",
]


@pytest.mark.parametrize("lines", MACHINES)
def test_machines_are_known(lines: str) -> None:
    """Each sign alone is enough, and is quoted as its reason."""
    facts = see(lines)
    assert facts.automatic
    assert facts.automatic.partition(":")[0].lower() in lines.lower()
    assert facts.automatic.isprintable()


@pytest.mark.parametrize("lines", MACHINES)
@pytest.mark.parametrize("letter", [f"{PATH}Auto-Submitted: no\r\nPrecedence: normal\r\n{LETTER}"])
def test_no_forged_field_hides_a_sign(lines: str, letter: str) -> None:
    """Fields of a person's letter, added below or above, do not make a machine's a person's."""
    assert see(lines, letter=letter).automatic
    assert see("Auto-Submitted: no\r\nX-Loop: no\r\nContent-Type: text/plain\r\n" + lines).automatic


@given(
    lines=st.lists(
        st.sampled_from(HEADER_FIELDS).flatmap(lambda name: st.text(max_size=20).map(f"{name}: {{}}".format))
    )
)
def test_no_added_field_turns_a_sign_off(lines: list[str]) -> None:
    """Whatever fields are added, an automatic message stays automatic."""
    added = "\r\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines)
    assert see("Auto-Submitted: auto-replied" + ("\r\n" + added if added else "")).automatic


@pytest.mark.parametrize(
    "lines",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: No",
        "Auto-Submitted: no (human)",
        "Auto-Submitted: (a) no (b); x=y",
        "Precedence: first-class",
        "Precedence: special-delivery",
        "X-Auto-Response-Suppress: DR, RN",
        "X-Auto-Response-Suppress: None",
        "X-Autoreply: no",
        "X-Ignorevacation: No",
        "X-Spam-Flag: NO",
        "Feedback-ID: 1:x",
        "Content-Type: text/calendar",
        "Content-Type: multipart/mixed; report-type=delivery-status",
        "Sender: postmaster@x.example",
        "Sender: secretary@vostok.example",
        "Sender: request@vostok.example",
        "Sender: owner@vostok.example",
        "X-Other: multipart/report",
        "Subject: Auto-Submitted: auto-replied",
    ],
)
def test_persons_are_not_kept_out(lines: str) -> None:
    """A field's value counts, not its presence."""
    assert see(lines, letter=PATH + LETTER).automatic == ""


@pytest.mark.parametrize(
    ("local", "robot"),
    [
        ("noreply", True),
        ("No-Reply", True),
        ("no_reply", True),
        ("no.reply", True),
        ("do-not-reply", True),
        ("donotreply", True),
        ("dont.reply", True),
        ("noreply+ivan", True),
        ("calendar-noreply", True),
        ("noreply-billing", True),
        ("noreply2", True),
        ("ne-otvechat", True),
        ("nicht-antworten", True),
        ("mailer-daemon", True),
        ("MAILER-DAEMON", True),
        ("listserv", True),
        ("majordomo", True),
        ("news-request", True),
        ("owner-news", True),
        ("news-bounces", True),
        ("news-bounces+ivan=x", True),
        ("bounce", True),
        ("bounces-7", True),
        ("autoreply", True),
        ("postmaster", False),
        ("ivan", False),
        ("owner", False),
        ("norep", False),
        ("eleonoreply", False),
        ("request", False),
        ("info", False),
    ],
)
def test_local_parts(local: str, robot: bool) -> None:  # noqa: FBT001 - a table's column
    """Robots are known by their local part, in any spelling; postmaster may be a person."""
    assert bool(see("", letter=f"From: {local}@vostok.example\r\n").automatic) is robot


@pytest.mark.parametrize(
    ("part", "sign"),
    [
        (Part(media="text/calendar", parameters={"method": "REPLY"}), "Content-Type: text/calendar; method=REPLY"),
        (Part(media="message/disposition-notification"), "Content-Type: message/disposition-notification"),
        (Part(media="text/calendar", disposition="attachment", filename="a.ics"), ""),
        (Part(media="message/rfc822"), ""),
        (Part(media="message/delivery-status"), ""),
    ],
)
def test_parts_show_machines(part: Part, sign: str) -> None:
    """An invitation or a receipt among the parts counts; a bare calendar file or an attached message does not."""
    assert see("", Body(beginning=b"", parts=(Part(media="text/plain"), part))).automatic == sign


REPORT = 'Return-Path: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"'
STATUS = (
    "Reporting-MTA: dns; mx.x.example\r\n\r\n"
    "Original-Recipient: rfc822;Ivan@Vostok.example\r\nFinal-Recipient: rfc822; mailbox17@inner.example\r\n"
    "Action: failed\r\nStatus: 5.1.1\r\n"
)
RETURNED = f"From: anna@example.com\r\nMessage-ID: {OURS}\r\n\r\nHello\r\n"


def report(status: str = STATUS, returned: str = RETURNED, kind: str = "message/rfc822") -> Body:
    """Return the body of a delivery report."""
    text = (
        "It failed.\r\n--b\r\nContent-Type: text/plain\r\n\r\nNobody there.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n"
        f"--b\r\nContent-Type: {kind}\r\n\r\n{returned}\r\n--b--\r\n"
    )
    return Body(beginning=text.encode(), parts=(Part(media="text/plain"), Part(media="message/delivery-status")))


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (report(), "ivan@vostok.example"),
        (report(kind="text/rfc822-headers"), "ivan@vostok.example"),
        (report(STATUS.replace("Original-Recipient", "X-Old")), "mailbox17@inner.example"),
        (report(STATUS.replace("failed", "Failed")), "ivan@vostok.example"),
        (report(STATUS.replace("failed", "delayed")), ""),
        (report(STATUS.replace("failed", "delivered")), ""),
        (report(STATUS.replace("\r\nAction: failed", "")), ""),
        (report("\r\n\r\n"), ""),
        (report(returned=RETURNED.replace(OURS, "<1@example.com>")), ""),
        (report(returned=RETURNED.replace(OURS, OURS[:-30] + "0000@example.com>")), ""),
        (report(returned=f"Message-ID: <1@x>\r\n\r\nMessage-ID: {OURS}\r\n"), ""),
        (report(kind="text/plain"), ""),
        (Body(beginning=b"", parts=None), ""),
    ],
)
def test_bounces_of_our_replies(body: Body, address: str) -> None:
    """Only a failure about a message with an id of ours names an address."""
    facts = see(REPORT, body, letter="From: MAILER-DAEMON@x.example\r\n")
    assert facts.bounce_of_ours == address
    assert facts.automatic == "Content-Type: multipart/report; report-type=delivery-status"


def test_a_report_without_its_body_is_asked_for() -> None:
    """Before the body is at hand nothing is known of a bounce, but the body is wanted."""
    facts = see(REPORT, letter="From: MAILER-DAEMON@x.example\r\n")
    assert facts.bounce_of_ours == ""
    assert wants_body(facts, POLICY)


def test_other_reports_are_no_bounces() -> None:
    """A read receipt or a report that only says it is one suspends nobody."""
    receipt = REPORT.replace("delivery-status", "disposition-notification")
    assert see(receipt, report()).bounce_of_ours == ""
    assert see(REPORT.replace("multipart/report", "multipart/mixed"), report()).bounce_of_ours == ""
