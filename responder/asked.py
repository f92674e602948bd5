"""The parser of asked-for times: short English phrases, by dateparser.

It is imported with the first phrase and not before: it takes an eighth of a second and 8 MB, and most nights nobody
asks for a time. The phrases are ours (see ``core.asked``): nothing of a letter ever reaches it but numbers of two
digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

#: Longer is no phrase of ours.
_LONGEST = 60


def parse(phrase: str, base: datetime) -> datetime | None:
    """Return the naive local time that a phrase means, seen from a naive local time; None if it means none."""
    import dateparser  # noqa: PLC0415 - heavy, and wanted only where a letter asks for a time

    if len(phrase) > _LONGEST:
        return None
    return dateparser.parse(
        phrase,
        languages=["en"],
        settings={"RELATIVE_BASE": base, "PREFER_DATES_FROM": "future", "DATE_ORDER": "DMY"},
    )
