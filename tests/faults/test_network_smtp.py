"""The real daemon on a real Dovecot, with every step of SMTP broken in every way a network or a server breaks it.

Before the text left, a fault costs time: the reply leaves later, once. After it, the reply is held in doubt, never sent
again, and shown. A server's code is definite. Nothing leaves after the opening.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.core.build import at
from tests.e2e.scene import EXAMPLE
from tests.e2e.test_daemon import closed_now
from tests.faults.night import CLIENTS, LATECOMER, STRANGER, night, until
from tests.servers.fault_proxy import (
    GREETING,
    Fault,
    Rule,
    answer,
    black_hole,
    cut_after,
    cut_before,
    delay,
    goodbye,
    reset,
    reset_after,
    swallow,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.night import Night
    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

LATER, NEVER, DOUBT, DOUBT_BUT_TAKEN = "once, later", "refused", "in doubt", "in doubt, and the server took it"

STEPS = {
    "greeting": GREETING,
    "EHLO": "EHLO ",
    "AUTH": "AUTH ",
    "MAIL": "MAIL ",
    "RCPT": "RCPT ",
    "DATA": "DATA",
    "text": "X-Responder-Id: ",
    "dot": r"\.\r\n",
}
FAULTS: dict[str, Fault] = {
    "cut before": cut_before(),
    "cut after": cut_after(),
    "reset": reset(),
    "reset after": reset_after(),
    "half-open": black_hole(),
    "answer swallowed": swallow(),
    "delay": delay(1.0),
    "421": goodbye("421 4.3.2 going down\r\n"),
    "4xx": goodbye("451 4.3.0 later\r\n"),
    "5xx": goodbye("554 5.7.0 no\r\n"),
}
#: A line of the text has no answer of its own.
ANSWERED = {"cut after", "reset after", "answer swallowed"}


def _expected(step: str, fault: str) -> str:
    """Return what must become of the reply that met this fault."""
    if fault == "delay":
        return LATER
    if fault == "5xx" and step in {"MAIL", "RCPT", "DATA", "text", "dot"}:
        return NEVER  # before that it is about the moment or the login, not about this reply
    if fault in {"421", "4xx", "5xx"} or step not in {"text", "dot"}:
        return LATER
    return DOUBT_BUT_TAKEN if fault in ANSWERED else DOUBT


async def _check(it: Night, expected: str) -> None:
    """Read the servers and the ledger: what became of the one reply, and that all others left once."""
    summary = await it.rest()
    it.check_filed()
    clients = set(it.expected) - {STRANGER}
    told = it.told()
    assert set(told.values()) == {1}, told
    assert set(told) <= clients, told
    assert len(clients - set(told)) == (expected in {NEVER, DOUBT}), told
    assert summary.in_doubt == (expected in {DOUBT, DOUBT_BUT_TAKEN}), summary
    assert summary.refused == (expected == NEVER), summary
    known_to_have_left = Counter(told)
    if expected == DOUBT_BUT_TAKEN:
        known_to_have_left.subtract(set(told) - set(it.copies()))
    assert it.copies() == +known_to_have_left, it.copies()


async def _cell(dovecot: Dovecot, step: str, fault: str, user: str, folder: Path) -> None:
    """Run one night with one fault."""
    async with night(dovecot, user, folder) as it:
        await it.baseline()
        it.arrive(*CLIENTS, STRANGER)
        rule = Rule(STEPS[step], FAULTS[fault])
        it.smtp.arm(rule)
        it.start()
        await asyncio.wait_for(rule.hit.wait(), 30)
        await it.rest()
        it.arrive(LATECOMER)  # the account is good for the next one
        await _check(it, _expected(step, fault))
        await it.stop()
        assert rule.struck == 1
        # One connection, one for the second reply, one in place of the broken one, and one to spare.
        assert it.smtp.connections <= 4, it.smtp.connections


@pytest.mark.parametrize("step", STEPS)
async def test_each_step_broken_in_each_way(dovecot_rich: Dovecot, step: str, user: str, tmp_path: Path) -> None:
    """Before the text: sent once, later. After it: in doubt, never sent again. A server's code: definite."""
    faults = [fault for fault in FAULTS if step != "text" or fault not in ANSWERED]
    results = await asyncio.gather(
        *(_cell(dovecot_rich, step, fault, f"{user}{n}", tmp_path / str(n)) for n, fault in enumerate(faults)),
        return_exceptions=True,
    )
    wrong = {fault: result for fault, result in zip(faults, results, strict=True) if result is not None}
    assert not wrong, "\n".join(f"{fault}: {type(result).__name__}: {result}" for fault, result in wrong.items())


