"""Settings files for mail programs: reading good, faulty and hostile ones, and fetching them over HTTPS only."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from responder.adapters import autoconfig
from responder.adapters.autoconfig import MOST_OCTETS, Settings, checked_server, own_urls, read_config
from responder.adapters.discovery_net import Net
from responder.config import Server
from tests.servers.https import Https

if TYPE_CHECKING:
    import http.server
    from collections.abc import Iterator

    from tests.servers.https import Page

ANNA = "Anna.Svetlova@Example.test"
HOSTS = ("autoconfig.example.test", "example.test", "elsewhere.test")
FIRST, SECOND = own_urls("example.test")


def server(
    kind: str,
    *,
    host: str = "",
    port: str = "",
    socket: str = "SSL",
    ways: tuple[str, ...] = ("password-cleartext",),
    username: str = "%EMAILADDRESS%",
) -> str:
    """Return a server's element."""
    tag = "outgoingServer" if kind == "smtp" else "incomingServer"
    port = port or {("imap", "SSL"): "993", ("smtp", "SSL"): "465"}.get((kind, socket), "587")
    logins = "".join(f"<authentication>{way}</authentication>" for way in ways)
    return (
        f'<{tag} type="{kind}"><hostname>{host or f"{kind}.example.test"}</hostname><port>{port}</port>'
        f"<socketType>{socket}</socketType>{logins}<username>{username}</username></{tag}>"
    )


def file(*servers: str, head: str = "", root: str = "clientConfig") -> bytes:
    """Return a settings file."""
    inner = "".join(servers or (server("imap"), server("smtp")))
    provider = f'<emailProvider id="example.test"><domain>example.test</domain>{inner}</emailProvider>'
    return f'{head}<{root} version="1.1">{provider}</{root}>'.encode()


# ------------------------------------------------------------------------------------------ reading


def test_a_usual_file_is_read() -> None:
    """Servers, ports, protection, and the login's name with the address as its owner writes it."""
    text = file(server("pop3"), server("imap"), server("smtp"), head='<?xml version="1.0" encoding="UTF-8"?>\n')
    assert read_config(text, ANNA) == Settings(
        imap=Server(host="imap.example.test", port=993, security="tls"),
        smtp=Server(host="smtp.example.test", port=465, security="tls"),
        username="Anna.Svetlova@example.test",
        sign_in="password",
    )


def test_placeholders_are_replaced() -> None:
    """The local part, the domain and the whole address stand for their marks, in names of servers too."""
    text = file(
        server("imap", host="\n  imap.%EMAILDOMAIN%\n ", username="%EMAILLOCALPART%"),
        server("smtp", username="%EMAILLOCALPART%"),
    )
    found = read_config(text, ANNA)
    assert found is not None
    assert (found.imap.host, found.username) == ("imap.example.test", "Anna.Svetlova")


def test_of_two_names_for_the_login_the_address_is_taken() -> None:
    """Where IMAP wants the local part and SMTP the address, the one name is the address."""
    found = read_config(file(server("imap", username="%EMAILLOCALPART%"), server("smtp")), ANNA)
    assert found is not None
    assert found.username == "Anna.Svetlova@example.test"


def test_tls_is_preferred_and_plain_never_taken() -> None:
    """TLS from the start is taken before STARTTLS, whatever the file's order; unprotected servers do not count."""
    found = read_config(
        file(
            server("imap", socket="plain", port="143", host="plain.example.test"),
            server("imap", socket="STARTTLS", port="143", host="later.example.test"),
            server("imap"),
            server("smtp", socket="plain", port="25", host="plain.example.test"),
            server("smtp", socket="STARTTLS"),
        ),
        ANNA,
    )
    assert found is not None
    assert found.imap == Server(host="imap.example.test", port=993, security="tls")
    assert found.smtp == Server(host="smtp.example.test", port=587, security="starttls")


@pytest.mark.parametrize(
    ("ways", "sign_in"),
    [
        (("OAuth2", "password-cleartext"), "password"),
        (("OAuth2",), "oauth2"),
        (("password-encrypted",), "password"),
        ((), "password"),
        (("GSSAPI", "NTLM"), None),
        (("client-IP-address",), None),
    ],
)
def test_the_ways_to_log_in(ways: tuple[str, ...], sign_in: str | None) -> None:
    """A password where one is taken, else OAuth2; a server that takes neither is passed over."""
    found = read_config(file(server("imap", ways=ways), server("smtp")), ANNA)
    assert (found.sign_in if found else None) == sign_in


