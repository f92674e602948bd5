"""Every implementation of a port, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from tests.contract.benches import KINDS, opened_bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from responder.ports import Ledger
    from tests.contract.benches import Bench

_REAL = ("postfix", "exim")


@pytest.fixture(params=["disk", "memory"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    """Return an empty ledger."""
    made = SqliteLedger.open(tmp_path / "ledger.db") if request.param == "disk" else SqliteLedger.in_memory()
    yield made
    await made.close()


@pytest.fixture(
    params=[pytest.param(kind, marks=pytest.mark.server if kind.startswith(_REAL) else ()) for kind in KINDS]
)
def placed(request: pytest.FixtureRequest) -> tuple[str, object]:
    """Return each kind of bench, and the real server that it needs."""
    kind: str = request.param
    return kind, next((request.getfixturevalue(name) for name in _REAL if kind.startswith(name)), None)


@pytest.fixture
async def bench(placed: tuple[str, object]) -> AsyncIterator[Bench]:
    """Return each bench on which an Outbox is tried."""
    async with opened_bench(*placed) as made:
        yield made
