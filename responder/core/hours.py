"""Hours, windows, channels and daytime: the calendar of the owner and of each client.

Promises to every other room that local rules become instants here and nowhere else (``spans`` says what happens at
a clock change), and that a ``Calendar`` is cheap to ask again: what it works out is kept by date for as long as its
policy lives.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from responder.core.absences import Away, because, covering, words_for
from responder.core.holiday_table import known_holiday_code, public_holiday, transferred_working_day
from responder.core.model import Placement, Span, Window
from responder.core.spans import (
    DAY,
    common,
    dated_entry,
    dates_touching,
    disjoint,
    edge,
    joined,
    spans_on,
    utc,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from responder.core.model import Channel, Client, Policy, Schedule, Stretch

__all__ = ["Calendar", "calendar", "known_holiday_code", "public_holiday", "transferred_working_day"]

MIDNIGHT = time(0)
FRIDAY = 4
# Because a call shorter than a quarter of an hour is not worth arranging.
SHORTEST_CALL = timedelta(minutes=15)
# Because an owner who is closed for longer than two years has, for every purpose here, no next opening.
HORIZON = 800
# Because three years of dates fit, and a replay over more may well work something out again.
KEPT = 1200
NIGHT = "by mail: it is night there"

K = TypeVar("K")
V = TypeVar("V")


class Kept(dict[K, V]):
    """A dictionary that starts anew when it is full."""

    def __setitem__(self, key: K, value: V) -> None:
        if len(self) >= KEPT:
            self.clear()
        super().__setitem__(key, value)


class Piece(NamedTuple):
    """A piece of open time; ``why`` is "hours", "break" or "window"."""

    starts_at: datetime
    ends_at: datetime
    why: str


class _Memo:
    """What one calendar has worked out. It must not refer to the policy, or neither would ever be let go."""

    __slots__ = ("channels", "client", "closed", "daytime", "derived", "hours", "opening", "overlaps", "pieces")

    def __init__(self, client: Client | None) -> None:
        self.client = client
        self.hours: Kept[date, tuple[Span, ...]] = Kept()
        self.daytime: Kept[date, tuple[Span, ...]] = Kept()
        self.channels: dict[int, tuple[Schedule, Kept[date, tuple[Span, ...]]]] = {}
        self.opening: Kept[date, tuple[tuple[Window, bool], ...]] = Kept()
        self.overlaps: Kept[tuple[datetime, datetime], tuple[Span, ...]] = Kept()
        self.pieces: Kept[date, tuple[Piece, ...]] = Kept()
        self.closed: Kept[tuple[date, int], Span] = Kept()
        self.derived: Kept[Hashable, Any] = Kept()


_memos: WeakKeyDictionary[Policy, dict[str, _Memo]] = WeakKeyDictionary()


def calendar(policy: Policy, client: str) -> Calendar:
    """Return the calendar of the client with that key, "" for the owner's own rules; KeyError if there is none."""
    memos = _memos.get(policy)
    if memos is None:
        memos = _memos[policy] = {}
    memo = memos.get(client)
    if memo is None:
        memo = memos[client] = _Memo(policy.client(client) if client else None)
    return Calendar(policy, memo)


