"""The service under a real systemd: started, reloaded, killed, hung, stopped, and locked up as the unit says."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.test_daemon import closed_now
from tests.faults.machine import CONFIG, STATE, UNIT, Machine, booted
from tests.servers import systemd as systemd_room
from tests.servers.smtp import delay, silence
from tests.servers.systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.matrix, pytest.mark.server]


@pytest.fixture(scope="module")
def house() -> Iterator[Machine]:
    """A machine with the project installed, a Dovecot and an SMTP server; one for all tests here."""
    with booted("nobody") as machine:
        machine.prepare()
        yield machine


@pytest.fixture
def machine(house: Machine) -> Machine:
    """The machine with nothing running and nothing remembered, closed whatever day it is."""
    house.fresh(f"user-{uuid.uuid4().hex[:12]}")
    house.configure(**closed_now())
    return house


def test_it_is_started_only_when_it_says_so(machine: Machine) -> None:
    """`systemctl start` returns when the daemon is ready; one that never says so never counts as started."""
    machine.start()
    assert machine.systemd.show(UNIT, "ActiveState") == "active"
    assert machine.status().startswith("main: ")
    machine.systemd.run("systemctl", "stop", UNIT)
    mute = "/usr/bin/env -u NOTIFY_SOCKET /opt/responder/bin/responder run"
    machine.drop_in(ExecStart=f"\nExecStart={mute}", TimeoutStartSec="5", Restart="no")
    done = machine.systemd.done("systemctl", "start", UNIT)
    assert done.returncode != 0
    assert machine.systemd.show(UNIT, "Result") == "timeout"
    assert machine.logged("mailbox open"), "it ran, and was not believed"


def test_a_mail_is_answered_filed_and_logged_as_json(machine: Machine) -> None:
    """A mail that comes by LMTP is answered once; every line in the journal is JSON, without secret or subject."""
    machine.start()
    machine.logged("mailbox open")
    machine.deliver("ivan@vostok.example", "Совершенно секретно")
    machine.answered(1)
    (line,) = machine.logged("message")
    assert (line["reason"], line["client"], line["sender"]) == ("full", "vostok", "i…@vostok.example")
    machine.systemd.run("systemctl", "stop", UNIT)
    assert [line for line in machine.systemd.log(UNIT).splitlines() if not line.startswith("{")] == []
    assert "Совершенно" not in machine.systemd.log(UNIT)
    assert "secret" not in machine.systemd.log(UNIT)
    assert [mail.recipient for mail in machine.sink.mails] == ["ivan@vostok.example"]


def test_reload_returns_when_the_new_rules_are_in_force(machine: Machine) -> None:
    """Whoever types `systemctl reload` may rely on the new rules from then on; each of ten times."""
    machine.start()
    machine.logged("mailbox open")
    for number in range(10):
        mode = "off" if number % 2 == 0 else "send"
        machine.configure(**_closed(replies={"mode": mode}))
        machine.systemd.run("systemctl", "reload", UNIT)
        machine.systemd.run("journalctl", "--sync")
        read = [line for line in machine.lines() if line["event"] == "configuration read"]
        assert len(read) >= number + 1
        assert machine.systemd.show(UNIT, "ActiveState") == "active"
    machine.deliver("ivan@vostok.example", "answered again")
    machine.answered(1)
    machine.configure(**_closed(replies={"mode": "off"}))
    machine.systemd.run("systemctl", "reload", UNIT)
    machine.deliver("kolya@vostok.example", "not answered")
    (line,) = [line for line in machine.logged("message", 2) if line["reason"] == "opted-out"]
    assert line["sender"] == "k…@vostok.example"
    assert machine.sink.count == 1


def test_reload_of_a_daemon_that_is_slow_to_notice_returns_when_it_is_done(machine: Machine) -> None:
    """A daemon that is at something else for half a second: `systemctl reload` waits for it all the same."""
    machine.start()
    machine.logged("mailbox open")
    pid = machine.pid()
    held = f"kill -STOP {pid}; (sleep 0.5; kill -CONT {pid}) & systemctl reload {UNIT}; journalctl --sync"
    count = f"journalctl --output=cat _SYSTEMD_UNIT={UNIT} | grep -c 'configuration read'"
    assert machine.systemd.run("sh", "-c", f"{held}; {count}", check=False) == "1\n"


def _closed(**more: Any) -> dict[str, Any]:
    """Return the closed days with more changes, table by table."""
    tables = closed_now()
    return tables | {name: tables.get(name, {}) | table for name, table in more.items()}


def test_a_bad_file_leaves_the_old_rules_and_says_so(machine: Machine) -> None:
    """A file with a fault changes nothing: `systemctl status`, the log and `responder status` name it."""
    machine.start()
    machine.logged("mailbox open")
    good = machine.config(**closed_now())
    machine.put_config(good + "\n[nonsense]\n")
    machine.systemd.run("systemctl", "reload", UNIT)
    assert "old rules stay in force" in machine.status()
    assert "nonsense" in machine.status()
    assert machine.systemd.show(UNIT, "ActiveState") == "active"
    (line,) = machine.logged("configuration refused")
    assert "nonsense" in line["problem"]
    done = machine.systemd.done("responder", "status")
    assert done.returncode == 1
    assert "the rules read before them stay in force" in done.stdout
    machine.deliver("ivan@vostok.example", "by the old rules")
    machine.answered(1)
    machine.put_config(good)
    machine.systemd.run("systemctl", "reload", UNIT)
    assert "old rules" not in machine.status()


def test_a_file_that_is_out_of_reach_leaves_the_old_rules(machine: Machine) -> None:
    """A configuration that the service may no longer read: the old rules stay in force, and it says why."""
    machine.start()
    machine.logged("mailbox open")
    config = machine.systemd.root / CONFIG
    good = config.read_text()
    config.chmod(0o000)
    machine.systemd.run("systemctl", "reload", UNIT)
    assert "Permission denied" in machine.status()
    machine.deliver("ivan@vostok.example", "one")
    machine.answered(1)
    config.chmod(0o640)
    machine.put_config(good)
    machine.systemd.run("systemctl", "reload", UNIT)
    assert "old rules" not in machine.status()
    machine.deliver("kolya@vostok.example", "two")
    machine.answered(2)


def test_killed_it_comes_back_and_answers_nobody_twice(machine: Machine) -> None:
    """SIGKILL after a reply, and in the middle of one: started again each time, nobody gets a second reply."""
    machine.drop_in(RestartSec="1")
    machine.start()
    machine.logged("mailbox open")
    machine.deliver("ivan@vostok.example", "one")
    machine.answered(1)
    machine.logged("reply")
    machine.signal("KILL")
    machine.logged("mailbox open", 2)
    assert machine.restarts() == 1
    machine.sink.script["DOT"] = [silence()]
    machine.deliver("kolya@vostok.example", "two")
    machine.answered(2)  # the server has it, and will never say so
    machine.signal("KILL")
    machine.logged("mailbox open", 3)
    machine.deliver("maya@harborlane.example", "three")
    machine.answered(3)
    assert machine.restarts() == 2
    recipients = sorted(mail.recipient for mail in machine.sink.mails)
    assert recipients == ["ivan@vostok.example", "kolya@vostok.example", "maya@harborlane.example"]
    assert "in doubt: the reply to kolya@vostok.example" in machine.systemd.done("responder", "status").stdout


def test_a_process_that_hangs_is_killed_and_started_again(machine: Machine) -> None:
    """A process that stands still feeds no watchdog: systemd ends it and starts another, which answers."""
    machine.drop_in(WatchdogSec="6", RestartSec="1")
    machine.start()
    machine.logged("mailbox open")
    machine.signal("STOP")
    machine.deliver("ivan@vostok.example", "while it hangs")
    machine.until(lambda: machine.restarts() == 1, "the restart")
    machine.answered(1)
    assert "Watchdog timeout" in machine.systemd.said_of(UNIT)
    assert machine.sink.count == 1


def test_a_mail_loop_that_is_stuck_is_killed_although_the_program_lives(machine: Machine) -> None:
    """A server that holds the loop up beyond the watchdog's time: the program says so, is ended, and begins anew."""
    machine.drop_in(WatchdogSec="6", RestartSec="1")
    machine.start()
    machine.logged("mailbox open")
    machine.systemd.run("systemctl", "is-active", UNIT)
    # The reply's server keeps silent after the dot: it may for ten minutes, and the watchdog was set to less.
    machine.sink.script["DOT"] = [silence()]
    machine.deliver("ivan@vostok.example", "holds it up")
    machine.answered(1)
    machine.logged("stuck: the watchdog is not fed")
    machine.until(lambda: machine.restarts() == 1, "the restart")
    machine.logged("mailbox open", 2)
    machine.deliver("kolya@vostok.example", "afterwards")
    machine.answered(2)
    assert sorted(mail.recipient for mail in machine.sink.mails) == ["ivan@vostok.example", "kolya@vostok.example"]


