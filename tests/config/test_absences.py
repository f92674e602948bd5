"""The file of absences: what it holds, and its faults with their lines."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from responder.config import load
from responder.core.model import Absence

if TYPE_CHECKING:
    from tests.config.conftest import Desk

GOOD = """\
# by hand

[[absences]]
from = 2026-12-24
until = 2027-01-08
say = "I am at the sea."
deputy = "Pyotr Ivanov"

[[absences]]
until = 2026-12-01
from = 2026-12-01
[absences.say]
en = "A hearing."
ru = "Заседание."
"""


def test_the_file_is_read_as_part_of_the_rules(desk: Desk) -> None:
    """Absences keep the order of their file; a plain word is in the owner's language, and the file is named as read."""
    desk.absences.write_text(GOOD, encoding="utf-8")
    loaded = desk.load()
    assert loaded.policy.absences == (
        Absence(
            from_on=date(2026, 12, 24),
            until_on=date(2027, 1, 8),
            say={"en": "I am at the sea."},
            deputy="Pyotr Ivanov",
        ),
        Absence(from_on=date(2026, 12, 1), until_on=date(2026, 12, 1), say={"en": "A hearing.", "ru": "Заседание."}),
    )
    assert loaded.settings.files == (desk.config, desk.absences)
    assert loaded.warnings == ()


def test_without_the_file_nobody_is_away(desk: Desk) -> None:
    """No file, or an empty one, means no absence."""
    assert desk.load().policy.absences == ()
    desk.absences.touch()
    assert desk.load().policy.absences == ()


@pytest.mark.parametrize(
    ("take", "put", "said"),
    [
        ("2027-01-08", "2026-12-23", "5: absences.until: the absence ends (2026-12-23) before it begins (2026-12-24)"),
        ("2027-01-08", "2027-12-26", "5: absences.until: 2026-12-24 to 2027-12-26 is longer than a year"),
        ("from = 2026-12-24\n", "", "3: absences.from: is missing: the first day you are away"),
        ("from = 2026-12-01", 'from = "2026-12-01"', "11: absences.from: must be a date like 2026-09-01, without"),
        ("from = 2026-12-01", "from = 2026-12-01 10:00:00", "11: absences.from: must be a date like 2026-09-01"),
        ("until = 2026-12-01", "util = 2026-12-01", "9: absences.until: is missing"),
        ('deputy = "Pyotr', 'say2 = "Pyotr', "7: absences.say2: unknown key; allowed here: from, until, say, deputy"),
        ('ru = "Заседание."', 'russian = "Заседание."', '14: absences.say.russian: "russian" is no language'),
        ('"Pyotr Ivanov"', '"Pyotr\\nIvanov"', "7: absences.deputy: must be one line without control characters"),
        ("[[absences]]\nfrom", "[absences]\nfrom", "9: is not valid TOML"),
        ("# by hand", "days = 3", "1: days: unknown key; allowed here: absences"),
    ],
)
def test_each_fault_has_its_line_in_the_file(desk: Desk, take: str, put: str, said: str) -> None:
    """A slip in an absence is told at the line of that very absence."""
    assert GOOD.count(take) == 1
    desk.absences.write_text(GOOD.replace(take, put), encoding="utf-8")
    told = [str(each).removeprefix(f"{desk.config.parent}/") for each in desk.problems()]
    assert any(each.startswith(f"absences.toml:{said}") for each in told), told
    assert all(each.startswith("absences.toml:") for each in told), told
    assert len(told) == (2 if put.startswith("util") else 1), told


def test_faults_of_all_three_files_are_told_at_once(desk: Desk) -> None:
    """Main file, clients, absences: in this order, each with its line."""
    desk.changed(('timezone = "Europe/Moscow"', 'timezone = "Europe/Moskow"'))
    desk.clients.write_text("[clients.a]\nzone = 1\n", encoding="utf-8")
    desk.absences.write_text("[[absences]]\nfrom = 2026-12-24\n", encoding="utf-8")
    assert [(each.file.rpartition("/")[2], each.line) for each in desk.problems()] == [
        ("config.toml", 3), ("clients.toml", 1), ("clients.toml", 1), ("clients.toml", 2), ("absences.toml", 1),
    ]  # fmt: skip


def test_words_that_a_client_does_not_read_are_warned_of(desk: Desk) -> None:
    """A missing language is no fault: those clients are told the dates, and `check` says so."""
    desk.changed(('timezone = "Asia/Tbilisi"', 'timezone = "Asia/Tbilisi"\nlanguage = "ru"'))
    desk.changed(('name = "Phone"', 'name = { en = "Phone", ru = "Телефон" }'))
    desk.absences.write_text(GOOD, encoding="utf-8")
    assert desk.warnings() == [
        "absences.toml:6: absences.say: has no words in ru: clients who read that are told the dates only"
    ]


def test_a_change_can_be_tried_before_it_is_made(desk: Desk) -> None:
    """The text that is about to be written is judged in place of the file's, with its lines, and nothing is written."""
    loaded = load(desk.config, {desk.absences: GOOD})
    assert len(loaded.policy.absences) == 2
    assert not desk.absences.exists()
    desk.absences.write_text("broken", encoding="utf-8")
    assert load(desk.config, {desk.absences: "absences = []"}).policy.absences == ()
