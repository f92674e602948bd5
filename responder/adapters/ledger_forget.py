"""A person is forgotten: what the ledger holds of an address, or a domain, goes; that nobody is answered twice stays.

It promises ``adapters/ledger.py`` functions that run inside one transaction. What stays names nobody: of a message its
fingerprint and its reason, so that it is known when it comes back to INBOX; of a reply its own id, and the address as
an HMAC under a salt that is made for this and thrown away when nothing depends on it any more.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from responder.adapters.ledger_schema import COUNTS
from responder.adapters.storable import from_json, to_json, to_micros
from responder.core.address import account, normal_address
from responder.core.model import Reason
from responder.core.subject import base_subject
from responder.errors import TemporaryError
from responder.ports import Forgotten

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

#: Begins what stands in an address's place; no address is written so.
_HIDDEN = "forgotten:"
_DAY = 24 * 3_600_000_000
#: Mail is judged by a closed period for at most so long after its end, as in ``ledger_history``.
_NEEDED_FOR = 60 * _DAY
#: Where a person may be named in a line about somebody or something else.
_MENTIONS = (
    ("messages", "trail"),
    ("messages", "steps"),
    ("messages", "note"),
    ("messages", "subject"),
    ("effects", "detail"),
    ("payloads", "payload"),
    ("promises", "refers_to"),
    ("promises", "evidence"),
    ("owner_messages", "subject"),
    ("notes", "value"),
)
#: What may be an address or a Message-ID, in a plain line or in JSON.
_WITH_AT = re.compile(r"""[^\s<>"'(),;:\[\]\\@]*@[^\s<>"'(),;:\[\]\\@]+""")
#: The steps about the messages with these ids.
_THEIRS = "message IN (SELECT value FROM json_each(:ids))"
#: Steps that are still to be carried out. The removal of a draft names nobody, and stays planned.
_UNDER_WAY = "unfinished = 1 AND kind <> 'remove-draft'"


class _OwnerRow(NamedTuple):
    """One of the owner's messages: its place, and what stays of its recipients, its thread and its subject."""

    at: int
    message_id: str
    recipients: list[str]
    refers_to: list[str]
    subject: str


class _Sign(NamedTuple):
    """A row of ``seen_replies``."""

    at: int
    key: str
    address: str
    answers: str


@dataclass(slots=True)
class _Found:
    """What is held about somebody: rows' ids, and the words by which they may be named elsewhere."""

    messages: list[int] = field(default_factory=list[int])
    waiting: int = 0
    clients: set[str] = field(default_factory=set[str])
    addresses: set[str] = field(default_factory=set[str])
    message_ids: set[str] = field(default_factory=set[str])
    owner: list[_OwnerRow] = field(default_factory=list[_OwnerRow])
    signs: list[_Sign] = field(default_factory=list[_Sign])
    suspensions: list[str] = field(default_factory=list[str])


def hiding(connection: sqlite3.Connection) -> Callable[[str], str] | None:
    """Return what tells the word that stands for a forgotten person's address; None where nobody is forgotten."""
    row = connection.execute("SELECT salt FROM forgetting").fetchone()
    return None if row is None else _hider(row[0])


def let_go(connection: sqlite3.Connection, now_at: datetime) -> None:
    """Drop what was kept of forgotten persons' replies for closed periods that are long over, and then the salt."""
    if hiding(connection) is None:
        return
    connection.execute(
        f"DELETE FROM effects WHERE {COUNTS} AND address GLOB ? AND period_ends_at < ? AND unfinished = 0",  # noqa: S608 - constant
        (_HIDDEN + "*", to_micros(now_at) - _NEEDED_FOR),
    )
    connection.execute(
        f"""DELETE FROM forgetting
            WHERE NOT EXISTS (SELECT 1 FROM effects WHERE {COUNTS} AND address GLOB :hidden)
            AND NOT EXISTS (SELECT 1 FROM seen_replies WHERE address GLOB :hidden)""",  # noqa: S608 - a constant
        {"hidden": _HIDDEN + "*"},
    )


def concerns(whom: str, address: str) -> bool:
    """Tell whether the address is that person's, in whatever spelling; ``whom`` may be a domain, as "@x.example"."""
    normal = normal_address(address)
    if not normal:
        return False
    if whom.startswith("@"):
        return account(normal).rpartition("@")[2] == account("x" + whom).rpartition("@")[2]
    return account(normal) == account(whom)


def held(connection: sqlite3.Connection, whom: str) -> Forgotten:
    """Count what is held about somebody; changes nothing."""
    return _count(connection, _find(connection, whom))


def forget(
    connection: sqlite3.Connection,
    whom: str,
    now_at: datetime,
    *,
    names: Collection[str],
    insist: bool,
    alone: bool,
) -> Forgotten:
    """Forget somebody; returns what was held.

    Args:
        connection: in a write transaction.
        whom: a normal address, or "@" and a domain.
        now_at: the present instant.
        names: what the person, or the client, is called in texts for the owner.
        insist: drop steps for this person that are planned and not begun.
        alone: no service is at work on this ledger: what is begun stays in doubt, and is not waited for.

    Raises:
        TemporaryError: something about this person is being carried out at this moment.
    """
    found = _find(connection, whom)
    counts = _count(connection, found)
    _settle(connection, found, insist=insist, alone=alone)
    _withdraw_alerts(connection, (*names, *found.addresses, *found.clients))
    hide = _hider(_salt(connection))
    ids = to_json(found.messages)
    _forget_effects(connection, ids, hide)
    for table in ("promises", "filed"):
        connection.execute(f"DELETE FROM {table} WHERE {_THEIRS}", {"ids": ids})  # noqa: S608 - constants
    connection.execute(
        """UPDATE messages SET address = '', client = '', message_id = '', subject = '', note = '', topic = '',
            folder = '', window = NULL, due_at = NULL, steps = '[]', trail = '[]', urgent = 0,
            reason = coalesce(reason, :seen), reply = coalesce(reply, 'none'), decided_at = coalesce(decided_at, :now)
            WHERE id IN (SELECT value FROM json_each(:ids))""",
        {"seen": Reason.SEEN_BEFORE.value, "now": to_micros(now_at), "ids": ids},
    )
    _forget_owner_messages(connection, found)
    connection.executemany(
        "UPDATE seen_replies SET address = ?, answers = ? WHERE at = ? AND key = ?",
        [(hide(one.address), hide(one.answers) if one.answers else "", one.at, one.key) for one in found.signs],
    )
    connection.executemany("DELETE FROM suspensions WHERE address = ?", [(each,) for each in found.suspensions])
    _forget_told(connection, found)
    _erase_mentions(connection, whom, found.message_ids)
    let_go(connection, now_at)
    return counts


def _hider(salt: str) -> Callable[[str], str]:
    key = bytes.fromhex(salt)
    return lambda word: _HIDDEN + hmac.new(key, word.encode(errors="replace"), hashlib.sha256).hexdigest()[:32]


def _salt(connection: sqlite3.Connection) -> str:
    connection.execute("INSERT OR IGNORE INTO forgetting (id, salt) VALUES (1, ?)", (secrets.token_hex(32),))
    salt: str = connection.execute("SELECT salt FROM forgetting").fetchone()[0]
    return salt


# ----------------------------------------------------------------------------------------- finding


def _find(connection: sqlite3.Connection, whom: str) -> _Found:
    senders = _concerned(whom, connection.execute("SELECT DISTINCT address FROM messages"))
    # A reply goes to the Return-Path, which may be another address than the sender's.
    returns = _concerned(
        whom,
        connection.execute(
            "SELECT DISTINCT json_extract(payload, '$.recipient') FROM effects JOIN payloads ON effect = id"
            " WHERE kind = 'send-reply'"
        ),
    )
    suspended = _concerned(whom, connection.execute("SELECT address FROM suspensions"))
    found = _Found(addresses=senders | returns | suspended, suspensions=sorted(suspended))
    subjects: set[str] = set()
    for message, message_id, client, subject, waits in connection.execute(
        """SELECT id, message_id, client, subject, reason IS NULL FROM messages
            WHERE address IN (SELECT value FROM json_each(:senders))
            OR id IN (SELECT message FROM effects JOIN payloads ON effect = effects.id WHERE kind = 'send-reply'
                AND json_extract(payload, '$.recipient') IN (SELECT value FROM json_each(:returns)))
            ORDER BY id""",
        {"senders": to_json(sorted(senders)), "returns": to_json(sorted(returns))},
    ):
        found.messages.append(message)
        found.waiting += waits
        subjects.add(base_subject(subject))
        found.clients |= {client} - {""}
        found.message_ids |= {message_id} - {""}
    for at, message_id, refers_to, recipients, subject in connection.execute(
        "SELECT at, message_id, refers_to, recipients, subject FROM owner_messages"
    ):
        people, thread = from_json(recipients), from_json(refers_to)
        theirs = {each for each in people if concerns(whom, each)}
        if theirs or not found.message_ids.isdisjoint(thread):
            found.addresses |= theirs
            left = [each for each in people if each not in theirs]
            others = [each for each in thread if each not in found.message_ids]
            found.owner.append(_OwnerRow(at, message_id, left, others, "" if subject in subjects else subject))
    for at, key, address, answers in connection.execute("SELECT at, key, address, answers FROM seen_replies"):
        if concerns(whom, address):
            found.addresses.add(address)
            found.message_ids |= {answers} - {""}
            found.signs.append(_Sign(at, key, address, answers))
    return found


def _concerned(whom: str, rows: Iterable[tuple[str | None]]) -> set[str]:
    return {address for (address,) in rows if address and concerns(whom, address)}


def _count(connection: sqlite3.Connection, found: _Found) -> Forgotten:
    ids = {"ids": to_json(found.messages)}
    replies, under_way = connection.execute(
        f"""SELECT coalesce(sum(reply_kind IS NOT NULL), 0), coalesce(sum({_UNDER_WAY}), 0)
            FROM effects WHERE {_THEIRS}""",  # noqa: S608 - constants
        ids,
    ).fetchone()
    promises, still_open = connection.execute(
        f"SELECT count(*), coalesce(sum(state = 'open'), 0) FROM promises WHERE {_THEIRS}",  # noqa: S608 - a constant
        ids,
    ).fetchone()
    return Forgotten(
        messages=len(found.messages),
        waiting=found.waiting,
        replies=replies,
        under_way=under_way,
        promises=promises,
        open_promises=still_open,
        owner_messages=len(found.owner),
        signs=len(found.signs),
        suspensions=len(found.suspensions),
    )


# --------------------------------------------------------------------------------------- forgetting


def _settle(connection: sqlite3.Connection, found: _Found, *, insist: bool, alone: bool) -> None:
    """See that nothing about this person, and no digest, is still to be carried out."""
    rows = connection.execute(
        f"SELECT id, state, reply_kind IS NOT NULL FROM effects WHERE {_UNDER_WAY} AND ({_THEIRS} OR kind = 'send-digest')",  # noqa: S608, E501 - constants
        {"ids": to_json(found.messages)},
    ).fetchall()
    if any(not insist or (state == "started" and not alone) for _, state, _ in rows):
        raise TemporaryError(
            "something about this person, or a digest that may name them, is being carried out at this moment; nothing"
            " was forgotten: try again in a minute"
        )
    for effect, state, is_reply in rows:
        if is_reply and state == "started":  # it may have left, and is never sent again
            connection.execute("UPDATE effects SET state = 'in-doubt', unfinished = 0 WHERE id = ?", (effect,))
        else:  # a digest without them is made anew
            connection.execute("DELETE FROM effects WHERE id = ?", (effect,))


def _withdraw_alerts(connection: sqlite3.Connection, names: Collection[str]) -> None:
    """Drop alerts that could not be given yet and name the person; the others wait on."""
    alerts = "SELECT id, payload FROM effects JOIN payloads ON effect = id WHERE kind = 'alert' AND unfinished = 1"
    for effect, payload in connection.execute(alerts).fetchall():
        said = " ".join(map(str, from_json(payload).values())).lower()
        if any(name.lower() in said for name in names if name):
            connection.execute("DELETE FROM effects WHERE id = ?", (effect,))


def _forget_effects(connection: sqlite3.Connection, ids: str, hide: Callable[[str], str]) -> None:
    """Keep of their effects what keeps a second reply from being sent, and the removal of drafts that lie there."""
    connection.execute(
        f"""DELETE FROM effects WHERE {_THEIRS} AND NOT ({COUNTS})
            AND NOT (kind = 'remove-draft' AND unfinished = 1)""",  # noqa: S608 - constants
        {"ids": ids},
    )
    kept = connection.execute(f"SELECT id, address FROM effects WHERE {_THEIRS} AND {COUNTS}", {"ids": ids})  # noqa: S608 - so
    for effect, address in kept.fetchall():
        connection.execute(
            "UPDATE OR REPLACE effects SET address = ?, detail = '' WHERE id = ?", (hide(address), effect)
        )
        connection.execute("DELETE FROM payloads WHERE effect = ?", (effect,))


def _forget_owner_messages(connection: sqlite3.Connection, found: _Found) -> None:
    for one in found.owner:
        if one.recipients:
            connection.execute(
                """UPDATE owner_messages SET recipients = ?, refers_to = ?, subject = ?, clients =
                    (SELECT json_group_array(value) FROM json_each(clients) WHERE value NOT IN
                        (SELECT value FROM json_each(?)))
                    WHERE at = ? AND message_id = ?""",
                (
                    to_json(one.recipients),
                    to_json(one.refers_to),
                    one.subject,
                    to_json(sorted(found.clients)),
                    one.at,
                    one.message_id,
                ),
            )
        else:
            connection.execute("DELETE FROM owner_messages WHERE at = ? AND message_id = ?", (one.at, one.message_id))


def _forget_told(connection: sqlite3.Connection, found: _Found) -> None:
    """Drop the words of alerts and digests that the owner has had: they may name anybody, in words we do not know.

    That they were given stays known, unless that names a client of whom nothing is left.
    """
    connection.execute(
        "DELETE FROM payloads WHERE effect IN (SELECT id FROM effects WHERE kind IN ('alert', 'send-digest')"
        " AND unfinished = 0)"
    )
    for client in found.clients:
        if connection.execute("SELECT 1 FROM messages WHERE client = ? LIMIT 1", (client,)).fetchone() is None:
            connection.execute(
                "DELETE FROM effects WHERE message IS NULL AND instr(':' || only_once || ':', ?) AND unfinished = 0",
                (f":{client}:",),
            )


def _erase_mentions(connection: sqlite3.Connection, whom: str, message_ids: Collection[str]) -> None:
    """Take the person's addresses and Message-IDs out of lines about somebody else."""
    ids = {message_id.strip("<>") for message_id in message_ids}

    @lru_cache(maxsize=100_000)  # the same few stand in most lines
    def instead(written: str) -> str:
        word = written.rstrip(".")
        return "forgotten" if word in ids or word.lower() == whom or concerns(whom, word) else written

    for table, column in _MENTIONS:
        # Done once in a year or two, so that every line is looked at.
        lines = connection.execute(f"SELECT {column} FROM {table} WHERE instr({column}, '@')")  # noqa: S608 - ours
        changes = {text: left for (text,) in lines if (left := _WITH_AT.sub(lambda at: instead(at[0]), text)) != text}
        connection.executemany(
            f"UPDATE {table} SET {column} = ? WHERE {column} = ?",  # noqa: S608 - ours
            [(left, text) for text, left in changes.items()],
        )
