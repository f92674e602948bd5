"""What concerns the owner in the morning: one look at the ledger that changes nothing.

It promises ``adapters/ledger.py`` a function that runs inside one transaction, and costs as much as there is open mail
and as happened since the last digest, however long the memory is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responder.adapters.ledger_schema import COUNTS, TROUBLE
from responder.adapters.storable import from_json, from_micros, thaw_window, to_micros
from responder.core.model import Reason
from responder.core.morning_rows import Held, Morning, OpenMail, Suspended, Unanswered

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from datetime import datetime

#: More open mail than this is no morning's work; the oldest due times are what is left out last.
MOST_MAIL = 2_000
#: So many of each kind of what was held are named.
MOST_HELD = 50
#: Of a server's answer.
_DETAIL = 200
#: How long an address is left alone after it bounced a reply, as ``ledger_intake`` enters it.
_SUSPENDED_FOR = timedelta(days=30)

#: A promise says by itself whether the message still concerns the owner; mail without one does so while it is filed.
_CONCERNS = """FROM messages
    LEFT JOIN promises ON promises.message = messages.id
    LEFT JOIN filed ON filed.message = messages.id AND left_at IS NULL
    WHERE messages.id IN (SELECT message FROM promises WHERE state = 'open'
        UNION SELECT message FROM filed WHERE left_at IS NULL)
    AND (promises.message IS NULL OR state = 'open')"""
_MAIL = f"""SELECT fingerprint, messages.mailbox, messages.client, messages.address, subject, messages.topic, reason,
        arrived_at, coalesce(promises.due_at, messages.due_at), told_at, promises.message IS NOT NULL,
        filed.folder, filed.window, coalesce(carried, 0), note, urgent
    {_CONCERNS}
    ORDER BY promises.due_at IS NULL, coalesce(promises.due_at, messages.due_at), arrived_at, messages.id LIMIT ?"""
_HELD = f"""SELECT state, messages.client, coalesce(effects.address, messages.address), subject, changed_at, detail
    FROM effects JOIN messages ON messages.id = message
    WHERE {TROUBLE} AND changed_at > ? ORDER BY changed_at DESC, effects.id DESC LIMIT ?"""  # noqa: S608 - constants
_UNFILED = """SELECT state, client, messages.address, subject, changed_at, detail
    FROM effects JOIN messages ON messages.id = message
    WHERE kind IN ('file-message', 'move-filed') AND state = 'refused' AND changed_at > ?
    ORDER BY changed_at DESC, effects.id DESC LIMIT ?"""
_UNANSWERED = """SELECT mailbox, client, address, subject, arrived_at, trail FROM messages
    WHERE reason = :reason AND decided_at > :since ORDER BY arrived_at, id LIMIT :most"""


def morning(connection: sqlite3.Connection, since_at: datetime, now_at: datetime) -> Morning:
    """Return what concerns the owner now, and what happened since then."""
    since, now = to_micros(since_at), to_micros(now_at)
    mail = [_open_mail(row) for row in connection.execute(_MAIL, (MOST_MAIL,))]
    more = 0
    if len(mail) == MOST_MAIL:
        more = connection.execute(f"SELECT count(*) {_CONCERNS}").fetchone()[0] - MOST_MAIL
    breaker = connection.execute("SELECT until_at FROM breaker WHERE until_at > ?", (now,)).fetchone()
    reasons: Mapping[str, int] = dict(
        connection.execute(
            "SELECT reason, count(*) FROM messages WHERE reason IS NOT NULL AND decided_at > ?"
            " GROUP BY reason ORDER BY reason",
            (since,),
        ).fetchall()
    )
    replied = connection.execute(
        f"SELECT count(*) FROM effects WHERE {COUNTS} AND changed_at > ? AND state = 'done'",  # noqa: S608 - constant
        (since,),
    ).fetchone()[0]
    suspended = connection.execute("SELECT address, until_at FROM suspensions WHERE until_at > ? ORDER BY 2, 1", (now,))
    without_sent = connection.execute("SELECT name FROM mailboxes WHERE sent_folder IS NULL ORDER BY name")
    return Morning(
        since_at=since_at,
        mail=tuple(mail),
        more=more,
        replies=_held(connection, _HELD, since),
        unfiled=_held(connection, _UNFILED, since),
        unreadable=_unanswered(connection, Reason.UNREADABLE, since),
        unverified=_unanswered(connection, Reason.UNVERIFIED, since),
        suspended=tuple(
            Suspended(
                address=address, until_at=from_micros(until), fresh=from_micros(until) - _SUSPENDED_FOR > since_at
            )
            for address, until in suspended
        ),
        breaker_until=from_micros(breaker[0]) if breaker else None,
        without_sent=tuple(name for (name,) in without_sent),
        by_reason=reasons,
        replied=replied,
    )


def _open_mail(row: Sequence[Any]) -> OpenMail:
    (
        fingerprint, mailbox, client, address, subject, topic, reason,
        arrived, due, told, promised, folder, window, carried, note, urgent,
    ) = row  # fmt: skip
    return OpenMail(
        fingerprint=fingerprint,
        mailbox=mailbox,
        client=client,
        address=address,
        subject=subject,
        topic=topic or "",
        reason=reason,
        arrived_at=from_micros(arrived),
        due_at=None if due is None else from_micros(due),
        told_at=None if told is None else from_micros(told),
        promised=bool(promised),
        folder=folder or "",
        window=None if window is None else thaw_window(window),
        carried=carried,
        note=note,
        urgent=bool(urgent),
    )


def _held(connection: sqlite3.Connection, query: str, since: int) -> tuple[Held, ...]:
    return tuple(
        Held(state=state, client=client, address=address, subject=subject, at=from_micros(at), detail=detail[:_DETAIL])
        for state, client, address, subject, at, detail in connection.execute(query, (since, MOST_HELD))
    )


def _unanswered(connection: sqlite3.Connection, reason: Reason, since: int) -> tuple[Unanswered, ...]:
    rows = connection.execute(_UNANSWERED, {"reason": reason.value, "since": since, "most": MOST_HELD})
    return tuple(
        Unanswered(
            mailbox=mailbox,
            client=client,
            address=address,
            subject=subject,
            arrived_at=from_micros(arrived),
            why=next((detail for rule, held, detail in from_json(trail) if held and rule == reason), "")[:_DETAIL],
        )
        for mailbox, client, address, subject, arrived, trail in rows
    )
