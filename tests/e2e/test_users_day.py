"""A user's day on each IMAP server: who is answered, with which hour, and where the mail lies afterwards."""

from __future__ import annotations

import email
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, body_of, letter
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.mail_program import ImapServer

pytestmark = pytest.mark.server

#: A past Friday: a server keeps no arrival that lies in its future.
FRIDAY = at("2026-11-13 20:00")


@pytest.fixture
def scene(imap_server: ImapServer, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration on each server, on Friday evening in Moscow, watched since the afternoon."""
    with ThreadedSmtpSink() as sink:
        yield Scene(folder=tmp_path, server=imap_server, sink=sink, user=user, clock=FixedClock(at("2026-11-13 17:00")))


async def test_the_contracts_example(scene: Scene) -> None:
    """The contract's letter comes out to the character, and its mail lies in Monday morning's folder."""
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    (reply,) = scene.replies()
    assert body_of(reply).strip() == EXAMPLE_REPLY.strip()
    assert scene.subjects("Callbacks/2026-11-16 10-00") == ["Договор аренды"]


EXAMPLE_REPLY = """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Договор аренды» к утру среды, 18 ноября (точно: до 02:00 по Вашему времени, это вторник, \
17 ноября, 19:00 в Москве). Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях.

Если удобнее голосом: ближайший час для звонка, когда день и у Вас, и у меня, — понедельник, 16 ноября, 17:00–18:00 \
по Вашему времени (10:00–11:00 в Москве). WhatsApp откроется в тот же день в 16:00 по Вашему времени; в остальное \
время я на заседаниях.

Так записано в Приложении 2 к договору № 17, которое действует с 1 сентября 2026 года. Это автоматический ответ: \
сейчас я не на работе.

Анна Светлова
"""


async def test_a_night_of_mail(scene: Scene) -> None:
    """Clients are answered once; machines, lists, strangers and the owner are not; all client mail is filed unread."""
    scene.arrive(letter("ivan@vostok.example", "old, from before"), FRIDAY - timedelta(days=3))
    await scene.run()
    night = [
        letter("ivan@vostok.example", "Договор аренды"),
        letter("ivan@vostok.example", "ещё одно", headers={}),
        letter("news@lists.example", "digest", headers={"List-Id": "<news.lists.example>"}),
        letter("ivan@vostok.example", "нет на месте", headers={"Auto-Submitted": "auto-replied"}),
        letter("who@nowhere.example", "stranger"),
        letter(OWNER, "note to myself"),
        letter("kolya@vostok.example", "from a colleague"),
    ]
    for number, raw in enumerate(night):
        scene.arrive(raw, FRIDAY + timedelta(minutes=number))
    scene.clock.at = FRIDAY + timedelta(minutes=20)
    await scene.run()
    assert sorted(mail.recipient for mail in scene.replies()) == ["ivan@vostok.example", "kolya@vostok.example"]
    assert sorted(scene.subjects("INBOX")) == [
        "digest", "note to myself", "old, from before", "stranger", "нет на месте",
    ]  # fmt: skip
    filed = [flags for folder, flags, _ in scene.everything() if folder.startswith("Callbacks")]
    assert len(filed) == 3
    assert not any("Seen" in flags or "Answered" in flags for flags in filed)
    answered = {email.message_from_bytes(mail.data)["In-Reply-To"] for mail in scene.replies()}
    assert len(answered) == 2
    before = list(scene.everything())
    scene.clock.at += timedelta(hours=1)
    await scene.run()
    assert len(scene.replies()) == 2
    assert [one[2] for one in scene.everything()] == [one[2] for one in before]


async def test_mail_younger_than_the_grace_time_waits(scene: Scene) -> None:
    """A single pass leaves mail younger than the grace time to the next one, and loses nothing of it."""
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "first"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=1)
    await scene.run()
    assert scene.replies() == []
    assert scene.subjects("INBOX") == ["first"]
    scene.arrive(letter("ivan@vostok.example", "second"), FRIDAY + timedelta(minutes=2))
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    (reply,) = scene.replies()
    assert "second" in body_of(reply)
    assert scene.subjects("INBOX") == []


async def test_the_owners_answer_in_the_grace_time_is_enough(scene: Scene) -> None:
    """Who answers by hand within the grace time needs no machine: nothing is sent and the mail stays."""
    await scene.run()
    mail = letter("ivan@vostok.example", "срочное", headers={"Message-ID": "<q1@vostok.example>"})
    scene.arrive(mail, FRIDAY)
    answer = letter(OWNER, "Re: срочное", headers={"To": "ivan@vostok.example", "In-Reply-To": "<q1@vostok.example>"})
    scene.arrive(answer, FRIDAY + timedelta(minutes=1), folder="Sent")
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    assert scene.replies() == []
    assert scene.subjects("INBOX") == ["срочное"]


async def test_draft_mode_sends_nothing(scene: Scene) -> None:
    """In a trial week the reply lies in Drafts, unsent; it is taken away when the office opens."""
    scene.changes = {"replies": {"mode": "draft"}}
    scene.write()
    await scene.run()
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    assert scene.replies() == []
    drafts = [folder for folder in scene.tree() if "Drafts" in folder]
    assert len(drafts) == 1
    scene.clock.at = at("2026-11-16 10:01")
    await scene.run()
    assert [folder for folder in scene.tree() if "Drafts" in folder] == []


async def test_windows_have_cyrillic_folders(scene: Scene) -> None:
    """Folders named in Cyrillic, three levels deep, are made, found again by the next pass, and shown to the owner."""
    scene.changes = {"filing": {"folder": "Обратные звонки/{opens:%d.%m в %H-%M}/{client}"}}
    scene.write()
    await scene.run()
    for number, subject in enumerate(("Договор", "Ещё один"), 1):
        scene.arrive(letter("ivan@vostok.example", subject), FRIDAY + timedelta(hours=number))
        scene.clock.at = FRIDAY + timedelta(hours=number, minutes=4)
        await scene.run()
    window = "16.11 в 10-00" if scene.server.separator == "/" else "16_11 в 10-00"
    folder = f"Обратные звонки/{window}/ООО «Восток»"
    assert scene.subjects(folder) == ["Договор", "Ещё один"]
    assert scene.subjects("INBOX") == []
    assert folder in scene.program.subscribed()


async def test_an_arrival_in_the_future_stays_in_silence(scene: Scene) -> None:
    """An INTERNALDATE years ahead says that a clock is wrong: no hour is named, and the mail stays in INBOX."""
    await scene.run()
    scene.clock.at = FRIDAY
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY + timedelta(days=1_200))
    await scene.run()
    scene.clock.at += timedelta(minutes=4)
    await scene.run()
    assert scene.replies() == []
    assert scene.subjects("INBOX") == ["Договор аренды"]
