"""The digest on a page: plain text, HTML for any mail program, and the message that carries both.

The template is data of the package; every value is escaped as it is put in, so that a subject or a name can be nothing
but text. The page asks for nothing from outside, holds no script, and reads without its style sheet, which some mail
programs take away.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from responder.core.address import wire_address
from responder.core.digest_words import make_page
from responder.core.message import write_digest

if TYPE_CHECKING:
    from jinja2 import Template

    from responder.core.digest import Digest
    from responder.core.digest_words import Block, Page, Row
    from responder.core.model import Policy


def digest_text(page: Page) -> str:
    """Return the overview as plain text, one paragraph for each place."""
    lines = [page.title, page.lead, ""]
    for block in page.blocks:
        lines += _text_of(block)
    lines += [*page.totals, page.foot]
    return "\n".join(lines) + "\n"


def _text_of(block: Block) -> list[str]:
    heading = f"{block.heading} ({block.note})" if block.note else block.heading
    lines = [heading, "-" * min(len(heading), 72)]
    for row in block.rows:
        lines.append(_head_of(row))
        for item in row.items:
            mark = "! " if item.late or item.urgent else "  "
            lines.append(f"   {mark}{item.subject}{f' ({row.more})' if row.more else ''}")
            lines.append(f"     {' · '.join(item.facts)}")
    lines += [f"- {line}" for line in block.lines]
    return [*lines, ""]


def _head_of(row: Row) -> str:
    parts = [row.name, row.phone, row.when]
    said = " · ".join(part for part in parts if part)
    return f"{row.number}. {said}" if row.number else f"* {said}"


def digest_html(page: Page) -> str:
    """Return the overview as a page."""
    return _template().render(page=page)


@cache
def _template() -> Template:
    # No owner's template is ever rendered here: those have an environment of their own (``templates``).
    environment = Environment(
        loader=PackageLoader("responder", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("digest.html")


def digest_message(policy: Policy, digest: Digest, *, sender: str, recipient: str, message_id: str) -> bytes:
    """Return the complete message, from the owner to the owner; ``recipient`` "" is the sender's own INBOX.

    Raises PermanentError when an address cannot stand in a header field.
    """
    page = make_page(policy, digest)
    return write_digest(
        name=policy.owner.name,
        address=wire_address(sender),
        recipient=wire_address(recipient or sender),
        subject=page.subject,
        text=digest_text(page),
        html=digest_html(page),
        language=page.language,
        message_id=message_id,
        now_at=digest.now_at,
    )
