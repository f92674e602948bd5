"""What a run needs before it can begin: the lock, the secret, and the adapters for each account.

Used by the daemon and by the commands that look at a mailbox without it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from typing import TYPE_CHECKING, Any

from responder.adapters.auth import read_secret
from responder.adapters.imap_past import PastMailbox
from responder.adapters.mailbox import ImapMailbox
from responder.adapters.outbox import SmtpOutbox
from responder.core.facts import HEADER_FIELDS, TRUST_FIELDS
from responder.errors import ConfigurationError, TemporaryError
from responder.pace import PATIENCE, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime
    from pathlib import Path

    from responder.config import Loaded, MailboxSettings


def install_secret(state: Path) -> bytes:
    """Return the installation's secret, made at the first start; kept outside the ledger, so it outlives it."""
    path = state / "secret"
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        secret = secrets.token_bytes(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
    if len(secret) < 16:  # noqa: PLR2004 - shorter than any that was ever written
        raise ConfigurationError(f"{path} is damaged: move it away and start again")
    return secret


@contextlib.contextmanager
def only_one(state: Path) -> Generator[None]:
    """Hold the state directory's lock; a second daemon on the same ledger stands aside."""
    path = state / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TemporaryError(
                f"{state}: another responder is running on this ledger; stop it first, or ask `responder status`"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _password(settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str]) -> Callable[[], str]:
    """Return what reads the secret each time it is needed, so that a changed one is found."""
    return lambda: read_secret(
        settings.password,
        config_directory=loaded.settings.path.parent,
        environ=environ,
        username=settings.username,
    )


def build_mailbox(
    settings: MailboxSettings,
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    read_only: bool = False,
    patience: Patience = PATIENCE,
) -> ImapMailbox:
    """Make the adapter for one mailbox; nothing is connected yet."""
    return ImapMailbox(**_arguments(settings, loaded, environ, patience), read_only=read_only)


def build_past_mailbox(settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str]) -> PastMailbox:
    """Make the adapter that reads one mailbox's past, in all of its folders; nothing is connected yet."""
    return PastMailbox(**_arguments(settings, loaded, environ, PATIENCE))


def _arguments(
    settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str], patience: Patience
) -> dict[str, Any]:
    fields = (*HEADER_FIELDS, *TRUST_FIELDS) if settings.trusted_authserv_id else HEADER_FIELDS
    return {
        "name": settings.name,
        "host": settings.imap.host,
        "port": settings.imap.port,
        "security": settings.imap.security,
        "username": settings.username,
        "password": _password(settings, loaded, environ),
        "inbox": settings.inbox,
        "header_fields": fields,
        "timeout": patience.answer,
    }


def build_outbox(
    settings: MailboxSettings,
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    late: Callable[[datetime], bool] = lambda _: False,
    patience: Patience = PATIENCE,
) -> SmtpOutbox:
    """Make the adapter for one submission account; nothing is connected yet.

    ``late`` tells whether an instant has passed, by the clock of whoever sends.
    """
    return SmtpOutbox(
        host=settings.smtp.host,
        port=settings.smtp.port,
        security=settings.smtp.security,
        username=settings.username,
        password=_password(settings, loaded, environ),
        empty_envelope=loaded.policy.replies.envelope == "empty",
        late=late,
        timeout=patience.answer,
        data_timeout=patience.verdict,
    )
