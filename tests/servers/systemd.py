"""A real systemd as the first process of namespaces of its own, over a copy-on-write view of this machine.

It has a network of its own (loopback only), its own cgroup, and none of the machine's services. A test steps into its
network with ``network``: what the test's thread opens or starts after that (a Dovecot, an SMTP server) is met by the
services inside, and by nobody else. Nothing of the machine itself changes. Root only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers import roots

if TYPE_CHECKING:
    from collections.abc import Generator

SYSTEMD = Path("/lib/systemd/systemd")
#: It is there after half a second; a busy machine may take longer.
READY_SECONDS = 60.0
COMMAND_SECONDS = 180.0
_CLONE_NEWNET = 0x40000000

#: What of the early boot would reach beyond the namespaces, or wait for hardware that is not there.
_MASKED = (
    *("systemd-sysctl", "systemd-modules-load", "systemd-remount-fs", "systemd-udevd", "systemd-udev-trigger"),
    *("systemd-timesyncd", "systemd-networkd", "systemd-networkd-wait-online", "networking", "systemd-random-seed"),
    *("systemd-udev-settle", "systemd-hwdb-update", "systemd-binfmt", "keyboard-setup", "console-setup"),
)
_TARGET = "[Unit]\nDescription=As much of a machine as a test needs\nRequires=sysinit.target\nAfter=sysinit.target\n"

#: $UP, $WORK, $VIEW: the layer over the machine and where the view of both is mounted.
_BOOT = r"""
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$UP,workdir=$WORK" "$VIEW"
cd "$VIEW"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs tmpfs dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for number in 0 1 2; do ln -s /proc/self/fd/$number dev/std$(echo in out err | cut -d" " -f$((number + 1))); done
touch dev/console; mount --bind /dev/null dev/console
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
ip link set lo up
# pivot_root, not chroot: the kernel refuses user namespaces (PrivateUsers=) to a chrooted process.
mkdir -p .old; pivot_root . .old; cd /; umount -l /.old; rmdir /.old
# Without shared propagation LoadCredential= ends as an empty directory; systemd leaves this out in a container.
mount --make-rshared /
export container=test
exec /lib/systemd/systemd --system --unit=bare.target --log-target=journal --show-status=0
"""


def missing() -> str:
    """Say why systemd cannot be booted here; "" if it can."""
    if reason := roots.missing():
        return reason
    if not SYSTEMD.exists():
        return "there is no systemd here"
    for program in ("nsenter", "pivot_root", "ip"):
        if shutil.which(program) is None:
            return f"there is no {program} here"
    return "" if _cgroups() is not None else "no cgroup2 is mounted here"


class Systemd:
    """The running systemd; a context manager.

    Args:
        fill: a folder whose files are laid over the machine's before it boots.
    """

    def __init__(self, fill: Path) -> None:
        self._fill = fill
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None
        self._group: Path | None = None
        self._first = 0

    def __enter__(self) -> Self:
        try:
            self._boot()
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _boot(self) -> None:
        scratch = self._scratch = Path(tempfile.mkdtemp(prefix="systemd-", dir=roots._place()))
        scratch.chmod(0o755)
        for name in ("up", "work", "view"):
            (scratch / name).mkdir()
        subprocess.run(["cp", "-a", f"{self._fill}/.", str(scratch / "up")], check=True)
        units = scratch / "up/etc/systemd/system"
        units.mkdir(parents=True, exist_ok=True)
        (units / "bare.target").write_text(_TARGET)
        for name in _MASKED:
            (units / f"{name}.service").symlink_to("/dev/null")
        (scratch / "up/etc/fstab").touch()
        groups = _cgroups()
        assert groups is not None
        self._group = groups / f"responder-test-{scratch.name}"
        self._group.mkdir()
        with (scratch / "console.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    # In a cgroup of its own before the cgroup namespace is made: it becomes that namespace's root.
                    *["bash", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(self._group)],
                    *["unshare", "--mount", "--pid", "--fork", "--ipc", "--uts", "--cgroup", "--net"],
                    *["--propagation", "private", "--kill-child=SIGKILL", "bash", "-c", _BOOT],
                ],
                env={
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    **{name.upper(): str(scratch / name) for name in ("up", "work", "view")},
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"systemd did not start:\n{self.console()[-5000:]}")
            self._first = _child_of(self._process.pid)
            if self._first and self.run("systemctl", "is-active", "bare.target", check=False).strip() == "active":
                return
            time.sleep(0.05)  # waits for another process, which tells nobody when it is ready

    @property
    def root(self) -> Path:
        """Its file system, as seen from outside."""
        return Path(f"/proc/{self._first}/root")

    def console(self) -> str:
        """Return what it wrote while it booted."""
        assert self._scratch is not None
        return (self._scratch / "console.log").read_text(errors="replace")

    def done(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, and return how it ended."""
        return subprocess.run(
            ["nsenter", "-t", str(self._first), *["-m", "-p", "-i", "-u", "-C", "-n", "-r", "-w", "--"], *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def run(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """Run a command inside and return what it prints; with ``check`` its status must be 0."""
        done = self.done(*command, stdin=stdin)
        if check:
            assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def log(self, unit: str) -> str:
        """Return what a unit wrote into the journal."""
        return self.run("journalctl", "--output=cat", f"_SYSTEMD_UNIT={unit}", check=False)

    def said_of(self, unit: str) -> str:
        """Return what systemd wrote into the journal about a unit."""
        return self.run("journalctl", "--output=cat", f"UNIT={unit}", check=False)

    @contextlib.contextmanager
    def network(self) -> Generator[None]:
        """Let the calling thread live in the network inside: its sockets, and the programs that it starts."""
        with Path("/proc/thread-self/ns/net").open() as home, Path(f"/proc/{self._first}/ns/net").open() as inside:
            _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def stop(self) -> None:
        """End everything inside, by the process id that was started, and throw layer and cgroup away."""
        if self._process is not None:
            if first := _child_of(self._process.pid):
                os.kill(first, signal.SIGKILL)  # the end of a namespace's first process is the end of all in it
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(10)
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._group is not None:
            for folder in sorted((path for path in self._group.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            self._group.rmdir()
            self._group = None
        if self._scratch is not None:
            roots._removed(self._scratch)
            self._scratch = None


def _cgroups() -> Path | None:
    """Return where the cgroup2 tree is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    return None


def _child_of(parent: int) -> int:
    """Return the process id of the first child; 0 if there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
    return 0


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
