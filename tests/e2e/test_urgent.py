r"""Urgent mail on a real Dovecot: by night and by day it stays in INBOX, \Flagged, and the owner is called."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.commands.explain import Question, explain
from responder.commands.status import status
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.crash import Patient, Zygote
from tests.e2e.scene import OWNER, Scene, body_of, letter
from tests.e2e.test_commands import responder
from tests.servers.smtp import SmtpSink, ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

#: A past Friday evening in Moscow: a server keeps no arrival that lies in its future.
NIGHT = at("2026-11-13 20:00")
NOON = at("2026-11-13 12:00")
IVAN = "ivan@vostok.example"
MONDAY = "Callbacks/2026-11-16 10-00"


def changes(told: Path) -> dict[str, Any]:
    """Return what the example configuration needs: a word for one client, and a command that writes alerts down."""
    return {
        "clients": {"vostok": {"urgent_word": "СРОЧНО"}},
        "alerts": {"command": ["/bin/sh", "-c", f"cat >> {told}; echo >> {told}"]},
    }


@pytest.fixture
def scene(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration with an urgent word, watched since the morning."""
    with ThreadedSmtpSink() as sink:
        yield Scene(
            folder=tmp_path,
            server=dovecot_rich,
            sink=sink,
            user=user,
            clock=FixedClock(at("2026-11-13 11:00")),
            changes=changes(tmp_path / "told"),
        )


def alerts(scene: Scene) -> list[str]:
    """Return the alerts that the command was given."""
    path = scene.folder / "told"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def flags(scene: Scene, folder: str = "INBOX") -> list[set[str]]:
    """Return the system flags of each message in a folder."""
    return [
        {flag for flag in flags.split() if flag.startswith("\\") and flag != "\\Recent"}
        for name, flags, _ in scene.everything()
        if name == folder
    ]


async def passes(scene: Scene, came: datetime, *raws: bytes) -> None:
    """Let mail arrive, and let the daemon pass by when the grace time is over."""
    for raw in raws:
        scene.arrive(raw, came)
    scene.clock.at = came + timedelta(minutes=4)
    await scene.run()


async def test_by_night(scene: Scene) -> None:
    r"""It stays in INBOX, \Flagged and not \Seen; one alert comes, and the urgent text with the due time goes out."""
    await scene.run()
    await passes(scene, NIGHT, letter(IVAN, "СРОЧНО: договор аренды"))
    assert scene.subjects("INBOX") == ["СРОЧНО: договор аренды"]
    assert flags(scene) == [{"\\Flagged"}]
    assert alerts(scene) == [
        "Urgent: ООО «Восток», Иван Петрович, 2026-11-13 20:00. The message is flagged and stays in INBOX."
    ]
    (reply,) = scene.replies()
    text = " ".join(body_of(reply).split())
    assert "«СРОЧНО: договор аренды» отмечено как срочное, мне отправлен сигнал." in text
    assert "самое позднее отвечу к утру среды, 18 ноября (точно: до 02:00 по Вашему времени" in text
    assert MONDAY not in scene.tree()
    scene.clock.at += timedelta(hours=2)
    await scene.run()
    assert len(alerts(scene)) == len(scene.replies()) == 1


async def test_by_day(scene: Scene) -> None:
    """While open nobody is answered, and the mail is flagged and the owner called at once."""
    await scene.run()
    scene.arrive(letter(IVAN, "Срочно, договор"), NOON)
    scene.clock.at = NOON + timedelta(seconds=20)
    await scene.run()
    assert scene.replies() == []
    assert flags(scene) == [{"\\Flagged"}]
    assert len(alerts(scene)) == 1


