"""The line as a state machine: mail arrives, time passes, servers lie, the process dies; what was promised holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from responder.adapters.ledger import SqliteLedger
from responder.assessing import Rules
from responder.core import hours
from responder.core.facts import HEADER_FIELDS
from responder.core.model import Outcome
from responder.engine import Engine
from responder.errors import ClockError, TemporaryError
from tests.core.build import at, client, policy
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, letter
from tests.fakes.mail_server import FakeServer
from tests.fakes.mailbox import FakeMailbox
from tests.fakes.outbox import FakeOutbox

POLICY = policy(clients=(client(), client("berlin", zone="Europe/Berlin", agreement=None)))
SENDERS = ("ivan@vostok.example", "kolya@vostok.example", "Ivan@Berlin.example", "who@nowhere.example")
ADDRESSES = {sender.lower() for sender in SENDERS[:3]}
METHODS = ("open", "scan", "fetch", "bodies", "file", "sent_headers", "append_sent", "find_ours", "claim")
#: Where the process may die, in the outbox and in the ledger.
DEATHS = ("send", "record", "advance", "owner_wrote", "folder_made")


class DeadError(Exception):
    """The process is dead: nothing after this line was run."""


class Mortal:
    """A port through which the process may die, before or after the work of one method."""

    def __init__(self, port: Any, fuse: dict[str, str]) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        """Return the port's own method, with the fuse round it."""
        method = getattr(self._port, name)

        async def fused(*args: Any, **kwargs: Any) -> Any:
            when = self._fuse.pop(name, "")
            if when == "before":
                raise DeadError(name)
            result = await method(*args, **kwargs)
            if when == "after":
                raise DeadError(name)
            return result

        return fused


