"""The calendar with absences: what they close, what stays open all the same, and what is told of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from responder.core import hours, promise
from responder.core.absences import Away, covering, run_until
from responder.core.decide import decide
from responder.core.model import Absence, Case, Facts, History, MessageKey, Policy, Reason, ReplyKind
from tests.core.build import at, channel, client, owner, policy, schedule, term, told, window

OFFICE = {"mon-fri": ["10:00-13:00", "14:00-19:00"]}


def away(from_on: str, until_on: str, **words: object) -> Absence:
    """Return an absence by its two dates."""
    return Absence(from_on=date.fromisoformat(from_on), until_on=date.fromisoformat(until_on), **words)  # type: ignore[arg-type]


def rules(*absences: Absence, **overrides: object) -> Policy:
    """Return the example's rules without its dated entries and holidays, with absences."""
    fields = {"hours": schedule(OFFICE), "owner": owner(holidays="")} | overrides
    return policy(absences=absences, **fields)


DECEMBER = away("2026-12-04", "2026-12-14")


def test_an_absence_closes_whole_dates_to_both_ends() -> None:
    """From the closing before its first date to the opening after its last all is one closed period."""
    calendar = hours.calendar(rules(DECEMBER), "vostok")
    assert told(calendar.closed_period(at("2026-12-07 12:00"))) == ["12-03 19:00 to 12-15 10:00"]
    assert calendar.is_open(at("2026-12-03 18:59"))
    assert calendar.is_open(at("2026-12-15 10:00"))
    assert [str(window.opens_at.date()) for window in calendar.windows(at("2026-12-03 20:00"), days=12)] == [
        "2026-12-15", "2026-12-15",
    ]  # fmt: skip


def test_it_ends_by_itself() -> None:
    """Nothing has to be switched: the same rules are open, closed and open again as time passes."""
    calendar = hours.calendar(rules(away("2026-12-04", "2026-12-04")), "")
    assert [calendar.is_open(at(f"2026-12-0{day} 11:00")) for day in (3, 4, 7)] == [True, False, True]


@pytest.mark.parametrize(
    ("dated", "on", "hours_there", "why"),
    [
        ({}, "2026-12-31", [], "away until 10 January 2027"),
        ({"2026-12-31": ["10:00-14:00"]}, "2026-12-31", ["12-31 10:00 to 12-31 14:00"], ""),
        ({"2026-12-28..2026-12-31": ["12:00-13:00"]}, "2026-12-29", ["12-29 12:00 to 12-29 13:00"], ""),
        ({"2026-12-28..2026-12-31": ["12:00-13:00"], "2026-12-29": []}, "2026-12-29", [], "dated entry"),
        ({}, "2027-01-11", ["01-11 10:00 to 01-11 13:00", "01-11 14:00 to 01-11 19:00"], ""),
        ({}, "2027-01-04", [], "away until 10 January 2027"),  # a public holiday too: the absence is named
        ({}, "2027-02-23", [], "public holiday: Fatherland Day"),
    ],
)
def test_a_dated_entry_beats_an_absence_beats_a_holiday(
    dated: dict[str, list[str]], on: str, hours_there: list[str], why: str
) -> None:
    """Of the rules for one date the first in that order holds, over New Year with Russian holidays."""
    calendar = hours.calendar(
        rules(away("2026-12-24", "2027-01-10"), owner=owner(holidays="RU"), hours=schedule(OFFICE | dated)), ""
    )
    there = date.fromisoformat(on)
    assert told(calendar.hours_on(there)) == hours_there
    if not why.startswith("public"):
        assert calendar.closed_because(there) == why
    else:
        assert calendar.closed_because(there).startswith("public holiday: ")


def test_a_transferred_working_day_is_closed_by_an_absence() -> None:
    """A Saturday that a decree makes a working day is away all the same."""
    there = date(2027, 2, 20)
    assert hours.calendar(rules(owner=owner(holidays="RU")), "").is_working_day(there)
    assert not hours.calendar(rules(away("2027-02-20", "2027-02-20"), owner=owner(holidays="RU")), "").is_working_day(
        there
    )


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"mon-fri": ["10:00-11:00"]}, []),
        ({"mon-fri": ["10:00-11:00"], "2026-12-08": ["12:00-12:30"]}, ["12-08 12:00 to 12-08 12:30"]),
        ({"mon-fri": ["10:00-11:00"], "2026-12-08..2026-12-09": ["12:00-12:30"]}, ["12-08 12:00 to 12-08 12:30"]),
    ],
)
def test_windows_and_channels_need_the_date_in_their_own_table(own: dict[str, list[str]], expected: list[str]) -> None:
    """On an absence there is no window and no channel, unless its own table names that date."""
    channels = (channel("phone", own),)
    calendar = hours.calendar(rules(DECEMBER, channels=channels, windows=(window("calls", own, ("phone",)),)), "")
    day = at("2026-12-08 00:00"), at("2026-12-09 00:00")
    assert told(calendar.channel_spans(channels[0], *day)) == expected
    assert [f"{each.opens_at:%d}" for each in calendar.windows(day[0], days=1)] == ["08" for _ in expected]
    assert bool(calendar.why_open(at("2026-12-08 12:10"))) is bool(expected)


