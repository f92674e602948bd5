"""Killed, by SIGKILL, at every point of the pass that follows the mail up, and started again: the same end.

Monday at eleven a window has closed: what is answered is finished, the rest carried over. Tuesday in the evening a
promise is late, and a folder of ours is used no more.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.crash import MOST, Patient, Zygote, say
from tests.e2e.scene import Scene, letter
from tests.e2e.test_week import (
    DONE,
    MONDAY,
    TUESDAY,
    alerts,
    answer,
    carried,
    drag,
    flagged,
    mark,
    name,
    promises,
    tidy,
)
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.mail_program import ImapServer

pytestmark = [pytest.mark.server, pytest.mark.matrix]

SUBJECTS = ("Ответ", "Звонок", "Метка", "Вопрос")
WEDNESDAY = "Callbacks/2026-11-18 10-00"


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """The warm parent of all that die here."""
    with Zygote() as running:
        yield running


@pytest.fixture(params=["dovecot_rich", "dovecot_poor"])
def mail_server(request: pytest.FixtureRequest) -> Any:
    """A server with all that is wanted, and one without most of it."""
    return request.getfixturevalue(request.param)


async def admit(server: ImapServer, sink: SmtpSink, zygote: Zygote, user: str, folder: Path) -> Patient:
    """Let four letters of one weekend be filed for Monday morning, and their owner deal with three of them."""
    sink.mails.clear()
    told = {"alerts": {"command": ["sh", "-c", f"cat >> {folder}/alerts; echo >> {folder}/alerts"]}}
    clock = FixedClock(at("2026-11-13 17:00"))
    scene = Scene(folder=folder, server=server, sink=sink, user=user, clock=clock, changes=told)
    patient = Patient(scene, zygote, "send")
    await patient.run()
    for number, subject in enumerate(SUBJECTS):
        raw = letter(f"n{number}@vostok.example", subject, headers={"Message-ID": name(subject)})
        scene.arrive(raw, at("2026-11-15 12:00") + timedelta(minutes=number))
    clock.at = at("2026-11-15 12:30")
    await patient.run()
    tidy(scene)
    assert sorted(scene.subjects(MONDAY)) == sorted(SUBJECTS)
    answer(scene, "n0@vostok.example", "Re: Ответ", "2026-11-16 10:10", In_Reply_To=name("Ответ"))
    drag(scene, "Звонок", MONDAY, "Архив")
    mark(scene, "Метка", MONDAY, b"\\Answered")
    clock.at = at("2026-11-16 11:00")
    return patient


async def recovered(patient: Patient) -> None:
    """Start it again, twice: what the first start finds out the second must not do again."""
    for minutes in (3, 3):
        patient.scene.clock.at += timedelta(minutes=minutes)
        await patient.run()
    tidy(patient.scene)


def planned(scene: Scene) -> int:
    """Count what is still to be done."""
    with closing(sqlite3.connect(scene.state / "ledger.sqlite3")) as connection:
        count: int = connection.execute("SELECT count(*) FROM effects WHERE unfinished = 1").fetchone()[0]
        return count


async def test_dies_while_a_window_is_closed(
    mail_server: ImapServer, zygote: Zygote, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each letter lies once in its right place, each promise has its right end, wherever the pass was cut."""
    deaths = 0
    async with SmtpSink() as sink:
        for number in range(1, MOST):
            patient = await admit(mail_server, sink, zygote, f"{user}-{number}", tmp_path / str(number))
            ended = await patient.run("", number)
            await recovered(patient)
            where = f"died at {patient.deaths}"
            scene = patient.scene
            assert sorted(scene.subjects(DONE)) == ["Метка", "Ответ"], where
            assert scene.subjects(TUESDAY) == ["Вопрос"], where
            assert scene.subjects(MONDAY) == [], where
            assert scene.subjects("INBOX") == [], where
            assert promises(scene) == {
                "Ответ": ("kept", ""),
                "Звонок": ("kept", "moved"),
                "Метка": ("kept", "answered"),
                "Вопрос": ("open", ""),
            }, where
            assert carried(scene) == {"Ответ": 0, "Звонок": 0, "Метка": 0, "Вопрос": 1}, where
            assert planned(scene) == 0, where
            if not ended.killed:
                break
            deaths += 1
    say(capsys, f"{deaths} deaths")
    assert deaths > 10


async def test_dies_while_a_promise_goes_late(
    mail_server: ImapServer, zygote: Zygote, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The late letter is flagged and carried over once, the owner is told, the empty folder of ours is removed."""
    deaths = 0
    async with SmtpSink() as sink:
        for number in range(1, MOST):
            patient = await admit(mail_server, sink, zygote, f"{user}-{number}", tmp_path / str(number))
            scene = patient.scene
            await recovered(patient)
            scene.clock.at = at("2026-11-17 19:01")
            ended = await patient.run("", number)
            await recovered(patient)
            where = f"died at {patient.deaths}"
            assert scene.subjects(WEDNESDAY) == ["Вопрос"], where
            assert scene.subjects(TUESDAY) == [], where
            assert flagged(scene) == {"Вопрос"}, where
            assert promises(scene)["Вопрос"] == ("open", ""), where
            assert carried(scene)["Вопрос"] == 2, where
            assert 1 <= len(alerts(scene)) <= 2, where
            assert planned(scene) == 0, where
            scene.clock.at = at("2026-11-18 09:00")
            await patient.run()
            assert MONDAY not in scene.program.folders(), where
            if not ended.killed:
                break
            deaths += 1
    say(capsys, f"{deaths} deaths")
    assert deaths > 10
