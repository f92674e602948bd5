"""A provider's sign-in service on loopback: device codes, a browser's way, tokens that rotate, and introspection.

Each refresh token is good once. What it has given out ends after ``lasts`` seconds, and ``revoke`` ends all of it.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import itertools
import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = "responder-test"


class TokenServer:
    """The running service; a context manager.

    Attributes:
        user: whose tokens these are.
        lasts: for how many seconds an access token is good, by the server's word.
        pending: so often the answer to a device code is "not yet".
        down: answers 503 to everything.
        asked: how often each kind of question came.
    """

    def __init__(self, user: str, *, lasts: float = 3600.0) -> None:
        self.user, self.lasts = user, lasts
        self.pending = 0
        self.down = False
        self.asked: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._access: dict[str, float] = {}
        self._refresh: set[str] = set()
        self._challenges: dict[str, str] = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answer an introspection, or send a browser back."""
                outer._get(self)

            def do_POST(self) -> None:
                """Answer a question for a code or a token."""
                outer._post(self)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="tokens")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def table(self, *, device: bool = True) -> dict[str, Any]:
        """Return what stands in ``[mailboxes.main.oauth2]``."""
        way = {"device_url": f"{self.url}/device"} if device else {"authorize_url": f"{self.url}/authorize"}
        return {"client_id": CLIENT, "token_url": f"{self.url}/token", "scopes": ["mail"], **way}

    def dovecot(self, folder: Path, *, mechanism: str = "xoauth2 oauthbearer", sasl_port: int = 0) -> str:
        """Return the lines of dovecot.conf by which it takes these tokens, and lets Postfix ask on ``sasl_port``."""
        (folder / "oauth2.conf").write_text(
            f"introspection_mode = auth\nintrospection_url = {self.url}/introspect\nactive_attribute = active\n"
            "active_value = true\nusername_attribute = username\nusername_format = %u\n"
        )
        return (
            f"auth_mechanisms = plain login {mechanism}\nauth_cache_size = 0\n"
            f"passdb {{\n  driver = oauth2\n  mechanisms = {mechanism}\n  args = {folder}/oauth2.conf\n}}\n"
            + (f"service auth {{\n  inet_listener {{\n    port = {sasl_port}\n  }}\n}}\n" if sasl_port else "")
        )

    def revoke(self) -> None:
        """End all tokens, as an administrator or a changed password does."""
        self._access.clear()
        self._refresh.clear()

    def end_access(self) -> None:
        """End the access tokens before their time; the refresh token stays good."""
        self._access.clear()

    # ------------------------------------------------------------------------------------ answers

    def _get(self, handler: Any) -> None:
        parts = urlsplit(handler.path)
        if parts.path == "/authorize":
            words = {key: values[0] for key, values in parse_qs(parts.query).items()}
            code = f"browser-{next(self._numbers)}"
            self._challenges[code] = words["code_challenge"]
            handler.send_response(302)
            back = urlencode({"code": code, "state": words["state"]})
            handler.send_header("Location", f"{words['redirect_uri']}?{back}")
            handler.end_headers()
            return
        token = handler.headers.get("Authorization", "").partition(" ")[2]
        self.asked["introspect"] += 1
        if self._access.get(token, 0.0) > time.monotonic():
            _answer(handler, {"active": True, "username": self.user})
        else:
            _answer(handler, {"active": False})

    def _post(self, handler: Any) -> None:
        octets = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        words = {key: values[0] for key, values in parse_qs(octets.decode()).items()}
        if self.down:
            _answer(handler, {"error": "server_error"}, 503)
        elif words.get("client_id") != CLIENT:
            _answer(handler, {"error": "invalid_client"}, 401)
        elif urlsplit(handler.path).path == "/device":
            self.asked["device"] += 1
            page = f"{self.url}/type-it"
            _answer(
                handler,
                {"device_code": "device-1", "user_code": "ABCD-EFGH", "verification_uri": page, "interval": 0.01},
            )
        else:
            self._give(handler, words)

    def _give(self, handler: Any, words: dict[str, str]) -> None:
        kind = words.get("grant_type", "").rpartition(":")[2]
        self.asked[kind] += 1
        match kind:
            case "device_code" if self.pending > 0:
                self.pending -= 1
                _answer(handler, {"error": "authorization_pending"}, 400)
            case "device_code":
                _answer(handler, self._fresh())
            case "authorization_code":
                proof = base64.urlsafe_b64encode(hashlib.sha256(words["code_verifier"].encode()).digest())
                good = self._challenges.pop(words["code"], "") == proof.rstrip(b"=").decode()
                _answer(handler, *((self._fresh(),) if good else ({"error": "invalid_grant"}, 400)))
            case "refresh_token" if words.get("refresh_token") in self._refresh:
                self._refresh.remove(words["refresh_token"])
                _answer(handler, self._fresh())
            case _:
                _answer(handler, {"error": "invalid_grant"}, 400)

    def _fresh(self) -> dict[str, Any]:
        number = next(self._numbers)
        self._access[f"access-{number}"] = time.monotonic() + self.lasts
        self._refresh.add(f"refresh-{number}")
        return {
            "access_token": f"access-{number}",
            "refresh_token": f"refresh-{number}",
            "expires_in": int(self.lasts),
            "token_type": "Bearer",
        }


def _answer(handler: Any, words: dict[str, Any], status: int = 200) -> None:
    octets = json.dumps(words).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(octets)))
    handler.end_headers()
    handler.wfile.write(octets)
