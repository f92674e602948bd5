"""What every ledger promises of mail after it was filed, and of what ends a promise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from responder.core.follow import Steps
from responder.core.model import Alert, Flag, MessageKey, MoveFiled, Outcome, Receipt, RemoveFolder
from responder.ports import Fate, FolderMade
from tests.adapters.ledger_build import (
    DAY,
    DUE,
    HOUR,
    IVAN,
    NOW,
    OPENS,
    WINDOW,
    close,
    decision,
    enter,
    entry,
    move,
    planned,
    state,
    wrote,
)

if TYPE_CHECKING:
    from responder.core.follow import Followed
    from responder.core.model import Window
    from responder.ports import Ledger, LedgerEntry

FOLDER, NEXT, DONE = "Callbacks/2026-11-30 10-00", "Callbacks/2026-12-01 10-00", "Callbacks/Done"
LATER = replace(WINDOW, opens_at=OPENS + DAY, closes_at=OPENS + DAY + HOUR)
NOTHING = Steps(weak={}, declared=(), places={}, stayed={}, left=(), removed=(), effects=())


def carry(one: LedgerEntry, folder: str = NEXT, window: Window | None = LATER, source: str = FOLDER) -> MoveFiled:
    """Return a later move of that message."""
    return MoveFiled(
        fingerprint=one.fingerprint,
        key=replace(one.key, uidvalidity=9),
        message_id=one.message_id,
        source=source,
        folder=folder,
        window=window,
    )


async def file(ledger: Ledger, one: LedgerEntry, *, promises: bool = True) -> None:
    """Enter a message with its filing, and close that as done."""
    await close(ledger, *await enter(ledger, decision(one, move(one), promises=promises)))


async def follow(ledger: Ledger, one: LedgerEntry, **steps: object) -> None:
    """Enter steps about that message, and close what is planned of them as done."""
    made = replace(NOTHING, **steps)  # type: ignore[arg-type] # a test's short way
    await close(ledger, *await ledger.followed(one.key.mailbox, made, NOW))


async def only(ledger: Ledger, mailbox: str = "main") -> Followed:
    """Return the one message that is followed."""
    (followed,) = (await ledger.agenda(mailbox)).mail
    return followed


# ------------------------------------------------------------------------------------------- places


async def test_a_filed_message_is_followed(ledger: Ledger) -> None:
    """The receipt of its filing enters where it lies, for which window, with its promise."""
    one = entry("a")
    await enter(ledger, decision(one, move(one), promises=True))
    assert (await ledger.agenda("main")).mail == (), "it is on its way"
    await close(ledger, *await ledger.unfinished("main"))
    followed = await only(ledger)
    assert (followed.fingerprint, followed.key, followed.client) == ("a", one.key, "vostok")
    assert (followed.folder, followed.window) == (FOLDER, WINDOW)
    assert (followed.state, followed.due_at, followed.declared) == ("open", DUE, False)
    assert (await ledger.agenda("office")).mail == ()


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.EXPIRED, Outcome.REFUSED])
async def test_mail_that_was_not_filed_is_followed_in_inbox(ledger: Ledger, outcome: Outcome) -> None:
    """An open promise is followed where its mail stayed; without one nothing is."""
    for name, promises in (("a", True), ("b", False)):
        stored = await enter(ledger, decision(entry(name), move(entry(name)), promises=promises))
        await close(ledger, *stored, outcome=outcome)
    followed = await only(ledger)
    assert (followed.fingerprint, followed.folder, followed.window) == ("a", "", None)


async def test_carried_over_and_finished(ledger: Ledger) -> None:
    """Each move's receipt enters the new place; the one to what is finished ends it."""
    one = entry("a")
    await file(ledger, one)
    await follow(ledger, one, effects=(carry(one),))
    followed = await only(ledger)
    assert (followed.folder, followed.window) == (NEXT, LATER)
    assert (await ledger.fate("a")).carried == 1
    await follow(ledger, one, effects=(carry(one, DONE, None, NEXT),))
    fate = await ledger.fate("a")
    assert (fate.folder, fate.carried, fate.left_at, fate.filed) == (DONE, 1, NOW, True)
    assert (await only(ledger)).window is None, "its promise is open still: it is looked for"


