"""What the ledger tells of a span of time, for ``responder report``: two queries that change nothing.

It promises ``adapters/ledger.py`` functions that run inside one transaction, and that neither the trail of a verdict
nor the words of a reply is ever read for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responder.adapters.storable import from_json, from_micros, to_json, to_micros
from responder.core.report_rows import NOBODYS, Chronicle, ChronicleRow, OwnerWrote

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

#: A verdict is never older than the arrival: so the index of decided messages finds the span's beginning.
_ROWS = """
    SELECT messages.client, messages.address, arrived_at, reason, reply, coalesce(promises.due_at, messages.due_at),
        coalesce(topic, ''), urgent, coalesce(promises.state, ''), told_at, ended_at, coalesce(weak, ''), declared_at,
        coalesce(carried, 0)
    FROM messages
    LEFT JOIN promises ON promises.message = messages.id
    LEFT JOIN filed ON filed.message = messages.id
    WHERE reason IS NOT NULL AND decided_at >= :since AND arrived_at >= :since AND arrived_at < :until
        AND messages.client != '' AND (:client = '' OR messages.client = :client)
        AND reason NOT IN (SELECT value FROM json_each(:nobodys))
    ORDER BY arrived_at, messages.id
"""
_WROTE = "SELECT at, recipients FROM owner_messages WHERE at >= :since AND at < :until ORDER BY at"


def chronicle(connection: sqlite3.Connection, since_at: datetime, until_at: datetime, client: str) -> Chronicle:
    """Return what arrived and what the owner wrote from ``since_at`` to before ``until_at``; "" asks for all clients.

    The owner's messages are those to anybody: whose address is whose is the rules' business.
    """
    span = {"since": to_micros(since_at), "until": to_micros(until_at)}
    asked = {**span, "client": client, "nobodys": to_json(sorted(NOBODYS))}
    return Chronicle(
        rows=[_row(row) for row in connection.execute(_ROWS, asked)],
        wrote=[
            OwnerWrote(at=from_micros(at), recipients=tuple(from_json(recipients)))
            for at, recipients in connection.execute(_WROTE, span)
        ],
    )


def _row(row: tuple[Any, ...]) -> ChronicleRow:
    client, address, arrived, reason, reply, due, topic, urgent, promise, told, ended, weak, declared, carried = row
    return ChronicleRow(
        client=client,
        address=address,
        arrived_at=from_micros(arrived),
        reason=reason,
        reply=reply or "none",
        due_at=_maybe(due),
        topic=topic,
        urgent=bool(urgent),
        promise=promise,
        told_at=_maybe(told),
        ended_at=_maybe(ended),
        weak=weak,
        declared_at=_maybe(declared),
        carried=carried,
    )


def _maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
