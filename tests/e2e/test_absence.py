"""Absences and clients that come while mail does: on a real Dovecot, through the commands, with the words sent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from babel.dates import format_date

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, body_of, letter
from tests.e2e.test_commands import responder
from tests.e2e.test_daemon import MOSCOW, Process, deliver
from tests.servers.smtp import SmtpSink, ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

IVAN, MAYA, JONAS = "ivan@vostok.example", "maya@harborlane.example", "jonas@linden-partner.example"
NEWCOMER = "vera@newcomer.example"

ABSENCE = """\
[[absences]]
from = 2026-11-16
until = 2026-11-18
say = { ru = "Я на конференции и читаю почту только по возвращении", en = "I am at a conference" }
deputy = "Пётр Иванов, +7 495 000-00-00"
"""

RUSSIAN = """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Договор аренды» к утру субботы, 21 ноября (точно: до 02:00 по Вашему времени, это пятница, \
20 ноября, 19:00 в Москве). Меня не будет на работе с понедельника, 16 ноября, по среду, 18 ноября, включительно. \
Я на конференции и читаю почту только по возвращении.

Если дело не может ждать, меня замещает Пётр Иванов, +7 495 000-00-00.

Это автоматический ответ.

Анна Светлова
"""

ENGLISH = """\
Dear Ms Ortega,

I will answer your message “A question” by 11:00 on Friday, 20 November, your time (19:00 in Moscow). Until and \
including Wednesday, 18 November, I am away from work. I am at a conference.

If it cannot wait until then, you can turn to my stand-in, Пётр Иванов, +7 495 000-00-00.

This is an automatic reply.

Анна Светлова
"""


@pytest.fixture
def scene(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration on a real server, watched since a past Friday afternoon."""
    with ThreadedSmtpSink() as sink:
        yield Scene(
            folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=FixedClock(at("2026-11-13 17:00"))
        )


async def test_an_absence_comes_is_told_and_ends_by_itself(scene: Scene) -> None:
    """Before it and in it clients read until when, in their language and clock; after it all is as ever."""
    await scene.run()
    (scene.folder / "absences.toml").write_text(ABSENCE)
    scene.arrive(letter(IVAN, "Договор аренды"), at("2026-11-13 20:00"))
    scene.clock.at = at("2026-11-13 20:04")
    await scene.run()
    scene.arrive(letter(MAYA, "A question"), at("2026-11-17 12:00"))
    scene.arrive(letter(IVAN, "Ещё одно"), at("2026-11-17 12:01"))
    scene.clock.at = at("2026-11-17 12:05")
    await scene.run()
    bodies = {mail.recipient: body_of(mail).strip() for mail in scene.replies()}
    assert bodies == {IVAN: RUSSIAN.strip(), MAYA: ENGLISH.strip()}
    assert len(scene.replies()) == 2, "once for one absence"
    # Each in the first window after the absence that is day there: in New York that is the evening's.
    folders = {folder: len(mails) for folder, mails in scene.tree().items() if folder.startswith("Callbacks")}
    assert folders == {"Callbacks/2026-11-19 10-00": 2, "Callbacks/2026-11-19 17-30": 1}
    scene.arrive(letter(JONAS, "At work again"), at("2026-11-19 11:30"))
    scene.arrive(letter(JONAS, "In the evening"), at("2026-11-19 21:00"))
    scene.clock.at = at("2026-11-19 21:04")
    await scene.run()
    assert scene.subjects("INBOX") == ["At work again"]
    assert len(scene.replies()) == 3
    last = body_of(scene.replies()[-1])
    assert "If you would rather talk: " in last
    assert "away from work" not in last


async def test_an_absence_that_moves_the_end_is_told_anew(scene: Scene) -> None:
    """Told until Monday, then Monday is closed: the next mail learns of it, the one after it is told already."""
    await scene.run()
    scene.arrive(letter(IVAN, "Договор аренды"), at("2026-11-13 20:00"))
    scene.clock.at = at("2026-11-13 20:04")
    await scene.run()
    (scene.folder / "absences.toml").write_text(ABSENCE)
    for number, subject in enumerate(("Второе", "Третье")):
        scene.arrive(letter(IVAN, subject), at("2026-11-14 10:00") + timedelta(hours=number))
        scene.clock.at = at("2026-11-14 10:04") + timedelta(hours=number)
        await scene.run()
    texts = [body_of(mail) for mail in scene.replies()]
    assert len(texts) == 2
    assert "«Второе»" in texts[1]
    assert "Меня не будет на работе с понедельника, 16 ноября, по среду, 18 ноября, включительно." in texts[1]


