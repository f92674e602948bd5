"""The report's figures, with exact numbers: two clocks, a clock change, working hours over a weekend, weak evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import report as room
from responder.core.report import Answers, Busiest, Promises, make_report
from responder.core.report_rows import NOBODYS, Chronicle, ChronicleRow, OwnerWrote
from tests.core import build
from tests.core.build import at
from tests.core.oracle import instant
from tests.core.rules import Scene, minutes_near, scenes

if TYPE_CHECKING:
    from responder.core.model import Policy
    from responder.core.report import Report, Section, Week

SINCE, UNTIL = at("2026-11-01 00:00"), at("2026-12-01 00:00")


def row(arrived: str, client: str = "vostok", **more: Any) -> ChronicleRow:
    """Return a message that arrived then by Moscow's clock; other instants may be said in the same way."""
    said = {key: at(value) if key.endswith("_at") and isinstance(value, str) else value for key, value in more.items()}
    return ChronicleRow(client=client, address=f"ivan@{client}.example", arrived_at=at(arrived), **(
        {"reason": "full"} | said
    ))  # fmt: skip


def wrote(when: str, *recipients: str) -> OwnerWrote:
    """Return a message of the owner's, by Moscow's clock."""
    return OwnerWrote(at=at(when), recipients=recipients)


def report(*rows: ChronicleRow, own: tuple[OwnerWrote, ...] = (), rules: Policy | None = None, **more: Any) -> Report:
    """Count these messages under the example's rules, as of the end of November."""
    chronicle = Chronicle(rows=rows, wrote=own)
    span = {"since_at": SINCE, "until_at": UNTIL, "made_at": UNTIL} | more
    return make_report(rules or build.policy(), chronicle, **span)


def only(found: Report) -> Section:
    """Return the one section there is."""
    assert len(found.sections) == 1
    return found.sections[0]


def cells(week: Week) -> dict[tuple[int, int], int]:
    """Return the cells of a week that are not empty: (weekday, hour) → count."""
    return {(day, hour): n for day, counts in enumerate(week) for hour, n in enumerate(counts) if n}


def test_a_message_is_out_of_hours_by_the_clients_calendar_and_at_night_by_the_clients_clock() -> None:
    """Friday 20:00 in Moscow is closed, and Saturday 3:00 in Vladivostok; Monday 10:30 is open there and here."""
    section = only(report(row("2026-11-27 20:00"), row("2026-11-30 10:30"), row("2026-11-28 11:00")))
    assert (section.messages, section.outside, section.night) == (3, 2, 1)
    assert cells(section.clock.all) == {(4, 20): 1, (0, 10): 1, (5, 11): 1}
    assert cells(section.clock.outside) == {(4, 20): 1, (5, 11): 1}
    assert section.theirs is not None
    assert cells(section.theirs.all) == {(5, 3): 1, (0, 17): 1, (5, 18): 1}
    assert cells(section.theirs.outside) == {(5, 3): 1, (5, 18): 1}


def test_lunch_is_open_and_a_holiday_is_not() -> None:
    """A break counts as open, a public holiday of the owner's (4 November) as closed, at the same hour."""
    section = only(report(row("2026-11-03 13:30"), row("2026-11-04 13:30")))
    assert cells(section.clock.outside) == {(2, 13): 1}


def test_a_clock_change_moves_each_message_by_its_own_instant() -> None:
    """In New York clocks went back on 1 November: the same hour in Moscow is another one there before and after."""
    rules = build.policy(clients=(build.client("harbor", zone="America/New_York"),))
    section = only(
        report(
            row("2026-10-30 21:30", "harbor"),  # 14:30 EDT
            row("2026-11-02 21:30", "harbor"),  # 13:30 EST
            row("2026-11-01 08:30", "harbor"),  # 1:30 EDT
            row("2026-11-01 09:30", "harbor"),  # 1:30 again, EST
            rules=rules,
            since_at=at("2026-10-30 00:00"),
        )
    )
    assert section.theirs is not None
    assert cells(section.theirs.all) == {(4, 14): 1, (0, 13): 1, (6, 1): 2}
    assert cells(section.clock.all) == {(4, 21): 1, (0, 21): 1, (6, 8): 1, (6, 9): 1}


