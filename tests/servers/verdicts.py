"""What a real SMTP server says of the next mail to an address, in the test's hand.

The server asks at RCPT and after the text; the protocol is Postfix's policy delegation: lines ``name=value`` and an
empty one, answered with ``action=…``. A standing verdict holds for a local part, always.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

Phase = Literal["RCPT", "END-OF-MESSAGE"]

HOLD_SECONDS = 30.0  # a server that is never released goes on by itself


class Verdicts:
    """The policy service, in a thread; a context manager."""

    def __init__(self, standing: Mapping[str, tuple[Phase, str]] | None = None) -> None:
        self._standing = dict(standing or {})
        self._next: defaultdict[tuple[str, str], deque[str]] = defaultdict(deque)
        self._go_on = threading.Event()

    def __enter__(self) -> Self:
        verdicts = self

        class Question(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                """Answer questions until the server hangs up."""
                asked: dict[str, str] = {}
                for line in self.rfile:
                    name, equals, value = line.decode("utf-8", "replace").strip().partition("=")
                    if equals:
                        asked[name] = value
                    elif asked:
                        self.wfile.write(b"action=" + verdicts._answer(asked).encode() + b"\n\n")
                        asked = {}

        self._service = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Question)
        self._service.daemon_threads = True
        self.port: int = self._service.server_address[1]
        self._thread = threading.Thread(target=self._service.serve_forever, args=(0.1,), name="verdicts")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._service.shutdown()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._service.socket.close()

    def say(self, recipient: str, phase: Phase, words: str) -> None:
        """Let the server say that at the next mail to the address, as in ``"450 4.2.1 later"``."""
        self._next[recipient, phase].append(words)

    def hold(self, recipient: str) -> None:
        """Let the server be silent after the next text to the address, until ``go_on``; then it takes the mail."""
        self._go_on.clear()
        self._next[recipient, "END-OF-MESSAGE"].append("")

    def go_on(self) -> None:
        """End the silence."""
        self._go_on.set()

    def _answer(self, asked: Mapping[str, str]) -> str:
        recipient, phase = asked.get("recipient", ""), asked.get("protocol_state", "")
        standing = self._standing.get(recipient.partition("@")[0])
        if standing and standing[0] == phase:
            return standing[1]
        waiting = self._next[recipient, phase]
        words = waiting.popleft() if waiting else "DUNNO"
        if not words:
            self._go_on.wait(HOLD_SECONDS)
        return words or "DUNNO"
