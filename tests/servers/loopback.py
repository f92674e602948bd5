"""Ports of loopback: free ones, and whether somebody listens."""

from __future__ import annotations

import contextlib
import random
import socket
from collections import deque

#: Below those that the kernel lends to outgoing connections: one of these could take the port until its server starts.
_PORTS = range(15_000, 32_000)
#: The tests' own seed is the same in every process, and so would the ports be.
_CHANCE = random.SystemRandom()
#: Given out last: a server that was told one of them may not listen yet.
_LENT: deque[int] = deque(maxlen=1_000)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, and that this process was not given a short while ago."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = _CHANCE.choice(_PORTS)
            each = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                each.bind(("127.0.0.1", port))
                if port not in _LENT:
                    found.append(port)
                    _LENT.append(port)
    return found


def listens(port: int) -> bool:
    """Tell whether somebody listens on that port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
