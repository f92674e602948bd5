"""Secrets by reference: turns what the configuration says of a password into the password.

Every failure is a ``ConfigurationError`` that names the reference and the mend, and never holds a secret. A secret
is read anew each time, so a password changed on disk is taken up at the next login.
"""

from __future__ import annotations

import stat
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from responder.errors import ConfigurationError, how_to_add

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responder.config.settings import SecretRef

COMMAND_SECONDS = 10.0  # a password manager that waits for a person must not hold up the daemon
MOST_OCTETS = 64 * 1024  # a secret is a line; more is the wrong file
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(ref: SecretRef, *, config_directory: Path, environ: Mapping[str, str], username: str = "") -> str:
    """Return the secret that the reference names, without the line break at its end.

    A relative file is looked for beside the configuration. May take up to ten seconds (a command): call it in a
    thread.

    Args:
        ref: the reference, as the configuration has it.
        config_directory: where the configuration lies; ``credentials/NAME`` is looked for in it.
        environ: the environment, also for a command.
        username: whose entry a keyring is asked for; nothing else needs it.

    Raises:
        ConfigurationError: it cannot be had, is empty, holds several lines, or others may read its file.
    """
    value = ref.value if isinstance(ref.value, str) else " ".join(ref.value)
    match ref.kind:
        case "credential":
            found = _credential(value, config_directory, environ)
        case "file":
            found = _file(config_directory / Path(value).expanduser(), f'file = "{value}"')
        case "env":
            if value not in environ:
                raise ConfigurationError(f'password: env = "{value}": there is no such environment variable')
            found = environ[value]
        case "command":
            found = _command((ref.value,) if isinstance(ref.value, str) else ref.value, environ)
        case "keyring":
            found = _keyring(value, username)
        case "inline":
            return _checked(value, "in the configuration")
    return _checked(found, f'{ref.kind} = "{value}"')


def without_secret(words: str, username: str, secret: str) -> str:
    """Return a server's words without the secret, as it is or as a login sends it: some repeat what they were told.

    Do it before the words are shortened: half a secret would not be found.
    """
    plain = (b64encode(text.encode()).decode() for text in (f"\0{username}\0{secret}", secret))
    for each in (*plain, secret):
        words = words.replace(each, "…") if each else words
    return words


def _checked(secret: str, where: str) -> str:
    secret = secret.removesuffix("\n").removesuffix("\r")
    if secret.startswith("\ufeff"):
        raise ConfigurationError(
            f"password: {where}: it begins with a byte order mark, which some editors write; save it as plain UTF-8"
        )
    if not secret.strip():
        raise ConfigurationError(f"password: {where}: it is empty")
    if any(character in secret for character in "\r\n\0"):
        raise ConfigurationError(f"password: {where}: it holds more than one line; a password is one line")
    return secret


def _is_there(path: Path) -> bool:
    """Tell whether a file is there; one that may not be looked at counts, so that reading it says so."""
    try:
        return path.exists()
    except PermissionError:
        return True


def _credential(name: str, config_directory: Path, environ: Mapping[str, str]) -> str:
    where = f'credential = "{name}"'
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise ConfigurationError(f"password: {where}: a credential's name is a plain file name")
    beside = config_directory / "credentials" / name
    given = environ.get("CREDENTIALS_DIRECTORY")
    if given and _is_there(Path(given) / name):
        return _read(Path(given) / name, where)  # systemd made it for us alone: its mode is not ours to judge
    if not _is_there(beside):
        places = f"{Path(given) / name} nor {beside}" if given else f"$CREDENTIALS_DIRECTORY (not set) nor {beside}"
        raise ConfigurationError(
            f"password: {where}: neither {places} exists; write the password into {beside} (chmod 600), "
            f"and under systemd give the unit a line LoadCredential={name}:{beside}"
        )
    return _file(beside, where)


def _file(path: Path, where: str) -> str:
    try:
        state = path.stat()
    except OSError as error:
        raise ConfigurationError(f"password: {where}: {path}: {error.strerror}") from error
    if not stat.S_ISREG(state.st_mode):
        raise ConfigurationError(f"password: {where}: {path} is not a file")
    if state.st_mode & OTHERS:
        raise ConfigurationError(f"password: {where}: others may read {path}; mend it with: chmod 600 {path}")
    return _read(path, where)


def _read(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise ConfigurationError(f"password: {where}: {path}: {error.strerror}") from error
    if len(octets) > MOST_OCTETS:
        raise ConfigurationError(f"password: {where}: {path} is too large to be a password")
    return _text(octets, where)


def _text(octets: bytes, where: str) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        # "from None": the error holds the octets
        raise ConfigurationError(f"password: {where}: it is not UTF-8 text") from None


def _command(command: Sequence[str], environ: Mapping[str, str]) -> str:
    where = f'command = ["{command[0] if command else ""}", ...]'  # an argument may itself be private
    try:
        done = subprocess.run(  # noqa: S603 - the owner's own command, given as a list, without a shell
            list(command),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # "from None" here and below: what it wrote so far may be the secret
        raise ConfigurationError(
            f"password: {where}: no answer within {COMMAND_SECONDS:g} s; does it wait for somebody to type?"
        ) from None
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no program is named"
        raise ConfigurationError(f"password: {where}: it could not be started: {reason}") from None
    if done.returncode:
        raise ConfigurationError(f"password: {where}: it ended with status {done.returncode}")
    return _text(done.stdout.split(b"\n", 1)[0], where)


def _keyring(service: str, username: str) -> str:
    where = f'keyring = "{service}"'
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to load: only for who uses it
        from keyring.errors import KeyringError  # noqa: PLC0415 - the same
    except ImportError:
        raise ConfigurationError(f"password: {where}: the extra is not installed; {how_to_add('keyring')}") from None
    try:
        found = keyring.get_password(service, username)
    except KeyringError as error:
        raise ConfigurationError(
            f"password: {where}: the keyring cannot be opened ({type(error).__name__}); a server has none: "
            "use a credential or a file there"
        ) from None
    if found is None:
        raise ConfigurationError(f"password: {where}: no such entry; make it with: keyring set {service} {username}")
    return found
