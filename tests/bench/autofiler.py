"""A peer: imapautofiler (PyPI) filing the same mail, one rule for each firm. It sends nothing.

``python -m tests.bench.autofiler CONFIG``; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.bench.mails import FIRMS
from tests.bench.process import count_round_trips, peak_memory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot


def write_config(path: Path, dovecot: Dovecot, user: str) -> None:
    """Write its configuration. JSON is YAML."""
    rules = [
        {
            "headers": [{"name": "from", "substring": f"@firm{number}.example"}],
            "action": {"name": "move", "dest-mailbox": f"Callbacks/autofiler firm{number}.example"},
        }
        for number in range(FIRMS)
    ]
    server = {
        "hostname": "127.0.0.1",
        "port": dovecot.imap_port,
        "ssl": False,
        "username": user,
        "password": "secret",
    }
    path.write_text(json.dumps({"server": server, "mailboxes": [{"name": "INBOX", "rules": rules}]}))


def main() -> None:
    """Run it in this process, so that its memory can be told."""
    from imapautofiler import app  # noqa: PLC0415 - an extra; the configuration is written without it

    counts = count_round_trips()
    config = sys.argv[1]
    sys.argv[1:] = ["-c", config]
    app.main()
    print(json.dumps({"peak": peak_memory(), **counts}))


if __name__ == "__main__":
    main()
