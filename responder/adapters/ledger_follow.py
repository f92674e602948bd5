"""What becomes of the mail after it was filed: where it lies, what it waits for, by what its promise ended.

It promises ``adapters/ledger.py`` functions that run inside one transaction.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from responder.adapters.ledger_intake import clean
from responder.adapters.storable import freeze_window, from_json, from_micros, thaw, thaw_window, to_json, to_micros
from responder.core.follow import Followed, Shelf
from responder.core.model import FileMessage, MessageKey, MoveFiled, Outcome, Window
from responder.ports import Agenda, Fate

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from responder.core.follow import Steps
    from responder.core.model import Receipt

#: Mail with an open promise, and filed mail that has not left our folders. What is being moved is left out: where it
#: lies is known once that has ended.
_MAIL = """
    SELECT fingerprint, messages.mailbox, messages.uidvalidity, messages.uid, message_id, messages.client, topic,
        coalesce(filed.folder, ''), filed.window, coalesce(promises.state, ''), promises.due_at,
        promises.declared_at IS NOT NULL, messages.address, messages.arrived_at
    FROM messages
        LEFT JOIN filed ON filed.message = messages.id AND left_at IS NULL
        LEFT JOIN promises ON promises.message = messages.id
    WHERE messages.mailbox = :mailbox
        AND messages.id IN (
            SELECT message FROM filed WHERE mailbox = :mailbox AND left_at IS NULL
            UNION SELECT message FROM promises WHERE state = 'open')
        AND NOT EXISTS (SELECT 1 FROM effects WHERE effects.message = messages.id
            AND unfinished = 1 AND kind IN ('file-message', 'move-filed'))
    ORDER BY messages.id
"""
_PLACED = """
    INSERT INTO filed (message, mailbox, folder, window) SELECT id, mailbox, :folder, :window FROM messages
        WHERE id = :message
    ON CONFLICT (message) DO UPDATE SET folder = excluded.folder, window = excluded.window, left_at = NULL
"""
_CARRIED = "UPDATE filed SET folder = :folder, window = :window, carried = carried + 1 WHERE message = :message"
_FINISHED = "UPDATE filed SET folder = :folder, left_at = :at WHERE message = :message"
_FOUND = "UPDATE filed SET folder = ?, window = ? WHERE message = ?"
_WEAK = """
    UPDATE promises SET state = iif(declared_at IS NULL, 'kept', 'late'), ended_at = ?, weak = ?
    WHERE state = 'open' AND message = ?
"""
_DECLARED = "UPDATE promises SET declared_at = ? WHERE state = 'open' AND declared_at IS NULL AND message = ?"
_REMOVED = """
    DELETE FROM folders WHERE (mailbox, folder) IN (
        SELECT mailbox, json_extract(payload, '$.folder') FROM effects JOIN payloads ON effect = effects.id
        WHERE kind = 'remove-folder' AND effects.id IN (SELECT value FROM json_each(?)))
