"""The service is killed again while it recovers from the first death: nothing twice, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.crash import MOST, say
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from tests.e2e.crash import Ward

pytestmark = [pytest.mark.server, pytest.mark.matrix]

#: What a first death leaves in the world that the ledger does not know of.
UNSURE = (
    "imap sent APPEND",
    "imap answered UID COPY",
    "imap answered UID STORE",
    "imap answered UID MOVE",
    "smtp sent the text",
)


@pytest.mark.parametrize("mode", ["send", "draft"], indirect=True)
async def test_dies_again_while_it_recovers(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """A second death, at each step of the recovery from the first, changes nothing."""
    cells = 0
    async with SmtpSink() as sink:
        trial = await (await ward.admit(sink)).run()
        for first in UNSURE:
            for which in range(1, trial.points.count(first) + 1):
                for second in ("ledger after", "imap sent", "imap answered UID EXPUNGE"):
                    for number in range(1, MOST):
                        patient = await ward.admit(sink)
                        await patient.run(first, which)
                        ended = await patient.run(second, number)
                        await patient.rest(capsys)
                        cells += 1
                        if not ended.killed:
                            break
    say(capsys, f"{cells} pairs of deaths")
    assert cells > 20
