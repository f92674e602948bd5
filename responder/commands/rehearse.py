"""The line over past mail: the real engine, with a clock that is set from one arrival to the next.

Promises ``replay`` what these rules would have done, by the same code that does it; the mailbox it is given is only
looked at, and everything else (the ledger, the outbox, the folders) is imagined.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from responder.adapters.ledger import SqliteLedger
from responder.assessing import BODY_OCTETS, Rules
from responder.core.model import FileMessage, MessageKey, Outcome, Reason, SaveDraft, SendReply
from responder.engine import Engine
from responder.ports import Appended, InboxState, Profile, Sent, SentCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from responder.adapters.imap_past import Past, PastMailbox
    from responder.core.model import Body, Flag, Message, MoveFiled, Policy, RemoveDraft
    from responder.ports import Decision, LedgerEntry, Letter, MailboxState, Place, SentHeader, StoredEffect

#: So many messages are read at once, in the order of their arrival; as many are held twice.
CHUNK = 250


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self.at

    def real_seconds(self, seconds: float) -> float:
        """Return the same number; nobody waits by this clock."""
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What would have been done with one message. ``message`` is the reply as it would have left, if asked for."""

    fingerprint: str
    message_id: str
    mailbox: str
    found_in: str
    arrived_at: datetime
    decided_at: datetime
    address: str
    client: str
    topic: str
    reason: str
    reply: str
    due_at: datetime | None
    folder: str
    promised: bool
    message: bytes

    @property
    def outcome(self) -> tuple[object, ...]:
        """Return what two sets of rules can differ in."""
        return (self.reason, self.reply, self.due_at, self.folder, self.topic, self.client)


