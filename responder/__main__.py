"""The way in: ``python -m responder`` and the ``responder`` command."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    for descriptor in range(3):
        # One that was closed would become a socket's or the ledger's, and what is printed would go there.
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    from responder.cli import run  # noqa: PLC0415 - the way in stays light

    run()


if __name__ == "__main__":
    main()
