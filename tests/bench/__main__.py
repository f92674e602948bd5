"""``python -m tests.bench``: the table, the profile and the aims, from one run on this machine."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from tests.bench import backlog, reaction, table
from tests.bench.place import servers
from tests.servers.dovecot import missing


def progress(text: str) -> None:
    """Show how far it is, on the terminal only; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def report(
    sizes: list[int], runs: int, *, with_autofiler: bool, deliveries: int, idle: float
) -> tuple[list[backlog.Leg], reaction.Daily | None]:
    """Measure, and print what was found."""
    legs: list[backlog.Leg] = []
    with servers() as place:
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; mail in {place.dovecot.directory},", end=" ")
        print(f"ledger in {place.folder}", flush=True)
        for size in sizes:
            legs += backlog.measure(place, size, runs, with_autofiler=with_autofiler, progress=progress)
        daily = reaction.measure(place, deliveries, idle, progress=progress) if deliveries or idle else None
    print("\n".join(table.rows(legs)), end="\n\n")
    shown = {leg.count: leg for leg in legs if leg.strategy == backlog.RESPONDER}
    print("\n".join(table.profile(shown.get(table.COMPARED, shown[sizes[-1]]))), end="\n\n")
    for aim in table.aims(legs, daily):
        print(aim)
    return legs, daily


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,50000", help="numbers of messages (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each strategy (default: %(default)s)")
    parser.add_argument("--skip-autofiler", action="store_true", help="leave the peer out")
    parser.add_argument("--deliveries", type=int, default=200, help="for the reaction (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of idling (default: %(default)s)")
    arguments = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    with_autofiler = not arguments.skip_autofiler
    if with_autofiler and importlib.util.find_spec("imapautofiler") is None:
        print("imapautofiler is not installed (the extra `bench`): left out", file=sys.stderr)
        with_autofiler = False
    sizes = sorted(int(size) for size in arguments.sizes.split(","))
    report(
        sizes,
        arguments.runs,
        with_autofiler=with_autofiler,
        deliveries=arguments.deliveries,
        idle=arguments.idle,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
