"""Templates: what the owner may write, and that every fault is found before the rules hold."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from responder.core.compose import check_templates
from responder.core.templates import TEXT_LIMIT, compiled
from responder.core.words import languages, lexicon
from responder.errors import ConfigurationError
from tests.core.build import client, owner, policy

if TYPE_CHECKING:
    from responder.core.model import Policy

GOOD = "{{ greeting }} {{ when }} Это автоматический ответ."


def _rules(key: str = "full", source: str = GOOD, language: str = "ru") -> Policy:
    return policy(templates={language: {key: source}})


def _only_fault(rules: Policy) -> tuple[str, str]:
    (fault,) = check_templates(rules)
    return fault.path, fault.text


@pytest.mark.parametrize("language", sorted(languages()))
def test_the_built_in_texts_pass_their_own_trial(language: str) -> None:
    """Every built-in text is complete for a client near and far, and for a stranger."""
    clients = tuple(
        client(f"c{number}", zone=zone, language=language)
        for number, zone in enumerate(("Europe/Moscow", "Asia/Vladivostok", "Pacific/Kanton", "Etc/UTC"))
    )
    assert not check_templates(policy(owner=owner(language=language), clients=clients))


def test_an_owners_text_takes_the_place_of_the_built_in_one() -> None:
    """A good text of the owner's passes, for any key."""
    for key, source in lexicon("ru").templates.items():
        assert not check_templates(_rules(key, source))
    assert not check_templates(_rules())


@pytest.mark.parametrize(
    ("key", "source", "said"),
    [
        ("full", "{{ whem }} автоматически", "did you mean 'when'?"),
        ("full", "{% if no %}{{ nothing }}{% endif %}" + GOOD, "unknown variable 'no'"),
        ("full", "{{ when", "line 1"),
        ("full", "\n\n{% if when %}", "line 3"),
        ("full", "", "the text is empty"),
        ("full", "{% if topic_that_is_not %}x{% endif %}", "unknown variable"),
        ("full", "Это автоматический ответ.", "lacks the due time"),
        ("full", "Отвечу до 14:00. Это автоматический ответ.", "lacks the due time"),
        ("full", "{% if subject %}{{ when }}{% endif %} Автоматический ответ.", "without subject"),
        ("full", "{% if not name %}{{ when }}{% endif %} Автоматический ответ.", "for client vostok"),
        ("short", "{{ when }} {% if call %}Автоматический ответ.{% endif %}", "does not say that it is automatic"),
        ("short", "Скоро. {{ when }}", "does not say that it is automatic"),
        ("full", GOOD + "x" * TEXT_LIMIT, "8,000 characters that are allowed"),
        (
            "full",
            "{% for c in channels %}{% for d in channels %}{{ reason * 1 }}{% endfor %}{% endfor %}" + GOOD,
            "mul",
        ),
        ("away", "{{ away }} Это автоматический ответ.", "lacks the due time"),
        ("away", "{{ away }} {{ when }}", "does not say that it is automatic"),
        ("away", "{% if deputy %}{{ when }}{% endif %} Автоматический ответ.", "without deputy"),
        ("away", "{% if not say %}{{ when }}{% endif %} Автоматический ответ.", "for client vostok"),
        ("away", "{{ until }} {{ when }} Автоматический ответ.", "unknown variable 'until'"),
        ("full", GOOD + "{{ deputy }}", "unknown variable 'deputy'"),
        ("stranger", "Это автоматический ответ. {{ owner }}", "unknown variable 'owner'; allowed: none"),
        ("stranger", "Ваше письмо получено.", "does not say that it is automatic"),
        ("subject", "{{ original }}", "where the message has none"),
        ("subject", "{{ subject }}", "unknown variable 'subject'"),
        ("subject", " ", "the subject is empty"),
    ],
)
def test_a_fault_is_named_at_its_place(key: str, source: str, said: str) -> None:
    """Each bad text is one fault at its own path, in words that help."""
    path, text = _only_fault(_rules(key, source))
    assert path == f"templates.ru.{key}"
    assert said in text


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(1000000000) %}{% endfor %}",
        "{{ 'a' * 500000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set x = when ~ when %}",
        "{{ when | replace('0', '00000000') }}",
        "{{ when | join('a') | join('b') }}",
        "{{ channels | join('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
        "{{ when | center(1000000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ when.upper() }}",
        "{{ when[0] }}",
        "{{ self.x }}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% for a in when recursive %}{{ loop(a) }}{% endfor %}",
        "{% for a in when %}{% for b in when %}{% for c in when %}{% endfor %}{% endfor %}{% endfor %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ when | attr('__class__') }}",
        "{{ lipsum }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ -1 }}",
    ],
)
def test_what_a_letter_does_not_need_is_refused(source: str) -> None:
    """Nothing that could loop without end, grow without bound or reach an object is even run."""
    path, text = _only_fault(_rules("full", source + GOOD))
    assert path == "templates.ru.full"
    assert text


