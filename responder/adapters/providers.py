# ruff: noqa: S106 - "secret" tells what kind of password is wanted; there is none here
"""The big mail providers as data: where their servers are, how one logs in there, and what must be switched on first.

Only what their own help pages, or the source of what they run, bear out; who is not here is found by the network
(``discovery.py``). The hints are for a person who has never seen a server's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from responder.config import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: How one logs in: with the usual password, one made for programs, by OAuth2, or through a program on this machine.
SignIn = Literal["password", "app-password", "oauth2", "bridge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    Attributes:
        name: as its users call it.
        domains: of the addresses it gives out, normal.
        mx: the ends of the names of its mail exchangers, by which a domain of one's own is known to live there.
        imap: where mail is read.
        smtp: where mail is handed in.
        username: what the login's name is made of.
        sign_in: how one logs in.
        secret: what kind of password is wanted and what must be switched on, in plain words.
        secret_url: where that is done or explained, "" where there is no page.
        oauth: what ``[mailboxes.NAME.oauth2]`` begins with, None where we know no sign-in of theirs.
        copy: for ``replies.copy``: "none" where the provider keeps a copy of what is sent by itself.
        trusted_authserv_id: for the mailbox's key of that name, "" where it is not known for sure.
    """

    name: str
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    imap: Server
    smtp: Server
    username: Literal["address", "local-part"] = "address"
    sign_in: SignIn
    secret: str
    secret_url: str = ""
    oauth: Mapping[str, Any] | None = None
    copy: str = "Sent"
    trusted_authserv_id: str = ""


def _tls(host: str, port: int) -> Server:
    return Server(host=host, port=port, security="tls")


