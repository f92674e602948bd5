"""``responder init``: find the servers of an address, say what password they want, and log in to both.

Nothing is sent and nothing in the mailbox is changed; a refused login is told in the server's own words and asked
about again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from responder.adapters.auth import read_secret
from responder.adapters.discovery import Net, find_servers
from responder.adapters.oauth_tokens import MISSING, TokenStore
from responder.adapters.providers import provider_of
from responder.commands import edit, login
from responder.commands.asking import read_password, read_server, say_server
from responder.commands.init_draft import MAILBOX, credential_file
from responder.config import SecretRef
from responder.errors import ConfigurationError, ResponderError
from responder.premises import build_outbox, build_past_mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from rich.console import Console

    from responder.adapters.discovery import Found
    from responder.adapters.imap_past import PastMailbox
    from responder.adapters.oauth_tokens import Tokens
    from responder.adapters.providers import Provider
    from responder.commands.asking import Asker
    from responder.commands.init_draft import Draft
    from responder.commands.init_given import Wish

T = TypeVar("T")

_HELP = 'Your provider\'s help pages name them; look for "IMAP" there, or in the settings of your mail program.'
_UNKNOWN_SIGN_IN = (
    'These servers say that they take sign-in by OAuth2 only. If a password is refused, see "Sign-in by OAuth2" in the '
    "README: your provider's addresses for it are written into config.toml by hand."
)
_APPLICATION = "Application (client) ID that you have registered with your provider, see the README"


class Account:
    """The account that is being set up: servers, login, and for OAuth2 the tokens of the first sign-in."""

    def __init__(self, asker: Asker, console: Console, draft: Draft, path: Path, given: Wish) -> None:
        self._asker = asker
        self._console = console
        self._draft = draft
        self._path = path
        self._given = given
        self._provider: Provider | None = None
        self._sign_in_only = False
        self._refusals = 0
        self.tokens: Tokens | None = None

    # ------------------------------------------------------------------------------------ servers

    def find(self) -> None:
        """Find both servers, by the command line, the address or by asking.

        Raises click.UsageError where nobody can be asked.
        """
        draft, given = self._draft, self._given
        address = draft.addresses[0]
        domain = address.rpartition("@")[2].lower()
        draft.username = given.username or address
        if given.imap and given.smtp:
            self._provider = provider_of(domain)
        else:
            self._take(find_servers(address, Net(), self._say), domain)
        if given.imap:
            draft.imap = read_server("imap")(given.imap)
        if given.smtp:
            draft.smtp = read_server("smtp")(given.smtp)
        if not self._asker.on_terminal:
            self._say(f"IMAP {say_server(draft.imap)}, SMTP {say_server(draft.smtp)}")
        if self._provider is not None:
            draft.copy = "" if self._provider.copy == "Sent" else self._provider.copy
            draft.trusted_authserv_id = self._provider.trusted_authserv_id

    def _take(self, found: Found | None, domain: str) -> None:
        draft, given, asker = self._draft, self._given, self._asker
        if found is None:
            self._say(f"The servers of {domain} could not be found. {_HELP}")
            self._need_terminal("the servers could not be found: name them with --imap and --smtp")
            if not given.imap:
                draft.imap = asker.ask("IMAP server", read_server("imap"), default=f"imap.{domain}")
            if not given.smtp:
                draft.smtp = asker.ask("SMTP server", read_server("smtp"), default=f"smtp.{domain}")
            return
        self._provider = found.provider
        draft.imap, draft.smtp = found.imap, found.smtp
        draft.username = given.username or found.username
        self._sign_in_only = found.sign_in == "oauth2"
        self._say(f"Found ({found.source}):")
        kinds = [kind for kind, named in (("imap", given.imap), ("smtp", given.smtp)) if not named]
        shown = ", ".join(f"{kind.upper()} {say_server(getattr(found, kind))}" for kind in kinds)
        if found.elsewhere:
            self._say(f"That is another domain than {domain}: right if it is where your mail is kept.")
            if not given.yes:
                self._need_terminal(
                    f"servers of another domain were found ({shown}); if they are right, name them with --imap and "
                    "--smtp, or add --yes"
                )
        if not asker.confirm(f"Use {'these' if len(kinds) > 1 else 'this'}? {shown}", default=True):
            for kind in kinds:
                server = asker.ask(
                    f"{kind.upper()} server", read_server(kind), default=say_server(getattr(found, kind))
                )
                setattr(draft, kind, server)

    # -------------------------------------------------------------------------------------- login

    def log_in(self) -> None:
        """Get password or sign-in, and log in to both servers until both let us in.

        Raises what the servers said where nobody can be asked.
        """
        provider = self._provider
        if provider is not None:
            page = f"\n  {provider.secret_url}" if provider.secret_url else ""
            self._say(f"{provider.name}: {provider.secret}{page}")
        if provider is not None and provider.sign_in == "oauth2" and provider.oauth and not self._given.password_file:
            self._sign_in(provider.oauth, self._given.oauth_client_id)
        else:
            if self._sign_in_only and provider is None:
                self._say(_UNKNOWN_SIGN_IN)
            self._first_password()
        # Both again after each change: the name and the password are one for both.
        while not (self._let_in("imap", self._try_imap) and self._let_in("smtp", self._try_smtp)):
            pass

    def _first_password(self) -> None:
        """Take the password from the command line, from its place beside the configuration, or ask."""
        draft = self._draft
        if file := self._given.password_file:
            if file == "-" and edit.on_terminal():
                self._ask_password()  # not to be seen while it is typed
            else:
                draft.password = _from_file(file)
            return
        beside = credential_file(self._path)
        if beside.exists():
            ref = SecretRef(kind="credential", value=MAILBOX)
            draft.password = read_secret(ref, config_directory=self._path.parent, environ={})
            self._say(f"The password is taken from {beside}.")
            return
        self._need_terminal("missing: --password-file")
        self._ask_password()

    def _ask_password(self) -> None:
        self._draft.password = self._asker.secret(f"Password of {self._draft.username} (not shown)")

    def _sign_in(self, oauth: Mapping[str, Any], client_id: str) -> None:
        """Sign in by OAuth2 until the provider knows the application and the owner has agreed."""
        asker, draft = self._asker, self._draft
        if find_spec("authlib") is None:
            raise ConfigurationError(f"nothing was written: {MISSING}, and begin again")
        if not client_id:
            self._need_terminal("missing: --oauth-client-id, or --password-file where passwords are allowed")
        while True:
            client_id = client_id or asker.ask(_APPLICATION, _read_line)
            draft.oauth2 = {**oauth, "client_id": client_id}
            try:
                self.tokens = login.sign_in(draft.account(self._path)[1], "", paste=False)
            except ResponderError as error:
                if not asker.on_terminal:
                    raise
                asker.mend(str(error))
                client_id = ""
            else:
                return

    def _let_in(self, kind: str, attempt: Callable[[Path], Coroutine[Any, Any, str]]) -> bool:
        """Try one login; after a refusal ask for what may be wrong. Returns whether it went well."""
        try:
            self._say(self.run(attempt))
        except ResponderError as error:
            if not self._asker.on_terminal:
                raise
            self._asker.mend(str(error))
            if isinstance(error, ConfigurationError):
                self._ask_login(kind)
            else:
                self._ask_server(kind)
            return False
        return True

    def run(self, work: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
        """Return what some work with the account comes to; it is given a state directory for that time.

        The tokens may be rotated by it, also where it fails in the end: what is kept then is what the provider knows.
        """
        with tempfile.TemporaryDirectory(prefix="responder-init-") as folder:
            store = TokenStore(Path(folder), MAILBOX)
            if self.tokens is not None:
                store.save(self.tokens)
            try:
                return asyncio.run(work(Path(folder)))
            finally:
                if self.tokens is not None:
                    self.tokens = store.read() or self.tokens

    def _ask_login(self, kind: str) -> None:
        """Ask who logs in and by what; from the second refusal on, whether it is the right server too."""
        draft, asker = self._draft, self._asker
        self._refusals += 1
        if self._refusals > 1:
            self._ask_server(kind)
        draft.username = asker.ask("User name", _read_line, default=draft.username)
        if draft.oauth2 is None:
            self._ask_password()
        elif asker.confirm("Sign in once more?", default=True):
            self._sign_in(draft.oauth2, str(draft.oauth2["client_id"]))

    def _ask_server(self, kind: str) -> None:
        question = f"{kind.upper()} server (Enter: the same once more)"
        server = self._asker.ask(question, read_server(kind), default=say_server(getattr(self._draft, kind)))
        setattr(self._draft, kind, server)

    async def _try_imap(self, state: Path) -> str:
        mailbox = self.past_mailbox(state)
        try:
            inbox = await mailbox.open()
        finally:
            await mailbox.close()
        count = f"{inbox.exists:,} message{'' if inbox.exists == 1 else 's'} in INBOX"
        return f"IMAP: logged in as {self._draft.username}; {count}."

    async def _try_smtp(self, state: Path) -> str:
        loaded, settings = self._draft.account(self._path)
        outbox = build_outbox(settings, loaded, os.environ, state=state)
        try:
            offers = await outbox.probe()
        finally:
            await outbox.close()
        return f"SMTP: {'logged in' if offers['auth'] else 'reached; it asks for no login'}; nothing was sent."

    def past_mailbox(self, state: Path, **more: Any) -> PastMailbox:
        """Return the mailbox for looking only; nothing is connected yet."""
        loaded, settings = self._draft.account(self._path)
        return build_past_mailbox(settings, loaded, os.environ, state=state, **more)

    def _need_terminal(self, otherwise: str) -> None:
        if not self._asker.on_terminal:
            raise click.UsageError(f"nothing was written: {otherwise}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def _read_line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("something is needed here")
    return text


def _from_file(name: str) -> str:
    """Return the password that stands in a file, or on standard input for "-"."""
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text("utf-8")
        return read_password(text)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.UsageError(f"--password-file {name}: it cannot be read: {why}") from error
    except ValueError as error:
        raise click.UsageError(f"--password-file {name}: {error}") from error
