"""A message's facts: what it says of itself, read once, safely, without any judgement about time.

Promises to the engine that `observe` never raises, whatever the bytes: what cannot be read becomes `unreadable`,
and an unreadable message is never answered. Nothing in a header can make a message more welcome: every doubt about
the sender, a robot's sign or the trusted server's verdict ends in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple
from weakref import WeakKeyDictionary

from responder.core import asked, authres, automatic
from responder.core.address import MOST_MAILBOXES, account, normal_address, read_mailboxes
from responder.core.bounce import failed_recipient
from responder.core.header import MOST_HEADER, Fields, clean, decoded, instant, message_ids, split_fields
from responder.core.mime import Text, first_text, is_encrypted, split_message
from responder.core.model import Dmarc, Facts
from responder.core.ours import (
    derive_message_id,
    fingerprint,
    fingerprint_of,
    is_ours,
    looks_ours,
    mark_of,
    marks_in,
)
from responder.core.subject import base_subject, quotable
from responder.core.text import MOST_TEXT, html_text, new_text
from responder.core.topics import TopicWords, find_topic, prepare
from responder.core.urgent import word_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from responder.core.asked import Parse
    from responder.core.model import Asked, Body, Client, MailboxRules, Message, Policy

__all__ = [
    "HEADER_FIELDS",
    "TRUST_FIELDS",
    "Identity",
    "SentFacts",
    "clients_among",
    "derive_message_id",
    "fingerprint",
    "is_ours",
    "mark_of",
    "marks_in",
    "normal_address",
    "observe",
    "observe_body",
    "read_sent",
    "split_message",
    "wants_body",
]

HEADER_FIELDS: tuple[str, ...] = (
    *(
        "Message-ID",
        "Date",
        "Subject",
        "To",
        "Cc",
        "Resent-To",
        "Resent-Cc",
        "Resent-Bcc",
        "In-Reply-To",
        "References",
    ),
    *("MIME-Version", "Content-Transfer-Encoding"),
    *automatic.FIELDS,
)
"""The header fields that facts are read from: what the mailbox asks the server for."""

TRUST_FIELDS: tuple[str, ...] = ("Received", "Authentication-Results")
"""Asked for as well where the mailbox has a ``trusted_authserv_id``."""

_MOST_REFERENCES = 20  # the first and the last ones: RFC 5537 section 3.4.4 shortens a thread's list like this
_MOST_REFERS_TO = 100
_WHOLE = 2_400  # octets: a body's beginning that is longer was perhaps cut there (see assessing.BODY_OCTETS)
_MOST_PATH = 320  # characters of a Return-Path in the log


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: the mailbox's name in the configuration, and the secret of this installation."""

    mailbox: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFacts:
    """What a message of the Sent folder says of itself.

    ``recipients`` are the normal addresses of To, Cc and Bcc. ``automatic``: no person wrote it, or it bears the
    form of our own ids. ``answers_subject`` is the subject without "Re:" where no field names what is answered, as
    telephones write; "" otherwise. ``reply_id`` is the id of a responder's reply (some servers give a message another
    Message-ID, X-Responder-Id they keep); "" when it is none. ``dated_at`` is the Date field's instant, None if
    unreadable.
    """

    message_id: str
    refers_to: tuple[str, ...]
    recipients: tuple[str, ...]
    answers_subject: str
    automatic: bool
    reply_id: str
    dated_at: datetime | None


# --------------------------------------------------------------------------------------------- index


_NO_MAILBOX: tuple[MailboxRules | None, dict[str, str]] = (None, {})


@dataclass(frozen=True, slots=True)
class _Index:
    """A policy, turned round for look-ups."""

    own: frozenset[str]
    by_address: dict[str, Client]
    by_account: dict[str, Client]
    accounts: dict[str, frozenset[str]]
    by_domain: dict[str, Client]
    by_key: dict[str, Client]
    topics: tuple[TopicWords, ...]
    mailboxes: dict[str, tuple[MailboxRules, dict[str, str]]]

    def is_own(self, address: str) -> bool:
        """Tell whether mail to it reaches an account of the owner's."""
        return bool(address) and account(address) in self.own


_INDEXES: WeakKeyDictionary[Policy, _Index] = WeakKeyDictionary()


def _index(policy: Policy) -> _Index:
    index = _INDEXES.get(policy)
    if index is None:
        mailboxes = {rules.name: (rules, _written(rules.addresses)) for rules in policy.mailboxes}
        own = {address for rules in policy.mailboxes for address in map(normal_address, rules.addresses)}
        own |= policy.owner.also
        accounts = {client.key: frozenset(map(account, client.addresses)) for client in policy.clients}
        index = _Index(
            own=frozenset(map(account, own - {""})),
            by_address={address: client for client in policy.clients for address in client.addresses},
            by_account={each: client for client in policy.clients for each in accounts[client.key]},
            accounts=accounts,
            by_domain={domain: client for client in policy.clients for domain in client.domains},
            by_key={client.key: client for client in policy.clients},
            topics=prepare(policy.topics),
            mailboxes=mailboxes,
        )
        _INDEXES[policy] = index
    return index


