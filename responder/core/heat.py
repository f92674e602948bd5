"""The week as a heat picture: how dark each hour is and where it stands, whether on a page or in a terminal.

For ``report_words`` and the terminal, which give it colours and words. Lengths are in the units of the drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: More shades than four are not told apart in print.
SHADES = 4
CELL = 22
LEFT, TOP = 46, 24
WIDTH, HEIGHT = LEFT + 24 * CELL + 12, TOP + 7 * CELL + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One hour of the week in which there was something; ``mostly_outside``: at least half of it out of hours."""

    weekday: int
    hour: int
    x: int
    y: int
    shade: int
    count: int
    outside: int
    mostly_outside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A row of hours that belong together: a stretch of the usual hours."""

    x: int
    y: int
    width: int


def shade(count: int, most: int) -> int:
    """Return 0 for nothing, else 1 to 4: the part of ``most`` that it is, rounded up; up to four each is a shade."""
    return -(-SHADES * count // max(most, SHADES)) if count else 0


def ranges(most: int) -> Iterator[tuple[int, int, int]]:
    """Yield each shade that can occur with the least and the greatest count it stands for."""
    for step in range(1, SHADES + 1):
        top = max(most, SHADES)
        low, high = (step - 1) * top // SHADES + 1, step * top // SHADES
        if low <= min(high, most):
            yield step, low, high


def cells(week: Sequence[Sequence[int]], outside: Sequence[Sequence[int]]) -> Iterator[Cell]:
    """Yield the cells that are not empty, by weekday and hour."""
    most = max(map(max, week))
    for weekday, counts in enumerate(week):
        for hour, count in enumerate(counts):
            if count:
                out = outside[weekday][hour]
                yield Cell(
                    weekday=weekday,
                    hour=hour,
                    x=LEFT + hour * CELL,
                    y=TOP + weekday * CELL,
                    shade=shade(count, most),
                    count=count,
                    outside=out,
                    mostly_outside=2 * out >= count,
                )


def frames(usual: Sequence[Sequence[bool]]) -> Iterator[Frame]:
    """Yield the stretches of usual hours."""
    for weekday, day in enumerate(usual):
        begins: int | None = None
        for hour, inside in enumerate((*day, False)):
            if inside and begins is None:
                begins = hour
            elif not inside and begins is not None:
                yield Frame(x=LEFT + begins * CELL, y=TOP + weekday * CELL, width=(hour - begins) * CELL)
                begins = None
