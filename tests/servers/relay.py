"""A post office for tests: what an SMTP sink took goes on to mailboxes over LMTP, or to robots that answer.

Nothing moves by itself: ``carry`` moves what lies there and tells how much it was, so that a test sees a circle turn
and can say when it has stopped.
"""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tests.servers.dovecot import Dovecot
    from tests.servers.smtp import Captured, SmtpSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message under way: the envelope, and the text with CRLF."""

    sender: str
    recipient: str
    raw: bytes


@dataclass
class PostOffice:
    """Carries mail between one SMTP sink and the mailboxes of one Dovecot.

    Attributes:
        mailboxes: address → user, for what is delivered over LMTP.
        robots: address or "@domain" → what that address answers, for everybody without a mailbox.
        gateway: what every letter becomes on its way, as servers change mail that passes through them.
        handed_in: what came from the sink, as it was handed in.
        lost: letters for addresses that nobody knows.
    """

    sink: SmtpSink
    dovecot: Dovecot
    mailboxes: dict[str, str] = field(default_factory=dict)
    robots: dict[str, Callable[[Letter], Iterable[Letter]]] = field(default_factory=dict)
    gateway: Callable[[Letter], Letter] = lambda letter: letter
    handed_in: list[Letter] = field(default_factory=list)
    lost: list[Letter] = field(default_factory=list)
    _seen: int = 0
    _waiting: list[Letter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen = len(self.sink.mails)  # what others sent before is not ours to carry

    def skip(self) -> None:
        """Leave where it is what lies in the sink."""
        self._seen = len(self.sink.mails)

    def post(self, letter: Letter) -> None:
        """Put a letter into the box; it moves with the next ``carry``."""
        self._waiting.append(letter)

    async def carry(self, at: datetime) -> int:
        """Move what lies in the box and in the sink; it arrives at that instant. Returns how many letters moved."""
        taken: list[Captured] = self.sink.mails[self._seen :]
        self._seen += len(taken)
        letters = [Letter(sender=one.sender, recipient=one.recipient, raw=one.data) for one in taken]
        self.handed_in += letters
        letters, self._waiting = self._waiting + letters, []
        for letter in map(self.gateway, letters):
            await self._deliver(letter, at)
        return len(letters)

    async def _deliver(self, letter: Letter, at: datetime) -> None:
        address = letter.recipient.lower()
        user = self.mailboxes.get(address)
        robot = self.robots.get(address) or self.robots.get("@" + address.rpartition("@")[2])
        if user is not None:
            # A Sieve script hands its answer to the sink while LMTP waits: the sink must go on.
            await asyncio.to_thread(self._over_lmtp, letter, user, at)
        elif robot is not None:
            self._waiting += robot(letter)
        else:
            self.lost.append(letter)

    def _over_lmtp(self, letter: Letter, user: str, at: datetime) -> None:
        """Deliver, and give what LMTP laid into INBOX the test's time of arrival instead of the machine's."""
        with self.dovecot.client(user) as imap:
            imap.select("INBOX")
            first = int(imap.untagged_responses["UIDNEXT"][0] or b"1")
            with smtplib.LMTP("127.0.0.1", self.dovecot.lmtp_port, local_hostname="localhost") as lmtp:
                lmtp.sendmail(letter.sender, [f"{user}@example.com"], letter.raw)
            imap.noop()
            _, (uids,) = imap.uid("SEARCH", "UNDELETED", "UID", f"{first}:*")
            for uid in (uid.decode() for uid in uids.split() if int(uid) >= first):
                _, data = imap.uid("FETCH", uid, "(BODY.PEEK[])")
                raw = next(part[1] for part in data if isinstance(part, tuple))
                imap.append("INBOX", "()", at, raw)
                imap.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
                imap.uid("EXPUNGE", uid)
