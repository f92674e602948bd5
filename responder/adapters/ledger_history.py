"""What the ledger knows that bears on a message, and the owner's own mail as evidence that a promise was kept.

It promises ``adapters/ledger.py`` a handful of queries for any number of questions: the work per message is
dictionary look-ups. It only ever errs towards silence: what may have been sent counts as sent.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from responder.adapters.ledger_forget import hiding
from responder.adapters.ledger_schema import ALERTED, COUNTS, TOLD_IN_FULL
from responder.adapters.storable import from_json, from_micros, to_json, to_micros
from responder.core.address import account, normal_address
from responder.core.model import History
from responder.core.subject import base_subject
from responder.ports import OwnerMessage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from responder.core.model import Facts
    from responder.ports import HistoryQuestion

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
#: No mail is judged by a closed period that ended longer ago: ``replies.max_age`` is hours, an outage days.
_TOLD_FOR = 60 * _DAY
#: A promise that went late longer ago was kept by a call, or forgotten by both: it silences nobody any more.
_OWED_FOR = 30 * _DAY
#: An alert's day is over by then, in whatever zone, even if its last try came late.
_ALERTED_FOR = 3 * _DAY


class _Seen:
    """The signs of replies that are not this ledger's own, to be asked by address or by the message answered.

    Args:
        rows: the recipient's address, the Message-ID answered, when, and whether a mark told it; see ``SeenReply``.
        hide: tells the word that stands for a forgotten person's address or Message-ID, where there are any.
    """

    def __init__(self, rows: Iterable[tuple[str, str, int, int]], hide: Callable[[str], str] | None = None) -> None:
        self._hide = hide
        self._by_address: defaultdict[str, list[tuple[datetime, int]]] = defaultdict(list)
        self._by_message: defaultdict[str, list[tuple[datetime, int]]] = defaultdict(list)
        #: When and to whom replies in Sent went: these count against the caps. A mark may be of a reply counted here.
        self.sent: list[tuple[datetime, str]] = []
        for address, answers, micros, taken in rows:
            at = from_micros(micros)
            self._by_address[address].append((at, taken))
            if answers:
                self._by_message[answers].append((at, taken))
            if not taken:
                self.sent.append((at, address))

    def bearing_on(self, facts: Facts) -> tuple[frozenset[datetime], frozenset[datetime]]:
        """Return what Sent shows of replies to this sender, and what marks show. A reply goes to the Return-Path."""
        if not self._by_address:
            return _NEVER, _NEVER
        persons = {facts.person, account(normal_address(facts.return_path or ""))} - {"", "@"}
        messages = {facts.message_id} - {""}
        if self._hide is not None:
            persons |= set(map(self._hide, persons))
            messages |= set(map(self._hide, messages))
        found = [one for person in persons for one in self._by_address.get(person, ())]
        found += [one for message in messages for one in self._by_message.get(message, ())]
        return frozenset(at for at, taken in found if not taken), frozenset(at for at, taken in found if taken)


_NEVER: frozenset[datetime] = frozenset()
_NONE: frozenset[str] = frozenset()


class _Replies(NamedTuple):
    """What was sent to the asked addresses, and to anybody lately."""

    told_until: dict[str, frozenset[datetime]]
    full_at: dict[str, datetime]
    address_day: Counter[str]
    last_hour: int
    last_day: int


class _Evidence:
    """The owner's messages, to be asked by recipient, recipient's domain or referred Message-ID.

    Args:
        messages: ascending by instant.
    """

    def __init__(self, messages: Iterable[OwnerMessage]) -> None:
        self._to_account: defaultdict[str, list[datetime]] = defaultdict(list)
        self._to_domain: defaultdict[str, list[datetime]] = defaultdict(list)
        self._answers: defaultdict[str, list[OwnerMessage]] = defaultdict(list)
        self._by_subject: defaultdict[tuple[str, str], list[OwnerMessage]] = defaultdict(list)
        for message in messages:
            if message.answers_subject:
                for whom in {*map(account, message.recipients), *message.clients}:
                    self._by_subject[whom, message.answers_subject].append(message)
            for recipient in message.recipients:
                self._to_account[account(recipient)].append(message.at)
                self._to_domain[recipient.rpartition("@")[2]].append(message.at)
            for message_id in message.refers_to:
                self._answers[message_id].append(message)

    def __bool__(self) -> bool:
        return bool(self._to_account or self._answers)

    def wrote_at(self, question: HistoryQuestion) -> datetime | None:
        """Return the last message to this client from ``conversing_since`` to the arrival, both inclusive."""
        found: list[datetime] = []
        for times in self._times(question):
            place = bisect_right(times, question.arrived_at)
            if place and times[place - 1] >= question.conversing_since:
                found.append(times[place - 1])
        return max(found, default=None)

    def _times(self, question: HistoryQuestion) -> Iterator[Sequence[datetime]]:
        """Yield when the owner wrote to the sender, and to each address and domain of the client."""
        for each in {question.facts.person, *map(account, question.addresses)}:
            if times := self._to_account.get(each):
                yield times
        for domain in question.domains:
            if times := self._to_domain.get(domain):
                yield times

    def answered_at(self, question: HistoryQuestion) -> datetime | None:
        """Return the first message after the arrival that answers the message or thread, or goes to its client."""
        facts, after_at = question.facts, question.arrived_at
        found: list[datetime] = []
        for times in self._times(question):
            place = bisect_right(times, after_at)
            if place < len(times):
                found.append(times[place])
        answer = self.answer((facts.message_id, *facts.refers_to), after_at)
        if answer is not None:
            found.append(answer.at)
        return min(found, default=None)

    def tells_nothing(self, thread: Iterable[str], subject: str) -> bool:
        """Tell quickly whether no message refers to one of the ids, and none can answer by its subject."""
        return self._answers.keys().isdisjoint(thread) and not (subject and self._by_subject)

    def answer(
        self, thread: Iterable[str], after_at: datetime, *, whom: Iterable[str] = (), subject: str = ""
    ) -> OwnerMessage | None:
        """Return the first message after that instant that refers to one of the ids, or bears the subject.

        A telephone may name no ids: the subject, in a message to that client, is then the sign. ``whom``: the client's
        key and the sender's account.
        """
        found = [
            message
            for message_id in thread
            if message_id
            for message in self._answers.get(message_id, ())
            if message.at > after_at
        ]
        if self._by_subject and (base := base_subject(subject)):
            found += [one for each in whom for one in self._by_subject.get((each, base), ()) if one.at > after_at]
        return min(found, key=lambda message: message.at, default=None)


def histories(
    connection: sqlite3.Connection, questions: Sequence[HistoryQuestion], now_at: datetime
) -> Sequence[History]:
    """Answer all questions as of now; what only the engine can know keeps its default."""
    if not questions:
        return ()
    now = to_micros(now_at)
    senders = list({question.facts.person for question in questions})
    addresses = to_json(senders)
    decided = _decided(connection, questions)
    hide = hiding(connection)
    # As a rule there are none at all.
    seen = _Seen(
        connection.execute("SELECT address, answers, at, taken FROM seen_replies WHERE at > ?", (now - _TOLD_FOR,)),
        hide,
    )
    replies = _replies(connection, senders, now, seen, hide)
    breaker = connection.execute("SELECT until_at FROM breaker WHERE until_at > ?", (now,)).fetchone()
    breaker_until = from_micros(breaker[0]) if breaker else None
    suspended = {
        address: from_micros(until)
        for address, until in connection.execute(
            "SELECT address, until_at FROM suspensions WHERE until_at > ?"
            " AND address IN (SELECT value FROM json_each(?))",
            (now, addresses),
        )
    }
    owed = _owed(connection, questions, now)
    alerts = _urgent_alerts(connection, now) if any(question.facts.urgent for question in questions) else _NONE
    since = min(min(question.conversing_since, question.arrived_at) for question in questions)
    evidence = _Evidence(owner_messages(connection, to_micros(since)))
    result: list[History] = []
    for question in questions:
        facts = question.facts
        address = facts.person
        replied_at, taken_at = seen.bearing_on(facts)
        result.append(
            History(
                decided=facts.fingerprint in decided,
                owner_wrote_at=evidence.wrote_at(question) if evidence else None,
                answered_at=evidence.answered_at(question) if evidence else None,
                told_until=replies.told_until.get(address, _NEVER),
                replied_at=replied_at,
                taken_at=taken_at,
                full_at=replies.full_at.get(address),
                address_day=replies.address_day[address],
                last_hour=replies.last_hour,
                last_day=replies.last_day,
                breaker_until=breaker_until,
                suspended_until=suspended.get(address),
                owed_since=owed.get(facts.client),
                urgent_alerts=alerts,
                urgent_spent=facts.urgent == "kept" and _is_spent(connection, facts),
            )
        )
    return result


def _decided(connection: sqlite3.Connection, questions: Sequence[HistoryQuestion]) -> frozenset[str]:
    asked = to_json([question.facts.fingerprint for question in questions])
    rows = connection.execute(
        "SELECT fingerprint FROM messages WHERE fingerprint IN (SELECT value FROM json_each(?)) AND reason IS NOT NULL",
        (asked,),
    )
    return frozenset(row[0] for row in rows)


def _replies(
    connection: sqlite3.Connection,
    addresses: Sequence[str],
    now: int,
    seen: _Seen,
    hide: Callable[[str], str] | None,
) -> _Replies:
    # Whom the rows are about, by the address that stands in them or by the word that stands for it.
    names = {address: address for address in addresses}
    if hide is not None:
        names |= {hide(address): address for address in addresses}
    written = list(names)
    asked = to_json(written)
    told: defaultdict[str, list[datetime]] = defaultdict(list)
    for address, ends in connection.execute(
        f"SELECT address, period_ends_at FROM effects WHERE {COUNTS} AND period_ends_at > ?"  # noqa: S608 - constant
        " AND address IN (SELECT value FROM json_each(?))",
        (now - _TOLD_FOR, asked),
    ):
        told[names[address]].append(from_micros(ends))
    # One look at the end of each address's stretch of the index, however many replies there were.
    full = connection.execute(
        f"""SELECT key, (SELECT max(changed_at) FROM effects WHERE {TOLD_IN_FULL} AND address = asked.value)
            FROM json_each(?) AS asked""",  # noqa: S608 - a constant of the schema
        (asked,),
    )
    in_hour = connection.execute(
        f"SELECT count(*) FROM effects WHERE {COUNTS} AND changed_at > ?",  # noqa: S608 - a constant of the schema
        (now - _HOUR,),
    ).fetchone()[0]
    in_day = connection.execute(
        f"SELECT address FROM effects WHERE {COUNTS} AND changed_at > ?",  # noqa: S608 - a constant of the schema
        (now - _DAY,),
    )
    answered: list[str] = [row[0] for row in in_day]
    address_day = Counter(names.get(address, address) for address in answered)
    if seen.sent:  # the caps bound what goes out, whoever sends it
        day, hour = from_micros(now - _DAY), from_micros(now - _HOUR)
        address_day.update(names.get(address, address) for at, address in seen.sent if at > day)
        in_hour += sum(at > hour for at, _ in seen.sent)
    full_at: dict[str, datetime] = {}
    for place, micros in full:
        if micros is not None:
            name, at = names[written[int(place)]], from_micros(micros)
            full_at[name] = max(at, full_at.get(name, at))
    return _Replies(
        told_until={address: frozenset(ends) for address, ends in told.items()},
        full_at=full_at,
        address_day=address_day,
        last_hour=in_hour,
        last_day=address_day.total(),
    )


def _owed(connection: sqlite3.Connection, questions: Sequence[HistoryQuestion], now: int) -> dict[str, datetime]:
    """Return each client's oldest promise that is late, of those that went late not long ago."""
    clients = to_json(list({question.facts.client for question in questions if question.facts.client}))
    rows = connection.execute(
        """SELECT client, min(due_at) FROM promises
            WHERE state = 'open' AND due_at < :now AND due_at > :since
            AND client IN (SELECT value FROM json_each(:clients))
            GROUP BY client""",
        {"now": now, "since": now - _OWED_FOR, "clients": clients},
    )
    return {client: from_micros(due) for client, due in rows}


