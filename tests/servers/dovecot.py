"""A private Dovecot 2.3 on loopback for tests: own folder, own ports, any user, password "secret".

Two profiles: *rich* ("/" without a prefix, MOVE, UIDPLUS, IDLE, SPECIAL-USE) and *poor* ("." with the prefix
"INBOX.", none of these). Runs as root or as anybody; nothing of the machine's own Dovecot is read or touched.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import imaplib
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from tests.servers.loopback import free_ports, listens

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

Kind = Literal["rich", "poor"]

PASSWORD = "secret"
READY_SECONDS = 10.0  # it takes 0.1 s; a busy machine may take longer
MAIL_UID = 5000  # as root: a number without a name, Dovecot refuses to work for root

_CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/dovecot.log
listen = 127.0.0.1
hostname = mail.example.com
protocols = imap lmtp
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %n
auth_failure_delay = 0
mail_location = mdbox:~/mdbox
mail_fsync = never
mail_max_userip_connections = 50
mailbox_list_index = yes
verbose_proctitle = no
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%n allow_all_users=yes
}}
{identity}
namespace inbox {{
  inbox = yes
  {namespace}
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
}}
{extra}
"""

_UNPRIVILEGED = """first_valid_uid = {uid}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}"""

_NAMESPACES = {
    "rich": "separator = /\n  mailbox Sent {\n    special_use = \\Sent\n    auto = create\n  }",
    "poor": "separator = .\n  prefix = INBOX.\n  mailbox Sent {\n    auto = create\n  }",
}
_EXTRA = {"rich": "", "poor": "imap_capability = IMAP4rev1 UNSELECT CHILDREN NAMESPACE ID"}

#: Sieve at delivery, with no least pause between a vacation's answers; what it sends goes to the port.
_SIEVE = """
submission_host = 127.0.0.1:{port}
recipient_delimiter = +
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_extensions = +editheader +vacation-seconds
  sieve_vacation_min_period = 0
}}
"""


def missing(*, sieve: bool = False) -> str:
    """Say why this server cannot be started here; "" if it can."""
    for program in ("dovecot", "doveadm", "openssl"):
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin") is None:
            return f"{program} is not installed (Debian: dovecot-imapd dovecot-lmtpd openssl)"
    if sieve and not any(Path("/usr/lib").glob("dovecot/modules/lib*_sieve_plugin.so")):
        return "the Sieve plugin is not installed (Debian: dovecot-sieve)"
    return ""


