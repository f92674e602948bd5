"""A week of one lawyer's mail on a real server: what she answered, how, and what became of every promise and folder."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder import config
from responder.daemon import Daemon
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, letter
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

pytestmark = pytest.mark.server

MONDAY, EVENING, TUESDAY = "Callbacks/2026-11-16 10-00", "Callbacks/2026-11-16 17-30", "Callbacks/2026-11-17 10-00"
DONE = "Callbacks/Done"


@pytest.fixture(params=["dovecot_rich", "dovecot_poor"])
def scene(request: pytest.FixtureRequest, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration, with a command that is told of alarms."""
    server = request.getfixturevalue(request.param)
    told = {
        "digest": {"at": "08:30"},
        "alerts": {"command": ["sh", "-c", f"cat >> {tmp_path}/alerts; echo >> {tmp_path}/alerts"]},
    }
    with ThreadedSmtpSink() as sink:
        yield Scene(
            folder=tmp_path,
            server=server,
            sink=sink,
            user=user,
            clock=FixedClock(at("2026-11-13 17:00")),
            changes=told,
        )


def alerts(scene: Scene) -> list[str]:
    """Return what the owner was told."""
    path = scene.folder / "alerts"
    return path.read_text().split("\n")[:-1] if path.exists() else []


async def write(scene: Scene, sender: str, subject: str, when: str, **headers: str) -> None:
    """Let a client write, and the service see to it once the grace time is over."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    scene.arrive(letter(sender, subject, headers={"Message-ID": name(subject), **names}), at(when))
    await run(scene, at(when) + timedelta(minutes=4))


def name(subject: str) -> str:
    """Return the Message-ID of the client's letter with that subject."""
    return f"<{subject.encode().hex()[:40]}@letters.example>"


async def run(scene: Scene, when: datetime | str) -> None:
    """Let the service look, at that time."""
    scene.clock.at = at(when) if isinstance(when, str) else when
    await scene.run()


def answer(scene: Scene, to: str, subject: str, when: str, *, flags: tuple[str, ...] = (), **headers: str) -> None:
    """Put a message of hers into Sent, as the program that she used writes it."""
    names = {name.replace("_", "-"): value for name, value in headers.items()} | {"To": to}
    own = f"<{when.replace(' ', '.')}@anna.example>"
    raw = letter(OWNER, subject, headers={"Message-ID": own, **names}, return_path=None)
    scene.program.append(raw, at=at(when), folder="Sent", flags=flags)


def drag(scene: Scene, subject: str, source: str, target: str) -> None:
    """Move a message by hand, as she does on her telephone."""
    with scene.program.session() as imap:
        for folder in (target,):
            wire = scene.program.wire(folder)
            if not imap.folder_exists(wire):
                imap.create_folder(wire)
        imap.select_folder(scene.program.wire(source))
        uid = find(imap, subject)
        imap.copy([uid], scene.program.wire(target))
        imap.add_flags([uid], [b"\\Deleted"])
        imap.expunge()


def mark(scene: Scene, subject: str, folder: str, flag: bytes) -> None:
    """Set a flag by hand."""
    with scene.program.session() as imap:
        imap.select_folder(scene.program.wire(folder))
        imap.add_flags([find(imap, subject)], [flag])


def find(imap: Any, subject: str) -> int:
    """Return the UID of the letter with that subject in the selected folder."""
    for uid, one in imap.fetch(imap.search(["UNDELETED"]), ["BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"]).items():
        if name(subject).encode() in b"".join(value for value in one.values() if isinstance(value, bytes)):
            found: int = uid
            return found
    raise AssertionError(f"no letter {subject!r} lies there")


def tidy(scene: Scene) -> None:
    """Let her program expunge what was marked: without UIDPLUS that is left to it."""
    if not scene.server.uidplus:
        with scene.program.session() as imap:
            for flags, _, folder in imap.list_folders():
                if not {b"\\NonExistent", b"\\Noselect"} & set(flags):
                    imap.select_folder(folder)
                    imap.expunge()


def promises(scene: Scene) -> dict[str, tuple[str, str]]:
    """Return, by subject, how each promise stands and by what weaker sign it ended."""
    with closing(sqlite3.connect(scene.state / "ledger.sqlite3")) as connection:
        rows = connection.execute("SELECT subject, state, weak FROM promises JOIN messages ON id = message")
        return {subject: (state, weak) for subject, state, weak in rows}


