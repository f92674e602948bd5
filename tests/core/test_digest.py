"""The digest as data: what stands in it, in which order, by whose clock; and when there is nothing to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from responder.core.digest import make_digest
from responder.core.model import Agreement
from responder.core.morning_rows import Held, Suspended, Unanswered
from tests.core.build import at, client, schedule, told
from tests.core.mornings import FRIDAY, MONDAY, crowd, filed, mail, morning, rules


def test_nothing_is_none() -> None:
    """No mail that concerns today and nothing held: no digest, whatever came meanwhile."""
    made = rules()
    quiet = morning(by_reason={"automatic": 30, "stranger": 4}, replied=2, without_sent=("main",))
    assert make_digest(made, quiet, MONDAY) is None
    in_inbox = morning(mail(due_at=at("2026-12-01 19:00")), mail(subject="noted", promised=False))
    assert make_digest(made, in_inbox, MONDAY) is None
    old = Suspended(address="a@b.example", until_at=at("2026-12-20 12:00"), fresh=False)
    assert make_digest(made, morning(suspended=(old,)), MONDAY) is None


@pytest.mark.parametrize(
    "held",
    [
        {"suspended": (Suspended(address="a@b.example", until_at=at("2026-12-28 12:00"), fresh=True),)},
        {"breaker_until": at("2026-11-30 10:00")},
        {
            "unreadable": (
                Unanswered(mailbox="main", client="", address="", subject="", arrived_at=FRIDAY, why="two From"),
            )
        },
        {"replies": (Held(state="refused", client="elm", address="", subject="", at=FRIDAY, detail="550"),)},
    ],
    ids=lambda held: next(iter(held)),
)
def test_what_was_held_is_reason_enough(held: dict[str, object]) -> None:
    """Each of it alone makes a digest, without a single call."""
    digest = make_digest(rules(), morning(**held), MONDAY)
    assert digest is not None
    assert (digest.calls, digest.letters, digest.late_mail) == (0, 0, 0)


def test_late_mail_comes_first_and_still_stands_in_its_window() -> None:
    """The oldest broken promise is first; the client is to be called in the window all the same."""
    made = rules()
    digest = make_digest(
        made,
        morning(
            mail("linden", "in INBOX", due_at=at("2026-11-27 19:00")),
            filed(made, "2026-11-30", due_at=at("2026-11-26 19:00")),
            filed(made, "2026-11-30", "elm", clock="17:30"),
        ),
        MONDAY,
    )
    assert digest is not None
    assert [entry.client for entry in digest.late] == ["vostok", "linden"]
    assert [entry.client for slot in digest.today for entry in slot.entries] == ["vostok", "elm"]
    assert (digest.late_mail, digest.calls, digest.shelves) == (2, 2, ())


def test_a_promise_is_late_from_its_instant_on() -> None:
    """At the due time itself it is kept still, a second later it is not."""
    made = rules()
    due = morning(mail(due_at=MONDAY))
    for now_at, late in ((MONDAY, 0), (MONDAY + timedelta(seconds=1), 1)):
        digest = make_digest(made, due, now_at)
        assert digest is not None
        assert digest.late_mail == late


def test_a_promise_that_is_late_for_a_month_is_no_mornings_news() -> None:
    """It was kept by a call, or forgotten by both: it makes no digest; only a window's list still holds its mail."""
    made = rules()
    old = filed(made, "2026-10-30", due_at=MONDAY - timedelta(days=30, seconds=1))
    assert make_digest(made, morning(old), MONDAY) is None
    digest = make_digest(made, morning(old, replace(old, due_at=MONDAY - timedelta(days=30))), MONDAY)
    assert digest is not None
    assert (digest.late_mail, digest.shelves) == (1, ())
    carried = make_digest(made, morning(replace(filed(made, "2026-11-30"), due_at=old.due_at)), MONDAY)
    assert carried is not None
    assert (carried.late_mail, len(carried.today)) == (0, 1)


def test_whose_day_ends_first_is_called_first() -> None:
    """The order in a window: the end of the common day, then the due time; by mail last."""
    early = client("early", zone="Asia/Vladivostok", daytime=schedule({"mon-sun": ["09:00-17:30"]}))
    sooner = client("sooner", zone="Europe/Moscow")
    made = rules("ru", early, sooner)
    digest = make_digest(
        made,
        morning(
            filed(made, "2026-11-30", "harbor", due_at=at("2026-11-30 11:00")),  # seven in the morning there
            filed(made, "2026-11-30", "linden", due_at=at("2026-12-01 19:00")),
            filed(made, "2026-11-30", "sooner", due_at=at("2026-11-30 19:00")),
            filed(made, "2026-11-30", "early", due_at=at("2026-12-04 19:00")),
        ),
        MONDAY,
    )
    assert digest is not None
    ((slot,),) = [digest.today]
    assert [entry.client for entry in slot.entries] == ["early", "sooner", "linden", "harbor"]
    assert told(slot.entries[0].calls) == ["11-30 10:00 to 11-30 10:30"]
    assert [entry.instead for entry in slot.entries] == ["", "", "", "night"]
    assert (digest.calls, digest.letters) == (3, 1)


def test_a_client_whose_day_is_tomorrows_window_stands_in_tomorrows_list() -> None:
    """The mail's own window says so; the evening's crosses no list."""
    made = rules()
    digest = make_digest(
        made,
        morning(filed(made, "2026-12-01", "elm", clock="17:30"), filed(made, "2026-11-30", "vostok")),
        MONDAY,
    )
    assert digest is not None
    assert [entry.client for slot in digest.today for entry in slot.entries] == ["vostok"]
    assert [(slot.window.opens_at, [one.client for one in slot.entries]) for slot in digest.later] == [
        (at("2026-12-01 17:30"), ["elm"])
    ]


