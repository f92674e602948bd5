"""The digest's hour: once a working day by the owner's clock, whatever the machine and the clocks do."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.adapters.storable import freeze_window
from responder.assessing import Rules
from responder.core import hours
from responder.core.model import DigestRules, SendDigest
from responder.morning import LAST_ON, SINCE, MorningDuty
from tests.adapters.ledger_build import close, decision, enter, entry
from tests.core.build import at, owner, policy, schedule
from tests.e2e.clocks import FixedClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from responder.core.model import Policy
    from responder.ports import StoredEffect

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Desk:
    """One duty over a ledger in memory, with a clock that a test moves; a promise always waits."""

    def __init__(self, ledger: SqliteLedger, started: str = "2026-11-26 18:00", **overrides: Any) -> None:
        self.ledger = ledger
        self.rules = Rules(policy=policy(**overrides))
        self.clock = FixedClock(at(started))
        self.duty = self.anew()

    def anew(self) -> MorningDuty:
        """Return the duty of a process that has just started."""
        return MorningDuty(ledger=self.ledger, rules=self.rules, clock=self.clock, secret=b"s" * 32)

    async def promise(self, name: str = "m1") -> None:
        """Let a message wait with a promise that is late from now on: something to say."""
        made = decision(entry(name, at=self.clock.at), due_at=self.clock.at, promises=True)
        await enter(self.ledger, made, now_at=self.clock.at)

    async def live(self, until: str, step: timedelta = 10 * MINUTE) -> list[tuple[str, SendDigest]]:
        """Let the time pass in steps, and return when which digest was planned."""
        found: list[tuple[str, SendDigest]] = []
        zone = self.rules.policy.owner.zone
        while self.clock.at < at(until, zone.key):
            self.clock.at += step
            if self.duty.next_at is not None and self.duty.next_at <= self.clock.at:
                planned = await self.duty.see_to(self.clock.at)
                found += [(f"{self.clock.at.astimezone(zone):%a %d %H:%M}", _digest(one)) for one in planned]
        return found


def _digest(stored: StoredEffect) -> SendDigest:
    assert isinstance(stored.effect, SendDigest)
    return stored.effect


@pytest.fixture
async def ledger() -> AsyncIterator[SqliteLedger]:
    """Return a ledger that is forgotten."""
    made = SqliteLedger.in_memory()
    yield made
    await made.close()


async def begun(desk: Desk) -> Desk:
    """Let a client's mail wait, and the duty begin."""
    await desk.duty.begin()
    await desk.promise()
    return desk


async def test_once_each_working_morning_and_never_on_days_off(ledger: SqliteLedger) -> None:
    """At the hour of the file, on Friday, Monday and Tuesday; not at the weekend."""
    desk = await begun(Desk(ledger))
    found = await desk.live("2026-12-01 23:00")
    assert [when for when, _ in found] == ["Fri 27 08:30", "Mon 30 08:30", "Tue 01 08:30"]
    assert [digest.unique for _, digest in found] == ["digest:2026-11-27", "digest:2026-11-30", "digest:2026-12-01"]
    assert found[1][1].not_after == at("2026-12-01 00:00")
    assert len({digest.message_id for _, digest in found}) == 3


async def test_a_public_holiday_and_dated_closings_are_days_off(ledger: SqliteLedger) -> None:
    """In the first week of January, closed by the file and by the state, nothing comes."""
    desk = await begun(Desk(ledger, "2026-12-30 18:00"))
    found = await desk.live("2027-01-12 12:00", HOUR / 2)
    assert [when for when, _ in found] == ["Thu 31 08:30", "Mon 11 08:30", "Tue 12 08:30"]


async def test_a_machine_that_slept_tells_late_on_that_day(ledger: SqliteLedger) -> None:
    """Woken in the afternoon it tells then, once; woken after days, once for all of them."""
    desk = await begun(Desk(ledger))
    desk.clock.at = at("2026-11-27 15:00")
    assert [when for when, _ in await desk.live("2026-11-27 23:50")] == ["Fri 27 15:10"]
    since = datetime.fromisoformat((await ledger.notes())[SINCE])
    assert since == at("2026-11-27 15:10")
    desk.clock.at = at("2026-12-02 11:00")
    assert [when for when, _ in await desk.live("2026-12-02 23:50")] == ["Wed 02 11:10"]


