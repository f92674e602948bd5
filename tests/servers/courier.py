"""A private Courier IMAP on loopback: the prefix "INBOX." with ".", no MOVE, no SPECIAL-USE, no keywords.

It also tells UIDNEXT in STATUS only, gives several folders one UIDVALIDITY, and quotes the field names in its FETCH
answers. Any user whose name is made of small letters, digits and hyphens; password "secret".
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.servers.loopback import free_ports
from tests.servers.roots import Root, Running, missing

__all__ = ["Courier", "missing"]

ROOT = Root("courier", ("courier-imap", "courier-authdaemon", "courier-authlib-pipe"))

# authpipe asks a program of ours who somebody is; a user's folders are made at the first login.
_SCRIPT = r"""
echo vmail:x:5000:5000::/var/vmail:/bin/sh >> /etc/passwd
echo vmail:x:5000: >> /etc/group
mkdir -p /var/vmail
mount -t tmpfs -o mode=755 tmpfs /var/vmail
cat > /etc/courier/authProg <<'X'
#!/bin/bash
while read -r command rest; do
  case $command in
    PRE) user=${rest##* } password=secret ;;
    AUTH) read -r service; read -r kind; read -r user; read -r password ;;
    *) user= ;;
  esac
  home=/var/vmail/$user
  if [[ ! $user =~ ^[a-z0-9-]+$ || $password != secret ]]; then echo FAIL; continue; fi
  if ! [ -d "$home" ]; then
    install -d -o vmail -g vmail "$home"{,/Maildir{,/cur,/new,/tmp,/.Sent,/.Sent/{cur,new,tmp}}}
    install -o vmail -g vmail /dev/null "$home/Maildir/.Sent/maildirfolder"
  fi
  printf '%s\n' UID=5000 GID=5000 "HOME=$home" "ADDRESS=$user" "MAILDIR=$home/Maildir" .
done
X
chmod 755 /etc/courier/authProg
sed -i 's/^authmodulelist=.*/authmodulelist="authpipe"/' /etc/courier/authdaemonrc
install -d -o courier -g courier /run/courier /run/courier/authdaemon
/usr/sbin/authdaemond start
/usr/sbin/makeimapaccess
set -a
. /etc/courier/imapd
. /etc/courier/imapd-ssl
IMAP_KEYWORDS=0
exec /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=400 -maxperip=400 -access=/etc/courier/imapaccess.dat \
  -nodnslookup -noidentlookup "$LISTEN" /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir
"""


class Courier:
    """The running server. A context manager: it has started when the block begins and is gone after it."""

    host = "localhost"
    prefix, separator = "INBOX.", "."
    idle, prompt, uidplus, keywords = True, False, True, False

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="courier-test-"))
        (self.imap_port,) = free_ports(1)
        self._running = Running(ROOT, self.directory, _SCRIPT, {"LISTEN": str(self.imap_port)})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it, and return once it accepts connections."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
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
        """End the user's sessions: each is a process that is called with the user's folder."""
        maildir = f"/var/vmail/{user}/Maildir".encode()
        self._running.end(
            [
                words.parent.name
                for words in self._running.view.glob("proc/[0-9]*/cmdline")
                if maildir in words.read_bytes().split(b"\0")
            ]
        )
