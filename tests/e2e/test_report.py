"""``responder report`` over a ledger that the real line has filled: figures, files, identity, and wrong words."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from responder.adapters.ledger import SqliteLedger
from responder.cli import main
from tests.adapters.ledger_build import decision, enter, entry
from tests.core.build import at
from tests.e2e.scene import EXAMPLE, OWNER, Scene, letter
from tests.e2e.test_commands import responder, scene
from tests.e2e.test_users_day import FRIDAY
from tests.e2e.test_week import EVENING, mark, name

__all__ = ["scene"]

HOUR = timedelta(hours=1)
SPAN = ("--since", "2026-11-09", "--until", "2026-11-22")
WEEK = [[0] * 24 for _ in range(7)]


def _cell(weekday: int, hour: int, count: int = 1) -> list[list[int]]:
    return [[count if (day, each) == (weekday, hour) else 0 for each in range(24)] for day in range(7)]


async def night(scene: Scene) -> None:
    """Let two clients write on Friday evening, and the owner answer one of them on Monday at 10:30."""
    await scene.run()
    scene.arrive(
        letter("ivan@vostok.example", "Договор аренды", headers={"Message-ID": "<one@vostok.example>"}), FRIDAY
    )
    scene.arrive(
        letter("maya@harborlane.example", "A question", headers={"Message-ID": name("A question")}), FRIDAY + HOUR
    )
    scene.arrive(letter("who@nowhere.example", "A stranger"), FRIDAY + HOUR)
    scene.clock.at = FRIDAY + HOUR + timedelta(minutes=4)
    await scene.run()
    answered = at("2026-11-16 10:30")
    headers = {
        "To": "ivan@vostok.example",
        "In-Reply-To": "<one@vostok.example>",
        "Date": "Mon, 16 Nov 2026 10:30:00 +0300",
    }
    scene.arrive(letter(OWNER, "Re: Договор", headers=headers, return_path=None), answered, folder="Sent")
    scene.clock.at = answered + timedelta(minutes=1)
    await scene.run()


async def report(scene: Scene, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the scene's configuration and ledger."""
    place = ("--config", str(scene.config), "--state", str(scene.state))
    return await asyncio.to_thread(responder, "report", *words, *place, home=scene.folder)


@pytest.mark.server
async def test_a_night_of_mail_is_reported_as_it_was(scene: Scene) -> None:
    """What the daemon did and the owner answered comes out in figures, in the terminal and as JSON."""
    await night(scene)
    done = await report(scene, *SPAN, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["since_at"], answer["until_at"]) == ("2026-11-08T21:00:00Z", "2026-11-22T21:00:00Z")
    assert (answer["timezone"], answer["client"], answer["silent_clients"]) == ("Europe/Moscow", None, 1)
    vostok, harbor = answer["clients"]
    assert (vostok["client"], vostok["messages"], vostok["out_of_hours"], vostok["in_clients_night"]) == (
        "vostok", 1, 1, 1,
    )  # fmt: skip
    assert vostok["promises"] | {"told": 1, "made": 1, "kept": 1} == vostok["promises"]
    # Half an hour of Monday's hours; from Friday 20:00 it was 62 and a half by the calendar.
    assert vostok["answers"] == {
        "count": 1,
        "by_weaker_evidence": 0,
        "median_working_seconds": 1800,
        "slowest_working_seconds": 1800,
        "median_elapsed_seconds": 225000,
        "slowest_elapsed_seconds": 225000,
    }
    assert vostok["by_owners_clock"]["all"] == _cell(4, 20)
    assert vostok["by_clients_clock"]["out_of_hours"] == _cell(5, 3)
    assert (harbor["promises"]["kept"], harbor["in_clients_night"]) == (0, 0)
    assert harbor["by_clients_clock"]["all"] == _cell(4, 13)
    assert answer["total"]["messages"] == 2
    shown = await report(scene, *SPAN)
    assert shown.returncode == 0, shown.stderr
    for expected in (
        "From Monday, 9 November 2026, 00:00 (Europe/Moscow)",
        "to Monday, 23 November 2026, 00:00 (Europe/Moscow)",
        "2 messages, 100% out of hours",
        "Harbor Lane Studio",
        "America/New_York, the client's clock",
        "1 more client wrote nothing",
        "answers: median 30 min of work (2 days 15 h by the calendar)",
    ):
        assert expected in shown.stdout.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.server