def test_a_clock_that_shows_the_same_needs_no_second_picture() -> None:
    """Istanbul's clock is Moscow's; Berlin's is so never."""
    rules = build.policy(clients=(build.client("a", zone="Europe/Istanbul"), build.client("b", zone="Europe/Berlin")))
    found = report(row("2026-11-27 20:00", "a"), row("2026-11-27 20:00", "b"), rules=rules)
    assert [section.theirs is None for section in found.sections] == [True, False]
    assert found.total is not None
    assert found.total.theirs is not None
    assert cells(found.total.theirs.all) == {(4, 20): 1, (4, 18): 1}


def test_answers_are_timed_in_working_hours_beside_the_calendar() -> None:
    """A weekend between question and answer costs nothing in working hours; a night's question waits for the opening.

    Friday 18:00 to Monday 11:30: 1 h + 1.5 h = 2.5 of 65.5 hours. Saturday 12:00 to Monday 10:30: 0.5 of 46.5 hours.
    Tuesday 12:00 to 15:00: 2 of 3 hours, lunch counts for nothing. In the night, 23:00 to 23:30: 0 of 0.5 hours.
    """
    section = only(
        report(
            row("2026-11-20 18:00", promise="kept", due_at="2026-11-24 19:00", ended_at="2026-11-23 11:30"),
            row("2026-11-21 12:00", promise="late", due_at="2026-11-23 10:00", ended_at="2026-11-23 10:30"),
            row("2026-11-24 12:00", promise="kept", due_at="2026-11-25 19:00", ended_at="2026-11-24 15:00"),
            row("2026-11-24 23:00", promise="kept", due_at="2026-11-25 19:00", ended_at="2026-11-24 23:30"),
        )
    )
    hour = timedelta(hours=1)
    assert section.answers == Answers(
        count=4,
        weak=0,
        median_worked=1.25 * hour,
        slowest_worked=2.5 * hour,
        median_elapsed=24.75 * hour,
        slowest_elapsed=65.5 * hour,
    )


def test_own_hours_of_a_client_measure_that_client() -> None:
    """Two clients ask and are answered at the same times: each is measured by its own hours, all by each one's."""
    own = build.client("own", zone="Europe/Moscow", hours=build.schedule({"mon-fri": ["08:00-09:00"]}))
    rules = build.policy(clients=(build.client(), own))
    times = {"promise": "kept", "due_at": "2026-11-26 19:00", "ended_at": "2026-11-24 12:00"}
    found = report(row("2026-11-24 07:00", **times), row("2026-11-24 07:00", "own", **times), rules=rules)
    assert [section.answers.median_worked for section in found.sections] == [timedelta(hours=2), timedelta(hours=1)]
    assert found.total is not None
    assert found.total.answers.median_worked == timedelta(hours=1.5)


def test_every_promise_is_counted_once_and_weak_evidence_apart() -> None:
    """Kept, kept as far as a flag tells, late, overdue (found late or not), open, withdrawn: in all those made."""
    due, after, before = "2026-11-24 19:00", "2026-11-25 12:00", "2026-11-24 12:00"
    section = only(
        report(
            row("2026-11-20 20:00", promise="kept", due_at=due, ended_at=before, told_at="2026-11-20 20:05"),
            row("2026-11-20 20:01", promise="kept", due_at=due, ended_at=before, weak="answered"),
            row("2026-11-20 20:02", promise="kept", due_at=due, ended_at=before, weak="moved"),
            row("2026-11-20 20:03", promise="late", due_at=due, ended_at=after, declared_at=due),
            row("2026-11-20 20:04", promise="late", due_at=due, ended_at=after, weak="moved"),
            row("2026-11-20 20:05", promise="open", due_at=due, told_at="2026-11-20 20:09"),
            row("2026-11-20 20:06", promise="late", due_at=due, declared_at=due),
            row("2026-11-20 20:07", promise="open", due_at="2026-12-02 19:00"),
            row("2026-11-20 20:08", promise="withdrawn", due_at=due),
            row("2026-11-20 20:09", reason="copied"),
        )
    )
    assert section.promises == Promises(
        made=9, told=2, kept=1, kept_weak=2, late=2, late_weak=1, overdue=2, open=1, withdrawn=1
    )
    assert section.messages == 10
    assert (section.answers.count, section.answers.weak) == (5, 3)


