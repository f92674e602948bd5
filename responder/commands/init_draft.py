"""What ``responder init`` has learned so far: as a configuration that can be tried, and as the files it ends in."""

from __future__ import annotations

import grp
import os
import re
import stat
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from responder import config
from responder.commands import edit
from responder.commands.week_words import first_hours
from responder.config import SecretRef, Server
from responder.config.places import ABSENCES, CLIENTS, SYSTEM_CONFIG
from responder.config.spelling import read_stretch
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from responder.config import Loaded, MailboxSettings

#: The name of the one mailbox, and of the credential that is its password: as the unit's LoadCredential has it.
MAILBOX = "main"
#: Who the service runs as (systemd/responder.service).
SERVICE = "responder"

_HEAD = """\
# Made by `responder init`. What does not stand here has its default: config.example.toml shows every key with its
# meaning. After a change: `responder check`. A running service reads the file again by itself, within a minute.
"""
_TRIAL = """\
# mode = "draft" is the trial week: replies are laid into Drafts. To have them sent, take that line out.
"""
_LINE = re.compile(r" \([\w.-]+\.toml:\d+\)")
_NOON, _EVENING = 12 * 60, 17 * 60


_NOWHERE = Server(host="localhost", port=993, security="tls")


@dataclass(slots=True, kw_only=True)
class Draft:
    """The answers, and stand-ins for what is still to be asked.

    ``hours`` and ``windows`` map days to stretches, as the file does; ``oauth2`` is that table.
    """

    name: str = "?"
    addresses: list[str] = field(default_factory=lambda: ["nobody@stand-in.invalid"])
    timezone: str = "Europe/London"
    language: str = "en"
    holidays: str = ""
    imap: Server = _NOWHERE
    smtp: Server = _NOWHERE
    username: str = ""
    password: str = ""
    oauth2: dict[str, Any] | None = None
    trusted_authserv_id: str = ""
    copy: str = ""
    hours: dict[str, list[str]] = field(default_factory=lambda: {"mon-fri": ["10:00-19:00"]})
    windows: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    response: str = "1 working day"
    trial: bool = False
    clients: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def tables(self) -> dict[str, Any]:
        """Return ``config.toml`` as data; what equals a default is left out."""
        owner = {"name": self.name, "timezone": self.timezone, "language": self.language}
        mailbox: dict[str, Any] = {
            "addresses": self.addresses,
            "imap": _server(self.imap, 993),
            "smtp": _server(self.smtp, 465),
        }
        if self.username and self.username != self.addresses[0]:
            mailbox["username"] = self.username
        if self.oauth2 is None:
            mailbox["password"] = {"credential": MAILBOX}
        else:
            mailbox |= {"auth": "oauth2", "oauth2": self.oauth2}
        if self.trusted_authserv_id:
            mailbox["trusted_authserv_id"] = self.trusted_authserv_id
        replies = {"mode": "draft"} if self.trial else {}
        if self.copy:
            replies["copy"] = self.copy
        tables: dict[str, Any] = {
            "owner": owner | ({"holidays": self.holidays} if self.holidays else {}),
            "mailboxes": {MAILBOX: mailbox},
            "hours": self.hours,
            "windows": _windows(self.windows),
            "response": {"default": self.response},
            "replies": replies,
        }
        return {name: table for name, table in tables.items() if table}

    def text(self) -> str:
        """Return ``config.toml`` as it is written."""
        return "\n".join((_HEAD + (_TRIAL if self.trial else ""), tomli_w.dumps(self.tables())))

    def clients_text(self, path: Path) -> str:
        """Return ``clients.toml`` beside the configuration as it will be, "" where there is none."""
        there = edit.read_text(path.parent / CLIENTS)
        if not self.clients:
            return there
        return edit.changed(there or edit.CLIENTS_HEAD, lambda document: edit.add_clients(document, self.clients))

    def load(self, path: Path) -> Loaded:
        """Return the configuration that this would be; raises ConfigProblems with all that speaks against it."""
        instead = {path: self.text()}
        if text := self.clients_text(path):
            instead[path.parent / CLIENTS] = text
        return config.load(path, instead)

    def faults(self, path: Path, *places: str) -> list[str]:
        """Return what is wrong in the named tables; nothing where all is well there."""
        try:
            self.load(path)
        except config.ConfigProblems as error:
            # Lines of a text that nobody sees would only mislead.
            return [
                _LINE.sub("", each.text)
                for each in error.problems
                if each.path.partition(".")[0].partition("[")[0] in places
            ]
        return []

    def check_beside(self, path: Path) -> None:
        """Raise ConfigProblems with what speaks against files that lie beside the configuration already."""
        likely = replace(self, windows=self.windows or first_hours(self.hours))  # a client's term may ask for windows
        try:
            likely.load(path)
        except config.ConfigProblems as error:
            if there := tuple(each for each in error.problems if each.file != str(path)):
                raise config.ConfigProblems(there) from error

    def account(self, path: Path) -> tuple[Loaded, MailboxSettings]:
        """Return what it takes to log in, with the password in it that no file holds yet."""
        loaded = config.load(path, {path: self.text(), path.parent / CLIENTS: "", path.parent / ABSENCES: ""})
        settings = loaded.settings.mailboxes[0]
        if self.oauth2 is None:
            settings = replace(settings, password=SecretRef(kind="inline", value=self.password))
        return loaded, settings