def carried(scene: Scene) -> dict[str, int]:
    """Return, by subject, how often each filed message was carried over."""
    with closing(sqlite3.connect(scene.state / "ledger.sqlite3")) as connection:
        return dict(connection.execute("SELECT subject, carried FROM filed JOIN messages ON id = message").fetchall())


def flagged(scene: Scene) -> set[str]:
    r"""Return the subjects that bear \\Flagged."""
    return {
        str(subject)
        for folder, message in scene.program.everything()
        if b"\\Flagged" in {str(flag).encode() for flag in message.flags}
        for subject in [subject_of(message.raw)]
        if folder != "Sent"
    }


def subject_of(raw: bytes) -> str:
    """Return a stored message's subject."""
    import email  # noqa: PLC0415
    import email.policy  # noqa: PLC0415

    return str(email.message_from_bytes(raw, policy=email.policy.default)["Subject"])


async def weekend(scene: Scene) -> None:
    """From Friday evening to Monday morning: eight letters of four clients, all filed."""
    await run(scene, "2026-11-13 17:00")
    await write(scene, "ivan@vostok.example", "Договор аренды", "2026-11-13 20:00")
    await write(scene, "maya@harborlane.example", "The lease", "2026-11-13 20:30")
    await write(scene, "office@linden-partner.example", "Invoice 7", "2026-11-14 12:00")
    for number, subject in enumerate(("Справка", "Звонок", "Акт", "Счёт", "Вопрос")):
        await write(scene, f"n{number}@vostok.example", subject, f"2026-11-15 12:{number}0")


async def test_a_week(scene: Scene) -> None:
    """Every promise has the right state, every letter lies in the right folder, at each turn of the week."""
    await weekend(scene)
    assert scene.subjects(MONDAY) == ["Договор аренды", "Справка", "Звонок", "Акт", "Счёт", "Вопрос"]
    assert sorted(scene.subjects(EVENING)) == ["Invoice 7", "The lease"]
    assert {state for state, _ in promises(scene).values()} == {"open"}

    await monday(scene)
    await tuesday_and_wednesday(scene)


async def monday(scene: Scene) -> None:
    """Answers of every kind, calls noted by dragging, and what is no answer at all; in the evening two are late."""
    thread = name("Договор аренды")
    answer(
        scene, "ivan@vostok.example", "Re: Договор аренды", "2026-11-16 10:10", In_Reply_To=thread, References=thread
    )
    answer(scene, "n0@vostok.example", "RE: Справка", "2026-11-16 10:20")  # a telephone: no field names the letter
    drag(scene, "Звонок", MONDAY, DONE)
    drag(scene, "Акт", MONDAY, "Архив/Восток")
    mark(scene, "Счёт", MONDAY, b"\\Answered")
    question = name("Вопрос")
    answer(scene, "n4@vostok.example", "Приглашение", "2026-11-16 10:30")  # another thread
    answer(
        scene,
        "n4@vostok.example",
        "Re: Вопрос",
        "2026-11-16 10:31",
        In_Reply_To=question,
        Auto_Submitted="auto-replied",
    )
    answer(scene, "n4@vostok.example", "Re: Вопрос", "2026-11-16 10:32", In_Reply_To=question, flags=("\\Draft",))
    answer(scene, "somebody@else.example", "Re: Вопрос", "2026-11-16 10:33")
    scene.arrive(letter("who@nowhere.example", "Чужое"), at("2026-11-16 10:40"), folder=MONDAY)
    scene.arrive(
        letter("mailer-daemon@mx.example", "Undelivered", headers={"In-Reply-To": question}, return_path="<>"),
        at("2026-11-16 10:41"),
    )
    await run(scene, "2026-11-16 11:00")
    assert promises(scene) == {
        "Договор аренды": ("kept", ""),
        "Справка": ("kept", ""),
        "Звонок": ("kept", "moved"),
        "Акт": ("kept", "moved"),
        "Счёт": ("kept", "answered"),
        "Вопрос": ("open", ""),
        "The lease": ("open", ""),
        "Invoice 7": ("open", ""),
    }
    assert sorted(scene.subjects(DONE)) == sorted(["Договор аренды", "Справка", "Счёт", "Звонок"])
    assert scene.subjects(TUESDAY) == ["Вопрос"]
    assert scene.subjects(MONDAY) == ["Чужое"]
    assert scene.subjects("Архив/Восток") == ["Акт"]
    assert carried(scene)["Вопрос"] == 1
    assert alerts(scene) == []

    # Monday evening: two promises fall due unanswered, and the evening's window closes.
    await run(scene, "2026-11-16 19:01")
    assert flagged(scene) == {"Вопрос", "Invoice 7"}
    (told,) = alerts(scene)
    assert "2 promises are late" in told
    assert "Вопрос" not in told
    assert sorted(scene.subjects("Callbacks/2026-11-17 17-30")) == ["Invoice 7", "The lease"]
    assert scene.subjects(EVENING) == []
    await run(scene, "2026-11-16 19:30")
    assert len(alerts(scene)) == 1, "once"


