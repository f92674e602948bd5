"""Forged senders: what the owner's own server found out decides, and nothing that a forger writes beside it.

Letters are delivered over LMTP to a real Dovecot, below the fields that a border server writes on top of what came
from outside; the finer points of the grammar stand in tests/core/test_authres.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, body_of, letter
from tests.e2e.test_corners import reasons
from tests.e2e.test_users_day import FRIDAY
from tests.servers.relay import Letter, PostOffice
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

ID = "Authentication-Results: mx.example.com;"
PASS = f"{ID} dmarc=pass header.from=vostok.example\r\n"
FAIL = f"{ID} dmarc=fail (p=reject) header.from=vostok.example\r\n"
NONE = f"{ID} dmarc=none header.from=vostok.example\r\n"
SPF = f"{ID} spf=pass smtp.mailfrom=vostok.example\r\n"
DKIM = f"{ID}\r\n\tdkim=pass (2048-bit key) header.d=vostok.example\r\n"
HIDDEN = 'spf=pass (dmarc=pass) smtp.mailfrom="; dmarc=pass"@x reason="; dmarc=pass"; dmarc'
BORDER = "Received: from out.example (out.example [192.0.2.7])\r\n\tby mx.example.com with ESMTPS id 7;\r\n\tnow\r\n"
THEIRS = "Received: from laptop by out.example with ESMTPSA id 8; now\r\n"


def other(field: str) -> str:
    """Return the field as another server signs it."""
    return field.replace("mx.example.com", "mx.evil.example")


@dataclass(frozen=True)
class Case:
    """What stands above a letter in a client's name, and what becomes of it."""

    name: str
    top: str
    reason: str


CASES = [
    Case("passed", PASS + BORDER, "full"),
    Case("nothing found out", NONE + BORDER, "full"),
    Case("no field at all", BORDER, "full"),
    Case("failed", FAIL + BORDER, "unverified"),
    Case("failed, below the border's Received", BORDER + FAIL, "unverified"),
    Case("failed, folded and in capitals", f"{ID.upper()}\r\n DMARC=FAIL\r\n\t(p=none)\r\n{BORDER}", "unverified"),
    Case("failed, with a version and a full stop", FAIL.replace(".com;", ".com. 1;") + BORDER, "unverified"),
    Case("failed, id in quotation marks", FAIL.replace("mx.example.com;", '"mx.example.com";') + BORDER, "unverified"),
    Case("failed, after an open comment", FAIL.replace("dmarc", "spf=pass (; dmarc") + BORDER, "unverified"),
    Case("failed, a pass forged below", FAIL + BORDER + PASS, "unverified"),
    Case("failed, a pass forged beside it", FAIL + PASS + BORDER, "unverified"),
    Case("failed, a pass forged above the border's Received", PASS + FAIL + BORDER, "unverified"),
    Case("none, a pass forged below", NONE + BORDER + PASS, "unverified"),
    Case("failed, a pass in a comment and a reason", FAIL.replace("dmarc", HIDDEN) + BORDER, "unverified"),
    Case("several claim the name", PASS + BORDER + THEIRS + PASS, "unverified"),
    Case("another server's fail", PASS + BORDER + THEIRS + other(FAIL), "full"),
    Case("another server's pass", FAIL + BORDER + other(PASS), "unverified"),
    Case("two filters of one server", PASS + SPF + DKIM + BORDER, "full"),
    Case("two filters of one server, failed", FAIL + SPF + DKIM + BORDER, "unverified"),
    Case("temporary trouble", PASS.replace("=pass", "=temperror") + BORDER, "full"),
    Case("a record with a mistake", PASS.replace("=pass", "=permerror") + BORDER, "full"),
    Case("another domain's pass", PASS.replace("vostok", "evil") + BORDER, "full"),
]