async def test_the_fourth_of_the_day(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """Three alerts a day for one client, from whomever of it; the fourth is flagged, and all of them are counted."""
    await scene.run()
    for number, sender in enumerate((IVAN, "kolya@vostok.example", IVAN, "olga@vostok.example")):
        await passes(scene, NIGHT + timedelta(minutes=10 * number), letter(sender, f"СРОЧНО {number}"))
    assert flags(scene) == [{"\\Flagged"}] * 4
    assert len(alerts(scene)) == 3
    assert "only flagged" in alerts(scene)[-1]
    assert "k…@vostok.example" in alerts(scene)[1]
    assert len(scene.replies()) == 3
    assert "мне отправлен сигнал" not in body_of(scene.replies()[-1]), "nobody was called for the fourth"
    await passes(scene, NIGHT + timedelta(hours=5), letter(IVAN, "СРОЧНО 5"))
    assert len(alerts(scene)) == 4, "after the owner's midnight it counts anew"
    capsys.readouterr()
    await asyncio.to_thread(status, scene.config, scene.state, as_json=True)
    assert json.loads(capsys.readouterr().out)["urgent"] == {"vostok": 5}
    await asyncio.to_thread(status, scene.config, scene.state, as_json=False)
    assert "urgent mail in the last 30 days: ООО «Восток» 5" in capsys.readouterr().out


async def test_nobody_elses_word(scene: Scene) -> None:
    """A stranger's, another client's and a machine's "СРОЧНО" is a word like any other."""
    await scene.run()
    await passes(
        scene,
        NIGHT,
        letter("who@nowhere.example", "СРОЧНО"),
        letter("maya@harborlane.example", "СРОЧНО"),
        letter(IVAN, "СРОЧНО", headers={"Auto-Submitted": "auto-replied"}),
        letter("kolya@vostok.example", "Не срочно: вопрос"),
    )
    assert alerts(scene) == []
    assert flags(scene) == [set(), set()]
    assert sorted(mail.recipient for mail in scene.replies()) == ["kolya@vostok.example", "maya@harborlane.example"]
    assert all("сигнал" not in body_of(mail) or mail.recipient == IVAN for mail in scene.replies())


async def test_the_word_is_told_to_a_listed_address_only(scene: Scene) -> None:
    """The full text names the word to who is listed, not to a colleague whom only the domain makes known."""
    await scene.run()
    await passes(scene, NIGHT, letter(IVAN, "Договор"), letter("kolya@vostok.example", "Договор"))
    told = {mail.recipient: body_of(mail) for mail in scene.replies()}
    assert "поставьте в тему письма слово «СРОЧНО»: я получу сигнал." in told[IVAN]
    assert "СРОЧНО" not in told["kolya@vostok.example"]
    assert len(scene.subjects(MONDAY)) == 2


async def test_a_thread_that_keeps_the_word(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """Until the owner has answered it calls again; after that it is ordinary mail, unless the word is put anew."""
    await scene.run()
    first = "<u1@vostok.example>"
    thread = {"In-Reply-To": first, "References": first}
    await passes(scene, NIGHT, letter(IVAN, "СРОЧНО: договор", headers={"Message-ID": first}))
    later = NIGHT + timedelta(hours=1)
    await passes(scene, later, letter(IVAN, "Re: СРОЧНО: договор", headers=thread))
    assert len(alerts(scene)) == 2
    answer = letter(OWNER, "Re: СРОЧНО: договор", headers={"To": IVAN, "Message-ID": "<o1@example.com>", **thread})
    scene.arrive(answer, later + timedelta(minutes=30), folder="Sent")
    thread = {"In-Reply-To": "<o1@example.com>", "References": f"{first} <o1@example.com>"}
    thanks = {"Message-ID": "<u3@vostok.example>", **thread}
    await passes(scene, later + timedelta(hours=2), letter(IVAN, "Re: СРОЧНО: договор", "Спасибо!", headers=thanks))
    assert len(alerts(scene)) == 2
    assert scene.subjects(MONDAY) == ["Re: СРОЧНО: договор"]
    await passes(scene, later + timedelta(hours=3), letter(IVAN, "СРОЧНО! Re: СРОЧНО: договор", headers=thread))
    assert len(alerts(scene)) == 3
    assert flags(scene) == [{"\\Flagged"}] * 3
    capsys.readouterr()
    for question, urgent in (("<u1@vostok.example>", True), ("<u3@vostok.example>", False)):
        await asyncio.to_thread(explain, scene.config, scene.state, Question(what=question), as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert (told["urgent"], told["trail"][-1]["rule"], told["trail"][-1]["held"]) == (urgent, "urgent", urgent)
        assert told["reply"] in ("full", "none")


async def test_a_replay_calls_nobody(scene: Scene) -> None:
    """Past urgent mail shows its reply and no folder; nobody is called for it now, and nothing is flagged."""
    scene.arrive(letter(IVAN, "СРОЧНО: договор"), NIGHT)
    place = ("--config", str(scene.config), "--state", str(scene.state / "none"))
    told = await asyncio.to_thread(responder, "replay", "--since", "2026-11-09", "--json", *place, home=scene.folder)
    assert told.returncode == 0, told.stderr
    (row,) = json.loads(told.stdout)
    assert (row["reason"], row["reply"], row["folder"]) == ("full", "urgent", None)
    assert alerts(scene) == []
    assert flags(scene) == [set()]


#: Points around which a flag or an alert could be lost or doubled: the plan, the reply, the flag, the alert.
DEATHS = (
    ("ledger after COMMIT", 2),
    ("ledger after COMMIT", 4),
    ("ledger after COMMIT", 6),
    ("imap sent UID STORE", 2),
    ("imap answered UID STORE", 2),
    ("ledger after COMMIT", 7),
    ("ledger before COMMIT", 8),
)


async def test_killed_around_the_flag_and_the_alert(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    r"""Wherever it dies, the mail is \Flagged in INBOX, one reply left at most, and the owner is called.

    A death between the command and its receipt calls a second time: better than not at all.
    """
    told: Counter[int] = Counter()
    with Zygote() as zygote:
        async with SmtpSink() as sink:
            for number, (kind, which) in enumerate(DEATHS):
                folder = tmp_path / str(number)
                sink.mails.clear()
                scene = Scene(
                    folder=folder,
                    server=dovecot_rich,
                    sink=sink,
                    user=f"{user}-{number}",
                    clock=FixedClock(at("2026-11-13 11:00")),
                    changes=changes(folder / "told"),
                )
                patient = Patient(scene, zygote, "send")
                await patient.run()
                scene.arrive(letter(IVAN, "СРОЧНО: договор аренды"), NIGHT)
                scene.clock.at = NIGHT + timedelta(minutes=4)
                killed = (await patient.run(kind, which)).killed
                scene.clock.at += timedelta(minutes=3)
                await patient.run()
                where = f"{patient.deaths or (kind, which)}"
                assert killed, where
                assert scene.subjects("INBOX") == ["СРОЧНО: договор аренды"], where
                assert flags(scene) == [{"\\Flagged"}], where
                assert len(scene.replies()) <= 1, where
                told[len(alerts(scene))] += 1
                assert 1 <= len(alerts(scene)) <= 2, where
    assert told[1] >= len(DEATHS) - 1
