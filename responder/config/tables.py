"""The tables of ``config.toml`` as types: which keys exist, how each is written, what holds where it is left out.

Every table refuses unknown keys; every description is what an editor shows and what an error says of a missing key.
What spans several tables is looked at in ``checks.py``. Needs the real types at run time, so the annotations are
not postponed.
"""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WrapValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from responder.config.settings import Security
from responder.config.spelling import STAND_IN_ZONE
from responder.config.values import (
    Address,
    AddressOrDomain,
    Argument,
    AuthservId,
    CredentialName,
    Duration,
    Holidays,
    Host,
    Hours,
    InboxOrAddress,
    Key,
    Language,
    Line,
    LineOrNothing,
    Listen,
    Moment,
    ResponseTerm,
    TextFile,
    UrgentWord,
    Weekdays,
    Words,
    Zone,
)
from responder.core.model import PresetName


def _default(text: str, meaning: str, alias: str | None = None) -> Any:
    """Return a field whose default is written as the file would write it."""
    return Field(default=text, validate_default=True, description=meaning, alias=alias)


def _table(meaning: str) -> Any:
    """Return a field for a table all of whose keys have defaults."""
    return Field(default={}, validate_default=True, description=meaning)


class Table(BaseModel):
    """A table of the file.

    ``stand_ins``: what takes the place of a required key that is missing or faulty, so that everything else can
    still be looked at.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    stand_ins: ClassVar[dict[str, Any]] = {}


# ---------------------------------------------------------------------------------------- accounts


class OwnerTable(Table):
    """The person whose mailbox it is."""

    stand_ins: ClassVar[dict[str, Any]] = {"name": "?", "timezone": STAND_IN_ZONE, "language": "en"}

    name: Line = Field(description="your name, as replies are signed")
    timezone: Zone = Field(description='where you live, as an IANA zone like "Europe/Moscow"')
    language: Language = Field(description='your language, like "ru": of replies where the client has none')
    holidays: Holidays = Field(default="", description='whose public holidays you keep: "RU", "DE-BY"; "" for none')
    also: list[Address] = Field(default=[], description="other addresses you answer from: never clients")
    why: Words = Field(default={}, description="why you keep these hours, by language: said in the full reply")


class ServerTable(Table):
    """A server, and how the connection to it is protected."""

    stand_ins: ClassVar[dict[str, Any]] = {"host": "localhost"}

    host: Host = Field(description='the server\'s name, like "imap.example.com"')
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None,
        description="left out: the usual one (IMAP 993, 143 without tls; SMTP 465, starttls 587, none 25)",
    )
    security: Security = Field(default="tls", description='"tls", "starttls", or "none" (this machine only)')


class SecretTable(Table):
    """Where the password is to be had: exactly one of these."""

    credential: CredentialName | None = Field(default=None, description="name of a systemd credential")
    file: Line | None = Field(default=None, description="a file that holds it, relative to this one")
    env: Line | None = Field(default=None, description="name of an environment variable")
    command: list[Argument] | None = Field(default=None, description="a program that prints it, with its arguments")
    keyring: Line | None = Field(default=None, description="the service's name in the desktop's keyring")


class InlineSecret(SecretTable):
    """A password that stands in the file itself."""

    inline: str


class _OrText:
    """Marks a table that may be a plain text instead, for editors."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "string"}]}


def _secret(value: object, table: Callable[[object], SecretTable]) -> SecretTable:
    if isinstance(value, str):
        if not value:
            raise ValueError("must not be empty")
        return InlineSecret(inline=value)
    secret = table(value)
    if len(secret.model_dump(exclude_none=True)) != 1:
        raise ValueError("must name exactly one of credential, file, env, command, keyring")
    if secret.command is not None and not any(secret.command[:1]):
        raise ValueError("command must name a program")
    return secret