async def test_missed_mornings_are_told_in_the_next_one(ledger: SqliteLedger) -> None:
    """What came since the last digest is counted from there, however long ago that was."""
    desk = await begun(Desk(ledger))
    await desk.live("2026-11-27 09:00")
    await desk.promise("m2")
    desk.clock.at = at("2026-12-02 08:00")
    ((_, digest),) = await desk.live("2026-12-02 09:00")
    assert digest.unique == "digest:2026-12-02"
    since = (await ledger.morning(at("2026-11-27 08:30"), desk.clock.at)).by_reason
    assert since == {"full": 1}


async def test_woken_after_midnight_the_day_that_is_over_is_over(ledger: SqliteLedger) -> None:
    """At one in the morning nothing is told of yesterday; the day's own hour tells it."""
    desk = await begun(Desk(ledger))
    desk.clock.at = at("2026-12-01 01:00")
    assert [when for when, _ in await desk.live("2026-12-01 09:00")] == ["Tue 01 08:30"]


@pytest.mark.parametrize(
    ("started", "first"),
    [("2026-11-26 07:00", ["Thu 26 08:30"]), ("2026-11-26 08:31", []), ("2026-11-26 18:00", [])],
)
async def test_the_first_start(ledger: SqliteLedger, started: str, first: list[str]) -> None:
    """Started before the hour it tells at the hour; started later, on the next working day."""
    desk = await begun(Desk(ledger, started))
    assert [when for when, _ in await desk.live("2026-11-26 23:00", MINUTE)] == first


async def test_nothing_to_say_is_not_said(ledger: SqliteLedger) -> None:
    """No mail waits and nothing was held: no digest; what is counted goes on from the last one."""
    desk = Desk(ledger)
    await desk.duty.begin()
    before = (await ledger.notes())[SINCE]
    assert await desk.live("2026-11-28 00:00") == []
    notes = await ledger.notes()
    assert (notes[SINCE], notes[LAST_ON]) == (before, "2026-11-27")


@pytest.mark.parametrize(
    ("clock", "around", "expected"),
    [
        ("02:30", "2026-03-27 12:00", ["Sat 28 02:30", "Sun 29 03:30", "Mon 30 02:30"]),
        ("02:30", "2026-10-23 12:00", ["Sat 24 02:30", "Sun 25 02:30", "Mon 26 02:30"]),
        ("00:00", "2026-03-27 12:00", ["Sat 28 00:00", "Sun 29 00:00", "Mon 30 00:00"]),
    ],
)
async def test_in_a_night_of_clock_change_once(
    ledger: SqliteLedger, clock: str, around: str, expected: list[str]
) -> None:
    """An hour that does not exist comes when the clocks have jumped; one that exists twice comes once."""
    hour, minute = map(int, clock.split(":"))
    desk = await begun(
        Desk(
            ledger,
            around,
            owner=owner("Europe/Berlin", holidays=""),
            hours=schedule({"mon-sun": ["10:00-18:00"]}),
            digest=DigestRules(at=hour * 60 + minute),
        )
    )
    until = f"2026-{around[5:7]}-{expected[-1][4:6]} 12:00"
    assert [when for when, _ in await desk.live(until)] == expected


async def test_off_is_never(ledger: SqliteLedger) -> None:
    """Switched off there is no next time; switched on again it comes on the next day."""
    desk = await begun(Desk(ledger, digest=DigestRules(at=None)))
    assert desk.duty.next_at is None
    assert await desk.live("2026-11-27 18:00") == []
    desk.rules.policy = policy(digest=DigestRules(at=9 * 60))
    assert [when for when, _ in await desk.live("2026-11-28 00:00")] == ["Fri 27 18:10"]


async def test_another_hour_on_the_same_day_is_no_second_digest(ledger: SqliteLedger) -> None:
    """The file's hour moves from half past eight to ten at nine o'clock: that day has had its turn."""
    desk = await begun(Desk(ledger))
    assert len(await desk.live("2026-11-27 09:00")) == 1
    desk.rules.policy = policy(digest=DigestRules(at=600))
    assert await desk.live("2026-11-27 23:00") == []


