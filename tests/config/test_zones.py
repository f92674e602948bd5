"""Time zones come from the system, else from the package; one that is in neither is an error when the file is read."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.config.test_example import EXAMPLE

if TYPE_CHECKING:
    from pathlib import Path

_CHECK = ["-m", "responder", "check", "--offline", "--config", str(EXAMPLE)]
_WITHOUT_THE_PACKAGE = """
import sys
sys.modules["tzdata"] = None
sys.argv[0] = "responder"
from responder.__main__ import main
main()
"""


def _run(*arguments: str, zones: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONTZPATH": zones, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], env=environ, capture_output=True, text=True, check=False, cwd=EXAMPLE.parent
    )


def test_without_the_systems_zones_the_packages_are_used_and_named() -> None:
    """On a machine without zone files everything works, and `check` says whose data it is."""
    done = _run(*_CHECK, zones="")
    assert done.returncode == 0, done.stderr
    assert "(the package's)" in done.stdout


def test_without_any_zones_the_file_is_refused_with_a_sentence() -> None:
    """No zone data at all is told in one sentence when the file is read, with what to do; it is no traceback."""
    done = _run("-c", _WITHOUT_THE_PACKAGE, *_CHECK[2:], zones="")
    assert done.returncode == 78, done.stdout + done.stderr
    assert "time zone data is missing" in done.stderr
    assert "tzdata" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"nonsense", b"TZif2" + b"\0" * 10])
def test_a_damaged_zone_file_is_refused_with_its_line(tmp_path: Path, content: bytes) -> None:
    """A zone file of the system that is cut or overwritten is a fault of that line, not of three in the morning."""
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Moscow").write_bytes(content)
    done = _run(*_CHECK, zones=str(tmp_path))
    assert done.returncode == 78, done.stdout + done.stderr
    assert "owner.timezone" in done.stderr
    assert "Traceback" not in done.stderr