class OAuth2Table(Table):
    """Sign-in by OAuth2, done once with `responder login`."""

    stand_ins: ClassVar[dict[str, Any]] = {"client_id": "?"}

    provider: Literal["microsoft", "google", "other"] = Field(
        default="other", description='"microsoft" and "google" are known; "other" names its addresses below'
    )
    client_id: Line = Field(description="of the application you have registered there")
    client_secret: Annotated[SecretTable | None, WrapValidator(_secret), _OrText()] = Field(
        default=None, description='where its secret is to be had, like { credential = "oauth" }; many need none'
    )
    tenant: Line = Field(default="common", description="Microsoft: your organisation's, or left out")
    token_url: LineOrNothing = Field(default="", description="other providers: where tokens are had")
    device_url: LineOrNothing = Field(default="", description="other providers: where a device code is had (RFC 8628)")
    authorize_url: LineOrNothing = Field(default="", description="other providers: where you sign in by a browser")
    scopes: list[Line] = Field(default=[], description="other providers: what is asked for")


class MailboxTable(Table):
    """One mailbox: its addresses, its servers, its login."""

    stand_ins: ClassVar[dict[str, Any]] = {
        "addresses": [],
        "imap": {"host": "localhost"},
        "smtp": {"host": "localhost"},
        "password": {"credential": "missing"},
    }

    addresses: list[Address] = Field(description="every address clients write to; the first is the default From")
    imap: ServerTable = Field(description='where mail is read, like { host = "imap.example.com" }')
    smtp: ServerTable = Field(description='where replies are handed in, like { host = "smtp.example.com" }')
    username: LineOrNothing = Field(default="", description="the login's name; left out: the first address")
    auth: Literal["password", "oauth2"] = Field(default="password", description='how to log in; "oauth2" wants a table')
    password: Annotated[SecretTable | None, WrapValidator(_secret), _OrText()] = Field(
        default=None, description='where the password is to be had, like { credential = "main" }'
    )
    oauth2: OAuth2Table | None = Field(default=None, description="sign-in by OAuth2: [mailboxes.main.oauth2]")
    inbox: Line = Field(default="INBOX", description="the folder that is watched")
    poll: Duration = _default("60 s", "how often the folder is looked at, if the server does not tell by itself")
    trusted_authserv_id: AuthservId = Field(
        default="",
        description='the name your provider signs its Authentication-Results with; "microsoft 365" for Microsoft, '
        "which signs with none",
    )


# ------------------------------------------------------------------------------------------- rules


class ChannelTable(Table):
    """A way to reach you: when it is welcome, and why not otherwise."""

    stand_ins: ClassVar[dict[str, Any]] = {"name": {}, "hours": {}}

    name: Words = Field(description="what it is called, by language")
    hours: Hours = Field(description="when it is welcome, in your zone")
    why: Words = Field(default={}, description="why not at other times, by language")


class WindowTable(Table):
    """A callback window: when you return calls and answer the filed mail."""

    stand_ins: ClassVar[dict[str, Any]] = {"hours": {}}

    hours: Hours = Field(description="when it is, in your zone; may lie outside [hours]")
    channels: list[str] = Field(default=[], description="the channels you use in it")


class TopicTable(Table):
    """What a message can be about, with its own response time."""

    preset: PresetName | None = Field(
        default=None, description="a shipped topic with words and say in every language; the keys beside it override it"
    )
    words: list[Line] = Field(
        default=[], description='looked for in the subject and the new text; "word*" matches any ending'
    )
    attachments: bool = Field(default=False, description="an attached document alone is enough")
    response: ResponseTerm | None = Field(
        default=None, description="its response time; left out: the client's, else [response]"
    )
    say: Words = Field(default={}, description="the reason for it, by language: said in the reply")


class ResponseTable(Table):
    """How fast you answer where nothing else is agreed."""

    default: ResponseTerm = _default("1 working day", '"N working hours", "N working days", "N hours", "next window"')


class AgreementTable(Table):
    """The document that holds the rules for one client; cited only while it is in force."""

    stand_ins: ClassVar[dict[str, Any]] = {"name": "?"}

    name: Line = Field(description="the document's name, as it is cited")
    version: LineOrNothing = Field(default="", description="its version")
    from_: date | None = Field(default=None, alias="from", description="the first day it is in force")
    until: date | None = Field(default=None, description="the last day it is in force")


