"""Mail that comes while a round is at work: a server tells of it once, in the answer to another command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.contract.worlds import ServerWorld, letter

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.server


async def test_news_told_outside_idle_ends_the_next_wait(dovecot_rich: Dovecot, user: str) -> None:
    """The next wait returns at once, though IDLE would tell nothing any more; after a scan it waits again."""
    world = ServerWorld(dovecot_rich, user)
    world.deliver(letter(1))
    mailbox = world.mailbox()
    await mailbox.open()
    await mailbox.scan(1)
    world.deliver(letter(2))
    await mailbox.find("<nobody@example.org>")  # its NOOP hears of the new mail
    async with asyncio.timeout(5):
        assert await mailbox.wait(60)
    assert (await mailbox.scan(2))[1] == [2]
    assert not await mailbox.wait(0.01)
    await mailbox.close()
