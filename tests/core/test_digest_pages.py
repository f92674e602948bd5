"""The digest in words, on a page and as a message: in both languages, for any number, and for hostile mail."""

from __future__ import annotations

import email
import email.policy
import re
from typing import TYPE_CHECKING, Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from responder.core.digest import make_digest
from responder.core.digest_pages import digest_html, digest_message, digest_text
from responder.core.digest_times import nothing
from responder.core.digest_words import DENSE, MOST_LATE, make_page, tel_link
from responder.core.morning_rows import Held, Suspended, Unanswered
from responder.errors import PermanentError
from tests.core.build import at, client, owner, policy
from tests.core.mornings import FRIDAY, HOSTILE, MONDAY, crowd, filed, full_morning, mail, morning, rules

if TYPE_CHECKING:
    from datetime import datetime

    from responder.core.digest_words import Page
    from responder.core.model import Policy
    from responder.core.morning_rows import Morning

LANGUAGES = ("ru", "en")
ID = "<responder.0123456789abcdef01234567.0123456789abcdef01234567@example.com>"


def page(made: Policy, waiting: Morning, now_at: datetime = MONDAY, *, whole: bool = False) -> Page:
    """Return the page; there is something to say."""
    digest = make_digest(made, waiting, now_at)
    assert digest is not None
    return make_page(made, digest, whole=whole)


def raw(made: Policy, waiting: Morning, recipient: str = "") -> bytes:
    """Return the message."""
    digest = make_digest(made, waiting, MONDAY)
    assert digest is not None
    return digest_message(made, digest, sender="anna@example.com", recipient=recipient, message_id=ID)


@pytest.mark.parametrize(
    ("language", "calls", "late", "subject"),
    [
        ("ru", 4, 1, "Утро понедельника, 30 ноября: 4 звонка, 1 просрочено"),
        ("ru", 1, 0, "Утро понедельника, 30 ноября: 1 звонок"),
        ("ru", 5, 21, "Утро понедельника, 30 ноября: 5 звонков, 21 просрочено"),
        ("ru", 11, 0, "Утро понедельника, 30 ноября: 11 звонков"),
        ("ru", 21, 0, "Утро понедельника, 30 ноября: 21 звонок"),
        ("ru", 0, 2, "Утро понедельника, 30 ноября: 2 просрочено"),
        ("en", 4, 1, "Monday morning, 30 November: 4 to call, 1 late"),
        ("en", 1, 0, "Monday morning, 30 November: 1 to call"),
        ("en", 0, 2, "Monday morning, 30 November: 2 late"),
    ],
)
def test_the_subject_counts_with_the_right_plurals(language: str, calls: int, late: int, subject: str) -> None:
    """Calls first, then what is late; what there is not is not counted."""
    clients = tuple(client(f"c{n}", zone="Europe/Moscow") for n in range(max(calls, 1)))
    made = policy(owner=owner(language=language), clients=clients)
    waiting = morning(
        *(filed(made, "2026-11-30", f"c{n}", due_at=at("2026-12-01 19:00")) for n in range(calls)),
        *(mail("c0", f"late {n}", due_at=FRIDAY) for n in range(late)),
    )
    assert page(made, waiting).subject == subject


@pytest.mark.parametrize(
    ("language", "now", "subject"),
    [
        ("ru", "2026-11-30 12:00", "Понедельник, 30 ноября: звонков нет"),
        ("en", "2026-11-30 12:00", "Monday, 30 November: nobody to call"),
        ("ru", "2027-02-02 08:30", "Утро вторника, 2 февраля: звонков нет"),
    ],
)
def test_a_digest_that_comes_late_is_no_mornings(language: str, now: str, subject: str) -> None:
    """After noon it names the day only; without a call it says so."""
    waiting = morning(breaker_until=at(now))
    assert page(rules(language), waiting, at(now)).subject == subject


