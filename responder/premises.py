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
from responder.adapters.oauth_tokens import TokenKeeper, TokenStore
from responder.adapters.outbox import SmtpOutbox
from responder.core.facts import HEADER_FIELDS, TRUST_FIELDS
from responder.errors import ConfigurationError, TemporaryError
from responder.pace import PATIENCE, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from responder.config import Loaded, MailboxSettings, SecretRef


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


def _credentials(settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str], state: Path) -> dict[str, Any]:
    """Return what reads the secret, or the token, each time it is needed, so that a changed one is found."""
    if settings.oauth2 is not None:
        return {"password": None, "token": token_keeper(settings, loaded, environ, state).access_token}
    ref = settings.password
    assert ref is not None  # noqa: S101 - the configuration has one or the other
    return {"password": lambda: _read(ref, settings, loaded, environ), "token": None}


def token_keeper(settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str], state: Path) -> TokenKeeper:
    """Return what keeps the tokens of a mailbox that is signed in by OAuth2."""
    oauth2 = settings.oauth2
    assert oauth2 is not None  # noqa: S101 - whoever asks has looked
    return TokenKeeper(
        TokenStore(state, settings.name),
        oauth2,
        secret=lambda: client_secret(settings, loaded, environ),
        name=settings.name,
    )


def client_secret(settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str]) -> str:
    """Return the secret of the application that is registered with the provider; "" where there is none."""
    ref = settings.oauth2.client_secret if settings.oauth2 is not None else None
    return "" if ref is None else _read(ref, settings, loaded, environ)


def _read(ref: SecretRef, settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str]) -> str:
    return read_secret(
        ref,
        config_directory=loaded.settings.path.parent,
        environ=environ,
        username=settings.username,
    )


def build_mailbox(
    settings: MailboxSettings,
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    state: Path,
    read_only: bool = False,
    patience: Patience = PATIENCE,
) -> ImapMailbox:
    """Make the adapter for one mailbox; nothing is connected yet."""
    return ImapMailbox(**_arguments(settings, loaded, environ, state, patience), read_only=read_only)


def build_past_mailbox(
    settings: MailboxSettings,
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    state: Path,
    header_fields: Sequence[str] = (),
) -> PastMailbox:
    """Make the adapter that reads one mailbox's past, in all of its folders; nothing is connected yet.

    ``header_fields`` takes the place of those that facts are read from.
    """
    arguments = _arguments(settings, loaded, environ, state, PATIENCE)
    return PastMailbox(**arguments | ({"header_fields": header_fields} if header_fields else {}))


def _arguments(
    settings: MailboxSettings, loaded: Loaded, environ: Mapping[str, str], state: Path, patience: Patience
) -> dict[str, Any]:
    fields = (*HEADER_FIELDS, *TRUST_FIELDS) if settings.trusted_authserv_id else HEADER_FIELDS
    return {
        "name": settings.name,
        "host": settings.imap.host,
        "port": settings.imap.port,
        "security": settings.imap.security,
        "username": settings.username,
        **_credentials(settings, loaded, environ, state),
        "inbox": settings.inbox,
        "header_fields": fields,
        "timeout": patience.answer,
    }


def build_outbox(
    settings: MailboxSettings,
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    state: Path,
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
        **_credentials(settings, loaded, environ, state),
        empty_envelope=loaded.policy.replies.envelope == "empty",
        late=late,
        timeout=patience.answer,
        data_timeout=patience.verdict,
    )
