"""The week and the overlap of two clocks, drawn for a terminal: what people would rather look at than read."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

from babel.dates import format_date
from rich.text import Text

from responder.core import hours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from responder.core.hours import Calendar
    from responder.core.model import Channel, Client, Policy, Span

#: Half an hour a cell: a day is 48 cells wide and fits a narrow terminal beside its label.
_CELL = timedelta(minutes=30)
_CELLS = 48
_LABEL = 14

HOURS, BREAK, WINDOW, CHANNEL, DAY, NIGHT = "█", "▒", "▲", "■", "░", "·"


def _cells(on: date, zone: ZoneInfo) -> list[datetime]:
    """Return the middles of the day's cells; a clock change bends them as it bends the day."""
    start = datetime.combine(on, time(), zone)
    return [(start + _CELL * n + _CELL / 2).astimezone(zone) for n in range(_CELLS)]


def _row(label: str, on: date, zone: ZoneInfo, mark: Callable[[datetime], tuple[str, str]]) -> Text:
    line = Text(f"{label:<{_LABEL}}")
    for at in _cells(on, zone):
        line.append(*mark(at))
    line.append("\n")
    return line


def _scale() -> Text:
    marks = "".join(f"{hour:<6d}" for hour in range(0, 24, 3))
    return Text(f"{'':<{_LABEL}}{marks}24\n", style="dim")


def week_picture(policy: Policy, monday_on: date) -> Text:
    """Draw hours, breaks, windows and channels of one week in the owner's clock."""
    calendar = hours.calendar(policy, "")
    zone = policy.owner.zone
    picture = Text()
    picture.append(f"The week of {format_date(monday_on, 'd MMMM y', locale='en')}, {zone.key}\n", style="bold")
    picture.append(f"{HOURS} hours  {BREAK} break (open)  {WINDOW} callback window  {CHANNEL} channel\n\n", style="dim")
    picture.append_text(_scale())
    days = [monday_on + timedelta(days=n) for n in range(7)]
    for on in days:
        label = format_date(on, "EEE d MMM", locale="en")
        picture.append_text(_row(label, on, zone, partial(_hours_mark, calendar)))
        why = calendar.closed_because(on)
        if why and why != "no hours that weekday":
            picture.append(f"{'':<{_LABEL}}closed: {why}\n", style="dim")
    for channel in calendar.channels:
        picture.append(f"\n{channel.names.get(policy.owner.language, channel.key)}\n", style="bold")
        for label, on in _merged(days, partial(_signature, calendar, channel)):
            spans = calendar.channel_spans(channel, _midnight(on, zone), _midnight(on + timedelta(days=1), zone))
            if spans:
                picture.append_text(_row(label, on, zone, partial(_channel_mark, spans)))
    return picture


def _hours_mark(calendar: Calendar, at: datetime) -> tuple[str, str]:
    why = calendar.why_open(at)
    if calendar.window_at(at) is not None:
        return WINDOW, "yellow" if why == "window" else "bold yellow"
    return {"hours": (HOURS, "cyan"), "break": (BREAK, "cyan")}.get(why, (NIGHT, "dim"))


def _channel_mark(spans: Sequence[Span], at: datetime) -> tuple[str, str]:
    return (CHANNEL, "green") if any(span.contains(at) for span in spans) else (NIGHT, "dim")


def client_picture(policy: Policy, client: Client, monday_on: date) -> Text:
    """Draw, in the owner's clock, the windows of a week against the client's daytime."""
    calendar = hours.calendar(policy, client.key)
    zone = policy.owner.zone
    picture = Text()
    picture.append(f"{client.name}", style="bold")
    picture.append(f"  {client.zone.key}\n")
    picture.append(
        f"{DAY} day there  {WINDOW} window in their day: a call  {BREAK} window in their night: by mail\n",
        style="dim",
    )
    picture.append_text(_scale())
    days = [monday_on + timedelta(days=n) for n in range(7)]
    for label, on in _merged(days, partial(_overlap_signature, calendar)):
        picture.append_text(_row(label, on, zone, partial(_overlap_mark, calendar)))
    return picture


def day_picture(policy: Policy, on: date, clients: Sequence[Client]) -> Text:
    """Draw, in the owner's clock, the windows of one day against each client's daytime, one line a client."""
    picture = Text()
    picture.append_text(_scale())
    for client in clients:
        label = client.name if len(client.name) < _LABEL else f"{client.name[: _LABEL - 2]}…"
        calendar = hours.calendar(policy, client.key)
        picture.append_text(_row(label, on, policy.owner.zone, partial(_overlap_mark, calendar)))
    return picture


def _overlap_mark(calendar: Calendar, at: datetime) -> tuple[str, str]:
    inside = calendar.in_daytime(at)
    window = any(w.opens_at <= at < w.closes_at for w in calendar.windows(at - timedelta(days=1), days=2))
    if window:
        return (WINDOW, "bold green") if inside else (BREAK, "yellow")
    return (DAY, "blue") if inside else (NIGHT, "dim")


def _overlap_signature(calendar: Calendar, on: date) -> str:
    return "".join(_overlap_mark(calendar, at)[0] for at in _cells(on, calendar.zone))


def _signature(calendar: Calendar, channel: Channel, on: date) -> str:
    zone = calendar.zone
    spans = calendar.channel_spans(channel, _midnight(on, zone), _midnight(on + timedelta(days=1), zone))
    return "".join(_channel_mark(spans, at)[0] for at in _cells(on, zone))


def _merged(days: Sequence[date], signature: Callable[[date], str]) -> list[tuple[str, date]]:
    """Join neighbouring days that look the same: ("Mon–Thu", the first of them)."""
    groups: list[list[date]] = []
    last = ""
    for on in days:
        now = signature(on)
        if groups and now == last:
            groups[-1].append(on)
        else:
            groups.append([on])
        last = now
    labels: list[tuple[str, date]] = []
    for group in groups:
        first = format_date(group[0], "EEE", locale="en")
        label = first if len(group) == 1 else f"{first}–{format_date(group[-1], 'EEE', locale='en')}"
        labels.append((label, group[0]))
    return labels


def _midnight(on: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(on, time(), zone)
