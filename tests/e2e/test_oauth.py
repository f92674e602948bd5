"""Sign-in by OAuth2 on a real Dovecot that asks the provider, and a real Postfix that asks the Dovecot."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responder.errors import ConfigurationError
from tests.conftest import running
from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import EXAMPLE, Scene, letter
from tests.e2e.test_users_day import FRIDAY
from tests.servers import dovecot as dovecot_room
from tests.servers import postfix as postfix_room
from tests.servers.dovecot import Dovecot
from tests.servers.loopback import free_ports
from tests.servers.postfix import Postfix
from tests.servers.smtp import ThreadedSmtpSink
from tests.servers.tokens import TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.server

USER = "anna"


@pytest.fixture(params=["xoauth2 oauthbearer", "oauthbearer"])
def mechanism(request: pytest.FixtureRequest) -> str:
    """What the servers offer: the old way and the standard's, or the standard's alone."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def provider() -> Iterator[TokenServer]:
    """The sign-in service; its tokens end so soon that each login needs a new one."""
    with TokenServer(USER, lasts=20.0) as server:
        yield server


@pytest.fixture
def scene(provider: TokenServer, mechanism: str, tmp_path: Path) -> Iterator[Scene]:
    """The example configuration, signed in by OAuth2; replies leave through Postfix."""
    (sasl_port,) = free_ports(1)
    (tmp_path / "dovecot").mkdir()
    settings = provider.dovecot(tmp_path / "dovecot", mechanism=mechanism, sasl_port=sasl_port)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)  # Dovecot's login service is nobody
    with ExitStack() as stack:
        dovecot = stack.enter_context(running(dovecot_room.missing(), lambda: Dovecot("rich", settings=settings)))
        postfix = stack.enter_context(
            running(postfix_room.missing(), lambda: Postfix(dovecot, domains=["vostok.example"], sasl_port=sasl_port))
        )
        sink = stack.enter_context(ThreadedSmtpSink())  # nothing reaches it
        changes = {
            "mailboxes": {
                "main": {
                    "password": None,
                    "auth": "oauth2",
                    "oauth2": provider.table(),
                    "smtp": {"host": "localhost", "port": postfix.submissions_port, "security": "tls"},
                }
            }
        }
        clock = FixedClock(at("2026-11-13 17:00"))
        made = Scene(folder=tmp_path / "home", server=dovecot, sink=sink, user=USER, clock=clock, changes=changes)
        stack.enter_context(_trusting(postfix.certificate))
        yield made


class _trusting:  # noqa: N801 - reads as a verb
    """Let this process, and those it starts, trust one more certificate."""

    def __init__(self, certificate: Path) -> None:
        self._certificate = str(certificate)
        self._before = os.environ.get("SSL_CERT_FILE")

    def __enter__(self) -> None:
        os.environ["SSL_CERT_FILE"] = self._certificate

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = self._before


def login(scene: Scene, *words: str) -> subprocess.Popen[str]:
    """Start ``responder login``."""
    return subprocess.Popen(
        [
            *[sys.executable, "-u", "-m", "responder", "login", *words],
            *["--config", str(scene.config), "--state", str(scene.state)],
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(EXAMPLE.parent)},
    )


async def signed_in(scene: Scene) -> str:
    """Sign in by a device code; return what the owner read."""
    child = login(scene)
    said, _ = await asyncio.to_thread(child.communicate, timeout=60)
    assert child.returncode == 0, said
    return said


async def test_a_night_by_tokens_that_end_and_rotate(scene: Scene, provider: TokenServer) -> None:
    """Each pass logs in to both servers with a token that is good, while all earlier ones have rotated away."""
    provider.pending = 2
    said = await signed_in(scene)
    assert "ABCD-EFGH" in said
    assert "signed in" in said
    await scene.run()
    provider.end_access()  # before their time, as an administrator can
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    await scene.run()
    assert scene.subjects("Callbacks/2026-11-16 10-00") == ["Договор аренды"]
    sent = scene.tree()["Sent"]
    assert [str(message["Subject"]) for message in sent] == ["Автоответ: Договор аренды"]
    assert provider.asked["refresh_token"] >= 3
    files = sorted(path.name for path in scene.state.iterdir() if path.name.startswith("oauth-"))
    assert files == ["oauth-main.json", "oauth-main.lock"]


async def test_a_revoked_sign_in_is_said_once_and_asked_once(scene: Scene, provider: TokenServer) -> None:
    """After a revocation each pass says what to do; the provider is asked once, and a new sign-in mends it."""
    await signed_in(scene)
    await scene.run()
    asked = provider.asked["refresh_token"]
    provider.revoke()
    scene.arrive(letter("ivan@vostok.example", "Договор аренды"), FRIDAY)
    scene.clock.at = FRIDAY + timedelta(minutes=4)
    for _ in range(3):
        with pytest.raises(ConfigurationError, match=r"no longer accepts the sign-in.*responder login main"):
            await scene.run()
    assert provider.asked["refresh_token"] == asked + 1
    assert scene.subjects("INBOX") == ["Договор аренды"]
    await signed_in(scene)
    await scene.run()
    assert scene.subjects("Callbacks/2026-11-16 10-00") == ["Договор аренды"]


@pytest.mark.parametrize("paste", [False, True])
async def test_sign_in_by_a_browser(scene: Scene, provider: TokenServer, *, paste: bool) -> None:
    """The browser comes back to this machine, or the owner pastes where it ended; the proof (PKCE) is checked."""
    scene.changes["mailboxes"]["main"]["oauth2"] = provider.table(device=False)
    scene.write()
    child = login(scene, *(["--paste"] if paste else []))
    assert child.stdout is not None
    assert child.stdin is not None
    url = ""
    while not url:
        line = await asyncio.to_thread(child.stdout.readline)
        assert line, "it ended early"
        url = line.strip() if re.match(r"http://127\.0\.0\.1:\d+/authorize\?", line) else ""
    if paste:
        opener = urllib.request.build_opener(_Stay())
        answer = await asyncio.to_thread(opener.open, url)
        child.stdin.write(answer.headers["Location"] + "\n")
        child.stdin.flush()
    else:
        answer = await asyncio.to_thread(urllib.request.urlopen, url)
        assert "signed in" in answer.read().decode()
    answer.close()
    said, _ = await asyncio.to_thread(child.communicate, timeout=60)
    assert child.returncode == 0, said
    await scene.run()
    assert provider.asked["authorization_code"] == 1


class _Stay(urllib.request.HTTPRedirectHandler):
    """A browser on another machine: it cannot follow the redirect."""

    def http_error_302(self, req: object, fp: object, code: object, msg: object, headers: object) -> object:  # noqa: ARG002
        """Return the answer as it is."""
        return fp