class PastInbox:
    """An imagined INBOX into which the past messages come again, each at its time. Implements ``ports.Mailbox``.

    Args:
        source: where they really lie.
        index: them, by arrival; the n-th gets UID n + 1.
        wrote: what the owner wrote, by time.
        clock: what time it is.
    """

    def __init__(
        self, source: PastMailbox, index: Sequence[Past], wrote: Sequence[SentHeader], clock: SetClock
    ) -> None:
        self._source, self._index, self._wrote, self._clock = source, index, wrote, clock
        self._arrivals = [one.arrived_at for one in index]
        self._written = [header.internal_at for header in wrote if header.internal_at is not None]
        self._gone: set[int] = set()
        self._held: OrderedDict[int, Message] = OrderedDict()

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._source.name

    @property
    def profile(self) -> Profile:
        """Return what an imagined server can do."""
        return Profile(
            capabilities=frozenset(),
            separator="/",
            prefix="",
            idle=False,
            move=True,
            uidplus=True,
            special_use=True,
            keywords=False,
            sent="Sent",
            drafts="Drafts",
        )

    def past(self, uid: int) -> Past:
        """Return the real message behind a UID."""
        return self._index[uid - 1]

    def next_at(self) -> datetime | None:
        """Return when the next message comes."""
        place = bisect_right(self._arrivals, self._clock.now())
        return self._arrivals[place] if place < len(self._arrivals) else None

    def arrived(self) -> int:
        """Return how many have come."""
        return bisect_right(self._arrivals, self._clock.now())

    def _state(self) -> InboxState:
        count = self.arrived()
        return InboxState(uidvalidity=1, uidnext=count + 1, exists=count - len(self._gone))

    async def open(self) -> InboxState:
        """Return INBOX as it is now."""
        return self._state()

    async def close(self) -> None:
        """Do nothing: the real session is somebody else's."""

    async def scan(self, from_uid: int) -> tuple[InboxState, Sequence[int]]:
        """See the port."""
        uids = [uid for uid in range(max(from_uid, 1), self.arrived() + 1) if uid not in self._gone]
        return self._state(), uids

    async def fetch(self, uids: Sequence[int]) -> Sequence[Message]:
        """See the port. What was marked since (answered, deleted) was not marked then."""
        await self._hold(uids)
        return [
            replace(
                self._held[uid],
                key=MessageKey(mailbox=self.name, uidvalidity=1, uid=uid),
                flags=frozenset(),
                body=None,
            )
            for uid in uids
            if uid in self._held
        ]

    async def bodies(self, uids: Sequence[int], *, octets: int) -> Mapping[int, Body]:
        """See the port."""
        if octets > BODY_OCTETS:
            here = {self.past(uid): uid for uid in uids}
            read = await self._source.read(list(here), octets=octets)
            return {here[past]: one.body for past, one in read.items() if one.body is not None}
        await self._hold(uids)
        return {uid: body for uid in uids if uid in self._held and (body := self._held[uid].body) is not None}

    async def _hold(self, uids: Sequence[int]) -> None:
        """Read the messages that are asked for, and those that come next with the first of them."""
        missing = [uid for uid in uids if uid not in self._held]
        if not missing:
            return
        wanted = sorted({*missing, *range(missing[0], min(missing[0] + CHUNK, len(self._index) + 1))})
        here = {self.past(uid): uid for uid in wanted}
        for past, message in (await self._source.read(list(here), octets=BODY_OCTETS)).items():
            self._held[here[past]] = message
        while len(self._held) > max(2 * CHUNK, len(uids)):
            self._held.popitem(last=False)

    async def find(self, message_id: str) -> int | None:
        """See the port: nothing is looked for."""
        del message_id
        return None

    async def file(self, moves: Sequence[FileMessage]) -> Mapping[int, str]:
        """See the port: it leaves the imagined INBOX."""
        self._gone.update(move.key.uid for move in moves)
        return {move.key.uid: "moved" for move in moves}

    async def exists(self, folder: str) -> bool:
        """See the port: what is filed leaves the imagined INBOX and lies nowhere."""
        del folder
        return False

    async def look(self, folder: str) -> Sequence[Message] | None:
        """See the port: there is no other folder."""
        del folder
        return None

    async def refile(self, moves: Sequence[MoveFiled]) -> Mapping[str, str]:
        """See the port: imagined."""
        return {move.fingerprint: "moved" for move in moves}

    async def flag(self, flags: Sequence[Flag]) -> Mapping[str, str]:
        """See the port: imagined."""
        return {each.fingerprint: "flagged" for each in flags}

    async def remove_folder(self, folder: str) -> str:
        """See the port: there is none."""
        del folder
        return "gone"

    async def append_inbox(self, message: bytes, at: datetime) -> Appended:
        """See the port: imagined."""
        del message, at
        return Appended(folder="INBOX")

    async def claim(self, uids: Sequence[int], mark: str) -> Mapping[int, frozenset[str]]:
        """See the port: no keywords here."""
        del uids, mark
        return {}

    async def withdraw(self, uids: Sequence[int], mark: str) -> None:
        """See the port: no keywords here."""

    async def sent_headers(
        self, cursor: SentCursor | None, since: datetime
    ) -> tuple[SentCursor | None, Sequence[SentHeader]]:
        """See the port: what the owner had written by now."""
        del since
        first = cursor.uidnext if cursor is not None else 0
        count = bisect_right(self._written, self._clock.now())
        return SentCursor(folder="Sent", uidvalidity=1, uidnext=count), self._wrote[first:count]

    async def find_ours(self, place: Place, message_ids: Collection[str]) -> Mapping[str, Appended]:
        """See the port: nothing is ever in doubt here."""
        del place, message_ids
        return {}

    async def append_sent(self, message: bytes, at: datetime) -> Appended | None:
        """See the port: no copy."""
        del message, at
        return None

    async def append_draft(self, message: bytes, at: datetime) -> Appended:
        """See the port: imagined."""
        del message, at
        return Appended(folder="Drafts", uidvalidity=1, uid=1)

    async def remove_draft(self, draft: RemoveDraft) -> str:
        """See the port: imagined."""
        del draft
        return "removed"

    async def wait(self, seconds: float) -> bool:
        """See the port: nobody waits."""
        del seconds
        return False

    def wake(self) -> None:
        """See the port: nobody waits."""


class _Accepting:
    """An imagined submission server that takes everything. Implements ``ports.Outbox``."""

    async def send(self, replies: Sequence[Letter]) -> Sequence[Sent]:
        """See the port."""
        return [Sent(outcome=Outcome.DONE, detail="imagined")] * len(replies)

    async def probe(self) -> Mapping[str, str]:
        """See the port."""
        return {}

    async def close(self) -> None:
        """See the port."""


