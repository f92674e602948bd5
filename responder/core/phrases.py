"""What one reply has to say, as the plain values that its template puts together.

For ``compose``, which renders them. Everything that is computed for this message and this client is here: the due
time in their clock, the next hour for a call, which channel is open now. The words themselves stand in the locale.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from responder.core import suiting
from responder.core.address import account, normal_address
from responder.core.model import AskedKind
from responder.core.suiting import Fit
from responder.core.words import (
    Reader,
    clean,
    inner_quotes,
    lexicon,
    say_agreement,
    say_away,
    say_call,
    say_deputy,
    say_due,
    say_hours,
    say_instant,
    sentence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from responder.core.absences import Away
    from responder.core.hours import Calendar
    from responder.core.model import Asked, Channel, Client, Facts, Policy, Span, Window
    from responder.core.words import DayPart

Value = str | list[str]

# A name is no speech: a longer one is a mistake in the file.
NAME_LIMIT = 200
# How far ahead a channel's next opening is looked for. The first step finds it nearly always; each costs its days.
_HORIZONS = (timedelta(days=2), timedelta(days=8), timedelta(days=21))
# With one channel in all windows there is no choice, and naming it says nothing.
_CHOICE = 2


class Speech:
    """The values for one reply to one client; each is a method, so that a template costs only what it uses.

    ``says`` are the variables that its template uses.
    """

    def __init__(
        self,
        policy: Policy,
        facts: Facts,
        due_at: datetime,
        calendar: Calendar,
        now_at: datetime,
        away: Away | None = None,
        *,
        says: frozenset[str] = frozenset(),
    ) -> None:
        self.policy = policy
        self.says = says
        self.facts = facts
        self.due_at = due_at
        self.calendar = calendar
        self.now_at = now_at
        self.absent = away
        self.client: Client = policy.client(facts.client)
        self.language = self.client.language
        year = now_at.astimezone(self.client.zone).year
        self.reader = Reader(self.language, self.client.zone, policy.owner.zone, year)

    def name(self) -> str:
        """Say how the owner addresses this sender; "" for one the file does not name, or if another would read it."""
        path = normal_address(self.facts.return_path or "")
        if path and account(path) != self.facts.person:
            return ""
        people = {account(address): name for address, name in self.client.people.items()}
        return clean(people.get(self.facts.person, ""), NAME_LIMIT)

    def greeting(self) -> str:
        """Greet by name, or in words that need none."""
        name = self.name()
        words = lexicon(self.language)
        return words.say("greeting_name", name=name) if name else words.phrases["greeting"]

    def subject(self) -> str:
        """Say the subject as it may stand between quotation marks."""
        return inner_quotes(clean(self.facts.quotable_subject), self.language)

    def when(self) -> str:
        """Say the due time by the client's clock first."""
        return say_due(self.reader, self.due_at, day_part(self.calendar, self.due_at))

    def reason(self) -> str:
        """Give one reason: the topic's, or else the owner's."""
        for topic in self.policy.topics:
            if topic.key == self.facts.topic and (said := topic.say.get(self.language)):
                return sentence(said)
        return sentence(self.policy.owner.why.get(self.language, ""))

    def asked(self) -> str:
        """Say of the time that is proposed, and of the deadline that is set, what follows for them: a sentence each."""
        call = suiting.first(self.facts.asked, AskedKind.CALL)
        deadline = suiting.first(self.facts.asked, AskedKind.DEADLINE)
        said = (self._asked_call(call) if call else "", self._asked_deadline(deadline) if deadline else "")
        return " ".join(filter(None, said))

    def _asked_call(self, asked: Asked) -> str:
        """Say how a proposed time lies to the hours for calls; never confirm it. "" where there are no such hours."""
        found = suiting.call_fit(self.calendar, asked, self.now_at)
        if found.span is None:
            return ""
        if found.fit is Fit.INSIDE:
            return self._quoted("asked_call" if asked.starts_at >= self.due_at else "asked_call_early", asked)
        # Where the text offers the same hours anyway, saying them twice would only make it longer.
        offered = self._offers.call
        twice = "call" in self.says and offered is not None and offered[1] == found.span
        phrase = "asked_call_within" if found.fit is Fit.WITHIN else "asked_call_outside"
        hours = say_hours(self.reader, found.span.starts_at, found.span.ends_at)
        return self._quoted(phrase if twice else f"{phrase}_hours", asked, hours)

    def _asked_deadline(self, asked: Asked) -> str:
        """Say that a deadline before the due time is noted, and that the due time stands; "" for a later one."""
        if not suiting.presses(asked, self.due_at):
            return ""
        return self._quoted("asked_deadline_agreed" if self.agreement() else "asked_deadline", asked)

    def _quoted(self, phrase: str, asked: Asked, hours: str = "") -> str:
        quote = inner_quotes(clean(asked.quote), self.language)
        return lexicon(self.language).say(phrase, quote=quote, hours=hours)

    def call(self) -> str:
        """Say when the two can next talk; "" when they cannot."""
        if self._offers.call is None:
            return ""
        window, span = self._offers.call
        said = say_call(self.reader, span.starts_at, span.ends_at)
        named = [self._channel_name(each) for each in self.calendar.channels if each.key in window.channels]
        if not named or len(_called(self.policy, self.client)) < _CHOICE:
            return said
        phrase = "call_channel" if len(named) == 1 else "call_channels"
        return lexicon(self.language).say(phrase, call=said, channels=", ".join(named))

    def channels(self) -> list[str]:
        """Say of each channel that serves no window whether it is open, or when it opens next."""
        spans = self._offers.channels
        said = [self._open(*each) for each in spans if each[1].starts_at <= self.now_at]
        # "The same day" means the day that was named last: the call's, if nothing stands between.
        call = self._offers.call
        said_on = self._on(call[1].starts_at) if call and not said else None
        for channel, span in spans:
            if span.starts_at > self.now_at:
                on = self._on(span.starts_at)
                phrase = "channel_opens_same_day" if on == said_on else "channel_opens"
                said.append(self._channel(phrase, channel, span.starts_at))
                said_on = on
        return said

    def agreement(self) -> str:
        """Say where this is agreed; "" unless it is in force today and the sender is a known address."""
        agreement = self.client.agreement
        if agreement is None or self.facts.by_domain:
            return ""
        today_on = self.now_at.astimezone(self.policy.owner.zone).date()
        if agreement.from_on is not None and today_on < agreement.from_on:
            return ""
        if agreement.until_on is not None and today_on > agreement.until_on:
            return ""
        return say_agreement(self.language, agreement)

    def urgent(self) -> str:
        """Name the urgent word; "" where none is agreed, the sender is no known address, or has just used it."""
        if self.facts.by_domain or self.facts.urgent:
            return ""
        return clean(self.client.urgent_word, NAME_LIMIT)

    def away(self) -> str:
        """Say in a sentence on which days the owner is away; "" when at work."""
        return "" if self.absent is None else say_away(self.reader, self.absent)

    def say(self) -> str:
        """Give the owner's words for this absence, if there are any in the client's language."""
        return "" if self.absent is None else sentence(self.absent.say.get(self.language, ""))

    def deputy(self) -> str:
        """Say in a sentence who stands in for the owner meanwhile; "" if nobody does."""
        return "" if self.absent is None else say_deputy(self.language, self.absent.deputy)

    def owner(self) -> str:
        """Say the owner's name."""
        return clean(self.policy.owner.name, NAME_LIMIT)

    # ------------------------------------------------------------------------------ names, channels

    @cached_property
    def _offers(self) -> Offers:
        return offers(self.policy, self.client, self.calendar, self.now_at)

    def _on(self, at: datetime) -> date:
        return at.astimezone(self.client.zone).date()

    def _channel_name(self, channel: Channel) -> str:
        """Name a channel as a sentence does: what follows a comma in its name explains it."""
        name = said_in(channel.names, self.language, self.policy.owner.language) or channel.key
        return clean(name.partition(",")[0], NAME_LIMIT)

    def _open(self, channel: Channel, span: Span) -> str:
        """Say that a channel is open now, and until when if an end is in sight."""
        if span.ends_at - self.now_at >= _HORIZONS[-1]:
            return self._channel("channel_open_always", channel, None)
        same_day = self._on(span.ends_at) == self._on(self.now_at)
        return self._channel("channel_open" if same_day else "channel_open_until", channel, span.ends_at)

    def _channel(self, phrase: str, channel: Channel, at: datetime | None) -> str:
        name = self._channel_name(channel)
        if at is None:
            said = lexicon(self.language).say(phrase, name=name)
        else:
            said = say_instant(self.reader, phrase, name, at)
        if why := channel.why.get(self.language):
            said = lexicon(self.language).say("channel_why", said=said, why=clean(why))
        return sentence(said)


