"""The commands, as a person types them: real processes, a real Dovecot, exit status and words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, letter
from tests.e2e.test_users_day import FRIDAY
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.dovecot import Dovecot


def responder(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, at home in an empty folder."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "responder", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=home,
        env=environ | {"PYTHONPATH": str(EXAMPLE.parent)},
    )


@pytest.fixture
def scene(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration on a real server."""
    with ThreadedSmtpSink() as sink:
        yield Scene(
            folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=FixedClock(at("2026-11-13 17:00"))
        )


CONTRACT = """\
Здравствуйте, Иван Петрович!

Я отвечу на Ваше письмо «Договор аренды» к утру среды, 2 декабря (точно: до 02:00 по Вашему времени, это вторник, \
1 декабря, 19:00 в Москве). Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях.

Если удобнее голосом: ближайший час для звонка, когда день и у Вас, и у меня, — понедельник, 30 ноября, 17:00–18:00 \
по Вашему времени (10:00–11:00 в Москве). WhatsApp откроется в тот же день в 16:00 по Вашему времени; в остальное \
время я на заседаниях.

Так записано в Приложении 2 к договору № 17, которое действует с 1 сентября 2026 года. Это автоматический ответ: \
сейчас я не на работе.

Анна Светлова
"""


def test_explain_of_a_file_gives_the_contracts_letter(tmp_path: Path) -> None:
    """A saved message is judged by the whole line, and the contract's example comes out to the character."""
    saved = tmp_path / "letter.eml"
    saved.write_bytes(letter("ivan@vostok.example", "Договор аренды"))
    told = responder(
        *["explain", str(saved), "--at", "2026-11-27T20:00", "--json", "--config", str(EXAMPLE)], home=tmp_path
    )
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert answer["text"] == CONTRACT.rstrip()
    assert answer["subject"] == "Автоответ: Договор аренды"
    assert (answer["reason"], answer["reply"], answer["topic"]) == ("full", "full", "documents")
    assert answer["due_at"] == "2026-12-01T16:00:00Z"
    assert answer["window"] == {
        "name": "morning", "opens_at": "2026-11-30T07:00:00Z", "closes_at": "2026-11-30T08:00:00Z",
    }  # fmt: skip
    assert answer["folder"] == "Callbacks/2026-11-30 10-00"
    assert answer["client"] == "vostok"
    assert [step["rule"] for step in answer["trail"] if step["held"]] == ["full"]


