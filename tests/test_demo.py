"""The story can be trusted, and the stage plays it exactly, however slow the daemon is."""

from __future__ import annotations

import asyncio
import io
import re
import smtplib
import socket
import tomllib
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from imapclient import IMAPClient
from rich.console import Console

from responder.core.model import MessageKey, Reason
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from responder.ports import DecidedRow, LedgerEntry
from responder.sandbox import picture, stage
from responder.sandbox.demo import run_demo
from responder.sandbox.letters import OWNER
from responder.sandbox.servers import LOOPBACK
from responder.sandbox.stage import StoryClock
from responder.sandbox.weekend import weekend
from responder.sandbox.wiring import start_daemon

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from responder.ports import Clock
    from responder.sandbox.story import Ending, StoryMessage

STORY = weekend()
ALL = (*STORY.before, *STORY.messages)
GRACE = timedelta(minutes=3)


def grace(message: StoryMessage) -> timedelta:
    """Return how long the message waits for its verdict."""
    waits = message.ending is not None and message.ending.reason in {Reason.FULL, Reason.JOINED}
    return GRACE if waits else timedelta()


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder."""
    return list(folder.iterdir())


# ------------------------------------------------------------------------------------------- story


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.label)
def test_a_message_of_the_story_is_well_formed(message: StoryMessage) -> None:
    """It parses without defects, says what the story says of it, and has CRLF and ASCII headers only."""
    parsed = message_from_bytes(message.raw, policy=default)
    assert all(not part.defects for part in parsed.walk())
    assert parsed["Subject"] == message.subject
    assert parsed["Message-ID"] == message.message_id
    assert parsed["From"].addresses[0].addr_spec == message.sender.address
    assert parsed["Date"].datetime == message.at
    assert parsed["Date"].datetime.utcoffset() == message.at.astimezone(message.sender.zone).utcoffset()
    header, _, _ = message.raw.partition(b"\r\n\r\n")
    assert header.isascii()
    assert message.raw.count(b"\n") == message.raw.count(b"\r\n")
    assert (message.folder == "Sent") == (parsed["Return-Path"] is None)


def test_labels_and_ids_are_unique_and_in_order() -> None:
    """No two messages share a label or an id; they arrive in the order of the story, inside its span."""
    assert len({message.label for message in ALL}) == len(ALL)
    assert len({message.message_id for message in ALL}) == len(ALL)
    times = [message.at for message in STORY.messages]
    assert times == sorted(times)
    assert all(message.at < STORY.starts_at for message in STORY.before)
    assert STORY.starts_at < times[0]
    assert times[-1] + GRACE < STORY.ends_at


def test_the_story_is_the_same_each_time() -> None:
    """Nothing in it is drawn by lot."""
    assert weekend() == STORY


def test_the_story_shows_every_kind_of_silence() -> None:
    """The reasons that a person asks about first all occur, and so do replies in both languages."""
    reasons = {message.ending.reason for message in STORY.messages if message.ending}
    assert reasons >= {
        Reason.OPEN,
        Reason.AUTOMATIC,
        Reason.STRANGER,
        Reason.UNVERIFIED,
        Reason.RETURN_PATH_DIFFERS,
        Reason.COPIED,
        Reason.TOLD,
        Reason.JOINED,
        Reason.ANSWERED,
        Reason.CONVERSING,
        Reason.FULL,
    }
    zones = {message.sender.zone.key for message in STORY.messages if message.ending and message.ending.due_at}
    assert zones == {"Asia/Vladivostok", "Europe/Moscow", "America/New_York"}


# ------------------------------------------------------------------------------------------- stage


def test_the_clock_never_goes_back() -> None:
    """A jump to the past leaves the clock where it is."""
    clock = StoryClock(STORY.starts_at)
    clock.go_on(STORY.ends_at)
    clock.go_on(STORY.starts_at)
    assert clock.now() == STORY.ends_at
    assert clock.real_seconds(180) == 180


class Obedient:
    """A daemon that knows the story by heart: it answers, after the grace time, exactly what it is told to."""

    def __init__(self, config_path: Path, clock: Clock) -> None:
        mailbox = tomllib.loads(config_path.read_text())["mailboxes"]["main"]
        password = (config_path.parent / mailbox["password"]["file"]).read_text().strip()
        self.clock = clock
        self.smtp = smtplib.SMTP(LOOPBACK, mailbox["smtp"]["port"], timeout=10)
        self.smtp.login(OWNER, password)
        self.imap = IMAPClient(LOOPBACK, mailbox["imap"]["port"], ssl=False)
        self.imap.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.imap.login(OWNER, password)
        self.imap.select_folder("INBOX")
        for folder in {message.ending.folder for message in STORY.messages if message.ending} - {""}:
            self.imap.create_folder(folder)
        self.first_uid = max(self.imap.search(), default=0) + 1
        self.rows: list[DecidedRow] = []
        self.decided_at: dict[str, datetime] = {}
        self.news = asyncio.Event()
        self.by_id = {message.message_id: message for message in STORY.messages}

    def wake(self) -> None:
        """Look again."""
        self.news.set()

    async def decided(self) -> Sequence[DecidedRow]:
        """Tell what was decided, newest first."""
        return self.rows[::-1]

    def round(self) -> datetime | None:
        """Decide what is ripe; return when to look again."""
        self.imap.noop()
        waiting: list[datetime] = []
        for uid, data in self.imap.fetch(self.imap.search(), ["BODY.PEEK[]"]).items():
            asked = message_from_bytes(data[b"BODY[]"], policy=default)
            message = self.by_id.get(asked["Message-ID"])
            if uid < self.first_uid or message is None or message.message_id in self.decided_at:
                continue
            ripe_at = message.at + grace(message)
            if ripe_at > self.clock.now():
                waiting.append(ripe_at)
            else:
                self.decide(uid, message, message.ending)
        return min(waiting, default=None)

    def decide(self, uid: int, message: StoryMessage, ending: Ending | None) -> None:
        """Do what the story says."""
        now_at = self.clock.now()
        self.decided_at[message.message_id] = now_at
        assert ending is not None
        if ending.folder:
            self.imap.move([uid], ending.folder)
        if ending.due_at is not None:
            reply = EmailMessage()
            reply["From"], reply["To"] = OWNER, message.sender.address
            reply["Subject"] = f"Auto: {message.subject}"
            reply["In-Reply-To"] = message.message_id
            reply.set_content("You will hear from me.\n")
            self.smtp.send_message(reply, OWNER, [message.sender.address])
        key = MessageKey(mailbox="main", uidvalidity=1, uid=uid)
        entry = LedgerEntry(
            fingerprint=message.message_id,
            key=key,
            address=message.sender.address,
            client="",
            message_id=message.message_id,
            arrived_at=message.at,
            seen_at=now_at,
            reason=str(ending.reason),
        )
        self.rows.append(
            DecidedRow(
                entry=entry,
                reply="full" if ending.due_at is not None else "none",
                due_at=ending.due_at,
                topic="",
                window=None,
                folder=ending.folder,
                decided_at=now_at,
                trail=({"rule": str(ending.reason), "held": True, "detail": "as it is written"},),
                steps=("that is how it is",),
                text="",
            )
        )


class Started:
    """What the stage gets to hold."""

    def __init__(self, obedient: Obedient, task: asyncio.Task[None]) -> None:
        self.wake = obedient.wake
        self.decided = obedient.decided
        self.task = task


class Theatre:
    """Starts an obedient daemon, and remembers it."""

    def __init__(self, spoil: Callable[[Obedient], None] | None = None) -> None:
        self.spoil = spoil
        self.daemon: Obedient | None = None

    @asynccontextmanager
    async def __call__(
        self, config_path: Path, *, state: Path, clock: Clock, on_round: Callable[[str, datetime | None], None]
    ) -> AsyncGenerator[Started]:
        """Start it on the configuration that the demo wrote."""
        assert state.name == "state"
        daemon = Obedient(config_path, clock)
        self.daemon = daemon

        async def run() -> None:
            while True:
                next_at = daemon.round()
                if self.spoil is not None:
                    self.spoil(daemon)
                on_round("main", next_at)
                await daemon.news.wait()
                daemon.news.clear()

        task = asyncio.create_task(run())
        try:
            yield Started(daemon, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            daemon.smtp.close()
            daemon.imap.shutdown()


def paper() -> Console:
    """Return a console that is no terminal."""
    return Console(file=io.StringIO(), width=100, highlight=False)


async def test_the_show_plays_the_story_and_keeps_everything(tmp_path: Path) -> None:
    """Every message is decided at the very minute it should be; the feed is plain; the folder holds it all."""
    theatre, console = Theatre(), paper()
    assert await run_demo(tmp_path / "kept", console=console, start_daemon=theatre) == 0
    assert theatre.daemon is not None
    for message in STORY.messages:
        if message.ending is not None:
            assert theatre.daemon.decided_at[message.message_id] == message.at + grace(message)
    told = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "\x1b" not in told
    for message in STORY.messages:
        assert message.subject in told
    replies = [message for message in STORY.messages if message.ending and message.ending.due_at]
    kept = tmp_path / "kept"
    assert len(list((kept / "replies").glob("*.eml"))) == len(replies)
    assert len(list((kept / "replies").glob("*.txt"))) == len(replies)
    lying = {path.read_bytes() for path in (kept / "mail").rglob("*.eml")}
    assert lying == {message.raw for message in ALL}
    assert "Аренда склада" in (kept / "folders.txt").read_text()
    assert "as it is written" in (kept / "explain.txt").read_text()
    assert "a stranger" in (kept / "silent.txt").read_text()
    assert str(kept) in told.replace("\n", "")


async def test_the_real_daemon_does_what_the_story_says(tmp_path: Path) -> None:
    """Each verdict, folder and due time of the weekend, over real sockets; the replies say when, in both clocks."""
    console = paper()
    assert await run_demo(tmp_path, console=console, start_daemon=start_daemon) == 0, console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    words = {path.name: path.read_text() for path in (tmp_path / "replies").glob("*.txt")}
    assert len(words) == 6
    assert "12:00 on Tuesday, 10 March, your time (19:00 in Moscow)" in words["02-claire@harborfinch.example.txt"]
    assert "02:00 по Вашему времени" in words["03-ivan@vostok.example.txt"]
    told = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "Утро вторника, 10 марта: 4 звонка" in told
    assert "Сегодня, 17:30–19:00" in (tmp_path / "digest.html").read_text(encoding="utf-8")


async def test_a_terminal_gets_colours_and_no_cursor_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal every escape sequence is a colour; lines are told at a pace."""
    monkeypatch.setattr(picture, "PACE_SECONDS", 0.0)
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system="standard", highlight=False)
    assert await run_demo(tmp_path, console=console, start_daemon=Theatre()) == 0
    sequences = set(re.findall(r"\x1b\[[^A-Za-z]*[A-Za-z]", file.getvalue()))
    assert sequences
    assert all(sequence.endswith("m") for sequence in sequences)