def always_open() -> dict[str, Any]:
    """Return changes after which the office is open at any hour, whatever day it is."""
    every = {"mon-fri": None, "mon-sun": ["00:00-24:00"], "2026-12-31": None, "2027-01-01..2027-01-08": None}
    return {
        "owner": {"holidays": None},
        "hours": every,
        "windows": {"evening": None, "morning": {"hours": {"mon-sun": ["10:00-11:00"], "mon-fri": None}}},
        "replies": {"grace": "0 s", "copy": "none"},
        "clients": {name: {"response": None, "topics": None, "windows": None} for name in ("harbor", "linden")},
    }


@pytest.fixture
async def office(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """An office that is open now, whatever the hour, under the real clock."""
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the daemon runs under the real clock
        yield Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes=always_open())


@pytest.fixture
def running(office: Scene) -> Iterator[Process]:
    """The daemon, as a process, ended after the test."""
    daemon = Process(office)
    yield daemon
    daemon.end(9)


async def test_planned_while_the_daemon_runs_it_holds_for_the_next_mail(office: Scene, running: Process) -> None:
    """Open, then `responder away`, then the next mail is told; taken back, the one after it finds the office open."""
    await running.logged("mailbox open")
    deliver(office, IVAN, "open still")
    await running.logged("message", 1)
    place = ["--config", str(office.config), "--state", str(office.state)]
    today_on = datetime.now(MOSCOW).date()  # noqa: TID251 - the daemon runs under the real clock
    planned = await responder_in_thread(
        "away", "from today to tomorrow", "--deputy", "Пётр", "--yes", *place, scene=office
    )
    assert "The service runs and reads the change by itself" in planned
    await running.logged("configuration read", 1)
    deliver(office, IVAN, "away now")
    (reply,) = await office.sink.arrived(1, 60)
    until = format_date(today_on + timedelta(days=1), "d MMMM", locale="ru")
    assert f"{until}, включительно." in body_of(reply).replace(" года", "")
    assert "меня замещает Пётр." in body_of(reply)
    status = await responder_in_thread("status", *place, scene=office)
    assert "away until" in status
    assert "Пётр stands in" in status
    await responder_in_thread("away", "cancel", "--yes", *place, scene=office)
    await running.logged("configuration read", 2)
    deliver(office, IVAN, "open again")
    lines = await running.logged("message", 3)
    assert [line["reason"] for line in lines] == ["open", "short", "open"]
    assert await running.ended() == 0
    assert len(office.replies()) == 1


async def test_a_client_added_while_the_daemon_runs_is_answered(office: Scene, running: Process) -> None:
    """A stranger's mail stays unanswered; after `client add` the same person is a client, and reads the due time."""
    await running.logged("mailbox open")
    place = ["--config", str(office.config), "--state", str(office.state)]
    await responder_in_thread("away", "from today to tomorrow", "--yes", *place, scene=office)
    await running.logged("configuration read", 1)
    deliver(office, NEWCOMER, "who am I?")
    await running.logged("message", 1)
    words = ["client", "add", "newcomer", "--name", "Newcomer", "--address", NEWCOMER]
    added = await responder_in_thread(*words, "--timezone", "Europe/Berlin", "--language", "en", *place, scene=office)
    assert "The service runs and reads the change by itself" in added
    await running.logged("configuration read", 2)
    deliver(office, NEWCOMER, "now I am somebody")
    (reply,) = await office.sink.arrived(1, 60)
    assert reply.recipient == NEWCOMER
    assert "I will answer your message “now I am somebody” by " in body_of(reply)
    lines = await running.logged("message", 2)
    assert [line["reason"] for line in lines] == ["stranger", "short"]
    shown = await responder_in_thread("client", "show", "newcomer", *place, scene=office)
    assert f"{NEWCOMER}: short" in shown
    assert f"promised to {NEWCOMER} by" in shown
    removed = await responder_in_thread("client", "remove", "newcomer", "--yes", *place, scene=office)
    assert f"An answer is still promised to {NEWCOMER}" in removed
    assert await running.ended() == 0


async def responder_in_thread(*words: str, scene: Scene) -> str:
    """Run one command while the servers of this event loop go on serving; return what it printed."""
    done = await asyncio.to_thread(responder, *words, home=scene.folder)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
