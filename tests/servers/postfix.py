"""A private Postfix on loopback, before a private Dovecot.

Three doors: submission with STARTTLS and login, submission with TLS and login, and the way in from outside (MX),
without login. Mail for its domains goes by LMTP to the Dovecot, mail for ``DEAD`` is taken and cannot be delivered,
all other mail is thrown away. Any user, password "secret"; ``verdicts`` say what becomes of the next mail to an
address.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers.logins import MECHANISMS, login_service
from tests.servers.loopback import free_ports
from tests.servers.mail_program import MailProgram
from tests.servers.roots import Root, Running, missing
from tests.servers.tls import certificate
from tests.servers.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers.dovecot import Dovecot

__all__ = ["DEAD", "Postfix", "missing"]

ROOT = Root("postfix", ("postfix", "libsasl2-modules"))
DOMAINS = ("example.com", "vostok.example", "nord.example", "mail.example")
DEAD = "dead.example"
SIZE_LIMIT = 1_000_000  # octets of a message
QUEUE_SECONDS = 30.0

_SCRIPT = r"""
cat > /etc/postfix/main.cf <<X
compatibility_level = 3.6
maillog_file = /dev/stdout
myhostname = mx.example.org
mydestination =
mynetworks =
local_header_rewrite_clients =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = $DOMAINS
virtual_transport = lmtp:inet:127.0.0.1:$LMTP
lmtp_destination_recipient_limit = 1
transport_maps = inline:{ { $DEAD = smtp:[127.0.0.1]:9 } }
maximal_queue_lifetime = 0
bounce_queue_lifetime = 0
default_transport = discard:
local_transport = error:none
message_size_limit = $SIZE_LIMIT
smtpd_tls_cert_file = $SHARED/localhost.pem
smtpd_tls_key_file = $SHARED/localhost.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = $SASL_TYPE
smtpd_sasl_path = $SASL_PATH
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:$VERDICTS, permit
smtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:$VERDICTS
smtpd_client_connection_count_limit = 0
X
mkdir -p /etc/postfix/sasl
cat > /etc/postfix/sasl/smtpd.conf <<X
pwcheck_method: saslauthd
saslauthd_path: $SHARED/mux
mech_list: $MECHANISMS
X
cat > /etc/postfix/master.cf <<X
127.0.0.1:$MX inet n - n - - smtpd
127.0.0.1:$SUBMISSION inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:$SUBMISSIONS inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
X
exec postfix start-fg
"""

_TRACE = re.compile(rb"(?:(?:Return-Path|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)+", re.IGNORECASE)


class Postfix:
    """The running server; a context manager. The Dovecot is the caller's.

    ``sasl_port``: where that Dovecot answers for logins, instead of the service of ours.
    """

    host = "localhost"

    def __init__(self, dovecot: Dovecot, *, domains: Sequence[str] = DOMAINS, sasl_port: int = 0) -> None:
        self.dovecot = dovecot
        self.verdicts = Verdicts()
        self.directory = Path(tempfile.mkdtemp(prefix="postfix-test-"))
        self.directory.chmod(0o755)  # Postfix, which is not root, asks for logins there
        self.mx_port, self.submission_port, self.submissions_port = free_ports(3)
        self._environ = {
            "DOMAINS": " ".join(domains),
            "DEAD": DEAD,
            "LMTP": str(dovecot.lmtp_port),
            "MX": str(self.mx_port),
            "SUBMISSION": str(self.submission_port),
            "SUBMISSIONS": str(self.submissions_port),
            "SIZE_LIMIT": str(SIZE_LIMIT),
            "MECHANISMS": MECHANISMS,
            "SASL_TYPE": "dovecot" if sasl_port else "cyrus",
            "SASL_PATH": f"inet:127.0.0.1:{sasl_port}" if sasl_port else "smtpd",
        }
        self._stack = ExitStack()

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self.directory / "localhost.pem"

    def __enter__(self) -> Self:
        """Start it, and return once it accepts connections."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            certificate(self.directory)
            stack.enter_context(login_service(self.directory))
            stack.enter_context(self.verdicts)
            environ = self._environ | {"VERDICTS": str(self.verdicts.port)}
            self._running = stack.enter_context(Running(ROOT, self.directory, _SCRIPT, environ))
            self._running.await_ports(self.mx_port, self.submission_port, self.submissions_port)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self._stack.close()

    def log(self) -> str:
        """Return what the server wrote."""
        return self._running.log()

    def await_idle(self) -> None:
        """Return once nothing is on its way any more: no message being received, none in the queue.

        Raises:
            RuntimeError: something is stuck; with the log.
        """
        spool = self._running.view / "var/spool/postfix"
        deadline = time.monotonic() + QUEUE_SECONDS
        while any(file.is_file() for name in ("incoming", "active", "deferred") for file in (spool / name).rglob("*")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postfix still has mail in its queue:\n{self.log()[-5000:]}")
            time.sleep(0.02)  # waits for another process, which tells nobody when it is done

    def forget(self) -> None:
        """Remove all that was delivered."""
        self.await_idle()
        for home in (self.dovecot.directory / "mail").iterdir():
            shutil.rmtree(home)

    def delivered(self) -> list[tuple[str, str, bytes]]:
        """Return sender, recipient and text of what lies in the Dovecot's mailboxes, without the servers' trace."""
        self.await_idle()
        found: list[tuple[str, str, bytes]] = []
        for home in sorted((self.dovecot.directory / "mail").iterdir()):
            for message in MailProgram(self.dovecot, home.name).stored():
                trace = _TRACE.match(message.raw)
                assert trace is not None
                found.append((_angled(b"Return-Path", trace[0]), _angled(b"for", trace[0]), message.raw[trace.end() :]))
        return found


def _angled(before: bytes, trace: bytes) -> str:
    found = re.search(rb"\b%b:? <([^>]*)>" % before, trace)
    return found[1].decode() if found else ""
