"""The values of ``config.toml`` as types: what a name, an address, a length of time, a table of hours may be.

Each type says in a sentence what is wrong with a text that it refuses, and carries the pattern an editor checks by.
Needs the real types at run time, so the annotations are not postponed.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from responder.config import spelling
from responder.config.book import is_table
from responder.core.address import normal_address, normal_domain
from responder.core.authres import MICROSOFT
from responder.core.model import Stretch, Term
from responder.core.urgent import fault_of_word

T = TypeVar("T")

#: Stands for the owner's language where words are given as a plain text.
OWN = "*"

#: Where the digest goes if not to an address.
INBOX = "inbox"
_LAST_PORT = 65_535

#: What somebody writes whose mail Microsoft holds: its product's or its hosts' names.
_MICROSOFT = re.compile(
    r"^(?:(?:microsoft|office|ms|m)[ -]?365|microsoft|exchange ?online|outlook|hotmail)$"
    r"|(?:^|\.)(?:outlook|office365|office|hotmail|live|microsoft|onmicrosoft)\.com$"
)


def _spelled(read: Callable[[str], T], schema: dict[str, Any]) -> tuple[PlainValidator, WithJsonSchema]:
    """Return the marks of a value that is written as text and read by that function."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "text is wanted", {"like": schema["examples"][0]})
        return read(value)

    return PlainValidator(validate), WithJsonSchema({"type": "string", **schema})


# ------------------------------------------------------------------------------------------ values


