"""What every Outbox promises, tried on the fake one and on the real one before each kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.core.model import Outcome
from responder.errors import ConfigurationError, TemporaryError
from tests.servers.outboxes import make_reply

if TYPE_CHECKING:
    from tests.contract.benches import Bench

HOSTILE = (
    "",
    "ivan",
    "@vostok.example",
    "ivan@",
    "<ivan@vostok.example>",
    "ivan@vostok.example>\r\nDATA",
    "ivan@vostok.example\r\nRCPT TO:<eve@evil.example>",
    "ivan@vostok.example\n",
    "ivan@vostok.example\x00",
    " ivan@vostok.example",
    "ivan@vostok.example ORCPT=rfc822;eve@evil.example",
    "ivan@vostok.example, eve@evil.example",
    "Ivan <ivan@vostok.example>",
    "ivan@vostok.example(comment)",
    '"ivan"@vostok.example',
    "ivan@[192.0.2.1]",
    "ivan@@vostok.example",
    "ivan@eve@vostok.example",
    "иван@vostok.example",
    "ivan@восток.example",
    "ivan@vostok..example",
    "a" * 65 + "@vostok.example",
    "ivan@" + ".".join(["vostok"] * 40),
    "@evil.example:ivan@vostok.example",
    "-oQ/tmp@vostok.example\t",
)


async def test_a_reply_arrives_as_it_is(bench: Bench) -> None:
    """Sender, recipient and every octet arrive unchanged, dots at the beginning of lines included."""
    text = b"Subject: x\r\n\r\n.\r\n..two\r\n.\r\nend\r\n"
    reply = make_reply("Ivan.P+tag@vostok.example", message=text)
    (sent,) = await bench.outbox.send([reply])
    assert sent.outcome == Outcome.DONE
    assert bench.arrived() == [("anna@example.com", "Ivan.P+tag@vostok.example", text)]


async def test_the_nth_answer_belongs_to_the_nth_reply(bench: Bench) -> None:
    """With a bad address in the middle, answers keep the order of the replies."""
    replies = [make_reply(f"c{n}@vostok.example") for n in range(9)]
    replies[4] = make_reply("two addresses@vostok.example")
    sent = await bench.outbox.send(replies)
    assert [answer.outcome for answer in sent] == [Outcome.DONE] * 4 + [Outcome.REFUSED] + [Outcome.DONE] * 4
    assert sorted(recipient for _, recipient, _ in bench.arrived()) == [
        reply.recipient for reply in replies if " " not in reply.recipient
    ]


async def test_nothing_to_send(bench: Bench) -> None:
    """No replies, no answers, no connection."""
    bench.cut_off()
    assert list(await bench.outbox.send([])) == []


@pytest.mark.parametrize("address", HOSTILE)
async def test_hostile_recipients_are_refused(bench: Bench, address: str) -> None:
    """What is not one plain address is refused in words, and no octet of it reaches the server."""
    (sent,) = await bench.outbox.send([make_reply(address)])
    assert sent.outcome == Outcome.REFUSED
    assert "not an address" in sent.detail
    assert sent.detail.isprintable()
    assert bench.arrived() == []


@pytest.mark.parametrize("address", [address for address in HOSTILE if address])
async def test_hostile_senders_are_refused(bench: Bench, address: str) -> None:
    """The envelope's sender passes the same gate."""
    (sent,) = await bench.outbox.send([make_reply("ivan@vostok.example", sender=address)])
    assert sent.outcome == Outcome.REFUSED
    assert bench.arrived() == []


@pytest.mark.parametrize("outcome", [Outcome.RETRY, Outcome.REFUSED, Outcome.IN_DOUBT])
async def test_the_server_decides(bench: Bench, outcome: Outcome) -> None:
    """Later is RETRY, no is REFUSED, silence after the text is IN_DOUBT; the next try is a new one."""
    reply = make_reply("ivan@vostok.example")
    bench.server_says(reply.recipient, outcome)
    (sent,) = await bench.outbox.send([reply])
    assert sent.outcome == outcome
    assert sent.detail
    assert len(bench.arrived()) == (outcome is Outcome.IN_DOUBT and bench.keeps_what_is_in_doubt)
    (again,) = await bench.outbox.send([reply])
    assert again.outcome == Outcome.DONE


async def test_a_refused_login_is_the_owners_to_mend(bench: Bench) -> None:
    """A refused login raises ConfigurationError from send and probe, and nothing is sent."""
    bench.refuse_login()
    with pytest.raises(ConfigurationError, match="nothing was sent"):
        await bench.outbox.send([make_reply("ivan@vostok.example")] * 3)
    with pytest.raises(ConfigurationError):
        await bench.outbox.probe()
    assert bench.arrived() == []


async def test_without_a_server_everything_waits(bench: Bench) -> None:
    """No connection: each reply is RETRY with a reason, and probe raises TemporaryError."""
    bench.cut_off()
    sent = await bench.outbox.send([make_reply(f"c{n}@vostok.example") for n in range(6)])
    assert [answer.outcome for answer in sent] == [Outcome.RETRY] * 6
    assert all("nobody listens there" in answer.detail for answer in sent)
    with pytest.raises(TemporaryError):
        await bench.outbox.probe()


async def test_probe_says_what_is_offered(bench: Bench) -> None:
    """Probe names the six things ``check`` shows, and sends nothing."""
    offered = await bench.outbox.probe()
    assert set(offered) == {"server", "tls", "size", "dsn", "auth", "smtputf8"}
    assert bench.arrived() == []


async def test_close_may_come_at_any_time(bench: Bench) -> None:
    """Closing twice is fine, and a closed outbox connects anew."""
    await bench.outbox.close()
    await bench.outbox.send([make_reply("ivan@vostok.example")])
    await bench.outbox.close()
    await bench.outbox.close()
    (sent,) = await bench.outbox.send([make_reply("ivan@vostok.example")])
    assert sent.outcome == Outcome.DONE