def test_what_a_letter_needs_is_allowed() -> None:
    """Conditions, loops over lists, and the filters for text."""
    source = (
        "{% for each in channels %}{{ loop.index }}. {{ each|trim }}{% if not loop.last %};{% endif %}{% endfor %}"
        "{{ name | upper if name else 'nobody' }}{{ ', ' ~ (channels | length) }}"
        "{% if name == 'a' or name in ['b'] %}{% endif %}{{ channels | join(', ') }}"
    )
    text = compiled(source, frozenset({"channels", "name"}))
    assert text.uses == {"channels", "name"}
    assert text.render({"channels": ["a ", "b"], "name": ""}) == "1. a;2. bnobody, 2a , b"


def test_a_value_is_never_a_template() -> None:
    """A name like a template is printed as it is."""
    assert compiled("{{ name }}", frozenset({"name"})).render({"name": "{{ 7 * 7 }}{% if %}"}) == "{{ 7 * 7 }}{% if %}"


def test_a_tag_alone_leaves_no_line() -> None:
    """Lines that hold only a tag vanish, blank lines in a row become one, blanks at a line's end go."""
    source = "a  \n{% if name %}\nb\n{% else %}\nc\n{% endif %}\nd\n\n\n\ne\n"
    text = compiled(source, frozenset({"name"}))
    assert text.render({"name": ""}) == "a\nc\nd\n\ne"
    assert text.render({"name": "x"}) == "a\nb\nd\n\ne"


def test_a_line_number_stays_true() -> None:
    """Removing a tag's line does not move the lines that an error names."""
    with pytest.raises(ConfigurationError, match="line 4: unknown variable 'x'"):
        compiled("{% if name %}\n{% endif %}\n\n{{ x }}", frozenset({"name"}))


def test_an_unknown_language_or_text_is_a_fault() -> None:
    """A key that no reply uses, and a language that has no words, are named."""
    assert _only_fault(_rules("ful"))[0] == "templates.ru.ful"
    assert _only_fault(_rules(language="xx"))[0] == "templates.xx"
    faults = check_templates(policy(owner=owner(language="de"), clients=(client(language="fr"),)))
    assert [fault.path for fault in faults] == ["clients.vostok.language", "owner.language"]


def test_a_text_of_a_language_without_clients_is_tried_too() -> None:
    """The owner's English words are checked before the first English client comes."""
    assert _only_fault(_rules("short", "Nothing.", "en"))[0] == "templates.en.short"


def test_each_template_has_one_fault() -> None:
    """Twenty clients do not repeat one fault twenty times."""
    clients = tuple(client(f"c{number}") for number in range(20))
    faults = check_templates(policy(clients=clients, templates={"ru": {"full": "", "short": "{{ x }}"}}))
    assert [fault.path for fault in faults] == ["templates.ru.full", "templates.ru.short"]


def test_the_trial_is_quick() -> None:
    """Twenty clients are tried within a moment, so that a reload is not felt."""
    rules = policy(clients=tuple(client(f"c{number}") for number in range(20)))
    check_templates(rules)
    started = perf_counter()
    check_templates(rules)
    # Measured: 0.02 s.
    assert perf_counter() - started < 0.5
