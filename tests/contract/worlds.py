"""The worlds in which a Mailbox is tried: the fake one and the real servers, with the same handles for the test."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from responder.adapters.mailbox import ImapMailbox
from responder.core.model import FileMessage, Flag, MessageKey, MoveFiled, RemoveDraft, Window
from tests.fakes.mailbox import FakeMailbox, FakeServer
from tests.servers.dovecot import PASSWORD
from tests.servers.mail_program import MailProgram, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from responder.ports import Mailbox

FIELDS = ("Return-Path", "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "Content-Type")
AT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


def letter(n: int, *, extra: str = "", body: str = "Could you call me?") -> bytes:
    """Return a client's message with Message-ID <N@vostok.example>."""
    return (
        "Return-Path: <ivan@vostok.example>\r\nReceived: from mx.vostok.example\r\n"
        "From: Ivan <ivan@vostok.example>\r\nTo: anna@example.com\r\n"
        f"Subject: letter {n}\r\nDate: Fri, 20 Nov 2026 20:00:00 +0300\r\n"
        f"Message-ID: <{n}@vostok.example>\r\nX-Mailer: pigeon\r\n{extra}\r\n{body}\r\n"
    ).encode()


def move(uid: int, uidvalidity: int, folder: str, *, message_id: str | None = None) -> FileMessage:
    """Return the effect that files the message with that UID; its Message-ID is that of ``letter(uid)``."""
    return FileMessage(
        fingerprint=f"{uid:064}",
        key=MessageKey(mailbox="main", uidvalidity=uidvalidity, uid=uid),
        message_id=f"<{uid}@vostok.example>" if message_id is None else message_id,
        folder=folder,
        window=Window(key="morning", opens_at=AT, closes_at=AT + timedelta(hours=1)),
        not_after=AT,
    )


def refiling(key: MessageKey, source: str, folder: str, *, message_id: str | None = None) -> MoveFiled:
    """Return the effect that moves that message on; its fingerprint tells its UID and its source."""
    return MoveFiled(
        fingerprint=f"{source}:{key.uid}",
        key=key,
        message_id=f"<{key.uid}@vostok.example>" if message_id is None else message_id,
        source=source,
        folder=folder,
        window=None,
    )


def flagging(key: MessageKey, folder: str, *, message_id: str | None = None) -> Flag:
    """Return the effect that flags that message."""
    return Flag(
        fingerprint=f"{folder}:{key.uid}",
        key=key,
        message_id=f"<{key.uid}@vostok.example>" if message_id is None else message_id,
        folder=folder,
    )


def removal(uidvalidity: int, uid: int, message_id: str) -> RemoveDraft:
    """Return the effect that takes a draft away."""
    return RemoveDraft(
        fingerprint="0" * 64,
        mailbox="main",
        uidvalidity=uidvalidity,
        uid=uid,
        message_id=message_id,
        not_before=AT,
    )


class World(Protocol):
    """A server with one user, in the test's hand. Folder names are with "/" between levels."""

    idle: bool  # offers it
    prompt: bool  # tells a waiting session of news at once
    uidplus: bool
    keywords: bool

    def mailbox(self, *, password: str = PASSWORD) -> Mailbox:
        """Make a mailbox that is not open yet."""
        ...

    def deliver(self, *raws: bytes, at: datetime = AT, flags: Iterable[str] = (), folder: str = "INBOX") -> None:
        """Let messages arrive."""
        ...

    def stored(self, folder: str = "INBOX") -> list[Stored]:
        """Return a folder's messages, oldest first, without those marked as deleted; nothing changes by looking."""
        ...

    def folders(self) -> set[str]:
        """Return the folders that there are."""
        ...

    def expunge(self, uid: int) -> None:
        """Let the owner's program remove a message from INBOX."""
        ...

    def mark_deleted(self, uid: int, folder: str = "INBOX") -> None:
        r"""Let the owner's program set \\Deleted."""
        ...

    def make_folder(self, folder: str) -> None:
        """Let the owner's program make a folder."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Let the owner's program remove a folder."""
        ...

    def kick(self) -> None:
        """End the user's sessions."""
        ...