class _NotingLedger(SqliteLedger):
    """A ledger that tells of each decision, and keeps no more of it than the line asks for again."""

    tell: Callable[[Decision, Sequence[StoredEffect]], None]

    async def record(
        self,
        *,
        state: MailboxState | None,
        waiting: Sequence[LedgerEntry],
        decisions: Sequence[Decision],
        now_at: datetime,
    ) -> Sequence[StoredEffect]:
        """See the port."""
        lean = [replace(one, verdict=replace(one.verdict, trail=())) for one in decisions]
        stored = await super().record(state=state, waiting=waiting, decisions=lean, now_at=now_at)
        for decision in decisions:
            self.tell(decision, stored)
        return stored


async def rehearse(
    inboxes: Callable[[SetClock], Sequence[PastInbox]],
    policy: Policy,
    since: datetime,
    progress: Callable[[int], None],
    *,
    text_of: str = "",
) -> list[Row]:
    """Let the past mail come again under these rules; return what would have been done, by arrival.

    Args:
        inboxes: makes the imagined mailboxes, on the clock given.
        policy: the rules.
        since: when the service would have been started for the first time.
        progress: told how many messages have come.
        text_of: the Message-ID or fingerprint of the message whose reply's text is wanted.
    """
    clock = SetClock(since)
    mailboxes = inboxes(clock)
    ledger = _NotingLedger.in_memory()
    rows: list[Row] = []
    found_in = {mailbox.name: mailbox for mailbox in mailboxes}

    def tell(decision: Decision, stored: Sequence[StoredEffect]) -> None:
        rows.append(_row(decision, stored, found_in, clock.at, text_of))

    ledger.tell = tell
    lock = asyncio.Lock()
    engines = [_engine(mailbox, ledger, clock, policy, lock) for mailbox in mailboxes]
    try:
        for engine in engines:
            await engine.begin()
        while True:
            wishes = [await engine.round() for engine in engines]
            progress(sum(mailbox.arrived() for mailbox in mailboxes))
            arrivals = [at for mailbox in mailboxes if (at := mailbox.next_at()) is not None]
            later = [at for at in (*wishes, *arrivals) if at is not None]
            if not arrivals and not any(at is not None for at in wishes):
                break
            clock.at = max(min(later), clock.at)
    finally:
        await ledger.close()
    return sorted(rows, key=lambda row: row.arrived_at)


def _engine(mailbox: PastInbox, ledger: _NotingLedger, clock: SetClock, policy: Policy, lock: asyncio.Lock) -> Engine:
    async def alert(text: str) -> None:
        del text  # the owner is not there

    engine = Engine(
        mailbox=mailbox,
        outbox=_Accepting(),
        ledger=ledger,
        clock=clock,
        rules=Rules(policy=policy),
        secret=b"nothing of this is ever sent",
        lock=lock,
        alert=alert,
    )
    engine.doubt = lambda _now_at, _believed_at: ""
    engine.duties = ()  # where past mail was laid since cannot be known: nothing is followed up
    return engine


def _row(
    decision: Decision, stored: Sequence[StoredEffect], found_in: Mapping[str, PastInbox], now_at: datetime, wanted: str
) -> Row:
    entry, verdict = decision.entry, decision.verdict
    mine = [one.effect for one in stored if getattr(one.effect, "fingerprint", "") == entry.fingerprint]
    sent = next((effect for effect in mine if isinstance(effect, SendReply | SaveDraft)), None)
    planned = any(isinstance(effect, SendReply | SaveDraft) for effect in decision.effects)
    folder = next((effect.folder for effect in mine if isinstance(effect, FileMessage)), "")
    asked = wanted and wanted in (entry.message_id, entry.fingerprint)
    return Row(
        fingerprint=entry.fingerprint,
        message_id=entry.message_id,
        mailbox=entry.key.mailbox,
        found_in=found_in[entry.key.mailbox].past(entry.key.uid).folder,
        arrived_at=entry.arrived_at,
        decided_at=now_at,
        address=decision.facts.address or entry.address,
        client=entry.client,
        topic=decision.facts.topic,
        reason=str(Reason.TOLD if planned and sent is None else verdict.reason),
        reply=str(verdict.reply) if sent is not None else "none",
        due_at=verdict.due.due_at if verdict.due is not None else None,
        folder=folder,
        promised=verdict.promises,
        message=sent.message if sent is not None and asked else b"",
    )
