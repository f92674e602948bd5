"""Facts: who wrote, to whom, in which thread, about what; and never an exception, whatever the bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from responder.core.facts import (
    Identity,
    derive_message_id,
    fingerprint,
    is_ours,
    observe,
    read_sent,
    wants_body,
)
from responder.core.model import Body, Dmarc, Facts, MailboxRules, Message, MessageKey, Part, Policy, Topic
from tests.core.build import client, policy, replies

SECRET = b"a secret of this installation"
ME = Identity("main", SECRET)
KEY = MessageKey(mailbox="main", uidvalidity=1, uid=1)
POLICY = policy(
    clients=(
        client(),
        client("acme", addresses=frozenset({"bob@vostok.example", "zoe@solo.example"}), domains=frozenset()),
        client("idn", addresses=frozenset(), domains=frozenset({"xn--e1afmkfd.xn--p1ai"})),
    )
)
OURS = derive_message_id(SECRET, "main", "f" * 64, "example.com")

LETTER = {
    "Return-Path": "<ivan@vostok.example>",
    "From": "Ivan <ivan@vostok.example>",
    "To": "Anna <anna@example.com>",
    "Subject": "Hello",
    "Date": "Fri, 27 Nov 2026 20:00:00 +0300",
    "Message-ID": "<1@vostok.example>",
}


def message(fields: dict[str, str] | None = None, body: Body | None = None, **extra: Any) -> Message:
    """Return the letter with some fields replaced; an empty name of a value takes the field away."""
    header = "".join(f"{name}: {value}\r\n" for name, value in (LETTER | (fields or {})).items() if value != "-")
    return raw(header.encode() + b"\r\n", body=body, **extra)


def raw(header: bytes, *, body: Body | None = None, **extra: Any) -> Message:
    """Return a message with that header block."""
    values: dict[str, Any] = {"header_cut": False, "internal_at": None, "size": 1000, "flags": frozenset()}
    return Message(key=KEY, header=header, body=body, **(values | extra))


def see(fields: dict[str, str] | None = None, body: Body | None = None, rules: Policy = POLICY, **extra: Any) -> Facts:
    """Return the facts of the letter with some fields replaced."""
    return observe(message(fields, body, **extra), rules, ME)


def test_a_plain_letter_of_a_client() -> None:
    """A person's letter has a client, a sender, a thread and no sign of a machine."""
    facts = see({"In-Reply-To": "<2@example.com>", "References": "<0@example.com> <2@example.com>"})
    assert facts == Facts(
        fingerprint=fingerprint(message().header, 1000),
        message_id="<1@vostok.example>",
        references=("<0@example.com>", "<2@example.com>"),
        refers_to=("<2@example.com>", "<0@example.com>"),
        address="ivan@vostok.example",
        return_path="ivan@vostok.example",
        client="vostok",
        return_path_is_clients=True,
        addressed="anna@example.com",
        named_in="to",
        dated_at=datetime(2026, 11, 27, 17, 0, tzinfo=UTC),
        subject="Hello",
        quotable_subject="Hello",
    )


@pytest.mark.parametrize(
    ("sender", "key", "by_domain"),
    [
        ("IVAN@Vostok.Example", "vostok", False),
        ("olga@vostok.example", "vostok", True),
        ("bob@vostok.example", "acme", False),
        ("olga@sub.vostok.example", "", False),
        ("zoe@solo.example", "acme", False),
        ("eve@solo.example", "", False),
        ("ivan@пример.рф", "idn", True),
    ],
)
def test_clients_are_matched(sender: str, key: str, by_domain: bool) -> None:  # noqa: FBT001 - a table's column
    """An exact address beats a domain, a domain does not cover those below it, an IDN is compared as punycode."""
    facts = see({"From": sender, "Return-Path": f"<{sender}>"})
    assert (facts.client, facts.by_domain) == (key, by_domain)


