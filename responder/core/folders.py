"""The folder a message is filed in: the owner's pattern, filled in by their clock.

For ``compose`` and, through it, ``plan``. A client's name or a topic is data: it can neither begin a level nor be
taken for a wildcard.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from responder.core.phrases import NAME_LIMIT
from responder.core.words import clean
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from responder.core.model import Policy, Window

# A file's name has at most 255 octets on most disks, and modified UTF-7 needs up to 2.7 for a Cyrillic letter.
LEVEL_LIMIT = 100

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_FIELDS = ("opens", "window", "client", "topic")
# Numbers only: names of days and months would come from the machine's locale.
_STRFTIME = re.compile(r"(?:[^%]|%[YmdHMyjVGu])*")
_DEFAULT_FORMAT = "%Y-%m-%d %H-%M"
# "/" would begin a level, "%" and "*" are IMAP's wildcards (RFC 9051 section 6.3.9), "\" must be quoted.
_NO_FOLDER = str.maketrans({"/": "-", "\\": "-", "%": "-", "*": "-"})


def folder_name(policy: Policy, window: Window, client_key: str, topic: str) -> str:
    """Return the folder of a message that waits for that window, "/" between its levels.

    ``client_key`` and ``topic`` may be "". A level that comes out empty is left out. ConfigurationError for a
    pattern that ``check_templates`` refuses.
    """
    client = policy.client(client_key).name if client_key else ""
    return _filled(policy.filing.folder, window.opens_at, policy.owner.zone, window.key, client, topic)


@lru_cache(maxsize=1024)  # the mail of a night goes into few folders
def _filled(pattern: str, opens_at: datetime, zone: ZoneInfo, window: str, client: str, topic: str) -> str:
    opens_at = opens_at.astimezone(zone)
    values = {"window": window, "client": client, "topic": topic}
    name = ""
    for literal, field, form in read_pattern(pattern):
        name += literal
        if field == "opens":
            name += opens_at.strftime(form)
        elif field:
            name += clean(values[field], NAME_LIMIT).translate(_NO_FOLDER).strip(" .")
    levels = (level[:LEVEL_LIMIT].strip(" .") for level in name.split("/"))
    return "/".join(level for level in levels if level)


@lru_cache(maxsize=16)
def read_pattern(folder: str) -> tuple[tuple[str, str, str], ...]:
    """Return the pattern as literal text, field, format; the last field is "".

    Raises ConfigurationError, which says what is allowed.
    """
    pieces: list[tuple[str, str, str]] = []
    end = 0
    for match in _FIELD.finditer(folder):
        field, form = match[1], match[2] or ""
        if field not in _FIELDS:
            raise ConfigurationError(f"unknown field {{{field}}}; allowed: {', '.join(_FIELDS)}")
        if form and field != "opens":
            raise ConfigurationError(f"{{{field}}} takes no format")
        if not _STRFTIME.fullmatch(form):
            raise ConfigurationError(f"{form!r}: allowed in the format of opens are %Y %m %d %H %M %y %j %V %G %u")
        pieces.append((_literal(folder[end : match.start()]), field, form or _DEFAULT_FORMAT))
        end = match.end()
    pieces.append((_literal(folder[end:]), "", ""))
    if not any(field == "opens" or literal.strip(" ./") for literal, field, _ in pieces):
        raise ConfigurationError("a folder needs a name that is never empty")
    return tuple(pieces)


def _literal(text: str) -> str:
    if set(text) & set('{}%*\\"') or not text.isprintable():
        raise ConfigurationError(f'{text!r}: {{ }} % * \\ and " cannot stand in the name of a folder')
    return text