def _written(addresses: Iterable[str]) -> dict[str, str]:
    """Return a mailbox's addresses as the owner wrote them, by each and by its account; the exact one is stronger."""
    exact = {normal_address(address): address for address in addresses}
    by_account: dict[str, str] = {}
    for normal, written in exact.items():
        by_account.setdefault(account(normal), written)
    return by_account | exact


# -------------------------------------------------------------------------------------------- reading


def observe(message: Message, policy: Policy, identity: Identity, parse: Parse | None = None) -> Facts:
    """Read a message's facts. Never raises: what goes wrong makes the message `unreadable`.

    Without ``message.body`` the facts that hang on it (topic by text, parts, bounces, what is asked for) are left at
    their defaults. Without ``parse`` (see ``core.asked``) nothing is asked for.
    """
    fields = split_fields(message.header)
    mark = fingerprint_of(fields, message.size)
    try:
        return _observe(message, fields, mark, policy, identity, parse)
    except Exception as error:  # noqa: BLE001 - the promise: hostile bytes meet a defect of ours or of a library
        return Facts(fingerprint=mark, unreadable=f"reading it failed ({type(error).__name__})")


def observe_body(
    message: Message, facts: Facts, policy: Policy, identity: Identity, parse: Parse | None = None
) -> Facts:
    """Add to the facts of a message's header what its body tells; the same as `observe`, at a fraction of its cost.

    ``facts`` is what `observe` returned without the body, under the same policy. Never raises.
    """
    body = message.body
    if body is None:
        return facts
    try:
        fields = split_fields(message.header)
        sign = facts.automatic or automatic.sign_in_body(body)
        report = facts.report or automatic.is_report(sign)
        bounced, bounced_ids = _bounced(fields, body, identity) if report else ("", ())
        said = _NOTHING
        if not (facts.own or sign or facts.unreadable):
            said = _said(message, fields, facts.subject, _index(policy))
        return replace(
            facts,
            automatic=sign,
            report=report,
            bounce_of_ours=bounced,
            bounced_ids=bounced_ids,
            topic=said.topic,
            topic_because=said.because,
            asked=_asked(message, facts, said, policy, parse),
            encrypted=said.encrypted,
            text_read=True,
            quirk=said.quirk or body.parts is None,
        )
    except Exception as error:  # noqa: BLE001 - the same promise
        return Facts(fingerprint=facts.fingerprint, unreadable=f"reading it failed ({type(error).__name__})")


def _observe(
    message: Message, fields: Fields, mark: str, policy: Policy, identity: Identity, parse: Parse | None
) -> Facts:
    index = _index(policy)
    body = message.body
    address, unreadable = _sender(fields)
    if message.header_cut or len(message.header) > MOST_HEADER:
        address, unreadable = "", "the header is longer than 64 KB"
    own = _own_field(fields, index)
    sign = automatic.sign_of_robot(fields) or (automatic.sign_in_body(body) if body else "")
    report = bool(sign) and (automatic.is_report(sign) or automatic.tells_failure(fields))
    bounced, bounced_ids = _bounced(fields, body, identity) if report and body is not None else ("", ())
    client, by_domain = _client(address, index)
    return_path = _return_path(fields)
    rules, addresses = index.mailboxes.get(identity.mailbox, _NO_MAILBOX)
    to, cc = _recipients(fields, ("to",)), _recipients(fields, ("cc",))
    ids = message_ids(fields.first("message-id")) if len(fields.all("message-id")) == 1 else []
    message_id = ids[0] if len(ids) == 1 else ""
    reply_to, references = _thread(fields)
    subject = decoded(fields.first("subject"))
    said = _NOTHING
    if not (own or sign or unreadable):
        said = _said(message, fields, subject, index)
    facts = Facts(
        fingerprint=mark,
        message_id=message_id,
        references=_shortened([found for found in references or reply_to[:1] if found != message_id]),
        refers_to=tuple(dict.fromkeys((*reply_to, *references[-_MOST_REFERS_TO:])))[:_MOST_REFERS_TO],
        address=address,
        unreadable=unreadable,
        return_path=return_path,
        own=own,
        automatic=sign,
        report=report,
        bounce_of_ours=bounced,
        bounced_ids=bounced_ids,
        answers_ours=any(is_ours(identity.secret, found) for found in reply_to or references[-1:]),
        client=client.key if client else "",
        by_domain=by_domain or (client is not None and not _is_listed(return_path, index.accounts[client.key])),
        return_path_is_clients=_is_clients(return_path or "", address, client, index),
        addressed=_addressed((*to, *cc), addresses),
        named_in=_named_in(fields, index, to, cc),
        others_in_to=any(not index.is_own(other) for other in to),
        dmarc=_dmarc(fields, rules, address),
        dated_at=instant(fields.first("date")),
        subject=subject,
        quotable_subject=quotable(subject),
        topic=said.topic,
        topic_because=said.because,
        urgent=word_in(subject, client.urgent_word) if client else "",
        encrypted=said.encrypted,
        text_read=body is not None,
        quirk=said.quirk or (body is not None and body.parts is None),
    )
    found = _asked(message, facts, said, policy, parse)
    return replace(facts, asked=found) if found else facts


