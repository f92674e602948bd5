"""Where the benchmark runs: a private Dovecot in memory, an SMTP sink, an office that is closed now, its mail.

The mail of a size is delivered once, to a user of its own; each measured run gets a copy of that user, and a copy of
the ledger in which the baseline was taken while INBOX was empty.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import tomli_w

from tests.bench.mails import FIRMS, mails
from tests.bench.process import ROOT, ended, run, start
from tests.servers.dovecot import Dovecot

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ZONES = ("Europe/Moscow", "Asia/Vladivostok", "America/New_York", "Europe/Berlin")
#: In memory, so that the server's disk is not what is measured. The ledger lies on a disk all the same.
MEMORY = Path("/dev/shm")  # noqa: S108 - the server makes a folder of its own there, with a random name
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The servers that run, and the folder for configurations, ledgers and logs."""

    dovecot: Dovecot
    smtp_port: int
    folder: Path

    def prepare(self, count: int) -> Template:
        """Take the baseline on an empty INBOX, then let so many messages arrive."""
        template = Template(self, f"all{count}")
        write_config(template.config, self, template.user)
        run("tests.bench.leg", "once", str(template.config), str(template.state), log=template.folder / "log")
        for batch in _batches(count):
            self.dovecot.append_many(template.user, batch)
        return template


class Template:
    """One owner: a user of the server, a configuration and a ledger; made anew or copied from another."""

    def __init__(self, place: Place, user: str) -> None:
        self._place = place
        self.user = user
        self.folder = place.folder / user
        self.folder.mkdir()
        self.config = self.folder / "config.toml"
        self.state = self.folder / "state"
        self.log = self.folder / "log"

    @contextlib.contextmanager
    def copy(self, user: str) -> Generator[Template]:
        """Make a copy of all three, which is gone after the block."""
        homes = self._place.dovecot.directory / "mail"
        fresh = Template(self._place, user)
        try:
            subprocess.run(["cp", "-a", str(homes / self.user), str(homes / user)], check=True)
            shutil.copytree(self.state, fresh.state)
            write_config(fresh.config, self._place, user)
            os.sync()  # the copy's own writes must not meet the ledger's
            yield fresh
        finally:
            shutil.rmtree(homes / user, ignore_errors=True)
            shutil.rmtree(fresh.folder, ignore_errors=True)


@contextlib.contextmanager
def servers() -> Generator[Place]:
    """Start Dovecot and, in a process of its own, the SMTP sink."""
    before = tempfile.tempdir
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="responder-bench-")))
        if os.access(MEMORY, os.W_OK):
            tempfile.tempdir = str(MEMORY)
        try:
            dovecot = Dovecot("rich")
        finally:
            tempfile.tempdir = before
        stack.enter_context(dovecot)
        sink = start("tests.servers.smtp", "--port", "0", "--count", log=folder / "sink.log")
        stack.enter_context(ended(sink))
        assert sink.stdout is not None
        yield Place(dovecot=dovecot, smtp_port=int(sink.stdout.readline()), folder=folder)


def _batches(count: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for raw in mails(count, datetime.now(UTC)):  # noqa: TID251 - the program runs under the real clock
        batch.append(raw)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def write_config(path: Path, place: Place, user: str) -> None:
    """Write the example's configuration, changed: these servers, forty firms, closed now, nothing held back."""
    with (ROOT / "config.example.toml").open("rb") as file:
        tables: dict[str, Any] = tomllib.load(file)
    secret = path.parent / "password"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    today = datetime.now(ZoneInfo("Europe/Moscow")).date()  # noqa: TID251 - the program runs under the real clock
    opens = str(today + timedelta(days=3))
    tables["mailboxes"] = {
        "main": {
            "addresses": tables["mailboxes"]["main"]["addresses"],
            "imap": {"host": "127.0.0.1", "port": place.dovecot.imap_port, "security": "none"},
            "smtp": {"host": "127.0.0.1", "port": place.smtp_port, "security": "none"},
            "username": user,
            "password": {"file": str(secret)},
        }
    }
    closed: dict[str, list[str]] = {f"{today - timedelta(days=1)}..{today + timedelta(days=2)}": []}
    tables["hours"] = {"mon-fri": ["10:00-13:00", "14:00-19:00"], **closed, opens: ["10:00-13:00", "14:00-19:00"]}
    # A window whatever weekday it is, long enough to overlap the day in each client's zone.
    hours = {"mon-fri": ["10:00-19:00"], **closed, opens: ["10:00-19:00"]}
    tables["windows"] = {"day": {"hours": hours, "channels": ["phone"]}}
    tables["clients"] = {
        f"firm{number}": {
            "name": f"Firm {number}",
            "addresses": [f"@firm{number}.example"],
            "timezone": ZONES[number % len(ZONES)],
            "language": "ru" if number % 2 else "en",
            "agreement": {"name": f"Annex A to contract {number}", "version": "1", "from": today},
        }
        for number in range(FIRMS)
    }
    tables["replies"] = {
        "grace": "0 s",
        "copy": "none",
        "limits": {"per_address_per_day": 1_000, "per_hour": 1_000_000, "per_day": 1_000_000},
    }
    tables["filing"] = {"folder": "Callbacks/{opens:%Y-%m-%d %H-%M} {client}"}
    path.write_text(tomli_w.dumps(tables))
