"""Authentication-Results count only by the trusted id, and a pass only from the right place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.authres import read_block, trusted_dmarc
from responder.core.header import split_fields
from responder.core.model import Dmarc

US = "mx.example.com"
PASS = "Authentication-Results: mx.example.com; dmarc=pass header.from=vostok.example\n"
FAIL = "Authentication-Results: mx.example.com; spf=pass; dmarc=fail (p=none) header.from=vostok.example\n"
OURS = "Received: from relay.vostok.example by mail.example.com (x) with ESMTPS; Mon, 23 Nov 2026 10:00:00 +0000\n"
INNER = "Received: by 2001:db8::1 with SMTP id 1; Mon, 23 Nov 2026 10:00:00 +0000\n"
THEIRS = "Received: from laptop by relay.vostok.example with ESMTPSA; Mon, 23 Nov 2026 10:00:00 +0000\n"


def verdict(header: str, *, trusted: str = US, domain: str = "vostok.example") -> Dmarc:
    """Return what the trusted id says in that header."""
    return trusted_dmarc(split_fields(header.encode()), trusted, domain)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (PASS, Dmarc.PASS),
        (OURS + PASS + THEIRS, Dmarc.PASS),
        (INNER + OURS + PASS, Dmarc.PASS),
        (THEIRS + PASS, Dmarc.NONE),
        (THEIRS + FAIL, Dmarc.FAIL),
        (FAIL, Dmarc.FAIL),
        (PASS + FAIL, Dmarc.SEVERAL),
        (PASS + PASS, Dmarc.SEVERAL),
        ("", Dmarc.NONE),
        (PASS.replace("mx.", "evil."), Dmarc.NONE),
        (FAIL.replace("mx.", "evil."), Dmarc.NONE),
        (FAIL.replace("mx.", "evil.") + PASS, Dmarc.NONE),
        (PASS.replace("mx.example.com;", "MX.Example.COM 1 ;"), Dmarc.PASS),
        (PASS.replace("mx.example.com;", '(c) "mx.example.com" (d;e) ;'), Dmarc.PASS),
        (PASS.replace("dmarc=pass", 'DMARC/1 = PASS reason="a; dmarc=fail"'), Dmarc.PASS),
        (PASS.replace("dmarc=pass", "x-new=foo bar.baz=1; dmarc=pass"), Dmarc.PASS),
        (PASS.replace("dmarc=pass", "spf=none (dmarc=fail); dmarc=pass"), Dmarc.PASS),
        (PASS.replace("dmarc=pass", "spf=none (; dmarc=pass"), Dmarc.NONE),
        (FAIL.replace("(p=none)", "(p=none"), Dmarc.FAIL),
        (PASS.replace("=vostok.example", "=other.example"), Dmarc.NONE),
        (PASS.replace(" header.from=vostok.example", ""), Dmarc.NONE),
        (PASS.replace("dmarc=pass", "dmarc=bestguesspass"), Dmarc.NONE),
        (PASS.replace("dmarc=pass", "dmarc=temperror"), Dmarc.NONE),
        ("Authentication-Results: mx.example.com; none\n", Dmarc.NONE),
        ("Authentication-Results: dmarc=pass header.from=vostok.example\n", Dmarc.NONE),
        ("Authentication-Results:\n", Dmarc.NONE),
    ],
)
def test_the_trusted_result(header: str, expected: Dmarc) -> None:
    """Only the configured id is heard; in doubt a pass is none and a fail is a fail."""
    assert verdict(header) is expected


def test_parent_domain_passes_for_a_subdomain() -> None:
    """The organisation's pass holds for From domains below it, never for those above or beside."""
    assert verdict(PASS, domain="mail.vostok.example") is Dmarc.PASS
    assert verdict(PASS, domain="notvostok.example") is Dmarc.NONE
    assert verdict(PASS.replace("=vostok", "=mail.vostok")) is Dmarc.NONE


def test_a_pattern_covers_hosts_below() -> None:
    """The pattern "*.example.com" covers every host below example.com and nothing else."""
    assert verdict(PASS, trusted="*.example.com") is Dmarc.PASS
    assert verdict(PASS, trusted="*.ample.com") is Dmarc.NONE
    assert verdict(PASS.replace("mx.", ""), trusted="*.example.com") is Dmarc.NONE


def test_nothing_is_asked_without_an_id() -> None:
    """Without a trusted id the field is not looked at."""
    assert verdict(FAIL, trusted="") is Dmarc.NOT_ASKED


@given(st.binary(max_size=500))
def test_no_bytes_raise(raw: bytes) -> None:
    """Any bytes make a block."""
    assert isinstance(read_block(raw).authserv_id, str)