def _bounced(fields: Fields, body: Body, identity: Identity) -> tuple[str, tuple[str, ...]]:
    """Return the account that a report about a reply of ours says has failed and the reply's ids; "" if none."""
    failed, ids = failed_recipient(fields, body.beginning, lambda found: is_ours(identity.secret, found))
    return (account(failed), ids) if failed else ("", ())


def _sender(fields: Fields) -> tuple[str, str]:
    """Return the single From address and "", or "" and why there is none."""
    values = fields.all("from")
    if len(values) != 1:
        return "", "there are several From fields" if values else "there is no From field"
    read = read_mailboxes(values[0].decode("utf-8", "replace"))
    if read.broken:
        return "", "the From field's parentheses do not pair up"
    if read.grouped:
        return "", "the From field names a group"
    if len(read.addresses) != 1:
        return "", "the From field names several senders" if read.addresses else "the From field is empty"
    address = read.addresses[0]
    return address, "" if address else "the From field does not read as one address"


def _return_path(fields: Fields) -> str | None:
    values = [b"" if value.startswith(b"<>") else value.strip(b"<> \t") for value in fields.all("return-path")]
    if not values:
        return None
    return clean(values[0].decode("utf-8", "replace"), _MOST_PATH) if all(values) else ""


def _own_field(fields: Fields, index: _Index) -> str:
    for name in ("From", "Sender", "Return-Path"):
        for value in fields.all(name.lower()):
            if any(map(index.is_own, read_mailboxes(value.decode("utf-8", "replace")).addresses)):
                return name
    return ""


def _client(address: str, index: _Index) -> tuple[Client | None, bool]:
    """Return the client and whether only the domain told: an exact address beats its account, that a domain."""
    if not address:
        return None, False
    if (client := index.by_address.get(address) or index.by_account.get(account(address))) is not None:
        return client, False
    client = index.by_domain.get(address.rpartition("@")[2])
    return client, client is not None


def whose(policy: Policy, address: str) -> str:
    """Return the key of the client to whom mail to that normal address goes; "" for nobody's."""
    client, _ = _client(address, _index(policy))
    return client.key if client is not None else ""


def _is_clients(return_path: str, address: str, client: Client | None, index: _Index) -> bool:
    path = normal_address(return_path)
    if not path:
        return False
    if client is None:
        return bool(address) and account(address) == account(path)
    return account(path) in index.accounts[client.key] or path.rpartition("@")[2] in client.domains


def _is_listed(return_path: str | None, accounts: frozenset[str]) -> bool:
    """Tell whether a reply would go to one of the client's own accounts; True where none could go."""
    path = normal_address(return_path or "")
    return not path or account(path) in accounts


