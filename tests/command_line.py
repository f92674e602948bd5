"""The command line inside the test's process: words in, exit status and text out, at an hour of the test's choosing."""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from responder import cli
from responder.commands import away, client, client_card, edit
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and all that it printed."""

    status: int
    text: str


class CommandLine:
    """A folder with a configuration, and somebody who types in it; ``answers`` are what they type when asked."""

    def __init__(
        self, folder: Path, now_at: datetime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.config = folder / "config.toml"
        self.clients = folder / "clients.toml"
        self.absences = folder / "absences.toml"
        self.state = folder / "state"
        self.clock = FixedClock(now_at)
        self._patch = monkeypatch
        self._capsys = capsys
        shutil.copyfile(EXAMPLE, self.config)
        for room in (away, client, client_card):
            monkeypatch.setattr(room, "SystemClock", lambda: self.clock)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("STATE_DIRECTORY", str(self.state))

    def __call__(self, *words: str, answers: str | None = None) -> Said:
        """Run one command; with ``answers`` it sits on a terminal."""
        self._patch.setattr(sys, "argv", ["responder", *words, "--config", str(self.config)])
        self._patch.setattr(sys, "stdin", io.StringIO(answers or ""))
        self._patch.setattr(edit, "on_terminal", lambda: answers is not None)
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.run()
        printed = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), printed.out + printed.err)
