"""Finding the IMAP and SMTP servers for a mail address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.adapters.providers import Provider, SignIn, provider_of
from responder.core.address import normal_address, wire_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from responder.config import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The servers for an address.

    Attributes:
        imap: where mail is read.
        smtp: where mail is handed in.
        username: the login's name.
        sign_in: how one logs in, as far as it is known; "password" otherwise.
        source: who said so, in plain words.
        provider: whose servers these are, None where it is none of the known ones.
        elsewhere: they belong to another domain than the address's, and only the DNS says so, without proof: the owner
            must confirm (RFC 6186 section 6).
    """

    imap: Server
    smtp: Server
    username: str
    source: str
    sign_in: SignIn = "password"
    provider: Provider | None = None
    elsewhere: bool = False


class Net:
    """What is asked of the network."""

    def __init__(self, resolver: Any | None = None) -> None:
        self._resolver = resolver


def find_servers(address: str, net: Net, say: Callable[[str], None]) -> Found | None:  # noqa: ARG001
    """Find the servers of that address; None where nothing is found or it is no address. Raises nothing."""
    normal = normal_address(address)
    if not normal:
        return None
    provider = provider_of(normal.rpartition("@")[2])
    return None if provider is None else of_provider(provider, address, f"known: {provider.name}")


def of_provider(provider: Provider, address: str, source: str, *, elsewhere: bool = False) -> Found:
    """Return that provider's servers for the address."""
    username = wire_address(address.strip())
    return Found(
        imap=provider.imap,
        smtp=provider.smtp,
        username=username if provider.username == "address" else username.rpartition("@")[0],
        source=source,
        sign_in=provider.sign_in,
        provider=provider,
        elsewhere=elsewhere,
    )
