"""A long run: a working week of seeded mail and seeded faults, against a model of who may be told.

The seed is printed. ``SOAK_SEED`` in the environment gives another one; in CI it is always the same ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import os
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from responder import config
from responder.adapters.ledger import SqliteLedger
from responder.adapters.storable import from_micros
from responder.core.ours import fingerprint
from responder.daemon import Daemon
from responder.pace import Patience
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.crash import Patient, say
from tests.e2e.scene import OWNER, Scene, letter
from tests.servers.smtp import SmtpSink, drop, reply, reset

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.crash import Zygote
    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

if "SOAK_SEED" in os.environ:
    SEEDS = [int(os.environ["SOAK_SEED"])]
elif os.environ.get("CI"):
    SEEDS = [1, 2]
else:  # pytest-xdist's workers must agree
    SEEDS = [random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(1_000_000)]  # noqa: S311 - a seed
#: Monday afternoon to Saturday morning, in Moscow.
BEGINS, ENDS = at("2026-11-09 16:00"), at("2026-11-14 06:00")
MOSCOW = ZoneInfo("Europe/Moscow")
#: Addresses of clients in three zones, and whose they are.
CLIENTS = {
    "ivan@vostok.example": "vostok",
    "maya@harborlane.example": "harbor",
    "accounts@harborlane.example": "harbor",
    **{f"person-{number}@vostok.example": "vostok" for number in range(6)},
    **{f"person-{number}@linden-partner.example": "linden" for number in range(6)},
}
#: A session that was kicked out is rebuilt soon.
PATIENCE = Patience(first=0.05, longest=0.2)
#: A round that has taken so long has come to a stop.
ROUND_SECONDS = 120.0


@dataclass(slots=True)
class Mail:
    """One message of the world: who wrote it, when it came, what it is, and what the owner did with it."""

    raw: bytes
    sender: str
    kind: str
    at: datetime
    message_id: str
    excused: bool = False
    answered_at: datetime | None = None

    @property
    def opens_promise(self) -> bool:
        """Whether it may be owed an answer: a mail copied to the owner is, if it comes while it is open."""
        return self.kind in ("client", "copied")

    def owed(self, now_at: datetime) -> bool:
        """Tell whether an answer to it may be overdue; one that is dated before it, by a clock set back, is none."""
        answered = self.answered_at is not None and self.at < self.answered_at < now_at
        return self.opens_promise and not answered and due(self.at) < now_at + timedelta(hours=1)


@dataclass(slots=True)
class Model:
    """What happened, and who may be answered: the test's own memory."""

    mails: list[Mail] = field(default_factory=list[Mail])
    copies: Counter[bytes] = field(default_factory=Counter[bytes])
    owner_wrote: list[tuple[str, datetime]] = field(default_factory=list[tuple[str, datetime]])
    replies: list[tuple[str, str, datetime]] = field(default_factory=list[tuple[str, str, datetime]])

    def came(self, mail: Mail) -> None:
        """Remember a message."""
        self.mails.append(mail)
        self.copies[mail.raw] += 1


def is_open(instant: datetime) -> bool:
    """Tell whether the office is open, its lunch break included: from ten to seven, on working days."""
    local = instant.astimezone(MOSCOW)
    return local.weekday() < 5 and time(10) <= local.time() < time(19)


def period(instant: datetime) -> datetime:
    """Return when the closed period of that instant ends."""
    local = instant.astimezone(MOSCOW)
    day = local.date() if local.time() < time(10) else local.date() + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return datetime.combine(day, time(10), MOSCOW)


def due(instant: datetime) -> datetime:
    """Return the earliest end of the next working day: what was promised to a client may be due then."""
    local = instant.astimezone(MOSCOW)
    day = local.date() if local.time() >= time(10) else local.date() - timedelta(days=1)
    day += timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return datetime.combine(day, time(19), MOSCOW)


def is_ours(raw: bytes) -> bool:
    """Tell whether the service wrote it: the copy of a reply, or a morning's digest."""
    return b"X-Responder-Id" in raw or b"\r\nAuto-Submitted: auto-generated\r\n" in raw


