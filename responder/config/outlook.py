"""What the rules will come to in an ordinary week: clients whom no window suits, terms that end at a bad time.

There is no clock here: the weeks looked at are fixed ones, two in winter and two in summer, and what only a holiday
or a dated entry changes is none of this module's business.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from responder.config.book import spell
from responder.config.spelling import MIDNIGHT
from responder.core import hours, promise
from responder.core.model import TermUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responder.config.book import Book
    from responder.config.lines import Path
    from responder.core.model import Client, Policy, Term, WindowRule

#: Two Mondays, since zones differ between winter and summer; far off, where no dated entry of the owner's reaches.
_MONDAYS = (date(2035, 1, 15), date(2035, 7, 16))

#: A public holiday may close one week's window.
_DAYS = 14


#: What a fault of would make the outlook a guess: the owner's keys, and each client's.
_OWNERS = (("owner", "timezone"), ("owner", "holidays"), ("hours",), ("windows",), ("topics",), ("response",))
_CLIENTS = ("timezone", "daytime", "holidays", "hours", "windows", "topics", "response")


def check(book: Book, policy: Policy) -> None:
    """Tell the book of what the rules promise and the windows cannot keep."""
    if not all(map(book.trusts, _OWNERS)):
        return
    windowless = _without_windows(book, policy)
    reckoned = _Reckoned(policy)
    early: dict[Path, list[str]] = {}
    for client in policy.clients:
        if not all(book.trusts(("clients", client.key, name)) for name in _CLIENTS):
            continue
        if not reckoned.suited(client):
            _unsuited(book, policy, client, windowless)
        if _windows(policy, client):
            for path, term in _terms(policy, client):
                if reckoned.too_early(client, term):
                    early.setdefault(path, []).append(client.key)
    for path, keys in early.items():
        who = "" if path[0] == "clients" else f" (clients: {', '.join(keys)})"
        book.warn(path, f"can fall due before any callback window begins{who}: such mail stays in INBOX")
    _endless(book, policy)


def _without_windows(book: Book, policy: Policy) -> set[Path]:
    """Tell of terms that wait for windows where the owner has none; return their keys."""
    if policy.windows:
        return set()
    terms: dict[Path, Term | None] = {("topics", topic.key, "response"): topic.response for topic in policy.topics}
    terms["response", "default"] = policy.response
    waiting = {path for path, term in terms.items() if term and term.unit is TermUnit.NEXT_WINDOW}
    for path in waiting:
        book.complain(path, '"next window" needs a callback window, and there is none')
    return waiting


def _unsuited(book: Book, policy: Policy, client: Client, windowless: set[Path]) -> None:
    """Tell of a client whom no window suits: a fault where its response time is the next one."""
    windows = _windows(policy, client)
    said = f"no callback window suits this client: none overlaps its daytime in {client.zone.key} by 15 minutes"
    waiting = [path for path, term in _terms(policy, client) if term.unit is TermUnit.NEXT_WINDOW]
    for path in waiting:
        own = path[0] == "clients"
        source = "" if own else f" ({spell(path)})"
        if windows or path not in windowless:
            book.complain(
                path if own else ("clients", client.key), f'{said}, but its response time is "next window"{source}'
            )
    if windows and not waiting:
        book.warn(("clients", client.key), f"{said}; no reply will offer a call")


def _windows(policy: Policy, client: Client) -> tuple[WindowRule, ...]:
    return policy.windows if client.windows is None else client.windows


def _terms(policy: Policy, client: Client) -> Iterator[tuple[Path, Term]]:
    """Yield every response time that holds for the client, with the key it is written at."""
    for topic in policy.topics:
        if topic.key in client.topics:
            yield ("clients", client.key, "topics", topic.key, "response"), client.topics[topic.key]
        elif topic.response is not None:
            yield ("topics", topic.key, "response"), topic.response
    if client.response is not None:
        yield ("clients", client.key, "response"), client.response
    else:
        yield ("response", "default"), policy.response


class _Reckoned:
    """What was found out about clients, each kind of client once: many live alike."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._suited: dict[object, bool] = {}
        self._early: dict[object, bool] = {}

    @staticmethod
    def _kind(client: Client) -> tuple[object, ...]:
        return client.zone.key, client.daytime, client.holidays, client.windows, client.hours

    def suited(self, client: Client) -> bool:
        """Tell whether any window suits the client."""
        kind = self._kind(client)
        if kind not in self._suited:
            self._suited[kind] = self._look_for_windows(client)
        return self._suited[kind]

    def _look_for_windows(self, client: Client) -> bool:
        calendar = hours.calendar(self._policy, client.key)
        return any(
            calendar.suits(window)
            for monday in _MONDAYS
            for window in calendar.windows(_midnight(self._policy, monday), days=_DAYS)
        )

    def too_early(self, client: Client, term: Term) -> bool:
        """Tell whether mail that comes when a working day ends can be due before a window begins."""
        if term.unit is TermUnit.NEXT_WINDOW:
            return False
        key = (self._kind(client), term)
        if key not in self._early:
            self._early[key] = self._look_at_closings(client, term)
        return self._early[key]

    def _look_at_closings(self, client: Client, term: Term) -> bool:
        calendar = hours.calendar(self._policy, client.key)
        for day in range(7):
            spans = calendar.hours_on(_MONDAYS[0] + timedelta(days=day))
            if spans:
                closing_at = spans[-1].ends_at
                due = promise.due(calendar, term, "", closing_at)
                if due is not None and calendar.place(closing_at, due.due_at).window is None:
                    return True
        return False


def _midnight(policy: Policy, on: date) -> datetime:
    return datetime.combine(on, time(), tzinfo=policy.owner.zone).astimezone(UTC)


def _endless(book: Book, policy: Policy) -> None:
    """Warn of plain hours, which run on while the office is closed."""
    always = all(sum(each.closes - each.opens for each in day) == MIDNIGHT for day in policy.hours.weekdays)
    told: set[Path] = set()
    for client in policy.clients:
        for path, term in _terms(policy, client):
            if term.unit is TermUnit.HOURS and path not in told and not (always and client.hours is None):
                told.add(path)
                book.warn(path, f'"{term}" can end in closed time: plain hours run on at night; "working hours" do not')
