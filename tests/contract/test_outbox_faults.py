"""The SMTP adapter against a server that misbehaves at each step: never two mails, never a wrong verdict."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from responder.adapters import outbox as room
from responder.core.model import Outcome
from responder.errors import ConfigurationError, TemporaryError
from tests.servers.outboxes import TEXT, make_reply, smtp_outbox
from tests.servers.smtp import Act, Features, SmtpSink, delay, drop, reset, silence
from tests.servers.smtp import reply as answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from responder.ports import Sent

DONE, RETRY, REFUSED, DOUBT = Outcome.DONE, Outcome.RETRY, Outcome.REFUSED, Outcome.IN_DOUBT
IVAN = "ivan@vostok.example"
BREAKS = {"drop": drop(), "silence": silence(), "reset": reset()}
SHORT = 0.3  # seconds: long against loopback, short for a test
ODD = {
    "garbage": answer("no SMTP at all"),
    "endless": answer("250-" + "x" * 40_000),
    "halves": answer("250-first half"),
}

BEFORE_BODY = [
    (phase, act, RETRY)
    for phase in ("CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA")
    for act in (*BREAKS.values(), *ODD.values(), answer("421 4.3.2 closing"), answer("451 4.3.0 later"))
]
BEFORE_LOGIN_NO = [(phase, answer("554 5.3.2 no service for you"), RETRY) for phase in ("CONNECT", "EHLO")]
DEFINITE_NO = [
    (phase, answer(f"{code} 5.1.1 no"), REFUSED) for phase in ("MAIL", "RCPT", "DATA", "DOT") for code in (550, 554)
]
MISPAIRED = [(phase, answer("250 2.0.0 ok"), RETRY) for phase in ("CONNECT", "DATA")]
AFTER_BODY = [
    ("DOT", answer("451 4.3.0 later"), RETRY),
    ("DOT", answer("421 4.3.2 closing"), RETRY),
    *(("DOT", act, DOUBT) for act in (*BREAKS.values(), *ODD.values(), answer("354 still go ahead"))),
    *(("BODY", act, DOUBT) for act in BREAKS.values()),
    ("DOT", delay(SHORT / 2), DONE),
    ("DOT", answer("251 2.1.5 will forward"), DONE),
]
AFTER_VERDICT = [("QUIT", act, DONE) for act in (*BREAKS.values(), answer("421 closing"), answer("554 no"))]


@pytest.fixture(autouse=True)
def _brief_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "QUIT_SECONDS", SHORT)


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    """A server that wants a login."""
    async with SmtpSink(features=Features(user="anna@example.com", password="secret")) as made:
        yield made


async def _send(sink: SmtpSink, count: int = 1, **settings: object) -> Sequence[Sent]:
    async with smtp_outbox(sink, timeout=SHORT, data_timeout=SHORT, **settings) as outbox:
        return await outbox.send([make_reply(f"c{n}@vostok.example") for n in range(count)])


@pytest.mark.parametrize(
    ("phase", "act", "outcome"),
    BEFORE_BODY + BEFORE_LOGIN_NO + DEFINITE_NO + MISPAIRED + AFTER_BODY + AFTER_VERDICT,
    ids=lambda value: f"{value.kind}-{value.text[:3]}" if isinstance(value, Act) else str(value),
)
async def test_each_fault_at_each_step(sink: SmtpSink, phase: str, act: Act, outcome: Outcome) -> None:
    """The outcome says exactly what is known: nothing left, a definite code, or doubt."""
    sink.script[phase] = act
    (sent,) = await _send(sink)
    assert sent.outcome == outcome
    assert sent.detail
    assert len(sent.detail) < 400
    assert sink.count == (outcome is DONE or (outcome is DOUBT and phase == "DOT"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("535 5.7.8 bad credentials", "user name or password is wrong"),
        ("534 5.7.9 application-specific password required", "app password"),
        ("550 5.7.30 basic authentication is not supported", "takes no passwords"),
        ("535 5.7.139 authentication unsuccessful", "switched sending with a password off"),
    ],
)
async def test_a_refused_login_is_said_so_that_it_can_be_mended(sink: SmtpSink, text: str, words: str) -> None:
    """Each way a provider refuses a login has its own sentence; the login is tried once, over one connection."""
    sink.script["AUTH"] = answer(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        await _send(sink, count=8)
    assert "secret" not in str(caught.value)
    assert (sink.logins, sink.connections, sink.count) == (1, 1, 0)


@pytest.mark.parametrize(
    ("phase", "text", "outcome", "words"),
    [
        ("MAIL", "421 4.7.0 slow down", RETRY, "too busy"),
        ("MAIL", "550 5.7.30 basic authentication is not supported", REFUSED, "takes no passwords"),
        ("MAIL", "530 5.7.0 must issue STARTTLS first", REFUSED, "wants a login, or encryption"),
        ("RCPT", "550 5.1.1 unknown", REFUSED, "does not exist"),
        ("RCPT", "552 5.2.2 over quota", REFUSED, "mailbox is full"),
        ("DOT", "552 5.3.4 too big", REFUSED, "too large"),
        ("DOT", "554 5.7.1 rejected under suspicion of SPAM", REFUSED, "for spam"),
        ("DOT", "571 who knows", REFUSED, "571 who knows"),
    ],
)
async def test_refusals_are_said_in_words(sink: SmtpSink, phase: str, text: str, outcome: Outcome, words: str) -> None:
    """The detail says what the code means, and keeps the code."""
    sink.script[phase] = answer(text)
    (sent,) = await _send(sink)
    assert sent.outcome == outcome
    assert words in sent.detail
    assert text[:3] in sent.detail


async def test_a_servers_words_are_made_harmless(sink: SmtpSink) -> None:
    """Control characters and broken letters of an answer reach neither the ledger nor a terminal."""
    sink.script["RCPT"] = answer("550 \x1b[31m\xff\x00 bad \t\x85 " + "x" * 5000)
    (sent,) = await _send(sink)
    assert sent.detail.isprintable()
    assert sent.detail.encode()
    assert len(sent.detail) < 400


async def test_connections_are_reused_between_calls(sink: SmtpSink) -> None:
    """Ten calls need one connection and one login."""
    async with smtp_outbox(sink) as outbox:
        for _ in range(10):
            assert (await outbox.send([make_reply(IVAN)]))[0].outcome == DONE
        assert outbox.traffic.connections == sink.connections == sink.logins == 1
        assert outbox.traffic.round_trips == 40
        assert outbox.traffic.octets_sent > 10 * len(TEXT)


async def test_many_replies_use_four_connections(sink: SmtpSink) -> None:
    """A hundred replies are spread over four connections, each sent once; the next call opens none."""
    sink.script["DOT"] = [delay(0.02)] * 4  # each connection gets its share
    async with smtp_outbox(sink) as outbox:
        replies = [make_reply(f"c{n}@vostok.example") for n in range(100)]
        assert {sent.outcome for sent in await outbox.send(replies)} == {DONE}
        assert {mail.connection for mail in sink.mails} == {1, 2, 3, 4}
        assert sorted(mail.recipient for mail in sink.mails) == sorted(reply.recipient for reply in replies)
        await outbox.send(replies)
        assert sink.connections == 4


async def test_calls_at_once_share_the_connections(sink: SmtpSink) -> None:
    """Two calls at the same moment do not double the connections."""
    async with smtp_outbox(sink) as outbox:
        replies = [make_reply(f"c{n}@vostok.example") for n in range(20)]
        both = await asyncio.gather(outbox.send(replies), outbox.send(replies))
        assert {sent.outcome for each in both for sent in each} == {DONE}
        assert sink.connections <= 4
        assert sink.count == 40


@pytest.mark.parametrize("act", [*BREAKS.values(), answer("421 4.4.2 idle too long")])
async def test_a_dead_idle_connection_is_replaced(sink: SmtpSink, act: Act) -> None:
    """A kept connection found dead at MAIL is replaced, and the reply leaves exactly once."""
    async with smtp_outbox(sink, timeout=SHORT) as outbox:
        await outbox.send([make_reply(IVAN)])
        sink.script["MAIL"] = [act]
        (sent,) = await outbox.send([make_reply("second@vostok.example")])
        assert sent.outcome == DONE
    assert [mail.recipient for mail in sink.mails] == [IVAN, "second@vostok.example"]
    assert sink.connections == 2


async def test_a_server_that_hung_up_meanwhile_is_called_again(sink: SmtpSink) -> None:
    """A connection the server closed while idle is not used again, and nothing is sent twice."""
    async with smtp_outbox(sink) as outbox:
        await outbox.send([make_reply(IVAN)])
        for session in list(sink.open_connections):
            session.transport.close()
        (sent,) = await outbox.send([make_reply("second@vostok.example")])
        assert sent.outcome == DONE
    assert [mail.recipient for mail in sink.mails] == [IVAN, "second@vostok.example"]


async def test_a_text_in_doubt_is_never_sent_again(sink: SmtpSink) -> None:
    """On a kept connection too, silence after the text is doubt and not a reason for a second try."""
    async with smtp_outbox(sink, data_timeout=SHORT) as outbox:
        await outbox.send([make_reply(IVAN)])
        sink.script["DOT"] = drop()
        (sent,) = await outbox.send([make_reply("second@vostok.example")])
        assert sent.outcome == DOUBT
    assert [mail.recipient for mail in sink.mails] == [IVAN, "second@vostok.example"]


async def test_after_a_refusal_the_connection_serves_on(sink: SmtpSink) -> None:
    """A refusal in the middle is followed by RSET, and the others leave over the same connection."""
    sink.script["RCPT"] = [None, answer("550 5.1.1 no")]
    sent = await _send(sink, count=4, connections=1)
    assert [each.outcome for each in sent] == [DONE, REFUSED, DONE, DONE]
    assert (sink.connections, sink.lines.count(b"RSET")) == (1, 1)


@pytest.mark.parametrize("act", [*BREAKS.values(), answer("451 later")])
async def test_a_failing_rset_costs_a_connection_only(sink: SmtpSink, act: Act) -> None:
    """When RSET fails, a new connection carries the next reply."""
    sink.script |= {"RCPT": [answer("550 5.1.1 no")], "RSET": act}
    sent = await _send(sink, count=2, connections=1)
    assert [each.outcome for each in sent] == [REFUSED, DONE]
    assert sink.connections == 2


async def test_a_server_that_hangs_up_on_newcomers_is_left_alone(sink: SmtpSink) -> None:
    """When fresh connections die, the queue waits: at most one try for each connection."""
    sink.script["MAIL"] = drop()
    sent = await _send(sink, count=50)
    assert {each.outcome for each in sent} == {RETRY}
    assert sink.connections <= 4


async def test_a_limit_on_connections_leaves_the_others_working(sink: SmtpSink) -> None:
    """Where the server admits one connection, that one carries everything."""
    sink.script["CONNECT"] = [None, *[answer("421 4.7.0 too many connections")] * 9]
    sink.script["MAIL"] = [delay(0.02)]
    sent = await _send(sink, count=20)
    assert {each.outcome for each in sent} == {DONE}
    assert {mail.connection for mail in sink.mails} == {1}


async def test_doubt_stops_that_connection(sink: SmtpSink) -> None:
    """A server that goes silent after a text is not given the rest of the queue."""
    sink.script["DOT"] = silence()
    sent = await _send(sink, count=20, connections=2)
    outcomes = [each.outcome for each in sent]
    assert outcomes.count(DOUBT) == 2
    assert outcomes.count(RETRY) == 18
    assert sink.count == 2


async def test_doubt_stops_a_proven_connection_too(sink: SmtpSink) -> None:
    """When the server begins to hang up after texts, one is in doubt and the rest waits."""
    sink.script["DOT"] = [None, *[drop()] * 20]
    sent = await _send(sink, count=10, connections=1)
    assert [each.outcome for each in sent] == [DONE, DOUBT] + [RETRY] * 8
    assert (sink.count, sink.connections) == (2, 1)


async def test_an_idle_connection_is_closed(sink: SmtpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection says QUIT and goes when nothing was sent for a while."""
    monkeypatch.setattr(room, "IDLE_SECONDS", 0.05)
    async with smtp_outbox(sink) as outbox:
        await outbox.send([make_reply(IVAN)])
        async with asyncio.timeout(5):
            while sink.open_connections:  # noqa: ASYNC110 - the other side of a real socket
                await asyncio.sleep(0.01)
        assert sink.lines[-1] == b"QUIT"
        assert (await outbox.send([make_reply(IVAN)]))[0].outcome == DONE


