"""The Mailbox port over IMAP: scan, fetch, file, other folders, drafts, Sent, waiting.

Promises the engine what ``responder.ports.Mailbox`` says, on any server: where MOVE, UIDPLUS, IDLE, SPECIAL-USE or
keywords are missing there is a slower way. Between two calls INBOX is the selected folder. Everything on the wire
happens in one thread of its own; a session that failed is let go of, and ``open`` makes another.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from responder.adapters import imap_shelves
from responder.adapters.alarm import Alarm, readable_within
from responder.adapters.imap_account import Account, translated
from responder.adapters.imap_answers import header_item, ids, is_message, uid_sets
from responder.adapters.imap_folders import Folders
from responder.adapters.imap_lifeline import Lifeline
from responder.adapters.imap_session import ImapSession
from responder.core.model import Body, Message, MessageKey
from responder.errors import PermanentError, TemporaryError
from responder.ports import Appended, InboxState, Profile, SentCursor, SentHeader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from responder.adapters.imap_answers import Fetched
    from responder.core.model import FileMessage, Flag, MoveFiled, RemoveDraft
    from responder.ports import Place

T = TypeVar("T")

MOST_HEADER = 65_536  # octets; an honest header is a tenth of it, a hostile one can be endless
MOST_ID = 4_096  # octets of the Message-ID fields
ROUND = 240.0  # seconds of IDLE at most: firewalls forget connections that are silent for five minutes
CLOSE_SECONDS = 5.0  # a goodbye that takes longer is cut short
SLOW = 2.0  # time-outs of a server that answers, but does not get on
LEAST_OCTETS = 1_024  # that an answer must come on by in that time
CHUNK = 500  # UIDs looked through at once: bigger chunks gain little, smaller ones cost round trips
LAST_FOUND = 5_000  # messages that ``find`` looks through
LAST_SENT = 200  # messages of Sent read without a cursor
MOST_SENT = 5_000  # messages of Sent read after a long absence
LAST_DRAFTS = 200  # drafts looked through where the server did not say where ours went
LAST_OURS = 1_000  # messages of Sent or Drafts looked through for one of ours: more than come while a service is down

SENT_FIELDS = (
    "Message-ID", "In-Reply-To", "References", "From", "To", "Cc", "Bcc", "Date", "Subject", "Auto-Submitted",
    "X-Responder-Id",
)  # fmt: skip


class ImapMailbox:
    """One IMAP mailbox. ``counters``: "commands" sent, their "round_trips", "bytes_in" received since it was made.

    Args:
        name: the mailbox's name in the configuration.
        host: the server; its certificate must bear this name.
        port: 993 for "tls", 143 for the others as a rule.
        security: "starttls" refuses a server that does not offer it; "none" is for loopback.
        username: to log in with.
        password: asked anew at every login, in the session's thread; None where ``token`` is.
        header_fields: which header fields ``fetch`` brings.
        inbox: the folder that is watched.
        token: gives an access token for OAuth2, another one than ``rejected``; asked as the password is.
        ca_file: the authorities to trust instead of the system's.
        timeout: seconds that the server may take for one answer.
        idle: use IDLE where it is offered.
        read_only: open INBOX with EXAMINE, so that nothing in it can change.
    """

    def __init__(  # noqa: PLR0913 - one argument per line of the configuration, all by keyword
        self,
        *,
        name: str,
        host: str,
        port: int,
        security: Literal["tls", "starttls", "none"],
        username: str,
        password: Callable[[], str] | None,
        header_fields: Sequence[str],
        inbox: str = "INBOX",
        token: Callable[..., str] | None = None,
        ca_file: Path | None = None,
        timeout: float = 60,
        idle: bool = True,
        read_only: bool = False,
    ) -> None:
        self._account = Account(
            name=name,
            host=host,
            port=port,
            security=security,
            username=username,
            password=password,
            token=token,
            ca_file=ca_file,
            timeout=timeout,
        )
        self._inbox, self._idle, self._read_only = inbox, idle, read_only
        self._message_items = f"(UID INTERNALDATE RFC822.SIZE FLAGS {header_item(header_fields, MOST_HEADER)})"
        self._identity_items = f"(UID INTERNALDATE RFC822.SIZE FLAGS {header_item(['Message-ID'], MOST_ID)})"
        self._sent_items = f"(UID INTERNALDATE FLAGS {header_item(SENT_FIELDS, MOST_HEADER)})"
        self.counters = {"commands": 0, "round_trips": 0, "bytes_in": 0}
        self._alarm = Alarm()
        self._waiting = False
        self._filing = False  # still true at the next filing if this one broke off
        self._refiling = False  # the same of moves between other folders
        self._thread: ThreadPoolExecutor | None = None
        self._lifeline = Lifeline()
        self._folders: Folders | None = None
        self._profile: Profile | None = None

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._account.name

    @property
    def profile(self) -> Profile:
        """What the server can do; only after ``open``."""
        if self._profile is None:
            raise TemporaryError(f"{self._account}: not opened yet")
        return self._profile

    # ------------------------------------------------------------------------------ session, thread

    async def open(self) -> InboxState:
        """Connect, log in, probe, select INBOX. An open session is closed first."""
        await self.close()
        self._thread = thread = ThreadPoolExecutor(1, thread_name_prefix=f"imap-{self.name}")
        self._lifeline = lifeline = Lifeline()
        return await self._watched("logging in", thread, lambda: self._connect(lifeline), lifeline)

    def _connect(self, lifeline: Lifeline) -> InboxState:
        with translated(self._account, "logging in"):
            session = ImapSession(self._account, self.counters, lifeline)
        try:
            with translated(self._account, "opening INBOX"):
                folders = Folders(session, self._account, inbox=self._inbox, idle=self._idle, read_only=self._read_only)
        except BaseException:
            session.drop()
            raise
        self._folders, self._profile = folders, folders.profile
        return _state(session)

    async def close(self) -> None:
        """Log out if possible; never raises."""
        folders, self._folders = self._folders, None
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if folders is not None:
            if self._waiting:
                self.wake()
            goodbye = asyncio.get_running_loop().run_in_executor(thread, folders.session.log_out)
            try:
                await asyncio.wait_for(goodbye, CLOSE_SECONDS)
            except TimeoutError:
                self._lifeline.cut()
        thread.shutdown(wait=False)

    async def _watched(
        self, doing: str, thread: ThreadPoolExecutor, work: Callable[[], T], lifeline: Lifeline, *, waits: float = 0.0
    ) -> T:
        """Run work in the session's thread, and cut the connection of a server that answers without getting on.

        ``waits``: so many seconds of the work are meant to pass in silence.
        """
        running = asyncio.get_running_loop().run_in_executor(thread, work)
        was_cut = False
        try:
            while True:
                commands, octets = self.counters["commands"], self.counters["bytes_in"]
                done, _ = await asyncio.wait({running}, timeout=waits + SLOW * self._account.timeout)
                if done:
                    return running.result()
                if self.counters["commands"] == commands and self.counters["bytes_in"] - octets < LEAST_OCTETS:
                    was_cut = True
                    lifeline.cut()
        except asyncio.CancelledError:
            running.cancel()  # nobody asks any more what became of it
            raise
        except TemporaryError as error:
            if was_cut:
                raise TemporaryError(f"{self._account}: {doing}: no whole answer in time") from error
            raise

    async def _do(self, doing: str, work: Callable[[Folders], T], *, waits: float = 0.0) -> T:
        """Do work in the session's thread; a session that fails is let go of."""
        folders, thread = self._folders, self._thread
        if folders is None or thread is None:
            raise TemporaryError(f"{self._account}: {doing}: there is no session; open the mailbox again")

        def guarded() -> T:
            try:
                with translated(self._account, doing):
                    return work(folders)
            except TemporaryError:
                folders.session.drop()
                raise

        try:
            return await self._watched(doing, thread, guarded, self._lifeline, waits=waits)
        except TemporaryError:
            if self._folders is folders:
                self._folders = None
            raise

    # ------------------------------------------------------------------------------------- reading

    async def scan(self, from_uid: int) -> tuple[InboxState, Sequence[int]]:
        r"""Return INBOX's state and the UIDs >= ``from_uid`` without \\Deleted, ascending."""

        def work(folders: Folders) -> tuple[InboxState, Sequence[int]]:
            session = folders.session
            # Who renames INBOX takes our session along, on Dovecot with its mail, on Cyrus without: only a fresh SELECT
            # is believed to be INBOX.
            if folders.stale or not (session.exists or session.fresh):
                folders.home()
            elif not session.fresh:
                session.demand("NOOP")
            found = session.search(from_uid)
            if not found and session.exists:  # not even the last message: the same suspicion
                folders.home()
                found = session.search(from_uid)
            session.fresh = False
            if found:
                session.uidnext = max(session.uidnext, found[-1] + 1)
            return _state(session), [uid for uid in found if uid >= from_uid]

        return await self._do("looking for new mail", work)

    async def fetch(self, uids: Sequence[int]) -> Sequence[Message]:
        """Return chosen header fields, INTERNALDATE, size and flags; UIDs that vanished are left out."""

        def work(folders: Folders) -> Sequence[Message]:
            found = folders.session.messages(uids, self._message_items)
            return _as_messages(self.name, folders.session.uidvalidity, found)

        return await self._do("reading headers", work)

    async def bodies(self, uids: Sequence[int], *, octets: int) -> Mapping[int, Body]:
        """Return the first ``octets`` of each raw body, and its structure; vanished UIDs are left out."""

        def work(folders: Folders) -> Mapping[int, Body]:
            texts, parts = folders.session.bodies(uids, f"(UID BODY.PEEK[TEXT]<0.{octets}>)")
            return {uid: Body(beginning=one.data or b"", parts=parts.get(uid)) for uid, one in texts.items()}

        return await self._do("reading bodies", work)

    async def find(self, message_id: str) -> int | None:
        """Return the UID in INBOX of the newest message with that Message-ID among the last 5000, None if none."""

        def work(folders: Folders) -> int | None:
            folders.session.demand("NOOP")
            return self._find(folders.session, message_id, LAST_FOUND)

        return await self._do("looking for a message", work)

    def _find(self, session: ImapSession, message_id: str, most: int) -> int | None:
        """Look through the selected folder's last messages, newest first; compared here, never by the server."""
        uids = session.last(most)
        for end in range(len(uids), 0, -CHUNK):
            found = session.messages(uids[max(end - CHUNK, 0) : end], self._identity_items)
            for uid in sorted(found, reverse=True):
                if is_message(found[uid].data or b"", message_id):
                    return uid
        return None

    # -------------------------------------------------------------------------------------- filing

    async def file(self, moves: Sequence[FileMessage]) -> Mapping[int, str]:
        """Move messages out of INBOX, one command per folder; make and subscribe missing folders."""

        def work(folders: Folders) -> Mapping[int, str]:
            session = folders.session
            again, self._filing = self._filing, True
            results = {move.key.uid: "gone" for move in moves}
            if any(move.key.uidvalidity != session.uidvalidity for move in moves):
                raise TemporaryError(f"{self._account}: INBOX was numbered anew; nothing was moved")
            wanted = {move.key.uid: move for move in moves}
            by_folder: dict[str, dict[int, Fetched]] = defaultdict(dict)
            marked: dict[str, dict[int, Fetched]] = defaultdict(dict)
            for uid, one in session.messages(wanted, self._identity_items).items():
                if is_message(one.data or b"", wanted[uid].message_id):
                    (marked if r"\Deleted" in one.flags else by_folder)[wanted[uid].folder][uid] = one
            for folder, messages in marked.items():
                results.update(folders.finish(folder, messages, self._identity_items))
            for folder, messages in by_folder.items():
                results.update(folders.file(folder, messages, self._identity_items, again=again))
            self._filing = False
            return results

        return await self._do("filing", work)

    # -------------------------------------------------------------------------------- other folders

    async def exists(self, folder: str) -> bool:
        """Tell whether there is such a folder, as the server says now."""
        return await self._do(f"looking for the folder {folder}", lambda folders: folders.exists(folder))

    async def look(self, folder: str) -> Sequence[Message] | None:
        r"""Return the messages of another folder without \\Deleted, as ``fetch`` does; None where there is none."""

        def work(folders: Folders) -> Sequence[Message] | None:
            found = imap_shelves.look(folders, folder, self._message_items)
            return None if found is None else _as_messages(self.name, *found)

        return await self._do(f"looking through {folder}", work)

    async def refile(self, moves: Sequence[MoveFiled]) -> Mapping[str, str]:
        """Move messages between folders of ours, one command per pair; make and subscribe missing targets."""

        def work(folders: Folders) -> Mapping[str, str]:
            again, self._refiling = self._refiling, True
            results = imap_shelves.refile(folders, moves, self._identity_items, again=again)
            self._refiling = False
            return results

        return await self._do("moving filed mail", work)

    async def flag(self, flags: Sequence[Flag]) -> Mapping[str, str]:
        r"""Set \\Flagged on the messages that are still the ones meant."""
        return await self._do("flagging", lambda folders: imap_shelves.flag(folders, flags, self._identity_items))

    async def remove_folder(self, folder: str) -> str:
        """Remove a folder that is empty and has no children, asked immediately before."""

        def work(folders: Folders) -> str:
            try:
                return folders.remove(folder)
            except PermanentError as error:
                return str(error)

        return await self._do(f"removing the folder {folder}", work)

    async def append_inbox(self, message: bytes, at: datetime) -> Appended:
        """Append to INBOX, without any flag."""

        def work(folders: Folders) -> Appended:
            appended, why = None, folders.forbidden
            if not why:
                appended, why = folders.append(folders.inbox, "()", message, at)
            if not appended:
                raise PermanentError(f"{folders.inbox} did not take the message: {why}")
            return appended

        return await self._do("leaving a message in INBOX", work)

    # -------------------------------------------------------------------------------------- claims

    async def claim(self, uids: Sequence[int], mark: str) -> Mapping[int, frozenset[str]]:
        """Set the keyword on messages of INBOX, and return the flags that each bears after that."""

        def work(folders: Folders) -> Mapping[int, frozenset[str]]:
            flags = folders.session.mark(uids, mark) if folders.profile.keywords else None
            if flags is None:  # not permitted after all: not asked again in this session
                folders.profile = replace(folders.profile, keywords=False)
                self._profile = folders.profile
            return flags or {}

        return await self._do("marking messages", work)

    async def withdraw(self, uids: Sequence[int], mark: str) -> None:
        """Take the keyword off messages of INBOX again."""

        def work(folders: Folders) -> None:
            for uid_set in uid_sets(uids):
                folders.session.command("UID", "STORE", uid_set, "-FLAGS.SILENT", f"({mark})")

        await self._do("unmarking messages", work)

    # --------------------------------------------------------------------------------- Sent, drafts

    async def sent_headers(
        self, cursor: SentCursor | None, since: datetime
    ) -> tuple[SentCursor | None, Sequence[SentHeader]]:
        """Return what is new in Sent since the cursor, and the new cursor; (None, ()) without a readable Sent."""

        def work(folders: Folders) -> tuple[SentCursor | None, Sequence[SentHeader]]:
            session, sent = folders.session, folders.profile.sent
            now = session.status(folders.wire(sent)) if sent else {}
            if sent is None or not now.keys() >= {"UIDNEXT", "UIDVALIDITY"}:
                return None, ()
            known = cursor if cursor and (cursor.folder, cursor.uidvalidity) == (sent, now["UIDVALIDITY"]) else None
            if known and known.uidnext >= now["UIDNEXT"]:
                return known, ()
            with folders.elsewhere(sent, read_only=True) as there:
                if not there:
                    return None, ()
                first = known.uidnext if known else 1
                uids = session.search(first) if known else session.last(MOST_SENT)
                uids = [uid for uid in uids if uid >= first][-MOST_SENT:]
                uidvalidity, uidnext = session.uidvalidity, max([session.uidnext, *(uid + 1 for uid in uids[-1:])])
                found = self._newest(session, uids, None if known else since)
            headers = [
                SentHeader(uid=uid, header=one.data or b"", internal_at=one.internal_at, flags=one.flags)
                for uid, one in found.items()
            ]
            return SentCursor(folder=sent, uidvalidity=uidvalidity, uidnext=uidnext), headers

        return await self._do("reading Sent", work)

    def _newest(self, session: ImapSession, uids: Sequence[int], since: datetime | None) -> dict[int, Fetched]:
        """Return the headers of Sent's messages, ascending; with ``since`` no more of the older ones than need be."""
        found: dict[int, Fetched] = {}
        size = CHUNK if since is None else LAST_SENT
        while uids:
            chunk = session.messages(uids[-size:], self._sent_items)
            found = chunk | found
            uids, size = uids[:-size], CHUNK
            came = [one.internal_at for one in chunk.values() if one.internal_at is not None]
            if since is not None and came and min(came) < since:
                break
        return found

    async def find_ours(self, place: Place, message_ids: Collection[str]) -> Mapping[str, Appended]:
        """Return where those messages of ours lie that are in that place, among its last 1000."""
        wanted = frozenset(message_ids)

        def work(folders: Folders) -> Mapping[str, Appended]:
            session = folders.session
            places = {"sent": folders.profile.sent, "drafts": folders.profile.drafts, "inbox": folders.inbox}
            folder = places[place]
            found: dict[str, Appended] = {}
            if folder is None or not wanted:
                return found
            with folders.elsewhere(folder, read_only=True) as there:
                uids = session.last(LAST_OURS) if there else []
                for start in range(0, len(uids), CHUNK):
                    for uid, one in session.messages(uids[start : start + CHUNK], self._sent_items).items():
                        # A provider that gives its copy another Message-ID leaves the second field alone.
                        for message_id in wanted.intersection(ids(one.data or b"", "message-id", "x-responder-id")):
                            found[message_id] = Appended(folder=folder, uidvalidity=session.uidvalidity, uid=uid)
            return found

        return await self._do(f"looking for messages of ours in {place}", work)

    async def append_sent(self, message: bytes, at: datetime) -> Appended | None:
        r"""Append a copy to Sent, \\Seen and ``$autosent`` where allowed; None without a Sent folder."""

        def work(folders: Folders) -> Appended | None:
            sent = folders.profile.sent
            if sent is None:
                return None
            flags = [r"(\Seen $autosent)", r"(\Seen)"] if folders.profile.keywords else [r"(\Seen)"]
            why = ""
            for each in flags:  # INBOX may take keywords where Sent does not
                appended, why = folders.append(sent, each, message, at)
                if appended:
                    return appended
                if folders.is_final(why):
                    break
            raise PermanentError(f"{sent} did not take the copy: {why}")

        return await self._do("copying a reply to Sent", work)

    async def append_draft(self, message: bytes, at: datetime) -> Appended:
        r"""Append to Drafts with \\Draft; make the folder if there is none."""

        def work(folders: Folders) -> Appended:
            drafts = folders.drafts()
            self._profile = folders.profile
            appended, why = folders.append(drafts, r"(\Draft \Seen)", message, at)
            if not appended and not folders.is_final(why):
                folders.make(drafts)  # it may have been deleted meanwhile
                appended, why = folders.append(drafts, r"(\Draft \Seen)", message, at)
            if not appended:
                raise PermanentError(f"{drafts} did not take the draft: {why}")
            return appended

        return await self._do("saving a draft", work)

    async def remove_draft(self, draft: RemoveDraft) -> str:
        """Delete exactly that draft if its Message-ID still stands at that UID. Returns "removed" or "gone"."""

        def work(folders: Folders) -> str:
            session, drafts = folders.session, folders.profile.drafts
            if drafts is None:
                return "gone"
            with folders.elsewhere(drafts, read_only=False) as there:
                if not there or (draft.uid and session.uidvalidity != draft.uidvalidity):
                    return "gone"
                if draft.uid:
                    # One marked as deleted is still to be expunged, if we can: a crash may have come in between.
                    uids = [
                        uid
                        for uid, one in session.messages([draft.uid], self._identity_items).items()
                        if is_message(one.data or b"", draft.message_id)
                        and (folders.profile.uidplus or r"\Deleted" not in one.flags)
                    ]
                else:
                    uids = [uid for uid in [self._find(session, draft.message_id, LAST_DRAFTS)] if uid]
                if not draft.message_id or not uids:
                    return "gone"
                session.demand("UID", "STORE", str(uids[0]), "+FLAGS.SILENT", r"(\Deleted)")
                if folders.profile.uidplus:
                    session.demand("UID", "EXPUNGE", str(uids[0]))
                return "removed"

        return await self._do("removing a draft", work)

    # ------------------------------------------------------------------------------------- waiting

    async def wait(self, seconds: float) -> bool:
        """Wait for news (IDLE where offered), at most so long. True is a hint that something happened."""

        def work(folders: Folders) -> bool:
            if self._alarm.cleared() or folders.session.news:
                return True
            if folders.profile.idle:
                news = folders.session.idle(min(seconds, ROUND), self._alarm.fileno())
            else:
                news = readable_within([self._alarm.fileno()], min(seconds, ROUND))
            return self._alarm.cleared() or news

        self._waiting = True
        try:
            return await self._do("waiting for mail", work, waits=min(seconds, ROUND))
        except asyncio.CancelledError:
            self.wake()  # the thread must not sit the time out
            raise
        finally:
            self._waiting = False

    def wake(self) -> None:
        """End a running or the next ``wait`` early; may be called from any thread."""
        self._alarm.ring()


def _as_messages(mailbox: str, uidvalidity: int, found: Mapping[int, Fetched]) -> list[Message]:
    return [
        Message(
            key=MessageKey(mailbox=mailbox, uidvalidity=uidvalidity, uid=uid),
            header=(one.data or b"")[:MOST_HEADER],  # Courier sends two octets more than it was asked for
            header_cut=len(one.data or b"") >= MOST_HEADER,
            internal_at=one.internal_at,
            size=one.size,
            flags=one.flags,
        )
        for uid, one in found.items()
    ]


def _state(session: ImapSession) -> InboxState:
    return InboxState(
        uidvalidity=session.uidvalidity,
        uidnext=session.uidnext,
        exists=max(session.exists, 0),
        reckoned=session.reckoned,
    )
