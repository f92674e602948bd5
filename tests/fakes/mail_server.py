"""The account behind the fake mailbox: folders and messages, and the troubles a test can make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from responder.adapters.imap_answers import is_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime


@dataclass(slots=True)
class StoredMessage:
    """A message as it lies in a folder."""

    uid: int
    raw: bytes
    internal_at: datetime
    flags: set[str] = field(default_factory=set[str])

    def is_(self, message_id: str) -> bool:
        """Tell whether its header bears that Message-ID."""
        return is_message(self.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", message_id)


@dataclass(slots=True)
class Folder:
    """One folder's messages by UID, oldest first."""

    uidvalidity: int
    uidnext: int = 1
    messages: dict[int, StoredMessage] = field(default_factory=dict[int, StoredMessage])

    def add(self, raw: bytes, internal_at: datetime, flags: Iterable[str] = ()) -> int:
        """Append a message; returns its UID."""
        uid = self.uidnext
        self.uidnext += 1
        self.messages[uid] = StoredMessage(uid, raw, internal_at, set(flags))
        return uid


@dataclass(slots=True)
class FakeServer:
    """The folders of one account, and the troubles a test can make.

    Attributes:
        folders: by name, "/" between levels.
        sent: the name of the Sent folder; None: there is none.
        idle: tells a waiting session of new mail.
        keywords: INBOX takes keywords.
        full: nothing can be appended.
        login_refused: the password is wrong.
        unreachable: there is no connection.
        unmakeable: folders that cannot be made.
        trouble: called with the method's name before and after ("before", "after") its work; what it raises is
            raised there, and a TemporaryError ends the session.
    """

    sent: str | None = "Sent"
    idle: bool = True
    keywords: bool = True
    full: bool = False
    login_refused: bool = False
    unreachable: bool = False
    unmakeable: set[str] = field(default_factory=set[str])
    trouble: Callable[[str, str], None] | None = None
    folders: dict[str, Folder] = field(default_factory=dict[str, Folder])
    changes: int = 0
    generation: int = 0
    _uidvalidity: int = 1_000
    _waiters: list[Callable[[], None]] = field(default_factory=list["Callable[[], None]"])

    def __post_init__(self) -> None:
        """Make INBOX and Sent."""
        for name in ("INBOX", self.sent):
            if name:
                self.folder(name)

    @property
    def inbox(self) -> Folder:
        """INBOX."""
        return self.folders["INBOX"]

    def folder(self, name: str) -> Folder:
        """Return that folder, made if there is none."""
        if name not in self.folders:
            self._uidvalidity += 1
            self.folders[name] = Folder(self._uidvalidity)
        return self.folders[name]

    def meant(self, folder: str, uidvalidity: int, uid: int, message_id: str) -> StoredMessage | None:
        r"""Return the message at that place if it is still that one, and not \\Deleted."""
        there = self.folders.get(folder)
        stored = there.messages.get(uid) if there is not None and there.uidvalidity == uidvalidity else None
        if stored is None or "\\Deleted" in stored.flags or not stored.is_(message_id):
            return None
        return stored

    def deliver(self, raw: bytes, at: datetime, flags: Iterable[str] = (), folder: str = "INBOX") -> int:
        """Let a message arrive; returns its UID."""
        uid = self.folder(folder).add(raw, at, flags)
        self.changed()
        return uid

    def expunge(self, uid: int, folder: str = "INBOX") -> None:
        """Let the owner's program remove a message."""
        del self.folders[folder].messages[uid]
        self.changed()

    def renumber(self, *, openly: bool = True) -> None:
        """Give INBOX a new UIDVALIDITY (the same again, if not openly) and new UIDs, as a restored server would."""
        old = self.folders.pop("INBOX")
        if not openly:
            self.folders["INBOX"] = Folder(old.uidvalidity)
        inbox = self.folder("INBOX")
        for message in old.messages.values():
            inbox.add(message.raw, message.internal_at, message.flags)
        self.changed()

    def kick(self) -> None:
        """End every session."""
        self.generation += 1
        self.changed()

    def changed(self) -> None:
        """Tell the sessions that wait."""
        self.changes += 1
        for waiter in list(self._waiters):
            waiter()

    def listen(self, waiter: Callable[[], None]) -> None:
        """Call that at every change."""
        self._waiters.append(waiter)

    def leave(self, waiter: Callable[[], None]) -> None:
        """Call it no more."""
        self._waiters.remove(waiter)
