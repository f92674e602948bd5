"""Connecting and logging in to servers that break, refuse, or are not who they should be."""

from __future__ import annotations

import time
from typing import Any

import pytest

from responder.errors import ConfigurationError, TemporaryError
from tests.servers.imap_script import BASICS, CLOSE, PASSWORD, ScriptedImap, mailbox_at


async def refused(server: ScriptedImap, **options: Any) -> TemporaryError:
    """Open, and return the TemporaryError that comes of it."""
    mailbox = mailbox_at(server, **options)
    with pytest.raises(TemporaryError) as caught:
        await mailbox.open()
    await mailbox.close()
    return caught.value


@pytest.mark.parametrize(
    "greeting",
    [
        "* BYE too many connections\r\n",
        b"" + CLOSE,
        "* OK rea" + CLOSE.decode(),
        "220 smtp ready\r\n",
        "* OK\r\n" + CLOSE.decode(),
    ],
)
async def test_a_broken_greeting_is_temporary(greeting: str | bytes) -> None:
    """A server that says goodbye, nothing or nonsense at first is tried again later."""
    with ScriptedImap(greeting=greeting) as server:
        await refused(server)
        assert not server.said("AUTHENTICATE|LOGIN")


async def test_nobody_listens() -> None:
    """No server at the port is a TemporaryError that names host and port."""
    with ScriptedImap() as server:
        mailbox = mailbox_at(server)
    with pytest.raises(TemporaryError, match=r"127\.0\.0\.1:\d+"):
        await mailbox.open()
    await mailbox.close()


async def test_a_silent_server_is_given_up() -> None:
    """A server that accepts and says nothing costs the time-out, not for ever."""
    with ScriptedImap(greeting="") as server:
        begun = time.monotonic()
        error = await refused(server, timeout=0.3)
        assert time.monotonic() - begun < 5
        assert "no answer in time" in str(error)


async def test_preauth_is_refused() -> None:
    """A server that claims we are logged in already is somebody in the middle; nothing is sent."""
    for security in ("none", "starttls"):
        with ScriptedImap(greeting="* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n") as server:
            assert "PREAUTH" in str(await refused(server, security=security))
            assert not server.said("AUTHENTICATE|LOGIN |SELECT")


async def test_no_password_without_starttls() -> None:
    """Where STARTTLS was asked for and is not offered, or is refused, no credentials leave."""
    offering = BASICS["CAPABILITY"].replace("IDLE", "STARTTLS")
    scripts: list[dict[str, Any]] = [
        {},
        {"CAPABILITY": offering, "STARTTLS": "{tag} NO not now\r\n"},
        {"CAPABILITY": offering, "STARTTLS": "{tag} OK go\r\nx1 OK injected\r\n" + CLOSE.decode()},
    ]
    for script in scripts:
        with ScriptedImap(script) as server:
            await refused(server, security="starttls")
            assert not server.said("AUTHENTICATE|LOGIN ")


@pytest.mark.parametrize(
    "words", ["[AUTHENTICATIONFAILED] invalid credentials or IMAP is disabled", "LOGIN failed", "[AUTHORIZATIONFAILED]"]
)
async def test_a_refused_login_is_configuration(words: str) -> None:
    """A definite no to the password is told to the owner with the server's words, never with the password."""
    with ScriptedImap({"SASL": f"{{tag}} NO {words}\r\n"}) as server:
        mailbox = mailbox_at(server)
        with pytest.raises(ConfigurationError) as caught:
            await mailbox.open()
        assert words in str(caught.value)
        assert PASSWORD not in str(caught.value)
        await mailbox.close()


@pytest.mark.parametrize(
    ("answer", "retry_after"),
    [
        ("{tag} NO [UNAVAILABLE] backend error\r\n", None),
        ("{tag} NO [LIMIT] too many connections\r\n", None),
        ("{tag} NO [ALERT] Too many simultaneous connections\r\n", None),
        ("{tag} NO Request is throttled. Suggested Backoff Time: 178755 milliseconds\r\n", 178.755),
        ("{tag} BAD Request is throttled. Suggested Backoff Time: 2000 milliseconds\r\n", 2.0),
        ("* BYE restarting\r\n" + CLOSE.decode(), None),
        (CLOSE.decode(), None),
    ],
)
async def test_a_login_that_only_failed_now_is_temporary(answer: str, retry_after: float | None) -> None:
    """A busy server or a connection lost while logging in is no wrong password; a wait asked for is passed on."""
    with ScriptedImap({"SASL": answer}) as server:
        assert (await refused(server)).retry_after == retry_after


async def test_login_without_sasl() -> None:
    """A server without AUTH=PLAIN gets LOGIN, with the user name and the password quoted."""
    capability = BASICS["CAPABILITY"].replace(" AUTH=PLAIN", "")
    with ScriptedImap({"CAPABILITY": capability}, greeting="* OK hello\r\n") as server:
        mailbox = mailbox_at(server, username='an"na s', password=lambda: 'se"cret \\')
        await mailbox.open()
        assert server.said("LOGIN ")[0].endswith(r'LOGIN "an\"na s" "se\"cret \\"')
        await mailbox.close()


@pytest.mark.parametrize("password", ["secret\r\nx1 DELETE INBOX", "sec\x00ret"])
async def test_a_password_with_control_characters_is_not_sent(password: str) -> None:
    """It is a mistake in the owner's file, told without the password itself."""
    with ScriptedImap() as server:
        mailbox = mailbox_at(server, password=lambda: password)
        with pytest.raises(ConfigurationError) as caught:
            await mailbox.open()
        assert "sec" not in str(caught.value)
        assert not server.said("AUTHENTICATE|LOGIN ")
        await mailbox.close()


async def test_authenticated_but_not_connected_is_temporary() -> None:
    """Microsoft's BAD at SELECT is tried again later."""
    with ScriptedImap({"SELECT": "{tag} BAD User is authenticated but not connected.\r\n"}) as server:
        assert "not connected" in str(await refused(server))


async def test_an_inbox_that_does_not_exist_is_configuration() -> None:
    """A watched folder that the server does not know is a mistake in the owner's file."""
    with ScriptedImap({"SELECT": "{tag} NO no such mailbox\r\n"}) as server:
        mailbox = mailbox_at(server, inbox="Clients")
        with pytest.raises(ConfigurationError, match="Clients"):
            await mailbox.open()
        await mailbox.close()
