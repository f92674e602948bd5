"""The coverage-guided fuzzer runs for a bounded time and finds no broken promise."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.matrix

#: Enough for some thousands of inputs; hours of it are for a person to start (``tests/faults/fuzz_message.py``).
SECONDS = 60
ROOT = Path(__file__).parents[2]


def test_following_the_branches_finds_nothing(tmp_path: Path) -> None:
    """Inputs that reach new branches of the readers, made from the golden letters, break no promise either."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("the coverage-guided fuzzer was left out: atheris is not installed (the extra `fuzz`)")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.fuzz_message", str(tmp_path), str(SECONDS)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=20 * SECONDS,
        check=False,
    )
    crashes = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, (crashes, done.stdout[-3000:], done.stderr[-3000:])
    assert not crashes
    runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 100
    print(f"{runs[1]} inputs in {SECONDS} s")
