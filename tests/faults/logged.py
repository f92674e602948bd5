"""A process that lives through every trouble it can log, with marked secrets everywhere.

``python -m tests.faults.logged json|terminal``
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, NoReturn

import structlog

from responder import assessing
from responder.adapters.imap_account import Account, translated
from responder.commands import logs
from responder.core.model import Outcome
from responder.errors import TemporaryError
from responder.ports import Sent
from tests.fakes.outbox import FakeOutbox
from tests.test_engine import EVENING, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responder.ports import Letter

#: What must never be seen in a log: each stands in a place that only its field can have told.
MARKS = ("subjectmark", "bodymark", "namemark", "localmark", "idmark", "filemark", "listmark", "errormark", "passmark")
CONTROLS = "\x1b[2J\x9b\u202e\u2028\x07"

LETTER = (
    "Return-Path: <localmark@vostok.example>\r\n"
    'From: "namemark {c}" <localmark@vostok.example>\r\n'
    "To: anna@example.com\r\n"
    "Subject: =?utf-8?q?subjectmark=0A=1B=5B2J?= subjectmark {c}\r\n"
    "Message-ID: <idmark.{n}@vostok.example>\r\n"
    "{more}"
    "\r\n"
    "bodymark {c}\r\n"
)

ODD = (
    "",
    "List-Id: listmark {c} <listmark.{c}@vostok.example>\r\n",
    "Auto-Submitted: listmark {c}\r\n",
    "From: localmark@vostok.example\r\n",
    'Content-Type: application/pdf; name="filemark{c}.pdf"\r\n',
    "X-Loop: localmark@vostok.example {c}\r\n",
    "Content-Type: multipart/report; report-type=subjectmark{c}\r\n",
)


class LoudOutbox(FakeOutbox):
    """A server that repeats the address and more in its answers, half refusing, half in doubt."""

    async def send(self, replies: Sequence[Letter]) -> Sequence[Sent]:
        """Answer each with words that hold what they should not."""
        outcomes = (Outcome.REFUSED, Outcome.IN_DOUBT, Outcome.RETRY, Outcome.DONE)
        return [
            Sent(
                outcome=outcomes[place % len(outcomes)],
                detail=f"550 <{reply.recipient}>: localmark@vostok.example refused {CONTROLS}",
            )
            for place, reply in enumerate(replies)
        ]


def explode(*_: object, **__: object) -> NoReturn:
    """Fail with what stood in the message, as a careless defect would."""
    errormark = "subjectmark bodymark passmark"
    raise ValueError(f"errormark {errormark} localmark@vostok.example {CONTROLS}")


async def live() -> None:
    """Let all of it happen."""
    world = World()
    world.outbox = LoudOutbox()
    await world.engine().begin()
    for place, more in enumerate(ODD):
        text = LETTER.replace("{more}", more).replace("{n}", str(place)).replace("{c}", CONTROLS)
        world.server.deliver(text.encode(), EVENING)
    line = world.engine()
    await line.begin()
    await line.round()
    world.server.deliver(LETTER.replace("{more}", "").replace("{n}", "99").replace("{c}", "").encode(), EVENING)
    assessing.make_plan = explode  # type: ignore[assignment]
    await line.round()
    world.server.deliver(LETTER.replace("{more}", "").replace("{n}", "100").replace("{c}", "").encode(), EVENING)
    assessing.decide_all = explode
    try:
        await line.round()
    except ValueError:
        structlog.get_logger().exception("unexpected", mailbox="main")
    await world.ledger.close()

    account = Account(name="main", host="h", port=1, security="none", username="u", password=lambda: "passmark")
    for words in (
        "unexpected response: b'Subject: subjectmark'",
        "socket error: unterminated line: b'bodymark'",
        "command: UID => unexpected tagged response: b'bodymark'",
        f"NO [TRYCREATE] localmark@vostok.example has no such folder {CONTROLS}",
    ):
        try:
            with translated(account, "looking for new mail"):
                raise OSError(words)
        except TemporaryError as error:
            structlog.get_logger().warning("session lost", mailbox="main", error=str(error))

    log = logging.getLogger("asyncio")
    try:
        explode()
    except ValueError:
        log.exception("Task exception was never retrieved\nfuture: <Task subjectmark>")
    logging.getLogger("imapclient.imaplib").debug("> a1 LOGIN u passmark")
    logging.getLogger("aiosmtplib").warning("the server said %s", "passmark")
    structlog.get_logger().warning("end", fields=["localmark@vostok.example", CONTROLS], nothing=None)


def main() -> None:
    """Configure the log as the daemon does, and live."""
    terminal = sys.argv[1] == "terminal"
    sys.stderr.isatty = lambda: terminal  # type: ignore[method-assign]
    logs.configure()
    asyncio.run(live())


if __name__ == "__main__":
    main()