"""
_STAYED = "UPDATE filed SET window = ?, carried = carried + 1 WHERE message = ?"


def agenda(connection: sqlite3.Connection, mailbox: str) -> Agenda:
    """Return what is to be followed up in that mailbox."""
    rows = connection.execute(_MAIL, {"mailbox": mailbox}).fetchall()
    wrote = _wrote(connection, [row[-1] for row in rows if not row[9]])
    shelves = connection.execute(
        "SELECT folder, window_key, opens_at, closes_at, channels, made, max(closes_at, until_at) FROM folders"
        " WHERE mailbox = ? ORDER BY closes_at, folder",
        (mailbox,),
    )
    return Agenda(
        mail=tuple(_followed(row, wrote) for row in rows),
        shelves=tuple(
            Shelf(
                folder=folder,
                window=Window(
                    key=key,
                    opens_at=from_micros(opens),
                    closes_at=from_micros(closes),
                    channels=tuple(from_json(channels)),
                ),
                made=bool(made),
                until_at=from_micros(until),
            )
            for folder, key, opens, closes, channels, made, until in shelves
        ),
    )


def _wrote(connection: sqlite3.Connection, arrivals: Collection[int]) -> dict[str, int]:
    """Return when the owner last wrote to each client, by key, and to each address, since the first of the arrivals.

    There are none to ask about where all mail that is followed has a promise.
    """
    wrote: dict[str, int] = {}
    if arrivals:
        for at, recipients, clients in connection.execute(
            "SELECT at, recipients, clients FROM owner_messages WHERE at > ? ORDER BY at", (min(arrivals),)
        ):
            wrote |= dict.fromkeys([*from_json(recipients), *from_json(clients)], at)
    return wrote


def _followed(row: tuple[Any, ...], wrote: Mapping[str, int]) -> Followed:
    fingerprint, mailbox, uidvalidity, uid, message_id, client, topic, folder, window, state, due, *more = row
    declared, address, arrived = more
    return Followed(
        fingerprint=fingerprint,
        key=MessageKey(mailbox=mailbox, uidvalidity=uidvalidity, uid=uid),
        message_id=message_id,
        client=client,
        topic=topic or "",
        folder=folder,
        window=_window(window) if window is not None else None,
        state=state,
        due_at=_maybe(due),
        declared=bool(declared),
        answered=not state and max(wrote.get(client, 0), wrote.get(address, 0)) > arrived,
    )


@lru_cache(maxsize=256)
def _window(window: str) -> Window:
    """Return a window; much mail waits for few of them."""
    return thaw_window(window)


def enter(connection: sqlite3.Connection, steps: Steps, now_at: datetime) -> None:
    """Enter what a look has shown."""
    now = to_micros(now_at)
    ids = _ids(connection, [*steps.weak, *steps.declared, *steps.places, *steps.stayed, *steps.left])
    connection.executemany(_WEAK, [(now, how, ids[one]) for one, how in steps.weak.items()])
    connection.executemany(_DECLARED, [(now, ids[one]) for one in steps.declared])
    places = [(clean(folder), freeze_window(window), ids[one]) for one, (folder, window) in steps.places.items()]
    connection.executemany(_FOUND, places)
    connection.executemany(_STAYED, [(freeze_window(window), ids[one]) for one, window in steps.stayed.items()])
    connection.executemany("UPDATE filed SET left_at = ? WHERE message = ?", [(now, ids[one]) for one in steps.left])


def placed(connection: sqlite3.Connection, receipts: Iterable[Receipt]) -> None:
    """Enter where the messages lie whose moves are done, and which folders are there no more.

    Before the effects are closed: what was closed already has been entered.
    """
    receipts = list(receipts)
    gone = [one.effect_id for one in receipts if one.outcome in (Outcome.DONE, Outcome.GONE)]
    done = {one.effect_id: one.at for one in receipts if one.outcome is Outcome.DONE}
    if gone:
        connection.execute(_REMOVED, (to_json(gone),))
    if not done:
        return
    rows = connection.execute(
        "SELECT effects.id, message, kind, payload FROM effects JOIN payloads ON effect = effects.id"
        " WHERE unfinished = 1 AND kind IN ('file-message', 'move-filed') AND message IS NOT NULL"
        " AND effects.id IN (SELECT value FROM json_each(?))",
        (to_json(list(done)),),
    ).fetchall()
    for effect_id, message, kind, payload in rows:
        move = thaw(kind, payload, None)
        assert isinstance(move, FileMessage | MoveFiled)  # noqa: S101 - the query asked for these
        values = {"message": message, "folder": clean(move.folder), "at": to_micros(done[effect_id])}
        if move.window is None:
            connection.execute(_FINISHED, values)
        else:
            statement = _PLACED if isinstance(move, FileMessage) else _CARRIED
            connection.execute(statement, values | {"window": freeze_window(move.window)})


def found_again(connection: sqlite3.Connection, keys: Mapping[str, MessageKey]) -> None:
    """Enter where decided messages lie in INBOX; whether they lie in no folder of ours any more, a look will tell."""
    connection.executemany(
        "UPDATE messages SET uidvalidity = ?, uid = ? WHERE fingerprint = ? AND mailbox = ? AND reason IS NOT NULL",
        [(key.uidvalidity, key.uid, fingerprint, key.mailbox) for fingerprint, key in keys.items()],
    )


def fate(connection: sqlite3.Connection, fingerprint: str) -> Fate:
    """Return what became of a message and of its promise."""
    row = connection.execute(
        """SELECT coalesce(state, ''), promises.due_at, declared_at, ended_at, coalesce(weak, ''),
                coalesce(filed.folder, ''), filed.message IS NOT NULL, coalesce(carried, 0), left_at
            FROM messages LEFT JOIN promises ON promises.message = id LEFT JOIN filed ON filed.message = id
            WHERE fingerprint = ?""",
        (fingerprint,),
    ).fetchone()
    if row is None:
        return Fate()
    state, due, declared, ended, weak, folder, filed, carried, left = row
    return Fate(
        state=state,
        due_at=_maybe(due),
        declared_at=_maybe(declared),
        ended_at=_maybe(ended),
        weak=weak,
        folder=folder,
        filed=bool(filed),
        carried=carried,
        left_at=_maybe(left),
    )


def _maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _ids(connection: sqlite3.Connection, fingerprints: Iterable[str]) -> dict[str, int]:
    """Return the rows of messages."""
    return dict(
        connection.execute(
            "SELECT fingerprint, id FROM messages WHERE fingerprint IN (SELECT value FROM json_each(?))",
            (to_json(list(fingerprints)),),
        ).fetchall()
    )
