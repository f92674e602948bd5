"""The invented practice of the demo: an owner in Moscow, clients in three time zones, what was agreed with each."""

from __future__ import annotations

from datetime import date
from typing import Any

from responder.sandbox.letters import AUTHSERV_ID, OWNER, OWNER_NAME, person
from responder.sandbox.servers import LOOPBACK

PASSWORD_FILE = "password.txt"  # noqa: S105 - a file's name

IVAN = person("Иван Петрович Громов", "ivan@vostok.example", "Asia/Vladivostok")
FORGER = person(IVAN.name, IVAN.address, "Asia/Vladivostok", host="dynamic-19.bulkcloud.example")
OLGA = person("Ольга Чен", "buh@vostok.example", "Asia/Vladivostok")
MARINA = person("Марина Белова", "marina@melnitsa.example")
STORE = person("Склад «Белой мельницы»", "sklad@melnitsa.example")
OLEG = person("Олег Тарасов", "oleg@tarasov.example", host="out.mailhost.example")
CLAIRE = person("Claire Finch", "claire@harborfinch.example", "America/New_York")
SIGNING = person(CLAIRE.name, CLAIRE.address, "America/New_York", host="out.signing.example")
JAMES = person("James Okoro", "james@harborfinch.example", "America/New_York")
DAVID = person("David Lindqvist", "david@harborfinch.example", "America/New_York")
ANNA = person(OWNER_NAME, OWNER)
RUSLAN = person("Руслан", "ruslan.k@pochta.example")
DIGEST = person("Дайджест права", "noreply@pravo-digest.example")
POSTMASTER = person("Mail Delivery System", "mailer-daemon@stroygarant.example")


def configuration(imap_port: int, smtp_port: int) -> dict[str, Any]:
    """Return the whole of ``config.toml`` for the demo's servers, its password in ``PASSWORD_FILE`` beside it."""
    return {
        "owner": {
            "name": OWNER_NAME,
            "timezone": "Europe/Moscow",
            "language": "ru",
            "holidays": "RU",
            "also": ["anna.private@mail.example"],
            "why": {
                "ru": "Вечером и в выходные я не работаю с документами, чтобы днём смотреть их внимательно.",
                "en": "I keep evenings and weekends free so that your papers get a rested pair of eyes by day.",
            },
        },
        "mailboxes": {
            "main": {
                "addresses": [OWNER, "office@svetlova.example"],
                "imap": {"host": LOOPBACK, "port": imap_port, "security": "none"},
                "smtp": {"host": LOOPBACK, "port": smtp_port, "security": "none"},
                "username": OWNER,
                "password": {"file": PASSWORD_FILE},
                "trusted_authserv_id": AUTHSERV_ID,
            }
        },
        "hours": {"mon-fri": ["10:00-13:00", "14:00-19:00"]},
        "channels": {
            "phone": {
                "name": {"ru": "Телефон", "en": "Phone"},
                "hours": {"mon-fri": ["10:00-11:00"], "mon-thu": ["17:30-19:00"]},
            },
            "whatsapp": {
                "name": {"ru": "WhatsApp, голосовые", "en": "WhatsApp, voice notes"},
                "hours": {"mon-fri": ["09:00-19:00"]},
                "why": {"ru": "в остальное время я на заседаниях", "en": "otherwise I am in hearings"},
            },
        },
        "windows": {
            "morning": {"hours": {"mon-fri": ["10:00-11:00"]}, "channels": ["phone"]},
            "evening": {"hours": {"mon-thu": ["17:30-19:00"]}, "channels": ["phone"]},
        },
        "topics": {
            "documents": {
                "words": ["договор*", "на проверку", "contract*", "for review"],
                "attachments": True,
                "response": "2 working days",
                "say": {
                    "ru": "Документы я смотрю внимательно, поэтому на них мы договорились о двух рабочих днях.",
                    "en": "I read documents closely, which is why we agreed on two working days for them.",
                },
            },
            "meeting": {
                "words": ["встреч*", "созвон*", "перенес*", "meeting", "reschedule*"],
                "response": "4 working hours",
                "say": {
                    "ru": "О встречах я отвечаю быстрее, в течение четырёх рабочих часов.",
                    "en": "Questions about meetings I answer faster, within four working hours.",
                },
            },
        },
        "response": {"default": "1 working day"},
        "clients": {
            "vostok": {
                "name": "ООО «Восток»",
                "addresses": ["ivan@vostok.example", "@vostok.example"],
                "people": {"ivan@vostok.example": "Иван Петрович"},
                "timezone": "Asia/Vladivostok",
                "language": "ru",
                "agreement": {
                    "name": "Приложение 2 к договору № 17",
                    "version": "1",
                    "from": date(2025, 9, 1),
                },
                "phone": "+7 423 000-00-00",
            },
            "melnitsa": {
                "name": "Пекарня «Белая мельница»",
                "addresses": ["marina@melnitsa.example", "@melnitsa.example"],
                "people": {"marina@melnitsa.example": "Марина Олеговна"},
                "timezone": "Europe/Moscow",
                "language": "ru",
                "agreement": {
                    "name": "Приложение 1 к договору № 23",
                    "version": "2",
                    "from": date(2025, 11, 1),
                },
            },
            "tarasov": {
                "name": "Олег Тарасов",
                "addresses": ["oleg@tarasov.example"],
                "people": {"oleg@tarasov.example": "Олег Дмитриевич"},
                "timezone": "Europe/Moscow",
                "language": "ru",
            },
            "harbor": {
                "name": "Harbor & Finch LLC",
                "addresses": ["claire@harborfinch.example", "@harborfinch.example"],
                "people": {"claire@harborfinch.example": "Claire"},
                "timezone": "America/New_York",
                "language": "en",
                "holidays": "US",
                "agreement": {
                    "name": "Annex B to the engagement letter",
                    "version": "1",
                    "from": date(2025, 10, 1),
                },
                "phone": "+1 212 555-0100",
            },
        },
        "replies": {"mode": "send", "grace": "3 min"},
        "filing": {"folder": "Callbacks/{opens:%Y-%m-%d %H-%M}", "finished": "Callbacks/Done"},
    }
