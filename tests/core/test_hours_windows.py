"""The calendar by hand: clients in other zones, their daytime, windows, calls, channels."""

from __future__ import annotations

from datetime import date
from itertools import islice

import pytest

from responder.core import hours
from responder.core.model import Window
from tests.core.build import at, client, policy, schedule, told, window


def make_window(opens: str, closes: str, zone: str = "Europe/Moscow") -> Window:
    """Return a window between two wall times."""
    return Window(key="w", opens_at=at(opens, zone), closes_at=at(closes, zone))


# --------------------------------------------------------------------------------- clients and zones


def test_a_clients_own_hours_replace_the_weekdays_only() -> None:
    """Own hours hold on plain weekdays; the owner's dated entries and holidays stand."""
    own = schedule({"sat-sun": ["12:00-14:00"], "2026-12-31": ["01:00-02:00"]})
    calendar = hours.calendar(policy(clients=(client(hours=own),)), "vostok")
    assert told(calendar.hours_on(date(2026, 11, 28))) == ["11-28 12:00 to 11-28 14:00"]
    assert not calendar.is_working_day(date(2026, 11, 27))
    assert told(calendar.hours_on(date(2026, 12, 31))) == ["12-31 10:00 to 12-31 14:00"]
    assert calendar.closed_because(date(2027, 1, 3)) == "dated entry"


def test_a_clients_own_windows_and_channels_replace_the_owners() -> None:
    """Own lists hold alone, an empty one too."""
    rules = policy(
        clients=(
            client("own", windows=(window("mine", {"mon": ["15:00-16:00"]}),), channels=()),
            client("none", windows=()),
        )
    )
    assert {w.key for w in hours.calendar(rules, "own").windows(at("2026-11-27 20:00"))} == {"mine"}
    assert hours.calendar(rules, "own").channels == ()
    assert not list(hours.calendar(rules, "none").windows(at("2026-11-27 20:00")))
    assert hours.calendar(rules, "none").channels == rules.channels


@pytest.mark.parametrize(
    ("zone", "opens", "closes", "suits", "overlap"),
    [
        ("Asia/Vladivostok", "2026-11-30 10:00", "2026-11-30 11:00", True, ["11-30 10:00 to 11-30 11:00"]),
        ("Asia/Vladivostok", "2026-11-30 17:30", "2026-11-30 19:00", False, []),
        ("America/New_York", "2026-11-30 16:30", "2026-11-30 18:00", True, ["11-30 17:00 to 11-30 18:00"]),
        ("America/New_York", "2026-11-30 10:00", "2026-11-30 11:00", False, []),
        ("Asia/Kathmandu", "2026-11-30 18:00", "2026-11-30 18:30", True, ["11-30 18:00 to 11-30 18:15"]),
        ("Asia/Kathmandu", "2026-11-30 18:01", "2026-11-30 18:30", False, ["11-30 18:01 to 11-30 18:15"]),
        ("Asia/Kathmandu", "2026-11-30 18:05", "2026-11-30 18:15", True, ["11-30 18:05 to 11-30 18:15"]),
        ("Asia/Kathmandu", "2026-11-30 18:10", "2026-11-30 18:20", False, ["11-30 18:10 to 11-30 18:15"]),
        ("Pacific/Apia", "2026-11-30 10:00", "2026-11-30 11:00", True, ["11-30 10:00 to 11-30 11:00"]),
        ("Pacific/Apia", "2026-11-30 11:00", "2026-11-30 12:00", False, []),
    ],
)
def test_a_window_suits_by_a_quarter_of_an_hour_of_daytime(
    zone: str, opens: str, closes: str, *, suits: bool, overlap: list[str]
) -> None:
    """Fifteen minutes of the client's 09:00 to 21:00 suffice, all of a shorter window are needed."""
    calendar = hours.calendar(policy(clients=(client(zone=zone),)), "vostok")
    given = make_window(opens, closes)
    assert calendar.suits(given) is suits
    assert told(calendar.overlaps(given)) == overlap


def test_two_overlaps_of_less_than_a_quarter_do_not_add_up() -> None:
    """Twice ten minutes of daytime in one window are no quarter of an hour for a call."""
    day = schedule({"mon-sun": ["09:00-10:10", "10:50-12:00"]})
    rules = policy(
        clients=(client(zone="Europe/Moscow", daytime=day),),
        windows=(window("w", {"mon": ["10:00-11:00"]}),),
    )
    calendar = hours.calendar(rules, "vostok")
    given = next(calendar.windows(at("2026-11-27 20:00")))
    assert told(calendar.overlaps(given)) == ["11-30 10:00 to 11-30 10:10", "11-30 10:50 to 11-30 11:00"]
    assert not calendar.suits(given)
    assert not list(calendar.calls(at("2026-11-27 20:00")))


def test_daytime_round_the_clock_has_no_seam_at_midnight() -> None:
    """Daytime to 24:00 and from 00:00 on is one stretch."""
    rules = policy(clients=(client(daytime=schedule({"mon-sun": ["00:00-00:00"]})),))
    given = make_window("2026-11-30 16:50", "2026-11-30 17:10")  # midnight in Vladivostok is 17:00 in Moscow
    assert told(hours.calendar(rules, "vostok").overlaps(given)) == ["11-30 16:50 to 11-30 17:10"]