async def test_what_only_a_flag_tells_is_said_to_be_that(scene: Scene) -> None:
    r"""A letter that the owner marked \\Answered in its folder, after a call, is kept by weaker evidence."""
    await night(scene)
    mark(scene, "A question", EVENING, b"\\Answered")
    scene.clock.at = at("2026-11-16 19:01")
    await scene.run()
    found = json.loads((await report(scene, *SPAN, "--client", "harbor", "--json")).stdout)
    promises = found["clients"][0]["promises"]
    assert {fate: number for fate, number in promises.items() if number} == {"made": 1, "told": 1, "kept_weak": 1}
    assert found["clients"][0]["answers"]["by_weaker_evidence"] == 1
    shown = await report(scene, *SPAN)
    assert "weak: known by weaker evidence only" in shown.stdout
    assert "1 promised: 1 told, 1 kept by weaker evidence" in shown.stdout


@pytest.mark.server
@pytest.mark.usefixtures("as_root")
async def test_root_leaves_the_ledger_to_the_service_and_the_page_to_the_person(scene: Scene, tmp_path: Path) -> None:
    """Under sudo no file beside the ledger becomes root's, and the page belongs to whoever typed the command."""
    await night(scene)
    for path in (scene.state, *scene.state.iterdir()):
        os.chown(path, 5000, 5000)
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(Path("/tmp")) and path != Path("/tmp"):  # noqa: S108 - where pytest keeps its folders
            path.chmod(0o755)
    page = tmp_path / "page.html"
    words = ["report", *SPAN, "--html", str(page), "--config", str(scene.config), "--state", str(scene.state)]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "responder", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLE.parent,
        env=os.environ | {"SUDO_UID": "4321", "SUDO_GID": "4322"},
    )
    assert done.returncode == 0, done.stderr
    found = page.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4321, 4322, 0o600)
    assert {path.stat().st_uid for path in scene.state.iterdir()} == {5000}


# --------------------------------------------------------------------------- a ledger without a mailbox


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A state directory whose ledger holds a message of each of two clients, of Friday evening."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    ledger = SqliteLedger.open(folder / "ledger.sqlite3")
    vostok = entry("a", at=FRIDAY)
    harbor = entry("b", at=FRIDAY + HOUR, client="harbor", address="maya@harborlane.example", uid=2)
    former = entry("c", at=FRIDAY + HOUR, client="former", address="who@former.example", uid=3)
    await enter(ledger, *(decision(one, promises=True) for one in (vostok, harbor, former)), now_at=FRIDAY + HOUR)
    await ledger.close()
    return folder


def told(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on that ledger under the example's rules."""
    return responder("report", *words, "--config", str(EXAMPLE), "--state", str(state), home=state.parent)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shape(value[0]), len(value)] if value else []
    return type(value).__name__


CLOCK = {
    "all": [["int", 24], 7],
    "out_of_hours": [["int", 24], 7],
    "busiest_out_of_hours": dict.fromkeys(
        ("weekday", "on_weekday", "from_hour", "until_hour", "in_hours", "of"), "int"
    ),
}
SECTION = {
    **dict.fromkeys(
        ("messages", "out_of_hours", "in_clients_night", "replies", "urgent", "carried_messages", "carried_times"),
        "int",
    ),
    "promises": dict.fromkeys(
        ("made", "told", "kept", "kept_weak", "late", "late_weak", "overdue", "open", "withdrawn"), "int"
    ),
    "answers": {
        "count": "int",
        "by_weaker_evidence": "int",
        "median_working_seconds": "NoneType",
        "slowest_working_seconds": "NoneType",
        "median_elapsed_seconds": "NoneType",
        "slowest_elapsed_seconds": "NoneType",
    },
    "by_owners_clock": CLOCK,
    "by_clients_clock": CLOCK,
    "own_messages": "int",
    "own_out_of_hours": "int",
    "own_by_owners_clock": [["int", 24], 7],
    "own_by_clients_clock": [["int", 24], 7],
}


def test_the_json_has_the_keys_that_programs_rely_on(state: Path) -> None:
    """Every key and its kind, for all clients and for one."""
    found = json.loads(told(state, *SPAN, "--json").stdout)
    head = dict.fromkeys(("since_at", "until_at", "made_at", "timezone"), "str")
    client = {"client": "str", "name": "str", "in_rules": "bool", "timezone": "str", **SECTION}
    assert _shape(found) == {
        **head, "client": "NoneType", "total": SECTION, "clients": [client, 3], "silent_clients": "int",
    }  # fmt: skip
    gone = found["clients"][2]
    assert (gone["client"], gone["in_rules"], gone["timezone"], gone["in_clients_night"]) == (
        "former", False, None, None,
    )  # fmt: skip
    alone = json.loads(told(state, *SPAN, "--json", "--client", "vostok").stdout)
    assert _shape(alone) == {
        **head, "client": "str", "total": "NoneType", "clients": [client, 1], "silent_clients": "int",
    }  # fmt: skip


