"""Faults: which line, which path, which sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from responder.config import Problem
from responder.errors import ConfigurationError
from tests.config.conftest import SMALL

if TYPE_CHECKING:
    from tests.config.conftest import Desk

SINGLE = tomllib.loads(Path(__file__).with_name("faults.toml").read_text(encoding="utf-8"))["fault"]


@pytest.mark.parametrize("fault", SINGLE, ids=[fault["says"] for fault in SINGLE])
def test_one_fault_is_one_line_with_its_place_and_a_sentence(desk: Desk, fault: dict[str, str]) -> None:
    """Each fault is told once, at its own line and path, with what is allowed, and in no library's words."""
    said = desk.changed((fault["take"], fault["put"])).only()
    assert said.startswith(f"config.toml:{fault['says']}")
    assert fault.get("hint", "") in said
    assert "\n" not in said
    for jargon in ("Input should", "valid dictionary", "type=", "pydantic", "Traceback", "None"):
        assert jargon not in said


def test_next_window_for_a_client_whom_none_suits_is_a_fault(desk: Desk) -> None:
    """A term that would never end is refused, at the client's own term or at the client."""
    desk.changed(('timezone = "Asia/Tbilisi"', 'timezone = "Pacific/Honolulu"\nresponse = "next window"'))
    assert desk.only().startswith("config.toml:35: clients.harbor.response: no callback window suits this client")
    desk.changed(('response = "next window"', ""), ('"2 working days"', '"next window"'))
    assert desk.only().startswith("config.toml:32: clients.harbor: no callback window suits this client")
    assert desk.only().endswith("(topics.documents.response)")


def test_next_window_without_any_window_is_a_fault(desk: Desk) -> None:
    """Where the owner has no windows at all it is told once, at the term."""
    desk.changed(
        ('[windows.morning]\nhours = { mon-fri = ["10:00-11:00"] }\nchannels = ["phone"]\n', ""),
        ("[ledger]", '[response]\ndefault = "next window"'),
    )
    assert desk.only().startswith('config.toml:36: response.default: "next window" needs a callback window')