async def test_a_cancelled_send_leaves_no_half_used_connection(sink: SmtpSink) -> None:
    """When a send is cancelled in the middle of a text, its connection is cut and never used again."""
    sink.script["DOT"] = [silence()]
    async with smtp_outbox(sink) as outbox:
        task = asyncio.create_task(outbox.send([make_reply(IVAN)]))
        await sink.arrived(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (sent,) = await outbox.send([make_reply("second@vostok.example")])
        assert sent.outcome == DONE
    assert sink.connections == 2


@pytest.mark.parametrize("dsn", [True, False])
@pytest.mark.parametrize("size", [None, 1_000_000])
async def test_the_envelope_uses_what_is_offered(sink: SmtpSink, *, dsn: bool, size: int | None) -> None:
    """NOTIFY=NEVER, SIZE and BODY=8BITMIME stand in the envelope exactly where the server offers them."""
    sink.features.dsn, sink.features.size = dsn, size
    text = "Subject: x\r\n\r\nпривет\r\n".encode()
    async with smtp_outbox(sink) as outbox:
        await outbox.send([make_reply(IVAN, message=text)])
    (mail,) = sink.mails
    assert mail.rcpt_options == (("NOTIFY=NEVER",) if dsn else ())
    assert mail.mail_options == ((f"SIZE={len(text)}",) if size else ()) + ("BODY=8BITMIME",)
    assert mail.data == text


async def test_the_empty_envelope(sink: SmtpSink) -> None:
    """With the empty envelope the reply leaves as MAIL FROM:<>, whatever its sender says."""
    async with smtp_outbox(sink, empty_envelope=True) as outbox:
        await outbox.send([make_reply(IVAN)])
    assert [mail.sender for mail in sink.mails] == [""]


async def test_bare_line_ends_cannot_smuggle_a_second_mail(sink: SmtpSink) -> None:
    """A text with bare line feeds around a dot arrives as one mail."""
    text = b"Subject: x\n\nhello\n.\nMAIL FROM:<eve@evil.example>\r.\r\nend\n"
    async with smtp_outbox(sink) as outbox:
        (sent,) = await outbox.send([make_reply(IVAN, message=text)])
    assert sent.outcome == DONE
    (mail,) = sink.mails
    assert mail.data == b"Subject: x\r\n\r\nhello\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n.\r\nend\r\n"


@pytest.mark.parametrize(("methods", "expected"), [("LOGIN", b"AUTH LOGIN"), ("CRAM-MD5 PLAIN", b"AUTH PLAIN")])
async def test_logins_by_what_is_offered(sink: SmtpSink, methods: str, expected: bytes) -> None:
    """The first of PLAIN, LOGIN and CRAM-MD5 that is offered is used, and only that one."""
    sink.features.methods = methods
    (sent,) = await _send(sink)
    assert sent.outcome == DONE
    assert [line.split(b" ", 2)[:2] for line in sink.lines if line.startswith(b"AUTH")] == [expected.split()]


async def test_no_login_where_none_is_offered_on_loopback() -> None:
    """A plaintext server on loopback that knows no AUTH is used without one, and the password is not even read."""

    def never() -> str:
        raise AssertionError("the password was asked for")

    async with SmtpSink() as sink, smtp_outbox(sink, password=never) as outbox:
        (sent,) = await outbox.send([make_reply(IVAN)])
        assert sent.outcome == DONE


async def test_a_server_that_wants_only_tokens_is_named(sink: SmtpSink) -> None:
    """Where no method for a password is offered, the owner is told which are."""
    sink.features.methods = "XOAUTH2"
    with pytest.raises(ConfigurationError, match="xoauth2"):
        await _send(sink)


async def test_a_login_that_may_be_tried_later_is_no_configuration_error(sink: SmtpSink) -> None:
    """A 454 at the login is temporary, also for probe."""
    sink.script["AUTH"] = answer("454 4.7.0 temporary authentication failure")
    async with smtp_outbox(sink) as outbox:
        with pytest.raises(TemporaryError, match="454"):
            await outbox.probe()


@pytest.mark.parametrize("host", ["smtp.example.com", "192.0.2.1", "0.0.0.0", ""])  # noqa: S104 - to be refused
def test_plaintext_is_for_this_machine_only(host: str) -> None:
    """Security "none" with any other host is refused before anything is connected."""
    with pytest.raises(ConfigurationError, match="only for this machine"):
        room.SmtpOutbox(host=host, port=25, security="none", username="x", password=lambda: "", empty_envelope=False)
