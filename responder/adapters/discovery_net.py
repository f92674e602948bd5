"""What finding the servers asks of the network: names, records, a file over HTTPS, and whether a server is there.

Each question is bounded in time, and no trouble of the network is raised: no answer is an answer.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal

from responder.adapters import autoconfig
from responder.adapters.patient import Deadline, read_line, send

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from dns.resolver import Resolver

    from responder.config import Server

DNS_SECONDS = 4.0
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 6.0  # for one server: its name, the connection, TLS and the greeting
_MOST_ADDRESSES = 4
_MOST_LINES = 50  # of an answer to EHLO


@dataclass(frozen=True, slots=True, order=True)
class Srv:
    """A service's record; in this order the first is to be asked first. ``host`` is "" for "not offered"."""

    priority: int
    less_weight: int
    host: str
    port: int


class Net:
    """The network.

    Args:
        resolver: dnspython's, None for the system's (``dns.resolver.get_default_resolver()``).
        tls: whose certificates are believed, None for the system's authorities.
        place: where a connection to a host and port really goes, for tests; None for where the DNS says.
    """

    def __init__(
        self,
        resolver: Resolver | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        place: Callable[[str, int], tuple[str, int]] | None = None,
    ) -> None:
        self._resolver = resolver
        self._tls = tls
        self._place = place

    @property
    def tls(self) -> ssl.SSLContext:
        """The demands on TLS: a known authority, the right name, at least version 1.2."""
        if self._tls is None:
            import ssl  # noqa: PLC0415 - for who asks

            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    # -------------------------------------------------------------------------------------------- names

    def _records(self, name: str, kind: str, seconds: float = DNS_SECONDS) -> list[Any] | None:
        """Return the records, none if there are none, None if nobody answered."""
        from dns.exception import DNSException  # noqa: PLC0415 - slow to load
        from dns.resolver import NXDOMAIN, NoAnswer, get_default_resolver  # noqa: PLC0415 - the same

        try:
            resolver = self._resolver or get_default_resolver()
            return list(resolver.resolve(f"{name}.", kind, lifetime=min(seconds, DNS_SECONDS)))
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError, ValueError):  # also: no resolv.conf, a name that is too long, a broken answer
            return None

    def services(self, domain: str, names: tuple[str, ...]) -> tuple[list[list[Srv] | None], list[str] | None]:
        """Return the records of each of these services of a domain, in order, and its mail exchangers, preferred first.

        None stands where nobody answered. Asks all at once. Source: RFC 2782, RFC 6186, RFC 5321 section 5.1.
        """
        with ThreadPoolExecutor(len(names) + 1) as pool:
            mx = pool.submit(self._records, domain, "MX")
            found = list(pool.map(self._records, [f"{name}.{domain}" for name in names], ["SRV"] * len(names)))
        services = [
            None
            if each is None
            else sorted(Srv(one.priority, -one.weight, _host(one.target), one.port) for one in each)
            for each in found
        ]
        hosts = mx.result()
        if hosts is None:
            return services, None
        return services, [_host(one.exchange) for one in sorted(hosts, key=lambda one: int(one.preference))]

    def _addresses(self, host: str, deadline: Deadline) -> Iterator[str]:
        """Yield the host's addresses; those of IPv6 are asked for only when those of IPv4 have come to nothing."""
        try:
            yield str(ip_address(host))
        except ValueError:
            for kind in ("A", "AAAA"):
                records = self._records(host, kind, deadline.left()) or ()
                yield from [str(one.address) for one in records][:_MOST_ADDRESSES]

    # -------------------------------------------------------------------------------------- connections

    def dial(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """Connect; OSError where nobody is there in time."""
        if self._place is not None:
            return socket.create_connection(self._place(host, port), min(CONNECT_SECONDS, deadline.left()))
        why: OSError = ConnectionError(f"{host} has no address")
        for address in self._addresses(host, deadline):
            try:
                return socket.create_connection((address, port), min(CONNECT_SECONDS, deadline.left()))
            except OSError as error:
                why = error
        raise why

    def fetch(self, url: str) -> tuple[bytes, str] | None:
        """Fetch a small file over HTTPS; return it and where it was found in the end."""
        return autoconfig.fetch(url, self.dial, self.tls)

    def answers(self, server: Server, protocol: Literal["imap", "smtp"]) -> bool:
        """Tell whether such a server is there, with a certificate that is good for its name. Nothing is told to it."""
        deadline = Deadline(ANSWER_SECONDS)
        greeting = b"* OK" if protocol == "imap" else b"220"
        try:
            with self.dial(server.host, server.port, deadline) as plain:
                if server.security == "starttls" and not _starts_tls(plain, deadline):
                    return False
                plain.settimeout(deadline.left())
                with self.tls.wrap_socket(plain, server_hostname=server.host) as sock:
                    return server.security == "starttls" or read_line(sock, deadline).upper().startswith(greeting)
        except (OSError, ValueError):
            return False


def _host(name: Any) -> str:
    """Return a name of the DNS as text; "" for the root, which stands for none."""
    return str(name.to_text(omit_final_dot=True)) if len(name.labels) > 1 else ""


def _starts_tls(sock: socket.socket, deadline: Deadline) -> bool:
    """Bring an SMTP server to where TLS begins."""
    if not _reply(sock, deadline, "220"):
        return False
    send(sock, b"EHLO localhost\r\n", deadline)
    if not any(line[4:].strip().upper() == "STARTTLS" for line in _reply(sock, deadline, "250")):
        return False
    send(sock, b"STARTTLS\r\n", deadline)
    return bool(_reply(sock, deadline, "220"))


def _reply(sock: socket.socket, deadline: Deadline, code: str) -> list[str]:
    """Return the lines of a reply, none if it is another than that."""
    lines: list[str] = []
    while len(lines) < _MOST_LINES:
        line = read_line(sock, deadline).decode("ascii", "replace")
        if not line.startswith(code):
            return []
        lines.append(line)
        if line[3:4] != "-":
            return lines
    return []
