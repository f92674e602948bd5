"""One trigger through the line, and effects carried out: mailbox → facts → history → verdict → plan → ledger → world.

It promises the daemon, ``run --once``, the demo and the crash tests the same thing: what was decided is on disk before
anything happens, and each effect is closed with a receipt. ``assess`` is the line stopped before the ledger is
written: ``--dry-run`` and ``explain`` are that shorter line, not a mode.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from responder import reading
from responder.carry import MOST_TRIES, Carrier
from responder.claims import contend
from responder.core import clocks, hours
from responder.core import facts as facts_room
from responder.core.decide import decide_all
from responder.core.facts import Identity
from responder.core.model import Case, Facts, FileMessage, MessageKey, Plan, Reason, ReplyKind, SaveDraft, Step, Verdict
from responder.core.plan import breaker_alert, make_plan, second_alert
from responder.entries import (
    Assessed,
    baseline,
    has_verdict,
    is_answered,
    is_deleted,
    log_verdict,
    looked_at_key,
    make_entry,
    make_question,
    owner_message,
    read_evidence,
    replies,
    taken_reply,
    unjudged,
    unseen,
)
from responder.errors import ClockError, TemporaryError
from responder.ports import Decision, LedgerEntry, MailboxState

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from responder.core.model import Body, Effect, Message, Policy, SendReply
    from responder.ports import Clock, InboxState, Ledger, Mailbox, Outbox, StoredEffect

#: Header fetches of some hundreds cost the fewest round trips without memory (measured: 500 is the knee).
CHUNK = 500
#: Enough of a body for the words that a person writes above a quotation, and little enough to keep a message under
#: 4 KB on the wire.
BODY_OCTETS = 2500
#: Enough of a delivery report to reach what failed and the id of the mail it is about: some providers put a page of
#: HTML and a picture before it. So many are asked for at once.
REPORT_OCTETS = 65_536
REPORTS = 32
#: So many of INBOX's newest messages are looked through when it was numbered anew.
LAST_RENUMBERED = 5_000
#: The caps count so far back.
DAY = timedelta(days=1)
#: So many seconds long what was read of Sent counts as known: a backlog does not ask anew for each of its chunks.
SENT_KNOWN = 2.0
#: A Sent folder that broke the session some times is left alone, and looked at again after so many rounds.
SENT_AGAIN = 100
#: Among so many of the newest messages one is looked for that confirms the clock.
WITNESSES = 10

log = structlog.get_logger()


@dataclass(slots=True)
class Rules:
    """The rules in force, shared by all mailboxes; a reload puts a new policy in."""

    policy: Policy


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
    """

    def __init__(
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
    ) -> None:
        self.mailbox = mailbox
        self._in_force = rules
        self.rules = Rules(policy=rules.policy)
        self._ledger = ledger
        self._clock = clock
        self._lock = lock
        self._identity = Identity(mailbox=mailbox.name, secret=secret)
        self._mark = facts_room.mark_of(secret)
        self._mine = facts_room.marks_in({self._mark})
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
        self._state: MailboxState | None = None
        self._waiting: dict[str, LedgerEntry] = {}
        #: How often the server's structure of a message could not be understood since the start.
        self.quirks = 0
        #: The last round found something to do.
        self.fruitful = False
        self._chunk = CHUNK
        self._stumbled: Counter[int] = Counter()
        self._sent_stumbled = 0
        self._renumbering_stumbled = 0
        #: When another responder's mark was last met on a message that this one would have answered.
        self.second_at: datetime | None = None
        self._second_met = False
        self._sent_read = -SENT_KNOWN
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
        if _is_renumbered(inbox, state):
            await self._renumbered()
        await self._read_sent()
        await self._carrier.recover()
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
        if _is_renumbered(inbox, state):
            await self._renumbered()
            inbox, uids = await self.mailbox.scan(self._known_state().next_uid)
        await self._take_in_all(uids)
        ripe = await self._decide_ripe()
        self.fruitful = due or bool(uids) or ripe
        return self._next_at()

    def _now(self) -> datetime:
        """Return the present instant; raises ClockError where the clock cannot be believed."""
        now_at = self._clock.now()
        if doubt := clocks.doubt(now_at, self.believed_at):
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
            newest = await self._read_headers(await self.mailbox.fetch(uids[-WITNESSES:])) if uids else []
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
        if self._carrier.next_at is not None:
            times.append(self._carrier.next_at)
        return min(times, default=None)

    def _known_state(self) -> MailboxState:
        if self._state is None:
            raise TemporaryError(f"mailbox {self.mailbox.name}: not begun")
        return self._state

    async def _renumbered(self) -> None:
        """Find the known messages again after INBOX was numbered anew, by their fingerprints, and go on with them.

        What was decided stays so, what waits keeps waiting, planned moves get their new UIDs. What lies there and the
        ledger does not know is never answered: whether it came just now or was forgotten cannot be told; it is
        entered, so that the owner can ask about it. What comes from now on is new mail.
        """
        old, now_at = self._known_state(), self._clock.now()
        name = old.name
        inbox, uids = await self.mailbox.scan(1)
        log.warning("INBOX was numbered anew", mailbox=name, was=old.uidvalidity, now=inbox.uidvalidity)
        places: dict[str, MessageKey] = {}
        strange: list[Decision] = []
        try:
            newest = uids[-LAST_RENUMBERED:] if self._renumbering_stumbled < MOST_TRIES else ()
            for start in range(0, len(newest), CHUNK):
                for message, mark, entry in await self._recognised(newest[start : start + CHUNK]):
                    if entry is not None:
                        places.setdefault(mark, message.key)
                    elif message.internal_at is None or message.internal_at >= old.started_at:
                        strange.append(await self._left_alone(message, now_at))
        except TemporaryError:
            self._renumbering_stumbled += 1  # a message that the server cannot show must not stop the mailbox for ever
            raise
        self._renumbering_stumbled = 0
        waiting = {mark: entry for mark, entry in self._waiting.items() if mark in places}
        lost = [
            unjudged(entry, Reason.BEFORE_START, "not found again after INBOX was numbered anew")
            for mark, entry in self._waiting.items()
            if mark not in places
        ]
        first = max(inbox.uidnext, uids[-1] + 1 if uids else 1, 1)
        state = replace(old, uidvalidity=inbox.uidvalidity, baseline_uid=first, next_uid=first)
        await self._ledger.renumber(state=state, places=places, decisions=[*lost, *strange], now_at=now_at)
        self._state = state
        self._waiting = {mark: replace(entry, key=places[mark]) for mark, entry in waiting.items()}
        log.info("found again", mailbox=name, known=len(places), lost=len(lost), left_alone=len(strange))

    async def _recognised(self, uids: Sequence[int]) -> list[tuple[Message, str, LedgerEntry | None]]:
        """Return messages with their fingerprints and what the ledger holds of them in this mailbox."""
        found = [(one, facts_room.fingerprint(one.header, one.size)) for one in await self.mailbox.fetch(uids)]
        known = await self._ledger.known([mark for _, mark in found])
        return [(message, mark, known.get(mark)) for message, mark in found]

    async def _left_alone(self, message: Message, now_at: datetime) -> Decision:
        """Return the decision for a message of which nobody can say whether it is new."""
        ((_, facts),) = await self._read_headers([message])
        entry = make_entry(message, facts, None, now_at)
        return unjudged(entry, Reason.BEFORE_START, "it lay here when INBOX was numbered anew: not known to be new")

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
        observed = await self._read_bodies(await self._read_headers(messages), entries, fresh=fresh)
        return await self._judge(observed, entries, now_at, fresh=fresh)

    async def _judge(
        self,
        observed: Sequence[tuple[Message, Facts]],
        entries: Mapping[str, LedgerEntry],
        now_at: datetime,
        *,
        fresh: bool = False,
    ) -> list[Assessed]:
        policy = self.rules.policy
        seen: set[str] = set()
        sighted: list[tuple[Message, Facts, LedgerEntry, bool]] = []
        for message, facts in observed:
            known = entries.get(facts.fingerprint)
            decided = not fresh and (
                facts.fingerprint in seen
                or (known is not None and (bool(known.reason) or known.key.mailbox != self.mailbox.name))
            )
            seen.add(facts.fingerprint)
            sighted.append((message, facts, make_entry(message, facts, known, now_at), decided))
        sighted.sort(key=lambda one: (one[2].arrived_at, one[2].key.uid))
        questions = [make_question(policy, facts, entry.arrived_at) for _, facts, entry, _ in sighted]
        histories = await self._ledger.histories(questions, now_at)
        baseline = self._state.baseline_uid if self._state is not None and not fresh else 0
        cases = [
            Case(
                message=message.key,
                facts=facts,
                history=replace(
                    history,
                    decided=decided,
                    before_start=message.key.uid < baseline and facts.fingerprint not in entries,
                    answered_at=history.answered_at or (now_at if is_answered(message) else None),
                ),
                arrived_at=entry.arrived_at,
                now_at=now_at,
                stamped_at=message.internal_at,
            )
            for (message, facts, entry, decided), history in zip(sighted, histories, strict=True)
        ]
        return [
            self._assessed(message, entry, case, verdict)
            for (message, _, entry, _), (case, verdict) in zip(sighted, decide_all(cases, policy), strict=True)
        ]

    def _assessed(self, message: Message, entry: LedgerEntry, case: Case, verdict: Verdict) -> Assessed:
        """Put one judged message together with its plan; a reply that cannot be written is not sent."""
        policy = self.rules.policy
        try:
            plan = make_plan(case, verdict, policy, self._identity)
        except Exception as error:  # noqa: BLE001 - one odd message must not stop the others
            log.error(  # noqa: TRY400 - no traceback: it would bear the address
                "no reply could be written", error=type(error).__name__, fingerprint=entry.fingerprint[:12]
            )
            odd = Step(rule="written", held=False, detail=f"the reply could not be written: {error}")
            verdict = replace(verdict, reply=ReplyKind.NONE, trail=(*verdict.trail, odd))
            try:
                plan = make_plan(case, verdict, policy, self._identity)
            except Exception as again:  # noqa: BLE001 - without this it would come back in every round, for ever
                detail = f"nothing could be planned for it ({type(again).__name__})"
                odd = Step(rule=Reason.UNREADABLE, held=True, detail=detail)
                trail = (*verdict.trail, odd)
                verdict = replace(verdict, reason=Reason.UNREADABLE, file=False, promises=False, trail=trail)
                plan = Plan()
        return Assessed(message=message, entry=entry, facts=case.facts, case=case, verdict=verdict, plan=plan)

    async def _read_headers(self, messages: Sequence[Message]) -> list[tuple[Message, Facts]]:
        """Read what the headers say."""
        return await reading.read_headers(messages, self.rules.policy, self._identity)

    async def _read_bodies(
        self, first: list[tuple[Message, Facts]], entries: Mapping[str, LedgerEntry], *, fresh: bool
    ) -> list[tuple[Message, Facts]]:
        """Read the beginnings of those bodies that can matter."""
        policy = self.rules.policy
        letters: list[int] = []
        reports: list[int] = []
        for message, facts in first:
            if (
                message.body is None
                and facts_room.wants_body(facts, policy)
                and (fresh or not has_verdict(entries.get(facts.fingerprint)))
            ):
                (reports if facts.report else letters).append(message.key.uid)
        if not letters and not reports:
            return first
        bodies: dict[int, Body] = {}
        if letters:
            bodies.update(await self.mailbox.bodies(letters, octets=BODY_OCTETS))
        for start in range(0, len(reports), REPORTS):
            bodies.update(await self.mailbox.bodies(reports[start : start + REPORTS], octets=REPORT_OCTETS))
        return await reading.read_bodies(first, bodies, policy, self._identity)

    # ------------------------------------------------------------------------------------- new mail

    async def _take_in_all(self, uids: Sequence[int]) -> None:
        """Take in new mail, chunk by chunk.

        A chunk that broke the session is halved next time, down to the one message that is at fault; that one is given
        up after some tries, so that it cannot keep the others waiting.
        """
        place = 0
        self._sent_read = -SENT_KNOWN
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
        first = await self._read_headers(await self.mailbox.fetch(uids))
        if held := await self._there(set(uids).difference(message.key.uid for message, _ in first)):
            raise TemporaryError(
                f"mailbox {self.mailbox.name}: the server lists messages that it does not show: {held}"
            )
        prints = [facts.fingerprint for _, facts in first]
        observed = await self._read_bodies(first, await self._ledger.known(prints), fresh=False)
        might_answer = any(
            facts.client and not (facts.automatic or facts.unreadable or facts.own) for _, facts in observed
        )
        if might_answer and time.monotonic() - self._sent_read >= SENT_KNOWN:
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
        effects_stored = await self._ledger.record(state=state, waiting=waiting, decisions=decisions, now_at=now_at)
        own = [owner_message(item) for item in decided if item.verdict.reason is Reason.OWN]
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
        first = [one for one in await self._read_headers(messages) if one[1].fingerprint in by_print]
        shown = {message.key.uid for message in messages}
        if held := await self._there({entry.key.uid for entry in entries} - shown):
            raise TemporaryError(
                f"mailbox {self.mailbox.name}: the server lists messages that it does not show: {held}"
            )
        observed = await self._read_bodies(first, by_print, fresh=False)
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
        policy, now_at = self.rules.policy, self._clock.now()
        entry = (await self._ledger.known([reply.fingerprint])).get(reply.fingerprint)
        client = next((one for one in policy.clients if one.key == reply.client), None)
        if entry is None or (reply.client and client is None):
            return "the rules no longer know this client"
        facts = Facts(
            fingerprint=reply.fingerprint,
            message_id=entry.message_id,
            address=reply.address,
            client=reply.client,
        )
        (history,) = await self._ledger.histories([make_question(policy, facts, entry.arrived_at)], now_at)
        calendar = hours.calendar(policy, reply.client)
        period = calendar.closed_period(now_at)
        for held, why in (
            (policy.replies.mode != ("draft" if isinstance(reply, SaveDraft) else "send"), "replies.mode has changed"),
            (client is not None and not client.auto_reply, "the client wants no automatic replies"),
            (period is None or period.ends_at != reply.period_ends_at, "it speaks of another opening"),
            (history.answered_at is not None, "the owner has answered"),
            (
                period is not None and any(map(period.contains, history.replied_at | history.taken_at)),
                "another responder has answered",
            ),
            (history.owed_since is not None, "a promise to this client is late"),
            (history.breaker_until is not None and history.breaker_until > now_at, "the breaker is open"),
            (history.suspended_until is not None and history.suspended_until > now_at, "a reply to it bounced"),
            (now_at - entry.arrived_at > policy.replies.max_age, "older than replies.max_age"),
            (reply.due_at <= now_at, "the time it speaks of has passed"),
        ):
            if held:
                return why
        return ""

    # ---------------------------------------------------------------------------------------- Sent

    async def _read_sent(self) -> None:
        """Read what the owner wrote: what is new in Sent."""
        state = self._known_state()
        if self._sent_stumbled >= MOST_TRIES:
            self._sent_stumbled += 1
            if self._sent_stumbled % SENT_AGAIN:
                return
        try:
            cursor, headers = await self.mailbox.sent_headers(state.sent, self._evidence_since())
        except TemporaryError:
            self._sent_stumbled += 1
            if self._sent_stumbled == MOST_TRIES:
                log.error(  # noqa: TRY400 - no traceback: the owner reads this
                    "Sent cannot be read: only weak evidence of the owner's answers is left", mailbox=state.name
                )
            raise
        self._sent_stumbled = 0
        self._sent_read = time.monotonic()
        evidence = read_evidence(headers, await reading.read_sent([header.header for header in headers]))
        if cursor != state.sent:
            self._state = replace(state, sent=cursor)
            await self._ledger.owner_wrote(evidence.wrote, self._state, evidence.replies)

    def _evidence_since(self) -> datetime:
        """Return from when on replies in Sent can bear on mail of now: the longest closed period that lasts, or a day.

        A day, because the caps count so far back.
        """
        policy, now_at = self.rules.policy, self._clock.now()
        periods = [
            hours.calendar(policy, key).closed_period(now_at) for key in ("", *(one.key for one in policy.clients))
        ]
        return min([now_at - DAY, *(period.starts_at for period in periods if period is not None)])


def _is_renumbered(inbox: InboxState, state: MailboxState) -> bool:
    """Tell whether the UIDs that the ledger knows mean nothing any more.

    UIDNEXT never goes down (RFC 3501 section 2.3.1.1): where it does, the server has forgotten its numbers without
    saying so, and new mail could come under a UID that counts as seen.
    """
    return inbox.uidvalidity != state.uidvalidity or (not inbox.reckoned and inbox.uidnext < state.next_uid)
