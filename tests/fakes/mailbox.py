"""A mailbox without a network: behaves as the port promises, and can be made to fail.

``FakeServer`` is what survives a crash: folders and messages. ``FakeMailbox`` is one session with it; several may be
made, one after the other, as a daemon that starts again would.
"""

from __future__ import annotations

import asyncio
import contextlib
from email import message_from_bytes
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING

from responder.adapters.imap_answers import folder_to_wire, ids
from responder.core.model import Body, Message, MessageKey, Part
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from responder.ports import Appended, InboxState, Profile, SentCursor, SentHeader
from tests.fakes.mail_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from email.message import Message as EmailMessage

    from responder.core.model import FileMessage, Flag, MoveFiled, RemoveDraft
    from responder.ports import Place
    from tests.fakes.mail_server import Folder

__all__ = ["FakeMailbox", "FakeServer"]

MOST_HEADER = 65_536
SENT_FIELDS = (
    *("Message-ID", "In-Reply-To", "References", "From", "To", "Cc", "Bcc", "Date", "Subject", "Auto-Submitted"),
    "X-Responder-Id",
)


class FakeMailbox:
    """Implements the port ``Mailbox`` over a ``FakeServer``. ``calls`` counts the calls of each method."""

    def __init__(self, server: FakeServer, *, header_fields: Sequence[str], name: str = "main") -> None:
        self.server = server
        self.calls: dict[str, int] = {}
        self._name = name
        self._fields = frozenset(each.lower() for each in header_fields)
        self._generation: int | None = None
        self._seen = 0
        self._rung = False
        self._ring: Callable[[], None] | None = None
        self._profile: Profile | None = None

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._name

    @property
    def profile(self) -> Profile:
        """What the server can do; only after ``open``."""
        if self._profile is None:
            raise TemporaryError("fake: not opened yet")
        return self._profile

    # ------------------------------------------------------------------------------------- session

    async def open(self) -> InboxState:
        """Log in."""
        self._trouble("open", "before")
        if self.server.unreachable:
            raise TemporaryError("fake: nobody listens there")
        if self.server.login_refused:
            raise ConfigurationError("fake: the server refused the login")
        self._generation = self.server.generation
        self._probe()
        state = self._state()
        self._trouble("open", "after")
        return state

    def _probe(self) -> None:
        folders = self.server.folders
        self._profile = Profile(
            capabilities=frozenset({"IMAP4REV1"}),
            separator="/",
            prefix="",
            idle=self.server.idle,
            move=True,
            uidplus=True,
            special_use=True,
            keywords=self.server.keywords,
            sent=self.server.sent if self.server.sent in folders else None,
            drafts="Drafts" if "Drafts" in folders else None,
            folders=tuple(sorted(folders)),
        )

    async def close(self) -> None:
        """End the session."""
        self._generation = None

    def _trouble(self, method: str, when: str) -> None:
        if when == "before":
            self.calls[method] = self.calls.get(method, 0) + 1
        if self.server.trouble is not None:
            try:
                self.server.trouble(method, when)
            except TemporaryError:
                self._generation = None
                raise

    def _begin(self, method: str) -> FakeServer:
        """Check that the session lives, and let the test make trouble."""
        self._trouble(method, "before")
        if self._generation is None:
            raise TemporaryError("fake: there is no session")
        if self.server.unreachable or self._generation != self.server.generation:
            self._generation = None
            raise TemporaryError("fake: the server ended the session")
        return self.server

    def _state(self) -> InboxState:
        inbox = self.server.inbox
        self._seen = self.server.changes
        return InboxState(uidvalidity=inbox.uidvalidity, uidnext=inbox.uidnext, exists=len(inbox.messages))

    # ------------------------------------------------------------------------------------- reading

    async def scan(self, from_uid: int) -> tuple[InboxState, Sequence[int]]:
        """Return what is there."""
        server = self._begin("scan")
        found = [
            uid
            for uid, message in server.inbox.messages.items()
            if uid >= from_uid and "\\Deleted" not in message.flags
        ]
        state = self._state()
        self._trouble("scan", "after")
        return state, found

    async def fetch(self, uids: Sequence[int]) -> Sequence[Message]:
        """Return the chosen header fields."""
        result = self._messages(self._begin("fetch").inbox, uids)
        self._trouble("fetch", "after")
        return result

    def _messages(self, folder: Folder, uids: Iterable[int]) -> list[Message]:
        result: list[Message] = []
        for uid in sorted(set(uids) & folder.messages.keys()):
            stored = folder.messages[uid]
            header = _chosen(stored.raw, self._fields)
            result.append(
                Message(
                    key=MessageKey(mailbox=self._name, uidvalidity=folder.uidvalidity, uid=uid),
                    header=header[:MOST_HEADER],
                    header_cut=len(header) >= MOST_HEADER,
                    internal_at=stored.internal_at,
                    size=len(stored.raw),
                    flags=frozenset(stored.flags),
                )
            )
        return result

    async def bodies(self, uids: Sequence[int], *, octets: int) -> Mapping[int, Body]:
        """Return the beginnings."""
        messages = self._begin("bodies").inbox.messages
        result = {
            uid: Body(
                beginning=messages[uid].raw.partition(b"\r\n\r\n")[2][:octets], parts=_structure(messages[uid].raw)
            )
            for uid in sorted(set(uids) & messages.keys())
        }
        self._trouble("bodies", "after")
        return result

    async def find(self, message_id: str) -> int | None:
        """Look for it, newest first."""
        messages = self._begin("find").inbox.messages
        newest = sorted(messages.values(), key=lambda each: -each.uid)[:5_000]
        live = [each for each in newest if "\\Deleted" not in each.flags]
        return next((each.uid for each in live if each.is_(message_id)), None)

    # -------------------------------------------------------------------------------------- filing

    async def file(self, moves: Sequence[FileMessage]) -> Mapping[int, str]:
        """Move what is still there and still itself."""
        server = self._begin("file")
        inbox = server.inbox
        if any(move.key.uidvalidity != inbox.uidvalidity for move in moves):
            self._generation = None
            raise TemporaryError("fake: INBOX was numbered anew; nothing was moved")
        result: dict[int, str] = {}
        for move in moves:
            stored = inbox.messages.get(move.key.uid)
            if stored is None or "\\Deleted" in stored.flags or not stored.is_(move.message_id):
                result[move.key.uid] = "gone"
                continue
            refusal = _refusal(move.folder, server)
            if refusal:
                result[move.key.uid] = refusal
                continue
            del inbox.messages[move.key.uid]
            server.folder(move.folder).add(stored.raw, stored.internal_at, stored.flags)
            result[move.key.uid] = "moved"
        self._trouble("file", "after")
        return result

    # ------------------------------------------------------------------------------- other folders

    async def exists(self, folder: str) -> bool:
        """Tell whether there is such a folder."""
        server = self._begin("exists")
        folder_to_wire(folder, separator="/", prefix="")
        return folder in server.folders

    async def look(self, folder: str) -> Sequence[Message] | None:
        """Return its last messages."""
        server = self._begin("look")
        folder_to_wire(folder, separator="/", prefix="")
        there = server.folders.get(folder)
        result = None
        if there is not None:
            live = [uid for uid, stored in there.messages.items() if "\\Deleted" not in stored.flags]
            result = self._messages(there, sorted(live)[-5_000:])
        self._trouble("look", "after")
        return result

    async def refile(self, moves: Sequence[MoveFiled]) -> Mapping[str, str]:
        """Move what is still there and still itself."""
        server = self._begin("refile")
        result: dict[str, str] = {}
        for move in moves:
            result[move.fingerprint] = _unfit(move.source) or "gone"
            stored = server.meant(move.source, move.key.uidvalidity, move.key.uid, move.message_id)
            if stored is not None:
                result[move.fingerprint] = _refusal(move.folder, server) or "moved"
            if stored is not None and result[move.fingerprint] == "moved" and move.folder != move.source:
                del server.folders[move.source].messages[move.key.uid]
                server.folder(move.folder).add(stored.raw, stored.internal_at, stored.flags)
        self._trouble("refile", "after")
        return result

    async def flag(self, flags: Sequence[Flag]) -> Mapping[str, str]:
        """Flag what is still there and still itself."""
        server = self._begin("flag")
        result: dict[str, str] = {}
        for each in flags:
            stored = server.meant(each.folder or "INBOX", each.key.uidvalidity, each.key.uid, each.message_id)
            if stored is not None:
                stored.flags.add("\\Flagged")
            result[each.fingerprint] = _unfit(each.folder or "INBOX") or ("flagged" if stored is not None else "gone")
        self._trouble("flag", "after")
        return result

    async def remove_folder(self, folder: str) -> str:
        """Remove it if nothing is in it."""
        server = self._begin("remove_folder")
        result = _unfit(folder) or "gone"
        if folder.upper() == "INBOX" or folder in {self.profile.sent, self.profile.drafts}:
            result = f"{folder} is one of the mailbox's own folders"
        elif folder in server.folders and any(name.startswith(f"{folder}/") for name in server.folders):
            result = f"there are folders below {folder}"
        elif folder in server.folders and server.folders[folder].messages:
            result = f"{folder} is not empty: it holds {len(server.folders[folder].messages)}"
        elif server.folders.pop(folder, None) is not None:
            result = "removed"
        self._trouble("remove_folder", "after")
        return result

    async def append_inbox(self, message: bytes, at: datetime) -> Appended:
        """Append to INBOX."""
        self._begin("append_inbox")
        self._room()
        appended = self._append("INBOX", message, at, set())
        self.server.changed()
        self._trouble("append_inbox", "after")
        return appended

    # ------------------------------------------------------------------------------------- claims

    async def claim(self, uids: Sequence[int], mark: str) -> Mapping[int, frozenset[str]]:
        """Set the keyword where keywords are permitted."""
        server = self._begin("claim")
        result: dict[int, frozenset[str]] = {}
        for uid in sorted(set(uids) & server.inbox.messages.keys()) if server.keywords else ():
            stored = server.inbox.messages[uid]
            stored.flags.add(mark)
            result[uid] = frozenset(stored.flags)
        self._trouble("claim", "after")
        return result

    async def withdraw(self, uids: Sequence[int], mark: str) -> None:
        """Take the keyword away."""
        server = self._begin("withdraw")
        for uid in set(uids) & server.inbox.messages.keys():
            server.inbox.messages[uid].flags.discard(mark)
        self._trouble("withdraw", "after")

    # -------------------------------------------------------------------------------- Sent, drafts

    async def sent_headers(
        self, cursor: SentCursor | None, since: datetime
    ) -> tuple[SentCursor | None, Sequence[SentHeader]]:
        """Return what is new in Sent."""
        server = self._begin("sent_headers")
        sent = self.profile.sent
        if sent is None or sent not in server.folders:
            return None, ()
        folder = server.folders[sent]
        known = cursor if cursor and (cursor.folder, cursor.uidvalidity) == (sent, folder.uidvalidity) else None
        recent = [uid for uid, stored in folder.messages.items() if stored.internal_at >= since]
        first = known.uidnext if known else min([*sorted(folder.messages)[-200:][:1], *recent], default=1)
        headers = [
            SentHeader(
                uid=stored.uid,
                header=_chosen(stored.raw, frozenset(each.lower() for each in SENT_FIELDS)),
                internal_at=stored.internal_at,
                flags=frozenset(stored.flags),
            )
            for stored in folder.messages.values()
            if stored.uid >= first
        ]
        self._trouble("sent_headers", "after")
        return SentCursor(folder=sent, uidvalidity=folder.uidvalidity, uidnext=folder.uidnext), headers

    async def find_ours(self, place: Place, message_ids: Collection[str]) -> Mapping[str, Appended]:
        """Look for them."""
        server = self._begin("find_ours")
        name = {"sent": self.profile.sent, "drafts": self.profile.drafts, "inbox": "INBOX"}[place] or ""
        found: dict[str, Appended] = {}
        if folder := server.folders.get(name):
            for stored in sorted(folder.messages.values(), key=lambda each: each.uid)[-1_000:]:
                names = ids(stored.raw.partition(b"\r\n\r\n")[0] + b"\r\n", "message-id", "x-responder-id")
                for message_id in {*names} & {*message_ids}:
                    found[message_id] = Appended(folder=name, uidvalidity=folder.uidvalidity, uid=stored.uid)
        self._trouble("find_ours", "after")
        return found

    async def append_sent(self, message: bytes, at: datetime) -> Appended | None:
        """Append a copy to Sent."""
        self._begin("append_sent")
        sent = self.profile.sent
        self._room()
        appended = self._append(sent, message, at, {"\\Seen", "$autosent"}) if sent else None
        self._trouble("append_sent", "after")
        return appended

    async def append_draft(self, message: bytes, at: datetime) -> Appended:
        """Append to Drafts."""
        self._begin("append_draft")
        self._room()
        appended = self._append("Drafts", message, at, {"\\Seen", "\\Draft"})
        self._probe()
        self._trouble("append_draft", "after")
        return appended

    def _room(self) -> None:
        if self.server.full:
            raise PermanentError("fake: [OVERQUOTA] the mailbox is full")

    def _append(self, name: str, message: bytes, at: datetime, flags: set[str]) -> Appended:
        folder = self.server.folder(name)
        return Appended(folder=name, uidvalidity=folder.uidvalidity, uid=folder.add(message, at, flags))

    async def remove_draft(self, draft: RemoveDraft) -> str:
        """Remove that draft and no other."""
        drafts = self._begin("remove_draft").folders.get("Drafts")
        result = "gone"
        if drafts is not None and draft.message_id:
            if draft.uid:
                uids = [draft.uid] if draft.uidvalidity == drafts.uidvalidity else []
            else:
                uids = sorted(drafts.messages, reverse=True)[:200]
            for uid in uids:
                if uid in drafts.messages and drafts.messages[uid].is_(draft.message_id):
                    del drafts.messages[uid]
                    result = "removed"
                    break
        self._trouble("remove_draft", "after")
        return result

    # ------------------------------------------------------------------------------------- waiting

    async def wait(self, seconds: float) -> bool:
        """Wait for a delivery, or for ``wake``."""
        server = self._begin("wait")
        if not self._rung and not (server.idle and server.changes != self._seen):
            loop, event = asyncio.get_running_loop(), asyncio.Event()

            def ring() -> None:
                loop.call_soon_threadsafe(event.set)

            self._ring = ring
            if server.idle:
                server.listen(ring)
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), seconds)
            finally:
                self._ring = None
                if server.idle:
                    server.leave(ring)
        rung, self._rung = self._rung, False
        self._begin("wait")
        return rung or (server.idle and server.changes != self._seen)

    def wake(self) -> None:
        """End a running or the next ``wait`` early."""
        self._rung = True
        ring = self._ring
        if ring is not None:
            ring()


