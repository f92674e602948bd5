"""No server makes the daemon a busy loop: real processes with the real delays, on servers that never give peace.

The figures are read from the operating system (CPU time of the process) and from the server (connections, commands).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.clocks import FixedClock
from tests.e2e.scene import Scene
from tests.e2e.test_daemon import Process, closed_now
from tests.faults.night import FRIDAY_NIGHT, until
from tests.servers.imap_script import BASICS, CLOSE, GREETING, ScriptedImap
from tests.servers.smtp import SmtpSink

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.server, pytest.mark.matrix]

OK = "{tag} OK done\r\n"
SENT: dict[str, Any] = {
    "STATUS": '* STATUS "Sent" (UIDNEXT 1 UIDVALIDITY 1)\r\n' + OK,
    "EXAMINE": "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] v\r\n* OK [UIDNEXT 1] n\r\n" + OK,
}
#: The process is watched for so long, from its first command on.
WATCHED = 12.0
#: In that time: more than the delays allow, and a small part of what a loop without pause would do.
MOST_COMMANDS, MOST_CONNECTIONS, MOST_CPU = 250, 12, 4.0

#: On these the session stands, and it is the daemon that would not give peace.
STANDING = (
    "IDLE is over at once",
    "IDLE is refused each time",
    "each IDLE says EXISTS",
    "each IDLE says it is still here",
    "each SEARCH says EXISTS",
    "every answer says EXISTS",
)
SERVERS: dict[str, tuple[dict[str, Any], str]] = {
    "every session dies after its round": ({"IDLE": CLOSE.decode()}, GREETING),
    "every session dies in IDLE": ({"IDLE": "+ idling\r\n" + CLOSE.decode()}, GREETING),
    "IDLE is over at once": ({"IDLE": "+ idling\r\n" + OK, "DONE": ""}, GREETING),
    "IDLE is refused each time": ({"IDLE": "{tag} NO not now\r\n"}, GREETING),
    "each IDLE says EXISTS": ({"IDLE": "+ idling\r\n* 1 EXISTS\r\n"}, GREETING),
    "each IDLE says it is still here": ({"IDLE": "+ idling\r\n* OK Still here\r\n"}, GREETING),
    "each SEARCH says EXISTS": ({"UID SEARCH": "* SEARCH 1\r\n* 1 EXISTS\r\n" + OK}, GREETING),
    "every answer says EXISTS": (
        {
            "NOOP": "* 1 EXISTS\r\n" + OK,
            "UID SEARCH": "* SEARCH 1\r\n* 1 EXISTS\r\n" + OK,
            "DONE": "* 1 EXISTS\r\n{tag} OK idle over\r\n",
        },
        GREETING,
    ),
    "BYE for a greeting": ({}, "* BYE too many connections\r\n"),
    "nothing for a greeting": ({}, CLOSE.decode()),
    "the login hits a limit": ({"SASL": "{tag} NO [LIMIT] too many\r\n"}, GREETING),
    "the login is refused": ({"SASL": "{tag} NO [AUTHENTICATIONFAILED] no\r\n"}, GREETING),
    "throttled for a millisecond": (
        {"SELECT": "{tag} BAD Request is throttled. Suggested Backoff Time: 1 milliseconds\r\n"},
        GREETING,
    ),
    "mail is listed and never shown": (
        {
            "SELECT": BASICS["SELECT"].replace("1 EXISTS", "9 EXISTS"),
            "UID SEARCH": "* SEARCH 5 6 7\r\n" + OK,
            "UID FETCH": OK,
        },
        GREETING,
    ),
}


class _Counted(ScriptedImap):
    """Counts connections."""

    @property
    def connections(self) -> int:
        return len(self._connections)


def _cpu(process: Process) -> float:
    """Return the CPU seconds that a process has used so far."""
    fields = Path(f"/proc/{process._child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _watch(dovecot: Dovecot, user: str, folder: Path, name: str) -> str:
    """Run the daemon on that server for a while; return what it did too often, "" for nothing."""
    script, greeting = SERVERS[name]
    async with SmtpSink() as sink:
        with _Counted(SENT | script, greeting=greeting) as server:
            changes = closed_now() | {"mailboxes": {"main": {"imap": {"port": server.port}, "poll": "60 s"}}}
            scene = Scene(
                folder=folder, server=dovecot, sink=sink, user=user, clock=FixedClock(FRIDAY_NIGHT), changes=changes
            )
            process = Process(scene)
            try:
                await until(lambda: server.connections > 0, "a connection")
                began = _cpu(process)
                await asyncio.sleep(WATCHED)  # what is measured is what happens in a span of time
                used, commands, connections = _cpu(process) - began, len(server.lines), server.connections
            finally:
                status = await asyncio.to_thread(process.end)
            figures = f"{name}: {commands} commands, {connections} connections, {used:.2f} s CPU in {WATCHED:.0f} s"
            print(figures)
            most = 1 if name in STANDING else MOST_CONNECTIONS
            well = commands <= MOST_COMMANDS and 1 <= connections <= most and used <= MOST_CPU and status == 0
            return "" if well else f"{figures}, exit status {status}\n{process.log.read_text()[-1500:]}"


@pytest.mark.parametrize("stands", [True, False], ids=["the session stands", "the session falls"])
async def test_no_busy_loop(dovecot_rich: Dovecot, user: str, tmp_path: Path, *, stands: bool) -> None:
    """Commands, connections and CPU time stay small, whatever the server answers; and the daemon ends when told to."""
    names = [name for name in SERVERS if (name in STANDING) is stands]
    wrong = await asyncio.gather(
        *(_watch(dovecot_rich, f"{user}{n}", tmp_path / str(n), name) for n, name in enumerate(names))
    )
    assert not any(wrong), "\n\n".join(filter(None, wrong))