def _starttls(host: str) -> Server:
    return Server(host=host, port=587, security="starttls")


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="Gmail",
        domains=("gmail.com", "googlemail.com"),
        mx=("google.com", "googlemail.com"),
        imap=_tls("imap.gmail.com", 993),
        smtp=_tls("smtp.gmail.com", 465),
        sign_in="app-password",
        secret=(
            "Google takes an app password of 16 letters, not your usual one; it lets you make one once two-step "
            "verification is on. In a company the administrator may have to allow it."
        ),
        secret_url="https://myaccount.google.com/apppasswords",
        oauth={"provider": "google"},
        copy="none",  # it keeps what is handed in by SMTP
        trusted_authserv_id="mx.google.com",
    ),
    Provider(
        name="Microsoft 365",
        mx=("mail.protection.outlook.com", "mx.microsoft"),
        imap=_tls("outlook.office365.com", 993),
        smtp=_starttls("smtp.office365.com"),
        sign_in="oauth2",
        secret=(
            "Microsoft takes no password here: you sign in once on its own page, with an application that you or your "
            "administrator register. The administrator must also allow IMAP and authenticated SMTP for your mailbox."
        ),
        secret_url="https://entra.microsoft.com",
        oauth={"provider": "microsoft"},
        trusted_authserv_id="microsoft 365",
    ),
    Provider(
        name="Outlook.com",
        domains=(
            *("outlook.com", "outlook.de", "outlook.fr", "outlook.es", "outlook.it", "outlook.jp", "outlook.com.br"),
            *("hotmail.com", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "hotmail.it", "hotmail.es", "hotmail.ca"),
            *("hotmail.com.br", "hotmail.co.jp", "live.com", "live.co.uk", "live.de", "live.fr", "live.nl", "live.it"),
            *("live.ca", "live.ru", "live.com.au", "msn.com"),
        ),
        imap=_tls("outlook.office365.com", 993),
        smtp=_starttls("smtp-mail.outlook.com"),
        sign_in="oauth2",
        secret=(
            "Microsoft takes no password here: you sign in once on its own page, with an application that you register "
            "there. Switch IMAP on first, in Outlook.com under Settings, Mail, Forwarding and IMAP."
        ),
        secret_url="https://entra.microsoft.com",
        oauth={"provider": "microsoft", "tenant": "consumers"},
        trusted_authserv_id="microsoft 365",
    ),
    Provider(
        name="Yandex",
        domains=(
            *("yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "yandex.uz", "yandex.com.tr"),
            "narod.ru",
        ),
        mx=("mx.yandex.net", "mx.yandex.ru"),
        imap=_tls("imap.yandex.ru", 993),
        smtp=_tls("smtp.yandex.ru", 465),
        sign_in="app-password",
        secret=(
            "Yandex takes an app password (пароль приложения) of the kind «Почта», not your usual one. In the settings "
            "of Yandex Mail, under «Почтовые программы», IMAP with app passwords must be switched on."
        ),
        secret_url="https://id.yandex.ru/security/app-passwords",
    ),
    Provider(
        name="Mail.ru",
        domains=("mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru", "xmail.ru"),
        mx=("emx.mail.ru",),
        imap=_tls("imap.mail.ru", 993),
        smtp=_tls("smtp.mail.ru", 465),
        sign_in="app-password",
        secret=(
            "Mail.ru takes a password for an external application (пароль для внешнего приложения) with full access to "
            "mail, not your usual one. Under «Безопасность» access by IMAP and SMTP must be switched on."
        ),
        secret_url="https://help.mail.ru/mail/security/protection/external",
    ),
    Provider(
        name="Fastmail",
        domains=tuple(
            f"fastmail.{end}"
            for end in (
                *("com", "fm", "cn", "co.uk", "com.au", "de", "es", "fr", "im", "in", "jp", "mx", "net", "nl", "org"),
                *("se", "to", "tw", "uk", "us"),
            )
        ),
        mx=("messagingengine.com",),
        imap=_tls("imap.fastmail.com", 993),
        smtp=_tls("smtp.fastmail.com", 465),
        sign_in="app-password",
        secret=(
            "Fastmail takes an app password with access to mail (IMAP and SMTP), not your usual one: Settings, Privacy "
            "and security, Manage app passwords."
        ),
        secret_url="https://app.fastmail.com/settings/security",
    ),
    Provider(
        name="iCloud",
        domains=("icloud.com", "me.com", "mac.com"),
        mx=("mail.icloud.com",),
        imap=_tls("imap.mail.me.com", 993),
        smtp=_starttls("smtp.mail.me.com"),
        # Apple names the part before the @ for IMAP and the whole address for SMTP, and takes the address for both.
        sign_in="app-password",
        secret=(
            "Apple takes an app-specific password, not your usual one; it wants two-factor authentication. If your "
            "address has a domain of your own, the user name is nevertheless your address at icloud.com."
        ),
        secret_url="https://account.apple.com",
    ),
    Provider(
        name="Proton Mail",
        domains=("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
        mx=("protonmail.ch",),
        # In clear, but only within this machine: Bridge signs its certificate itself, which nothing else can check.
        imap=Server(host="127.0.0.1", port=1143, security="none"),
        smtp=Server(host="127.0.0.1", port=1025, security="none"),
        sign_in="bridge",
        secret=(
            "Proton Mail can be read only through Proton Mail Bridge, which needs a paid plan and must run on this "
            "machine, day and night; the password is the one that Bridge shows for your address, not Proton's. The "
            "connection to Bridge stays within the machine and is not encrypted a second time; if Bridge refuses that, "
            'let the machine trust the certificate that Bridge exports, and write security = "starttls".'
        ),
        secret_url="https://proton.me/mail/bridge",
    ),
    Provider(
        name="GMX",
        domains=("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.org", "gmx.eu", "gmx.info", "gmx.biz"),
        imap=_tls("imap.gmx.net", 993),
        smtp=_tls("mail.gmx.net", 465),
        sign_in="password",
        secret=(
            "Your usual password, or an application-specific one where two-factor authentication is on. Access by POP3 "
            "and IMAP must be switched on first, in GMX under E-Mail, Einstellungen, POP3/IMAP."
        ),
        secret_url="https://hilfe.gmx.net/pop-imap/einschalten.html",
    ),
    Provider(
        name="GMX.com",
        domains=("gmx.com", "gmx.us", "gmx.co.uk"),
        imap=_tls("imap.gmx.com", 993),
        smtp=_starttls("mail.gmx.com"),
        sign_in="password",
        secret=(
            "Your usual password, or an application-specific one where two-factor authentication is on. Access by POP3 "
            "and IMAP must be switched on first, in GMX under E-mail, Settings, POP3 & IMAP."
        ),
        secret_url="https://support.gmx.com/pop-imap/toggle.html",
    ),
    Provider(
        name="WEB.DE",
        domains=("web.de", "email.de"),
        imap=_tls("imap.web.de", 993),
        smtp=_starttls("smtp.web.de"),
        sign_in="password",
        secret=(
            "Your usual password, or an application-specific one where two-factor authentication is on. Access by POP3 "
            "and IMAP must be switched on first, in WEB.DE under E-Mail, Einstellungen, POP3/IMAP."
        ),
        secret_url="https://hilfe.web.de/pop-imap/einschalten.html",
    ),
    Provider(
        name="Yahoo",
        domains=(
            *("yahoo.com", "yahoo.de", "yahoo.it", "yahoo.fr", "yahoo.es", "yahoo.se", "yahoo.co.uk", "yahoo.co.nz"),
            *("yahoo.com.au", "yahoo.com.ar", "yahoo.com.br", "yahoo.com.mx", "myyahoo.com", "ymail.com"),
            "rocketmail.com",
        ),
        imap=_tls("imap.mail.yahoo.com", 993),
        smtp=_tls("smtp.mail.yahoo.com", 465),
        sign_in="app-password",
        secret="Yahoo takes an app password, not your usual one: Account security, Generate app password.",
        secret_url="https://login.yahoo.com/account/security",
    ),
    Provider(
        name="mailbox.org",
        domains=("mailbox.org",),
        mx=("mailbox.org",),
        imap=_tls("imap.mailbox.org", 993),
        smtp=_tls("smtp.mailbox.org", 465),
        sign_in="password",
        secret=(
            "Your usual password; where two-factor authentication is on, an application password: All settings, "
            "Security, Application passwords. The user name is your main address there."
        ),
        secret_url="https://kb.mailbox.org/en/private/e-mail/e-mail-configuration",
    ),
)

_BY_DOMAIN = {domain: provider for provider in PROVIDERS for domain in provider.domains}


def provider_of(domain: str) -> Provider | None:
    """Return the provider that gives out addresses of that (normal) domain."""
    return _BY_DOMAIN.get(domain)


def provider_by_mx(hosts: Sequence[str]) -> Provider | None:
    """Return the provider to which the first known of these mail exchangers belongs; the preferred ones come first."""
    for host in hosts:
        name = host.lower().rstrip(".")
        for provider in PROVIDERS:
            if any(name == end or name.endswith(f".{end}") for end in provider.mx):
                return provider
    return None


def provider_by_server(imap_host: str) -> Provider | None:
    """Return the provider whose IMAP server that is; never for a program on this machine."""
    found = [each for each in PROVIDERS if each.imap.host == imap_host.lower() and each.sign_in != "bridge"]
    return found[0] if found else None
