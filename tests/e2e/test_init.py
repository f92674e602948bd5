"""``responder init``: somebody at a terminal, a real Dovecot and a real Postfix, and a running daemon at the end."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import running
from tests.e2e import practice
from tests.e2e.scene import EXAMPLE, letter
from tests.servers import dovecot as dovecot_room
from tests.servers import postfix as postfix_room
from tests.servers.dns import Dns
from tests.servers.dovecot import Dovecot
from tests.servers.loopback import free_ports
from tests.servers.mail_program import MailProgram
from tests.servers.postfix import Postfix
from tests.servers.terminal import Terminal
from tests.servers.tokens import TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.server


@dataclass
class Desk:
    """A new user's machine: a mailbox with a past, its servers, a DNS that names them, an empty home."""

    dovecot: Dovecot
    postfix: Postfix
    home: Path
    environ: dict[str, str]

    @property
    def config(self) -> Path:
        """Where the configuration is to be."""
        return self.home / "config/config.toml"

    def words(self, *words: str) -> list[str]:
        """Return the command line of ``responder``."""
        return [sys.executable, "-m", "tests.e2e.init_child", *words]

    def init(self, *more: str) -> Terminal:
        """Start ``responder init`` on a terminal."""
        words = self.words("init", "--config", str(self.config), "--state", str(self.home / "state"), *more)
        return Terminal(words, self.environ)

    def silent(self, *more: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``responder init`` where nobody can be asked."""
        return subprocess.run(
            self.words("init", "--config", str(self.config), "--state", str(self.home / "state"), *more),
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Everything up, and the last ninety days in the mailbox."""
    with ExitStack() as stack:
        dovecot = stack.enter_context(running(dovecot_room.missing(), lambda: Dovecot("rich")))
        postfix = stack.enter_context(running(postfix_room.missing(), lambda: Postfix(dovecot)))
        records = {
            "_imaps._tcp.example.com": [f"SRV 0 1 {dovecot.imaps_port} localhost."],
            "_submissions._tcp.example.com": [f"SRV 0 1 {postfix.submissions_port} localhost."],
        }
        dns = stack.enter_context(Dns(records))
        program = MailProgram(dovecot, "anna")
        for one in practice.past(datetime.now(UTC)):  # noqa: TID251 - what init looks back from is the real clock
            program.append(one.raw, at=one.at, folder=one.folder)
        yield _desk(tmp_path, dovecot, postfix, dns.port)


def _desk(home: Path, dovecot: Dovecot, postfix: Postfix, dns_port: int) -> Desk:
    """Return a machine that trusts both servers' certificates and has nothing else."""
    trusted = home / "trusted.pem"
    trusted.write_bytes(dovecot.certificate.read_bytes() + postfix.certificate.read_bytes())
    environ = {
        **os.environ,
        "PYTHONPATH": str(EXAMPLE.parent),
        "TEST_DNS": str(dns_port),
        "SSL_CERT_FILE": str(trusted),
        "TZ": "Europe/Moscow",
        "LANG": "C.UTF-8",
        "HOME": str(home),
    }
    for name in (
        "CONFIGURATION_DIRECTORY",
        "STATE_DIRECTORY",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "LC_ALL",
        "COLUMNS",
    ):
        environ.pop(name, None)
    return Desk(dovecot, postfix, home, environ)


def test_three_minutes_of_answers_and_the_next_mail_is_answered(desk: Desk) -> None:
    """Straight through: servers by SRV, alias and clients by past mail; the daemon that it ends in answers a client."""
    began = time.monotonic()
    desk.environ["TZ"] = "UTC"  # as most virtual servers have it; her letters tell where she lives
    with desk.init() as terminal:
        terminal.answer("Your name", "Анна Светлова")
        terminal.answer("Your mail address", "anna@example.com")
        terminal.expect(r"the DNS of example\.com \(SRV\)")
        terminal.answer("Use these", "")
        terminal.answer("Password", "secret")
        terminal.expect("IMAP: logged in as anna@example.com")
        terminal.expect("SMTP: logged in")
        terminal.expect(r"1 +office@example\.com\n +5 letters came to it")
        terminal.answer("Which of them are yours", "1")
        terminal.answer("Another address", "")
        terminal.expect("signs what it found as mx.example.com")
        terminal.answer("Believe it", "")
        terminal.answer(r"time zone \[Europe/Moscow\]", "")
        terminal.answer(r"Language \[ru\]", "")
        terminal.answer(r"holidays \[RU\]", "")
        terminal.answer("When do you work", practice.closed_now())
        terminal.answer("When do you return calls", "")
        terminal.answer(r"How soon do you answer\? \[1 working day\]", "")
        terminal.answer("Is this your week", "")
        terminal.expect(r"1 +Иван Петров: ivan@vostok\.example\n +14 letters, 9 of yours to them; Asia/Vladivostok \(")
        terminal.answer("Which of them are clients", "1-3")
        for zone, language in (("Asia/Vladivostok", "ru"), ("America/New_York", "en"), ("Europe/Berlin", "en")):
            terminal.answer("Name of the client", "")
            terminal.answer(rf"Where are they.*\[{zone}\]", "")
            terminal.expect(rf"{zone}: it is \d\d:\d\d there now")
            terminal.answer(rf"Language of the replies \[{language}\]", "")
        terminal.answer("A client's address or domain", "")
        terminal.answer("trial week", "n")
        terminal.answer("Write .*config.toml", "")
        terminal.expect("All is well")
        terminal.answer("Start it now", "")
        terminal.expect("mailbox open")
        took = time.monotonic() - began
        print(f"{terminal.answered} answers; the machine itself took {took:.1f} s")
        # At six seconds an answer that is three minutes, with what the machine takes.
        assert terminal.answered <= 30
        tables = _read(desk)
        assert tables["mailboxes"]["main"]["addresses"] == ["anna@example.com", "office@example.com"]
        assert tables["mailboxes"]["main"]["trusted_authserv_id"] == practice.SIGNER
        assert set(tables["clients"]) == {"vostok", "harborlane", "linden-partner"}
        _shorten_the_grace(desk, terminal)
        desk.dovecot.deliver("anna", letter("ivan@vostok.example", "Договор аренды"), sender="ivan@vostok.example")
        reply = _reply(desk, "ivan")
    assert reply["Subject"] == "Автоответ: Договор аренды"
    assert "Анна Светлова" in reply.get_content()
    assert "по Вашему времени" in reply.get_content()


def _shorten_the_grace(desk: Desk, terminal: Terminal) -> None:
    """Wait no three minutes for an answer of the owner's own: a change of the file, taken up by SIGHUP."""
    desk.config.write_text(desk.config.read_text() + '\n[replies]\ngrace = "0 s"\n')
    terminal.hang_up()
    terminal.expect("configuration read")


def _reply(desk: Desk, user: str) -> Any:
    """Wait for the reply in a client's own INBOX: Postfix has carried it there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if stored := MailProgram(desk.dovecot, user).stored():
            (one,) = stored
            return message_from_bytes(one.raw, policy=default)
        time.sleep(0.1)  # waits for two servers and a daemon, which tell nobody here
    raise AssertionError("no reply came")


def _read(desk: Desk) -> dict[str, Any]:
    """Return both files as one."""
    tables = tomllib.loads(desk.config.read_text())
    tables["clients"] = tomllib.loads((desk.config.parent / "clients.toml").read_text())["clients"]
    return tables


def test_every_wrong_answer_gets_a_mend(desk: Desk) -> None:
    """Whatever is typed wrongly is told in a sentence and asked again; until the end nothing is written."""
    with desk.init() as terminal:
        _who_and_where(desk, terminal)
        _whose_addresses(terminal)
        _which_week(terminal)
        _which_clients(terminal)
        terminal.answer("trial week", "y")
        terminal.answer("Write .*config.toml", "n")
        assert terminal.ended() == 1
        terminal.expect("Nothing was written")
    assert not desk.config.parent.exists()


def _who_and_where(desk: Desk, terminal: Terminal) -> None:
    terminal.answer("Your name", "", mend="A name is needed")
    terminal.answer("Your name", "anna@example.com", mend="looks like an address")
    terminal.answer("Your name", "Anna Svetlova")
    terminal.answer("Your mail address", "anna", mend="write it whole")
    terminal.answer("Your mail address", "Anna <anna@example.com>", mend="write it alone")
    terminal.answer("Your mail address", "anna@example.com")
    terminal.answer("Use these", "perhaps", mend="invalid input")
    terminal.answer("Use these", "n")
    terminal.answer("IMAP server", "localhost:1")
    terminal.answer("SMTP server", "smtp.example.com:many", mend="it is a number")
    terminal.answer("SMTP server", "localhost:1")
    terminal.answer("Password", "", mend="A password is needed")
    terminal.answer("Password", "wrong", mend="nobody listens there")
    terminal.answer("IMAP server", f"localhost:{desk.dovecot.imap_port} none", mend="refused the login")
    terminal.answer("User name", "anna@example.com")
    terminal.answer("Password", "secret")
    terminal.expect("IMAP: logged in")
    terminal.answer("SMTP server", f"127.0.0.1:{desk.postfix.submissions_port}")
    terminal.expect("SMTP: logged in")


def _whose_addresses(terminal: Terminal) -> None:
    terminal.answer("Which of them are yours", "7", mend="goes from 1 to 1")
    terminal.answer("Which of them are yours", "the first", mend="is no number of the list")
    terminal.answer("Which of them are yours", "none")
    terminal.answer("Another address", "office", mend="write it whole")
    terminal.answer("Another address", "anna@example.com", mend="stands there already")
    terminal.answer("Another address", "")


def _which_week(terminal: Terminal) -> None:
    terminal.answer("Believe it", "n")
    terminal.answer("time zone", "UTC+3", mend="is a fixed offset")
    terminal.answer("time zone", "UTC", mend="the clock of machines")
    terminal.answer("time zone", "Berln", mend="did you mean")
    terminal.answer("time zone", "Берлин")
    terminal.answer("Language", "klingon", mend="built in for en, ru")
    terminal.answer("Language", "English")
    terminal.answer(r"holidays \[DE\]", "XX", mend="is no known code")
    terminal.answer("holidays", "DE-XX", mend="has no part")
    terminal.answer("holidays", "none")
    terminal.answer("When do you work", "10-19", mend="Which days")
    terminal.answer("When do you work", "mon-fri", mend="At what hours|at what hours")
    terminal.answer("When do you work", "mon-fri 10-19")
    terminal.answer("When do you return calls", "mon-fri 25-26", mend="is not a time of day")
    terminal.answer("When do you return calls", "mon-fri 10-11")
    terminal.answer("How soon", "soon", mend="is not a response time")
    terminal.answer("How soon", "1 working day")
    terminal.answer("Is this your week", "n")
    terminal.answer(r"When do you work\? \[mon-fri 10:00-19:00\]", "mon-fri 10-13 12-19", mend="overlap")
    terminal.answer("When do you work", "mon-thu 10-19")
    terminal.answer("When do you return calls", "mon-thu 10-11 10:30-12", mend="overlap")
    terminal.answer("When do you return calls", "none")
    terminal.answer("How soon", "next window", mend="window")
    terminal.answer("How soon", "1 working day")
    terminal.answer("Is this your week", "y")


def _which_clients(terminal: Terminal) -> None:
    terminal.answer("Which of them are clients", "99", mend="goes from 1 to 3")
    terminal.answer("Which of them are clients", "1")
    terminal.answer("Name of the client", "Vostok")
    terminal.answer("Where are they", "Siberia", mend="is no time zone")
    terminal.answer("Where are they", "")
    terminal.answer("Language of the replies", "fr", mend="built in for en, ru")
    terminal.answer("Language of the replies", "ru")
    terminal.answer("A client's address", "ivan", mend="is neither an address")
    terminal.answer("A client's address", "anna@example.com", mend="is your own address")
    terminal.answer("A client's address", "@gmail.com", mend="free-mail domain")
    terminal.answer("A client's address", "ivan@vostok.example", mend="stands at the client")
    terminal.answer("A client's address", "")


def test_ctrl_c_leaves_nothing(desk: Desk) -> None:
    """Whoever breaks off has written nothing, and sees no traceback."""
    with desk.init() as terminal:
        terminal.answer("Your name", "Anna Svetlova")
        terminal.expect("Your mail address")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.screen
    assert not desk.config.parent.exists()


GIVEN = ("--name", "Anna Svetlova", "--address", "anna@example.com", "--holidays", "none", "--hours", "mon-fri 10-19")


def test_without_a_terminal_it_takes_what_is_given(desk: Desk) -> None:
    """Options, a password's file and --yes: written, checked, not started; nobody becomes a client by themselves."""
    secret = desk.home / "password"
    secret.write_text("secret\n")
    before = _flags(desk)
    done = desk.silent(*GIVEN, "--yes", "--password-file", str(secret), "--mode", "send")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "responder client add vostok --address ivan@vostok.example --timezone Asia/Vladivostok" in done.stdout
    assert "None of them was taken" in done.stdout, "the alias is shown, and stays out"
    assert "All is well" in done.stdout
    assert "responder run" in done.stdout
    tables = tomllib.loads(desk.config.read_text())
    assert tables["owner"] == {"name": "Anna Svetlova", "timezone": "Europe/Moscow", "language": "en"}
    assert tables["hours"] == {"mon-fri": ["10:00-19:00"]}
    assert tables["windows"] == {"morning": {"hours": {"mon-fri": ["10:00-11:00"]}}}
    assert "replies" not in tables
    assert not (desk.config.parent / "clients.toml").exists()
    credential = desk.config.parent / "credentials/main"
    assert credential.read_text() == "secret\n"
    for path in (credential, desk.config):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _flags(desk) == before, "looking back has changed nothing"
    again = desk.silent(*GIVEN, "--yes")
    assert again.returncode == 78
    assert "there is a configuration already" in again.stderr


def _flags(desk: Desk) -> list[tuple[str, bytes, frozenset[str]]]:
    """Return every message with its flags, as they lie on the server."""
    return [(folder, one.raw, one.flags) for folder, one in MailProgram(desk.dovecot, "anna").everything()]


def test_without_a_terminal_all_that_is_missing_or_wrong_is_told_at_once(desk: Desk) -> None:
    """Status 64 and every fault; a wrong password is the server's word and status 78; nothing is ever written."""
    done = desk.silent("--address", "anna", "--hours", "10-19", "--timezone", "UTC+3", "--imap", "x:y")
    assert done.returncode == 64
    for said in ("--address: ", "--hours: which days?", "--timezone: ", "--imap: "):
        assert said in done.stderr
    done = desk.silent(TZ="UTC")
    assert done.returncode == 64
    for said in ("--name", "--address", "--timezone"):
        assert said in done.stderr
    done = desk.silent(*GIVEN)
    assert done.returncode == 64
    assert "servers of another domain were found" in done.stderr, "nobody has confirmed what the DNS alone says"
    done = desk.silent(*GIVEN, "--yes")
    assert done.returncode == 64
    assert "missing: --password-file" in done.stderr
    secret = desk.home / "password"
    secret.write_text("wrong\n")
    done = desk.silent(*GIVEN, "--yes", "--password-file", str(secret))
    assert done.returncode == 78
    assert re.search(r"the server refused the login of anna@example\.com", done.stderr)
    for more in (["--password-file", str(desk.home / "nowhere")], ["--response", "next window", "--windows", "none"]):
        done = desk.silent(*GIVEN, "--yes", "--password-file", str(secret), *more)
        assert done.returncode == 64, done.stderr
    assert not desk.config.parent.exists()


def test_a_password_that_lies_there_already_is_taken(desk: Desk) -> None:
    """Who has written credentials/main first, as the README's longer way has it, is not asked for it again."""
    credential = desk.config.parent / "credentials/main"
    credential.parent.mkdir(parents=True, mode=0o700)
    credential.write_text("secret\n")
    credential.chmod(0o600)
    given = (*GIVEN, "--mode", "draft", "--imap", f"localhost:{desk.dovecot.imaps_port}")
    done = desk.silent(*given)
    assert done.returncode == 64, "the other server is one that the DNS alone names"
    assert re.search(r"servers of another domain were found \(SMTP localhost:\d+ tls\)", done.stderr)
    done = desk.silent(*given, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The password is taken from" in done.stdout
    assert tomllib.loads(desk.config.read_text())["replies"] == {"mode": "draft"}
    assert credential.read_text() == "secret\n"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_provider_that_takes_no_password_is_signed_in_to(tmp_path: Path, *, on_terminal: bool) -> None:
    """A code to type on any device; both logins by token; what was rotated meanwhile lies in the state directory."""
    (sasl_port,) = free_ports(1)
    (tmp_path / "dovecot").mkdir()
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)  # Dovecot's login service is nobody
    with ExitStack() as stack:
        tokens = stack.enter_context(TokenServer("anna", lasts=20.0))
        settings = tokens.dovecot(tmp_path / "dovecot", sasl_port=sasl_port)
        dovecot = stack.enter_context(running(dovecot_room.missing(), lambda: Dovecot("rich", settings=settings)))
        postfix = stack.enter_context(
            running(postfix_room.missing(), lambda: Postfix(dovecot, domains=["vostok.example"], sasl_port=sasl_port))
        )
        desk = _desk(tmp_path, dovecot, postfix, 9)
        oauth = tokens.table()
        client_id = str(oauth.pop("client_id"))
        provider = {"imap": dovecot.imaps_port, "smtp": postfix.submissions_port, "oauth": oauth}
        desk.environ["TEST_PROVIDER"] = json.dumps(provider)
        if on_terminal:
            with desk.init(*GIVEN, "--no-start", "--windows", "none", "--response", "1 working day") as terminal:
                terminal.answer("Use these", "")
                terminal.answer(r"client\) ID", "no-such", mend="compare client_id")
                terminal.answer(r"client\) ID", client_id)
                terminal.expect("ABCD-EFGH")
                terminal.expect("IMAP: logged in as anna")
                for question in ("Another address", "time zone", "Language", "week", "client's address", "trial week"):
                    terminal.answer(question, "")
                terminal.answer("Write .*config.toml", "")
                terminal.expect("All is well")
                assert terminal.ended() == 0
        else:
            done = desk.silent(*GIVEN, "--yes", "--oauth-client-id", client_id)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "ABCD-EFGH" in done.stdout
        table = tomllib.loads(desk.config.read_text())["mailboxes"]["main"]
        assert (table["auth"], table["oauth2"]["client_id"], table["username"]) == ("oauth2", client_id, "anna")
        assert not (desk.config.parent / "credentials").exists()
        kept = desk.home / "state/oauth-main.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        tokens.end_access()  # the next login renews, by the token that was kept last
        check = subprocess.run(
            desk.words("check", "--config", str(desk.config), "--state", str(desk.home / "state")),
            env=desk.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "All is well" in check.stdout, check.stdout + check.stderr
