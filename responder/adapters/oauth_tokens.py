"""The tokens of a mailbox that is signed in by OAuth2: kept in the state directory, refreshed in time.

Promises the adapters an access token that is good for some minutes, and the owner that a rotated refresh token is on
the disk before the new access token is used: a crash in between never signs anybody out. What a provider has revoked
is asked for once and then left alone until somebody signs in again.

Source: RFC 6749 section 6; RFC 9700 section 4.14.2 (rotation).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from responder.errors import ConfigurationError, TemporaryError, how_to_add

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from responder.config.settings import OAuthSettings

#: An access token is renewed while it is still good for so many seconds: a login, and a clock that is a little wrong.
SPARE = 300.0
#: What a provider may take over an answer; the mail waits meanwhile.
ANSWER_SECONDS = 30.0
#: A provider that says nothing of it: RFC 6749 section 5.1 only recommends expires_in.
USUAL_SECONDS = 3600.0
#: The refresh token is no good any more (RFC 6749 section 5.2), or the application is not.
FINAL = frozenset(
    {"invalid_grant", "invalid_client", "unauthorized_client", "interaction_required", "consent_required"}
)
MISSING = f"OAuth2 needs an extra that is not installed; {how_to_add('oauth')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What is kept. ``expires_at`` in seconds since 1970 UTC; ``refused``: why the provider wants a new sign-in."""

    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0
    refused: str = ""


class TokenStore:
    """The file of one mailbox's tokens: 0600, replaced whole.

    Args:
        state: the state directory.
        mailbox: the mailbox's name.
    """

    def __init__(self, state: Path, mailbox: str) -> None:
        self.path = state / f"oauth-{mailbox}.json"

    def read(self) -> Tokens | None:
        """Return what is kept, None before the first sign-in.

        Raises:
            ConfigurationError: others may read the file, or it is damaged.
        """
        try:
            mode = self.path.stat().st_mode
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{self.path}: {error.strerror}") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"others may read {self.path}; mend it with: chmod 600 {self.path}")
        try:
            return Tokens(**json.loads(text))
        except (ValueError, TypeError):  # "from None": the text holds the secret
            raise ConfigurationError(f"{self.path} is damaged: sign in again with `responder login`") from None

    def save(self, tokens: Tokens) -> None:
        """Put the tokens on the disk; they are there when this returns.

        Raises:
            TemporaryError: the disk does not take them.
        """
        beside = self.path.with_suffix(".new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(tokens), file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise TemporaryError(f"{self.path}: the tokens could not be saved ({error.strerror})") from error

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keep other processes from refreshing meanwhile: a token that rotates is good once."""
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class TokenKeeper:
    """Gives out access tokens for one mailbox. Blocks for as long as a provider takes: call it in a thread.

    Args:
        store: where they are kept.
        settings: the provider.
        secret: reads the client's secret; "" where there is none.
        name: the mailbox's name, for errors.
        now: seconds since 1970 UTC.
    """

    def __init__(
        self,
        store: TokenStore,
        settings: OAuthSettings,
        *,
        secret: Callable[[], str],
        name: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._settings, self._secret, self._name, self._now = store, settings, secret, name, now

    def access_token(self, *, rejected: str = "") -> str:
        """Return an access token that is good for some minutes; another one than ``rejected``, which a server refused.

        Raises:
            ConfigurationError: nobody has signed in yet, or the provider wants it done again.
            TemporaryError: the provider cannot be asked now.
        """
        tokens = self._kept()
        if self._is_good(tokens, rejected):
            return tokens.access_token
        with self._store.locked():
            tokens = self._kept()  # another process may have refreshed them
            if not self._is_good(tokens, rejected):
                tokens = self._refreshed(tokens)
        return tokens.access_token

    def _is_good(self, tokens: Tokens, rejected: str) -> bool:
        return bool(tokens.access_token) and tokens.access_token != rejected and tokens.expires_at - SPARE > self._now()

    def _kept(self) -> Tokens:
        tokens = self._store.read()
        if tokens is None:
            raise ConfigurationError(f"mailbox {self._name}: nobody has signed in yet; do it once with {self._command}")
        if tokens.refused:
            raise ConfigurationError(self._sign_in_again(tokens.refused))
        return tokens

    @property
    def _command(self) -> str:
        return f"`responder login {self._name}`"

    def _sign_in_again(self, why: str) -> str:
        return (
            f"mailbox {self._name}: the provider no longer accepts the sign-in ({why}); it is asked no more. "
            f"Sign in again with {self._command}; the mail waits in INBOX"
        )

    def _refreshed(self, tokens: Tokens) -> Tokens:
        settings = self._settings
        given = ask(
            lambda session: session.refresh_token(settings.token_url, refresh_token=tokens.refresh_token),
            settings,
            self._secret(),
            refused=lambda error: self._refuse(tokens, error),
            name=self._name,
        )
        fresh = from_answer(given, self._now(), refresh_token=tokens.refresh_token)
        self._store.save(fresh)  # before it is used: the old refresh token may be good for nothing by now
        return fresh

    def _refuse(self, tokens: Tokens, error: str) -> ConfigurationError:
        self._store.save(replace(tokens, refused=error))
        return ConfigurationError(self._sign_in_again(error))


def from_answer(given: Mapping[str, Any], now: float, *, refresh_token: str = "") -> Tokens:
    """Return the tokens of a provider's answer; it may keep the refresh token as it was.

    Raises:
        TemporaryError: the answer holds no access token.
    """
    access = given.get("access_token")
    if not isinstance(access, str) or not access:
        raise TemporaryError("the provider's answer holds no access token")
    lasts = given.get("expires_in")
    seconds = float(lasts) if isinstance(lasts, int | float | str) and str(lasts).isdigit() else USUAL_SECONDS
    rotated = given.get("refresh_token")
    return Tokens(
        refresh_token=rotated if isinstance(rotated, str) and rotated else refresh_token,
        access_token=access,
        expires_at=now + seconds,
    )


def ask(
    question: Callable[[Any], Mapping[str, Any]],
    settings: OAuthSettings,
    secret: str,
    *,
    refused: Callable[[str], Exception],
    name: str,
) -> Mapping[str, Any]:
    """Ask the provider by authlib's session and return its answer; ``refused`` makes the error of a definite no.

    Raises:
        TemporaryError: no answer, or one that is nobody's fault here.
        ConfigurationError: the extra is not installed.
    """
    try:
        import requests  # noqa: PLC0415 - an extra, and slow to load: only for who uses it
        from authlib.integrations.base_client.errors import OAuthError  # noqa: PLC0415 - the same
        from authlib.integrations.requests_client import OAuth2Session  # noqa: PLC0415 - the same
    except ImportError:
        raise ConfigurationError(f"mailbox {name}: {MISSING}") from None
    session: Any = OAuth2Session(
        client_id=settings.client_id,
        client_secret=secret or None,
        token_endpoint_auth_method="client_secret_post" if secret else "none",
        scope=" ".join(settings.scopes) or None,
        default_timeout=ANSWER_SECONDS,
    )
    try:
        return question(session)
    except OAuthError as error:
        why = str(error.error or "no reason")
        if why in FINAL:
            raise refused(why) from None
        raise TemporaryError(f"mailbox {name}: the provider's sign-in service said {why}; trying again later") from None
    except (requests.RequestException, ValueError) as error:
        # "from None": a request's error may show what was sent
        raise TemporaryError(
            f"mailbox {name}: the provider's sign-in service cannot be asked ({type(error).__name__}); "
            "trying again later"
        ) from None
    finally:
        session.close()
