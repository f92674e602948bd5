"""Questions on a terminal, of ``init`` and ``client add``, and how their answers are read.

An answer that cannot stand is told with its mend and asked for again; where there is nobody to ask, what was given on
the command line counts, then what would be suggested, and what is left is told all at once.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import click

from responder.adapters.clock import SystemClock
from responder.config import Server
from responder.config.spelling import BUILT_IN_LANGUAGES, meant, read_holidays, read_term, read_zone, shown, zone_names
from responder.config.values import is_loopback
from responder.core.address import normal_address, normal_domain

if TYPE_CHECKING:
    from collections.abc import Callable

    from responder.config.settings import Security

T = TypeVar("T")

#: The usual ports (RFC 8314 section 3, RFC 9051, RFC 6409), and what protects the connection there.
_PORTS: dict[str, dict[int, Security]] = {
    "imap": {993: "tls", 143: "starttls"},
    "smtp": {465: "tls", 587: "starttls", 25: "starttls"},
}
_DEFAULT_PORT: dict[str, dict[str, int]] = {
    "imap": {"tls": 993, "starttls": 143, "none": 143},
    "smtp": {"tls": 465, "starttls": 587, "none": 25},
}
_LANGUAGES = {
    "english": "en",
    "russian": "ru",
    "русский": "ru",
    "по-русски": "ru",
    "английский": "en",
    "rus": "ru",
    "eng": "en",
}
_UTC = frozenset({"UTC", "UCT", "GMT", "ZULU", "UNIVERSAL", "GREENWICH"})
_NONE = frozenset({"none", "no", "-", "0", "нет"})
_MOST_NAME = 100


class Asker:
    """Puts the questions.

    Args:
        on_terminal: there is somebody to answer; else every question takes what it has.
    """

    def __init__(self, *, on_terminal: bool) -> None:
        self.on_terminal = on_terminal

    def ask(self, question: str, read: Callable[[str], T], *, default: str | None = None, hint: str = "") -> T:
        """Return the answer as it was read.

        Args:
            question: a few words.
            read: the reader; its ValueError is the mend.
            default: what Enter stands for; None: there is nothing.
            hint: how to answer, said once before the question.

        Raises ValueError with the mend where nobody can be asked.
        """
        if not self.on_terminal:
            return read(default or "")
        if hint:
            click.echo(f"\n{hint}")
        while True:
            suffix = " " if question.endswith("?") and not default else ": "
            text = click.prompt(question, default=default or "", show_default=bool(default), prompt_suffix=suffix)
            try:
                return read(str(text).strip())
            except ValueError as error:
                self.mend(str(error))

    def ask_zone(self, question: str, *, default: str, hint: str = "") -> str:
        """Return a zone; what time it is there is said, so that another city of that name shows. "": no default."""
        zone = self.ask(question, read_place, default=default or None, hint=hint)
        if self.on_terminal:
            click.echo(f"  {zone}: it is {SystemClock().now().astimezone(ZoneInfo(zone)):%H:%M} there now.")
        return zone

    def secret(self, question: str) -> str:
        """Return a password, typed unseen; only on a terminal."""
        while True:
            text = str(click.prompt(question, default="", show_default=False, hide_input=True))
            try:
                return read_password(text)
            except ValueError as error:
                self.mend(str(error))

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no; without a terminal the default."""
        return click.confirm(question, default=default) if self.on_terminal else default

    def mend(self, text: str) -> None:
        """Say what is wrong with an answer and how to mend it."""
        click.secho(f"  {sentence(text)}", fg="yellow")


def sentence(text: str) -> str:
    """Return the text as a sentence of its own."""
    return text if text[:1] in '"«' else text[:1].upper() + text[1:]


# ------------------------------------------------------------------------------------------ readers


def read_name(text: str) -> str:
    """Return a person's name on one line."""
    name = " ".join(text.split())
    if not name:
        raise ValueError('a name is needed: replies are signed with it, like "Anna Svetlova"')
    if "@" in name:
        raise ValueError(f"{shown(name)} looks like an address: write the name as replies are signed")
    if len(name) > _MOST_NAME or not name.isprintable():
        raise ValueError("that is no name: up to 100 letters on one line")
    return name


