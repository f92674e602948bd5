"""The trial of every template before the rules hold: a fault is found at the desk, not by a client at night.

For the configuration. Each text is rendered for every client in the cases that a template can tell apart; what
comes out must be a reply that a person may get.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from responder.core.absences import Away
from responder.core.folders import read_pattern
from responder.core.model import Agreement
from responder.core.templates import TEMPLATE_VARIABLES, template
from responder.core.words import (
    Reader,
    clean,
    languages,
    lexicon,
    say_agreement,
    say_away,
    say_call,
    say_deputy,
    say_due,
    say_hours,
    sentence,
)
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from responder.core.model import Client, Policy
    from responder.core.words import DayPart

# Any Wednesday will do. Seven minutes past, so that no time written into a template by hand can pass for it.
_SAMPLE_AT = datetime(2026, 12, 2, tzinfo=UTC)
_DUE: tuple[tuple[DayPart, timedelta], ...] = (
    ("", timedelta(hours=14, minutes=7)),
    ("_morning", timedelta(hours=2, minutes=7)),
    ("_end", timedelta(hours=22, minutes=7)),
)
# What a message and a client may have or not have.
_OPTIONAL = ("name", "subject", "reason", "asked", "call", "channels", "agreement", "urgent", "say", "deputy")
_CASES = tuple(
    dict.fromkeys(
        (
            frozenset(_OPTIONAL),
            *(frozenset(_OPTIONAL) - {each} for each in _OPTIONAL),
            *(frozenset({each}) for each in _OPTIONAL),
            frozenset[str](),
        )
    )
)
_SAMPLE_AWAY = Away(from_on=date(2026, 12, 2), until_on=date(2026, 12, 9), begun=True)
_SUBJECTS = ("", "Re: 7", "Re: " + "7 " * 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFault:
    """One thing wrong: where in the configuration, and what is wrong and what is allowed."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Somebody who would get a reply. ``label`` names them in a fault."""

    label: str
    language: str
    zone: ZoneInfo
    name: str
    agreement: Agreement
    urgent: str = ""


def check_templates(policy: Policy) -> Sequence[TemplateFault]:
    """Return what is wrong with the templates and the folder's pattern, at most one fault for each of them."""
    faults = {fault.path: fault for fault in reversed([*_check_keys(policy), *_check_texts(policy)])}
    try:
        read_pattern(policy.filing.folder)
    except ConfigurationError as error:
        faults["filing.folder"] = TemplateFault(path="filing.folder", text=str(error))
    return tuple(faults[path] for path in sorted(faults))


def _check_keys(policy: Policy) -> Iterator[TemplateFault]:
    allowed = ", ".join(sorted(languages()))
    if policy.owner.language not in languages():
        yield TemplateFault(path="owner.language", text=f"no words in {policy.owner.language!r}; built in: {allowed}")
    for client in policy.clients:
        if client.language not in languages():
            path = f"clients.{client.key}.language"
            yield TemplateFault(path=path, text=f"no words in {client.language!r}; built in: {allowed}")
    for language, own in policy.templates.items():
        if language not in languages():
            yield TemplateFault(path=f"templates.{language}", text=f"unknown language; built in: {allowed}")
            continue
        for key in own:
            if key not in TEMPLATE_VARIABLES:
                keys = ", ".join(TEMPLATE_VARIABLES)
                yield TemplateFault(path=f"templates.{language}.{key}", text=f"no such text; allowed: {keys}")


def _check_texts(policy: Policy) -> Iterator[TemplateFault]:
    samples = list(_samples(policy))
    tried: set[tuple[str, ZoneInfo]] = set()
    faulty: set[str] = set()  # one fault of each is enough, and a bad text is not read again for every client
    for sample in samples:
        # A template cannot tell two clients of one language and clock apart but by their values.
        alike = (sample.language, sample.zone)
        cases = (_CASES[0], _CASES[-1]) if alike in tried else _CASES
        keys = ("full", "short") if alike in tried and not sample.urgent else ("full", "short", "urgent")
        tried.add(alike)
        for key in (*keys, "away"):
            path = f"templates.{sample.language}.{key}"
            if path not in faulty and (text := _try_reply(policy, sample, key, cases)):
                faulty.add(path)
                yield TemplateFault(path=path, text=text)
    for language in sorted({sample.language for sample in samples}):
        if text := _try_stranger(policy, language):
            yield TemplateFault(path=f"templates.{language}.stranger", text=text)
        if text := _try_subject(policy, language):
            yield TemplateFault(path=f"templates.{language}.subject", text=text)


def _samples(policy: Policy) -> Iterator[_Sample]:
    """Yield every client, and somebody for each language that has no client."""
    spoken: set[str] = set()
    for client in policy.clients:
        if client.language in languages():
            spoken.add(client.language)
            yield _client(client)
    for language in (policy.owner.language, *policy.templates):
        if language in languages() and language not in spoken:
            spoken.add(language)
            yield _Sample(
                label=f"anybody who reads {language!r}",
                language=language,
                zone=policy.owner.zone,
                name="N. N.",
                agreement=Agreement(name="N 1"),
            )


