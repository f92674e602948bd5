"""``responder forget``: all that the ledger holds about a person goes; that nobody is answered twice stays."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from responder import config
from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import place
from responder.core.address import account, normal_address, normal_domain
from responder.errors import ConfigurationError, TemporaryError
from responder.premises import only_one

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from responder.core.model import Client
    from responder.ports import Forgotten

#: So long a step that is being carried out is waited for: a reply takes seconds, and one that was put off is dropped.
PATIENCE = 20.0
_PAUSE = 0.25


def forget(config_path: Path | None, state_path: Path | None, whom: str, *, yes: bool, as_json: bool) -> int:
    """Forget a person after asking; returns the exit status."""
    person = _read(whom)
    path = config.find(config_path, os.environ)
    state = config.state_directory(state_path, os.environ, path)
    clients = _clients(path, person)
    place.take_on_identity(state)
    if not place.is_there(state / place.LEDGER):
        raise ConfigurationError(f"no ledger in {state}: nothing is remembered about anybody; has the service run?")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("what is forgotten does not come back: say --yes where nobody can be asked")
    return asyncio.run(_forget(state, person, clients, yes=yes, as_json=as_json))


def _read(whom: str) -> str:
    """Return the normal address, or "@" and the normal domain."""
    person = "@" + normal_domain(whom[1:]) if whom.startswith("@") else normal_address(whom)
    if person in ("", "@"):
        raise click.UsageError(f'{whom!r} is not an e-mail address, nor a domain like "@vostok.example"')
    return person


def _clients(path: Path, person: str) -> list[Client]:
    """Return the clients of the file that the person is, or belongs to; none where the file cannot be read."""
    with contextlib.suppress(ConfigurationError):
        return [client for client in config.load(path).policy.clients if _is_of(client, person)]
    return []


def _is_of(client: Client, person: str) -> bool:
    if person.startswith("@"):
        return person[1:] in {*client.domains, *(address.rpartition("@")[2] for address in client.addresses)}
    return account(person) in set(map(account, client.addresses)) or person.rpartition("@")[2] in client.domains


async def _forget(state: Path, person: str, clients: list[Client], *, yes: bool, as_json: bool) -> int:
    ledger = SqliteLedger.amend(state / place.LEDGER)
    try:
        held = await ledger.held(person)
        if not yes:
            click.echo(f"{person}: {', '.join(_said(held)) or 'nothing is remembered'}.")
            click.confirm("Forget it? It does not come back; your mailbox is not touched.", abort=True)
        names = {name for client in clients for name in (client.name, *dict(client.people).values())}
        with contextlib.ExitStack() as stack:
            alone = _try_alone(stack, state)
            held = await _when_nothing_is_under_way(ledger, person, names, alone=alone)
        await ledger.compact()
    finally:
        await ledger.close()
    if as_json:
        click.echo(json.dumps(asdict(held)))
        return 0
    click.echo(f"{person}: {', '.join(_said(held)) or 'nothing was remembered'}; forgotten.")
    click.echo(
        "What lies in your mailbox is as it was. Backups made before still hold it, and so may the system's log."
    )
    for client in clients:
        click.echo(f"{client.key} is still a client in your file: what comes from now on is remembered again.")
    return 0


def _try_alone(stack: contextlib.ExitStack, state: Path) -> bool:
    """Keep a service from starting meanwhile; False where one runs."""
    try:
        stack.enter_context(only_one(state))
    except TemporaryError:
        return False
    return True


async def _when_nothing_is_under_way(ledger: SqliteLedger, person: str, names: set[str], *, alone: bool) -> Forgotten:
    """Forget at the first moment at which nothing about the person is being carried out."""
    ends = time.monotonic() + PATIENCE
    while True:
        insist = alone or time.monotonic() > ends
        try:
            return await ledger.forget(person, SystemClock().now(), names=names, insist=insist, alone=alone)
        except TemporaryError:
            if insist:
                raise
        await asyncio.sleep(_PAUSE)


def _said(held: Forgotten) -> Iterator[str]:
    """Yield the counts that are not zero, in words."""
    for count, one, many in (
        (held.messages, "message", "messages"),
        (held.waiting, "of them still waiting for its verdict", "of them still waiting for their verdict"),
        (held.replies, "reply with its words", "replies with their words"),
        (held.under_way, "step still to be carried out", "steps still to be carried out"),
        (held.promises, "promise", "promises"),
        (held.open_promises, "of them still open", "of them still open"),
        (held.owner_messages, "note of what you wrote", "notes of what you wrote"),
        (held.signs, "reply of others that was seen", "replies of others that were seen"),
        (held.suspensions, "suspended address", "suspended addresses"),
    ):
        if count:
            yield f"{count} {one if count == 1 else many}"
