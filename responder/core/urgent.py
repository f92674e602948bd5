"""The urgent word: where it stands in a subject, which words can be agreed, and how often the owner is called for it.

Promises the configuration that a word it lets through does not stand in ordinary subjects, ``facts`` that the word is
found only as a word of its own, and ``plan`` that no more alerts are given in a day than the owner can bear.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from responder.core.address import account, shorten
from responder.core.model import Alert
from responder.core.subject import without_prefixes

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from responder.core.model import Client, Facts, Policy

#: Alerts for one client on one day of the owner's; further urgent mail is still flagged.
MOST_ALERTS = 3
_LEAST_LETTERS = 3
_MOST_LETTERS = 30
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
#: Right before the word these say that it is not meant.
_NOT_DENIED = r"(?<!\bне[ -])(?<!\bnot[ -])(?<!\bnon[ -])(?<!\bnicht[ -])"

#: Words that people write into subjects without thinking of an agreement, and those of our own replies.
_ORDINARY = """
    fwd rif отв ответ пер пересл перес auto автоответ automatic reply
    the and for you your our with from about this that new not one all any can are was will please
    для или что как под про при это нет над без все наш ваш мой вас нас вам нам мне они она оно его где так
    hello dear thanks thank question questions request document documents contract invoice account payment bill
    meeting call letter mail email e-mail message review answer file files scan copy draft today tomorrow info
    monday tuesday wednesday thursday friday saturday sunday
    здравствуйте привет добрый доброе день утро вечер спасибо вопрос вопросы запрос документ документы договор
    договора счет счета акт акты оплата встреча звонок письмо почта сообщение проверка проверку файл файлы
    скан копия проект сегодня завтра понедельник вторник среда четверг пятница суббота воскресенье
"""
ORDINARY = frozenset(_ORDINARY.split())


def fault_of_word(word: str) -> str:
    """Say why this cannot be agreed as the urgent word; "" if it can."""
    plain = unicodedata.normalize("NFC", word)
    if not _WORD.fullmatch(plain):
        return "must be one word of letters and digits: it is looked for in subjects as a whole word"
    letters = sum(character.isalpha() for character in plain)
    if letters < _LEAST_LETTERS:
        return f"must have at least {_LEAST_LETTERS} letters: a shorter word stands in subjects by chance"
    if len(plain) > _MOST_LETTERS:
        return f"must have at most {_MOST_LETTERS} letters: nobody types a longer one right"
    if _folded(plain) in ORDINARY:
        return "stands in ordinary subjects: agree on a word that nobody writes by chance"
    return ""


def word_in(subject: str, word: str) -> Literal["", "put", "kept"]:
    """Tell whether the word stands in a subject: "put" there, or perhaps only "kept" behind a "Re:" of the thread.

    It counts as a word of its own, whatever its case; "not urgent" says the contrary and does not count.
    """
    if not word or not subject:
        return ""
    if not _pattern(word).search(_folded(subject)):
        return ""
    return "kept" if without_prefixes(subject) != subject else "put"  # no prefix can be an urgent word


@lru_cache(maxsize=1024)
def _pattern(word: str) -> re.Pattern[str]:
    # "_" joins no words in a subject; a hyphen does not either, so that "СРОЧНО-договор" counts.
    return re.compile(rf"(?<![^\W_]){_NOT_DENIED}{re.escape(_folded(word))}(?![^\W_])")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).replace("ё", "е")


def alert_key(client: str, policy: Policy, now_at: datetime, given: Collection[str]) -> str:
    """Return the key of the next alert about this client's urgent mail today; "" when the day's are used up.

    ``given`` are the keys of those that were given lately.
    """
    on = now_at.astimezone(policy.owner.zone).date()
    keys = (f"urgent:{client}:{on}:{number}" for number in range(1, MOST_ALERTS + 1))
    return next((key for key in keys if key not in given), "")


def alert(key: str, facts: Facts, policy: Policy, arrived_at: datetime) -> Alert:
    """Return the alert for one urgent message: who and when; never the subject, which is the client's own affair."""
    client = policy.client(facts.client)
    when = arrived_at.astimezone(policy.owner.zone).strftime("%Y-%m-%d %H:%M")
    text = f"Urgent: {client.name}, {sender(facts, client)}, {when}. The message is flagged and stays in INBOX."
    if key.endswith(f":{MOST_ALERTS}"):
        text += f" This is the day's last alert for this client: after {MOST_ALERTS}, urgent mail is only flagged."
    return Alert(unique=key, text=text)


def sender(facts: Facts, client: Client) -> str:
    """Name the sender as the owner does in ``people``; others by their shortened address."""
    people = {account(address): name for address, name in client.people.items()}
    return people.get(facts.person) or shorten(facts.address)
