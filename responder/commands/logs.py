"""How the daemon's log looks: key=value on a terminal, JSON for the journal.

Promises that no full address gets into it and that one event is one line, whatever a message, a server or a traceback
says: what the rooms below shorten already is shortened here once more, at the door.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

#: A local part that stands whole; one that is shortened already ends in "…". At most so long, so that time is linear.
_LOCAL = re.compile(r"([^\s<>@()\[\]\"',;:=\\])[^\s<>@()\[\]\"',;:=\\]{0,80}(?<!…)@(?=[^\s@])")
#: Our own Message-IDs are no addresses: a seal of the install secret, by which a provider's log can be searched.
_OWN_IDS = "message_id"
#: Frames of a traceback, innermost first, and errors of a chain: enough to find the place.
_MOST_FRAMES = 8
#: Characters of what a library says.
_MOST_WORDS = 200
#: What JSON lets through and a terminal obeys, or a reader is deceived by.
_RAW = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")


class _Unbreakable:
    """Standard error that may go away: a closed pipe or a full disk must not stop the mail."""

    def write(self, text: str) -> int:
        """Write, or lose the line."""
        if stream := _stream():
            with contextlib.suppress(OSError, ValueError):
                stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or leave it."""
        if stream := _stream():
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def _stream() -> TextIO | None:
    """Return standard error; None where it was closed before we began."""
    return cast("TextIO | None", sys.stderr)


def _let_go() -> None:
    """Give up what could not be written: a log that is full or gone is no reason to end with a status of failure."""
    if (stream := _stream()) is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _as_json(event: object, **_: object) -> str:
    return _RAW.sub(lambda match: f"\\u{ord(match[0]):04x}", _ENCODER.encode(event))


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return _LOCAL.sub(r"\1…@", value) if "@" in value else value
    if isinstance(value, list | tuple | set | frozenset):
        return [_shortened(one) for one in cast("Iterable[object]", value)]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _shortened(repr(value))


def shorten_addresses(logger: object, name: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Shorten every address in every value, those in a server's words and in a traceback too."""
    del logger, name
    for key, value in event.items():
        if key != _OWN_IDS:
            event[key] = _shortened(value)
    return event


def brief_traceback(logger: object, name: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Replace an exception by where it was raised and what it is; not by its words, which may be a message's."""
    del logger, name
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = cast("tuple[object, ...]", given)[1]
    found: object = sys.exc_info()[1] if given is True else given
    if not isinstance(found, BaseException):
        return event
    error: BaseException | None = found
    told: list[str] = []
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        told.append(f"{type(error).__name__} at {places}" if places else type(error).__name__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    event["exception"] = "; caused by ".join(told[:_MOST_FRAMES])
    return event


class _Bridge(logging.Handler):
    """What the libraries log through the standard library, as lines of ours: the first words, never the values."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        words = str(record.msg).partition("\n")[0][:_MOST_WORDS]
        level = min(max(record.levelno, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(level, "library", library=record.name, words=words, exc_info=record.exc_info)


def configure() -> None:
    """Set structlog up. Control characters never reach the terminal or the journal raw: both renderers escape."""
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
    ]
    atexit.register(_let_go)
    stream = _stream()
    if stream is not None and stream.isatty():
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            brief_traceback,
            shorten_addresses,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
        ]
    else:
        processors += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            brief_traceback,
            shorten_addresses,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Unbreakable())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Bridge(level=logging.WARNING)], level=logging.WARNING, force=True)