async def test_a_receipt_that_comes_twice_counts_once(ledger: Ledger) -> None:
    """What is closed is closed."""
    one = entry("a")
    await file(ledger, one)
    (stored,) = await ledger.followed("main", replace(NOTHING, effects=(carry(one),)), NOW)
    await close(ledger, stored)
    await close(ledger, stored)
    assert (await ledger.fate("a")).carried == 1


async def test_found_elsewhere_stayed_and_left(ledger: Ledger) -> None:
    """What a look has shown is entered: another folder, another window in the same, none of ours."""
    one = entry("a")
    await file(ledger, one)
    await follow(ledger, one, places={"a": (NEXT, LATER)})
    assert ((await only(ledger)).folder, (await only(ledger)).window) == (NEXT, LATER)
    third = replace(LATER, opens_at=OPENS + 2 * DAY, closes_at=OPENS + 2 * DAY + HOUR)
    await follow(ledger, one, stayed={"a": third})
    assert (await only(ledger)).window == third
    assert (await ledger.fate("a")).carried == 1
    await follow(ledger, one, left=("a",), weak={"a": "moved"})
    assert (await ledger.agenda("main")).mail == ()
    assert (await ledger.fate("a")).left_at == NOW


async def test_seen_in_inbox_again(ledger: Ledger) -> None:
    """Its place in INBOX is noted, and nothing else; in another mailbox it is another message's."""
    one = entry("a")
    await file(ledger, one)
    again = MessageKey(mailbox="main", uidvalidity=7, uid=88)
    await ledger.found_again({"a": again, "unknown": again})
    await ledger.found_again({"a": replace(again, mailbox="office", uid=99)})
    followed = await only(ledger)
    assert (followed.key, followed.folder) == (again, FOLDER)


async def test_a_new_numbering_reaches_what_is_decided(ledger: Ledger) -> None:
    """Mail with a promise is known by its new place in INBOX."""
    one = entry("a")
    await enter(ledger, decision(one, promises=True))
    new = MessageKey(mailbox="main", uidvalidity=8, uid=3)
    await ledger.renumber(state=replace(state(), uidvalidity=8), places={"a": new}, decisions=(), now_at=NOW)
    assert (await only(ledger)).key == new


# ------------------------------------------------------------------------------------------- folders


async def test_who_made_a_folder_is_said_once(ledger: Ledger) -> None:
    """The first word stands, with its stretch; a later stretch only moves the end of its use."""
    first = FolderMade(mailbox="main", folder=FOLDER, window=WINDOW, made=True)
    await ledger.folder_made([first])
    await ledger.folder_made([replace(first, made=False, window=LATER)])
    await ledger.folder_made([replace(first, made=False)])
    await ledger.folder_made([replace(first, folder=NEXT, made=False, window=LATER)])
    shelves = (await ledger.agenda("main")).shelves
    assert [(one.folder, one.window, one.made, one.until_at) for one in shelves] == [
        (FOLDER, WINDOW, True, LATER.closes_at),
        (NEXT, LATER, False, LATER.closes_at),
    ]
    assert (await ledger.agenda("office")).shelves == ()


@pytest.mark.parametrize(
    ("outcome", "known"), [(Outcome.DONE, False), (Outcome.GONE, False), (Outcome.REFUSED, True), (Outcome.RETRY, True)]
)
async def test_a_removed_folder_is_forgotten(ledger: Ledger, outcome: Outcome, *, known: bool) -> None:
    """Gone is gone; one that stays is remembered as ours."""
    await ledger.folder_made([FolderMade(mailbox="main", folder=FOLDER, window=WINDOW, made=True)])
    removal = RemoveFolder(mailbox="main", folder=FOLDER)
    stored = await ledger.followed("main", replace(NOTHING, removed=(FOLDER,), effects=(removal,)), NOW)
    assert await planned(ledger) == [removal]
    await close(ledger, *stored, outcome=outcome)
    assert bool((await ledger.agenda("main")).shelves) is known


# ------------------------------------------------------------------------------------------- promises


async def test_weak_evidence_ends_a_promise_by_when_it_was_noticed(ledger: Ledger) -> None:
    """Before it was declared late it is kept, afterwards late; it is called weak."""
    for name in "ab":
        await enter(ledger, decision(entry(name), promises=True))
    await ledger.followed("main", replace(NOTHING, declared=("b",)), DUE)
    await ledger.followed("main", replace(NOTHING, weak={"a": "answered", "b": "moved"}), DUE + HOUR)
    first, second = await ledger.fate("a"), await ledger.fate("b")
    assert (first.state, first.weak, first.ended_at, first.declared_at) == ("kept", "answered", DUE + HOUR, None)
    assert (second.state, second.weak, second.ended_at, second.declared_at) == ("late", "moved", DUE + HOUR, DUE)


