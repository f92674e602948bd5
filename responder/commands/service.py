"""Switch the service on under systemd, as the README's lines do: its user, the rights, the unit, the start.

Only as root and for the configuration in /etc: anything else is run in the terminal. What is there already stays as it
is, but for the rights without which the service could not read its rules.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from responder.commands.init_draft import SERVICE, stage
from responder.config.places import ABSENCES, CLIENTS, SYSTEM_CONFIG, SYSTEM_STATE
from responder.errors import ConfigurationError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

UNIT = Path("/etc/systemd/system/responder.service")
#: Where the unit looks for the program.
_PROGRAM = "/opt/responder/bin/responder"
_CREDENTIAL = "LoadCredential=main:/etc/responder/credentials/main\n"
#: The service cannot see these (ProtectHome=).
_HIDDEN = ("/home", "/root", "/run/user")
_USERADD = (
    *("useradd", "--system", "--user-group", "--no-create-home"),
    *(f"--home-dir={SYSTEM_STATE}", "--shell=/usr/sbin/nologin"),
)
#: It says so itself when it is ready; until then it may have to wait for the mail server.
_START_SECONDS = 120.0


def is_for(path: Path) -> bool:
    """Tell whether the configuration is the machine's own, and systemd and root are there to switch it on."""
    return os.geteuid() == 0 and path.absolute() == SYSTEM_CONFIG and Path("/run/systemd/system").is_dir()


def install(console: Console, path: Path, *, with_password: bool) -> int:
    """Make user, rights and unit, and start it; returns 0.

    Args:
        console: where each step is said.
        path: the configuration, in /etc.
        with_password: its password lies in ``credentials/main``; else the unit must not ask for it.

    Raises:
        ConfigurationError: the program lies where the service cannot see it.
        PermanentError: a step failed; in its own words.
    """
    program = Path(sys.executable).absolute().parent / "responder"
    needed = (program.resolve(), Path(sys.executable).resolve())  # Python itself may lie elsewhere
    hidden = [each for each in needed if any(each.is_relative_to(folder) for folder in _HIDDEN)]
    if not program.exists() or hidden:
        raise ConfigurationError(
            f"{hidden[0] if hidden else program}: the service could not run it: it sees nothing below "
            f"{', '.join(_HIDDEN)}. Install responder, and the Python for it, as the README says and start it as under "
            f'"The same by hand"; {path} stays good'
        )
    try:
        user = pwd.getpwnam(SERVICE)
    except KeyError:
        console.print(f"Making the user {SERVICE} …")
        _do(*_USERADD, SERVICE)
        user = pwd.getpwnam(SERVICE)
    hand_over(path, user.pw_gid)
    if UNIT.exists():
        console.print(f"{UNIT} is there already and stays as it is.", markup=False)
    else:
        try:
            stage(UNIT, _unit(program, with_password=with_password), 0o644).replace(UNIT)
        except OSError as error:
            raise PermanentError(f"{UNIT}: cannot be written ({error.strerror}); {path} stays good") from error
        console.print(f"Written: {UNIT}", markup=False)
    _do("systemctl", "daemon-reload")
    console.print("Starting the service …")
    _do("systemctl", "enable", "--now", SERVICE)
    console.print(
        "[green]The service runs[/green], and will after each start of the machine. How it is: responder status"
    )
    return 0


def hand_over(path: Path, group: int) -> None:
    """Let the service's group read the rules, and nobody else."""
    folder = path.parent
    os.chown(folder, 0, group)
    folder.chmod(0o750)
    for file in (path, folder / CLIENTS, folder / ABSENCES):
        if file.exists():
            os.chown(file, 0, group)
            file.chmod(0o640)


def _unit(program: Path, *, with_password: bool) -> str:
    """Return the unit that is shipped, with the program where it is here."""
    package = Path(__file__).parents[1]
    shipped = package / "systemd" / UNIT.name
    source = shipped if shipped.exists() else package.parent / "systemd" / UNIT.name  # installed, or run from a clone
    text = source.read_text("utf-8").replace(_PROGRAM, str(program))
    return text if with_password else text.replace(_CREDENTIAL, "")


def _do(*command: str) -> None:
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise PermanentError(f'{command[0]} is not on this machine: go on as the README says under "The same by hand"')
    words: Sequence[str] = (program, *command[1:])
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_START_SECONDS, check=False)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired as error:
        raise PermanentError(f"{' '.join(command)} took too long; `systemctl status {SERVICE}` says more") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise PermanentError(f"{' '.join(command)} failed: {said}\n`journalctl -u {SERVICE}` says more")
