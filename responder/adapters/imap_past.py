"""Past mail in all folders of a mailbox, read without changing anything: for ``replay`` and ``init``.

Promises that every folder is opened with EXAMINE and every item fetched with PEEK, so that no flag, no UIDNEXT and no
"recent" of the server's changes; and that no more than a chunk of messages is held at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from responder.adapters.imap_answers import fetched
from responder.adapters.mailbox import CHUNK, MOST_HEADER, ImapMailbox
from responder.core.model import Body, Message, MessageKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responder.adapters.imap_answers import Fetched
    from responder.adapters.imap_folders import Folders
    from responder.ports import SentHeader

#: Folders so called hold no mail that was to be answered, where the server does not say so itself (SPECIAL-USE).
LEFT_OUT_NAMES = frozenset(
    name.casefold()
    for name in (
        *("Junk", "Spam", "Junk E-mail", "Bulk Mail", "Спам", "Trash", "Deleted Items", "Deleted Messages", "Bin"),
        *(
            "Корзина",
            "Удаленные",
            "Удалённые",
            "Templates",
            "Шаблоны",
            "Outbox",
            "Исходящие",
            "Papierkorb",
            "Corbeille",
        ),
    )
)
TIMES = "(UID INTERNALDATE)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Where one past message lies, and when it came."""

    folder: str
    uid: int
    arrived_at: datetime


class PastMailbox(ImapMailbox):
    """A mailbox opened for reading only, in all of its folders."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, read_only=True)

    def folders(self) -> tuple[str, ...]:
        """Return the folders in which mail that was to be answered may lie; only after ``open``."""
        profile = self.profile
        left_out = {profile.sent, profile.drafts, *profile.discarded}
        names = [
            name
            for name in profile.folders
            if name not in left_out and name.rpartition("/")[2].casefold() not in LEFT_OUT_NAMES
        ]
        return tuple(sorted(names, key=lambda name: (name.upper() != "INBOX", name)))

    async def index(self, folder: str, since: datetime, until: datetime) -> Sequence[Past]:
        """Return what came into the folder in that time, by UID; nothing where the server will not open it."""

        def work(folders: Folders) -> Sequence[Past]:
            session = folders.session
            found: list[Past] = []
            with folders.elsewhere(folder, read_only=True) as there:
                uids = session.since(since) if there else []
                for start in range(0, len(uids), 20 * CHUNK):
                    records = session.fetch(uids[start : start + 20 * CHUNK], TIMES)
                    found += [
                        Past(folder=folder, uid=one.uid, arrived_at=one.internal_at)
                        for one in fetched(records)
                        if one.internal_at is not None and since <= one.internal_at < until
                    ]
            return found

        return await self._do(f"looking through {folder}", work)

    async def read(self, wanted: Sequence[Past], *, octets: int) -> Mapping[Past, Message]:
        """Return the messages with the beginnings of their bodies; those that vanished are left out."""

        def work(folders: Folders) -> Mapping[Past, Message]:
            session = folders.session
            found: dict[Past, Message] = {}
            for folder in sorted({one.folder for one in wanted}):
                here = {one.uid: one for one in wanted if one.folder == folder}
                with folders.elsewhere(folder, read_only=True) as there:
                    if not there:
                        continue
                    headers = session.messages(here, self._message_items)
                    texts, parts = session.bodies(headers, f"(UID BODY.PEEK[TEXT]<0.{octets}>)")
                    for uid, one in headers.items():
                        text = texts[uid].data if uid in texts else None
                        body = Body(beginning=text or b"", parts=parts.get(uid))
                        found[here[uid]] = self._message(session.uidvalidity, uid, one, body)
            return found

        return await self._do("reading past mail", work)

    def _message(self, uidvalidity: int, uid: int, one: Fetched, body: Body) -> Message:
        return Message(
            key=MessageKey(mailbox=self.name, uidvalidity=uidvalidity, uid=uid),
            header=(one.data or b"")[:MOST_HEADER],
            header_cut=len(one.data or b"") >= MOST_HEADER,
            internal_at=one.internal_at,
            size=one.size,
            flags=one.flags,
            body=body,
        )

    async def headers(self, wanted: Sequence[Past]) -> Sequence[tuple[bytes, datetime | None]]:
        """Return the headers of messages and when each came; those that vanished are left out."""

        def work(folders: Folders) -> Sequence[tuple[bytes, datetime | None]]:
            found: list[tuple[bytes, datetime | None]] = []
            for folder in sorted({one.folder for one in wanted}):
                uids = [one.uid for one in wanted if one.folder == folder]
                with folders.elsewhere(folder, read_only=True) as there:
                    if there:
                        headers = folders.session.messages(uids, self._message_items).values()
                        found += [((one.data or b"")[:MOST_HEADER], one.internal_at) for one in headers]
            return found

        return await self._do("reading past headers", work)

    async def wrote(self, since: datetime) -> Sequence[SentHeader]:
        """Return the headers of Sent from then on, oldest first; none without a readable Sent."""
        _, headers = await self.sent_headers(None, since)
        dated = [header for header in headers if header.internal_at is not None and header.internal_at >= since]
        return sorted(dated, key=lambda header: (header.internal_at, header.uid))
