"""Carries out what follows the mail up: moves between folders of ours, flags, folders that are used no more.

It promises ``carry`` that each effect is closed with a receipt, that all of it is repeatable, and that what breaks the
session is given up after some tries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from responder.core import facts as facts_room
from responder.core.model import Flag, MoveFiled, Outcome, Receipt, RemoveFolder
from responder.entries import is_deleted
from responder.errors import PermanentError, TemporaryError
from responder.ports import FolderMade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from responder.core.model import Window
    from responder.ports import Clock, Ledger, Mailbox, StoredEffect

#: What broke the session so often is given up.
MOST_TRIES = 3
#: So many messages are moved at once.
MOVES = 500

_DONE = {"moved": Outcome.DONE, "flagged": Outcome.DONE, "removed": Outcome.DONE, "gone": Outcome.GONE}

log = structlog.get_logger()


class Shelver:
    """Carries out the moves, flags and removals of one mailbox.

    Args:
        mailbox: where the mail lies.
        ledger: where receipts go.
        clock: time.
        alive: called between steps that may each last minutes.
    """

    def __init__(
        self, mailbox: Mailbox, ledger: Ledger, clock: Clock, alive: Callable[[], None] = lambda: None
    ) -> None:
        self._mailbox, self._ledger, self._clock, self._alive = mailbox, ledger, clock, alive

    async def carry_out(self, effects: Sequence[StoredEffect]) -> None:
        """Flag first, while the messages lie where they were seen; then move; then remove what is empty."""
        for kind in (Flag, MoveFiled, RemoveFolder):
            mine = [one for one in effects if isinstance(one.effect, kind)]
            # What broke the session before is tried alone, so that it cannot keep the others from their places.
            fresh = [one for one in mine if not one.tries]
            batches = [fresh[start : start + MOVES] for start in range(0, len(fresh), MOVES)]
            for batch in batches + [[one] for one in mine if one.tries]:
                self._alive()
                await self._guarded(batch)

    async def _guarded(self, batch: Sequence[StoredEffect]) -> None:
        try:
            words = await self._done(batch)
        except TemporaryError as error:
            at = self._clock.now()
            await self._ledger.advance(
                receipts=[
                    Receipt(
                        effect_id=one.id,
                        outcome=Outcome.REFUSED if one.tries + 1 >= MOST_TRIES else Outcome.RETRY,
                        at=at,
                        detail=str(error),
                    )
                    for one in batch
                ]
            )
            raise
        at = self._clock.now()
        receipts: list[Receipt] = []
        for one in batch:
            word = words.get(one.id, "the server said nothing of it")
            outcome = _DONE.get(word, Outcome.REFUSED)
            receipts.append(Receipt(effect_id=one.id, outcome=outcome, at=at, detail=word))
            if outcome is Outcome.REFUSED and isinstance(one.effect, RemoveFolder):  # as a rule it is not empty
                log.info("a folder stays", folder=one.effect.folder, detail=word)
            elif outcome is Outcome.REFUSED:
                log.warning("left where it is", effect=type(one.effect).__name__, detail=word)
        await self._ledger.advance(receipts=receipts)

    async def _done(self, batch: Sequence[StoredEffect]) -> Mapping[int, str]:
        """Do effects of one kind; return what became of each, by its number."""
        flags = {one.id: one.effect for one in batch if isinstance(one.effect, Flag)}
        if flags:
            told = await self._mailbox.flag(list(flags.values()))
            return {number: told.get(flag.fingerprint, "gone") for number, flag in flags.items()}
        moves = {one.id: one.effect for one in batch if isinstance(one.effect, MoveFiled)}
        if moves:
            return await self._move(moves)
        return {
            one.id: await self._mailbox.remove_folder(one.effect.folder)
            for one in batch
            if isinstance(one.effect, RemoveFolder)
        }

    async def _move(self, moves: Mapping[int, MoveFiled]) -> Mapping[int, str]:
        targets = [(move.folder, move.window) for move in moves.values() if move.window is not None]
        await note_folders(self._mailbox, self._ledger, targets)
        told = await self._mailbox.refile(list(moves.values()))
        words = {number: told.get(move.fingerprint, "gone") for number, move in moves.items()}
        gone = {moves[number].fingerprint: moves[number].folder for number, word in words.items() if word == "gone"}
        there = await lying_there(self._mailbox, gone)
        return {number: "moved" if moves[number].fingerprint in there else word for number, word in words.items()}


async def lying_there(mailbox: Mailbox, gone: Mapping[str, str]) -> set[str]:
    """Return those of the messages that lie in the folder they were to be moved to: an earlier run has moved them.

    Args:
        mailbox: where the folders are.
        gone: the folder, by the fingerprint of a message that is not in its source any more.
    """
    there: set[str] = set()
    for folder in sorted(set(gone.values())):
        try:
            messages = await mailbox.look(folder) or ()
        except PermanentError:  # nothing is known of what lies there
            continue
        marks = {facts_room.fingerprint(one.header, one.size) for one in messages if not is_deleted(one)}
        there |= {mark for mark in marks if gone.get(mark) == folder}
    return there


async def note_folders(mailbox: Mailbox, ledger: Ledger, targets: Iterable[tuple[str, Window]]) -> None:
    """Note the folders that are about to be filed into, for which windows, and which of them are not there yet.

    Those are ours, and may be removed one day: it is on the disk before they are made.
    """
    noted: list[FolderMade] = []
    windows: dict[str, dict[datetime, Window]] = {}
    for folder, window in targets:
        windows.setdefault(folder, {})[window.opens_at] = window
    for folder, stretches in windows.items():
        try:
            made = not await mailbox.exists(folder)
        except PermanentError:  # a name that is unfit to be sent: what is to be filed there is refused as well
            continue
        noted += [
            FolderMade(mailbox=mailbox.name, folder=folder, window=window, made=made)
            for _, window in sorted(stretches.items())
        ]
    if noted:
        await ledger.folder_made(noted)
