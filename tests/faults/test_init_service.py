"""``responder init`` by root on a machine with a real systemd: it ends in a service that answers the next mail."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import tomli_w

from tests.e2e.practice import closed_now
from tests.faults.machine import CONFIG, STATE, UNIT, booted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.machine import Machine

pytestmark = [pytest.mark.matrix, pytest.mark.server]


@pytest.fixture
def bare() -> Iterator[Machine]:
    """A machine on which nothing but the program is installed: no user, no folder, no unit."""
    with booted("anna") as machine:
        yield machine


def _init(machine: Machine, *more: str) -> str:
    """Let root type ``responder init`` with everything given, the password on standard input."""
    words = [
        *["/opt/responder/bin/responder", "init", "--yes", "--start", "--name", "Anna Svetlova"],
        *["--address", "anna@example.com", "--timezone", "Moscow", "--holidays", "none", "--hours", closed_now()],
        *["--imap", f"127.0.0.1:{machine.dovecot.imap_port} none", "--smtp", f"127.0.0.1:{machine.sink.port} none"],
        *["--mode", "send", "--password-file", "-", *more],
    ]
    done = machine.systemd.done(*words, stdin="secret\n")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_init_by_root_ends_in_a_service(bare: Machine) -> None:
    """User, rights, unit and start are made; the rules are the service's to read, the password root's alone."""
    said = _init(bare)
    assert "The service runs" in said
    assert bare.systemd.show(UNIT, "ActiveState") == "active"
    assert bare.systemd.show(UNIT, "UnitFileState") == "enabled"
    listed = bare.systemd.run("find", "/etc/responder", "-printf", r"%P %m %u:%g\n")
    assert sorted(listed.splitlines()) == [
        " 750 root:responder",
        "config.toml 640 root:responder",
        "credentials 700 root:root",
        "credentials/main 600 root:root",
    ]
    config = bare.systemd.root / CONFIG
    tables = tomllib.loads(config.read_text())
    bare.put_config(tomli_w.dumps(tables | {"replies": {"grace": "0 s"}}))
    add = ["client", "add", "vostok", "--address", "ivan@vostok.example", "--timezone", "Vladivostok", "--yes"]
    told = bare.systemd.run("/opt/responder/bin/responder", *add)
    assert "The service runs and reads the change by itself" in told
    bare.systemd.run("systemctl", "reload", UNIT)
    bare.deliver("ivan@vostok.example", "Договор аренды")
    bare.answered(1)
    assert [mail.recipient for mail in bare.sink.mails] == ["ivan@vostok.example"]
    owners = {owner for name, _, owner in bare.files() if name}
    assert owners == {"responder:responder"}, f"in /{STATE}"
    status = bare.systemd.done("/opt/responder/bin/responder", "status")
    assert status.returncode == 0, status.stdout + status.stderr


def test_a_second_init_is_refused_and_a_unit_of_the_owners_stays(bare: Machine) -> None:
    """What is there already is never replaced: neither the configuration nor a unit that somebody has edited."""
    unit = bare.systemd.root / "etc/systemd/system" / UNIT
    own = (bare.systemd.root / "opt/responder-src/systemd" / UNIT).read_text().replace("RestartSec=5", "RestartSec=7")
    unit.write_text(own)
    assert "is there already and stays as it is" in _init(bare)
    assert unit.read_text() == own
    assert bare.systemd.show(UNIT, "ActiveState") == "active"
    before = (bare.systemd.root / CONFIG).read_bytes()
    done = bare.systemd.done("/opt/responder/bin/responder", "init", "--yes", "--name", "A", "--address", "a@b.example")
    assert done.returncode == 78
    assert "there is a configuration already" in done.stderr
    assert (bare.systemd.root / CONFIG).read_bytes() == before