def _urgent_alerts(connection: sqlite3.Connection, now: int) -> frozenset[str]:
    """Return the keys of the alerts about urgent mail that were given, or will be; a day of the owner's ends them."""
    rows = connection.execute(
        f"SELECT only_once FROM effects WHERE {ALERTED}"  # noqa: S608 - a constant of the schema
        " AND only_once >= 'urgent:' AND only_once < 'urgent;' AND changed_at > ?",
        (now - _ALERTED_FOR,),
    )
    return frozenset(row[0] for row in rows)


def _is_spent(connection: sqlite3.Connection, facts: Facts) -> bool:
    """Tell whether this message answers one of the owner's that came after an urgent mail of the thread.

    Some programs name only what they answer: the owner's message then tells what that answered.
    """
    found = connection.execute(
        """SELECT EXISTS (SELECT 1 FROM owner_messages AS mine JOIN messages AS theirs ON theirs.arrived_at < mine.at
            WHERE urgent = 1 AND client = :client
            AND mine.message_id IN (SELECT value FROM json_each(:thread))
            AND theirs.message_id IN
                (SELECT value FROM json_each(:thread) UNION ALL SELECT value FROM json_each(mine.refers_to)))""",
        {"client": facts.client, "thread": to_json(facts.refers_to)},
    ).fetchone()
    return bool(found[0])


