"""The reply: from a verdict to its words, its message, and the folder the mail is filed in.

For ``plan``, which puts them into effects, for the configuration, which has every template tried before it is
believed, and for ``explain`` and ``check``, which show them. The rooms behind this door: ``words`` (the locale
files, how an instant is said), ``phrases`` (what this reply has to say), ``templates`` (the owner's own texts),
``rehearsal`` (the trial), ``message`` (the octets), ``folders``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.core import message
from responder.core.folders import folder_name
from responder.core.model import ReplyKind
from responder.core.phrases import EVERY_VARIABLE, Speech
from responder.core.rehearsal import TemplateFault, check_templates
from responder.core.templates import template
from responder.core.words import clean, languages

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.hours import Calendar
    from responder.core.model import Facts, Policy, Verdict

__all__ = [
    "TemplateFault",
    "Text",
    "check_templates",
    "folder_name",
    "languages",
    "reply_message",
    "reply_text",
]

# The original subject is kept as far as it goes.
SUBJECT_LIMIT = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The words of one reply. ``body`` has one line for each paragraph, and no line break at its end."""

    subject: str
    body: str


def reply_text(policy: Policy, facts: Facts, verdict: Verdict, calendar: Calendar, now_at: datetime) -> Text:
    """Return the words of the reply that the verdict names.

    Raises ConfigurationError when a template fails: one that ``check_templates`` passed does not. ValueError for a
    verdict without a reply, or one for a client without a due time.
    """
    language = _language(policy, facts)
    subject = clean(template(policy, language, "subject").render({"original": clean(facts.subject)}), SUBJECT_LIMIT)
    if verdict.reply is ReplyKind.STRANGER:
        return Text(subject=subject, body=template(policy, language, "stranger").render({}))
    if verdict.reply is ReplyKind.NONE or verdict.due is None:
        raise ValueError(f"no words for the reply {verdict.reply.value!r} without a due time")
    period, due_at = verdict.period, verdict.due.due_at
    # Urgent mail gets the urgent text also while the owner is away: it is what was agreed.
    plain = period is not None and verdict.reply is not ReplyKind.URGENT
    away = calendar.away(period, due_at, now_at) if plain and period is not None else None
    text = template(policy, language, verdict.reply.value if away is None else "away")
    speech = Speech(policy, facts, due_at, calendar, now_at, away, says=text.uses)
    return Text(subject=subject, body=text.render({name: EVERY_VARIABLE[name](speech) for name in text.uses}))


def reply_message(policy: Policy, mailbox: str, facts: Facts, text: Text, message_id: str, now_at: datetime) -> bytes:
    """Return the complete message, ready for SMTP: CRLF, seven bits, to the Return-Path and to nobody else.

    Raises PermanentError when the recipient cannot be written as one address.
    Source: RFC 3834 section 3; section 4 for the recipient.
    """
    return message.write_message(
        name=policy.owner.name,
        sender=facts.addressed or policy.mailbox(mailbox).addresses[0],
        recipient=facts.return_path or "",
        subject=text.subject,
        body=text.body,
        language=_language(policy, facts),
        message_id=message_id,
        answers=facts.message_id,
        references=facts.references,
        now_at=now_at,
    )


def _language(policy: Policy, facts: Facts) -> str:
    return policy.client(facts.client).language if facts.client else policy.owner.language
