"""A person is forgotten: no byte of theirs stays in the state directory, and still nobody is answered twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from responder.adapters.ledger import SqliteLedger
from responder.adapters.ledger_forget import concerns
from responder.core.model import Alert, CopySent, Outcome, Reason, Receipt, ReplyKind, SendDigest
from responder.core.subject import base_subject
from responder.errors import ConfigurationError, TemporaryError
from responder.ports import Forgotten, SeenReply
from tests.adapters.ledger_build import (
    DAY,
    HOUR,
    IVAN,
    NOW,
    OPENS,
    close,
    decision,
    enter,
    entry,
    move,
    question,
    reply,
    wrote,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from responder.ports import StoredEffect

OLGA = "olga@sever.example"
#: None of these may be anywhere in the state directory afterwards.
WORDS = (b"ivan", b"vostok", b"Secret subject", b"secret words", b"<a@mail.example>")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Return an empty ledger on the disk."""
    made = SqliteLedger.open(tmp_path / "state" / "ledger.sqlite3")
    yield made
    await made.close()


def traces(folder: Path, words: tuple[bytes, ...] = WORDS) -> list[tuple[str, bytes]]:
    """Return which words stand in which file, whatever their case."""
    return [
        (path.name, word)
        for path in sorted(folder.iterdir())
        for word in words
        if word.lower() in path.read_bytes().lower()
    ]


async def forget(ledger: SqliteLedger, whom: str, *, insist: bool = False, alone: bool = False) -> Forgotten:
    """Forget as the command does."""
    held = await ledger.forget(whom, NOW + HOUR, names=["Восток"], insist=insist, alone=alone)
    await ledger.compact()
    return held


async def answered(ledger: SqliteLedger, name: str = "a", address: str = IVAN) -> StoredEffect:
    """Enter a message that was answered, filed and promised an answer, with its subject and its words."""
    one = entry(name, address=address, client=address.partition("@")[2].partition(".")[0])
    words = b"To: " + address.encode() + b"\r\n\r\nsecret words"
    send, file = await enter(
        ledger,
        decision(one, reply(one, message=words), move(one), promises=True, subject="Secret subject"),
    )
    copy = CopySent(fingerprint=name, mailbox="main", message_id=f"<r.{name}@example.com>", message=words)
    (stored,) = await ledger.advance(
        receipts=[Receipt(effect_id=send.id, outcome=Outcome.DONE, at=NOW, detail=f"250 ok <{address}>")], follow=[copy]
    )
    await close(ledger, file, stored)
    return send


async def everything(ledger: SqliteLedger) -> None:
    """Enter about Ivan whatever a ledger can hold of somebody, and some of Olga beside it."""
    await answered(ledger)
    await answered(ledger, "b", OLGA)
    waits = entry("w", address=IVAN)
    await ledger.record(state=None, waiting=[waits], decisions=(), now_at=NOW)
    await ledger.owner_wrote(
        [
            wrote(NOW + HOUR, "Ivan+work@vostok.example", refers_to=("<a@mail.example>",)),
            replace(
                wrote(NOW + 2 * HOUR, IVAN, OLGA, refers_to=("<a@mail.example>", "<z@mail.example>")),
                answers_subject=base_subject("Secret subject"),
                clients=("vostok", "sever"),
            ),
        ],
        replies=[
            SeenReply(key="<other@x.example>", address=IVAN, answers="<q@vostok.example>", at=NOW),
            SeenReply(key="<more@x.example>", address=OLGA, answers="<p@sever.example>", at=NOW),
        ],
    )
    robot = entry("r", address="mailer-daemon@x.example", client="")
    alert = Alert(unique="owing:vostok:1", text="ООО «Восток» (ivan@vostok.example) writes while a promise is late")
    digest = SendDigest(
        unique="digest:2026-11-27",
        mailbox="main",
        sender="anna@example.com",
        recipient="",
        message_id="<d@example.com>",
        message=b"ivan@vostok.example: Secret subject",
        not_after=OPENS,
    )
    stored = await enter(
        ledger,
        decision(robot, alert, digest, reason=Reason.BOUNCE_OF_REPLY, bounced_ids=("<r.a@example.com>",)),
    )
    await close(ledger, *stored)
    await ledger.note("mailbox.main.trouble", "550 no such user <IVAN@vostok.example>")


async def test_nothing_of_a_person_stays_in_any_file(ledger: SqliteLedger, tmp_path: Path) -> None:
    """Address, client, subject, words and thread are in no file any more; others' are all there."""
    await everything(ledger)
    state = tmp_path / "state"
    assert {word for _, word in traces(state)} == set(WORDS)
    held = await ledger.held(IVAN)
    assert held == Forgotten(
        messages=2, waiting=1, replies=1, promises=1, open_promises=0, owner_messages=2, signs=1, suspensions=1
    )
    assert await forget(ledger, "Ivan+home@Vostok.example".lower()) == held
    ours = (*WORDS[:2], WORDS[4])
    assert traces(state, ours) == []
    assert await ledger.held(IVAN) == Forgotten()
    (row,) = await ledger.decided(address=OLGA)
    assert (row.entry.client, "secret words" in row.text) == ("sever", True)
    assert (await ledger.held(OLGA)).owner_messages == 1
    left = "SELECT subject, clients FROM owner_messages"
    assert await ledger._call(lambda connection: connection.execute(left).fetchall()) == [("", '["sever"]')]
    assert await forget(ledger, OLGA) != Forgotten()
    assert traces(state) == []
    assert not (state / "ledger.sqlite3-wal").read_bytes()