# ---------------------------------------------------------------------------------------- evidence

_OPEN = (
    "SELECT id, message_id, refers_to, promises.due_at, arrived_at, promises.client, promises.address, subject"
    " FROM promises JOIN messages ON id = message WHERE state = 'open'"
)


def owner_messages(connection: sqlite3.Connection, since: int) -> list[OwnerMessage]:
    """Return the owner's messages from that instant (microseconds) on, ascending."""
    rows = connection.execute(
        "SELECT at, message_id, refers_to, recipients, subject, clients FROM owner_messages WHERE at >= ? ORDER BY at",
        (since,),
    )
    return [
        OwnerMessage(
            message_id=message_id,
            refers_to=tuple(from_json(refers_to)),
            recipients=tuple(from_json(recipients)),
            at=from_micros(at),
            answers_subject=subject,
            clients=tuple(from_json(clients)),
        )
        for at, message_id, refers_to, recipients, subject, clients in rows
    ]


def keep_owner_messages(connection: sqlite3.Connection, messages: Sequence[OwnerMessage]) -> None:
    """Enter the owner's messages, and end the promises that these answer."""
    connection.executemany(
        "INSERT OR IGNORE INTO owner_messages (at, message_id, refers_to, recipients, subject, clients)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                to_micros(message.at),
                message.message_id,
                to_json(message.refers_to),
                to_json(message.recipients),
                message.answers_subject.encode("utf-8", "replace").decode(),
                to_json(message.clients),
            )
            for message in messages
        ],
    )
    rows = connection.execute(_OPEN)
    _end_answered(connection, rows, sorted(messages, key=lambda message: message.at))


