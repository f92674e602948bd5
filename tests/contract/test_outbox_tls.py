"""The SMTP adapter and encryption: no password and no reply ever crosses a line that is not encrypted."""

from __future__ import annotations

import ssl
import warnings
from typing import TYPE_CHECKING, Any, Literal

import pytest

from responder.core.model import Outcome
from responder.errors import ConfigurationError, TemporaryError
from tests.servers.outboxes import make_reply, smtp_outbox
from tests.servers.smtp import Features, SmtpSink
from tests.servers.smtp import reply as answer
from tests.servers.tls import certificate

if TYPE_CHECKING:
    from pathlib import Path

IVAN = "ivan@vostok.example"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, ssl.SSLContext]]:
    """Two self-made certificates: for localhost, and for another name."""
    folder = tmp_path_factory.mktemp("tls")
    return {name: certificate(folder, name) for name in ("localhost", "elsewhere.example")}


def _features(context: ssl.SSLContext, tls: Literal["tls", "starttls"]) -> Features:
    return Features(tls=tls, context=context, user="anna@example.com", password="secret")


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_replies_leave_encrypted(
    certificates: dict[str, tuple[Path, ssl.SSLContext]], tls: Literal["tls", "starttls"]
) -> None:
    """Both kinds of encryption carry login and reply, and probe names the version."""
    cert, context = certificates["localhost"]
    async with (
        SmtpSink(features=_features(context, tls)) as sink,
        smtp_outbox(sink, ca_file=str(cert)) as outbox,
    ):
        sent = await outbox.send([make_reply(IVAN)] * 8)
        assert {each.outcome for each in sent} == {Outcome.DONE}
        offered = await outbox.probe()
        assert offered["tls"].startswith("TLSv1.")
        assert offered["auth"] == "plain login"
        assert (offered["dsn"], offered["size"], offered["server"]) == ("yes", "10000000", "sink.example")


@pytest.mark.parametrize("tls", ["tls", "starttls"])
@pytest.mark.parametrize("fault", ["unknown", "wrong name", "old version"])
async def test_a_certificate_that_is_not_right_stops_everything(
    certificates: dict[str, tuple[Path, ssl.SSLContext]], tls: Literal["tls", "starttls"], fault: str
) -> None:
    """An unknown issuer, a wrong name or an outdated TLS: RETRY with the reason, and no login is tried."""
    cert, context = certificates["elsewhere.example" if fault == "wrong name" else "localhost"]
    settings: dict[str, Any] = {} if fault == "unknown" else {"ca_file": str(cert)}
    if fault == "old version":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, cert.with_suffix(".key"))
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # outdated is what is wanted
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with SmtpSink(features=_features(context, tls)) as sink, smtp_outbox(sink, **settings) as outbox:
        sent = await outbox.send([make_reply(IVAN)] * 2)
        assert {each.outcome for each in sent} == {Outcome.RETRY}
        expected = "" if fault == "old version" else "certificate is not to be trusted"  # OpenSSLs differ: alert or EOF
        assert all(expected in each.detail for each in sent)
        assert (sink.logins, sink.count) == (0, 0)
        assert not any(b"AUTH" in line for line in sink.lines)


async def test_stripped_starttls_sends_nothing() -> None:
    """A server (or somebody before it) that no longer offers STARTTLS sees neither password nor reply."""
    async with (
        SmtpSink(features=Features(user="anna@example.com", password="secret")) as sink,
        smtp_outbox(sink, security="starttls", host="localhost") as outbox,
    ):
        (sent,) = await outbox.send([make_reply(IVAN)])
        assert sent.outcome == Outcome.RETRY
        assert "STARTTLS" in sent.detail
        with pytest.raises(TemporaryError, match="STARTTLS"):
            await outbox.probe()
        assert {line.split(b" ")[0] for line in sink.lines} == {b"EHLO"}


@pytest.mark.parametrize("text", ["454 4.7.0 TLS not available", "502 not implemented", "220 go\r\n250 injected"])
async def test_refused_or_tampered_starttls_sends_nothing(
    certificates: dict[str, tuple[Path, ssl.SSLContext]], text: str
) -> None:
    """A refusal of STARTTLS, or an answer with something slipped in behind, ends in RETRY without a login."""
    cert, context = certificates["localhost"]
    async with (
        SmtpSink(features=_features(context, "starttls"), script={"STARTTLS": answer(text)}) as sink,
        smtp_outbox(sink, ca_file=str(cert), timeout=0.5) as outbox,
    ):
        (sent,) = await outbox.send([make_reply(IVAN)])
        assert sent.outcome == Outcome.RETRY
        assert not any(b"AUTH" in line for line in sink.lines)


async def test_tls_against_a_plaintext_port_says_so() -> None:
    """Asking for TLS where plain SMTP is spoken is RETRY, and the sentence asks about the port."""
    async with SmtpSink() as sink, smtp_outbox(sink, security="tls", host="localhost") as outbox:
        (sent,) = await outbox.send([make_reply(IVAN)])
    assert sent.outcome == Outcome.RETRY
    assert "port" in sent.detail


async def test_a_host_that_is_no_name_is_the_owners_to_mend() -> None:
    """A host name that cannot exist is a configuration error, not something to try again."""
    async with SmtpSink() as sink, smtp_outbox(sink, security="tls", host="smtp..example.com") as outbox:
        with pytest.raises(ConfigurationError, match="not a host name"):
            await outbox.send([make_reply(IVAN)])


async def test_an_unreadable_ca_file_is_said_at_once(tmp_path: Path) -> None:
    """A missing file of certificates is a configuration error before anything is connected."""
    async with SmtpSink() as sink:
        with pytest.raises(ConfigurationError, match="certificates"):
            async with smtp_outbox(sink, security="tls", ca_file=str(tmp_path / "none.pem")):
                raise AssertionError("it was made")
        assert sink.connections == 0
