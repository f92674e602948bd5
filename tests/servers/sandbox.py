"""The sandbox's own IMAP server (pymap, inside the process) with the handles that tests have on real servers."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from responder.sandbox.servers import SandboxImap
from tests.servers.dovecot import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Generator


class Sandbox:
    """The running server with one user; a context manager."""

    host = "127.0.0.1"
    prefix, separator = "", "/"
    idle = prompt = uidplus = keywords = True

    def __init__(self, user: str) -> None:
        self._user = user
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it, with INBOX and Sent alone."""
        with ExitStack() as stack:
            stack.enter_context(_beginning_with_one())
            self._imap = stack.enter_context(SandboxImap({self._user: PASSWORD}))
            self.imap_port = self._imap.port
            self._imap._connection(self._user).delete("Drafts")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._stack.close()

    def log(self) -> str:
        """Return nothing: it writes none."""
        return ""

    def kick(self, user: str) -> None:
        """End all sessions: there is one user."""
        assert user
        self._imap._loop.run(_cancelled(self._imap))


async def _cancelled(imap: SandboxImap) -> None:
    for task in imap._tasks:
        task.cancel()


@contextlib.contextmanager
def _beginning_with_one() -> Generator[None]:
    """Let a folder's first UID be 1 for a while, as on the other servers; pymap begins with 101."""
    from pymap.backend.dict.mailbox import MailboxData  # noqa: PLC0415 - an extra

    data: Any = MailboxData
    untouched = data.__init__

    def begin(self: Any, *arguments: Any, **options: Any) -> None:
        untouched(self, *arguments, **options)
        self._max_uid = 0

    data.__init__ = begin
    try:
        yield
    finally:
        data.__init__ = untouched
