"""What no table shows by itself: addresses that meet, channels that are not there, windows that never come.

Each check looks at the tables as the owner wrote them and tells the book; ``outlook`` adds what needs reckoning.
"""

from __future__ import annotations

import re
import stat
from datetime import timedelta
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from responder.config import rules
from responder.config.book import spell
from responder.config.freemail import FREE_MAIL
from responder.config.spelling import meant, shown
from responder.config.tables import InlineSecret, TemplateTable
from responder.config.values import is_loopback
from responder.core.address import account, normal_address, normal_domain
from responder.core.compose import check_templates
from responder.core.words import languages
from responder.errors import how_to_add

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from responder.config.book import Book
    from responder.config.lines import Path
    from responder.config.tables import ChannelTable, ClientTable, File, MailboxTable, OAuth2Table, WindowTable
    from responder.core.model import Policy

_OTHERS = 0o077
_LEAST_POLL = timedelta(seconds=1)
#: A bounced address is left alone for 30 days, and the ledger has to remember it.
_LEAST_KEEP = timedelta(days=30)


def check(book: Book, tables: File, clients: Mapping[str, ClientTable], policy: Policy) -> None:
    """Tell the book of every fault that lies between the tables, and of what is allowed but odd."""
    if not tables.mailboxes:
        book.complain_of_all(("mailboxes",), "there must be at least one mailbox, like [mailboxes.main]")
    _mailboxes(book, tables)
    _hours(book, tables, clients)
    _channels_of_windows(book, tables, clients)
    _names_of_channels(book, tables, clients)
    _topics(book, tables, clients)
    _addresses(book, tables, clients)
    for key, client in clients.items():
        _client(book, key, client)
    _replies(book, tables)
    _alerts(book, tables, clients)
    _languages(book, tables, clients)
    _filing(book, tables, clients)
    _digest(book, tables, clients)
    if tables.ledger.keep < _LEAST_KEEP:
        book.complain(("ledger", "keep"), "must be at least 30 days: that long a bounced address gets no reply")
    _metrics(book, tables)
    _templates(book, clients, policy)
    if not clients and book.trusts(("clients",)):
        book.warn(("clients",), "there are no clients: every sender is a stranger")
    if not tables.windows and book.trusts(("windows",)):
        book.warn(("windows",), "there are no callback windows: nothing is filed")


def _mailboxes(book: Book, tables: File) -> None:
    taken: dict[tuple[str, int | None, str, str], str] = {}
    for name, mailbox in tables.mailboxes.items():
        path = ("mailboxes", name)
        inbox = "INBOX" if mailbox.inbox.upper() == "INBOX" else mailbox.inbox
        username = mailbox.username or next(iter(mailbox.addresses), "")
        account = (mailbox.imap.host.lower().rstrip("."), mailbox.imap.port, username, inbox)
        other = taken.setdefault(account, name)
        if other != name:
            book.complain_of_all(
                path,
                f"the mailbox {other} watches the same folder of the same account already: one of them must go",
            )
        if not mailbox.addresses:
            book.complain_of_all((*path, "addresses"), 'must name at least one address, like ["anna@example.com"]')
        for protocol, server in (("imap", mailbox.imap), ("smtp", mailbox.smtp)):
            if server.security == "none" and not is_loopback(server.host):
                book.complain(
                    (*path, protocol, "security"),
                    f'"none" would send the password in clear to {server.host}: only this machine (localhost, '
                    '127.0.0.1, ::1) may be reached so; use "tls" or "starttls"',
                )
        if mailbox.poll < _LEAST_POLL:
            book.complain((*path, "poll"), "must be at least 1 s: a shorter wait would never let go of the server")
        if isinstance(mailbox.password, InlineSecret):
            _inline(book, (*path, "password"))
        _login(book, path, mailbox)


