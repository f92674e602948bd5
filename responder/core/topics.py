"""Topics: what a message is about, by the owner's words and by attached documents.

The topic first in the file wins; within a topic a word is found before an attachment. Time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.core.subject import without_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from responder.core.model import Part, Topic

_MOST_BECAUSE = 100  # characters of a word or file name in the trail
_DOCUMENT_MEDIA = re.compile(
    r"application/(?:pdf|x-pdf|msword|vnd\.ms-(?:word|excel|powerpoint|xpsdocument).*|vnd\.openxmlformats-officedocument\..+"
    r"|vnd\.oasis\.opendocument\..+|rtf|x-rtf|vnd\.apple\.(?:pages|numbers|keynote)|x-iwork-.+"
    r"|zip|x-zip-compressed|x-zip|x-7z-compressed|vnd\.rar|x-rar|x-rar-compressed|gzip|x-gzip|x-tar|x-bzip2|x-xz)"
    r"|image/vnd\.djvu|text/rtf"
)
# A text is a document only where it was attached by name; otherwise it is the letter.
_TEXT_MEDIA = frozenset({"text/plain", "text/csv", "text/markdown", "text/html", "text/xml", "application/xml"})
_NAMELESS_MEDIA = frozenset(
    {
        "application/octet-stream",
        "application/x-download",
        "application/download",
        "application/force-download",
        "application/unknown",
        "binary/octet-stream",
    }
)
_EXTENSIONS = re.compile(
    r"(?:pdf|docx?|docm|dotx?|od[tsp]|rtf|xls[xmb]?|csv|pptx?|pps|txt|md|html?|xml|xps|djvu|pages|numbers|key"
    r"|zip|7z|rar|tar|gz|tgz|bz2|xz)"
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a topic: ``stem`` must occur in the folded text before ``pattern`` is worth trying."""

    stem: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class TopicWords:
    """One topic, ready to be looked for."""

    key: str
    words: tuple[Word, ...]
    attachments: bool


def prepare(topics: Iterable[Topic]) -> tuple[TopicWords, ...]:
    """Compile topics, in their order."""
    return tuple(
        TopicWords(topic.key, tuple(_word(word) for word in topic.words if word.strip(" *")), topic.attachments)
        for topic in topics
    )


def _word(text: str) -> Word:
    folded = _without_yo(unicodedata.normalize("NFC", text)).lower().split()
    literal = r"\s+".join(re.escape(piece) for piece in " ".join(folded).removesuffix("*").split())
    ending = r"\w*" if folded[-1].endswith("*") else ""
    return Word(stem=folded[0].removesuffix("*"), pattern=re.compile(rf"(?<!\w){literal}{ending}(?!\w)", re.IGNORECASE))


def _without_yo(text: str) -> str:
    return text.replace("ё", "е").replace("Ё", "Е")  # str.translate takes a hundred times as long


def find_topic(topics: Sequence[TopicWords], subject: str, text: str, parts: Sequence[Part]) -> tuple[str, str]:
    """Return the key of the first topic that applies and the word or file name that decided; empty where none."""
    if not topics:
        return "", ""
    # ё becomes е letter for letter: a place in the folded text is the same place in the original.
    texts = [
        (original, folded, folded.lower())
        for original in (without_prefixes(subject), text)
        if (folded := _without_yo(original))
    ]
    document = attached_document(parts)
    for topic in topics:
        for word in topic.words:
            for original, folded, small in texts:
                if word.stem in small and (match := word.pattern.search(folded)):
                    return topic.key, original[match.start() : match.end()][:_MOST_BECAUSE]
        if topic.attachments and document:
            return topic.key, document
    return "", ""


def attached_document(parts: Sequence[Part]) -> str:
    """Return the name (or type) of the first attached document or archive, "" if there is none."""
    for part in parts:
        if _is_document(part):
            return (part.filename or part.media)[:_MOST_BECAUSE]
    return ""


def _is_document(part: Part) -> bool:
    if part.disposition == "inline":
        return False
    if part.media in _TEXT_MEDIA:
        return part.disposition == "attachment"
    if part.media in _NAMELESS_MEDIA:
        _, dot, extension = part.filename.rpartition(".")
        return bool(dot) and _EXTENSIONS.fullmatch(extension.lower()) is not None
    return _DOCUMENT_MEDIA.fullmatch(part.media) is not None
