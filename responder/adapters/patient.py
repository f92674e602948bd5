"""Talking to strangers' servers without waiting for them for ever: one deadline over all that is read and written.

A time-out of a socket begins anew with each octet; a server that sends one now and then would hold us for hours.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

_LONGEST_LINE = 2_000  # octets: a greeting has 512 (RFC 5321 section 4.5.3.1.5), some are talkative


class Deadline:
    """The end of our patience, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; none left raises TimeoutError."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left


class PatientReader(io.RawIOBase):
    """What a socket receives, until the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Receive into the buffer; return how many octets came."""
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


def send(sock: socket.socket, octets: bytes, deadline: Deadline) -> None:
    """Send all of it before the deadline."""
    sock.settimeout(deadline.left())
    sock.sendall(octets)


def read_line(sock: socket.socket, deadline: Deadline) -> bytes:
    """Read one line and nothing after it, so that no plain text is left over when TLS begins."""
    line = bytearray()
    while not line.endswith(b"\n"):
        sock.settimeout(deadline.left())
        octet = sock.recv(1)
        if not octet or len(line) >= _LONGEST_LINE:
            raise ConnectionError("no line came")
        line += octet
    return bytes(line)
