"""The benches on which an Outbox is tried: the fake one, and the real one before each server, with the same handles."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from responder.core.model import Outcome
from responder.sandbox import servers as sandbox_room
from responder.sandbox.servers import SandboxSmtp
from tests.fakes.outbox import FakeOutbox
from tests.servers.dovecot import PASSWORD
from tests.servers.loopback import free_ports
from tests.servers.outboxes import make_outbox
from tests.servers.smtp import Features, SmtpSink, drop
from tests.servers.smtp import reply as answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from responder.adapters.outbox import SmtpOutbox
    from responder.ports import Outbox
    from tests.servers.exim import Exim
    from tests.servers.postfix import Postfix

USER = "anna@example.com"
LATER, NO = "450 4.2.1 later", "550 5.1.1 no such user"


class Bench(Protocol):
    """One implementation with its server's strings in the test's hand."""

    #: A server that has the text, and whose client leaves before the verdict, may deliver it or not: both is right.
    keeps_what_is_in_doubt: bool

    @property
    def outbox(self) -> Outbox:
        """The implementation."""
        ...

    def server_says(self, recipient: str, outcome: Outcome) -> None:
        """Let the server treat the next reply to that address so."""
        ...

    def refuse_login(self) -> None:
        """Make the password wrong."""
        ...

    def cut_off(self) -> None:
        """Take the server off the network."""
        ...

    def arrived(self) -> list[tuple[str, str, bytes]]:
        """Return sender, recipient and text of what the server has, without what it wrote on top."""
        ...


class FakeBench:
    """The fake."""

    keeps_what_is_in_doubt = True

    def __init__(self) -> None:
        self.outbox = FakeOutbox()

    def server_says(self, recipient: str, outcome: Outcome) -> None:
        """See Bench."""
        self.outbox.outcomes[recipient] = [outcome]

    def refuse_login(self) -> None:
        """See Bench."""
        self.outbox.login_refused = True

    def cut_off(self) -> None:
        """See Bench."""
        self.outbox.unreachable = True

    def arrived(self) -> list[tuple[str, str, bytes]]:
        """See Bench."""
        return [(reply.sender, reply.recipient, reply.message) for reply in self.outbox.sent]


class _RealBench:
    """The SMTP adapter, pointed at a server; the subclass says which."""

    keeps_what_is_in_doubt = True

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._made: list[SmtpOutbox] = []
        self._make()

    def _make(self, **changes: Any) -> None:
        self._settings |= changes
        self.outbox = make_outbox(**self._settings)
        self._made.append(self.outbox)

    def refuse_login(self) -> None:
        """See Bench."""
        self._make(password=lambda: "wrong horse")

    def cut_off(self) -> None:
        """See Bench."""
        self._make(port=free_ports(1)[0])

    async def close(self) -> None:
        """Close every outbox."""
        for each in self._made:
            await each.close()


class SinkBench(_RealBench):
    """The scripted sink."""

    def __init__(self, sink: SmtpSink) -> None:
        super().__init__(host="127.0.0.1", port=sink.port, security="none")
        self.sink = sink

    def server_says(self, recipient: str, outcome: Outcome) -> None:
        """See Bench; the recipient is the first one that is sent to."""
        assert recipient
        act = {
            Outcome.RETRY: ("RCPT", answer(LATER)),
            Outcome.REFUSED: ("RCPT", answer(NO)),
            Outcome.IN_DOUBT: ("DOT", drop()),
        }
        phase, what = act[outcome]
        self.sink.script[phase] = [what]

    def arrived(self) -> list[tuple[str, str, bytes]]:
        """See Bench."""
        return [(mail.sender, mail.recipient, mail.data) for mail in self.sink.mails]


class SandboxBench(_RealBench):
    """The sandbox's server (aiosmtpd); ``_contrary`` lets it refuse and hang up, which it never does by itself."""

    def __init__(self, smtp: SandboxSmtp, says: dict[str, Outcome]) -> None:
        super().__init__(host="127.0.0.1", port=smtp.port, security="none")
        self._smtp, self._says = smtp, says

    def server_says(self, recipient: str, outcome: Outcome) -> None:
        """See Bench."""
        self._says[recipient] = outcome

    def arrived(self) -> list[tuple[str, str, bytes]]:
        """See Bench."""
        return [(mail.sender, recipient, mail.raw) for mail in self._smtp.taken for recipient in mail.recipients]


