"""The SMTP adapter before real servers: what they say after the text, of sizes, of logins, and of bounces."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

import pytest

from responder.core.model import Outcome
from responder.errors import ConfigurationError
from tests.contract.benches import USER, opened_bench
from tests.servers.outboxes import TEXT, make_outbox, make_reply
from tests.servers.postfix import DEAD, SIZE_LIMIT

if TYPE_CHECKING:
    from responder.adapters.outbox import SmtpOutbox
    from tests.servers.exim import Exim
    from tests.servers.postfix import Postfix

pytestmark = pytest.mark.server

IVAN = "ivan@vostok.example"
SUBMISSION = ["postfix-starttls", "postfix-tls"]


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("451 4.3.0 try later", Outcome.RETRY),
        ("452 4.3.1 no room", Outcome.RETRY),
        ("550 5.7.1 content rejected", Outcome.REFUSED),
        ("554 5.7.1 looks like spam", Outcome.REFUSED),
    ],
)
@pytest.mark.parametrize("kind", [*SUBMISSION, "exim"])
async def test_a_verdict_after_the_text_is_definite(
    request: pytest.FixtureRequest, kind: str, words: str, outcome: Outcome
) -> None:
    """A 4xx after the text is RETRY, a 5xx REFUSED, with the server's words; nothing arrives; the next one does."""
    server: Postfix | Exim = request.getfixturevalue(kind.partition("-")[0])
    async with opened_bench(kind, server) as bench:
        server.verdicts.say(IVAN, "END-OF-MESSAGE", words)
        (sent,) = await bench.outbox.send([make_reply(IVAN)])
        assert sent.outcome == outcome
        assert words.partition(" ")[2].partition(" ")[2] in sent.detail
        assert bench.arrived() == []
        (again,) = await bench.outbox.send([make_reply(IVAN)])
        assert again.outcome == Outcome.DONE
        assert bench.arrived() == [(USER, IVAN, TEXT)]


@pytest.mark.parametrize(
    ("local_part", "outcome"),
    [
        ("tempfail", Outcome.RETRY),
        ("permfail", Outcome.REFUSED),
        ("datatemp", Outcome.RETRY),
        ("dataperm", Outcome.REFUSED),
    ],
)
async def test_one_refused_reply_among_others(exim: Exim, local_part: str, outcome: Outcome) -> None:
    """A refusal at RCPT or after the text touches no other reply of the same call."""
    async with opened_bench("exim", exim) as bench:
        recipients = ["a@vostok.example", f"{local_part}@vostok.example", "b@vostok.example"]
        sent = await bench.outbox.send([make_reply(each) for each in recipients])
        assert [each.outcome for each in sent] == [Outcome.DONE, outcome, Outcome.DONE]
        assert sorted(recipient for _, recipient, _ in bench.arrived()) == [recipients[0], recipients[2]]


async def test_postfix_takes_a_null_sender(postfix: Postfix) -> None:
    """With the empty envelope the reply arrives from nobody, so that no bounce can come back."""
    postfix.forget()
    outbox = _outbox(postfix, empty_envelope=True)
    (sent,) = await outbox.send([make_reply(IVAN)])
    await outbox.close()
    assert sent.outcome == Outcome.DONE
    assert postfix.delivered() == [("", IVAN, TEXT)]


async def test_an_undeliverable_reply_brings_no_bounce(postfix: Postfix) -> None:
    """Postfix is asked never to report (NOTIFY=NEVER) and does not; of the same mail without that it would."""
    postfix.forget()
    outbox = _outbox(postfix)
    (sent,) = await outbox.send([make_reply(f"ivan@{DEAD}")])
    offered = await outbox.probe()
    await outbox.close()
    assert (sent.outcome, offered["dsn"]) == (Outcome.DONE, "yes")
    assert postfix.delivered() == []
    with smtplib.SMTP_SSL("localhost", postfix.submissions_port, context=outbox._tls) as smtp:
        smtp.login(USER, "secret")
        smtp.sendmail(USER, [f"ivan@{DEAD}"], TEXT)
    ((sender, recipient, _),) = postfix.delivered()
    assert (sender, recipient) == ("", USER)


async def test_postfix_refuses_a_reply_that_is_too_big(postfix: Postfix) -> None:
    """A reply beyond the server's limit is REFUSED before its text leaves, and the sentence says so."""
    postfix.forget()
    outbox = _outbox(postfix)
    line = b"x" * 70 + b"\r\n"
    (sent,) = await outbox.send([make_reply(IVAN, message=TEXT + line * (SIZE_LIMIT // len(line) + 1))])
    octets = outbox.traffic.octets_sent
    await outbox.close()
    assert sent.outcome == Outcome.REFUSED
    assert "size" in sent.detail
    assert octets < SIZE_LIMIT
    assert postfix.delivered() == []


async def test_the_door_for_strangers_is_no_submission(postfix: Postfix) -> None:
    """The MX offers no login: that is the owner's to mend, and no reply goes there."""
    postfix.forget()
    outbox = _outbox(postfix, port=postfix.mx_port, security="starttls")
    with pytest.raises(ConfigurationError, match="no login"):
        await outbox.send([make_reply(IVAN)])
    await outbox.close()
    assert postfix.delivered() == []


async def test_probe_says_what_postfix_offers(postfix: Postfix) -> None:
    """``check`` shows the server's name, the version of TLS, the limit and the logins."""
    outbox = _outbox(postfix)
    offered = await outbox.probe()
    await outbox.close()
    assert offered["tls"].startswith("TLSv1.")
    assert {name: offered[name] for name in ("server", "size", "auth", "smtputf8")} == {
        "server": "mx.example.org",
        "size": str(SIZE_LIMIT),
        "auth": "plain login",
        "smtputf8": "yes",
    }


def _outbox(postfix: Postfix, **settings: object) -> SmtpOutbox:
    """Return the adapter before Postfix's submission with TLS."""
    return make_outbox(
        **{
            "host": "localhost",
            "port": postfix.submissions_port,
            "security": "tls",
            "ca_file": str(postfix.certificate),
            "timeout": 20.0,
            **settings,
        }
    )
