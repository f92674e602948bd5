"""Keeps the figures of ``[metrics]`` where the settings in force want them: a page, a file, both or nowhere.

It promises the daemon that nothing about figures ever stops the mail: what cannot be had is said once, and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from responder.adapters import metrics_text
from responder.adapters.metrics_page import MetricsPage
from responder.errors import ResponderError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from responder.config import MetricsSettings
    from responder.meters import Meter

    #: Reads the meters; the argument tells whether the service goes on running.
    Gather = Callable[[bool], Awaitable[Sequence[Meter]]]

#: How often the file is written, and a port that was taken asked for again.
EVERY = 30.0

log = structlog.get_logger()


class Exporter:
    """The task behind ``[metrics]``.

    Args:
        gather: reads the meters.
        wanted: returns the settings in force.
    """

    def __init__(self, gather: Gather, wanted: Callable[[], MetricsSettings]) -> None:
        self._gather = gather
        self._wanted = wanted
        self._page = MetricsPage(self._make)
        self._listening: tuple[str, int] | None = None
        self._called = asyncio.Event()
        #: Why the figures are not where they are wanted; "" when they are, or are wanted nowhere.
        self.trouble = ""

    def call(self) -> None:
        """Look at the settings again now."""
        self._called.set()

    async def run(self) -> None:
        """Follow the settings until cancelled."""
        while True:
            await self._follow()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), EVERY)
            self._called.clear()

    async def close(self) -> None:
        """Take the page away, and leave a file that says that nobody is at work; never raises."""
        await self._page.close()
        await self.write(running=False)

    async def write(self, *, running: bool) -> str:
        """Write the file, if one is wanted; return why that failed, "" if it did not."""
        path = self._wanted().textfile
        if path is None:
            return ""
        try:
            metrics_text.write(path, await self._gather(running))
        except ResponderError as error:
            return str(error)
        except Exception:  # a defect of ours or the library's: visible, and the mail goes on
            log.exception("unexpected", about="the figures' file")
            return "the figures' file could not be written: see the log"
        return ""

    async def _follow(self) -> None:
        troubles = [await self._listen(), await self.write(running=True)]
        trouble = "; ".join(one for one in troubles if one)
        if trouble and trouble != self.trouble:
            log.warning("no figures; the mail goes on", problem=trouble)
        self.trouble = trouble

    async def _listen(self) -> str:
        wanted = self._wanted().listen
        if wanted != self._listening:
            await self._page.close()
            self._listening = None
            if wanted is not None:
                try:
                    await self._page.open(*wanted)
                except TemporaryError as error:
                    return str(error)
                self._listening = wanted
                log.info("figures", at=f"http://{wanted[0]}:{wanted[1]}/metrics")
        return ""

    async def _make(self, accept: str) -> tuple[bytes, str]:
        try:
            return metrics_text.page(await self._gather(True), accept)
        except ResponderError:
            raise
        except Exception as error:
            log.exception("unexpected", about="the page of figures")
            raise TemporaryError("the figures could not be read: see the log of the service") from error
