"""The benchmark itself, small: it answers half of the mail, files it, and its table and aims come out."""

from __future__ import annotations

import pytest

from tests.bench import backlog, table
from tests.bench.__main__ import report
from tests.servers.dovecot import missing

pytestmark = pytest.mark.server

COUNT = 200


@pytest.fixture(autouse=True)
def _server() -> None:
    if reason := missing():
        pytest.skip(f"needs a real server: {reason}")


def test_half_of_the_mail_is_answered_and_filed(capsys: pytest.CaptureFixture[str]) -> None:
    """Floor and program answer and file the same half; every row, part and aim is printed with a figure."""
    legs, daily = report([COUNT], 1, with_autofiler=False, deliveries=2, idle=1)
    by = {leg.strategy: leg for leg in legs}
    assert by[backlog.FLOOR].said["replies"] == COUNT // 2
    assert by[backlog.RESPONDER].said["replies"] == COUNT // 2
    assert [leg.filed for leg in legs] == [COUNT // 2, COUNT // 2]
    assert by[backlog.RESPONDER].said["messages"]["read headers"] == COUNT
    assert by[backlog.RESPONDER].said["messages"]["read texts"] == COUNT // 2
    assert daily is not None
    assert len(daily.reactions) == 2
    assert all(0 < seconds < 10 for seconds in daily.reactions)
    said = capsys.readouterr().out
    for leg in legs:
        assert f"{leg.per_second:,.0f}" in said
    assert "send replies" in said
    assert all(str(aim) in said for aim in table.aims(legs, daily))
    assert sum(line.startswith(("met ", "missed ")) for line in said.splitlines()) == 9
