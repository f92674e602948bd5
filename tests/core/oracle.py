"""A second opinion on time: slow, simple, and sharing no code with ``hours.py`` or ``promise.py``.

It walks through every minute of some weeks, asks the zone what its clocks show at that minute, and colours the
minutes. Instants are whole minutes since 1970 in UTC, wall times whole minutes since 1970 on the wall. Whatever
would need a look beyond its weeks raises ``BeyondError``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responder.core.model import Policy, Schedule, Stretch

DAY = 1440
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_ON = date(1970, 1, 1)
WEEKS = 12 * DAY  # looked at on each side of the middle

#: Written down from the government's lists, not asked of a library.
RU_CLOSED = {
    *(date(2027, 1, day) for day in range(1, 9)),
    *(date(2026, 11, 4), date(2026, 12, 31), date(2027, 2, 22), date(2027, 2, 23), date(2027, 3, 8)),
}
RU_WORKING_SATURDAYS = {date(2027, 2, 20)}


class BeyondError(Exception):
    """The answer lies outside the weeks looked at."""


class Seen(NamedTuple):
    """A window as the oracle has it."""

    opens: int
    order: int
    key: str
    closes: int


def minute(at: datetime) -> int:
    """Return the minute an instant lies in."""
    return (at - EPOCH) // timedelta(minutes=1)


def instant(at: int) -> datetime:
    """Return the instant at which a minute begins."""
    return EPOCH + timedelta(minutes=at)


def wall(on: date, minutes: int) -> int:
    """Return the wall time that many minutes after a date's midnight."""
    return (on - EPOCH_ON).days * DAY + minutes


