"""Looking through past mail: what is asked of a big folder, and where a span of time begins on real servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from responder.adapters.imap_past import PastMailbox
from tests.e2e.scene import letter
from tests.servers.imap_script import PASSWORD, ScriptedImap
from tests.servers.mail_program import MailProgram

if TYPE_CHECKING:
    from tests.servers.mail_program import ImapServer

SINCE = datetime(2026, 9, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 25, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def past_mailbox(port: int, user: str, password: str) -> PastMailbox:
    """Return a mailbox for looking back, not open yet."""
    return PastMailbox(
        name="main",
        host="127.0.0.1",
        port=port,
        security="none",
        username=user,
        password=lambda: password,
        header_fields=["From", "Message-ID"],
        timeout=20,
    )


async def test_a_big_folder_is_asked_for_the_span_only_and_in_windows() -> None:
    """The whole of a hundred thousand messages would be an answer longer than the session can read, and too slow."""
    examine = "* 50000 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 4000000000] n\r\n{tag} OK done\r\n"
    searches = ["* SEARCH 3999999999 3999999998\r\n{tag} OK\r\n", "* SEARCH\r\n{tag} OK\r\n"]
    fetch = (
        '* 49999 FETCH (UID 3999999998 INTERNALDATE "31-Aug-2026 23:59:59 +0000")\r\n'
        '* 50000 FETCH (UID 3999999999 INTERNALDATE "01-Sep-2026 00:00:00 +0000")\r\n{tag} OK\r\n'
    )
    with ScriptedImap({"EXAMINE": examine, "UID SEARCH": searches, "UID FETCH": fetch}) as server:
        mailbox = past_mailbox(server.port, "anna", PASSWORD)
        await mailbox.open()
        try:
            found = await mailbox.index("INBOX", SINCE, UNTIL)
        finally:
            await mailbox.close()
        words = [line.partition("UID SEARCH ")[2] for line in server.said("UID SEARCH")]
        fetched = server.said("UID FETCH")
    assert words == [
        "30001:50000 SINCE 31-Aug-2026 UNDELETED",
        "10001:30000 SINCE 31-Aug-2026 UNDELETED",
        "1:10000 SINCE 31-Aug-2026 UNDELETED",
    ]
    assert len(fetched) == 1
    assert [(one.uid, one.arrived_at) for one in found] == [(3999999999, SINCE)]


@pytest.mark.server
@pytest.mark.parametrize("name", ["dovecot_rich", "dovecot_poor", "courier", "cyrus"])
async def test_a_span_begins_to_the_second_whatever_zone_a_message_was_stored_with(
    name: str, request: pytest.FixtureRequest, user: str
) -> None:
    """A server's search knows days only, by the zone of each message: the span is wider, and cut by the instant."""
    server: ImapServer = request.getfixturevalue(name)
    program = MailProgram(server, user)
    inside: list[datetime] = []
    for hours in (-12, 0, 14):
        stored = timezone(timedelta(hours=hours))
        for at in (SINCE - SECOND, SINCE, UNTIL - SECOND, UNTIL):
            program.append(letter("ivan@vostok.example"), at=at.astimezone(stored))
            inside += [at] if SINCE <= at < UNTIL else []
    mailbox = past_mailbox(server.imap_port, user, "secret")
    await mailbox.open()
    try:
        found = await mailbox.index("INBOX", SINCE, UNTIL)
    finally:
        await mailbox.close()
    assert [one.arrived_at for one in found] == inside
