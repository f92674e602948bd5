"""The service is killed, by SIGKILL, at every point of its work, and started again: nothing twice, nothing lost.

A point lies before and after every COMMIT of the ledger, after every IMAP command was sent and answered, and around
every line, the text and the dot of an SMTP transaction. Each cell is one death, a restart, and a look at the servers
and the ledger.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.e2e.crash import FOLDER, FRIDAY, MOST, say
from tests.e2e.scene import letter
from tests.faults.conftest import SERVERS
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from tests.e2e.crash import Ward

pytestmark = [pytest.mark.server, pytest.mark.matrix]


@pytest.mark.parametrize(
    ("mail_server", "mode", "kind"),
    [
        *itertools.product(SERVERS, ["send", "draft"], ["ledger", "imap"]),
        ("dovecot_rich", "send", "smtp"),  # the conversation with the SMTP server is the same beside all of them
    ],
    indirect=["mail_server", "mode"],
)
async def test_dies_at_every_point(ward: Ward, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it dies: each mail once, at most one reply, what is held is shown, nothing is left in limbo."""
    passed: list[str] = []
    async with SmtpSink() as sink:
        for number in range(1, MOST):
            patient = await ward.admit(sink)
            ended = await patient.run(kind, number)
            await patient.rest(capsys)
            if not ended.killed:
                break
            passed += patient.deaths
    say(capsys, f"{len(passed)} deaths")
    named = {
        "ledger": {"ledger before COMMIT", "ledger after COMMIT"},
        "imap": {"imap announced a text", "imap sent APPEND", "imap answered APPEND"},
        "smtp": {"smtp before the text", "smtp sent half of the text", "smtp sent the text", "smtp heard 354"},
    }[kind]
    # Points are counted, and some servers take one command more or less to do the same: one of them may be passed over.
    assert len(named.intersection(passed)) >= len(named) - 1
    assert len(passed) > len(named)


@pytest.mark.parametrize("mail_server", ["dovecot_rich"], indirect=True)
async def test_dies_while_it_reads_its_configuration_again(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """A death within a reload that replaces every session leaves the rules to the file and the mail to the next run."""
    async with SmtpSink() as sink:
        for number in range(1, MOST):
            patient = await ward.admit(sink)
            scene = patient.scene
            new = scene.config.read_text()
            then = scene.folder / "new.toml"
            then.write_text(new.replace('poll = "1 s"', 'poll = "2 s"'))
            scene.changes["replies"]["grace"] = "1 h"
            scene.write()  # by the old rules all mail still waits
            ended = await patient.run("", number, act="reload", then=str(then))
            await patient.rest(capsys)
            if not ended.killed:
                break
    say(capsys, f"{number - 1} deaths")
    assert {"reload before load", "reload after _start_lines", "smtp sent the text"} <= set(ended.points)


@pytest.mark.parametrize("mail_server", ["dovecot_rich"], indirect=True)
async def test_dies_in_the_middle_of_a_write(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """A COMMIT or a checkpoint that is cut in the middle of a page happened wholly or not at all."""
    deaths = 0
    async with SmtpSink() as sink:
        for octets in itertools.count(2_000, 5_731):
            patient = await ward.admit(sink)
            ended = await patient.run(most_octets=octets)
            await patient.rest(capsys)
            if not ended.killed:
                break
            deaths += 1
    say(capsys, f"{deaths} deaths")
    assert deaths > 10


@pytest.mark.parametrize("mail_server", ["dovecot_rich"], indirect=True)
async def test_dies_in_its_grace_time(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """Mail that was taken in and waits is decided by the next run, from the arrival that was written down."""
    async with SmtpSink() as sink:
        for number in range(1, MOST):
            patient = await ward.admit(sink)
            patient.scene.clock.at = FRIDAY + timedelta(minutes=4)  # the first mail is ripe, the last waits
            ended = await patient.run("ledger", number)
            patient.scene.clock.at = FRIDAY + timedelta(minutes=20)
            await patient.rest(capsys)
            if not ended.killed:
                break
    say(capsys, f"{number - 1} deaths")
    assert number > 10


@pytest.mark.parametrize("mail_server", ["dovecot_plain", "dovecot_poor"], indirect=True)
@pytest.mark.parametrize("point", ["imap answered UID COPY", "imap answered UID STORE"])
async def test_dies_with_a_great_batch_half_filed(ward: Ward, point: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without MOVE, hundreds of copies made before the death are found again, also of mail without a Message-ID."""
    async with SmtpSink() as sink:
        patient = await ward.admit(sink)
        scene = patient.scene
        many = [
            letter("kolya@vostok.example", f"great {number}", headers={"Message-ID": f"<{number}@great.example>"})
            for number in range(450)
        ]
        many[::9] = [raw.replace(b"Message-ID: ", b"X-No-Message-ID: ") for raw in many[::9]]
        with scene.dovecot.client(scene.user) as imap:
            for raw in many:
                imap.append("INBOX", "", FRIDAY, raw)
        scene.changes["replies"] |= {"grace": "0 s", "max_age": "30 days"}
        scene.write()
        ended = await patient.run(point, 1)
        assert ended.killed
        scene.clock.at += timedelta(minutes=3)
        for _ in range(2):
            await patient.run()
        filed = sorted(str(one["Subject"]) for one in scene.tree()[FOLDER] if "great" in str(one["Subject"]))
        assert filed == sorted(f"great {number}" for number in range(450))
        assert [one for one in scene.subjects("INBOX") if "great" in one] == []
    say(capsys, "450 mails")
