"""Runs of the real service that die, by SIGKILL, at a chosen point; each in a process of its own.

``python -m tests.e2e.crash_child`` is the warm parent: it has imported everything, reads one request a line on
standard input, forks for each, and prints one line of JSON with the child's status and the points that it passed.
A point is a moment at which the world outside has just changed, or is about to: a line on the wire to the IMAP or
the SMTP server, a COMMIT of the ledger. Between two points only memory differs, which a death loses anyway.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import imaplib
import json
import os
import resource
import signal
import sqlite3
import sys
import traceback
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from responder import config, daemon
from responder.adapters import ledger_file
from responder.adapters.imap_session import ImapSession
from responder.adapters.ledger import SqliteLedger
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable

#: IMAP commands that change something: for them a death between the command and its answer is a case of its own.
CHANGING = ("APPEND", "CREATE", "DELETE", "SUBSCRIBE", "UID COPY", "UID EXPUNGE", "UID MOVE", "UID STORE")


@dataclass(slots=True)
class Request:
    """One run. ``kind`` and ``number``: die at the n-th point whose name begins so; 0 never dies.

    ``act``: "once" is one pass; "reload" starts the service, lets it read the configuration ``then`` once it watches,
    and counts points from there to the end of the next round; "open" opens the ledger only, with ``more`` as further
    steps of its schema; "copy" copies it to ``then``, page by page, by SQLite's own means. ``most_octets``: the
    kernel kills the process in the middle of a write that goes beyond so many octets of any file.
    """

    state: str
    config: str = ""
    at: str = ""
    act: str = "once"
    kind: str = ""
    number: int = 0
    then: str = ""
    more: list[list[str]] = field(default_factory=list[list[str]])
    most_octets: int = 0


class Fuse:
    """Tells the parent of each point, and kills the process at the chosen one."""

    def __init__(self, request: Request, tell: int) -> None:
        self._kind, self._left, self._tell = request.kind, request.number, tell
        self.armed = request.act != "reload"

    def point(self, name: str) -> None:
        """Pass a point; its first word is its kind."""
        if not self.armed:
            return
        os.write(self._tell, f"{name}\n".encode())
        if name.startswith(self._kind):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def _wire_imap(fuse: Fuse) -> None:
    begin, send, finish, write = (ImapSession.__init__, ImapSession._send, ImapSession._finish, imaplib.IMAP4.send)
    names: dict[bytes, str] = {}

    def began(self: ImapSession, *args: Any) -> None:
        begin(self, *args)
        fuse.point("imap logged in")

    def sent(self: ImapSession, name: str, *words: str, literal: bytes | None = None) -> bytes:
        tag = send(self, name, *words, literal=literal)
        names[tag] = f"{name} {words[0]}" if name == "UID" else name
        if names[tag] in CHANGING:
            fuse.point(f"imap sent {names[tag]}")
        return tag

    def finished(self: ImapSession, name: str, tag: bytes) -> Any:
        answer = finish(self, name, tag)
        fuse.point(f"imap answered {names[tag]}")
        return answer

    def wrote(self: Any, data: bytes) -> None:
        write(self, data)
        if data.endswith(b"}\r\n"):
            fuse.point("imap announced a text")

    for name, new in (("__init__", began), ("_send", sent), ("_finish", finished)):
        setattr(ImapSession, name, new)
    imaplib.IMAP4.send = wrote  # type: ignore[method-assign, assignment]


def _wire_smtp(fuse: Fuse) -> None:
    write, read, connect = SMTPProtocol.write, SMTPProtocol.read_response, aiosmtplib.SMTP.connect

    def wrote(self: SMTPProtocol, data: bytes) -> None:
        if data.endswith(b"\r\n.\r\n"):
            fuse.point("smtp before the text")
            middle = len(data) // 2
            write(self, data[:middle])
            fuse.point("smtp sent half of the text")
            write(self, data[middle:-3])
            fuse.point("smtp sent all but the dot")
            write(self, data[-3:])
            fuse.point("smtp sent the text")
            return
        write(self, data)
        fuse.point(f"smtp sent {data.split()[0].decode()}")

    async def heard(self: SMTPProtocol, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the library's own
        answer = await read(self, timeout=timeout)
        fuse.point(f"smtp heard {answer.code}")
        return answer

    async def connected(self: aiosmtplib.SMTP, **options: Any) -> Any:
        answer = await connect(self, **options)
        fuse.point("smtp connected")
        return answer

    SMTPProtocol.write = wrote  # type: ignore[method-assign]
    SMTPProtocol.read_response = heard  # type: ignore[method-assign]
    aiosmtplib.SMTP.connect = connected  # type: ignore[method-assign, assignment]


def _wire_ledger(fuse: Fuse) -> None:
    transaction, prune = ledger_file.transaction, SqliteLedger.prune

    def fused(connection: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], Any]) -> Any:
        if begin == "BEGIN":
            return transaction(connection, begin, work)

        def watched(connection: sqlite3.Connection) -> Any:
            result = work(connection)
            fuse.point("ledger before COMMIT")
            return result

        result = transaction(connection, begin, watched)
        fuse.point("ledger after COMMIT")
        return result

    async def pruned(self: SqliteLedger, before_at: datetime) -> int:
        count = await prune(self, before_at)
        fuse.point("ledger after a checkpoint")
        return count

    ledger_file.transaction = fused
    SqliteLedger.prune = pruned  # type: ignore[method-assign]


def _wire_statements(fuse: Fuse) -> None:
    """Make every statement that the opening of a ledger runs a point."""

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]
            fuse.point(f"statement before {' '.join(sql.split())[:60]}")
            cursor = super().execute(sql, *parameters)
            fuse.point(f"statement after {' '.join(sql.split())[:60]}")
            return cursor

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Watched)  # type: ignore[assignment]


def _wire_reload(fuse: Fuse) -> None:
    """Make the steps of a reload points."""

    def around(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        @functools.wraps(real)
        def fused(*args: Any, **kwargs: Any) -> Any:
            fuse.point(f"reload before {name}")
            result = real(*args, **kwargs)
            fuse.point(f"reload after {name}")
            return result

        setattr(owner, name, fused)

    around(config, "load")
    for name in ("reload", "_restart_lines", "_start_lines", "_line"):
        around(daemon.Daemon, name)


async def _once(request: Request) -> None:
    await _service(request).once()


async def _reload(request: Request, fuse: Fuse) -> None:
    rounds = 0

    def on_round(_: str, __: datetime | None) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            Path(request.then).replace(request.config)
            fuse.armed = True
            service.reload()
        elif rounds > 2:  # the round that was under way, and one by the new rules
            service.stop()

    service = _service(request, on_round)
    await service.run()


def _service(request: Request, on_round: Callable[[str, datetime | None], None] | None = None) -> daemon.Daemon:
    return daemon.Daemon(
        config.load(Path(request.config)),
        state=Path(request.state),
        clock=FixedClock(datetime.fromisoformat(request.at)),
        environ=os.environ,
        on_round=on_round,
    )


def _open(request: Request) -> None:
    ledger_file.MIGRATIONS = (*ledger_file.MIGRATIONS, *(tuple(step) for step in request.more))
    ledger = SqliteLedger.open(Path(request.state) / "ledger.sqlite3")
    asyncio.run(ledger.close())


def _copy(request: Request, fuse: Fuse) -> None:
    with (
        closing(ledger_file.opened_to_read(Path(request.state) / "ledger.sqlite3")) as ledger,
        closing(sqlite3.connect(request.then)) as copy,
    ):
        ledger.backup(copy, pages=1, progress=lambda *_: fuse.point("copy of a page"))


def _live(request: Request, tell: int) -> None:
    """Be the child: wire the points, and run."""
    fuse = Fuse(request, tell)
    if request.most_octets:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (request.most_octets, request.most_octets))
    if request.act == "open":
        _wire_statements(fuse)
        _open(request)
        return
    if request.act == "copy":
        _copy(request, fuse)
        return
    _wire_ledger(fuse)
    _wire_imap(fuse)
    _wire_smtp(fuse)
    if request.act == "reload":
        _wire_reload(fuse)
        asyncio.run(_reload(request, fuse))
    else:
        asyncio.run(_once(request))


def _serve(request: Request) -> dict[str, Any]:
    """Fork a child for one request; return its status (negative: the signal that killed it) and its points."""
    hear, tell = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(hear)
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 0)
            os.dup2(nowhere, 1)  # the log is nobody's business here
            _live(request, tell)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, the parent's loop is not for the child
            os.write(tell, f"error {traceback.format_exc()}".encode())
        finally:
            os._exit(status)
    os.close(tell)
    with os.fdopen(hear) as heard:
        said = heard.read()
    _, status = os.waitpid(child, 0)
    points, _, error = said.partition("error ")
    return {"status": os.waitstatus_to_exitcode(status), "points": points.splitlines(), "error": error}


def main() -> None:
    """Serve requests until standard input ends."""
    config.load(EXAMPLE)  # calendars, words and templates are made once, not in every child
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_serve(Request(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
