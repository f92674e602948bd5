"""The topic presets: how well their words tell letters apart, and what the file may say beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.core.presets import PRESETS, preset_topic
from responder.core.words import languages, lexicon
from tests.asked.labelled import ZONES
from tests.asked.presets import read, score

if TYPE_CHECKING:
    from responder.core.model import PresetName


@pytest.mark.parametrize("language", list(ZONES))
def test_precision_and_recall_on_what_is_held_back(language: str) -> None:
    """Of the topics given nine in ten are right, of those to be given 85 in a hundred are found."""
    result = score(language, held_back=True)
    assert result.expected >= 20
    assert result.precision >= 0.9, result.wrong
    assert result.recall >= 0.85


@pytest.mark.parametrize("language", list(ZONES))
def test_the_sets_hold_every_topic(language: str) -> None:
    """At least 60 letters, each topic and no topic at all among those held back."""
    letters = read(language)
    assert len(letters) >= 60
    assert {letter.topic for letter in letters if letter.held_back} == {"", *PRESETS}


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_speaks_every_language(name: PresetName) -> None:
    """Words and a reason stand in each locale file; no word is written in a way that could never be found."""
    assert all(set(lexicon(language).presets) == set(PRESETS) for language in languages())
    topic = preset_topic(name, "mine")
    assert (topic.key, topic.response) == ("mine", None)
    assert set(topic.say) == languages()
    assert all(say.endswith(".") for say in topic.say.values())
    assert all(word == " ".join(word.lower().split()) and "*" not in word[:-1] for word in topic.words)
    assert len(set(topic.words)) == len(topic.words)


def test_no_preset_takes_anothers_letters() -> None:
    """A word belongs to one preset only: which topics are switched on changes nothing for the others."""
    words = [word for name in PRESETS for word in preset_topic(name, name).words]
    assert len(set(words)) == len(words)