def test_daytime_is_the_clients_clock_and_dates() -> None:
    """Daytime is asked by the client's own date; for the owner's own rules any hour is daytime."""
    calendar = hours.calendar(policy(), "vostok")
    assert told(calendar.daytime_on(date(2026, 11, 30)), "Asia/Vladivostok") == ["11-30 09:00 to 11-30 21:00"]
    assert calendar.in_daytime(at("2026-11-30 09:00", "Asia/Vladivostok"))
    assert not calendar.in_daytime(at("2026-11-30 21:00", "Asia/Vladivostok"))
    strangers = hours.calendar(policy(), "")
    assert told(strangers.daytime_on(date(2026, 11, 30))) == ["11-30 00:00 to 12-01 00:00"]
    assert strangers.in_daytime(at("2026-11-30 03:00"))
    assert strangers.client_zone is strangers.zone


def test_daytime_across_midnight() -> None:
    """A client who lives by night has daytime after midnight too."""
    rules = policy(clients=(client(daytime=schedule({"fri": ["20:00-02:00"]})),))
    calendar = hours.calendar(rules, "vostok")
    assert calendar.in_daytime(at("2026-11-28 01:59", "Asia/Vladivostok"))
    assert not calendar.in_daytime(at("2026-11-28 02:00", "Asia/Vladivostok"))
    assert not calendar.in_daytime(at("2026-11-27 01:00", "Asia/Vladivostok"))


# ------------------------------------------------------------------------------------ windows, calls


def test_place() -> None:
    """The first window that suits before the due time; else one for mail, said so; else none."""
    calendar = hours.calendar(policy(), "vostok")
    arrived_at = at("2026-11-27 20:00")
    suited = calendar.place(arrived_at, at("2026-12-01 19:00"))
    assert suited.window is not None
    assert (suited.window.key, suited.window.opens_at, suited.note) == ("morning", at("2026-11-30 10:00"), "")
    begun = calendar.place(at("2026-11-30 10:00"), at("2026-11-30 19:00"))
    assert begun.window is not None
    assert (begun.window.key, begun.note) == ("evening", "by mail: it is night there")
    assert calendar.place(arrived_at, at("2026-11-30 10:00")).window is None


def test_windows_come_by_opening_then_in_file_order() -> None:
    """Two windows that open together keep the order of the file; one that opens at the instant is past."""
    day = {"mon": ["10:00-11:00"]}
    rules = policy(windows=(window("z", day), window("early", {"mon": ["09:00-12:00"]}), window("a", day)))
    calendar = hours.calendar(rules, "")
    assert [w.key for w in islice(calendar.windows(at("2026-11-30 08:59")), 3)] == ["early", "z", "a"]
    assert [w.key for w in calendar.windows(at("2026-11-30 09:00"), days=7)] == ["z", "a", "early"]


def test_calls_are_offered_by_day_only() -> None:
    """A client in Vladivostok is offered the mornings, and never the evenings."""
    calls = list(hours.calendar(policy(), "vostok").calls(at("2026-11-27 20:00"), days=7))
    assert [w.key for w, _ in calls] == ["morning"] * 5
    assert told(calls[0][1], "Asia/Vladivostok") == ["11-30 17:00 to 11-30 18:00"]


def test_a_window_that_began_may_still_hold_a_later_call() -> None:
    """The client's day begins inside the window: the overlap lies ahead though the window is open."""
    rules = policy(clients=(client(zone="America/New_York"),), windows=(window("w", {"mon-fri": ["16:00-19:00"]}),))
    _, span = next(hours.calendar(rules, "vostok").calls(at("2026-11-30 16:30")))
    assert told(span) == ["11-30 17:00 to 11-30 19:00"]


def test_no_call_on_the_clients_public_holiday() -> None:
    """Christmas Day in the client's country offers no call, by the client's dates; filing goes on."""
    rules = policy(clients=(client(zone="Europe/Berlin", holidays="DE-BY"),))
    calendar = hours.calendar(rules, "vostok")
    given = make_window("2026-12-25 10:00", "2026-12-25 11:00", "Europe/Berlin")
    assert calendar.overlaps(given) == ()
    assert calendar.suits(given)
    days = {f"{span.starts_at:%m-%d}" for _, span in calendar.calls(at("2026-12-23 20:00"), days=6)}
    assert days == {"12-24", "12-28", "12-29"}


def test_channel_spans_are_whole() -> None:
    """A span that only touches the range is given whole; one that ends at its beginning is not."""
    calendar = hours.calendar(policy(), "vostok")
    whatsapp = calendar.channels[1]
    assert told(calendar.channel_spans(whatsapp, at("2026-11-27 12:00"), at("2026-11-30 09:01"))) == [
        "11-27 09:00 to 11-27 19:00",
        "11-30 09:00 to 11-30 19:00",
    ]
    assert calendar.channel_spans(whatsapp, at("2026-11-27 19:00"), at("2026-11-30 09:00")) == ()
