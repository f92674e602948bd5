"""Meters as Prometheus reads them: the library's own words, from a registry of our own, and the file of node_exporter.

Only this module names prometheus-client, which is an extra; it is imported when the first page is made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from responder.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from responder.meters import Meter

_PREFIX = "responder_"
#: node_exporter runs as another user, and nothing in the file is anybody's secret.
_MODE = 0o644


class _Collector:
    """Hands a list of meters to the library. Without the moments at which series began, which only double the page."""

    def __init__(self, meters: Iterable[Meter]) -> None:
        self._meters = tuple(meters)

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - an extra

        for meter in self._meters:
            family = CounterMetricFamily if meter.kind == "counter" else GaugeMetricFamily
            made = family(_PREFIX + meter.name, meter.meaning, labels=meter.labels)
            for labels, value in meter.samples:
                made.add_metric(labels, value)
            yield made


def page(meters: Iterable[Meter], accept: str = "") -> tuple[bytes, str]:
    """Return the page in the form that the reader's Accept field asks for, and its content type."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - an extra
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(meters))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def write(path: Path, meters: Iterable[Meter]) -> None:
    """Put the page into a file, whole at every moment, readable for everybody.

    Raises:
        TemporaryError: it cannot be written there.
    """
    text, _ = page(meters)
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of a process that was killed
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)  # whatever the umask
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        raise TemporaryError(
            f"cannot write the figures to {path}: {error.strerror}; does the folder exist, is it the service's to write"
            f" to, and does the unit allow it (ReadWritePaths={path.parent}, by `systemctl edit responder`)?"
        ) from error
