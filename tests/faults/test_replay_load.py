"""Ten thousand past messages are replayed in bounded memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, letter
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

COUNT = 10_000
#: The modules that it needs take 75 MB; the rest is one chunk of messages and a line for each.
MOST_KB = 250_000
SENDERS = ("ivan@vostok.example", "kolya@vostok.example", "who@nowhere.example", "noreply@vostok.example")
#: Prints the greatest resident KB of its own life, whatever its parent took.
CHILD = """
import re, sys
from pathlib import Path
from responder.__main__ import main
sys.argv = ["responder", *sys.argv[1:]]
try:
    main()
finally:
    print("peak", re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def test_ten_thousand_messages(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every one of them gets its row, and memory does not grow with them by more than a line each."""
    with ThreadedSmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock)
        first = at("2026-10-20 00:00")
        with scene.program.session() as imap:
            for number in range(COUNT):
                raw = letter(SENDERS[number % 4], f"mail {number}", "Text. " * 200)
                imap.append("INBOX", raw, (), first + timedelta(minutes=3 * number))
        began = time.monotonic()
        done = subprocess.run(
            [
                *[sys.executable, "-c", CHILD, "replay", "--since", "2026-10-01", "--json"],
                *["--config", str(scene.config), "--state", str(scene.state)],
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(EXAMPLE.parent)},
        )
        seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-3_000:]
    rows = json.loads(done.stdout)
    found = re.search(r"^peak (\d+)", done.stderr, re.MULTILINE)
    assert found is not None
    with capsys.disabled():
        print(f" [{len(rows)} messages in {seconds:.0f} s, {int(found[1]) // 1000} MB]", end="")
    assert len(rows) == COUNT
    assert int(found[1]) < MOST_KB
