"""A service that dies and is started again, and what must hold then: for the crash test of every day and the matrix.

What holds is read from the servers and the ledger only.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from responder.adapters.ledger import SqliteLedger
from responder.commands.status import status
from responder.core.model import SaveDraft, SendReply
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.crash_child import Request
from tests.e2e.scene import EXAMPLE, Scene, letter

if TYPE_CHECKING:
    import pytest

    from tests.servers.mail_program import ImapServer
    from tests.servers.smtp import SmtpSink

#: A past Friday evening in Moscow: a server keeps no arrival that lies in its future.
FRIDAY = at("2026-11-13 20:00")
#: When the office opens again.
MONDAY = at("2026-11-16 10:01")
FOLDER = "Callbacks/2026-11-16 10-00"
#: Who may be answered, and what becomes of each mail.
TOLD = frozenset({"ivan@vostok.example", "kolya@vostok.example"})
NIGHT = (
    ("ivan@vostok.example", "Договор аренды", {}, FOLDER),
    ("kolya@vostok.example", "Вопрос", {}, FOLDER),
    ("kolya@vostok.example", "Ещё вопрос", {}, FOLDER),
    ("ivan@vostok.example", "to the list", {"List-Id": "<news.vostok.example>"}, "INBOX"),
    ("who@nowhere.example", "stranger", {}, "INBOX"),
)
#: More points than a pass has.
MOST = 300
#: A server may still be at work on what a dead client asked for.
SETTLED_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    status: int
    points: list[str]
    error: str

    @property
    def killed(self) -> bool:
        """Whether it died at its point, or in a write that was too long for it."""
        return self.status in (-signal.SIGKILL, -signal.SIGXFSZ)


class Zygote:
    """The warm parent process that forks a run for each request; a context manager."""

    def __enter__(self) -> Self:
        """Start it; it is ready when it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.crash_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=EXAMPLE.parent,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it: a run that is under way ends first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def ask(self, request: Request) -> Ended:
        """Run it, and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the parent of the dying processes has itself died"
        ended = Ended(**json.loads(answer))
        assert ended.status == 0 or ended.killed, ended.error
        return ended


@dataclass
class Patient:
    """One mailbox whose service dies. ``mode``: that of the replies; ``deaths``: where it died, for the messages."""

    scene: Scene
    zygote: Zygote
    mode: str
    deaths: list[str] = field(default_factory=list[str])

    async def run(self, kind: str = "", number: int = 0, **more: Any) -> Ended:
        """Start the service once, and let it die at the n-th point of that kind; then wait until the servers rest.

        ``more`` is what ``Request`` knows.
        """
        scene = self.scene
        request = Request(
            config=str(scene.config),
            state=str(scene.state),
            at=scene.clock.at.isoformat(),
            kind=kind,
            number=number,
            **more,
        )
        ended = await asyncio.to_thread(self.zygote.ask, request)
        if ended.killed:
            self.deaths.append(ended.points[-1] if number else f"after {len(ended.points)} points, {more}")
        deadline = time.monotonic() + SETTLED_SECONDS
        while scene.sink.open_connections or connected(scene.server.imap_port):
            assert time.monotonic() < deadline, f"{self.deaths}: the servers do not come to rest"
            await asyncio.sleep(0.002)  # waits for other processes, which tell nobody
        return ended

    async def rest(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Start it again, and look at all that must hold; ``capsys`` catches what ``status`` says."""
        self.scene.clock.at += timedelta(minutes=3)
        await self.run()
        held = await self._check()
        capsys.readouterr()
        await asyncio.to_thread(status, self.scene.config, self.scene.state, as_json=False)
        shown = capsys.readouterr().out
        for address in held:
            assert f"in doubt: the reply to {address}" in shown, shown
        if self.mode == "draft":
            self.scene.clock.at = MONDAY
            await self.run()
            assert not self.scene.tree().get("Drafts"), f"left over when the office opened; died at {self.deaths}"

    async def _check(self) -> set[str]:
        """Look at the servers and the ledger; return to whom a reply is held."""
        where = f"died at {self.deaths}"
        scene = self.scene
        tree = scene.tree()
        for folder in ("INBOX", FOLDER):
            expected = sorted(subject for _, subject, _, place in NIGHT if place == folder)
            assert sorted(str(one["Subject"]) for one in tree.get(folder, [])) == expected, f"{folder}: {where}"
        seen = [folder for folder, flags, _ in scene.everything() if "\\Seen" in flags and folder in ("INBOX", FOLDER)]
        assert not seen, where

        told = Counter(mail.recipient for mail in scene.replies())
        assert set(told.values()) <= {1}, f"{told}: {where}"
        assert told.keys() <= TOLD, f"{told}: {where}"

        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        summary = await ledger.summary(scene.clock.at)
        doubtful = await ledger.in_doubt()
        done = await ledger._call(
            lambda connection: connection.execute(
                "SELECT address FROM effects WHERE reply_kind IS NOT NULL AND state = 'done'"
            ).fetchall()
        )
        await ledger.close()
        held = {one.effect.address for one in doubtful if isinstance(one.effect, SendReply | SaveDraft)}
        said = {address for (address,) in done}
        assert summary.waiting == 0, where
        assert said | held == TOLD, f"{said} | {held}: {where}"
        assert not said & held, where
        if self.mode == "send":
            assert summary.planned == 0, where
            assert said <= told.keys(), where
            copies = Counter(str(one["To"]) for one in tree.get("Sent", []))
            assert copies == Counter(dict.fromkeys(said, 1)), f"copies {copies}: {where}"
            assert "Drafts" not in tree, where
        else:
            assert not told, where
            drafts = Counter(str(one["To"]) for one in tree.get("Drafts", []))
            assert drafts == Counter(dict.fromkeys(said, 1)), f"drafts {drafts}: {where}"
            assert summary.planned == len(said), where  # taken away again when the office opens
        return held


