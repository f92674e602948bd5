"""One trigger through the line, and effects carried out: mailbox → facts → history → verdict → plan → ledger → world.

It promises the daemon, ``run --once``, the demo and the crash tests the same thing: what was decided is on disk before
anything happens, and each effect is closed with a receipt. ``assess`` is the line stopped before the ledger is
written: ``--dry-run`` and ``explain`` are that shorter line, not a mode.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from responder.assessing import Assessor, Rules
from responder.carry import MOST_TRIES, Carrier
from responder.claims import contend
from responder.core import clocks, hours
from responder.core import facts as facts_room
from responder.core.facts import Identity
from responder.core.model import Facts, FileMessage, MessageKey, Reason, SaveDraft
from responder.core.plan import breaker_alert, second_alert
from responder.entries import (
    Assessed,
    baseline,
    is_deleted,
    log_verdict,
    looked_at_key,
    owner_message,
    replies,
    taken_reply,
    unjudged,
    unseen,
)
from responder.errors import ClockError, TemporaryError
from responder.follow import Follower
from responder.objection import objection
from responder.ports import Decision, LedgerEntry, MailboxState
from responder.renumbering import Renumbering, is_renumbered
from responder.sent import SentReader

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from responder.core.model import Effect, Message, SendReply
    from responder.ports import Clock, Duty, InboxState, Ledger, Mailbox, Outbox, StoredEffect

#: Header fetches of some hundreds cost the fewest round trips without memory (measured: 500 is the knee).
CHUNK = 500
#: Among so many of the newest messages one is looked for that confirms the clock.
WITNESSES = 10

log = structlog.get_logger()


class Engine:
    """The line for one mailbox.

    Args:
        mailbox: where mail is read and filed.
        outbox: where replies leave.
        ledger: shared by all mailboxes.
        clock: time.
        rules: the rules in force, shared; a round keeps to those with which it began.
        secret: the installation's secret, from which reply ids are derived.
        lock: shared by all engines of a process: two mailboxes never decide about one client at once.
        alert: tells the owner; raises TemporaryError when it could not.
        alive: called between steps that may each last minutes.
        duties: what is seen to at set times, after each round's mail.
    """

    def __init__(  # noqa: PLR0913 - all that a line is made of, by keyword
        self,
        *,
        mailbox: Mailbox,
        outbox: Outbox,
        ledger: Ledger,
        clock: Clock,
        rules: Rules,
        secret: bytes,
        lock: asyncio.Lock,
        alert: Callable[[str], Awaitable[None]],
        alive: Callable[[], None] = lambda: None,
        duties: Sequence[Duty] = (),
    ) -> None:
        self.mailbox = mailbox
        self._in_force = rules
        self.rules = Rules(policy=rules.policy)
        self._ledger = ledger
        self._clock = clock
        #: Says why the clock cannot be believed; who sets the clock by hand needs no doubt.
        self.doubt: Callable[[datetime, datetime | None], str] = clocks.doubt
        self._lock = lock
        self._identity = Identity(mailbox=mailbox.name, secret=secret)
        self._mark = facts_room.mark_of(secret)
        self._mine = facts_room.marks_in({self._mark})
        self._assessor = Assessor(mailbox, ledger, self.rules, self._identity)
        self._renumbering = Renumbering(mailbox, ledger, self._assessor)
        self._sent = SentReader(mailbox, ledger)
        self._carrier = Carrier(
            mailbox=mailbox,
            outbox=outbox,
            ledger=ledger,
            clock=clock,
            alert=alert,
            copies=lambda: self.rules.policy.replies.copy == "Sent",
            objection=self._objection,
            alive=alive,
        )
        #: What is seen to at set times, in this order; who only imagines the mailbox has none.
        self.duties: tuple[Duty, ...] = (Follower(mailbox, ledger, self.rules, self._known_state), *duties)
        self._state: MailboxState | None = None
        self._waiting: dict[str, LedgerEntry] = {}
        #: How often the server's structure of a message could not be understood since the start.
        self.quirks = 0
        #: The last round found something to do.
        self.fruitful = False
        self._chunk = CHUNK
        self._stumbled: Counter[int] = Counter()
        #: When another responder's mark was last met on a message that this one would have answered.
        self.second_at: datetime | None = None
        self._second_met = False
        #: The latest instant at which the clock was believed; None before the first.
        self.believed_at: datetime | None = None

    # ------------------------------------------------------------------------------------- a session

    async def begin(self) -> int | None:
        """Connect, set the baseline at the first start, and finish what an earlier run left undone.

        Returns how many older messages the first start leaves alone; None at every later start. Raises ClockError
        while the clock cannot be believed.
        """
        self.rules.policy = self._in_force.policy
        inbox = await self.mailbox.open()
        await self._believe_clock(inbox)
        name = self.mailbox.name
        state = await self._ledger.mailbox(name)
        left_alone: int | None = None
        if state is None:
            state = baseline(name, inbox, self._clock.now())
            await self._ledger.save_mailbox(state)
            left_alone = inbox.exists
        self._state = state
        self._waiting = {entry.fingerprint: entry for entry in await self._ledger.waiting(name)}
        if is_renumbered(inbox, state):
            await self._renumbered()
        await self._read_sent()
        await self._carrier.recover()
        await self._learn_duties()
        return left_alone

    async def round(self) -> datetime | None:
        """Take in new mail, decide what is ripe, carry it out; return when to look again, None for "at news".

        Raises ClockError when the clock cannot be believed any more: begin again.
        """
        self._now()
        self.rules.policy = self._in_force.policy
        due = self._carrier.is_due()
        if due:
            await self._read_sent()  # the owner may have answered since
            await self._carrier.retry()
        state = self._known_state()
        inbox, uids = await self.mailbox.scan(state.next_uid)
        if is_renumbered(inbox, state):
            await self._renumbered()
            inbox, uids = await self.mailbox.scan(self._known_state().next_uid)
        await self._take_in_all(uids)
        ripe = await self._decide_ripe()
        if due or uids or ripe:
            await self._learn_duties()
        seen_to = await self._see_to_duties()
        self.fruitful = due or bool(uids) or ripe or seen_to
        return self._next_at()

    async def _see_to_duties(self) -> bool:
        """See to what is due by the clock, after the mail; tell whether there was any."""
        now_at = self._clock.now()
        due = any(duty.next_at is not None and duty.next_at <= now_at for duty in self.duties)
        if due:
            await self._read_sent()
            for duty in self.duties:  # all of them: what one finds out the next one tells
                await self._carrier.carry_out(await duty.see_to(self._now()))
            await self._learn_duties()  # what was carried out has its next hour
        return due

    async def _learn_duties(self) -> None:
        """Learn anew when duties are to be seen to, after something has changed."""
        for duty in self.duties:
            await duty.begin()

    def _now(self) -> datetime:
        """Return the present instant; raises ClockError where the clock cannot be believed."""
        now_at = self._clock.now()
        if doubt := self.doubt(now_at, self.believed_at):
            raise ClockError(f"{doubt}; nothing is decided, sent or moved until it is right, or new mail confirms it")
        self.believed_at = max(now_at, self.believed_at or now_at)
        return now_at

    async def _believe_clock(self, inbox: InboxState) -> None:
        """Return if the clock can be believed; a message just come that bears the same time outweighs a doubt."""
        if self.believed_at is None and (noted := (await self._ledger.notes()).get(looked_at_key(self.mailbox.name))):
            self.believed_at = datetime.fromisoformat(noted)
        try:
            self._now()
        except ClockError:
            now_at = self._clock.now()
            _, uids = await self.mailbox.scan(max(inbox.uidnext - WITNESSES, 1))
            newest = await self._assessor.read_headers(await self.mailbox.fetch(uids[-WITNESSES:])) if uids else []
            if not any(clocks.bears_witness(one.internal_at, facts.dated_at, now_at) for one, facts in newest):
                raise
            log.warning("the clock is believed again: new mail bears the same time", mailbox=self.mailbox.name)
            await self._ledger.rewind(now_at)
            self.believed_at = now_at

    @property
    def trouble(self) -> str:
        """What keeps replies from leaving and only the owner can mend; "" when nothing does."""
        return self._carrier.trouble

    def _next_at(self) -> datetime | None:
        grace = self.rules.policy.replies.grace
        times = [entry.arrived_at + grace for entry in self._waiting.values()]
        times += [at for at in (self._carrier.next_at, *(duty.next_at for duty in self.duties)) if at is not None]
        return min(times, default=None)

    def _known_state(self) -> MailboxState:
        if self._state is None:
            raise TemporaryError(f"mailbox {self.mailbox.name}: not begun")
        return self._state

    async def _renumbered(self) -> None:
        """Go on after INBOX was numbered anew."""
        self._state, self._waiting = await self._renumbering.go_on(
            self._known_state(), self._waiting, self._clock.now()
        )

    # ---------------------------------------------------------------------------------- one message

    async def assess(
        self,
        messages: Sequence[Message],
        entries: Mapping[str, LedgerEntry],
        now_at: datetime,
        *,
        fresh: bool = False,
    ) -> list[Assessed]:
        """Judge messages together, in the order of their arrival, without writing anything.

        Args:
            messages: with their headers; bodies are fetched where they matter.
            entries: what the ledger holds of them by fingerprint; those without a verdict keep their arrival.
            now_at: the instant of the decision.
            fresh: judge as if the ledger held no verdict on them (for ``explain``).
        """
        observed = await self._assessor.read_bodies(await self._assessor.read_headers(messages), entries, fresh=fresh)
        return await self._judge(observed, entries, now_at, fresh=fresh)

    async def _judge(
        self,
        observed: Sequence[tuple[Message, Facts]],
        entries: Mapping[str, LedgerEntry],
        now_at: datetime,
        *,
        fresh: bool = False,
    ) -> list[Assessed]:
        baseline_uid = self._state.baseline_uid if self._state is not None else 0
        return await self._assessor.judge(observed, entries, now_at, baseline_uid=baseline_uid, fresh=fresh)

    async def _read_sent(self) -> None:
        """Read what the owner wrote: what is new in Sent."""
        self._state = await self._sent.read(self._known_state(), self.rules.policy, self._clock.now())

    # ------------------------------------------------------------------------------------- new mail

    async def _take_in_all(self, uids: Sequence[int]) -> None:
        """Take in new mail, chunk by chunk.

        A chunk that broke the session is halved next time, down to the one message that is at fault; that one is given
        up after some tries, so that it cannot keep the others waiting.
        """
        place = 0
        self._sent.forget()
        while place < len(uids):
            chunk = uids[place : place + self._chunk]
            if len(chunk) == 1 and self._stumbled[chunk[0]] >= MOST_TRIES:
                await self._give_up(chunk[0])
            else:
                try:
                    await self._take_in(chunk, cursor=chunk[-1] + 1)
                except TemporaryError:
                    self._stumbled.update(chunk if len(chunk) == 1 else ())
                    self._chunk = max(len(chunk) // 2, 1)
                    raise
            place += len(chunk)
            self._chunk = min(self._chunk * 2, CHUNK)

    async def _give_up(self, uid: int) -> None:
        """Enter a message that the server cannot show: unreadable, visible, and not asked for again."""
        state = self._known_state()
        now_at = self._clock.now()
        key = MessageKey(mailbox=state.name, uidvalidity=state.uidvalidity, uid=uid)
        lost = unjudged(unseen(key, now_at), Reason.UNREADABLE, "the server cannot show this message")
        log.error("given up: the server cannot show a message", mailbox=state.name, uid=uid)
        state = replace(state, next_uid=uid + 1)
        await self._ledger.record(state=state, waiting=(), decisions=[lost], now_at=now_at)
        self._state = state
        del self._stumbled[uid]

    async def _there(self, uids: Iterable[int]) -> frozenset[int]:
        """Return those of the UIDs that the server lists, asked anew."""
        asked = frozenset(uids)
        if not asked:
            return asked
        _, listed = await self.mailbox.scan(min(asked))
        return asked.intersection(listed)

    async def _take_in(self, uids: Sequence[int], *, cursor: int) -> None:
        """Enter a chunk of new mail; decide what need not wait, and carry it out."""
        first = await self._assessor.read_headers(await self.mailbox.fetch(uids))
        if held := await self._there(set(uids).difference(message.key.uid for message, _ in first)):
            raise TemporaryError(
                f"mailbox {self.mailbox.name}: the server lists messages that it does not show: {held}"
            )
        prints = [facts.fingerprint for _, facts in first]
        observed = await self._assessor.read_bodies(first, await self._ledger.known(prints), fresh=False)
        might_answer = any(
            facts.client and not (facts.automatic or facts.unreadable or facts.own) for _, facts in observed
        )
        if might_answer and not self._sent.is_known():
            await self._read_sent()
        async with self._lock:
            now_at = self._now()
            assessed = await self._judge_and_claim(observed, await self._ledger.known(prints), now_at)
            waiting, decided = self._split(assessed, now_at)
            state = replace(self._known_state(), next_uid=cursor)
            effects = await self._record(state, waiting, decided, now_at)
        self._state = state
        self._waiting.update({entry.fingerprint: entry for entry in waiting})
        await self._carrier.carry_out(effects)

    def _split(self, assessed: Iterable[Assessed], now_at: datetime) -> tuple[list[LedgerEntry], list[Assessed]]:
        """Part those whose grace time runs from those whose verdict stands."""
        grace = self.rules.policy.replies.grace
        first: dict[str, datetime] = {}
        for entry in self._waiting.values():
            first[entry.address] = min(first.get(entry.address, entry.arrived_at), entry.arrived_at)
        held = set(first)
        assessed = list(assessed)
        for item in assessed:
            if replies(item):
                address = item.facts.person
                first[address] = min(first.get(address, item.entry.arrived_at), item.entry.arrived_at)
        waiting: list[LedgerEntry] = []
        decided: list[Assessed] = []
        for item in assessed:
            address = item.facts.person
            if replies(item) and (address in held or first[address] + grace > now_at):
                waiting.append(item.entry)
            else:
                decided.append(item)
        return waiting, decided

    # ------------------------------------------------------------------------------- other responders

    async def _judge_and_claim(
        self,
        observed: Sequence[tuple[Message, Facts]],
        entries: Mapping[str, LedgerEntry],
        now_at: datetime,
        *,
        ripe: bool = False,
    ) -> list[Assessed]:
        """Judge, and claim what is to be answered or filed now; what another responder has taken is judged again: told.

        What vanished meanwhile is left out.

        Args:
            observed: the messages.
            entries: what the ledger holds of them.
            now_at: the instant of the decision.
            ripe: their grace time is over, none of them waits any more.
        """
        claimed: set[int] = set()
        others: dict[int, str] = {}
        while True:
            assessed = await self._judge(observed, entries, now_at)
            # Two who move one message at the same time can leave two copies, even with MOVE (seen with Dovecot).
            about = [item for item in assessed if replies(item) or item.verdict.file]
            others |= self._taken_before(about, entries)
            settled = about if ripe else self._split(assessed, now_at)[1]
            due = [item for item in about if item in settled and item.message.key.uid not in claimed | others.keys()]
            claimed.update(item.message.key.uid for item in due)
            lost = await self._claim(due)
            others |= {uid: mark for uid, mark in lost.items() if mark}
            taken = [
                taken_reply(item, others[item.message.key.uid])
                for item in about
                if replies(item) and item.message.key.uid in others
            ]
            gone = lost.keys() - others.keys()
            if not taken and not gone:
                return [self._left_to_the_other(item, others) for item in assessed]
            # What vanished before it could be claimed waits, and is found to have gone.
            self._waiting.update({item.facts.fingerprint: item.entry for item in due if item.message.key.uid in gone})
            observed = [one for one in observed if one[0].key.uid not in gone]
            if taken:
                await self._ledger.owner_wrote((), replies=taken)

    def _taken_before(self, about: Sequence[Assessed], entries: Mapping[str, LedgerEntry]) -> dict[int, str]:
        """Return those that bore a mark when they were read, with that mark.

        Ours counts too where the ledger does not know the message: it was lost, or is older than the mark.
        """
        taken: dict[int, str] = {}
        for item in about:
            marks = facts_room.marks_in(item.message.flags)
            foreign = marks - self._mine
            if foreign or (marks and item.facts.fingerprint not in entries):
                taken[item.message.key.uid] = min(foreign or marks)
        self._meet(taken)
        return taken

    async def _claim(self, due: Sequence[Assessed]) -> dict[int, str]:
        """Mark what is to be answered or filed now; return what another has, with its mark, and what vanished.

        The ledger learns of the messages first: after a crash a mark of ours is known to be of this ledger.
        """
        if not due or not self.mailbox.profile.keywords:
            return {}
        unknown = [item.entry for item in due if item.facts.fingerprint not in self._waiting]
        if unknown:
            await self._ledger.record(state=None, waiting=unknown, decisions=(), now_at=self._clock.now())
        lost = await contend(self.mailbox, [item.message.key.uid for item in due], self._mark)
        self._meet({uid: mark for uid, mark in lost.items() if mark})
        return lost

    def _left_to_the_other(self, item: Assessed, others: Mapping[int, str]) -> Assessed:
        """Leave the filing of what another responder has taken to that one: it looks for it until it has answered."""
        if others.get(item.message.key.uid, self._mark.lower()) in self._mine:
            return item
        kept = tuple(effect for effect in item.plan.effects if not isinstance(effect, FileMessage))
        return replace(item, plan=replace(item.plan, effects=kept))

    def _meet(self, marks: Mapping[int, str]) -> None:
        """Note that there is another responder, if one of the marks is not ours."""
        if not self._mine.issuperset(marks.values()):
            self._second_met = True
            self.second_at = self._clock.now()

    async def _record(
        self,
        state: MailboxState | None,
        waiting: Sequence[LedgerEntry],
        decided: Sequence[Assessed],
        now_at: datetime,
    ) -> Sequence[StoredEffect]:
        """Write it all down; trip the breaker where the hourly cap was reached."""
        policy = self.rules.policy
        decisions = [
            Decision(
                entry=replace(item.entry, reason=item.verdict.reason),
                facts=item.facts,
                verdict=item.verdict,
                effects=item.plan.effects,
            )
            for item in decided
            if item.verdict.reason is not Reason.SEEN_BEFORE
        ]
        hourly = {
            item.facts.fingerprint
            for item in decided
            if item.verdict.reason is Reason.LIMIT and item.case.history.last_hour >= policy.replies.limits.per_hour
        }
        place = next((n for n, one in enumerate(decisions) if one.facts.fingerprint in hourly), None)
        if place is not None:
            calendar = hours.calendar(policy, "")
            until_at = calendar.next_change(now_at)
            if calendar.why_open(now_at):  # a client's own hours: the owner's next opening comes after the closing
                until_at = calendar.next_change(until_at)
            if await self._ledger.trip_breaker(until_at):
                stopped = decisions[place]
                effects: tuple[Effect, ...] = (*stopped.effects, breaker_alert(until_at, policy))
                decisions[place] = replace(stopped, effects=effects)
        if self._second_met and decisions:
            self._second_met = False
            told = decisions[-1]
            alert = second_alert(self.mailbox.name, now_at, policy)
            decisions[-1] = replace(told, effects=(*told.effects, alert))
        again = {one.facts.fingerprint: one.message.key for one in decided if one.verdict.reason is Reason.SEEN_BEFORE}
        if again:  # before the cursor passes them: after a crash nobody would see them here again
            await self._ledger.found_again(again)
        effects_stored = await self._ledger.record(state=state, waiting=waiting, decisions=decisions, now_at=now_at)
        own = [owner_message(item, policy) for item in decided if item.verdict.reason is Reason.OWN]
        if own:
            await self._ledger.owner_wrote([message for message in own if message is not None])
        for item in decided:
            self.quirks += item.facts.quirk
            log_verdict(self.mailbox.name, item)
        return effects_stored

    # ----------------------------------------------------------------------------------- ripe mail

    async def _decide_ripe(self) -> bool:
        """Decide the mail whose grace time is over, all of one sender together; tell whether there was any."""
        now_at = self._clock.now()
        grace = self.rules.policy.replies.grace
        first: dict[str, datetime] = {}
        for entry in self._waiting.values():
            first[entry.address] = min(first.get(entry.address, entry.arrived_at), entry.arrived_at)
        ripe = [entry for entry in self._waiting.values() if first[entry.address] + grace <= now_at]
        if not ripe:
            return False
        await self._read_sent()
        ripe.sort(key=lambda entry: entry.key.uid)
        for start in range(0, len(ripe), CHUNK):
            await self._decide_waiting(ripe[start : start + CHUNK])
        return True

    async def _decide_waiting(self, entries: Sequence[LedgerEntry]) -> None:
        fetched = await self.mailbox.fetch([entry.key.uid for entry in entries])
        messages = [message for message in fetched if not is_deleted(message)]
        by_print = {entry.fingerprint: entry for entry in entries}
        first = [one for one in await self._assessor.read_headers(messages) if one[1].fingerprint in by_print]
        shown = {message.key.uid for message in messages}
        if held := await self._there({entry.key.uid for entry in entries} - shown):
            raise TemporaryError(
                f"mailbox {self.mailbox.name}: the server lists messages that it does not show: {held}"
            )
        observed = await self._assessor.read_bodies(first, by_print, fresh=False)
        async with self._lock:
            now_at = self._now()
            assessed = await self._judge_and_claim(observed, by_print, now_at, ripe=True)
            there = {item.facts.fingerprint for item in assessed}
            vanished = [entry for entry in entries if entry.fingerprint not in there]
            effects = await self._record(None, (), assessed, now_at)
            if vanished:
                taken = "the owner took it out of INBOX during the grace time"
                await self._ledger.record(
                    state=None,
                    waiting=(),
                    decisions=[unjudged(entry, Reason.ANSWERED, taken) for entry in vanished],
                    now_at=now_at,
                )
        for entry in entries:
            self._waiting.pop(entry.fingerprint, None)
        await self._carrier.carry_out(effects)

    async def _objection(self, reply: SendReply | SaveDraft) -> str:
        """Judge a reply again that was planned a while ago: say why it should not leave any more, or ""."""
        return await objection(reply, self.rules.policy, self._ledger, self._clock.now())
