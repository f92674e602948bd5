"""The benchmark's table, the profile of the program's own run, and each aim with its figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.backlog import AUTOFILER, FLOOR, RESPONDER, Leg, spread
from tests.bench.process import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.reaction import Daily

#: The size at which strategies are compared, where it was measured.
COMPARED = 10_000
_HEADING = (
    f"{'messages':>8}  {'strategy':<14}{'messages/s':>11}{'(runs)':>14}{'cpu us/msg':>11}"
    f"{'RTT/msg':>9}{'octets/msg':>11}{'peak MB':>9}{'filed':>8}"
)


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim: what it is about, the figure, and whether it is met."""

    name: str
    figure: str
    met: bool

    def __str__(self) -> str:
        """Return its line."""
        return f"{'met   ' if self.met else 'missed'}  {self.name}: {self.figure}"


def rows(legs: Sequence[Leg]) -> Iterator[str]:
    """Yield the table's lines."""
    yield _HEADING
    for leg in legs:
        yield (
            f"{leg.count:>8,}  {leg.strategy:<14}{leg.per_second:>11,.0f}{spread(leg):>14}{leg.cpu:>11,.0f}"
            f"{leg.round_trips:>9.3f}{leg.octets:>11,.0f}{leg.peak / MEBIBYTE:>9.1f}{leg.filed:>8,}"
        )


def profile(leg: Leg) -> Iterator[str]:
    """Yield where the program's time went, dearest first."""
    seconds, calls = leg.said["seconds"], leg.said["calls"]
    wall = leg.median.wall
    named = sorted(seconds.items(), key=lambda one: -one[1])
    outside = wall - leg.said["wall"]
    rest = leg.said["wall"] - sum(seconds.values())
    yield f"where the time of {leg.count:,} messages went ({wall:.2f} s):"
    for name, spent in (*named, ("imports, start and end", outside), ("the rest of the line", rest)):
        often = f"{calls[name]:>9,} calls" if name in calls else ""
        yield f"  {name:<24}{spent / leg.count * 1e6:>8.1f} us/msg{spent / wall:>7.1%}{often}"


def aims(legs: Sequence[Leg], daily: Daily | None) -> Iterator[Aim]:
    """Yield each aim that these measurements can tell about."""
    by = {(leg.strategy, leg.count): leg for leg in legs}
    counts = sorted({leg.count for leg in legs})
    at = COMPARED if COMPARED in counts else counts[-1]
    ours, floor = by[RESPONDER, at], by[FLOOR, at]
    ratio = ours.per_second / floor.per_second
    yield Aim(f"at least 0.4 of the floor at {at:,}", f"{ratio:.2f}", ratio >= 0.4)
    if (peer := by.get((AUTOFILER, at))) is not None:
        ratio = ours.per_second / peer.per_second
        yield Aim(f"at least 2 times imapautofiler at {at:,}", f"{ratio:.2f}", ratio >= 2)
    yield from _traffic(ours)
    first, last = by[RESPONDER, counts[0]], by[RESPONDER, counts[-1]]
    if first is not last:
        more = (last.peak - first.peak) / MEBIBYTE
        yield Aim(f"peak memory at {counts[-1]:,} within 16 MB of {counts[0]:,}", f"{more:+.1f} MB", more <= 16)
        slower = first.per_second / last.per_second
        yield Aim(f"time per message at {counts[-1]:,} at most 1.25 of {counts[0]:,}", f"{slower:.2f}", slower <= 1.25)
    ledger = sum(spent for name, spent in ours.said["seconds"].items() if name.startswith("ledger: "))
    share = ledger / ours.median.wall
    yield Aim("the ledger at most 10 % of the time", f"{share:.1%}", share <= 0.10)
    if daily is not None:
        yield from _daily(daily)


def _traffic(ours: Leg) -> Iterator[Aim]:
    said = ours.said
    chunks, octets, messages = said["chunks"], said["octets"], said["messages"]
    # No part of a chunk: logging in, the search, the look at Sent at the beginning, making each folder (two commands).
    parts = ("read headers", "look at Sent", "read texts", "file")
    once = 1 + 2 * said["folders"]
    used = (sum(said["round_trips_of"][part] for part in parts) - once) / len(chunks)
    allowed = 4 + sum(chunks) / len(chunks)
    yield Aim("IMAP round trips per chunk at most 4 + folders", f"{used:.2f} of {allowed:.2f}", used <= allowed)
    header = octets["read headers"] / messages["read headers"]
    yield Aim("at most 1.2 KB per message where no text is needed", f"{header:,.0f} octets", header <= 1_200)
    text = header + octets["read texts"] / messages["read texts"] + octets["file"] / messages["file"]
    yield Aim("at most 4 KB per message where text is needed", f"{text:,.0f} octets", text <= 4_096)


def _daily(daily: Daily) -> Iterator[Aim]:
    ordered = daily.reactions
    if ordered:
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3
        middle = ordered[len(ordered) // 2] * 1e3
        figure = f"{p99:.1f} ms (median {middle:.1f} ms, {len(ordered)} deliveries)"
        yield Aim("reply accepted within 25 ms of the wake-up at p99", figure, p99 < 25)
    megabytes = daily.memory / MEBIBYTE
    yield Aim("idle daemon under 90 MB", f"{megabytes:.1f} MB", megabytes < 90)
    yield Aim(
        "idle daemon under 1 CPU second an hour",
        f"{daily.idle_cpu:.2f} s/h over {daily.idle_seconds:.0f} s",
        daily.idle_cpu < 1,
    )
    yield Aim("dateparser not imported by the daemon", "imported" if daily.dateparser else "no", not daily.dateparser)