def test_urgent_words_replies_and_later_windows_are_counted() -> None:
    """Uses of the urgent word, replies of either kind, messages that went on to a later window and how often."""
    section = only(
        report(
            row("2026-11-20 20:00", urgent=True, reply="full", carried=2),
            row("2026-11-21 20:00", urgent=True, reply="short", carried=1),
            row("2026-11-22 20:00"),
        )
    )
    assert (section.urgent, section.replies, section.carried, section.carries) == (2, 2, 2, 3)


def test_a_client_with_nothing_is_left_out_and_counted() -> None:
    """Of three clients two wrote nothing: one section, and the count of the silent ones."""
    rules = build.policy(clients=tuple(build.client(key) for key in ("a", "b", "c")))
    found = report(row("2026-11-20 20:00", "b"), rules=rules)
    assert [section.client for section in found.sections] == ["b"]
    assert found.silent == 2
    empty = report(rules=rules)
    assert (empty.sections, empty.silent) == ((), 3)
    assert empty.total is not None
    assert (empty.total.messages, empty.total.night, empty.total.clock.busiest) == (0, None, None)
    assert empty.total.answers == Answers()


def test_a_client_that_is_gone_from_the_rules_stands_under_its_key() -> None:
    """It is counted by the owner's calendar; whose night it was, nobody knows; it is none of the silent ones."""
    found = report(row("2026-11-20 20:00", "former"), own=(wrote("2026-11-21 23:00", "ivan@former.example"),))
    section = only(found)
    assert (section.name, section.known, section.zone, section.night, section.theirs) == (
        "former", False, None, None, None,
    )  # fmt: skip
    assert (section.messages, section.outside, section.own, section.own_outside) == (1, 1, 1, 1)
    assert found.silent == 1


def test_the_owners_own_messages_out_of_hours_are_counted_for_whom_they_went_to() -> None:
    """One message to two clients counts for each and once in all, by domain too; in hours, or to a stranger, none."""
    rules = build.policy(clients=(build.client(), build.client("berlin", zone="Europe/Berlin")))
    found = report(
        row("2026-11-20 20:00"),
        own=(
            wrote("2026-11-21 23:30", "ivan@vostok.example", "somebody@berlin.example"),
            wrote("2026-11-22 09:00", "IVAN+x@vostok.example".lower(), "other@vostok.example"),
            wrote("2026-11-23 12:00", "ivan@vostok.example"),
            wrote("2026-11-22 09:00", "mother@mail.example"),
        ),
        rules=rules,
    )
    assert [(one.client, one.messages, one.own, one.own_outside) for one in found.sections] == [
        ("vostok", 1, 3, 2),
        ("berlin", 0, 1, 1),
    ]
    assert cells(found.sections[0].own_clock.all) == {(5, 23): 1, (6, 9): 1}
    assert found.sections[0].own_theirs is not None
    assert cells(found.sections[0].own_theirs.all) == {(6, 6): 1, (6, 16): 1}
    assert found.total is not None
    assert (found.total.own, found.total.own_outside) == (3, 2)


def test_one_client_alone() -> None:
    """Asked for one client, nothing of another is counted anywhere, neither in a total nor among the silent."""
    rules = build.policy(clients=(build.client("a"), build.client("b"), build.client("c")))
    both = wrote("2026-11-21 23:30", "ivan@a.example", "ivan@b.example")
    found = report(row("2026-11-20 20:00", "a"), row("2026-11-20 21:00", "b"), own=(both,), rules=rules, client="a")
    section = only(found)
    assert (section.client, section.messages, section.own_outside) == ("a", 1, 1)
    assert (found.total, found.silent, found.client) == (None, 0, "a")