HOSTILE = {
    "nothing": b"",
    "no XML": b"404 page not found",
    "a web page": b"<html><body><p>Welcome<br></body></html>",
    "a page that is XML": b"<html><body/></html>",
    "another root": file(root="config"),
    "no provider": b'<clientConfig version="1.1"></clientConfig>',
    "no servers": b'<clientConfig><emailProvider id="x"/></clientConfig>',
    "only POP": file(server("pop3"), server("smtp")),
    "only IMAP": file(server("imap")),
    "only plain": file(server("imap", socket="plain"), server("smtp", socket="plain")),
    "plain IMAP": file(server("imap", socket="plain"), server("smtp")),
    "a kind of its own": file(server("imap", socket="ssl3"), server("smtp")),
    "a document type": file(head="<!DOCTYPE clientConfig>"),
    "a billion laughs": file(
        server("imap", host="&d;"),
        server("smtp"),
        head='<!DOCTYPE l [<!ENTITY a "imap.example.test">'
        + "".join(f'<!ENTITY {b} "{f"&{a};" * 1000}">' for a, b in ("ab", "bc", "cd"))
        + "]>",
    ),
    "a file of ours": file(server("imap", host="&f;"), head='<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/hostname">]>'),
    "an unknown entity": file(server("imap", host="&host;"), server("smtp")),
    "UTF-16 with a document type": file(head='<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE l>')
    .decode()
    .encode("utf-16"),
    "an unknown encoding": file(head='<?xml version="1.0" encoding="klingon"?>'),
    "cut off": file()[:-20],
    "something after it": file() + b"<more/>",
    "ten million octets": file(server("imap"), server("smtp"), head="<!--" + "x" * 10_000_000 + "-->"),
    "deep": b"<a>" * 9_000 + b"</a>" * 9_000,
    "a line break in the host": file(server("imap", host="imap.example.test&#13;&#10;X: y"), server("smtp")),
    "a NUL in the host": file(server("imap", host="imap\0.example.test"), server("smtp")),
    "a space in the host": file(server("imap", host="imap example.test"), server("smtp")),
    "a port in the host": file(server("imap", host="imap.example.test:993"), server("smtp")),
    "a login in the host": file(server("imap", host="anna@imap.example.test"), server("smtp")),
    "a path in the host": file(server("imap", host="imap.example.test/x"), server("smtp")),
    "an option for a host": file(server("imap", host="-oProxyCommand"), server("smtp")),
    "no host": file(server("imap", host=" "), server("smtp")),
    "port 0": file(server("imap", port="0"), server("smtp")),
    "port 70000": file(server("imap", port="70000"), server("smtp")),
    "port -1": file(server("imap", port="-1"), server("smtp")),
    "no number": file(server("imap", port="imaps"), server("smtp")),
    "a number of another script": file(server("imap", port="٩٩٣"), server("smtp")),
    "a very long number": file(server("imap", port="9" * 5000), server("smtp")),
    "a line break in the name": file(server("imap", username="anna&#10;A1 LOGOUT"), server("smtp")),
    "a very long name": file(server("imap", username="a" * 300), server("smtp")),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_faulty_or_hostile_file_is_nothing(text: bytes) -> None:
    """What is no such file, or a trap, yields nothing, at once."""
    begun = time.monotonic()
    assert read_config(text, ANNA) is None
    assert time.monotonic() - begun < 5


def test_an_address_that_is_none_is_put_nowhere() -> None:
    """Without an address there are no settings."""
    assert read_config(file(), "anna") is None
    assert read_config(file(), "an na@example.test") is None


def test_only_what_the_configuration_takes_is_a_server() -> None:
    """Names are normal, addresses allowed, and everything else is refused."""
    assert checked_server("IMAP.Example.test.", 993, "tls") == Server(
        host="imap.example.test", port=993, security="tls"
    )
    assert checked_server("127.0.0.1", 1, "tls") is not None
    for host in ("", ".", "imap..example.test", "imap_1.example.test", "имя.рф", "a\r\nb", "fe80::1%eth0;reboot", "12"):
        assert checked_server(host, 993, "tls") is None, host
    for port in (0, -1, 65_536):
        assert checked_server("imap.example.test", port, "tls") is None


# ----------------------------------------------------------------------------------------- fetching


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    """A web server that is three hosts."""
    with Https(tmp_path_factory.mktemp("web"), HOSTS) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(web: Https) -> None:
    web.pages.clear()
    web.asked.clear()


def net_to(web: Https) -> Net:
    """Return a network in which every host is that server."""
    return Net(tls=web.trust, place=web.place)


def test_a_file_is_fetched_and_the_address_is_not_told(web: Https) -> None:
    """The file comes; the request names host and path, no address, no cookie, no referrer."""
    web.pages["example.test", "/.well-known/autoconfig/mail/config-v1.1.xml"] = (200, {}, file())
    assert net_to(web).fetch(SECOND) == (file(), SECOND)
    ((host, path, fields),) = web.asked
    assert (host, path) == ("example.test", "/.well-known/autoconfig/mail/config-v1.1.xml")
    assert set(fields) == {"Host", "User-Agent", "Accept", "Connection"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_https_is_followed(web: Https, status: int) -> None:
    """Absolute or relative, to another host too; it is told where the file was found."""
    web.pages["autoconfig.example.test", "/mail/config-v1.1.xml"] = (status, {"Location": "/other?a=b"}, b"")
    web.pages["autoconfig.example.test", "/other?a=b"] = (status, {"Location": "https://elsewhere.test/x.xml"}, b"")
    web.pages["elsewhere.test", "/x.xml"] = (200, {}, file())
    assert net_to(web).fetch(FIRST) == (file(), "https://elsewhere.test/x.xml")


@pytest.mark.parametrize(
    "location",
    [
        "http://elsewhere.test/x.xml",
        "http://autoconfig.example.test/mail/config-v1.1.xml",
        "ftp://elsewhere.test/x.xml",
        "file:///etc/passwd",
        "//elsewhere.test:8443/x.xml",
        "https://elsewhere.test:port/x.xml",
        "https://anna:secret@elsewhere.test/x.xml",
        "https://127.0.0.1/x.xml",
        "https://[::1]/x.xml",
        "https://[broken/x.xml",
        "https://else where.test/x.xml",
        "https://elsewhere.test/x .xml",
        "https://elsewhere.test/\u00e9.xml",
        "",
    ],
)
def test_other_redirects_are_refused(web: Https, location: str) -> None:
    """A way out of HTTPS, to another port, with a login, to a bare address or to nonsense leads nowhere."""
    web.pages["autoconfig.example.test", "/mail/config-v1.1.xml"] = (302, {"Location": location}, b"")
    web.pages["elsewhere.test", "/x.xml"] = (200, {}, file())
    assert net_to(web).fetch(FIRST) is None
    assert len(web.asked) == 1


def test_three_redirects_are_enough(web: Https) -> None:
    """The third is followed, the fourth is not; a ring ends."""
    for number in range(4):
        web.pages["example.test", f"/{number}"] = (302, {"Location": f"/{number + 1}"}, b"")
    web.pages["example.test", "/4"] = (200, {}, file())
    assert net_to(web).fetch("https://example.test/1") == (file(), "https://example.test/4")
    assert net_to(web).fetch("https://example.test/0") is None
    web.pages["example.test", "/ring"] = (302, {"Location": "/ring"}, b"")
    assert net_to(web).fetch("https://example.test/ring") is None


@pytest.mark.parametrize(
    "page",
    [
        (404, {}, file()),
        (500, {}, file()),
        (204, {}, b""),
        (304, {}, b""),
        (200, {}, b"x" * (MOST_OCTETS + 1)),
        (200, {"Content-Length": str(2**70)}, file()),
        (200, {"Content-Length": "70", "Transfer-Encoding": "chunked"}, b"zz\r\nno chunk"),
        (200, {f"X-{number}": "y" for number in range(200)}, file()),
        (200, {"X": "y" * 70_000}, file()),
        (302, {}, b""),
    ],
    ids=["404", "500", "204", "304", "large", "length", "chunks", "fields", "long field", "no Location"],
)
def test_other_answers_are_nothing(web: Https, page: Page) -> None:
    """No answer but a small file with status 200 counts, and no answer raises."""
    web.pages["example.test", "/x"] = page
    assert net_to(web).fetch("https://example.test/x") is None


def test_a_wrong_or_unknown_certificate_is_refused(web: Https) -> None:
    """A host without a certificate for its name, or with one that nobody vouches for, is asked nothing."""
    web.pages["stranger.test", "/x"] = web.pages["example.test", "/x"] = (200, {}, file())
    assert net_to(web).fetch("https://stranger.test/x") is None
    assert Net(place=web.place).fetch("https://example.test/x") is None
    assert web.asked == []


@pytest.mark.parametrize("part", ["body", "field", "continue"])
def test_an_endless_answer_ends_in_time(web: Https, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends one octet now and then for ever is left when its seconds are over."""
    monkeypatch.setattr(autoconfig, "FETCH_SECONDS", 0.5)
    more = {"body": b"x", "field": b"x", "continue": b"HTTP/1.1 100 Continue\r\n\r\n"}[part]

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        first = {"body": b"HTTP/1.1 200 OK\r\n\r\n", "field": b"HTTP/1.1 200 OK\r\nX: ", "continue": b""}[part]
        handler.wfile.write(first)
        for _ in range(300):
            handler.wfile.write(more)
            time.sleep(0.1)  # the fault itself: slow, but never silent for long

    web.pages["example.test", "/x"] = drip
    begun = time.monotonic()
    assert net_to(web).fetch("https://example.test/x") is None
    assert time.monotonic() - begun < 10


def test_where_nobody_listens_there_is_nothing() -> None:
    """A refused connection is no file."""
    assert Net(place=lambda _host, _port: ("127.0.0.1", 9)).fetch(FIRST) is None


def test_an_address_that_would_write_to_the_terminal_is_not_asked() -> None:
    """Where a file was found in the end is shown; a redirect may lead to an address with control characters."""
    dial = Mock(side_effect=OSError)
    assert autoconfig.fetch("https://a.example/config.xml#\x1b[2J", dial, ssl.create_default_context()) is None
    dial.assert_not_called()
