"""What follows from a time that a client asks for: the sentence, the folder, the note, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder.asked import parse
from responder.core import suiting
from responder.core.decide import decide
from responder.core.facts import Identity, observe, observe_body
from responder.core.model import Body, Case, Facts, History, Message, MessageKey, Policy, Reason, Verdict
from responder.core.plan import reply_text
from tests.core.build import at, client, policy, window

if TYPE_CHECKING:
    from datetime import datetime

KEY = MessageKey(mailbox="main", uidvalidity=1, uid=7)
ME = Identity("main", b"a secret")
FRIDAY = at("2026-11-27 20:00")  # Saturday, 03:00, in Vladivostok; noon in New York
RULES = policy(
    clients=(
        client(),
        client("harbor", zone="America/New_York", language="en", people={"ivan@harbor.example": "Ms Ortega"}),
        client("near", zone="Europe/Moscow", agreement=None),
    )
)


def message(key: str, text: str, arrived_at: datetime = FRIDAY, *, head: str = "", sender: str = "") -> Message:
    """Return a plain letter of a client's."""
    address = sender or f"ivan@{key}.example"
    header = (
        f"Return-Path: <{address}>\r\nFrom: <{address}>\r\nTo: <anna@example.com>\r\nSubject: Hello\r\n"
        f"Message-ID: <1@{key}.example>\r\nContent-Type: text/plain; charset=utf-8\r\n{head}"
    )
    return Message(
        key=KEY,
        header=header.encode(),
        header_cut=False,
        internal_at=arrived_at,
        size=5_000,
        flags=frozenset(),
        body=Body(beginning=text.encode(), parts=()),
    )


def judge(
    key: str, text: str, arrived_at: datetime = FRIDAY, *, rules: Policy = RULES, short: bool = False, **changes: Any
) -> tuple[Case, Verdict]:
    """Read and decide a letter, some minutes after it came."""
    facts = observe(message(key, text, arrived_at, **changes), rules, ME, parse)
    history = History(full_at=arrived_at if short else None)
    now_at = arrived_at + timedelta(minutes=4)
    case = Case(message=KEY, facts=facts, history=history, arrived_at=arrived_at, now_at=now_at)
    return case, decide(case, rules)


def said(key: str, text: str, **changes: Any) -> str:
    """Return the text of the reply."""
    case, verdict = judge(key, text, **changes)
    words = reply_text(case, verdict, changes.get("rules", RULES))
    assert words is not None
    return words.body


def opens(verdict: Verdict) -> datetime | None:
    """Return when the window that takes the mail opens."""
    return verdict.placement.window.opens_at if verdict.placement.window else None


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        (
            "vostok",
            "Можем созвониться в понедельник в 17:30?",
            (
                "Время, которое Вы предлагаете («в понедельник в 17:30»), попадает в мои часы для звонков; "
                "считайте его согласованным, когда я его подтвержу."
            ),
        ),
        (
            "vostok",
            "Можем созвониться во вторник в 17:30?",
            (
                "Время, которое Вы предлагаете («во вторник в 17:30»), попадает в мои часы для звонков; "
                "к названному сроку я его подтвержу."
            ),
        ),
        (
            "vostok",
            "Можем созвониться в субботу в 22:00?",
            (
                "Время, которое Вы предлагаете («в субботу в 22:00»), лежит вне моих часов для звонков; ближайшие — "
                "понедельник, 30 ноября, 17:00–18:00 по Вашему времени (10:00–11:00 в Москве)."
            ),
        ),
        (
            "near",
            "Созвонимся во вторник?",
            "Вы предлагаете поговорить «во вторник»; мои часы для звонков тогда: вторник, 1 декабря, 10:00–11:00.",
        ),
        (
            "near",
            "Мне нужен ответ до воскресенья.",
            (
                "Вы просите успеть «до воскресенья»; я отвечаю к названному здесь сроку, "
                "а письмо теперь отмечено у меня как спешное."
            ),
        ),
        (
            "harbor",
            "Could we talk on Tuesday at 9:30am my time?",
            (
                "The time you propose (“on Tuesday at 9:30am my time”) falls into my call hours; "
                "I will confirm it by the time named here."
            ),
        ),
        (
            "harbor",
            "Could we talk on Sunday at 10 pm?",
            (
                "The time you propose (“on Sunday at 10 pm”) is outside my call hours; the nearest are "
                "Monday, 30 November, 09:30–11:00 your time (17:30–19:00 in Moscow)."
            ),
        ),
        (
            "harbor",
            "I need your answer by Monday 9am.",
            (
                "You ask for this “by Monday 9am”; under our agreement I answer by the time named here, "
                "and your message is now marked for me as pressing."
            ),
        ),
    ],
)
def test_the_reply_quotes_and_says_what_follows(key: str, text: str, sentence: str) -> None:
    """One sentence, the client's own words in it, in both texts; nothing is confirmed."""
    assert sentence in said(key, text, short=True)
    full = said(key, text)
    assert sentence.partition(";")[0].removesuffix(".") in full
    assert "{" not in full