async def tuesday_and_wednesday(scene: Scene) -> None:
    """One is answered in time, two are late; the client's next letter is a promise of its own, and carried over."""
    thread, question = name("Договор аренды"), name("Вопрос")
    answer(scene, "n4@vostok.example", "Re: Вопрос", "2026-11-17 10:20", In_Reply_To=question)
    lease = name("The lease")
    answer(scene, "maya@harborlane.example", "Re: The lease", "2026-11-17 17:40", References=lease)
    await run(scene, "2026-11-17 19:05")
    await write(scene, "ivan@vostok.example", "Re: Договор аренды", "2026-11-17 21:00", In_Reply_To=thread)
    assert promises(scene)["Вопрос"] == ("late", "")
    assert promises(scene)["The lease"] == ("kept", "")
    assert promises(scene)["Re: Договор аренды"] == ("open", "")
    assert scene.subjects("Callbacks/2026-11-18 17-30") == ["Invoice 7"]
    assert carried(scene)["Invoice 7"] == 2
    tidy(scene)
    await run(scene, "2026-11-18 08:00")
    assert EVENING not in scene.program.folders(), "empty, ours, and its window ended a day ago"
    assert MONDAY in scene.program.folders(), "somebody else's letter lies there"

    # Wednesday: the last one is answered, late; the new letter is carried over.
    answer(scene, "office@linden-partner.example", "Re: Invoice 7", "2026-11-18 10:00", In_Reply_To=name("Invoice 7"))
    await run(scene, "2026-11-18 19:05")
    assert promises(scene)["Invoice 7"] == ("late", "")
    assert scene.subjects("Callbacks/2026-11-19 10-00") == ["Re: Договор аренды"]
    assert len(scene.subjects(DONE)) == 7
    inbox = scene.tree()["INBOX"]
    assert [str(one["Subject"]) for one in inbox if OWNER not in one["From"]] == ["Undelivered"]
    assert len(alerts(scene)) == 1
    digests = [one for one in inbox if OWNER in one["From"]]
    told = [(str(one["Subject"]), one.get_body(("plain",)).get_content()) for one in digests]
    days = ("понедельника, 16 ноября", "17 ноября: 1 просрочено", "18 ноября")
    assert [day in subject for day, (subject, _) in zip(days, told, strict=True)] == [True, True, True]
    assert "The lease" in told[0][1]
    assert "Договор аренды" not in told[0][1], "it was answered by then"
    assert "Invoice 7" in told[1][1]
    assert "The lease" not in told[2][1]


async def test_what_is_dragged_back_to_inbox_is_not_dealt_with(scene: Scene) -> None:
    """A letter that she lays into INBOX again, or into another of our folders, is still to be answered."""
    await weekend(scene)
    drag(scene, "Вопрос", MONDAY, "INBOX")
    drag(scene, "Акт", MONDAY, EVENING)
    await run(scene, "2026-11-16 11:00")
    assert promises(scene)["Вопрос"] == ("open", "")
    assert promises(scene)["Акт"] == ("open", "")
    assert "Вопрос" in scene.subjects("INBOX")
    assert "Акт" in scene.subjects(EVENING)
    drag(scene, "Вопрос", "INBOX", "Архив")
    await run(scene, "2026-11-16 19:01")
    assert promises(scene)["Вопрос"] == ("kept", "moved")
    assert promises(scene)["Акт"] == ("open", "")


