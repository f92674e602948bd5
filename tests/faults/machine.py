"""A machine of its own on which the project is installed as the README says, with systemd and a mail server."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w

from tests.e2e.scene import EXAMPLE, _merge, letter
from tests.servers import dovecot as dovecot_room
from tests.servers import systemd as systemd_room
from tests.servers.dovecot import PASSWORD, Dovecot
from tests.servers.smtp import ThreadedSmtpSink
from tests.servers.systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.smtp import SmtpSink

SOURCE = Path(__file__).parents[2]
UNIT = "responder.service"
PYTHON = "/usr/bin/python3"
CONFIG = "etc/responder/config.toml"
SECRET = "etc/responder/credentials/main"
STATE = "var/lib/responder"
#: A machine with two cores and much to do.
PATIENCE = 60.0


#: What the README tells to install for the page of figures.
_EXTRAS = {"prometheus-client"}


def unfit() -> str:
    """Say why the project's dependencies here cannot be used by the system's Python; "" if they can."""
    ask = [PYTHON, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    try:
        found = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"there is no {PYTHON} here"
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return "" if found == mine else f"{PYTHON} is {found}, and this environment's compiled modules are for {mine}"


def install(fill: Path) -> None:
    """Lay the installed project into a folder: /opt/responder, /opt/responder-src.

    As by the README's commands, but for the network: what pip would fetch is copied from this environment, and only
    what the project's own list of dependencies leads to, and the extra for figures.
    """
    venv = fill / "opt/responder"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next(venv.glob("lib/python3*/site-packages"))
    for name in sorted(_needed("responder") | _EXTRAS):
        for file in importlib.metadata.files(name) or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), target)
    _copy_tree(SOURCE / "responder", packages / "responder")
    (packages / "responder/systemd").mkdir()  # as the wheel has it
    shutil.copy(SOURCE / "systemd" / UNIT, packages / "responder/systemd")
    program = venv / "bin/responder"
    program.write_text(
        "#!/opt/responder/bin/python3\nimport sys\nfrom responder.__main__ import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    source = fill / "opt/responder-src"
    (source / "systemd").mkdir(parents=True)
    shutil.copy(SOURCE / "config.example.toml", source)
    shutil.copy(SOURCE / "systemd" / UNIT, source / "systemd")


def _needed(project: str) -> set[str]:
    """Return the projects that one leads to, without itself and without extras."""
    found: set[str] = set()
    ahead = [project]
    while ahead:
        for line in importlib.metadata.requires(ahead.pop()) or ():
            name, _, marker = line.partition(";")
            bare = re.split(r"[^\w.-]", name.strip(), maxsplit=1)[0]
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # for another system or Python
                importlib.metadata.version(bare)
                if "extra" not in marker and bare not in found:
                    found.add(bare)
                    ahead.append(bare)
    return found


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


@contextlib.contextmanager
def booted(user: str) -> Iterator[Machine]:
    """Boot a machine on which the program is installed and nothing else, in whose network this thread then lives.

    Where that cannot be, the test fails in CI and is left out elsewhere.
    """
    reason = systemd_room.missing() or dovecot_room.missing() or unfit()
    if reason and os.environ.get("CI"):
        pytest.fail(f"needs a real systemd: {reason}")
    if reason:
        pytest.skip(f"needs a real systemd: {reason}")
    with tempfile.TemporaryDirectory(prefix="responder-fill-", dir="/var/tmp") as fill:
        Path(fill).chmod(0o755)
        install(Path(fill))
        with Systemd(Path(fill)) as systemd, systemd.network(), Dovecot("rich") as dovecot, ThreadedSmtpSink() as sink:
            yield Machine(systemd, dovecot, sink, user)


def readme_commands() -> list[str]:
    """Return what the README tells root to type for the service's user, folders and unit."""
    typed = re.findall(r"^   # (.+)$", (SOURCE / "README.md").read_text(), re.MULTILINE)
    return [line for line in typed if re.match(r"adduser|install|ln|systemctl daemon-reload", line)]