@contextmanager
def _contrary() -> Generator[dict[str, Outcome]]:
    """Let the sandbox do once, by recipient, what the yielded dictionary says."""
    says: dict[str, Outcome] = {}
    handler: Any = sandbox_room._Sink
    take = handler.handle_DATA

    async def handle_rcpt(_: Any, __: Any, ___: Any, envelope: Any, address: str, options: Any) -> str:
        if says.get(address) in {Outcome.RETRY, Outcome.REFUSED}:
            return LATER if says.pop(address) is Outcome.RETRY else NO
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_data(self: Any, server: Any, session: Any, envelope: Any) -> str:
        verdict: str = await take(self, server, session, envelope)
        if says.pop(envelope.rcpt_tos[0], None) is Outcome.IN_DOUBT:
            server.transport.abort()
            await asyncio.sleep(0)
        return verdict

    handler.handle_RCPT, handler.handle_DATA = handle_rcpt, handle_data
    try:
        yield says
    finally:
        handler.handle_DATA = take
        del handler.handle_RCPT


class ServerBench(_RealBench):
    """A real server, whose verdicts are ours."""

    def __init__(self, server: Postfix | Exim, *, keeps_what_is_in_doubt: bool, **settings: Any) -> None:
        super().__init__(host=server.host, data_timeout=20.0, timeout=20.0, **settings)
        self.server, self.keeps_what_is_in_doubt = server, keeps_what_is_in_doubt
        server.forget()

    def server_says(self, recipient: str, outcome: Outcome) -> None:
        """See Bench."""
        if outcome is Outcome.IN_DOUBT:
            self.server.verdicts.hold(recipient)
            self._make(data_timeout=1.0)
        else:
            self.server.verdicts.say(recipient, "RCPT", LATER if outcome is Outcome.RETRY else NO)

    def arrived(self) -> list[tuple[str, str, bytes]]:
        """See Bench."""
        self.server.verdicts.go_on()
        self._make(data_timeout=20.0)
        return self.server.delivered()


KINDS = ("fake", "sink", "sandbox", "postfix-starttls", "postfix-tls", "exim")


@asynccontextmanager
async def opened_bench(kind: str, server: Any = None) -> AsyncGenerator[Bench]:
    """Give a bench of that kind; ``server`` is the Postfix or the Exim that it is before."""
    if kind == "fake":
        yield FakeBench()
        return
    async with AsyncExitStack() as stack:
        if kind == "sink":
            features = Features(user=USER, password=PASSWORD)
            bench: SinkBench | SandboxBench | ServerBench = SinkBench(
                await stack.enter_async_context(SmtpSink(features=features))
            )
        elif kind == "sandbox":
            says = stack.enter_context(_contrary())
            bench = SandboxBench(stack.enter_context(SandboxSmtp({USER: PASSWORD})), says)
        else:
            bench = _before(kind, server)
        stack.push_async_callback(bench.close)
        yield bench


def _before(kind: str, server: Any) -> ServerBench:
    if kind == "exim":
        return ServerBench(server, keeps_what_is_in_doubt=False, port=server.port, security="none")
    security = kind.removeprefix("postfix-")
    port = server.submission_port if security == "starttls" else server.submissions_port
    ca_file = str(server.certificate)
    return ServerBench(server, keeps_what_is_in_doubt=True, port=port, security=security, ca_file=ca_file)
