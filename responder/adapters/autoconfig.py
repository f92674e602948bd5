"""Settings for mail programs as domains publish them: Mozilla's autoconfig, its files and their fetching.

Only over HTTPS with a checked certificate, redirects included. The address is never sent: the draft's
``?emailaddress=`` would tell it to whoever runs the host, and the answer's placeholders make it needless. What comes is
a stranger's: it is bounded in size and time, may hold no document type (so no entities), and a server in it must pass
what the configuration asks of one. Source: draft-ietf-mailmaint-autoconfig.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin, urlsplit

from responder.adapters.patient import Deadline, PatientReader, send
from responder.config import Server
from responder.core.address import normal_address, normal_domain, wire_address

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from pydantic import TypeAdapter

FETCH_SECONDS = 5.0  # for one address, with its redirects
MOST_OCTETS = 64 * 1024  # a real one has two or three thousand
MOST_REDIRECTS = 3
MOZILLA = "https://autoconfig.thunderbird.net/v1.1/"

_HTTPS = 443
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LAST_PORT = 65_535
_LONGEST_USERNAME = 254
_SOCKETS: tuple[tuple[str, Literal["tls", "starttls"]], ...] = (("SSL", "tls"), ("STARTTLS", "starttls"))
_PASSWORD = frozenset({"password-cleartext", "plain", "password-encrypted", "secure"})  # two of them are old names


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file says for an address."""

    imap: Server
    smtp: Server
    username: str
    sign_in: Literal["password", "oauth2"]


@dataclass(frozen=True, slots=True)
class _Choice:
    """One usable server of a file."""

    server: Server
    username: str
    sign_in: Literal["password", "oauth2"]


def own_urls(domain: str) -> tuple[str, str]:
    """Return where a domain publishes its file, the better place first."""
    return (
        f"https://autoconfig.{domain}/mail/config-v1.1.xml",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    )