def read_address(text: str) -> str:
    """Return one mail address as it was written."""
    text = text.removeprefix("mailto:")
    if normal_address(text):
        return text
    if "@" not in text:
        raise ValueError(f'{shown(text)} is no mail address: write it whole, like "anna@example.com"')
    raise ValueError(
        f'{shown(text)} cannot be read as one mail address: write it alone, like "anna@example.com", without a name'
    )


def read_client_address(text: str) -> str:
    """Return a client's address, or a domain as "@vostok.example"; "" stays."""
    if not text or (text.startswith("@") and "." in normal_domain(text[1:])) or normal_address(text):
        return text
    raise ValueError(
        f'{shown(text)} is neither an address like "ivan@vostok.example" nor a domain like "@vostok.example"'
    )


def read_password(text: str) -> str:
    """Return a password; spaces around it, as pages that show one leave them, are taken off."""
    password = text.strip()
    if not password:
        raise ValueError("a password is needed to log in; nothing is shown while you type it")
    if not password.isprintable():
        raise ValueError("that holds a key which types no letter: type it once more")
    return password


def read_place(text: str) -> str:
    """Return an IANA zone; a city's name does as well, in English or Russian.

    Raises ValueError for fixed offsets, UTC among them, and for what is no zone.
    """
    if not text:
        raise ValueError("name a city whose clock is yours, like Berlin or Москва")
    if text.upper().removeprefix("ETC/") in _UTC:
        raise ValueError(f"{shown(text)} is the clock of machines: name a city whose clock is yours, like Berlin")
    try:
        return read_zone(text).key
    except ValueError:
        if (found := _city(text)) is None:
            raise
    return found


def _city(text: str) -> str | None:
    wanted = text.strip().replace(" ", "_").casefold()
    if not wanted:
        return None
    for zone in zone_names():
        area, slash, city = zone.casefold().rpartition("/")
        # Those of Etc are fixed offsets, with the sign turned round: "GMT+3" would be three hours behind.
        if slash and area != "etc" and wanted in (zone.casefold(), city):
            return zone
    from babel import Locale  # noqa: PLC0415 - 45 ms, and only for who writes a city so

    cities = Locale.parse("ru").time_zones
    spoken = text.strip().casefold()
    found = [str(each) for each in cities if str(cities[each].get("city", "")).casefold() == spoken]
    return next((each for each in found if each in zone_names()), None)


def read_spoken_language(text: str) -> str:
    """Return a language in which all words are built in."""
    code = _LANGUAGES.get(text.casefold(), text.casefold())
    if code not in BUILT_IN_LANGUAGES:
        built_in = ", ".join(sorted(BUILT_IN_LANGUAGES))
        raise ValueError(
            f"{shown(text)}: replies are built in for {built_in}; for another language templates are written later, in "
            f"[templates.…] of config.toml{meant(code, _LANGUAGES)}"
        )
    return code


def read_country(text: str) -> str:
    """Return a code of public holidays, "" for none."""
    if text.casefold() in _NONE:
        return ""
    return read_holidays(text.upper())


def read_server(kind: str) -> Callable[[str], Server]:
    """Return what reads "imap.example.com", "imap.example.com:143", "127.0.0.1:1143 none" for "imap" or "smtp"."""

    def read(text: str) -> Server:
        words = text.replace(",", " ").split()
        if not words:
            raise ValueError(f'the name of the server is needed, like "{kind}.example.com"')
        security: Security | None = None
        port: int | None = None
        for word in words[1:]:
            if word.lower() in ("tls", "ssl"):
                security = "tls"
            elif word.lower() == "starttls":
                security = "starttls"
            elif word.lower() == "none":
                security = "none"
            elif word.isdigit():
                port = int(word)
            else:
                raise ValueError(
                    f'{shown(word)} is not understood: write host and port, like "{kind}.example.com:{_usual(kind)}", '
                    'and where needed "tls" or "starttls"'
                )
        host, found = _host_and_port(words[0])
        port = found if found is not None else port
        if port is not None and not 1 <= port <= 65_535:  # noqa: PLR2004 - the ports there are
            raise ValueError(f"{port} is no port: the usual one is {_usual(kind)}")
        security = security or (_PORTS[kind].get(port, "tls") if port is not None else "tls")
        if security == "none" and not is_loopback(host):
            raise ValueError(f'"none" is for this machine only: to {shown(host)} the password would travel unprotected')
        return Server(host=host, port=port or _DEFAULT_PORT[kind][security], security=security)

    return read


