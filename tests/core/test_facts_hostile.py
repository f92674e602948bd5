"""Hostile mail costs little and raises nothing; the corpus of whole letters is read as it should be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder.core.facts import HEADER_FIELDS, observe, read_sent, split_message
from responder.core.model import Body, Part
from tests.core.test_facts import ME, POLICY, raw

CORPUS = Path(__file__).parent / "corpus"

# Every field that facts read, so that Hypothesis reaches all of the code.
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([*HEADER_FIELDS, "Received", "Authentication-Results", "X-Other"]),
        st.one_of(
            st.binary(max_size=80),
            st.text('<>@"\\(),;:=?[]*. \t\r\nab1', max_size=60).map(str.encode),
            st.sampled_from([b"multipart/mixed; boundary=b", b"text/html", b"base64", b"<>", b"a@vostok.example"]),
        ),
    ),
    max_size=12,
).map(lambda fields: b"\r\n".join(name.encode() + b": " + value for name, value in fields) + b"\r\n\r\n")
BODIES = st.none() | st.builds(
    Body,
    beginning=st.one_of(
        st.binary(max_size=400),
        st.text("<>-=bdiv&;/ \r\n", max_size=300).map(lambda text: b"--b\n\n" + text.encode()),
    ),
    parts=st.none() | st.lists(st.builds(Part, media=st.text(max_size=30), filename=st.text(max_size=30))).map(tuple),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(header=st.binary(max_size=600) | HEADERS, found=BODIES)
def test_no_bytes_raise(header: bytes, found: Body | None) -> None:
    """Any header and any body give facts, and no text among them holds a line break."""
    facts = observe(raw(header, body=found), POLICY, ME)
    assert not facts.unreadable.startswith("reading it failed")
    assert not any(ch in facts.subject + facts.automatic + facts.address for ch in "\r\n\x00")
    read_sent(header)


HOSTILE = {
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 4600,
    "encoded words folded": b"Subject:" + b"\r\n =?utf-8?b?YQ==?=" * 3200,
    "parentheses": b"From: " + b"(" * 65_000,
    "quotes": b"From: " + b'\\"' * 32_000,
    "recipients": b"From: a@vostok.example\r\nTo: " + b"a@x.example, " * 5000,
    "recipients in fields": b"From: a@vostok.example\r\n" + b"To: a@x.example\r\n" * 3800,
    "references": b"References: " + b"<a@b> " * 10_900,
    "half references": b"References: " + b"<a@" * 21_000,
    "auto-submitted": b"Auto-Submitted: no\r\n" * 3200,
    "from fields": b"From: a@vostok.example\r\n" * 2700,
    "return paths": b"Return-Path: <a@vostok.example>\r\n" * 1900,
    "content types": b"Content-Type: a/b; " + b"a=b;" * 16_000,
    "results": b"Authentication-Results: mx.example.com; " + b"dmarc=none;" * 5800,
    "folds": b"Subject: a" + b"\r\n " * 21_000,
    "nothing": b"\x00" * 65_536,
    "colons": b":" * 65_536,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_64_kb_of_hostile_header_cost_little(name: str) -> None:
    """No header of 64 KB takes more than a second, on a busy machine; a quiet one needs a tenth of it."""
    began = time.process_time()
    facts = observe(raw(HOSTILE[name][:65_536]), POLICY, ME)
    assert time.process_time() - began < 1.0
    assert not facts.unreadable.startswith("reading it failed")


def test_a_robots_address_that_steers_a_terminal_is_quoted_without_its_controls() -> None:
    """An address in a broken From field may hold a terminal's control characters; the sign that names it does not."""
    header = "From: Ivan P((\x8ckom: noreply@other.exampl\x9b1m,\r\n\r\n".encode("latin-1")
    sign = observe(raw(header), POLICY, ME).automatic
    assert sign.startswith("From: noreply@other.exampl")
    assert sign.isprintable()


EXPECTED: dict[str, dict[str, object]] = {
    "person-koi8.eml": {"client": "vostok", "automatic": "", "topic": "documents", "subject": "Договор аренды"},
    "gmail-reply.eml": {"client": "vostok", "automatic": "", "topic": "", "named_in": "to"},
    "outlook-html.eml": {"client": "vostok", "automatic": "", "topic": "documents"},
    "invitation.eml": {"client": "vostok", "automatic": "Content-Type: text/calendar; method=REQUEST"},
    "list.eml": {"client": "vostok", "automatic": "List-Id: <news.vostok.example>"},
    "forwarded-list.eml": {"client": "vostok", "automatic": "", "topic": ""},
    "injection.eml": {"client": "vostok", "automatic": "", "subject": "Hello Bcc: eve@x.example", "message_id": ""},
    "null-path-continued.eml": {"client": "vostok", "automatic": "Return-Path: <> x: a line of the message's own"},
    "read-receipt.eml": {"automatic": "Content-Type: multipart/report; report-type=disposition-notification"},
    "two-senders.eml": {"client": "", "unreadable": "the From field names several senders"},
}


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.eml")))
def test_corpus(name: str) -> None:
    """Each letter of the corpus is read as is written here."""
    header, found = split_message((CORPUS / name).read_bytes())
    facts = observe(raw(header, body=found), POLICY, ME)
    assert {key: getattr(facts, key) for key in EXPECTED[name]} == EXPECTED[name]
