"""What the ledger holds, as the port's rows: queries that change nothing, and the mailbox's cursor.

It promises ``adapters/ledger.py`` functions that run inside one transaction.
"""

from __future__ import annotations

from datetime import datetime
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

from responder.adapters.ledger_schema import TROUBLE
from responder.adapters.storable import from_json, from_micros, thaw, thaw_window, to_json, to_micros
from responder.core.model import MessageKey
from responder.ports import (
    Counted,
    DecidedRow,
    LedgerEntry,
    MailboxState,
    PromiseRow,
    SentCursor,
    StoredEffect,
    Summary,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

#: Status counts what happened in the last week: long enough for a weekend, short enough to be about now.
_RECENT = 7 * 24 * 3_600_000_000
#: The urgent word is used seldom, or too often: a month shows which.
_MONTH = 30 * 24 * 3_600_000_000

_ENTRY = "fingerprint, mailbox, uidvalidity, uid, address, client, message_id, arrived_at, seen_at, reason"
_EFFECT = "SELECT id, state, tries, kind, payload, octets FROM effects JOIN payloads ON effect = id"


def mailbox_state(connection: sqlite3.Connection, name: str) -> MailboxState | None:
    """Return what is remembered of a mailbox, None before its first start."""
    row = connection.execute(
        "SELECT uidvalidity, baseline_uid, next_uid, started_at, sent_folder, sent_uidvalidity, sent_uidnext"
        " FROM mailboxes WHERE name = ?",
        (name,),
    ).fetchone()
    if row is None:
        return None
    uidvalidity, baseline_uid, next_uid, started, folder, sent_uidvalidity, sent_uidnext = row
    sent = None
    if folder is not None:
        sent = SentCursor(folder=folder, uidvalidity=sent_uidvalidity, uidnext=sent_uidnext)
    return MailboxState(
        name=name,
        uidvalidity=uidvalidity,
        baseline_uid=baseline_uid,
        next_uid=next_uid,
        started_at=from_micros(started),
        sent=sent,
    )


def save_mailbox(connection: sqlite3.Connection, state: MailboxState) -> None:
    """Remember it."""
    sent = state.sent
    connection.execute(
        "INSERT OR REPLACE INTO mailboxes (name, uidvalidity, baseline_uid, next_uid, started_at,"
        " sent_folder, sent_uidvalidity, sent_uidnext) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            state.name,
            state.uidvalidity,
            state.baseline_uid,
            state.next_uid,
            to_micros(state.started_at),
            *((sent.folder, sent.uidvalidity, sent.uidnext) if sent is not None else (None, None, None)),
        ),
    )


def forget_mailboxes(connection: sqlite3.Connection, before_at: datetime) -> None:
    """Forget the mailboxes, and the words about them, that nobody has looked at since then: they left the file."""
    rows = connection.execute("SELECT key, value FROM notes WHERE key GLOB 'mailbox.*.looked_at'").fetchall()
    for key, value in rows:
        if datetime.fromisoformat(value) < before_at:
            name = key.removeprefix("mailbox.").removesuffix(".looked_at")
            connection.execute("DELETE FROM mailboxes WHERE name = ?", (name,))
            about = f"mailbox.{name}."
            connection.execute(
                "DELETE FROM notes WHERE substr(key, 1, :length) = :about AND instr(substr(key, :length + 1), '.') = 0",
                {"about": about, "length": len(about)},
            )


