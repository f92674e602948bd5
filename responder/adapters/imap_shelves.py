"""What is done to the folders that mail was filed into: look through them, move between them, flag.

Promises ``mailbox`` what ``imap_folders`` promises: INBOX is selected again after every function, nothing but the
message meant is touched, and a message that could not be moved stays where it is.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from responder.adapters.imap_answers import is_message, uid_sets
from responder.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from responder.adapters.imap_answers import Fetched
    from responder.adapters.imap_folders import Folders
    from responder.core.model import Flag, MoveFiled

CHUNK = 500  # messages looked at, or moved, by one command: of twice as many it is known whether they were copied
LAST_LOOKED = 5_000  # messages of a folder that are looked at: more than a window's folder ever holds


def look(folders: Folders, folder: str, items: str) -> tuple[int, dict[int, Fetched]] | None:
    r"""Return a folder's UIDVALIDITY and its last messages without \\Deleted; None where there is no such folder.

    Raises:
        PermanentError: the server will not open it.
    """
    session = folders.session
    found: dict[int, Fetched] = {}
    with folders.elsewhere(folder, read_only=True) as there:
        uidvalidity = session.uidvalidity
        uids = session.last(LAST_LOOKED) if there else []
        for start in range(0, len(uids), CHUNK):
            found |= session.messages(uids[start : start + CHUNK], items)
    if there:
        return uidvalidity, {uid: one for uid, one in found.items() if r"\Deleted" not in one.flags}
    if folders.exists(folder):
        raise PermanentError(f"the server would not open {folder}, though it is there")
    return None


def refile(folders: Folders, moves: Sequence[MoveFiled], identity: str, *, again: bool) -> dict[str, str]:
    """Move messages between folders, in the words of ``Mailbox.refile``; ``again``: the last time broke off."""
    results = {move.fingerprint: "gone" for move in moves}
    by_source: dict[str, list[MoveFiled]] = defaultdict(list)
    for move in moves:
        by_source[move.source].append(move)
    for source, leaving in by_source.items():
        names = [move.fingerprint for move in leaving]
        results |= _visited(folders, source, names, partial(_leave, folders, leaving, identity, again=again))
    return results


def _leave(folders: Folders, moves: Sequence[MoveFiled], identity: str, *, again: bool) -> dict[str, str]:
    """Move messages out of the selected folder, so many at once; return by fingerprint what became of each."""
    results: dict[str, str] = {}
    by_folder: dict[str, list[MoveFiled]] = defaultdict(list)
    for move in moves:
        if move.key.uidvalidity == folders.session.uidvalidity:
            by_folder[move.folder].append(move)
    for folder, leaving in by_folder.items():
        for start in range(0, len(leaving), CHUNK):
            wanted = {move.key.uid: move for move in leaving[start : start + CHUNK]}
            there = _meant(folders, {uid: move.message_id for uid, move in wanted.items()}, identity)
            try:
                words = _moved(folders, folder, there, identity, again=again)
            except PermanentError as error:
                words = dict.fromkeys(there, str(error))
            results |= {wanted[uid].fingerprint: word for uid, word in words.items()}
    return results


def _moved(
    folders: Folders, folder: str, messages: Mapping[int, Fetched], identity: str, *, again: bool
) -> dict[int, str]:
    """Move messages of the selected folder to another; those marked as deleted only if they lie there already."""
    due = {uid: one for uid, one in messages.items() if r"\Deleted" not in one.flags}
    marked = {uid: one for uid, one in messages.items() if uid not in due}
    if folders.wire(folder) == folders.wire(folders.here):
        return dict.fromkeys(due, "moved")
    finished = folders.finish(folder, marked, identity, again=again) if marked else {}
    return finished | (folders.file(folder, due, identity, again=again) if due else {})


def flag(folders: Folders, flags: Sequence[Flag], identity: str) -> dict[str, str]:
    r"""Set \\Flagged, in the words of ``Mailbox.flag``."""
    results = {each.fingerprint: "gone" for each in flags}
    by_folder: dict[str, list[Flag]] = defaultdict(list)
    for each in flags:
        by_folder[each.folder or folders.inbox].append(each)
    for folder, meant in by_folder.items():
        names = [each.fingerprint for each in meant]
        results |= _visited(folders, folder, names, partial(_flagged, folders, meant, identity))
    return results


def _flagged(folders: Folders, flags: Sequence[Flag], identity: str) -> dict[str, str]:
    """Set the flag on messages of the selected folder; return by fingerprint what became of each."""
    session = folders.session
    if folders.forbidden:
        return {each.fingerprint: folders.forbidden for each in flags}
    wanted = {each.key.uid: each for each in flags if each.key.uidvalidity == session.uidvalidity}
    there = _meant(folders, {uid: each.message_id for uid, each in wanted.items()}, identity)
    words = {uid: "flagged" for uid, one in there.items() if r"\Deleted" not in one.flags}
    due = [uid for uid in words if r"\Flagged" not in there[uid].flags]
    for uid_set in uid_sets(due):
        answer = session.command("UID", "STORE", uid_set, "+FLAGS.SILENT", r"(\Flagged)")
        if not answer.ok:
            words |= dict.fromkeys(due, f"the server did not flag it in {folders.here}: {answer.text}")
    return {wanted[uid].fingerprint: word for uid, word in words.items()}


# ------------------------------------------------------------------------------------------ shared


def _visited(folders: Folders, folder: str, names: Sequence[str], work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Do work with a folder selected, if there is such a folder; a sentence for each name if it cannot be done."""
    if folders.forbidden:
        return dict.fromkeys(names, folders.forbidden)
    try:
        if folders.wire(folder) == folders.wire(folders.here):
            return work()
        with folders.elsewhere(folder, read_only=False) as there:
            done = work() if there else {}
        if not there and folders.exists(folder):
            return dict.fromkeys(names, f"the server would not open {folder}")
    except PermanentError as error:
        return dict.fromkeys(names, str(error))
    return done


def _meant(folders: Folders, wanted: Mapping[int, str], identity: str) -> dict[int, Fetched]:
    """Return those of the selected folder's messages, by UID, that bear the Message-ID wanted of them."""
    return {
        uid: one
        for uid, one in folders.session.messages(wanted, identity).items()
        if is_message(one.data or b"", wanted[uid])
    }
