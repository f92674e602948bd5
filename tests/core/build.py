"""Builds rules for tests without the configuration: ``policy()`` is the example configuration, said in values.

``policy(hours=schedule({"mon-fri": ["10:00-18:00"]}), clients=(client("berlin", zone="Europe/Berlin"),))``
changes what a test is about; every keyword of ``Policy`` and of ``Client`` may be given.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from responder.core.model import (
    Agreement,
    Channel,
    Client,
    DatedEntry,
    FilingRules,
    Limits,
    MailboxRules,
    Owner,
    Policy,
    ReplyRules,
    Schedule,
    Span,
    Stretch,
    Term,
    TermUnit,
    Topic,
    WindowRule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def stretch(text: str) -> Stretch:
    """Read "10:00-13:00"; an end that is not after the beginning lies on the next date."""
    opens, closes = (60 * int(clock[:2]) + int(clock[3:]) for clock in text.split("-"))
    return Stretch(opens=opens, closes=closes if closes > opens else closes + 1440)


def schedule(table: Mapping[str, Sequence[str]]) -> Schedule:
    """Read a table as the configuration file has it: "mon-fri", "sat", "2026-12-31", "2027-01-01..2027-01-08"."""
    weekdays: list[list[Stretch]] = [[] for _ in DAYS]
    dates: list[DatedEntry] = []
    for key, texts in table.items():
        stretches = tuple(sorted((stretch(text) for text in texts), key=lambda each: each.opens))
        if key[:1].isdigit():
            first, _, last = key.partition("..")
            dates.append(
                DatedEntry(
                    first_on=date.fromisoformat(first),
                    last_on=date.fromisoformat(last or first),
                    stretches=stretches,
                )
            )
        else:
            first, _, last = key.partition("-")
            for day in range(DAYS.index(first), DAYS.index(last or first) + 1):
                weekdays[day].extend(stretches)
    return Schedule(
        weekdays=tuple(tuple(sorted(day, key=lambda each: each.opens)) for day in weekdays),
        dates=tuple(sorted(dates, key=lambda entry: (entry.first_on, entry.last_on))),
    )


def term(text: str) -> Term:
    """Read "2 working days", "1 working hour", "6 hours", "next window"."""
    if text == "next window":
        return Term(count=0, unit=TermUnit.NEXT_WINDOW)
    count, _, unit = text.partition(" ")
    return Term(count=int(count), unit=TermUnit(unit if unit.endswith("s") else f"{unit}s"))


def at(text: str, zone: str = "Europe/Moscow") -> datetime:
    """Return the instant, in UTC, at which clocks in that zone show "2026-11-27 20:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def told(spans: Span | Iterable[Span] | None, zone: str = "Europe/Moscow") -> list[str]:
    """Return spans as clocks in that zone show them: "11-27 19:00 to 11-30 10:00"; they must be in UTC."""
    given = [] if spans is None else [spans] if isinstance(spans, Span) else list(spans)
    assert all(edge.tzinfo is UTC for span in given for edge in (span.starts_at, span.ends_at))
    local = [(s.starts_at.astimezone(ZoneInfo(zone)), s.ends_at.astimezone(ZoneInfo(zone))) for s in given]
    return [f"{starts:%m-%d %H:%M} to {ends:%m-%d %H:%M}" for starts, ends in local]


def client(key: str = "vostok", *, zone: str = "Asia/Vladivostok", **overrides: Any) -> Client:
    """Return a client: the file's own Vostok by default, with any field of ``Client`` replaced."""
    fields: dict[str, Any] = {
        "name": "ООО «Восток»" if key == "vostok" else key.title(),
        "addresses": frozenset({f"ivan@{key}.example"}),
        "domains": frozenset({f"{key}.example"}),
        "language": "ru",
        "daytime": schedule({"mon-sun": ["09:00-21:00"]}),
        "people": {f"ivan@{key}.example": "Иван Петрович"},
        "agreement": Agreement(
            name="Приложение 2 к договору № 17", version="1", from_on=date(2026, 9, 1), until_on=None
        ),
        "phone": "+7 423 000-00-00",
    }
    return Client(key=key, zone=ZoneInfo(zone), **(fields | overrides))


def replies(**overrides: Any) -> ReplyRules:
    """Return ``[replies]`` with its defaults, any field replaced."""
    fields: dict[str, Any] = {
        "mode": "send",
        "grace": timedelta(minutes=3),
        "break_": timedelta(hours=2),
        "conversing": timedelta(minutes=60),
        "full_every": timedelta(days=7),
        "max_age": timedelta(hours=12),
        "limits": Limits(),
        "strangers": "silent",
        "envelope": "self",
        "copy": "Sent",
    }
    return ReplyRules(**(fields | overrides))


def owner(zone: str = "Europe/Moscow", **overrides: Any) -> Owner:
    """Return ``[owner]``, any field replaced."""
    fields: dict[str, Any] = {
        "name": "Анна Светлова",
        "language": "ru",
        "holidays": "RU",
        "also": frozenset({"anna.private@mail.example"}),
        "why": {
            "ru": "Вечером и в выходные я не работаю с документами, чтобы днём смотреть их внимательно.",
            "en": "In the evening and at weekends I leave documents alone, to read them with care by day.",
        },
    }
    return Owner(zone=ZoneInfo(zone), **(fields | overrides))


def channel(key: str, table: Mapping[str, Sequence[str]], **overrides: Any) -> Channel:
    """Return a channel with those hours."""
    fields: dict[str, Any] = {"names": {"ru": key, "en": key}} | overrides
    return Channel(key=key, schedule=schedule(table), **fields)


def window(key: str, table: Mapping[str, Sequence[str]], channels: tuple[str, ...] = ()) -> WindowRule:
    """Return the rule of a window with those hours."""
    return WindowRule(key=key, schedule=schedule(table), channels=channels)


def policy(**overrides: Any) -> Policy:
    """Return the rules of the example configuration, any field of ``Policy`` replaced."""
    fields: dict[str, Any] = {
        "owner": owner(),
        "mailboxes": (MailboxRules(name="main", addresses=("anna@example.com", "office@example.com")),),
        "hours": schedule(
            {
                "mon-fri": ["10:00-13:00", "14:00-19:00"],
                "2026-12-31": ["10:00-14:00"],
                "2027-01-01..2027-01-08": [],
            }
        ),
        "channels": (
            channel(
                "phone",
                {"mon-fri": ["10:00-11:00"], "mon-thu": ["17:30-19:00"]},
                names={"ru": "Телефон", "en": "Phone"},
            ),
            channel(
                "whatsapp",
                {"mon-fri": ["09:00-19:00"]},
                names={"ru": "WhatsApp, голосовые", "en": "WhatsApp, voice notes"},
                why={"ru": "в остальное время я на заседаниях", "en": "otherwise I am in hearings"},
            ),
        ),
        "windows": (
            window("morning", {"mon-fri": ["10:00-11:00"]}, ("phone",)),
            window("evening", {"mon-thu": ["17:30-19:00"]}),
        ),
        "topics": (
            Topic(
                key="documents",
                words=("договор*", "на проверку", "contract", "review"),
                attachments=True,
                response=term("2 working days"),
                say={
                    "ru": "Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях.",
                    "en": "I read documents with care, so we agreed on two working days for them.",
                },
            ),
        ),
        "response": term("1 working day"),
        "clients": (client(),),
        "replies": replies(),
        "filing": FilingRules(folder="Callbacks/{opens:%Y-%m-%d %H-%M}", finished="Callbacks/Done", during_hours=False),
    }
    return Policy(**(fields | overrides))
