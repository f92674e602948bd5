"""``responder away``: what is echoed, written, refused and taken back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
import tomllib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder import config
from responder.adapters.ledger import SqliteLedger
from responder.commands import check, edit
from responder.errors import ConfigurationError
from tests.adapters import ledger_build
from tests.command_line import CommandLine
from tests.core.build import at

if TYPE_CHECKING:
    from pathlib import Path

NOW = at("2026-11-25 12:00")


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Somebody at the example configuration, on Wednesday, 25 November 2026."""
    return CommandLine(tmp_path, NOW, monkeypatch, capsys)


def planned(typed: CommandLine) -> list[tuple[str, str]]:
    """Return the absences that the configuration now has."""
    return [(f"{each.from_on}", f"{each.until_on}") for each in config.load(typed.config).policy.absences]


def test_an_absence_is_echoed_in_full_in_the_owners_language(typed: CommandLine) -> None:
    """Days with their dates, both included, the working days, the first day back, the words and the deputy."""
    said = typed(
        "away", "с 4 по 14 декабря", "--deputy", "Пётр", "--say", "ru=Я в суде.", "--say", "en=In court.", "--yes"
    )
    assert said.status == 0, said.text
    assert said.text.splitlines()[:4] == [
        (
            "Отсутствие с пятницы, 4 декабря 2026 года, по понедельник, 14 декабря 2026 года, оба дня включительно: "
            "7 рабочих дней; первый день после него — вторник, 15 декабря 2026 года."
        ),
        "Замещает: Пётр.",
        "Клиенты прочтут (ru): Я в суде.",
        "Клиенты прочтут (en): In court.",
    ]
    (absence,) = config.load(typed.config).policy.absences
    assert (absence.deputy, absence.say) == ("Пётр", {"ru": "Я в суде.", "en": "In court."})


def test_the_echo_is_english_for_an_english_owner(typed: CommandLine) -> None:
    """The contract's own example, to the character."""
    text = typed.config.read_text()
    typed.config.write_text(re.sub(r'^language *= "ru"', 'language = "en"', text, count=1, flags=re.MULTILINE))
    said = typed("away", "from 4 December to 14 December", "--yes")
    assert said.status == 0, said.text
    assert said.text.splitlines()[0] == (
        "Absent from Friday, 4 December 2026, to Monday, 14 December 2026, both days included: 7 working days; "
        "the first day back is Tuesday, 15 December 2026."
    )
    one = typed("away", "4.1.2027", "--yes")
    assert one.text.startswith("Absent on Monday, 4 January 2027, that one day: 0 working days; the first day back is")


def test_over_new_year_holidays_do_not_count_and_a_dated_day_stays_open(typed: CommandLine) -> None:
    """Russian holidays take no working days, and what [hours] says of a date is told to the owner."""
    said = typed("away", "from 24 December to 10 January", "--yes").text.splitlines()
    assert said[0].endswith(": 5 рабочих дней; первый день после него — понедельник, 11 января 2027 года.")
    assert said[1] == "Рабочим остаётся день 31 декабря 2026 года (четверг): эта дата названа в [hours]."


