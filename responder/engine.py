"""One trigger through the line, and effects carried out: mailbox → facts → history → verdict → plan → ledger → world.

It promises the daemon, ``run --once``, the demo and the crash tests the same thing: what was decided is on disk before
anything happens, and each effect is closed with a receipt. ``assess`` is the line stopped before the ledger is
written: ``--dry-run`` and ``explain`` are that shorter line, not a mode.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from responder import reading
from responder.carry import MOST_TRIES, Carrier
from responder.core import facts as facts_room
from responder.core import hours
from responder.core.decide import decide_all
from responder.core.facts import Identity
from responder.core.model import Case, Facts, MessageKey, Reason, ReplyKind, SaveDraft, Step, Verdict
from responder.core.plan import breaker_alert, make_plan
from responder.entries import (
    Assessed,
    baseline,
    has_verdict,
    is_answered,
    log_verdict,
    make_entry,
    make_question,
    owner_message,
    unjudged,
    unseen,
)
from responder.errors import TemporaryError
from responder.ports import Decision, LedgerEntry, MailboxState, OwnerMessage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from responder.core.model import Effect, Message, Policy, SendReply
    from responder.ports import Clock, InboxState, Ledger, Mailbox, Outbox, StoredEffect

#: Header fetches of some hundreds cost the fewest round trips without memory (measured: 500 is the knee).
CHUNK = 500
#: Enough of a body for the words that a person writes above a quotation, and little enough to keep a message under
#: 4 KB on the wire.
BODY_OCTETS = 2500
#: So many seconds long what was read of Sent counts as known: a backlog does not ask anew for each of its chunks.
SENT_KNOWN = 2.0
#: A Sent folder that broke the session some times is left alone, and looked at again after so many rounds.
SENT_AGAIN = 100

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
        rules: the rules in force, shared.
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
        self.rules = rules
        self._ledger = ledger
        self._clock = clock
        self._lock = lock
        self._identity = Identity(mailbox=mailbox.name, secret=secret)
        self._carrier = Carrier(
            mailbox=mailbox,
            outbox=outbox,
            ledger=ledger,
            clock=clock,
            alert=alert,
            copies=lambda: rules.policy.replies.copy == "Sent",
            objection=self._objection,
            alive=alive,
        )
        self._state: MailboxState | None = None
        self._waiting: dict[str, LedgerEntry] = {}
        #: How often the server's structure of a message could not be understood since the start.
        self.quirks = 0
        self._chunk = CHUNK
        self._stumbled: Counter[int] = Counter()
        self._sent_stumbled = 0
        self._sent_read = -SENT_KNOWN

    # ------------------------------------------------------------------------------------- a session

    async def begin(self) -> int | None:
        """Connect, set the baseline at the first start, and finish what an earlier run left undone.

        Returns how many older messages the first start leaves alone; None at every later start.
        """
        inbox = await self.mailbox.open()
        name = self.mailbox.name
        state = await self._ledger.mailbox(name)
        left_alone: int | None = None
        if state is None:
            state = baseline(name, inbox, self._clock.now())
            await self._ledger.save_mailbox(state)
            left_alone = inbox.exists
        self._state = state
        self._waiting = {entry.fingerprint: entry for entry in await self._ledger.waiting(name)}
        if state.uidvalidity != inbox.uidvalidity:
            await self._renumbered(inbox)
        await self._carrier.recover(await self._read_sent())
        return left_alone

    async def round(self) -> datetime | None:
        """Take in new mail, decide what is ripe, carry it out; return when to look again, None for "at news"."""
        if self._carrier.is_due():
            await self._read_sent()  # the owner may have answered since
            await self._carrier.retry()
        state = self._known_state()
        inbox, uids = await self.mailbox.scan(state.next_uid)
        if inbox.uidvalidity != state.uidvalidity:
            await self._renumbered(inbox)
            inbox, uids = await self.mailbox.scan(self._known_state().next_uid)
        await self._take_in_all(uids)
        await self._decide_ripe()
        return self._next_at()

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

    async def _renumbered(self, inbox: InboxState) -> None:
        """Start anew after UIDVALIDITY changed: what lies in INBOX now is never answered.

        Mail that waited for its verdict is looked for by its Message-ID; what is not found stays where it is.
        """
        old = self._known_state()
        log.warning("uidvalidity changed", mailbox=old.name, left_alone=inbox.exists)
        state = replace(
            old,
            uidvalidity=inbox.uidvalidity,
            baseline_uid=max(inbox.uidnext, 1),
            next_uid=max(inbox.uidnext, 1),
        )
        kept: list[LedgerEntry] = []
        lost: list[Decision] = []
        for entry in self._waiting.values():
            uid = await self.mailbox.find(entry.message_id) if entry.message_id else None
            if uid is None:
                lost.append(unjudged(entry, Reason.BEFORE_START, "not found again after UIDVALIDITY changed"))
            else:
                key = MessageKey(mailbox=old.name, uidvalidity=inbox.uidvalidity, uid=uid)
                kept.append(replace(entry, key=key))
        await self._ledger.record(state=state, waiting=kept, decisions=lost, now_at=self._clock.now())
        self._state = state
        self._waiting = {entry.fingerprint: entry for entry in kept}

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
            plan = make_plan(case, verdict, policy, self._identity)
        return Assessed(message=message, entry=entry, facts=case.facts, case=case, verdict=verdict, plan=plan)

    async def _read_headers(self, messages: Sequence[Message]) -> list[tuple[Message, Facts]]:
        """Read what the headers say."""
        return await reading.read_headers(messages, self.rules.policy, self._identity)

    async def _read_bodies(
        self, first: list[tuple[Message, Facts]], entries: Mapping[str, LedgerEntry], *, fresh: bool
    ) -> list[tuple[Message, Facts]]:
        """Read the beginnings of those bodies that can matter."""
        policy = self.rules.policy
        wanted = [
            message.key.uid
            for message, facts in first
            if message.body is None
            and facts_room.wants_body(facts, policy)
            and (fresh or not has_verdict(entries.get(facts.fingerprint)))
        ]
        if not wanted:
            return first
        bodies = await self.mailbox.bodies(wanted, octets=BODY_OCTETS)
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
            now_at = self._clock.now()
            assessed = await self._judge(observed, await self._ledger.known(prints), now_at)
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
            if item.verdict.reply is not ReplyKind.NONE or item.verdict.reason is Reason.JOINED:
                address = item.facts.person
                first[address] = min(first.get(address, item.entry.arrived_at), item.entry.arrived_at)
        waiting: list[LedgerEntry] = []
        decided: list[Assessed] = []
        for item in assessed:
            replies = item.verdict.reply is not ReplyKind.NONE or item.verdict.reason is Reason.JOINED
            address = item.facts.person
            if replies and (address in held or first[address] + grace > now_at):
                waiting.append(item.entry)
            else:
                decided.append(item)
        return waiting, decided

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
        effects_stored = await self._ledger.record(state=state, waiting=waiting, decisions=decisions, now_at=now_at)
        own = [owner_message(item) for item in decided if item.verdict.reason is Reason.OWN]
        if own:
            await self._ledger.owner_wrote([message for message in own if message is not None])
        for item in decided:
            self.quirks += item.facts.quirk
            log_verdict(self.mailbox.name, item)
        return effects_stored

    # ----------------------------------------------------------------------------------- ripe mail

    async def _decide_ripe(self) -> None:
        """Decide the mail whose grace time is over, all of one sender together."""
        now_at = self._clock.now()
        grace = self.rules.policy.replies.grace
        first: dict[str, datetime] = {}
        for entry in self._waiting.values():
            first[entry.address] = min(first.get(entry.address, entry.arrived_at), entry.arrived_at)
        ripe = [entry for entry in self._waiting.values() if first[entry.address] + grace <= now_at]
        if not ripe:
            return
        await self._read_sent()
        ripe.sort(key=lambda entry: entry.key.uid)
        for start in range(0, len(ripe), CHUNK):
            await self._decide_waiting(ripe[start : start + CHUNK])

    async def _decide_waiting(self, entries: Sequence[LedgerEntry]) -> None:
        messages = await self.mailbox.fetch([entry.key.uid for entry in entries])
        by_print = {entry.fingerprint: entry for entry in entries}
        first = [one for one in await self._read_headers(messages) if one[1].fingerprint in by_print]
        shown = {message.key.uid for message in messages}
        if held := await self._there({entry.key.uid for entry in entries} - shown):
            raise TemporaryError(
                f"mailbox {self.mailbox.name}: the server lists messages that it does not show: {held}"
            )
        observed = await self._read_bodies(first, by_print, fresh=False)
        there = {facts.fingerprint for _, facts in observed}
        vanished = [entry for entry in entries if entry.fingerprint not in there]
        async with self._lock:
            now_at = self._clock.now()
            assessed = await self._judge(observed, by_print, now_at)
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

    async def _read_sent(self) -> frozenset[str]:
        """Read what is new in Sent; returns the Message-IDs of our own replies found there."""
        state = self._known_state()
        if self._sent_stumbled >= MOST_TRIES:
            self._sent_stumbled += 1
            if self._sent_stumbled % SENT_AGAIN:
                return frozenset()
        try:
            cursor, headers = await self.mailbox.sent_headers(state.sent)
        except TemporaryError:
            self._sent_stumbled += 1
            if self._sent_stumbled == MOST_TRIES:
                log.error(  # noqa: TRY400 - no traceback: the owner reads this
                    "Sent cannot be read: only weak evidence of the owner's answers is left", mailbox=state.name
                )
            raise
        self._sent_stumbled = 0
        self._sent_read = time.monotonic()
        ours: set[str] = set()
        wrote: list[OwnerMessage] = []
        read = await reading.read_sent([header.header for header in headers])
        for header, sent in zip(headers, read, strict=True):
            if sent is None:
                continue
            if sent.automatic:
                ours.add(sent.message_id)
                continue
            at = header.internal_at or sent.dated_at
            if at is not None:
                wrote.append(
                    OwnerMessage(
                        message_id=sent.message_id, refers_to=sent.refers_to, recipients=sent.recipients, at=at
                    )
                )
        if cursor != state.sent:
            self._state = replace(state, sent=cursor)
            await self._ledger.owner_wrote(wrote, self._state)
        return frozenset(ours)
