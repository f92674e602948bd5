"""The real daemon on a real IMAP server, with every command it uses broken in every way a network breaks it.

Read only from the servers and the ledger: every mail lies in one place, each client has one reply, Sent holds one copy
of it, and the daemon has recovered by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from tests.e2e.scene import OWNER, letter
from tests.faults.night import CLIENTS, LATECOMER, STRANGER, night
from tests.servers.fault_proxy import (
    GREETING,
    Fault,
    Rule,
    black_hole,
    cut_after,
    cut_answer,
    cut_before,
    delay,
    goodbye,
    reset,
    reset_after,
    swallow,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

Server = Literal["rich", "poor", "without MOVE", "without SASL"]

FAULTS: dict[str, Fault] = {
    "cut before": cut_before(),
    "cut after": cut_after(),
    "reset": reset(),
    "reset after": reset_after(),
    "half-open": black_hole(),
    "answer cut": cut_answer(9),
    "answer swallowed": swallow(),
    "BYE": goodbye("* BYE Server shutting down.\r\n"),
    "delay": delay(0.3),
}


@dataclass(frozen=True)
class Step:
    """One command of the daemon, and the servers on which it uses it."""

    name: str
    line: str
    servers: tuple[Server, ...] = ("rich", "poor")


STEPS = (
    Step("greeting", GREETING),
    Step("CAPABILITY", r"\S+ CAPABILITY"),
    Step("AUTHENTICATE", r"\S+ AUTHENTICATE"),
    Step("LOGIN", r"\S+ LOGIN", ("without SASL",)),
    Step("NAMESPACE", r"\S+ NAMESPACE"),
    Step("LIST", r"\S+ LIST"),
    Step("SELECT", r"\S+ SELECT"),
    Step("STATUS", r"\S+ STATUS"),
    Step("EXAMINE", r"\S+ EXAMINE"),
    Step("SEARCH", r"\S+ UID SEARCH"),
    Step("NOOP", r"\S+ NOOP"),
    Step("FETCH headers", r"\S+ UID FETCH .*INTERNALDATE.*SUBJECT"),
    Step("FETCH bodies", r"\S+ UID FETCH .*BODY\.PEEK\[TEXT\]"),
    Step("FETCH structure", r"\S+ UID FETCH .*BODYSTRUCTURE"),
    Step("APPEND", r"\S+ APPEND"),
    Step("APPEND text", r"X-Responder-Id"),
    Step("FETCH identity", r"\S+ UID FETCH .*\(MESSAGE-ID\)"),
    Step("CREATE", r"\S+ CREATE"),
    Step("SUBSCRIBE", r"\S+ SUBSCRIBE"),
    Step("MOVE", r"\S+ UID MOVE", ("rich",)),
    Step("COPY", r"\S+ UID COPY", ("poor", "without MOVE")),
    Step("STORE", r"\S+ UID STORE", ("poor", "without MOVE")),
    Step("EXPUNGE", r"\S+ UID EXPUNGE", ("without MOVE",)),
    Step("IDLE", r"\S+ IDLE", ("rich",)),
    Step("DONE", "DONE", ("rich",)),
    Step("LOGOUT", r"\S+ LOGOUT"),
)
CELLS = [pytest.param(step, server, id=f"{step.name}-{server}") for step in STEPS for server in step.servers]


def _without(words: bytes) -> dict[str, object]:
    def edit(line: bytes) -> bytes:
        return line.replace(words, b"") if b"CAPABILITY" in line else line

    return {"edit": edit}


async def _cell(dovecot: Dovecot, server: Server, step: Step, fault: Fault, user: str, folder: Path) -> str:
    """Run one night with one fault; return what came out wrong, "" for nothing."""
    edits = {"without MOVE": _without(b" MOVE"), "without SASL": _without(b" AUTH=PLAIN")}
    async with night(dovecot, user, folder, **edits.get(server, {})) as it:  # type: ignore[arg-type]
        sent = "Sent" if dovecot.kind == "rich" else "INBOX.Sent"
        dovecot.append(user, letter(OWNER, "mine"), it.scene.clock.now(), folder=sent)
        await it.baseline()
        # Sent holds something new, so that it is opened; two clients and a stranger have written.
        dovecot.append(user, letter(OWNER, "mine too"), it.scene.clock.now(), folder=sent)
        it.arrive(*CLIENTS, STRANGER)
        rule = Rule(step.line, fault)
        it.imap.arm(rule)
        before = it.imap.connections
        it.start()
        await it.rest()
        if step.name != "LOGOUT":
            await asyncio.wait_for(rule.hit.wait(), 30)
        it.arrive(LATECOMER)  # found by the session that was rebuilt, or by the one that lives on
        summary = await it.rest()
        await it.stop()
        assert rule.struck == 1, "the fault was never met"
        it.check_filed()
        it.check_told_once()
        assert (summary.in_doubt, summary.refused, summary.unfiled) == (0, 0, 0), summary
        assert it.imap.connections - before <= 3, f"{it.imap.connections - before} connections"
    return ""


@pytest.mark.parametrize(("step", "server"), CELLS)
async def test_each_command_broken_in_each_way(
    step: Step, server: Server, request: pytest.FixtureRequest, user: str, tmp_path: Path
) -> None:
    """Wherever the line breaks: each mail in one place, one reply, one copy of it, and the daemon goes on."""
    dovecot: Dovecot = request.getfixturevalue("dovecot_poor" if server == "poor" else "dovecot_rich")
    results = await asyncio.gather(
        *(
            _cell(dovecot, server, step, fault, f"{user}{n}", tmp_path / str(n))
            for n, fault in enumerate(FAULTS.values())
        ),
        return_exceptions=True,
    )
    wrong = {name: result for name, result in zip(FAULTS, results, strict=True) if result != ""}
    assert not wrong, "\n".join(f"{name}: {type(result).__name__}: {result}" for name, result in wrong.items())
