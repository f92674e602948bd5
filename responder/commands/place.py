"""Where a command stands: which files it reads, which ledger, and as whom.

A command started as root takes on the identity of the state directory's owner before it opens the ledger, so that
``sudo responder status`` leaves every file in it owned by the service.
"""

from __future__ import annotations

import contextlib
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from responder import config
from responder.adapters.auth import read_secret
from responder.config import SecretRef
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from responder.config import Loaded, MailboxSettings

LEDGER = "ledger.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The configuration that was read and the state directory that goes with it."""

    loaded: Loaded
    state: Path

    @property
    def ledger(self) -> Path:
        """The ledger's file; it need not exist."""
        return self.state / LEDGER


def find_place(config_path: Path | None, state_path: Path | None) -> Place:
    """Read the configuration and find the state directory; raises ConfigurationError with every fault."""
    path = config.find(config_path, os.environ)
    loaded = config.load(path)
    return Place(loaded=loaded, state=config.state_directory(state_path, os.environ, path))


def with_passwords(here: Place) -> Place:
    """Read the passwords now, as root, before its identity is given up; elsewhere nothing changes.

    One that cannot be read is left for the moment when it is needed: the command may do without it.
    """
    if os.geteuid() != 0:
        return here
    mailboxes = tuple(_with_password(settings, here.loaded) for settings in here.loaded.settings.mailboxes)
    services = tuple(_read(ref, "alerts", here.loaded) for ref in here.loaded.settings.alerts_apprise)
    settings = replace(here.loaded.settings, mailboxes=mailboxes, alerts_apprise=services)
    return replace(here, loaded=replace(here.loaded, settings=settings))


def _with_password(settings: MailboxSettings, loaded: Loaded) -> MailboxSettings:
    oauth2 = settings.oauth2
    if oauth2 is not None:
        if oauth2.client_secret is not None:
            secret = _read(oauth2.client_secret, settings.username, loaded)
            settings = replace(settings, oauth2=replace(oauth2, client_secret=secret))
        return settings
    assert settings.password is not None  # noqa: S101 - the configuration has one or the other
    return replace(settings, password=_read(settings.password, settings.username, loaded))


def _read(ref: SecretRef, username: str, loaded: Loaded) -> SecretRef:
    try:
        secret = read_secret(
            ref,
            config_directory=loaded.settings.path.parent,
            environ=os.environ,
            username=username,
        )
    except ConfigurationError:
        return ref
    return SecretRef(kind="inline", value=secret)


def is_there(ledger: Path) -> bool:
    """Tell whether there is a ledger; raises ConfigurationError where that may not even be asked."""
    try:
        return ledger.exists()
    except PermissionError as error:
        raise ConfigurationError(
            f"{ledger.parent}: it belongs to the service; type `sudo` before the command"
        ) from error


def make_state(state: Path) -> None:
    """Make the state directory, mode 0700, if it is not there."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{state}: the state directory cannot be made ({error.strerror})") from error
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(f"{state}: the state directory is not yours; name another with --state")


@contextlib.contextmanager
def as_its_owner(state: Path) -> Generator[None]:
    """As root, act as the owner of the state directory for a while: what is written meanwhile is theirs."""
    try:
        owner = state.stat()
    except OSError:
        owner = None
    if os.geteuid() != 0 or owner is None or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def take_on_identity(state: Path) -> None:
    """As root, become the owner of the state directory; otherwise nothing."""
    if os.geteuid() != 0:
        return
    try:
        owner = state.stat()
    except OSError:
        return
    if owner.st_uid == 0:
        return
    "localhost".encode("idna")  # what sockets load when first used: afterwards our own program may be out of reach
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


@contextmanager
def identity_of(state: Path) -> Generator[None]:
    """As root, be the owner of the state directory for a while, for a command that then writes where root may."""
    owner = None
    if os.geteuid() == 0:
        with suppress(OSError):
            owner = state.stat()
    if owner is None or owner.st_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
