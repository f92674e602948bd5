"""An alarm that wakes a thread out of a wait on sockets.

Promises ``mailbox`` that a ring is never lost: it ends the running wait, or the next one.
"""

from __future__ import annotations

import contextlib
import os
import select
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Alarm:
    """A pipe to poll on. Ring it from any thread; its descriptors close with the object."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        weakref.finalize(self, _close, self._read, self._write)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when it rings."""
        return self._read

    def ring(self) -> None:
        """Wake who waits, or who will wait next."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full: it rings already
            os.write(self._write, b"!")

    def cleared(self) -> bool:
        """Tell whether it rang, and be silent again."""
        try:
            return bool(os.read(self._read, 65_536))
        except BlockingIOError:
            return False


def readable_within(descriptors: Iterable[int], seconds: float) -> bool:
    """Wait until one of the descriptors is readable, at most so long; tell whether one is."""
    poller = select.poll()  # select() fails on descriptors above 1023
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(max(seconds, 0) * 1000))


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
