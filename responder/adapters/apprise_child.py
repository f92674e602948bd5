"""Gives one text to services by the Apprise library, as a process of its own: what hangs in it can be killed.

It promises ``alerts`` that nothing it writes holds a service's address, which is a secret, or the text. Reads
``{"services": […], "text": "…", "seconds": 12}`` on standard input; writes one line of words as JSON, one for each
service in their order: "taken", "unknown" (no such service), "refused", "late" (not within ``seconds``).
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor, wait


def main() -> None:
    """Give the text and say what became of it; ends without waiting for what hangs."""
    asked = json.load(sys.stdin)
    pool = ThreadPoolExecutor(max_workers=max(len(asked["services"]), 1))
    given = [pool.submit(_give, service, asked["text"]) for service in asked["services"]]
    wait(given, timeout=asked["seconds"])
    words = [one.result() if one.done() else "late" for one in given]
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()
    os._exit(0)


def _give(service: str, text: str) -> str:
    from apprise import Apprise, NotifyFormat  # noqa: PLC0415 - an extra

    try:
        door = Apprise.instantiate(service)  # pyright: ignore[reportUnknownMemberType] - it types a table as bare
        if door is None:
            return "unknown"
        return "taken" if door.notify(body=text, title="responder", body_format=NotifyFormat.TEXT) else "refused"
    except Exception:  # noqa: BLE001 - its words may hold the address
        return "refused"


if __name__ == "__main__":
    main()