def _host_and_port(text: str) -> tuple[str, int | None]:
    text = re.sub(r"^\w+://", "", text).rstrip("/")
    host, colon, port = text.rpartition(":")
    if text.startswith("["):
        match = re.fullmatch(r"\[([\da-fA-F:.]+)\](?::(\d{1,6}))?", text)
        if match is None:
            raise ValueError(f'{shown(text)} is no server: write it like "imap.example.com:993"')
        return match[1], int(match[2]) if match[2] else None
    if not colon or text.count(":") > 1:
        host, port = text, ""
    elif not port.isdigit():
        raise ValueError(f"{shown(port)} is no port: it is a number, like 993")
    if "@" in host:
        raise ValueError(f'{shown(host)} is an address; the server has a name like "imap.example.com"')
    if not is_loopback(host) and not normal_domain(host) and not re.fullmatch(r"[\d.]+|[\da-fA-F:]+", host):
        raise ValueError(f'{shown(host)} is no name of a server: write it like "imap.example.com"')
    return (normal_domain(host) or host), int(port) if port else None


def _usual(kind: str) -> int:
    return _DEFAULT_PORT[kind]["tls"]


def say_server(server: Server) -> str:
    """Return a server as it may be typed again."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"{host}:{server.port} {server.security}"


def read_numbers(count: int) -> Callable[[str], tuple[int, ...]]:
    """Return what reads "1 3-5", "all" or "none" as the numbers of a list, from 1 to ``count``."""

    def read(text: str) -> tuple[int, ...]:
        words = text.casefold().replace(",", " ").split()
        if not words or (len(words) == 1 and words[0] in _NONE):
            return ()
        if words in (["all"], ["все"]):
            return tuple(range(1, count + 1))
        found: list[int] = []
        for word in words:
            match = re.fullmatch(r"(\d{1,3})(?:[-–](\d{1,3}))?", word)
            if match is None:
                raise ValueError(f'{shown(word)} is no number of the list: write numbers like "1 3", "all", or Enter')
            first, last = int(match[1]), int(match[2] or match[1])
            if not 1 <= first <= last <= count:
                raise ValueError(f"the list goes from 1 to {count}: {shown(word)} is not in it")
            found += range(first, last + 1)
        return tuple(dict.fromkeys(found))

    return read


def language_of(name: str, environ_language: str) -> str:
    """Return the language to suggest: by the letters of the owner's name, else of the machine."""
    letters = [unicodedata.name(each, "") for each in name if each.isalpha()]
    if any(each.startswith("CYRILLIC") for each in letters) or environ_language.lower().startswith("ru"):
        return "ru"
    return "en"


def country_of(zone: str) -> str:
    """Return the code of the public holidays that are likely kept in a zone, "" where there are several or none."""
    from babel.core import get_global  # noqa: PLC0415 - 45 ms

    aliases, territories = get_global("zone_aliases"), get_global("zone_territories")
    back = {new: old for old, new in aliases.items()}
    for name in (zone, aliases.get(zone, ""), back.get(zone, "")):
        code = str(territories.get(name, ""))
        if code and code != "001":
            try:
                return read_holidays(code)
            except ValueError:
                return ""
    return ""


def read_response(text: str) -> str:
    """Return a response time as the file spells it."""
    plain = " ".join(text.lower().split())
    read_term(plain)
    return plain


def system_zone() -> str:
    """Return this machine's zone, "" where it has none of a place (a server in UTC)."""
    import tzlocal  # noqa: PLC0415 - only here; it is what dateparser asks as well

    try:
        return read_place(tzlocal.get_localzone_name())
    except Exception:  # noqa: BLE001 - whatever the machine has set: it is only a suggestion
        return ""
