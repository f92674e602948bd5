"""Where the configuration and the state lie, and a cheap sign that a file changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responder.config.settings import Settings

NAME = "config.toml"
CLIENTS = "clients.toml"
ABSENCES = "absences.toml"

SYSTEM_CONFIG = Path("/etc/responder") / NAME
SYSTEM_STATE = Path("/var/lib/responder")


def find(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file to read: the first of the known places that has one.

    An explicit path is taken as it is. ``$CONFIGURATION_DIRECTORY`` may name several directories, as systemd
    writes them: separated by colons.

    Raises:
        ConfigurationError: there is none; the message lists the places tried.
    """
    if explicit is not None:
        return explicit
    tried = [Path(part) / NAME for part in environ.get("CONFIGURATION_DIRECTORY", "").split(":") if part]
    tried.append(Path(NAME))
    if (home := _xdg(environ, "XDG_CONFIG_HOME", ".config")) is not None:
        tried.append(home / "responder" / NAME)
    tried.append(SYSTEM_CONFIG)
    for path in tried:
        if _may_be_read(path):
            return path
    places = ", ".join(str(path) for path in tried)
    raise ConfigurationError(
        f"no configuration found (tried {places}); name one with --config, or make one with `responder init`"
    )


def new_place(environ: Mapping[str, str], *, as_root: bool) -> Path:
    """Return where a new configuration belongs: root's is the machine's, anybody else's lies in their home."""
    home = _xdg(environ, "XDG_CONFIG_HOME", ".config")
    if as_root or home is None:
        return SYSTEM_CONFIG
    return home / "responder" / NAME


def _may_be_read(path: Path) -> bool:
    """Tell whether a file is there; one that is out of reach counts, so that reading it says so.

    In a folder that may not be entered (a service's user in somebody's home) there is none of ours.
    """
    try:
        return path.is_file()
    except PermissionError:
        return path.is_absolute()
    except OSError:
        return False


def state_directory(explicit: Path | None, environ: Mapping[str, str], config_path: Path) -> Path:
    """Return the directory of the ledger; it need not exist yet.

    Raises:
        ConfigurationError: neither an option nor the environment tells where, and there is no home directory.
    """
    if explicit is not None:
        return explicit
    # systemd joins several directories with colons; the unit names one.
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if config_path.resolve() == SYSTEM_CONFIG.resolve():
        return SYSTEM_STATE
    if (home := _xdg(environ, "XDG_STATE_HOME", ".local/state")) is not None:
        return home / "responder"
    raise ConfigurationError("no place for the ledger is known: $HOME is not set; name one with --state")


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path | None:
    """Return a base directory, None without a home. Source: XDG Base Directory: relative paths are ignored."""
    given = Path(environ.get(variable, ""))
    if given.is_absolute():
        return given
    home = environ.get("HOME", "")
    return Path(home) / default if home else None


def is_there(path: Path) -> bool:
    """Tell whether something can be seen at the path; False where even that may not be asked."""
    return _mark(path) is not None


Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp(settings: Settings) -> Stamp:
    """Return a value that differs when a file of the configuration was changed, made or removed.

    By modification time in nanoseconds, size and inode, so that an editor's replacement within the same second
    shows as well. Reads no file.
    """
    return stamp_of(settings.path)


def stamp_of(path: Path) -> Stamp:
    """Return that value for the configuration file at the path and those beside it."""
    beside = path.parent
    return tuple(_mark(each) for each in (path, beside / CLIENTS, beside / ABSENCES))


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
