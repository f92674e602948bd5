"""What follows from the rules for a time that a client asks for: does a call suit, does a deadline come too early.

For ``decide``, which places the mail by it and notes it, and for ``phrases``, which tells the client. Both ask here, so
that the folder and the reply agree. The due time is never touched: what was agreed holds, whatever is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from responder.core.hours import SHORTEST_CALL
from responder.core.model import AskedKind, Placement, Span, Step
from responder.core.words import clean, inner_quotes, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from responder.core.hours import Calendar
    from responder.core.model import Asked, Window

#: The word of the trail under which what was asked for stands, and what followed for the folder.
ASKED = "asked"
PLACED = "asked-placement"
#: Call hours further from the proposed time than this are not near it.
_NEAR = timedelta(days=10)
_HOURS_OF_A_PART = timedelta(hours=6)  # a stretch as long as that, or longer, is a part of a day and no appointment


class Fit(StrEnum):
    """How a proposed time lies to the hours for calls."""

    INSIDE = "inside"
    WITHIN = "within"  # a day or a part of one, which holds hours for calls
    OUTSIDE = "outside"
    NO_CALLS = "no-calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFit:
    """A proposed time and the hours for calls that hold it, lie in it, or are nearest to it; and their window."""

    fit: Fit
    window: Window | None = None
    span: Span | None = None


def first(asked: Iterable[Asked], kind: AskedKind) -> Asked | None:
    """Return the first finding of a kind."""
    return next((one for one in asked if one.kind is kind), None)


def presses(asked: Asked, due_at: datetime) -> bool:
    """Tell whether a deadline surely ends before the due time; one of a whole day ends with that day."""
    return asked.ends_at < due_at or (not asked.exact and asked.ends_at == due_at)


def call_fit(calendar: Calendar, asked: Asked, now_at: datetime) -> CallFit:
    """Tell how a proposed time lies to the hours for calls with this client that have not begun."""
    wide = asked.ends_at - asked.starts_at >= _HOURS_OF_A_PART
    nearest: tuple[timedelta, Window, Span] | None = None
    for window, part in _calls(calendar, asked, now_at):
        if not wide and part.starts_at <= asked.starts_at < part.ends_at and asked.ends_at <= part.ends_at:
            return CallFit(fit=Fit.INSIDE, window=window, span=part)
        starts_at, ends_at = max(part.starts_at, asked.starts_at), min(part.ends_at, asked.ends_at)
        if ends_at - starts_at >= SHORTEST_CALL:
            return CallFit(fit=Fit.WITHIN, window=window, span=Span(starts_at=starts_at, ends_at=ends_at))
        away = max(part.starts_at - asked.ends_at, asked.starts_at - part.ends_at)
        if nearest is None or away < nearest[0]:
            nearest = away, window, part
        elif part.starts_at > asked.ends_at:
            break
    if nearest is None:
        return CallFit(fit=Fit.NO_CALLS)
    return CallFit(fit=Fit.OUTSIDE, window=nearest[1], span=nearest[2])


def _calls(calendar: Calendar, asked: Asked, now_at: datetime) -> Iterator[tuple[Window, Span]]:
    """Yield the hours for calls around a time, in order."""
    from_at = max(now_at, asked.starts_at - _NEAR)
    return calendar.calls(from_at, days=(asked.ends_at - from_at + 2 * _NEAR).days)


# --------------------------------------------------------------------------------------- the mail's place


def place(
    calendar: Calendar,
    asked: tuple[Asked, ...],
    usual: Placement,
    *,
    arrived_at: datetime,
    now_at: datetime,
    due_at: datetime,
) -> tuple[Placement, tuple[Step, ...]]:
    """Return where the mail goes in view of what it asks for, and the steps for the trail.

    A call that suits puts it into its window, if that has not begun and starts before the due time. A deadline before
    the due time keeps it from going later than the last suiting window that starts before it, and marks it as pressing.
    """
    steps = [Step(rule=ASKED, held=True, detail=say(one)) for one in asked]
    placement, notes = usual, [usual.note] if usual.note else []
    call, deadline = first(asked, AskedKind.CALL), first(asked, AskedKind.DEADLINE)
    if call is not None:
        found = call_fit(calendar, call, now_at)
        window = found.window
        held = (
            found.fit is Fit.INSIDE
            and window is not None
            and max(arrived_at, now_at) < window.opens_at < due_at
            and calendar.suits(window)
        )
        if held:
            placement, notes = Placement(window=window), [_note(calendar, "note_call", call)]
        steps.append(Step(rule=PLACED, held=held, detail=_CALL_WORDS[found.fit] if not held else "its window takes it"))
    if deadline is not None:
        held = presses(deadline, due_at)
        if held:
            last = _last_before(calendar, max(arrived_at, now_at), deadline.ends_at)
            if last is not None and placement.window is not None and last.opens_at < placement.window.opens_at:
                placement, notes = Placement(window=last), []
            notes = [_note(calendar, "note_pressing", deadline), *notes]
        said = "the deadline is before the due time: pressing" if held else "the deadline is not before the due time"
        steps.append(Step(rule=PLACED, held=held, detail=said))
    return replace(placement, note="; ".join(notes)), tuple(steps)


_CALL_WORDS: Mapping[Fit, str] = {
    Fit.INSIDE: "inside the hours for calls, but its window has begun or starts after the due time",
    Fit.WITHIN: "no hour is named: the usual window",
    Fit.OUTSIDE: "outside the hours for calls",
    Fit.NO_CALLS: "there are no hours for calls",
}


def _last_before(calendar: Calendar, after_at: datetime, before_at: datetime) -> Window | None:
    days = max(0, (before_at - after_at).days + 1)
    windows = [each for each in calendar.windows(after_at, days=days) if each.opens_at < before_at]
    return next((each for each in reversed(windows) if calendar.suits(each)), None)


def _note(calendar: Calendar, phrase: str, asked: Asked) -> str:
    """Say it to the owner, in the owner's language: the digest shows it as it is."""
    language = calendar.policy.owner.language
    return lexicon(language).say(phrase, quote=inner_quotes(clean(asked.quote), language))


# ------------------------------------------------------------------------------------------- the trail


def say(asked: Asked) -> str:
    """Say a finding as the trail keeps it; `told` reads it again."""
    return f"{asked.kind} {when(asked)} {asked.quote}"


def when(asked: Asked) -> str:
    """Return the instant, or both ends of a stretch, in ISO 8601, UTC: "2026-11-27T12:00:00Z/2026-11-27T14:00:00Z"."""
    starts, ends = (at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (asked.starts_at, asked.ends_at))
    return starts if asked.exact else f"{starts}/{ends}"


def told(trail: Iterable[Mapping[str, object]]) -> list[dict[str, str]]:
    """Return what was asked for, from a trail as the ledger keeps it: kind, instant or stretch, the words."""
    found: list[dict[str, str]] = []
    for step in trail:
        if step["rule"] == ASKED:
            kind, _, rest = str(step["detail"]).partition(" ")
            at, _, quote = rest.partition(" ")
            found.append({"quote": quote, "kind": kind, "at": at})
    return found
