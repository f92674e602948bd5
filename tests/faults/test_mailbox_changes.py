"""The mailbox changes under our feet, on a real Dovecot: numbers, folders, rights, room, and the owner's own hand."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder import config
from responder.adapters.ledger import SqliteLedger
from responder.daemon import Daemon
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, letter
from tests.e2e.test_daemon import Process, closed_now, deliver
from tests.servers.dovecot import Dovecot
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from responder.ports import DecidedRow, Summary

pytestmark = [pytest.mark.server, pytest.mark.matrix]

#: Closed from 19:00 to Monday.
FRIDAY = at("2026-11-13 20:00")
GRACE = timedelta(minutes=3)
IVAN, KOLYA, MAYA = "ivan@vostok.example", "kolya@vostok.example", "maya@harborlane.example"
LIMIT = 120.0


class Furnished(Dovecot):
    """A Dovecot with more in its configuration; ``{dir}`` stands for its folder."""

    extra = ""

    def _prepare(self) -> None:
        super()._prepare()
        with (self.directory / "dovecot.conf").open("a") as file:
            file.write(self.extra.format(dir=self.directory))


class Small(Furnished):
    """A Dovecot with room for some letters only."""

    extra = """
mail_plugins = quota
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=64K
  quota_grace = 0
}}
"""


class Guarded(Furnished):
    """A Dovecot where some users lack rights: ``reader-…`` in INBOX, ``filer-…`` in our folders."""

    extra = """
mail_plugins = acl
plugin {{
  acl = vfile:{dir}/acls:cache_secs=0
}}
"""

    def _prepare(self) -> None:
        super()._prepare()
        (self.directory / "acls").write_text("")

    def forbid(self, user: str, folder: str, rights: str) -> None:
        """Leave a user only those rights in a folder."""
        with (self.directory / "acls").open("a") as file:
            file.write(f"{folder} user={user} {rights}\n")


@pytest.fixture(params=["rich", "poor"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Return each kind of server, and fail or skip where there is none."""
    request.getfixturevalue(f"dovecot_{request.param}")
    return request.param


@pytest.fixture
def small(kind: Any) -> Iterator[Small]:
    """A server with little room."""
    with Small(kind) as server:
        yield server


@pytest.fixture
def guarded(kind: Any) -> Iterator[Guarded]:
    """A server where rights can be taken away."""
    with Guarded(kind) as server:
        yield server


@dataclass
class Night(Scene):
    """A set-up on a Friday night, run pass by pass."""

    async def looks(self, count: int = 1) -> None:
        """Let so many passes happen, each after the grace time."""
        for _ in range(count):
            self.clock.at += GRACE
            await self.run()

    async def decided(self) -> list[DecidedRow]:
        """Return what was decided, newest first."""
        ledger = SqliteLedger.read(self.state / "ledger.sqlite3")
        try:
            return list(await ledger.decided(last=99))
        finally:
            await ledger.close()

    async def reasons(self) -> dict[str, str]:
        """Return the reason of each address's newest message."""
        return {row.entry.address: row.entry.reason for row in reversed(await self.decided())}

    async def summary(self) -> Summary:
        """Return the ledger's counts."""
        ledger = SqliteLedger.read(self.state / "ledger.sqlite3")
        try:
            return await ledger.summary(self.clock.at)
        finally:
            await ledger.close()

    def comes(self, sender: str, subject: str = "Вопрос", **more: Any) -> None:
        """Let a message arrive now."""
        self.arrive(letter(sender, subject, at=self.clock.at, **more), self.clock.at)

    def wire(self, folder: str) -> str:
        """Return a folder's name as the server spells it."""
        return folder if self.dovecot.kind == "rich" else "INBOX." + folder.replace("/", ".")

    def answered(self) -> list[str]:
        """Return who got a reply, in order."""
        return [mail.recipient for mail in self.replies()]

    def in_callbacks(self) -> list[str]:
        """Return the subjects of what was filed."""
        return [str(one["Subject"]) for name, mails in self.tree().items() if "Callbacks" in name for one in mails]


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    """An SMTP server that keeps what it takes."""
    async with SmtpSink() as server:
        yield server


def night_on(dovecot: Dovecot, sink: SmtpSink, user: str, folder: Path, **changes: Any) -> Night:
    """Return a set-up on that server."""
    clock = FixedClock(FRIDAY)
    return Night(folder=folder, server=dovecot, sink=sink, user=user, clock=clock, changes=changes)


@pytest.fixture
async def night(dovecot: Dovecot, sink: SmtpSink, user: str, tmp_path: Path) -> Night:
    """A set-up whose first start is over."""
    made = night_on(dovecot, sink, user, tmp_path)
    await made.run()
    return made