def known(connection: sqlite3.Connection, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
    """Return the entries that exist, by fingerprint."""
    rows = connection.execute(
        f"SELECT {_ENTRY} FROM messages WHERE fingerprint IN (SELECT value FROM json_each(?))",  # noqa: S608 - constant
        (to_json(list(fingerprints)),),
    )
    return {row[0]: _entry(row) for row in rows}


def waiting(connection: sqlite3.Connection, mailbox: str) -> list[LedgerEntry]:
    """Return that mailbox's entries that have no verdict yet, oldest arrival first."""
    rows = connection.execute(
        f"SELECT {_ENTRY} FROM messages WHERE mailbox = ? AND reason IS NULL ORDER BY arrived_at, id",  # noqa: S608 - so
        (mailbox,),
    )
    return [_entry(row) for row in rows]


def unfinished(connection: sqlite3.Connection, mailbox: str) -> list[StoredEffect]:
    """Return that mailbox's effects that are planned or started, oldest first."""
    return _effects(connection.execute(f"{_EFFECT} WHERE mailbox = ? AND unfinished = 1 ORDER BY id", (mailbox,)))


def in_doubt(connection: sqlite3.Connection, limit: int) -> list[StoredEffect]:
    """Return the replies in doubt, newest first."""
    return _effects(
        connection.execute(
            f"{_EFFECT} WHERE {TROUBLE} AND state = 'in-doubt' ORDER BY changed_at DESC, id DESC LIMIT ?", (limit,)
        )
    )


def decided(
    connection: sqlite3.Connection, *, message_id: str, address: str, reason: str, last: int
) -> list[DecidedRow]:
    """Return decided messages, newest first; "" asks for any."""
    where = "reason IS NOT NULL"
    where += " AND message_id = :message_id" if message_id else ""
    where += " AND address = :address" if address else ""
    where += " AND reason = :reason" if reason else ""
    rows = connection.execute(
        f"""SELECT {_ENTRY}, reply, due_at, topic, window, folder, decided_at, trail, steps,
                (SELECT octets FROM effects JOIN payloads ON effect = effects.id
                    WHERE effects.message = messages.id AND effects.reply_kind IS NOT NULL
                    ORDER BY effects.id DESC LIMIT 1)
            FROM messages WHERE {where}
            ORDER BY decided_at DESC, arrived_at DESC, id DESC LIMIT :last""",  # noqa: S608 - constants
        {"message_id": message_id, "address": address, "reason": reason, "last": last},
    )
    return [_decided(row) for row in rows]


def promises(connection: sqlite3.Connection, *, open_only: bool, limit: int) -> list[PromiseRow]:
    """Return promises, earliest due first."""
    rows = connection.execute(
        "SELECT fingerprint, promises.client, promises.address, promises.due_at, arrived_at, told_at, state"
        " FROM promises JOIN messages ON id = message"
        " WHERE state = 'open' OR NOT ? ORDER BY promises.due_at, arrived_at LIMIT ?",
        (open_only, limit),
    )
    return [
        PromiseRow(
            fingerprint=fingerprint,
            client=client,
            address=address,
            due_at=from_micros(due),
            opened_at=from_micros(opened),
            told_at=_maybe(told),
            state=state,
        )
        for fingerprint, client, address, due, opened, told, state in rows
    ]


def summary(connection: sqlite3.Connection, now_at: datetime) -> Summary:
    """Count: the present state, and what happened in the last seven days."""
    times = {"now": to_micros(now_at), "recent": to_micros(now_at) - _RECENT, "month": to_micros(now_at) - _MONTH}
    reasons = connection.execute(
        "SELECT reason, count(*) FROM messages WHERE reason IS NOT NULL AND decided_at > :recent"
        " GROUP BY reason ORDER BY reason",
        times,
    ).fetchall()
    urgent = connection.execute(
        "SELECT client, count(*) FROM messages WHERE reason IS NOT NULL AND decided_at > :month AND urgent = 1"
        " GROUP BY client ORDER BY client",
        times,
    ).fetchall()
    counts = connection.execute(
        f"""SELECT
            (SELECT count(*) FROM promises WHERE state = 'open') AS open_promises,
            (SELECT count(*) FROM promises WHERE state = 'open' AND due_at < :now) AS late_promises,
            (SELECT count(*) FROM messages WHERE reason IS NULL) AS waiting,
            (SELECT count(*) FROM effects WHERE unfinished = 1) AS planned,
            (SELECT count(*) FROM effects
                WHERE {TROUBLE} AND state = 'in-doubt' AND changed_at > :recent) AS in_doubt,
            (SELECT count(*) FROM effects
                WHERE {TROUBLE} AND state = 'refused' AND changed_at > :recent) AS refused,
            (SELECT count(*) FROM effects
                WHERE kind = 'file-message' AND state = 'refused' AND changed_at > :recent) AS unfiled,
            (SELECT count(*) FROM suspensions WHERE until_at > :now) AS suspended""",  # noqa: S608 - constants
        times,
    )
    names = [column[0] for column in counts.description]
    breaker = connection.execute("SELECT until_at FROM breaker WHERE until_at > :now", times).fetchone()
    return Summary(
        by_reason=dict(reasons),
        urgent=dict(urgent),
        breaker_until=from_micros(breaker[0]) if breaker else None,
        **dict(zip(names, counts.fetchone(), strict=True)),
    )


def counted(connection: sqlite3.Connection) -> list[Counted]:
    """Return how often what has happened since the ledger began."""
    rows = connection.execute("SELECT name, mailbox, word, outcome, count FROM counters")
    return [
        Counted(name=name, mailbox=mailbox, word=word, outcome=outcome, count=count)
        for name, mailbox, word, outcome, count in rows
    ]


def _effects(rows: sqlite3.Cursor) -> list[StoredEffect]:
    return [
        StoredEffect(id=effect_id, state=state, effect=thaw(kind, payload, octets), tries=tries)
        for effect_id, state, tries, kind, payload, octets in rows
    ]


def _entry(row: Sequence[Any]) -> LedgerEntry:
    fingerprint, mailbox, uidvalidity, uid, address, client, message_id, arrived, seen, reason = row
    return LedgerEntry(
        fingerprint=fingerprint,
        key=MessageKey(mailbox=mailbox, uidvalidity=uidvalidity, uid=uid),
        address=address,
        client=client,
        message_id=message_id,
        arrived_at=from_micros(arrived),
        seen_at=from_micros(seen),
        reason=reason or "",
    )


def _decided(row: Sequence[Any]) -> DecidedRow:
    *entry, reply, due, topic, window, folder, at, trail, steps, octets = row
    return DecidedRow(
        entry=_entry(entry),
        reply=reply,
        due_at=_maybe(due),
        topic=topic,
        window=thaw_window(window) if window is not None else None,
        folder=folder,
        decided_at=from_micros(at),
        trail=tuple({"rule": rule, "held": held, "detail": detail} for rule, held, detail in from_json(trail)),
        steps=tuple(from_json(steps)),
        text=_text(octets) if octets is not None else "",
    )


def _maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _text(message: bytes) -> str:
    """Return the words of a reply of ours: text/plain, in UTF-8."""
    payload = message_from_bytes(message).get_payload(decode=True)
    text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return text.replace("\r\n", "\n")
