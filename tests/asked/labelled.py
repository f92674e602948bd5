"""The labelled sentences, and how well the grammar does on them: precision and recall, finding by finding.

A finding is right when its class, its quotation and its instants (or the ends of its stretch) are the expected ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from responder.asked import parse
from responder.core import asked
from responder.core.text import new_text

HERE = Path(__file__).parent
OWNER_ZONE = ZoneInfo("Europe/Moscow")
ZONES = {"ru": ZoneInfo("Asia/Yekaterinburg"), "en": ZoneInfo("America/New_York")}
WRITTEN = datetime(2026, 11, 24, 20, 15)  # noqa: DTZ001 - by the client's clock
YEAR = 2026


class Finding(NamedTuple):
    """One finding, as it is compared."""

    kind: str
    quote: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Sentence:
    """One line of the file."""

    number: int
    subject: str
    text: str
    expected: tuple[Finding, ...]

    @property
    def held_back(self) -> bool:
        """Every third is never tuned on."""
        return self.number % 3 == 0


T = TypeVar("T")
F = TypeVar("F")


@dataclass
class Score(Generic[T, F]):
    """What came out, over some letters; ``wrong`` are those that were missed, each with what was found."""

    right: int = 0
    found: int = 0
    expected: int = 0
    wrong: list[tuple[T, F]] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"expected {self.expected:3}  found {self.found:3}  right {self.right:3}"
            f"  precision {self.precision:.2f}  recall {self.recall:.2f}"
        )

    @property
    def precision(self) -> float:
        """The part of what was found that is right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The part of what was asked that was found."""
        return self.right / self.expected if self.expected else 1.0


def read(language: str) -> list[Sentence]:
    """Read the sentences of a language."""
    found: list[Sentence] = []
    for line in (HERE / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        label, _, text = line.partition(" | ")
        kind, _, when = label.partition(" ")
        quotes = re.findall(r"\[([^]]*)\]", text)
        assert len(quotes) == (kind != "none"), line
        expected = tuple(Finding(kind, quote, *_when(when, ZONES[language])) for quote in quotes)
        text = re.sub(r"[][]", "", text).replace("\\n", "\n")
        subject, _, body = text.removeprefix("S: ").partition(" // ") if text.startswith("S: ") else ("", "", text)
        found.append(Sentence(len(found) + 1, subject, body, expected))
    return found


def _when(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    first, _, last = text.partition("..")
    if last:
        return _at(first, "00:00", zone), _at(last, "24:00", zone)
    day, _, clock = first.partition(" ")
    opens, _, closes = (clock or "00:00-24:00").partition("-")
    return _at(day, opens, zone), _at(day, closes or opens, zone)


def _at(day: str, clock: str, zone: ZoneInfo) -> datetime:
    on = date.fromisoformat(f"{YEAR}-{day}") + timedelta(days=clock == "24:00")
    clock = "00:00" if clock == "24:00" else clock
    return datetime.fromisoformat(f"{on}T{clock}").replace(tzinfo=zone).astimezone(UTC)


def findings(sentence: Sentence, language: str) -> tuple[Finding, ...]:
    """Return what the grammar finds in a sentence."""
    at = WRITTEN.replace(tzinfo=ZONES[language])
    text = new_text(sentence.text)
    return tuple(
        Finding(str(one.kind), one.quote, one.starts_at, one.ends_at)
        for one in asked.find(sentence.subject, text, at, ZONES[language], OWNER_ZONE, parse)
    )


def score(language: str, *, held_back: bool) -> Score[Sentence, tuple[Finding, ...]]:
    """Measure the grammar on the part that is held back, or on the other."""
    result: Score[Sentence, tuple[Finding, ...]] = Score()
    for sentence in read(language):
        if sentence.held_back is not held_back:
            continue
        got = findings(sentence, language)
        result.found += len(got)
        result.expected += len(sentence.expected)
        result.right += len(set(got) & set(sentence.expected))
        if set(got) != set(sentence.expected):
            result.wrong.append((sentence, got))
    return result
