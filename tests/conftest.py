"""Fixtures for all rooms: private servers on loopback, one of each per test process."""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests import pictures
from tests.contract.worlds import FakeWorld, ServerWorld
from tests.servers import courier as courier_room
from tests.servers import cyrus as cyrus_room
from tests.servers import dovecot as dovecot_room
from tests.servers import exim as exim_room
from tests.servers import postfix as postfix_room
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tests.servers.postfix import Postfix
from tests.servers.roots import NotInstalledError
from tests.servers.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.contract.worlds import World
    from tests.servers.mail_program import ImapServer


# A busy machine is no fault of the code: no deadlines. In CI the same examples every time, elsewhere new ones.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

#: The real IMAP servers, each a session fixture of its own.
IMAP_SERVERS = ("dovecot_rich", "dovecot_poor", "courier", "cyrus", "cyrus_inbox")


#: The classes whose log is worth showing.
REAL = (Dovecot, Courier, Cyrus, Postfix, Exim)


def _params(names: tuple[str, ...]) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.server) for name in names]


@contextmanager
def running(reason: str, make: Callable[[], Any]) -> Generator[Any]:
    """Start a server; with a reason why that cannot be, fail in CI and leave the test out elsewhere."""
    with ExitStack() as stack:
        if not reason:
            try:
                server = stack.enter_context(make())
            except NotInstalledError as error:
                reason = str(error)
        if reason and os.environ.get("CI"):
            pytest.fail(f"needs a real server: {reason}")
        if reason:
            pytest.skip(f"needs a real server: {reason}")
        yield server


@pytest.fixture
def as_root() -> None:
    """Let a test run only as root; in CI it is root, or the test fails."""
    if os.geteuid() == 0:
        return
    reason = "only root can take on another identity: whether a command by root leaves the service's files is left out"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def dovecot_rich() -> Iterator[Dovecot]:
    """A Dovecot with MOVE, UIDPLUS, IDLE, SPECIAL-USE and plain folder names."""
    with running(dovecot_room.missing(), lambda: Dovecot("rich")) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_poor() -> Iterator[Dovecot]:
    """A Dovecot with none of these, "." between levels, and the prefix "INBOX."."""
    with running(dovecot_room.missing(), lambda: Dovecot("poor")) as server:
        yield server


@pytest.fixture(scope="session")
def courier() -> Iterator[Courier]:
    """A Courier: no MOVE, no keywords, no SPECIAL-USE, "." between levels, and the prefix "INBOX."."""
    with running(courier_room.missing(), Courier) as server:
        yield server


@pytest.fixture(scope="session")
def cyrus() -> Iterator[Cyrus]:
    """A Cyrus with everything and plain folder names."""
    with running(cyrus_room.missing(), lambda: Cyrus("alternative")) as server:
        yield server


@pytest.fixture(scope="session")
def cyrus_inbox() -> Iterator[Cyrus]:
    """A Cyrus with everything, "." between levels, and the prefix "INBOX."."""
    with running(cyrus_room.missing(), lambda: Cyrus("inbox")) as server:
        yield server


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """A Postfix with submission over STARTTLS and over TLS and an MX, before a Dovecot of its own."""
    with (
        running(dovecot_room.missing(), lambda: Dovecot("rich")) as dovecot,
        running(postfix_room.missing(), lambda: Postfix(dovecot)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    """An Exim that refuses at RCPT or after the text when it is told to."""
    with running(exim_room.missing(), Exim) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[pictures.Browser]:
    """A headless Chromium, for pages as a person sees them; without one a failure in CI, left out elsewhere."""
    if reason := pictures.missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs a browser: {reason}")
    with pictures.Browser() as browser:
        yield browser


@pytest.fixture(params=_params(("dovecot_rich", "dovecot_poor")))
def dovecot(request: pytest.FixtureRequest) -> Dovecot:
    """Return the rich server, then the poor one."""
    server: Dovecot = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def user() -> str:
    """Return the name of a user whom no other test has."""
    return f"user-{uuid.uuid4().hex[:12]}"


@contextmanager
def _server(request: pytest.FixtureRequest, user: str) -> Generator[ImapServer]:
    if request.param == "sandbox":
        with Sandbox(user) as sandbox:
            yield sandbox
    else:
        yield request.getfixturevalue(request.param)


@pytest.fixture(params=["sandbox", *_params(IMAP_SERVERS)])
def imap_server(request: pytest.FixtureRequest, user: str) -> Iterator[ImapServer]:
    """Return each IMAP server: the sandbox's, which knows the test's user only, and the real ones."""
    with _server(request, user) as server:
        yield server


@pytest.fixture(params=["fake", "sandbox", *_params(IMAP_SERVERS)])
def world(request: pytest.FixtureRequest, user: str) -> Iterator[World]:
    """Return each world in which a Mailbox is tried: the fake, then a user of each IMAP server."""
    if request.param == "fake":
        yield FakeWorld()
        return
    with _server(request, user) as server:
        yield ServerWorld(server, user)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the servers' logs with a failure."""
    report = yield
    if report.failed and report.when == "call" and isinstance(item, pytest.Function):
        held = [*item.funcargs.values(), *(getattr(each, "server", None) for each in item.funcargs.values())]
        for server in {id(each): each for each in held if isinstance(each, REAL)}.values():
            report.sections.append((f"{type(server).__name__}'s log", server.log()[-5_000:]))
    return report