class Soak:
    """The world, the service in it, and chance."""

    def __init__(self, scene: Scene, patient: Patient, seed: int) -> None:
        self.scene, self.patient = scene, patient
        self.chance = random.Random(seed)  # noqa: S311 - a seed, no secret
        self.model = Model()
        self.rounds = 0
        self.events: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._service: Daemon | None = None
        self._task: asyncio.Task[None] | None = None
        self._numbered_at: datetime | None = None

    # ------------------------------------------------------------------------------------ service

    def start(self) -> None:
        """Start the service in this process."""
        self._service = Daemon(
            config.load(self.scene.config),
            state=self.scene.state,
            clock=self.scene.clock,
            environ={},
            patience=PATIENCE,
            on_round=self._on_round,
        )
        self._task = asyncio.create_task(self._service.run())

    def _on_round(self, _: str, __: datetime | None) -> None:
        self.rounds += 1
        self._news.set()

    async def stop(self) -> None:
        """Stop it."""
        assert self._service is not None
        assert self._task is not None
        self._service.stop()
        await self._task

    async def settle(self) -> None:
        """Wait for two whole rounds: the first may have begun before what has just happened."""
        assert self._task is not None
        goal = self.rounds + 2
        async with asyncio.timeout(ROUND_SECONDS):
            while self.rounds < goal:
                self._news.clear()
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait({news, self._task}, return_when=asyncio.FIRST_COMPLETED)
                if self._task.done():
                    news.cancel()
                    await self._task
                    raise AssertionError("the service ended")
        for mail in self.scene.sink.mails:
            found = email.message_from_bytes(mail.data)
            self.model.replies.append((mail.recipient, str(found["In-Reply-To"]), self.scene.clock.at))
        self.scene.sink.mails.clear()

    # ---------------------------------------------------------------------------------------- mail

    def letters(self) -> None:
        """Let some mail come, of all kinds."""
        for _ in range(self.chance.choice([0, 0, 1, 1, 2, 4])):
            kind = self.chance.choices(
                ["client", "stranger", "list", "auto", "bounce", "own", "copied"], [10, 2, 2, 2, 1, 1, 1]
            )[0]
            sender = self.chance.choice(list(CLIENTS))
            more: dict[str, str] = {}
            if kind == "stranger":
                sender = f"somebody{self.chance.randrange(9)}@nowhere.example"
            elif kind == "list":
                more = {"List-Id": "<all.vostok.example>"}
            elif kind == "auto":
                more = {"Auto-Submitted": "auto-replied"}
            elif kind == "bounce":
                sender = "MAILER-DAEMON@vostok.example"
            elif kind == "own":
                sender = OWNER
            elif kind == "copied":
                more = {"To": "someone@else.example", "Cc": OWNER}
            number = len(self.model.mails)
            message_id = f"<{number}.soak@{sender.rpartition('@')[2]}>"
            raw = letter(
                sender,
                f"{kind} {number}",
                at=self.scene.clock.at,
                headers=more | {"Message-ID": message_id},
                return_path="" if kind != "bounce" else "MAILER-DAEMON",
            )
            self._arrive(Mail(raw, sender, kind, self.scene.clock.at, message_id))

    def _arrive(self, mail: Mail) -> None:
        self.scene.arrive(mail.raw, mail.at)
        self.model.came(mail)
        self.events[mail.kind] += 1

    def again(self) -> None:
        """Let a message be delivered a second time."""
        if self.model.mails:
            mail = self.chance.choice(self.model.mails)
            self.scene.arrive(mail.raw, self.scene.clock.at)
            self.model.copies[mail.raw] += 1
            self.events["twice"] += 1

    def owner_answers(self, most: int = 1) -> None:
        """Let the owner answer clients by hand, from another program: some of the last letters, or all of a day."""
        now_at = self.scene.clock.at + timedelta(seconds=1)  # nobody answers in the second in which a letter comes
        open_ones = [mail for mail in self.model.mails if mail.opens_promise and mail.answered_at is None]
        with self.scene.dovecot.client(self.scene.user) as imap:
            for mail in open_ones[-60:] if most > 1 else self.chance.sample(open_ones[-8:], min(1, len(open_ones))):
                raw = letter(
                    OWNER,
                    "by hand",
                    headers={"To": mail.sender, "In-Reply-To": mail.message_id},
                    return_path=None,
                )
                imap.append("Sent", "", now_at, raw)
                self.model.copies[raw] += 1
                mail.answered_at = now_at
                self.model.owner_wrote.append((CLIENTS[mail.sender], now_at))
                self.events["answer by hand"] += 1

    def owner_moves(self) -> None:
        """Let the owner move a mail: out of INBOX, or back into it."""
        with self.scene.dovecot.client(self.scene.user) as imap:
            _, lines = imap.list()
            names = [line.decode().rpartition(' "/" ')[2].strip('"') for line in lines if isinstance(line, bytes)]
            filed = [name for name in names if name.startswith("Callbacks/")]
            source = self.chance.choice(["INBOX", *filed])
            target = "Kept" if source == "INBOX" else "INBOX"
            imap.create(target)
            imap.select(f'"{source}"')
            _, (found,) = imap.uid("SEARCH", "UNDELETED")
            if uids := found.split():
                uid = self.chance.choice(uids[-5:]).decode()
                _, data = imap.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
                imap.uid("MOVE", uid, target)
                moved = re.search(rb"<[^>]*>", data[0][1])
                for mail in self.model.mails:
                    if moved and mail.message_id == moved[0].decode():
                        mail.excused = True
                self.events["moved by the owner"] += 1

    # -------------------------------------------------------------------------------------- faults

    async def fault(self) -> None:
        """Let something go wrong."""
        kind = self.chance.choices(
            ["kill", "kick", "smtp", "renumber", "reload", "clock"],
            [4, 4, 8, 0 if self._numbered_at else 1, 2, 2],
        )[0]
        self.events[kind] += 1
        scene, sink = self.scene, self.scene.sink
        if kind == "kick":
            await asyncio.to_thread(scene.dovecot.kick, scene.user)
        elif kind == "smtp":
            phase, act = self.chance.choice(
                [
                    ("RCPT", reply("451 4.3.0 later")),
                    ("RCPT", reply("550 5.1.1 nobody of that name")),
                    ("MAIL", reply("421 4.3.2 going down")),
                    ("DOT", reply("554 5.7.1 spam")),
                    ("DOT", reply("452 4.3.1 no room")),
                    ("DOT", drop()),
                    ("DOT", drop()),
                    ("BODY", reset()),
                    ("CONNECT", reset()),
                ]
            )
            sink.script = {phase: [act]}
        elif kind == "renumber":
            self._numbered_at = scene.clock.at
            number = str(self.chance.randrange(1_800_000_000, 1_900_000_000))
            arguments = ("mailbox", "update", "-u", scene.user, "--uid-validity", number, "INBOX")
            await asyncio.to_thread(scene.dovecot.doveadm, *arguments)
        elif kind == "reload":
            scene.changes["mailboxes"] = {"main": {"poll": f"{self.chance.randrange(1, 5)} s"}}
            scene.write()
            assert self._service is not None
            self._service.reload()
        elif kind == "clock":
            scene.clock.at += timedelta(seconds=self.chance.randrange(-120, 300))
        else:
            await self.stop()
            await self.patient.run(self.chance.choice(["ledger", "imap", "smtp"]), self.chance.randrange(1, 30))
            self.start()

    # ---------------------------------------------------------------------------------------- time

    async def live(self) -> None:
        """Let the time pass, in steps of some minutes."""
        scene = self.scene
        desk_at = BEGINS
        while scene.clock.at < ENDS:
            scene.clock.at += timedelta(seconds=self.chance.randrange(30, 1_500))
            if self.chance.random() < 0.25:
                await self.fault()
            before = self._numbered_at
            if before is None or scene.clock.at - before > timedelta(hours=1):
                await asyncio.to_thread(self.letters)
            for likely, act in ((0.06, self.again), (0.10, self.owner_answers), (0.06, self.owner_moves)):
                if self.chance.random() < likely:
                    await asyncio.to_thread(act)
            if is_open(scene.clock.at) and scene.clock.at - desk_at > timedelta(hours=10):
                desk_at = scene.clock.at
                await asyncio.to_thread(self.owner_answers, 100)
            await self.settle()
        scene.sink.script = {}
        for _ in range(6):
            scene.clock.at += timedelta(minutes=20)
            await self.settle()

    # -------------------------------------------------------------------------------------- verdict

    async def judge(self) -> None:
        """Look at the servers and the ledger, and compare with the model."""
        model, scene = self.model, self.scene
        everything = list(scene.everything())
        copies = [raw for _, _, raw in everything if is_ours(raw)]
        ours = Counter(email.message_from_bytes(raw)["Message-ID"] for raw in copies)
        lying = Counter(raw for _, _, raw in everything if not is_ours(raw))
        assert lying == model.copies, "a message was lost, doubled or changed"
        assert set(ours.values()) <= {1}, "a reply was copied twice, or a digest came twice"
        assert not [flags for folder, flags, _ in everything if "\\Seen" in flags and folder not in ("Sent", "Kept")]

        by_id = {mail.message_id: mail for mail in model.mails}
        for recipient, answers, left_at in model.replies:
            mail = by_id[answers]
            assert mail.kind == "client", f"{recipient} was answered for {mail.kind}"
            assert mail.sender == recipient
            assert not is_open(mail.at), f"{recipient} wrote at {mail.at}, when it was open"
            assert not is_open(left_at), f"{recipient} was told at {left_at} that it is closed"
        told = Counter((recipient, period(by_id[answers].at)) for recipient, answers, _ in model.replies)
        assert set(told.values()) <= {1}, f"told twice: {told}"

        ledger = SqliteLedger.read(scene.state / "ledger.sqlite3")
        summary = await ledger.summary(scene.clock.at)
        rows = await ledger.decided(last=10_000)
        effects = await ledger._call(
            lambda connection: connection.execute(
                "SELECT fingerprint, effects.address, period_ends_at, state, counts FROM effects"
                " JOIN messages ON message = messages.id WHERE reply_kind IS NOT NULL"
            ).fetchall()
        )
        states = {print_: state for print_, _, _, state, _ in effects}
        counted = {(address, from_micros(ends)) for _, address, ends, _, counts in effects if counts}
        await ledger.close()
        assert (summary.waiting, summary.planned) == (0, 0)
        verdicts = {row.entry.fingerprint: row for row in rows}
        for mail in model.mails:
            row = verdicts.get(fingerprint(mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", len(mail.raw)))
            if row is None:
                assert self._is_excused(mail), f"without a verdict: {mail}"
                continue
            self._judge_reason(mail, row.entry.reason)
            if row.entry.reason == "told" and not mail.excused:
                assert (mail.sender, period(mail.at)) in counted, f"{mail}: told, and it was not"
            if row.entry.reason in ("full", "short"):
                state = states[row.entry.fingerprint]
                sent = (mail.sender, period(mail.at)) in told
                assert sent or state in ("in-doubt", "refused", "expired"), f"{mail}: {state}, and no reply"

    def _is_excused(self, mail: Mail) -> bool:
        """Tell whether the owner took it in hand, or it came just before INBOX was numbered anew."""
        numbered = self._numbered_at is not None and timedelta(0) <= self._numbered_at - mail.at < timedelta(minutes=30)
        return mail.excused or numbered

    def _judge_reason(self, mail: Mail, reason: str) -> None:
        """Compare one verdict with what the model allows."""
        if self._is_excused(mail):
            return
        allowed = {
            "stranger": {"stranger"},
            "list": {"automatic"},
            "auto": {"automatic"},
            "bounce": {"automatic"},
            "own": {"own"},
            "copied": {"copied", "open", "conversing", "answered", "opened-meanwhile"},
        }.get(mail.kind)
        if allowed is None:
            client = CLIENTS[mail.sender]
            theirs = [one for one in self.model.mails if one.kind == "client" and CLIENTS[one.sender] == client]
            allowed = {"open"} if is_open(mail.at) else {"full", "short"}
            if not is_open(mail.at):
                wrote = [when for who, when in self.model.owner_wrote if who == client]
                if any(-timedelta(hours=1) <= when - mail.at < timedelta(hours=1) for when in wrote):
                    allowed |= {"conversing", "answered"}
                if any(
                    one is not mail and one.sender == mail.sender and period(one.at) == period(mail.at)
                    for one in theirs
                ):
                    allowed |= {"told", "joined"}
                if any(one.owed(mail.at) for one in self.model.mails if CLIENTS.get(one.sender) == client):
                    allowed |= {"owing"}
                if period(mail.at) - mail.at < timedelta(minutes=40):
                    allowed |= {"opened-meanwhile"}
        assert reason in allowed, f"{mail.kind} from {mail.sender} at {mail.at}: {reason}, not one of {allowed}"


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_week_of_mail_and_faults(
    dovecot_rich: Dovecot,
    zygote: Zygote,
    user: str,
    tmp_path: Path,
    seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Under mail and faults of all kinds nothing is lost or doubled, and nobody is told who may not be."""
    say(capsys, f"seed {seed}")
    async with SmtpSink() as sink:
        scene = Scene(
            folder=tmp_path,
            server=dovecot_rich,
            sink=sink,
            user=user,
            clock=FixedClock(BEGINS),
            changes={
                "replies": {"limits": {"per_hour": 1_000, "per_day": 9_000, "per_address_per_day": 50}},
                "digest": {"at": "08:30"},
            },
        )
        soak = Soak(scene, Patient(scene, zygote, "send"), seed)
        soak.start()
        await soak.settle()
        try:
            await soak.live()
        finally:
            with contextlib.suppress(AssertionError):
                await soak.stop()
        await soak.judge()
    told = len(soak.model.replies)
    say(capsys, f"{len(soak.model.mails)} mails, {told} replies, {dict(soak.events)}, {soak.rounds} rounds")
    assert told > 10