@pytest.mark.parametrize(("days", "words"), [(1, "1 рабочий день"), (2, "2 рабочих дня"), (7, "7 рабочих дней")])
def test_russian_plurals(typed: CommandLine, days: int, words: str) -> None:
    """One, two and seven working days are said as they are said."""
    last_on = date(2026, 12, 7) + timedelta(days=days - 1 + (2 if days > 5 else 0))
    assert f": {words};" in typed("away", f"2026-12-07..{last_on}", "--yes").text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "yesterday",
            "was read as on Tuesday, 24 November 2026: that has passed already (today is Wednesday, 25 November",
        ),
        ("from 16 November to 20 November", "that has passed already"),
        ("from 10 December to 5 December", "the absence ends (2026-12-05) before it begins (2026-12-10)"),
        ("2026-12-01..2028-01-01", "is longer than a year: correct a date, or plan it in parts"),
        ("9999-12-31", "that is more than ten years away; correct the year"),
        ("some time", "names no days I know: write"),
        ("friday 15:00", "an absence is made of whole days"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(typed: CommandLine, words: str, said: str) -> None:
    """The past, the reversed, the endless and the unknown: status 64, a sentence with the mend, no file."""
    refused = typed("away", words, "--yes")
    assert refused.status == 64
    assert said in refused.text
    assert not typed.absences.exists()


def test_one_that_has_begun_may_still_be_planned(typed: CommandLine) -> None:
    """Who fell ill on Monday says so on Wednesday."""
    assert typed("away", "from 23 November to 27 November", "--yes").status == 0
    assert planned(typed) == [("2026-11-23", "2026-11-27")]


def test_overlapping_absences_stand_side_by_side(typed: CommandLine) -> None:
    """The second is said to meet the first, both are kept, and each can be taken back; the very same is refused."""
    assert typed("away", "from 4 December to 10 December", "--yes").status == 0
    said = typed("away", "from 8 December to 14 December", "--yes")
    assert "Пересекается с уже запланированным: с пятницы, 4 декабря 2026 года, по четверг, 10 декабря" in said.text
    assert planned(typed) == [("2026-12-04", "2026-12-10"), ("2026-12-08", "2026-12-14")]
    again = typed("away", "from 8 December to 14 December", "--yes")
    assert again.status == 64
    assert "planned already" in again.text


def test_it_asks_on_a_terminal_and_takes_no_for_an_answer(typed: CommandLine) -> None:
    """No leaves everything as it was, yes writes; without a terminal nothing is written unasked."""
    no = typed("away", "tomorrow", answers="n\n")
    assert (no.status, typed.absences.exists()) == (1, False)
    assert "Запланировать?" in no.text
    alone = typed("away", "tomorrow")
    assert (alone.status, typed.absences.exists()) == (64, False)
    assert "--yes" in alone.text
    assert typed("away", "tomorrow", answers="y\n").status == 0
    assert planned(typed) == [("2026-11-26", "2026-11-26")]


def test_words_that_a_client_does_not_read_are_warned_of(typed: CommandLine) -> None:
    """Who writes only in Russian is told that the English clients get the dates alone."""
    assert "has no words in en" in typed("away", "tomorrow", "--say", "Я в суде.", "--yes").text
    assert "has no words" not in typed("away", "friday", "--yes").text
    twice = typed("away", "monday", "--say", "a", "--say", "ru=b", "--yes")
    assert (twice.status, "write each language once" in twice.text) == (64, True)


def test_what_is_promised_for_those_days_is_said(typed: CommandLine) -> None:
    """An absence takes no promise back: whoever plans one over a due time is told of it before."""

    async def remember() -> None:
        ledger = SqliteLedger.open(typed.state / "ledger.sqlite3")
        one = ledger_build.entry("n1", address="ivan@vostok.example")
        await ledger_build.enter(ledger, ledger_build.decision(one, promises=True))
        await ledger.close()

    typed.state.mkdir(mode=0o700)
    asyncio.run(remember())
    due_on = ledger_build.DUE.date()
    typed.clock.at = ledger_build.NOW
    promised = "An answer is promised to ivan@vostok.example by "
    assert promised in typed("away", f"{due_on}", "--yes").text
    assert promised not in typed("away", f"{due_on + timedelta(days=1)}", "--yes").text


def test_what_the_file_cannot_hold_is_refused(typed: CommandLine) -> None:
    """A deputy of two lines could become a line of a letter: the configuration refuses it, nothing is written."""
    said = typed("away", "tomorrow", "--deputy", "Пётр\nx", "--yes")
    assert said.status == 64
    assert "nothing was changed: absences.deputy: must be one line" in said.text
    assert not typed.absences.exists()


def test_a_broken_configuration_is_told_first(typed: CommandLine) -> None:
    """Nothing is planned under rules that nobody can read: status 78 and the line."""
    typed.config.write_text("[owner\n")
    said = typed("away", "tomorrow", "--yes")
    assert said.status == 78
    assert f"{typed.config}:1: is not valid TOML" in said.text


BY_HAND = """\
# my own notes

[[absences]]  # the sea
from = 2026-12-24
until = 2027-01-08
say = { ru = "Море.", en = "The sea." }  # both

# the court
[[absences]]
from = 2026-12-01
until = 2026-12-02
"""


def test_a_file_written_by_hand_keeps_its_comments(typed: CommandLine) -> None:
    """Adding and taking back leave the rest of the file as it was, to the character."""
    typed.absences.write_text(BY_HAND)
    assert typed("away", "2027-03-01", "--yes").status == 0
    assert typed.absences.read_text().startswith(BY_HAND)
    assert typed("away", "cancel", "2027-03-01", "--yes").status == 0
    assert typed.absences.read_text().rstrip() == BY_HAND.rstrip()
    assert typed("away", "cancel", "24 December", "--yes").status == 0
    assert planned(typed) == [("2026-12-01", "2026-12-02")]
    assert "# my own notes" in typed.absences.read_text()


def test_a_list_in_one_line_is_changed_as_well(typed: CommandLine) -> None:
    """However the absences are written, the next one is added."""
    for text in ("", "absences = []\n", "absences = [{ from = 2026-12-01, until = 2026-12-02 }]\n"):
        typed.absences.write_text(text)
        assert typed("away", "2027-03-01", "--yes").status == 0
        assert planned(typed)[-1] == ("2027-03-01", "2027-03-01")


def test_the_list_is_in_order_of_time(typed: CommandLine) -> None:
    """Past, present and planned, for a person and for a program; the numbers are those that cancel takes."""
    assert "no absences are planned" in typed("away", "list").text
    typed.absences.write_text(BY_HAND)
    typed("away", "today", "--deputy", "Пётр", "--yes")
    typed.clock.at = at("2026-12-02 12:00")
    listed = json.loads(typed("away", "list", "--json").text)
    assert [(one["number"], one["from"], one["state"], one["deputy"]) for one in listed] == [
        (1, "2026-11-25", "past", "Пётр"), (2, "2026-12-01", "now", None), (3, "2026-12-24", "planned", None),
    ]  # fmt: skip
    assert listed[2]["say"] == {"ru": "Море.", "en": "The sea."}
    table = typed("away", "list").text
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [["1", "past"], ["2", "now"], ["3", "planned"]]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("2", ["2026-12-01"]),
        ("26 December", ["2026-12-01"]),
        ("from 24 December to 8 January", ["2026-12-01"]),
        ("1", ["2026-12-24"]),
    ],
)
def test_an_absence_is_taken_back_by_number_or_by_days(typed: CommandLine, words: str, left: list[str]) -> None:
    """Its number, its days, or any day that is its alone."""
    typed.absences.write_text(BY_HAND)
    assert typed("away", "cancel", words, "--yes").status == 0
    assert [first for first, _ in planned(typed)] == left


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "several absences are meant by that; name one by its number"),
        (["7"], "none of the absences is meant by that"),
        (["2026-12-01..2026-12-31"], "several absences are meant by that"),
        (["gibberish"], "names no days I know"),
    ],
)
def test_what_is_not_one_absence_is_not_taken_back(typed: CommandLine, words: list[str], said: str) -> None:
    """In doubt nothing happens, and the list is shown."""
    typed.absences.write_text(BY_HAND)
    refused = typed("away", "cancel", *words, "--yes")
    assert (refused.status, said in refused.text) == (64, True), refused.text
    assert typed.absences.read_text() == BY_HAND


