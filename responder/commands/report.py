"""``responder report``: a span of time in figures, in the terminal, as JSON, or as a page to print and hand over.

The ledger is only read, while the service may be at work on it. As root it is read with the identity of its owner; the
page is then written as root, into the folder that was named, and given to whoever typed ``sudo``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import place
from responder.commands.when import parse_since, parse_until, say_when
from responder.core.report import make_report
from responder.core.words import languages
from responder.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from responder.core.report import Answers, Busiest, Clock, Report, Section, Week
    from responder.core.report_rows import Chronicle

T = TypeVar("T")
R = TypeVar("R")

#: Of a temporary file's name: enough that no other program has taken it.
_RANDOM = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for. ``until`` "" is now, ``client`` "" all of them, ``language`` "" the owner's."""

    since: str
    until: str = ""
    client: str = ""
    html: Path | None = None
    language: str = ""
    force: bool = False
    as_json: bool = False


def report(config_path: Path | None, state_path: Path | None, wish: Wish) -> int:
    """Print the report, or write its page; returns 0, or 1 where there is no ledger yet."""
    here = place.find_place(config_path, state_path)
    policy = here.loaded.policy
    zone = policy.owner.zone
    now_at = SystemClock().now()
    since_at = parse_since(wish.since, zone, now_at)
    until_at = parse_until(wish.until, zone, now_at) if wish.until else now_at
    if since_at >= until_at:
        raise click.UsageError(
            f"the span ends before it begins: --since is {say_when(since_at, zone)}, --until {say_when(until_at, zone)}"
        )
    language = wish.language or policy.owner.language
    if language not in languages():
        known = ", ".join(sorted(languages()))
        raise click.UsageError(f'--language "{language}": the page can speak {known}')
    if wish.html is not None:
        _refuse(wish.html, force=wish.force)
    chronicle = _read(here, since_at, until_at, wish.client)
    if chronicle is None:
        click.echo("nothing to report: the service has never run here", err=True)
        return 1
    found = make_report(policy, chronicle, since_at=since_at, until_at=until_at, made_at=now_at, client=wish.client)
    if wish.client and not found.sections and wish.client not in {client.key for client in policy.clients}:
        known = ", ".join(client.key for client in policy.clients)
        raise click.UsageError(
            f'no client "{wish.client}" in the rules, nor any mail of one in that time; known: {known}'
        )
    if wish.as_json:
        click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    if wish.html is not None:
        from responder.core.report_page import report_html  # noqa: PLC0415 - heavy, and only wanted here

        _write(wish.html, report_html(found, language), force=wish.force)
        click.echo(f"{wish.html}: from {say_when(since_at, zone)} to {say_when(until_at, zone)}", err=wish.as_json)
    elif not wish.as_json:
        from responder.commands.report_pictures import show  # noqa: PLC0415 - so too

        show(found)
    return 0


def _read(here: place.Place, since_at: datetime, until_at: datetime, client: str) -> Chronicle | None:
    """Read the ledger as its owner, so that no file beside it comes to belong to root; None if there is none."""
    with place.identity_of(here.state):
        if not place.is_there(here.ledger):
            return None
        return asyncio.run(_chronicle(here.ledger, since_at, until_at, client))


async def _chronicle(path: Path, since_at: datetime, until_at: datetime, client: str) -> Chronicle:
    ledger = SqliteLedger.read(path)
    try:
        return await ledger.chronicle(since_at, until_at, client)
    finally:
        await ledger.close()


# -------------------------------------------------------------------------------------------- file


def _refuse(path: Path, *, force: bool) -> None:
    try:
        usable = path.absolute().parent.is_dir() and not path.is_dir()
        there = os.path.lexists(path)
    except OSError as error:
        raise click.UsageError(f"--html {path}: the page cannot be written there ({error.strerror})") from error
    if not usable:
        raise click.UsageError(f"--html {path}: name a file in a folder that exists")
    if there and not force:
        raise click.UsageError(f"--html {path}: there is such a file already; --force replaces it")


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write the page whole or not at all, readable to nobody else; raises PermanentError when it cannot be."""
    target = path.absolute()
    half = target.with_name(f".responder-{secrets.token_hex(_RANDOM)}")
    try:
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                _give(descriptor)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            _refuse(path, force=force)
            half.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                half.unlink()
            raise
    except OSError as error:
        raise PermanentError(f"{path}: the page cannot be written ({error.strerror})") from error


def _give(descriptor: int) -> None:
    """Give a file that root made to whoever typed sudo."""
    ids = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and all(each.isdecimal() for each in ids):
        os.fchown(descriptor, int(ids[0]), int(ids[1]))


# -------------------------------------------------------------------------------------------- JSON


def as_json(found: Report) -> dict[str, object]:
    """Return the report for a program: instants in ISO 8601 UTC, lengths in seconds, null where there is nothing.

    The weeks are lists of seven days, Monday first, of twenty-four hours each.
    """
    return {
        "since_at": _iso(found.since_at),
        "until_at": _iso(found.until_at),
        "made_at": _iso(found.made_at),
        "timezone": found.zone.key,
        "client": found.client or None,
        "total": None if found.total is None else _section(found.total),
        "clients": [
            {
                "client": section.client,
                "name": section.name,
                "in_rules": section.known,
                "timezone": section.zone.key if section.zone is not None else None,
                **_section(section),
            }
            for section in found.sections
        ],
        "silent_clients": found.silent,
    }


def _section(section: Section) -> dict[str, object]:
    promises = {each.name: getattr(section.promises, each.name) for each in fields(section.promises)}
    return {
        "messages": section.messages,
        "out_of_hours": section.outside,
        "in_clients_night": section.night,
        "replies": section.replies,
        "urgent": section.urgent,
        "carried_messages": section.carried,
        "carried_times": section.carries,
        "promises": promises,
        "answers": _answers(section.answers),
        "by_owners_clock": _clock(section.clock),
        "by_clients_clock": _maybe(_clock, section.theirs),
        "own_messages": section.own,
        "own_out_of_hours": section.own_outside,
        "own_by_owners_clock": _week(section.own_clock.all),
        "own_by_clients_clock": None if section.own_theirs is None else _week(section.own_theirs.all),
    }


def _answers(answers: Answers) -> dict[str, object]:
    return {
        "count": answers.count,
        "by_weaker_evidence": answers.weak,
        "median_working_seconds": _maybe(_seconds, answers.median_worked),
        "slowest_working_seconds": _maybe(_seconds, answers.slowest_worked),
        "median_elapsed_seconds": _maybe(_seconds, answers.median_elapsed),
        "slowest_elapsed_seconds": _maybe(_seconds, answers.slowest_elapsed),
    }


def _clock(clock: Clock) -> dict[str, object]:
    return {
        "all": _week(clock.all),
        "out_of_hours": _week(clock.outside),
        "busiest_out_of_hours": _maybe(_busiest, clock.busiest),
    }


def _busiest(found: Busiest) -> dict[str, object]:
    return {
        "weekday": found.weekday + 1,
        "on_weekday": found.on_weekday,
        "from_hour": found.from_hour,
        "until_hour": (found.until_hour - 1) % 24 + 1,
        "in_hours": found.in_hours,
        "of": found.of,
    }


def _week(week: Week) -> Sequence[Sequence[int]]:
    return [list(day) for day in week]


def _seconds(length: timedelta) -> int:
    return round(length.total_seconds())


def _maybe(say: Callable[[T], R], value: T | None) -> R | None:
    return None if value is None else say(value)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
