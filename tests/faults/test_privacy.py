"""Privacy: nobody learns of another. Every client's secrets are marked, and looked for wherever words go out."""

from __future__ import annotations

import email
import email.policy
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.compose import reply_message, reply_text
from responder.core.decide import decide
from responder.core.facts import Identity, observe
from responder.core.hours import calendar
from responder.core.model import (
    Agreement,
    Alert,
    Case,
    Dmarc,
    History,
    MailboxRules,
    Message,
    MessageKey,
    ReplyKind,
)
from responder.core.plan import breaker_alert, make_plan, owing_alert
from tests.core.build import at, channel, client, policy, replies, schedule, window
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene, letter
from tests.e2e.test_commands import responder
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from pathlib import Path

    from responder.core.model import Client, Policy
    from tests.servers.dovecot import Dovecot

KEYS = ("alpha", "bravo", "charly")
ZONES = {"alpha": "Asia/Vladivostok", "bravo": "America/New_York", "charly": "Europe/Moscow"}
FRIDAY = at("2026-11-13 20:00")
IDENTITY = Identity("main", b"a secret of this installation")


def secrets(key: str) -> list[str]:
    """Return the marks that only this client may see."""
    return [f"{what}-of-{key}" for what in ("name", "person", "agreement", "phone", "channel", "why", "urgent")]


def _client(key: str) -> Client:
    """Return a client all of whose words are marked, with hours, windows and channels of its own."""
    number = KEYS.index(key)
    name, person, agreement, phone, named, why, urgent_word = secrets(key)
    own = f"2{number}:1{number}-22:3{number}"
    return client(
        key,
        zone=ZONES[key],
        name=name,
        people={f"boss@{key}.example": person},
        addresses=frozenset({f"boss@{key}.example"}),
        language="en",
        agreement=Agreement(name=agreement, version="1", from_on=date(2026, 9, 1)),
        phone=phone,
        urgent_word=urgent_word,
        daytime=schedule({"mon-sun": ["00:00-24:00"]} if number else {"mon-sun": ["09:00-21:00"]}),
        hours=schedule({"mon-fri": [f"1{number}:07-1{number + 4}:09"]}),
        windows=(window(f"window{key}", {"mon-fri": [own]}, (f"way{key}",)),),
        channels=(channel(f"way{key}", {"mon-fri": [own]}, names={"en": named}, why={"en": why}),),
    )


CLIENTS = tuple(map(_client, KEYS))
RULES: Policy = policy(
    clients=CLIENTS,
    mailboxes=(MailboxRules(name="main", addresses=("anna@example.com",), trusted_authserv_id="mx.example.com"),),
    replies=replies(strangers="short"),
)

senders = st.one_of(
    st.sampled_from([f"{who}@{key}.example" for key in KEYS for who in ("boss", "boss+x", "clerk")]),
    st.just("somebody@nowhere.example"),
)
subjects = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60),
    st.sampled_from([f"urgent-of-{key}" for key in KEYS]),
    st.sampled_from(["review", "{{ clients }}", "{{ policy.clients }} {% for c in clients %}{{ c }}{% endfor %}"]),
)


def _judged(sender: str, path: str, subject: str, minutes: int, *, full: bool) -> tuple[Case, Any]:
    proof = f"Authentication-Results: mx.example.com; dmarc=pass header.from={sender.rpartition('@')[2]}\r\n"
    header = (
        f"{proof}Return-Path: <{path}>\r\nFrom: <{sender}>\r\nTo: anna@example.com\r\nMessage-ID: <1@x.example>\r\n"
        f"Subject: {subject}\r\n\r\n"
    )
    message = Message(
        key=MessageKey(mailbox="main", uidvalidity=1, uid=1),
        header=header.encode(),
        header_cut=False,
        internal_at=FRIDAY,
        size=1,
        flags=frozenset(),
    )
    facts = observe(message, RULES, IDENTITY)
    arrived_at = at("2026-11-13 23:00") + timedelta(minutes=minutes)
    history = History(full_at=None if full else arrived_at - timedelta(days=1))
    case = Case(message=message.key, facts=facts, history=history, arrived_at=arrived_at, now_at=arrived_at)
    return case, decide(case, RULES)