def _recipients(fields: Fields, names: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for value in [value for name in names for value in fields.all(name)]:
        found += read_mailboxes(value.decode("utf-8", "replace")).addresses
        if len(found) >= MOST_MAILBOXES:
            break
    return tuple(found)


def _addressed(listed: Iterable[str], addresses: dict[str, str]) -> str:
    """Return the first listed address that is one of this mailbox's, as the owner wrote it; "" if none is."""
    for address in listed:
        if address and (written := addresses.get(address) or addresses.get(account(address))):
            return written
    return ""


def _named_in(fields: Fields, index: _Index, to: tuple[str, ...], cc: tuple[str, ...]) -> Literal["", "to", "cc"]:
    if any(map(index.is_own, (*to, *_recipients(fields, ("resent-to",))))):
        return "to"
    return "cc" if any(map(index.is_own, (*cc, *_recipients(fields, ("resent-cc", "resent-bcc"))))) else ""


def _dmarc(fields: Fields, rules: MailboxRules | None, address: str) -> Dmarc:
    if rules is None:
        return Dmarc.NOT_ASKED
    return authres.trusted_dmarc(fields, rules.trusted_authserv_id, address.rpartition("@")[2])


def _thread(fields: Fields) -> tuple[list[str], list[str]]:
    """Return the ids in In-Reply-To and those in References, each oldest first."""
    replied = [found for raw in fields.all("in-reply-to") for found in message_ids(raw)]
    return replied, [found for raw in fields.all("references") for found in message_ids(raw)]


def _shortened(ids: Iterable[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(ids))
    return unique if len(unique) <= _MOST_REFERENCES else (unique[0], *unique[1 - _MOST_REFERENCES :])


class _Said(NamedTuple):
    """What a letter's own words tell: its topic, what decided, and the new text itself."""

    topic: str = ""
    because: str = ""
    encrypted: bool = False
    quirk: bool = False
    text: str = ""


_NOTHING = _Said()


def _said(message: Message, fields: Fields, subject: str, index: _Index) -> _Said:
    """Read the new text; ``quirk`` tells that reading the body failed."""
    body = message.body
    try:
        found = first_text(fields, body.beginning) if body is not None else Text()
        if is_encrypted(fields, body, found.content):
            return _Said(encrypted=True)
        text = new_text(html_text(found.content) if found.html else found.content)
    except Exception:  # noqa: BLE001 - the body's defect must not cost the facts of the header
        return _Said(quirk=True)
    parts = (body.parts or ()) if body is not None else ()
    topic, because = find_topic(index.topics, subject, text, parts)
    return _Said(topic, because, text=text)


def _asked(message: Message, facts: Facts, said: _Said, policy: Policy, parse: Parse | None) -> tuple[Asked, ...]:
    """Return the times that a client asks for; none where the letter's own date tells another story than its arrival.

    A letter that was written before midnight and arrived after it says "tomorrow" of another day than we would read.
    """
    body, at = message.body, message.internal_at
    client = _index(policy).by_key.get(facts.client)
    if parse is None or body is None or at is None or client is None or said.encrypted or said.quirk:
        return ()
    cut = len(body.beginning) >= _WHOLE or len(said.text) >= MOST_TEXT - 1

    def find(seen_at: datetime) -> tuple[Asked, ...]:
        return asked.find(facts.subject, said.text, seen_at, client.zone, policy.owner.zone, parse, cut=cut)

    try:
        found = find(at)
        if found and (written_at := facts.dated_at) is not None:
            here, there = at.astimezone(client.zone), written_at.astimezone(client.zone)
            if here.date() != there.date():
                also = find(written_at)
                found = tuple(one for one in found if one in also)
    except Exception:  # noqa: BLE001 - a defect of the parser's must not cost the other facts
        return ()
    return found


def wants_body(facts: Facts, policy: Policy) -> bool:
    """Tell, before the body was fetched, whether it could change a fact that matters.

    It can for a letter that may be answered (its topic; an invitation shows only in the structure), and for a
    delivery report, which may be about a reply of ours.
    """
    if facts.text_read:
        return False
    if facts.report:
        return not facts.own
    if facts.own or facts.automatic or facts.unreadable or facts.dmarc in {Dmarc.FAIL, Dmarc.SEVERAL}:
        return False
    return bool(facts.client) or (policy.replies.strangers == "short" and facts.dmarc is Dmarc.PASS)


def clients_among(addresses: Iterable[str], policy: Policy) -> tuple[str, ...]:
    """Return the keys of the clients to whom normal addresses belong, each once."""
    index = _index(policy)
    found = (_client(address, index)[0] for address in addresses)
    return tuple(dict.fromkeys(client.key for client in found if client is not None))


def read_sent(header: bytes) -> SentFacts:
    """Read a message of the Sent folder, for what the owner has written to whom. Never raises."""
    fields = split_fields(header)
    ids = message_ids(fields.first("message-id"))
    replied, references = _thread(fields)
    recipients = _recipients(fields, ("to", "cc", "bcc"))
    robot = bool(automatic.sign_of_robot(fields)) or any(map(looks_ours, ids))
    named = [*message_ids(fields.first("x-responder-id")), *ids]
    refers_to = tuple(dict.fromkeys((*replied, *references[-_MOST_REFERS_TO:])))[:_MOST_REFERS_TO]
    return SentFacts(
        message_id=ids[0] if ids else "",
        refers_to=refers_to,
        answers_subject="" if refers_to else base_subject(decoded(fields.first("subject"))),
        recipients=tuple(dict.fromkeys(address for address in recipients if address)),
        automatic=robot,
        reply_id=next(filter(looks_ours, named), "") if robot else "",
        dated_at=instant(fields.first("date")),
    )
