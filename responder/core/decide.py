"""The policy as one ordered table: the first rule that holds is a message's one reason, and the last always holds.

To read ``RULES`` is to read what responder does. It promises that every case gets exactly one reason, that nothing
but the last two rules ever sends, and that the same case always gets the same verdict.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from responder.core import clocks, hours, promise, suiting, urgent
from responder.core.address import normal_domain
from responder.core.model import Case, Dmarc, Due, Placement, Policy, Reason, ReplyKind, Span, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from responder.core.absences import Away
    from responder.core.model import Client

#: A greylisted message arrives late by some minutes to an hour or two; longer is not the network's doing.
GREYLISTING = timedelta(hours=2)

NOWHERE = Placement(window=None)

#: The mark's word in the trail: it is no row, and no reason.
_URGENT = "urgent"

Answer = tuple[bool, str]


class Sight:
    """One case under one policy, with what the rules look at worked out once and only when asked for."""

    __slots__ = ("_due", "_due_known", "_period", "_period_known", "calendar", "case", "client", "policy")

    def __init__(self, case: Case, policy: Policy) -> None:
        self.case = case
        self.policy = policy
        key = case.facts.client
        self.client: Client | None = policy.client(key) if key else None
        self.calendar = hours.calendar(policy, key)
        self._due: Due | None = None
        self._due_known = False
        self._period: Span | None = None
        self._period_known = False

    @property
    def due(self) -> Due | None:
        """When the message is to be answered, taking in the mails that join it; None where no clock can be believed."""
        if not self._due_known:
            self._due_known = True
            if clocks.apart(self.case.stamped_at, self.case.now_at):
                return None
            facts = self.case.facts
            term, source = promise.term_for(self.policy, facts.client, facts.topic)
            due = promise.due(self.calendar, term, source, self.case.arrived_at)
            joined_at = self.case.history.joined_due_at
            if due is not None and joined_at is not None and joined_at > due.due_at:
                due = replace(
                    due,
                    due_at=joined_at,
                    steps=(
                        *due.steps,
                        "An earlier mail of the same grace time is due later: that time holds for both.",
                    ),
                )
            self._due = due
        return self._due

    @property
    def period(self) -> Span | None:
        """The closed period in which the message arrived; None when it arrived while open."""
        if not self._period_known:
            self._period_known = True
            self._period = self.calendar.closed_period(self.case.arrived_at)
        return self._period

    @property
    def away(self) -> Away | None:
        """What the closed period has of absences; None where the reply need not speak of one."""
        if self.period is None or self.due is None:
            return None
        return self.calendar.away(self.period, self.due.due_at, self.case.now_at)

    def clock(self, at: datetime) -> str:
        """Say an instant in the owner's clock."""
        return _clock(at, self.calendar.zone)


