"""How decisions and effects are entered, and effects closed: here a second reply is left out.

It promises ``adapters/ledger.py`` functions that run inside one write transaction. Under it nobody else writes, so
what is read here still holds when it is written; the unique indexes of ``ledger_schema`` stand behind that.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from responder.adapters import ledger_forget
from responder.adapters.ledger_history import end_already_answered, forget_evidence
from responder.adapters.ledger_schema import ALERTED, COUNTS
from responder.adapters.storable import freeze, freeze_window, kind_of, thaw, to_json, to_micros
from responder.core.model import (
    Alert,
    FileMessage,
    Flag,
    MoveFiled,
    Outcome,
    Reason,
    Receipt,
    RemoveFolder,
    ReplyKind,
    SaveDraft,
    SendDigest,
    SendReply,
)
from responder.errors import TemporaryError
from responder.ports import StoredEffect

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from responder.core.model import Effect, MessageKey
    from responder.ports import Decision, LedgerEntry, MailboxState, SeenReply

#: An address whose delivery report says *failed* is left alone for so long.
_SUSPENDED_FOR = timedelta(days=30)

#: Effects that belong to a mailbox and to no message.
_OF_NO_MESSAGE = (Alert, RemoveFolder, SendDigest)

_WAITING = """
    INSERT INTO messages (fingerprint, mailbox, uidvalidity, uid, address, client, message_id, arrived_at, seen_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fingerprint) DO UPDATE
    SET mailbox = excluded.mailbox, uidvalidity = excluded.uidvalidity, uid = excluded.uid
    WHERE reason IS NULL
"""
#: Arrival and first sight stay as they were entered first.
_DECIDED = """
    INSERT INTO messages (id, fingerprint, mailbox, uidvalidity, uid, address, client, message_id, arrived_at,
        seen_at, reason, reply, due_at, decided_at, topic, window, folder, steps, trail, subject, note, urgent)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE
    SET mailbox = excluded.mailbox, uidvalidity = excluded.uidvalidity, uid = excluded.uid,
        reason = excluded.reason, reply = excluded.reply, due_at = excluded.due_at,
        decided_at = excluded.decided_at, topic = excluded.topic, window = excluded.window,
        folder = excluded.folder, steps = excluded.steps, trail = excluded.trail,
        subject = excluded.subject, note = excluded.note, urgent = excluded.urgent
    WHERE reason IS NULL
"""
_PROMISE = """
    INSERT INTO promises (message, client, address, refers_to, due_at) VALUES (?, ?, ?, ?, ?)
"""
#: Whom the reply went to, not whom the report names: nobody can silence another's address by a forged report.
_SUSPENSION = """
    INSERT INTO suspensions (address, until_at)
    SELECT DISTINCT address, :until FROM effects JOIN payloads ON effect = effects.id
        WHERE reply_kind IS NOT NULL AND counts = 1 AND changed_at > :since
        AND json_extract(payload, '$.message_id') IN (SELECT value FROM json_each(:ids))
    ON CONFLICT (address) DO UPDATE SET until_at = max(until_at, excluded.until_at)
"""
_EFFECT = """
    INSERT INTO effects (id, message, mailbox, kind, state, unfinished, counts, reply_kind, address,
        period_ends_at, reply_id, only_once, changed_at)
    VALUES (?, ?, ?, ?, 'planned', 1, 1, ?, ?, ?, ?, ?, ?)
"""
_PAYLOAD = "INSERT INTO payloads (effect, payload, octets) VALUES (?, ?, ?)"
#: A reply in doubt can only be found to have left after all; nothing makes it planned again.
_CLOSE = """
    UPDATE effects SET state = ?, unfinished = ?, counts = ?, changed_at = ?, detail = ?, tries = tries + ?
    WHERE id = ? AND (unfinished = 1 OR (state = 'in-doubt' AND ? = 'done'))
"""
_TOLD = """
    UPDATE promises SET told_at = ?, told_by = ?
    WHERE told_at IS NULL AND message =
        (SELECT message FROM effects WHERE id = ? AND reply_kind IS NOT NULL AND state = 'done')
"""
#: Whatever can be repeated may be started again after a crash; a reply only once.
_START = """
    UPDATE effects SET state = 'started'
    WHERE id = ? AND (state = 'planned' OR (state = 'started' AND reply_kind IS NULL))
