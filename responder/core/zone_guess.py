"""Where somebody lives, guessed from the clocks of their letters: a suggestion with its evidence, never a decision.

A letter's Date field tells how far ahead of UTC its writer's clock was at that instant. Of the zones that agree with
nearly all of it, those of the address's country come first, then the owner's own, then the zones most people live in.
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

_AGREES = 0.9  # of the letters; the rest were written on a journey
_MOSTLY = 0.7  # of those that no server wrote, where no zone agrees so far
_LEAST = 3  # letters
_STEP, _STEPS = timedelta(days=1), 2 * 365  # neighbours set their clocks on days that differ by two


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
        owner_zone: the reader's zone, "" where it is not known.
    """
    if not clocked:
        return None
    told = [(at, offset) for at, offset in clocked if offset]
    # Servers and web mailers write UTC: alone, it means something only in a country that keeps it.
    order = _of_country(domain)
    if told:
        order = tuple(dict.fromkeys(filter(None, (*order, owner_zone, *_zones()))))
    if fitting := _agreeing(order, clocked, told):
        zone, year = fitting[0], clocked[-1][0].year
        rivals = [other for other in fitting if _year(other, year) != _year(zone, year)]
        why = _say(zone, clocked) + (f"; {rivals[0]} would fit too" if rivals else "")
        return ZoneGuess(zone=zone, sure=bool(told) and len(clocked) >= _LEAST and not rivals, why=why)
    if len(told) >= _LEAST and (fitting := _agreeing(order, told, told, share=_MOSTLY)):
        return ZoneGuess(zone=fitting[0], sure=False, why=_say(fitting[0], clocked))
    return None


def _agreeing(
    zones: Iterable[str], clocked: Sequence[Clocked], told: Sequence[Clocked], *, share: float = _AGREES
) -> list[str]:
    """Return the zones whose clocks agree with that share of all letters and of those that tell; the best ones first.

    Of the latter too, because ten letters that a server stamped would outvote one that was written in Moscow.
    """
    agreed: dict[str, int] = {}
    for zone in zones:
        count, counted = len(_by(zone, clocked)), len(_by(zone, told))
        if count and count >= share * len(clocked) and counted >= share * len(told):
            agreed[zone] = count
    return sorted(agreed, key=lambda zone: -agreed[zone])


def _by(zone: str, clocked: Sequence[Clocked]) -> list[Clocked]:
    """Return those of the letters that were written by that zone's clock."""
    clock = ZoneInfo(zone)
    return [(at, offset) for at, offset in clocked if at.astimezone(clock).utcoffset() == offset]


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


def _say(zone: str, clocked: Sequence[Clocked]) -> str:
    """Return the evidence in words: "11 of 15 letters by a clock of UTC+10", the usual clock first."""
    agreed = _by(zone, clocked)
    clocks = " and ".join(_say_offset(offset) for offset, _ in Counter(offset for _, offset in agreed).most_common(3))
    letters = "1 letter" if len(clocked) == 1 else f"{len(clocked)} letters"
    some = f"{len(agreed)} of " if len(agreed) < len(clocked) else ""
    servers = sum(not offset for _, offset in clocked) - sum(not offset for _, offset in agreed)
    return f"{some}{letters} by a clock of {clocks}" + (f"; {servers} by UTC, as servers write it" if servers else "")


def _say_offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return "UTC" if not minutes else f"UTC{sign}{hours}{f':{rest:02}' if rest else ''}"