def test_a_reply_to_somebody_else_of_the_firm_tells_nothing_of_the_agreement() -> None:
    """From the listed person but with a colleague's Return-Path, a message counts as known by its domain only."""
    assert see({"From": "ivan@vostok.example", "Return-Path": "<intern@vostok.example>"}).by_domain
    assert not see({"From": "ivan@vostok.example", "Return-Path": "<ivan+x@vostok.example>"}).by_domain


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("", "no From"),
        ("From:\r\n", "empty"),
        ("From: a@vostok.example\r\nFrom: a@vostok.example\r\n", "several From"),
        ("From: a@vostok.example, b@vostok.example\r\n", "several senders"),
        ("From: Team: a@vostok.example;\r\n", "a group"),
        ("From: alice@vostok.example)bob@evil.example\r\n", "parentheses"),
        ("From: alice@vostok.example(x)bob@evil.example\r\n", "one address"),
        ("From: ivan@vostok.example <evil@x.example>\r\n", "one address"),
        ("From: ivan@vostok.example\x00\r\n", "one address"),
        ("From: ivan@vostok.example\rBcc: x@x.example\r\n", "a group"),
        ("From: иван@vostok.example\r\n", "one address"),
        ("From: <@\r\n", "one address"),
        ('From: "\r\n', "one address"),
        ("From: a@[192.0.2.1\r\n", "one address"),
        ("From: " + "(" * 3000 + "\r\n", "parentheses"),
    ],
)
def test_a_doubtful_sender_is_unreadable(lines: str, why: str) -> None:
    """Without exactly one address that all programs would read alike, nobody is the sender, and it is said why."""
    facts = observe(raw(f"{lines}To: anna@example.com\r\n\r\n".encode()), POLICY, ME)
    assert why in facts.unreadable
    assert (facts.address, facts.client) == ("", "")


def test_a_name_that_looks_like_a_client_is_no_client() -> None:
    """The display name names nobody."""
    facts = see({"From": '"ivan@vostok.example" <evil@x.example>'})
    assert (facts.address, facts.client, facts.unreadable) == ("evil@x.example", "", "")


@pytest.mark.parametrize("extra", [{"header_cut": True}, {"fields": {"X-Long": "x" * 70_000}}])
def test_a_cut_header_is_unreadable(extra: dict[str, Any]) -> None:
    """A List-Id may stand in the part that was cut off."""
    facts = see(**extra)
    assert facts.unreadable == "the header is longer than 64 KB"
    assert facts.address == ""


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({"From": "Office <OFFICE@example.com>"}, "From"),
        ({"From": "anna.private@mail.example"}, "From"),
        ({"From": "anna+news@example.com"}, "From"),
        ({"Sender": "anna@example.com"}, "Sender"),
        ({"Return-Path": "<anna@example.com>"}, "Return-Path"),
        ({"From": "eve@x.example, anna@example.com"}, "From"),
        ({"From": '"anna@example.com" <eve@x.example>'}, ""),
    ],
)
def test_own_mail(fields: dict[str, str], own: str) -> None:
    """From, Sender or Return-Path with an address of the owner makes it the owner's."""
    assert see(fields).own == own


@pytest.mark.parametrize(
    ("path", "value", "clients"),
    [
        ("-", None, False),
        ("<>", "", False),
        ("< >", "", False),
        ("<ivan@vostok.example>", "ivan@vostok.example", True),
        ("<olga@vostok.example>", "olga@vostok.example", True),
        ("<prvs=0123abc=ivan+x@vostok.example>", "prvs=0123abc=ivan+x@vostok.example", True),
        ("<bounce@mailer.example>", "bounce@mailer.example", False),
        ("<ivan@sub.vostok.example>", "ivan@sub.vostok.example", False),
        ("MAILER", "MAILER", False),
    ],
)
def test_return_path(path: str, value: str | None, clients: bool) -> None:  # noqa: FBT001 - a table's column
    """The Return-Path is missing, null, this client's or somebody's."""
    facts = see({"Return-Path": path})
    assert (facts.return_path, facts.return_path_is_clients) == (value, clients)


def test_return_path_of_an_address_client_and_of_a_stranger() -> None:
    """A client without domains must be met exactly; a stranger's path must equal From."""
    solo = {"From": "zoe@solo.example"}
    assert see(solo | {"Return-Path": "<zoe+1@solo.example>"}).return_path_is_clients
    assert not see(solo | {"Return-Path": "<eve@solo.example>"}).return_path_is_clients
    stranger = {"From": "eve@x.example"}
    assert see(stranger | {"Return-Path": "<prvs=01=Eve@x.example>"}).return_path_is_clients
    assert not see(stranger | {"Return-Path": "<other@x.example>"}).return_path_is_clients