async def test_a_forgotten_message_is_still_known(ledger: SqliteLedger) -> None:
    """What comes back to INBOX was decided, and a message that waited is decided now; neither is entered again."""
    await everything(ledger)
    await forget(ledger, IVAN)
    known = await ledger.known(["a", "w"])
    assert {name: (one.reason, one.address, one.client, one.message_id) for name, one in known.items()} == {
        "a": ("full", "", "", ""),
        "w": ("seen-before", "", "", ""),
    }
    a, w = entry("a"), entry("w")
    assert [history.decided for history in await ledger.histories([question(a), question(w)], NOW)] == [True, True]
    assert await enter(ledger, decision(a, reply(a, ends_at=OPENS + DAY)), decision(w, reply(w))) == []
    assert await ledger.waiting("main") == []


async def test_a_forgotten_person_is_still_not_told_twice_in_one_closed_period(ledger: SqliteLedger) -> None:
    """The next mail of the same period finds what was told, by a word that only that address gives."""
    await answered(ledger)
    await ledger.owner_wrote(
        (), replies=[SeenReply(key="<k@x.example>", address=IVAN, answers="<q@v.example>", at=NOW)]
    )
    await forget(ledger, IVAN)
    next_one, other = entry("n"), entry("o", address=OLGA)
    theirs, others = await ledger.histories([question(next_one), question(other)], NOW + HOUR)
    assert (theirs.told_until, theirs.replied_at, theirs.full_at) == (frozenset({OPENS}), frozenset({NOW}), NOW)
    assert (theirs.address_day, theirs.last_day) == (2, 2)
    assert (others.told_until, others.replied_at, others.address_day) == (frozenset(), frozenset(), 0)
    by_thread = replace(entry("t", address="colleague@else.example"), message_id="<q@v.example>")
    (history,) = await ledger.histories([question(by_thread)], NOW + HOUR)
    assert history.replied_at == frozenset({NOW})
    stored = await enter(ledger, decision(next_one, reply(next_one, kind=ReplyKind.SHORT)))
    assert stored == []
    (row,) = await ledger.decided(address=IVAN)
    assert row.entry.reason == "told"


async def test_what_stands_for_a_person_goes_when_nothing_depends_on_it(ledger: SqliteLedger) -> None:
    """Sixty days after the closed period the last word about the reply is gone, and the salt with it."""
    await answered(ledger)
    await forget(ledger, IVAN)
    salts = "SELECT count(*) FROM forgetting"
    hidden = "SELECT count(*) FROM effects WHERE address GLOB 'forgotten:*'"

    async def ask(statement: str) -> int:
        count: int = await ledger._call(lambda connection: connection.execute(statement).fetchone()[0])
        return count

    await enter(ledger, now_at=OPENS + 59 * DAY)
    assert (await ask(salts), await ask(hidden)) == (1, 1)
    await enter(ledger, now_at=OPENS + 61 * DAY)
    assert (await ask(salts), await ask(hidden)) == (0, 0)
    assert (await ledger.known(["a"]))["a"].reason == "full"


async def test_nothing_is_kept_where_nothing_was_told(ledger: SqliteLedger) -> None:
    """Without a reply there is nothing to keep from coming twice, and no salt."""
    one = entry("a")
    await enter(ledger, decision(one, reason=Reason.TOLD))
    await forget(ledger, IVAN)
    assert await ledger._call(lambda connection: connection.execute("SELECT * FROM forgetting").fetchall()) == []


async def test_a_step_under_way_is_waited_for(ledger: SqliteLedger, tmp_path: Path) -> None:
    """While a reply is planned or begun nothing is forgotten; who insists drops what is planned, not what began."""
    one = entry("a")
    (send,) = await enter(ledger, decision(one, reply(one)))
    with pytest.raises(TemporaryError, match="try again in a minute"):
        await forget(ledger, IVAN)
    await ledger.advance(start=[send.id])
    with pytest.raises(TemporaryError):
        await forget(ledger, IVAN, insist=True)
    assert (await ledger.held(IVAN)).under_way == 1
    await close(ledger, send, outcome=Outcome.RETRY)
    await forget(ledger, IVAN, insist=True)
    assert await ledger.unfinished("main") == []
    assert traces(tmp_path / "state", (b"ivan",)) == []
    with pytest.raises(TemporaryError):  # the daemon that had it in mind does not send it
        await ledger.advance(start=[send.id])


