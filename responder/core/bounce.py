"""Delivery reports: which address failed to take a reply of ours.

Only a report that carries one of our own Message-IDs counts, so that nobody can have an address suspended by
inventing a bounce. Sources: RFC 3464 sections 2.2 and 2.3, RFC 6522; for reports that are plain text, the bounces of
qmail (QSBMF) and of Exim.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responder.core.address import normal_address, read_mailboxes
from responder.core.header import Fields, media_type, message_ids, split_fields
from responder.core.mime import MOST_BODY, split_header, split_parts

if TYPE_CHECKING:
    from collections.abc import Callable

_RECIPIENTS = ("original-recipient", "final-recipient")  # the first is as we wrote it
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"})
#: Some providers give a message another id on its way out; our second field keeps the first one.
_ID_FIELDS = ("message-id", "x-responder-id")
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")
_MOST_GROUPS = 20  # our replies have one recipient

# Plain text: qmail names each failed address in a paragraph of its own, and the message's header follows below.
_QMAIL_BEGINS = re.compile(rb"\s*Hi\. This is the ")
_QMAIL_RECIPIENT = re.compile(rb"^<([^<>\s]{3,254})>:\r?$", re.MULTILINE)
_ID_LINE = re.compile(
    rb"^(?:message-id|x-responder-id):[ \t]*(?:\r?\n[ \t]+)?(<[^<>\s]{3,250}>)", re.MULTILINE | re.IGNORECASE
)


def failed_recipient(fields: Fields, raw: bytes, is_ours: Callable[[str], bool]) -> tuple[str, tuple[str, ...]]:
    """Return the address that a report says has failed for good, and the ids of ours that it is about.

    ("", ()) if it is not about a reply of ours or tells of no failure.
    """
    raw = raw[:MOST_BODY]
    media, parameters = media_type(fields.first("content-type"))
    if media != "multipart/report":
        failed, about = _failed_in_text(fields, raw)
    elif parameters.get("report-type", "delivery-status").lower() == "delivery-status":
        failed, about = _failed_in_parts(fields, raw)
    else:
        return "", ()
    about = message_ids(b" ".join((*fields.all("in-reply-to"), *fields.all("references")))) + about
    ours = tuple(dict.fromkeys(filter(is_ours, about)))
    return (failed, ours) if failed and ours else ("", ())


def _failed_in_parts(fields: Fields, raw: bytes) -> tuple[str, list[str]]:
    failed = ""
    about: list[str] = []
    for part_fields, body in split_parts(fields, raw):
        kind = media_type(part_fields.first("content-type"))[0]
        if kind in {"message/delivery-status", "message/global-delivery-status"}:
            failed = failed or _failed(body)
        elif kind in _RETURNED:
            returned = split_fields(split_header(body)[0])
            about += message_ids(b" ".join(map(returned.first, _ID_FIELDS)))
    return failed, about


def _failed(status: bytes) -> str:
    for group in _BLANK.split(status, maxsplit=_MOST_GROUPS):
        fields = split_fields(group)
        if fields.first("action").lower().partition(b" ")[0] != b"failed":
            continue
        for name in _RECIPIENTS:
            kind, _, address = fields.first(name).decode("utf-8", "replace").partition(";")
            if kind.strip().lower() in {"rfc822", "utf-8"} and (normal := normal_address(address.strip("<> \t"))):
                return normal
    return ""


def _failed_in_text(fields: Fields, raw: bytes) -> tuple[str, list[str]]:
    """Read a report that is plain text. Exim's warnings of a delay bear no X-Failed-Recipients."""
    named = read_mailboxes(fields.first("x-failed-recipients").decode("latin-1")).addresses
    failed = named[0] if named else ""
    if not named and _QMAIL_BEGINS.match(raw) and (found := _QMAIL_RECIPIENT.search(raw)):
        failed = normal_address(found[1].decode("latin-1"))
    return failed, message_ids(b" ".join(_ID_LINE.findall(raw))) if failed else []
