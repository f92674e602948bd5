"""A private Cyrus IMAP on loopback, in its alternative namespace ("/", no prefix) or with "INBOX." and ".".

It has MOVE, UIDPLUS, IDLE, SPECIAL-USE and keywords. Any user, password "secret".
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Self

from tests.servers.logins import MECHANISMS, login_service
from tests.servers.loopback import free_ports
from tests.servers.roots import Root, Running, missing

__all__ = ["Cyrus", "missing"]

ROOT = Root("cyrus", ("cyrus-imapd", "cyrus-common"))
Namespace = Literal["alternative", "inbox"]

_SCRIPT = r"""
for each in /run/cyrus /var/lib/cyrus /var/spool/cyrus; do
  mkdir -p $each
  mount -t tmpfs -o mode=755 tmpfs $each
done
mkdir -p /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket /var/lib/cyrus/socket /var/spool/cyrus/mail
chown -R cyrus:mail /run/cyrus /var/lib/cyrus /var/spool/cyrus
cat > /etc/imapd.conf <<X
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: /var/spool/cyrus/mail
admins: cyrus
allowplaintext: yes
failedloginpause: 0
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: $SHARED/mux
sasl_mech_list: $MECHANISMS
unixhierarchysep: $ALTERNATIVE
altnamespace: $ALTERNATIVE
virtdomains: off
autocreate_quota: 0
autocreate_post: 1
autocreate_inbox_folders: Sent
xlist-sent: Sent
idlesocket: /run/cyrus/socket/idle
lmtpsocket: /run/cyrus/socket/lmtp
notifysocket: /run/cyrus/socket/notify
X
cat > /etc/cyrus.conf <<X
START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd -U 30" listen="127.0.0.1:$PORT" prefork=0 maxchild=100
}
DAEMON {
  idled cmd="idled"
}
X
exec /usr/lib/cyrus/bin/master -p /run/cyrus-master.pid
"""


class Cyrus:
    """The running server. A context manager: it has started when the block begins and is gone after it."""

    host = "localhost"
    idle = prompt = uidplus = keywords = True

    def __init__(self, namespace: Namespace) -> None:
        self.namespace: Namespace = namespace
        alternative = namespace == "alternative"
        self.prefix, self.separator = ("", "/") if alternative else ("INBOX.", ".")
        self.directory = Path(tempfile.mkdtemp(prefix="cyrus-test-"))
        self.directory.chmod(0o755)  # Cyrus, which is not root, asks for logins there
        (self.imap_port,) = free_ports(1)
        environ = {"PORT": str(self.imap_port), "ALTERNATIVE": "yes" if alternative else "no", "MECHANISMS": MECHANISMS}
        self._running = Running(ROOT, self.directory, _SCRIPT, environ)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it, and return once it accepts connections."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            stack.enter_context(login_service(self.directory))
            stack.enter_context(self._running)
            self._running.await_ports(self.imap_port)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self._stack.close()

    def log(self) -> str:
        """Return what the server wrote."""
        return self._running.log()

    def kick(self, user: str) -> None:
        """End the user's sessions: each process says in a file of its own whom it serves."""
        pids: list[str] = []
        for file in (self._running.view / "run/cyrus/proc").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if user in file.read_text().split():
                    pids.append(file.name)
                    file.unlink()
        self._running.end(pids)
