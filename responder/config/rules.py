"""Tables → the ``Policy`` and the ``Settings`` they stand for.

Always comes to a policy that can be reckoned with: where the tables have faults, ``report`` hears of them and
something harmless takes their place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from responder.config.schedules import schedule
from responder.config.settings import (
    MailboxSettings,
    MetricsSettings,
    OAuthSettings,
    SecretRef,
    Server,
    Settings,
)
from responder.config.tables import InlineSecret
from responder.config.values import INBOX, OWN
from responder.core.address import normal_address, normal_domain
from responder.core.model import (
    Absence,
    Agreement,
    Channel,
    Client,
    DigestRules,
    FilingRules,
    Limits,
    MailboxRules,
    Owner,
    Policy,
    ReplyRules,
    Schedule,
    Stretch,
    Topic,
    WindowRule,
)
from responder.core.presets import preset_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path as FilePath

    from responder.config.lines import Path
    from responder.config.tables import (
        AbsenceTable,
        AgreementTable,
        ChannelTable,
        ClientTable,
        File,
        MailboxTable,
        MetricsTable,
        OAuth2Table,
        SecretTable,
        ServerTable,
        TopicTable,
        WindowTable,
    )

    Report = Callable[[Path, str], None]

#: The registered ports. Source: RFC 8314 sections 3.2 and 3.3; RFC 6409 section 3.1; RFC 5321 section 4.5.4.2.
PORTS = {
    ("imap", "tls"): 993,
    ("imap", "starttls"): 143,
    ("imap", "none"): 143,
    ("smtp", "tls"): 465,
    ("smtp", "starttls"): 587,
    ("smtp", "none"): 25,
}

#: Stands for hours that were not given, so that a faulty file can be looked at to its end.
_SOME_HOURS = Schedule(weekdays=((Stretch(opens=540, closes=1020),),) * 7)


def policy(
    tables: File, clients: Mapping[str, ClientTable], absences: Sequence[AbsenceTable], report: Report
) -> Policy:
    """Return the rules; ``clients`` are those of both files, in their order."""
    owner = tables.owner
    language = owner.language
    hours = schedule(tables.hours, ("hours",), report)
    if not any(hours.weekdays):
        hours = Schedule(weekdays=_SOME_HOURS.weekdays, dates=hours.dates)
    replies = tables.replies
    return Policy(
        owner=Owner(
            name=owner.name,
            zone=owner.timezone,
            language=language,
            holidays=owner.holidays,
            also=frozenset(map(normal_address, owner.also)),
            why=words(owner.why, language),
        ),
        mailboxes=tuple(
            MailboxRules(
                name=name,
                addresses=tuple(table.addresses),
                trusted_authserv_id=table.trusted_authserv_id,
            )
            for name, table in tables.mailboxes.items()
        ),
        hours=hours,
        channels=_channels(tables.channels, (), tables, languages(tables, clients), report),
        windows=_windows(tables.windows, (), tables.channels, report),
        topics=tuple(_topic(key, table, language) for key, table in tables.topics.items()),
        response=tables.response.default,
        clients=tuple(_client(tables, key, table, hours, report) for key, table in clients.items()),
        replies=ReplyRules(
            mode=replies.mode,
            grace=replies.grace,
            break_=replies.break_,
            conversing=replies.conversing,
            full_every=replies.full_every,
            max_age=replies.max_age,
            limits=Limits(**replies.limits.model_dump()),
            strangers=replies.strangers,
            envelope=replies.envelope,
            copy=replies.copy_,
        ),
        filing=FilingRules(**tables.filing.model_dump()),
        digest=DigestRules(at=tables.digest.at, to="" if tables.digest.to == INBOX else tables.digest.to),
        templates={language: table.model_dump(exclude_none=True) for language, table in tables.templates.items()},
        absences=tuple(
            Absence(from_on=table.from_, until_on=table.until, say=words(table.say, language), deputy=table.deputy)
            for table in absences
        ),
    )


def _topic(key: str, table: TopicTable, language: str) -> Topic:
    """Return a topic; what the file says beside a preset takes the place of the preset's own."""
    topic = Topic(
        key=key,
        words=tuple(" ".join(word.lower().split()) for word in table.words),
        attachments=table.attachments,
        response=table.response,
        say=words(table.say, language),
    )
    if table.preset is None:
        return topic
    preset, given = preset_topic(table.preset, key), table.model_fields_set
    return replace(
        topic,
        words=topic.words if "words" in given else preset.words,
        attachments=topic.attachments if "attachments" in given else preset.attachments,
        say={**preset.say, **topic.say},
    )


def words(table: Mapping[str, str], language: str) -> dict[str, str]:
    """Return words by language; those given as plain text are in the owner's."""
    return {language if key == OWN else key: text for key, text in table.items()}


def _client(tables: File, key: str, table: ClientTable, hours: Schedule, report: Report) -> Client:
    path = ("clients", key)
    own_hours = None if table.hours is None else schedule(table.hours, (*path, "hours"), report)
    language = tables.owner.language
    channels = tables.channels if table.channels is None else table.channels
    return Client(
        key=key,
        name=table.name or key,
        addresses=frozenset(normal_address(each) for each in table.addresses if each[0] != "@"),
        domains=frozenset(normal_domain(each[1:]) for each in table.addresses if each[0] == "@"),
        zone=table.timezone,
        language=table.language or language,
        daytime=schedule(table.daytime, (*path, "daytime"), report),
        people={normal_address(address): name for address, name in table.people.items()},
        agreement=None if table.agreement is None else _agreement(table.agreement),
        phone=table.phone,
        response=table.response,
        topics={name: each.response for name, each in table.topics.items()},
        holidays=table.holidays,
        hours=None if own_hours is None else Schedule(weekdays=own_hours.weekdays, dates=hours.dates),
        windows=None if table.windows is None else _windows(table.windows, path, channels, report),
        channels=None
        if table.channels is None
        else _channels(table.channels, path, tables, [table.language or language], report),
        auto_reply=table.auto_reply,
        urgent_word=table.urgent_word,
    )