def forget_evidence(connection: sqlite3.Connection, now_at: datetime) -> None:
    """Forget others' replies that are too old to matter."""
    connection.execute("DELETE FROM seen_replies WHERE at < ?", (to_micros(now_at) - _TOLD_FOR,))


def end_already_answered(connection: sqlite3.Connection, messages: Sequence[int]) -> None:
    """End those of the promises just opened that the owner had answered before they were entered."""
    rows = connection.execute(
        f"{_OPEN} AND message IN (SELECT value FROM json_each(?))",  # noqa: S608 - a constant
        (to_json(messages),),
    ).fetchall()
    if rows:
        _end_answered(connection, rows, owner_messages(connection, min(row[4] for row in rows)))


def _end_answered(connection: sqlite3.Connection, promises: Iterable[Any], messages: Sequence[OwnerMessage]) -> None:
    """End the promises that one of the messages answers: kept up to the due time, late after it."""
    evidence = _Evidence(messages)
    if not evidence:
        return
    ended: list[tuple[str, int, str, int]] = []
    for message, message_id, refers_to, due, arrived, client, person, subject in promises:
        thread = (message_id, *from_json(refers_to)) if refers_to != "[]" else (message_id,)
        if evidence.tells_nothing(thread, subject):
            continue
        whom = {client, person} - {""}
        answer = evidence.answer(thread, from_micros(arrived), whom=whom, subject=subject)
        if answer is not None:
            at = to_micros(answer.at)
            ended.append(("kept" if at <= due else "late", at, answer.message_id, message))
    connection.executemany(
        "UPDATE promises SET state = ?, ended_at = ?, evidence = ? WHERE message = ? AND state = 'open'", ended
    )
