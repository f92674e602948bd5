"""The owner's own mail program on any IMAP server, and what a test asks of such a server.

Folder names are as the owner sees them: "/" between levels, without the server's prefix.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from imapclient import IMAPClient

from tests.servers.dovecot import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator


class ImapServer(Protocol):
    """A running server on loopback: any user, password "secret", a folder Sent."""

    @property
    def host(self) -> str:
        """Its name."""
        ...

    @property
    def imap_port(self) -> int:
        """Where it speaks IMAP without encryption."""
        ...

    @property
    def prefix(self) -> str:
        """What stands before the name of every folder but INBOX."""
        ...

    @property
    def separator(self) -> str:
        """What stands between two levels."""
        ...

    @property
    def idle(self) -> bool:
        """It offers IDLE."""
        ...

    @property
    def prompt(self) -> bool:
        """It ends a wait as soon as there is news; Courier, for one, tells in IDLE once a minute and when it ends."""
        ...

    @property
    def uidplus(self) -> bool:
        """It offers UIDPLUS."""
        ...

    @property
    def keywords(self) -> bool:
        """It keeps flags of one's own."""
        ...

    def kick(self, user: str) -> None:
        """End the user's sessions."""
        ...

    def log(self) -> str:
        """Return what it wrote."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    r"""A message as another program sees it; ``flags`` without \\Recent."""

    raw: bytes
    internal_at: datetime
    flags: frozenset[str]


class MailProgram:
    """What the owner does with a mailbox, each time in a session of its own."""

    def __init__(self, server: ImapServer, user: str) -> None:
        self.server, self.user = server, user

    @contextlib.contextmanager
    def session(self) -> Generator[Any]:
        """Log in; yields an IMAPClient."""
        with IMAPClient("127.0.0.1", self.server.imap_port, ssl=False, timeout=20) as client:
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else APPEND takes 40 ms
            client.normalise_times = False
            client.login(self.user, PASSWORD)
            yield client

    def wire(self, folder: str) -> str:
        """Return the name that the server gives a folder."""
        return folder if folder == "INBOX" else self.server.prefix + folder.replace("/", self.server.separator)

    def seen(self, wire: str) -> str:
        """Return the name that the owner sees."""
        return wire.removeprefix(self.server.prefix).replace(self.server.separator, "/")

    # --------------------------------------------------------------------------------------- looking

    def folders(self) -> set[str]:
        """Return the folders that there are."""
        with self.session() as client:
            return {self.seen(name) for _, _, name in client.list_folders()}

    def subscribed(self) -> set[str]:
        """Return the folders that the program shows."""
        with self.session() as client:
            return {self.seen(name) for _, _, name in client.list_sub_folders()}

    def stored(self, folder: str = "INBOX") -> list[Stored]:
        """Return a folder's messages, oldest first, without those marked as deleted; nothing changes by looking."""
        with self.session() as client:
            return self._messages(client, self.wire(folder))

    def everything(self) -> Iterator[tuple[str, Stored]]:
        """Yield (folder, message) of all messages; a level that is no folder has none."""
        with self.session() as client:
            for attributes, _, name in client.list_folders():
                if not {each.lower() for each in attributes} & {b"\\noselect", b"\\nonexistent"}:
                    for each in self._messages(client, name):
                        yield self.seen(name), each

    @staticmethod
    def _messages(client: Any, wire: str) -> list[Stored]:
        client.select_folder(wire, readonly=True)
        uids = client.search("UNDELETED")
        return [
            Stored(
                raw=data[b"BODY[]"],
                internal_at=data[b"INTERNALDATE"].astimezone(UTC),
                flags=frozenset({each.decode() for each in data[b"FLAGS"]} - {"\\Recent"}),
            )
            for _, data in sorted(client.fetch(uids, ["BODY.PEEK[]", "INTERNALDATE", "FLAGS"]).items())
        ]

    # ---------------------------------------------------------------------------------------- acting

    def append(self, *raws: bytes, at: datetime, folder: str = "INBOX", flags: Iterable[str] = ()) -> None:
        """Lay messages into a folder, with the INTERNALDATE given."""
        with self.session() as client:
            for raw in raws:
                client.append(self.wire(folder), raw, tuple(flags), at)

    def expunge(self, uid: int) -> None:
        """Remove a message from INBOX."""
        with self.session() as client:
            client.select_folder("INBOX")
            client.delete_messages([uid])
            client.expunge()

    def mark_deleted(self, uid: int, folder: str = "INBOX") -> None:
        r"""Set \\Deleted."""
        with self.session() as client:
            client.select_folder(self.wire(folder))
            client.delete_messages([uid])

    def make_folder(self, folder: str) -> None:
        """Make a folder."""
        with self.session() as client:
            client.create_folder(self.wire(folder))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder."""
        with self.session() as client:
            client.delete_folder(self.wire(folder))
