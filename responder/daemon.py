"""Keeps the line moving: one task per mailbox, timers, signals, reload, and what systemd is told.

What it promises: a dead session is rebuilt with a growing, jittered delay, and no answers of a server make it a busy
loop; a bad file on reload leaves the old rules in force and says so; the watchdog is fed only while every mailbox
moves; a stop finishes the round it is in, so that no reply is cut in two.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from responder import config, meters
from responder.adapters.alerts import give_alert
from responder.adapters.ledger import SqliteLedger
from responder.adapters.notify import Notifier
from responder.assessing import Rules
from responder.engine import Engine
from responder.entries import looked_at_key
from responder.errors import ClockError, ConfigurationError, PermanentError, ResponderError, TemporaryError
from responder.exporter import Exporter
from responder.morning import MorningDuty
from responder.pace import PATIENCE, WAKE_SECONDS, Pace, Patience
from responder.premises import build_mailbox, build_outbox, install_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from responder.config import Loaded, MailboxSettings, Stamp
    from responder.ports import Clock, Duty, Mailbox, Outbox

#: A mailbox that has not moved for this part of the watchdog's time is stuck. Of the unit's fifteen minutes that is
#: more than the ten that RFC 5321 section 4.5.3.2.6 gives a server after the dot.
STUCK_SHARE = 0.75
#: A wait for mail ends, and shows that the mailbox moves, at least so often in the watchdog's time.
MOVES_IN_TIME = 4
#: The longest sleep without a sign of life to the watchdog.
SLICE = 20.0
#: How often the ledger learns that the mailbox was looked at: often enough for ``status``, rarely enough for the disk.
NOTE_EVERY = 60.0
#: A file that nobody wrote to for so many seconds is written to its end.
RESTED = 2.0
#: Old messages are forgotten once a day.
PRUNE_EVERY = 86_400.0

#: The state of a line whose settings have changed: it ends after its round.
REPLACED = "replaced"
#: The state of a line that has a session in good order.
WATCHING = "watching"

log = structlog.get_logger()


@dataclass(slots=True)
class Line:
    """One mailbox's machinery and its signs of life. ``moved`` and ``noted`` are on the monotonic clock.

    ``called`` is set when the mailbox is to look up from whatever pause it makes; ``hasty``: the last wait ended early.
    """

    name: str
    poll: timedelta
    pace: Pace
    mailbox: Mailbox
    outbox: Outbox
    engine: Engine
    moved: float = 0.0
    state: str = "starting"
    looked_at: datetime | None = None
    noted: float = -NOTE_EVERY
    told: str = ""
    second_at: datetime | None = None
    hasty: bool = False
    called: asyncio.Event = field(default_factory=asyncio.Event)

    def call(self) -> None:
        """Make it look again now, or end."""
        self.pace.called()
        self.called.set()
        self.mailbox.wake()


class Daemon:
    """The running service.

    Args:
        loaded: the configuration.
        state: the state directory; exists.
        clock: time.
        environ: the environment, for secrets and systemd.
        on_round: called after each completed round with the mailbox's name and the instant it wants to look again.
        patience: how long servers are waited for, and how soon they are asked again.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        state: Path,
        clock: Clock,
        environ: Mapping[str, str],
        on_round: Callable[[str, datetime | None], None] | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        self._loaded = loaded
        self._state = state
        self._clock = clock
        self._environ = environ
        self._on_round = on_round
        self._patience = patience
        self._rules = Rules(policy=loaded.policy)
        self._lock = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._notifier = Notifier(environ)
        self._watchdog = self._notifier.watchdog_seconds or math.inf
        self._secret = install_secret(state)
        self._ledger = SqliteLedger.open(state / "ledger.sqlite3")
        self._stamp = loaded.stamp
        self._lines: dict[str, Line] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._change: asyncio.Task[None] | None = None
        self._fatal: ResponderError | None = None
        self._config_trouble = ""
        self._reload_asked = False
        self._changed: tuple[Stamp, float] | None = None
        self._pruned = -PRUNE_EVERY
        self._tally = meters.Tally(started_at=clock.now())
        self._config_errors = 0
        self._exporter = Exporter(self._meters, lambda: self._loaded.settings.metrics)

    # ---------------------------------------------------------------------------------------- outside

    async def run(self) -> None:
        """Run until ``stop``; raises what made going on pointless."""
        loop = asyncio.get_running_loop()
        for number, act in ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self.reload)):
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread: the demo's
                loop.add_signal_handler(number, act)
        await self._ledger.note("started_at", self._clock.now().isoformat())
        await self._ledger.note("config", "")
        self._start_lines()
        watchdog = asyncio.create_task(self._feed_watchdog())
        figures = asyncio.create_task(self._exporter.run())
        self._notifier.ready(self._status())
        try:
            await self._stopping.wait()
        finally:
            self._notifier.stopping()
            watchdog.cancel()
            await self._stop_lines(tuple(self._lines))
            figures.cancel()
            await asyncio.gather(figures, return_exceptions=True)
            await self._exporter.close()
            with contextlib.suppress(ResponderError):  # it may be what stopped us
                await self._ledger.note("stopped_at", self._clock.now().isoformat())
            await self._ledger.close()
        if self._fatal is not None:
            raise self._fatal

    async def once(self) -> None:
        """Handle what is there, in every mailbox, and return; raises the first error after all were tried."""
        errors: list[ResponderError] = []
        try:
            for settings in self._loaded.settings.mailboxes:
                line = self._line(settings)
                try:
                    await self._begin(line)
                    await line.engine.round()
                    await self._note(line, force=True)
                    await self._tell_trouble(line, line.engine.trouble)
                    if line.engine.trouble:
                        errors.append(ConfigurationError(line.engine.trouble))
                except ResponderError as error:
                    errors.append(error)
                finally:
                    await line.mailbox.close()
                    await line.outbox.close()
            if trouble := await self._exporter.write(running=False):
                log.warning("no figures; the mail goes on", problem=trouble)
        finally:
            await self._ledger.close()
        if errors:
            raise errors[0]

    def stop(self) -> None:
        """Finish the rounds that run, then end."""
        self._stopping.set()
        self.wake()

    def wake(self) -> None:
        """Make every mailbox look again now."""
        for line in self._lines.values():
            line.call()

    def reload(self) -> None:
        """Read the configuration again, soon; however often this is asked until then, it is read once."""
        if not self._reload_asked:
            self._reload_asked = True
            self._notifier.reloading()
            asyncio.get_running_loop().call_soon(self._reload)

    def _reload(self) -> None:
        self._reload_asked = False
        try:
            self._read_again()
        finally:  # whatever happens, systemd is not left waiting
            self.wake()
            self._exporter.call()
            self._notifier.ready(self._status())

    def _read_again(self) -> None:
        """Read the configuration; a bad one leaves the old rules in force and says so."""
        # Before the files are read: one that changes meanwhile is read again.
        self._stamp = config.stamp(self._loaded.settings)
        try:
            loaded = config.load(self._loaded.settings.path)
        except ConfigurationError as error:
            for problem in str(error).splitlines():
                log.error("configuration refused: the old rules stay in force", problem=problem)  # noqa: TRY400 - the same
            self._config_errors = len(str(error).splitlines())
            self._config_trouble = f"the file has errors, the old rules stay in force: {str(error).splitlines()[0]}"
        else:
            self._config_trouble, self._config_errors = "", 0
            same = loaded.settings.mailboxes == self._loaded.settings.mailboxes
            envelope = loaded.policy.replies.envelope == self._loaded.policy.replies.envelope
            self._loaded = loaded
            if same and envelope:
                self._rules.policy = loaded.policy
            for warning in loaded.warnings:
                log.warning("configuration", problem=str(warning))
            log.info("configuration read", file=str(loaded.settings.path))
            if not (same and envelope):
                self._restart_lines()

    # ------------------------------------------------------------------------------------------ lines

    def _line(self, settings: MailboxSettings) -> Line:
        mailbox = build_mailbox(settings, self._loaded, self._environ, state=self._state, patience=self._patience)
        outbox = build_outbox(
            settings,
            self._loaded,
            self._environ,
            state=self._state,
            late=lambda at: at <= self._clock.now(),
            patience=self._patience,
        )
        engine = Engine(
            mailbox=mailbox,
            outbox=outbox,
            ledger=self._ledger,
            clock=self._clock,
            rules=self._rules,
            secret=self._secret,
            lock=self._lock,
            alert=self._alert,
            alive=lambda: self._alive(settings.name),
            duties=self._duties_of(settings),
        )
        return Line(
            name=settings.name,
            poll=settings.poll,
            pace=Pace(
                self._patience,
                poll=self._clock.real_seconds(settings.poll.total_seconds()),
                now=time.monotonic(),
            ),
            mailbox=mailbox,
            outbox=outbox,
            engine=engine,
            moved=time.monotonic(),
        )

    def _duties_of(self, settings: MailboxSettings) -> list[Duty]:
        """Return what a mailbox sees to at set times; what concerns the owner as a whole is the first one's."""
        if settings.name != self._loaded.settings.mailboxes[0].name:
            return []
        return [MorningDuty(ledger=self._ledger, rules=self._rules, clock=self._clock, secret=self._secret)]

    def _start_lines(self) -> None:
        for settings in self._loaded.settings.mailboxes:
            line = self._line(settings)
            self._lines[settings.name] = line
            task = asyncio.create_task(self._keep(line), name=f"mailbox {settings.name}")
            task.add_done_callback(self._ended)
            self._tasks[settings.name] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A mailbox's task that died unasked would leave mail unanswered in silence: end, and be started anew."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal = PermanentError(f"{task.get_name()}: ended by {type(error).__name__}: {error}")
            self._stopping.set()

    def _restart_lines(self) -> None:
        """Let the old tasks finish their round, and start new ones with the new settings and rules.

        One change at a time: what is read while one runs is what the new tasks begin with.
        """
        for line in self._lines.values():
            line.state = REPLACED
            line.call()
        if self._change is None or self._change.done():
            self._change = asyncio.create_task(self._exchange_lines())

    async def _exchange_lines(self) -> None:
        while any(line.state == REPLACED for line in self._lines.values()):
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()
            self._lines.clear()
            gc.collect()  # the old lines hold descriptors, and the collector comes seldom by itself
            self._rules.policy = self._loaded.policy
            if not self._stopping.is_set():
                self._start_lines()

    async def _stop_lines(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._lines[name].call()
        if self._change is not None:
            await self._change
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _begin(self, line: Line) -> None:
        left_alone = await line.engine.begin()
        if left_alone is not None:
            log.info("first start: older messages are left alone; from now on", mailbox=line.name, older=left_alone)
        profile = line.mailbox.profile
        log.info(
            "mailbox open",
            mailbox=line.name,
            idle=profile.idle,
            move=profile.move,
            sent=profile.sent or "none: only weak evidence is left",
            marks=profile.keywords,
        )

    async def _keep(self, line: Line) -> None:
        """Keep one mailbox going: begin, rounds, waits; rebuild after a lost session."""
        while not self._done(line):
            began = time.monotonic()
            try:
                await self._begin(line)
                while not self._done(line):
                    self._moved(line, WATCHING)
                    next_at = await line.engine.round()
                    line.pace.looked()
                    self._moved(line, WATCHING)
                    line.looked_at = self._clock.now()
                    await self._note(line)
                    await self._tell_trouble(line, line.engine.trouble)
                    if self._on_round is not None:
                        self._on_round(line.name, next_at)
                    if not self._done(line):
                        await self._wait(line, self._pause(line, next_at))
                    self._look_at_files()
            except TemporaryError as error:
                delay = line.pace.lost(began, time.monotonic(), error.retry_after)
                self._tally.losses[line.name] += 1
                log.warning("session lost", mailbox=line.name, error=str(error), again_in=f"{delay:.0f} s")
                await self._tell_unreached(line, str(error))
                await self._rest(line, delay, str(error))
            except (ConfigurationError, ClockError) as error:
                refused = isinstance(error, ConfigurationError)
                event = "login refused" if refused else "the clock is not believed"
                log.error(event, mailbox=line.name, error=str(error))  # noqa: TRY400 - no traceback: the owner reads this
                await self._tell_trouble(line, str(error))
                await self._rest(line, self._patience.refused if refused else line.poll.total_seconds(), str(error))
            except PermanentError as error:
                self._fatal = error
                self._stopping.set()
            except Exception as error:  # a defect of ours: visible, and never a busy loop
                log.exception("unexpected", mailbox=line.name)
                self._tally.unexpected[line.name] += 1
                why = f"unexpected {type(error).__name__}"
                delay = line.pace.lost(began, time.monotonic())
                await self._tell_unreached(line, why)
                await self._rest(line, delay, why)
        await line.mailbox.close()
        await line.outbox.close()

    async def _wait(self, line: Line, seconds: float) -> None:
        """Wait for news; from a server that tells of some again and again where there are none, only by the clock."""
        if not line.engine.fruitful and line.hasty and (pause := line.pace.woken(time.monotonic())):
            line.hasty = False
            await self._sleep(line, min(pause, seconds))
            return
        began = time.monotonic()
        await line.mailbox.wait(seconds)
        line.hasty = time.monotonic() - began < min(seconds, WAKE_SECONDS)

    def _done(self, line: Line) -> bool:
        return self._stopping.is_set() or line.state == REPLACED

    def _pause(self, line: Line, next_at: datetime | None) -> float:
        pause = line.poll
        if next_at is not None:
            pause = min(pause, max(next_at - self._clock.now(), timedelta(0)))
        soon = RESTED if self._changed is not None else math.inf
        return min(self._clock.real_seconds(pause.total_seconds()), self._watchdog / MOVES_IN_TIME, soon)

    def _alive(self, name: str) -> None:
        """Note that a mailbox moves, in the middle of a round that may last long."""
        if (line := self._lines.get(name)) is not None:
            line.moved = time.monotonic()

    def _moved(self, line: Line, state: str) -> None:
        line.moved = time.monotonic()
        if line.state not in (REPLACED, state):
            line.state = state
            self._notifier.status(self._status())

    async def _sleep(self, line: Line, seconds: float) -> None:
        """Sleep until somebody calls, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.called.wait(), seconds)
        line.called.clear()

    async def _rest(self, line: Line, seconds: float, why: str) -> None:
        """Sleep before the next try, in slices, so that the watchdog knows that this is meant."""
        await line.mailbox.close()
        with contextlib.suppress(ResponderError):
            await self._ledger.note(f"mailbox.{line.name}.trouble", why)
        line.noted = -NOTE_EVERY  # the next good round takes it back at once
        ends = time.monotonic() + seconds
        while not self._done(line) and (left := ends - time.monotonic()) > 0:
            self._moved(line, f"waiting to try again: {why}")
            await self._sleep(line, min(SLICE, left, self._watchdog / MOVES_IN_TIME))
            self._look_at_files()

    # ------------------------------------------------------------------------------------- signs of life

    async def _note(self, line: Line, *, force: bool = False) -> None:
        elapsed = time.monotonic()
        # Not the clock's present instant: it may have been stepped since it was believed.
        now_at = line.engine.believed_at
        recent = elapsed - line.noted < NOTE_EVERY and line.second_at == line.engine.second_at
        if now_at is None or (recent and not force):
            return
        line.noted, line.second_at = elapsed, line.engine.second_at
        await self._ledger.note(looked_at_key(line.name), now_at.isoformat())
        await self._ledger.note(f"mailbox.{line.name}.trouble", line.engine.trouble)
        if line.engine.quirks:
            await self._ledger.note(f"mailbox.{line.name}.quirks", str(line.engine.quirks))
        if line.second_at is not None:
            await self._ledger.note(f"mailbox.{line.name}.second", line.second_at.isoformat())
        await self._ledger.note("config", self._config_trouble)
        await self._ledger.note("metrics", self._exporter.trouble)
        if elapsed - self._pruned >= PRUNE_EVERY:
            self._pruned = elapsed
            await self._ledger.prune(now_at - self._loaded.settings.keep)

    async def _meters(self, running: bool) -> Sequence[meters.Meter]:  # noqa: FBT001 - as the exporter calls it
        """Read the figures: what the ledger holds, and what this process knows of itself."""
        names = [settings.name for settings in self._loaded.settings.mailboxes]
        notes = await self._ledger.notes()
        looked = {name: datetime.fromisoformat(notes[key]) for name in names if (key := looked_at_key(name)) in notes}
        looked |= {name: at for name in names if (line := self._lines.get(name)) and (at := line.looked_at) is not None}
        present = meters.Present(
            running=running,
            mailboxes=names,
            looked_at=looked,
            watched=frozenset(line.name for line in self._lines.values() if running and line.state == WATCHING),
            config_errors=self._config_errors,
        )
        summary = await self._ledger.summary(self._clock.now())
        return tuple(meters.read(self._tally, present, summary, await self._ledger.counted()))

    async def _alert(self, text: str) -> None:
        """Tell the owner as ``[alerts]`` says; where it names nobody the log has to do."""
        log.warning("alert", text=text)
        settings = self._loaded.settings
        if settings.alerts_command or settings.alerts_apprise:
            await give_alert(text, settings, self._environ)

    async def _tell_trouble(self, line: Line, trouble: str, *, kind: str = "") -> None:
        """Alert once for each new trouble that the owner has to know; the same kind of trouble is no new one."""
        kind = kind or trouble
        if trouble and kind != line.told:
            try:
                await self._alert(f"{line.name}: {trouble}")
            except TemporaryError as error:
                log.warning("alert failed", error=str(error))
                return
        line.told = kind

    async def _tell_unreached(self, line: Line, why: str) -> None:
        """Alert once in an outage that lasts: a certificate that ran out is mended by nobody who does not know."""
        if line.pace.unreached(time.monotonic()):
            words = f"out of reach for {self._patience.unreached / 60:.0f} minutes; mail waits in INBOX. {why}"
            await self._tell_trouble(line, words, kind="out of reach")

    def _look_at_files(self) -> None:
        """Read a changed file once it has rested for a while: a half of it may be a file in good order."""
        stamp = config.stamp(self._loaded.settings)
        if stamp == self._stamp:
            self._changed = None
        elif self._changed is None or self._changed[0] != stamp:
            self._changed = (stamp, time.monotonic())
        elif time.monotonic() - self._changed[1] >= RESTED:
            self._changed = None
            self.reload()

    def _status(self) -> str:
        states = ", ".join(f"{line.name}: {line.state}" for line in self._lines.values()) or "starting"
        return f"{states}; {self._config_trouble}" if self._config_trouble else states

    async def _feed_watchdog(self) -> None:
        """Tell systemd that all is well only while every mailbox moves."""
        if self._watchdog == math.inf:
            return
        while True:
            now = time.monotonic()
            stuck = [line.name for line in self._lines.values() if now - line.moved > self._watchdog * STUCK_SHARE]
            if stuck:
                log.error("stuck: the watchdog is not fed", mailboxes=stuck)
            else:
                self._notifier.ping()
            await asyncio.sleep(self._watchdog / MOVES_IN_TIME)
