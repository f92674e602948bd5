"""Delivery reports in every form the world writes are recognised by our own id, and by nothing else."""

from __future__ import annotations

import pytest

from responder.core.facts import Identity, derive_message_id, observe, split_message, wants_body
from responder.core.model import Facts, Message, MessageKey
from tests.core.build import policy
from tests.core.reports import FORMS

POLICY = policy()
IDENTITY = Identity("main", b"a secret of this installation")
OURS = derive_message_id(IDENTITY.secret, "main", "f" * 64, "example.com")
REPLY = f"From: Anna <anna@example.com>\r\nTo: ivan@vostok.example\r\nSubject: Auto: x\r\nMessage-ID: {OURS}\r\n"
REPLY += f"X-Responder-Id: {OURS}\r\n"


def read(raw: bytes) -> Facts:
    """Return the facts of a whole message."""
    header, body = split_message(raw)
    message = Message(
        key=MessageKey(mailbox="main", uidvalidity=1, uid=1),
        header=header,
        header_cut=False,
        internal_at=None,
        size=len(raw),
        flags=frozenset(),
        body=body,
    )
    return observe(message, POLICY, IDENTITY)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_names_the_address_that_failed(form: str) -> None:
    """A failure about a reply of ours is read from each form, tags taken away."""
    facts = read(FORMS[form](REPLY, "Ivan+news@Vostok.example"))
    assert (facts.bounce_of_ours, facts.bounced_ids) == ("ivan@vostok.example", (OURS,))
    assert facts.automatic


@pytest.mark.parametrize("form", FORMS)
def test_a_delay_is_no_failure(form: str) -> None:
    """A report that says the mail is only late suspends nobody."""
    facts = read(FORMS[form](REPLY, "ivan@vostok.example", "delayed"))
    assert (facts.bounce_of_ours, facts.bounced_ids) == ("", ())
    assert facts.automatic


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", ["<1@example.com>", OURS[:-20] + "0000@example.com>", OURS.replace("a", "b", 1)])
def test_a_report_about_another_mail_is_nothing(form: str, other: str) -> None:
    """Reports about the owner's own mail, and invented ones without our seal, suspend nobody."""
    if other == OURS:
        other = OURS.replace("0", "1", 1)
    facts = read(FORMS[form](REPLY.replace(OURS, other), "ivan@vostok.example"))
    assert (facts.bounce_of_ours, facts.bounced_ids) == ("", ())
    assert facts.automatic


@pytest.mark.parametrize("form", FORMS)
def test_the_body_is_asked_for_by_the_header_alone(form: str) -> None:
    """Before the body is at hand the header tells that it may be a report, whose body is wanted."""
    header, _ = split_message(FORMS[form](REPLY, "ivan@vostok.example"))
    key = MessageKey(mailbox="main", uidvalidity=1, uid=1)
    message = Message(key=key, header=header, header_cut=False, internal_at=None, size=1, flags=frozenset())
    facts = observe(message, POLICY, IDENTITY)
    assert facts.report
    assert wants_body(facts, POLICY)


def test_a_client_who_writes_like_qmail_is_a_person() -> None:
    """Text alone makes no report: somebody who forwards one by hand is not taken for a machine."""
    raw = FORMS["qmail"](REPLY, "ivan@vostok.example")
    raw = raw.replace(b"Return-Path: <>", b"Return-Path: <ivan@vostok.example>", 1)
    facts = read(raw.replace(b"MAILER-DAEMON@mx.far.example", b"ivan@vostok.example"))
    assert (facts.automatic, facts.report, facts.bounce_of_ours) == ("", False, "")