def test_one_client_alone_shows_nothing_of_any_other(state: Path) -> None:
    """In the terminal, as JSON and on the page: no name, key, address or count of another client."""
    page = state.parent / "one.html"
    written = told(state, *SPAN, "--client", "harbor", "--html", str(page), "--language", "en")
    assert written.returncode == 0, written.stderr
    shown = told(state, *SPAN, "--client", "harbor").stdout
    for text in (page.read_text(), shown, told(state, *SPAN, "--client", "harbor", "--json").stdout):
        assert "Harbor Lane Studio" in text
        assert not any(word in text for word in ("остok", "vostok", "Восток", "former", "inden", "more client"))
    assert '<html lang="en">' in page.read_text()


def test_a_page_is_written_whole_for_the_owner_only_and_never_over_another_file(state: Path) -> None:
    """Mode 0600 whatever the umask; a file that is there stays as it is, unless --force; nothing half is left."""
    page = state.parent / "out" / "page.html"
    page.parent.mkdir()
    first = told(state, *SPAN, "--html", str(page))
    assert first.returncode == 0, first.stderr
    assert "from Monday, 9 November 2026, 00:00 (Europe/Moscow)" in first.stdout
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_text().startswith("<!DOCTYPE html>")
    page.write_text("mine")
    again = told(state, *SPAN, "--html", str(page))
    assert (again.returncode, page.read_text()) == (64, "mine")
    assert "--force replaces it" in again.stderr
    forced = told(state, *SPAN, "--html", str(page), "--force")
    assert forced.returncode == 0, forced.stderr
    assert "ООО «Восток»" in page.read_text()
    assert list(page.parent.iterdir()) == [page]


def test_a_link_in_the_pages_place_is_not_followed(state: Path) -> None:
    """With --force a symbolic link is replaced by the page; what it pointed to stays."""
    other = state.parent / "other"
    other.write_text("mine")
    link = state.parent / "page.html"
    link.symlink_to(other)
    assert told(state, *SPAN, "--html", str(link)).returncode == 64
    assert told(state, *SPAN, "--html", str(link), "--force").returncode == 0
    assert (other.read_text(), link.is_symlink()) == ("mine", False)


def test_a_page_that_cannot_be_written_leaves_nothing_behind(state: Path) -> None:
    """Where no file can be made the command says so, ends with 1, and shows no traceback."""
    done = told(state, *SPAN, "--html", "/proc/page.html")
    assert done.returncode == 1
    assert "/proc/page.html: the page cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_is_made_while_the_service_writes(state: Path) -> None:
    """A transaction that is under way holds nobody up, and is not seen before its end."""
    with closing(sqlite3.connect(state / "ledger.sqlite3", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM messages")
        found = json.loads(told(state, *SPAN, "--json").stdout)
        connection.execute("ROLLBACK")
    assert found["total"]["messages"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "2999-01-01"], "still to come (Tuesday, 1 January 2999"),
        (["--since", "2026-11-10", "--until", "2999-01-01"], "still to come"),
        (["--since", "2026-11-10", "--until", "2026-11-08"], "ends before it begins"),
        (["--since", "2026-11-10T12:00", "--until", "2026-11-10T12:00"], "ends before it begins"),
        (["--since", "gibberish o'clock"], "is no span I know"),
        (["--since", "30 days", "--until", "gibberish o'clock"], "is no span I know"),
        (["--since", "30 days", "--client", "nobody"], 'no client "nobody"'),
        (["--since", "30 days", "--force"], "go with --html"),
        (["--since", "30 days", "--language", "ru"], "go with --html"),
        (["--since", "30 days", "--html", "x.html", "--language", "xx"], "the page can speak en, ru"),
        (["--since", "30 days", "--html", "no/such/x.html"], "in a folder that exists"),
        (["--since", "30 days", "--html", "."], "in a folder that exists"),
        (["--since", "30 days", "--html", "x" * 300], "cannot be written there"),
        ([], "--since"),
    ],
    ids=lambda value: "_".join(value)[:60] or "nothing" if isinstance(value, list) else "",
)
def test_wrong_words_get_a_sentence(words: list[str], said: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of usage is said in a sentence (its status is 64, as for every command); no file is made."""
    monkeypatch.chdir(state.parent)
    place = ["--config", str(EXAMPLE), "--state", str(state)]
    with pytest.raises(click.UsageError) as caught:
        main.main(["report", *words, *place], standalone_mode=False)
    assert said in caught.value.format_message()
    assert list(state.parent.iterdir()) == [state]


def test_before_the_first_start_there_is_nothing_to_report(tmp_path: Path) -> None:
    """Without a ledger it says so, makes none, and ends with 1."""
    done = told(tmp_path / "none", "--since", "30 days")
    assert done.returncode == 1
    assert "never run here" in done.stderr
    assert not (tmp_path / "none").exists()