def _client(client: Client) -> _Sample:
    return _Sample(
        label=f"client {client.key}",
        language=client.language,
        zone=client.zone,
        name=clean(next(iter(client.people.values()), "N. N.")),
        agreement=client.agreement or Agreement(name="N 1"),
        urgent=client.urgent_word,
    )


def _try_reply(policy: Policy, sample: _Sample, key: str, cases: Sequence[frozenset[str]]) -> str:
    """Render one text in those cases; return the first fault, "" if there is none."""
    try:
        text = template(policy, sample.language, key)
    except ConfigurationError as error:
        return str(error)
    everything = _values(policy, sample)
    for number, case in enumerate(cases):
        part, length = _DUE[number % len(_DUE)]
        due_at = (_SAMPLE_AT.replace(tzinfo=sample.zone) + length).astimezone(UTC)
        due = say_due(_reader(policy, sample), due_at, part)
        values = {name: value for name, value in everything.items() if name in case}
        try:
            body = text.render(_EMPTY | values | _always(policy, sample, "name" in case) | {"when": due})
        except ConfigurationError as error:
            return f"{_named(sample, case)}: {error}"
        clock = f"{due_at.astimezone(sample.zone):%H:%M}"
        if fault := _fault(body, sample.language, clock):
            return f"{_named(sample, case)}: {fault}"
    return ""


_EMPTY: dict[str, str | list[str]] = dict.fromkeys(_OPTIONAL, "") | {"channels": []}


def _values(policy: Policy, sample: _Sample) -> dict[str, str | list[str]]:
    """Return every optional value, as long as this client's can be."""
    language = sample.language
    says = [say for topic in policy.topics if (say := topic.say.get(language))]
    starts_at = _SAMPLE_AT + timedelta(hours=8)
    return {
        "name": sample.name,
        "subject": "7 " * 39 + "7",
        "reason": sentence(max([*says, policy.owner.why.get(language, ""), "7"], key=len)),
        "asked": _longest_asked(policy, sample),
        "call": say_call(_reader(policy, sample), starts_at, starts_at + timedelta(hours=1)),
        "channels": [sentence(channel.why.get(language, channel.key)) for channel in policy.channels] or ["7."],
        "agreement": say_agreement(language, sample.agreement),
        "urgent": sample.urgent or "7",
        "say": sentence(max([*(each.say.get(language, "") for each in policy.absences), "7"], key=len)),
        "deputy": say_deputy(language, max([*(each.deputy for each in policy.absences), "N. N."], key=len)),
    }


def _longest_asked(policy: Policy, sample: _Sample) -> str:
    """Return what is said of a proposed time and a deadline, both as long as they can be."""
    starts_at = _SAMPLE_AT + timedelta(hours=8)
    hours = say_hours(_reader(policy, sample), starts_at, starts_at + timedelta(hours=1))
    words = lexicon(sample.language)
    quote = "7 " * 39 + "7"
    return " ".join(
        words.say(phrase, quote=quote, hours=hours) for phrase in ("asked_call_outside_hours", "asked_deadline_agreed")
    )


def _reader(policy: Policy, sample: _Sample) -> Reader:
    return Reader(sample.language, sample.zone, policy.owner.zone, _SAMPLE_AT.year)


def _always(policy: Policy, sample: _Sample, named: bool) -> dict[str, str | list[str]]:  # noqa: FBT001 - private
    words = lexicon(sample.language)
    greeting = words.say("greeting_name", name=sample.name) if named else words.phrases["greeting"]
    away = say_away(_reader(policy, sample), _SAMPLE_AWAY)
    return {"greeting": greeting, "owner": clean(policy.owner.name), "away": away}


def _named(sample: _Sample, case: frozenset[str]) -> str:
    missing = [each for each in _OPTIONAL if each not in case]
    return f"for {sample.label}" + (f", without {', '.join(missing)}" if missing else "")


def _fault(body: str, language: str, clock: str = "") -> str:
    """Tell what a client would miss in a rendered text; "" if nothing."""
    if not body:
        return "the text is empty"
    if clock not in body:
        return "the text lacks the due time; {{ when }} says it"
    automatic = lexicon(language).automatic
    if not any(word in body.lower() for word in automatic):
        return f"the text does not say that it is automatic; one of these must stand in it: {', '.join(automatic)}"
    return ""


def _try_stranger(policy: Policy, language: str) -> str:
    try:
        return _fault(template(policy, language, "stranger").render({}), language)
    except ConfigurationError as error:
        return str(error)


def _try_subject(policy: Policy, language: str) -> str:
    try:
        for original in _SUBJECTS:
            if not clean(template(policy, language, "subject").render({"original": original})):
                return "the subject is empty" + ("" if original else " where the message has none")
    except ConfigurationError as error:
        return str(error)
    return ""
