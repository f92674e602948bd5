"""A copy-on-write view of this machine, in namespaces of its own, where packages that conflict with ours are installed.

Debian lets only one mail transfer agent and one IMAP server of a kind be installed. Here each gets a root of its own:
a *layer* with its packages, made once for each state of the machine's package list and kept in a temporary folder,
and for each run a copy of it that is thrown away. Nothing of the machine itself changes. Root only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers.loopback import listens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Fetching and unpacking takes half a minute; a slow mirror may take longer.
INSTALL_SECONDS = 600.0
READY_SECONDS = 30.0

#: Where layers may lie: the first that is itself no overlay, which cannot be written over another.
_PLACES = ("/var/tmp", "/dev/shm")  # noqa: S108 - each layer's folder in it is ours alone (0700)

_DPKG = Path("/var/lib/dpkg/status")

_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--ipc", "--uts", "--propagation", "private")

#: $UP, $WORK, $VIEW: the layer over the machine and where the view of both is mounted; $SHARED: a folder that is the
#: same inside and outside.
_ENTER = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$UP,workdir=$WORK" "$VIEW"
cd "$VIEW"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p run/lock
mount -t sysfs -o ro sysfs sys 2>/dev/null || true
mkdir -p "./$SHARED"
mount --bind "$SHARED" "./$SHARED"
exec chroot . /bin/bash -e -c "$INSIDE"
"""

_INSTALL = """
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
apt-get -qq install -y --no-install-recommends $PACKAGES
rm -rf /var/lib/apt/lists /var/cache/apt /usr/share/doc /usr/share/man
"""


class NotInstalledError(RuntimeError):
    """A server's packages could not be had."""


def missing() -> str:
    """Say why no such root can be made here; "" if it can."""
    if os.getuid() != 0:
        return "servers that conflict with each other need root: each runs in a copy-on-write view of the machine"
    for program in ("unshare", "apt-get", "chroot", "mount"):
        if shutil.which(program) is None:
            return f"there is no {program} here (the servers come as Debian packages)"
    if _unshare_refused():
        return "this machine (a container?) lets nobody make namespaces, in which servers that conflict must run"
    return ""


@cache
def _unshare_refused() -> bool:
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode != 0


@dataclass(frozen=True, slots=True)
class Root:
    """The packages of one server."""

    name: str
    packages: tuple[str, ...]

    def layer(self, say: Callable[[str], None] = lambda _: None) -> Path:
        """Return the folder with the packages unpacked; install them if that was not done for this machine's state.

        Raises:
            NotInstalledError: with what apt-get complained about.
        """
        place = _place()
        state = hashlib.sha256(_DPKG.read_bytes() + " ".join(self.packages).encode()).hexdigest()[:16]
        layer = place / f"{self.name}-{state}"
        with (place / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be at it
            if not (layer / "ready").exists():
                for old in place.glob(f"{self.name}-*"):  # of an earlier state of the machine
                    shutil.rmtree(old, ignore_errors=True)
                say(f"installing {' '.join(self.packages)} into a root of its own")
                self._install(layer)
                (layer / "ready").touch()
        return layer / "up"

    def _install(self, layer: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="responder-install-") as shared:
            command, environ = _command(layer, Path(shared), _INSTALL)
            done = subprocess.run(
                command,
                env=environ | {"PACKAGES": " ".join(self.packages)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        if done.returncode:
            said = done.stdout.decode(errors="replace")[-3000:]
            raise NotInstalledError(f"could not install {' '.join(self.packages)}: apt-get said\n{said}")


def _clear_up() -> None:
    """Throw away the copies of test processes that were killed before they could do it."""
    for left in _place().glob("run-*-*"):
        pid = left.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)


class Running:
    """A program inside a root, in the foreground of its own process namespace. A context manager.

    Args:
        root: its packages.
        folder: the same folder inside and outside: configuration, certificates, logs.
        script: shell lines that end in the server in the foreground (or in ``exec sleep infinity``).
        environ: further variables for the script.
    """

    def __init__(self, root: Root, folder: Path, script: str, environ: Mapping[str, str] | None = None) -> None:
        self._root, self.folder, self._script = root, folder, script
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None

    def __enter__(self) -> Self:
        layer = self._root.layer()
        _clear_up()
        self._scratch = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-{self._root.name}-", dir=_place()))
        # A copy: an overlay cannot have a folder of the machine and the machine itself below it.
        subprocess.run(["cp", "-a", "--reflink=auto", str(layer), str(self._scratch / "up")], check=True)
        command, environ = _command(self._scratch, self.folder, self._script)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environ | self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log_file(self) -> Path:
        """Where the script and its server write."""
        return self.folder / f"{self._root.name}.log"

    def log(self) -> str:
        """Return what they wrote."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def await_ports(self, *ports: int) -> None:
        """Return once all the ports are listened on.

        Raises:
            RuntimeError: the server ended, or does not listen in time; with its log.
        """
        deadline = time.monotonic() + READY_SECONDS
        for port in ports:
            while not listens(port):
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self._root.name} does not listen on port {port}:\n{self.log()[-5000:]}")
                time.sleep(0.05)  # waits for another process, which tells nobody when it is ready

    def inside(self, *command: str) -> str:
        """Run a command in the server's namespaces and return what it prints."""
        done = subprocess.run(
            ["nsenter", "-t", self._first(), "-m", "-p", "-i", "-u", "-r", "-w", "--", *command],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    @property
    def view(self) -> Path:
        """The server's own root folder, as a path outside."""
        return Path(f"/proc/{self._first()}/root")

    def end(self, pids: Iterable[str]) -> None:
        """End processes inside, by their ids there."""
        self.inside("bash", "-c", 'for each; do kill -KILL "$each" || true; done', "end", *pids)

    def _first(self) -> str:
        """Return the process id of the namespace's first process, as seen from outside; "" if it is gone."""
        assert self._process is not None
        try:
            return Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().strip()
        except OSError:
            return ""

    def stop(self) -> None:
        """End everything inside, by the process id that was started, and throw the scratch layer away."""
        if self._process is not None:
            # The end of a namespace's first process is the end of all in it. unshare's --kill-child does not reach a
            # program that sets its user id, as Exim does, and unshare itself ignores SIGTERM.
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(self._first()), signal.SIGKILL)
            try:
                self._process.wait(10)  # it waits for the other's end
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._scratch is not None:
            _removed(self._scratch)
            self._scratch = None


def _place() -> Path:
    """Return the folder for layers, made if it is not there."""
    for name in _PLACES:
        kind = subprocess.run(["stat", "-f", "-c", "%T", name], capture_output=True, text=True, check=False).stdout
        if kind.strip() not in ("", "overlayfs"):
            place = Path(name) / "responder-test-roots"
            place.mkdir(mode=0o700, exist_ok=True)
            return place
    raise RuntimeError(f"none of {', '.join(_PLACES)} can hold an upper layer of an overlay")


def _command(layer: Path, shared: Path, inside: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs shell lines inside a view, and its environment."""
    for name in ("up", "work", "view"):
        (layer / name).mkdir(parents=True, exist_ok=True)
    environ = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "UP": str(layer / "up"),
        "WORK": str(layer / "work"),
        "VIEW": str(layer / "view"),
        "SHARED": str(shared.resolve()),
        "INSIDE": inside,
    }
    return [*_UNSHARE, "--kill-child=SIGKILL", "bash", "-c", _ENTER], environ


def _removed(folder: Path) -> None:
    """Remove a scratch layer; the kernel may need a moment to let go of its mounts."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