@pytest.mark.parametrize(
    ("fields", "addressed", "named_in", "others"),
    [
        ({"To": "OFFICE@example.com, anna@example.com"}, "office@example.com", "to", False),
        ({"To": "x@x.example", "Cc": "anna@example.com"}, "anna@example.com", "cc", True),
        ({"To": "=?utf-8?Q?=D0=90?= <anna@example.com>, x@x.example"}, "anna@example.com", "to", True),
        ({"To": "Team: anna+x@example.com;"}, "anna@example.com", "to", False),
        ({"To": "undisclosed-recipients:;"}, "", "", False),
        ({"To": "-"}, "", "", False),
        ({"To": "x@x.example", "Bcc": "anna@example.com"}, "", "", True),
        ({"To": "x@x.example", "Resent-To": "anna@example.com"}, "", "to", True),
        ({"To": "x@x.example", "Resent-Cc": "anna@example.com"}, "", "cc", True),
        ({"To": "anna.private@mail.example"}, "", "to", False),
        ({"To": "nobody", "Cc": "anna@example.com"}, "anna@example.com", "cc", True),
        ({"To": "anna@example.com\r\nTo: x@x.example"}, "anna@example.com", "to", True),
        ({"To": '"anna@example.com" <x@x.example>'}, "", "", True),
    ],
)
def test_to_whom(
    fields: dict[str, str],
    addressed: str,
    named_in: str,
    others: bool,  # noqa: FBT001 - a table's column
) -> None:
    """It is known where the owner is named, by which address, and whether somebody else is."""
    facts = see(fields)
    assert (facts.addressed, facts.named_in, facts.others_in_to) == (addressed, named_in, others)


def test_threads() -> None:
    """Ids of the strict form pass, the message's own does not, and a long thread keeps its first and last ids."""
    facts = see({"In-Reply-To": 'Your letter "x" <2@x> of Monday', "References": "-"})
    assert (facts.references, facts.refers_to) == (("<2@x>",), ("<2@x>",))
    assert see({"In-Reply-To": "<1@vostok.example>"}).references == ()
    long = see({"References": " ".join(f"<{n}@x>" for n in range(300))})
    assert len(long.references) == 20
    assert (long.references[0], long.references[-1]) == ("<0@x>", "<299@x>")
    assert len(long.refers_to) == 100


@pytest.mark.parametrize("bad", ["-", "<>", "<[x@y]", "<a b@x>", "no", "<1@x>\r\nMessage-ID: <2@x>", '<"q"@x>'])
def test_a_doubtful_message_id_is_none(bad: str) -> None:
    """A Message-ID that is missing, repeated or hostile is none, and the message can still be named."""
    facts = see({"Message-ID": bad})
    assert facts.message_id == ""
    assert len(facts.fingerprint) == 64


def test_answers_to_our_replies_are_known_without_a_database() -> None:
    """In-Reply-To, or the end of References where there is none, names a reply of ours; a forged id does not."""
    forged = OURS[:40] + ("0" if OURS[40] != "0" else "1") + OURS[41:]
    assert see({"In-Reply-To": OURS}).answers_ours
    assert see({"References": f"<0@x> {OURS}"}).answers_ours
    assert not see({"In-Reply-To": "<0@x>", "References": OURS}).answers_ours
    assert not see({"In-Reply-To": forged}).answers_ours


def test_our_ids_are_derived_and_sealed() -> None:
    """The same message gets the same id, another mailbox or secret another one, and any domain will do."""
    assert derive_message_id(SECRET, "main", "f" * 64, "example.com") == OURS
    assert derive_message_id(SECRET, "other", "f" * 64, "example.com") != OURS
    assert is_ours(SECRET, OURS.replace("example.com", "relay.example"))
    assert not is_ours(b"other", OURS)
    assert not is_ours(SECRET, OURS.strip("<>"))
    assert not is_ours(SECRET, "<1@x>")


def test_the_fingerprint_names_the_message() -> None:
    """Only the identifying fields count, in any folding; the size only without a Message-ID."""
    header = message().header
    mark = fingerprint(header, 1)
    assert mark == fingerprint(header.replace(b"\r\n", b"\n").replace(b": Ivan ", b":\n\tIvan  "), 2)
    assert mark == fingerprint(b"Received: x\r\n" + header, 1)
    assert mark != fingerprint(header.replace(b"Hello", b"hello"), 1)
    nameless = header.replace(b"Message-ID", b"X-ID")
    assert fingerprint(nameless, 1) != fingerprint(nameless, 2)
    assert fingerprint(b"From: a\nSubject: b\n", 1) != fingerprint(b"From: a\nFrom: b\n", 1)


def test_trusted_results() -> None:
    """DMARC is read only where the mailbox trusts an id."""
    trusting = policy(
        mailboxes=(MailboxRules(name="main", addresses=("anna@example.com",), trusted_authserv_id="mx.example.com"),)
    )
    fail = {"Authentication-Results": "mx.example.com; dmarc=fail header.from=vostok.example"}
    assert see(fail).dmarc is Dmarc.NOT_ASKED
    assert see(fail, rules=trusting).dmarc is Dmarc.FAIL
    assert see(rules=trusting).dmarc is Dmarc.NONE
    good = {"Authentication-Results": "mx.example.com; dmarc=pass header.from=vostok.example"}
    assert see(good, rules=trusting).dmarc is Dmarc.PASS


