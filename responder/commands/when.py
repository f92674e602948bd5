"""Times as a person writes them on the command line, echoed back in full."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from responder.adapters.clock import SystemClock

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

#: Enough for any phrase that means an instant; longer input only costs time.
_LONGEST = 100
#: A length without a number is one of them; dateparser knows it with a number only.
_LENGTHS = frozenset(("day", "week", "month", "year", "день", "сутки", "неделя", "неделю", "месяц", "год"))
#: These name a day, and are not a length of time before now.
_DAYS = frozenset(("today", "yesterday", "сегодня", "вчера", "позавчера"))


def parse_when(words: str, zone: ZoneInfo) -> datetime:
    """Return the instant that the words mean in the zone, in UTC.

    A time without a date that could be past or future is taken as past for "yesterday" and its like, else as the
    nearest one to come. Raises click.UsageError with examples when the words mean nothing.
    """
    try:
        exact = datetime.fromisoformat(words)
    except ValueError:
        pass
    else:
        return _utc(exact, zone)
    import dateparser  # noqa: PLC0415 - heavy, and only wanted here

    base = SystemClock().now().astimezone(zone).replace(tzinfo=None)
    parsed = dateparser.parse(
        words[:_LONGEST],
        languages=["ru", "en"],
        settings={
            "RELATIVE_BASE": base,
            "PREFER_DATES_FROM": "future",
            "RETURN_AS_TIMEZONE_AWARE": False,
            "DATE_ORDER": "DMY",
        },
    )
    if parsed is None:
        raise click.UsageError(
            f'"{words}" is no time I know: write "saturday 23:40", «вчера в 22:15» or 2026-11-28T23:40'
        )
    return _utc(parsed, zone)


def parse_since(words: str, zone: ZoneInfo, now_at: datetime) -> datetime:
    """Return the past instant that the words mean: "30 days", «неделя», "1 September", 2026-09-01; in UTC.

    A bare length is counted back from now; a date is taken from its midnight in the zone, and is one that has been.
    Raises click.UsageError with examples when the words mean nothing, or something that is still to come.
    """
    since_at = _back(words, zone, now_at)
    if since_at is None:
        raise click.UsageError(f'"{words}" is no span I know: write "30 days", «неделя», "1 September" or 2026-09-01')
    if since_at > now_at:
        raise click.UsageError(f'"{words}" is still to come ({say_when(since_at, zone)}); name a time that has been')
    return since_at


def parse_until(words: str, zone: ZoneInfo, now_at: datetime) -> datetime:
    """Return the past instant at which a span ends, in UTC; a day that is named belongs to the span, up to now.

    Raises click.UsageError as ``parse_since`` does.
    """
    until_at = parse_since(words, zone, now_at)
    local = until_at.astimezone(zone)
    if ":" in words or (local.hour, local.minute, local.second) != (0, 0, 0):
        return until_at
    next_on = local.date() + timedelta(days=1)
    return min(datetime.combine(next_on, time(), zone).astimezone(UTC), now_at)


def _back(words: str, zone: ZoneInfo, now_at: datetime) -> datetime | None:
    try:
        exact = datetime.fromisoformat(words)
    except ValueError:
        pass
    else:
        return _utc(exact, zone)
    import dateparser  # noqa: PLC0415 - heavy, and only wanted here

    base = now_at.astimezone(zone).replace(tzinfo=None)
    settings = {
        "RELATIVE_BASE": base,
        "PREFER_DATES_FROM": "past",
        "RETURN_AS_TIMEZONE_AWARE": False,
        "DATE_ORDER": "DMY",
    }
    said = " ".join(words[:_LONGEST].split())
    length = f"1 {said}" if said.lower() in _LENGTHS else said
    for ago in (f"{length} ago", f"{length} назад", said):
        # A month that is named begins with its first day; a month ago is the same day.
        settings["PREFER_DAY_OF_MONTH"] = "first" if ago == said else "current"
        parsed = dateparser.parse(ago, languages=["ru", "en"], settings=settings)
        if parsed is not None:
            a_day = said.lower() in _DAYS or (ago == said and parsed.time() == base.time())
            return _utc(parsed.replace(hour=0, minute=0, second=0, microsecond=0) if a_day else parsed, zone)
    return None


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    aware = local if local.tzinfo is not None else local.replace(tzinfo=zone)
    return aware.astimezone(UTC)


def say_when(at: datetime, zone: ZoneInfo) -> str:
    """Say an instant in full: "Saturday, 28 November 2026, 23:40 (Europe/Moscow)"."""
    from babel.dates import format_datetime  # noqa: PLC0415

    local = at.astimezone(zone)
    return f"{format_datetime(local, 'EEEE, d MMMM y, HH:mm', locale='en')} ({zone.key})"


def say_short(at: datetime, zone: ZoneInfo) -> str:
    """Say an instant briefly: "Sat 28 Nov 23:40"."""
    from babel.dates import format_datetime  # noqa: PLC0415

    return format_datetime(at.astimezone(zone), "EEE d MMM HH:mm", locale="en")


def say_span(length: timedelta) -> str:
    """Say a length: "3 min", "2 h 05 min", "4 days"."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} days"
