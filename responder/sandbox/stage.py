"""Plays a story in front of the daemon: its clock stands still while the daemon works, and jumps when it is idle.

So nothing is raced: three minutes of grace are three minutes however slow the machine is, and a night without mail
takes no time at all. The daemon knows nothing of it; it asks a clock, and tells when a round is done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from responder.errors import TemporaryError
from responder.sandbox.letters import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path

    from responder.ports import Clock, DecidedRow
    from responder.sandbox.servers import CapturedMail, SandboxImap, SandboxSmtp
    from responder.sandbox.story import Story, StoryMessage

#: A round takes milliseconds; a daemon that is silent for so long has lost its way.
ROUND_SECONDS = 15.0
#: A timer that is due and stays due (a retry, say) must not stop the clock.
LEAST_STEP = timedelta(minutes=1)


class RunningDaemon(Protocol):
    """The daemon as the stage sees it."""

    @property
    def task(self) -> asyncio.Task[None]:
        """Ends when the daemon does, with its error."""
        ...

    def wake(self) -> None:
        """Make it look again now."""
        ...

    async def decided(self) -> Sequence[DecidedRow]:
        """Return every message decided so far, newest first."""
        ...


class StartDaemon(Protocol):
    """Starts the daemon; leaving the context stops it."""

    def __call__(
        self, config_path: Path, *, state: Path, clock: Clock, on_round: Callable[[str, datetime | None], None]
    ) -> AbstractAsyncContextManager[RunningDaemon]:
        """Start it on that configuration file.

        Args:
            config_path: the file.
            state: the state directory; exists.
            clock: time.
            on_round: called in the running loop after each completed round, with nothing left to do before the
                instant it is given (None: before news).
        """
        ...


class Audience(Protocol):
    """Is told what happens on the stage."""

    async def arrived(self, message: StoryMessage) -> None:
        """Hear of a message that was just delivered."""
        ...

    async def settled(self, rows: Sequence[DecidedRow]) -> None:
        """Hear, after each step, of all that was decided so far, newest first."""
        ...


class StoryClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, starts_at: datetime) -> None:
        self._now_at = starts_at

    def now(self) -> datetime:
        """Return the present instant of the story, aware, in UTC."""
        return self._now_at

    def real_seconds(self, seconds: float) -> float:
        """Return the same number: whoever waits for this clock is woken when it has gone on."""
        return seconds

    def go_on(self, to_at: datetime) -> None:
        """Jump forward; never back."""
        self._now_at = max(self._now_at, to_at)


class Stage:
    """One story, its clock and its servers. Made inside a running event loop.

    Attributes:
        clock: stands at the story's beginning until it is played.
        replies: what the daemon sent, with the instants at which it left.
    """

    def __init__(self, story: Story, imap: SandboxImap, smtp: SandboxSmtp) -> None:
        self.clock = StoryClock(story.starts_at)
        self.replies: list[tuple[CapturedMail, datetime]] = []
        self._story = story
        self._imap = imap
        self._smtp = smtp
        self._next_at: datetime | None = None
        self._heard = asyncio.Event()
        for message in story.before:
            self._deliver(message)

    def on_round(self, _: str, next_at: datetime | None) -> None:
        """Take note of a round that the daemon completed."""
        self._next_at = next_at
        self._heard.set()

    async def play(self, daemon: RunningDaemon, audience: Audience) -> None:
        """Let the whole story happen to a daemon that was just started with this stage's clock.

        Raises:
            TemporaryError: it does not answer, or was stopped. If it failed, its own error is raised.
        """
        coming = deque(self._story.messages)
        await self._round(daemon)
        while self.clock.now() < self._story.ends_at:
            self.clock.go_on(self._next_event(coming))
            while coming and coming[0].at <= self.clock.now():
                message = coming.popleft()
                self._deliver(message)
                await audience.arrived(message)
            await self._settle(daemon)
            sent = self._smtp.taken[len(self.replies) :]
            self.replies.extend((mail, self.clock.now()) for mail in sent)
            await audience.settled(await daemon.decided())

    def _deliver(self, message: StoryMessage) -> None:
        self._imap.deliver(OWNER, message.raw, message.at, folder=message.folder, flags=message.flags)

    def _next_event(self, coming: Sequence[StoryMessage]) -> datetime:
        """Return the next instant at which something happens: a message, the daemon's own timer, or the end."""
        times = [self._story.ends_at]
        if coming:
            times.append(coming[0].at)
        if self._next_at is not None:
            now_at = self.clock.now()
            times.append(self._next_at if self._next_at > now_at else now_at + LEAST_STEP)
        return min(times)

    async def _settle(self, daemon: RunningDaemon) -> None:
        """Wait until the daemon has seen and done all that is there now.

        Two rounds: the first one to end may have begun before.
        """
        for _ in range(2):
            self._heard.clear()
            daemon.wake()
            await self._round(daemon)

    async def _round(self, daemon: RunningDaemon) -> None:
        heard = asyncio.create_task(self._heard.wait())
        try:
            await asyncio.wait({heard, daemon.task}, timeout=ROUND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if daemon.task.done():
                daemon.task.result()
                raise TemporaryError("the demo's daemon was stopped before the weekend was over")
            if not heard.done():
                raise TemporaryError(f"the demo's daemon did not answer for {ROUND_SECONDS:.0f} seconds")
        finally:
            heard.cancel()