async def test_a_daemon_that_loses_mail_fails_the_show(tmp_path: Path) -> None:
    """A message that is gone, or marked read, is told and makes the exit status 1."""

    def spoil(daemon: Obedient) -> None:
        if daemon.clock.now() >= STORY.ends_at:
            uids = daemon.imap.search()
            daemon.imap.add_flags(uids[:1], [b"\\Answered"])
            daemon.imap.delete_messages(uids[-1:])
            daemon.imap.expunge(uids[-1:])

    console = paper()
    assert await run_demo(tmp_path, console=console, start_daemon=Theatre(spoil)) == 1
    told = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "marked \\Answered" in told
    assert "there 0 times" in told


async def test_a_daemon_that_fails_ends_the_show_with_its_error(tmp_path: Path) -> None:
    """The daemon's own error comes out of the demo at once."""

    def spoil(daemon: Obedient) -> None:
        if len(daemon.rows) == 5:
            raise PermanentError("the ledger is damaged")

    with pytest.raises(PermanentError, match="the ledger is damaged"):
        await run_demo(tmp_path, console=paper(), start_daemon=Theatre(spoil))


async def test_a_daemon_that_is_silent_ends_the_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No round within the time allowed is an error and no endless wait."""
    monkeypatch.setattr(stage, "ROUND_SECONDS", 0.2)

    @asynccontextmanager
    async def start(*_: object, **__: object) -> AsyncGenerator[Started]:
        class Deaf:
            wake = staticmethod(lambda: None)
            decided = None

        task = asyncio.create_task(asyncio.Event().wait())
        yield Started(Deaf(), task)  # type: ignore[arg-type]  # deaf on purpose
        task.cancel()

    with pytest.raises(TemporaryError, match="did not answer"):
        await run_demo(tmp_path, console=paper(), start_daemon=start)  # type: ignore[arg-type]  # the same


async def test_a_timer_that_stays_due_does_not_stop_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that always wants to look again at once still reaches Tuesday."""
    monkeypatch.setattr(stage, "LEAST_STEP", timedelta(hours=6))
    overdue = datetime(2026, 1, 1, tzinfo=UTC)
    theatre = Theatre()
    round_of = Obedient.round
    monkeypatch.setattr(Obedient, "round", lambda self: round_of(self) or overdue)
    assert await run_demo(tmp_path, console=paper(), start_daemon=theatre) == 0


async def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """The demo writes over nobody's files."""
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="not empty"):
        await run_demo(tmp_path, console=paper(), start_daemon=Theatre())


async def test_without_a_folder_a_new_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is a new folder in the present directory, named at the end."""
    monkeypatch.chdir(tmp_path)
    console = paper()
    assert await run_demo(None, console=console, start_daemon=Theatre()) == 0
    (made,) = list_folder(tmp_path)
    assert made.name.startswith("responder-demo-")
    assert made.name in console.file.getvalue().replace("\n", "")  # type: ignore[attr-defined]  # a StringIO
    assert (made / "password.txt").stat().st_mode & 0o077 == 0
