r"""Flags carried out: each closed with a receipt, and one that breaks the session stops nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.carry_filed import MOST_TRIES, Shelver
from responder.core.model import Alert, Flag
from responder.errors import TemporaryError
from tests.adapters.ledger_build import NOW, decision, enter, entry
from tests.e2e.clocks import FixedClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responder.ports import Ledger, Mailbox


@dataclass
class Shelf:
    """The part of a mailbox that flags: what it says of each message, or, for "", that the session breaks."""

    words: Mapping[str, str]
    asked: list[list[str]] = field(default_factory=list[list[str]])
    name: str = "main"

    async def flag(self, flags: Sequence[Flag]) -> Mapping[str, str]:
        """Answer as told."""
        prints = [flag.fingerprint for flag in flags]
        self.asked.append(prints)
        if any(self.words.get(each) == "" for each in prints):
            raise TemporaryError("the line broke")
        return {each: self.words[each] for each in prints if each in self.words}


async def _ledger(*names: str) -> Ledger:
    ledger = SqliteLedger.in_memory()
    for name in names:
        one = entry(name)
        flag = Flag(fingerprint=name, key=one.key, message_id=one.message_id, folder="")
        await enter(ledger, decision(one, flag, Alert(unique=name, text="x")))
    return ledger


async def _states(ledger: Ledger) -> dict[str, str]:
    """Return the state of each flag by its message."""
    assert isinstance(ledger, SqliteLedger)
    rows = await ledger._call(
        lambda connection: connection.execute(
            "SELECT fingerprint, state FROM effects JOIN messages ON message = messages.id WHERE kind = 'flag'"
        ).fetchall()
    )
    return dict(rows)


async def test_each_flag_is_closed_by_what_became_of_it() -> None:
    """Set is done, a message that is no longer there is gone, a refusal is definite; alerts are left to others."""
    ledger = await _ledger("set", "gone", "lost", "refused")
    shelf = Shelf({"set": "flagged", "gone": "gone", "refused": "the server did not flag it"})
    shelver = Shelver(cast("Mailbox", shelf), ledger, FixedClock(NOW), lambda: None)
    await shelver.carry_out(await ledger.unfinished("main"))
    assert await _states(ledger) == {"set": "done", "gone": "gone", "lost": "gone", "refused": "refused"}
    assert len(await ledger.unfinished("main")) == 4
    await ledger.close()


async def test_one_that_breaks_the_session_is_given_up() -> None:
    """After its tries it is refused, and the others are set; from the second try on it is alone."""
    ledger = await _ledger("bad", "good")
    shelf = Shelf({"bad": "", "good": "flagged"})
    shelver = Shelver(cast("Mailbox", shelf), ledger, FixedClock(NOW), lambda: None)
    for _ in range(MOST_TRIES):
        with pytest.raises(TemporaryError):
            await shelver.carry_out(await ledger.unfinished("main"))
    await shelver.carry_out(await ledger.unfinished("main"))
    assert await _states(ledger) == {"bad": "refused", "good": "done"}
    assert shelf.asked == [["bad", "good"], ["bad"], ["bad"], ["good"]]
    await ledger.close()