@lru_cache(maxsize=1024)
def _clock(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _before_start(s: Sight) -> Answer:
    if s.case.history.before_start:
        return True, "older than this mailbox's first start"
    return False, "came after this mailbox's first start"


def _seen_before(s: Sight) -> Answer:
    if s.case.history.decided:
        return True, "the ledger knows this message"
    return False, "new to the ledger"


def _own(s: Sight) -> Answer:
    field = s.case.facts.own
    return bool(field), f"{field} is an address of the owner" if field else "no sender field is the owner's"


def _bounce_of_reply(s: Sight) -> Answer:
    address = s.case.facts.bounce_of_ours
    return bool(address), f"a reply of ours to {address} bounced" if address else "no report about a reply of ours"


def _automatic(s: Sight) -> Answer:
    sign = s.case.facts.automatic
    return bool(sign), sign or "no sign of a machine"


def _unreadable(s: Sight) -> Answer:
    facts = s.case.facts
    if not facts.unreadable:
        return False, "one readable sender"
    domain = normal_domain((facts.return_path or "").rpartition("@")[2])  # all that is known of who sent it
    return True, f"{facts.unreadable}; its Return-Path is at {domain}" if domain else facts.unreadable


def _stranger(s: Sight) -> Answer:
    if s.client is not None:
        return False, f"client {s.client.key}, matched by {'domain' if s.case.facts.by_domain else 'address'}"
    if s.policy.replies.strangers == "silent":
        return True, 'no client has this address, and replies.strangers = "silent"'
    return False, 'no client has this address; replies.strangers = "short"'


def _unverified(s: Sight) -> Answer:
    dmarc = s.case.facts.dmarc
    if dmarc in (Dmarc.FAIL, Dmarc.SEVERAL):
        return True, f"the trusted server's DMARC result: {dmarc}"
    if s.client is None and dmarc is not Dmarc.PASS:
        return True, f"a stranger needs dmarc=pass; the trusted server's result: {dmarc}"
    return False, f"the trusted server's DMARC result: {dmarc}"


def _open(s: Sight) -> Answer:
    arrived_at = s.case.arrived_at
    if why := s.calendar.why_open(arrived_at):
        return True, f"arrived {s.clock(arrived_at)}: inside {_OPEN_WORDS[why]}"
    dated_at = s.case.facts.dated_at
    if (
        dated_at is not None
        and timedelta(0) <= arrived_at - dated_at <= GREYLISTING
        and (why := s.calendar.why_open(dated_at))
    ):
        return True, f"written {s.clock(dated_at)} (Date), inside {_OPEN_WORDS[why]}, and delivered late"
    return False, f"arrived {s.clock(arrived_at)}: closed"


_OPEN_WORDS = {"hours": "the hours", "break": "a break", "window": "a callback window"}


def _conversing(s: Sight) -> Answer:
    wrote_at = s.case.history.owner_wrote_at
    if wrote_at is not None and timedelta(0) <= s.case.arrived_at - wrote_at <= s.policy.replies.conversing:
        return True, f"the owner wrote to this client at {s.clock(wrote_at)}"
    return False, "the owner did not write to this client just before"


def _answered(s: Sight) -> Answer:
    at = s.case.history.answered_at
    return at is not None, f"the owner answered at {s.clock(at)}" if at else "the owner has not answered yet"


def _opened_meanwhile(s: Sight) -> Answer:
    now_at = s.case.now_at
    if why := s.calendar.why_open(now_at):
        return True, f"it is {s.clock(now_at)} now: inside {_OPEN_WORDS[why]}"
    period = s.period
    if period is not None and period.ends_at <= now_at:
        return True, f"it opened at {s.clock(period.ends_at)}, after this message arrived"
    return False, f"it is {s.clock(now_at)} now: closed"


def _not_addressed(s: Sight) -> Answer:
    named = s.case.facts.named_in
    if named:
        return False, f"an address of the owner stands in {named.title()}"
    return True, "no address of the owner stands in To or Cc"


def _copied(s: Sight) -> Answer:
    if s.case.facts.named_in == "cc" and s.case.facts.others_in_to:
        return True, "the owner stands only in Cc, somebody else in To"
    return False, "written to the owner"


def _no_return_path(s: Sight) -> Answer:
    missing = s.case.facts.return_path is None
    return missing, "the server recorded no Return-Path" if missing else "Return-Path present"


def _return_path_differs(s: Sight) -> Answer:
    same = s.case.facts.return_path_is_clients
    return not same, "Return-Path is the sender's own" if same else "Return-Path belongs to somebody else"


def _opted_out(s: Sight) -> Answer:
    if s.policy.replies.mode == "off":
        return True, 'replies.mode = "off"'
    if s.client is not None and not s.client.auto_reply:
        return True, f"clients.{s.client.key}.auto_reply = false"
    return False, "automatic replies are wanted"


def _suspended(s: Sight) -> Answer:
    until_at = s.case.history.suspended_until
    if until_at is not None and until_at > s.case.now_at:
        return True, f"a reply to this address bounced; none until {s.clock(until_at)}"
    return False, "no reply to this address bounced"


def _answer_to_reply(s: Sight) -> Answer:
    held = s.case.facts.answers_ours
    return held, "In-Reply-To names a reply of ours" if held else "not an answer to a reply of ours"


def _owing(s: Sight) -> Answer:
    since_at = s.case.history.owed_since
    if since_at is not None:
        return True, f"a promise to this client is late since {s.clock(since_at)}"
    return False, "no promise to this client is late"


def _told(s: Sight) -> Answer:
    period, history = s.period, s.case.history
    if period is None:
        return False, "it came while open"
    if period.ends_at in history.told_until:
        return True, f"this address was told in the closed period that ends {s.clock(period.ends_at)}"
    if at := next(filter(period.contains, sorted(history.replied_at)), None):
        return True, f"Sent holds a reply to this address of {s.clock(at)}, which the ledger does not know"
    if any(map(period.contains, history.taken_at)):
        return True, "another responder, or a lost ledger of this one, has taken a message of this address"
    return False, "this address was not told in this closed period"


def _joined(s: Sight) -> Answer:
    held = s.case.history.later_mail
    return held, "a later mail of the same grace time gets the reply" if held else "the last mail of its grace time"


def _limit(s: Sight) -> Answer:
    history, limits = s.case.history, s.policy.replies.limits
    if history.breaker_until is not None and history.breaker_until > s.case.now_at:
        return True, f"the breaker is open until {s.clock(history.breaker_until)}"
    for count, cap, name in (
        (history.address_day, limits.per_address_per_day, "per_address_per_day"),
        (history.last_hour, limits.per_hour, "per_hour"),
        (history.last_day, limits.per_day, "per_day"),
    ):
        if count >= cap:
            return True, f"replies.limits.{name} = {cap} is reached"
    return False, "no cap is reached"


def _too_old(s: Sight) -> Answer:
    held = s.case.now_at - s.case.arrived_at > s.policy.replies.max_age
    return held, "older than replies.max_age" if held else "younger than replies.max_age"


def _no_due_time(s: Sight) -> Answer:
    stamped_at, now_at = s.case.stamped_at, s.case.now_at
    if stamped_at is not None and clocks.apart(stamped_at, now_at):
        return True, f"the server says it came {s.clock(stamped_at)}, later than now: one of the clocks is wrong"
    due = s.due
    if due is None:
        return True, "no due time can be computed"
    if due.due_at <= now_at:
        return True, f"it was due {s.clock(due.due_at)}, which has passed"
    return False, f"due {s.clock(due.due_at)}"


def _full(s: Sight) -> Answer:
    if s.client is None:
        return False, "a stranger gets the stranger's text"
    if (away := s.away) is not None:
        return False, f"away until {away.until_on}: the text for absences, which restates no rules"
    full_at = s.case.history.full_at
    if full_at is None:
        return True, "the rules in full were never sent to this address"
    if s.case.now_at - full_at >= s.policy.replies.full_every:
        return True, f"the rules in full were last sent {s.clock(full_at)}"
    return False, f"the rules in full were sent {s.clock(full_at)}"


def _short(s: Sight) -> Answer:
    return True, "otherwise" if s.client is not None else "a stranger who passed every gate"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes:
        reason: the word that the verdict bears.
        holds: asks the rule; the answer and what was looked at.
        row: the row of the README's table.
        source: where the rule comes from.
    """

    reason: Reason
    holds: Callable[[Sight], Answer]
    row: int
    source: str

    @property
    def places(self) -> bool:
        """A client's mail with this reason is laid into its window."""
        return self.row >= 12  # noqa: PLR2004 - the row of the README's table

    @property
    def sends(self) -> bool:
        """A reply goes out."""
        return self.row == 14  # noqa: PLR2004 - the row of the README's table


RULES: tuple[Rule, ...] = (
    Rule(Reason.BEFORE_START, _before_start, 1, "own"),
    Rule(Reason.SEEN_BEFORE, _seen_before, 2, "RFC 3834 section 2: never twice"),
    Rule(Reason.OWN, _own, 3, "own"),
    Rule(Reason.BOUNCE_OF_REPLY, _bounce_of_reply, 4, "RFC 3834 section 2; RFC 3464"),
    Rule(Reason.AUTOMATIC, _automatic, 5, "RFC 3834 section 2; RFC 5230 section 4.6"),
    Rule(Reason.UNREADABLE, _unreadable, 6, "own"),
    Rule(Reason.STRANGER, _stranger, 7, "RFC 3834 section 2: known correspondents only"),
    Rule(Reason.UNVERIFIED, _unverified, 8, "RFC 8601 section 4.1"),
    Rule(Reason.OPEN, _open, 9, "the hours"),
    Rule(Reason.CONVERSING, _conversing, 10, "replies.conversing"),
    Rule(Reason.ANSWERED, _answered, 10, "replies.grace"),
    Rule(Reason.OPENED_MEANWHILE, _opened_meanwhile, 11, "never late"),
    Rule(Reason.NOT_ADDRESSED, _not_addressed, 12, "RFC 5230 section 4.5"),
    Rule(Reason.COPIED, _copied, 12, "own"),
    Rule(Reason.NO_RETURN_PATH, _no_return_path, 12, "RFC 3834 section 4"),
    Rule(Reason.RETURN_PATH_DIFFERS, _return_path_differs, 12, "RFC 3834 section 4"),
    Rule(Reason.OPTED_OUT, _opted_out, 13, "clients.*.auto_reply, replies.mode"),
    Rule(Reason.SUSPENDED, _suspended, 13, "RFC 3834 section 2: destination validity"),
    Rule(Reason.ANSWER_TO_REPLY, _answer_to_reply, 13, "own: no circle"),
    Rule(Reason.OWING, _owing, 13, "own: never promise again what was just not kept"),
    Rule(Reason.TOLD, _told, 13, "RFC 3834 section 2; RFC 5230 section 4.2"),
    Rule(Reason.JOINED, _joined, 13, "replies.grace"),
    Rule(Reason.LIMIT, _limit, 13, "replies.limits"),
    Rule(Reason.TOO_OLD, _too_old, 13, "replies.max_age"),
    Rule(Reason.NO_DUE_TIME, _no_due_time, 13, "never say a wrong hour"),
    Rule(Reason.FULL, _full, 14, "replies.full_every"),
    Rule(Reason.SHORT, _short, 14, "otherwise"),
)

#: The row from which on a message is a client's, in good order, and therefore may open a promise.
_FIRST_CLIENT_ROW = 9

_NO_PROMISE = frozenset({Reason.ANSWER_TO_REPLY, Reason.NOT_ADDRESSED, Reason.COPIED})


def decide(case: Case, policy: Policy) -> Verdict:
    """Ask the rules in order and return the verdict of the first that holds."""
    sight = Sight(case, policy)
    trail: list[Step] = []
    for rule in RULES:
        held, detail = rule.holds(sight)
        trail.append(_step(rule.reason, held, detail))
        if held:
            return _verdict(rule, sight, tuple(trail))
    raise AssertionError("the last rule always holds")


@lru_cache(maxsize=1024)
def _step(rule: str, held: bool, detail: str) -> Step:  # noqa: FBT001 - a step's members, in their order
    """Return a step of the trail; most steps are the same for every message."""
    return Step(rule=rule, held=held, detail=detail)


def decide_all(cases: Sequence[Case], policy: Policy) -> list[tuple[Case, Verdict]]:
    """Decide cases in their order of arrival: each reply counts for the caps of the next, one address gets one.

    The reply goes to the last mail of an address, with the latest due time; the others are joined. Returns each
    case as it was decided, with what it learnt of the others.
    """
    results: list[tuple[Case, Verdict]] = []
    replying: dict[str, list[int]] = {}
    called: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        address = case.facts.person
        others = len(replying) - (address in replying)
        history = case.history
        if others:
            history = replace(history, last_hour=history.last_hour + others, last_day=history.last_day + others)
        if keys := called.get(case.facts.client):
            history = replace(history, urgent_alerts=history.urgent_alerts | keys)
        result = _judge(case if history is case.history else replace(case, history=history), policy)
        if result[1].alert:
            called[case.facts.client].add(result[1].alert)
        if result[1].reply is not ReplyKind.NONE:
            replying.setdefault(address, []).append(len(results))
        results.append(result)
    for places in replying.values():
        *earlier, last = places
        if not earlier:
            continue
        latest_at = max(due.due_at for place in places if (due := results[place][1].due) is not None)
        for place in earlier:
            case = results[place][0]
            results[place] = _judge(replace(case, history=replace(case.history, later_mail=True)), policy)
        case = results[last][0]
        results[last] = _judge(replace(case, history=replace(case.history, joined_due_at=latest_at)), policy)
    return results


def _judge(case: Case, policy: Policy) -> tuple[Case, Verdict]:
    """Decide one case; what cannot be judged is silent and visible, and never stops the others."""
    try:
        return case, decide(case, policy)
    except Exception as error:  # noqa: BLE001 - one odd message must not stop the others
        odd = replace(case.facts, client="", unreadable=f"it could not be judged ({type(error).__name__}: {error})")
        case = replace(case, facts=odd)
        return case, decide(case, policy)


def _verdict(rule: Rule, sight: Sight, trail: tuple[Step, ...]) -> Verdict:
    case, policy, client = sight.case, sight.policy, sight.client
    if rule.row < _FIRST_CLIENT_ROW:
        return Verdict(
            reason=rule.reason,
            reply=ReplyKind.NONE,
            file=False,
            promises=False,
            due=None,
            placement=NOWHERE,
            period=None,
            trail=trail,
        )
    due = sight.due
    placement = NOWHERE
    file = False
    reply = ReplyKind.NONE
    mark = _urgent(sight)
    alert = ""
    if mark is not None:
        trail = (*trail, mark)
        if mark.held:
            alert = urgent.alert_key(case.facts.client, policy, case.now_at, case.history.urgent_alerts)
    is_urgent = mark is not None and mark.held
    if client is None:
        if rule.sends:
            reply = ReplyKind.STRANGER
    else:
        if rule.sends:
            reply = ReplyKind.FULL if rule.reason is Reason.FULL else ReplyKind.SHORT
            if alert:  # the urgent text says that the owner is called: where nobody is, it would not be true
                reply = ReplyKind.URGENT
        if due is not None:
            placement = sight.calendar.place(case.arrived_at, due.due_at)
            if case.facts.asked:
                placement, steps = suiting.place(
                    sight.calendar,
                    case.facts.asked,
                    placement,
                    arrived_at=case.arrived_at,
                    now_at=case.now_at,
                    due_at=due.due_at,
                )
                trail += steps
        wanted = rule.places or (rule.reason is Reason.OPEN and policy.filing.during_hours)
        there = placement.window is not None and placement.window.opens_at > case.now_at
        file = wanted and there and not is_urgent
    bound = client is not None and in_force(client, policy, case.arrived_at)
    return Verdict(
        reason=rule.reason,
        reply=reply,
        file=file,
        promises=(
            client is not None
            and due is not None
            and rule.reason not in _NO_PROMISE
            and (bound or reply is not ReplyKind.NONE)
        ),
        due=due,
        placement=placement,
        period=sight.period,
        trail=trail,
        urgent=is_urgent,
        alert=alert,
    )


def _urgent(sight: Sight) -> Step | None:
    """Return the step that tells whether the urgent word counts; None where it does not stand in the subject."""
    facts = sight.case.facts
    if not facts.urgent:
        return None
    if facts.urgent == "kept" and sight.case.history.urgent_spent:
        return _step(_URGENT, False, "the thread keeps the urgent word in its subject; the owner has answered it since")
    return _step(_URGENT, True, "the agreed word stands in the subject: flagged, it stays in INBOX")


def in_force(client: Client, policy: Policy, at: datetime) -> bool:
    """Tell whether the client has an agreement that holds on that instant's date in the owner's zone."""
    agreement = client.agreement
    if agreement is None:
        return False
    on = at.astimezone(policy.owner.zone).date()
    return (agreement.from_on is None or agreement.from_on <= on) and (
        agreement.until_on is None or on <= agreement.until_on
    )
