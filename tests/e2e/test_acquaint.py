"""Looking back through a mailbox for ``init``: what is found on real servers, and that nothing there changes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from responder.commands import acquaint
from responder.commands.init_draft import Draft
from responder.config import Server
from responder.core.correspondents import FIELDS, Correspondence
from responder.premises import build_past_mailbox
from tests.e2e import practice
from tests.e2e.test_replay import snapshot
from tests.servers.mail_program import MailProgram

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.mail_program import ImapServer

pytestmark = pytest.mark.server

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(params=["dovecot_rich", "dovecot_poor", "courier", "cyrus_inbox"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> MailProgram:
    """A mailbox with ninety days of a practice's mail, some of it sorted into a folder by hand."""
    server: ImapServer = request.getfixturevalue(request.param)
    made = MailProgram(server, f"anna-{tmp_path.name.replace('_', '-')[-20:]}")
    made.make_folder("Vostok")
    if "Sent" not in made.folders():
        made.make_folder("Sent")
    for one in practice.past(NOW):
        folder = "Vostok" if b"ivan@vostok.example>" in one.raw[:80] else one.folder
        made.append(one.raw, at=one.at, folder=folder)
    return made


async def _look(program: MailProgram, tmp_path: Path, told: list[tuple[int, int]]) -> Correspondence:
    imap = Server(host=program.server.host, port=program.server.imap_port, security="none")
    draft = Draft(addresses=[practice.OWNER], imap=imap, username=program.user, password="secret")
    loaded, settings = draft.account(tmp_path / "config.toml")
    mailbox = build_past_mailbox(settings, loaded, os.environ, state=tmp_path, header_fields=FIELDS)
    try:
        await mailbox.open()
        return await acquaint.look_back(
            mailbox, draft.addresses, NOW, timedelta(days=90), lambda done, of: told.append((done, of))
        )
    finally:
        await mailbox.close()


async def test_who_is_who_on_real_servers(program: MailProgram, tmp_path: Path) -> None:
    r"""Clients by their letters, with zones and languages; the alias; no list, machine or stranger; nothing changes."""
    before = snapshot(program)
    told: list[tuple[int, int]] = []
    found = await _look(program, tmp_path, told)
    assert snapshot(program) == before, r"flags, \\Recent, UIDNEXT and UIDVALIDITY of every folder"
    assert told[0] == (0, 66)
    assert told[-1] == (66, 66)
    assert [(hint.address, hint.came_to) for hint in found.aliases()] == [(practice.ALIAS, 5)]
    assert found.signer() == practice.SIGNER
    clients = [
        (hint.key, hint.wrote, hint.answered, hint.zone and hint.zone.zone, hint.zone and hint.zone.sure, hint.language)
        for hint in found.clients("Europe/Moscow")
    ]
    assert clients == [
        ("vostok", 14, 9, "Asia/Vladivostok", True, "ru"),
        ("harborlane", 10, 6, "America/New_York", False, "en"),  # one letter since America set its clocks back
        ("linden-partner", 5, 2, "Europe/Berlin", True, "en"),
    ]


@pytest.mark.parametrize("program", ["dovecot_rich"], indirect=True)
async def test_of_a_large_mailbox_the_newest_letters_are_read(
    program: MailProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a cap; what lies before it is left aside."""
    monkeypatch.setattr(acquaint, "MOST_CAME", 20)
    monkeypatch.setattr(acquaint, "MOST_WROTE", 3)
    monkeypatch.setattr(acquaint, "_CHUNK", 7)
    told: list[tuple[int, int]] = []
    found = await _look(program, tmp_path, told)
    assert told == [(0, 20), (7, 20), (14, 20), (20, 20)]
    hints = found.clients("Europe/Moscow")
    assert 0 < sum(hint.wrote for hint in hints) < 20
    assert sum(hint.answered for hint in hints) <= 3


@pytest.mark.parametrize("program", ["dovecot_rich"], indirect=True)
async def test_a_folder_of_all_mail_counts_nothing_twice(program: MailProgram, tmp_path: Path) -> None:
    """As at Gmail: one folder more holds all that came and all that was written; the stranger in it stays one."""
    before = await _look(program, tmp_path, [])
    program.make_folder("All Mail")
    for one in practice.past(NOW):
        program.append(one.raw, at=one.at, folder="All Mail")
    after = await _look(program, tmp_path, [])
    assert after.clients("Europe/Moscow") == before.clients("Europe/Moscow")
    assert after.aliases() == before.aliases()
