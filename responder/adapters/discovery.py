"""Finding the IMAP and SMTP servers for a mail address, for ``responder init``.

The order, by how much each can be believed: the big providers by the address's domain (nobody is asked), the domain's
own records (RFC 6186, RFC 8314), the file it publishes over HTTPS, Mozilla's database, the provider that its mail
exchangers show, and at last the usual names, which count only if a server answers there with a certificate for that
very name. The whole takes about twenty seconds where nobody answers anything, and raises nothing.

Who learns what: the DNS and the domain's own hosts that somebody asks; Mozilla the domain; nobody the address.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from responder.adapters.autoconfig import MOZILLA, checked_server, own_urls, read_config
from responder.adapters.discovery_net import Net
from responder.adapters.providers import Provider, SignIn, provider_by_mx, provider_by_server, provider_of
from responder.core.address import normal_address, wire_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from responder.adapters.discovery_net import Srv
    from responder.config import Server

__all__ = ["Found", "Net", "find_servers"]

Protocol = Literal["imap", "smtp"]

#: The services by their names in the DNS, the better protected first.
_SERVICES: tuple[tuple[str, Protocol, Literal["tls", "starttls"]], ...] = (
    ("_imaps._tcp", "imap", "tls"),
    ("_imap._tcp", "imap", "starttls"),
    ("_submissions._tcp", "smtp", "tls"),
    ("_submission._tcp", "smtp", "starttls"),
)
#: The usual names and ports, the likelier first.
_USUAL: tuple[tuple[Protocol, str, int, Literal["tls", "starttls"]], ...] = (
    ("imap", "imap", 993, "tls"),
    ("imap", "mail", 993, "tls"),
    ("smtp", "smtp", 465, "tls"),
    ("smtp", "mail", 465, "tls"),
    ("smtp", "smtp", 587, "starttls"),
    ("smtp", "mail", 587, "starttls"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The servers for an address.

    Attributes:
        imap: where mail is read.
        smtp: where mail is handed in.
        username: the login's name.
        source: who said so, in plain words.
        sign_in: how one logs in, as far as it is known; "password" otherwise.
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


@dataclass(frozen=True, slots=True)
class _Told:
    """What the records of a domain say: a server for each protocol that has one, and which are said not to exist."""

    servers: dict[Protocol, Server]
    none: frozenset[Protocol]


def find_servers(address: str, net: Net, say: Callable[[str], None]) -> Found | None:
    """Find the servers of that address; None where nothing is found or it is no address.

    Args:
        address: as its owner writes it.
        net: the network.
        say: is given a line before each step that may take seconds.
    """
    domain = normal_address(address).rpartition("@")[2]
    if not domain:
        return None
    username = wire_address(address.strip())
    if (provider := provider_of(domain)) is not None:
        return _of_provider(provider, username, f"known: {provider.name}")
    say(f"Asking the DNS of {domain} …")
    services, exchangers = net.services(domain, tuple(name for name, _, _ in _SERVICES))
    if exchangers is None and not any(each is not None for each in services):
        return None  # no DNS, no network: nothing else could be asked either
    told = _told(services)
    if len(told.servers) == len(("imap", "smtp")):
        source = f"the DNS of {domain} (SRV)"
        return _known(_of_records(told, told.servers, username, domain, source))
    if (found := _published(address, domain, net, say)) is not None:
        return _known(found)
    if (provider := provider_by_mx(exchangers or ())) is not None:
        source = f"the mail of {domain} is kept by {provider.name}"
        return replace(_of_provider(provider, username, source), elsewhere=provider.sign_in != "bridge")
    return _guessed(told, username, domain, net, say)


def _of_provider(provider: Provider, username: str, source: str) -> Found:
    return Found(
        imap=provider.imap,
        smtp=provider.smtp,
        username=username if provider.username == "address" else username.rpartition("@")[0],
        source=source,
        sign_in=provider.sign_in,
        provider=provider,
    )


def _known(found: Found) -> Found:
    """Add what is known of the provider whose servers these turned out to be."""
    provider = provider_by_server(found.imap.host)
    return found if provider is None else replace(found, provider=provider, sign_in=provider.sign_in)


# ----------------------------------------------------------------------------------- the steps of it


def _told(services: list[list[Srv] | None]) -> _Told:
    servers: dict[Protocol, Server] = {}
    absent: dict[Protocol, list[bool]] = {"imap": [], "smtp": []}
    for (_, protocol, security), records in zip(_SERVICES, services, strict=True):
        usable = (checked_server(one.host, one.port, security) for one in records or () if one.host)
        server = next((each for each in usable if each is not None), None)
        if server is not None:
            servers.setdefault(protocol, server)
        absent[protocol].append(bool(records) and not any(one.host for one in records or ()))
    none: frozenset[Protocol] = frozenset(each for each, said in absent.items() if each not in servers and all(said))
    return _Told(servers, none)


def _of_records(told: _Told, servers: dict[Protocol, Server], username: str, domain: str, source: str) -> Found:
    strange = any(not _within(server.host, domain) for server in told.servers.values())
    return Found(imap=servers["imap"], smtp=servers["smtp"], username=username, source=source, elsewhere=strange)


def _within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _published(address: str, domain: str, net: Net, say: Callable[[str], None]) -> Found | None:
    """Return what the domain publishes for mail programs, or what Mozilla's database knows of it."""
    own = own_urls(domain)
    say(f"Asking {domain} for its settings for mail programs …")
    with ThreadPoolExecutor(len(own)) as pool:
        files = list(pool.map(net.fetch, own))
    for each in files:
        if (found := _read(each, address)) is not None:
            return found
    say(f"Asking Mozilla's database of mail providers about {domain} …")
    return _read(net.fetch(MOZILLA + domain), address)


def _read(file: tuple[bytes, str] | None, address: str) -> Found | None:
    settings = read_config(file[0], address) if file is not None else None
    if file is None or settings is None:
        return None
    return Found(
        imap=settings.imap,
        smtp=settings.smtp,
        username=settings.username,
        source=file[1],
        sign_in=settings.sign_in,
    )


def _guessed(told: _Told, username: str, domain: str, net: Net, say: Callable[[str], None]) -> Found | None:
    """Try the usual names for what the records do not name; a protocol that they say is not offered is not tried."""
    if told.none:
        return None
    tries: list[tuple[Protocol, Server]] = [
        (protocol, server)
        for protocol, name, port, security in _USUAL
        if protocol not in told.servers and (server := checked_server(f"{name}.{domain}", port, security)) is not None
    ]
    say(f"Trying the usual names of servers at {domain} …")
    with ThreadPoolExecutor(max(len(tries), 1)) as pool:
        there = list(pool.map(net.answers, [server for _, server in tries], [protocol for protocol, _ in tries]))
    servers: dict[Protocol, Server] = dict(told.servers)
    for (protocol, server), answered in zip(tries, there, strict=True):
        if answered:
            servers.setdefault(protocol, server)
    if len(servers) < len(("imap", "smtp")):
        return None
    usual = f"the usual names at {domain}, where servers answered"
    source = f"the DNS of {domain} (SRV) and {usual}" if told.servers else usual
    return _known(_of_records(told, servers, username, domain, source))
