"""Finding the servers for an address: a real DNS, web and mail servers on loopback, and all that they may say."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import time
from typing import TYPE_CHECKING

import dns.resolver
import pytest

from responder.adapters import autoconfig, discovery_net
from responder.adapters.discovery import Found, Net, find_servers
from responder.adapters.mailbox import ImapMailbox
from responder.adapters.providers import provider_of
from responder.config import Server
from tests.adapters.test_autoconfig import file, server
from tests.conftest import running
from tests.servers import dovecot as dovecot_room
from tests.servers.dns import Dns
from tests.servers.dovecot import PASSWORD, Dovecot
from tests.servers.https import Https
from tests.servers.smtp import ThreadedSmtpSink, reply
from tests.servers.smtp_session import Features
from tests.servers.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.servers.dns import Fault
    from tests.servers.postfix import Postfix

ANNA = "anna@example.test"
DNS = "the DNS of example.test (SRV)"
ASKED = [
    "Asking the DNS of example.test …",
    "Asking example.test for its settings for mail programs …",
    "Asking Mozilla's database of mail providers about example.test …",
    "Trying the usual names of servers at example.test …",
]
WELL_KNOWN = ("autoconfig.example.test", "/mail/config-v1.1.xml")
SECOND_PLACE = ("example.test", "/.well-known/autoconfig/mail/config-v1.1.xml")
DATABASE = ("autoconfig.thunderbird.net", "/v1.1/example.test")
LONGEST = 25.0  # seconds that a search may take where nobody answers
BRISK = 1.5  # seconds instead of those of the product, where a test waits for them to be over
GENEROUS = 20.0  # ten times what a search takes then

GOOD = {
    "_imaps._tcp.example.test": ["SRV 0 1 993 imap.example.test."],
    "_submissions._tcp.example.test": ["SRV 0 1 465 smtp.example.test."],
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    """A web server that is the hosts of example.test and of Mozilla's database."""
    hosts = (WELL_KNOWN[0], SECOND_PLACE[0], DATABASE[0])
    with Https(tmp_path_factory.mktemp("web"), hosts) as running_web:
        yield running_web


@pytest.fixture(autouse=True)
def _empty(web: Https) -> None:
    web.pages.clear()
    web.asked.clear()


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every wait of the product be short, yet long enough for a busy machine to answer where it should."""
    for module, name in (
        (discovery_net, "DNS_SECONDS"),
        (discovery_net, "ANSWER_SECONDS"),
        (autoconfig, "FETCH_SECONDS"),
    ):
        monkeypatch.setattr(module, name, BRISK)


class Search:
    """One search: what was found, what was said, what the DNS was asked."""

    def __init__(
        self,
        web: Https,
        records: Mapping[str, Sequence[str]],
        *,
        address: str = ANNA,
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self.said: list[str] = []
        with Dns({"example.test": ["A 127.0.0.1"], **records}, faults=faults) as server_:
            net = Net(server_.resolver(), tls=web.trust, place=web.place)
            self.found = find_servers(address, net, self.said.append)
            self.questions = sorted(server_.asked)

    @property
    def only(self) -> Found:
        """What was found; there must be something."""
        assert self.found is not None
        return self.found


def tls(host: str, port: int) -> Server:
    """Return a server with TLS from the start."""
    return Server(host=host, port=port, security="tls")


# ------------------------------------------------------------------------------------------ presets


def test_a_big_provider_is_known_without_asking_anybody(web: Https) -> None:
    """An address at Gmail needs no network; the login's name is the address as it is written."""
    search = Search(web, {}, address=" Anna@GMAIL.com ")
    gmail = provider_of("gmail.com")
    assert gmail is not None
    assert search.only == Found(
        imap=gmail.imap,
        smtp=gmail.smtp,
        username="Anna@gmail.com",
        source="known: Gmail",
        sign_in="app-password",
        provider=gmail,
    )
    assert (search.said, search.questions, web.asked) == ([], [], [])


@pytest.mark.parametrize("address", ["", "anna", "@example.test", "anna@", "a b@example.test", "anna@[127.0.0.1]"])
def test_what_is_no_address_is_not_looked_for(web: Https, address: str) -> None:
    """Nobody is asked about what is no address."""
    search = Search(web, {}, address=address)
    assert search.found is None
    assert (search.said, search.questions) == ([], [])