def _week(**counts: int) -> Week:
    """Return a week with counts by "day_hour"."""
    places = {tuple(map(int, key[1:].split("_"))): n for key, n in counts.items()}
    return tuple(tuple(places.get((day, hour), 0) for hour in range(24)) for day in range(7))


@pytest.mark.parametrize(
    ("week", "found"),
    [
        (_week(), None),
        (
            _week(d6_21=2, d6_22=1, d0_9=1),
            Busiest(weekday=6, on_weekday=3, from_hour=21, until_hour=24, in_hours=3, of=4),
        ),
        (
            _week(d1_23=1, d2_0=1, d2_1=1),
            Busiest(weekday=2, on_weekday=2, from_hour=23, until_hour=26, in_hours=3, of=3),
        ),
        (_week(d0_5=1, d4_15=1), Busiest(weekday=0, on_weekday=1, from_hour=5, until_hour=8, in_hours=1, of=2)),
    ],
    ids=["empty", "evening", "over-midnight", "of-equals-the-first"],
)
def test_the_busiest_time_is_a_weekday_and_three_hours(week: Week, found: Busiest | None) -> None:
    """The busiest hours may reach over midnight; of equals the first is taken."""
    assert room.busiest(week) == found


def test_the_usual_hours_are_those_of_the_week_by_either_clock() -> None:
    """Lunch is no usual hour; in Vladivostok the same hours come seven later, and a night's stretch runs on."""
    calendar = room.hours.calendar(build.policy(), "vostok")
    here, there = room.usual_hours(calendar), room.usual_hours(calendar, UNTIL)
    assert [hour for hour, usual in enumerate(here[0]) if usual] == [10, 11, 12, 14, 15, 16, 17, 18]
    assert [hour for hour, usual in enumerate(there[0]) if usual] == [17, 18, 19, 21, 22, 23]
    assert [hour for hour, usual in enumerate(there[5]) if usual] == [0, 1]
    assert not any(here[5])
    night = room.hours.calendar(build.policy(hours=build.schedule({"sun": ["22:30-01:40"]})), "")
    week = room.usual_hours(night)
    assert [hour for hour, usual in enumerate(week[6]) if usual] == [22, 23]
    assert [hour for hour, usual in enumerate(week[0]) if usual] == [0, 1]


def test_only_what_a_client_wrote_counts_as_a_clients() -> None:
    """The reasons that are left out are the first eight of the table: machines, strangers, forgers, ourselves."""
    assert len(NOBODYS) == 8
    assert "unverified" in NOBODYS
    assert "open" not in NOBODYS


def test_instants_outside_any_hours_take_no_working_time() -> None:
    """The stopwatch of a calendar without hours in the range says nothing at all."""
    calendar = room.hours.calendar(build.policy(), "")
    sunday, monday = at("2026-11-29 10:00"), at("2026-11-30 09:00")
    assert room._Stopwatch(calendar, sunday, monday).between(sunday, monday) == timedelta()


@given(scenes(), st.data())
def test_working_time_is_the_overlap_with_each_stretch_of_the_hours(scene: Scene, data: st.DataObject) -> None:
    """However the clocks change in between, the stopwatch counts what adding up the hours one by one gives."""
    calendar = room.hours.calendar(scene.policy, scene.client)
    minutes = sorted(data.draw(st.lists(minutes_near(scene.on), min_size=4, max_size=4)))
    first, begins, ends, last = map(instant, minutes)
    slow = sum(
        (
            max(timedelta(), min(span.ends_at, ends) - max(span.starts_at, begins))
            for span in calendar.hours_spans(begins, ends)
        ),
        timedelta(),
    )
    assert room._Stopwatch(calendar, first, last).between(begins, ends) == slow