class FakeWorld:
    """The fake."""

    idle = prompt = uidplus = keywords = True

    def __init__(self) -> None:
        self.server = FakeServer()

    def mailbox(self, *, password: str = PASSWORD) -> Mailbox:
        """Make a mailbox."""
        self.server.login_refused = password != PASSWORD
        return FakeMailbox(self.server, header_fields=FIELDS)

    def deliver(self, *raws: bytes, at: datetime = AT, flags: Iterable[str] = (), folder: str = "INBOX") -> None:
        """Let messages arrive."""
        for raw in raws:
            self.server.deliver(raw, at, flags, folder)

    def stored(self, folder: str = "INBOX") -> list[Stored]:
        """Return the messages."""
        found = self.server.folders[folder].messages.values()
        return [
            Stored(each.raw, each.internal_at, frozenset(each.flags)) for each in found if "\\Deleted" not in each.flags
        ]

    def folders(self) -> set[str]:
        """Return the folders."""
        return set(self.server.folders)

    def expunge(self, uid: int) -> None:
        """Remove a message."""
        self.server.expunge(uid)

    def mark_deleted(self, uid: int, folder: str = "INBOX") -> None:
        """Mark a message."""
        self.server.folders[folder].messages[uid].flags.add("\\Deleted")

    def make_folder(self, folder: str) -> None:
        """Make a folder."""
        self.server.folder(folder)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder."""
        del self.server.folders[folder]

    def kick(self) -> None:
        """End the sessions."""
        self.server.kick()


class ServerWorld:
    """A user of a real server."""

    def __init__(self, server: Any, user: str) -> None:
        self.server, self.user = server, user
        self.idle, self.prompt, self.uidplus = server.idle, server.prompt, server.uidplus
        self.keywords = server.keywords
        self.program = MailProgram(server, user)

    def mailbox(self, *, password: str = PASSWORD, **options: Any) -> ImapMailbox:
        """Make a mailbox; ``options`` replace its arguments."""
        arguments: dict[str, Any] = {
            "name": "main",
            "host": self.server.host,
            "port": self.server.imap_port,
            "security": "none",
            "username": self.user,
            "password": lambda: password,
            "header_fields": FIELDS,
            "timeout": 20,
        }
        return ImapMailbox(**arguments | options)

    def deliver(self, *raws: bytes, at: datetime = AT, flags: Iterable[str] = (), folder: str = "INBOX") -> None:
        """Let messages arrive, with the INTERNALDATE given."""
        self.program.append(*raws, at=at, flags=flags, folder=folder)

    def stored(self, folder: str = "INBOX") -> list[Stored]:
        """Return the messages."""
        return self.program.stored(folder)

    def folders(self) -> set[str]:
        """Return the folders."""
        return self.program.folders()

    def expunge(self, uid: int) -> None:
        """Remove a message."""
        self.program.expunge(uid)

    def mark_deleted(self, uid: int, folder: str = "INBOX") -> None:
        """Mark a message."""
        self.program.mark_deleted(uid, folder)

    def make_folder(self, folder: str) -> None:
        """Make a folder."""
        self.program.make_folder(folder)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder."""
        self.program.remove_folder(folder)

    def kick(self) -> None:
        """End the sessions."""
        self.server.kick(self.user)


@asynccontextmanager
async def opened(world: World) -> AsyncGenerator[Mailbox]:
    """Give an open mailbox and close it in the end."""
    mailbox = world.mailbox()
    await mailbox.open()
    try:
        yield mailbox
    finally:
        await mailbox.close()


async def uids_of(mailbox: Mailbox, from_uid: int = 1) -> list[int]:
    """Scan, and return the UIDs."""
    return list((await mailbox.scan(from_uid))[1])