def _agreement(table: AgreementTable) -> Agreement:
    return Agreement(name=table.name, version=table.version, from_on=table.from_, until_on=table.until)


def languages(tables: File, clients: Mapping[str, ClientTable]) -> dict[str, Path]:
    """Return the languages that the owner's channels are named in, each with the key that first asks for it."""
    used: dict[str, Path] = {tables.owner.language: ("owner", "language")}
    for key, client in clients.items():
        if client.language and client.channels is None:
            used.setdefault(client.language, ("clients", key, "language"))
    return used


def _channels(
    channels: Mapping[str, ChannelTable], path: Path, tables: File, used: Iterable[str], report: Report
) -> tuple[Channel, ...]:
    language = tables.owner.language
    return tuple(
        Channel(
            key=key,
            names=dict.fromkeys(used, key) | words(table.name, language),
            schedule=schedule(table.hours, (*path, "channels", key, "hours"), report),
            why=words(table.why, language),
        )
        for key, table in channels.items()
    )


def _windows(
    tables: Mapping[str, WindowTable], path: Path, channels: Mapping[str, Any], report: Report
) -> tuple[WindowRule, ...]:
    return tuple(
        WindowRule(
            key=key,
            schedule=schedule(table.hours, (*path, "windows", key, "hours"), report),
            channels=tuple(dict.fromkeys(name for name in table.channels if name in channels)),
        )
        for key, table in tables.items()
    )


# ---------------------------------------------------------------------------------------- settings


def settings(tables: File, path: FilePath, files: tuple[FilePath, ...]) -> Settings:
    """Return the accounts and what else is fixed; files named in the tables are relative to the main one."""
    return Settings(
        path=path,
        files=files,
        mailboxes=tuple(_mailbox(name, table, path) for name, table in tables.mailboxes.items()),
        alerts_command=tuple(tables.alerts.command),
        alerts_apprise=tuple(_secret(each, path) for each in tables.alerts.apprise),
        keep=tables.ledger.keep,
        metrics=_metrics(tables.metrics, path),
    )


def _metrics(table: MetricsTable, path: FilePath) -> MetricsSettings:
    host, _, port = table.listen.rpartition(":")
    return MetricsSettings(
        listen=(host.strip("[]"), int(port)) if port else None,
        textfile=path.absolute().parent / table.textfile if table.textfile else None,
    )


def _mailbox(name: str, table: MailboxTable, path: FilePath) -> MailboxSettings:
    return MailboxSettings(
        name=name,
        addresses=tuple(table.addresses),
        imap=_server("imap", table.imap),
        smtp=_server("smtp", table.smtp),
        username=table.username or table.addresses[0],
        password=None if table.password is None else _secret(table.password, path),
        oauth2=None if table.auth == "password" or table.oauth2 is None else _oauth2(table.oauth2, path),
        inbox=table.inbox,
        poll=table.poll,
        trusted_authserv_id=table.trusted_authserv_id,
    )


#: Where the known providers sign people in, and what is asked of them: IMAP, sending, and a token that lasts.
_MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
_MICROSOFT_SCOPES = (
    "https://outlook.office.com/IMAP.AccessAsUser.All",
    "https://outlook.office.com/SMTP.Send",
    "offline_access",
)


def _oauth2(table: OAuth2Table, path: FilePath) -> OAuthSettings:
    secret = None if table.client_secret is None else _secret(table.client_secret, path)
    scopes: tuple[str, ...] = ()
    if table.provider == "microsoft":
        base = _MICROSOFT.format(tenant=table.tenant)
        urls = (f"{base}/token", f"{base}/devicecode", f"{base}/authorize")
        scopes = _MICROSOFT_SCOPES
    elif table.provider == "google":  # its device codes are not for mail
        urls = ("https://oauth2.googleapis.com/token", "", "https://accounts.google.com/o/oauth2/v2/auth")
        scopes = ("https://mail.google.com/",)
    else:
        urls = (table.token_url, table.device_url, table.authorize_url)
    return OAuthSettings(
        provider=table.provider,
        client_id=table.client_id,
        client_secret=secret,
        token_url=urls[0],
        device_url=urls[1],
        authorize_url=urls[2],
        scopes=tuple(table.scopes) or scopes,
    )


def _server(protocol: str, table: ServerTable) -> Server:
    port = table.port if table.port is not None else PORTS[protocol, table.security]
    return Server(host=table.host, port=port, security=table.security)


def _secret(table: SecretTable, path: FilePath) -> SecretRef:
    if isinstance(table, InlineSecret):
        return SecretRef(kind="inline", value=table.inline)
    if table.credential:
        return SecretRef(kind="credential", value=table.credential)
    if table.file:
        return SecretRef(kind="file", value=str(path.absolute().parent / table.file))
    if table.env:
        return SecretRef(kind="env", value=table.env)
    if table.keyring:
        return SecretRef(kind="keyring", value=table.keyring)
    return SecretRef(kind="command", value=tuple(table.command or ()))
