"""``responder today``: the digest as it stands now, in the terminal; looks only, whether the daemon runs or not."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from responder.adapters.clock import SystemClock
from responder.adapters.ledger import SqliteLedger
from responder.commands import place
from responder.commands.pictures import BREAK, DAY, WINDOW, day_picture
from responder.core.digest import known_client, make_digest
from responder.core.digest_times import legend, nothing
from responder.core.digest_words import make_page
from responder.morning import SINCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from responder.core.digest import Digest, Entry, Slot
    from responder.core.digest_words import Block, Page
    from responder.core.model import Policy, Window
    from responder.core.morning_rows import Morning, OpenMail

#: Before the first digest, what happened is told of the last day.
_DAY = timedelta(days=1)
#: A picture of more lines than this is no picture.
_MOST_LINES = 8
_STYLES = {"late": "bold red", "today": "bold blue", "shelf": "bold yellow"}


def today(config_path: Path | None, state_path: Path | None, *, as_json: bool) -> int:
    """Print the digest; returns 0, also where there is nothing to say."""
    here = place.find_place(config_path, state_path)
    place.take_on_identity(here.state)
    if not place.is_there(here.ledger):
        click.echo("it has never run here: nothing is known; switch it on with `systemctl enable --now responder`")
        return 1
    policy = here.loaded.policy
    now_at = SystemClock().now()
    morning = asyncio.run(_look(here.ledger, now_at))
    digest = make_digest(policy, morning, now_at)
    if as_json:
        click.echo(json.dumps(_as_json(policy, digest, morning), ensure_ascii=False, indent=2))
    elif digest is None:
        click.echo(nothing(policy.owner))
    else:
        _show(Console(highlight=False), policy, digest, make_page(policy, digest, whole=True))
    return 0


async def _look(path: Path, now_at: datetime) -> Morning:
    ledger = SqliteLedger.read(path)
    try:
        since = (await ledger.notes()).get(SINCE)
        return await ledger.morning(now_at - _DAY if since is None else datetime.fromisoformat(since), now_at)
    finally:
        await ledger.close()


# --------------------------------------------------------------------------------------- for people


def _show(console: Console, policy: Policy, digest: Digest, page: Page) -> None:
    console.print(Text(page.title, style="bold"))
    console.print(Text(page.lead))
    keys = dict.fromkeys(entry.client for slot in digest.today for entry in slot.entries)
    clients = [client for key in keys if (client := known_client(policy, key)) is not None]
    if 0 < len(clients) <= _MOST_LINES:
        console.print()
        console.print(Text(legend(policy.owner, day=DAY, call=WINDOW, night=BREAK), style="dim"))
        console.print(day_picture(policy, digest.on, clients), end="", soft_wrap=True)
    for block in page.blocks:
        _show_block(console, block)
    console.print()
    for line in page.totals:
        console.print(Text(line, style="dim"))


def _show_block(console: Console, block: Block) -> None:
    console.print()
    heading = Text(block.heading, style=_STYLES.get(block.kind, "bold"))
    if block.note:
        heading.append(f"  {block.note}", style="dim not bold")
    console.print(heading)
    for row in block.rows:
        head = Text(f"{row.number:>3}. " if row.number else "  • ", style="dim")
        head.append(row.name, style="bold not dim")
        for part in (row.phone, row.when):
            if part:
                head.append(f"  {part}", style="not dim")
        console.print(head)
        for item in row.items:
            line = Text("! " if item.urgent else "", style="bold red")
            line.append(item.subject, style="not bold default")
            console.print(_indented(line, 5))
            console.print(_indented(Text(" · ".join(item.facts), style="red" if item.late else "dim"), 5))
    for said in block.lines:
        console.print(_indented(Text(said), 2))


def _indented(text: Text, columns: int) -> Padding:
    return Padding(text, (0, 0, 0, columns), expand=False)


# ------------------------------------------------------------------------------------- for programs


def _as_json(policy: Policy, digest: Digest | None, morning: Morning) -> dict[str, object]:
    """Return the digest with its instants in ISO 8601; ``on`` is null where there is nothing to say."""
    return {
        "on": None if digest is None else digest.on.isoformat(),
        "since_at": _instant(morning.since_at),
        "calls": 0 if digest is None else digest.calls,
        "late": [] if digest is None else [_entry(policy, entry) for entry in digest.late],
        "today": [] if digest is None else _slots(policy, digest.today),
        "shelves": []
        if digest is None
        else [
            {"folder": shelf.folder or "INBOX", "clients": [_entry(policy, entry) for entry in shelf.entries]}
            for shelf in digest.shelves
        ],
        "later": [] if digest is None else _slots(policy, digest.later),
        "replies_held": [
            {"state": held.state, "client": held.client, "address": held.address, "at": _instant(held.at)}
            for held in morning.replies
        ],
        "unfiled": [
            {"client": held.client, "address": held.address, "at": _instant(held.at), "why": held.detail}
            for held in morning.unfiled
        ],
        "unreadable": [
            {"mailbox": one.mailbox, "arrived_at": _instant(one.arrived_at), "why": one.why}
            for one in morning.unreadable
        ],
        "unverified": [
            {"client": one.client, "address": one.address, "arrived_at": _instant(one.arrived_at)}
            for one in morning.unverified
        ],
        "suspended": [{"address": one.address, "until_at": _instant(one.until_at)} for one in morning.suspended],
        "breaker_until": _instant(morning.breaker_until),
        "by_reason": dict(morning.by_reason),
        "replied": morning.replied,
    }


def _slots(policy: Policy, slots: Sequence[Slot]) -> list[dict[str, object]]:
    return [
        {"window": _window(slot.window), "clients": [_entry(policy, entry) for entry in slot.entries]} for slot in slots
    ]


def _entry(policy: Policy, entry: Entry) -> dict[str, object]:
    client = known_client(policy, entry.client)
    return {
        "client": entry.client,
        "name": client.name if client is not None else entry.client,
        "phone": client.phone if client is not None else "",
        "calls": [{"starts_at": _instant(call.starts_at), "ends_at": _instant(call.ends_at)} for call in entry.calls],
        "by_mail": entry.instead or None,
        "mail": [_mail(mail) for mail in entry.mail],
    }


def _mail(mail: OpenMail) -> dict[str, object]:
    return {
        "address": mail.address,
        "subject": mail.subject,
        "topic": mail.topic or None,
        "reason": mail.reason,
        "arrived_at": _instant(mail.arrived_at),
        "due_at": _instant(mail.due_at),
        "told_at": _instant(mail.told_at),
        "promised": mail.promised,
        "folder": mail.folder or "INBOX",
        "carried": mail.carried,
        "urgent": mail.urgent,
    }


def _window(window: Window) -> dict[str, object]:
    return {"name": window.key, "opens_at": _instant(window.opens_at), "closes_at": _instant(window.closes_at)}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