def _server(server: Server, usual: int) -> dict[str, Any]:
    written: dict[str, Any] = {"host": server.host}
    if server.port != usual or server.security != "tls":
        written["port"] = server.port
    if server.security != "tls":
        written["security"] = server.security
    return written


def _windows(week: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Return the windows by the part of the day in which each begins."""
    found: dict[str, dict[str, list[str]]] = {}
    for days, stretches in week.items():
        for stretch in stretches:
            opens = read_stretch(stretch).opens
            name = "morning" if opens < _NOON else "afternoon" if opens < _EVENING else "evening"
            found.setdefault(name, {}).setdefault(days, []).append(stretch)
    return {name: {"hours": found[name]} for name in ("morning", "afternoon", "evening") if name in found}


# -------------------------------------------------------------------------------------------- files


def credential_file(path: Path) -> Path:
    """Return where the password lies beside the configuration."""
    return path.parent / "credentials" / MAILBOX


def write_files(path: Path, draft: Draft) -> list[Path]:
    """Write password, clients and configuration, the configuration last; return what was written.

    As root for the service, its group may read the rules, and root alone the password. All of it is written under
    other names first. Raises ConfigurationError; then what was there before is there as it was.
    """
    clients = path.parent / CLIENTS
    group = _service_group() if path == SYSTEM_CONFIG else None
    owner = None if group is None else (0, group)
    mode, folder_mode = (0o600, 0o700) if group is None else (0o640, 0o750)
    staged: list[tuple[Path, Path]] = []
    try:
        _make_folder(path.parent, folder_mode, group)
        if draft.oauth2 is None and draft.password:
            secret = credential_file(path)
            _make_folder(secret.parent, 0o700, None)
            staged.append((stage(secret, draft.password + "\n", 0o600), secret))
        if draft.clients:
            target = clients.resolve()  # a link stays a link
            rights = (mode, owner)
            if target.exists():
                model = target.stat()
                rights = stat.S_IMODE(model.st_mode), None if os.geteuid() else (model.st_uid, model.st_gid)
            staged.append((stage(target, draft.clients_text(path), *rights), target))
        staged.append((stage(path, draft.text(), mode, owner), path))
        for temporary, file in staged:
            temporary.replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or path}: cannot be written ({error.strerror}); nothing was kept. Another place is named "
            "with --config; below /etc it takes `sudo`"
        ) from error
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)
    return [file for _, file in staged]


def _make_folder(folder: Path, mode: int, group: int | None) -> None:
    """Make a folder that is not there, with its parents; one that is there stays as it is, but for the service's."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(mode)
    elif group is None:
        return
    if group is not None:
        os.chown(folder, 0, group)
        folder.chmod(mode)


def stage(file: Path, text: str, mode: int, owner: tuple[int, int] | None = None) -> Path:
    """Write what a file is to hold beside it, and return where; nobody else can read it before it has its mode."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
            if owner is not None:
                os.fchown(out.fileno(), *owner)
            os.fchmod(out.fileno(), mode)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _service_group() -> int | None:
    try:
        return grp.getgrnam(SERVICE).gr_gid if os.geteuid() == 0 else None
    except KeyError:
        return None
