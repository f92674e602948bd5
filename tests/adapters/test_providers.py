"""The presets: each is a configuration that loads, and none is taken for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tomli_w

from responder.adapters.providers import PROVIDERS, Provider, provider_by_mx, provider_by_server, provider_of
from responder.config import load
from responder.core.address import normal_domain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda each: each.name)
def test_a_preset_loads_as_a_mailbox(provider: Provider, tmp_path: Path) -> None:
    """What a preset says is taken by the configuration's own readers, without a fault, and comes out as it went in."""
    address = f"anna@{(provider.domains or ('own.example',))[0]}"
    mailbox: dict[str, object] = {
        "addresses": [address],
        "imap": _table(provider.imap),
        "smtp": _table(provider.smtp),
        "username": address,
        "trusted_authserv_id": provider.trusted_authserv_id,
    }
    if provider.sign_in == "oauth2":
        mailbox |= {"auth": "oauth2", "oauth2": {**(provider.oauth or {}), "client_id": "responder"}}
    else:
        mailbox |= {"password": {"credential": "main"}}
    path = tmp_path / "config.toml"
    path.write_text(
        tomli_w.dumps(
            {
                "owner": {"name": "Anna", "timezone": "Europe/Berlin", "language": "en"},
                "mailboxes": {"main": mailbox},
                "hours": {"mon-fri": ["10:00-18:00"]},
                "replies": {"copy": provider.copy},
            }
        )
    )
    (settings,) = load(path).settings.mailboxes
    assert (settings.imap, settings.smtp) == (provider.imap, provider.smtp)
    assert settings.trusted_authserv_id == provider.trusted_authserv_id
    assert (settings.oauth2 is not None) == (provider.sign_in == "oauth2")


def _table(server: object) -> dict[str, object]:
    return {key: getattr(server, key) for key in ("host", "port", "security")}


def test_presets_are_well_formed() -> None:
    """Domains and mail exchangers are normal and belong to one provider; each has its hint, and its page over HTTPS."""
    domains = [domain for each in PROVIDERS for domain in each.domains]
    ends = [end for each in PROVIDERS for end in each.mx]
    assert len(set(domains)) == len(domains)
    assert len(set(ends)) == len(ends)
    assert all(normal_domain(each) == each for each in (*domains, *ends))
    for each in PROVIDERS:
        assert each.domains or each.mx
        assert each.secret.isprintable()
        assert each.secret.endswith(".")
        assert each.secret_url.startswith("https://")
        local = each.sign_in == "bridge"
        assert {each.imap.security, each.smtp.security} <= ({"none"} if local else {"tls", "starttls"})


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("gmail.com", "Gmail"),
        ("googlemail.com", "Gmail"),
        ("hotmail.de", "Outlook.com"),
        ("msn.com", "Outlook.com"),
        ("ya.ru", "Yandex"),
        ("bk.ru", "Mail.ru"),
        ("fastmail.fm", "Fastmail"),
        ("me.com", "iCloud"),
        ("pm.me", "Proton Mail"),
        ("gmx.de", "GMX"),
        ("gmx.com", "GMX.com"),
        ("example.com", ""),
        ("mail.gmail.com", ""),
        ("evil-gmail.com", ""),
        ("", ""),
    ],
)
def test_a_domain_is_whole(domain: str, name: str) -> None:
    """A provider is known by the whole domain: nothing above, below or beside it."""
    provider = provider_of(domain)
    assert (provider.name if provider else "") == name


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (["aspmx.l.google.com."], "Gmail"),
        (["SMTP.GOOGLE.COM"], "Gmail"),
        (["aspmx2.googlemail.com"], "Gmail"),
        (["firm-example.mail.protection.outlook.com"], "Microsoft 365"),
        (["firm-example.o-v1.mx.microsoft"], "Microsoft 365"),
        (["hotmail-com.olc.protection.outlook.com"], ""),
        (["mx.yandex.net"], "Yandex"),
        (["emx.mail.ru"], "Mail.ru"),
        (["mxs.mail.ru"], ""),
        (["in1-smtp.messagingengine.com", "in2-smtp.messagingengine.com"], "Fastmail"),
        (["mx01.mail.icloud.com"], "iCloud"),
        (["mail.protonmail.ch"], "Proton Mail"),
        (["mxext1.mailbox.org"], "mailbox.org"),
        (["filter.example.com", "aspmx.l.google.com"], "Gmail"),
        (["evil-google.com"], ""),
        (["mx.evil-google.com"], ""),
        (["google.com.evil.example"], ""),
        (["mail.protection.outlook.com.evil.example"], ""),
        (["notprotonmail.ch"], ""),
        (["", "."], ""),
        ([], ""),
    ],
)
def test_mail_exchangers_are_matched_by_whole_labels(hosts: list[str], name: str) -> None:
    """A mail exchanger shows its provider by the end of its name, whole labels only; the preferred one counts first."""
    provider = provider_by_mx(hosts)
    assert (provider.name if provider else "") == name


def test_a_server_shows_its_provider() -> None:
    """The IMAP server's name leads to the provider; this machine's own is nobody's."""
    assert provider_by_server("imap.fastmail.com") is provider_of("fastmail.com")
    assert provider_by_server("outlook.office365.com") is provider_by_mx(["x.mail.protection.outlook.com"])
    assert provider_by_server("127.0.0.1") is None
    assert provider_by_server("imap.example.com") is None
