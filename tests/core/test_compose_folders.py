"""The folder's name: the owner's pattern, in the owner's clock, and nothing in a name can change its shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core.compose import check_templates, folder_name
from responder.core.model import FilingRules, Policy, Window
from responder.errors import ConfigurationError
from tests.core.build import at, client, owner, policy

WINDOW = Window(key="morning", opens_at=at("2026-11-30 10:00"), closes_at=at("2026-11-30 11:00"), channels=("phone",))


def _rules(folder: str, name: str = "ООО «Восток»", zone: str = "Europe/Moscow") -> Policy:
    return policy(
        owner=owner(zone),
        clients=(client(name=name),),
        filing=FilingRules(folder=folder, finished="Done", during_hours=False),
    )


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("Callbacks/{opens:%Y-%m-%d %H-%M}", "Vostok", "Callbacks/2026-11-30 10-00"),
        ("Callbacks/{opens}", "Vostok", "Callbacks/2026-11-30 10-00"),
        ("{opens:%Y/%m/%d}/{window}/{client}/{topic}", "Vostok", "2026/11/30/morning/Vostok/documents"),
        ("Обратный звонок/{client}", "ООО «Восток»", "Обратный звонок/ООО «Восток»"),
        ("C/{client}", "a/b\\c%d*e", "C/a-b-c-d-e"),
        ("C/{client}", "..", "C"),
        ("C/{client} {topic}", " . Vostok . ", "C/Vostok documents"),
        ("C/{client}", "{opens}", "C/{opens}"),
        ("C/{client}", "Vos\r\ntok\u202e", "C/Vos tok"),
        ("C/{client}", "V" * 300, "C/" + "V" * 100),
        ("C//{client}/", "V", "C/V"),
    ],
)
def test_the_pattern_is_filled_in(folder: str, name: str, expected: str) -> None:
    """Values are data: no slash, wildcard or dot at an end comes through from one."""
    assert folder_name(_rules(folder, name), WINDOW, "vostok", "documents") == expected


def test_opens_is_the_owners_clock() -> None:
    """A window that opens at 10:00 in Moscow is the folder of 17:00 for an owner in Vladivostok."""
    assert folder_name(_rules("{opens:%d %H-%M}", zone="Asia/Vladivostok"), WINDOW, "", "") == "30 17-00"


def test_a_missing_value_leaves_no_empty_level() -> None:
    """Without a client and a topic their levels are left out."""
    assert folder_name(_rules("C/{client}/{topic}/{opens:%d}"), WINDOW, "", "") == "C/30"


@pytest.mark.parametrize(
    "folder",
    [
        "C/{open}",
        "C/{opens:%A}",
        "C/{opens:%}",
        "C/{client:%Y}",
        "C/{client.name}",
        "C/{client!r}",
        "C/{",
        "C/*",
        "C/%d",
        "C/\n",
        "{topic}",
        "",
        "../{topic}",
    ],
)
def test_a_bad_pattern_is_a_fault(folder: str) -> None:
    """A pattern with an unknown field, a wildcard or no name of its own is refused at load."""
    with pytest.raises(ConfigurationError):
        folder_name(_rules(folder), WINDOW, "vostok", "documents")
    assert [fault.path for fault in check_templates(_rules(folder))] == ["filing.folder"]


@settings(deadline=None)  # the first example reads the locale files
@given(st.text(), st.text())
def test_any_name_gives_one_level(name: str, topic: str) -> None:
    """Whatever a client is called, it is at most one level of at most 100 characters without wildcards."""
    folder = folder_name(_rules("C/{client}/{topic}", name), WINDOW, "vostok", topic)
    first, *levels = folder.split("/")
    assert first == "C"
    assert len(levels) <= 2
    assert all(0 < len(level) <= 100 and level == level.strip(" .") for level in levels)
    assert not set(folder) & set("%*\\\r\n\0")
