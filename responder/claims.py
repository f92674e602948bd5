"""Which of several responders on one mailbox answers a message: each marks it first, and one of them wins.

It promises the engine that of all who contend for a message at most one is told that it has won; where one of them
stops half-way, perhaps none. The marks are keywords, and the server does one STORE after the other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from responder.core.facts import marks_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from responder.ports import Mailbox

#: How long, in seconds, whoever goes first by its mark waits for the others to step back: some round trips,
#: because each of them does so at once.
LOOKS = (0.1, 0.2, 0.4)


async def contend(mailbox: Mailbox, uids: Iterable[int], mark: str) -> dict[int, str]:
    """Mark messages of INBOX; return those that we may not answer: with another's mark, or "" if it has vanished.

    Who sees no other's mark after its own has won, and keeps it there. Who sees one has come second, or at the same
    moment: then the lower mark goes first, so the higher ones take theirs away, and the lowest has won once it is
    alone. Should another mark stay, or the message go meanwhile, the other had won before. All have won where the
    mailbox turns out to take no keywords.
    """
    own = marks_in({mark})
    rivals = await _rivals(mailbox, uids, mark)
    if not mailbox.profile.keywords:
        return {}
    lost = {
        uid: min(others, default="") for uid, others in rivals.items() if min(others | own) not in own or not others
    }
    if behind := [uid for uid, other in lost.items() if other]:
        await mailbox.withdraw(behind, mark)
    open_ = {uid: min(others) for uid, others in rivals.items() if uid not in lost}
    for pause in LOOKS:
        if not open_:
            break
        await asyncio.sleep(pause)
        still = await _rivals(mailbox, open_, mark)
        lost |= {uid: open_[uid] for uid, others in still.items() if not others}
        open_ = {uid: min(others) for uid, others in still.items() if others}
    return lost | open_


async def _rivals(mailbox: Mailbox, uids: Iterable[int], mark: str) -> dict[int, frozenset[str]]:
    """Return those that bear others' marks beside ours, with these; and with none those that vanished."""
    asked = sorted(uids)
    flags = await mailbox.claim(asked, mark)
    marks = {uid: marks_in(flags[uid]) - marks_in({mark}) if uid in flags else None for uid in asked}
    return {uid: others or frozenset() for uid, others in marks.items() if others or others is None}
