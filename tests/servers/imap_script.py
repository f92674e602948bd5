"""A scripted IMAP server on loopback: says exactly what a test wants, and remembers what it was told."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from responder.adapters.mailbox import ImapMailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Answer = str | bytes | None
PASSWORD = "correct horse"
CLOSE = b"\x00close"  # an answer that ends the connection

GREETING = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"
BASICS: dict[str, str] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS MOVE NAMESPACE\r\n{tag} OK done\r\n",
    "AUTHENTICATE": "+ \r\n",
    "LOGIN": "{tag} OK welcome\r\n",
    "NAMESPACE": '* NAMESPACE (("" "/")) NIL NIL\r\n{tag} OK done\r\n',
    "LIST": '* LIST () "/" INBOX\r\n* LIST () "/" Sent\r\n{tag} OK done\r\n',
    "SELECT": "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 2] n\r\n{tag} OK [READ-WRITE] done\r\n",
    "NOOP": "{tag} OK done\r\n",
    "UID SEARCH": "* SEARCH 1\r\n{tag} OK done\r\n",
    "IDLE": "+ idling\r\n",
    "DONE": "{tag} OK idle over\r\n",
    "LOGOUT": "* BYE bye\r\n{tag} OK done\r\n",
}


class ScriptedImap:
    """One thread per connection. ``script`` overrides ``BASICS``: by command, an answer or a list of answers in turn.

    "{tag}" in an answer becomes the command's tag; ``CLOSE`` in it ends the connection there.
    """

    def __init__(self, script: Mapping[str, Any] | None = None, *, greeting: str | bytes = GREETING) -> None:
        self.lines: list[str] = []
        self._script: dict[str, Any] = {**BASICS, **(script or {})}
        self._greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        """Listen."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """End all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def said(self, pattern: str) -> list[str]:
        """Return the lines received that match."""
        return [line for line in self.lines if re.search(pattern, line)]

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._start(partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            if not self._say(connection, self._greeting, ""):
                return
            tag = ""
            for raw in file:
                line = raw.decode("latin-1").rstrip("\r\n")
                self.lines.append(line)
                words = line.split(" ")
                if len(words) == 1:  # DONE, or what follows a "+"
                    command = "DONE" if line == "DONE" else "SASL"
                else:
                    tag = words[0]
                    command = " ".join(words[1:3]) if words[1] == "UID" else words[1]
                answer = self._answer(command.upper())
                if not self._say(
                    connection, f"{tag} OK in\r\n" if command == "SASL" and answer is None else answer, tag
                ):
                    return

    def _answer(self, command: str) -> Answer:
        answer = self._script.get(command)
        if isinstance(answer, list):
            turns = cast("list[Answer]", answer)
            return turns.pop(0) if len(turns) > 1 else turns[0]
        if answer is None and command != "SASL":
            return "{tag} BAD unknown command\r\n"
        return answer

    def _say(self, connection: socket.socket, answer: Answer, tag: str) -> bool:
        octets = answer.encode() if isinstance(answer, str) else answer or b""
        before, close, _ = octets.partition(CLOSE)
        connection.sendall(before.replace(b"{tag}", tag.encode()))
        return not close


def mailbox_at(server: ScriptedImap, **options: Any) -> ImapMailbox:
    """Return a mailbox on that server, not open yet."""
    arguments: dict[str, Any] = {
        "name": "main",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "username": "anna",
        "password": lambda: PASSWORD,
        "header_fields": ["From", "Message-ID"],
        "timeout": 3,
    }
    return ImapMailbox(**arguments | options)
