"""Replies that come back later: every form of delivery report, delivered to a real Dovecot, silences its address."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.core.build import at
from tests.core.reports import FORMS
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, letter
from tests.faults.test_abuse import by_reason
from tests.servers.relay import Letter, PostOffice
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

FRIDAY = at("2026-11-13 20:00")
MONDAY = at("2026-11-16 20:00")


def _person(number: int) -> str:
    return f"person{number}@vostok.example"


@pytest.mark.parametrize("action", ["failed", "delayed"])
async def test_reports_in_every_form(dovecot: Dovecot, user: str, tmp_path: Path, action: str) -> None:
    """No report is answered; a failure is known in each form and keeps the next reply back, a delay changes nothing."""
    clock = FixedClock(at("2026-11-13 17:00"))
    changes = {"mailboxes": {"main": {"addresses": [OWNER]}}}
    async with SmtpSink() as sink:
        scene = Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock, changes=changes)
        post = PostOffice(sink, dovecot, mailboxes={OWNER: user})
        await scene.run()
        for number in range(len(FORMS)):
            scene.arrive(letter(_person(number)), FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        headers = {mail.recipient: mail.data.partition(b"\r\n\r\n")[0].decode() + "\r\n" for mail in sink.mails}
        assert sorted(headers) == [_person(number) for number in range(len(FORMS))]
        post.skip()
        for number, form in enumerate(FORMS.values()):
            raw = form(headers[_person(number)], _person(number), action)
            raw = raw.partition(b"\r\n")[2]  # the Return-Path is LMTP's to write
            post.post(Letter(sender="", recipient=OWNER, raw=raw))
        await post.carry(FRIDAY + timedelta(minutes=10))
        clock.at = FRIDAY + timedelta(minutes=14)
        await scene.run()
        assert len(sink.mails) == len(FORMS)
        reason = "bounce-of-reply" if action == "failed" else "automatic"
        assert await by_reason(scene) == {"full": len(FORMS), reason: len(FORMS)}
        assert len(scene.tree()["INBOX"]) == len(FORMS)
        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        assert (await ledger.summary(clock.at)).suspended == (len(FORMS) if action == "failed" else 0)
        await ledger.close()
        # She answers by hand on Monday; the same persons write again in the evening.
        for mail in scene.tree()["Callbacks/2026-11-16 10-00"]:
            answered = str(mail["Message-ID"])
            raw = letter(OWNER, "Re", headers={"To": str(mail["From"]), "In-Reply-To": answered}, return_path=None)
            scene.dovecot.append(user, raw, at("2026-11-16 11:00"), folder=_sent(dovecot))
        for number in range(len(FORMS)):
            scene.arrive(letter(_person(number)), MONDAY)
        clock.at = MONDAY + timedelta(minutes=4)
        await scene.run()
        again = len(sink.mails) - len(FORMS)
        assert again == (0 if action == "failed" else len(FORMS))
        assert (await by_reason(scene)).get("suspended", 0) == len(FORMS) - again


def _sent(dovecot: Dovecot) -> str:
    return "Sent" if dovecot.kind == "rich" else "INBOX.Sent"


async def test_a_client_cannot_silence_another(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A report forged by the one whom a reply went to, in another's name, silences the forger alone."""
    clock = FixedClock(at("2026-11-13 17:00"))
    async with SmtpSink() as sink:
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        await scene.run()
        scene.arrive(letter("oleg@vostok.example"), FRIDAY)
        clock.at = FRIDAY + timedelta(minutes=4)
        await scene.run()
        header = sink.mails[0].data.partition(b"\r\n\r\n")[0].decode() + "\r\n"
        for number, form in enumerate(FORMS.values()):
            raw = form(header, "maya@harborlane.example").replace(b"Subject: ", b"Subject: %d " % number, 1)
            scene.arrive(raw, FRIDAY + timedelta(minutes=5))
        clock.at = FRIDAY + timedelta(minutes=6)
        await scene.run()
        scene.arrive(letter("maya@harborlane.example"), FRIDAY + timedelta(minutes=7))
        clock.at = FRIDAY + timedelta(minutes=11)
        await scene.run()
        assert [mail.recipient for mail in sink.mails] == ["oleg@vostok.example", "maya@harborlane.example"]