# -------------------------------------------------------------------------------------------- pure


def _refusal(folder: str, server: FakeServer) -> str:
    """Say why that folder cannot be a target; "" if it can."""
    if folder in server.unmakeable:
        return f"could not create folder {folder}: the test forbids it"
    return _unfit(folder)


def _unfit(folder: str) -> str:
    """Say why a name cannot be sent to a server; "" if it can."""
    try:
        folder_to_wire(folder, separator="/", prefix="")
    except PermanentError as error:
        return str(error)
    return ""


def _chosen(raw: bytes, fields: frozenset[str]) -> bytes:
    """Return those fields of a message, as HEADER.FIELDS does: in the message's order, folded as they are."""
    lines: list[bytes] = []
    taking = False
    for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        if line[:1] not in (b" ", b"\t"):
            taking = line.partition(b":")[0].strip().lower().decode("latin-1") in fields
        if taking:
            lines.append(line)
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def _structure(raw: bytes) -> tuple[Part, ...]:
    return tuple(_leaves(message_from_bytes(raw)))


def _leaves(part: EmailMessage) -> Iterable[Part]:
    if part.get_content_maintype() == "multipart":
        for each in part.get_payload():
            if not isinstance(each, str):
                yield from _leaves(each)
        return
    disposition = part.get_content_disposition() or ""
    yield Part(
        media=part.get_content_type(),
        disposition=disposition if disposition in ("", "inline") else "attachment",
        filename=part.get_filename("") or "",
        parameters={name.lower(): collapse_rfc2231_value(value) for name, value in (part.get_params() or [])[1:]},
    )
