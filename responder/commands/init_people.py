"""``responder init``: which addresses are the owner's too, and who the clients are, suggested from past mail.

All of it is a suggestion: nobody becomes a client, and no zone is taken for theirs, without the owner's word.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from responder.commands.asking import read_address, read_client_address, read_numbers, read_spoken_language
from responder.core.address import normal_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from responder.commands.asking import Asker
    from responder.commands.init_draft import Draft
    from responder.core.correspondents import AliasHint, ClientHint, Correspondence


_NUMBERS = 'Numbers like "1 3-5", "all", or Enter for none.'


def ask_addresses(asker: Asker, console: Console, draft: Draft, past: Correspondence | None) -> None:
    """Add the owner's further addresses: those of the list that they choose, and those that they type."""
    hints: Sequence[AliasHint] = past.aliases() if past is not None else ()
    if past is not None and hints:
        console.print("\nThese addresses seem to be yours as well:")
        for number, hint in enumerate(hints, start=1):
            came = f"{_letters(hint.came_to)} came to it" if hint.came_to else ""
            sent = f"you wrote {_letters(hint.sent_from)} from it" if hint.sent_from else ""
            _show(console, number, hint.address, ", ".join(filter(None, (came, sent))))
        for number in asker.ask("Which of them are yours?", read_numbers(len(hints)), hint=_NUMBERS):
            draft.addresses.append(hints[number - 1].address)
        past.add_own(draft.addresses)
        if not asker.on_terminal:
            console.print("None of them was taken. Those that are yours are named with --address, each with its own.")
    known = {normal_address(each) for each in draft.addresses}

    def read(text: str) -> str:
        if text and normal_address(read_address(text)) in known:
            raise ValueError(f"{text} stands there already; Enter goes on")
        return text

    while asker.on_terminal:
        more = asker.ask("Another address that clients write to you at (Enter: no more)", read)
        if not more:
            return
        draft.addresses.append(more)
        known.add(normal_address(more))
        if past is not None:
            past.add_own([more])


def ask_clients(asker: Asker, console: Console, draft: Draft, path: Path, past: Correspondence | None) -> None:
    """Add clients: those of the list that the owner chooses, and those that they type; each with zone and language."""
    hints: Sequence[ClientHint] = past.clients(draft.timezone) if past is not None else ()
    if hints:
        console.print("\nWho wrote to you in the last 90 days, most letters first:")
        _show_hints(console, hints)
    if not asker.on_terminal:
        if hints:
            console.print("None of them was made a client. To do so:")
            for hint in hints:
                console.print(f"  {_command(hint)}", markup=False, soft_wrap=True)
        return
    if hints:
        for number in asker.ask("Which of them are clients?", read_numbers(len(hints)), hint=_NUMBERS):
            _add_hint(asker, console, draft, path, hints[number - 1])
    advice = (
        "More clients can follow at any time, with `responder client add`. A firm's domain is written @vostok.example."
    )
    while True:
        question = "A client's address or domain (Enter: no more)"
        address = asker.ask(question, lambda text: _new_address(draft, path, text), hint=advice)
        if not address:
            return
        advice = ""
        _add(asker, draft, path, key=_key(address, draft, path), addresses=[address], name=_name_of(address))


def _show_hints(console: Console, hints: Sequence[ClientHint]) -> None:
    for number, hint in enumerate(hints, start=1):
        addresses = ", ".join(hint.addresses)
        who = addresses if hint.name in hint.addresses else f"{hint.name}: {addresses}"
        answers = f", {hint.answered or 'none'} of yours to them"
        where = "where they live nothing tells"
        if hint.zone is not None:
            where = f"{'' if hint.zone.sure else 'perhaps '}{hint.zone.zone} ({hint.zone.why})"
        _show(console, number, who, f"{_letters(hint.wrote)}{answers}; {where}")


def _show(console: Console, number: int, who: str, more: str) -> None:
    """Print one entry of a list that is chosen from by number."""
    console.print(f"[bold]{number:>3}[/bold]  {escape(who)}", soft_wrap=True)
    console.print(f"     [dim]{escape(more)}[/dim]", soft_wrap=True)


def _letters(count: int) -> str:
    return f"{count} letter{'' if count == 1 else 's'}"


def _command(hint: ClientHint) -> str:
    """Return what a shell may be given as it is: an address may hold what a shell would run."""
    addresses = [word for address in hint.addresses for word in ("--address", address)]
    zone = hint.zone.zone if hint.zone is not None else "ZONE"
    return shlex.join(("responder", "client", "add", hint.key, *addresses, "--timezone", zone))


def _add_hint(asker: Asker, console: Console, draft: Draft, path: Path, hint: ClientHint) -> None:
    key = _key(hint.key, draft, path)
    faults = _faults(draft, path, key, {"addresses": list(hint.addresses), "timezone": draft.timezone})
    if faults:
        console.print(f"  {hint.name} is left out: {faults[0]}", markup=False, soft_wrap=True)
        return
    zone = hint.zone.zone if hint.zone is not None else ""
    console.print(f"\n{', '.join(hint.addresses)}", markup=False)
    _add(
        asker,
        draft,
        path,
        key=key,
        addresses=list(hint.addresses),
        name=hint.name,
        zone=zone,
        language=hint.language,
    )


def _add(
    asker: Asker,
    draft: Draft,
    path: Path,
    *,
    key: str,
    addresses: list[str],
    name: str,
    zone: str = "",
    language: str = "",
) -> None:
    """Ask what is still to be known of a client, and add them."""
    table: dict[str, Any] = {"name": "", "addresses": addresses, "timezone": draft.timezone}

    def read_name(text: str) -> str:
        faults = _faults(draft, path, key, table | {"name": text})
        if faults:
            raise ValueError(faults[0])
        return text

    table["name"] = asker.ask("  Name of the client", read_name, default=name)
    table["timezone"] = asker.ask_zone("  Where are they? (a city, a zone)", default=zone or draft.timezone)
    spoken = asker.ask("  Language of the replies", read_spoken_language, default=language or draft.language)
    if spoken != draft.language:
        table["language"] = spoken
    draft.clients[key] = table
    for warning in draft.load(path).warnings:
        if warning.path.startswith(f"clients.{key}"):
            asker.mend(warning.text)


def _new_address(draft: Draft, path: Path, text: str) -> str:
    address = read_client_address(text)
    if address:
        faults = _faults(draft, path, _key(address, draft, path), {"addresses": [address], "timezone": draft.timezone})
        if faults:
            raise ValueError(faults[0])
    return address


def _faults(draft: Draft, path: Path, key: str, table: dict[str, Any]) -> list[str]:
    """Return what the configuration would say against such a client."""
    before = draft.clients
    draft.clients = before | {key: table}
    try:
        return draft.faults(path, "clients")
    finally:
        draft.clients = before


def _key(text: str, draft: Draft, path: Path) -> str:
    """Return a name for the client's table that no other has: of the firm's domain, or of the address."""
    local, _, domain = text.rpartition("@")
    plain = re.sub(r"[^a-z0-9]+", "-", (local or domain.partition(".")[0]).lower()).strip("-")[:40] or "client"
    taken = tomllib.loads(draft.clients_text(path)).get("clients", {})  # those that lie there already among them
    key, number = plain, 1
    while key in taken:
        number += 1
        key = f"{plain}-{number}"
    return key


def _name_of(address: str) -> str:
    return address.removeprefix("@")
