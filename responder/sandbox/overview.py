"""The morning of the demo's Tuesday: the digest as the daemon laid it into INBOX, to be read here and opened later."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING, NamedTuple

from rich.panel import Panel
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responder.sandbox.servers import StoredMessage


class Overview(NamedTuple):
    """A digest: its subject, its plain text, its page."""

    subject: str
    text: str
    html: str


def find_overview(tree: Mapping[str, Sequence[StoredMessage]]) -> Overview | None:
    """Return the digest that lies in INBOX; None where none came."""
    for stored in tree.get("INBOX", ()):
        message = email.message_from_bytes(stored.raw, policy=email.policy.default)
        if str(message["Auto-Submitted"]) == "auto-generated" and message.get_content_type() == "multipart/alternative":
            parts = {part.get_content_type(): str(part.get_content()) for part in message.iter_parts()}
            return Overview(str(message["Subject"]), parts["text/plain"], parts["text/html"])
    return None


def overview_panel(overview: Overview) -> Panel:
    """Return the digest as it reads in a mail program that shows plain text."""
    title = Text(f"in INBOX at half past eight: {overview.subject}", style="bold")
    return Panel(Text(overview.text.rstrip()), title=title, title_align="left")
