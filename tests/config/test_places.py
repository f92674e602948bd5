"""Where the configuration and the state lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from responder.config import find, places, stamp, state_directory
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.config.conftest import Desk


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_first_place_that_has_a_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, $CONFIGURATION_DIRECTORY, ./, the XDG config home, ~/.config, /etc: in this order."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(places, "SYSTEM_CONFIG", _touch(tmp_path / "etc/responder/config.toml"))
    environ = {
        "CONFIGURATION_DIRECTORY": f"{tmp_path}/unit:{tmp_path}/second",
        "XDG_CONFIG_HOME": f"{tmp_path}/xdg",
        "HOME": f"{tmp_path}/home",
    }
    without_xdg = {"HOME": f"{tmp_path}/home", "XDG_CONFIG_HOME": "relative"}
    assert find(None, environ) == tmp_path / "etc/responder/config.toml"
    home = _touch(tmp_path / "home/.config/responder/config.toml")
    assert find(None, environ) == tmp_path / "etc/responder/config.toml"
    assert find(None, without_xdg) == home
    xdg = _touch(tmp_path / "xdg/responder/config.toml")
    assert find(None, environ) == xdg
    _touch(Path("config.toml"))
    assert find(None, environ) == Path("config.toml")
    second = _touch(tmp_path / "second/config.toml")
    assert find(None, environ) == second
    unit = _touch(tmp_path / "unit/config.toml")
    assert find(None, environ) == unit
    assert find(tmp_path / "other.toml", environ) == tmp_path / "other.toml"


def test_a_new_configuration_belongs_to_the_machine_or_to_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's is the service's; anybody else's lies where it is looked for in their home."""
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path)}
    assert places.new_place(environ, as_root=True) == places.SYSTEM_CONFIG
    assert places.new_place({}, as_root=False) == places.SYSTEM_CONFIG
    mine = places.new_place(environ, as_root=False)
    assert mine == tmp_path / ".config/responder/config.toml"
    _touch(mine)
    assert find(None, environ) == mine


def test_without_a_file_the_places_tried_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names every place and what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/config.toml")
    with pytest.raises(ConfigurationError) as caught:
        find(None, {"CONFIGURATION_DIRECTORY": "/nowhere", "HOME": str(tmp_path)})
    assert str(caught.value) == (
        "no configuration found (tried /nowhere/config.toml, config.toml, "
        f"{tmp_path}/.config/responder/config.toml, {tmp_path}/etc/config.toml); "
        "name one with --config, or make one with `responder init`"
    )


def test_a_file_out_of_reach_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known place that may not be searched is no reason to say that there is none; a strange folder is."""
    monkeypatch.chdir(tmp_path)

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert find(None, {}) == Path("/etc/responder/config.toml")


def test_the_state_has_its_order_too(tmp_path: Path) -> None:
    """--state, $STATE_DIRECTORY, /var/lib for the configuration in /etc, the XDG state home, ~/.local/state."""
    mine, system = tmp_path / "config.toml", Path("/etc/responder/config.toml")
    home = {"HOME": "/home/anna"}
    xdg = home | {"XDG_STATE_HOME": "/xdg"}
    unit = xdg | {"STATE_DIRECTORY": "/var/lib/unit:/var/lib/other"}
    assert state_directory(Path("x"), unit, system) == Path("x")
    assert state_directory(None, unit, system) == Path("/var/lib/unit")
    assert state_directory(None, xdg, system) == Path("/var/lib/responder")
    assert state_directory(None, xdg, mine) == Path("/xdg/responder")
    assert state_directory(None, home, mine) == Path("/home/anna/.local/state/responder")
    with pytest.raises(ConfigurationError, match="--state"):
        state_directory(None, {}, mine)


def test_the_stamp_changes_with_every_file(desk: Desk) -> None:
    """A change of content, a new file of clients and its removal all show; nothing else does."""
    settings = desk.load().settings
    first = stamp(settings)
    assert stamp(settings) == first
    desk.clients.write_text("", encoding="utf-8")
    second = stamp(settings)
    assert second != first
    other = desk.config.with_name("new")
    other.write_bytes(desk.config.read_bytes())
    status = desk.config.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(desk.config)  # an editor's way: same size, same time, another inode
    third = stamp(settings)
    assert third != second
    desk.clients.unlink()
    desk.config.write_text(desk.config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert stamp(settings) not in (first, second, third)


def test_the_stamp_shows_absences_that_come_change_and_go(desk: Desk) -> None:
    """A file of absences that appears, is rewritten or vanishes is a change; its return to what it was is none."""
    settings = desk.load().settings
    before = stamp(settings)
    desk.absences.write_text("[[absences]]\nfrom = 2026-12-24\nuntil = 2027-01-08\n", encoding="utf-8")
    written = stamp(settings)
    desk.absences.write_text("absences = []\n", encoding="utf-8")
    changed = stamp(settings)
    desk.absences.unlink()
    assert len({before, written, changed}) == 3
    assert stamp(settings) == before


def test_finding_a_file_needs_no_pydantic() -> None:
    """Importing the package for ``find`` and the settings' types leaves the heavy libraries alone."""
    code = "import sys, responder.config; print([m for m in ('pydantic', 'babel', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
