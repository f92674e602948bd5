"""How the daemon's log looks: key=value on a terminal, JSON for the journal."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from typing import TextIO, cast

import structlog


class _Unbreakable:
    """Standard error that may go away: a closed pipe or a full disk must not stop the mail."""

    def write(self, text: str) -> int:
        """Write, or lose the line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or leave it."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _as_json(event: object, **_: object) -> str:
    return _ENCODER.encode(event)


def configure() -> None:
    """Set structlog up. Control characters never reach the terminal or the journal raw: both renderers escape."""
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
    ]
    if sys.stderr.isatty():
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