# ------------------------------------------------------------------------------------------ records


def test_the_records_of_the_domain_come_first(web: Https) -> None:
    """Both servers from SRV: the search ends there, and no web server is asked."""
    web.pages[WELL_KNOWN] = (200, {}, file())
    search = Search(web, GOOD)
    assert search.only == Found(
        imap=tls("imap.example.test", 993), smtp=tls("smtp.example.test", 465), username=ANNA, source=DNS
    )
    assert search.said == ASKED[:1]
    assert web.asked == []
    assert search.questions == [
        ("_imap._tcp.example.test", "SRV"),
        ("_imaps._tcp.example.test", "SRV"),
        ("_submission._tcp.example.test", "SRV"),
        ("_submissions._tcp.example.test", "SRV"),
        ("example.test", "MX"),
    ]


def test_the_lowest_priority_and_then_the_greatest_weight_is_taken(web: Https) -> None:
    """Among several records the order of RFC 2782 holds, whatever the order of the answer."""
    records = {
        "_imaps._tcp.example.test": [
            "SRV 20 99 993 backup.example.test.",
            "SRV 10 1 993 light.example.test.",
            "SRV 10 50 1993 heavy.example.test.",
            "SRV 10 7 993 medium.example.test.",
        ],
        "_submissions._tcp.example.test": ["SRV 5 0 465 b.example.test.", "SRV 0 0 465 a.example.test."],
    }
    found = Search(web, records).only
    assert (found.imap, found.smtp) == (tls("heavy.example.test", 1993), tls("a.example.test", 465))


def test_tls_from_the_start_is_preferred_to_starttls(web: Https) -> None:
    """_imaps and _submissions are taken where they are, _imap and _submission as STARTTLS where not."""
    starttls = {
        "_imap._tcp.example.test": ["SRV 0 1 143 imap.example.test."],
        "_submission._tcp.example.test": ["SRV 0 1 587 smtp.example.test."],
    }
    found = Search(web, starttls).only
    assert found.imap == Server(host="imap.example.test", port=143, security="starttls")
    assert found.smtp == Server(host="smtp.example.test", port=587, security="starttls")
    found = Search(web, {**starttls, **GOOD}).only
    assert (found.imap, found.smtp) == (tls("imap.example.test", 993), tls("smtp.example.test", 465))


def test_a_root_for_a_target_means_not_offered(web: Https) -> None:
    """A target "." under _imaps leads on to _imap; under both, IMAP is not offered and no usual name is tried."""
    none = ["SRV 0 0 0 ."]
    records = {
        **GOOD,
        "_imaps._tcp.example.test": none,
        "_imap._tcp.example.test": ["SRV 0 1 143 imap.example.test."],
    }
    assert Search(web, records).only.imap == Server(host="imap.example.test", port=143, security="starttls")
    search = Search(web, {**records, "_imap._tcp.example.test": none})
    assert search.found is None
    assert search.said == ASKED[:3]


def test_servers_of_another_domain_must_be_confirmed(web: Https) -> None:
    """The DNS proves nothing: servers that are not the address's domain's own are marked (RFC 6186 section 6)."""
    assert not Search(web, GOOD).only.elsewhere
    for name in ("imap.hoster.test.", "imap.evil-example.test.", "test."):
        assert Search(web, {**GOOD, "_imaps._tcp.example.test": [f"SRV 0 1 993 {name}"]}).only.elsewhere, name


def test_known_servers_show_their_provider(web: Https) -> None:
    """A domain of one's own whose records lead to Fastmail gets Fastmail's hints."""
    records = {
        "_imaps._tcp.example.test": ["SRV 0 1 993 imap.fastmail.com."],
        "_submissions._tcp.example.test": ["SRV 0 1 465 smtp.fastmail.com."],
    }
    found = Search(web, records).only
    assert (found.provider, found.sign_in, found.elsewhere) == (provider_of("fastmail.com"), "app-password", True)


