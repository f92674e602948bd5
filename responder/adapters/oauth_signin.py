"""Signing in by OAuth2, once, by the owner: a code that is typed elsewhere, or a browser that comes back here.

Promises ``responder login`` the first tokens of a mailbox; the daemon only ever refreshes them.

Source: RFC 8628 (device code); RFC 8252 (loopback address), RFC 7636 (PKCE), RFC 6749.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from responder.adapters.oauth_tokens import ANSWER_SECONDS, ask, from_answer
from responder.errors import ConfigurationError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from responder.adapters.oauth_tokens import Tokens
    from responder.config.settings import OAuthSettings

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
#: RFC 8628 section 3.2 and 3.5: the pause where none is named, and what "slow_down" adds to it.
PAUSE, SLOWER = 5.0, 5.0
#: A person has so long to sign in.
PATIENCE_SECONDS = 900.0

_DONE = (
    b"<!doctype html><meta charset=utf-8><title>responder</title><p style='font:18px sans-serif;margin:4em'>"
    b"You are signed in. You can close this page and go back to the terminal."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """What the owner is shown: a code to type at an address, and how often to ask meanwhile."""

    code: str
    user_code: str
    url: str
    pause: float
    lasts: float


def ask_device_code(settings: OAuthSettings, secret: str, name: str) -> DeviceCode:
    """Ask the provider for a code.

    Raises:
        ConfigurationError: the provider does not know the application, or has no such way to sign in.
        TemporaryError: it cannot be asked now.
    """

    def question(session: Any) -> Mapping[str, Any]:
        answer = session.request(
            "POST",
            settings.device_url,
            data={"client_id": settings.client_id, "scope": " ".join(settings.scopes)},
            withhold_token=True,
            timeout=ANSWER_SECONDS,
        )
        given: Mapping[str, Any] = answer.json()
        return given

    given = ask(question, settings, secret, refused=_refused(name), name=name)
    if "error" in given:
        raise ConfigurationError(
            f"mailbox {name}: the provider gives no code ({given['error']}): compare client_id and tenant with what "
            "you have registered there, and allow public client flows for it"
        )
    return DeviceCode(
        code=str(given.get("device_code", "")),
        user_code=str(given.get("user_code", "")),
        url=str(given.get("verification_uri") or given.get("verification_url") or ""),
        pause=float(given.get("interval") or PAUSE),
        lasts=float(given.get("expires_in") or PATIENCE_SECONDS),
    )


def await_device(
    settings: OAuthSettings,
    secret: str,
    name: str,
    code: DeviceCode,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Tokens:
    """Ask until the owner has typed the code; return the tokens.

    Raises:
        PermanentError: the owner has refused, or took too long.
        ConfigurationError: the provider does not know the application.
    """
    ends, pause = now() + code.lasts, code.pause
    while now() < ends:
        sleep(pause)
        said: dict[str, str] = {}

        def question(session: Any, said: dict[str, str] = said) -> Mapping[str, Any]:
            answer = session.request(
                "POST",
                settings.token_url,
                data={
                    "grant_type": DEVICE,
                    "device_code": code.code,
                    "client_id": settings.client_id,
                    **({"client_secret": secret} if secret else {}),
                },
                withhold_token=True,
                timeout=ANSWER_SECONDS,
            )
            given: Mapping[str, Any] = answer.json()
            said["error"] = str(given.get("error") or "")
            return given

        try:
            given = ask(question, settings, secret, refused=_refused(name), name=name)
        except TemporaryError:  # RFC 8628 section 3.5: wait longer after a connection that failed
            pause *= 2
            continue
        match said["error"]:
            case "":
                return from_answer(given, now())
            case "authorization_pending":
                pass
            case "slow_down":
                pause += SLOWER
            case why:
                raise PermanentError(f"mailbox {name}: not signed in: the provider says {why}")
    raise PermanentError(f"mailbox {name}: not signed in: the code was not typed in time; begin again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sign-in by browser: where to go, and what must come back."""

    url: str
    state: str
    verifier: str
    redirect: str


def begin_browser(settings: OAuthSettings, redirect: str) -> Attempt:
    """Return the address that the owner opens in a browser."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    words = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": redirect,
        "scope": " ".join(settings.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "access_type": "offline",  # Google gives a refresh token only when asked so; others pass it over
        "prompt": "consent",
    }
    joint = "&" if urlsplit(settings.authorize_url).query else "?"
    url = f"{settings.authorize_url}{joint}{urlencode(words)}"
    return Attempt(url=url, state=state, verifier=verifier, redirect=redirect)


def finish_browser(settings: OAuthSettings, secret: str, name: str, attempt: Attempt, came_back: str) -> Tokens:
    """Take the address that the browser came back to, and return the tokens.

    Raises:
        PermanentError: it is no answer to this attempt, or the owner has refused.
    """
    answer = parse_qs(urlsplit(came_back.strip()).query)
    if answer.get("state", [""])[0] != attempt.state:
        raise PermanentError(
            "that address is no answer to this sign-in: copy the whole of it from the browser's address bar, "
            f"beginning with {attempt.redirect}"
        )
    if "code" not in answer:
        raise PermanentError(f"not signed in: the provider says {answer.get('error', ['nothing'])[0]}")

    def question(session: Any) -> Mapping[str, Any]:
        given: Mapping[str, Any] = session.fetch_token(
            settings.token_url,
            grant_type="authorization_code",
            code=answer["code"][0],
            redirect_uri=attempt.redirect,
            code_verifier=attempt.verifier,
        )
        return given

    tokens = from_answer(ask(question, settings, secret, refused=_refused(name), name=name), time.time())
    if not tokens.refresh_token:
        raise PermanentError(
            f"mailbox {name}: the provider gave no token that lasts: take the application out of your account's "
            "list of connected ones, and sign in again"
        )
    return tokens


class Loopback:
    """Waits on 127.0.0.1 for the browser to come back. A context manager."""

    def __init__(self) -> None:
        self.came_back = ""
        self._arrived = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Takes the one address that matters."""

            def do_GET(self) -> None:
                """Answer the browser."""
                if "state=" in self.path:
                    outer.came_back = f"{outer.redirect}{self.path.removeprefix('/')}"
                    outer._arrived.set()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(_DONE)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing: the address holds the code."""
                del format, args

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.redirect = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> str:
        """Return the address the browser came back to; "" if it did not."""
        self._arrived.wait(seconds)
        return self.came_back


def _refused(name: str) -> Callable[[str], Exception]:
    return lambda why: ConfigurationError(
        f"mailbox {name}: the provider refuses this application or this sign-in ({why}): compare client_id, tenant and "
        "client_secret with what you have registered there"
    )