@lru_cache(maxsize=24)
def clocks(zone: str, first: int, last: int) -> tuple[list[int], dict[int, int]]:
    """Return what clocks show at every minute, and the first minute at which they show each wall time."""
    named = ZoneInfo(zone)
    shown: list[int] = []
    firsts: dict[int, int] = {}
    for at in range(first, last):
        offset = instant(at).astimezone(named).utcoffset()
        assert offset is not None
        shown.append(at + offset // timedelta(minutes=1))
        firsts.setdefault(shown[-1], at)
    return shown, firsts


def when(firsts: dict[int, int], sought: int) -> int:
    """Return the minute at which clocks first show the wall time; one in a gap moves forward by the gap."""
    if sought in firsts:
        return firsts[sought]
    before = after = sought
    while before not in firsts:
        before -= 1
        if sought - before > 2 * DAY:
            raise BeyondError
    while after not in firsts:
        after += 1
        if after - sought > 2 * DAY:
            raise BeyondError
    gap = after - before - 1
    return firsts[sought + gap]


def longest_run(minutes: list[int]) -> int:
    """Return the length of the longest unbroken run in sorted minutes."""
    best = run = 0
    for index, at in enumerate(minutes):
        run = run + 1 if index and minutes[index - 1] == at - 1 else 1
        best = max(best, run)
    return best


class Oracle:
    """All there is to know about some weeks, for one client of a policy."""

    def __init__(self, policy: Policy, client: str, middle: date) -> None:
        self.policy = policy
        self.client = policy.client(client) if client else None
        self.first = wall(middle, 0) - WEEKS
        self.last = wall(middle, 0) + WEEKS
        self.shown, self.firsts = clocks(policy.owner.zone.key, self.first, self.last)
        self.dates = [middle + timedelta(days=days) for days in range(-10, 10)]
        owner = policy.owner.holidays == "RU"
        self.closed_on = RU_CLOSED if owner else set[date]()
        self.saturdays = RU_WORKING_SATURDAYS if owner else set[date]()
        self.hours = {on: self._pairs(self._hours(on), on, self.firsts) for on in self.dates}
        self.working = {at for pairs in self.hours.values() for begin, end in pairs for at in range(begin, end)}
        self.day = self._daytime()
        self.windows = sorted(self._windows())
        self.open = self.working | self._breaks()
        for window in self.windows:
            if self.suits(window):
                self.open.update(range(window.opens, window.closes))

    # rules of one date

    @staticmethod
    def _named(schedule: Schedule, on: date) -> tuple[tuple[Stretch, ...], bool] | None:
        """Return the stretches of the dated entry, and whether it names this single date."""
        entries = [entry for entry in schedule.dates if entry.first_on <= on <= entry.last_on]
        entries.sort(key=lambda entry: entry.last_on - entry.first_on)
        return (entries[0].stretches, entries[0].first_on == entries[0].last_on) if entries else None

    def _weekday(self, on: date) -> int:
        return 4 if on in self.saturdays else on.weekday()

    def _hours(self, on: date) -> tuple[Stretch, ...]:
        named = self._named(self.policy.hours, on)
        if named:
            return named[0]
        if on in self.closed_on or self._away(on):
            return ()
        schedule = self.policy.hours if self.client is None or self.client.hours is None else self.client.hours
        return schedule.weekdays[self._weekday(on)]

    def _window_walls(self, schedule: Schedule, on: date) -> list[tuple[int, int]]:
        own = self._named(schedule, on)
        owners = self._named(self.policy.hours, on)
        stretches = own[0] if own else schedule.weekdays[self._weekday(on)]
        whole = [(each.opens, each.closes) for each in stretches]
        if own and (own[1] or not owners or not owners[1]):
            return whole
        if owners:
            inside = {at for each in owners[0] for at in range(each.opens, each.closes)}
            cut: list[tuple[int, int]] = []
            for opens, closes in whole:
                for hour in owners[0]:
                    left = [at for at in range(opens, closes) if at in inside and hour.opens <= at < hour.closes]
                    if left:
                        cut.append((left[0], left[-1] + 1))
            return cut
        return [] if on in self.closed_on or self._away(on) else whole

    def _away(self, on: date) -> bool:
        return any(each.from_on <= on <= each.until_on for each in self.policy.absences)

    # walls to minutes

    def _pairs(self, stretches: tuple[Stretch, ...], on: date, firsts: dict[int, int]) -> list[tuple[int, int]]:
        return self._walls([(each.opens, each.closes) for each in stretches], on, firsts)

    @staticmethod
    def _walls(walls: list[tuple[int, int]], on: date, firsts: dict[int, int]) -> list[tuple[int, int]]:
        if not any(wall(on, at) in firsts for at in range(DAY)):
            return []  # the zone had no such date
        pairs: list[tuple[int, int]] = []
        for opens, closes in walls:
            begin, end = when(firsts, wall(on, opens)), when(firsts, wall(on, closes))
            pairs.append((begin, end if end > begin else begin + closes - opens))
        taken: set[int] = set()
        kept: list[tuple[int, int]] = []
        for begin, end in sorted(pairs):
            left = [at for at in range(begin, end) if at not in taken]
            taken.update(left)
            if left:
                kept.append((left[0], end))
        return kept

    # colours

    def _breaks(self) -> set[int]:
        pause = self.policy.replies.break_ // timedelta(minutes=1)
        found: set[int] = set()
        run: list[int] = []
        started = False
        for at in range(self.first, self.last):
            if at in self.working:
                if started and len(run) < pause:
                    found.update(run)
                run, started = [], True
            else:
                run.append(at)
        return found

    def _daytime(self) -> set[int] | None:
        if self.client is None:
            return None
        _, firsts = clocks(self.client.zone.key, self.first, self.last)
        found: set[int] = set()
        for on in self.dates:
            named = self._named(self.client.daytime, on)
            stretches = named[0] if named else self.client.daytime.weekdays[on.weekday()]
            for begin, end in self._pairs(stretches, on, firsts):
                found.update(range(begin, end))
        return found

    def _windows(self) -> Iterator[Seen]:
        own = self.client.windows if self.client is not None else None
        rules = self.policy.windows if own is None else own
        for order, rule in enumerate(rules):
            for on in self.dates:
                for begin, end in self._walls(self._window_walls(rule.schedule, on), on, self.firsts):
                    yield Seen(begin, order, rule.key, end)

    # answers

    def daylight(self, window: Seen) -> list[int]:
        """Return the minutes of a window that are daytime for the client."""
        return [at for at in range(window.opens, window.closes) if self.day is None or at in self.day]

    def suits(self, window: Seen) -> bool:
        """Tell whether a call of a quarter of an hour fits."""
        return longest_run(self.daylight(window)) >= min(15, window.closes - window.opens)

    def sure(self, at: int) -> int:
        """Return the minute if it is far enough from the edges of the weeks."""
        if not self.first + 4 * DAY < at < self.last - 4 * DAY:
            raise BeyondError
        return at

    def closed_period(self, at: int) -> tuple[int, int] | None:
        """Walk back and forth from a closed minute."""
        if at in self.open:
            return None
        begin = end = at
        while self.sure(begin - 1) not in self.open:
            begin -= 1
        while self.sure(end) not in self.open:
            end += 1
        return begin, end

    def away(self, at: int) -> list[date]:
        """Return the dates of absences, from the minute's own on, that begin in its closed period."""
        period = self.closed_period(at)
        if period is None or period[1] >= when(self.firsts, wall(self.dates[-1], 0)):
            raise BeyondError
        today = EPOCH_ON + timedelta(days=self.shown[at - self.first] // DAY)
        dates = [on for on in self.dates if on >= today and self._away(on) and not self.hours[on]]
        return [on for on in dates if when(self.firsts, wall(on, 0)) < period[1]]

    def place(self, arrived: int, due: int) -> tuple[str, int] | None:
        """Return the key and the opening of the window for a message."""
        between = [each for each in self.windows if arrived < each.opens < self.sure(due)]
        suited = [each for each in between if self.suits(each)]
        chosen = (suited or between)[:1]
        return (chosen[0].key, chosen[0].opens) if chosen else None

    def working_hours(self, arrived: int, count: int) -> int:
        """Count working minutes one by one."""
        left, at = 60 * count, arrived
        while left:
            left -= self.sure(at) in self.working
            at += 1
        return at

    def working_days(self, arrived: int, count: int) -> int:
        """Count dates on which hours begin."""
        on = EPOCH_ON + timedelta(days=self.shown[arrived - self.first] // DAY)
        if self.hours[on] and arrived < self.hours[on][0][0]:
            on -= timedelta(days=1)
        while count:
            on += timedelta(days=1)
            if on not in self.hours:
                raise BeyondError
            count -= bool(self.hours[on])
        return self.sure(max(end for _, end in self.hours[on]))

    def next_window(self, arrived: int) -> int:
        """Return the end of the first window that suits and had not begun."""
        for window in self.windows:
            if window.opens > arrived and self.suits(window):
                return self.sure(window.closes)
        raise BeyondError
