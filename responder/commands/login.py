"""``responder login``: the owner signs in by OAuth2, once; the daemon only refreshes what comes of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from responder.adapters.oauth_signin import (
    Loopback,
    ask_device_code,
    await_device,
    begin_browser,
    finish_browser,
)
from responder.adapters.oauth_tokens import TokenStore
from responder.commands import place
from responder.errors import ConfigurationError, PermanentError
from responder.premises import client_secret

if TYPE_CHECKING:
    from pathlib import Path

    from responder.adapters.oauth_tokens import Tokens
    from responder.config import MailboxSettings, OAuthSettings


def login(config_path: Path | None, state_path: Path | None, name: str | None, *, paste: bool) -> int:
    """Sign one mailbox in; returns 0."""
    here = place.with_passwords(place.find_place(config_path, state_path))
    settings = _chosen(here.loaded.settings.mailboxes, name)
    oauth2 = settings.oauth2
    if oauth2 is None:
        raise ConfigurationError(
            f'mailbox {settings.name} logs in with a password; for OAuth2 give it auth = "oauth2" and a table '
            f"[mailboxes.{settings.name}.oauth2]"
        )
    secret = client_secret(settings, here.loaded, os.environ)
    place.make_state(here.state)
    place.take_on_identity(here.state)
    tokens = sign_in(settings, secret, paste=paste)
    store = TokenStore(here.state, settings.name)
    with store.locked():
        store.save(tokens)
    click.echo(f"{settings.name}: signed in. The service renews the sign-in by itself; a running one takes it up now.")
    return 0


def sign_in(settings: MailboxSettings, secret: str, *, paste: bool) -> Tokens:
    """Let the owner sign in at the mailbox's provider, in the way that it has; return the first tokens.

    Raises what ``oauth_signin`` raises.
    """
    oauth2 = settings.oauth2
    assert oauth2 is not None  # noqa: S101 - whoever asks has looked
    return _by_device(oauth2, secret, settings) if oauth2.device_url else _by_browser(oauth2, secret, settings, paste)


def _chosen(mailboxes: tuple[MailboxSettings, ...], name: str | None) -> MailboxSettings:
    if name is None:
        signed = [one for one in mailboxes if one.oauth2 is not None] or list(mailboxes)
        if len(signed) > 1:
            names = ", ".join(one.name for one in signed)
            raise click.UsageError(f"several mailboxes sign in so: name one of {names}")
        return signed[0]
    for one in mailboxes:
        if one.name == name:
            return one
    raise click.UsageError(f'no mailbox is called "{name}"; there are: {", ".join(one.name for one in mailboxes)}')


def _by_device(oauth2: OAuthSettings, secret: str, settings: MailboxSettings) -> Tokens:
    code = ask_device_code(oauth2, secret, settings.name)
    click.echo(f"On any device, open {code.url}\nand type this code: {code.user_code}")
    click.echo(f"Sign in there as {settings.username}. Waiting …")
    return await_device(oauth2, secret, settings.name, code)


def _by_browser(oauth2: OAuthSettings, secret: str, settings: MailboxSettings, paste: bool) -> Tokens:  # noqa: FBT001 - private
    with Loopback() as loopback:
        attempt = begin_browser(oauth2, loopback.redirect)
        click.echo(f"Open this address in a browser and sign in as {settings.username}:\n\n{attempt.url}\n")
        if not paste:
            click.echo("Waiting for the browser on this machine to come back. (On another machine: --paste.)")
            came_back = loopback.wait()
        else:
            click.echo("The browser will end at an address beginning with http://127.0.0.1 that it cannot show.")
            came_back = click.prompt("Paste that whole address here", type=str)
    if not came_back:
        raise PermanentError(f"mailbox {settings.name}: not signed in: the browser did not come back in time")
    return finish_browser(oauth2, secret, settings.name, attempt, came_back)
