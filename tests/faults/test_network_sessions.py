"""The real daemon on a real Dovecot: odd answers, IDLE's traps, sessions that end, limits, names, certificates.

Whatever one session meets, the daemon recovers without a restart, every mail lies in one place, each client has one
reply; and what only the owner can mend is told to the owner, once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import ssl
import subprocess
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.night import BRIEF, CLIENTS, LATECOMER, STRANGER, night, until
from tests.servers.dovecot import PASSWORD, Dovecot
from tests.servers.fault_proxy import GREETING, Fault, Rule, answer, black_hole, cut_before, delay, goodbye, trickle
from tests.servers.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.night import Night

pytestmark = [pytest.mark.server, pytest.mark.matrix]

HEADERS = r"\S+ UID FETCH .*SUBJECT"
BODIES = r"\S+ UID FETCH .*BODY\.PEEK\[TEXT\]"


async def _recovers(it: Night) -> None:
    """Let the latecomer write; assert that all is well in the end."""
    await it.rest()
    it.arrive(LATECOMER)
    summary = await it.rest()
    assert (summary.in_doubt, summary.refused, summary.unfiled) == (0, 0, 0), summary
    await it.stop()
    it.check_filed()
    it.check_told_once()


def _alerting(folder: Path) -> tuple[dict[str, Any], Callable[[], list[str]]]:
    """Return changes that write alerts into a file, and what reads it."""
    told = folder / "alerts"
    told.touch()
    command = ["sh", "-c", f"cat >> '{told}'; echo >> '{told}'"]
    return {"alerts": {"command": command}}, lambda: [line for line in told.read_text().splitlines() if line]


# ------------------------------------------------------------------------------------- odd answers

ANSWERS: dict[str, tuple[str, Fault]] = {
    "Gmail: too many sessions": (
        r"\S+ AUTHENTICATE",
        answer("{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n"),
    ),
    "Gmail: bandwidth": (
        r"\S+ AUTHENTICATE",
        answer("{tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n"),
    ),
    "Yandex: backend at the login": (r"\S+ AUTHENTICATE", answer("{tag} NO [UNAVAILABLE] Backend error\r\n")),
    "Microsoft: not connected": (r"\S+ SELECT", answer("{tag} BAD User is authenticated but not connected.\r\n")),
    "Yandex: backend at the search": (r"\S+ UID SEARCH", answer("{tag} NO [UNAVAILABLE] SEARCH Backend error\r\n")),
    "SELECT refused": (r"\S+ SELECT", answer("{tag} NO [INUSE] mailbox is locked\r\n")),
    "SEARCH of 1.2 MB": (r"\S+ UID SEARCH", answer(b"* SEARCH" + b" 1234567" * 150_000 + b"\r\n{tag} OK done\r\n")),
    "endless line": (HEADERS, answer(b"* 1 FETCH (" + b"x" * 1_200_000)),
    "literal of 900 MB": (HEADERS, answer("* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)]<0> {900000000}\r\nFrom: x")),
    "literal larger than sent": (HEADERS, answer("* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)]<0> {900}\r\nFrom: x")),
    "headers OK and empty": (HEADERS, answer("{tag} OK done\r\n")),
    "NIL body": (BODIES, answer("* 1 FETCH (UID 1 BODY[TEXT]<0> NIL)\r\n{tag} OK done\r\n")),
    "nonsense": (HEADERS, answer("what?\r\n")),
    "another's tag": (HEADERS, answer("zz9 OK done\r\n")),
    "BYE in FETCH": (HEADERS, goodbye("* 1 FETCH (UID 1 FLAGS ()\r\n* BYE Session expired\r\n")),
    "headers octet by octet": (HEADERS, trickle(0.05)),
    "greeting octet by octet": (GREETING, trickle(0.3)),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_one_odd_answer_costs_a_moment(dovecot_rich: Dovecot, user: str, tmp_path: Path, name: str) -> None:
    """Nothing of it is believed, nobody is alarmed, and the next session does what was to be done."""
    changes, alerts = _alerting(tmp_path)
    async with night(dovecot_rich, user, tmp_path / "it", changes=changes) as it:
        await it.baseline()
        it.arrive(*CLIENTS, STRANGER)
        rule = Rule(*ANSWERS[name])
        it.imap.arm(rule)
        it.start()
        await asyncio.wait_for(rule.hit.wait(), 30)
        await _recovers(it)
        assert not alerts()
        assert it.imap.connections <= 4


async def test_a_throttling_server_is_obeyed(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """The wait that the server asks for passes before the next connection."""
    async with night(dovecot_rich, user, tmp_path) as it:
        it.scene.changes["mailboxes"]["main"]["poll"] = "60 s"
        await it.baseline()
        words = "{tag} BAD Request is throttled. Suggested Backoff Time: 900 milliseconds\r\n"
        it.imap.arm(Rule(r"\S+ UID SEARCH", answer(words)))
        it.arrive(*CLIENTS)
        it.start()
        await _recovers(it)
        _, first, second = it.imap.connected_at
        assert second - first >= 0.9


async def test_an_answer_without_end_ends_the_session(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that says "still here" for ever, line by line, is left; memory and time are not."""
    monkeypatch.setattr("responder.adapters.imap_session.MOST_LINES", 10_000)
    async with night(dovecot_rich, user, tmp_path) as it:
        await it.baseline()
        rule = Rule(HEADERS, answer(b"* OK Still here\r\n" * 20_000))
        it.imap.arm(rule)
        it.arrive(*CLIENTS)
        it.start()
        await _recovers(it)
        assert rule.struck == 1


