"""How the daemon's log looks: key=value on a terminal, JSON for the journal."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import sys
from typing import TextIO, cast

import structlog


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
    return _ENCODER.encode(event)


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
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
        ]
    else:
        processors += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Unbreakable())),
        cache_logger_on_first_use=True,
    )
