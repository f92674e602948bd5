"""Topic presets: what clients of any practice write about, with its words and its reason in every built-in language.

For the configuration, where ``[topics.moving] preset = "moving"`` switches one on. The words stand in the locale files;
a letter is looked at for those of all languages, since nobody writes in one only.
"""

from __future__ import annotations

from typing import get_args

from responder.core.model import PresetName, Topic
from responder.core.words import languages, lexicon

#: In the order in which they belong into a file: the first topic that fits is taken, so the plainest words come first.
PRESETS: tuple[PresetName, ...] = get_args(PresetName)
#: Where an attached document alone is enough.
_ATTACHMENTS = frozenset({"documents"})


def preset_topic(name: PresetName, key: str) -> Topic:
    """Return a preset as a topic with that key; its response time is the owner's to say."""
    spoken = {language: lexicon(language).presets[name] for language in sorted(languages())}
    return Topic(
        key=key,
        words=tuple(dict.fromkeys(word for preset in spoken.values() for word in preset.words)),
        attachments=name in _ATTACHMENTS,
        response=None,
        say={language: preset.say for language, preset in spoken.items()},
    )
