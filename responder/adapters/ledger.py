"""The ledger in SQLite: the memory, and the authority.

It promises the engine that what a method wrote is on the disk when it returns, that each method happened wholly or
not at all, and that no two replies go to one message, or to one address for one closed period, whoever asks.

One thread owns the connection, so that a slow disk never holds up the event loop; a call costs one hop. Should the
caller be cancelled while it waits, the transaction may still happen: ``unfinished`` then has the effects.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

from responder.adapters import (
    ledger_file,
    ledger_follow,
    ledger_forget,
    ledger_history,
    ledger_intake,
    ledger_morning,
    ledger_report,
    ledger_views,
)
from responder.adapters.ledger_schema import COUNTS
from responder.adapters.storable import to_json, to_micros
from responder.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from responder.core.follow import Steps
    from responder.core.model import Effect, History, MessageKey, Receipt
    from responder.core.morning_rows import Morning
    from responder.core.report_rows import Chronicle
    from responder.ports import (
        Agenda,
        Counted,
        DecidedRow,
        Decision,
        Fate,
        FolderMade,
        Forgotten,
        HistoryQuestion,
        LedgerEntry,
        MailboxState,
        OwnerMessage,
        PromiseRow,
        SeenReply,
        StoredEffect,
        Summary,
    )

T = TypeVar("T")


class SqliteLedger:
    """A ledger in one file; see ``responder.ports.Ledger`` for what each method promises.

    Made by ``open``, ``read`` or ``in_memory``. Methods may be called from any task of one event loop.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], name: str, path: Path | None = None) -> None:
        self._name = name
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._closed = False
        try:
            self._connection = self._thread.submit(self._guarded, connect).result()
            self._file = ledger_file.identity(path) if path is not None else (0, 0)
        except BaseException:
            self._thread.shutdown()
            raise

    @classmethod
    def open(cls, path: Path) -> SqliteLedger:
        """Open the ledger for the service, and make or migrate it where that is due.

        Raises:
            ConfigurationError: the place cannot be used, or the file is another program's or a newer version's.
            DamagedError: the file is damaged.
            TemporaryError: another process holds it.
        """
        return cls(lambda: ledger_file.opened(path), str(path), path)

    @classmethod
    def read(cls, path: Path) -> SqliteLedger:
        """Open the ledger for a command that only looks, while the service may be at work on it.

        Raises:
            ConfigurationError: there is none, or its version is not ours.
        """
        return cls(lambda: ledger_file.opened_to_read(path), str(path))

    @classmethod
    def amend(cls, path: Path) -> SqliteLedger:
        """Open the ledger for a command that changes it, while the service may be at work on it.

        Raises:
            ConfigurationError: there is none, or its version is not ours.
        """
        return cls(lambda: ledger_file.opened_to_amend(path), str(path), path)

    @classmethod
    def in_memory(cls) -> Self:
        """Make a ledger that is forgotten when closed."""
        return cls(ledger_file.opened_in_memory, "in memory")

    async def close(self) -> None:
        """Close the database; never raises."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(sqlite3.Error):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
            self._thread.shutdown(wait=False)

    # ------------------------------------------------------------------------------------ mailboxes

    async def mailbox(self, name: str) -> MailboxState | None:
        """Return what is remembered of a mailbox, None before its first start."""
        return await self._read(lambda connection: ledger_views.mailbox_state(connection, name))

    async def save_mailbox(self, state: MailboxState) -> None:
        """Remember it."""
        await self._write(lambda connection: ledger_views.save_mailbox(connection, state))

    async def folder_made(self, made: Sequence[FolderMade]) -> None:
        """Remember for which stretch a folder is, before it is made; the first word on who made it stands.

        Of a folder that serves several stretches the last end is remembered too.
        """
        rows = [
            (
                one.mailbox,
                one.folder,
                one.window.key,
                to_micros(one.window.opens_at),
                to_micros(one.window.closes_at),
                to_json(one.window.channels),
                int(one.made),
                to_micros(one.window.closes_at),
            )
            for one in made
        ]
        await self._write(
            lambda connection: connection.executemany(
                "INSERT INTO folders (mailbox, folder, window_key, opens_at, closes_at, channels, made, until_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET until_at = max(closes_at, until_at, excluded.until_at)",
                rows,
            )
        )

    # --------------------------------------------------------------------------------- following up

    async def agenda(self, mailbox: str) -> Agenda:
        """Return what is to be followed up in that mailbox."""
        return await self._read(lambda connection: ledger_follow.agenda(connection, mailbox))

    async def followed(self, mailbox: str, steps: Steps, now_at: datetime) -> Sequence[StoredEffect]:
        """Enter what a look has shown, all or nothing; return the effects that follow from it."""

        def work(connection: sqlite3.Connection) -> Sequence[StoredEffect]:
            ledger_follow.enter(connection, steps, now_at)
            return ledger_intake.enter_ticked(connection, mailbox, steps.effects, now_at)

        return await self._write(work)

    async def found_again(self, keys: Mapping[str, MessageKey]) -> None:
        """Remember where messages that are decided lie in INBOX, by fingerprint: the owner has dragged them there."""
        await self._write(lambda connection: ledger_follow.found_again(connection, keys))

    async def fate(self, fingerprint: str) -> Fate:
        """Return what became of a message and of its promise, for ``explain``."""
        return await self._read(lambda connection: ledger_follow.fate(connection, fingerprint))

    # ------------------------------------------------------------------------------------- messages

    async def known(self, fingerprints: Sequence[str]) -> Mapping[str, LedgerEntry]:
        """Return the entries that exist, by fingerprint."""
        return await self._read(lambda connection: ledger_views.known(connection, fingerprints))

    async def waiting(self, mailbox: str) -> Sequence[LedgerEntry]:
        """Return that mailbox's entries that have no verdict yet, oldest arrival first."""
        return await self._read(lambda connection: ledger_views.waiting(connection, mailbox))

    async def histories(self, questions: Sequence[HistoryQuestion], now_at: datetime) -> Sequence[History]:
        """Return the history for each question, as it stands before any of them is decided."""
        return await self._read(lambda connection: ledger_history.histories(connection, questions, now_at))

    async def record(
        self,
        *,
        state: MailboxState | None,
        waiting: Sequence[LedgerEntry],
        decisions: Sequence[Decision],
        now_at: datetime,
    ) -> Sequence[StoredEffect]:
        """Enter messages, verdicts, promises and planned effects, and move the cursor: all or nothing.

        A message that is decided already is passed over, so that entering the same twice changes nothing. Where
        a unique key leaves the reply out, the reason becomes ``told``. A promise that the owner has answered before
        it is entered ends at once.
        """

        def work(connection: sqlite3.Connection) -> Sequence[StoredEffect]:
            if state is not None:
                ledger_views.save_mailbox(connection, state)
            ledger_intake.enter_waiting(connection, waiting)
            return ledger_intake.enter_decisions(connection, decisions, now_at)

        return await self._write(work)

    async def renumber(
        self,
        *,
        state: MailboxState,
        places: Mapping[str, MessageKey],
        decisions: Sequence[Decision],
        now_at: datetime,
    ) -> None:
        """Take in that INBOX was numbered anew, all or nothing.

        Messages that wait for their verdict and planned moves get their new places; the moves of messages without
        one are GONE.
        """

        def work(connection: sqlite3.Connection) -> None:
            ledger_views.save_mailbox(connection, state)
            ledger_intake.renumber(connection, state, places, now_at)
            ledger_intake.enter_decisions(connection, decisions, now_at)

        await self._write(work)

    async def decided(
        self, *, message_id: str = "", address: str = "", reason: str = "", last: int = 1
    ) -> Sequence[DecidedRow]:
        """Return at most ``last`` decided messages, newest first, by Message-ID, sender's address, reason if given."""
        return await self._read(
            lambda connection: ledger_views.decided(
                connection, message_id=message_id, address=address, reason=reason, last=last
            )
        )

    async def prune(self, before_at: datetime) -> int:
        """Forget messages decided before then that owe nothing; returns how many.

        What belongs to them goes too: replies with their words, promises. Kept are messages with an open promise,
        an unfinished effect, or a reply for a closed period that lasts beyond ``before_at``. A mailbox that was last
        looked at before then is not known any more. Room that became free is used again, and given back once it is
        most of the file.
        """
        before = to_micros(before_at)

        def work(connection: sqlite3.Connection) -> int:
            count = connection.execute(
                f"""DELETE FROM messages WHERE reason IS NOT NULL AND decided_at < :before
                    AND id NOT IN (SELECT message FROM promises WHERE state = 'open')
                    AND NOT EXISTS (SELECT 1 FROM effects WHERE message = messages.id
                        AND (unfinished = 1 OR ({COUNTS} AND period_ends_at >= :before)))""",  # noqa: S608 - constant
                {"before": before},
            ).rowcount
            connection.execute(
                "DELETE FROM effects WHERE message IS NULL AND changed_at < ? AND unfinished = 0", (before,)
            )
            connection.execute("DELETE FROM owner_messages WHERE at < ?", (before,))
            connection.execute("DELETE FROM suspensions WHERE until_at < ?", (before,))
            connection.execute("DELETE FROM folders WHERE max(closes_at, until_at) < ?", (before,))
            ledger_views.forget_mailboxes(connection, before_at)
            return count

        count = await self._write(work)
        await self._call(ledger_file.tidy)
        return count

    async def held(self, whom: str) -> Forgotten:
        """Count what is held about a person: a normal address in any spelling, or "@" and a domain."""
        return await self._read(lambda connection: ledger_forget.held(connection, whom))

    async def forget(
        self, whom: str, now_at: datetime, *, names: Collection[str] = (), insist: bool, alone: bool
    ) -> Forgotten:
        """Forget a person, all or nothing, and return what was held; ``compact`` then takes the traces out of the file.

        What stays names nobody: a message is known when it comes again, and nobody is told twice. TemporaryError
        while something about the person is being carried out: with ``insist`` only where it has begun, and never
        where this process is ``alone`` with the ledger. ``names``: what texts for the owner call the person.
        """

        def work(connection: sqlite3.Connection) -> Forgotten:
            return ledger_forget.forget(connection, whom, now_at, names=names, insist=insist, alone=alone)

        return await self._write(work)

    async def compact(self) -> None:
        """Write the file anew without what was deleted, and cut the log beside it.

        Raises:
            TemporaryError: somebody kept reading meanwhile; the log may still hold what was deleted.
        """
        await self._call(ledger_file.compact)

    async def rewind(self, now_at: datetime) -> None:
        """Bring back to now what was entered as later than now, by a clock that was wrong."""
        await self._write(lambda connection: ledger_intake.rewind(connection, now_at))

    # -------------------------------------------------------------------------------------- effects

    async def advance(
        self, *, receipts: Sequence[Receipt] = (), start: Sequence[int] = (), follow: Sequence[Effect] = ()
    ) -> Sequence[StoredEffect]:
        """Close effects, mark others as started, and plan what follows from them, in one transaction.

        An effect that is closed stays so; only a reply in doubt may be found to be done. TemporaryError also when
        one of ``start`` is not to be started any more; then nothing happened.
        """

        def work(connection: sqlite3.Connection) -> Sequence[StoredEffect]:
            ledger_follow.placed(connection, receipts)
            ledger_intake.close_effects(connection, receipts)
            ledger_intake.start_effects(connection, start)
            return ledger_intake.enter_followers(connection, follow, receipts)

        return await self._write(work)

    async def unfinished(self, mailbox: str) -> Sequence[StoredEffect]:
        """Return that mailbox's effects that are planned or started, oldest first."""
        return await self._read(lambda connection: ledger_views.unfinished(connection, mailbox))

    async def in_doubt(self, limit: int = 20) -> Sequence[StoredEffect]:
        """Return the replies of which nobody knows whether they left, newest first."""
        return await self._read(lambda connection: ledger_views.in_doubt(connection, limit))

    # --------------------------------------------------------------------------- evidence, promises

    async def owner_wrote(
        self,
        messages: Sequence[OwnerMessage],
        state: MailboxState | None = None,
        replies: Sequence[SeenReply] = (),
    ) -> None:
        """Remember the owner's own messages, replies that were seen, how far Sent was read.

        The promises that the owner's messages answer end. A reply that the ledger holds is no news; one that it
        believes unsent, or in doubt, is DONE.
        """

        def work(connection: sqlite3.Connection) -> None:
            if state is not None:
                ledger_views.save_mailbox(connection, state)
            if messages:
                ledger_history.keep_owner_messages(connection, messages)
            if replies:
                ledger_intake.enter_seen_replies(connection, replies)

        await self._write(work)

    async def promises(self, *, open_only: bool = True, limit: int = 200) -> Sequence[PromiseRow]:
        """Return promises, earliest due first.

        The state is "open", "kept" or "late": a late one was answered after its due time.
        """
        return await self._read(lambda connection: ledger_views.promises(connection, open_only=open_only, limit=limit))

    # --------------------------------------------------------------------------------------- status

    async def trip_breaker(self, until_at: datetime) -> bool:
        """Open the breaker until then; False if it was open so long already."""

        def work(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "INSERT INTO breaker (id, until_at) VALUES (1, ?)"
                " ON CONFLICT (id) DO UPDATE SET until_at = excluded.until_at WHERE until_at < excluded.until_at",
                (to_micros(until_at),),
            ).rowcount
            return changed > 0

        return await self._write(work)

    async def summary(self, now_at: datetime) -> Summary:
        """Return the counts for ``status``.

        Reasons, replies in doubt and refused replies are those of the last seven days. Open promises include the
        late ones.
        """
        return await self._read(lambda connection: ledger_views.summary(connection, now_at))

    async def morning(self, since_at: datetime, now_at: datetime) -> Morning:
        """Return what concerns the owner now, and what happened since then: the matter of the digest."""
        return await self._read(lambda connection: ledger_morning.morning(connection, since_at, now_at))

    async def chronicle(self, since_at: datetime, until_at: datetime, client: str = "") -> Chronicle:
        """Return what clients wrote and what the owner wrote, from ``since_at`` to before ``until_at``."""
        return await self._read(lambda connection: ledger_report.chronicle(connection, since_at, until_at, client))

    async def counted(self) -> Sequence[Counted]:
        """Return how often what has happened since the ledger began."""
        return await self._read(ledger_views.counted)

    async def note(self, key: str, value: str) -> None:
        """Remember one word about the daemon itself (last poll, its state) for ``status``."""
        await self._write(
            lambda connection: connection.execute(
                "INSERT INTO notes VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )
        )

    async def notes(self) -> Mapping[str, str]:
        """Return those words."""
        return await self._read(lambda connection: dict(connection.execute("SELECT key, value FROM notes").fetchall()))

    # ------------------------------------------------------------------------------------- plumbing

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run queries that see one moment of the ledger."""
        return await self._call(lambda connection: ledger_file.transaction(connection, "BEGIN", work))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a write transaction."""

        def write(connection: sqlite3.Connection) -> T:
            if self._path is not None:
                ledger_file.be_sure(self._path, self._file)
            # IMMEDIATE waits for its turn; a transaction that began as a read would fail at its first write.
            return ledger_file.transaction(connection, "BEGIN IMMEDIATE", work)

        return await self._call(write)

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise PermanentError(f"the ledger {self._name} is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._guarded, lambda: work(self._connection))

    def _guarded(self, work: Callable[[], T]) -> T:
        """Do the work in the ledger's thread, with SQLite's errors translated."""
        try:
            return work()
        except sqlite3.Error as error:
            raise ledger_file.translated(error, self._name) from error
