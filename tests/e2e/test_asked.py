"""Clients who ask for a time, on a real Dovecot: the right sentence in the reply, the mail in the right folder."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, body_of, letter
from tests.e2e.test_commands import responder
from tests.e2e.test_users_day import EXAMPLE_REPLY, FRIDAY
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

IVAN, MAYA, KATE = "ivan@vostok.example", "maya@harborlane.example", "kate@linden-partner.example"


@pytest.fixture
def scene(dovecot: Dovecot, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration on Friday evening in Moscow, watched since the afternoon."""
    with ThreadedSmtpSink() as sink:
        yield Scene(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=FixedClock(at("2026-11-13 17:00")))


async def arrive_and_run(scene: Scene, *letters: bytes) -> dict[str, str]:
    """Let letters come on Friday at 20:00; return the text of each reply by its recipient."""
    await scene.run()
    for raw in letters:
        scene.arrive(raw, FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    return {mail.recipient: body_of(mail) for mail in scene.replies()}


async def test_three_clients_ask_for_a_time(scene: Scene) -> None:
    """A call outside, a call inside, a deadline too early: each is told so, each mail lies where it is needed."""
    replies = await arrive_and_run(
        scene,
        letter(IVAN, "Вопрос", "Добрый вечер!\nМожем созвониться в субботу в 22:00?"),
        letter(MAYA, "Call", "Hello,\ncould we talk on Tuesday at 10am? It is about the lease."),
        letter(KATE, "The offer", "Dear Anna,\n\nwe need your answer by Monday 10am CET.\n\nKind regards,\nKate"),
    )
    assert "Время, которое Вы предлагаете («в субботу в 22:00»), лежит вне моих часов для звонков.\n" in replies[IVAN]
    assert (
        "The time you propose (“on Tuesday at 10am”) falls into my call hours; it is settled once I have confirmed it."
        in replies[MAYA]
    )
    assert (
        "You ask for this “by Monday 10am CET”; I answer by the time named here, and your message is now marked for me "
        "as pressing." in replies[KATE]
    )
    assert "agreement" not in replies[KATE]
    morning, evening, tuesday = (f"Callbacks/2026-11-{rest}" for rest in ("16 10-00", "16 17-30", "17 17-30"))
    assert scene.subjects(morning) == ["Вопрос"]
    assert scene.subjects(evening) == ["The offer"]
    assert scene.subjects(tuesday) == ["Call"]
    with sqlite3.connect(scene.state / "ledger.sqlite3") as ledger:
        notes = dict(ledger.execute("SELECT subject, note FROM messages").fetchall())
    ledger.close()
    assert notes == {
        "Вопрос": "",
        "Call": "предлагает поговорить «on Tuesday at 10am»",
        "The offer": "спешное: просит успеть «by Monday 10am CET»",
    }
    words = ["explain", "--last", "3", "--json", "--config", str(scene.config), "--state", str(scene.state)]
    told = await asyncio.to_thread(responder, *words, home=scene.folder)
    assert told.returncode == 0, told.stderr
    assert sorted((one["client"], one["asked"]) for one in json.loads(told.stdout)) == [
        ("harbor", [{"quote": "on Tuesday at 10am", "kind": "call", "at": "2026-11-17T15:00:00Z"}]),
        ("linden", [{"quote": "by Monday 10am CET", "kind": "deadline", "at": "2026-11-16T09:00:00Z"}]),
        ("vostok", [{"quote": "в субботу в 22:00", "kind": "call", "at": "2026-11-14T12:00:00Z"}]),
    ]


async def test_what_only_looks_like_a_time_triggers_nothing(scene: Scene) -> None:
    """Quoted proposals, phones, dates of contracts, past calls: the reply is the contract's own, to the character."""
    text = (
        "Добрый вечер!\nМы созванивались в четверг в 15:00. Договор от 12.03.2026 № 17/15 прилагаю в 2 экземплярах, "
        "на 15 страницах, цена 15 000 руб.\nТел. +7 423 215-15-30, с 10 до 19, 24/7.\n\n"
        "В пт, 13 нояб. 2026 г. в 15:00, Анна <anna@example.com> пишет:\n> Можем созвониться в субботу в 22:00?\n"
    )
    replies = await arrive_and_run(scene, letter(IVAN, "Договор аренды", text))
    assert replies[IVAN].strip() == EXAMPLE_REPLY.strip()
    assert scene.subjects("Callbacks/2026-11-16 10-00") == ["Договор аренды"]


async def test_shipped_topics_are_switched_on_in_a_line(scene: Scene) -> None:
    """A preset gives its term and its reason, in the client's language, whatever language the letter is in."""
    scene.changes = {"topics": {"moving": {"preset": "moving", "response": "4 working hours"}}}
    scene.write()
    replies = await arrive_and_run(
        scene,
        letter(IVAN, "Встреча", "Добрый вечер! Можно ли перенести нашу встречу?"),
        letter(KATE, "Our meeting", "Dear Anna, could we reschedule?"),
        letter(MAYA, "Hello", "The contract is attached."),
    )
    assert "Новое время встречи я подтверждаю лично, глядя в календарь." in replies[IVAN]
    assert "к концу понедельника, 16 ноября (точно: до 22:00 по Вашему времени, это 15:00 в Москве)" in replies[IVAN]
    assert "by 13:00 on Monday, 16 November, your time (15:00 in Moscow)" in replies[KATE]
    assert "I confirm a new time for a meeting myself, with the calendar before me." in replies[KATE]
    assert "I read documents with care" in replies[MAYA]


def test_explain_shows_what_is_asked_for(tmp_path: Path) -> None:
    """For a person: the words and what they mean; as JSON: quote, kind, instant."""
    saved = tmp_path / "call.eml"
    saved.write_bytes(letter(MAYA, "Call", "Could we talk on Tuesday at 10am?"))
    words = ["explain", str(saved), "--at", "2026-11-27T20:00"]
    said = responder(*words, "--config", str(EXAMPLE), home=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "call “on Tuesday at 10am” = 2026-12-01T15:00:00Z" in said.stdout
    assert "its window takes it" in said.stdout
    told = json.loads(responder(*words, "--json", "--config", str(EXAMPLE), home=tmp_path).stdout)
    assert told["asked"] == [{"quote": "on Tuesday at 10am", "kind": "call", "at": "2026-12-01T15:00:00Z"}]
    assert told["window"]["opens_at"] == "2026-12-01T14:30:00Z"
