"""``responder`` with a DNS of the test's: the resolver that it asks is one on loopback, whose port is $TEST_DNS."""

from __future__ import annotations

import os

import dns.resolver

from responder import cli


def main() -> None:
    """Run the command line."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = int(os.environ["TEST_DNS"])
    dns.resolver.default_resolver = resolver
    cli.run()


if __name__ == "__main__":
    main()