def test_the_same_hours_are_not_offered_twice() -> None:
    """The full text names the next hours for a call already."""
    full = said("vostok", "Можем созвониться в субботу в 22:00?")
    assert "лежит вне моих часов для звонков.\n" in full
    assert full.count("17:00–18:00") == 1
    assert "тогда у меня есть часы для звонков." in said("near", "Созвонимся в понедельник?")


def test_two_findings_are_two_sentences_and_the_first_of_each_counts() -> None:
    """More than one proposal: the first is quoted, the others are not."""
    text = "Could we talk on Monday at 10am? Or talk on Tuesday at 10am? I need it by Sunday. Reply by noon on Sunday."
    body = said("harbor", text, short=True)
    assert "“on Monday at 10am”" in body
    assert "“by Sunday”" in body
    assert "Tuesday at 10am" not in body
    assert "noon on Sunday" not in body


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for the call on Tuesday at 10am.",
        "> Could we talk on Tuesday at 10am?\nNo, thank you.",
        "I need your answer by the end of next year.",
        "Please answer by 20 December.",
    ],
)
def test_nothing_asked_changes_nothing(text: str) -> None:
    """Without a finding, or with a deadline that the due time keeps, text and place are those of a plain letter."""
    _, plain = judge("harbor", "Please have a look.")
    case, verdict = judge("harbor", text)
    assert verdict.placement == plain.placement
    assert verdict.due == plain.due
    words, usual = reply_text(case, verdict, RULES), said("harbor", "Please have a look.")
    assert words is not None
    assert words.body == usual


def test_a_call_that_suits_puts_the_mail_into_its_window() -> None:
    """The window of the proposed time takes the mail, if it opens before the due time; the due time stands."""
    _, plain = judge("near", "Добрый день!")
    case, verdict = judge("near", "Созвонимся в понедельник в 18:00?")
    assert (opens(plain), opens(verdict)) == (at("2026-11-30 10:00"), at("2026-11-30 17:30"))
    assert verdict.due == plain.due
    assert verdict.placement.note == "предлагает поговорить «в понедельник в 18:00»"
    assert [(step.rule, step.held) for step in verdict.trail[-2:]] == [("asked", True), ("asked-placement", True)]
    assert verdict.reason is Reason.FULL
    assert verdict.file
    late = replace(case, now_at=at("2026-11-30 17:31"))
    assert opens(decide(late, RULES)) == at("2026-11-30 10:00")
    for words in ("Созвонимся во вторник в 18:00?", "Созвонимся в понедельник в 15:00?", "Созвонимся в понедельник?"):
        assert judge("near", words)[1].placement == plain.placement


def test_a_deadline_before_the_due_time_is_noted_and_bounds_the_window() -> None:
    """It is marked as pressing; a call that would lie later than it gives way to the last window before it."""
    _, plain = judge("harbor", "Please read the contract.")
    _, pressing = judge("harbor", "We need this contract by Monday noon EST.")
    assert opens(pressing) == opens(plain) == at("2026-11-30 17:30")
    assert pressing.placement.note == "спешное: просит успеть «by Monday noon EST»"
    call = "Could we talk about the contract on Tuesday at 10am?"
    assert opens(judge("harbor", call)[1]) == at("2026-12-01 17:30")
    _, both = judge("harbor", f"{call} We need it by Monday noon EST.")
    assert opens(both) == at("2026-11-30 17:30")
    assert both.due == plain.due
    _, day = judge(
        "near", "Мне нужен ответ до понедельника."
    )  # due on Monday at 19:00: nobody knows whether that is late
    assert day.placement.note == ""


