"""The configuration: TOML files → ``Settings`` (accounts, secrets, alerts) and ``Policy`` (the rules).

For the daemon and the commands. A bad file is told completely: every fault at once, each with its file, line and
path, what is wrong and what is allowed. What ``load`` returns needs no further check.

The rooms: ``places`` (which file), ``book`` and ``lines`` (reading, faults), ``values`` and ``tables`` (the types),
``shapes`` (data → tables, faults of form), ``spelling`` and ``schedules`` (how a person writes), ``rules`` (tables
→ values), ``checks``, ``absences`` and ``outlook`` (what spans several
tables), ``schema`` (for editors). Only ``load`` and
``json_schema`` need pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responder.config.places import ABSENCES, CLIENTS, Stamp, find, is_there, stamp, stamp_of, state_directory
from responder.config.settings import (
    ConfigProblems,
    Loaded,
    MailboxSettings,
    MetricsSettings,
    OAuthSettings,
    Problem,
    SecretRef,
    Server,
    Settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "ConfigProblems",
    "Loaded",
    "MailboxSettings",
    "MetricsSettings",
    "OAuthSettings",
    "Problem",
    "SecretRef",
    "Server",
    "Settings",
    "Stamp",
    "find",
    "json_schema",
    "load",
    "stamp",
    "state_directory",
]


def load(path: Path, instead: Mapping[Path, str] | None = None) -> Loaded:
    """Read the file, and ``clients.toml`` and ``absences.toml`` beside it if there are any.

    ``instead`` is the text of files that somebody is about to write: it is read in place of theirs, so that a change
    can be tried before it is made.

    Raises:
        ConfigProblems: there are faults; all of them are in it, and nothing may be started.
    """
    # These bring pydantic along, 0.2 s that `find` and the settings' types can do without.
    from responder.config import absences, checks, outlook, rules, shapes, spelling  # noqa: PLC0415
    from responder.config.book import Book  # noqa: PLC0415
    from responder.config.tables import AbsencesFile, ClientsFile, File  # noqa: PLC0415

    stamped = stamp_of(path)  # before anything is read: what changes meanwhile is seen to have changed
    beside = path.parent
    book = Book(path, beside / CLIENTS, beside / ABSENCES, instead or {})
    book.main = book.open(path)
    if book.clients_path in book.instead or is_there(book.clients_path):
        book.clients = book.open(book.clients_path)
    if book.absences_path in book.instead or is_there(book.absences_path):
        book.absences = book.open(book.absences_path)
    if why := spelling.without_zones():
        book.file_problem(path, why)
        raise ConfigProblems(book.sorted(book.problems))
    more = shapes.read(ClientsFile, book.clients.data, book.in_clients).clients if book.clients else {}
    away = shapes.read(AbsencesFile, book.absences.data, book.in_absences).absences if book.absences else []
    if book.main is None:
        raise ConfigProblems(book.sorted(book.problems))
    tables = shapes.read(File, book.main.data, book.complain)
    for key in more:
        if key in tables.clients:
            book.in_clients(("clients", key), f"this client stands in {book.line(('clients', key))} too: one file only")
    clients = tables.clients | {key: client for key, client in more.items() if key not in tables.clients}
    policy = rules.policy(tables, clients, away, book.complain)
    checks.check(book, tables, clients, policy)
    absences.check(book, away, policy)
    outlook.check(book, policy)
    if book.problems:
        raise ConfigProblems(book.sorted(book.problems))
    files = tuple(source.path for source in (book.main, book.clients, book.absences) if source is not None)
    settings = rules.settings(tables, path, files)
    return Loaded(settings=settings, policy=policy, warnings=book.sorted(book.warnings), stamp=stamped)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``config.toml``, for editors; the one shipped is ``responder.schema.json``."""
    from responder.config.schema import build  # noqa: PLC0415 - brings pydantic along

    return build()
