"""Look through the last weeks of a mailbox, headers only, for what ``init`` can suggest; changes nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.config.freemail import FREE_MAIL
from responder.core.correspondents import Correspondence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

    from responder.adapters.imap_past import Past, PastMailbox

#: So many of the newest letters are read: enough to know the regulars, and half a minute's work for a slow server.
MOST_CAME, MOST_WROTE = 4_000, 2_000
_CHUNK = 200


async def look_back(
    mailbox: PastMailbox, own: Iterable[str], now_at: datetime, back: timedelta, progress: Callable[[int, int], None]
) -> Correspondence:
    """Return who has written with the owner since then.

    Args:
        mailbox: opened for reading, with the fields of ``core.correspondents.FIELDS``.
        own: the owner's addresses, as far as they are known.
        now_at: the present.
        back: how far to look back.
        progress: is told how many letters are read, and of how many.

    Raises:
        TemporaryError: the connection was lost.
    """
    found = Correspondence(own, FREE_MAIL)
    since = now_at - back
    for sent in (await mailbox.wrote(since))[-MOST_WROTE:]:
        found.wrote(sent.header, sent.internal_at)
    index: list[Past] = []
    for folder in mailbox.folders():
        index += await mailbox.index(folder, since, now_at)
    newest = sorted(index, key=lambda past: past.arrived_at)[-MOST_CAME:]
    newest.sort(key=lambda past: (past.folder, past.uid))
    progress(0, len(newest))
    for start in range(0, len(newest), _CHUNK):
        for header, arrived_at in await mailbox.headers(newest[start : start + _CHUNK]):
            found.came(header, arrived_at)
        progress(min(start + _CHUNK, len(newest)), len(newest))
    return found
