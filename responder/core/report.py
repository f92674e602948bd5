"""A span of time in figures: what each client wrote and when, what was promised and kept, how fast the answers were.

For the talk about renewing a contract, so every figure can be told to the client: hours, nights and closed days are
those of this client's calendar at the message's own instant, and what is known by weaker evidence is counted apart.
The rules are those of today; a client whom they do not know any more is counted by the owner's calendar, under its key.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from responder.core import hours
from responder.core.address import account
from responder.core.facts import whose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from responder.core.hours import Calendar
    from responder.core.model import Client, Policy
    from responder.core.report_rows import Chronicle, ChronicleRow, OwnerWrote

#: Counts by weekday (Monday first) and hour of the day.
Week = tuple[tuple[int, ...], ...]
#: Whether an hour of the week is one of the usual hours, in the same order.
Usual = tuple[tuple[bool, ...], ...]

#: "Between 21:00 and 24:00" says more than one hour would, and less than an evening hides.
BUSY_HOURS = 3
#: An hour of the week counts as one of the usual hours when at least half of it is.
_HALF = 30
_DAYS, _HOURS = 7, 24
_NOTHING = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Busiest:
    """The weekday on which, and the hours between which, most of ``of`` messages came.

    ``until_hour`` is at most 24 hours after midnight of the day, or of the next: from 23 to 2.
    """

    weekday: int
    on_weekday: int
    from_hour: int
    until_hour: int
    in_hours: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The week by one clock: all messages, those out of hours, and which hours are the usual ones."""

    all: Week
    outside: Week
    usual: Usual

    @property
    def busiest(self) -> Busiest | None:
        """When most mail out of hours comes; None if there is none."""
        return busiest(self.outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What became of the promises made in the span, as it stands now; ``told`` of them were told to the client.

    ``kept`` by a message of the owner's, ``kept_weak`` by weaker evidence; ``late`` were answered after their due time,
    ``late_weak`` of them by weaker evidence; ``overdue`` are unanswered and due, ``open`` unanswered and not yet due.
    """

    made: int = 0
    told: int = 0
    kept: int = 0
    kept_weak: int = 0
    late: int = 0
    late_weak: int = 0
    overdue: int = 0
    open: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How long answers took, in working hours (only time inside this client's hours counts) and by the calendar.

    None where nothing was answered. The times of ``weak`` of them are known by weaker evidence.
    """

    count: int = 0
    weak: int = 0
    median_worked: timedelta | None = None
    slowest_worked: timedelta | None = None
    median_elapsed: timedelta | None = None
    slowest_elapsed: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One client's figures, or those of all ("" as the key).

    ``night`` is None where it is not known whose night it would be. ``theirs`` is None where the client's clock never
    differed from the owner's; for all clients together it is each message by its own client's clock. ``own_outside``
    of the ``own`` messages that the owner wrote to this client were written out of hours; ``own_clock`` and
    ``own_theirs`` hold these. ``carried`` messages went on to a later window, ``carries`` times in all.
    """

    client: str
    name: str
    known: bool
    zone: ZoneInfo | None
    language: str
    messages: int
    outside: int
    night: int | None
    replies: int
    urgent: int
    carried: int
    carries: int
    promises: Promises
    answers: Answers
    clock: Clock
    theirs: Clock | None
    own: int
    own_outside: int
    own_clock: Clock
    own_theirs: Clock | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. ``silent`` is how many clients of the rules have nothing in the span and no section.

    ``client`` is the one that was asked for: then ``total`` is None and nothing of any other is here.
    """

    owner: str
    zone: ZoneInfo
    since_at: datetime
    until_at: datetime
    made_at: datetime
    client: str
    total: Section | None
    sections: tuple[Section, ...]
    silent: int


def make_report(
    policy: Policy, chronicle: Chronicle, *, since_at: datetime, until_at: datetime, made_at: datetime, client: str = ""
) -> Report:
    """Count; ``client`` asks for one client's figures only.

    Sections come in the order of the rules, those of clients that are gone after them.
    """
    known = {each.key: each for each in policy.clients}
    tallies: dict[str, _Tally] = {key: _Tally(policy, each, key) for key, each in known.items()}
    total = _Tally(policy, None, "")
    gone: dict[str, str] = {}
    for row in chronicle.rows:
        if client in ("", row.client):
            tally = tallies.get(row.client)
            if tally is None:
                tally = tallies[row.client] = _Tally(policy, None, row.client)
            if row.client not in known:
                gone[account(row.address)] = row.client
            tally.take(row, total)
    for wrote in chronicle.wrote:
        _take_own(policy, wrote, tallies, total, gone, client)
    for tally in tallies.values():
        tally.time_answers(total)
    asked = [tally for key, tally in tallies.items() if client in ("", key)]
    sections = [tally.section(made_at) for tally in asked if tally.rows or tally.own_outside]
    return Report(
        owner=policy.owner.name,
        zone=policy.owner.zone,
        since_at=since_at,
        until_at=until_at,
        made_at=made_at,
        client=client,
        total=None if client else total.section(made_at),
        sections=tuple(sections),
        silent=0 if client else len(known) - sum(section.known for section in sections),
    )


def _take_own(
    policy: Policy, wrote: OwnerWrote, tallies: dict[str, _Tally], total: _Tally, gone: dict[str, str], client: str
) -> None:
    """Count a message of the owner's once for each client that it went to, and once in all."""
    addressed = {whose(policy, address) or gone.get(account(address), "") for address in wrote.recipients} - {""}
    outside = False
    for key in sorted(addressed):
        if client in ("", key):
            outside = tallies[key].take_own(wrote.at, total) or outside
    if addressed:
        total.own += 1
        total.own_outside += outside


class _Grid:
    """A week's counts in the making."""

    def __init__(self) -> None:
        self.all = [[0] * _HOURS for _ in range(_DAYS)]
        self.outside = [[0] * _HOURS for _ in range(_DAYS)]

    def add(self, local: datetime, *, outside: bool) -> None:
        self.all[local.weekday()][local.hour] += 1
        if outside:
            self.outside[local.weekday()][local.hour] += 1

    def clock(self, usual: Usual) -> Clock:
        return Clock(all=_frozen(self.all), outside=_frozen(self.outside), usual=usual)


class _Answer(NamedTuple):
    """How long one answer took."""

    worked: timedelta
    elapsed: timedelta
    weak: bool


class _Tally:
    """One client's figures in the making; ``client`` is None for all of them, and for one that is gone."""

    def __init__(self, policy: Policy, client: Client | None, key: str) -> None:
        self.client = client
        self.key = key
        self.language = policy.owner.language if client is None else client.language
        self.calendar = hours.calendar(policy, "" if client is None else key)
        self.rows: list[ChronicleRow] = []
        self.outside = 0
        self.night = 0
        self.nights_known = False
        self.clock, self.theirs = _Grid(), _Grid()
        self.own_clock, self.own_theirs = _Grid(), _Grid()
        self.differs = False
        self.own = 0
        self.own_outside = 0
        self.answers: list[_Answer] = []

    def take(self, row: ChronicleRow, total: _Tally) -> None:
        """Count a message, here and in all."""
        at = row.arrived_at
        outside = not self.calendar.is_open(at)
        night = self.client is not None and not self.calendar.in_daytime(at)
        here, there = at.astimezone(self.calendar.zone), at.astimezone(self.calendar.client_zone)
        differs = here.utcoffset() != there.utcoffset()
        for tally in (self, total):
            tally.rows.append(row)
            tally.outside += outside
            tally.night += night
            tally.nights_known = tally.nights_known or self.client is not None
            tally.differs = tally.differs or differs
            tally.clock.add(here, outside=outside)
            tally.theirs.add(there, outside=outside)

    def take_own(self, at: datetime, total: _Tally) -> bool:
        """Count a message of the owner's to this client; returns whether it was out of hours."""
        self.own += 1
        outside = not self.calendar.is_open(at)
        if outside:
            self.own_outside += 1
            here, there = at.astimezone(self.calendar.zone), at.astimezone(self.calendar.client_zone)
            for tally in (self, total):
                tally.differs = tally.differs or here.utcoffset() != there.utcoffset()
                tally.own_clock.add(here, outside=True)
                tally.own_theirs.add(there, outside=True)
        return outside

    def time_answers(self, total: _Tally) -> None:
        """Time the answers, here and in all: a message that was answered before it arrived is none."""
        ended = [
            (row.arrived_at, row.ended_at, row.weak != "")
            for row in self.rows
            if row.promise in ("kept", "late") and row.ended_at is not None and row.ended_at >= row.arrived_at
        ]
        if not ended:
            return
        watch = _Stopwatch(self.calendar, min(one[0] for one in ended), max(one[1] for one in ended))
        self.answers = [
            _Answer(worked=watch.between(from_at, until_at), elapsed=until_at - from_at, weak=weak)
            for from_at, until_at, weak in ended
        ]
        total.answers += self.answers

    def section(self, now_at: datetime) -> Section:
        """Return the figures."""
        usual = usual_hours(self.calendar)
        theirs = usual_hours(self.calendar, now_at) if self.client is not None else _NEVER
        return Section(
            client=self.key,
            name=self.key if self.client is None else self.client.name,
            known=self.client is not None,
            zone=None if self.client is None else self.client.zone,
            language=self.language,
            messages=len(self.rows),
            outside=self.outside,
            night=self.night if self.nights_known else None,
            replies=sum(row.reply != "none" for row in self.rows),
            urgent=sum(row.urgent for row in self.rows),
            carried=sum(row.carried > 0 for row in self.rows),
            carries=sum(row.carried for row in self.rows),
            promises=_promises(self.rows, now_at),
            answers=_answers(self.answers),
            clock=self.clock.clock(usual),
            theirs=self.theirs.clock(theirs) if self.differs else None,
            own=self.own,
            own_outside=self.own_outside,
            own_clock=self.own_clock.clock(usual),
            own_theirs=self.own_theirs.clock(theirs) if self.differs else None,
        )


class _Stopwatch:
    """How much of one calendar's hours lies between two instants, for many pairs of them."""

    def __init__(self, calendar: Calendar, from_at: datetime, until_at: datetime) -> None:
        spans = calendar.hours_spans(from_at, until_at)
        self._starts = [span.starts_at for span in spans]
        self._ends = [span.ends_at for span in spans]
        self._before = [_NOTHING, *accumulate(span.ends_at - span.starts_at for span in spans)]

    def between(self, from_at: datetime, until_at: datetime) -> timedelta:
        return self._until(until_at) - self._until(from_at)

    def _until(self, at: datetime) -> timedelta:
        place = bisect_right(self._starts, at)
        if place == 0:
            return _NOTHING
        return self._before[place - 1] + min(at, self._ends[place - 1]) - self._starts[place - 1]


def _promises(rows: Iterable[ChronicleRow], now_at: datetime) -> Promises:
    """Count what became of the promises; one that was found to be late and is unanswered is overdue."""
    counts = dict.fromkeys(
        ("made", "told", "kept", "kept_weak", "late", "late_weak", "overdue", "open", "withdrawn"), 0
    )
    for row in rows:
        if not row.promise:
            continue
        counts["made"] += 1
        counts["told"] += row.told_at is not None
        if row.promise == "kept":
            counts["kept_weak" if row.weak else "kept"] += 1
        elif row.promise == "withdrawn":
            counts["withdrawn"] += 1
        elif row.promise == "late" and row.ended_at is not None:
            counts["late"] += 1
            counts["late_weak"] += bool(row.weak)
        elif row.promise == "late" or (row.due_at is not None and row.due_at < now_at):
            counts["overdue"] += 1
        else:
            counts["open"] += 1
    return Promises(**counts)


def _answers(answers: Sequence[_Answer]) -> Answers:
    if not answers:
        return Answers()
    worked = [answer.worked for answer in answers]
    elapsed = [answer.elapsed for answer in answers]
    return Answers(
        count=len(answers),
        weak=sum(answer.weak for answer in answers),
        median_worked=_median(worked),
        slowest_worked=max(worked),
        median_elapsed=_median(elapsed),
        slowest_elapsed=max(elapsed),
    )


def _median(lengths: Sequence[timedelta]) -> timedelta:
    """Return the middle one, or the mean of the two in the middle; to the second."""
    ordered = sorted(lengths)
    middle = len(ordered) // 2
    found = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return timedelta(seconds=round(found.total_seconds()))


def busiest(week: Week) -> Busiest | None:
    """Return the weekday and the stretch of hours with the most; of equals the first. None for an empty week."""
    of = sum(map(sum, week))
    if not of:
        return None
    days = [sum(day) for day in week]
    day_hours = [sum(day[hour] for day in week) for hour in range(_HOURS)]
    stretches = [sum(day_hours[(hour + n) % _HOURS] for n in range(BUSY_HOURS)) for hour in range(_HOURS)]
    # Of the hours with equally many that one which begins with a message.
    weekday = days.index(max(days))
    from_hour = max(range(_HOURS), key=lambda hour: (stretches[hour], day_hours[hour] > 0))
    return Busiest(
        weekday=weekday,
        on_weekday=days[weekday],
        from_hour=from_hour,
        until_hour=from_hour + BUSY_HOURS,
        in_hours=stretches[from_hour],
        of=of,
    )


def usual_hours(calendar: Calendar, by_client_at: datetime | None = None) -> Usual:
    """Tell which hours of the week are this client's usual ones, dates and holidays apart.

    By the owner's clock; with an instant by the client's, as the two clocks stand in the days after it.
    """
    own = calendar.policy if calendar.client is None or calendar.client.hours is None else calendar.client
    weekdays = own.hours.weekdays if own.hours is not None else ()
    week = [[False] * _HOURS for _ in range(_DAYS)]
    for weekday, stretches in enumerate(weekdays):
        for hour in range(2 * _HOURS):  # a stretch may cross midnight
            begins = 60 * hour
            inside = (min(each.closes, begins + 60) - max(each.opens, begins) for each in stretches)
            if sum(minutes for minutes in inside if minutes > 0) >= _HALF:
                week[(weekday + hour // _HOURS) % _DAYS][hour % _HOURS] = True
    if by_client_at is None:
        return tuple(map(tuple, week))
    theirs = [[False] * _HOURS for _ in range(_DAYS)]
    for n in range(_DAYS * _HOURS):
        there = (by_client_at + timedelta(hours=n)).astimezone(calendar.client_zone)
        here = there.replace(minute=_HALF).astimezone(calendar.zone)  # the middle of the client's hour
        theirs[there.weekday()][there.hour] = week[here.weekday()][here.hour]
    return tuple(map(tuple, theirs))


def _frozen(week: Sequence[Sequence[int]]) -> Week:
    return tuple(map(tuple, week))


_NEVER: Usual = ((False,) * _HOURS,) * _DAYS
