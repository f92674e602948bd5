"""What follows from a look at filed mail: a table of what is known, what is seen, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responder.core.follow import Followed, Office, Shelf, Sight, Sighting, Steps, follow_up
from responder.core.model import Alert, Flag, MessageKey, MoveFiled, RemoveFolder, Window
from tests.core.build import at, client, policy

RULES = policy()
MORNING = Window(key="morning", opens_at=at("2026-11-16 10:00"), closes_at=at("2026-11-16 11:00"), channels=("phone",))
TUESDAY = replace(MORNING, opens_at=at("2026-11-17 10:00"), closes_at=at("2026-11-17 11:00"))
FOLDER, NEXT, DONE = "Callbacks/2026-11-16 10-00", "Callbacks/2026-11-17 10-00", "Callbacks/Done"
CLOSED = at("2026-11-16 11:00")
DUE = at("2026-11-17 19:00")
KEY = MessageKey(mailbox="main", uidvalidity=9, uid=4)


def mail(**changes: Any) -> Followed:
    """Return a letter of Vostok's that waits for Monday morning, with a promise until Tuesday evening."""
    usual = Followed(
        fingerprint="f" * 64,
        key=replace(KEY, uidvalidity=1),
        message_id="<a@vostok.example>",
        client="vostok",
        topic="",
        folder=FOLDER,
        window=MORNING,
        state="open",
        due_at=DUE,
    )
    return replace(usual, **changes)


def look(one: Followed, seen: str | None, *flags: str, when: Any = CLOSED, **more: Any) -> Steps:
    """Return what follows when that letter is seen in that folder; None: nowhere, though all were looked at."""
    found = {} if seen is None else {one.fingerprint: Sighting(folder=seen, key=KEY, flags=frozenset(flags))}
    sight = Sight(found=found, unknown=more.pop("unknown", frozenset()))
    shelves = (
        Shelf(folder=FOLDER, window=MORNING, made=True, until_at=MORNING.closes_at),
        Shelf(folder=NEXT, window=TUESDAY, made=True, until_at=TUESDAY.closes_at),
    )
    office = Office(policy=more.pop("policy", RULES), mailbox="main", now_at=when)
    return follow_up([one], shelves, sight, office, more.pop("used_up", ()))


def moves(steps: Steps) -> list[tuple[str, str, Any]]:
    """Return the moves as source, target and the window's opening."""
    return [
        (one.source, one.folder, one.window and one.window.opens_at)
        for one in steps.effects
        if isinstance(one, MoveFiled)
    ]


def test_what_is_not_answered_goes_to_the_clients_next_window() -> None:
    """Its due time stays: only the window is another."""
    steps = look(mail(), FOLDER)
    assert moves(steps) == [(FOLDER, NEXT, at("2026-11-17 10:00"))]
    assert not steps.weak
    assert not steps.declared


def test_before_its_window_has_closed_nothing_happens() -> None:
    """A look too early changes nothing."""
    steps = look(mail(), FOLDER, when=CLOSED - timedelta(seconds=1))
    assert steps == Steps(weak={}, declared=(), places={}, stayed={}, left=(), removed=(), effects=())


@pytest.mark.parametrize("state", ["kept", "late"])
def test_what_is_answered_is_finished(state: str) -> None:
    """A promise that has ended takes its letter out of the way."""
    assert moves(look(mail(state=state), FOLDER)) == [(FOLDER, DONE, None)]


def test_answered_by_a_mark_is_weak_evidence() -> None:
    r"""\\Answered ends the promise, as weaker evidence, and the letter is finished."""
    steps = look(mail(), FOLDER, "\\Answered")
    assert steps.weak == {"f" * 64: "answered"}
    assert moves(steps) == [(FOLDER, DONE, None)]


def test_taken_out_of_our_folders_is_weak_evidence() -> None:
    """A letter that lies in none of our folders has been dealt with by the owner's own hand; it is followed no more."""
    steps = look(mail(), None)
    assert steps.weak == {"f" * 64: "moved"}
    assert steps.left == ("f" * 64,)
    assert not steps.effects


def test_a_folder_that_could_not_be_looked_at_proves_nothing() -> None:
    """What was not looked for is not gone, and it is late at its due time: nothing shows that it was answered."""
    for when, late in ((CLOSED, ()), (DUE, ("f" * 64,))):
        steps = look(mail(), None, unknown=frozenset({"f" * 64}), when=when)
        assert not steps.weak
        assert not steps.left
        assert not [one for one in steps.effects if not isinstance(one, Alert)]
        assert steps.declared == late


def test_dragged_to_another_window_it_waits_for_that() -> None:
    """The owner has put it off by hand."""
    steps = look(mail(), NEXT)
    assert steps.places["f" * 64] == (NEXT, TUESDAY)
    assert not steps.effects
    assert not steps.weak


