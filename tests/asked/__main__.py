"""``python -m tests.asked``: prints precision and recall; ``--wrong`` the misses, of what may be tuned on only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.asked import presets
from tests.asked.labelled import ZONES, score

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.asked.labelled import Finding


def main() -> None:
    """Print a line for each language and part."""
    for language in ZONES:
        for held_back in (False, True):
            result = score(language, held_back=held_back)
            part = "held back" if held_back else "tuned on"
            print(f"asked {language} {part:9}  {result}")
            if "--wrong" in sys.argv and not held_back:
                for sentence, got in result.wrong:
                    print(f"   {sentence.subject} {sentence.text}")
                    print(f"      expected {_say(sentence.expected)}\n      found    {_say(got)}")
    for language in ZONES:
        for held_back in (False, True):
            letters = presets.score(language, held_back=held_back)
            part = "held back" if held_back else "tuned on"
            print(f"topics {language} {part:9}  {letters}")
            if "--wrong" in sys.argv and not held_back:
                for letter, got in letters.wrong:
                    print(
                        f"   {letter.subject} {letter.text}\n      expected {letter.topic or '-'}, found {got or '-'}"
                    )


def _say(found: Iterable[Finding]) -> str:
    return "; ".join(f"{one.kind} «{one.quote}» {one.starts_at:%m-%d %H:%M} {one.ends_at:%m-%d %H:%M}" for one in found)


if __name__ == "__main__":
    main()
