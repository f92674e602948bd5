"""Carries effects out, and closes each with a receipt: the only room that changes the world.

What it promises: a reply is marked as started, on disk, before its body can leave; what was started and got no
answer is looked for where it would lie, and else is in doubt and never repeated; what is repeatable (a move, an
alert) is done again until it is done or its time has passed.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from responder.carry_digest import DigestCarrier
from responder.carry_filed import Shelver, lying_there, note_folders
from responder.core.model import (
    Alert,
    CopySent,
    FileMessage,
    Outcome,
    Receipt,
    RemoveDraft,
    SaveDraft,
    SendReply,
)
from responder.errors import ConfigurationError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from responder.core.model import Effect
    from responder.ports import Appended, Clock, Ledger, Mailbox, Outbox, Place, StoredEffect

#: So many replies are marked as started in one commit, just before they leave: a crash puts at most these in doubt,
#: and the commit costs each of them little (measured: half as much as with 16).
GROUP = 32

#: While the server is slow (or not known yet), one reply for each connection: a group then lasts no longer than the
#: ten minutes that a server may take over one text.
CAREFUL_GROUP = 4

#: A group that took fewer seconds came from a quick server.
QUICK = 2.0

#: A reply that a server put off is tried again after this long; it expires at the opening anyway.
RETRY_AFTER = timedelta(minutes=2)

#: A provider locks an account that is tried too often with a wrong password.
LOGIN_AGAIN_AFTER = timedelta(minutes=15)

#: A move that broke the session so often is given up.
MOST_TRIES = 3

#: So many messages are filed at once: on a server without MOVE a crash leaves so many copies to be found again.
MOVES = 500

#: An alert that could not be given so often, at growing distances, is left to the log and to ``status``.
MOST_ALERTS = 8

#: A server's answer may repeat the address: its local part does not belong in a log.
_ADDRESS = re.compile(r"[^\s<>@]+@")

log = structlog.get_logger()


class Carrier:
    """Carries out the effects of one mailbox.

    Args:
        mailbox: where mail is filed and copies are laid.
        outbox: where replies leave.
        ledger: where receipts go.
        clock: time.
        alert: tells the owner; raises TemporaryError when it could not.
        copies: whether a copy of each reply goes to Sent.
        objection: says why a reply that was planned a while ago should not leave any more; "" if it should.
        alive: called between steps that may each last minutes.
    """

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        outbox: Outbox,
        ledger: Ledger,
        clock: Clock,
        alert: Callable[[str], Awaitable[None]],
        copies: Callable[[], bool],
        objection: Callable[[SendReply | SaveDraft], Awaitable[str]],
        alive: Callable[[], None],
    ) -> None:
        self._mailbox = mailbox
        self._outbox = outbox
        self._ledger = ledger
        self._clock = clock
        self._alert = alert
        self._copies = copies
        self._objection = objection
        self._alive = alive
        self._shelver = Shelver(mailbox, ledger, clock, alive)
        self._noted: set[tuple[str, datetime]] = set()
        self._digests = DigestCarrier(mailbox=mailbox, outbox=outbox, ledger=ledger, clock=clock)
        self._doubtful = False
        self._stumbled = 0
        self.next_at: datetime | None = None
        #: What keeps replies from leaving and only the owner can mend (a refused login); "" when nothing does.
        self.trouble = ""

    async def recover(self) -> None:
        """Take up what an earlier run, or a session that broke, left: planned is done, started is looked for.

        A message of ours that lies where it would lie has left. One that does not lie there is in doubt; only a copy
        for Sent is laid again: two would be ugly, none is a gap in the owner's records.
        """
        unfinished = await self._ledger.unfinished(self._mailbox.name)
        await self._digests.settle(unfinished)
        unsure = [
            stored
            for stored in unfinished
            if isinstance(stored.effect, SendReply | SaveDraft | CopySent)
            and (stored.state == "started" or (isinstance(stored.effect, CopySent) and stored.tries))
        ]
        try:
            sent = await self._found("sent", unsure)
            drafts = await self._found("drafts", [one for one in unsure if isinstance(one.effect, SaveDraft)])
        except TemporaryError:
            self._stumbled += 1
            if self._stumbled >= MOST_TRIES:  # a folder that breaks each session must not keep the mail waiting
                await self._settle(unsure, {}, {}, blind=True)
            raise
        self._stumbled = 0
        await self._settle(unsure, sent, drafts, blind=False)
        self.next_at = self._clock.now()

    async def _found(self, place: Place, unsure: Sequence[StoredEffect]) -> Mapping[str, Appended]:
        wanted = [one.effect.message_id for one in unsure if isinstance(one.effect, SendReply | SaveDraft | CopySent)]
        return await self._mailbox.find_ours(place, wanted) if wanted else {}

    async def _settle(
        self,
        unsure: Sequence[StoredEffect],
        sent: Mapping[str, Appended],
        drafts: Mapping[str, Appended],
        *,
        blind: bool,
    ) -> None:
        """Close what was started by what was found of it; ``blind``: nothing could be looked at."""
        receipts: list[Receipt] = []
        follow: list[Effect] = []
        now_at = self._clock.now()
        for stored in unsure:
            effect = stored.effect
            if not isinstance(effect, SendReply | SaveDraft | CopySent):
                continue
            if found := sent.get(effect.message_id):
                receipts.append(_receipt(stored, Outcome.DONE, now_at, f"found in {_where(found)}"))
            elif isinstance(effect, SaveDraft) and (found := drafts.get(effect.message_id)):
                receipts.append(_receipt(stored, Outcome.DONE, now_at, f"found in {_where(found)}"))
                follow.append(_removal_of(effect, found))
            elif isinstance(effect, SendReply | SaveDraft):
                log.warning("in doubt: nobody knows whether this reply left", message_id=effect.message_id)
                receipts.append(_receipt(stored, Outcome.IN_DOUBT, now_at, "stopped while it was being sent"))
            elif blind:
                receipts.append(_receipt(stored, Outcome.IN_DOUBT, now_at, "Sent could not be looked at"))
        if receipts:
            await self._ledger.advance(receipts=receipts, follow=follow)

    def is_due(self) -> bool:
        """Tell whether something planned waits to be done now."""
        return self.next_at is not None and self.next_at <= self._clock.now()

    async def retry(self) -> None:
        """Do what is planned, once its time has come."""
        self.next_at = None
        effects = await self._ledger.unfinished(self._mailbox.name)
        await self.carry_out(await self._still_wanted(effects))

    async def _still_wanted(self, effects: Sequence[StoredEffect]) -> list[StoredEffect]:
        """Leave out, and close, the replies against which something speaks by now; the least often tried come first."""
        wanted: list[StoredEffect] = []
        receipts: list[Receipt] = []
        for stored in sorted(effects, key=lambda one: one.tries):
            why = await self._objection(stored.effect) if isinstance(stored.effect, SendReply | SaveDraft) else ""
            if why:
                receipts.append(_receipt(stored, Outcome.EXPIRED, self._clock.now(), why))
            else:
                wanted.append(stored)
        if receipts:
            await self._ledger.advance(receipts=receipts)
        return wanted

    async def carry_out(self, effects: Sequence[StoredEffect]) -> None:
        """Carry out planned effects: replies first, then drafts and copies, then filing; alerts may hang, so last."""
        copies = await self._send([stored for stored in effects if isinstance(stored.effect, SendReply)])
        for stored in (*effects, *copies):
            self._alive()
            effect = stored.effect
            if isinstance(effect, SaveDraft):
                await self._save_draft(stored, effect)
            elif isinstance(effect, RemoveDraft):
                await self._guarded(stored, self._remove_draft(stored, effect))
            elif isinstance(effect, CopySent):
                await self._guarded(stored, self._copy(stored, effect))
        await self._file([stored for stored in effects if isinstance(stored.effect, FileMessage)])
        await self._shelver.carry_out(effects)
        if again_at := await self._digests.carry(effects):
            self._again_at(again_at)
        for stored in effects:
            if isinstance(stored.effect, Alert):
                self._alive()
                await self._tell(stored, stored.effect)

    async def _guarded(self, stored: StoredEffect, work: Awaitable[None]) -> None:
        """Do work that may break the session; after some tries it is given up, so that it stops nothing else."""
        try:
            await work
        except TemporaryError as error:
            outcome = Outcome.REFUSED if stored.tries + 1 >= MOST_TRIES else Outcome.RETRY
            await self._ledger.advance(receipts=[_receipt(stored, outcome, self._clock.now(), str(error))])
            raise

    # --------------------------------------------------------------------------------------- replies

    async def _send(self, stored: Sequence[StoredEffect]) -> list[StoredEffect]:
        """Send replies, some at a time; returns the copies that follow, for when all have left."""
        copies: list[StoredEffect] = []
        receipts: list[Receipt] = []
        follow: list[Effect] = []
        place, size, put_off = 0, 1 if self._doubtful else CAREFUL_GROUP, False
        while place < len(stored):
            group = self._in_time(stored[place : place + size], receipts)
            place += size
            # One commit closes the group before and starts this one.
            copies += await self._ledger.advance(receipts=receipts, start=[one.id for one, _ in group], follow=follow)
            receipts, follow = [], []
            if not group:
                continue
            began = time.monotonic()
            answers = await self._post([reply for _, reply in group])
            self._alive()
            size = GROUP if time.monotonic() - began < QUICK else CAREFUL_GROUP
            at = self._clock.now()
            for (one, reply), (outcome, detail) in zip(group, answers, strict=True):
                receipts.append(_receipt(one, outcome, at, detail))
                self._log_reply(reply, outcome, detail)
                put_off = put_off or outcome is Outcome.RETRY
                if outcome is Outcome.DONE and self._copies():
                    follow.append(_copy_of(reply))
            if all(outcome in (Outcome.RETRY, Outcome.IN_DOUBT) for outcome, _ in answers):
                # Nobody takes anything now: the rest waits as well; and who swallows texts is given one at a time.
                self._doubtful = self._doubtful or any(outcome is Outcome.IN_DOUBT for outcome, _ in answers)
                put_off = True
                break
            self._doubtful = False
        if receipts or follow:
            copies += await self._ledger.advance(receipts=receipts, follow=follow)
        if put_off:
            self._again_at(self._clock.now() + (LOGIN_AGAIN_AFTER if self.trouble else RETRY_AFTER))
        return copies

    def _in_time(self, stored: Sequence[StoredEffect], receipts: list[Receipt]) -> list[tuple[StoredEffect, SendReply]]:
        """Return the replies that may still leave; the others are closed by a receipt."""
        now_at = self._clock.now()
        group: list[tuple[StoredEffect, SendReply]] = []
        for one in stored:
            if isinstance(one.effect, SendReply) and one.effect.not_after > now_at:
                group.append((one, one.effect))
            else:
                receipts.append(_receipt(one, Outcome.EXPIRED, now_at, "it would have left after the opening"))
        return group

    async def _post(self, replies: Sequence[SendReply]) -> list[tuple[Outcome, str]]:
        """Send; a refused login leaves everything planned, and is the owner's to mend."""
        try:
            answers = await self._outbox.send(replies)
        except (TemporaryError, ConfigurationError) as error:
            self.trouble = str(error) if isinstance(error, ConfigurationError) else ""
            return [(Outcome.RETRY, str(error))] * len(replies)
        self.trouble = ""
        return [(Outcome(answer.outcome), answer.detail) for answer in answers]

    def _log_reply(self, reply: SendReply, outcome: Outcome, detail: str) -> None:
        report = log.info if outcome is Outcome.DONE else log.warning
        report(
            "reply",
            mailbox=reply.mailbox,
            outcome=str(outcome),
            kind=str(reply.kind),
            client=reply.client or None,
            detail=_ADDRESS.sub("…@", detail),
            fingerprint=reply.fingerprint[:12],
        )

    def _again_at(self, at: datetime) -> None:
        self.next_at = at if self.next_at is None else min(self.next_at, at)

    # ---------------------------------------------------------------------------------------- drafts

    async def _save_draft(self, stored: StoredEffect, draft: SaveDraft) -> None:
        now_at = self._clock.now()
        if draft.not_after <= now_at:
            await self._ledger.advance(receipts=[_receipt(stored, Outcome.EXPIRED, now_at, "it has opened")])
            return
        await self._ledger.advance(start=[stored.id])
        try:  # a session that breaks here leaves it started: it may lie there or not, and ``recover`` will look
            appended = await self._mailbox.append_draft(draft.message, now_at)
        except PermanentError as error:  # the session lives, and the others have their turn
            log.warning("draft not saved", mailbox=draft.mailbox, client=draft.client or None, detail=str(error))
            await self._ledger.advance(receipts=[_receipt(stored, Outcome.REFUSED, now_at, str(error))])
            return
        removal = _removal_of(draft, appended)
        detail = _where(appended)
        log.info("draft saved", mailbox=draft.mailbox, client=draft.client or None, detail=detail)
        await self._ledger.advance(receipts=[_receipt(stored, Outcome.DONE, now_at, detail)], follow=[removal])
        self._again_at(draft.not_after)

    async def _remove_draft(self, stored: StoredEffect, removal: RemoveDraft) -> None:
        now_at = self._clock.now()
        if removal.not_before > now_at:
            self._again_at(removal.not_before)
            return
        word = await self._mailbox.remove_draft(removal)
        outcome = Outcome.DONE if word == "removed" else Outcome.GONE
        await self._ledger.advance(receipts=[_receipt(stored, outcome, now_at, word)])

    async def _copy(self, stored: StoredEffect, copy: CopySent) -> None:
        await self._ledger.advance(start=[stored.id])
        now_at = self._clock.now()
        try:
            appended = await self._mailbox.append_sent(copy.message, now_at)
        except PermanentError as error:
            log.warning("no copy in Sent", mailbox=copy.mailbox, detail=str(error))
            await self._ledger.advance(receipts=[_receipt(stored, Outcome.REFUSED, now_at, str(error))])
            return
        if appended is None:
            receipt = _receipt(stored, Outcome.REFUSED, now_at, "there is no Sent folder")
        else:
            receipt = _receipt(stored, Outcome.DONE, now_at, _where(appended))
        await self._ledger.advance(receipts=[receipt])

    async def _tell(self, stored: StoredEffect, alert: Alert) -> None:
        now_at = self._clock.now()
        try:
            await self._alert(alert.text)
        except TemporaryError as error:
            log.warning("alert failed", error=str(error))
            given_up = stored.tries + 1 >= MOST_ALERTS
            outcome = Outcome.REFUSED if given_up else Outcome.RETRY
            await self._ledger.advance(receipts=[_receipt(stored, outcome, now_at, str(error))])
            self._again_at(now_at + RETRY_AFTER * 2**stored.tries)
            return
        await self._ledger.advance(receipts=[_receipt(stored, Outcome.DONE, now_at)])

    # ---------------------------------------------------------------------------------------- filing

    async def _file(self, stored: Sequence[StoredEffect]) -> None:
        if not stored:
            return
        now_at = self._clock.now()
        receipts: list[Receipt] = []
        moves: list[tuple[StoredEffect, FileMessage]] = []
        for one in stored:
            effect = one.effect
            if not isinstance(effect, FileMessage):
                continue
            if effect.not_after <= now_at:
                receipts.append(_receipt(one, Outcome.EXPIRED, now_at, "its window has begun: it stays in INBOX"))
            else:
                moves.append((one, effect))
        if receipts:
            await self._ledger.advance(receipts=receipts)
        # A move that broke the session before is tried alone, so that it cannot keep the others from their folders.
        fresh = [one for one in moves if not one[0].tries]
        batches = [fresh[start : start + MOVES] for start in range(0, len(fresh), MOVES)]
        for batch in batches + [[one] for one in moves if one[0].tries]:
            await self._move(batch)

    async def _move(self, moves: Sequence[tuple[StoredEffect, FileMessage]]) -> None:
        try:
            await self._note_folders([move for _, move in moves])
            results = await self._mailbox.file([move for _, move in moves])
            gone = {move.fingerprint: move.folder for _, move in moves if results.get(move.key.uid) == "gone"}
            there = await lying_there(self._mailbox, gone)  # moved by an earlier run that died before it was noted
        except TemporaryError as error:
            await self._put_off(moves, str(error))
            raise
        receipts: list[Receipt] = []
        at = self._clock.now()
        for one, move in moves:
            word = results.get(move.key.uid, "the server said nothing of it")
            outcome = {"moved": Outcome.DONE, "gone": Outcome.GONE}.get(word, Outcome.REFUSED)
            outcome = Outcome.DONE if move.fingerprint in there else outcome
            detail = move.folder if outcome is Outcome.DONE else word
            receipts.append(_receipt(one, outcome, at, detail))
            if outcome is Outcome.REFUSED:
                log.warning("not filed: it stays in INBOX", folder=move.folder, detail=word)
        await self._ledger.advance(receipts=receipts)

    async def _note_folders(self, moves: Sequence[FileMessage]) -> None:
        """Note where mail is about to be filed, once for each window."""
        new = {(move.folder, move.window.opens_at): (move.folder, move.window) for move in moves}
        new = {key: target for key, target in new.items() if key not in self._noted}
        await note_folders(self._mailbox, self._ledger, new.values())
        self._noted.update(new)

    async def _put_off(self, moves: Sequence[tuple[StoredEffect, FileMessage]], why: str) -> None:
        """Note that a move broke the session; after some tries the mail stays in INBOX, for the owner to see."""
        at = self._clock.now()
        receipts: list[Receipt] = []
        for one, move in moves:
            given_up = one.tries + 1 >= MOST_TRIES
            if given_up:
                log.warning("not filed: it stays in INBOX", folder=move.folder, detail=why)
            receipts.append(_receipt(one, Outcome.REFUSED if given_up else Outcome.RETRY, at, why))
        await self._ledger.advance(receipts=receipts)


def _copy_of(reply: SendReply) -> CopySent:
    return CopySent(
        fingerprint=reply.fingerprint, mailbox=reply.mailbox, message_id=reply.message_id, message=reply.message
    )


def _removal_of(draft: SaveDraft, appended: Appended) -> RemoveDraft:
    return RemoveDraft(
        fingerprint=draft.fingerprint,
        mailbox=draft.mailbox,
        uidvalidity=appended.uidvalidity,
        uid=appended.uid,
        message_id=draft.message_id,
        not_before=draft.not_after,
    )


def _where(appended: Appended) -> str:
    return f"{appended.folder} (UID {appended.uid})" if appended.uid else appended.folder


def _receipt(stored: StoredEffect, outcome: Outcome, at: datetime, detail: str = "") -> Receipt:
    return Receipt(effect_id=stored.id, outcome=outcome, at=at, detail=detail)