def test_a_short_watchdog_does_not_kill_a_daemon_that_waits_for_mail(machine: Machine) -> None:
    """However long the mailbox is silent, a loop that merely waits gives its signs of life in time."""
    machine.drop_in(WatchdogSec="4")
    changes = closed_now()
    machine.put_config(machine.config(**changes).replace('poll = "1 s"', 'poll = "5 min"'))
    machine.start()
    machine.logged("mailbox open")
    pid = machine.pid()
    began = float(machine.systemd.run("cut", "-d ", "-f1", "/proc/uptime"))
    machine.until(
        lambda: float(machine.systemd.run("cut", "-d ", "-f1", "/proc/uptime")) - began > 15, "fifteen quiet seconds"
    )
    assert (machine.pid(), machine.restarts()) == (pid, 0)
    assert not [line for line in machine.lines() if line["event"].startswith("stuck")]


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ("a bad file", "78", "nonsense"),
        ("no file", "78", "no configuration found"),
        ("a file that it may not read", "78", "Permission denied"),
        ("no credential", "243", ""),
    ],
)
def test_what_only_a_person_can_mend_is_not_tried_again(machine: Machine, fault: str, status: str, says: str) -> None:
    """A wrong configuration or a missing credential ends the service with a sentence, and no restart follows."""
    config = machine.systemd.root / CONFIG
    if fault == "a bad file":
        machine.put_config(config.read_text() + "\n[nonsense]\n")
    elif fault == "no file":
        config.rename(config.with_suffix(".away"))
    elif fault == "a file that it may not read":
        os.chown(config, 0, 0)
        config.chmod(0o600)
    else:
        (machine.systemd.root / "etc/responder/credentials/main").unlink()
    machine.drop_in(RestartSec="100ms")
    try:
        assert machine.systemd.done("systemctl", "start", UNIT).returncode != 0
        machine.until(lambda: machine.systemd.show(UNIT, "ActiveState") == "failed", "the failure")
        assert machine.systemd.show(UNIT, "ExecMainStatus") == status
        assert machine.restarts() == 0
        assert says in machine.systemd.log(UNIT)
        assert "Traceback" not in machine.systemd.log(UNIT)
    finally:
        if fault == "no file":
            config.with_suffix(".away").rename(config)
        gid = int(machine.systemd.run("id", "-g", "responder"))
        os.chown(config, 0, gid)
        config.chmod(0o640)


