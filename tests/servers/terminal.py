"""A program on a pseudo-terminal, and somebody who reads its questions and types answers."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A question comes at once; a busy machine, or a login that is tried, may take longer.
PATIENCE = 60.0
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The terminal and the program on it; a context manager that ends the program.

    Attributes:
        screen: all that the program wrote, without colours, lines ended by a newline.
        answered: how many answers were typed.
    """

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], *, columns: int = 160) -> None:
        self.screen = ""
        self.answered = 0
        self._seen = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        try:
            self._process = subprocess.Popen(
                ["setsid", "--ctty", "--wait", *words], stdin=slave, stdout=slave, stderr=slave, env=dict(environ)
            )
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        os.close(self._master)

    def expect(self, pattern: str, *, patience: float = PATIENCE) -> re.Match[str]:
        """Wait until something new on the screen matches; what came before it is done with."""
        deadline = time.monotonic() + patience
        while (match := re.compile(pattern).search(self.screen, self._seen)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"never seen: {pattern}\n--- since the last answer:\n{self.screen[self._seen :]}")
        self._seen = match.end()
        return match

    def answer(self, question: str, text: str, *, mend: str = "") -> None:
        """Wait for a question and type an answer; with ``mend`` it is refused with such a sentence."""
        self.expect(question)
        self.type(text + "\n")
        self.answered += 1
        if mend:
            self.expect(mend)

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def hang_up(self, number: int = signal.SIGHUP) -> None:
        """Send the program a signal."""
        os.kill(self._child(), number)

    def end(self) -> int:
        """End the program as Ctrl-C does, and return its status; what it still says is read.

        Typed again where nothing happens: a signal that comes just before Python waits for a line is heard after it.
        """
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.type("\x03")
            heard = time.monotonic() + 1.0
            while self._process.poll() is None and time.monotonic() < heard:
                self._read(0.2)
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.kill(self._child(), signal.SIGKILL)
            self._process.kill()
        return self.ended()

    def ended(self) -> int:
        """Wait for the program's own end and return its status."""
        while self._read(PATIENCE):
            pass
        return self._process.wait(PATIENCE)

    def _child(self) -> int:
        """Return the program's process: setsid has forked it off."""
        children = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        with open(children) as file:  # noqa: PTH123 - a line of the kernel's
            return int((file.read().split() or [str(self._process.pid)])[0])

    def _read(self, seconds: float) -> bool:
        """Take in what the program writes; False when nothing came, or nobody holds the terminal any more."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            octets = os.read(self._master, 65_536)
        except OSError:  # EIO: the other end is closed
            return False
        self.screen += _COLOUR.sub("", self._decoder.decode(octets)).replace("\r\n", "\n")
        return bool(octets)
