"""A whole set-up for one test: the example configuration pointed at a real IMAP server and an SMTP sink."""

from __future__ import annotations

import email
import email.policy
import itertools
import os
import tomllib
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from responder import config
from responder.daemon import Daemon
from tests.servers.dovecot import Dovecot
from tests.servers.mail_program import MailProgram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from email.message import EmailMessage

    from tests.e2e.clocks import FixedClock
    from tests.servers.mail_program import ImapServer
    from tests.servers.smtp import Captured, SmtpSink

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
OWNER = "anna@example.com"

_numbers = itertools.count(1)


def letter(
    sender: str,
    subject: str = "Вопрос",
    text: str = "Добрый день! Посмотрите, пожалуйста, когда сможете.",
    *,
    at: datetime | None = None,
    headers: Mapping[str, str] | None = None,
    return_path: str | None = "",
) -> bytes:
    """Write one message as a server stores it. ``return_path``: "" = the sender's, None = none is recorded."""
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = f"Someone <{sender}>"
    for name, value in ({"To": OWNER} | dict(headers or {})).items():
        if value:
            message[name] = value
    message["Subject"] = subject
    if at is not None:
        message["Date"] = format_datetime(at)
    if "Message-ID" not in message:
        message["Message-ID"] = f"<{next(_numbers)}.{os.getpid()}@{sender.rpartition('@')[2]}>"
    message.set_content(text)
    raw = message.as_bytes()
    if return_path is None:
        return raw
    return f"Return-Path: <{return_path or sender}>\r\n".encode() + raw


@dataclass
class Scene:
    """One owner's set-up. ``changes`` is merged over the example configuration, table by table.

    Only who asks for it has a digest: it would lie in INBOX each morning, among the mail that a test counts.
    """

    folder: Path
    server: ImapServer
    sink: SmtpSink
    user: str
    clock: FixedClock
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.program = MailProgram(self.server, self.user)
        self.config = self.folder / "config.toml"
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o700, parents=True)
        self.write()

    @property
    def dovecot(self) -> Dovecot:
        """The server, for what only Dovecot can do."""
        assert isinstance(self.server, Dovecot)
        return self.server

    def write(self) -> None:
        """Write config.toml."""
        with EXAMPLE.open("rb") as file:
            tables = tomllib.load(file)
        secret = self.folder / "password"
        secret.write_text("secret\n")
        secret.chmod(0o600)
        main = tables["mailboxes"]["main"]
        tables["mailboxes"] = {
            "main": {
                "addresses": main["addresses"],
                "imap": {"host": "127.0.0.1", "port": self.server.imap_port, "security": "none"},
                "smtp": {"host": "127.0.0.1", "port": self.sink.port, "security": "none"},
                "username": self.user,
                "password": {"file": str(secret)},
                "poll": "1 s",
            }
        }
        tables["digest"] = {"at": "off"}
        _merge(tables, self.changes)
        self.config.write_text(tomli_w.dumps(tables))

    async def run(self) -> None:
        """Run one pass of the real daemon, as ``responder run --once`` does."""
        daemon = Daemon(config.load(self.config), state=self.state, clock=self.clock, environ=os.environ)
        await daemon.once()

    def arrive(self, raw: bytes, at: datetime, *, folder: str = "INBOX") -> None:
        """Let a message arrive: the server stores it with that INTERNALDATE."""
        self.program.append(raw, at=at, folder=folder)

    def tree(self) -> dict[str, list[EmailMessage]]:
        """Return every folder with its messages, by the name the owner sees ("/" between levels, no prefix)."""
        found: dict[str, list[EmailMessage]] = {}
        for folder, _, raw in self.everything():
            found.setdefault(folder, []).append(
                email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[arg-type]
            )
        return found

    def everything(self) -> Iterator[tuple[str, str, bytes]]:
        r"""Yield (folder, flags, raw) of all messages.

        Those marked as \\Deleted are left out: without UIDPLUS what was filed stays behind, marked, until the owner's
        program expunges.
        """
        for folder, message in self.program.everything():
            yield folder, " ".join(sorted(message.flags)), message.raw

    def subjects(self, folder: str) -> list[str]:
        """Return the subjects in a folder, in its order."""
        return [str(message["Subject"]) for message in self.tree().get(folder, [])]

    def replies(self) -> list[Captured]:
        """Return what reached the SMTP server."""
        return list(self.sink.mails)


def _merge(tables: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            tables.pop(key, None)
        elif isinstance(value, dict) and isinstance(tables.get(key), dict):
            _merge(tables[key], value)
        else:
            tables[key] = value


def body_of(mail: Captured) -> str:
    """Return the text of a captured reply."""
    message = email.message_from_bytes(mail.data, policy=email.policy.default)
    return str(message.get_content()).replace("\r\n", "\n")  # type: ignore[attr-defined]
