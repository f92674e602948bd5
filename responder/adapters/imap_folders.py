"""The folders of one IMAP session: which there are, how they are spelt, making them, moving mail into them.

Promises ``mailbox`` that INBOX is selected again after every method, that a message leaves its folder only into the
one asked for, and that nothing is expunged but what was copied there first.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from responder.adapters.imap_answers import (
    copied,
    folder_from_wire,
    folder_to_wire,
    ids,
    imap_date,
    is_safe,
    quoted,
    uid_sets,
)
from responder.errors import ConfigurationError, PermanentError, TemporaryError
from responder.ports import Appended, Profile

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

    from responder.adapters.imap_account import Account
    from responder.adapters.imap_answers import Answer, Fetched
    from responder.adapters.imap_session import ImapSession

WHOLE = "(UID BODY.PEEK[])"
LAST_COPIES = 1_000  # messages of a target looked through for copies made before a crash: twice what is filed at once
UNREAL = frozenset({b"\\noselect", b"\\nonexistent"})  # a level that only has folders below it
LOOK_AGAIN = 60.0  # seconds; on Dovecot a session stays in an INBOX that was renamed, for ever, and sees no new mail

# What programs call these folders where the server does not say (SPECIAL-USE); "/" separates levels.
SENT_NAMES = (
    "Sent", "Sent Items", "Sent Messages", "Sent Mail", "Отправленные", "Gesendet", "Gesendete Objekte",
    "Gesendete Elemente", "Enviados", "Envoyés", "Éléments envoyés", "Inviata", "Posta inviata", "Wysłane",
    "Надіслані", "INBOX/Sent",
)  # fmt: skip
DRAFTS_NAMES = (
    "Drafts", "Draft", "Черновики", "Entwürfe", "Borradores", "Brouillons", "Bozze", "Kopie robocze", "Чернетки",
    "INBOX/Drafts",
)  # fmt: skip
NEW_DRAFTS = "Drafts"

# A second try would get the same answer (RFC 5530).
_FINAL = re.compile(r"\[(?:OVERQUOTA|NOPERM|LIMIT|CANNOT)\]")


class Folders:
    """The folders of one session, surveyed once; INBOX is selected when it stands."""

    def __init__(self, session: ImapSession, account: Account, *, inbox: str, idle: bool, read_only: bool) -> None:
        self.session = session
        self._account, self._inbox, self._read_only = account, inbox, read_only
        self._known: dict[str, str] = {}  # our name → the server's, for every folder that can be selected
        self._visited: tuple[str, bool] | None = None  # the folder that is selected instead of INBOX; read-only?
        self.profile = self._survey(idle)
        self.home()
        self.profile = replace(self.profile, keywords=session.keywords)
        session.news = False  # what lies there now is found by the first search

    def _survey(self, idle: bool) -> Profile:  # noqa: FBT001 - private, one caller
        """Find out what the server can do and which folders there are."""
        session = self.session
        prefix, separator = session.namespace()
        special: dict[bytes, str] = {}
        discarded: set[str] = set()
        for attributes, wire in session.list_folders():
            if attributes & UNREAL or not (wire.isascii() and is_safe(wire)):
                continue
            name = folder_from_wire(wire, separator=separator, prefix=prefix)
            self._known[name] = wire
            if attributes & {b"\\junk", b"\\trash"}:
                discarded.add(name)
            for attribute in attributes & {b"\\sent", b"\\drafts"}:
                special.setdefault(attribute, name)
        offers = session.capabilities
        return Profile(
            capabilities=offers,
            separator=separator,
            prefix=prefix,
            idle=idle and "IDLE" in offers,
            move="MOVE" in offers,
            uidplus="UIDPLUS" in offers,
            special_use="SPECIAL-USE" in offers,
            keywords=False,  # INBOX tells when it is selected
            sent=special.get(b"\\sent") or self._named(SENT_NAMES),
            drafts=special.get(b"\\drafts") or self._named(DRAFTS_NAMES),
            folders=tuple(sorted(self._known)),
            discarded=frozenset(discarded),
        )

    def _named(self, names: Sequence[str]) -> str | None:
        """Return the first of the names that exists, whatever its case."""
        spelt = {name.casefold(): name for name in self._known}
        return next((spelt[name.casefold()] for name in names if name.casefold() in spelt), None)

    # ----------------------------------------------------------------------------------- selecting

    def home(self) -> None:
        """Select INBOX."""
        wire = self.wire(self._inbox)
        self._home_at = time.monotonic()
        if not self.session.select(wire, read_only=self._read_only):
            if wire != "INBOX" and self._inbox not in self._known:
                raise ConfigurationError(f"{self._account}: inbox: there is no folder {self._inbox!r}")
            raise TemporaryError(f"{self._account}: {self._inbox} could not be opened; trying again later")

    @property
    def stale(self) -> bool:
        """The selected folder may no longer be INBOX: the server cannot watch it, or it was selected long ago."""
        return self.session.doubtful or time.monotonic() - self._home_at >= LOOK_AGAIN

    @contextlib.contextmanager
    def elsewhere(self, folder: str, *, read_only: bool) -> Generator[bool]:
        """Select another folder for a while, then the one before; yields False if the server will not."""
        wire, read_only = self.wire(folder), read_only or self._read_only
        before, self._visited = self._visited, (folder, read_only)
        try:
            yield self.session.select(wire, read_only=read_only)
        except PermanentError:
            self._back(before)
            raise
        self._back(before)  # not after another error: then the session is dead

    def _back(self, before: tuple[str, bool] | None) -> None:
        """Select what was selected before: another folder, or INBOX."""
        self._visited = before
        if before is None:
            self.home()
        elif not self.session.select(self.wire(before[0]), read_only=before[1]):
            raise TemporaryError(f"{self._account}: {before[0]} could not be opened again; trying again later")

    @property
    def here(self) -> str:
        """The name of the selected folder."""
        return self._visited[0] if self._visited else self._inbox

    @property
    def forbidden(self) -> str:
        """Why nothing may be changed in the selected folder; "" if it may."""
        return f"{self.here} is open for reading only" if self._read_only or self.session.read_only else ""

    @property
    def inbox(self) -> str:
        """The name of the folder that is watched."""
        return self._inbox

    # ------------------------------------------------------------------------- making and removing

    def exists(self, folder: str) -> bool:
        """Ask the server whether there is such a folder, and remember it; a level that holds no mail is none."""
        wire = self.wire(folder)
        found = [attributes for attributes, name in self.session.list_folders(wire) if name == wire]
        # A server that knows no capitals lists another spelling, and answers to ours.
        there = not (found[0] & UNREAL) if found else bool(self.session.status(wire))
        if there:
            self._known[folder] = wire
        else:
            self._forget(wire)
        return there

    def _forget(self, wire: str) -> None:
        self._known = {name: spelt for name, spelt in self._known.items() if spelt != wire}

    def remove(self, folder: str) -> str:
        """Remove an empty folder without children, in the words of ``Mailbox.remove_folder``; INBOX is selected.

        Nothing in IMAP asks and removes at once: what comes in between the last question and the command is lost
        with the folder. So each is asked anew, and the messages last. Source: RFC 9051 section 6.3.5.
        """
        session, wire = self.session, self.wire(folder)
        if self.forbidden:
            return self.forbidden
        if wire in {"INBOX", *(self.wire(each) for each in self._own())}:
            return f"{folder} is one of the mailbox's own folders"
        if not self.exists(folder):
            session.command("UNSUBSCRIBE", quoted(wire))
            self._remove_levels(wire)
            return "gone"
        if separator := self.profile.separator:
            below = (wire + separator).casefold()
            if any(name.casefold().startswith(below) for _, name in session.list_folders(f"{wire}{separator}*")):
                return f"there are folders below {folder}"
        messages = session.status(wire, "MESSAGES").get("MESSAGES")
        if messages is None:
            return f"the server does not say whether {folder} is empty"
        if messages:
            return f"{folder} is not empty: it holds {messages}, those marked as deleted among them"
        answer = session.command("DELETE", quoted(wire))
        if not answer.ok and self.exists(folder):
            return f"the server did not remove {folder}: {answer.text}"
        self._forget(wire)
        session.command("UNSUBSCRIBE", quoted(wire))
        self._remove_levels(wire)
        return "removed" if answer.ok else "gone"

    def _remove_levels(self, wire: str) -> None:
        """Remove the levels above a removed folder that can hold no mail and hold no folder any more.

        They came with it: a server makes them where folders are kept as directories, and leaves them there.
        """
        separator = self.profile.separator
        while separator and separator in wire:
            wire = wire.rpartition(separator)[0]
            attributes = [attributes for attributes, name in self.session.list_folders(wire) if name == wire]
            below = (wire + separator).casefold()
            if (
                wire.upper() == "INBOX"
                or not attributes
                or not attributes[0] & UNREAL
                or any(
                    name.casefold().startswith(below) for _, name in self.session.list_folders(f"{wire}{separator}*")
                )
                or not self.session.command("DELETE", quoted(wire)).ok
            ):
                return

    def _own(self) -> list[str]:
        return [each for each in (self._inbox, self.profile.sent, self.profile.drafts) if each]

    def wire(self, folder: str) -> str:
        """Return a folder's name as the server spells it; PermanentError if it is unfit to be sent."""
        if folder.upper() == "INBOX":
            return "INBOX"
        known = self._known.get(folder)
        if known is not None:
            return known
        return folder_to_wire(folder, separator=self.profile.separator, prefix=self.profile.prefix)

    def ensure(self, folder: str) -> bool:
        """Make and subscribe a folder that is not known to exist; True if it was made just now.

        Raises:
            PermanentError: the server will not have it.
        """
        return folder not in self._known and self.make(folder)

    def make(self, folder: str) -> bool:
        """Make and subscribe a folder; False if it was there. PermanentError if the server will not have it."""
        wire = self.wire(folder)
        answer = self.session.command("CREATE", quoted(wire))
        there = not answer.ok and bool(self.session.status(wire))
        if not answer.ok and not there:
            levels = folder.split("/")
            for depth in range(1, len(levels)):  # some servers do not make the levels above
                self.session.command("CREATE", quoted(self.wire("/".join(levels[:depth]))))
            answer = self.session.command("CREATE", quoted(wire))
            if not answer.ok:
                raise PermanentError(f"could not create folder {folder}: {answer.text}")
        self.session.command("SUBSCRIBE", quoted(wire))
        self._known[folder] = wire
        return not there

    def drafts(self) -> str:
        """Return the Drafts folder, made if there is none."""
        if self.profile.drafts is None:
            self.ensure(NEW_DRAFTS)
            self.profile = replace(self.profile, drafts=NEW_DRAFTS)
            return NEW_DRAFTS
        return self.profile.drafts

    @staticmethod
    def is_final(why: str) -> bool:
        """Tell whether a second try would get the same answer."""
        return _FINAL.search(why) is not None

    def append(self, folder: str, flags: str, message: bytes, at: datetime) -> tuple[Appended | None, str]:
        """Append a message; (None, why) if the server refuses. Source: RFC 4315 section 3 (APPENDUID)."""
        answer = self.session.command("APPEND", quoted(self.wire(folder)), flags, imap_date(at), literal=message)
        if not answer.ok:
            return None, answer.text
        for code in answer.all("APPENDUID"):
            words = bytes(code).split()
            if len(words) == 2 and words[0].isdigit() and words[1].isdigit():  # noqa: PLR2004 - UIDVALIDITY, UID
                return Appended(folder=folder, uidvalidity=int(words[0]), uid=int(words[1])), ""
        return Appended(folder=folder), ""

    # -------------------------------------------------------------------------------------- filing

    def file(
        self, folder: str, messages: Mapping[int, Fetched], identity: str, *, again: bool = False
    ) -> dict[int, str]:
        """Move messages of the selected folder to another; what became of each, in the words of ``Mailbox.file``.

        ``identity`` names the FETCH items that ``messages`` were read with. ``again``: a filing broke off before; a
        server that was killed in its MOVE may have made the copy and no more.
        """
        if self.forbidden:  # Dovecot would copy, call it moved, and leave it where it was
            return dict.fromkeys(messages, self.forbidden)
        try:
            made = self.ensure(folder)
            look = not made and (again or not self.profile.move)
            there = self._copied_before(folder, messages, identity) if look else set[int]()
            if self.profile.move and not there:
                return self._move(folder, list(messages))
            return self._copy(folder, [uid for uid in messages if uid not in there], messages)
        except PermanentError as error:
            return dict.fromkeys(messages, str(error))

    def finish(
        self, folder: str, messages: Mapping[int, Fetched], identity: str, *, again: bool = False
    ) -> dict[int, str]:
        r"""Finish what a crash cut short between \\Deleted and UID EXPUNGE: only of what the folder holds already.

        With MOVE there is no such moment, but in finishing what broke off before; and without UIDPLUS nothing is
        expunged: then whoever marked it sees to it.
        """
        if (self.profile.move and not again) or not self.profile.uidplus or self.forbidden:
            return {}
        there = self._copied_before(folder, messages, identity)
        for uid_set in uid_sets(there):
            self.session.command("UID", "EXPUNGE", uid_set)
        return dict.fromkeys(there, "moved")

    def _move(self, folder: str, left: list[int]) -> dict[int, str]:
        """File with MOVE (RFC 6851): what COPYUID names went, what is still there stayed."""
        results: dict[int, str] = {}
        why = ""
        target = quoted(self.wire(folder))
        for attempt in range(2):
            if attempt:
                self.make(folder)  # it may have been deleted meanwhile
            answers = [self.session.command("UID", "MOVE", uid_set, target) for uid_set in uid_sets(left)]
            named = [code for answer in answers for code in answer.all("COPYUID")]
            went = copied(named, left)
            if sum(len(answer.all("EXPUNGE")) for answer in answers) < len(went):
                here = went & self.session.present(went)
                results.update(dict.fromkeys(here, f"the server copied it to {folder} and left it in {self.here}"))
                went -= here
            results.update(dict.fromkeys(went, "moved"))
            left = [uid for uid in left if uid not in results]
            if not left:
                break
            present = self.session.present(left)
            silent = all(answer.ok for answer in answers) and not named  # no UIDPLUS: only its folder can tell
            results.update({uid: "moved" if silent else "gone" for uid in left if uid not in present})
            left = [uid for uid in left if uid in present]
            why = _refusal(answers)
            if not left or self.is_final(why):
                break
        return results | dict.fromkeys(left, f"the server did not move it to {folder}: {why}")

    def _copy(self, folder: str, due: list[int], messages: Mapping[int, Fetched]) -> dict[int, str]:
        r"""File without MOVE: COPY those due, then \\Deleted, then UID EXPUNGE where the server has it.

        Without UIDPLUS the owner's program expunges: a plain EXPUNGE would take what others have marked.
        """
        for uid_set in uid_sets(due):
            answer = self.session.command("UID", "COPY", uid_set, quoted(self.wire(folder)))
            if not answer.ok and not self.is_final(answer.text):
                self.make(folder)
                answer = self.session.command("UID", "COPY", uid_set, quoted(self.wire(folder)))
            if not answer.ok:
                raise PermanentError(f"the server did not copy it to {folder}: {answer.text}")
        for uid_set in uid_sets(messages):
            answer = self.session.command("UID", "STORE", uid_set, "+FLAGS.SILENT", r"(\Deleted)")
            if not answer.ok:
                raise PermanentError(f"it is in {folder}, but could not be taken out of {self.here}: {answer.text}")
            if self.profile.uidplus:
                self.session.command("UID", "EXPUNGE", uid_set)
        return dict.fromkeys(messages, "moved")

    def _copied_before(self, folder: str, messages: Mapping[int, Fetched], identity: str) -> set[int]:
        """Return those that the folder holds already: a crash may have come after the COPY.

        Whole texts are compared: whoever sends a second message under the first one's Message-ID must not lose it.
        """
        wanted = {likeness for one in messages.values() for likeness in _like(one)}
        texts: set[bytes | None] = set()
        uidvalidity = self.session.uidvalidity
        with self.elsewhere(folder, read_only=True) as there:
            if there:
                last = self.session.messages(self.session.last(LAST_COPIES), identity)
                alike = [uid for uid, one in last.items() if _like(one) & wanted]
                texts = {one.data for one in self.session.messages(alike, WHOLE).values()}
        if self.session.uidvalidity != uidvalidity:
            raise TemporaryError(f"{self._account}: {self.here} was numbered anew; nothing was moved")
        if not texts:
            return set()
        return {uid for uid, one in self.session.messages(messages, WHOLE).items() if one.data in texts}


def _like(one: Fetched) -> set[tuple[str, int, datetime | None]]:
    """Return what a copy shares with its original; one without a Message-ID is known by the rest."""
    return {(message_id, one.size, one.internal_at) for message_id in ids(one.data or b"") or [""]}


def _refusal(answers: Sequence[Answer]) -> str:
    return next((answer.text for answer in answers if not answer.ok), "it gave no reason")