async def _carried(scene: Scene, sink: SmtpSink, cases: list[Case], domain: str = "vostok.example") -> dict[str, str]:
    """Deliver each case's letter and return what became of it, by the case's name."""
    post = PostOffice(sink, scene.dovecot, mailboxes={OWNER: scene.user})
    await scene.run()
    for number, case in enumerate(cases):
        person = f"person{number}@{domain}"
        raw = letter(person, case.name, headers={"Message-ID": f"<{number}@forged.example>"}, return_path=None)
        post.post(Letter(sender=person, recipient=OWNER, raw=case.top.encode() + raw))
    await post.carry(FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    found = await reasons(scene)
    return {case.name: found[f"<{number}@forged.example>"] for number, case in enumerate(cases)}


def _scene(dovecot: Dovecot, user: str, folder: Path, sink: SmtpSink, trusted: str, strangers: str) -> Scene:
    limits = {"per_hour": 200, "per_day": 200}
    changes = {
        "mailboxes": {"main": {"trusted_authserv_id": trusted}},
        "replies": {"limits": limits, "strangers": strangers},
    }
    clock = FixedClock(at("2026-11-13 17:00"))
    return Scene(folder=folder, server=dovecot, sink=sink, user=user, clock=clock, changes=changes)


async def test_a_forged_client(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """A client's name is believed unless the owner's server says it is forged; in doubt: silent, in INBOX, counted."""
    async with SmtpSink() as sink:
        scene = _scene(dovecot, user, tmp_path, sink, "mx.example.com", "silent")
        found = await _carried(scene, sink, CASES)
        assert found == {case.name: case.reason for case in CASES}
        wanted = Counter(case.reason for case in CASES)
        assert len(sink.mails) == wanted["full"]
        assert len(scene.tree()["INBOX"]) == wanted["unverified"]
        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        summary = await ledger.summary(scene.clock.at)
        await ledger.close()
        assert summary.by_reason["unverified"] == wanted["unverified"]


async def test_changing_hosts(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A provider whose hosts change their names is known by the pattern, and its inner stations are not foreign."""
    host, second = "mxfront-17.vla.mail.example.net", "a.mail.example.net"
    inner = "Received: by front-3.sas.mail.example.net with LMTP id 1; now\r\n"

    def theirs(field: str) -> str:
        return field.replace("mx.example.com", host)

    cases = [
        Case("passed", inner + theirs(PASS + BORDER), "full"),
        Case("failed", inner + theirs(FAIL + BORDER), "unverified"),
        Case("another provider's fail", theirs(BORDER) + other(FAIL), "full"),
        Case("a name that only ends alike", FAIL.replace("mx.example.com", "x-mail.example.net") + BORDER, "full"),
        Case("several claim the name", theirs(PASS + BORDER) + PASS.replace("mx.example.com", second), "unverified"),
    ]
    async with SmtpSink() as sink:
        scene = _scene(dovecot_rich, user, tmp_path, sink, "*.mail.example.net", "silent")
        assert await _carried(scene, sink, cases) == {case.name: case.reason for case in cases}


EDGE = (
    "Received: from DB5EUR01FT010.eop-EUR01.prod.protection.outlook.com (2603:10a6::3) by\r\n"
    " DB7PR05CA0001.outlook.office365.com (2603:10a6::4) with Microsoft SMTP Server; now\r\n"
)
OUTSIDE = "Received: from out.example (192.0.2.7) by DB5EUR01FT010.mail.protection.outlook.com with SMTP; now\r\n"


def microsoft(word: str, domain: str = "vostok.example") -> str:
    """Return the field as Microsoft's servers write it."""
    return (
        f"Authentication-Results: spf=pass (sender IP is 192.0.2.7)\r\n smtp.mailfrom={domain}; dkim=none (message not"
        f" signed)\r\n header.d=none;dmarc={word} action=none\r\n header.from={domain};compauth=pass reason=100\r\n"
    )


MICROSOFT = [
    Case("passed", EDGE + microsoft("pass") + OUTSIDE, "full"),
    Case("failed", EDGE + microsoft("fail") + OUTSIDE, "unverified"),
    Case("guessed", EDGE + microsoft("bestguesspass") + OUTSIDE, "full"),
    Case("failed, a pass forged below", EDGE + microsoft("fail") + OUTSIDE + microsoft("pass"), "unverified"),
    Case("passed, a fail forged below", EDGE + microsoft("pass") + OUTSIDE + microsoft("fail"), "full"),
    Case("a fail by a name", EDGE + FAIL + OUTSIDE, "full"),
    Case("a foreign station above it", BORDER + microsoft("fail") + OUTSIDE, "full"),
]


async def test_microsoft(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Under "microsoft 365" the topmost field alone is heard, and only because it bears no name.

    Appended as Microsoft's own store holds it: another server's delivery would write a foreign Received on top.
    """
    async with SmtpSink() as sink:
        scene = _scene(dovecot_rich, user, tmp_path, sink, "Microsoft 365", "silent")
        await scene.run()
        for number, case in enumerate(MICROSOFT):
            raw = letter(f"person{number}@vostok.example", headers={"Message-ID": f"<{number}@forged.example>"})
            scene.arrive(case.top.encode() + raw, FRIDAY)
        scene.clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        decided = await reasons(scene)
        found = {case.name: decided[f"<{number}@forged.example>"] for number, case in enumerate(MICROSOFT)}
        assert found == {case.name: case.reason for case in MICROSOFT}


STRANGERS = [
    Case("passed", PASS + BORDER, "short"),
    Case("two filters of one server", PASS + SPF + DKIM + BORDER, "short"),
    Case("failed", FAIL + BORDER, "unverified"),
    Case("nothing found out", NONE + BORDER, "unverified"),
    Case("no field at all", BORDER, "unverified"),
    Case("guessed", PASS.replace("=pass", "=bestguesspass") + BORDER, "unverified"),
    Case("temporary trouble", PASS.replace("=pass", "=temperror") + BORDER, "unverified"),
    Case("another domain's pass", PASS.replace("=vostok.example", "=evil.example") + BORDER, "unverified"),
    Case("a sub-domain's pass", PASS.replace("=vostok", "=mail.vostok") + BORDER, "unverified"),
    Case("another server's pass", other(PASS) + BORDER, "unverified"),
    Case("a pass forged below a foreign station", BORDER + THEIRS + PASS, "unverified"),
    Case("a pass forged below another filter's word", SPF + BORDER + PASS, "unverified"),
    Case("none, a pass forged below", NONE + BORDER + PASS, "unverified"),
    Case("a pass in the sender's own words", NONE.replace("dmarc", HIDDEN) + BORDER, "unverified"),
]


async def test_a_forged_stranger(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A stranger is answered only on a pass from the right place for the From domain; the text tells nothing."""
    cases = [Case(case.name, case.top.replace("vostok.example", "nowhere.example"), case.reason) for case in STRANGERS]
    async with SmtpSink() as sink:
        scene = _scene(dovecot_rich, user, tmp_path, sink, "mx.example.com", "short")
        found = await _carried(scene, sink, cases, "nowhere.example")
        assert found == {case.name: case.reason for case in cases}
        assert len(sink.mails) == 2
        for mail in sink.mails:
            for private in ("Светлова", "10:00", "WhatsApp", "Восток", "7 423"):
                assert private not in body_of(mail)
        assert len(scene.tree()["INBOX"]) == len(cases)