@pytest.mark.parametrize(
    "record",
    [
        "SRV 0 1 0 imap.example.test.",
        "SRV 0 1 993 bad_name.example.test.",
        r"SRV 0 1 993 imap\010X-Evil\058.example.test.",
        r"SRV 0 1 993 a\032b.example.test.",
        r"SRV 0 1 993 imap\000.example.test.",
        r"SRV 0 1 993 \226\128\174.example.test.",
        "SRV 0 1 993 12345.",
    ],
)
def test_a_record_that_names_no_server_is_passed_over(web: Https, record: str) -> None:
    """Hosts and ports that the configuration would refuse never come out; the next record does."""
    good = "SRV 9 1 993 imap.example.test."
    assert Search(web, {**GOOD, "_imaps._tcp.example.test": [record, good]}).only.imap == tls("imap.example.test", 993)
    assert Search(web, {**GOOD, "_imaps._tcp.example.test": [record]}).found is None


def test_an_international_domain_is_asked_for_as_punycode(web: Https) -> None:
    """«почта.example» is looked up as it stands in the DNS, and the login's name bears it so."""
    domain = "xn--80a1acny.example"
    records = {
        f"_imaps._tcp.{domain}": [f"SRV 0 1 993 imap.{domain}."],
        f"_submissions._tcp.{domain}": [f"SRV 0 1 465 smtp.{domain}."],
    }
    found = Search(web, records, address="anna@Почта.example").only
    assert (found.imap.host, found.username) == (f"imap.{domain}", f"anna@{domain}")


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("fault", ["servfail", "refused", "silence", "malformed", "other"])
def test_faults_of_one_name_are_no_answer(web: Https, fault: Fault) -> None:
    """A broken answer for one service is as none; the rest is used."""
    records = {**GOOD, "_imap._tcp.example.test": ["SRV 0 1 143 imap.example.test."]}
    found = Search(web, records, faults={"_imaps._tcp.example.test": fault}).only
    assert found.imap == Server(host="imap.example.test", port=143, security="starttls")


def test_a_truncated_answer_is_fetched_by_tcp(web: Https) -> None:
    """An answer too long for UDP comes whole."""
    assert Search(web, GOOD, faults={"": "truncated"}).only.imap == tls("imap.example.test", 993)


@pytest.mark.parametrize("fault", ["servfail", "refused", "silence", "malformed", "other"])
def test_without_any_dns_nothing_is_found_in_time(web: Https, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the DNS answers nothing at all, the search is over after the first step."""
    monkeypatch.setattr(discovery_net, "DNS_SECONDS", 0.4)
    begun = time.monotonic()
    search = Search(web, GOOD, faults={"": fault})
    assert time.monotonic() - begun < GENEROUS
    assert (search.found, search.said, web.asked) == (None, ASKED[:1], [])


def test_without_a_resolver_configuration_nothing_is_found(web: Https, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without resolv.conf has no DNS: nothing is found, nothing raised."""

    def missing() -> dns.resolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "get_default_resolver", missing)
    assert find_servers(ANNA, Net(tls=web.trust, place=web.place), lambda _: None) is None


