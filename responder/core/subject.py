"""Subjects: what of an incoming subject may be quoted to its sender, and what of it is only "Re:".

Promises to the reply that a quoted subject carries no address and no link: what a forger writes there is not passed
on in the owner's name.
"""

from __future__ import annotations

import re
import unicodedata

_MOST_QUOTED = 80  # characters: what a phone shows of a quotation

_PREFIXES = re.compile(
    r"(?:\s*(?:re|fwd?|aw|wg|sv|tr|rv|rif|отв|ответ|пересл|перес|пер|на)(?:\s?\[\d{1,3}\])?\s*:)+\s*", re.IGNORECASE
)
_MOST_COMPARED = 150  # characters: fewer than are kept of a subject
# A letter or digit, a full stop, two letters: a host name, as mail programs make links of them.
_HOST = re.compile(r"\w[.\u3002][^\W\d_]{2}")
_LINKS = ("@", "://", "www.", "mailto:", "tel:", "\ufffd")  # the last: what could not be decoded


def without_prefixes(subject: str) -> str:
    """Return the subject without "Re:", "Fwd:" and their sisters in other languages."""
    match = _PREFIXES.match(subject)
    return subject[match.end() :] if match else subject


def base_subject(subject: str) -> str:
    """Return what the subjects of one thread have in common: without prefixes, case and runs of white space."""
    return " ".join(without_prefixes(subject).split()).casefold()[:_MOST_COMPARED]


def quotable(subject: str) -> str:
    """Return the subject as a reply may quote it, cut at a word with "…" to 80 characters; "" if it may not.

    It may not where it holds an address, a link or a host's name, where a letter of it could not be decoded, and
    where it has no letters at all.
    """
    plain = unicodedata.normalize("NFKC", subject).lower()
    if any(link in plain for link in _LINKS) or _HOST.search(plain):
        return ""
    if not any(ch.isalpha() for ch in subject):
        return ""
    if len(subject) <= _MOST_QUOTED:
        return subject
    cut = subject[: _MOST_QUOTED - 1]
    if not subject[_MOST_QUOTED - 1].isspace():
        cut = cut.rpartition(" ")[0] or cut
    return cut.rstrip(" .,;:–—-") + "…"