async def test_without_a_service_what_was_begun_stays_in_doubt(ledger: SqliteLedger) -> None:
    """A reply that may have left before a crash counts as told, and is never sent again."""
    one = entry("a")
    (send,) = await enter(ledger, decision(one, reply(one)))
    await ledger.advance(start=[send.id])
    await forget(ledger, IVAN, insist=True, alone=True)
    assert await ledger.unfinished("main") == []
    (history,) = await ledger.histories([question(entry("n"))], NOW + HOUR)
    assert history.told_until == frozenset({OPENS})


async def test_an_alert_that_waits_goes_only_if_it_names_them(ledger: SqliteLedger) -> None:
    """Alerts about others are still given."""
    alerts = [Alert(unique="owing:vostok:1", text="Восток wartet"), Alert(unique="owing:sever:1", text="Север wartet")]
    await enter(ledger, decision(entry("a"), *alerts))
    await forget(ledger, IVAN)
    assert [one.effect for one in await ledger.unfinished("main")] == alerts[1:]


async def test_a_longer_address_is_somebody_elses(ledger: SqliteLedger) -> None:
    """To forget ann@x.example touches neither joann@x.example nor ann@x.example.org."""
    long, wide = (entry(name, address=each) for name, each in (("j", "joann@x.example"), ("w", "ann@x.example.org")))
    await enter(ledger, decision(long), decision(wide))
    await ledger.note("mailbox.main.trouble", "joann@x.example, ann@x.example, ann+tag@x.example, ann@x.example.org")
    await forget(ledger, "ann@x.example")
    assert {one.address for one in (await ledger.known(["j", "w"])).values()} == {
        "joann@x.example",
        "ann@x.example.org",
    }
    said = (await ledger.notes())["mailbox.main.trouble"]
    assert said == "joann@x.example, forgotten, forgotten, ann@x.example.org"


async def test_a_reply_that_went_to_another_address_is_found_by_it(ledger: SqliteLedger, tmp_path: Path) -> None:
    """The Return-Path need not be the sender's: whoever got the reply is forgotten with it."""
    one = entry("a", address=OLGA)
    (send,) = await enter(ledger, decision(one, replace(reply(one), recipient=IVAN)))
    await close(ledger, send)
    await forget(ledger, IVAN)
    assert traces(tmp_path / "state", (b"ivan",)) == []
    (history,) = await ledger.histories([question(entry("n", address=OLGA))], NOW + HOUR)
    assert history.told_until == frozenset({OPENS})


async def test_a_whole_domain_is_forgotten(ledger: SqliteLedger, tmp_path: Path) -> None:
    """All of its addresses go, and none of a sub-domain's."""
    for name, address in (("a", IVAN), ("b", "petr@vostok.example"), ("c", "petr@sub.vostok.example")):
        await enter(ledger, decision(entry(name, address=address, client="")))
    assert (await forget(ledger, "@vostok.example")).messages == 2
    assert traces(tmp_path / "state", (b"ivan@", b"petr@vostok.example")) == []
    assert (await ledger.held("petr@sub.vostok.example")).messages == 1


@pytest.mark.parametrize(
    ("whom", "address", "same"),
    [
        ("a.b@gmail.com", "ab@googlemail.com", True),
        ("ivan@ya.ru", "ivan+x@yandex.ru", True),
        ("@googlemail.com", "ab@gmail.com", True),
        ("@x.example", "a@sub.x.example", False),
        ("a@x.example", "b@x.example", False),
        ("a@x.example", "", False),
        ("a@x.example", "forgotten:0123", False),
    ],
)
def test_a_person_has_all_spellings_of_an_account(whom: str, address: str, same: bool) -> None:  # noqa: FBT001 - a table
    """Tags and a provider's spellings are one person; a domain's sub-domains are not of it."""
    assert concerns(whom, address) is same


async def test_it_is_done_while_a_service_writes(ledger: SqliteLedger, tmp_path: Path) -> None:
    """A second process forgets between two writes of the first, and both go on."""
    await everything(ledger)
    other = SqliteLedger.amend(tmp_path / "state" / "ledger.sqlite3")

    async def service() -> int:
        for number in range(200):
            one = entry(f"s{number}", address=f"s{number}@x.example", client="", uid=number)
            (send,) = await enter(ledger, decision(one, reply(one, message=b"\r\n\r\nwords")))
            await close(ledger, send)
        return 200

    async def command() -> None:
        await forget(other, IVAN)
        await other.close()

    written, _ = await asyncio.gather(service(), command())
    assert written == 200
    assert traces(tmp_path / "state", (b"ivan", b"vostok")) == []
    assert len(await ledger.decided(last=1000)) == 204


def test_there_must_be_a_ledger_of_this_version(tmp_path: Path) -> None:
    """A command never makes a ledger, and never changes its tables."""
    with pytest.raises(ConfigurationError, match="has the service run"):
        SqliteLedger.amend(tmp_path / "ledger.sqlite3")
    assert list(tmp_path.iterdir()) == []