class ClientTopicTable(Table):
    """What was agreed with one client about one topic."""

    stand_ins: ClassVar[dict[str, Any]] = {"response": "1 working day"}

    response: ResponseTerm = Field(description="this client's response time for the topic")


#: Written as the file would write it; read when the default is.
_DAYTIME: Any = {"mon-sun": ["09:00-21:00"]}


class ClientTable(Table):
    """A person or firm with an agreement."""

    stand_ins: ClassVar[dict[str, Any]] = {"addresses": [], "timezone": STAND_IN_ZONE}

    name: LineOrNothing = Field(default="", description="what the client is called; left out: the table's name")
    addresses: list[AddressOrDomain] = Field(description='the client\'s addresses, and domains as "@vostok.example"')
    people: dict[Address, Line] = Field(
        default={}, description="how you address them; others get a greeting without a name"
    )
    timezone: Zone = Field(description='where the client is, as an IANA zone like "Asia/Vladivostok"')
    language: Language | None = Field(default=None, description="language of the replies; left out: yours")
    daytime: Weekdays = Field(
        default=_DAYTIME,
        validate_default=True,
        description="when a call is welcome there, in the client's zone; weekdays only",
    )
    holidays: Holidays = Field(default="", description='the public holidays there ("DE-BY"): no call is offered')
    agreement: AgreementTable | None = Field(default=None, description="the document that holds the rules")
    phone: LineOrNothing = Field(default="", description="the number you call back")
    response: ResponseTerm | None = Field(default=None, description="this client's response time")
    topics: dict[str, ClientTopicTable] = Field(default={}, description="this client's response times by topic")
    hours: Weekdays | None = Field(default=None, description="weekdays that replace [hours]; your dates stand")
    windows: dict[Key, WindowTable] | None = Field(default=None, description="windows that replace yours")
    channels: dict[Key, ChannelTable] | None = Field(default=None, description="channels that replace yours")
    auto_reply: bool = Field(default=True, description="false: this client gets no automatic reply")
    urgent_word: UrgentWord = Field(
        default="", description='a word like "СРОЧНО" in the subject flags the mail and alerts you; left out: none'
    )


# --------------------------------------------------------------------------- replies, filing, rest


class LimitsTable(Table):
    """Caps on replies, over rolling days and hours."""

    per_address_per_day: Annotated[int, Field(ge=1)] = Field(default=3, description="replies to one address in a day")
    per_hour: Annotated[int, Field(ge=1)] = Field(
        default=30, description="reached: silent until the next opening, and you are alerted"
    )
    per_day: Annotated[int, Field(ge=1)] = Field(default=200, description="replies to anybody in a day")


class RepliesTable(Table):
    """The automatic answers."""

    mode: Literal["send", "draft", "off"] = Field(default="send", description='"draft": into Drafts; "off": none')
    grace: Duration = _default("3 min", "wait from the first mail: if you answer yourself, none is sent")
    break_: Duration = _default(
        "2 h", "a shorter gap between two stretches of [hours] is a break: nobody is told", alias="break"
    )
    conversing: Duration = _default("60 min", "no reply if you wrote to this client this recently")
    full_every: Duration = _default("7 days", "the rules in full at most this often; between: short")
    max_age: Duration = _default("12 h", "older mail gets no reply")
    limits: LimitsTable = _table("caps on replies")
    strangers: Literal["silent", "short"] = Field(
        default="silent", description="who is no client gets nothing, or two lines"
    )
    envelope: Literal["self", "empty"] = Field(default="self", description="the envelope's sender: you, or <>")
    copy_: Literal["Sent", "none"] = Field(
        default="Sent", alias="copy", description='"none" where the provider keeps a copy by itself'
    )


class TemplateTable(Table):
    """Your own words in one language, as Jinja2 templates; what is left out is built in."""

    full: str | None = Field(default=None, description="the rules restated")
    short: str | None = Field(default=None, description="two lines with this message's due time")
    urgent: str | None = Field(default=None, description="the answer to a message that bears the urgent word")
    away: str | None = Field(default=None, description="instead of both while you are away")
    stranger: str | None = Field(default=None, description="what strangers get: no hours, no names")
    subject: str | None = Field(default=None, description="the reply's subject")


