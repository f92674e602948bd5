"""Delivery reports: which address failed to take a reply of ours.

Only a report that carries one of our own Message-IDs counts, so that nobody can have an address suspended by
inventing a bounce. Source: RFC 3464 sections 2.2 and 2.3, RFC 6522.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responder.core.address import normal_address
from responder.core.header import Fields, media_type, message_ids, split_fields
from responder.core.mime import MOST_BODY, split_header, split_parts

if TYPE_CHECKING:
    from collections.abc import Callable

_RECIPIENTS = ("original-recipient", "final-recipient")  # the first is as we wrote it
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"})
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")
_MOST_GROUPS = 20  # our replies have one recipient


def failed_recipient(fields: Fields, raw: bytes, is_ours: Callable[[str], bool]) -> str:
    """Return the address that a report with ``Action: failed`` names, "" if it is not about a reply of ours."""
    media, parameters = media_type(fields.first("content-type"))
    if media != "multipart/report" or parameters.get("report-type", "delivery-status").lower() != "delivery-status":
        return ""
    failed = ""
    about = message_ids(b" ".join((*fields.all("in-reply-to"), *fields.all("references"))))
    for part_fields, body in split_parts(fields, raw[:MOST_BODY]):
        kind = media_type(part_fields.first("content-type"))[0]
        if kind in {"message/delivery-status", "message/global-delivery-status"}:
            failed = failed or _failed(body)
        elif kind in _RETURNED:
            about += message_ids(split_fields(split_header(body)[0]).first("message-id"))
    return failed if any(map(is_ours, about)) else ""


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
