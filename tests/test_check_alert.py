"""``check`` says how alerts go, and with ``--alert`` gives one for trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.commands.check import check
from tests.config.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _config(folder: Path, alerts: str, word: str = "") -> Path:
    path = folder / "config.toml"
    text = SMALL.replace("[clients.vostok]", f"[clients.vostok]\n{word}")
    path.write_text(f"{text}\n[alerts]\n{alerts}\n", encoding="utf-8")
    return path


def test_it_says_who_is_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way is named, or that there is none; without the option nobody is called."""
    told = tmp_path / "told"
    assert check(_config(tmp_path, f'command = ["sh", "-c", "cat > {told}"]'), offline=True) == 0
    assert "alerts: by the command sh\n" in capsys.readouterr().out
    assert not told.exists()
    assert check(_config(tmp_path, ""), offline=True) == 0
    assert "alerts: nobody is called" in capsys.readouterr().out


def test_a_trial_alert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes the way of any other, and a failure is told and is the status."""
    told = tmp_path / "told"
    assert check(_config(tmp_path, f'command = ["sh", "-c", "cat > {told}"]'), offline=True, alert=True) == 0
    assert "The trial alert was taken." in capsys.readouterr().out
    assert told.read_text(encoding="utf-8") == "This is a trial: alerts of responder reach you here."
    for alerts, said in (('command = ["false"]', "false ended with status 1"), ("", "[alerts] names nobody to call")):
        assert check(_config(tmp_path, alerts), offline=True, alert=True) == 1
        assert said in " ".join(capsys.readouterr().out.split())


def test_the_urgent_reply_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a word is agreed the sample of the urgent reply stands beside the others, and the full one names it."""
    check(_config(tmp_path, 'command = ["bell"]', 'urgent_word = "URGENT"'), offline=True)
    shown = capsys.readouterr().out
    assert "urgent reply to a message of" in shown
    assert "I have been sent an alert" in " ".join(shown.replace("│", " ").split())
    assert "put the word “URGENT” into the subject" in " ".join(shown.replace("│", " ").split())
    check(_config(tmp_path, 'command = ["bell"]'), offline=True)
    assert "urgent reply" not in capsys.readouterr().out
