"""A reply as it would be, for a message that never came: for ``check`` and ``explain --from``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from responder.core import decide
from responder.core.model import Case, Facts, History, MessageKey
from responder.core.plan import reply_text

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.compose import Text
    from responder.core.model import Client, Policy, ReplyKind


def plain_facts(policy: Policy, client_key: str, address: str = "") -> Facts:
    """Return the facts of a plain message from a client to the first mailbox, with nothing odd about it."""
    client = policy.client(client_key)
    own = policy.mailboxes[0].addresses[0]
    sender = address or _somebody(client)
    return Facts(
        fingerprint="0" * 64,
        address=sender,
        return_path=sender,
        client=client_key,
        by_domain=sender not in client.addresses,
        return_path_is_clients=True,
        addressed=own,
        named_in="to",
    )


def _somebody(client: Client) -> str:
    """Choose whom to write to: one whom the owner addresses by name, else any address, else anybody of the domain."""
    named = [address for address in client.people if address in client.addresses]
    if named:
        return named[0]
    return min(client.addresses, default=f"somebody@{min(client.domains, default='client.example')}")


def sample_reply(policy: Policy, client_key: str, kind: ReplyKind, at: datetime) -> Text | None:
    """Return the reply to a plain message that arrives at that instant; None where none would go out."""
    facts = replace(plain_facts(policy, client_key), urgent="put" if kind == "urgent" else "")
    key = MessageKey(mailbox=policy.mailboxes[0].name, uidvalidity=1, uid=1)
    full_at = None if kind == "full" else at
    case = Case(message=key, facts=facts, history=History(full_at=full_at), arrived_at=at, now_at=at)
    verdict = decide.decide(case, policy)
    return reply_text(case, verdict, policy)
