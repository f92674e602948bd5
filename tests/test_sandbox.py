"""The sandbox's servers do what the demo and the quick tests ask of them, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import select
import smtplib
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiosmtplib
import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from responder.errors import ConfigurationError
from responder.sandbox import servers
from responder.sandbox.servers import SandboxImap, SandboxSmtp

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "anna", "a secret of the sandbox"
AT = datetime(2026, 3, 6, 23, 31, tzinfo=UTC)


def letter(n: int = 1, *, date: str = "Sat, 07 Mar 2026 02:31:00 +0300") -> bytes:
    """Return a small letter."""
    return (
        f"Return-Path: <ivan@vostok.example>\r\nFrom: ivan@vostok.example\r\nTo: anna@svetlova.example\r\n"
        f"Date: {date}\r\nMessage-ID: <{n}@vostok.example>\r\nSubject: letter {n}\r\n\r\nhello {n}\r\n"
    ).encode()


@pytest.fixture
def imap() -> Iterator[SandboxImap]:
    """Yield an IMAP server with one user."""
    with SandboxImap({USER: PASSWORD}) as server:
        yield server


@pytest.fixture
def client(imap: SandboxImap) -> Iterator[IMAPClient]:
    """Yield a client that has logged in there."""
    session = IMAPClient(servers.LOOPBACK, imap.port, ssl=False)
    session.login(USER, PASSWORD)
    yield session
    session.shutdown()


@pytest.fixture
def smtp() -> Iterator[SandboxSmtp]:
    """Yield an SMTP server with one user."""
    with SandboxSmtp({USER: PASSWORD}) as server:
        yield server


def test_a_delivered_message_keeps_its_octets_and_its_internaldate(imap: SandboxImap) -> None:
    """What was delivered is found again unchanged, at the instant it was given, unread."""
    imap.deliver(USER, letter(), AT)
    tree = imap.tree(USER)
    assert list(tree) == ["INBOX", "Drafts", "Sent"]
    (stored,) = tree["INBOX"]
    assert (stored.raw, stored.internal_at, stored.flags) == (letter(), AT, frozenset())


def test_own_letters_can_be_laid_into_sent_as_read(imap: SandboxImap) -> None:
    r"""A message can be delivered to another folder, with flags."""
    imap.deliver(USER, letter(), AT, folder="Sent", flags="\\Seen")
    assert imap.tree(USER)["Sent"][0].flags == {"\\Seen"}


def test_idle_hears_of_a_delivery(imap: SandboxImap, client: IMAPClient) -> None:
    """A client in IDLE has something to read as soon as a message was delivered."""
    client.select_folder("INBOX")
    client.idle()
    imap.deliver(USER, letter(), AT)
    assert select.select([client.socket()], [], [], 5)[0]
    client.idle_done()
    assert client.search() == [101]


def test_a_message_can_be_found_moved_and_given_a_keyword(imap: SandboxImap, client: IMAPClient) -> None:
    """SEARCH HEADER, MOVE into a nested Cyrillic folder, and keywords work."""
    imap.deliver(USER, letter(7), AT)
    client.select_folder("INBOX")
    (uid,) = client.search(["HEADER", "Message-ID", "<7@vostok.example>"])
    client.add_flags([uid], [b"$answered-by-us"])
    assert client.search(["KEYWORD", "$answered-by-us"]) == [uid]
    client.create_folder("Callbacks/Утро & вечер")
    client.move([uid], "Callbacks/Утро & вечер")
    assert client.search() == []
    tree = imap.tree(USER)
    assert tree["INBOX"] == []
    assert tree["Callbacks/Утро & вечер"][0].flags == {"$answered-by-us"}


def test_an_unreadable_date_does_not_end_the_connection(imap: SandboxImap, client: IMAPClient) -> None:
    """The ENVELOPE of a message with a senseless Date has none, and the session lives on."""
    imap.deliver(USER, letter(date="on some day"), AT)
    client.select_folder("INBOX")
    assert client.fetch([101], ["ENVELOPE"])[101][b"ENVELOPE"].date is None
    assert client.noop()[0]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('attachment; filename="contract.pdf"', (b"attachment", (b"filename", b"contract.pdf"))),
        ("attachment; filename*=utf-8''%D1%84.pdf", (b"attachment", (b"filename*", b"utf-8''%D1%84.pdf"))),
        ("inline", (b"inline", None)),
    ],
)
def test_a_disposition_is_told_as_real_servers_tell_it(
    imap: SandboxImap, client: IMAPClient, written: str, told: object
) -> None:
    """BODYSTRUCTURE holds the disposition as a list with its parameters."""
    raw = f"Content-Type: application/pdf\r\nContent-Disposition: {written}\r\n\r\n%PDF\r\n"
    imap.deliver(USER, raw.encode(), AT)
    client.select_folder("INBOX")
    assert told in client.fetch([101], ["BODYSTRUCTURE"])[101][b"BODYSTRUCTURE"]


def test_users_do_not_see_each_other() -> None:
    """Each user has folders of his own."""
    with SandboxImap({USER: PASSWORD, "second": "other"}) as imap:
        imap.deliver("second", letter(), AT)
        assert imap.tree(USER)["INBOX"] == []
        assert len(imap.tree("second")["INBOX"]) == 1


def test_a_wrong_password_is_refused(imap: SandboxImap) -> None:
    """Only the given password opens the mailbox."""
    session = IMAPClient(servers.LOOPBACK, imap.port, ssl=False)
    with pytest.raises(LoginError):
        session.login(USER, "a guess")
    session.shutdown()


def test_idling_connections_survive_garbage_collection(imap: SandboxImap, client: IMAPClient) -> None:
    """A connection's task is held strongly: twenty collections and deliveries later the client still hears."""
    client.select_folder("INBOX")
    for n in range(20):
        client.idle()
        gc.collect()
        imap.deliver(USER, letter(n), AT)
        assert select.select([client.socket()], [], [], 5)[0]
        client.idle_done()
    assert len(client.search()) == 20


