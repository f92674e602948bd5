"""What the digest says of all that was held, and how much came: single lines, each a sentence.

For ``digest_words``. A subject, an address, a server's answer passes ``clean`` here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.core.digest import is_forgotten, known_client
from responder.core.model import Reason
from responder.core.phrases import NAME_LIMIT
from responder.core.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responder.core.digest import Digest
    from responder.core.digest_times import Teller
    from responder.core.model import Policy
    from responder.core.morning_rows import Held
    from responder.core.words import Lexicon

#: So much of a subject is enough to know the mail by.
SUBJECT_LIMIT = 120
_DETAIL = 160


def name_of(policy: Policy, key: str) -> str:
    """Return a client's name; the key itself where the rules no longer know it."""
    client = known_client(policy, key)
    return clean(client.name if client is not None else key, NAME_LIMIT) or "?"


def reason_of(words: Lexicon, reason: str) -> str:
    """Say a reason; the word itself where the language knows none for it, as after a step back to an older version."""
    return words.reasons.get(reason) or clean(reason, NAME_LIMIT)


def held_lines(policy: Policy, digest: Digest, tell: Teller) -> Iterator[str]:
    """Yield what needs the owner's eyes: replies first, then mail, then what lasts."""
    words, morning = tell.words, digest.morning
    if morning.breaker_until is not None:
        yield words.tell("breaker", when=tell.at(morning.breaker_until))
    for held in morning.replies:
        yield _held(policy, "in_doubt" if held.state == "in-doubt" else "refused", held, tell)
    for held in morning.unfiled:
        yield _held(policy, "unfiled", held, tell)
    for one in morning.unreadable:
        mailbox, why = clean(one.mailbox, NAME_LIMIT), clean(one.why, _DETAIL)
        yield words.tell("unreadable", mailbox=mailbox, when=tell.at(one.arrived_at), why=why)
    for one in morning.unverified:
        who = _who(policy, tell, one.client, one.address, one.subject)
        yield words.tell("unverified", who=who, when=tell.at(one.arrived_at))
    yield from _lasting(policy, digest, tell)


def _lasting(policy: Policy, digest: Digest, tell: Teller) -> Iterator[str]:
    words, morning = tell.words, digest.morning
    for each in morning.suspended:
        until = tell.day(each.until_at.astimezone(tell.zone).date())
        yield words.tell("suspended", address=clean(each.address, NAME_LIMIT), date=until)
    for client in digest.ended:
        if client.agreement is not None and client.agreement.until_on is not None:
            yield words.tell("ended", name=name_of(policy, client.key), date=tell.day(client.agreement.until_on))
    for mailbox in morning.without_sent:
        yield words.tell("without_sent", mailbox=clean(mailbox, NAME_LIMIT))
    if morning.more:
        yield words.tell("more_mail", n=str(morning.more))


def _held(policy: Policy, phrase: str, held: Held, tell: Teller) -> str:
    who = _who(policy, tell, held.client, held.address, held.subject)
    return tell.words.tell(phrase, who=who, when=tell.at(held.at), why=clean(held.detail, _DETAIL))


def _who(policy: Policy, tell: Teller, client: str, address: str, subject: str) -> str:
    parts = [name_of(policy, client) if client else "", clean(address, NAME_LIMIT)]
    if subject := clean(subject, SUBJECT_LIMIT):
        opens, closes = tell.words.outer
        parts.append(f"{opens}{subject}{closes}")
    return ", ".join(part for part in parts if part)


def totals(digest: Digest, tell: Teller) -> Iterator[str]:
    """Yield what came since the last digest, and what is open."""
    words, morning = tell.words, digest.morning
    came = {reason: number for reason, number in morning.by_reason.items() if reason != Reason.OWN}
    count = sum(came.values())
    what = words.count("mail", count) if count else words.digest["nothing_new"]
    ordered = sorted(came.items(), key=lambda each: (-each[1], each[0]))
    if ordered:
        what = f"{what} ({', '.join(f'{reason_of(words, reason)} {number}' for reason, number in ordered)})"
    if morning.replied:
        what = f"{what}; {words.count('replies', morning.replied)}"
    yield words.tell("totals_since", when=tell.at(morning.since_at), what=what)
    if promised := sum(mail.promised for mail in morning.mail):
        what = words.count("promises", promised)
        if old := sum(is_forgotten(mail, digest.now_at) for mail in morning.mail):
            what = f"{what}, {words.count('forgotten', old)}"
        yield words.tell("totals_open", what=what)
