"""A shipped topic in the file: one line switches it on, the keys beside it override it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.core.presets import preset_topic
from tests.core.build import term

if TYPE_CHECKING:
    from tests.config.conftest import Desk

OWN = 'words = ["contract*"]\nresponse = "2 working days"'


def test_one_line_switches_a_preset_on(desk: Desk) -> None:
    """Words and reasons are the shipped ones in every language, the term is the owner's own or the default."""
    desk.changed((OWN, 'preset = "documents"\nresponse = "2 working days"\n[topics.new]\npreset = "matter"'))
    documents, new = desk.load().policy.topics
    shipped = preset_topic("documents", "documents")
    assert (documents.words, documents.attachments, documents.say) == (shipped.words, True, shipped.say)
    assert (documents.response, new.response) == (term("2 working days"), None)
    assert new == preset_topic("matter", "new")
    assert desk.warnings() == []


def test_the_keys_beside_it_override_it(desk: Desk) -> None:
    """Own words take the place of the shipped ones, an own reason that of its language only."""
    own = 'preset = "documents"\nwords = ["Lease*"]\nattachments = false\nsay = "I read at dawn."'
    (topic,) = desk.changed((OWN, own)).load().policy.topics
    assert (topic.words, topic.attachments) == (("lease*",), False)
    assert topic.say == {**preset_topic("documents", "").say, "en": "I read at dawn."}


def test_a_preset_whose_words_are_taken_away_is_a_fault(desk: Desk) -> None:
    """What nothing can belong to is no topic, whatever it is called."""
    desk.changed((OWN, 'preset = "moving"\nwords = []'))
    assert desk.only().startswith("config.toml:24: topics.documents: nothing belongs to this topic")
