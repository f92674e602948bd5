"""Reading the header first and the body later is the same as reading both at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from responder.core.facts import observe, observe_body, split_message
from tests.core.test_facts import ME, POLICY, raw
from tests.core.test_facts_hostile import BODIES, CORPUS, HEADERS

if TYPE_CHECKING:
    from pathlib import Path

    from responder.core.model import Body, Message


def assert_same(message: Message) -> None:
    """Compare both ways."""
    first = observe(replace(message, body=None), POLICY, ME)
    assert observe_body(message, first, POLICY, ME) == observe(message, POLICY, ME)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(header=HEADERS, found=BODIES)
def test_of_any_bytes(header: bytes, found: Body | None) -> None:
    """Whatever the header and the body hold, the facts are the same."""
    assert_same(raw(header, body=found))


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.eml")), ids=lambda path: path.stem)
def test_of_whole_letters(path: Path) -> None:
    """The facts of each letter of the corpus are the same."""
    header, body = split_message(path.read_bytes())
    assert_same(raw(header, body=body))