# ------------------------------------------------------------------- answers that are odd for ever


def _bare(line: bytes) -> bytes:
    """Take the words off every tagged OK."""
    return re.sub(rb"^([A-Z]{4}\d+ OK) .*\r\n$", rb"\1\r\n", line)


def _dated(date: bytes) -> Callable[[bytes], bytes]:
    """Put that for every INTERNALDATE."""
    return lambda line: re.sub(rb' INTERNALDATE "[^"]*"', date, line)


EDITS = {
    "every OK without words": _bare,
    "INTERNALDATE missing": _dated(b""),
    "INTERNALDATE NIL": _dated(b" INTERNALDATE NIL"),
    "INTERNALDATE nonsense": _dated(b' INTERNALDATE "yesterday"'),
    "INTERNALDATE without a day": _dated(b' INTERNALDATE "00-Jan-0000 00:00:00 +0000"'),
}


@pytest.mark.parametrize("name", EDITS)
async def test_a_server_that_is_odd_for_ever_is_served(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, name: str
) -> None:
    """Mail is answered once and filed, in one session; without a believable arrival it came when it was first seen."""
    async with night(dovecot_rich, user, tmp_path, edit=EDITS[name]) as it:
        await it.baseline()
        it.arrive(*CLIENTS, STRANGER)
        it.start()
        await _recovers(it)
        assert it.imap.connections == 2, "one for the first start, one for all the rest"


@pytest.mark.parametrize("year", [1970, 2099])
async def test_an_internaldate_that_cannot_be(dovecot_rich: Dovecot, user: str, tmp_path: Path, year: int) -> None:
    """Mail of before the first mail came when it was seen; mail of a time to come stays in INBOX, in silence."""
    date = f' INTERNALDATE "13-Nov-{year} 20:00:00 +0000"'.encode()
    async with night(dovecot_rich, user, tmp_path, edit=_dated(date)) as it:
        await it.baseline()
        it.arrive(*CLIENTS, STRANGER)
        it.start()
        await it.rest()
        await it.stop()
        if year == 1970:
            it.check_filed()
        else:
            assert it.places() == {subject: ["INBOX"] for subject in it.expected}
        assert it.told() == (Counter(CLIENTS) if year == 1970 else Counter())


# ------------------------------------------------------------------------------------------- IDLE