def _login(book: Book, path: Path, mailbox: MailboxTable) -> None:
    """Complain of a login that lacks what it needs, or has both."""
    table = mailbox.oauth2
    if mailbox.auth == "password":
        if mailbox.password is None:
            book.complain_of_all(path, 'password is missing: say where it is to be had, like { credential = "main" }')
        if table is not None:
            book.warn((*path, "oauth2"), 'without effect while auth = "password"; it wants auth = "oauth2"')
        return
    if table is None:
        example = 'like [mailboxes.main.oauth2] with provider = "microsoft" and client_id'
        book.complain_of_all((*path, "auth"), f'"oauth2" needs a table of its own, {example}')
        return
    if mailbox.password is not None:
        book.complain_of_all((*path, "password"), 'goes with auth = "password"; with "oauth2" there is none')
    _sign_in(book, (*path, "oauth2"), table)


def _sign_in(book: Book, path: Path, table: OAuth2Table) -> None:
    if isinstance(table.client_secret, InlineSecret):
        _inline(book, (*path, "client_secret"))
    if table.provider == "other":
        if not table.token_url:
            book.complain_of_all(path, 'token_url is missing (or provider = "microsoft" or "google")')
        elif not table.device_url and not table.authorize_url:
            book.complain_of_all(path, "device_url or authorize_url is missing: one way to sign in")
    for key in ("token_url", "device_url", "authorize_url"):
        written: str = getattr(table, key)
        url = urlsplit(written)
        if written and url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
            book.complain((*path, key), "must begin with https:// (http only on this machine)")


def _metrics(book: Book, tables: File) -> None:
    if (tables.metrics.listen or tables.metrics.textfile) and find_spec("prometheus_client") is None:
        book.complain(
            ("metrics",),
            "figures need the library prometheus-client, which is not installed; take the table away, or "
            + how_to_add("metrics"),
        )


def _inline(book: Book, path: Path, what: str = "password") -> None:
    mode = stat.S_IMODE(book.path.stat().st_mode)
    if mode & _OTHERS:
        book.complain(
            path,
            f"a {what} stands in a file that others may read (mode {mode:04o}): use {{ credential = … }} or "
            f"{{ file = … }}, or chmod 600 {book.path.name}",
        )
    else:
        book.warn(path, f"the {what} stands in the file itself; {{ credential = … }} or {{ file = … }} keeps it apart")


