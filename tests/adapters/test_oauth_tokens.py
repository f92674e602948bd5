"""Tokens: kept privately, renewed in time and once, and never asked for again after a definite no."""

from __future__ import annotations

import json
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from responder.adapters.oauth_signin import ask_device_code, await_device
from responder.adapters.oauth_tokens import SPARE, TokenKeeper, Tokens, TokenStore
from responder.config import OAuthSettings
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from tests.servers.tokens import CLIENT, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """A provider."""
    with TokenServer("anna") as running:
        yield running


def settings(server: TokenServer) -> OAuthSettings:
    """Return the provider as the configuration has it."""
    return OAuthSettings(
        provider="other",
        client_id=CLIENT,
        client_secret=None,
        token_url=f"{server.url}/token",
        device_url=f"{server.url}/device",
        authorize_url="",
        scopes=("mail",),
    )


def signed_in(server: TokenServer, folder: Path) -> TokenStore:
    """Sign in by a device code, and keep what comes of it."""
    store = TokenStore(folder, "main")
    code = ask_device_code(settings(server), "", "main")
    store.save(await_device(settings(server), "", "main", code, sleep=lambda _: None))
    return store


class Now:
    """A clock in seconds."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.at


def keeper(server: TokenServer, store: TokenStore, now: Now) -> TokenKeeper:
    """Return a keeper by that clock, after a first renewal: from then on its clock holds."""
    made = TokenKeeper(store, settings(server), secret=lambda: "", name="main", now=now)
    tokens = store.read()
    assert tokens is not None
    made.access_token(rejected=tokens.access_token)
    return made


def test_the_code_is_asked_about_until_it_is_typed(server: TokenServer, tmp_path: Path) -> None:
    """A "not yet" is waited out, and the tokens are for nobody else to read."""
    server.pending = 2
    store = signed_in(server, tmp_path)
    assert server.asked["device_code"] == 3
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    tokens = store.read()
    assert tokens is not None
    assert tokens.refresh_token.startswith("refresh-")


def test_an_access_token_is_renewed_with_time_to_spare(server: TokenServer, tmp_path: Path) -> None:
    """While it is good for long it is given out as it is; a while before its end there is another."""
    now = Now()
    kept = keeper(server, signed_in(server, tmp_path), now)
    first, asked = kept.access_token(), server.asked["refresh_token"]
    now.at += 3600 - SPARE - 1
    assert kept.access_token() == first
    assert server.asked["refresh_token"] == asked
    now.at += 2
    assert kept.access_token() != first
    assert server.asked["refresh_token"] == asked + 1


def test_a_rotated_token_is_on_the_disk_before_it_is_used(server: TokenServer, tmp_path: Path) -> None:
    """Whoever reads the file after a renewal finds the token that the provider now expects."""
    now = Now()
    store = signed_in(server, tmp_path)
    keeper(server, store, now)
    for _ in range(3):
        now.at += 3600
        fresh = TokenKeeper(store, settings(server), secret=lambda: "", name="main", now=now)
        token = fresh.access_token()
        kept = store.read()
        assert kept is not None
        assert kept.access_token == token


def test_a_token_that_could_not_be_saved_is_not_used(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is temporary, and the old file stands."""
    store = signed_in(server, tmp_path)
    before = store.path.read_text()
    made = TokenKeeper(store, settings(server), secret=lambda: "", name="main")
    old = store.read()
    assert old is not None

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TemporaryError, match="could not be saved"):
        made.access_token(rejected=old.access_token)
    assert store.path.read_text() == before


def test_several_at_once_renew_once(server: TokenServer, tmp_path: Path) -> None:
    """Mailbox and outbox, or two processes, that find the token old at the same moment ask for one new one."""
    store = signed_in(server, tmp_path)
    old = store.read()
    assert old is not None
    asked = server.asked["refresh_token"]
    tokens: list[str] = []

    def work() -> None:
        made = TokenKeeper(store, settings(server), secret=lambda: "", name="main")
        tokens.append(made.access_token(rejected=old.access_token))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tokens)) == 1
    assert len(tokens) == 5
    assert server.asked["refresh_token"] == asked + 1


def test_after_a_definite_no_nothing_is_asked_any_more(server: TokenServer, tmp_path: Path) -> None:
    """A revoked sign-in is asked about once; then every process says what to do, until somebody has signed in."""
    store = signed_in(server, tmp_path)
    old = store.read()
    assert old is not None
    server.revoke()
    for _ in range(5):
        made = TokenKeeper(store, settings(server), secret=lambda: "", name="main")
        with pytest.raises(ConfigurationError, match=r"invalid_grant.*responder login main"):
            made.access_token(rejected=old.access_token)
    assert server.asked["refresh_token"] == 1
    signed_in(server, tmp_path)
    assert made.access_token().startswith("access-")


def test_a_provider_that_is_down_costs_nothing_but_time(server: TokenServer, tmp_path: Path) -> None:
    """An outage is temporary: the tokens stay, and the next try goes through."""
    store = signed_in(server, tmp_path)
    old = store.read()
    assert old is not None
    made = TokenKeeper(store, settings(server), secret=lambda: "", name="main")
    server.down = True
    with pytest.raises(TemporaryError, match="trying again later"):
        made.access_token(rejected=old.access_token)
    server.down = False
    assert made.access_token(rejected=old.access_token) != old.access_token


def test_nobody_has_signed_in(server: TokenServer, tmp_path: Path) -> None:
    """Before the first sign-in the mend is named."""
    made = TokenKeeper(TokenStore(tmp_path, "main"), settings(server), secret=lambda: "", name="main")
    with pytest.raises(ConfigurationError, match=r"nobody has signed in yet.*responder login main"):
        made.access_token()


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The mend stands in the error, the token does not."""
    store = TokenStore(tmp_path, "main")
    store.save(Tokens(refresh_token="very-secret"))
    store.path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600") as refused:
        store.read()
    assert "very-secret" not in str(refused.value)


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    """Half a file is no token, and its octets are not repeated."""
    store = TokenStore(tmp_path, "main")
    store.save(Tokens(refresh_token="very-secret"))
    store.path.write_text(json.dumps({"refresh_token": "very-secret"})[:-4])
    with pytest.raises(ConfigurationError, match="is damaged") as refused:
        store.read()
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize("why", ["access_denied", "expired_token"])
def test_the_owner_refuses(server: TokenServer, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in that was refused, or took too long, ends with the provider's word."""
    code = ask_device_code(settings(server), "", "main")
    monkeypatch.setattr(server, "_fresh", lambda: {"error": why})
    with pytest.raises(PermanentError, match=why):
        await_device(settings(server), "", "main", code, sleep=lambda _: None)
