"""The labelled letters of the topic presets, and how well the shipped words do on them, letter by letter."""

from __future__ import annotations

from typing import NamedTuple

from responder.core.presets import PRESETS, preset_topic
from responder.core.topics import find_topic, prepare
from tests.asked.labelled import HERE, Score


class Letter(NamedTuple):
    """One line of the file."""

    number: int
    topic: str
    subject: str
    text: str

    @property
    def held_back(self) -> bool:
        """Every third is never tuned on."""
        return self.number % 3 == 0


TOPICS = prepare(preset_topic(name, name) for name in PRESETS)


def read(language: str) -> list[Letter]:
    """Read the letters of a language."""
    found: list[Letter] = []
    for line in (HERE / f"topics.{language}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            topic, _, text = line.partition(" | ")
            subject, _, body = text[3:].partition(" // ") if text.startswith("S: ") else ("", "", text)
            found.append(Letter(len(found) + 1, topic.replace("none", ""), subject, body))
    return found


def score(language: str, *, held_back: bool) -> Score[Letter, str]:
    """Measure the words on the part that is held back, or on the other."""
    result: Score[Letter, str] = Score()
    for letter in read(language):
        if letter.held_back is not held_back:
            continue
        got, _ = find_topic(TOPICS, letter.subject, letter.text, ())
        result.expected += bool(letter.topic)
        result.found += bool(got)
        result.right += bool(got) and got == letter.topic
        if got != letter.topic:
            result.wrong.append((letter, got))
    return result
