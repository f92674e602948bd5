"""Whether a reply that was planned a while ago should still leave: it is judged again, by the rules of now.

It promises the carrier that no reply leaves which would not be written any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.core import hours
from responder.core.model import Facts, SaveDraft
from responder.entries import make_question

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.model import Policy, SendReply
    from responder.ports import Ledger


async def objection(reply: SendReply | SaveDraft, policy: Policy, ledger: Ledger, now_at: datetime) -> str:
    """Say why the reply should not leave any more, or ""."""
    entry = (await ledger.known([reply.fingerprint])).get(reply.fingerprint)
    client = next((one for one in policy.clients if one.key == reply.client), None)
    if entry is None or (reply.client and client is None):
        return "the rules no longer know this client"
    facts = Facts(
        fingerprint=reply.fingerprint,
        message_id=entry.message_id,
        address=reply.address,
        client=reply.client,
    )
    (history,) = await ledger.histories([make_question(policy, facts, entry.arrived_at)], now_at)
    calendar = hours.calendar(policy, reply.client)
    period = calendar.closed_period(now_at)
    for held, why in (
        (policy.replies.mode != ("draft" if isinstance(reply, SaveDraft) else "send"), "replies.mode has changed"),
        (client is not None and not client.auto_reply, "the client wants no automatic replies"),
        (period is None or period.ends_at != reply.period_ends_at, "it speaks of another opening"),
        (history.answered_at is not None, "the owner has answered"),
        (
            period is not None and any(map(period.contains, history.replied_at | history.taken_at)),
            "another responder has answered",
        ),
        (history.owed_since is not None, "a promise to this client is late"),
        (history.breaker_until is not None and history.breaker_until > now_at, "the breaker is open"),
        (history.suspended_until is not None and history.suspended_until > now_at, "a reply to it bounced"),
        (now_at - entry.arrived_at > policy.replies.max_age, "older than replies.max_age"),
        (reply.due_at <= now_at, "the time it speaks of has passed"),
    ):
        if held:
            return why
    return ""
