"""A backlog, three ways: the floor, ``responder run --once``, imapautofiler; in alternation, each on a fresh copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench import autofiler
from tests.bench.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.place import Place, Template
    from tests.bench.process import Run

FLOOR, RESPONDER, AUTOFILER = "floor", "responder", "imapautofiler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One strategy on one size: its run with the median wall clock, and what is derived from it."""

    strategy: str
    count: int
    rates: tuple[float, ...]
    median: Run
    filed: int

    @property
    def said(self) -> dict[str, Any]:
        """What the process said of itself."""
        return self.median.said

    @property
    def per_second(self) -> float:
        """Messages per second, process start and end included."""
        return self.count / self.median.wall

    @property
    def cpu(self) -> float:
        """Microseconds of the client's CPU per message."""
        return self.median.cpu / self.count * 1e6

    @property
    def round_trips(self) -> float:
        """Round trips per message, to both servers."""
        return float(self.said["round_trips"] + self.said["smtp_round_trips"]) / self.count

    @property
    def octets(self) -> float:
        """Octets per message that the IMAP server sent."""
        return float(self.said["bytes_in"]) / self.count

    @property
    def peak(self) -> int:
        """Peak resident memory in octets."""
        return int(self.said["peak"])


def measure(place: Place, count: int, runs: int, *, with_autofiler: bool, progress: Callable[[str], None]) -> list[Leg]:
    """Let each strategy handle the same mail ``runs`` times, in alternation."""
    progress(f"{count} messages: delivering them")
    template = place.prepare(count)
    strategies = [FLOOR, RESPONDER, *([AUTOFILER] if with_autofiler else [])]
    found: dict[str, list[tuple[Run, int]]] = {strategy: [] for strategy in strategies}
    for turn in range(runs):
        for strategy in strategies:
            progress(f"{count} messages: {strategy}, run {turn + 1} of {runs}")
            with template.copy(f"{strategy}{count}x{turn}") as fresh:
                done = _run(strategy, place, fresh)
                found[strategy].append((done, _filed(place, fresh.user)))
            progress(f"{count} messages: {strategy}, run {turn + 1} of {runs}: {count / done.wall:,.0f} messages/s")
    shutil.rmtree(place.dovecot.directory / "mail" / template.user, ignore_errors=True)
    return [_leg(strategy, count, found[strategy]) for strategy in strategies]


def _run(strategy: str, place: Place, fresh: Template) -> Run:
    if strategy == FLOOR:
        ports = (str(place.dovecot.imap_port), str(place.smtp_port))
        return run("tests.bench.floor", *ports, fresh.user, log=fresh.log)
    if strategy == AUTOFILER:
        config = fresh.folder / "autofiler.yml"
        autofiler.write_config(config, place.dovecot, fresh.user)
        return run("tests.bench.autofiler", str(config), log=fresh.log)
    return run("tests.bench.leg", "once", str(fresh.config), str(fresh.state), log=fresh.log)


def _leg(strategy: str, count: int, found: Iterable[tuple[Run, int]]) -> Leg:
    ordered = sorted(found, key=lambda one: one[0].wall)
    median, filed = ordered[(len(ordered) - 1) // 2]
    rates = tuple(count / one.wall for one, _ in ordered)
    return Leg(strategy=strategy, count=count, rates=rates, median=median, filed=filed)


def _filed(place: Place, user: str) -> int:
    """Count the messages that lie in the callback folders."""
    said = place.dovecot.doveadm("mailbox", "status", "-u", user, "messages", "Callbacks/*")
    return sum(int(line.rpartition("messages=")[2]) for line in said.splitlines())


def spread(leg: Leg) -> str:
    """Say the slowest and the fastest run."""
    return f"{min(leg.rates):,.0f}-{max(leg.rates):,.0f}" if len(leg.rates) > 1 else ""
