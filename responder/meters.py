"""What is measured, as plain values: the figures that monitoring reads.

It promises the page and the file of ``[metrics]`` one list of meters. What happened to mail is counted by the ledger,
so that neither a restart nor ``run --once`` begins anew; what happened to the process is counted here, from its start.
A label names a mailbox, a reason or a word of ours, never a client, an address or a subject.
"""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from responder import __version__
from responder.core.model import Reason, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from responder.ports import Counted, Summary

_KINDS = tuple(kind for kind in ReplyKind if kind is not ReplyKind.NONE)
_OUTCOMES = ("done", "drafted", "in-doubt", "refused", "expired", "gone")
_EVENTS = ("opened", "kept", "late", "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One figure, or one for each set of labels. ``name`` is without its prefix, a counter's without "_total"."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()
    samples: tuple[tuple[tuple[str, ...], float], ...] = ()


@dataclass(slots=True)
class Tally:
    """What the process counts of itself, by mailbox."""

    started_at: datetime
    losses: Counter[str] = field(default_factory=Counter[str])
    unexpected: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """How things stand at this moment: what the daemon knows of itself beside the ledger.

    ``looked_at``: when each mailbox was last looked at; ``watched``: those that are, at present, in good order.
    """

    running: bool
    mailboxes: Sequence[str]
    looked_at: Mapping[str, datetime]
    watched: frozenset[str]
    config_errors: int


def read(tally: Tally, present: Present, summary: Summary, counted: Iterable[Counted]) -> Iterator[Meter]:
    """Yield all the meters. What has not happened yet stands at zero: an increase from nothing would not be seen."""
    yield _one("build_info", "the version at work", 1, version=__version__, python=platform.python_version())
    yield _one("running", "1 while the service runs; a file that it left behind says 0", present.running)
    yield _one("start_time_seconds", "when it was started, in seconds since 1970", tally.started_at.timestamp())
    yield _by_mailbox("session_losses", "sessions lost since the start", present, tally.losses)
    yield _by_mailbox("unexpected_errors", "defects met since the start", present, tally.unexpected)
    yield _one("config_errors", "faults of the file; the rules read before it stay in force", present.config_errors)
    yield Meter(
        name="last_look_timestamp_seconds",
        kind="gauge",
        meaning="when the mailbox was last looked at to the end, in seconds since 1970",
        labels=("mailbox",),
        samples=tuple(((name,), at.timestamp()) for name, at in present.looked_at.items()),
    )
    yield Meter(
        name="mailbox_watched",
        kind="gauge",
        meaning="1 while the mailbox has a session in good order, 0 while it waits to try again",
        labels=("mailbox",),
        samples=tuple(((name,), float(name in present.watched)) for name in present.mailboxes),
    )
    yield from _of_the_ledger(summary)
    yield from _events(present.mailboxes, counted)


def _of_the_ledger(summary: Summary) -> Iterator[Meter]:
    yield _one("promises_open", "promises that wait for an answer, late ones too", summary.open_promises)
    yield _one("promises_overdue", "those of them that are late", summary.late_promises)
    yield _one("messages_waiting", "messages in their grace time", summary.waiting)
    yield _one("effects_planned", "steps still to be carried out", summary.planned)
    yield _one("addresses_suspended", "addresses that bounced a reply: none for 30 days", summary.suspended)
    yield _one("breaker_open", "1 while no reply leaves because too many did", summary.breaker_until is not None)
    held = {
        "in-doubt": summary.in_doubt,
        "refused": summary.refused,
        "unfiled": summary.unfiled,
        "unreadable": summary.by_reason.get(Reason.UNREADABLE, 0),
    }
    yield Meter(
        name="held",
        kind="gauge",
        meaning="of the last seven days: replies in doubt or refused, mail that could not be filed or read",
        labels=("what",),
        samples=tuple(((what,), float(count)) for what, count in held.items()),
    )


def _events(mailboxes: Sequence[str], counted: Iterable[Counted]) -> Iterator[Meter]:
    """Yield what the ledger has counted since it began."""
    messages = {(name, str(reason)): 0 for name in mailboxes for reason in Reason}
    replies = {(name, str(kind), outcome): 0 for name in mailboxes for kind in _KINDS for outcome in _OUTCOMES}
    promises = {(name, event): 0 for name in mailboxes for event in _EVENTS}
    for one in counted:
        if one.name == "messages":
            messages[one.mailbox, one.word] = one.count
        elif one.name == "replies":
            replies[one.mailbox, one.word, one.outcome] = one.count
        elif one.name == "promises":
            promises[one.mailbox, one.word] = one.count
    yield _counter("messages", "messages decided, by their one reason", ("mailbox", "reason"), messages)
    yield _counter("replies", "replies, by kind and by what became of them", ("mailbox", "kind", "outcome"), replies)
    yield _counter("promises", "promises opened, and by what state they ended in", ("mailbox", "event"), promises)


def _one(name: str, meaning: str, value: float, **labels: str) -> Meter:
    samples = ((tuple(labels.values()), float(value)),)
    return Meter(name=name, kind="gauge", meaning=meaning, labels=tuple(labels), samples=samples)


def _counter(name: str, meaning: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Meter:
    samples = tuple((key, float(count)) for key, count in counts.items())
    return Meter(name=name, kind="counter", meaning=meaning, labels=labels, samples=samples)


def _by_mailbox(name: str, meaning: str, present: Present, counts: Counter[str]) -> Meter:
    return _counter(name, meaning, ("mailbox",), {(mailbox,): counts[mailbox] for mailbox in present.mailboxes})
