"""Rules that change in the middle of a round, over fakes with behaviour: what began by the old ones ends by them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from responder.core.facts import HEADER_FIELDS
from tests.fakes.mailbox import FakeMailbox
from tests.test_engine import World, world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from responder.core.model import Body

__all__ = ["world"]


class SlowMailbox(FakeMailbox):
    """A mailbox during whose fetches something else happens."""

    meanwhile: Callable[[], None]

    async def bodies(self, uids: Sequence[int], *, octets: int) -> Mapping[int, Body]:
        """Fetch, while it happens."""
        self.meanwhile()
        return await super().bodies(uids, octets=octets)


async def test_a_client_taken_out_of_the_rules_in_the_middle_of_a_round(world: World) -> None:
    """A mail is read, judged and answered by one policy; a client that is gone meanwhile is a stranger afterwards."""
    mailbox = SlowMailbox(world.server, header_fields=HEADER_FIELDS)
    old = world.rules.policy

    def taken_out() -> None:
        world.rules.policy = replace(old, clients=())

    mailbox.meanwhile = taken_out
    world.mailbox = mailbox
    engine = world.engine()
    await engine.begin()
    world.arrive("ivan@vostok.example")
    await engine.round()
    world.arrive("kolya@vostok.example")
    await engine.round()
    assert [reply.address for reply in world.outbox.sent] == ["ivan@vostok.example"]
    assert [row.entry.reason for row in await world.ledger.decided(last=9)] == ["stranger", "full"]
