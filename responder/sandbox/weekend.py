"""The story of the demo: who writes between Friday evening and Tuesday morning, and what ought to come of it.

Pure data. The weekend is that of 8 March 2026, for two reasons: Monday the 9th is a public holiday in Russia, so
that "Monday" is no working day, and New York's clocks change in the night to Sunday. All persons, firms and texts
are invented.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from email.headerregistry import Address
from types import MappingProxyType
from zoneinfo import ZoneInfo

from responder.core.model import Reason
from responder.sandbox import texts
from responder.sandbox.letters import (
    BAT,
    KOI8,
    OUTLOOK,
    PHONE,
    SERVER,
    THUNDERBIRD,
    WEBMAIL,
    Letter,
    bounce,
    message_id,
)
from responder.sandbox.practice import (
    ANNA,
    CLAIRE,
    DAVID,
    DIGEST,
    FORGER,
    IVAN,
    JAMES,
    MARINA,
    OLEG,
    OLGA,
    POSTMASTER,
    RUSLAN,
    SIGNING,
    STORE,
)
from responder.sandbox.story import Ending, Story, StoryMessage

MOSCOW = ZoneInfo("Europe/Moscow")
MORNING = "Callbacks/2026-03-10 10-00"
EVENING = "Callbacks/2026-03-10 17-30"


def weekend() -> Story:
    """Return the weekend of 8 March 2026."""
    return Story(
        zone=MOSCOW,
        starts_at=_at("2026-03-06 18:30"),
        ends_at=_at("2026-03-10 10:15"),
        before=_before(),
        messages=(*_friday(), *_saturday(), *_sunday(), *_monday(), *_tuesday()),
        days=MappingProxyType(
            {
                date(2026, 3, 6): "open until 19:00 in Moscow",
                date(2026, 3, 8): "clocks change in New York",
                date(2026, 3, 9): "public holiday in Russia: closed; an ordinary Monday in New York",
                date(2026, 3, 10): "open from 10:00",
            }
        ),
    )


def _at(text: str) -> datetime:
    """Return the instant, in UTC, at which clocks in Moscow show "2026-03-06 18:41"."""
    return datetime.fromisoformat(text).replace(tzinfo=MOSCOW).astimezone(UTC)


def _full(due: str, folder: str) -> Ending:
    return Ending(Reason.FULL, folder, _at(due))


def _mail(ending: Ending | None, label: str, letter: Letter, *, flags: str = "") -> StoryMessage:
    return StoryMessage(
        label=label,
        at=letter.at,
        sender=letter.sender,
        subject=letter.subject,
        message_id=message_id(letter.number, letter.sender),
        raw=letter.delivered(),
        ending=ending,
        flags=flags,
    )


def _before() -> tuple[StoryMessage, ...]:
    return (
        _mail(
            None,
            "older than the first start: left alone",
            Letter(1, _at("2026-03-05 16:20"), MARINA, "Спасибо за протокол", texts.THANKS, WEBMAIL),
            flags="\\Seen",
        ),
        _mail(
            None,
            "older than the first start and unread: left alone too",
            Letter(2, _at("2026-03-06 11:10"), IVAN, "Счёт за февраль", texts.INVOICE, BAT),
        ),
    )


def _friday() -> tuple[StoryMessage, ...]:
    bulk = {"List-Unsubscribe": "<mailto:off@pravo-digest.example>", "Precedence": "bulk"}
    away = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"}
    return (
        _mail(
            Ending(Reason.OPEN),
            "arrives while she is at work: hers to answer",
            Letter(3, _at("2026-03-06 18:41"), MARINA, "Акт за февраль", texts.ACT, WEBMAIL),
        ),
        _mail(
            Ending(Reason.JOINED, MORNING),
            "first of two within the grace time: one reply for both",
            Letter(4, _at("2026-03-06 19:52"), OLEG, "Перенесём встречу?", texts.MOVE, PHONE),
        ),
        _mail(
            _full("2026-03-10 19:00", MORNING),
            "second of two within the grace time: answered, with the later due time of the two",
            Letter(5, _at("2026-03-06 19:53:20"), OLEG, "И ещё одно", texts.ALSO, PHONE),
        ),
        _mail(
            Ending(Reason.AUTOMATIC),
            "a newsletter: a machine",
            Letter(
                6,
                _at("2026-03-06 21:15"),
                DIGEST,
                "Что изменилось в марте: 12 новостей",
                texts.DIGEST,
                SERVER,
                fields=bulk,
                return_path="bounces@pravo-digest.example",
            ),
        ),
        _bounced(7, _at("2026-03-06 21:40")),
        _mail(
            _full("2026-03-10 19:00", EVENING),
            "a question from New York: answered in English and in New York's clock",
            Letter(8, _at("2026-03-06 23:47"), CLAIRE, "Clause 7 of the lease", texts.CLAUSE, OUTLOOK),
        ),
        _mail(
            Ending(Reason.AUTOMATIC),
            "a client's vacation notice: two machines must not talk",
            Letter(
                9,
                _at("2026-03-06 23:51"),
                JAMES,
                "Automatic reply: Minutes of 5 March",
                texts.AWAY,
                OUTLOOK,
                fields=away,
                return_path="",
            ),
        ),
    )


def _bounced(number: int, at: datetime) -> StoryMessage:
    return StoryMessage(
        label="a bounce of a letter of hers: nobody there to answer",
        at=at,
        sender=POSTMASTER,
        subject="Undelivered Mail Returned to Sender",
        message_id=message_id(number, POSTMASTER),
        raw=bounce(number, at, POSTMASTER, recipient="kadry@stroygarant.example"),
        ending=Ending(Reason.AUTOMATIC),
    )


def _saturday() -> tuple[StoryMessage, ...]:
    mailing_list = {
        "List-Id": "Sosedi <sosedi.lists.dom12.example>",
        "List-Post": "<mailto:sosedi@lists.dom12.example>",
        "Precedence": "list",
    }
    return (
        _mail(
            _full("2026-03-11 19:00", MORNING),
            "a document to review from Vladivostok, where it is Saturday morning",
            Letter(
                10,
                _at("2026-03-07 02:31"),
                IVAN,
                "Аренда склада: на проверку",
                texts.REVIEW,
                BAT,
                pdf="Договор аренды склада.pdf",
            ),
        ),
        _mail(
            Ending(Reason.TOLD, MORNING),
            "the same person again in the same night: told already",
            Letter(
                11,
                _at("2026-03-07 02:58"),
                IVAN,
                "Re: Аренда склада: на проверку",
                texts.AGAIN,
                BAT,
                pdf="Договор аренды склада (2).pdf",
                answers=message_id(10, IVAN),
            ),
        ),
        _mail(
            Ending(Reason.UNVERIFIED),
            "spam in a client's name: the provider's DMARC check failed",
            Letter(
                12,
                _at("2026-03-07 06:10"),
                FORGER,
                "Срочно: новые реквизиты для оплаты",
                texts.FORGED,
                SERVER,
                return_path="offer@bulkcloud.example",
                dmarc="fail",
            ),
        ),
        _mail(
            Ending(Reason.AUTOMATIC),
            "a client's post to a mailing list: not written to her",
            Letter(
                13,
                _at("2026-03-07 10:40"),
                OLEG,
                "[sosedi] Собрание в четверг",
                texts.LIST,
                THUNDERBIRD,
                to=(Address("Соседи", addr_spec="sosedi@lists.dom12.example"),),
                fields=mailing_list,
                return_path="sosedi-bounces@lists.dom12.example",
            ),
        ),
        _mail(
            Ending(Reason.STRANGER),
            "a stranger: no agreement to remind of",
            Letter(14, _at("2026-03-07 14:25"), RUSLAN, "Нужен юрист, можно сегодня?", texts.STRANGER, WEBMAIL),
        ),
        _mail(
            _full("2026-03-10 15:00", MORNING),
            "HTML from a phone: a word in the quoted text makes no document of it",
            Letter(
                15,
                _at("2026-03-07 16:38"),
                MARINA,
                "Re: Поставка муки",
                texts.PHONE_HTML,
                PHONE,
                html=True,
                answers="<letter.0503@svetlova.example>",
            ),
        ),
        _mail(
            Ending(Reason.RETURN_PATH_DIFFERS, EVENING),
            "a client through a signing service: a reply would reach the service",
            Letter(
                16,
                _at("2026-03-07 18:05"),
                SIGNING,
                "Claire Finch sent you a document to sign",
                texts.SIGNING,
                SERVER,
                return_path="notify@signing.example",
            ),
        ),
    )


def _sunday() -> tuple[StoryMessage, ...]:
    answer = Letter(
        18,
        _at("2026-03-08 12:06:30"),
        ANNA,
        "Re: Печать на акте",
        texts.BY_HAND,
        PHONE,
        to=(OLGA.header,),
        answers=message_id(17, OLGA),
    )
    return (
        _mail(
            Ending(Reason.ANSWERED),
            "she answers by hand within the grace time: the machine keeps quiet",
            Letter(17, _at("2026-03-08 12:05"), OLGA, "Печать на акте", texts.STAMP, KOI8),
        ),
        StoryMessage(
            label="her own answer, written on her phone",
            at=answer.at,
            sender=ANNA,
            subject=answer.subject,
            message_id=message_id(18, ANNA),
            raw=answer.composed(),
            ending=None,
            folder="Sent",
            flags="\\Seen",
        ),
        _mail(
            Ending(Reason.CONVERSING),
            "they are in conversation: no machine between them",
            Letter(
                19,
                _at("2026-03-08 12:31"),
                OLGA,
                "Re: Печать на акте",
                texts.OLGA_THANKS,
                KOI8,
                answers=message_id(18, ANNA),
            ),
        ),
        _mail(
            Ending(Reason.COPIED, MORNING),
            "she stands only in Cc: somebody else is asked",
            Letter(
                20,
                _at("2026-03-08 20:15"),
                STORE,
                "Доверенность на отгрузку",
                texts.COPIED,
                WEBMAIL,
                to=(Address("Нотариус", addr_spec="kontora@notarius.example"),),
                cc=(ANNA.header,),
            ),
        ),
    )


def _monday() -> tuple[StoryMessage, ...]:
    loan, invited = "Loan agreement, signed pages", "Invitation: Lease, next steps"
    return (
        _mail(
            Ending(Reason.TOLD, MORNING),
            "the holiday belongs to the same closed period: told on Saturday",
            Letter(21, _at("2026-03-09 11:20"), MARINA, "Понимаю, что праздник", texts.HOLIDAY, WEBMAIL),
        ),
        _mail(
            _full("2026-03-11 19:00", EVENING),
            "a colleague in New York with a document, known by the firm's domain",
            Letter(22, _at("2026-03-09 16:12"), DAVID, loan, texts.LOAN, OUTLOOK, pdf="Loan agreement.pdf"),
        ),
        _mail(
            Ending(Reason.AUTOMATIC),
            "an invitation: the calendar answers those",
            Letter(
                23,
                _at("2026-03-09 17:05"),
                CLAIRE,
                invited,
                texts.MEETING,
                OUTLOOK,
                calendar=texts.INVITATION,
            ),
        ),
    )


def _tuesday() -> tuple[StoryMessage, ...]:
    return (
        _mail(
            _full("2026-03-10 19:00", MORNING),
            "an hour before opening: told what the day will bring",
            Letter(24, _at("2026-03-10 08:50"), OLGA, "Сверка за первый квартал", texts.EARLY, KOI8),
        ),
        _mail(
            Ending(Reason.OPEN),
            "she is open again: hers to answer",
            Letter(25, _at("2026-03-10 10:04"), OLEG, "Я на месте", texts.HERE, PHONE),
        ),
    )