# ------------------------------------------------------------------------------------ numbered anew


async def test_uidvalidity_changed_in_the_grace_time(night: Night) -> None:
    """Waiting mail is answered and filed, decided mail stays decided, what came in between is left to the owner."""
    night.dovecot.append(night.user, letter("old@nowhere.example", "old"), FRIDAY - timedelta(days=30))
    night.comes(MAYA, "first")
    await night.looks(2)
    assert night.answered() == [MAYA]
    night.comes(IVAN, "waits")
    await night.run()
    night.comes(KOLYA, "between")
    night.dovecot.doveadm("mailbox", "update", "-u", night.user, "--uid-validity", "4711", "INBOX")
    await night.looks(2)
    assert night.answered() == [MAYA, IVAN]
    assert sorted(night.in_callbacks()) == ["first", "waits"]
    reasons = await night.reasons()
    assert reasons[KOLYA] == "before-start"
    night.comes("petr@vostok.example", "after")
    await night.looks(2)
    assert night.answered() == [MAYA, IVAN, "petr@vostok.example"]
    assert sorted(night.in_callbacks()) == ["after", "first", "waits"]
    assert night.subjects("INBOX") == ["old", "between"]


@pytest.mark.parametrize("openly", [True, False], ids=["new UIDVALIDITY", "the old UIDVALIDITY"])
async def test_an_inbox_restored_under_new_numbers(night: Night, *, openly: bool) -> None:
    """UIDs that begin anew are no danger, even without a word of it: each message is known by itself."""
    for number in range(5):
        night.comes(f"p{number}@vostok.example", f"early {number}")
    night.comes(IVAN, "waits")
    await night.run()
    for number in (0, 1, 2):
        night.comes("nobody@nowhere.example", f"stranger {number}")
    await night.run()
    old = night.dovecot.doveadm("mailbox", "status", "-u", night.user, "uidvalidity", "INBOX").split("=")[1].strip()
    kept = [(raw, flags) for folder, flags, raw in night.everything() if folder == "INBOX" and b"early" not in raw]
    assert len(kept) == 4
    with night.dovecot.client(night.user) as imap:
        imap.select("INBOX")
        imap.store("1:*", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    home = night.dovecot.directory / "mail" / night.user / "mdbox"
    shutil.rmtree(home / "mailboxes" / "INBOX")
    for each in home.glob("dovecot.list.index*"):
        each.unlink()
    for raw, _ in reversed(kept):
        night.dovecot.append(night.user, raw, night.clock.at)
    if not openly:
        night.dovecot.doveadm("mailbox", "update", "-u", night.user, "--uid-validity", old, "INBOX")
    await night.looks(2)
    assert night.answered() == [IVAN]
    assert night.in_callbacks() == ["waits"]
    night.comes(KOLYA, "after")
    await night.looks(2)
    assert night.answered() == [IVAN, KOLYA]


# ------------------------------------------------------------------------------------------ folders


@pytest.fixture
async def office(dovecot: Dovecot, user: str, tmp_path: Path) -> AsyncIterator[Night]:
    """An office that is closed now, whatever day it is, for a real process under the real clock."""
    async with SmtpSink() as sink:
        clock = FixedClock(datetime.now(UTC))  # noqa: TID251 - the test runs under the real clock
        yield Night(folder=tmp_path, server=dovecot, sink=sink, user=user, clock=clock, changes=closed_now())


@pytest.fixture
def daemon(office: Night) -> Iterator[Process]:
    """The daemon, running; ended after the test."""
    process = Process(office)
    yield process
    process.end(9)


async def filed(night: Night, *subjects: str) -> None:
    """Wait until exactly those are filed."""
    ends = time.monotonic() + LIMIT
    while sorted(night.in_callbacks()) != sorted(subjects):
        assert time.monotonic() < ends, f"filed: {night.in_callbacks()}, INBOX: {night.subjects('INBOX')}"
        await asyncio.sleep(0.1)


async def test_uidvalidity_changed_while_selected(office: Night, daemon: Process) -> None:
    """A daemon whose INBOX is numbered anew notices it, answers nobody twice, and goes on with new mail."""
    await daemon.logged("mailbox open")
    deliver(office, IVAN, "before")
    await filed(office, "before")
    office.dovecot.doveadm("mailbox", "update", "-u", office.user, "--uid-validity", "4711", "INBOX")
    await daemon.logged("INBOX was numbered anew")
    deliver(office, KOLYA, "after")
    await filed(office, "before", "after")
    assert await daemon.ended() == 0
    assert sorted(office.answered()) == [IVAN, KOLYA]


async def test_the_target_is_deleted_while_it_runs(office: Night, daemon: Process) -> None:
    """A folder that the owner removed is made again for the next message."""
    await daemon.logged("mailbox open")
    deliver(office, IVAN, "one")
    await filed(office, "one")
    (folder,) = [name for name in office.tree() if "Callbacks/" in name]
    with office.dovecot.client(office.user) as imap:
        assert imap.delete(f'"{office.wire(folder)}"')[0] == "OK"
    deliver(office, KOLYA, "two")
    await filed(office, "two")
    assert await daemon.ended() == 0


async def test_the_target_is_renamed_while_it_runs(office: Night, daemon: Process) -> None:
    """A folder that the owner renamed keeps what is in it; the next message goes into a new one of the old name."""
    await daemon.logged("mailbox open")
    deliver(office, IVAN, "one")
    await filed(office, "one")
    (folder,) = [name for name in office.tree() if "Callbacks/" in name]
    with office.dovecot.client(office.user) as imap:
        assert imap.rename(f'"{office.wire(folder)}"', f'"{office.wire("Mine")}"')[0] == "OK"
    deliver(office, KOLYA, "two")
    await filed(office, "two")
    assert await daemon.ended() == 0
    assert office.subjects("Mine") == ["one"]


async def test_inbox_is_renamed_while_selected(
    dovecot_rich: Dovecot, sink: SmtpSink, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An INBOX that got another name stays selected, and only a fresh SELECT shows the new one: it comes in time."""
    night = night_on(dovecot_rich, sink, user, tmp_path, mailboxes={"main": {"poll": "1 s"}})
    rounds = 0

    def count(_name: str, _next_at: datetime | None) -> None:
        nonlocal rounds
        rounds += 1

    daemon = Daemon(config.load(night.config), state=night.state, clock=night.clock, environ=os.environ, on_round=count)
    task = asyncio.create_task(daemon.run())

    async def until(reason: str) -> None:
        ends = time.monotonic() + LIMIT
        while reason not in [row.entry.reason for row in await night.decided()]:
            assert time.monotonic() < ends, reason
            assert not task.done()
            daemon.wake()
            await asyncio.sleep(0.1)

    try:
        ends = time.monotonic() + LIMIT
        while not rounds:
            assert time.monotonic() < ends
            await asyncio.sleep(0.05)
        night.comes("who@nowhere.example", "a stranger's")
        await until("stranger")
        with night.dovecot.client(user) as imap:
            assert imap.rename("INBOX", "Away")[0] == "OK"
        night.comes(IVAN, "before it is noticed")
        monkeypatch.setattr("responder.adapters.imap_folders.LOOK_AGAIN", 0.0)
        await until("before-start")
        night.clock.at += GRACE
        night.comes(KOLYA, "after")
        ends = time.monotonic() + LIMIT
        while night.in_callbacks() != ["after"]:
            assert time.monotonic() < ends
            night.clock.at += GRACE
            daemon.wake()
            await asyncio.sleep(0.2)
    finally:
        daemon.stop()
        await task
    assert night.answered() == [KOLYA]
    assert night.subjects("Away") == ["a stranger's"]
    assert night.subjects("INBOX") == ["before it is noticed"]


async def test_a_target_that_may_not_be_made(guarded: Guarded, sink: SmtpSink, user: str, tmp_path: Path) -> None:
    """Where the server refuses the folder, the reply leaves, the mail stays in INBOX, visible, and is tried once."""
    night = night_on(guarded, sink, user, tmp_path)
    for folder in ("Callbacks", "Callbacks/*"):
        guarded.forbid(user, night.wire(folder), "lr")
    with guarded.client(user) as imap:
        assert imap.create(f'"{night.wire("Callbacks")}"')[0] == "OK"
    await night.run()
    night.comes(IVAN, "stays")
    await night.looks(2)
    assert night.answered() == [IVAN]
    assert night.subjects("INBOX") == ["stays"]
    assert (await night.summary()).unfiled == 1
    await night.looks(2)
    assert ((await night.summary()).unfiled, night.answered()) == (1, [IVAN])


async def test_an_inbox_for_reading_only(guarded: Guarded, sink: SmtpSink, user: str, tmp_path: Path) -> None:
    """Where nothing in INBOX may be changed, mail is answered once and stays, and the owner is told that it does."""
    night = night_on(guarded, sink, user, tmp_path)
    guarded.forbid(user, "INBOX", "lrip")
    await night.run()
    night.comes(IVAN, "stays")
    await night.looks(3)
    assert night.answered() == [IVAN]
    assert night.subjects("INBOX") == ["stays"]
    assert (await night.summary()).unfiled == 1
    assert night.in_callbacks() == []


# --------------------------------------------------------------------------------------------- room


def fill(night: Night) -> None:
    """Fill the mailbox until it takes nothing more."""
    with night.dovecot.client(night.user) as imap:
        for size in (16_000, 4_000, 1_000, 300, 100):
            raw = letter("who@nowhere.example", "padding", "x" * size)
            while imap.append("INBOX", r"(\Seen)", night.clock.at - timedelta(days=3), raw)[0] == "OK":
                pass


@pytest.mark.parametrize("mode", ["send", "draft"])
async def test_a_full_mailbox(small: Small, sink: SmtpSink, user: str, tmp_path: Path, mode: str) -> None:
    """Without room the reply leaves, moves work where there is MOVE, the rest is refused once, and nothing is lost."""
    night = night_on(small, sink, user, tmp_path, replies={"mode": mode})
    await night.run()
    for sender in (IVAN, KOLYA, MAYA):
        night.comes(sender, sender)
    fill(night)
    await night.looks(3)
    log = small.log().count("Quota exceeded")
    await night.looks(2)
    assert small.log().count("Quota exceeded") == log  # nothing is tried again and again
    assert sorted(night.answered()) == (sorted([IVAN, KOLYA, MAYA]) if mode == "send" else [])
    tree = night.tree()
    assert "Drafts" not in tree
    assert "Sent" not in tree
    inbox = [subject for subject in night.subjects("INBOX") if subject != "padding"]
    summary = await night.summary()
    assert summary.planned == summary.waiting == 0
    if small.kind == "rich":
        assert (sorted(night.in_callbacks()), inbox) == (sorted([IVAN, KOLYA, MAYA]), [])
    else:
        assert (night.in_callbacks(), sorted(inbox)) == ([], sorted([IVAN, KOLYA, MAYA]))
        assert summary.unfiled == 3
    assert summary.refused == (0 if mode == "send" else 3)


# ----------------------------------------------------------------------------------- the owner's hand


async def test_a_phone_moves_mail_at_every_moment(night: Night) -> None:
    """Mail moved away, deleted or answered in its grace time is not answered; moved back, it is not answered again."""
    for subject, sender in (("moved", "a@vostok.example"), ("deleted", "b@vostok.example")):
        night.comes(sender, subject)
    night.comes("c@vostok.example", "marked")
    night.comes(IVAN, "stays")
    await night.run()
    with night.dovecot.client(night.user) as imap:
        imap.create(f'"{night.wire("Elsewhere")}"')
        imap.select("INBOX")
        imap.copy("1", f'"{night.wire("Elsewhere")}"')
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.store("2", "+FLAGS", r"(\Answered)")
    await night.looks(2)
    assert night.answered() == [IVAN]
    assert set((await night.reasons()).values()) == {"answered", "full"}
    assert night.in_callbacks() == ["stays"]
    (folder,) = [name for name in night.tree() if "Callbacks/" in name]
    with night.dovecot.client(night.user) as imap:
        imap.select(f'"{night.wire(folder)}"')
        imap.copy("1", "INBOX")
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    await night.looks(2)
    assert night.answered() == [IVAN]
    assert sorted(night.subjects("INBOX")) == ["marked", "stays"]
    assert night.subjects("Elsewhere") == ["moved"]


async def test_an_answer_by_hand_before_the_timer(night: Night) -> None:
    """What the owner wrote from Sent in the grace time is the answer."""
    night.comes(IVAN, "asks")
    await night.run()
    answer = letter("anna@example.com", "Re: asks", headers={"To": IVAN}, return_path=None)
    night.dovecot.append(night.user, answer, night.clock.at + timedelta(minutes=1), folder=night.wire("Sent"))
    await night.looks(2)
    assert night.answered() == []
    assert (await night.reasons())[IVAN] == "answered"
    assert night.subjects("INBOX") == ["asks"]


async def test_two_sections_for_one_account_are_refused(night: Night) -> None:
    """A configuration that watches one INBOX twice does not start."""
    night.write()
    text = night.config.read_text()
    again = text[text.index("[mailboxes.main]") : text.index("[", text.index("[mailboxes.main.password]") + 1)]
    night.config.write_text(text + "\n" + again.replace("mailboxes.main", "mailboxes.again"))
    with pytest.raises(Exception, match="watches the same folder of the same account already"):
        Daemon(config.load(night.config), state=night.state, clock=night.clock, environ=os.environ)