def test_closing_hangs_up_and_leaves_no_thread() -> None:
    """Closing with a client in IDLE returns at once, twice if asked, and its thread is gone."""
    before = threading.active_count()
    imap = SandboxImap({USER: PASSWORD})
    session = IMAPClient(servers.LOOPBACK, imap.port, ssl=False)
    session.login(USER, PASSWORD)
    session.select_folder("INBOX")
    session.idle()
    imap.close()
    imap.close()
    session.shutdown()
    assert threading.active_count() == before


async def test_smtp_takes_mail_after_a_login(smtp: SandboxSmtp) -> None:
    """The envelope and the octets of a mail are kept; a null sender is the empty string."""
    async with aiosmtplib.SMTP(hostname=servers.LOOPBACK, port=smtp.port, start_tls=False) as session:
        await session.login(USER, PASSWORD)
        await session.sendmail("anna@svetlova.example", ["ivan@vostok.example"], letter())
        await session.sendmail("", ["ivan@vostok.example"], letter(2))
    first, second = smtp.taken
    assert (first.sender, first.recipients) == ("anna@svetlova.example", ("ivan@vostok.example",))
    assert first.raw == letter()
    assert second.sender == ""


def test_smtp_refuses_mail_without_a_login(smtp: SandboxSmtp) -> None:
    """Whoever has not logged in, or with another password, sends nothing."""
    with smtplib.SMTP(servers.LOOPBACK, smtp.port, timeout=10) as session:
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            session.sendmail("anna@svetlova.example", ["ivan@vostok.example"], letter())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            session.login(USER, "a guess")
    assert smtp.taken == ()


def test_smtp_closes_under_an_open_connection() -> None:
    """Closing while a client is connected returns at once, and its thread is gone."""
    before = threading.active_count()
    smtp = SandboxSmtp({USER: PASSWORD})
    session = smtplib.SMTP(servers.LOOPBACK, smtp.port, timeout=10)
    smtp.close()
    smtp.close()
    session.close()
    assert threading.active_count() == before


async def test_servers_run_beside_a_running_loop() -> None:
    """Made and used inside a program that has an event loop of its own, they disturb nothing."""

    def work() -> int:
        with SandboxImap({USER: PASSWORD}) as imap, SandboxSmtp({USER: PASSWORD}):
            imap.deliver(USER, letter(), AT)
            return len(imap.tree(USER)["INBOX"])

    assert await asyncio.to_thread(work) == 1


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pymap or aiosmtpd the person is told what to install."""
    monkeypatch.setitem(sys.modules, "pymap", None)
    monkeypatch.setitem(sys.modules, "aiosmtpd", None)
    for server in (SandboxImap, SandboxSmtp):
        with pytest.raises(ConfigurationError, match=r"pip install .*\[demo\]"):
            server({USER: PASSWORD})


def test_nothing_warns() -> None:
    """Under -W error a program that starts, uses and closes both servers says nothing on standard error."""
    program = (
        "from datetime import UTC, datetime\n"
        "from responder.sandbox.servers import SandboxImap, SandboxSmtp\n"
        "with SandboxImap({'anna': 'x'}) as imap, SandboxSmtp({'anna': 'x'}):\n"
        "    imap.deliver('anna', b'Subject: x\\r\\n\\r\\nx\\r\\n', datetime(2026, 3, 7, tzinfo=UTC))\n"
        "    print(len(imap.tree('anna')['INBOX']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
