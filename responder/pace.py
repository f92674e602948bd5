"""How long is waited for servers, and how soon they are asked again.

Promises the daemon that no server, whatever it answers, makes it knock without pause: a lost session is rebuilt after
a growing delay, a wait that a server asks for is obeyed within bounds, and one that keeps crying news where there is
none is polled.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

#: So many early wake-ups without news are free at once: the owner's own programs cause them (mail read, flagged,
#: deleted), and each costs one search.
FREE_WAKES = 20
#: After that one in so many seconds (or in a poll interval, where that is shorter).
WAKE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds, all of them.

    Attributes:
        answer: that an IMAP or SMTP server may be silent before its session counts as dead.
        verdict: that an SMTP server may take over a text: RFC 5321 section 4.5.3.2.6.
        first: the delay after a lost session; doubled each time, with jitter so that several do not knock at once.
        longest: what it grows to.
        lived: a session that lived so long was a good one: the next loss begins with the first delay again.
        refused: the delay after a refused login (providers lock accounts that are tried too often), and the longest
            that a server may ask for.
        unreached: after so long without a session the owner is told: an outage is over by then, as a rule.
    """

    answer: float = 60.0
    verdict: float = 600.0
    first: float = 1.0
    longest: float = 300.0
    lived: float = 60.0
    refused: float = 900.0
    unreached: float = 3600.0


PATIENCE = Patience()


class Pace:
    """How soon one mailbox's server is asked again. Instants are seconds on the monotonic clock.

    Args:
        patience: the bounds.
        poll: the seconds between two looks at a server that tells no news.
        now: the present instant.
    """

    def __init__(self, patience: Patience, *, poll: float, now: float) -> None:
        self._patience = patience
        self._failures = 0
        self._lost_since: float | None = None
        self._wake_every = min(WAKE_SECONDS, poll)
        self._wakes = float(FREE_WAKES)
        self._counted_at = now

    def lost(self, began: float, now: float, retry_after: float | None = None) -> float:
        """Return the delay before the session that began then, and is lost now, is rebuilt."""
        if now - began > self._patience.lived:
            self._failures = 0
        self._failures += 1
        if self._lost_since is None:
            self._lost_since = now
        longest = self._patience.longest
        if self._failures < 32:  # noqa: PLR2004 - beyond, the power is no float any more
            longest = min(longest, self._patience.first * 2 ** (self._failures - 1))
        delay = random.uniform(longest / 2, longest)  # noqa: S311 - jitter
        return max(delay, min(retry_after or 0.0, self._patience.refused))

    def looked(self) -> None:
        """Note that a round came to its end: the mailbox is within reach."""
        self._lost_since = None

    def unreached(self, now: float) -> bool:
        """Tell whether the mailbox has been out of reach for too long."""
        return self._lost_since is not None and now - self._lost_since >= self._patience.unreached

    def called(self) -> None:
        """Note that the next wake-up is our own doing."""
        self._wakes = min(self._wakes + 1.0, FREE_WAKES)

    def woken(self, now: float) -> float:
        """Count a wait that ended early and led to nothing; return for how long to ignore the server's news."""
        self._wakes = min(self._wakes + (now - self._counted_at) / self._wake_every, FREE_WAKES)
        self._counted_at = now
        if self._wakes >= 1.0:
            self._wakes -= 1.0
            return 0.0
        return self._wake_every