def body(text: str, *parts: Part) -> Body:
    """Return a plain body with those further leaves."""
    return Body(beginning=text.encode(), parts=(Part(media="text/plain"), *parts))


PDF = Part(media="application/pdf", disposition="attachment", filename="a.pdf")


def test_topics() -> None:
    """The topic comes from the subject, the new text or an attachment, and only from them."""
    assert see({"Subject": "Re: Contract"}).topic_because == "Contract"
    assert see(body=body("please review")).topic == "documents"
    assert see(body=body("see file", PDF)).topic_because == "a.pdf"
    assert see(body=body("ok\n> please review")).topic == ""
    assert see(body=body("ok\n\n-----Original Message-----\nplease review")).topic == ""
    assert see({"Content-Type": "text/html"}, body("ok<blockquote>review</blockquote>")).topic == ""
    unknown = see(body=Body(beginning=b"ok", parts=None))
    assert (unknown.topic, unknown.quirk, unknown.text_read) == ("", True, True)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"Content-Type": "multipart/encrypted; boundary=b"}, body("review")),
        ({"Content-Type": "application/pkcs7-mime; smime-type=enveloped-data"}, body("review")),
        ({"Content-Type": "application/pkcs7-mime; name=smime.p7m"}, None),
        ({"Content-Type": "text/plain"}, body("hi\n-----BEGIN PGP MESSAGE-----\n\nreview")),
        ({"Content-Type": "multipart/mixed; boundary=b"}, body("", Part(media="application/pgp-encrypted"), PDF)),
    ],
)
def test_encrypted_mail_has_no_topic(fields: dict[str, str], found: Body | None) -> None:
    """Encrypted mail is known as such and has no topic; a subject of dots is not quoted."""
    facts = see(fields | {"Subject": "..."}, found)
    assert facts.encrypted
    assert (facts.topic, facts.quotable_subject) == ("", "")


def test_signed_mail_is_not_encrypted() -> None:
    """A signature hides nothing."""
    assert not see({"Content-Type": "application/pkcs7-mime; smime-type=signed-data"}).encrypted


def test_which_bodies_are_wanted() -> None:
    """A client's letter and a delivery report are worth a body; nothing that stays silent anyway is."""
    assert wants_body(see(), POLICY)
    assert not wants_body(see(body=body("x")), POLICY)
    assert not wants_body(see({"From": "eve@x.example"}), POLICY)
    assert not wants_body(see({"From": "anna@example.com"}), POLICY)
    assert not wants_body(see({"Auto-Submitted": "auto-replied"}), POLICY)
    assert not wants_body(see({"From": "-"}), POLICY)
    report = {"Content-Type": "multipart/report; report-type=delivery-status; boundary=b", "Return-Path": "<>"}
    assert wants_body(see(report), POLICY)
    assert not wants_body(replace(see(), dmarc=Dmarc.FAIL), POLICY)
    open_door = policy(replies=replies(strangers="short"))
    stranger = see({"From": "eve@x.example"}, rules=open_door)
    assert not wants_body(stranger, open_door)
    assert wants_body(replace(stranger, dmarc=Dmarc.PASS), open_door)


def test_sent_mail() -> None:
    """What the owner sent is read: to whom, about which messages, by hand or not."""
    sent = read_sent(
        b"Message-ID: <9@example.com>\nFrom: anna@example.com\nTo: Ivan <IVAN@vostok.example>, bad\n"
        b"Cc: ivan@vostok.example\nBcc: zoe@solo.example\nIn-Reply-To: <1@x>\nReferences: <0@x> <1@x>\n"
        b"Date: Fri, 27 Nov 2026 20:00:00 +0300\n"
    )
    assert sent.message_id == "<9@example.com>"
    assert sent.recipients == ("ivan@vostok.example", "zoe@solo.example")
    assert sent.refers_to == ("<1@x>", "<0@x>")
    assert sent.dated_at == datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
    assert not sent.automatic
    assert read_sent(b"Message-ID: " + OURS.encode()).automatic
    assert read_sent(b"Auto-Submitted: auto-replied").automatic


def test_an_unknown_mailbox_and_a_failing_part_do_not_raise() -> None:
    """Whatever goes wrong inside, the facts say so."""
    assert observe(message(), POLICY, Identity("unknown", SECRET)).addressed == ""
    broken = policy(topics=(Topic(key="x", words=("x",), attachments=True, response=None),))
    facts = observe(message(body=Body(beginning=b"x", parts=(None,))), broken, ME)  # type: ignore[arg-type] # broken on purpose
    assert facts.unreadable.startswith("reading it failed")