def test_explain_says_every_rule_and_every_step(tmp_path: Path) -> None:
    """For a person explain prints the facts, each rule with its answer, the due time's steps and the text."""
    words = ["explain", "--from", "ivan@vostok.example", "--at", "2026-11-28 23:40", "--config", str(EXAMPLE)]
    told = responder(*words, home=tmp_path)
    assert told.returncode == 0, told.stderr
    for expected in (
        "Saturday, 28 November 2026, 23:40 (Europe/Moscow)",
        "return-path-differs",
        "no hours that weekday",
        "working day 1",
        "Здравствуйте, Иван Петрович!",
    ):
        assert expected in told.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["explain"], 64, "name one thing"),
        (["explain", "nothing.eml"], 64, "no such file"),
        (["run", "--at", "now"], 64, "--at goes with --dry-run"),
        (["rnu"], 64, "rnu"),
        (["status"], 1, "it has never run here"),
        (["explain", "--from", "x", "--at", "gibberish o'clock"], 64, "is no time I know"),
        (["explain", "--from", "not an address"], 64, "not an e-mail address"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_wrong_words_get_a_sentence_and_a_status(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    """A mistake on the command line ends with a sentence and the right exit status, never with a traceback."""
    if words[0] in ("explain", "status"):
        words = [*words, "--config", str(EXAMPLE)]
    told = responder(*words, home=tmp_path)
    assert told.returncode == status, told.stderr
    assert said in told.stderr + told.stdout
    assert "Traceback" not in told.stderr


def test_no_configuration_lists_the_places_tried(tmp_path: Path) -> None:
    """Without a configuration the error says where it was looked for."""
    told = responder("check", home=tmp_path)
    assert told.returncode == 78
    assert "/etc/responder/config.toml" in told.stderr


@pytest.mark.server
async def test_check_and_dry_run_change_nothing(scene: Scene, tmp_path: Path) -> None:
    """Check and dry run log in, tell what they see, and leave the mailbox as it was, to the flag."""
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
    before = scene.dovecot.doveadm("fetch", "-u", scene.user, "uid flags mailbox", "all")
    checked = responder("check", "--config", str(scene.config), home=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for expected in (
        "logged in as",
        "your answers are read in Sent",
        "separator '/'",
        "noticed by its replies in Sent, and by its marks",
        "Здравствуйте, Иван Петрович!",
    ):
        assert expected in checked.stdout
    state = ["--config", str(scene.config), "--state", str(tmp_path / "none")]
    dry = responder("run", "--dry-run", "--at", "2026-11-13 20:05", *state, home=tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert "ivan@vostok.example" in dry.stdout
    assert "full" in dry.stdout
    assert not (tmp_path / "none").exists()
    assert scene.dovecot.doveadm("fetch", "-u", scene.user, "uid flags mailbox", "all") == before
    assert scene.replies() == []


@pytest.mark.server
async def test_status_sees_the_ledger_while_the_file_is_bad(scene: Scene, tmp_path: Path) -> None:
    """With errors in the file on disk, status still tells of the ledger, and names every error."""
    await scene.run()
    scene.config.write_text(scene.config.read_text() + "\n[nonsense]\n")
    told = responder("status", "--config", str(scene.config), "--state", str(scene.state), home=tmp_path)
    assert told.returncode == 1
    assert "nonsense" in told.stdout
    assert "stay in force" in told.stdout
    assert "times below are in UTC" in told.stdout
    assert "last looked at" in told.stdout


@pytest.mark.server
async def test_status_and_explain_tell_of_what_was_done(scene: Scene, tmp_path: Path) -> None:
    """After a pass, status counts the promise and explain shows the trail and the words that were sent."""
    await scene.run()
    mail = letter("ivan@vostok.example", "Договор аренды", headers={"Message-ID": "<told@vostok.example>"})
    scene.arrive(mail, FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    place = ["--config", str(scene.config), "--state", str(scene.state)]
    status = responder("status", "--json", *place, home=tmp_path)
    answer = json.loads(status.stdout)
    assert status.returncode == 1
    assert answer["running"] is False
    assert (answer["open_promises"], answer["waiting"], answer["in_doubt"]) == (1, 0, 0)
    assert [row["client"] for row in answer["promises"]] == ["vostok"]
    told = json.loads(responder("explain", "<told@vostok.example>", "--json", *place, home=tmp_path).stdout)
    assert told["reason"] == "full"
    assert "Здравствуйте, Иван Петрович!" in told["text"]
    assert told["folder"] == "Callbacks/2026-11-16 10-00"
    last = json.loads(responder("explain", "--last", "5", "--json", *place, home=tmp_path).stdout)
    assert [one["reason"] for one in last] == ["full"]


@pytest.mark.server
async def test_explain_finds_a_message_that_was_not_decided_yet(scene: Scene, tmp_path: Path) -> None:
    """A Message-ID that the ledger does not know is looked for in INBOX and judged, and nothing there changes."""
    await scene.run()
    mail = letter("ivan@vostok.example", "Договор аренды", headers={"Message-ID": "<new@vostok.example>"})
    scene.arrive(mail, FRIDAY)
    before = scene.dovecot.doveadm("fetch", "-u", scene.user, "uid flags mailbox", "all")
    place = ["--config", str(scene.config), "--state", str(scene.state)]
    words = ["explain", "<new@vostok.example>", "--at", "2026-11-13 20:04", "--json", *place]
    told = responder(*words, home=tmp_path)
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert (answer["reason"], answer["topic"], answer["folder"]) == ("full", "documents", "Callbacks/2026-11-16 10-00")
    assert scene.dovecot.doveadm("fetch", "-u", scene.user, "uid flags mailbox", "all") == before
    unknown = responder("explain", "<nobody@vostok.example>", *place, home=tmp_path)
    assert unknown.returncode == 1
    assert "knows this message" in unknown.stderr


@pytest.mark.server
async def test_explain_tells_what_became_of_the_mail(scene: Scene, tmp_path: Path) -> None:
    """It says how the promise stands and by what it ended, weak signs as such, and where the mail lies."""
    place = ("--config", str(scene.config), "--state", str(scene.state))

    def explained(name: str) -> tuple[str, dict[str, object], dict[str, object]]:
        words = ("explain", f"<{name}@vostok.example>", *place)
        told = json.loads(responder(*words, "--json", home=tmp_path).stdout)
        return " ".join(responder(*words, home=tmp_path).stdout.split()), told["promise"], told["filed"]

    await scene.run()
    for number, name in enumerate(("asked", "called")):
        mail = letter("ivan@vostok.example", name, headers={"Message-ID": f"<{name}@vostok.example>"})
        scene.arrive(mail, FRIDAY + timedelta(minutes=number))
    scene.clock.at = FRIDAY + timedelta(minutes=10)
    await scene.run()
    with scene.program.session() as imap:
        imap.select_folder(scene.program.wire("Callbacks/2026-11-16 10-00"))
        imap.add_flags(imap.search(["SUBJECT", "called"]), [b"\\Answered"])
    for when in ("2026-11-16 11:00", "2026-11-16 19:00", "2026-11-17 11:00"):
        scene.clock.at = at(when)
        await scene.run()
    text, promise, filed = explained("asked")
    assert "Promise: late, as was found Monday, 16 November 2026, 19:00" in text
    assert "carried over 2 times" in text
    assert promise == {
        "state": "open",
        "due_at": "2026-11-16T16:00:00Z",
        "declared_late_at": "2026-11-16T16:00:00Z",
        "ended_at": None,
        "evidence": None,
    }
    assert filed == {"folder": "Callbacks/2026-11-18 10-00", "carried_over": 2, "left_at": None}
    text, promise, filed = explained("called")
    assert "Promise: kept; the mail was marked as answered (weak evidence), Monday" in text
    assert (promise["state"], promise["evidence"]) == ("kept", "answered")
    assert (filed["folder"], filed["left_at"]) == ("Callbacks/Done", "2026-11-16T08:00:00Z")
    answer = letter("anna@example.com", "Re: asked", headers={"To": "ivan@vostok.example"}, return_path=None)
    scene.arrive(answer, at("2026-11-17 12:00"), folder="Sent")
    scene.clock.at = at("2026-11-18 11:00")
    await scene.run()
    text, promise, _ = explained("asked")
    assert "Promise: late; you wrote, Tuesday, 17 November 2026, 12:00" in text
    assert (promise["state"], promise["evidence"]) == ("late", "message")
    assert responder("explain", "--from", "ivan@vostok.example", *place, home=tmp_path).stdout.count("Promise:") == 0
