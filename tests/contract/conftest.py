"""Every implementation of a port, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from responder.ports import Ledger


@pytest.fixture(params=["disk", "memory"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    """Return an empty ledger."""
    made = SqliteLedger.open(tmp_path / "ledger.db") if request.param == "disk" else SqliteLedger.in_memory()
    yield made
    await made.close()