class FilingTable(Table):
    """Where filed mail goes; "/" separates folders whatever the server uses."""

    folder: str = Field(
        default="Callbacks/{opens:%Y-%m-%d %H-%M}",
        description="one folder for each window, in your clock; {window}, {client} and {topic} may stand in it too",
    )
    finished: str = Field(default="Callbacks/Done", description="where answered mail goes after its window")
    during_hours: bool = Field(default=False, description="file mail that arrives while you are open, too")


class DigestTable(Table):
    """Your morning overview: whom to call today, what is late, what was held."""

    at: Moment = _default("08:30", 'when it comes on working days, by your clock; "off": never')
    to: InboxOrAddress = Field(default="inbox", description='"inbox", or an address that it is sent to')


class AlertsTable(Table):
    """Who is called when something needs you."""

    command: list[Argument] = Field(
        default=[], description="a program with its arguments; the text is its standard input"
    )
    apprise: list[Annotated[SecretTable, WrapValidator(_secret), _OrText()]] = Field(
        default=[],
        description='services by their Apprise address, like { credential = "telegram" }; needs the extra "apprise"',
    )


class LedgerTable(Table):
    """The memory."""

    keep: Duration = _default("400 days", "how long messages and replies are remembered")


class MetricsTable(Table):
    """Figures for Prometheus; off where neither key is set. They name mailboxes and reasons, never a person."""

    listen: Listen = Field(
        default="", description='serve them as a page on this machine, like "127.0.0.1:9469"; path /metrics'
    )
    textfile: TextFile = Field(
        default="", description='write them into a file for node_exporter, its name ends in ".prom"'
    )


class ClientsFile(Table):
    """``clients.toml``: more clients, beside the main file."""

    clients: dict[Key, ClientTable] = Field(default={}, description="one table for each client: [clients.vostok]")


#: Stands for a date that is missing or faulty.
_SOME_DAY = date(2026, 1, 1)


class AbsenceTable(Table):
    """Days on which you are away, both included."""

    stand_ins: ClassVar[dict[str, Any]] = {"from": _SOME_DAY, "until": _SOME_DAY}

    from_: date = Field(alias="from", description="the first day you are away")
    until: date = Field(description="the last day you are away")
    say: Words = Field(default={}, description="what clients are told of it, by language")
    deputy: LineOrNothing = Field(default="", description="who stands in for you")


class AbsencesFile(Table):
    """``absences.toml``: when you are away, beside the main file."""

    absences: list[AbsenceTable] = Field(default=[], description="one table for each absence: [[absences]]")


class File(Table):
    """``config.toml``: the whole of the rules."""

    stand_ins: ClassVar[dict[str, Any]] = {
        "owner": OwnerTable.stand_ins,
        "mailboxes": {},
        "hours": {},
    }

    owner: OwnerTable = Field(description="the table [owner]: name, timezone, language")
    mailboxes: dict[Key, MailboxTable] = Field(description="one table for each mailbox, like [mailboxes.main]")
    hours: Hours = Field(description='when you work, in your zone, like mon-fri = ["10:00-19:00"]')
    channels: dict[Key, ChannelTable] = Field(default={}, description="ways to reach you: [channels.phone]")
    windows: dict[Key, WindowTable] = Field(default={}, description="callback windows: [windows.morning]")
    topics: dict[Key, TopicTable] = Field(default={}, description="what mail is about: [topics.documents]")
    response: ResponseTable = _table("how fast you answer")
    clients: dict[Key, ClientTable] = Field(default={}, description="one table for each client: [clients.vostok]")
    replies: RepliesTable = _table("the automatic answers")
    templates: dict[Language, TemplateTable] = Field(default={}, description="your own words: [templates.ru]")
    filing: FilingTable = _table("where filed mail goes")
    digest: DigestTable = _table("your morning overview")
    alerts: AlertsTable = _table("who is called when something needs you")
    ledger: LedgerTable = _table("the memory")
    metrics: MetricsTable = _table("figures for Prometheus")