def test_a_second_daemon_on_the_ledger_waits_for_the_first(machine: Machine) -> None:
    """A daemon started by hand holds the ledger: the service ends with 75 and is tried again until it is free."""
    machine.drop_in(RestartSec="1")
    machine.systemd.run("install", "-d", "-o", "responder", "-g", "responder", "-m", "0700", f"/{STATE}")
    by_hand = ["sh", "-c", "/opt/responder/bin/responder run >/dev/null 2>/tmp/by-hand.log & echo $!"]
    pid = machine.systemd.done(*by_hand).stdout.strip()
    machine.until(lambda: "mailbox open" in (machine.systemd.root / "tmp/by-hand.log").read_text(), "the first daemon")
    machine.systemd.run("systemctl", "start", "--no-block", UNIT)
    machine.until(lambda: machine.restarts() >= 1, "a second try")
    assert machine.systemd.show(UNIT, "ExecMainStatus") in ("75", "0")
    assert "another responder is running" in machine.systemd.log(UNIT)
    machine.systemd.run("kill", pid)
    machine.until(lambda: machine.systemd.show(UNIT, "ActiveState") == "active", "the service's turn")
    machine.deliver("ivan@vostok.example", "to the second")
    machine.answered(1)


@pytest.mark.parametrize("phase", ["RCPT", "DATA", "DOT"])
def test_a_stop_cuts_no_reply_in_two(machine: Machine, phase: str) -> None:
    """A stop while a slow server takes a reply waits for its answer: the reply is whole, and recorded as sent."""
    machine.start()
    machine.logged("mailbox open")
    machine.sink.script[phase] = [delay(6)]
    machine.deliver("ivan@vostok.example", "Договор")
    machine.until(lambda: any(line.startswith(b"RCPT") for line in machine.sink.lines), "the reply on its way")
    machine.systemd.run("systemctl", "stop", UNIT)
    assert machine.systemd.show(UNIT, "Result") == "success"
    (mail,) = machine.sink.mails
    assert mail.data.endswith(b"\r\n")
    assert machine.sink.count == 1
    (line,) = machine.logged("reply")
    assert line["outcome"] == "done"
    assert '"in_doubt": 0' in machine.systemd.done("responder", "status", "--json").stdout


