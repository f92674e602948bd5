"""Fixtures for all rooms: private servers on loopback, one of each per test process."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.contract.worlds import DovecotWorld, FakeWorld
from tests.servers.dovecot import Dovecot, missing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.contract.worlds import World
    from tests.servers.dovecot import Kind


# A busy machine is no fault of the code: no deadlines. In CI the same examples every time, elsewhere new ones.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def _running(kind: Kind) -> Iterator[Dovecot]:
    reason = missing()
    if reason and os.environ.get("CI"):
        pytest.fail(f"needs a real server: {reason}")
    if reason:
        pytest.skip(f"needs a real server: {reason}")
    with Dovecot(kind) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_rich() -> Iterator[Dovecot]:
    """A Dovecot with MOVE, UIDPLUS, IDLE, SPECIAL-USE and plain folder names."""
    yield from _running("rich")


@pytest.fixture(scope="session")
def dovecot_poor() -> Iterator[Dovecot]:
    """A Dovecot with none of these, "." between levels, and the prefix "INBOX."."""
    yield from _running("poor")


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.server) for kind in ("rich", "poor")])
def dovecot(request: pytest.FixtureRequest) -> Dovecot:
    """Return the rich server, then the poor one."""
    server: Dovecot = request.getfixturevalue(f"dovecot_{request.param}")
    return server


@pytest.fixture
def user() -> str:
    """Return the name of a user whom no other test has."""
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["fake", *(pytest.param(kind, marks=pytest.mark.server) for kind in ("rich", "poor"))])
def world(request: pytest.FixtureRequest, user: str) -> World:
    """Return each world in which a Mailbox is tried: the fake one, then a user of each real server."""
    if request.param == "fake":
        return FakeWorld()
    server: Dovecot = request.getfixturevalue(f"dovecot_{request.param}")
    return DovecotWorld(server, user)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the server's log with a failure."""
    report = yield
    if report.failed and report.when == "call" and isinstance(item, pytest.Function):
        for server in {id(each): each for each in item.funcargs.values() if isinstance(each, Dovecot)}.values():
            report.sections.append(("Dovecot's log", server.log()[-5_000:]))
    return report
