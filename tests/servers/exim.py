"""A private Exim on loopback: a login is offered and not demanded, no TLS; what it takes lies in a folder.

``verdicts`` say what becomes of the next mail to an address. These local parts are always refused: ``tempfail`` and
``permfail`` at RCPT, ``datatemp`` and ``dataperm`` after the text. Any user, password "secret".
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.servers.dovecot import PASSWORD
from tests.servers.loopback import free_ports
from tests.servers.roots import Root, Running, missing
from tests.servers.verdicts import Verdicts

__all__ = ["Exim", "missing"]

ROOT = Root("exim", ("exim4-daemon-light",))
QUEUE_SECONDS = 30.0

# /etc/exim4/exim4.conf is read before what Debian generates; with -C deliveries would lose root.
_SCRIPT = r"""
install -d -m 777 "$SHARED/mail"
cat > /etc/exim4/exim4.conf <<X
REFUSED_FOR_NOW = \${if match{\$acl_m_said}{^4}}
REFUSED = \${if match{\$acl_m_said}{^5}}
keep_environment =
primary_hostname = mx.example.org
log_file_path = $SHARED/exim.%slog
daemon_smtp_ports = $SMTP
local_interfaces = 127.0.0.1
tls_advertise_hosts =
smtp_accept_max = 0
acl_smtp_mail = accept
acl_smtp_rcpt = rcpt
acl_smtp_data = text
begin acl
rcpt:
  warn set acl_m_said = \${sg{\${readsocket{inet:127.0.0.1:$VERDICTS}\
      {protocol_state=RCPT\nrecipient=\$local_part@\$domain\n\n}{60s}}}{\N^action=(DUNNO)?|\n\N}{}}
  defer condition = REFUSED_FOR_NOW
    message = \$acl_m_said
  deny condition = REFUSED
    message = \$acl_m_said
  accept
text:
  warn set acl_m_said = \${sg{\${readsocket{inet:127.0.0.1:$VERDICTS}\
      {protocol_state=END-OF-MESSAGE\nrecipient=\$recipients\n\n}{60s}}}{\N^action=(DUNNO)?|\n\N}{}}
  defer condition = REFUSED_FOR_NOW
    message = \$acl_m_said
  deny condition = REFUSED
    message = \$acl_m_said
  accept
begin routers
all:
  driver = accept
  caseful_local_part
  transport = folder
begin transports
folder:
  driver = appendfile
  directory = $SHARED/mail
  directory_file = \$message_exim_id
  create_directory = false
  user = Debian-exim
  use_crlf
  message_prefix = "Return-path: <\$sender_address>\nEnvelope-to: <\$local_part@\$domain>\n"
  message_suffix =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if eq{\$auth3}{$PASSWORD}}
  server_set_id = \$auth2
X
exec exim4 -bdf
"""

_TRACE = re.compile(rb"Return-path: <([^>]*)>\nEnvelope-to: <([^>]*)>\n(?:Received:[^\n]*\n(?:[ \t][^\n]*\n)*)+")


class Exim:
    """The running server; a context manager."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.verdicts = Verdicts(
            {
                "tempfail": ("RCPT", "451 4.7.1 greylisted"),
                "permfail": ("RCPT", "550 5.1.1 no such user"),
                "datatemp": ("END-OF-MESSAGE", "451 4.3.0 try later"),
                "dataperm": ("END-OF-MESSAGE", "550 5.7.1 content rejected"),
            }
        )
        self.directory = Path(tempfile.mkdtemp(prefix="exim-test-"))
        self.directory.chmod(0o777)  # Exim, which is not root, writes there
        (self.port,) = free_ports(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it, and return once it accepts connections."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            stack.enter_context(self.verdicts)
            environ = {"SMTP": str(self.port), "VERDICTS": str(self.verdicts.port), "PASSWORD": PASSWORD}
            self._running = stack.enter_context(Running(ROOT, self.directory, _SCRIPT, environ))
            self._running.await_ports(self.port)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self._stack.close()

    def log(self) -> str:
        """Return what the server wrote."""
        logs = [file.read_text(errors="replace") for file in sorted(self.directory.glob("exim.*log"))]
        return self._running.log() + "".join(logs)

    def await_idle(self) -> None:
        """Return once nothing is on its way any more.

        Raises:
            RuntimeError: something is stuck; with the log.
        """
        spool = self._running.view / "var/spool/exim4/input"
        deadline = time.monotonic() + QUEUE_SECONDS
        while spool.exists() and any(file.is_file() for file in spool.rglob("*")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Exim still has mail in its queue:\n{self.log()[-5000:]}")
            time.sleep(0.02)  # waits for another process, which tells nobody when it is done

    def forget(self) -> None:
        """Remove all that was delivered."""
        self.await_idle()
        for file in (self.directory / "mail").iterdir():
            file.unlink()

    def delivered(self) -> list[tuple[str, str, bytes]]:
        """Return sender, recipient and text of what it took, without the trace that it added."""
        self.await_idle()
        found: list[tuple[str, str, bytes]] = []
        for file in sorted((self.directory / "mail").iterdir()):
            raw = file.read_bytes()
            trace = _TRACE.match(raw)
            assert trace is not None, raw[:500]
            found.append((trace[1].decode(), trace[2].decode(), raw[trace.end() :]))
        return found