async def test_mail_that_stayed_in_inbox_is_followed_too(scene: Scene) -> None:
    r"""By day a letter stays in INBOX: taken out or marked \\Answered it is dealt with, else late at its due time."""
    await run(scene, "2026-11-12 09:00")
    for subject, when in (("Утро", "10:05"), ("День", "10:10"), ("Ещё", "10:15")):
        await write(scene, "ivan@vostok.example", subject, f"2026-11-12 {when}")
    assert [str(one["Subject"]) for one in scene.tree()["INBOX"] if OWNER not in one["From"]] == ["Утро", "День", "Ещё"]
    drag(scene, "Утро", "INBOX", "Архив")
    mark(scene, "День", "INBOX", b"\\Answered")
    await run(scene, "2026-11-13 19:01")
    assert promises(scene) == {"Утро": ("kept", "moved"), "День": ("kept", "answered"), "Ещё": ("open", "")}
    assert flagged(scene) == {"Ещё"}
    assert len(alerts(scene)) == 1


async def test_a_folder_that_was_there_before_us_stays(scene: Scene) -> None:
    """Only what we made is removed, whatever it is called."""
    with scene.program.session() as imap:
        imap.create_folder(scene.program.wire(EVENING))
    await weekend(scene)
    answer(scene, "maya@harborlane.example", "Re: The lease", "2026-11-16 18:00", In_Reply_To=name("The lease"))
    answer(scene, "office@linden-partner.example", "Re: Invoice 7", "2026-11-16 18:00", In_Reply_To=name("Invoice 7"))
    await run(scene, "2026-11-18 19:05")
    assert scene.subjects(EVENING) == []
    assert EVENING in scene.program.folders()
    tidy(scene)
    await run(scene, "2026-11-19 08:00")
    assert MONDAY not in scene.program.folders()
    assert EVENING in scene.program.folders()


async def test_cyrillic_names_of_clients_make_folders(scene: Scene) -> None:
    """A pattern with the client's name: one folder for each, carried over under the same name, removed when empty."""
    scene.changes["filing"] = {"folder": "Звонки/{opens:%Y-%m-%d %H-%M}/{client}"}
    scene.write()
    await weekend(scene)
    first, second = ("Звонки/2026-11-16 10-00/ООО «Восток»", "Звонки/2026-11-17 10-00/ООО «Восток»")
    assert len(scene.subjects(first)) == 6
    await run(scene, "2026-11-16 11:00")
    assert len(scene.subjects(second)) == 6
    await run(scene, "2026-11-18 19:05")
    tidy(scene)
    await run(scene, "2026-11-19 08:00")
    assert first not in scene.program.folders()
    # The date above it went too: where folders are directories it would stand there, empty, for ever.
    with scene.program.session() as imap:
        levels = {name for _, _, name in imap.list_folders()}
    assert not {level for level in levels if "2026-11-16" in level or "2026-11-17" in level}
    assert {level for level in levels if "2026-11-19" in level}
    assert len(scene.subjects("Звонки/2026-11-19 10-00/ООО «Восток»")) == 6
    assert carried(scene)["Вопрос"] == 2


async def test_a_daemon_that_runs_on_follows_up_by_itself(scene: Scene) -> None:
    """Day after day, without any new mail, one running service carries over, alarms, and finishes what was answered."""
    await weekend(scene)
    daemon = Daemon(config.load(scene.config), state=scene.state, clock=scene.clock, environ=os.environ)
    running = asyncio.create_task(daemon.run())
    try:
        for when, folder in (
            ("2026-11-16 11:00", TUESDAY),
            ("2026-11-17 11:00", "Callbacks/2026-11-18 10-00"),
            ("2026-11-18 11:00", "Callbacks/2026-11-19 10-00"),
        ):
            scene.clock.at = at(when)
            await seen(scene, folder, "Вопрос")
        answer(scene, "n4@vostok.example", "Re: Вопрос", "2026-11-18 12:00", In_Reply_To=name("Вопрос"))
        scene.clock.at = at("2026-11-19 11:00")
        await seen(scene, DONE, "Вопрос")
    finally:
        daemon.stop()
        await running
    assert promises(scene)["Вопрос"] == ("late", "")
    assert carried(scene)["Вопрос"] == 3
    assert len([one for one in alerts(scene) if "ООО «Восток»" in one]) >= 1


async def seen(scene: Scene, folder: str, subject: str) -> None:
    """Wait until a letter lies in that folder."""
    deadline = time.monotonic() + 60
    while subject not in scene.subjects(folder):
        assert time.monotonic() < deadline, f"{subject} never came to {folder}: {scene.tree().keys()}"
        await asyncio.sleep(0.1)