def test_the_state_is_the_services_alone(machine: Machine) -> None:
    """The state directory is 0700, its files 0600, all the service's; a look by root changes none of it."""
    machine.start()
    machine.logged("mailbox open")
    machine.deliver("ivan@vostok.example", "one")
    machine.answered(1)
    machine.logged("reply")
    for command in (("status",), ("explain", "--last", "1"), ("check",), ("run", "--dry-run")):
        done = machine.systemd.done("responder", *command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert "running" in machine.systemd.run("responder", "status")
    for name, mode, owner in machine.files():
        assert (mode, owner) == ("700" if not name else "600", "responder:responder"), name
    machine.deliver("kolya@vostok.example", "two")
    machine.answered(2)


#: What the service's own child can see and do: an alert's command runs inside all of the unit's limits.
_PROBE = r"""#!/bin/sh
cat > /dev/null
{
echo uid "$(id -u)" "$(id -un)"
grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
for path in /etc/x /usr/x /opt/x /home/x ~root/x /var/x /boot/x; do touch $path 2>/dev/null && echo wrote $path; done
touch /var/lib/responder/x && rm /var/lib/responder/x && echo state writable
touch /tmp/x && echo own tmp && ls /tmp
ls -A /home /root 2>/dev/null | grep -v : | grep . && echo saw homes
for pid in /proc/[0-9]*; do stat -c 'process %u' $pid 2>/dev/null; done | sort -u
cat /etc/responder/credentials/main 2>/dev/null && echo read the file
echo credential "$(cat "$CREDENTIALS_DIRECTORY/main")"
unshare --user true 2>/dev/null && echo made a namespace
mount -t tmpfs none /tmp 2>/dev/null && echo mounted
date -s 2001-01-01 2>/dev/null && echo set the clock
dmesg 2>/dev/null | grep -q . && echo read the kernel
ls /dev/sda /dev/mem /dev/kmsg 2>/dev/null && echo saw devices
env | grep -i secret && echo secret in the environment
echo end
} > /var/lib/responder/probe 2>&1
"""


def test_what_the_unit_forbids_is_forbidden(machine: Machine) -> None:
    """Inside: an ordinary user without rights, a read-only machine, no homes, own processes, only its credential."""
    probe = machine.systemd.root / "opt/probe"
    probe.write_text(_PROBE)
    probe.chmod(0o755)
    (machine.systemd.root / "tmp/outside").touch()
    (machine.systemd.root / "home/somebody").mkdir(exist_ok=True)
    machine.put_secret("wrong\n")  # a refused login is an alert
    machine.configure(**_closed(alerts={"command": ["/opt/probe"]}))
    machine.start()
    result = machine.systemd.root / STATE / "probe"
    machine.until(lambda: result.exists() and result.read_text().endswith("end\n"), "what the probe found")
    found = result.read_text()
    uid = machine.systemd.run("id", "-u", "responder").strip()
    lines = found.splitlines()
    assert f"uid {uid} responder" in lines
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines
    assert "Seccomp:\t2" in lines
    assert "state writable" in lines
    assert "own tmp" in lines
    assert "credential wrong" in lines
    assert [line for line in lines if line.startswith("process")] == [f"process {uid}"]
    for forbidden in ("wrote", "outside", "saw", "somebody", "read the", "made", "mounted", "set", "secret in"):
        assert not [line for line in lines if line.startswith(forbidden)], found


def test_its_exposure_live(machine: Machine) -> None:
    """What systemd computes of the loaded unit is not above what was measured."""
    machine.start()
    said = machine.systemd.run("systemd-analyze", "security", "--no-pager", UNIT, check=False)
    match = re.search(r"Overall exposure level for responder\.service: (\d+\.\d+)", said)
    assert match is not None, said[-500:]
    assert float(match[1]) <= 1.1


@pytest.mark.parametrize("log", ["full", "closed", "pipe"])
def test_a_log_that_takes_nothing_stops_no_mail(machine: Machine, log: str) -> None:
    """With the log's disk full, its descriptor closed, or its reader gone, mail is answered as ever."""
    run = "/opt/responder/bin/responder run"
    starts = {
        "full": f"/bin/sh -c 'exec {run} >/dev/full 2>&1'",
        "closed": f"/bin/sh -c 'exec {run} >&- 2>&-'",
        "pipe": f"/bin/bash -c 'exec {run} 1>/dev/null 2> >(exec true)'",
    }
    machine.drop_in(ExecStart=f"\nExecStart={starts[log]}")
    machine.start()
    looked = ["responder", "status", "--json"]
    machine.until(lambda: "looked_at" in machine.systemd.done(*looked).stdout, "the first look")
    machine.deliver("ivan@vostok.example", "one")
    machine.answered(1)
    machine.deliver("kolya@vostok.example", "two")
    machine.answered(2)
    assert machine.restarts() == 0
    machine.systemd.run("systemctl", "stop", UNIT)
    assert machine.systemd.show(UNIT, "Result") == "success"


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (b"secret", ""),
        (b"secret\r\n", ""),
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"secret\nsecond\n", "more than one line"),
        ("\ufeffsecret\n".encode(), "byte order mark"),
        ("secret\n".encode("utf-16"), "it is not UTF-8 text"),
    ],
)
def test_a_credential_that_is_no_password_is_refused_with_a_sentence(
    machine: Machine, secret: bytes, says: str
) -> None:
    """Empty, two lines, a byte order mark, another coding: each said by `status`, never tried at the server."""
    machine.put_secret(secret)
    machine.start()
    if not says:
        machine.logged("mailbox open")
        return
    (line,) = machine.logged("login refused")
    assert says in line["error"]
    machine.until(lambda: says in machine.status(), "the sentence in systemctl status")
    assert says in machine.systemd.done("responder", "status").stdout.replace("\n", " ")
    assert "Login" not in machine.dovecot.log().partition(machine.user)[2]


