"""The way in: ``python -m responder`` and the ``responder`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from responder.cli import run  # noqa: PLC0415 - the way in stays light

    run()


if __name__ == "__main__":
    main()