def _hours(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    none = 'there is no stretch at all on any weekday: write when you work, like mon-fri = ["10:00-19:00"]'
    if not _weekly(tables.hours):
        book.complain_of_all(("hours",), none)
    for key, client in clients.items():
        if client.hours is not None and not _weekly(client.hours):
            book.complain_of_all(("clients", key, "hours"), none)
        if not _weekly(client.daytime):
            book.complain_of_all(
                ("clients", key, "daytime"), 'there is no stretch on any weekday, like mon-sun = ["09:00-21:00"]'
            )


def _weekly(hours: Mapping[str, Sequence[object]]) -> bool:
    return any(stretches for key, stretches in hours.items() if not key[0].isdigit())


def _channels_of_windows(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    def look(windows: Mapping[str, WindowTable], path: Path, channels: Mapping[str, object], at: Path) -> None:
        for key, window in windows.items():
            for name in window.channels:
                if name not in channels and book.trusts((*at, "channels", name)):
                    known = f"allowed here: {', '.join(channels)}" if channels else "there is none"
                    book.complain(
                        book.member((*path, "windows", key, "channels"), name),
                        f"the channel {shown(name)} is not defined; {known}{meant(name, channels)}",
                    )

    look(tables.windows, (), tables.channels, ())
    for key, client in clients.items():
        path = ("clients", key)
        own = client.channels
        if client.windows is not None:
            look(client.windows, path, tables.channels if own is None else own, () if own is None else path)
        elif own is not None:
            used = {name for window in tables.windows.values() for name in window.channels if name in tables.channels}
            if lost := sorted(used - set(own)):
                book.complain_of_all(
                    (*path, "channels"),
                    f"the windows use {', '.join(map(shown, lost))}, which this client's own channels lack: "
                    "add it here, or give the client its own windows",
                )


def _names_of_channels(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    def look(channels: Mapping[str, ChannelTable], path: Path, asked: Mapping[str, Path]) -> None:
        for key, channel in channels.items():
            names = rules.words(channel.name, tables.owner.language)
            lacking = [
                f"{language} (asked for by {spell(asker)})"
                for language, asker in asked.items()
                if language not in names and book.trusts(asker)
            ]
            if lacking:
                book.complain_of_all((*path, "channels", key, "name"), f"lacks the name in {', '.join(lacking)}")

    look(tables.channels, (), rules.languages(tables, clients))
    for key, client in clients.items():
        path = ("clients", key)
        asker = (*path, "language") if client.language else ("owner", "language")
        look(client.channels or {}, path, {client.language or tables.owner.language: asker})


def _topics(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    for key, topic in tables.topics.items():
        preset = topic.preset is not None and "words" not in topic.model_fields_set
        if not preset and not topic.words and not topic.attachments:
            book.complain_of_all(("topics", key), "nothing belongs to this topic: give words, or attachments = true")
        for word in topic.words:
            if not re.search(r"\w", word) or "*" in word.rstrip("*") or word.endswith("**"):
                book.complain(
                    book.member(("topics", key, "words"), word),
                    f'{shown(word)} is no word to look for: letters, and at most one * at the end, as "word*"',
                )
    for key, client in clients.items():
        for name in client.topics:
            if name not in tables.topics and book.trusts(("topics", name)):
                known = f"allowed here: {', '.join(tables.topics)}" if tables.topics else "there is none"
                book.complain(
                    ("clients", key, "topics", name),
                    f"this topic is not defined; {known}{meant(name, tables.topics)}",
                )


# --------------------------------------------------------------------------------------- addresses


def _addresses(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    own = dict(_own(tables))
    own_domains = {address.partition("@")[2]: path for address, path in own.items() if path[0] == "mailboxes"}
    taken: dict[str, tuple[str, Path]] = {}
    for key, client in clients.items():
        for text in client.addresses:
            path = book.member(("clients", key, "addresses"), text)
            domain = normal_domain(text[1:]) if text.startswith("@") else ""
            normal = f"@{domain}" if domain else account(normal_address(text))
            if domain in FREE_MAIL:
                book.complain(
                    path, f"{shown(text)} is a free-mail domain, where anybody may write from: name the addresses"
                )
            elif domain in own_domains:
                book.complain(path, f"{shown(text)} is your own domain ({book.line(own_domains[domain])})")
            elif normal in own:
                book.complain(path, f"{shown(text)} is your own address ({book.line(own[normal])})")
            elif normal in taken and taken[normal][0] != key:
                other, place = taken[normal]
                book.complain(
                    path,
                    f"{shown(text)} stands at the client {other} already ({book.line(place)}): one client only",
                )
            taken.setdefault(normal, (key, path))


def _digest(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    """The digest names every client: it must never reach one of them."""
    to = account(normal_address(tables.digest.to))
    for key, client in clients.items():
        for text in client.addresses:
            domain = normal_domain(text[1:]) if text.startswith("@") else ""
            if to and (to.rpartition("@")[2] == domain if domain else account(normal_address(text)) == to):
                place = book.line(book.member(("clients", key, "addresses"), text))
                book.complain(
                    ("digest", "to"), f"{shown(tables.digest.to)} is an address of the client {key} ({place})"
                )


def _own(tables: File) -> Iterator[tuple[str, Path]]:
    for address in tables.owner.also:
        yield account(normal_address(address)), ("owner", "also")
    for name, mailbox in tables.mailboxes.items():
        for address in mailbox.addresses:
            yield account(normal_address(address)), ("mailboxes", name, "addresses")


def _client(book: Book, key: str, client: ClientTable) -> None:
    path = ("clients", key)
    if not client.addresses:
        book.complain_of_all(
            (*path, "addresses"), 'must name at least one address or domain, like ["ivan@vostok.example"]'
        )
    known = {account(normal_address(text)) for text in client.addresses}
    domains = {normal_domain(text[1:]) for text in client.addresses if text.startswith("@")}
    for address in client.people:
        normal = account(normal_address(address))
        if normal not in known and normal.partition("@")[2] not in domains and book.trusts((*path, "addresses")):
            near = get_close_matches(normal, known - {""}, n=1)
            hint = f"; did you mean {shown(near[0])}?" if near else ""
            book.warn((*path, "people", address), f"{shown(address)} is no address of this client{hint}")
    agreement = client.agreement
    if agreement and agreement.from_ and agreement.until and agreement.until < agreement.from_:
        book.complain(
            (*path, "agreement", "until"),
            f"the agreement ends ({agreement.until}) before it begins ({agreement.from_})",
        )


# ---------------------------------------------------------------------- replies, languages, folders


def _replies(book: Book, tables: File) -> None:
    if tables.replies.strangers == "short":
        lacking = [
            name
            for name, mailbox in tables.mailboxes.items()
            if not mailbox.trusted_authserv_id and book.trusts(("mailboxes", name, "trusted_authserv_id"))
        ]
        if lacking:
            book.complain(
                ("replies", "strangers"),
                '"short" answers only who is proved by dmarc=pass, so every mailbox needs trusted_authserv_id; '
                f"missing in: {', '.join(lacking)}",
            )


def _alerts(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    if tables.alerts.apprise and find_spec("apprise") is None:
        book.complain(("alerts", "apprise"), f"the extra is not installed; {how_to_add('apprise')}")
    for number, each in enumerate(tables.alerts.apprise):
        if isinstance(each, InlineSecret):
            _inline(book, ("alerts", "apprise", number), "service's address, which holds its secret,")
    if tables.alerts.command or tables.alerts.apprise or not book.trusts(("alerts",)):
        return
    for key, client in clients.items():
        if client.urgent_word:
            book.warn(
                ("clients", key, "urgent_word"),
                "the client is told that this word calls you, but [alerts] names nobody: give command or apprise",
            )


def _languages(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    built_in = languages()
    asked: list[tuple[str, Path]] = [(tables.owner.language, ("owner", "language"))]
    asked += [(client.language, ("clients", key, "language")) for key, client in clients.items() if client.language]
    for language, path in asked:
        lacking = [
            key
            for key in TemplateTable.model_fields
            if language not in built_in and not getattr(tables.templates.get(language), key, None)
        ]
        if lacking:
            book.complain_of_all(
                path,
                f"there are no texts in {shown(language)}; the languages are {', '.join(sorted(built_in))}",
            )


def _filing(book: Book, tables: File, clients: Mapping[str, ClientTable]) -> None:
    folder, finished = tables.filing.folder, tables.filing.finished
    several = len(tables.windows) > 1 or any(len(client.windows or ()) > 1 for client in clients.values())
    if several and not re.search(r"\{opens[:}]", folder):
        book.complain(
            ("filing", "folder"),
            "{opens} is missing: there are several windows, and each needs folders of its own, like "
            '"Callbacks/{opens:%Y-%m-%d %H-%M}"',
        )
    for key, text in (("folder", folder), ("finished", finished)):
        levels = text.split("/")
        if not all(level.strip() for level in levels):
            book.complain(
                ("filing", key), f'{shown(text)}: names of folders stand between the "/", like "Callbacks/Done"'
            )
        elif text.strip().upper() == "INBOX":
            book.complain(("filing", key), "must be another folder than INBOX")
    if re.search(r'[{}%*\\"]', finished) or not finished.isprintable():
        book.complain(("filing", "finished"), f'{shown(finished)}: {{ }} % * \\ and " cannot stand in this name')
    elif finished == folder:
        book.complain(("filing", "finished"), "must be another folder than filing.folder")


def _templates(book: Book, clients: Mapping[str, ClientTable], policy: Policy) -> None:
    for fault in check_templates(policy):
        path = tuple(fault.path.split("."))
        # Whoever reads the owner's language has no fault of their own.
        inherited = path[-1] == "language" and path[0] == "clients" and clients[path[1]].language is None
        if not inherited:
            book.complain_of_all(path, fault.text)