class Calendar:
    """One client's calendar: when the owner works for this client, calls it and may be reached by it.

    Dates are those of the owner's zone, except where ``daytime`` is in the name. ``client`` is None for the owner's
    own rules, where any hour is daytime. ``derived`` is for what others work out from this calendar and nothing
    else; it lives as long as the policy.
    """

    __slots__ = ("_memo", "_weekly", "_windows", "channels", "client", "client_zone", "derived", "policy", "zone")

    def __init__(self, policy: Policy, memo: _Memo) -> None:
        client = memo.client
        own = client or policy
        self._memo = memo
        self.policy = policy
        self.client = client
        self.derived = memo.derived
        self.zone: ZoneInfo = policy.owner.zone
        self.client_zone: ZoneInfo = policy.owner.zone if client is None else client.zone
        self.channels: tuple[Channel, ...] = policy.channels if own.channels is None else own.channels
        self._windows = policy.windows if own.windows is None else own.windows
        self._weekly = (policy.hours if own.hours is None else own.hours).weekdays

    # ------------------------------------------------------------------------------------- hours

    def hours_on(self, on: date) -> tuple[Span, ...]:
        """Return this client's hours that begin on that date, in order."""
        found = self._memo.hours.get(on)
        if found is None:
            dated = dated_entry(self.policy.hours, on)
            if dated is not None:
                stretches = dated.stretches
            elif self._shut(on):
                stretches = ()
            else:
                stretches = self._weekly[self._weekday(on)]
            found = self._memo.hours[on] = spans_on(stretches, on, self.zone)
        return found

    def is_working_day(self, on: date) -> bool:
        """Tell whether at least one stretch of this client's hours begins on that date."""
        return bool(self.hours_on(on))

    def closed_because(self, on: date) -> str:
        """Return why no hours begin on that date, in English for a derivation; "" on a working day."""
        if self.hours_on(on):
            return ""
        if dated_entry(self.policy.hours, on) is not None:
            return "dated entry"
        if (absence := covering(self.policy.absences, on)) is not None:
            return because(absence)
        if holiday := self._holiday(on):
            return f"public holiday: {holiday}"
        return "no hours that weekday"

    def hours_spans(self, from_at: datetime, until_at: datetime) -> tuple[Span, ...]:
        """Return the hours that touch the range, whole, in order; none overlaps another."""
        spans = [span for on in dates_touching(from_at, until_at) for span in self.hours_on(on)]
        return tuple(span for span in disjoint(spans) if span.ends_at > from_at and span.starts_at < until_at)

    def away_on(self, on: date) -> bool:
        """Tell whether that date is one of an absence's, and closed: a dated entry may open it all the same."""
        return covering(self.policy.absences, on) is not None and not self.hours_on(on)

    def away(self, period: Span, due_at: datetime, now_at: datetime) -> Away | None:
        """Return what a closed period has of absences, for somebody who waits in it until that due time.

        Only what goes on or is still to come counts, and begins before the due time; None if there is nothing.
        """
        if not self.policy.absences:
            return None
        today_on = now_at.astimezone(self.zone).date()
        key = "away", period, today_on
        found: tuple[date, ...] | None = self.derived.get(key)
        if found is None:
            dates = dates_touching(max(period.starts_at, now_at), period.ends_at)
            found = self.derived[key] = tuple(
                on for on in dates if on >= today_on and edge(on, 0, self.zone) < period.ends_at and self.away_on(on)
            )
        if not found or edge(found[0], 0, self.zone) >= due_at:
            return None
        say, deputy = words_for(self.policy.absences, found[0], found[-1])
        return Away(from_on=found[0], until_on=found[-1], begun=found[0] <= today_on, say=say, deputy=deputy)

    def _shut(self, on: date) -> bool:
        """Tell whether a date that no dated entry speaks of is closed whatever its weekday."""
        return covering(self.policy.absences, on) is not None or bool(self._holiday(on))

    def _holiday(self, on: date) -> str:
        return public_holiday(self.policy.owner.holidays, on, "en")

    def _weekday(self, on: date) -> int:
        """Return the weekday whose stretches hold: a transferred working day takes Friday's."""
        return FRIDAY if transferred_working_day(self.policy.owner.holidays, on) else on.weekday()

    def _listed_on(self, schedule: Schedule, on: date) -> tuple[Span, ...]:
        """Return the stretches that a window's or channel's schedule comes to on that date."""
        memo = self._memo.channels.get(id(schedule))
        if memo is None:
            memo = self._memo.channels[id(schedule)] = schedule, Kept()
        found = memo[1].get(on)
        if found is None:
            found = memo[1][on] = spans_on(self._listed(schedule, on), on, self.zone)
        return found

    def _listed(self, schedule: Schedule, on: date) -> tuple[Stretch, ...]:
        own, owners = dated_entry(schedule, on), dated_entry(self.policy.hours, on)
        if own is not None and (owners is None or own.first_on == own.last_on or owners.first_on < owners.last_on):
            return own.stretches
        stretches = schedule.weekdays[self._weekday(on)] if own is None else own.stretches
        if owners is not None:
            return common(stretches, owners.stretches)
        return () if self._shut(on) else stretches

    # ------------------------------------------------------------------------------ open and closed

    def _pieces(self, on: date) -> tuple[Piece, ...]:
        """Return the open time that touches that date of UTC, in order, with what of it lies beyond."""
        found = self._memo.pieces.get(on)
        if found is None:
            found = self._memo.pieces[on] = tuple(self._make_pieces(on))
        return found

    def _make_pieces(self, on: date) -> Iterator[Piece]:
        begins_at = datetime.combine(on, MIDNIGHT, UTC)
        ends_at = begins_at + DAY
        pause = self.policy.replies.break_
        hours = self.hours_spans(begins_at - pause, ends_at + pause)  # so that both sides of a break are seen
        worked = [Piece(span.starts_at, span.ends_at, "hours") for span in hours]
        worked += [
            Piece(before.ends_at, after.starts_at, "break")
            for before, after in pairwise(hours)
            if before.ends_at < after.starts_at < before.ends_at + pause
        ]
        worked.sort()
        windows = [
            Span(starts_at=window.opens_at, ends_at=window.closes_at)
            for day in (on - 2 * DAY, on - DAY, on)
            for window, suits in self._opening(day)
            if suits
        ]
        rest = [part for span in disjoint(windows) for part in without(span, worked)]
        everything = worked + [Piece(part.starts_at, part.ends_at, "window") for part in rest]
        return (piece for piece in sorted(everything) if piece.ends_at > begins_at and piece.starts_at < ends_at)

    def is_open(self, at: datetime) -> bool:
        """Tell whether the instant lies inside hours, a break, or a window that suits the client."""
        return self.why_open(at) != ""

    def why_open(self, at: datetime) -> str:
        """Return "hours", "break" or "window", the first that holds; "" when closed."""
        for piece in self._pieces(utc(at).date()):
            if piece.starts_at <= at < piece.ends_at:
                return piece.why
        return ""

    def closed_period(self, at: datetime) -> Span | None:
        """Return the longest closed span that contains the instant; None when it is open.

        It is cut 800 days before and after the instant's date where nothing opens for so long.
        """
        on = utc(at).date()
        pieces = self._pieces(on)
        index = 0
        for piece in pieces:
            if at < piece.starts_at:
                break
            if at < piece.ends_at:
                return None
            index += 1
        found = self._memo.closed.get((on, index))
        if found is None:
            starts_at = pieces[index - 1].ends_at if index else self._edge_of_closed(on, -1)
            ends_at = pieces[index].starts_at if index < len(pieces) else self._edge_of_closed(on, 1)
            found = self._memo.closed[on, index] = Span(starts_at=starts_at, ends_at=ends_at)
        return found

    def _edge_of_closed(self, on: date, way: int) -> datetime:
        """Return where the next open time ends (``way`` -1) or begins (1), looking from a date of UTC."""
        for days in range(1, HORIZON):
            if pieces := self._pieces(on + timedelta(days=way * days)):
                return pieces[0].starts_at if way > 0 else pieces[-1].ends_at
        return datetime.combine(on, MIDNIGHT, UTC) + timedelta(days=way * HORIZON)

    def next_change(self, at: datetime) -> datetime:
        """Return the next instant at which open turns to closed or closed to open; at most 800 days on."""
        at = utc(at)
        period = self.closed_period(at)
        if period is not None:
            return period.ends_at
        last_at = at + timedelta(days=HORIZON)
        while at < last_at:
            piece = next((each for each in self._pieces(at.date()) if each.starts_at <= at < each.ends_at), None)
            if piece is None:
                return at
            at = piece.ends_at
        return last_at

    # ------------------------------------------------------------------------------------- windows

    def _opening(self, on: date) -> tuple[tuple[Window, bool], ...]:
        """Return the windows that open on that date of UTC, by opening and file order, and whether each suits."""
        found = self._memo.opening.get(on)
        if found is None:
            begins_at = datetime.combine(on, MIDNIGHT, UTC)
            windows = [
                Window(key=rule.key, opens_at=span.starts_at, closes_at=span.ends_at, channels=rule.channels)
                for day in dates_touching(begins_at, begins_at)
                for rule in self._windows
                for span in self._listed_on(rule.schedule, day)
                if span.starts_at.date() == on
            ]
            windows.sort(key=lambda window: window.opens_at)
            found = self._memo.opening[on] = tuple((window, self.suits(window)) for window in windows)
        return found

    def windows(self, after_at: datetime, *, days: int = 60) -> Iterator[Window]:
        """Yield the windows that open after the instant and within those days, by opening, then in file order."""
        after_at = utc(after_at)
        until_at = after_at + timedelta(days=days)
        on = after_at.date()
        while on <= until_at.date():
            for window, _ in self._opening(on):
                if after_at < window.opens_at <= until_at:
                    yield window
            on += DAY

    def window_at(self, at: datetime) -> Window | None:
        """Return the earliest opened window that contains the instant and suits the client."""
        on = utc(at).date()
        for day in (on - 2 * DAY, on - DAY, on):
            for window, suits in self._opening(day):
                if suits and window.opens_at <= at < window.closes_at:
                    return window
        return None

    def suits(self, window: Window) -> bool:
        """Tell whether the client's daytime holds 15 minutes of the window on end, or all of a shorter one."""
        return self.client is None or any(_callable(part, window) for part in self._daylight(window))

    def overlaps(self, window: Window) -> tuple[Span, ...]:
        """Return the parts of the window in the client's daytime, none of them on a holiday of the client's."""
        key = window.opens_at, window.closes_at
        found = self._memo.overlaps.get(key)
        if found is None:
            parts = self._daylight(window)
            if self.client is not None and (code := self.client.holidays):
                holidays = [
                    Span(starts_at=edge(on, 0, self.client_zone), ends_at=edge(on, 1440, self.client_zone))
                    for on in dates_touching(*key)
                    if public_holiday(code, on, "en")
                ]
                parts = tuple(rest for part in parts for rest in without(part, holidays))
            found = self._memo.overlaps[key] = parts
        return found

    def place(self, arrived_at: datetime, due_at: datetime) -> Placement:
        """Return the first window that had not begun at arrival, suits the client and opens before the due time.

        Where none suits it is the first one at all, for an answer by mail.
        """
        by_mail: Window | None = None
        on = utc(arrived_at).date()
        last_on = min(utc(due_at).date(), on + timedelta(days=HORIZON))
        while on <= last_on:
            for window, suits in self._opening(on):
                if arrived_at < window.opens_at < due_at:
                    if suits:
                        return Placement(window=window)
                    by_mail = by_mail or window
            on += DAY
        return Placement(window=by_mail, note=NIGHT if by_mail else "")

    def calls(self, after_at: datetime, *, days: int = 21) -> Iterator[tuple[Window, Span]]:
        """Yield the overlaps that may be offered for a call and begin after the instant, in order of time."""
        ready: list[tuple[datetime, int, Window, Span]] = []
        order = count()
        for window in self.windows(after_at - 2 * DAY, days=days + 2):
            while ready and ready[0][0] <= window.opens_at:
                yield heappop(ready)[2:]
            for part in self.overlaps(window):
                if part.starts_at > after_at and _callable(part, window):
                    heappush(ready, (part.starts_at, next(order), window, part))
        while ready:
            yield heappop(ready)[2:]

    def channel_spans(self, channel: Channel, from_at: datetime, until_at: datetime) -> tuple[Span, ...]:
        """Return when the channel is open: the whole spans that touch the range, in order."""
        dates = dates_touching(utc(from_at), utc(until_at))
        spans = disjoint(span for on in dates for span in self._listed_on(channel.schedule, on))
        return tuple(span for span in spans if span.ends_at > from_at and span.starts_at < until_at)

    # ------------------------------------------------------------------------------------- daytime

    def daytime_on(self, on: date) -> tuple[Span, ...]:
        """Return the daytime that begins on that date of the client's zone, in order."""
        found = self._memo.daytime.get(on)
        if found is None:
            if self.client is None:
                begins_at, ends_at = edge(on, 0, self.zone), edge(on, 1440, self.zone)
                found = (Span(starts_at=begins_at, ends_at=ends_at),) if begins_at < ends_at else ()
            else:
                dated = dated_entry(self.client.daytime, on)
                stretches = self.client.daytime.weekdays[on.weekday()] if dated is None else dated.stretches
                found = spans_on(stretches, on, self.client_zone)
            self._memo.daytime[on] = found
        return found

    def in_daytime(self, at: datetime) -> bool:
        """Tell whether the instant lies in the client's daytime."""
        on = at.astimezone(self.client_zone).date()
        return any(span.contains(at) for day in (on - DAY, on) for span in self.daytime_on(day))

    def _daylight(self, window: Window) -> tuple[Span, ...]:
        """Return the parts of the window in the client's daytime, holidays or not."""
        opens_at, closes_at = window.opens_at, window.closes_at
        days = joined(span for on in dates_touching(opens_at, closes_at) for span in self.daytime_on(on))
        parts = ((max(day.starts_at, opens_at), min(day.ends_at, closes_at)) for day in days)
        return tuple(Span(starts_at=starts_at, ends_at=ends_at) for starts_at, ends_at in parts if starts_at < ends_at)


def _callable(part: Span, window: Window) -> bool:
    return part.ends_at - part.starts_at >= min(SHORTEST_CALL, window.closes_at - window.opens_at)
