"""Killed, by SIGKILL, where it matters most, and started again: a sample of the matrix in tests/faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.crash import Ward, Zygote
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server

#: How replies go out, and points around which a reply, a copy, a draft or a mail could be doubled or lost.
SAMPLE = (
    ("send", "ledger after COMMIT", 1),
    ("send", "ledger after COMMIT", 2),
    ("send", "smtp before the text", 1),
    ("send", "smtp sent the text", 2),
    ("send", "ledger before COMMIT", 3),
    ("send", "imap sent APPEND", 1),
    ("send", "imap answered UID MOVE", 1),
    ("draft", "imap sent APPEND", 2),
)


async def test_killed_at_the_worst_moments(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it dies: each mail filed once, at most one reply for each client, what is held is shown."""
    with Zygote() as zygote:
        async with SmtpSink() as sink:
            for number, (mode, kind, which) in enumerate(SAMPLE):
                ward = Ward(dovecot_rich, zygote, f"{user}-{number}", tmp_path / str(number), mode)
                patient = await ward.admit(sink)
                assert (await patient.run(kind, which)).killed
                await patient.rest(capsys)