async def test_news_in_one_segment_with_the_go_ahead(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """EXISTS that comes in one piece with "+ idling" is heard at once, long before the round of IDLE is over."""
    held = b""
    stopped: list[bytes] = []

    def edit(line: bytes) -> bytes:
        nonlocal held
        if line.startswith(b"+ idling") and stopped:
            held = line
            return b""
        if held and b"EXISTS" in line:
            line, held = held + line, b""
        return line

    changes = {"mailboxes": {"main": {"poll": "30 days"}}}
    async with night(dovecot_rich, user, tmp_path, edit=edit, changes=changes) as it:
        await it.baseline()
        it.start()
        await it.round()
        stopped.append(b"from the next IDLE on")
        assert it.daemon is not None
        it.daemon.wake()
        await until(lambda: bool(held), "IDLE without its go-ahead")
        it.arrive(CLIENTS[0])
        await it.rest()
        stopped.clear()
        await _recovers(it)


async def test_mail_between_the_scan_and_idle(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A message that lands after the search and before the server sees IDLE is not slept through."""
    changes = {"mailboxes": {"main": {"poll": "30 days"}}}
    async with night(dovecot_rich, user, tmp_path, changes=changes) as it:
        await it.baseline()
        rule = Rule(r"\S+ IDLE", delay(0.7))
        it.imap.arm(rule)
        it.start()
        await asyncio.wait_for(rule.hit.wait(), 30)
        it.arrive(CLIENTS[0])
        await _recovers(it)


async def test_a_silent_idle_is_polled(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A server that offers IDLE and tells nothing in it (Courier, mail.ru) costs a poll interval, no mail."""
    idling = False

    def edit(line: bytes) -> bytes:
        nonlocal idling
        if line.startswith(b"+ idling"):
            idling = True
        elif idling and line.startswith(b"* "):
            return b""
        elif idling:
            idling = False
        return line

    async with night(dovecot_rich, user, tmp_path, edit=edit) as it:
        await it.baseline()
        it.start()
        await it.round(2)
        it.arrive(*CLIENTS)
        await _recovers(it)


async def test_idle_on_a_link_that_died_silently(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A half-open connection in IDLE is noticed within one round and one time-out."""
    async with night(dovecot_rich, user, tmp_path) as it:
        await it.baseline()
        rule = Rule("DONE", black_hole())
        it.imap.arm(rule)
        it.start()
        await asyncio.wait_for(rule.hit.wait(), 30)
        began = time.monotonic()
        it.arrive(*CLIENTS)
        await it.rest()
        assert time.monotonic() - began < 10 * it.patience.answer
        await _recovers(it)


# ------------------------------------------------------------------------------------ sessions end


@pytest.mark.parametrize("line", [r"\S+ IDLE", HEADERS, BODIES, r"\S+ UID MOVE"])
async def test_an_administrator_kicks_the_session(dovecot_rich: Dovecot, user: str, tmp_path: Path, line: str) -> None:
    """``doveadm kick`` while the daemon waits, or while a command is on its way: it logs in again and goes on."""
    async with night(dovecot_rich, user, tmp_path) as it:
        await it.baseline()
        rule = Rule(line, delay(0.5))
        it.imap.arm(rule)
        it.arrive(*CLIENTS, STRANGER)
        it.start()
        await asyncio.wait_for(rule.hit.wait(), 30)
        dovecot_rich.kick(user)
        await _recovers(it)
        assert it.imap.connections == 3, "one for the first start, one that was ended, one for the rest"


async def test_sessions_that_expire_alarm_nobody(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A provider that ends sessions by the clock is logged in to again: no alert, and no trouble is left in status."""
    changes, alerts = _alerting(tmp_path)
    async with night(dovecot_rich, user, tmp_path / "it", changes=changes) as it:
        await it.baseline()
        it.start()
        for number in range(5):
            await it.round(2)
            it.imap.arm(Rule("DONE", goodbye("* BYE Session expired, please login again.\r\n")))
            wanted = it.imap.connections + 1
            await until(lambda wanted=wanted: it.imap.connections >= wanted, "a new session")
            it.arrive(f"person{number}@vostok.example")
            await it.rest()
        assert (await it.notes())["mailbox.main.trouble"] == ""
        await _recovers(it)
        assert not alerts()
        assert it.imap.connections == 7


async def test_an_outage_is_told_once_and_ends_by_itself(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Out of reach for long, the owner is told once, with the reason; when the server is back all is done, once."""
    changes, alerts = _alerting(tmp_path)
    patience = replace(BRIEF, unreached=1.0)
    async with night(dovecot_rich, user, tmp_path / "it", changes=changes, patience=patience) as it:
        await it.baseline()
        down = Rule(GREETING, cut_before(), times=None)
        it.imap.arm(down)
        it.arrive(*CLIENTS)
        it.start()
        await until(lambda: bool(alerts()), "an alert")
        struck = down.struck
        await until(lambda: down.struck > struck + 2, "more tries")
        assert "closed the connection" in (await it.notes())["mailbox.main.trouble"]
        it.imap.rules.clear()
        await _recovers(it)
        (alert,) = alerts()
        assert "out of reach" in alert
        assert "closed the connection" in alert


async def test_a_refused_login_is_told_once_and_tried_rarely(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A wrong password is an alert, not a session lost; it is tried at its own pace; a right one needs no restart."""
    changes, alerts = _alerting(tmp_path)
    async with night(dovecot_rich, user, tmp_path / "it", changes=changes) as it:
        await it.baseline()
        no = Rule(r"\S+ AUTHENTICATE", answer("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"), times=None)
        it.imap.arm(no)
        it.arrive(*CLIENTS)
        it.start()
        await until(lambda: no.struck >= 3, "three tries")
        times = it.imap.connected_at[1:]
        assert all(later - earlier >= it.patience.refused for earlier, later in itertools.pairwise(times))
        it.imap.rules.clear()
        await _recovers(it)
        (alert,) = alerts()
        assert "refused the login" in alert
        assert PASSWORD not in alert


async def test_a_real_limit_on_connections(user: str, tmp_path: Path) -> None:
    """Where the owner's program holds the only session that is allowed, the daemon waits for its turn, unalarmed."""
    changes, alerts = _alerting(tmp_path)
    with Dovecot("rich", settings="protocol imap {\n  mail_max_userip_connections = 1\n}") as dovecot:
        async with night(dovecot, user, tmp_path / "it", changes=changes) as it:
            await it.baseline()
            it.arrive(*CLIENTS)
            with dovecot.client(user):
                it.start()
                before = it.imap.connections
                await until(lambda: it.imap.connections >= before + 3, "three tries")
                assert "Maximum number of connections" in (await it.notes())["mailbox.main.trouble"]
            # The owner's program has gone; a test looks at the mailbox only when the daemon has gone too.
            await it.rest()
            await it.stop()
            it.check_filed()
            it.check_told_once()
            assert not alerts()


# --------------------------------------------------------------------------------- names, encryption


async def test_a_name_that_does_not_resolve(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """It is said as what it is; when the file names the right host, the daemon goes on without a restart."""
    async with night(dovecot_rich, user, tmp_path) as it:
        await it.baseline()
        it.arrive(*CLIENTS)
        imap = it.scene.changes["mailboxes"]["main"]["imap"]
        imap |= {"host": "imap.invalid", "security": "tls"}
        it.scene.write()
        it.start()
        await _until_trouble(it, "no host of that name, or no network")
        imap |= {"host": "127.0.0.1", "security": "none"}
        it.scene.write()
        await _recovers(it)


async def _until_trouble(it: Night, words: str) -> str:
    ends = time.monotonic() + 30
    while words not in (trouble := (await it.notes()).get("mailbox.main.trouble", "")):
        assert time.monotonic() < ends, trouble
        await asyncio.sleep(0.05)
    return trouble


def _expired(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for localhost that ran out in 2021, signed by itself."""
    (folder / "index.txt").touch()
    key, request, cert = folder / "key.pem", folder / "request.pem", folder / "cert.pem"
    (folder / "ca.conf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost\n"
        "basicConstraints=CA:true\n"
    )
    new = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
    sign = "ca -batch -selfsign -startdate 20200101000000Z -enddate 20210101000000Z"
    for words in (
        [*new.split(), "-keyout", key, "-out", request],
        [*sign.split(), "-config", folder / "ca.conf", "-keyfile", key, "-in", request, "-out", cert],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expired", "certificate has expired"),
        ("another's name", "Hostname mismatch"),
        ("signed by nobody", "self-signed certificate"),
        ("none", ""),
    ],
)
async def test_certificates(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    """A wrong certificate: no octet of a command leaves, the reason is told, nothing is tried unencrypted."""
    folder = tmp_path / "keys"
    folder.mkdir()
    name = "other.example" if fault == "another's name" else "localhost"
    cert, context = _expired(folder) if fault == "expired" else certificate(folder, name)
    if fault != "signed by nobody":
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    changes, alerts = _alerting(tmp_path)
    mailbox = {"imap": {"host": "localhost", "security": "tls"}}
    patience = replace(BRIEF, unreached=0.5)
    async with night(
        dovecot_rich,
        user,
        tmp_path / "it",
        tls=context,
        patience=patience,
        changes=changes | {"mailboxes": {"main": mailbox}},
    ) as it:
        it.start()
        if words:
            assert "nothing was sent" in await _until_trouble(it, words)
            await until(lambda: bool(alerts()), "an alert")
            assert words in alerts()[0]
            assert it.imap.lines == []
        else:
            await it.round()
            it.arrive(*CLIENTS)
            await _recovers(it)
            assert it.imap.said(r"\S+ AUTHENTICATE")


def _preauth(line: bytes) -> bytes:
    return line.replace(b"* OK [", b"* PREAUTH [") if b"ready" in line else line


def _stripped(line: bytes) -> bytes:
    return line.replace(b" STARTTLS", b"")


def _injected(line: bytes) -> bytes:
    return line + b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" if b"Begin TLS" in line else line


@pytest.mark.parametrize(
    ("edit", "words"), [(_preauth, "PREAUTH"), (_stripped, "offers no STARTTLS"), (_injected, "logging in")]
)
async def test_a_man_in_the_middle_gets_no_password(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, edit: Callable[[bytes], bytes], words: str
) -> None:
    """Logged in already, STARTTLS taken out, or an answer slipped in before the handshake: refused, and told."""
    mailbox = {"imap": {"host": "localhost", "security": "starttls"}}
    async with night(dovecot_rich, user, tmp_path, edit=edit, changes={"mailboxes": {"main": mailbox}}) as it:
        it.arrive(*CLIENTS)
        it.start()
        await _until_trouble(it, words)
        await until(lambda: it.imap.connections >= 3, "more tries")
        await it.stop()
        assert not it.imap.said(r".*(AUTHENTICATE|LOGIN|SELECT)")
        assert PASSWORD not in json.dumps([line.decode("latin-1") for line in it.imap.lines])
        assert it.told() == Counter()