def test_nothing_is_left_of_a_systemd_that_was_stopped() -> None:
    """Its cgroup, its layer and its processes are gone when the block ends."""
    if reason := systemd_room.missing():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as fill, Systemd(Path(fill)) as systemd:
        scratch, group = systemd._scratch, systemd._group
        assert systemd.run("cat", "/proc/1/comm") == "systemd\n"
        inside = systemd._first
    assert scratch is not None
    assert group is not None
    assert (scratch.exists(), group.exists(), Path(f"/proc/{inside}").exists()) == (False, False, False)


def test_figures_are_served_and_written_where_the_unit_allows_it(machine: Machine) -> None:
    """Locked up as shipped no other folder is written to, which is said; with the unit's two lines both are there.

    Whether a port is denied depends on the kernel (SocketBindDeny is BPF's): what is said then has a test of its own.
    """
    folder = "var/lib/figures"
    machine.systemd.run("install", "-d", "-o", "responder", "-m", "0755", f"/{folder}")
    figures = {"listen": "127.0.0.1:9469", "textfile": f"/{folder}/responder.prom"}
    machine.configure(**_closed(metrics=figures))
    machine.start()
    (said,) = machine.logged("no figures")
    assert f"ReadWritePaths=/{folder}" in said["problem"]
    machine.deliver("ivan@vostok.example", "answered all the same")
    machine.answered(1)
    machine.drop_in(SocketBindAllow="ipv4:tcp:9469", ReadWritePaths=f"/{folder}")
    machine.systemd.run("systemctl", "restart", UNIT)
    machine.logged("mailbox open", 2)
    answered = 'responder_replies_total{kind="full",mailbox="main",outcome="done"} 1.0'
    page = ["curl", "--silent", "--show-error", "--fail", "http://127.0.0.1:9469/metrics"]
    machine.until(lambda: answered in machine.systemd.run(*page, check=False), "the page")
    file = machine.systemd.root / folder / "responder.prom"
    machine.until(lambda: file.is_file() and answered in file.read_text(), "the file")
    machine.systemd.run("systemctl", "stop", UNIT)
    assert "responder_running 0.0" in file.read_text()
