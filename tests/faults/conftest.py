"""Fixtures of the matrices in which the service dies: the warm parent of its processes, servers, wards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.crash import Ward, Zygote
from tests.servers.dovecot import Dovecot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.mail_program import ImapServer


#: Servers with MOVE, with UIDPLUS only, and with neither, as fixtures; then those of other makers.
SERVERS = ("dovecot_rich", "dovecot_plain", "dovecot_poor", "courier", "cyrus")


class Plain(Dovecot):
    """A Dovecot that offers UIDPLUS, yet no MOVE: there mail is copied, marked and expunged."""

    def _prepare(self) -> None:
        super()._prepare()
        with (self.directory / "dovecot.conf").open("a") as file:
            file.write("imap_capability = IMAP4rev1 UNSELECT CHILDREN NAMESPACE UIDPLUS SPECIAL-USE\n")


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Return the warm parent of all processes that die here."""
    with Zygote() as parent:
        yield parent


@pytest.fixture(scope="session")
def dovecot_plain(dovecot_rich: Dovecot) -> Iterator[Dovecot]:
    """A Dovecot with UIDPLUS and without MOVE."""
    assert dovecot_rich  # where that one runs this one does
    with Plain("rich") as server:
        yield server


@pytest.fixture(params=SERVERS)
def mail_server(request: pytest.FixtureRequest) -> ImapServer:
    """Return each server in turn."""
    found: ImapServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> str:
    """Return how replies go out."""
    return str(getattr(request, "param", "send"))


@pytest.fixture
def ward(mail_server: ImapServer, zygote: Zygote, user: str, tmp_path: Path, mode: str) -> Ward:
    """Return a ward on that server."""
    return Ward(mail_server, zygote, user, tmp_path, mode)
