"""Installs the servers that need a root of their own, so that no test waits for it: ``python -m tests.servers``."""

from __future__ import annotations

from tests.servers import courier, cyrus, exim, postfix
from tests.servers.roots import NotInstalledError, missing


def main() -> None:
    """Make each root, or say plainly what is left out."""
    left_out = missing()
    for name, room in {"Courier": courier, "Cyrus": cyrus, "Postfix": postfix, "Exim": exim}.items():
        if not left_out:
            try:
                room.ROOT.layer(lambda words: print(f"   {words}"))
            except NotInstalledError as error:
                print(f"   {name}: {error}")
    if left_out:
        print(f"Courier, Cyrus, Postfix and Exim are left out (in CI their tests fail): {left_out}")


if __name__ == "__main__":
    main()
