"""Processes that are measured: wall clock, CPU, peak memory, and the line of JSON that each prints at its end."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import smtplib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process from start to end. ``wall`` and ``cpu`` in seconds; ``said`` is the JSON it printed."""

    wall: float
    cpu: float
    said: dict[str, Any]


def start(module: str, *arguments: str, log: Path) -> subprocess.Popen[str]:
    """Start ``python -m module``; its log goes to a file, as a service's does."""
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )


def run(module: str, *arguments: str, log: Path) -> Run:
    """Run ``python -m module`` to its end; RuntimeError with its log when it fails."""
    began = time.perf_counter()
    child = start(module, *arguments, log=log)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.close()
        said = child.stdout.read()
    except BaseException:
        child.kill()
        child.wait()
        raise
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode:
        raise RuntimeError(f"{module} ended with {child.returncode}:\n{log.read_text(errors='replace')[-3000:]}")
    return Run(wall=wall, cpu=usage.ru_utime + usage.ru_stime, said=json.loads(said.splitlines()[-1]))


def peak_memory() -> int:
    """Return this process's peak resident memory in octets.

    ``ru_maxrss`` will not do: a child of a bigger process inherits that one's peak through vfork.
    """
    return memory_of(os.getpid(), "VmHWM")


def memory_of(pid: int, field: str = "VmRSS") -> int:
    """Return a figure of a process's memory in octets."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def count_round_trips() -> dict[str, int]:
    """Count from now on what imaplib and smtplib exchange in this process: one number for each, and the octets."""
    counts = {"round_trips": 0, "smtp_round_trips": 0, "bytes_in": 0}

    def counted(owner: Any, name: str, count: Callable[[Any], None]) -> None:
        inner = getattr(owner, name)

        def counting(*args: Any) -> Any:
            result = inner(*args)
            count(result)
            return result

        setattr(owner, name, counting)

    def add(key: str) -> Callable[[Any], None]:
        def count(result: Any) -> None:
            counts[key] += len(result) if key == "bytes_in" else 1

        return count

    counted(imaplib.IMAP4, "_command", add("round_trips"))
    counted(imaplib.IMAP4, "read", add("bytes_in"))
    counted(imaplib.IMAP4, "readline", add("bytes_in"))
    counted(smtplib.SMTP, "getreply", add("smtp_round_trips"))
    return counts


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a running process has used; its clock's number is Linux's (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


@contextlib.contextmanager
def ended(child: subprocess.Popen[str]) -> Generator[None]:
    """End that process, by its own id, when the block ends."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
