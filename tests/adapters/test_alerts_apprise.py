"""Alerts by Apprise: one of the ways suffices, nothing hangs, and the addresses, which are secrets, are never shown."""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest
import structlog

from responder.adapters import alerts
from responder.adapters.alerts import give_alert, say_ways
from responder.config import SecretRef, load
from responder.errors import TemporaryError
from tests.config.conftest import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from responder.config import Settings

pytest.importorskip("apprise", reason="the extra responder[apprise] is not installed: its alerts are left out")

TEXT = "Urgent: ООО «Восток», Иван Петрович, 2026-11-27 20:00. $(touch here)"
SECRET = "tok3n-nobody-may-see"


class Service:
    """A web service on loopback that takes what Apprise sends as JSON. ``status`` is its answer."""

    def __init__(self, status: int = 200) -> None:
        self.taken: list[dict[str, Any]] = []
        taken = self.taken

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.address = f"json://anna:{SECRET}@127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def settings(folder: Path, *services: str, command: tuple[str, ...] = ()) -> Settings:
    """Return settings that name these services, and perhaps a command."""
    config = folder / "config.toml"
    lines = "".join(f"    {json.dumps(service)},\n" for service in services)
    config.write_text(f"{SMALL}\n[alerts]\ncommand = {json.dumps(command)}\napprise = [\n{lines}]\n", encoding="utf-8")
    config.chmod(0o600)
    return load(config).settings


async def test_a_service_gets_the_text(tmp_path: Path) -> None:
    """The text comes whole and as plain text, whatever stands in it."""
    with Service() as service:
        await give_alert(TEXT, settings(tmp_path, service.address), {})
    (taken,) = service.taken
    assert (taken["message"], taken["title"]) == (TEXT, "responder")


async def test_the_address_may_lie_in_a_file(tmp_path: Path) -> None:
    """An address is kept as a password is, in a credential or a file of its own."""
    with Service() as service:
        secret = tmp_path / "service"
        secret.write_text(service.address + "\n", encoding="utf-8")
        secret.chmod(0o600)
        config = tmp_path / "config.toml"
        config.write_text(f'{SMALL}\n[alerts]\napprise = [{{ file = "service" }}]\n', encoding="utf-8")
        loaded = load(config)
        assert loaded.settings.alerts_apprise == (SecretRef(kind="file", value=str(secret)),)
        await give_alert(TEXT, loaded.settings, {})
        assert len(service.taken) == 1
        secret.unlink()
        with pytest.raises(TemporaryError, match=r"alerts\.apprise: service 1: file = .*No such file"):
            await give_alert(TEXT, loaded.settings, {})


async def test_an_address_that_cannot_be_had_leaves_the_others(tmp_path: Path) -> None:
    """A file that is gone is told, and the other service is asked."""
    with Service() as service, structlog.testing.capture_logs() as logs:
        named = settings(tmp_path, "json://first/", service.address)
        first = SecretRef(kind="file", value=str(tmp_path / "nowhere"))
        await give_alert(TEXT, replace(named, alerts_apprise=(first, named.alerts_apprise[1])), {})
    assert len(service.taken) == 1
    assert "service 1: file = " in str(logs)


async def test_one_of_several_suffices(tmp_path: Path) -> None:
    """An alert is given when one service took it; the log names the other by its number, not by its address."""
    with Service() as good, Service(status=500) as bad, structlog.testing.capture_logs() as logs:
        await give_alert(TEXT, settings(tmp_path, bad.address, good.address), {})
    assert (len(good.taken), len(bad.taken)) == (1, 1)
    (line,) = logs
    assert "service 1 (json): it refused" in line["error"]
    assert SECRET not in str(logs)


async def test_a_command_that_failed_leaves_the_services(tmp_path: Path) -> None:
    """Command and services are both asked, and either may fail; when all do, the error says so of each."""
    with Service() as service, structlog.testing.capture_logs() as logs:
        await give_alert(TEXT, settings(tmp_path, service.address, command=("false",)), {})
    assert "alerts.command: false ended with status 1" in str(logs)
    everything = settings(tmp_path, service.address, command=("false",))  # the service is gone by now
    with pytest.raises(TemporaryError) as caught:
        await give_alert(TEXT, everything, {})
    said = str(caught.value)
    assert "alerts.command: false ended" in said
    assert "alerts.apprise: service 1 (json): it refused, or could not be reached" in said
    assert SECRET not in said
    assert "Восток" not in said


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("nosuch://x:tok3n-nobody-may-see@host", r"service 1 \(nosuch\): Apprise knows no such service"),
        ("tok3n-nobody-may-see", r"service 1 \(no scheme\): Apprise knows no such service"),
        ("tgram://tok3n-nobody-may-see", r"service 1 \(tgram\): Apprise knows no such service, or the address lacks"),
    ],
)
async def test_an_address_that_is_none_is_told_by_its_scheme(tmp_path: Path, service: str, said: str) -> None:
    """What Apprise cannot read is told by number and scheme, and the secret in it is not shown."""
    with pytest.raises(TemporaryError, match=said) as caught:
        await give_alert(TEXT, settings(tmp_path, service), {})
    assert SECRET not in str(caught.value)


@contextmanager
def _silent() -> Iterator[int]:
    """Listen on a port and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_service_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer is late, and what another took counts."""
    monkeypatch.setattr(alerts, "LIMIT_SECONDS", 10.0)
    with Service() as good, _silent() as port, structlog.testing.capture_logs() as logs:
        # Apprise itself would wait for a minute here.
        await give_alert(TEXT, settings(tmp_path, f"json://127.0.0.1:{port}/?rto=60&cto=60", good.address), {})
    assert len(good.taken) == 1
    assert "service 1 (json): it did not answer in time" in str(logs)


async def test_a_process_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sending process itself is killed after the limit, as a command is, and its death is told."""
    monkeypatch.setattr(alerts, "LIMIT_SECONDS", 1.0)
    for script, said in (
        ("import time; time.sleep(60)", "did not end within 1 s"),
        ("1 / 0", "status 1 and no answer"),
    ):
        monkeypatch.setattr(alerts, "CHILD", (sys.executable, "-c", script))
        monkeypatch.setattr(alerts, "LIMIT_SECONDS", 1.0 if "sleep" in script else 20.0)
        with pytest.raises(TemporaryError, match=said):
            await give_alert(TEXT, settings(tmp_path, "json://127.0.0.1/"), {})


async def test_nobody_named_is_an_error(tmp_path: Path) -> None:
    """Where ``[alerts]`` names nobody an alert cannot be given, and ``check`` says so."""
    nobody = settings(tmp_path)
    with pytest.raises(TemporaryError, match="names nobody to call"):
        await give_alert(TEXT, nobody, {})
    assert say_ways(nobody).startswith("nobody is called")
    assert say_ways(settings(tmp_path, "json://h/", "json://i/", command=("bell", "-x"))) == (
        "by the command bell and by Apprise to 2 services"
    )


def test_settings_show_no_address(tmp_path: Path) -> None:
    """Printing the settings, as an error's log might, shows no secret."""
    assert SECRET not in repr(settings(tmp_path, f"json://x:{SECRET}@h/"))
