"""Where the figures go: nowhere unless asked for, and only with the library that makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from responder.config import MetricsSettings, checks
from responder.errors import how_to_add

if TYPE_CHECKING:
    from tests.config.conftest import Desk


def test_without_the_table_there_are_no_figures(desk: Desk) -> None:
    """Nothing listens and nothing is written unless the owner asks for it."""
    assert desk.load().settings.metrics == MetricsSettings()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("127.0.0.1:9469", ("127.0.0.1", 9469)),
        ("[::1]:9469", ("::1", 9469)),
        ("localhost:1", ("localhost", 1)),
        ("127.0.0.5:65535", ("127.0.0.5", 65535)),
    ],
)
def test_this_machine_has_several_names(desk: Desk, written: str, read: tuple[str, int]) -> None:
    """Every loopback address may listen."""
    desk.changed(("[ledger]", f'[metrics]\nlisten = "{written}"\n[ledger]'))
    assert desk.load().settings.metrics.listen == read


def test_a_relative_file_lies_beside_the_configuration(desk: Desk) -> None:
    """As every file that the configuration names."""
    desk.changed(("[ledger]", '[metrics]\ntextfile = "responder.prom"\n[ledger]'))
    assert desk.load().settings.metrics.textfile == desk.config.parent / "responder.prom"
    desk.changed(('"responder.prom"', '"/var/lib/x.prom"'))
    assert desk.load().settings.metrics.textfile == Path("/var/lib/x.prom")


def test_without_the_library_it_is_a_fault_that_names_the_extra(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is refused at once, not when Prometheus asks; without figures nothing is missed."""
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    assert desk.load().settings.metrics == MetricsSettings()
    desk.changed(("[ledger]", '[metrics]\nlisten = "127.0.0.1:9469"\n[ledger]'))
    said = desk.only()
    assert said.startswith("config.toml:38: metrics: figures need the library prometheus-client")
    assert how_to_add("metrics") in said