async def test_a_process_that_died_after_planning_plans_no_second(ledger: SqliteLedger) -> None:
    """The plan was on disk and the note was not: the next process finds the day's turn taken, and tells from before."""
    desk = await begun(Desk(ledger))
    before = await ledger.notes()
    (planned,) = await desk.live("2026-11-27 08:30")
    for key in (SINCE, LAST_ON):
        await ledger.note(key, before[key])
    desk.duty = desk.anew()
    await desk.duty.begin()
    assert await desk.live("2026-11-27 23:00") == []
    assert [one.effect for one in await ledger.unfinished("main")] == [planned[1]]
    assert (await ledger.notes())[SINCE] == before[SINCE]


async def test_a_clock_that_ran_ahead_stops_no_later_morning(ledger: SqliteLedger) -> None:
    """A turn noted for next year is no reason to wait for it."""
    desk = await begun(Desk(ledger))
    await ledger.note(LAST_ON, "2027-11-27")
    await ledger.note(SINCE, at("2027-11-27 08:30").isoformat())
    desk.duty = desk.anew()
    await desk.duty.begin()
    assert [when for when, _ in await desk.live("2026-12-01 00:00")] == [
        "Thu 26 18:10", "Fri 27 08:30", "Mon 30 08:30",
    ]  # fmt: skip


async def test_a_day_without_any_working_day_ahead_has_no_next(ledger: SqliteLedger) -> None:
    """Closed for good there is no digest, and asking costs one look."""
    closed = schedule({"2026-01-01..2030-12-31": [], "mon-fri": ["10:00-18:00"]})
    desk = await begun(Desk(ledger, hours=closed))
    assert desk.duty.next_at is None


async def test_a_defect_in_the_overview_keeps_no_mail_waiting(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it cannot be made, that day has none, it is logged, and the line goes on."""
    desk = await begun(Desk(ledger))

    def broken(*_: object) -> None:
        raise KeyError("a phrase")

    monkeypatch.setattr("responder.morning.make_digest", broken)
    assert await desk.live("2026-11-28 00:00") == []
    monkeypatch.undo()
    assert [when for when, _ in await desk.live("2026-12-01 00:00")] == ["Mon 30 08:30"]


async def test_what_waits_is_read_from_the_ledger(ledger: SqliteLedger) -> None:
    """Filed mail stands in its window, late mail first, kept promises and finished mail nowhere."""
    rules: Policy = policy()
    now_at = at("2026-11-30 08:30")
    (morning_window,) = hours.calendar(rules, "").windows(at("2026-11-30 09:00"), days=0.2)  # type: ignore[arg-type]
    names = ("filed", "late", "kept", "finished", "noted")
    for number, name in enumerate(names, start=1):
        made = decision(
            entry(name, uid=number),
            due_at=at("2026-11-27 12:00" if name == "late" else "2026-12-01 19:00"),
            promises=name != "noted",
            subject=f"subject of {name}",
        )
        effects = await enter(ledger, made)
        await close(ledger, *effects)

    def fill(connection: Any) -> None:
        ids = dict(connection.execute("SELECT fingerprint, id FROM messages").fetchall())
        for name in ("filed", "finished", "noted"):
            connection.execute(
                "INSERT OR REPLACE INTO filed (message, mailbox, folder, window, carried, left_at)"
                " VALUES (?, 'main', 'Callbacks/x', ?, 2, ?)",
                (ids[name], freeze_window(morning_window), 1 if name == "finished" else None),
            )
        connection.execute("UPDATE promises SET state = 'kept' WHERE message IN (?, ?)", (ids["kept"], ids["finished"]))

    await ledger._write(fill)
    found = {mail.fingerprint: mail for mail in (await ledger.morning(now_at - HOUR, now_at)).mail}
    assert found.keys() == {"filed", "late", "noted"}
    assert (found["filed"].window, found["filed"].folder, found["filed"].carried) == (morning_window, "Callbacks/x", 2)
    assert (found["late"].window, found["late"].folder, found["late"].promised) == (None, "", True)
    assert (found["noted"].promised, found["noted"].subject) == (False, "subject of noted")
    assert dataclasses.asdict(found["filed"])["due_at"] == at("2026-12-01 19:00")
