"""From a verdict to the effects, in the order in which they are to happen: first tell the client, then file.

Nothing here does anything: a plan is on disk before its first effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.core import compose, hours, urgent
from responder.core.address import wire_address
from responder.core.facts import derive_message_id
from responder.core.model import Alert, FileMessage, Flag, Plan, Reason, ReplyKind, SaveDraft, SendReply

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.compose import Text
    from responder.core.facts import Identity
    from responder.core.model import Case, Effect, Policy, Verdict


def make_plan(case: Case, verdict: Verdict, policy: Policy, identity: Identity) -> Plan:
    """Return what follows from one verdict."""
    effects: list[Effect] = []
    text = reply_text(case, verdict, policy)
    if text is not None:
        effects.append(_reply(case, verdict, policy, identity, text))
    if verdict.file and verdict.placement.window is not None:
        window = verdict.placement.window
        facts = case.facts
        effects.append(
            FileMessage(
                fingerprint=facts.fingerprint,
                key=case.message,
                message_id=facts.message_id,
                folder=compose.folder_name(policy, window, facts.client, facts.topic),
                window=window,
                not_after=window.opens_at,
            )
        )
    if verdict.urgent:
        facts = case.facts
        flag = Flag(fingerprint=facts.fingerprint, key=case.message, message_id=facts.message_id, folder="")
        effects.append(flag)
        if verdict.alert:
            effects.append(urgent.alert(verdict.alert, facts, policy, case.arrived_at))
    if verdict.reason is Reason.OWING and case.history.owed_since is not None:
        effects.append(owing_alert(case.facts.client, case.history.owed_since, policy, filed=verdict.file))
    return Plan(effects=tuple(effects))


def reply_text(case: Case, verdict: Verdict, policy: Policy) -> Text | None:
    """Return the words of the reply, None when there is none."""
    if verdict.reply is ReplyKind.NONE or verdict.due is None:
        return None
    calendar = hours.calendar(policy, case.facts.client)
    return compose.reply_text(policy, case.facts, verdict, calendar, case.now_at)


def _reply(case: Case, verdict: Verdict, policy: Policy, identity: Identity, text: Text) -> SendReply | SaveDraft:
    facts = case.facts
    assert verdict.due is not None  # noqa: S101 - reply_text gave words
    assert verdict.period is not None  # noqa: S101 - only mail that arrived closed is answered
    rules = policy.mailbox(identity.mailbox)
    sender = wire_address(facts.addressed or rules.addresses[0])
    message_id = derive_message_id(identity.secret, identity.mailbox, facts.fingerprint, sender.rpartition("@")[2])
    message = compose.reply_message(policy, identity.mailbox, facts, text, message_id, case.now_at)
    if policy.replies.mode == "draft":
        return SaveDraft(
            fingerprint=facts.fingerprint,
            mailbox=identity.mailbox,
            kind=verdict.reply,
            client=facts.client,
            address=facts.person,
            message_id=message_id,
            message=message,
            due_at=verdict.due.due_at,
            period_ends_at=verdict.period.ends_at,
            not_after=verdict.period.ends_at,
        )
    return SendReply(
        fingerprint=facts.fingerprint,
        mailbox=identity.mailbox,
        kind=verdict.reply,
        client=facts.client,
        address=facts.person,
        sender=sender,
        recipient=wire_address(facts.return_path or ""),
        message_id=message_id,
        message=message,
        due_at=verdict.due.due_at,
        period_ends_at=verdict.period.ends_at,
        not_after=verdict.period.ends_at,
    )


def owing_alert(client: str, since_at: datetime, policy: Policy, *, filed: bool) -> Alert:
    """Return the alert for a mail of a client to whom a promise is late."""
    zone = policy.owner.zone
    name = policy.client(client).name if client else client
    when = since_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return Alert(
        unique=f"owing:{client}:{when}",
        text=f"{name} wrote again while a promise is late since {when}. Nothing was sent; the mail "
        f"{'is filed' if filed else 'stays in INBOX'}.",
    )


def second_alert(mailbox: str, now_at: datetime, policy: Policy) -> Alert:
    """Return the alert for a mailbox in which another responder is at work, given once a day."""
    on = now_at.astimezone(policy.owner.zone).date()
    return Alert(
        unique=f"second:{mailbox}:{on}",
        text=(
            f"{mailbox}: another responder answers mail here too. What it has taken, this one neither answers nor "
            "files. Stop one of the two: perhaps an old computer still runs it. If this one was moved or installed "
            "anew just now, it met mail of its earlier life: look for it in INBOX."
        ),
    )


def breaker_alert(until_at: datetime, policy: Policy) -> Alert:
    """Return the alert for the breaker: too many replies in an hour."""
    when = until_at.astimezone(policy.owner.zone).strftime("%Y-%m-%d %H:%M")
    return Alert(
        unique=f"breaker:{when}",
        text=(
            f"The cap of {policy.replies.limits.per_hour} replies in an hour is reached. "
            f"No automatic reply goes out until {when}; mail is filed as always."
        ),
    )