def test_mail_of_one_client_in_one_window_is_grouped() -> None:
    """Three messages are one call, the most urgent of them first; another window is another call."""
    made = rules()
    digest = make_digest(
        made,
        morning(
            filed(made, "2026-11-30", subject="c", due_at=at("2026-12-02 19:00")),
            filed(made, "2026-11-30", subject="noted", promised=False, due_at=at("2026-11-30 09:00")),
            filed(made, "2026-11-30", subject="a", due_at=at("2026-11-30 19:00")),
            filed(made, "2026-11-30", clock="17:30", subject="evening"),
        ),
        MONDAY,
    )
    assert digest is not None
    assert [[[one.subject for one in entry.mail] for entry in slot.entries] for slot in digest.today] == [
        [["a", "c", "noted"]],
        [["evening"]],
    ]
    assert digest.calls == 1


def test_inbox_is_named_where_something_is_due_today_or_urgent() -> None:
    """Due today by the owner's date, or urgent; what is due tomorrow waits; what a window left behind is named."""
    made = rules()
    left = filed(made, "2026-11-27", "elm", subject="left")
    digest = make_digest(
        made,
        morning(
            mail(subject="today", due_at=at("2026-11-30 23:59")),
            mail(subject="tomorrow", due_at=at("2026-12-01 00:00")),
            mail("linden", "urgent", due_at=at("2026-12-04 19:00"), urgent=True),
            left,
        ),
        MONDAY,
    )
    assert digest is not None
    found = {shelf.folder: [one.subject for entry in shelf.entries for one in entry.mail] for shelf in digest.shelves}
    assert found == {"": ["today", "urgent"], left.folder: ["left"]}


def test_a_window_that_runs_offers_what_is_left_of_it() -> None:
    """A digest that comes late names the hours still ahead, and who has gone to bed is answered by mail."""
    early = client("early", zone="Asia/Vladivostok", daytime=schedule({"mon-sun": ["09:00-17:30"]}))
    made = rules("ru", early)
    waiting = morning(
        filed(made, "2026-11-30", "early"), filed(made, "2026-11-30", "linden"), filed(made, "2026-11-27", "vostok")
    )
    digest = make_digest(made, waiting, at("2026-11-30 10:40"))
    assert digest is not None
    ((slot,),) = [digest.today]
    assert [(entry.client, told(entry.calls), entry.instead) for entry in slot.entries] == [
        ("linden", ["11-30 10:40 to 11-30 11:00"], ""),
        ("early", [], "night"),
    ]
    closed = make_digest(made, waiting, at("2026-11-30 11:00"))
    assert closed is not None
    assert closed.today == ()
    assert len(closed.shelves) == 2


def test_a_clients_holiday_is_no_day_for_a_call() -> None:
    """On the client's public holiday an answer goes by mail, and it says why."""
    german = client("german", zone="Europe/Berlin", holidays="DE-BY")
    made = rules("ru", german)
    digest = make_digest(made, morning(filed(made, "2026-06-04", "german", clock="17:30")), at("2026-06-04 08:30"))
    assert digest is not None
    assert [(entry.calls, entry.instead) for slot in digest.today for entry in slot.entries] == [((), "holiday")]


def test_a_client_who_left_the_rules_is_still_named() -> None:
    """By key, in the owner's clock: the mail lies there and somebody wrote it."""
    made = rules()
    digest = make_digest(made, morning(replace(filed(made, "2026-11-30"), client="gone")), MONDAY)
    assert digest is not None
    ((slot,),) = [digest.today]
    assert [(entry.client, entry.zone.key, told(entry.calls)) for entry in slot.entries] == [
        ("gone", "Europe/Moscow", ["11-30 10:00 to 11-30 11:00"])
    ]


@pytest.mark.parametrize(
    ("until_on", "waits", "named"),
    [
        (date(2026, 11, 29), False, True),  # since the last digest
        (date(2026, 11, 30), True, False),  # its last day
        (date(2026, 10, 1), True, True),
        (date(2026, 10, 1), False, False),  # told long ago
        (None, True, False),
    ],
)
def test_an_agreement_that_ended_is_named(until_on: date | None, waits: bool, named: bool) -> None:  # noqa: FBT001
    """When it has just ended, and as long as that client waits."""
    other = client("other", zone="Europe/Moscow", agreement=Agreement(name="Annex", until_on=until_on))
    made = rules("ru", other)
    digest = make_digest(made, morning(filed(made, "2026-11-30", "other" if waits else "vostok")), MONDAY)
    assert digest is not None
    assert [one.key for one in digest.ended] == (["other"] if named else [])


def test_two_hundred_clients_are_all_there_once() -> None:
    """Nobody is lost or doubled in a crowd, and the order by clocks holds from the first to the last."""
    made, waiting = crowd(200)
    digest = make_digest(made, waiting, MONDAY)
    assert digest is not None
    ((slot,),) = [digest.today]
    assert {entry.client for entry in slot.entries} == {one.key for one in made.clients}
    assert len(slot.entries) == 200
    assert sum(len(entry.mail) for entry in slot.entries) == len(waiting.mail)
    ends = [max(call.ends_at for call in entry.calls) for entry in slot.entries if entry.calls]
    assert ends == sorted(ends)
    assert [bool(entry.calls) for entry in slot.entries] == [True] * 160 + [False] * 40
