"""``responder backup``: the ledger of this moment and the installation's secret, in one tar file for its owner only.

The secret belongs to it: by it the replies of a ledger's life are recognised as ours.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from responder import config
from responder.adapters import ledger_file
from responder.commands import place
from responder.errors import ConfigurationError, DamagedError, PermanentError, ResponderError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "secret"  # noqa: S105 - a file's name
#: Where the copy is made, inside the state directory: what it holds is to lie nowhere else, not even for a moment.
_SCRATCH = ".backup-"
#: A copy that is older than this was left by a process that was killed.
_LEFT_BEHIND = 3_600.0
#: What a pipe takes at once, whatever the letters.
_MOST_WORDS = 4_000
_KINDS: tuple[type[ResponderError], ...] = (ConfigurationError, DamagedError, TemporaryError, PermanentError)


def backup(config_path: Path | None, state_path: Path | None, target: Path, *, force: bool) -> int:
    """Write the copy; returns the exit status."""
    path = config.find(config_path, os.environ)
    state = config.state_directory(state_path, os.environ, path)
    if not place.is_there(state / place.LEDGER):
        raise ConfigurationError(f"no ledger in {state}: there is nothing to copy; has the service run?")
    target = target.absolute()
    _refuse(state, target, force=force)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.UsageError(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "r+b") as file:
            _as_owner(state, lambda: _write(state, file))
            octets = file.seek(0, os.SEEK_END)
        _put(fresh, target, force=force)
    finally:
        fresh.unlink(missing_ok=True)
    click.echo(f"{target}: the ledger of this moment, looked through, and the secret; {octets:,} octets.")
    click.echo("Keep it as safe as the mailbox: it holds addresses, subjects and replies.")
    return 0


def _refuse(state: Path, target: Path, *, force: bool) -> None:
    if target.parent.resolve().is_relative_to(state.resolve()):
        raise click.UsageError(f"{target} lies in the state directory: what destroys the one destroys the other")
    try:
        kind = target.lstat().st_mode
    except OSError:  # not there, or out of reach, which opening it will tell
        return
    if not stat.S_ISREG(kind):
        raise click.UsageError(f"{target} is no file: name one")
    if not force:
        raise click.UsageError(f"{target} is there already: say --force to replace it")


def _write(state: Path, file: IO[bytes]) -> None:
    """Make the copy, pack it, and read it back."""
    for old in state.glob(_SCRATCH + "*"):
        if time.time() - old.stat().st_mtime > _LEFT_BEHIND:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=state) as scratch:
        copy = Path(scratch) / place.LEDGER
        ledger_file.copied(state / place.LEDGER, copy)
        packed = {place.LEDGER: copy}
        if (secret := state / SECRET).is_file():
            packed[SECRET] = secret
        try:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name, source in packed.items():
                    tar.add(source, arcname=name, recursive=False, filter=_private)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                whole = {name: _digest(tar.extractfile(name)) for name in tar.getnames()}
            expected: dict[str, str] = {}
            for name, source in packed.items():
                with source.open("rb") as original:
                    expected[name] = _digest(original)
        except OSError as error:
            raise TemporaryError(f"the copy could not be written: {error.strerror}; nothing was replaced") from error
        if whole != expected:
            raise TemporaryError("the copy does not read as it was written: try another disk; nothing was replaced")


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Unpacked by root it is the service's again, and nobody else's."""
    member.mode = 0o600
    return member


def _digest(file: IO[bytes] | None) -> str:
    if file is None:
        return ""
    digest = hashlib.sha256()
    while octets := file.read(1 << 20):
        digest.update(octets)
    return digest.hexdigest()


def _put(fresh: Path, target: Path, *, force: bool) -> None:
    """Give the file its name, in one step; one that came there meanwhile is replaced only if that was wanted."""
    try:
        if force:
            fresh.replace(target)
        else:
            os.link(fresh, target)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise click.UsageError(f"{target} is there already: say --force to replace it") from error
        if force or error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise TemporaryError(f"cannot write {target}: {error.strerror}") from error
        fresh.rename(target)  # a file system without hard links, as a USB stick's
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _as_owner(state: Path, work: Callable[[], None]) -> None:
    """Do the work as the owner of the state directory: as root in a child, for the way back is closed.

    What the child raises of ours is raised here again.
    """
    if os.geteuid() != 0:
        work()
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, _outcome(state, work))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    kind, words = json.loads(said or '[3, "the copy was interrupted; nothing was written"]')
    if words:
        raise _KINDS[kind](words)


def _outcome(state: Path, work: Callable[[], None]) -> bytes:
    """Return in a pipe's words how the work went: the kind of error, and what it says; "" for none."""
    kind, words = len(_KINDS) - 1, ""
    try:
        place.take_on_identity(state)
        work()
    except ResponderError as error:
        kind = next((number for number, each in enumerate(_KINDS) if isinstance(error, each)), kind)
        words = str(error)
    except BaseException as error:  # noqa: BLE001 - nothing may run on in the child
        words = f"the copy failed: {type(error).__name__}: {error}"
        sys.excepthook(type(error), error, error.__traceback__)
    return json.dumps([kind, words[:_MOST_WORDS]]).encode()
