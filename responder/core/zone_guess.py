"""Where somebody lives, guessed from the clocks of their letters: a suggestion with its evidence, never a decision.

A letter's Date field tells how far ahead of UTC its writer's clock was at that instant. Of the zones that agree with
all of it, those of the address's country come first, then the owner's own, then the zones most people live in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    #: When a letter was written, and how far ahead of UTC its clock was.
    Clocked = tuple[datetime, timedelta]

#: Zones in which nearly everybody lives; where several have one clock, the one with the most people comes first.
_KNOWN = tuple(
    """
    Europe/Moscow Europe/Berlin Europe/London America/New_York America/Chicago America/Denver America/Los_Angeles
    Europe/Kyiv Europe/Athens Europe/Istanbul Asia/Jerusalem Europe/Kaliningrad Europe/Samara Asia/Yekaterinburg
    Asia/Omsk Asia/Novosibirsk Asia/Krasnoyarsk Asia/Irkutsk Asia/Yakutsk Asia/Vladivostok Asia/Magadan Asia/Kamchatka
    Asia/Dubai Asia/Tbilisi Asia/Yerevan Asia/Baku Asia/Tashkent Asia/Almaty Asia/Karachi Asia/Kolkata Asia/Kathmandu
    Asia/Dhaka Asia/Yangon Asia/Bangkok Asia/Shanghai Asia/Singapore Asia/Tokyo Asia/Tehran Asia/Kabul Asia/Beirut
    Australia/Sydney Australia/Brisbane Australia/Adelaide Australia/Darwin Australia/Perth Pacific/Auckland
    Africa/Cairo Africa/Casablanca Africa/Lagos Africa/Johannesburg Africa/Nairobi Africa/Accra Atlantic/Azores
    America/Sao_Paulo America/Argentina/Buenos_Aires America/Santiago America/Bogota America/Caracas
    America/Mexico_City America/Phoenix America/Halifax America/St_Johns America/Havana America/Anchorage
    Pacific/Honolulu Europe/Paris Europe/Madrid Europe/Lisbon America/Toronto America/Vancouver Asia/Jakarta
    Asia/Kuala_Lumpur Asia/Hong_Kong Asia/Ulaanbaatar
    """.split()  # noqa: SIM905 - one zone a line would be seventy lines
)

#: Two letters that stand for a country and are used by everybody.
_ANYBODYS = frozenset("ai am cc co fm gg im io la ly me nu sh so tk to tv ws".split())  # noqa: SIM905 - one line
_COUNTRIES = {"uk": "GB", "su": "RU", "xn--p1ai": "RU", "xn--90ais": "BY", "xn--j1amh": "UA"}

_AGREES = 0.9  # of the letters; the rest were written on a journey, or by a server
_MOST = 0.7  # where no zone agrees, one clock has to stand out so far
_LEAST = 3  # letters
_STEP, _STEPS = timedelta(days=15), 49  # two years


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneGuess:
    """A zone and why. ``sure``: whatever else agrees with the letters keeps the same hours all year."""

    zone: str
    sure: bool
    why: str


def guess_zone(clocked: Sequence[Clocked], domain: str, owner_zone: str) -> ZoneGuess | None:
    """Return the zone that letters were probably written in; None where they tell nothing.

    Args:
        clocked: the letters.
        domain: of the writer's address: its country comes first.
        owner_zone: the reader's zone.
    """
    if not clocked:
        return None
    order = tuple(dict.fromkeys((*_of_country(domain), owner_zone, *_zones())))
    zero = timedelta(0)
    if all(offset == zero for _, offset in clocked):
        # Servers and web mailers write UTC; only in a country that keeps it does it mean something.
        order = _of_country(domain)
    elif not _agreeing(order, clocked):
        clocked = [(at, offset) for at, offset in clocked if offset != zero]
    why = _say(clocked)
    if fitting := _agreeing(order, clocked):
        sure = (
            len(clocked) >= _LEAST
            and len({_year(zone, clocked[-1][0].year) for zone in fitting}) == 1
            and any(offset for _, offset in clocked)
        )
        return ZoneGuess(zone=fitting[0], sure=sure, why=why)
    (offset, count), *_ = Counter(offset for _, offset in clocked).most_common(1)
    most = [(at, each) for at, each in clocked if each == offset]
    if offset and count >= _MOST * len(clocked) and (fitting := _agreeing(order, most)):
        return ZoneGuess(zone=fitting[0], sure=False, why=f"{why}; mostly the first")
    return None


def _agreeing(zones: Iterable[str], clocked: Sequence[Clocked]) -> list[str]:
    """Return the zones whose clocks agree with nearly all of the letters; of those the ones that agree with most."""
    agreed: dict[str, int] = {}
    for zone in zones:
        clock = ZoneInfo(zone)
        agreed[zone] = sum(at.astimezone(clock).utcoffset() == offset for at, offset in clocked)
    best = max(agreed.values(), default=0)
    return [zone for zone, count in agreed.items() if count == best] if best and best >= _AGREES * len(clocked) else []


@cache
def _zones() -> tuple[str, ...]:
    """Return the known zones that the machine's data has, under the names it has them by."""
    found: list[str] = []
    for name in _KNOWN:
        try:
            ZoneInfo(name)
        except Exception:  # noqa: BLE001, S112 - an older table: that zone is not suggested
            continue
        found.append(name)
    return tuple(found)


@cache
def _of_country(domain: str) -> tuple[str, ...]:
    """Return the zones of the country that the address names, the known ones first."""
    ending = domain.rpartition(".")[2].lower()
    code = _COUNTRIES.get(ending, ending.upper() if len(ending) == 2 and ending not in _ANYBODYS else "")  # noqa: PLR2004 - ISO 3166
    if not code:
        return ()
    from babel.core import get_global  # noqa: PLC0415 - 45 ms, and only for a mailbox that is set up

    theirs = [str(zone) for zone in get_global("territory_zones").get(code, ())]
    known = [zone for zone in _zones() if zone in theirs]
    return (*known, *(zone for zone in theirs if zone not in known and _is_there(zone)))


def _is_there(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except Exception:  # noqa: BLE001 - Babel's table may be newer than the machine's
        return False
    return True


@cache
def _year(zone: str, year: int) -> tuple[timedelta | None, ...]:
    """Return the zone's offsets through a year and the next one: what two zones are compared by."""
    first_at = datetime(year, 1, 1, tzinfo=UTC)
    return tuple((first_at + _STEP * step).astimezone(ZoneInfo(zone)).utcoffset() for step in range(_STEPS))


def _say(clocked: Sequence[Clocked]) -> str:
    """Return the evidence in words: "14 letters by a clock of UTC+10", the usual one first."""
    counted = Counter(offset for _, offset in clocked).most_common(3)
    clocks = " and ".join(_say_offset(offset) for offset, _ in counted)
    letters = "1 letter" if len(clocked) == 1 else f"{len(clocked)} letters"
    return f"{letters} by a clock of {clocks}"


def _say_offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return "UTC" if not minutes else f"UTC{sign}{hours}{f':{rest:02}' if rest else ''}"