def test_overlapping_absences_close_what_any_of_them_covers() -> None:
    """Two that overlap, in any order of the file, are one closed period; the end is the later one."""
    first, second = away("2026-12-04", "2026-12-10"), away("2026-12-08", "2026-12-14")
    for order in ((first, second), (second, first), (first, second, first)):
        calendar = hours.calendar(rules(*order), "")
        assert told(calendar.closed_period(at("2026-12-05 12:00"))) == ["12-03 19:00 to 12-15 10:00"]
        assert calendar.closed_because(date(2026, 12, 9)) == "away until 14 December 2026"
        assert covering(order, date(2026, 12, 9)) is second
        assert run_until(order, date(2026, 12, 4)) == date(2026, 12, 14)


@pytest.mark.parametrize(
    ("zone", "first", "last", "before", "arrived", "period", "due"),
    [
        (  # the clocks go back on 25 October: the Friday's closing is an hour longer away than the wall says
            *("Europe/Berlin", "2026-10-19", "2026-10-25", "2026-10-16"),
            *("2026-10-20 12:00", "10-16 19:00 to 10-26 10:00", "2026-10-26 19:00"),
        ),
        (  # and forward on 28 March, the absence's last night
            *("Europe/Berlin", "2027-03-26", "2027-03-28", "2027-03-25"),
            *("2027-03-28 02:30", "03-25 19:00 to 03-29 10:00", "2027-03-29 19:00"),
        ),
        (  # the first night of an absence is the one that midnight is missing from
            *("America/Havana", "2027-03-14", "2027-03-15", "2027-03-12"),
            *("2027-03-14 03:00", "03-12 19:00 to 03-16 10:00", "2027-03-16 19:00"),
        ),
    ],
)
def test_an_absence_over_a_clock_change(  # noqa: PLR0917 - one row of a table
    zone: str, first: str, last: str, before: str, arrived: str, period: str, due: str
) -> None:
    """Dates stay whole dates of the owner's zone, and the hours around them lose nothing."""
    there = rules(
        away(first, last),
        owner=owner(zone, holidays=""),
        clients=(client(zone=zone),),
    )
    calendar = hours.calendar(there, "vostok")
    assert told(calendar.closed_period(at(arrived, zone)), zone) == [period]
    found = promise.due(calendar, term("1 working day"), "", at(arrived, zone))
    assert found is not None
    assert found.due_at == at(due, zone)
    eve = calendar.hours_on(date.fromisoformat(before))
    assert sum((span.ends_at - span.starts_at for span in eve), timedelta()) == timedelta(hours=8)


def test_new_year_with_russian_holidays() -> None:
    """Absence, holidays, a day worked in between and a weekend come to one due time that explain can follow."""
    there = rules(
        away("2026-12-24", "2026-12-30"),
        owner=owner(holidays="RU"),
        hours=schedule(OFFICE | {"2026-12-31": ["10:00-14:00"]}),
    )
    calendar = hours.calendar(there, "vostok")
    due = promise.due(calendar, term("2 working days"), "", at("2026-12-25 09:00"))
    assert due is not None
    assert due.due_at == at("2027-01-11 19:00")
    assert due.steps == (
        "Arrived on Friday, 25 December 2026, 09:00, away until 30 December 2026: counting begins with the next day.",
        "Saturday, 26 December, to Wednesday, 30 December: away until 30 December 2026.",
        "Thursday, 31 December: working day 1.",
        *due.steps[3:-1],
        "Monday, 11 January 2027: working day 2; its last stretch ends at 19:00.",
    )


# ------------------------------------------------------------------------------- what is told of it


def _away(there: Policy, arrived: str, due: str, now: str = "") -> Away | None:
    calendar = hours.calendar(there, "vostok")
    period = calendar.closed_period(at(arrived))
    assert period is not None
    return calendar.away(period, at(due), at(now or arrived))