"""
#: So many characters of a subject are kept: the owner knows the mail by them.
_SUBJECT = 200
#: States of a reply that is found in Sent all the same.
_UNSURE = frozenset({"planned", "started", "in-doubt"})
#: The state, whether it is unfinished, whether it counts; by outcome.
_STATES: Mapping[Outcome, tuple[str, int, int]] = {
    Outcome.DONE: ("done", 0, 1),
    Outcome.GONE: ("gone", 0, 0),
    Outcome.EXPIRED: ("expired", 0, 0),
    Outcome.REFUSED: ("refused", 0, 0),
    Outcome.RETRY: ("planned", 1, 1),
    Outcome.IN_DOUBT: ("in-doubt", 0, 1),
}


#: What may not lie later than now. A suspension lasts at most its thirty days, and a breaker no longer.
_REWIND = (
    "UPDATE messages SET arrived_at = :now WHERE arrived_at > :now",
    "UPDATE messages SET seen_at = :now WHERE seen_at > :now",
    "UPDATE messages SET decided_at = :now WHERE decided_at > :now",
    "UPDATE effects SET changed_at = :now WHERE changed_at > :now",
    "UPDATE promises SET told_at = :now WHERE told_at > :now",
    "UPDATE promises SET declared_at = :now WHERE declared_at > :now",
    "UPDATE promises SET ended_at = :now WHERE ended_at > :now",
    "UPDATE filed SET left_at = :now WHERE left_at > :now",
    "UPDATE OR REPLACE owner_messages SET at = :now WHERE at > :now",
    "UPDATE suspensions SET until_at = :latest WHERE until_at > :latest",
    "UPDATE breaker SET until_at = :latest WHERE until_at > :latest",
)


def rewind(connection: sqlite3.Connection, now_at: datetime) -> None:
    """Bring back to now what a clock that ran ahead has entered."""
    times = {"now": to_micros(now_at), "latest": to_micros(now_at + _SUSPENDED_FOR)}
    for statement in _REWIND:
        connection.execute(statement, times)


def enter_waiting(connection: sqlite3.Connection, entries: Iterable[LedgerEntry]) -> None:
    """Enter messages that wait for their verdict; one that waits already gets its new place."""
    connection.executemany(_WAITING, [_entry_row(entry) for entry in entries])


def enter_decisions(
    connection: sqlite3.Connection, decisions: Sequence[Decision], now_at: datetime
) -> list[StoredEffect]:
    """Enter verdicts, promises, suspensions and effects; a message that is decided already is passed over."""
    forget_evidence(connection, now_at)
    ledger_forget.let_go(connection, now_at)
    if not decisions:
        return []
    now = to_micros(now_at)
    fresh = _undecided(connection, decisions)
    room = _Room(connection, [effect for _, decision in fresh for effect in decision.effects])
    planned: list[tuple[Effect, str]] = []
    rows: list[tuple[object, ...]] = []
    for message, decision in fresh:
        kept = [effect for effect in decision.effects if room.take(effect)]
        planned.extend((effect, decision.entry.key.mailbox) for effect in kept)
        left_out = _replies(decision.effects) > _replies(kept)
        rows.append((message, *_decided_row(decision, now, reply_left_out=left_out)))
    connection.executemany(_DECIDED, rows)
    _open_promises(connection, fresh)
    bounced = [
        message_id
        for _, decision in fresh
        if decision.verdict.reason is Reason.BOUNCE_OF_REPLY
        for message_id in decision.facts.bounced_ids
    ]
    if bounced:
        since, until = to_micros(now_at - _SUSPENDED_FOR), to_micros(now_at + _SUSPENDED_FOR)
        connection.execute(_SUSPENSION, {"ids": to_json(bounced), "since": since, "until": until})
    return _insert_effects(connection, planned, now)


def enter_followers(
    connection: sqlite3.Connection, follow: Sequence[Effect], receipts: Sequence[Receipt]
) -> list[StoredEffect]:
    """Plan what follows from receipts; an alert belongs to the mailbox of the first effect that was closed."""
    if not follow:
        return []
    room = _Room(connection, follow)
    mailbox = ""
    if receipts:
        row = connection.execute("SELECT mailbox FROM effects WHERE id = ?", (receipts[0].effect_id,)).fetchone()
        mailbox = row[0] if row else ""
        now = max(to_micros(receipt.at) for receipt in receipts)
    else:  # nobody said what time it is: the last instant known is early enough
        now = connection.execute("SELECT coalesce(max(changed_at), 0) FROM effects").fetchone()[0]
    return _insert_effects(connection, [(effect, mailbox) for effect in follow if room.take(effect)], now)


def enter_ticked(
    connection: sqlite3.Connection, mailbox: str, effects: Sequence[Effect], now_at: datetime
) -> list[StoredEffect]:
    """Plan what a tick of the clock asks for; what may come only once is left out where it is there already."""
    room = _Room(connection, effects)
    planned = [(effect, mailbox) for effect in effects if room.take(effect)]
    return _insert_effects(connection, planned, to_micros(now_at))


def close_effects(connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> None:
    """Enter what became of effects, and mark the promises of replies that left as told."""
    connection.executemany(
        _CLOSE,
        [
            (
                *_STATES[receipt.outcome],
                to_micros(receipt.at),
                clean(receipt.detail),
                int(receipt.outcome is Outcome.RETRY),
                receipt.effect_id,
                receipt.outcome.value,
            )
            for receipt in receipts
        ],
    )
    connection.executemany(
        _TOLD,
        [
            (to_micros(receipt.at), receipt.effect_id, receipt.effect_id)
            for receipt in receipts
            if receipt.outcome is Outcome.DONE
        ],
    )


def enter_seen_replies(connection: sqlite3.Connection, replies: Sequence[SeenReply]) -> None:
    """Enter signs that addresses were answered; what the ledger holds itself is closed as done, not entered."""
    held: dict[str, tuple[int, str]] = {
        reply_id: (effect_id, state)
        for reply_id, effect_id, state in connection.execute(
            "SELECT reply_id, id, state FROM effects"
            " WHERE reply_id IS NOT NULL AND reply_id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (to_json([reply.key for reply in replies]),),
        )
    }
    done: list[Receipt] = []
    news: list[SeenReply] = []
    for reply in replies:
        effect_id, state = held.get(reply.key, (0, ""))
        if state in _UNSURE:
            done.append(Receipt(effect_id=effect_id, outcome=Outcome.DONE, at=reply.at, detail="found in Sent"))
        elif state != Outcome.DONE.value:  # unknown here, or believed not to have left
            news.append(reply)
    close_effects(connection, done)
    connection.executemany(
        "INSERT OR IGNORE INTO seen_replies (at, key, address, answers, taken) VALUES (?, ?, ?, ?, ?)",
        [
            (to_micros(reply.at), clean(reply.key), clean(reply.address), clean(reply.answers), int(reply.taken))
            for reply in news
        ],
    )


def renumber(
    connection: sqlite3.Connection, state: MailboxState, places: Mapping[str, MessageKey], now_at: datetime
) -> None:
    """Give messages, planned moves and flags, their new places in INBOX; close those that have none."""
    connection.executemany(
        "UPDATE messages SET uidvalidity = ?, uid = ? WHERE fingerprint = ? AND mailbox = ?",
        [(key.uidvalidity, key.uid, fingerprint, state.name) for fingerprint, key in places.items()],
    )
    lost: list[Receipt] = []
    for effect_id, kind, payload in connection.execute(
        "SELECT id, kind, payload FROM effects JOIN payloads ON effect = id"
        " WHERE mailbox = ? AND unfinished = 1 AND kind IN ('file-message', 'flag')",
        (state.name,),
    ).fetchall():
        move = thaw(kind, payload, None)
        assert isinstance(move, FileMessage | Flag)  # noqa: S101 - the query asked for these kinds
        if isinstance(move, Flag) and move.folder:  # in a folder of ours, which was not numbered anew
            continue
        key = places.get(move.fingerprint)
        if key is None:
            detail = "not found again after INBOX was numbered anew"
            lost.append(Receipt(effect_id=effect_id, outcome=Outcome.GONE, at=now_at, detail=detail))
        else:
            moved = freeze(replace(move, key=key)).payload
            connection.execute("UPDATE payloads SET payload = ? WHERE effect = ?", (moved, effect_id))
    close_effects(connection, lost)


def start_effects(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Mark effects as started, all or none.

    Raises:
        TemporaryError: one of them is not to be started (any more): it was closed, or a reply is under way already.
    """
    started = connection.executemany(_START, [(effect_id,) for effect_id in ids]).rowcount
    if ids and started != len(ids):
        raise TemporaryError(
            f"{len(ids) - started} of {len(ids)} planned effects are no longer waiting to be started: is a second"
            " responder at work on this ledger? Nothing was started; read the unfinished effects again"
        )