@given(senders, st.booleans(), subjects, st.integers(0, 3 * 1440), st.booleans())
def test_a_reply_tells_of_nobody_else(sender: str, elsewhere: bool, subject: str, minutes: int, full: bool) -> None:  # noqa: FBT001 - drawn
    """In no word and no octet of a reply stands another client's; a stranger's and a colleague's hold none at all."""
    domain = sender.rpartition("@")[2]
    path = f"robot7@{domain}" if elsewhere and "nowhere" not in domain else sender
    case, verdict = _judged(sender, path, subject, minutes, full=full)
    if verdict.reply is ReplyKind.NONE:
        return
    text = reply_text(RULES, case.facts, verdict, calendar(RULES, case.facts.client), case.now_at)
    raw = reply_message(RULES, "main", case.facts, text, "<1@example.com>", case.now_at)
    whole = email.message_from_bytes(raw, policy=email.policy.default)
    said = "\n".join(
        [text.subject, text.body, raw.decode("ascii"), str(whole["Subject"]), str(whole.get_content())]  # type: ignore[attr-defined]
    )
    said = said.replace(subject.strip(), "") if subject.strip() else said
    own = case.facts.client
    for key in KEYS:
        if key != own:
            assert not [mark for mark in secrets(key) if mark in said]
            assert f"{key}.example" not in said
    if case.facts.by_domain:
        assert not {"agreement", "phone", "person", "urgent"} & {
            mark.partition("-")[0] for mark in secrets(own) if mark in said
        }
    if not own:
        assert case.facts.dmarc is Dmarc.PASS
        for number in range(len(KEYS)):
            for hour in ("10:00", "19:00", f"2{number}:1{number}", f"1{number}:07"):
                assert hour not in text.body
        assert "Светлова" not in text.body


@given(senders, st.integers(0, 1440), st.sampled_from(["x", *(f"urgent-of-{key}" for key in KEYS)]))
def test_a_plan_and_an_alert_tell_of_the_one_client(sender: str, minutes: int, subject: str) -> None:
    """Effects and alerts of one client's mail hold no word of another's, and an alert no subject."""
    case, verdict = _judged(sender, sender, subject, minutes, full=True)
    effects = make_plan(case, verdict, RULES, IDENTITY).effects
    assert not [one for one in effects if isinstance(one, Alert) and "urgent-of" in repr(one.text)]
    # The subject, which the sender wrote, stands in the reply's octets.
    said = repr(effects).replace(subject, "") + breaker_alert(case.now_at, RULES).text
    if case.facts.client:
        said += owing_alert(case.facts.client, case.now_at, RULES, filed=True).text
    for key in KEYS:
        if key != case.facts.client:
            assert not [mark for mark in secrets(key) if mark in said]


@pytest.mark.server
async def test_drafts_copies_logs_and_status(
    dovecot_rich: Dovecot, user: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a real server: replies, their copies, drafts, the log and status tell of nobody what is not theirs.

    The log and status, which are the owner's, name a client and shorten addresses; never a subject, a body, a phone.
    """
    clients: dict[str, Any] = {"vostok": None, "harbor": None, "linden": None}
    for key in KEYS:
        name, person, agreement, phone, _, _, word = secrets(key)
        clients[key] = {
            "name": name,
            "addresses": [f"boss@{key}.example", f"@{key}.example"],
            "people": {f"boss@{key}.example": person},
            "timezone": ZONES[key],
            "language": "en",
            "agreement": {"name": agreement},
            "phone": phone,
            "urgent_word": word,
        }
    with ThreadedSmtpSink() as sink:
        clock = FixedClock(at("2026-11-13 17:00"))
        scene = Scene(
            folder=tmp_path, server=dovecot_rich, sink=sink, user=user, clock=clock, changes={"clients": clients}
        )
        for mode, evening in (("send", FRIDAY), ("draft", at("2026-11-16 20:00"))):
            scene.changes["replies"] = {"mode": mode}
            scene.write()
            await scene.run()
            for key in KEYS:
                for who in ("boss", "clerk"):
                    raw = letter(f"{who}@{key}.example", f"subject-of-{key}", f"body-of-{key}")
                    scene.arrive(raw, evening)
            clock.at = evening + timedelta(minutes=4)
            await scene.run()
            clock.at = at("2026-11-16 18:00")
        sent = list(sink.mails)
        tree = scene.tree()
    assert len(sent) == 6
    assert len(tree["Sent"]) == 6
    drafts = tree.get("Drafts", [])
    for raw, recipient in [(mail.data, mail.recipient) for mail in sent] + [
        (bytes(mail), str(mail["To"])) for mail in (*tree["Sent"], *drafts)
    ]:
        own = next(key for key in KEYS if f"{key}.example" in recipient)
        whole = raw.decode("utf-8", "replace") + str(
            email.message_from_bytes(raw, policy=email.policy.default).get_content()  # type: ignore[attr-defined]
        )
        for key in KEYS:
            marks = [*secrets(key), f"subject-of-{key}", f"body-of-{key}", f"{key}.example"]
            if key != own:
                assert not [mark for mark in marks if mark in whole]
        assert f"body-of-{own}" not in whole
    place = ["--config", str(scene.config), "--state", str(scene.state)]
    log = "".join(capsys.readouterr())
    assert "reason=full" in log
    shown = log + responder("status", *place, home=tmp_path).stdout
    shown += responder("status", "--json", *place, home=tmp_path).stdout
    for key in KEYS:
        _, *private = secrets(key)  # the owner's own alerts name a client
        for mark in (*private, f"subject-of-{key}", f"body-of-{key}", f"boss@{key}", f"clerk@{key}"):
            assert mark not in shown
        assert key in shown