@pytest.mark.parametrize(
    ("absences", "arrived", "due", "expected"),
    [
        # within it; on its last evening; in the evening before it
        ([DECEMBER], "2026-12-07 12:00", "2026-12-15 19:00", ("12-07", "12-14", True)),
        ([DECEMBER], "2026-12-14 23:59", "2026-12-15 19:00", ("12-14", "12-14", True)),
        ([DECEMBER], "2026-12-03 20:00", "2026-12-15 19:00", ("12-04", "12-14", False)),
        # the night after it, and a closed period that has none
        ([DECEMBER], "2026-12-15 00:00", "2026-12-15 19:00", None),
        ([DECEMBER], "2026-12-02 20:00", "2026-12-15 19:00", None),
        # due before it begins: nobody has to know
        ([DECEMBER], "2026-12-03 20:00", "2026-12-03 23:00", None),
        # a week of work between two: only the first is told of
        (
            [DECEMBER, away("2026-12-28", "2026-12-31")],
            "2026-12-07 12:00",
            "2027-01-04 19:00",
            ("12-07", "12-14", True),
        ),
        # one right after the other, and one on the other side of a weekend: there is no opening between them
        (
            [DECEMBER, away("2026-12-15", "2026-12-16")],
            "2026-12-05 12:00",
            "2026-12-17 19:00",
            ("12-05", "12-16", True),
        ),
        (
            [away("2026-12-04", "2026-12-04"), away("2026-12-07", "2026-12-07")],
            *("2026-12-03 20:00", "2026-12-08 19:00", ("12-04", "12-07", False)),
        ),
    ],
)
def test_a_closed_period_tells_of_the_absences_that_are_left_in_it(
    absences: list[Absence], arrived: str, due: str, expected: tuple[str, str, bool] | None
) -> None:
    """What is told is what still lies before the client: from when, until when, and whether it has begun."""
    found = _away(rules(*absences), arrived, due)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (f"{found.from_on:%m-%d}", f"{found.until_on:%m-%d}", found.begun) == expected


def test_a_day_worked_in_the_middle_ends_what_is_told() -> None:
    """Up to the dated entry that opens; after it, what is left."""
    there = rules(DECEMBER, hours=schedule(OFFICE | {"2026-12-09": ["10:00-12:00"], "2026-12-14": []}))
    first, second = (
        _away(there, "2026-12-05 12:00", "2026-12-09 12:00"),
        _away(there, "2026-12-09 13:00", "2026-12-15 19:00"),
    )
    assert first is not None and second is not None  # noqa: PT018 - both for the type
    assert (first.until_on, second.from_on, second.until_on) == (
        date(2026, 12, 8),
        date(2026, 12, 10),
        date(2026, 12, 14),
    )


def test_the_words_are_those_of_the_absence_that_ends_last() -> None:
    """Where two meet, whoever stands in until the end is named, and each word is the last that anybody wrote."""
    there = rules(
        away("2026-12-04", "2026-12-09", say={"ru": "Суд."}, deputy="Ольга"),
        away("2026-12-08", "2026-12-14", deputy="Пётр"),
    )
    found = _away(there, "2026-12-05 12:00", "2026-12-15 19:00")
    assert found is not None
    assert (found.say, found.deputy) == ({"ru": "Суд."}, "Пётр")


# ------------------------------------------------------------------------------------------- told


def _verdict(there: Policy, arrived: str, **history: object) -> tuple[Reason, ReplyKind, list[str]]:
    facts = Facts(
        fingerprint="0" * 64,
        client="vostok",
        address="ivan@vostok.example",
        return_path="ivan@vostok.example",
        return_path_is_clients=True,
        addressed="anna@example.com",
        named_in="to",
    )
    case = Case(
        message=MessageKey(mailbox="main", uidvalidity=1, uid=1),
        facts=facts,
        history=History(**history),  # type: ignore[arg-type]
        arrived_at=at(arrived),
        now_at=at(arrived) + timedelta(minutes=4),
    )
    verdict = decide(case, there)
    return verdict.reason, verdict.reply, [step.detail for step in verdict.trail]


def test_an_absence_moves_the_end_and_the_next_mail_is_told_anew() -> None:
    """Told until Monday holds no longer when Monday is closed: the end told is another one. Then once, and no more."""
    monday, tuesday = at("2026-12-07 10:00"), at("2026-12-15 10:00")
    weekend = {"told_until": frozenset({monday}), "full_at": at("2026-12-04 20:00")}
    assert _verdict(rules(), "2026-12-05 12:00", **weekend)[0] is Reason.TOLD
    planned = rules(away("2026-12-07", "2026-12-14"))
    assert _verdict(planned, "2026-12-05 12:00", **weekend)[:2] == (Reason.SHORT, ReplyKind.SHORT)
    both = weekend | {"told_until": frozenset({monday, tuesday})}
    assert _verdict(planned, "2026-12-06 12:00", **both)[0] is Reason.TOLD
    assert _verdict(rules(), "2026-12-06 12:00", **both)[0] is Reason.TOLD  # cancelled: that end was told already


def test_the_reply_of_an_absence_takes_no_full_rules_turn() -> None:
    """The text for absences restates no rules: it is the short reply, whether or not the full one is due."""
    reason, reply, details = _verdict(rules(DECEMBER), "2026-12-07 12:00")
    assert (reason, reply) == (Reason.SHORT, ReplyKind.SHORT)
    assert "away until 2026-12-14: the text for absences, which restates no rules" in details
    assert _verdict(rules(DECEMBER), "2026-12-15 20:00")[:2] == (Reason.FULL, ReplyKind.FULL)
