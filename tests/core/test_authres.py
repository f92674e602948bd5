"""Authentication-Results count only by the trusted id, and a pass only from the right place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.authres import MICROSOFT, Block, read_block, trusted_dmarc
from responder.core.header import split_fields
from responder.core.model import Dmarc

US = "mx.example.com"
PASS = "Authentication-Results: mx.example.com; dmarc=pass header.from=vostok.example\n"
FAIL = "Authentication-Results: mx.example.com; spf=pass; dmarc=fail (p=none) header.from=vostok.example\n"
SPF = "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=vostok.example\n"
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
        # RFC 8601 section 2.2: a version, a full stop at the end, folded lines, capitals, a property's own grammar.
        (PASS.replace("mx.example.com;", "mx.example.com. ;"), Dmarc.PASS),
        (PASS.replace("mx.example.com;", "mx.example.com 1;\n\t"), Dmarc.PASS),
        (PASS.replace("dmarc=pass", "dmarc=pass\n  (p=reject dis=none)\n "), Dmarc.PASS),
        (PASS.replace("dmarc=pass", "dmarc/2=pass policy.dmarc=reject"), Dmarc.PASS),
        (PASS.replace("Authentication-Results", "AUTHENTICATION-RESULTS"), Dmarc.PASS),
        (PASS.replace("Authentication-Results:", "Authentication-Results :"), Dmarc.PASS),
        (PASS.replace("=vostok.example", "=ivan@VOSTOK.example"), Dmarc.PASS),
        (PASS.replace("=vostok.example", '="vostok.example"'), Dmarc.PASS),
        # Words that look like a pass and are none.
        *(
            (PASS.replace("dmarc=pass", words), Dmarc.NONE)
            for words in (
                "dmarc=permerror",
                "dmarc=none",
                "dmarc=policy",
                "dmarc=passed",
                "x-dmarc=pass",
                "dmarc.x=pass",
                "policy.dmarc=pass",
                "spf=none (dmarc=pass)",
                'spf=none reason="; dmarc=pass"',
                'spf=none reason="a\\" ; dmarc=pass"',
                'spf=none smtp.mailfrom="; dmarc=pass"@evil.example;',
                '"dmarc=pass"',
                '"x" dmarc=pass',
                "spf=none dmarc=pass",
                "spf=none smtp.helo=a dmarc=pass",
            )
        ),
        (PASS.replace("=vostok.example", "=evil.example header.from=vostok.example"), Dmarc.NONE),
        (PASS.replace("=vostok.example", "=vostok.example header.from=evil.example"), Dmarc.NONE),
        (PASS.replace("=vostok.example", '="evil.example vostok.example"'), Dmarc.NONE),
        (PASS.replace(" header.from", " smtp.from"), Dmarc.NONE),
        (PASS.replace("mx.example.com;", "mx.example.com"), Dmarc.NONE),
        # One server's filters write one block each (OpenDKIM, OpenDMARC): only DMARC's word competes.
        (PASS + SPF, Dmarc.PASS),
        (FAIL + SPF + SPF, Dmarc.FAIL),
        (SPF + FAIL, Dmarc.FAIL),
        (SPF + PASS, Dmarc.NONE),
        (SPF + THEIRS + PASS, Dmarc.NONE),
        # Two results of DMARC: somebody lies.
        (PASS.replace("dmarc=pass", "dmarc=none; dmarc=pass"), Dmarc.SEVERAL),
        (PASS.replace("dmarc=pass", "dmarc=fail; dmarc=pass"), Dmarc.FAIL),
        (PASS + THEIRS + PASS, Dmarc.SEVERAL),
        (PASS.replace("pass", "none") + PASS, Dmarc.SEVERAL),
        # A long list of signatures pushes nothing out of sight.
        (FAIL.replace("spf=pass", "dkim=pass header.d=x.example; " * 400 + "spf=pass"), Dmarc.FAIL),
        # A Received that cannot be read is nobody's.
        ("Received: from x (unclosed by mx.example.com; Mon, 23 Nov 2026 10:00:00 +0000\n" + PASS, Dmarc.NONE),
        ("Received: (queue 7 invoked from network); 23 Nov 2026 10:00:00 -0000\n" + PASS, Dmarc.PASS),
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


def test_a_bare_name_as_id() -> None:
    """A host without a domain signs with its bare name; whoever has a domain is foreign to it."""
    bare = PASS.replace("mx.example.com", "mailhost")
    assert verdict(bare, trusted="mailhost") is Dmarc.PASS
    assert verdict(THEIRS + bare, trusted="mailhost") is Dmarc.NONE


#: As Microsoft's servers write it, topmost above their border's Received; senders' servers leave blocks below.
BORDER = (
    "Received: from DB7PR05CA0001.eurprd05.prod.outlook.com (2603:10a6::1) by\n"
    " AM0PR01MB0001.eurprd01.prod.exchangelabs.com (2603:10a6::2) with Microsoft SMTP Server;\n"
    " Mon, 23 Nov 2026 10:00:00 +0000\n"
    "Received: from DB5EUR01FT010.eop-EUR01.prod.protection.outlook.com (2603:10a6::3) by\n"
    " DB7PR05CA0001.outlook.office365.com (2603:10a6::4) with Microsoft SMTP Server; Mon, 23 Nov 2026 10:00:00 +0000\n"
)
RESULTS = (
    "Authentication-Results: spf=pass (sender IP is 192.0.2.7)\n smtp.mailfrom=vostok.example; dkim=pass (signature"
    " was verified)\n header.d=vostok.example;"
    "dmarc=pass action=none\n header.from=vostok.example;compauth=pass reason=100\n"
)
OLDER = (
    "Authentication-Results: spf=pass (sender IP is 192.0.2.7) smtp.mailfrom=vostok.example; example.com; dkim=pass"
    " (signature was verified) header.d=vostok.example;example.com; dmarc=pass action=none"
    " header.from=vostok.example;\n"
)
OUTSIDE = "Received: from mail.vostok.example (192.0.2.7) by DB5EUR01FT010.mail.protection.outlook.com with SMTP; x\n"
SENDERS = "Authentication-Results: dkim=none (message not signed) header.d=none;dmarc=none action=none header.from=x;\n"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (BORDER + RESULTS + OUTSIDE, Dmarc.PASS),
        (BORDER + OLDER + OUTSIDE, Dmarc.PASS),
        (RESULTS, Dmarc.PASS),
        (BORDER + RESULTS + OUTSIDE + SENDERS, Dmarc.PASS),
        (BORDER + RESULTS.replace("dmarc=pass action=none", "dmarc=fail action=oreject") + OUTSIDE, Dmarc.FAIL),
        (BORDER + RESULTS.replace("dmarc=pass", "dmarc=fail") + OUTSIDE + RESULTS, Dmarc.FAIL),
        # What is forged stands below, whatever it says.
        (BORDER + SENDERS + OUTSIDE + RESULTS, Dmarc.NONE),
        (BORDER + RESULTS + OUTSIDE + RESULTS.replace("dmarc=pass", "dmarc=fail"), Dmarc.PASS),
        (BORDER + OUTSIDE + THEIRS + RESULTS, Dmarc.NONE),
        (THEIRS + RESULTS, Dmarc.NONE),
        (BORDER + PASS + RESULTS, Dmarc.NONE),
        (BORDER + RESULTS.replace("spf=", "mx.example.com; spf="), Dmarc.NONE),
        ("", Dmarc.NONE),
        (BORDER + OUTSIDE, Dmarc.NONE),
        *(
            (BORDER + RESULTS.replace("dmarc=pass", f"dmarc={word}"), Dmarc.NONE)
            for word in ("bestguesspass", "none", "temperror", "permerror")
        ),
        (BORDER + RESULTS.replace("header.from=vostok", "header.from=evil"), Dmarc.NONE),
        (BORDER + RESULTS.replace("dmarc=pass", "dmarc=none;dmarc=pass"), Dmarc.SEVERAL),
    ],
)
def test_microsoft_signs_with_no_name(header: str, expected: Dmarc) -> None:
    """The topmost block, without an id, above what a foreign host wrote, and nothing else."""
    assert verdict(header, trusted=MICROSOFT) is expected


def test_a_block_without_an_id_is_nobodys_elsewhere() -> None:
    """Under a name such a block claims nothing, neither good nor bad."""
    assert verdict(RESULTS) is Dmarc.NONE
    assert verdict(RESULTS.replace("dmarc=pass", "dmarc=fail")) is Dmarc.NONE
    assert verdict(RESULTS + PASS) is Dmarc.NONE
    assert verdict(PASS, trusted=MICROSOFT) is Dmarc.NONE


@given(st.lists(st.sampled_from([PASS, FAIL, SPF, RESULTS, THEIRS, OURS, INNER]), max_size=6))
def test_what_is_forged_below_never_makes_a_pass(forged: list[str]) -> None:
    """Below the server's own word nothing that a sender adds turns it into a pass."""
    below = "".join(forged)
    for honest in (FAIL, PASS.replace("=pass", "=none")):
        assert verdict(OURS + honest + OURS + below) is not Dmarc.PASS
        assert verdict(OURS + honest + below) is not Dmarc.PASS
    assert verdict(BORDER + SENDERS + OUTSIDE + below, trusted=MICROSOFT) is Dmarc.NONE


@pytest.mark.parametrize(
    "piece", ["a" * 60_000, "a=" * 30_000, '"' * 60_000, "(" * 60_000, "a " * 30_000, ";" * 60_000]
)
def test_hostile_blocks_cost_little(piece: str) -> None:
    """A field as long as a header may be is read in time that grows with its length only."""
    began = time.process_time()
    assert isinstance(read_block(f"mx.example.com; {piece}".encode()), Block)
    assert time.process_time() - began < 5


def test_nothing_is_asked_without_an_id() -> None:
    """Without a trusted id the field is not looked at."""
    assert verdict(FAIL, trusted="") is Dmarc.NOT_ASKED


@given(st.binary(max_size=500))
def test_no_bytes_raise(raw: bytes) -> None:
    """Any bytes make a block."""
    assert isinstance(read_block(raw).authserv_id, str)
