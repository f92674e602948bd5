"""The owner's command: gets the text, only the text, and cannot hold anything up."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from responder.adapters import alerts
from responder.adapters.alerts import alert
from responder.errors import TemporaryError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Срочно: клиент «Восток»\n$(touch here) `id`\nsecond line"


def _python(script: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script, *arguments)


async def test_the_text_comes_on_standard_input(tmp_path: Path) -> None:
    """The command reads the text from its input as UTF-8, and finds nothing of it among its arguments."""
    out = tmp_path / "out"
    script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read() + repr(sys.argv[2:]).encode())"
    await alert(_python(script, str(out)), TEXT)
    assert out.read_bytes() == TEXT.encode() + b"[]"


async def test_a_command_that_reads_nothing_is_fine() -> None:
    """A command may end without reading, even where the text does not fit into the pipe."""
    await alert(_python("pass"), TEXT * 50_000)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (_python("raise SystemExit(3)"), "ended with status 3"),
        (("no-such-program-anywhere",), "could not be started"),
        ((), "names no program"),
        (("nul\0byte",), "could not be started"),
        (_python("import os; os.kill(os.getpid(), 9)"), "status -9"),
    ],
)
async def test_a_failure_is_told_without_the_text(command: tuple[str, ...], words: str) -> None:
    """What went wrong is said; the text, which may name a client, is not repeated."""
    with pytest.raises(TemporaryError, match=words) as caught:
        await alert(command, TEXT)
    assert "Восток" not in str(caught.value)


async def test_a_command_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit the command and what it started are gone."""
    monkeypatch.setattr(alerts, "LIMIT_SECONDS", 1.0)
    pipe = tmp_path / "alive"
    script = (
        "import subprocess, sys, time\n"
        'child = \'import sys, time; f = open(sys.argv[1], "w"); f.write("up"); f.flush(); time.sleep(60)\'\n'
        "subprocess.Popen([sys.executable, '-c', child, sys.argv[1]])\n"
        "time.sleep(60)\n"
    )
    # A pipe shows when its last writer, the grandchild, has gone: reading it then ends.
    reader = await asyncio.create_subprocess_exec(
        "sh", "-c", 'mkfifo "$0"; echo made; cat "$0"', pipe, stdout=asyncio.subprocess.PIPE
    )
    assert reader.stdout is not None
    assert await reader.stdout.readline() == b"made\n"
    with pytest.raises(TemporaryError, match="did not end within 1 s"):
        await alert(_python(script, str(pipe)), TEXT)
    async with asyncio.timeout(10):
        assert await reader.stdout.read() == b"up"
        await reader.wait()


async def test_a_cancelled_alert_leaves_no_command_behind(tmp_path: Path) -> None:
    """When the daemon stops in the middle, the command is stopped too."""
    started = tmp_path / "started"
    script = "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(60)"
    task = asyncio.create_task(alert(_python(script, str(started)), TEXT))
    async with asyncio.timeout(10):
        while not started.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