class Line(RuleBasedStateMachine):
    """One mailbox, one outbox, one ledger; the engine is a new one after every death."""

    @initialize()
    def begin(self) -> None:
        """Start on a Friday evening with an old message in INBOX."""
        self.runner = asyncio.Runner()
        self.server = FakeServer()
        self.outbox = FakeOutbox()
        self.clock = FixedClock(at("2026-11-27 19:30"))
        self.ledger = SqliteLedger.in_memory()
        self.arrived: list[bytes] = [letter("ivan@vostok.example", "old")]
        self.left_at: list[datetime] = []
        self.server.deliver(self.arrived[0], self.clock.at - timedelta(days=1))
        self.engine: Engine | None = None
        self.fuse: dict[str, str] = {}
        self.work()

    def _engine(self) -> Engine:
        async def no_alert(text: str) -> None:
            assert text

        return Engine(
            mailbox=FakeMailbox(self.server, header_fields=HEADER_FIELDS),
            outbox=Mortal(self.outbox, self.fuse),
            ledger=Mortal(self.ledger, self.fuse),
            clock=self.clock,
            rules=Rules(policy=POLICY),
            secret=b"0123456789abcdef",
            lock=asyncio.Lock(),
            alert=no_alert,
        )

    @rule(sender=st.sampled_from(SENDERS), late=st.integers(0, 5))
    def mail_arrives(self, sender: str, late: int) -> None:
        """A letter is delivered, perhaps some minutes ago."""
        raw = letter(sender, f"letter {len(self.arrived)}")
        self.arrived.append(raw)
        self.server.deliver(raw, self.clock.at - timedelta(minutes=late))

    @rule(minutes=st.sampled_from([1, 3, 4, 10, 60, 720, 3900]))
    def time_passes(self, minutes: int) -> None:
        """The clock goes on."""
        self.clock.at += timedelta(minutes=minutes)

    @rule(sender=st.sampled_from(SENDERS[:2]))
    def owner_answers(self, sender: str) -> None:
        """The owner writes to a client by hand."""
        raw = letter(OWNER, "by hand", headers={"To": sender}, return_path=None)
        self.arrived.append(raw)
        self.server.deliver(raw, self.clock.at, folder="Sent")

    @rule(sender=st.sampled_from(SENDERS[:3]), outcome=st.sampled_from(list(Outcome)))
    def server_will_say(self, sender: str, outcome: Outcome) -> None:
        """The submission server will refuse, put off or fall silent at the next reply."""
        if outcome in (Outcome.DONE, Outcome.REFUSED, Outcome.RETRY, Outcome.IN_DOUBT):
            self.outbox.outcomes.setdefault(sender, []).append(outcome)

    @rule()
    def work(self) -> None:
        """One round, by a running engine or one just started."""
        self.server.trouble = None
        self._round()

    @rule(method=st.sampled_from(METHODS), when=st.sampled_from(["before", "after"]))
    def session_breaks(self, method: str, when: str) -> None:
        """The session dies before or after one command; the next round begins anew."""
        armed = [True]

        def trouble(name: str, moment: str) -> None:
            if armed[0] and (name, moment) == (method, when):
                armed[0] = False
                raise TemporaryError("the session died")

        self.server.trouble = trouble
        self._round()
        self.server.trouble = None

    @rule(method=st.sampled_from(DEATHS), when=st.sampled_from(["before", "after"]))
    def process_dies_at(self, method: str, when: str) -> None:
        """The process dies in the middle of a round; what it knew only in memory is lost."""
        self.fuse[method] = when
        self._round()
        self.fuse.clear()

    @rule(openly=st.booleans())
    def inbox_is_numbered_anew(self, openly: bool) -> None:  # noqa: FBT001 - Hypothesis passes by name
        """The server gives every message in INBOX another UID, and perhaps says so."""
        self.server.renumber(openly=openly)

    @rule()
    def process_dies(self) -> None:
        """The process dies while it waits."""
        self.engine = None

    def _round(self) -> None:
        before = len(self.outbox.sent)

        async def go() -> None:
            try:
                if self.engine is None:
                    self.engine = self._engine()
                    await self.engine.begin()
                await self.engine.round()
            except (TemporaryError, ClockError, DeadError):  # nobody looked for a month: it waits for new mail
                self.engine = None

        self.runner.run(go())
        self.left_at += [self.clock.at] * (len(self.outbox.sent) - before)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        """Every message lies in exactly one folder, unread, unmarked."""
        if not hasattr(self, "server"):
            return
        ours = {reply.message for reply in self.outbox.sent}
        lying = Counter(
            stored.raw for folder in self.server.folders.values() for stored in folder.messages.values()
            if stored.raw not in ours
        )  # fmt: skip
        assert lying == Counter(self.arrived)
        copies = Counter(stored.raw for stored in self.server.folder("Sent").messages.values() if stored.raw in ours)
        assert set(copies.values()) <= {1}
        for name, folder in self.server.folders.items():
            for stored in folder.messages.values():
                assert name == "Sent" or not {flag.lower() for flag in stored.flags} & {"\\seen", "\\answered"}

    @invariant()
    def nobody_is_told_twice_or_late(self) -> None:
        """At most one reply for an address and closed period, none while it is open, none to a stranger."""
        if not hasattr(self, "server"):
            return
        told = Counter((reply.address, reply.period_ends_at) for reply in self.outbox.sent)
        assert not [key for key, count in told.items() if count > 1]
        assert len({reply.fingerprint for reply in self.outbox.sent}) == len(self.outbox.sent)
        for reply, left_at in zip(self.outbox.sent, self.left_at, strict=True):
            assert reply.address in ADDRESSES
            assert left_at < reply.not_after
            assert not hours.calendar(POLICY, reply.client).why_open(left_at)

    def teardown(self) -> None:
        """At rest, all client mail that arrived closed has a verdict, and none waits for ever."""
        if not hasattr(self, "server"):
            return
        for _ in range(3):
            self.clock.at += timedelta(minutes=5)
            witness = letter("who@nowhere.example", "what time it is", at=self.clock.at)
            self.server.deliver(witness, self.clock.at)
            self.work()
        waiting = self.runner.run(self.ledger.waiting("main"))
        assert waiting == []
        self.runner.run(self.ledger.close())
        self.runner.close()


TestLine = Line.TestCase
TestLine.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
