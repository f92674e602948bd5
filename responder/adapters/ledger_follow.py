"""What becomes of the mail after it was filed: where it lies, what it waits for, by what its promise ended.

It promises ``adapters/ledger.py`` functions that run inside one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.adapters.ledger_intake import clean
from responder.adapters.storable import freeze_window, from_json, from_micros, thaw, thaw_window, to_json, to_micros
from responder.core.follow import Followed, Shelf
from responder.core.model import FileMessage, MessageKey, MoveFiled, Outcome, Window
from responder.ports import Agenda

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from responder.core.follow import Steps
    from responder.core.model import Receipt

#: Mail with an open promise, and filed mail that has not left our folders. What is being moved is left out: it is known
#: where it lies once that has ended. The owner's messages to the sender tell of those without a promise.
_MAIL = """
    SELECT fingerprint, messages.mailbox, messages.uidvalidity, messages.uid, message_id, messages.client, topic,
        coalesce(filed.folder, ''), filed.window, coalesce(promises.state, ''), promises.due_at,
        promises.declared_at IS NOT NULL,
        promises.message IS NULL AND EXISTS (
            SELECT 1 FROM owner_messages, json_each(recipients) AS recipient
            WHERE owner_messages.at > messages.arrived_at AND recipient.value = messages.address)
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
    shelves = connection.execute(
        "SELECT folder, window_key, opens_at, closes_at, channels, made FROM folders"
        " WHERE mailbox = ? ORDER BY closes_at, folder",
        (mailbox,),
    )
    return Agenda(
        mail=tuple(_followed(row) for row in connection.execute(_MAIL, {"mailbox": mailbox})),
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
            )
            for folder, key, opens, closes, channels, made in shelves
        ),
    )


def _followed(row: tuple[object, ...]) -> Followed:
    fingerprint, mailbox, uidvalidity, uid, message_id, client, topic, folder, window, state, due, *told = row
    return Followed(
        fingerprint=str(fingerprint),
        key=MessageKey(mailbox=str(mailbox), uidvalidity=_number(uidvalidity), uid=_number(uid)),
        message_id=str(message_id),
        client=str(client),
        topic=str(topic or ""),
        folder=str(folder),
        window=thaw_window(str(window)) if window is not None else None,
        state=str(state),
        due_at=from_micros(_number(due)) if due is not None else None,
        declared=bool(told[0]),
        answered=bool(told[1]),
    )


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - a STRICT table's column
    return value


def enter(connection: sqlite3.Connection, steps: Steps, now_at: datetime) -> None:
    """Enter what a look has shown."""
    now = to_micros(now_at)
    ids = _ids(connection, [*steps.weak, *steps.declared, *steps.places, *steps.stayed, *steps.left])
    connection.executemany(_WEAK, [(now, how, ids[one]) for one, how in steps.weak.items()])
    connection.executemany(_DECLARED, [(now, ids[one]) for one in steps.declared])
    places = [
        (clean(folder), freeze_window(window) if window is not None else None, ids[one])
        for one, (folder, window) in steps.places.items()
    ]
    connection.executemany("UPDATE filed SET folder = ?, window = coalesce(?, window) WHERE message = ?", places)
    connection.executemany(_STAYED, [(freeze_window(window), ids[one]) for one, window in steps.stayed.items()])
    connection.executemany("UPDATE filed SET left_at = ? WHERE message = ?", [(now, ids[one]) for one in steps.left])


def placed(connection: sqlite3.Connection, receipts: Iterable[Receipt]) -> None:
    """Enter where the messages lie whose moves are done, and which folders are there no more."""
    receipts = list(receipts)
    gone = [one.effect_id for one in receipts if one.outcome in (Outcome.DONE, Outcome.GONE)]
    done = {one.effect_id: one.at for one in receipts if one.outcome is Outcome.DONE}
    if gone:
        connection.execute(_REMOVED, (to_json(gone),))
    if not done:
        return
    rows = connection.execute(
        "SELECT effects.id, message, kind, payload FROM effects JOIN payloads ON effect = effects.id"
        " WHERE kind IN ('file-message', 'move-filed') AND effects.id IN (SELECT value FROM json_each(?))",
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
    """Enter that filed messages lie in INBOX again."""
    for fingerprint, message in _ids(connection, keys).items():
        changed = connection.execute(
            "UPDATE filed SET folder = '' WHERE left_at IS NULL AND message = ?", (message,)
        ).rowcount
        key = keys[fingerprint]
        if changed:
            connection.execute(
                "UPDATE messages SET uidvalidity = ?, uid = ? WHERE id = ? AND mailbox = ?",
                (key.uidvalidity, key.uid, message, key.mailbox),
            )


def _ids(connection: sqlite3.Connection, fingerprints: Iterable[str]) -> dict[str, int]:
    """Return the rows of messages."""
    return dict(
        connection.execute(
            "SELECT fingerprint, id FROM messages WHERE fingerprint IN (SELECT value FROM json_each(?))",
            (to_json(list(fingerprints)),),
        ).fetchall()
    )