EXPECTED = {
    "ru": """\
Утро понедельника, 30 ноября
2 звонка, 1 ответ письмом, 1 просрочено

Просрочено (1 письмо)
---------------------
* ООО «Восток» · +7 423 000-00-00 · звонить 08:30–14:00 (там 15:30–21:00)
   ! Договор аренды
     срок был в пятницу в 20:00 · окно: сегодня, 10:00–11:00 · Иван Петрович · documents · пришло в пятницу в 20:00 \
· перенесено 2 раза

Сегодня, 10:00–11:00 (2 звонка, 1 ответ письмом · Телефон)
----------------------------------------------------------
1. ООО «Восток» · +7 423 000-00-00 · там 17:00–18:00
   ! Договор аренды
     срок был в пятницу в 20:00 · Иван Петрович · documents · пришло в пятницу в 20:00 · перенесено 2 раза
     Ещё договор
     обещано до 19:00 завтра (там 02:00, среда) · Иван Петрович · documents · пришло в пятницу в 20:00
2. Линден
     Без даты
     срок до 19:00 во вторник, 8 декабря · documents · пришло вчера в 23:40
3. Harbor & Sons · письмом: там ночь (07:00–08:00)
     Invoice
     без обещания: Вы только в копии · documents · пришло в пятницу в 20:00

Следующие окна
--------------
- Завтра, 17:30–19:00: Elm Street Partners
- Пятница, 4 декабря, 10:00–11:00: Линден

С прошлого обзора (в пятницу в 08:30): 9 писем (от машин 7, отвечено подробно 2); 2 автоответа
открыто: 6 обещаний, 1 из них просрочено больше 30 дней назад
Составлено программой responder по Вашим правилам. Этот обзор получаете только Вы.
""",
    "en": """\
Monday morning, 30 November
2 to call, 1 by mail, 1 late

Late (1 message)
----------------
* ООО «Восток» · +7 423 000-00-00 · call 08:30–14:00 (15:30–21:00 there)
   ! Договор аренды
     was due on Friday at 20:00 · window: today, 10:00–11:00 · Иван Петрович · documents · came on Friday at 20:00 \
· carried over 2 times

Today, 10:00–11:00 (2 to call, 1 by mail · Phone)
-------------------------------------------------
1. ООО «Восток» · +7 423 000-00-00 · 17:00–18:00 there
   ! Договор аренды
     was due on Friday at 20:00 · Иван Петрович · documents · came on Friday at 20:00 · carried over 2 times
     Ещё договор
     promised by 19:00 tomorrow (02:00 there, Wednesday) · Иван Петрович · documents · came on Friday at 20:00
2. Линден
     Без даты
     due by 19:00 on Tuesday, 8 December · documents · came yesterday at 23:40
3. Harbor & Sons · by mail: it is night there (07:00–08:00)
     Invoice
     no promise: in copy only · documents · came on Friday at 20:00

Later windows
-------------
- Tomorrow, 17:30–19:00: Elm Street Partners
- Friday, 4 December, 10:00–11:00: Линден

Since the last digest (on Friday at 08:30): 9 messages (from machines 7, answered in full 2); 2 automatic replies
open: 6 promises, 1 of them late for more than 30 days
Made by responder from your rules. Nobody but you receives this digest.
""",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_monday(language: str) -> None:
    """Late first, then the windows in the order of their clocks, both clocks where they differ, and dates as said."""
    made = rules(language)
    waiting = morning(
        filed(made, "2026-11-30", due_at=FRIDAY, carried=2),
        filed(made, "2026-11-30", subject="Ещё договор"),
        filed(made, "2026-11-30", "linden", subject="Без даты", due_at=at("2026-12-08 19:00"), told_at=None,
              arrived_at=at("2026-11-29 23:40")),
        filed(made, "2026-11-30", "harbor", subject="Invoice", promised=False, reason="copied"),
        filed(made, "2026-12-01", "elm", clock="17:30"),
        filed(made, "2026-12-04", "linden", subject="Пятница"),
        mail("elm", due_at=at("2026-10-01 19:00")),
        by_reason={"full": 2, "automatic": 7, "own": 3},
        replied=2,
    )  # fmt: skip
    assert digest_text(page(made, waiting)) == EXPECTED[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_held_is_one_line_each(language: str) -> None:
    """Every kind has its sentence, with the client, the mail and the server's answer."""
    made = rules(language)
    (held,) = [block for block in page(made, full_morning(made)).blocks if block.kind == "held"]
    assert len(held.lines) == 5
    said = "\n".join(held.lines)
    for piece in ("ООО «Восток»", "Срочный платёж", "Quota exceeded", "two From fields", "old@elm.example"):
        assert piece in said
    assert "{" not in said


def test_every_channel_of_a_window_and_every_count_has_words() -> None:
    """Nobody meets a raw placeholder: whatever fills the page, no brace is left."""
    for language in LANGUAGES:
        made = rules(language)
        waiting = full_morning(made)
        text = digest_text(page(made, waiting, at("2026-12-07 15:00")))
        assert not set(text) & set("{}"), text
        assert nothing(made.owner)


def test_a_crowd_is_told_in_two_lines_each_and_whole_on_demand() -> None:
    """Above a dozen clients a place shows the most urgent message of each and how many more; ``today`` shows all."""
    made, waiting = crowd(200)
    short = page(made, waiting)
    (block,) = short.blocks
    assert len(block.rows) == 200 > DENSE
    assert all(len(row.items) == 1 and len(row.items[0].facts) == 1 for row in block.rows)
    assert {row.more for row in block.rows} == {"", "и ещё 1", "и ещё 2"}
    assert short.subject == "Утро понедельника, 30 ноября: 160 звонков, 40 ответов письмом"
    whole = page(made, waiting, whole=True)
    assert sum(len(row.items) for row in whole.blocks[0].rows) == len(waiting.mail)


def test_a_crowd_of_late_ones_is_cut_and_counted() -> None:
    """Forty are named, the oldest, and the rest is a number; nothing is cut on demand."""
    made, waiting = crowd(60)
    late = morning(*waiting.mail)
    now_at = at("2026-12-01 08:30")
    (first, *_) = page(made, late, now_at).blocks
    assert (first.kind, len(first.rows), first.lines) == ("late", MOST_LATE, ("и ещё 20",))
    (first, *_) = page(made, late, now_at, whole=True).blocks
    assert (len(first.rows), first.lines) == (60, ())


@pytest.mark.parametrize(
    ("phone", "link"),
    [
        ("+7 423 000-00-00", "tel:+74230000000"),
        ("+1 (212) 555-0100", "tel:+12125550100"),
        ("8 (800) 555-35-35 доб. 12", "tel:88005553535;ext=12"),
        ("+44 20 7946 0000 ext 7", "tel:+442079460000;ext=7"),
        ("+49\u201330\u2013901820", "tel:+4930901820"),
        ("", ""),
        ("ask Masha", ""),
        ("+7 423 000 or +7 900 111", ""),
        ('"><script>alert(1)</script>', ""),
        ("+7 423 000;phone-context=evil.example", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_a_link_dials_the_number_or_is_none(phone: str, link: str) -> None:
    """Digits and an extension, as RFC 3966 writes them; what is not surely a number is only shown."""
    assert tel_link(phone) == link


def test_hostile_mail_is_nothing_but_text() -> None:
    """A subject, a name, an address, a server's answer: no element, no attribute, no header, no control character."""
    evil = client("evil", zone="Europe/Moscow", name=HOSTILE, phone=HOSTILE, people={"x@evil.example": HOSTILE})
    made = rules("en", evil)
    waiting = morning(
        filed(made, "2026-11-30", "evil", subject=HOSTILE, topic=HOSTILE, address="x@evil.example", due_at=FRIDAY),
        mail("evil", HOSTILE, folder=HOSTILE, due_at=FRIDAY, address=HOSTILE),
        filed(made, "2026-12-01", "evil", subject=HOSTILE, reason=HOSTILE, promised=False),
        replies=(Held(state="in-doubt", client=HOSTILE, address=HOSTILE, subject=HOSTILE, at=FRIDAY, detail=HOSTILE),),
        unfiled=(Held(state="refused", client="evil", address=HOSTILE, subject=HOSTILE, at=FRIDAY, detail=HOSTILE),),
        unreadable=(
            Unanswered(mailbox="main", client="", address="", subject="", arrived_at=FRIDAY, why=HOSTILE),
        ),
        suspended=(Suspended(address=HOSTILE, until_at=at("2026-12-20 12:00"), fresh=True),),
        by_reason={HOSTILE: 1},
    )  # fmt: skip
    made_page = page(made, waiting)
    tree = LexborHTMLParser(digest_html(made_page))
    quiet = LexborHTMLParser(digest_html(page(rules("en"), full_morning(rules("en")))))
    assert {node.tag for node in tree.root.traverse()} <= {node.tag for node in quiet.root.traverse()}  # type: ignore[union-attr]
    for node in tree.root.traverse():  # type: ignore[union-attr]
        assert not {name for name in node.attributes if name.startswith("on") or name == "src"}
        assert (node.attributes.get("href") or "tel:").startswith("tel:")
    text = digest_text(made_page)
    for said in (text, tree.text()):
        assert re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", said) is None
        assert "49" not in said
        assert "<script src=http://evil.example/x.js>" in said
    message: Any = email.message_from_bytes(raw(made, waiting), policy=email.policy.default)
    assert message["Bcc"] is None
    assert message.defects == []


def test_the_message_is_one_that_every_program_reads() -> None:
    """Two alternatives, the HTML last; marked as a machine's; seven bits; short lines; the standard library agrees."""
    made = rules()
    octets = raw(made, full_morning(made))
    message: Any = email.message_from_bytes(octets, policy=email.policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip
    assert all(part.defects == [] for part in message.walk())
    assert {name: str(message[name]) for name in ("Auto-Submitted", "X-Auto-Response-Suppress", "Precedence")} == {
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Precedence": "bulk",
    }
    for name in ("From", "To"):
        (mailbox,) = message[name].addresses
        assert (mailbox.display_name, mailbox.addr_spec) == ("Анна Светлова", "anna@example.com")
    assert message["Subject"] == page(made, full_morning(made)).subject
    assert message["Message-ID"] == ID
    assert message["Date"].datetime == MONDAY
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 98  # a Message-ID cannot be folded
    assert b"\n" not in octets.replace(b"\r\n", b"")
    plain, html = (part.get_content() for part in message.iter_parts())
    assert plain.splitlines() == digest_text(page(made, full_morning(made))).splitlines()
    assert "ООО «Восток»" in html


def test_it_goes_to_the_address_of_the_file_and_to_no_list_of_them() -> None:
    """One recipient; what is no single address is refused before anything is planned."""
    made = rules()
    message: Any = email.message_from_bytes(raw(made, full_morning(made), "anna@phone.example"))
    assert message["To"].endswith("<anna@phone.example>")
    with pytest.raises(PermanentError):
        raw(made, full_morning(made), "a@b.example, c@d.example")
