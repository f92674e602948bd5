"""What the configuration comes to, and how its faults are told: light values for everybody above.

The *policy* (the rules, reloadable) is ``responder.core.model.Policy``; the *settings* here are the rest: accounts,
secrets, alerts. Nothing in this module reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from responder.config.places import Stamp
    from responder.core.model import Policy

Security = Literal["tls", "starttls", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server is and how the connection to it is protected; "none" only ever names a loopback host."""

    host: str
    port: int
    security: Security


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Where a secret is to be had; never the secret itself, except for kind "inline".

    ``value`` by kind: "credential" its name, "file" an absolute path, "env" the variable's name, "command" the
    program with its arguments, "keyring" the service's name (asked with the mailbox's user name), "inline" the
    secret. Printing one shows no inline secret.
    """

    kind: Literal["credential", "file", "env", "command", "keyring", "inline"]
    value: str | tuple[str, ...]

    def __repr__(self) -> str:
        value = "…" if self.kind == "inline" else repr(self.value)
        return f"SecretRef(kind={self.kind!r}, value={value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """A provider's sign-in service. ``device_url`` and ``authorize_url`` are "" where it has none.

    ``client_secret`` is None for an application that keeps no secret.
    """

    provider: str
    client_id: str
    client_secret: SecretRef | None
    token_url: str
    device_url: str
    authorize_url: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSettings:
    """One mailbox's account. ``addresses`` as written, the first is the default From.

    ``oauth2`` is None for a login by ``password``, which then is to be had; with it there is none.
    ``trusted_authserv_id`` is "" when nobody's Authentication-Results are trusted.
    """

    name: str
    addresses: tuple[str, ...]
    imap: Server
    smtp: Server
    username: str
    password: SecretRef | None
    oauth2: OAuthSettings | None
    inbox: str
    poll: timedelta
    trusted_authserv_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where the figures for Prometheus go: a page on (loopback host, port), a file, both or nowhere."""

    listen: tuple[str, int] | None = None
    textfile: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is fixed while the daemon runs. ``files`` are all the files that were read, the main one first.

    ``keep`` is how long the ledger remembers; ``alerts_command`` and ``alerts_apprise`` (where each service's
    address is to be had, which holds its secret) are empty when nobody is to be called.
    """

    path: Path
    files: tuple[Path, ...]
    mailboxes: tuple[MailboxSettings, ...]
    alerts_command: tuple[str, ...]
    alerts_apprise: tuple[SecretRef, ...]
    keep: timedelta
    metrics: MetricsSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault or warning. ``line`` counts from 1 and is 0 where there is none; ``path`` may be empty."""

    file: str
    line: int
    path: str
    text: str

    def __str__(self) -> str:
        """Return ``file:line: path: text``, leaving out what is not there."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration without faults, and what should nevertheless be said about it.

    ``stamp`` is that of the files before they were read: if it differs by now, one of them has changed since.
    """

    settings: Settings
    policy: Policy
    warnings: tuple[Problem, ...]
    stamp: Stamp


class ConfigProblems(ConfigurationError):  # noqa: N818 - it holds problems, and is caught by that name
    """Every fault of the configuration at once, in the order of the files and their lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