def test_the_default_resolver_is_the_librarys(web: Https, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Net without a resolver asks dnspython's default one, so a process can be led to another DNS."""
    with Dns({**GOOD, "example.test": ["A 127.0.0.1"]}) as server_:
        monkeypatch.setattr(dns.resolver, "default_resolver", server_.resolver())
        found = find_servers(ANNA, Net(tls=web.trust, place=web.place), lambda _: None)
    assert found is not None
    assert found.source == DNS


# ------------------------------------------------------------------------------------------ the file


@pytest.mark.parametrize("place", [WELL_KNOWN, SECOND_PLACE])
def test_the_domain_s_own_file_is_next(web: Https, place: tuple[str, str]) -> None:
    """Without records the file counts, wherever of its two places it lies; Mozilla is not asked."""
    web.pages[place] = (200, {}, file(server("imap", host="mail.hoster.test"), server("smtp", username="anna")))
    search = Search(web, {})
    assert search.only == Found(
        imap=tls("mail.hoster.test", 993),
        smtp=tls("smtp.example.test", 465),
        username=ANNA,
        source=f"https://{place[0]}{place[1]}",
    )
    assert search.said == ASKED[:2]
    assert DATABASE[0] not in {host for host, _, _ in web.asked}


def test_the_first_place_is_better_than_the_second(web: Https) -> None:
    """Of two files the one at autoconfig.DOMAIN holds; where it is unusable, the other."""
    web.pages[WELL_KNOWN] = (200, {}, file(server("imap", host="first.test"), server("smtp")))
    web.pages[SECOND_PLACE] = (200, {}, file(server("imap", host="second.test"), server("smtp")))
    assert Search(web, {}).only.imap.host == "first.test"
    web.pages[WELL_KNOWN] = (200, {}, b"<!DOCTYPE html><html>a page for every host</html>")
    assert Search(web, {}).only.imap.host == "second.test"


def test_mozilla_is_asked_last_and_learns_the_domain_alone(web: Https) -> None:
    """The database is asked when the domain publishes nothing, and no request anywhere holds the address."""
    web.pages[DATABASE] = (200, {}, file(server("imap", ways=("OAuth2",)), server("smtp", ways=("OAuth2",))))
    search = Search(web, {"example.test": ["MX 10 aspmx.l.google.com."]})
    assert search.only.source == "https://autoconfig.thunderbird.net/v1.1/example.test"
    assert (search.only.sign_in, search.only.provider) == ("oauth2", None)
    assert search.said == ASKED[:3]
    assert [(host, path) for host, path, _ in web.asked][2:] == [DATABASE]
    assert "anna" not in repr(web.asked).lower()


def test_half_of_the_records_does_not_stop_the_search(web: Https) -> None:
    """With IMAP alone in the DNS a whole file is better than a half."""
    web.pages[WELL_KNOWN] = (200, {}, file(server("imap", host="other.example.test"), server("smtp")))
    records = {"_imaps._tcp.example.test": GOOD["_imaps._tcp.example.test"]}
    assert Search(web, records).only.imap.host == "other.example.test"


# ------------------------------------------------------------------------------------ mail exchangers


@pytest.mark.parametrize(
    ("mx", "name"),
    [
        (["MX 10 aspmx.l.google.com.", "MX 20 alt1.aspmx.l.google.com."], "Gmail"),
        (["MX 0 example-test.mail.protection.outlook.com."], "Microsoft 365"),
        (["MX 10 mx.yandex.net."], "Yandex"),
        (["MX 10 mail.protonmail.ch."], "Proton Mail"),
        (["MX 20 emx.mail.ru.", "MX 5 in1-smtp.messagingengine.com."], "Fastmail"),
    ],
)
def test_mail_exchangers_show_the_provider(web: Https, mx: list[str], name: str) -> None:
    """A domain of one's own at a big provider gets its preset, to be confirmed if its servers are far away."""
    search = Search(web, {"example.test": mx})
    found = search.only
    assert found.provider is not None
    assert (found.provider.name, found.imap, found.sign_in) == (name, found.provider.imap, found.provider.sign_in)
    assert (found.username, found.source) == (ANNA, f"the mail of example.test is kept by {name}")
    assert found.elsewhere == (name != "Proton Mail")
    assert search.said == ASKED[:3]


@pytest.mark.parametrize("mx", [["MX 0 ."], ["MX 10 mx.evil-google.com."], ["MX 10 mx.example.test."]])
def test_other_mail_exchangers_show_nothing(web: Https, mx: list[str]) -> None:
    """No mail at all, a name that only looks like one, and one's own: the search goes on to the usual names."""
    search = Search(web, {"example.test": mx})
    assert search.found is None
    assert search.said == ASKED


# ------------------------------------------------------------------------------- servers that are there


@pytest.mark.server
async def test_records_lead_to_real_servers(web: Https, postfix: Postfix) -> None:
    """What the records name is a real Dovecot and a real Postfix, and one logs in there with what was found."""
    dovecot = postfix.dovecot
    records = {
        "_imaps._tcp.example.test": [f"SRV 0 1 {dovecot.imaps_port} localhost."],
        "_submissions._tcp.example.test": [f"SRV 0 1 {postfix.submissions_port} localhost."],
    }
    found = Search(web, records, address="anna@example.test").only
    assert found.elsewhere
    mailbox = ImapMailbox(
        name="main",
        host=found.imap.host,
        port=found.imap.port,
        security=found.imap.security,
        username=found.username,
        password=lambda: PASSWORD,
        header_fields=["From"],
        ca_file=dovecot.certificate,
    )
    await mailbox.open()
    assert mailbox.profile.idle
    await mailbox.close()
    trusted = ssl.create_default_context(cafile=postfix.certificate)
    with smtplib.SMTP_SSL(found.smtp.host, found.smtp.port, context=trusted) as smtp:
        smtp.login(found.username, PASSWORD)


class Usual:
    """A Dovecot and an SMTP server under the usual names, each with its own certificate, all trusted by ``trust``."""

    def __init__(self, folder: Path) -> None:
        self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.folder = folder
        for name in ("imap", "smtp", "mail"):
            cert, self.contexts[name] = certificate(folder, f"{name}.example.test")
            self.trust.load_verify_locations(cert)

    def dovecot(self, name: str) -> Dovecot:
        """Return a Dovecot with that name's certificate, not started."""
        pem = self.folder / f"{name}.example.test"
        return Dovecot("rich", settings=f"ssl_cert = <{pem}.pem\nssl_key = <{pem}.key\n")

    def find(self, records: Mapping[str, Sequence[str]], places: Mapping[tuple[str, int], int]) -> Found | None:
        """Search with these servers behind these hosts and ports, and nobody behind the others."""
        with Dns({"example.test": ["A 127.0.0.1"], **records}) as server_:

            def place(host: str, port: int) -> tuple[str, int]:
                return "127.0.0.1", places.get((host, port), 9)

            return find_servers(ANNA, Net(server_.resolver(), tls=self.trust, place=place), lambda _: None)


@pytest.fixture
def usual(tmp_path: Path) -> Usual:
    """The certificates of the usual names."""
    return Usual(tmp_path)


@pytest.mark.server
def test_usual_names_count_where_a_server_answers(usual: Usual) -> None:
    """imap.DOMAIN with a real Dovecot and smtp.DOMAIN on 465: found, by TLS with the right names, told nothing."""
    sink = ThreadedSmtpSink(features=Features(tls="tls", context=usual.contexts["smtp"]))
    with running(dovecot_room.missing(), lambda: usual.dovecot("imap")) as dovecot, sink as smtp:
        found = usual.find({}, {("imap.example.test", 993): dovecot.imaps_port, ("smtp.example.test", 465): smtp.port})
        assert found == Found(
            imap=tls("imap.example.test", 993),
            smtp=tls("smtp.example.test", 465),
            username=ANNA,
            source="the usual names at example.test, where servers answered",
        )
        assert [line for line in smtp.lines if line.strip()] == []


@pytest.mark.server
def test_a_certificate_for_another_name_does_not_count(usual: Usual) -> None:
    """The Dovecot of mail.DOMAIN is not imap.DOMAIN: it is found under its own name only."""
    sink = ThreadedSmtpSink(features=Features(tls="starttls", context=usual.contexts["mail"]))
    with running(dovecot_room.missing(), lambda: usual.dovecot("mail")) as dovecot, sink as smtp:
        ports = {("imap.example.test", 993): dovecot.imaps_port, ("smtp.example.test", 587): smtp.port}
        assert usual.find({}, ports) is None
        ports |= {("mail.example.test", 993): dovecot.imaps_port, ("mail.example.test", 587): smtp.port}
        found = usual.find({}, ports)
    assert found is not None
    assert found.imap == tls("mail.example.test", 993)
    assert found.smtp == Server(host="mail.example.test", port=587, security="starttls")


def test_half_of_the_records_and_a_usual_name_make_a_whole(usual: Usual) -> None:
    """IMAP from the DNS, SMTP by its usual name; the records' half is not tried anew, and is said to be elsewhere."""
    records = {"_imaps._tcp.example.test": ["SRV 0 1 993 imap.hoster.test."]}
    with ThreadedSmtpSink(features=Features(tls="tls", context=usual.contexts["smtp"])) as smtp:
        found = usual.find(records, {("smtp.example.test", 465): smtp.port})
    assert found == Found(
        imap=tls("imap.hoster.test", 993),
        smtp=tls("smtp.example.test", 465),
        username=ANNA,
        source="the DNS of example.test (SRV) and the usual names at example.test, where servers answered",
        elsewhere=True,
    )


@pytest.mark.parametrize(
    ("phase", "act"),
    [
        ("CONNECT", reply("554 no")),
        ("EHLO", reply("502 what")),
        ("EHLO", reply("250 plain")),
        ("STARTTLS", reply("454 no")),
    ],
)
def test_a_server_without_starttls_does_not_count(usual: Usual, phase: str, act: object) -> None:
    """Port 587 counts only where STARTTLS is offered and done."""
    records = {"_imaps._tcp.example.test": ["SRV 0 1 993 imap.example.test."]}
    features = Features(tls="starttls", context=usual.contexts["smtp"])
    with ThreadedSmtpSink(features=features, script={phase: act}) as smtp:  # type: ignore[dict-item]
        assert usual.find(records, {("smtp.example.test", 587): smtp.port}) is None
    with ThreadedSmtpSink(features=features) as smtp:
        assert usual.find(records, {("smtp.example.test", 587): smtp.port}) is not None


def test_a_server_of_another_kind_does_not_count(usual: Usual) -> None:
    """With the right certificate, but no IMAP behind port 993, or an SMTP server that will not serve: nothing."""
    imap = {"_imaps._tcp.example.test": ["SRV 0 1 993 imap.example.test."]}
    smtp = {"_submissions._tcp.example.test": ["SRV 0 1 465 smtp.example.test."]}
    with ThreadedSmtpSink(features=Features(tls="tls", context=usual.contexts["imap"])) as sink:
        assert usual.find(smtp, {("imap.example.test", 993): sink.port}) is None
    features = Features(tls="tls", context=usual.contexts["smtp"])
    with ThreadedSmtpSink(features=features, script={"CONNECT": reply("554 no")}) as sink:
        assert usual.find(imap, {("smtp.example.test", 465): sink.port}) is None


@contextlib.contextmanager
def silence() -> Generator[int]:
    """Listen, and say nothing to whoever connects."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield listening.getsockname()[1]


def test_the_waits_of_a_search_add_up_to_less_than_it_may_take() -> None:
    """Records, the domain's own files, the database and the usual names: one wait each, one after the other."""
    waits = (discovery_net.DNS_SECONDS, *[autoconfig.FETCH_SECONDS] * 2, discovery_net.ANSWER_SECONDS)
    assert sum(waits) <= LONGEST


def test_where_connections_vanish_the_search_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a DNS that knows every host and hosts that accept and stay silent, each step is over after its one wait."""
    monkeypatch.setattr(autoconfig, "FETCH_SECONDS", 0.5)
    monkeypatch.setattr(discovery_net, "ANSWER_SECONDS", 0.5)
    hosts = ("example.test", "autoconfig.example.test", "imap.example.test", "smtp.example.test", "mail.example.test")
    records = {host: ["A 127.0.0.1"] for host in (*hosts, DATABASE[0])}
    said: list[str] = []
    begun = time.monotonic()
    with Dns(records) as server_, silence() as port:
        net = Net(server_.resolver(), place=lambda _host, _port: ("127.0.0.1", port))
        assert find_servers(ANNA, net, said.append) is None
    assert time.monotonic() - begun < GENEROUS
    assert said == ASKED


@pytest.mark.usefixtures("brisk")
def test_names_are_resolved_by_the_same_dns(usual: Usual) -> None:
    """Without a place of its own a connection goes where the DNS says, in time; unknown names go nowhere."""
    with Dns({"imap.example.test": ["A 127.0.0.1"]}, faults={"slow.test": "silence"}) as server_:
        net = Net(server_.resolver(), tls=usual.trust)
        assert not net.answers(tls("imap.example.test", 9), "imap")
        assert not net.answers(tls("nobody.example.test", 9), "imap")
        begun = time.monotonic()
        assert not net.answers(tls("slow.test", 9), "imap")
        assert time.monotonic() - begun < GENEROUS
        assert server_.asked[:2] == [("imap.example.test", "A"), ("imap.example.test", "AAAA")]