class Machine:
    """The machine, with the mailbox's server and the place where replies go.

    Use it in the thread that lives in its network.
    """

    def __init__(self, systemd: Systemd, dovecot: Dovecot, sink: SmtpSink, user: str) -> None:
        self.systemd, self.dovecot, self.sink, self.user = systemd, dovecot, sink, user
        self.changes: dict[str, Any] = {}

    def prepare(self) -> None:
        """Type the README's commands, and put the password in its place."""
        for command in readme_commands():
            self.systemd.run("sh", "-ec", command)
        self.put_secret(PASSWORD + "\n")

    def put_secret(self, text: str | bytes, mode: int = 0o600) -> None:
        """Write the credential as the README does."""
        path = self.systemd.root / SECRET
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)

    def configure(self, **changes: Any) -> None:
        """Write the configuration: the example, pointed at the servers, with these tables merged over it."""
        self.put_config(self.config(**changes))

    def config(self, **changes: Any) -> str:
        """Return such a configuration."""
        with EXAMPLE.open("rb") as file:
            tables = tomllib.load(file)
        tables["mailboxes"] = {
            "main": {
                "addresses": tables["mailboxes"]["main"]["addresses"],
                "imap": {"host": "127.0.0.1", "port": self.dovecot.imap_port, "security": "none"},
                "smtp": {"host": "127.0.0.1", "port": self.sink.port, "security": "none"},
                "username": self.user,
                "password": {"credential": "main"},
                "poll": "1 s",
            }
        }
        _merge(tables, changes)
        return tomli_w.dumps(tables)

    def put_config(self, text: str) -> None:
        """Replace the configuration, as an editor does: with the owner and the mode that it had."""
        path = self.systemd.root / CONFIG
        old = path.stat()
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(old.st_mode)
        os.chown(fresh, old.st_uid, old.st_gid)
        fresh.replace(path)

    def drop_in(self, **settings: str) -> None:
        """Write a drop-in over the unit's [Service], as ``systemctl edit`` does; none without settings."""
        folder = self.systemd.root / f"etc/systemd/system/{UNIT}.d"
        shutil.rmtree(folder, ignore_errors=True)
        if settings:
            folder.mkdir()
            lines = "".join(f"{key}={value}\n" for key, value in settings.items())
            (folder / "override.conf").write_text(f"[Service]\n{lines}")
        self.systemd.run("systemctl", "daemon-reload")

    def fresh(self, user: str) -> None:
        """Stop the service and begin anew: another mailbox, no memory, no drop-in, no old log."""
        self.systemd.run("systemctl", "stop", UNIT, check=False)
        self.systemd.run("systemctl", "reset-failed", UNIT, check=False)
        self.systemd.run("sh", "-c", f"rm -rf /{STATE}/* /{STATE}/.[!.]*")
        self.systemd.run("journalctl", "--rotate", "--vacuum-time=1s", check=False)
        self.user = user
        self.drop_in()
        self.put_secret(PASSWORD + "\n")
        self.sink.script.clear()
        self.sink.mails.clear()
        self.sink.lines.clear()
        self.sink.count = 0

    # --------------------------------------------------------------------------------- what is seen

    def start(self) -> None:
        """Start the service, and return when systemd says that it is started."""
        self.systemd.run("systemctl", "start", UNIT)

    def pid(self) -> int:
        """Return the daemon's process id inside."""
        return int(self.systemd.show(UNIT, "MainPID"))

    def signal(self, name: str) -> None:
        """Send the daemon a signal."""
        self.systemd.run("kill", f"-{name}", str(self.pid()))

    def restarts(self) -> int:
        """Return how often systemd started it again by itself."""
        return int(self.systemd.show(UNIT, "NRestarts"))

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged, parsed."""
        return [json.loads(line) for line in self.systemd.log(UNIT).splitlines() if line.startswith("{")]

    def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until an event stands in the journal so often."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [line for line in self.lines() if line["event"].startswith(event)]
            return len(found) >= count

        self.until(there, f"logged {count} times: {event}")
        return found

    def until(self, holds: Callable[[], object], what: str, limit: float = PATIENCE) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + limit
        while not holds():
            if time.monotonic() > deadline:
                status = self.systemd.run("systemctl", "status", "--no-pager", UNIT, check=False)
                raise AssertionError(f"never came: {what}\n{status}\n{self.systemd.log(UNIT)[-5000:]}")
            time.sleep(0.1)  # polls another process

    def deliver(self, sender: str, subject: str) -> None:
        """Deliver a message by LMTP, as a mail server does."""
        self.dovecot.deliver(self.user, letter(sender, subject, return_path=None), sender=sender)

    def answered(self, count: int, limit: float = PATIENCE) -> None:
        """Wait until so many replies reached the SMTP server."""
        self.until(lambda: self.sink.count >= count, f"{count} replies", limit)

    def status(self) -> str:
        """Return the line that ``systemctl status`` shows."""
        return self.systemd.show(UNIT, "StatusText")

    def files(self) -> Iterator[tuple[str, str, str]]:
        """Yield (name, mode, owner) of everything in the state directory, and of the directory itself."""
        listed = self.systemd.run("find", f"/{STATE}", "-printf", r"%P %m %u:%g\n")
        for line in listed.splitlines():
            name, mode, owner = line.split(" ")
            yield name, mode, owner