def test_the_only_one_needs_no_name_and_one_that_goes_on_ends_with_yesterday(typed: CommandLine) -> None:
    """Who is back early ends it; that the days before were away stays true."""
    assert "there is no absence to take back" in typed("away", "cancel", "--yes").text
    typed("away", "from today to 4 December", "--yes")
    typed.clock.at = at("2026-11-30 08:00")
    assert typed("away", "cancel", answers="n\n").status == 1
    said = typed("away", "cancel", answers="y\n")
    assert "It ended with yesterday." in said.text
    assert planned(typed) == [("2026-11-25", "2026-11-29")]


def test_long_past_absences_leave_the_file(typed: CommandLine) -> None:
    """Those that ended more than thirty days ago go when the file is next written, and no sooner."""
    typed.absences.write_text(
        "".join(
            f"[[absences]]\nfrom = {first}\nuntil = {last}\n"
            for first, last in (
                ("2026-10-01", "2026-10-25"),
                ("2026-10-20", "2026-10-26"),
                ("2026-12-24", "2026-12-30"),
            )
        )
    )
    typed("away", "list")
    assert len(planned(typed)) == 3
    typed("away", "tomorrow", "--yes")
    assert [last for _, last in planned(typed)] == ["2026-10-26", "2026-12-30", "2026-11-26"]


# ------------------------------------------------------------------------------------ how it is written