async def admit(
    server: ImapServer, sink: SmtpSink, zygote: Zygote, folder: Path, user: str, *, mode: str = "send"
) -> Patient:
    """Set up a mailbox that was watched since the afternoon, and let a night's mail arrive."""
    sink.mails.clear()
    scene = Scene(
        folder=folder,
        server=server,
        sink=sink,
        user=user,
        clock=FixedClock(at("2026-11-13 17:00")),
        changes={"replies": {"mode": mode, "copy": "Sent"}},
    )
    patient = Patient(scene, zygote, mode)
    await patient.run()
    for number, (sender, subject, headers, _) in enumerate(NIGHT):
        scene.arrive(letter(sender, subject, headers=headers), FRIDAY + timedelta(minutes=number))
    scene.clock.at = FRIDAY + timedelta(minutes=20)
    return patient


class Ward:
    """Where patients are admitted: one server, one outbox, one way to answer."""

    def __init__(self, server: ImapServer, zygote: Zygote, user: str, folder: Path, mode: str) -> None:
        self.server, self.zygote, self.user, self.folder, self.mode = server, zygote, user, folder, mode
        self.cells = 0

    async def admit(self, sink: SmtpSink) -> Patient:
        """Admit the next one."""
        self.cells += 1
        folder, user = self.folder / str(self.cells), f"{self.user}-{self.cells}"
        return await admit(self.server, sink, self.zygote, folder, user, mode=self.mode)


def connected(port: int) -> int:
    """Return how many connections to a server on this machine stand, or wait for it to notice their end."""
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        path = Path(table)
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            _, local, _, state, *_ = line.split()
            count += local.endswith(f":{port:04X}") and state in ("01", "08")
    return count


def say(capsys: pytest.CaptureFixture[str], words: str) -> None:
    """Show how far a matrix has come."""
    with capsys.disabled():
        print(f" [{words}]", end="", flush=True)