def test_who_has_no_hours_for_calls_is_told_nothing_of_them() -> None:
    """Without windows nothing is inside or outside."""
    rules = policy(windows=(), clients=(client("near", zone="Europe/Moscow"),))
    assert "предлагаете" not in said("near", "Созвонимся в понедельник в 18:00?", rules=rules)
    night = policy(
        windows=(window("w", {"mon-fri": ["03:00-04:00"]}),), clients=(client("near", zone="Europe/Moscow"),)
    )
    _, verdict = judge("near", "Созвонимся в понедельник в 03:30?", rules=night)
    assert verdict.placement.note == "by mail: it is night there"


def test_who_is_known_by_the_domain_only_hears_no_word_of_the_agreement() -> None:
    """A colleague's own words come back to him; that something was agreed does not."""
    body = said("harbor", "I need your answer by Monday 9am.", sender="kate@harbor.example")
    assert "You ask for this “by Monday 9am”; I answer by the time named here" in body
    assert "agreement" not in body


def test_a_letter_written_before_midnight_and_come_after_it() -> None:
    """What its date and its arrival read differently is not sure; what both read alike is."""
    late = at("2026-11-24 00:20", "America/New_York")
    for date, count in (("Mon, 23 Nov 2026 23:50:00 -0500", 0), ("Tue, 24 Nov 2026 00:19:00 -0500", 0)):
        letter = message("harbor", "Could we talk tomorrow at 3pm?", late, head=f"Date: {date}\r\n")
        assert len(observe(letter, RULES, ME, parse).asked) == count
        letter = message("harbor", "Could we talk on Friday at 3pm?", late, head=f"Date: {date}\r\n")
        assert len(observe(letter, RULES, ME, parse).asked) == 1
    morning = at("2026-11-24 09:00", "America/New_York")
    letter = message(
        "harbor", "Could we talk tomorrow at 3pm?", morning, head="Date: Mon, 23 Nov 2026 21:00:00 -0500\r\n"
    )
    assert observe(letter, RULES, ME, parse).asked == ()


def test_a_text_that_was_cut_ends_before_its_last_sentence() -> None:
    """At 2.5 KB "at 15:00" may have become "at 1": the last sentence is left out, what stands before it is not."""
    filler = "This is what happened. " * 120
    text = f"I need your answer by Sunday. {filler}Could we talk on Monday at 10"
    asked = observe(message("harbor", text), RULES, ME, parse).asked
    assert [one.quote for one in asked] == ["by Sunday"]


def test_reading_the_body_later_comes_to_the_same() -> None:
    """Both ways of reading find the same; strangers, robots and our own mail ask for nothing."""
    letter = message("harbor", "Could we talk on Tuesday at 10am?")
    bare = observe(replace(letter, body=None), RULES, ME, parse)
    assert bare.asked == ()
    assert observe_body(letter, bare, RULES, ME, parse) == observe(letter, RULES, ME, parse)
    assert observe(letter, RULES, ME, parse).asked
    assert observe(letter, RULES, ME).asked == ()
    for other in (
        message("harbor", "Could we talk on Tuesday at 10am?", sender="who@nowhere.example"),
        message("harbor", "Could we talk on Tuesday at 10am?", sender="anna@example.com"),
        message("harbor", "Could we talk on Tuesday at 10am?", head="Auto-Submitted: auto-replied\r\n"),
        replace(letter, internal_at=None),
    ):
        assert observe(other, RULES, ME, parse).asked == ()


def test_the_trail_can_be_read_again() -> None:
    """What the ledger keeps of a finding is enough for the documented JSON."""
    _, verdict = judge("harbor", "Could we talk on Tuesday? I need your answer by Sunday noon.")
    rows = [{"rule": step.rule, "held": step.held, "detail": step.detail} for step in verdict.trail]
    assert suiting.told(rows) == [
        {"quote": "on Tuesday", "kind": "call", "at": "2026-12-01T05:00:00Z/2026-12-02T05:00:00Z"},
        {"quote": "by Sunday noon", "kind": "deadline", "at": "2026-11-29T17:00:00Z"},
    ]


def test_a_parser_that_fails_costs_only_what_is_asked() -> None:
    """Whatever the library raises, the other facts stand."""

    def broken(phrase: str, base: datetime) -> datetime | None:
        raise RecursionError(phrase, base)

    letter = message("harbor", "Could we talk about the contract on Tuesday at 10am?")
    facts: Facts = observe(letter, RULES, ME, broken)
    assert facts.asked == ()
    assert (facts.unreadable, facts.topic) == ("", "documents")