# The variables of the full and the short text. The heads of the locale files explain them to the owner.
VARIABLES: Mapping[str, Callable[[Speech], Value]] = {
    "greeting": Speech.greeting,
    "name": Speech.name,
    "subject": Speech.subject,
    "when": Speech.when,
    "reason": Speech.reason,
    "asked": Speech.asked,
    "call": Speech.call,
    "channels": Speech.channels,
    "agreement": Speech.agreement,
    "urgent": Speech.urgent,
    "owner": Speech.owner,
}

# Those of the text for absences, and those of any text.
AWAY_VARIABLES = frozenset({*VARIABLES, "away", "say", "deputy"})
EVERY_VARIABLE: Mapping[str, Callable[[Speech], Value]] = {
    **VARIABLES,
    "away": Speech.away,
    "say": Speech.say,
    "deputy": Speech.deputy,
}


def said_in(texts: Mapping[str, str], *languages: str) -> str:
    """Return the text in the first of the languages that has one, else any; "" if there is none."""
    for language in languages:
        if text := texts.get(language):
            return text
    return next(iter(texts.values()), "")


def day_part(calendar: Calendar, at: datetime) -> DayPart:
    """Tell which part of the client's night an instant falls into; "" for their day, or a day without daytime."""
    if calendar.in_daytime(at):
        return ""
    day = calendar.daytime_on(at.astimezone(calendar.client_zone).date())
    if not day:
        return ""
    if at < day[0].starts_at:
        return "_morning"
    return "_end" if at >= day[-1].ends_at else ""


