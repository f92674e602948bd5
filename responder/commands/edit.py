"""Files beside the configuration, changed by a command: tried as a whole first, then replaced in one step.

For ``away`` and ``client``. No reader ever sees half a file, and none sees one with errors: a change under which the
configuration would not load is not written. Comments and order stay as the owner left them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder import config
from responder.commands.status import is_running
from responder.config.book import is_list, is_table
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from responder.config import Loaded

    #: Changes a TOML document in place: the plain data, and the same document with its comments.
    Change = Callable[[Any], None]


#: What a new clients.toml begins with.
CLIENTS_HEAD = "# More clients, written as in config.toml; see `responder client --help`. May be edited by hand.\n\n"


def read_text(file: Path) -> str:
    """Return what stands in the file; "" where there is none."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8 text: save it as UTF-8") from error


def changed(text: str, change: Change) -> str:
    """Return the text after the change, with all its comments.

    Where the document is written in a way that cannot be changed in place, it is written anew, without them: what
    it says is right in any case.
    """
    import tomli_w  # noqa: PLC0415 - only for those who write
    import tomlkit  # noqa: PLC0415 - 50 ms, and only for those who write

    wanted = tomllib.loads(text)
    change(wanted)
    with contextlib.suppress(Exception):  # whatever it stumbles over, there is the other way
        document = tomlkit.parse(text)
        change(document)
        written = tomlkit.dumps(document)  # pyright: ignore[reportUnknownMemberType] - types its argument as a bare Mapping
        if _without_nothing(tomllib.loads(written)) == _without_nothing(wanted):
            return written
    return tomli_w.dumps(wanted)


def _without_nothing(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out empty tables and lists at the top: they say nothing, and an empty array of tables is not written."""
    return {key: value for key, value in data.items() if not ((is_table(value) or is_list(value)) and not value)}


def is_plain(document: Any) -> bool:
    """Tell whether a change is asked of the plain data, and not of the document with its comments."""
    return type(document) is dict


def table_of(values: dict[str, Any]) -> Any:
    """Return the values as a table of the document with comments; tables inside it stand in braces."""
    import tomlkit  # noqa: PLC0415 - only for those who write

    table: Any = tomlkit.table()
    for name, value in values.items():
        inner: Any = value
        if is_plain(value):
            inner = tomlkit.inline_table()
            inner.update(value)
        table.add(name, inner)
    return table


def add_clients(document: Any, clients: Mapping[str, dict[str, Any]]) -> None:
    """Add clients to the plain data, or to the document with its comments."""
    if is_plain(document):
        document.setdefault("clients", {}).update(clients)
        return
    import tomlkit  # noqa: PLC0415 - only for those who write

    if "clients" not in document:
        document.append("clients", tomlkit.table(is_super_table=True))
    for key, table in clients.items():
        document["clients"].append(key, table_of(table))


def try_out(path: Path, file: Path, text: str) -> Loaded:
    """Return the whole configuration as it would be with that text in the file.

    Raises click.UsageError with every fault it would have: it had none before, and nothing was written.
    """
    try:
        return config.load(path, {file: text})
    except config.ConfigProblems as error:
        # Lines of a text that nobody sees would only mislead.
        said = [f"{each.path}: {each.text}" if each.file == str(file) else str(each) for each in error.problems]
        raise click.UsageError("nothing was changed: " + "\n".join(said)) from error


def write(path: Path, file: Path, change: Change, *, new: str = "") -> Loaded:
    """Change the file, tried and in one step, while no other command does; return the configuration that now holds.

    ``new`` is what a file that is not there yet begins with. It gets the owner, group and mode
    of the main one: who may read one has to read the other.
    """
    with _alone(path.parent):
        text = changed(read_text(file) or new, change)
        loaded = try_out(path, file, text)
        _replace(file, text, like=path)
    return loaded


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Keep other commands that change files of the folder waiting."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be opened ({error.strerror}); type `sudo` before the command"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, text: str, *, like: Path) -> None:
    target = file.resolve()  # a link stays a link
    name = None
    try:
        model = (target if target.exists() else like).stat()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            os.fchmod(out.fileno(), stat.S_IMODE(model.st_mode))
            with contextlib.suppress(PermissionError):  # only root may give a file away, and only root has to
                os.fchown(out.fileno(), model.st_uid, model.st_gid)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(target)
        name = None
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(
            f"{target}: cannot be written ({error.strerror}); nothing was changed. Type `sudo` before the command, or "
            "look at the folder's owner"
        ) from error
    finally:
        if name is not None:
            with contextlib.suppress(OSError):
                Path(name).unlink()


def on_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> bool:
    """Ask on the terminal whether to go on; raises UsageError where there is none and ``yes`` was not given."""
    if yes:
        return True
    if not on_terminal():
        raise click.UsageError(
            "nothing was changed: there is no terminal to ask on; add --yes to go on without a question"
        )
    return click.confirm(question, default=False)


def tell_service(config_path: Path, state_path: Path | None) -> None:
    """Say whether a daemon runs that will read the change by itself."""
    try:
        state = config.state_directory(state_path, os.environ, config_path)
        (state / "lock").stat()
    except PermissionError:
        said = "Whether the service runs cannot be seen from here; if it does, it reads the change within a minute."
    except (OSError, ConfigurationError):
        said = "The service does not run here; the change holds from its next start."
    else:
        said = (
            "The service runs and reads the change by itself within a minute."
            if is_running(state)
            else "The service does not run now; the change holds from its next start."
        )
    click.echo(said)