def checked_server(host: str, port: int, security: Literal["tls", "starttls"]) -> Server | None:
    """Return the server if the configuration would take it, None otherwise: every answer of the network passes here."""
    from pydantic import ValidationError  # noqa: PLC0415 - slow to load

    try:
        name = _reader().validate_python(host).lower().rstrip(".")
    except ValidationError:
        return None
    if not name or not (normal_domain(name) == name or _is_address(name)) or not 1 <= port <= _LAST_PORT:
        return None
    return Server(host=name, port=port, security=security)


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[str]:
    """Return the configuration's own reader of a server's name."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to load

    from responder.config.values import Host  # noqa: PLC0415 - brings pydantic along

    return TypeAdapter(Host)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------------------------------------ reading


def read_config(xml: bytes, address: str) -> Settings | None:
    """Read a file for that address; None where it is faulty, hostile, or names no protected pair of IMAP and SMTP.

    TLS from the start is preferred to STARTTLS, unprotected servers are passed over. The login's name is one for both
    servers, as it is in the configuration: where the file has two, the whole address is taken if it is one of them.
    """
    if len(xml) > MOST_OCTETS or not normal_address(address):
        return None
    root = _parsed(xml)
    provider = root.find("emailProvider") if root is not None and root.tag == "clientConfig" else None
    if provider is None:
        return None
    whole = wire_address(address.strip())
    local, _, domain = whole.rpartition("@")
    marks = {"%EMAILADDRESS%": whole, "%EMAILLOCALPART%": local, "%EMAILDOMAIN%": domain}
    imap = _choices(provider, "incomingServer", "imap", marks)
    smtp = _choices(provider, "outgoingServer", "smtp", marks)
    if not imap or not smtp:
        return None
    one, two = imap[0], smtp[0]
    username = whole if whole in {one.username, two.username} else one.username
    return Settings(
        imap=one.server,
        smtp=two.server,
        username=username,
        sign_in="oauth2" if "oauth2" in {one.sign_in, two.sign_in} else "password",
    )


def _parsed(xml: bytes) -> Element | None:
    from xml.etree.ElementTree import TreeBuilder  # noqa: PLC0415 - for who asks
    from xml.parsers import expat  # noqa: PLC0415 - the same

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(xml, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError):  # unknown encodings are LookupErrors
        return None


def _choices(provider: Element, tag: str, kind: str, marks: dict[str, str]) -> list[_Choice]:
    """Return the usable servers of that kind, the better protected and otherwise the earlier first."""
    servers = [each for each in provider.findall(tag) if each.get("type") == kind]
    return [
        choice
        for word, security in _SOCKETS
        for each in servers
        if _text(each, "socketType") == word and (choice := _choice(each, security, marks)) is not None
    ]


def _choice(element: Element, security: Literal["tls", "starttls"], marks: dict[str, str]) -> _Choice | None:
    port = _text(element, "port")
    server = checked_server(
        _filled(_text(element, "hostname"), marks),
        int(port) if port.isascii() and port.isdigit() and len(port) <= len(str(_LAST_PORT)) else 0,
        security,
    )
    username = _filled(_text(element, "username") or "%EMAILADDRESS%", marks)
    ways = [(way.text or "").strip() for way in element.findall("authentication")]
    sign_in = _sign_in(ways)
    if server is None or sign_in is None or not username.isprintable() or len(username) > _LONGEST_USERNAME:
        return None
    return _Choice(server, username, sign_in)


def _sign_in(ways: list[str]) -> Literal["password", "oauth2"] | None:
    if not ways or _PASSWORD.intersection(ways):
        return "password"
    return "oauth2" if "OAuth2" in ways else None


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip(" \t\r\n")


def _filled(text: str, marks: dict[str, str]) -> str:
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text


# ----------------------------------------------------------------------------------------- fetching


def fetch(
    url: str, dial: Callable[[str, int, Deadline], socket.socket], tls: ssl.SSLContext
) -> tuple[bytes, str] | None:
    """Fetch a small file; return it and where it was found in the end, None where there is none.

    No cookies, no proxy, no password; ``dial`` opens the connection. Raises nothing for what a network or a stranger's
    server can do.
    """
    from http.client import HTTPException  # noqa: PLC0415 - for who asks

    try:
        deadline = Deadline(FETCH_SECONDS)
        for _ in range(1 + MOST_REDIRECTS):
            body, onward = _get(url, dial, tls, deadline)
            if body is not None:
                return body, url
            if not onward:
                return None
            url = urljoin(url, onward)
    except (OSError, HTTPException, ValueError):  # ValueError: a Location that is no URL, an impossible host name
        pass
    return None


def _get(
    url: str, dial: Callable[[str, int, Deadline], socket.socket], tls: ssl.SSLContext, deadline: Deadline
) -> tuple[bytes | None, str]:
    """Return the body, or None and where it is said to be."""
    from http.client import HTTPResponse  # noqa: PLC0415 - for who asks

    parts = urlsplit(url)
    host = normal_domain(parts.hostname or "")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme != "https" or not host or parts.port not in {None, _HTTPS} or "@" in parts.netloc:
        return None, ""
    if not url.isprintable() or not path.isascii() or " " in path:  # the whole of it is shown in the end
        return None, ""
    with dial(host, _HTTPS, deadline) as plain:
        plain.settimeout(deadline.left())
        with tls.wrap_socket(plain, server_hostname=host) as sock:
            lines = (f"GET {path} HTTP/1.1", f"Host: {host}", "User-Agent: responder", "Accept: text/xml, */*")
            send(sock, "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii"), deadline)
            with HTTPResponse(_ForResponse(sock, deadline), method="GET") as response:  # type: ignore[arg-type]
                response.begin()
                if response.status in _REDIRECTS:
                    return None, response.getheader("Location") or ""
                body = response.read(MOST_OCTETS + 1)
                whole = len(body) <= MOST_OCTETS and not response.length
                return (body if response.status == _OK and whole else None), ""


class _ForResponse:
    """All that HTTPResponse wants of a socket."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, _: str) -> io.BufferedReader:
        """Return what reads octets and keeps to the deadline."""
        return io.BufferedReader(PatientReader(self._sock, self._deadline))