def _line(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("must not be empty")
    # Names and addresses end up in header fields: a line break there would be a second header.
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _line_or_nothing(text: str) -> str:
    return _line(text) if text.strip() else ""


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("no program takes an argument with a NUL in it")
    return text


def _words(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("must not be empty")
    if not text.replace("\n", " ").isprintable():
        raise ValueError("must not hold control characters")
    return text


def _address(text: str) -> str:
    text = _line(text)
    if not normal_address(text):
        raise ValueError(f'{spelling.shown(text)} is no address: write it like "ivan@vostok.example"')
    return text


def _inbox_or_address(text: str) -> str:
    text = _line(text)
    if text.lower() == INBOX:
        return INBOX
    if not normal_address(text):
        raise ValueError(f'{spelling.shown(text)} is neither "inbox" nor an address like "anna@example.com"')
    return text


def _address_or_domain(text: str) -> str:
    text = _line(text)
    if text.startswith("@"):
        if "." not in normal_domain(text[1:]):
            raise ValueError(f'{spelling.shown(text)} is no domain: write it like "@vostok.example"')
        return text
    if not normal_address(text):
        raise ValueError(
            f'{spelling.shown(text)} is neither an address like "ivan@vostok.example" '
            'nor a domain like "@vostok.example"'
        )
    return text


def _urgent_word(text: str) -> str:
    text = unicodedata.normalize("NFC", _line_or_nothing(text))
    if text and (fault := fault_of_word(text)):
        raise ValueError(f"{spelling.shown(text)}: {fault}")
    return text


def _key(text: str) -> str:
    # These names become parts of folders, of log lines and of paths in errors.
    if not re.fullmatch(r"\w[\w-]{0,59}", text):
        raise ValueError("is no name for a table: allowed are up to 60 letters, digits, - and _")
    return text


def _own_words(value: Any) -> Any:
    if isinstance(value, str):
        return {OWN: value}
    if is_table(value) and OWN in value:
        raise ValueError(f'"{OWN}" is no language: allowed are codes like "en", "ru", "de", "pt-BR"')
    return value


def _language(text: str) -> str:
    return text if text == OWN else spelling.read_language(text)


def _plain_name(text: str) -> str:
    # It becomes a file's name below $CREDENTIALS_DIRECTORY.
    if not re.fullmatch(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]*", text):
        raise ValueError(f"{spelling.shown(text)} is no name of a credential: letters, digits, . _ - @")
    return text


def _host(text: str) -> str:
    text = _line(text)
    if re.fullmatch(r"[^:]+:\d+", text):
        raise ValueError(f"{spelling.shown(text)}: the port stands apart, as port = {text.rpartition(':')[2]}")
    if not re.fullmatch(r"[\w.:%-]+", text):
        raise ValueError(f'{spelling.shown(text)} is no name of a server: write it like "imap.example.com"')
    return text


def _listen(text: str) -> str:
    text = _line_or_nothing(text)
    host, _, port = text.rpartition(":")
    if not text:
        return ""
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
        raise ValueError(f'{spelling.shown(text)} is no place to listen at: write it like "127.0.0.1:9469"')
    if not is_loopback(host.removeprefix("[").removesuffix("]")):
        raise ValueError(
            f"{spelling.shown(text)}: only this machine may read the page, for it asks for no password; write"
            f' "127.0.0.1:{port}", and for others put a web server with a password and TLS in front of it'
        )
    return text


def _textfile(text: str) -> str:
    text = _line_or_nothing(text)
    if text and not re.fullmatch(r"(?:.*/)?[^/]+\.prom", text):
        raise ValueError(f'{spelling.shown(text)}: node_exporter reads only files whose names end in ".prom"')
    return text


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine itself, whatever a name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _authserv_id(text: str) -> str:
    """Source: RFC 8601 section 2.5; Microsoft's servers write no id."""
    text = _line_or_nothing(text)
    if text.lower() == MICROSOFT:
        return MICROSOFT
    host = text.removeprefix("*.").rstrip(".").lower()
    if _MICROSOFT.search(host):
        raise ValueError(
            f'{spelling.shown(text)} never stands there: Microsoft signs its results with no name; write "{MICROSOFT}"'
        )
    if text and (not normal_domain(host) or (text.startswith("*.") and "." not in host)):
        raise ValueError(
            f"{spelling.shown(text)} is no such name: it is the first word of the field Authentication-Results in your "
            f'mail, like "mx.example.com"; "*.example.com" stands for changing hosts, "{MICROSOFT}" for Microsoft'
        )
    return text


def _days(text: str) -> str:
    spelling.read_days(text)
    return text


def _weekdays(text: str) -> str:
    spelling.read_days(text)
    if text[0].isdigit():
        raise ValueError('only "mon" to "sun" and ranges may stand here: the dates in [hours] hold for every client')
    return text


Line = Annotated[str, AfterValidator(_line)]
LineOrNothing = Annotated[str, AfterValidator(_line_or_nothing)]
UrgentWord = Annotated[str, AfterValidator(_urgent_word)]
AuthservId = Annotated[str, AfterValidator(_authserv_id)]
Listen = Annotated[str, AfterValidator(_listen)]
TextFile = Annotated[str, AfterValidator(_textfile)]
Argument = Annotated[str, AfterValidator(_argument)]
Text = Annotated[str, AfterValidator(_words)]
Address = Annotated[str, AfterValidator(_address)]
InboxOrAddress = Annotated[str, AfterValidator(_inbox_or_address)]
AddressOrDomain = Annotated[str, AfterValidator(_address_or_domain)]
Host = Annotated[str, AfterValidator(_host)]
Key = Annotated[str, AfterValidator(_key)]
CredentialName = Annotated[str, AfterValidator(_plain_name)]
Language = Annotated[str, AfterValidator(spelling.read_language)]
Holidays = Annotated[str, AfterValidator(spelling.read_holidays)]
Zone = Annotated[ZoneInfo, *_spelled(spelling.read_zone, {"examples": ["Europe/Berlin"]})]
Duration = Annotated[
    timedelta,
    *_spelled(spelling.read_duration, {"pattern": f"^{spelling.DURATION_PATTERN}$", "examples": ["3 min"]}),
]
ResponseTerm = Annotated[
    Term, *_spelled(spelling.read_term, {"pattern": f"^({spelling.TERM_PATTERN})$", "examples": ["1 working day"]})
]
Moment = Annotated[
    int | None, *_spelled(spelling.read_moment, {"pattern": f"^({spelling.MOMENT_PATTERN})$", "examples": ["08:30"]})
]
StretchText = Annotated[
    Stretch,
    *_spelled(spelling.read_stretch, {"pattern": f"^{spelling.STRETCH_PATTERN}$", "examples": ["10:00-13:00"]}),
]
Words = Annotated[
    dict[Annotated[str, AfterValidator(_language)], Text],
    BeforeValidator(_own_words),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}],
            "examples": [{"ru": "Телефон", "en": "Phone"}],
        }
    ),
]


def _hours_schema(days: str) -> WithJsonSchema:
    stretches = {"type": "array", "items": {"type": "string", "pattern": f"^{spelling.STRETCH_PATTERN}$"}}
    return WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {f"^({days})$": stretches},
            "additionalProperties": False,
            "examples": [{"mon-fri": ["10:00-13:00", "14:00-19:00"]}],
        }
    )


Hours = Annotated[
    dict[Annotated[str, AfterValidator(_days)], list[StretchText]],
    _hours_schema(f"{spelling.DAYS_PATTERN}|{spelling.DATES_PATTERN}"),
]
Weekdays = Annotated[
    dict[Annotated[str, AfterValidator(_weekdays)], list[StretchText]], _hours_schema(spelling.DAYS_PATTERN)
]