def test_a_new_file_is_for_whoever_may_read_the_configuration(typed: CommandLine) -> None:
    """Its mode, owner and group are the main file's: the service has to read both, and nobody else reads either."""
    typed.config.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(typed.config, 65534, 65534)
    typed("away", "tomorrow", "--yes")
    ours, theirs = typed.absences.stat(), typed.config.stat()
    assert (ours.st_mode, ours.st_uid, ours.st_gid) == (theirs.st_mode, theirs.st_uid, theirs.st_gid)


def test_a_file_that_is_there_keeps_its_mode_and_its_link(typed: CommandLine, tmp_path: Path) -> None:
    """A mode of the owner's choice stays, and a link still leads where it led."""
    kept = tmp_path / "kept" / "away.toml"
    kept.parent.mkdir()
    kept.write_text(BY_HAND)
    kept.chmod(0o600)
    typed.absences.symlink_to(kept)
    typed("away", "tomorrow", "--yes")
    assert typed.absences.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert len(planned(typed)) == 3


def test_a_disk_that_fails_leaves_the_old_file(typed: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle of writing changes nothing and leaves nothing lying about."""
    typed.absences.write_text(BY_HAND)
    before = sorted(typed.config.parent.iterdir())

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    said = typed("away", "tomorrow", "--yes")
    assert said.status == 78
    assert "No space left on device" in said.text
    assert typed.absences.read_text() == BY_HAND
    assert sorted(typed.config.parent.iterdir()) == before


def test_commands_at_the_same_moment_lose_nothing(typed: CommandLine) -> None:
    """Ten that write at once come one after the other."""

    def write(day: int) -> None:
        def change(document: Any) -> None:
            document.setdefault("absences", [])
            document["absences"].append({"from": date(2027, 3, day), "until": date(2027, 3, day)})

        edit.write(typed.config, typed.absences, change)

    threads = [threading.Thread(target=write, args=(day,)) for day in range(1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(first for first, _ in planned(typed)) == [f"2027-03-{day:02}" for day in range(1, 11)]


def test_a_file_that_cannot_be_changed_in_place_is_written_anew() -> None:
    """What it says is right in any case; only then do its comments go."""

    def change(document: Any) -> None:
        if not edit.is_plain(document):
            raise RuntimeError
        document["a"] = {"b": 1}

    assert tomllib.loads(edit.changed("# c\nx = 1\n", change)) == {"x": 1, "a": {"b": 1}}


def test_a_folder_out_of_reach_is_named(tmp_path: Path) -> None:
    """Without the folder there is a sentence that says what to do."""
    with pytest.raises(ConfigurationError, match="type `sudo` before the command"):
        edit.write(tmp_path / "none" / "config.toml", tmp_path / "none" / "absences.toml", lambda _: None)


# --------------------------------------------------------------------------------- what others show of it


def test_check_shows_the_absences_and_the_closed_days(typed: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The week's picture names why a day is closed, and what is planned stands below it."""
    monkeypatch.setattr(check, "SystemClock", lambda: typed.clock)
    typed("away", "from today to friday", "--deputy", "Пётр", "--yes")
    typed("away", "24 December", "--yes")
    typed.clock.at = at("2026-11-26 12:00")
    shown = typed("check", "--offline").text
    for expected in (
        f"read {typed.absences}: no errors",
        "closed: away until 27 November 2026",
        "You are away until Friday, 27 November 2026; Пётр stands in",
        "You will be away on Thursday, 24 December 2026",
        "Now: closed, until Monday, 30 November 2026, 10:00",
        "меня замещает Пётр.",
    ):
        assert expected in shown


def test_explain_counts_the_absence_and_shows_its_text(typed: CommandLine) -> None:
    """The due time's steps name it, the rule says why the rules are not restated, the text is what goes out."""
    typed("away", "from 4 December to 14 December", "--yes")
    shown = typed("explain", "--from", "ivan@vostok.example", "--at", "2026-12-07 12:00").text
    for expected in (
        "Tuesday, 8 December, to Monday, 14 December: away until 14 December 2026.",
        "away until 2026-12-14: the text for absences",
        "Меня не будет на работе по понедельник, 14 декабря, включительно.",
        "Reason: short; reply: short; folder: Callbacks/2026-12-15 10-00",
    ):
        assert expected in shown