def test_what_the_owner_laid_into_a_folder_of_ours_stays_there() -> None:
    """Mail that we did not file is never moved: its promise stays open, and is late where it lies."""
    steps = look(mail(folder="", window=None), FOLDER)
    assert steps == Steps(weak={}, declared=(), places={}, stayed={}, left=(), removed=(), effects=())
    flag, _ = look(mail(folder="", window=None), FOLDER, when=DUE).effects
    assert isinstance(flag, Flag)
    assert flag.folder == FOLDER


def test_dragged_back_to_inbox_it_is_still_to_be_answered() -> None:
    """INBOX is where new mail lies: nothing is proven, and nothing taken out of it."""
    steps = look(mail(), "")
    assert steps.places["f" * 64][0] == ""
    assert not steps.effects
    assert not steps.weak


def test_a_promise_is_late_once() -> None:
    """At its due time it is flagged where it lies and the owner is told; the next look says nothing more."""
    steps = look(mail(folder=NEXT, window=None), NEXT, when=DUE)
    assert steps.declared == ("f" * 64,)
    flag, alert = steps.effects
    assert flag == Flag(fingerprint="f" * 64, key=KEY, message_id="<a@vostok.example>", folder=NEXT)
    assert isinstance(alert, Alert)
    assert alert.text.startswith("A promise is late: ООО «Восток» (since 2026-11-17 19:00)")
    again = look(mail(folder=NEXT, window=None, declared=True), NEXT, when=DUE + timedelta(hours=1))
    assert not again.effects
    assert not again.declared


def test_a_moment_before_its_due_time_it_is_not_late() -> None:
    """The due time is the first instant of being late."""
    assert not look(mail(folder=NEXT, window=None), NEXT, when=DUE - timedelta(microseconds=1)).declared


def test_evidence_that_comes_with_the_due_time_comes_in_time() -> None:
    """What is found dealt with at the look that would have declared it late was dealt with before."""
    steps = look(mail(), FOLDER, "\\answered", when=DUE)
    assert steps.weak
    assert not steps.declared


def test_what_went_late_long_ago_is_declared_in_silence() -> None:
    """After a month nobody is alarmed, but it stands in the ledger."""
    steps = look(mail(), FOLDER, when=DUE + timedelta(days=31))
    assert steps.declared == ("f" * 64,)
    assert not [one for one in steps.effects if isinstance(one, Flag | Alert)]


@pytest.mark.parametrize(
    ("flags", "answered", "target"),
    [((), False, NEXT), (("\\Seen",), False, DONE), ((), True, DONE), (("\\Answered",), False, DONE)],
)
def test_mail_without_a_promise(flags: tuple[str, ...], answered: bool, target: str) -> None:  # noqa: FBT001
    """Nothing is owed: what was read, or written about since, need not come back; what nobody has seen does."""
    steps = look(mail(state="", due_at=None, answered=answered), FOLDER, *flags)
    assert [move[1] for move in moves(steps)] == [target]


def test_a_client_whom_the_next_window_does_not_suit_waits_for_one_that_does() -> None:
    """Monday evening is night in Vladivostok and forenoon in New York."""
    assert [move[1] for move in moves(look(mail(client="harbor"), FOLDER))] == ["Callbacks/2026-11-16 17-30"]


def test_a_client_who_left_the_rules_waits_for_the_owners_next_window() -> None:
    """No rule is left for it but the owner's."""
    rules = policy(clients=(client("vostok"),))
    assert [move[1] for move in moves(look(mail(client="gone"), FOLDER, policy=rules))] == [
        "Callbacks/2026-11-16 17-30"
    ]


def test_one_folder_for_all_windows() -> None:
    """A pattern without {opens}: nothing is moved, the letter waits for the next window and was carried over."""
    rules = policy(filing=replace(RULES.filing, folder="Callbacks/All"))
    steps = look(mail(folder="Callbacks/All"), "Callbacks/All", policy=rules)
    assert not steps.effects
    assert steps.stayed["f" * 64].opens_at == at("2026-11-17 10:00")


def test_a_rule_without_windows_leaves_the_mail_where_it_is() -> None:
    """Where no window is left nothing is carried over, and nothing is lost."""
    steps = look(mail(), FOLDER, policy=policy(windows=()))
    assert not steps.effects
    assert not steps.stayed


def test_an_empty_folder_whose_time_has_come_is_removed() -> None:
    """One in which mail of ours lies stays; one that is emptied now goes after the moves."""
    assert look(mail(), FOLDER, used_up=[FOLDER], when=CLOSED - timedelta(hours=1)).removed == ()
    move, removal = look(mail(), FOLDER, used_up=[FOLDER]).effects
    assert isinstance(move, MoveFiled)
    assert removal == RemoveFolder(mailbox="main", folder=FOLDER)
    gone = follow_up([], (), Sight(found={}), Office(policy=RULES, mailbox="main", now_at=DUE), [FOLDER])
    assert gone.effects == (RemoveFolder(mailbox="main", folder=FOLDER),)


def test_the_same_sight_comes_to_the_same_steps() -> None:
    """Nothing depends on anything but the arguments."""
    assert look(mail(), FOLDER) == look(mail(), FOLDER)
