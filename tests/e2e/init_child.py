"""``responder`` in a world of the test's: its DNS is on loopback, and a provider is known that nobody else knows.

$TEST_DNS is the port of the name server that is asked. $TEST_PROVIDER, where it is set, is a JSON object: "imap" and
"smtp" ports on localhost with TLS, and the "oauth" table with which one signs in there.
"""

from __future__ import annotations

import json
import os

import dns.resolver

from responder import cli
from responder.adapters.discovery import Found
from responder.adapters.providers import Provider
from responder.commands import init_servers
from responder.config import Server
from tests.servers.dns import resolver_at


def main() -> None:
    """Run the command line."""
    dns.resolver.default_resolver = resolver_at("127.0.0.1", int(os.environ["TEST_DNS"]))
    if told := os.environ.get("TEST_PROVIDER"):
        _know(json.loads(told))
    cli.run()


def _know(told: dict[str, object]) -> None:
    imap, smtp = (Server(host="localhost", port=int(str(told[kind])), security="tls") for kind in ("imap", "smtp"))
    oauth = dict(told["oauth"])  # type: ignore[call-overload]
    provider = Provider(
        name="Test", imap=imap, smtp=smtp, sign_in="oauth2", secret="You sign in once in a browser.", oauth=oauth
    )
    found = Found(imap=imap, smtp=smtp, username="anna", source="known: Test", sign_in="oauth2", provider=provider)
    init_servers.find_servers = lambda *_: found


if __name__ == "__main__":
    main()
