"""Mornings for the digest's tests: clients in several zones, mail that waits, and crowds of both."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responder.core import hours
from responder.core.morning_rows import Held, Morning, OpenMail, Suspended, Unanswered
from tests.core.build import at, client, owner, policy

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.model import Policy, Window

#: Monday morning in Moscow, half past eight.
MONDAY = at("2026-11-30 08:30")
FRIDAY = at("2026-11-27 20:00")
#: When the last digest came.
SINCE = at("2026-11-27 08:30")
#: Hostile in every way that a page, a text or a header could mind.
HOSTILE = (
    '</td><script src=http://evil.example/x.js></script>\r\nBcc: all@evil.example\u202e{{ 7*7 }}\x00 "><img src=x>'
)


def rules(language: str = "ru", *more: Any, **overrides: Any) -> Policy:
    """Return rules with four clients: the owner's clock, seven hours ahead, one behind, and New York."""
    clients = (
        client("vostok"),
        client("harbor", zone="Europe/London", name="Harbor & Sons", people={}, domains=frozenset()),
        client("linden", zone="Europe/Moscow", name="Линден", people={}, domains=frozenset(), phone=""),
        client("elm", zone="America/New_York", name="Elm Street Partners", people={}, phone="+1 (212) 555-0100"),
        *more,
    )
    return policy(owner=owner(language=language), clients=clients, **overrides)


def window(policy: Policy, on: str, clock: str = "10:00") -> Window:
    """Return the owner's window that opens then."""
    opens_at = at(f"{on} {clock}")
    return next(hours.calendar(policy, "").windows(opens_at - timedelta(seconds=1), days=1))


def mail(key: str = "vostok", subject: str = "Договор аренды", **more: Any) -> OpenMail:
    """Return a message with a promise until Tuesday evening that came on Friday evening; any field replaced."""
    fields: dict[str, Any] = {
        "fingerprint": f"{key} {subject}",
        "mailbox": "main",
        "client": key,
        "address": f"ivan@{key}.example",
        "subject": subject,
        "topic": "documents",
        "reason": "full",
        "arrived_at": FRIDAY,
        "due_at": at("2026-12-01 19:00"),
        "told_at": FRIDAY + timedelta(minutes=3),
        "promised": True,
    }
    return OpenMail(**(fields | more))


def filed(policy: Policy, on: str, key: str = "vostok", *, clock: str = "10:00", **more: Any) -> OpenMail:
    """Return a message that lies in that window's folder."""
    return mail(key, window=window(policy, on, clock), folder=f"Callbacks/{on} {clock.replace(':', '-')}", **more)


def morning(*mails: OpenMail, since_at: datetime = SINCE, **more: Any) -> Morning:
    """Return a morning after the weekend."""
    return Morning(since_at=since_at, mail=mails, **more)


def full_morning(rules: Policy) -> Morning:
    """Return a Monday with something of everything."""
    return morning(
        filed(rules, "2026-11-30", subject="Вопрос по дополнительному соглашению", topic="",
              due_at=at("2026-11-27 19:00"), arrived_at=at("2026-11-26 21:12"), carried=1),
        filed(rules, "2026-11-30", subject="Договор аренды"),
        filed(rules, "2026-11-30", "linden", subject="Перенос встречи", topic="", due_at=at("2026-11-30 19:00"),
              arrived_at=at("2026-11-29 23:40")),
        filed(rules, "2026-11-30", "harbor", subject="Supply contract, second draft", told_at=None, carried=2),
        filed(rules, "2026-11-30", "elm", clock="17:30", subject="Power of attorney", due_at=at("2026-11-30 19:00")),
        filed(rules, "2026-11-30", "harbor", clock="17:30", subject="Invoice 2026-114", promised=False, due_at=None,
              reason="copied"),
        mail("linden", "СРОЧНО: заседание перенесли", due_at=at("2026-11-30 19:00"), urgent=True, topic=""),
        filed(rules, "2026-12-01", "elm", subject="Questions about the annex"),
        filed(rules, "2026-12-01", "linden", clock="17:30", subject="Ещё один договор"),
        replies=(Held(state="in-doubt", client="vostok", address="ivan@vostok.example", subject="Договор", at=FRIDAY,
                      detail="the text had left when the connection broke"),),
        unfiled=(Held(state="refused", client="elm", address="ivan@elm.example", subject="Power", at=FRIDAY,
                      detail="NO [OVERQUOTA] Quota exceeded"),),
        unreadable=(Unanswered(mailbox="main", client="", address="", subject="", arrived_at=FRIDAY,
                               why="two From fields"),),
        unverified=(Unanswered(mailbox="main", client="vostok", address="ivan@vostok.example",
                               subject="Срочный платёж", arrived_at=FRIDAY, why="dmarc=fail"),),
        suspended=(Suspended(address="old@elm.example", until_at=at("2026-12-20 12:00"), fresh=True),),
        by_reason={"full": 3, "short": 2, "automatic": 14, "stranger": 4, "told": 1},
        replied=5,
    )  # fmt: skip


def crowd(count: int, language: str = "ru") -> tuple[Policy, Morning]:
    """Return that many clients, all of whom wait for Monday's window."""
    zones = ("Asia/Vladivostok", "Europe/London", "Europe/Moscow", "Asia/Yekaterinburg", "Asia/Dubai")
    clients = tuple(
        client(
            f"c{n}", zone=zones[n % len(zones)], name=f"Клиент № {n}", phone=f"+7 900 000-{n // 100:02}-{n % 100:02}"
        )
        for n in range(count)
    )
    made = policy(owner=owner(language=language), clients=clients)
    mails = [
        filed(made, "2026-11-30", f"c{n}", subject=f"Вопрос {n}.{k}", due_at=at("2026-11-30 19:00"))
        for n in range(count)
        for k in range(1 + n % 3)
    ]
    return made, morning(*mails)
