"""The line for commands that only look: the very same engine, over a mailbox opened read-only, that sends nothing."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from responder.adapters.clock import SystemClock
from responder.assessing import Rules
from responder.engine import Engine
from responder.errors import TemporaryError
from responder.premises import build_mailbox, build_outbox

if TYPE_CHECKING:
    from pathlib import Path

    from responder.adapters.mailbox import ImapMailbox
    from responder.commands.place import Place
    from responder.config import MailboxSettings
    from responder.ports import Ledger


def looking_engine(here: Place, settings: MailboxSettings, ledger: Ledger) -> tuple[ImapMailbox, Engine]:
    """Return one mailbox, not yet opened, and an engine to judge its mail with; nothing is ever carried out."""
    mailbox = build_mailbox(settings, here.loaded, os.environ, state=here.state, read_only=True)
    engine = Engine(
        mailbox=mailbox,
        outbox=build_outbox(settings, here.loaded, os.environ, state=here.state),
        ledger=ledger,
        clock=SystemClock(),
        rules=Rules(policy=here.loaded.policy),
        secret=known_secret(here.state),
        lock=asyncio.Lock(),
        alert=_no_alert,
    )
    return mailbox, engine


def known_secret(state: Path) -> bytes:
    """Return the installation's secret if it can be read; whoever only looks makes none."""
    try:
        return (state / "secret").read_bytes()
    except OSError:
        return b"no installation here"


async def _no_alert(text: str) -> None:
    raise TemporaryError(f"whoever only looks alerts nobody: {text}")
