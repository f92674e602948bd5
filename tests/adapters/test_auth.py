"""Secrets by reference: each way to name one, each way it can be wrong, and never a secret in an error."""

from __future__ import annotations

import os
import stat
import sys
import types
from typing import TYPE_CHECKING

import pytest

from responder.adapters import auth
from responder.adapters.auth import read_secret
from responder.config.settings import SecretRef
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET = "correct horse пароль"


def _read(kind: str, value: str | tuple[str, ...], folder: Path, environ: Mapping[str, str] | None = None) -> str:
    ref = SecretRef(kind=kind, value=value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - a table
    return read_secret(ref, config_directory=folder, environ=environ or {}, username="anna@example.com")


def _write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_credential_beside_the_configuration(tmp_path: Path, end: str) -> None:
    """Without systemd a credential is credentials/NAME beside the file, without its line break."""
    _write(tmp_path / "credentials" / "main", SECRET + end)
    assert _read("credential", "main", tmp_path) == SECRET


def test_systemds_credential_comes_first(tmp_path: Path) -> None:
    """Where systemd gives the credential, that one is taken, whatever its mode."""
    _write(tmp_path / "credentials" / "main", "another")
    given = _write(tmp_path / "run" / "main", SECRET, 0o440).parent
    assert _read("credential", "main", tmp_path, {"CREDENTIALS_DIRECTORY": str(given)}) == SECRET


def test_a_credential_systemd_does_not_give_is_looked_for_beside(tmp_path: Path) -> None:
    """A name that is not among systemd's credentials is looked for beside the configuration."""
    _write(tmp_path / "credentials" / "second", SECRET)
    assert _read("credential", "second", tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "run")}) == SECRET


def test_a_file_is_found_beside_the_configuration_or_anywhere(tmp_path: Path) -> None:
    """A relative path starts at the configuration's folder, an absolute one at the root."""
    path = _write(tmp_path / "password", SECRET)
    assert _read("file", "password", tmp_path) == SECRET
    assert _read("file", str(path), tmp_path / "elsewhere") == SECRET


def test_the_environment(tmp_path: Path) -> None:
    """A variable's value is the secret."""
    assert _read("env", "MAIL_PASSWORD", tmp_path, {"MAIL_PASSWORD": SECRET}) == SECRET


def test_a_command_gives_its_first_line(tmp_path: Path) -> None:
    """The first line of a command's output is the secret; the command sees the environment given."""
    script = "import os; print(os.environ['S']); print('a second line')"
    environ = {**os.environ, "S": SECRET, "PYTHONIOENCODING": "utf-8"}
    assert _read("command", (sys.executable, "-c", script), tmp_path, environ) == SECRET


def test_a_command_needs_no_shell_and_gets_none(tmp_path: Path) -> None:
    """What a shell would act upon reaches the program as it is."""
    script = "import sys; print(sys.argv[1])"
    given = "$(touch here); `id` | cat"
    assert _read("command", (sys.executable, "-c", script, given), tmp_path, os.environ) == given


def test_inline(tmp_path: Path) -> None:
    """A secret in the configuration itself is taken as it is."""
    assert _read("inline", SECRET, tmp_path) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666])
@pytest.mark.parametrize("kind", ["file", "credential"])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, kind: str, mode: int) -> None:
    """A group's or everybody's right to the file is refused, with the command that mends it."""
    path = _write(tmp_path / "credentials" / "main", SECRET, mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}") as caught:
        _read(kind, "main" if kind == "credential" else str(path), tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"  \n", "empty"),
        (f"{SECRET}\nsecond".encode(), "more than one line"),
        (f"{SECRET}\n\n".encode(), "more than one line"),
        (b"nul\0" + SECRET.encode(), "more than one line"),
        (SECRET.encode("cp1251"), "UTF-8"),
        (SECRET.encode("utf-8-sig"), "byte order mark"),
        (SECRET.encode("utf-16"), "UTF-8"),
        (SECRET.encode() * 4000, "too large"),
    ],
)
def test_what_is_no_password_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Empty, several lines, a byte order mark, another coding, too large: each said, and none shown."""
    _write(tmp_path / "password", content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        _read("file", "password", tmp_path)
    _hides_the_secret(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("credential", "main", "LoadCredential=main:"),
        ("credential", "../etc/passwd", "plain file name"),
        ("credential", "..", "plain file name"),
        ("credential", "", "plain file name"),
        ("file", "missing", "No such file"),
        ("file", ".", "is not a file"),
        ("env", "MISSING", "no such environment variable"),
        ("command", ("no-such-program-anywhere",), "could not be started"),
        ("command", (), "could not be started"),
        ("command", (sys.executable, "-c", "print('correct horse'); raise SystemExit(3)"), "status 3"),
        ("command", (sys.executable, "-c", ""), "empty"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, kind: str, value: str | tuple[str, ...], words: str) -> None:
    """Each failure names the reference and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        _read(kind, value, tmp_path, os.environ)
    assert str(caught.value).startswith(f"password: {kind} = ")
    assert "correct horse" not in str(caught.value)


def test_a_command_that_waits_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not answer is given up, and what it wrote so far is not shown."""
    monkeypatch.setattr(auth, "COMMAND_SECONDS", 0.5)
    script = f"import time; print({SECRET!r}, flush=True); time.sleep(60)"
    with pytest.raises(ConfigurationError, match=r"no answer within 0\.5 s") as caught:
        _read("command", (sys.executable, "-c", script), tmp_path, os.environ)
    _hides_the_secret(caught.value)


class _KeyringError(Exception):
    """As keyring's own."""


def _keyring(monkeypatch: pytest.MonkeyPatch, entries: Mapping[tuple[str, str], str] | None) -> None:
    """Put a keyring with these entries in place; None: one that cannot be opened, as on a server."""

    def get_password(service: str, username: str) -> str | None:
        if entries is None:
            raise _KeyringError("no backend; was asked for " + SECRET)
        return entries.get((service, username))

    keyring, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    keyring.get_password = get_password  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] - made here
    errors.KeyringError = _KeyringError  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] - made here
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_the_keyring_is_asked_for_the_mailboxs_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is that of the service and the mailbox's user name."""
    _keyring(monkeypatch, {("responder", "anna@example.com"): SECRET})
    assert _read("keyring", "responder", tmp_path) == SECRET


@pytest.mark.parametrize(
    ("entries", "words"), [({}, "keyring set responder anna@example.com"), (None, "a server has none")]
)
def test_a_keyring_without_the_entry_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: Mapping[tuple[str, str], str] | None, words: str
) -> None:
    """A missing entry and a missing keyring are told apart."""
    _keyring(monkeypatch, entries)
    with pytest.raises(ConfigurationError, match=words) as caught:
        _read("keyring", "responder", tmp_path)
    _hides_the_secret(caught.value)


def test_without_the_extra_the_keyring_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is missing, the command that installs it is named."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[keyring\]"):
        _read("keyring", "responder", tmp_path)


def test_a_file_is_not_opened_when_it_is_a_pipe(tmp_path: Path) -> None:
    """A named pipe is refused instead of waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(ConfigurationError, match="is not a file"):
        _read("file", "pipe", tmp_path)


def _hides_the_secret(error: BaseException) -> None:
    """Look at the error and at all that a traceback would print with it."""
    shown: BaseException | None = error
    while shown is not None:
        assert "horse" not in repr(shown)
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
