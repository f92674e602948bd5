"""A submission account without a network: behaves as the port promises, and can be made to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.adapters.smtp_words import smtp_address
from responder.core.model import Outcome
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from responder.ports import Sent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responder.ports import Letter


class FakeOutbox:
    """Implements the port ``Outbox``.

    Attributes:
        sent: every reply that left, in order; one in doubt has left too.
        outcomes: by recipient, what the server will make of the next replies to it; once empty, it takes them.
        login_refused: the password is wrong.
        unreachable: there is no connection.
    """

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.outcomes: dict[str, list[Outcome]] = {}
        self.login_refused = False
        self.unreachable = False

    async def send(self, replies: Sequence[Letter]) -> Sequence[Sent]:
        """Take each reply once."""
        return [self._checked(reply) for reply in replies]

    async def probe(self) -> Mapping[str, str]:
        """Return what a modest server offers."""
        self._login()
        return {"server": "fake.example", "tls": "none", "size": "", "dsn": "no", "auth": "plain", "smtputf8": "no"}

    async def close(self) -> None:
        """Nothing is open."""

    def _login(self) -> None:
        if self.unreachable:
            raise TemporaryError("SMTP fake.example: nobody listens there; nothing was sent")
        if self.login_refused:
            raise ConfigurationError("SMTP fake.example: the server refused the login; nothing was sent")

    def _checked(self, reply: Letter) -> Sent:
        try:
            smtp_address(reply.recipient)
            if reply.sender:
                smtp_address(reply.sender)
        except PermanentError as error:
            return Sent(outcome=Outcome.REFUSED, detail=str(error))
        try:
            self._login()
        except TemporaryError as error:
            return Sent(outcome=Outcome.RETRY, detail=str(error))
        waiting = self.outcomes.get(reply.recipient)
        outcome = waiting.pop(0) if waiting else Outcome.DONE
        if outcome in {Outcome.DONE, Outcome.IN_DOUBT}:
            self.sent.append(reply)
        return Sent(outcome=outcome, detail=f"fake: {outcome}")
