"""A small complete configuration, and a way to write, change and load one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.config import ConfigProblems, Loaded, Problem, load

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """\
[owner]
name = "Anna Svetlova"
timezone = "Europe/Moscow"
language = "en"
also = ["anna.private@mail.example"]

[mailboxes.main]
addresses = ["anna@example.com"]
imap = { host = "imap.example.com" }
smtp = { host = "smtp.example.com" }
password = { credential = "main" }

[hours]
mon-fri = ["10:00-13:00", "14:00-19:00"]

[channels.phone]
name = "Phone"
hours = { mon-fri = ["10:00-11:00"] }

[windows.morning]
hours = { mon-fri = ["10:00-11:00"] }
channels = ["phone"]

[topics.documents]
words = ["contract*"]
response = "2 working days"

[clients.vostok]
addresses = ["ivan@vostok.example", "@vostok.example"]
timezone = "Asia/Vladivostok"

[clients.harbor]
addresses = ["maya@harbor.example"]
timezone = "Asia/Tbilisi"

[replies]
[filing]
[ledger]
"""


class Desk:
    """A directory with a configuration in it; ``changed`` edits the small one, ``problems`` tells its faults."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "config.toml"
        self.clients = directory / "clients.toml"
        self.absences = directory / "absences.toml"
        self.config.write_text(SMALL, encoding="utf-8")

    def changed(self, *changes: tuple[str, str]) -> Desk:
        """Replace texts of the file, each of which must stand in it exactly once."""
        text = self.config.read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.config.write_text(text, encoding="utf-8")
        return self

    def load(self) -> Loaded:
        """Load what stands there."""
        return load(self.config)

    def problems(self) -> tuple[Problem, ...]:
        """Return the faults; there must be some."""
        with pytest.raises(ConfigProblems) as caught:
            self.load()
        return caught.value.problems

    def only(self) -> str:
        """Return the one fault, without the directory."""
        (problem,) = self.problems()
        return str(problem).removeprefix(f"{self.config.parent}/")

    def warnings(self) -> list[str]:
        """Return the warnings, without the directory."""
        return [str(each).removeprefix(f"{self.config.parent}/") for each in self.load().warnings]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with the small configuration on it."""
    return Desk(tmp_path)