class Dovecot:
    """The running server. A context manager: it has started when the block begins and is gone after it.

    ``settings`` are lines of dovecot.conf that come last, and so hold.
    With ``sieve`` the scripts of ``install_sieve`` run at delivery, and hand their mail to that SMTP port.
    """

    def __init__(self, kind: Kind, *, sieve: int = 0, settings: str = "") -> None:
        self.kind: Kind = kind
        self._settings = settings
        self._sieve = sieve
        self.host = "localhost"
        self.prefix, self.separator = ("", "/") if kind == "rich" else ("INBOX.", ".")
        self.idle = self.prompt = self.uidplus = kind == "rich"
        self.keywords = True
        self.directory = Path(tempfile.mkdtemp(prefix="dovecot-test-"))  # short: it holds Unix sockets
        self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def certificate(self) -> Path:
        """The server's certificate, which signs itself: what a client has to trust."""
        return self.directory / "cert.pem"

    def __enter__(self) -> Self:
        """Start it, and return once it accepts connections."""
        try:
            self._prepare()
            with (self.directory / "stderr.log").open("wb") as errors:
                self._process = subprocess.Popen(
                    [_program("dovecot"), "-F", "-c", str(self.directory / "dovecot.conf")],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self.stop()

    def _prepare(self) -> None:
        self.directory.chmod(0o755)
        root = os.getuid() == 0
        uid, gid = (MAIL_UID, MAIL_UID) if root else (os.getuid(), os.getgid())
        (self.directory / "mail").mkdir()
        (self.directory / "run").mkdir()
        if root:
            os.chown(self.directory / "mail", uid, gid)
        subprocess.run(
            [
                *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
                *["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                *["-keyout", str(self.directory / "key.pem"), "-out", str(self.certificate)],
            ],
            check=True,
            capture_output=True,
        )
        me, mine = ("", "") if root else (getpass.getuser(), grp.getgrgid(gid).gr_name)
        config = _CONFIG.format(
            dir=self.directory,
            password=PASSWORD,
            uid=uid,
            gid=gid,
            identity=f"first_valid_uid = {uid}" if root else _UNPRIVILEGED.format(uid=uid, user=me, group=mine),
            chroot="" if root else "chroot =",
            namespace=_NAMESPACES[self.kind],
            extra=_EXTRA[self.kind] + (_SIEVE.format(port=self._sieve) if self._sieve else "") + self._settings,
            imap=self.imap_port,
            imaps=self.imaps_port,
            lmtp=self.lmtp_port,
        )
        (self.directory / "dovecot.conf").write_text(config)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        for port in (self.imap_port, self.imaps_port, self.lmtp_port):
            while not listens(port):
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Dovecot did not start:\n{self.log()}")
                time.sleep(0.01)  # waits for another process, which tells nobody when it is ready

    def stop(self) -> None:
        """End the server by its own process id, and remove its folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        """Return what the server wrote."""
        files = [self.directory / "dovecot.log", self.directory / "stderr.log"]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    # ---------------------------------------------------------------------- what the world does

    def deliver(self, user: str, raw: bytes, *, sender: str = "sender@example.org", recipient: str = "") -> None:
        """Deliver a message to INBOX over LMTP, so that Return-Path and arrival are recorded."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, local_hostname="localhost") as lmtp:
            lmtp.sendmail(sender, [recipient or f"{user}@example.com"], raw)

    @contextlib.contextmanager
    def client(self, user: str) -> Generator[imaplib.IMAP4]:
        """Log in as the owner's own mail program would."""
        with imaplib.IMAP4("127.0.0.1", self.imap_port) as imap:
            imap.login(user, PASSWORD)
            yield imap

    def append(self, user: str, raw: bytes, internal_at: datetime, *, folder: str = "INBOX", flags: str = "") -> None:
        """Put a message into a folder, which is named as the server names it."""
        with self.client(user) as imap:
            kind, data = imap.append(_quoted(folder), f"({flags})", internal_at, raw)
            assert kind == "OK", data

    def append_many(self, user: str, raws: list[bytes], internal_at: datetime | None = None) -> None:
        """Put many messages into INBOX, fast: in one command (RFC 3502, which both profiles obey)."""
        with self.client(user) as imap:
            tag = b"m1"
            when = b" " + imaplib.Time2Internaldate(internal_at).encode() if internal_at is not None else b""
            parts = [b"%s APPEND INBOX" % tag] + [b"%s {%d+}\r\n%s" % (when, len(raw), raw) for raw in raws]
            imap.send(b"".join(parts) + b"\r\n")
            while not (line := imap.readline()).startswith(tag):
                assert line
            assert line.startswith(tag + b" OK"), line

    def install_sieve(self, user: str, script: str) -> None:
        """Make that the user's Sieve script; a script with a mistake raises CalledProcessError."""
        active = self.directory / "mail" / user / ".dovecot.sieve"
        active.parent.mkdir(exist_ok=True)
        active.write_text(script)
        command = [_program("sievec"), "-c", str(self.directory / "dovecot.conf"), str(active)]
        subprocess.run(command, check=True, capture_output=True)
        if os.getuid() == 0:
            for path in (active.parent, active, active.with_suffix(".svbin")):
                os.chown(path, MAIL_UID, MAIL_UID)

    def kick(self, user: str) -> None:
        """End the user's sessions, as an administrator would."""
        subprocess.run(
            [_program("doveadm"), "-c", str(self.directory / "dovecot.conf"), "kick", user],
            check=True,
            capture_output=True,
        )

    def doveadm(self, *arguments: str) -> str:
        """Run an administrator's command and return what it prints."""
        command = [_program("doveadm"), "-c", str(self.directory / "dovecot.conf"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin") or name


def _quoted(folder: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", folder) + '"'


if __name__ == "__main__":  # a server to play with; ends with Ctrl-C
    with Dovecot("poor" if "poor" in sys.argv else "rich") as server:
        print(f"IMAP {server.imap_port}, IMAPS {server.imaps_port}, LMTP {server.lmtp_port}, {server.directory}")
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(1_000_000)