async def test_rset_broken_in_each_way(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """After a refusal the kept connection is reset; if that fails, the next reply leaves over another, once."""

    async def cell(fault: Fault, user: str, folder: Path) -> None:
        async with night(dovecot_rich, user, folder) as it:
            await it.baseline()
            rule = Rule("RSET", fault)
            it.smtp.arm(Rule("RCPT ", answer("550 5.1.1 no such user\r\n")), rule)
            it.start()
            it.arrive(CLIENTS[0])
            await it.rest()
            it.arrive(LATECOMER, CLIENTS[1])
            await _check(it, NEVER)
            await it.stop()
            assert rule.struck == 1

    await asyncio.gather(*(cell(fault, f"{user}{n}", tmp_path / str(n)) for n, fault in enumerate(FAULTS.values())))


async def test_quit_broken_in_each_way(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Whatever becomes of the goodbye: what was sent stays sent, and the daemon comes to its end."""

    async def cell(fault: Fault, user: str, folder: Path) -> None:
        async with night(dovecot_rich, user, folder) as it:
            await it.baseline()
            rule = Rule("QUIT", fault)
            it.smtp.arm(rule)
            it.start()
            it.arrive(CLIENTS[0])
            await it.rest()
            await it.stop()
            assert rule.struck == 1
            it.start()
            await it.round(2)
            it.check_told_once()
            assert (await it.summary()).in_doubt == 0

    await asyncio.gather(*(cell(fault, f"{user}{n}", tmp_path / str(n)) for n, fault in enumerate(FAULTS.values())))


async def test_a_slow_verdict_is_waited_for(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """A server that takes longer over a text than over any other answer has it, and nothing is in doubt."""
    async with night(dovecot_rich, user, tmp_path) as it:
        await it.baseline()
        rule = Rule(r"\.\r\n", delay(it.patience.answer + 1.0), times=None)
        it.smtp.arm(rule)
        it.arrive(*CLIENTS)
        it.start()
        await _check(it, LATER)
        assert rule.struck == 2
        assert it.smtp.connections == 2


async def test_who_swallows_texts_is_not_given_the_whole_queue(
    dovecot_rich: Dovecot, user: str, tmp_path: Path
) -> None:
    """After a group in doubt the others wait; then one at a time is tried; when the server is well all leave, once."""
    senders = [f"person{n}@vostok.example" for n in range(12)]
    async with night(dovecot_rich, user, tmp_path) as it:
        await it.baseline()
        rule = Rule(r"\.\r\n", black_hole(), times=None)
        it.smtp.arm(rule)
        it.arrive(*senders)
        it.start()
        await until(lambda: rule.struck == 5, "a second try, with one reply")
        it.smtp.rules.clear()
        summary = await it.rest()
        assert rule.struck == 5
        assert summary.in_doubt == 5
        assert set(it.told().values()) == {1}
        assert len(it.told()) == 7
        it.check_filed()


async def test_a_reply_that_is_put_off_never_leaves_late(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """Put off again and again until the office opens, it expires; the server that is well again gets nothing."""
    async with night(dovecot_rich, user, tmp_path, starts_at=at("2026-11-16 09:45")) as it:
        await it.baseline()
        rule = Rule("RCPT ", answer("451 4.7.1 greylisted, try later\r\n"), times=None)
        it.smtp.arm(rule)
        it.arrive(*CLIENTS)
        it.start()
        await asyncio.wait_for(rule.hit.wait(), 30)
        await until(lambda: it.scene.clock.now() > at("2026-11-16 10:01"), "the opening")
        it.smtp.rules.clear()
        summary = await it.rest()
        await it.round(3)
        assert rule.struck > 2, "it was tried more than once"
        assert it.told() == Counter()
        assert (summary.in_doubt, summary.refused) == (0, 0)


async def test_what_is_in_doubt_is_shown(dovecot_rich: Dovecot, user: str, tmp_path: Path) -> None:
    """``status`` ends with 1, counts the reply in doubt, and says that it is never sent again; a restart sends none."""
    now_at = datetime.now(UTC)  # noqa: TID251 - the command asks the real clock
    async with night(dovecot_rich, user, tmp_path, starts_at=now_at, changes=closed_now()) as it:
        await it.baseline()
        it.smtp.arm(Rule(r"\.\r\n", cut_after()))
        it.arrive(CLIENTS[0])
        it.start()
        await it.rest()
        await it.stop()
        it.start()
        await it.round(3)
        assert it.told() == Counter([CLIENTS[0]])
        words = ["status", "--json", "--config", str(it.scene.config), "--state", str(it.scene.state)]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "responder", *words],
            cwd=EXAMPLE.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaints = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 1, complaints.decode()
        assert "never sent again" in " ".join(json.loads(printed)["troubles"])
