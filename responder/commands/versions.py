"""Which versions are in use, and which of them are not safe: for ``check``.

Nothing here is needed for responder to be safe: it strips what it takes from mail itself. But a net with a hole is
worth mending, and the owner cannot know of it.
"""

from __future__ import annotations

import os
import platform
import re
import zoneinfo
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The first version of a library that is safe, and what an older one can do, as the end of a sentence."""

    library: str
    safe: str
    danger: str


FLOORS = (
    Floor(library="imapclient", safe="4.1", danger="it can wait for ever for a server that says nothing"),
    Floor(library="aiosmtplib", safe="5.1.3", danger="somebody on the way can slip commands into what it sends"),
    Floor(library="jinja2", safe="3.1.6", danger="a template can break out of its sandbox"),
    Floor(library="dateparser", safe="1.5", danger="a date that was written to hurt can keep it busy for minutes"),
)

#: Time zone data that old lack changes which clients feel; Debian and the tzdata package bring several a year.
_MOST_YEARS = 1


def in_use(version_of: Callable[[str], str] = version) -> list[str]:
    """Return Python and the libraries that matter for safety, each with its version."""
    found = [f"Python {platform.python_version()}"]
    for floor in FLOORS:
        try:
            found.append(f"{floor.library} {version_of(floor.library)}")
        except PackageNotFoundError:
            found.append(f"{floor.library} (its version is not known)")
    return found


def warnings(
    year: int,
    *,
    version_of: Callable[[str], str] = version,
    tz_version: str = "",
    probes: tuple[tuple[Callable[[], bool], str], ...] | None = None,
) -> Iterator[str]:
    """Yield what is older than is safe: what it is, what could happen, what to do.

    Args:
        year: the present year.
        version_of: tells a library's version.
        tz_version: of the time zone data, "2026a"; "" where it is not known.
        probes: what is tried on this Python, and what it means where it tells True; None: the known ones.
    """
    for floor in FLOORS:
        try:
            found = version_of(floor.library)
        except PackageNotFoundError:
            continue
        if _parts(found) < _parts(floor.safe):
            yield (
                f"{floor.library} {found} is older than {floor.safe}: {floor.danger}. "
                f"Update it where responder is installed, with: pip install --upgrade {floor.library}"
            )
    for weak, meaning in PROBES if probes is None else probes:
        if weak():
            yield (
                f"Python {platform.python_version()}: {meaning}. responder does not rely on it, so no mail can use "
                "this; still, update Python when you can (on Debian and Ubuntu: apt upgrade)"
            )
    released = re.match(r"\d{4}", tz_version)
    if released and year - int(released[0]) > _MOST_YEARS:
        yield (
            f"the time zone data are those of {tz_version}: where a country has changed its clocks since, the hours "
            "said to a client there are wrong. Update them (on Debian and Ubuntu: apt install --only-upgrade tzdata), "
            "then restart the service"
        )


def tz_in_use() -> tuple[str, str]:
    """Return the version of the time zone data in use, and whose they are: the system's files come first."""
    for folder in zoneinfo.TZPATH:
        try:
            with open(os.path.join(folder, "tzdata.zi"), encoding="ascii") as file:  # noqa: PTH118, PTH123
                return file.readline().removeprefix("# version").strip(), "the system's"
        except OSError:
            continue
    return version("tzdata"), "the package's"


def _parts(text: str) -> tuple[int, ...]:
    """Return a version's numbers; what follows them ("rc1", "+deb12u1") is left out."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(number) for number in match[0].split(".")] if match else []
    while numbers and not numbers[-1]:  # 4.1.0 is 4.1
        numbers.pop()
    return tuple(numbers)


def _splits_headers() -> bool:
    """Tell whether an encoded line break becomes a header of its own (CVE-2024-6923).

    Tried, not read off the version: distributions mend old versions.
    """
    incoming = default.header_factory("Subject", "=?UTF-8?Q?=0ABcc:_somebody@example.org?=")
    message = EmailMessage()
    try:
        message["Subject"] = incoming
        return b"\nBcc:" in message.as_bytes()
    except (ValueError, MessageError):
        return False


def _misreads_addresses() -> bool:
    """Tell whether one address is taken for another (CVE-2023-27043)."""
    return any(address for _, address in getaddresses(["alice@example.org)bob@example.com"]))


PROBES: tuple[tuple[Callable[[], bool], str], ...] = (
    (_splits_headers, "a line break hidden in a subject becomes a header line of its own (CVE-2024-6923)"),
    (_misreads_addresses, "it can take one sender's address for another's (CVE-2023-27043)"),
)