class Offers(NamedTuple):
    """What a client can be offered besides writing, and until when that stays so.

    ``call`` is the next hour for a call that has not begun; ``channels`` are those that serve no window, each with
    the stretch in which it is open now, or else its next one.
    """

    from_at: datetime
    until_at: datetime
    call: tuple[Window, Span] | None
    channels: tuple[tuple[Channel, Span], ...]


_offers: WeakKeyDictionary[Policy, dict[str, Offers]] = WeakKeyDictionary()


def offers(policy: Policy, client: Client, calendar: Calendar, now_at: datetime) -> Offers:
    """Return the offers at that instant; they are remembered until the first of them begins or ends."""
    remembered = _offers.setdefault(policy, {})
    found = remembered.get(client.key)
    if found is None or not (now_at == found.from_at or found.from_at < now_at < found.until_at):
        found = remembered[client.key] = _find_offers(policy, client, calendar, now_at)
    return found


def _find_offers(policy: Policy, client: Client, calendar: Calendar, now_at: datetime) -> Offers:
    call = next(iter(calendar.calls(now_at)), None)
    until_at = now_at if call is None else call[1].starts_at
    called = _called(policy, client)
    spans: list[tuple[Channel, Span]] = []
    for channel in calendar.channels:
        if channel.key in called:
            continue
        span = next_span(calendar, channel, now_at)
        # What is not in sight now may be so in a minute: that is good for this instant only.
        if span is None or span.ends_at - now_at >= _HORIZONS[-1]:
            until_at = now_at
        else:
            until_at = min(until_at, span.starts_at if span.starts_at > now_at else span.ends_at)
        if span is not None:
            spans.append((channel, span))
    return Offers(now_at, until_at, call, tuple(spans))


def _called(policy: Policy, client: Client) -> frozenset[str]:
    """Name the channels that serve some window: they are offered as calls only."""
    rules = policy.windows if client.windows is None else client.windows
    return frozenset(key for rule in rules for key in rule.channels)


def next_span(calendar: Calendar, channel: Channel, now_at: datetime) -> Span | None:
    """Return the stretch in which the channel is open now, or else its next one; None if none is in sight.

    Stretches that touch are one. One that lasts to the end of what is looked at ends there.
    """
    found: Span | None = None
    for horizon in _HORIZONS:
        until_at = now_at + horizon
        found = None
        for span in calendar.channel_spans(channel, now_at, until_at):
            if found is None:
                found = span if span.ends_at > now_at else None
            elif span.starts_at <= found.ends_at:
                found = replace(found, ends_at=max(found.ends_at, span.ends_at))
            else:
                break
        if found is not None and found.ends_at < until_at:
            return found
    return found