def test_ten_faults_in_two_files_are_ten_lines(desk: Desk) -> None:
    """Everything is told at once, in the order of the files and their lines."""
    desk.changed(
        ('timezone = "Europe/Moscow"', 'timezone = "Europe/Moskow"\nlangage = "ru"'),
        ('"imap.example.com" }', '"imap.example.com", port = "993" }'),
        ('"14:00-19:00"', '"14:00-26:00"'),
        ('channels = ["phone"]', 'channels = ["fone"]'),
        ('"2 working days"', '"2 workdays"'),
        ("[filing]", '[templates.en]\nfull = "{{ wen }}"\n[filing]'),
    )
    desk.clients.write_text(
        '[clients.linden]\naddresses = [\n  "@gmx.de",\n  "maya@harbor.example",\n]\ntimezone = "CET+1"\n\n'
        '[clients.vostok]\naddresses = ["b@c.example"]\ntimezone = "Asia/Tokyo"\n',
        encoding="utf-8",
    )
    problems = desk.problems()
    assert [(each.file.rpartition("/")[2], each.line, each.path) for each in problems] == [
        ("config.toml", 3, "owner.timezone"),
        ("config.toml", 4, "owner.langage"),
        ("config.toml", 10, "mailboxes.main.imap.port"),
        ("config.toml", 15, "hours.mon-fri"),
        ("config.toml", 23, "windows.morning.channels"),
        ("config.toml", 27, "topics.documents.response"),
        ("config.toml", 39, "templates.en.full"),
        ("clients.toml", 3, "clients.linden.addresses"),
        ("clients.toml", 4, "clients.linden.addresses"),
        ("clients.toml", 6, "clients.linden.timezone"),
        ("clients.toml", 8, "clients.vostok"),
    ]
    with pytest.raises(ConfigurationError) as caught:
        desk.load()
    assert str(caught.value).split("\n") == [str(each) for each in problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\na = 2\n", ":2: is not valid TOML: a key stands twice (column 6)"),
        ("[owner]\nname Anna\n", ":2: is not valid TOML: a key must be followed by = (column 6)"),
        (
            "[owner]\nname = Anna\n",
            ':2: is not valid TOML: no value that TOML knows: text stands in straight quotes "…" (column 8)',
        ),
        ('a = ["x",\n"y"\n\n', ":2: is not valid TOML: a list lacks its closing bracket"),
        ("a = 1" + "0" * 5000, ":1: is not valid TOML: "),
        ("a = " + "[" * 60 + "]" * 60, ": is nested too deeply"),
        ("a = " + "[" * 5000, ": is nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_one_problem(desk: Desk, text: str, said: str) -> None:
    """The line is tomllib's, the words are a person's."""
    desk.config.write_text(text, encoding="utf-8")
    assert desk.only().startswith(f"config.toml{said}")


def test_a_file_that_is_no_text_is_one_problem(desk: Desk) -> None:
    """Bytes that are no UTF-8 are told with their line."""
    desk.config.write_bytes(b'[owner]\nname = "\xc0\xed\xed\xe0"\n')
    assert desk.only() == "config.toml:2: is not UTF-8 text: save it as UTF-8"


def test_a_missing_file_is_one_problem(desk: Desk) -> None:
    """A path that leads nowhere is told, not raised."""
    desk.config.unlink()
    assert desk.only() == "config.toml: cannot be read: No such file or directory"


def test_the_clients_file_is_looked_at_even_if_the_main_file_is_broken(desk: Desk) -> None:
    """A fault of TOML in one file hides no fault of form in the other."""
    desk.config.write_text("[owner", encoding="utf-8")
    desk.clients.write_text("[clients.a]\nzone = 1\n[owner]\n", encoding="utf-8")
    assert [(each.file.rpartition("/")[2], each.line, each.path) for each in desk.problems()] == [
        ("config.toml", 1, ""),
        ("clients.toml", 1, "clients.a.addresses"),
        ("clients.toml", 1, "clients.a.timezone"),
        ("clients.toml", 2, "clients.a.zone"),
        ("clients.toml", 3, "owner"),
    ]


def test_an_inline_password_needs_a_file_of_ones_own(desk: Desk) -> None:
    """In a file that others may read it is a fault that does not repeat the password, in a 0600 one a warning."""
    desk.changed(('{ credential = "main" }', '"hunter2"'))
    desk.config.chmod(0o640)
    said = desk.only()
    assert said.startswith("config.toml:11: mailboxes.main.password: a password stands in a file that others may read")
    assert "hunter2" not in said
    desk.config.chmod(0o600)
    (warning,) = desk.warnings()
    assert warning.startswith("config.toml:11: mailboxes.main.password: the password stands in the file itself; ")
    loaded = desk.load()
    assert loaded.settings.mailboxes[0].password.value == "hunter2"
    assert "hunter2" not in repr(loaded.settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([('"Asia/Tbilisi"', '"Pacific/Honolulu"')], "32: clients.harbor: no callback window suits this client"),
        ([('"2 working days"', '"2 working hours"')], None),
        ([('"2 working days"', '"1 hour"')], '26: topics.documents.response: "1 hour" can end in closed time'),
        ([('"2 working days"', '"1 hour"')], "26: topics.documents.response: can fall due before any"),
        ([("[clients.vostok]", "[clients.a]"), ("[ledger]", '[clients.a.people]\n"ivan@vostk.example" = "Ivan"')],
         '39: clients.a.people."ivan@vostk.example": "ivan@vostk.example" is no address of'),
    ],
)  # fmt: skip
def test_what_is_allowed_but_odd_is_a_warning(desk: Desk, changes: list[tuple[str, str]], said: str | None) -> None:
    """A warning has its place like a fault, and the configuration loads."""
    warnings = desk.changed(*changes).warnings()
    if said is None:
        assert warnings == []
    else:
        assert any(each.startswith(f"config.toml:{said}") for each in warnings)


def test_no_clients_and_no_windows_are_warned_of(desk: Desk) -> None:
    """Rules for nobody load, and say so."""
    text = SMALL[: SMALL.index("[windows")]
    desk.config.write_text(text, encoding="utf-8")
    assert desk.warnings() == [
        "config.toml: clients: there are no clients: every sender is a stranger",
        "config.toml: windows: there are no callback windows: nothing is filed",
    ]


def test_a_problem_prints_its_place() -> None:
    """File, line, path and sentence, without what is not there."""
    assert str(Problem(file="config.toml", line=12, path="a.b", text="no")) == "config.toml:12: a.b: no"
    assert str(Problem(file="config.toml", line=0, path="", text="no")) == "config.toml: no"
