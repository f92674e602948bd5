"""Judges messages: from what a mailbox shows to facts, history, verdict and plan, without writing anything.

It promises the engine, ``--dry-run`` and ``explain`` the same judgement, and that one odd message never stops the
others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from responder import reading
from responder.core import facts as facts_room
from responder.core.decide import decide_all
from responder.core.model import Case, Plan, Policy, Reason, ReplyKind, Step
from responder.core.plan import make_plan
from responder.entries import Assessed, has_verdict, is_answered, make_entry, make_question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responder.core.facts import Identity
    from responder.core.model import Body, Facts, Message, Verdict
    from responder.ports import Ledger, LedgerEntry, Mailbox

#: Enough of a body for the words that a person writes above a quotation, and little enough to keep a message under
#: 4 KB on the wire.
BODY_OCTETS = 2500
#: Enough of a delivery report to reach what failed and the id of the mail it is about: some providers put a page of
#: HTML and a picture before it. So many are asked for at once.
REPORT_OCTETS = 65_536
REPORTS = 32

log = structlog.get_logger()


@dataclass(slots=True)
class Rules:
    """The rules in force, shared by all mailboxes; a reload puts a new policy in."""

    policy: Policy


class Assessor:
    """Judges the messages of one mailbox.

    Args:
        mailbox: where bodies are read.
        ledger: asked for what is known.
        rules: the rules in force.
        identity: who we are.
    """

    def __init__(self, mailbox: Mailbox, ledger: Ledger, rules: Rules, identity: Identity) -> None:
        self._mailbox = mailbox
        self._ledger = ledger
        self._rules = rules
        self._identity = identity

    async def judge(
        self,
        observed: Sequence[tuple[Message, Facts]],
        entries: Mapping[str, LedgerEntry],
        now_at: datetime,
        *,
        baseline_uid: int = 0,
        fresh: bool = False,
    ) -> list[Assessed]:
        """Judge messages that were read, in the order of their arrival; ``baseline_uid`` is the first of new mail."""
        policy = self._rules.policy
        seen: set[str] = set()
        sighted: list[tuple[Message, Facts, LedgerEntry, bool]] = []
        for message, facts in observed:
            known = entries.get(facts.fingerprint)
            decided = not fresh and (
                facts.fingerprint in seen
                or (known is not None and (bool(known.reason) or known.key.mailbox != self._mailbox.name))
            )
            seen.add(facts.fingerprint)
            sighted.append((message, facts, make_entry(message, facts, known, now_at), decided))
        sighted.sort(key=lambda one: (one[2].arrived_at, one[2].key.uid))
        questions = [make_question(policy, facts, entry.arrived_at) for _, facts, entry, _ in sighted]
        histories = await self._ledger.histories(questions, now_at)
        baseline = 0 if fresh else baseline_uid
        cases = [
            Case(
                message=message.key,
                facts=facts,
                history=replace(
                    history,
                    decided=decided,
                    before_start=message.key.uid < baseline and facts.fingerprint not in entries,
                    answered_at=history.answered_at or (now_at if is_answered(message) else None),
                ),
                arrived_at=entry.arrived_at,
                now_at=now_at,
                stamped_at=message.internal_at,
            )
            for (message, facts, entry, decided), history in zip(sighted, histories, strict=True)
        ]
        return [
            self._assessed(message, entry, case, verdict)
            for (message, _, entry, _), (case, verdict) in zip(sighted, decide_all(cases, policy), strict=True)
        ]

    def _assessed(self, message: Message, entry: LedgerEntry, case: Case, verdict: Verdict) -> Assessed:
        """Put one judged message together with its plan; a reply that cannot be written is not sent."""
        policy = self._rules.policy
        try:
            plan = make_plan(case, verdict, policy, self._identity)
        except Exception as error:  # noqa: BLE001 - one odd message must not stop the others
            log.error(  # noqa: TRY400 - no traceback: it would bear the address
                "no reply could be written", error=type(error).__name__, fingerprint=entry.fingerprint[:12]
            )
            odd = Step(rule="written", held=False, detail=f"the reply could not be written: {error}")
            verdict = replace(verdict, reply=ReplyKind.NONE, trail=(*verdict.trail, odd))
            try:
                plan = make_plan(case, verdict, policy, self._identity)
            except Exception as again:  # noqa: BLE001 - without this it would come back in every round, for ever
                detail = f"nothing could be planned for it ({type(again).__name__})"
                odd = Step(rule=Reason.UNREADABLE, held=True, detail=detail)
                trail = (*verdict.trail, odd)
                verdict = replace(verdict, reason=Reason.UNREADABLE, file=False, promises=False, trail=trail)
                plan = Plan()
        return Assessed(message=message, entry=entry, facts=case.facts, case=case, verdict=verdict, plan=plan)

    async def read_headers(self, messages: Sequence[Message]) -> list[tuple[Message, Facts]]:
        """Read what the headers say."""
        return await reading.read_headers(messages, self._rules.policy, self._identity)

    async def read_bodies(
        self, first: list[tuple[Message, Facts]], entries: Mapping[str, LedgerEntry], *, fresh: bool
    ) -> list[tuple[Message, Facts]]:
        """Read the beginnings of those bodies that can matter."""
        policy = self._rules.policy
        letters: list[int] = []
        reports: list[int] = []
        for message, facts in first:
            if (
                message.body is None
                and facts_room.wants_body(facts, policy)
                and (fresh or not has_verdict(entries.get(facts.fingerprint)))
            ):
                (reports if facts.report else letters).append(message.key.uid)
        if not letters and not reports:
            return first
        bodies: dict[int, Body] = {}
        if letters:
            bodies.update(await self._mailbox.bodies(letters, octets=BODY_OCTETS))
        for start in range(0, len(reports), REPORTS):
            bodies.update(await self._mailbox.bodies(reports[start : start + REPORTS], octets=REPORT_OCTETS))
        return await reading.read_bodies(first, bodies, policy, self._identity)