async def test_what_has_ended_stays_as_it_ended(ledger: Ledger) -> None:
    """The owner's own message beats a mark that is seen later, and nothing is declared late that is over."""
    one = entry("a")
    await enter(ledger, decision(one, promises=True))
    await ledger.owner_wrote([wrote(NOW + HOUR, IVAN, refers_to=(one.message_id,))])
    await ledger.followed("main", replace(NOTHING, weak={"a": "answered"}, declared=("a",)), DUE)
    fate = await ledger.fate("a")
    assert (fate.state, fate.weak, fate.ended_at, fate.declared_at) == ("kept", "", NOW + HOUR, None)


async def test_a_late_promise_stays_open_and_owing(ledger: Ledger) -> None:
    """Declared late it is still to be answered; the answer ends it as late."""
    one = entry("a")
    await enter(ledger, decision(one, promises=True))
    flag = Flag(fingerprint="a", key=one.key, message_id=one.message_id, folder="")
    alert = Alert(unique="late:a", text="A promise is late.")
    steps = replace(NOTHING, declared=("a",), effects=(flag, alert))
    assert [one.effect for one in await ledger.followed("main", steps, DUE)] == [flag, alert]
    assert [one.effect for one in await ledger.followed("main", steps, DUE)] == [flag], "told once"
    assert (await only(ledger)).declared
    assert (await ledger.summary(DUE + HOUR)).late_promises == 1
    await ledger.owner_wrote([wrote(DUE + HOUR, IVAN, refers_to=(one.message_id,))])
    assert (await ledger.fate("a")).state == "late"
    assert (await ledger.agenda("main")).mail == ()


@pytest.mark.parametrize(
    ("answers", "recipients", "clients", "ends"),
    [
        ("вопрос", (IVAN,), (), True),
        ("вопрос", ("oleg@vostok.example",), ("vostok",), True),
        ("вопрос", ("oleg@vostok.example",), ("other",), False),
        ("другое", (IVAN,), ("vostok",), False),
        ("", (IVAN,), ("vostok",), False),
    ],
)
async def test_a_subject_answers_where_no_id_tells(
    ledger: Ledger, answers: str, recipients: tuple[str, ...], clients: tuple[str, ...], *, ends: bool
) -> None:
    """A message to that client that names no message ends by its subject, whichever of the two comes first."""
    message = replace(wrote(NOW + HOUR, *recipients), answers_subject=answers, clients=clients)
    await enter(ledger, decision(entry("a"), promises=True, subject="RE:  Вопрос"))
    await ledger.owner_wrote([message])
    await enter(ledger, decision(entry("b", uid=2), promises=True, subject="Вопрос"))
    await enter(ledger, decision(entry("c", uid=3, at=NOW + 2 * HOUR), promises=True, subject="Вопрос"))
    states = [(await ledger.fate(name)).state for name in "abc"]
    assert states == (["kept", "kept", "open"] if ends else ["open"] * 3)


async def test_a_word_to_the_client_is_told_of_mail_without_a_promise(ledger: Ledger) -> None:
    """Any later message to the client, or to the sender, counts; an earlier one does not."""
    await ledger.owner_wrote([replace(wrote(NOW - HOUR, IVAN), clients=("vostok",))])
    one = entry("a")
    await file(ledger, one, promises=False)
    assert not (await only(ledger)).answered
    await ledger.owner_wrote([wrote(NOW + HOUR, "who@else.example", name="else")])
    assert not (await only(ledger)).answered
    await ledger.owner_wrote([replace(wrote(NOW + HOUR, "oleg@vostok.example"), clients=("vostok",))])
    assert (await only(ledger)).answered
    assert (await only(ledger)).state == ""


async def test_nothing_is_known_of_what_is_not_there(ledger: Ledger) -> None:
    """An unknown message has no fate, and a receipt about no effect changes nothing."""
    assert await ledger.fate("nobody") == Fate()
    await ledger.advance(receipts=[Receipt(effect_id=99, outcome=Outcome.DONE, at=NOW)])
    agenda = await ledger.agenda("main")
    assert (agenda.mail, agenda.shelves) == ((), ())