def clean(text: str) -> str:
    """Return the text as valid UTF-8, which SQLite asks for; stray bytes of a header become "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class _Room:
    """Which of these effects the unique keys allow, given what the ledger holds and what was taken since."""

    def __init__(self, connection: sqlite3.Connection, effects: Sequence[Effect]) -> None:
        replies = [effect for effect in effects if isinstance(effect, SendReply | SaveDraft)]
        alerts = [effect.unique for effect in effects if isinstance(effect, Alert | SendDigest)]
        self._answered: set[str] = set()
        self._told: set[tuple[str, int]] = set()
        self._alerts: set[str] = set()
        if replies:
            hide = ledger_forget.hiding(connection)
            named = {hide(reply.address): reply.address for reply in replies} if hide is not None else {}
            for fingerprint, address, ends in connection.execute(
                f"""SELECT fingerprint, effects.address, period_ends_at
                    FROM messages JOIN effects ON message = messages.id
                    WHERE {COUNTS} AND fingerprint IN (SELECT value FROM json_each(:fingerprints))
                UNION ALL
                SELECT '', address, period_ends_at FROM effects
                    WHERE {COUNTS} AND address IN (SELECT value FROM json_each(:addresses))
                    AND period_ends_at IN (SELECT value FROM json_each(:ends))""",  # noqa: S608 - constants
                {
                    "fingerprints": to_json([reply.fingerprint for reply in replies]),
                    "addresses": to_json(list({reply.address for reply in replies} | named.keys())),
                    "ends": to_json(list({to_micros(reply.period_ends_at) for reply in replies})),
                },
            ):
                self._answered.add(fingerprint)
                self._told.add((str(named.get(address, address)), ends))
        if alerts:
            rows = connection.execute(
                f"SELECT only_once FROM effects WHERE {ALERTED}"  # noqa: S608 - a constant of the schema
                " AND only_once IN (SELECT value FROM json_each(?))",
                (to_json(alerts),),
            )
            self._alerts.update(row[0] for row in rows)

    def take(self, effect: Effect) -> bool:
        """Tell whether the effect may be planned; if so, it takes the room."""
        if isinstance(effect, SendReply | SaveDraft):
            told = (effect.address, to_micros(effect.period_ends_at))
            if effect.fingerprint in self._answered or told in self._told:
                return False
            self._answered.add(effect.fingerprint)
            self._told.add(told)
        elif isinstance(effect, Alert | SendDigest):
            if effect.unique in self._alerts:
                return False
            self._alerts.add(effect.unique)
        return True


def _undecided(connection: sqlite3.Connection, decisions: Sequence[Decision]) -> list[tuple[int, Decision]]:
    """Return with their rows' ids the messages to enter.

    Left out are those that are decided, twice here, or known and merely called so again.
    """
    asked = to_json([decision.entry.fingerprint for decision in decisions])
    known: dict[str, tuple[int, bool]] = {
        fingerprint: (message, decided)
        for fingerprint, message, decided in connection.execute(
            "SELECT fingerprint, id, reason IS NOT NULL FROM messages"
            " WHERE fingerprint IN (SELECT value FROM json_each(?))",
            (asked,),
        )
    }
    last: int = connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()[0]
    fresh: list[tuple[int, Decision]] = []
    for decision in decisions:
        fingerprint = decision.entry.fingerprint
        message, decided = known.get(fingerprint, (0, False))
        if decided or (message and decision.verdict.reason is Reason.SEEN_BEFORE):
            continue
        if not message:
            message = last = last + 1
        known[fingerprint] = (message, True)
        fresh.append((message, decision))
    return fresh


def _replies(effects: Iterable[Effect]) -> int:
    return sum(isinstance(effect, SendReply | SaveDraft) for effect in effects)


def _entry_row(entry: LedgerEntry) -> tuple[object, ...]:
    return (
        entry.fingerprint,
        entry.key.mailbox,
        entry.key.uidvalidity,
        entry.key.uid,
        clean(entry.address),
        entry.client,
        clean(entry.message_id),
        to_micros(entry.arrived_at),
        to_micros(entry.seen_at),
    )


def _decided_row(decision: Decision, now: int, *, reply_left_out: bool) -> tuple[object, ...]:
    verdict, window = decision.verdict, decision.verdict.placement.window
    folder = next((effect.folder for effect in decision.effects if isinstance(effect, FileMessage)), "")
    return (
        *_entry_row(decision.entry),
        (Reason.TOLD if reply_left_out else verdict.reason).value,
        (ReplyKind.NONE if reply_left_out else verdict.reply).value,
        to_micros(verdict.due.due_at) if verdict.due is not None else None,
        now,
        decision.facts.topic,
        freeze_window(window) if window is not None else None,
        clean(folder),
        to_json(verdict.due.steps) if verdict.due is not None else "[]",
        "[" + ",".join([_step(step.rule, step.held, step.detail) for step in verdict.trail]) + "]",
        clean(decision.facts.subject[:_SUBJECT]),
        verdict.placement.note,
        int(verdict.urgent),
    )


@lru_cache(maxsize=1024)
def _step(rule: str, held: bool, detail: str) -> str:  # noqa: FBT001 - a step's members, in their order
    """Return one step of a trail as JSON; most steps say the same of every message."""
    return to_json((rule, held, detail))


def _open_promises(connection: sqlite3.Connection, decisions: Iterable[tuple[int, Decision]]) -> None:
    rows = [
        (
            message,
            decision.entry.client,
            clean(decision.entry.address),
            to_json(decision.facts.refers_to),
            to_micros(decision.verdict.due.due_at),
        )
        for message, decision in decisions
        if decision.verdict.promises and decision.verdict.due is not None
    ]
    if rows:
        connection.executemany(_PROMISE, rows)
        end_already_answered(connection, [row[0] for row in rows])


def _insert_effects(
    connection: sqlite3.Connection, effects: Sequence[tuple[Effect, str]], now: int
) -> list[StoredEffect]:
    """Enter effects, each with the mailbox it belongs to if it does not say so itself."""
    if not effects:
        return []
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'effects'").fetchone()
    first = row[0] + 1 if row else 1
    stored = [
        StoredEffect(id=effect_id, state="planned", effect=effect)
        for effect_id, (effect, _) in enumerate(effects, start=first)
    ]
    prints = [effect.fingerprint for effect, _ in effects if not isinstance(effect, _OF_NO_MESSAGE)]
    messages: dict[str, int] = dict(
        connection.execute(
            "SELECT fingerprint, id FROM messages WHERE fingerprint IN (SELECT value FROM json_each(?))",
            (to_json(prints),),
        ).fetchall()
    )
    connection.executemany(
        _EFFECT,
        [_effect_row(one, mailbox, messages, now) for one, (_, mailbox) in zip(stored, effects, strict=True)],
    )
    connection.executemany(_PAYLOAD, [(one.id, *freeze(one.effect)) for one in stored])
    return stored


def _effect_row(stored: StoredEffect, mailbox: str, messages: Mapping[str, int], now: int) -> tuple[object, ...]:
    effect = stored.effect
    message: int | None = None
    reply: tuple[str | None, str | None, int | None, str | None] = (None, None, None, None)
    only_once: str | None = None
    if isinstance(effect, Alert | SendDigest):
        only_once = clean(effect.unique)
    if not isinstance(effect, _OF_NO_MESSAGE):
        message = messages.get(effect.fingerprint)
    if not isinstance(effect, Alert):
        mailbox = effect.key.mailbox if isinstance(effect, FileMessage | MoveFiled | Flag) else effect.mailbox
    if isinstance(effect, SendReply | SaveDraft):
        reply = (effect.kind.value, clean(effect.address), to_micros(effect.period_ends_at), effect.message_id)
    return (stored.id, message, mailbox, kind_of(effect), *reply, only_once, now)
