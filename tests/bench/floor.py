"""The floor: the least that any program must do. No decisions, no ledger, prepared replies over one connection.

``python -m tests.bench.floor IMAP_PORT SMTP_PORT USER``; prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import smtplib
import sys
from collections import defaultdict

import imapclient

from tests.bench.process import count_round_trips, peak_memory

CHUNK = 500
_FIELDS = b"BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID LIST-ID AUTO-SUBMITTED PRECEDENCE RETURN-PATH)]"
_REPLY = (
    b"From: Anna <anna@example.com>\r\nTo: <%b>\r\nSubject: Auto: your message\r\n"
    b"Message-ID: <floor.%d@example.com>\r\n"
    b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    + b"A prepared text of about the size of a full reply, nothing in it is computed.\r\n"
    * 12
)
_SENDER = re.compile(rb"(?im)^return-path: <(person[^>@]+@([^>]+))>")


def main() -> None:
    """Fetch, reply, move: chunk by chunk, each firm's mail into a folder of its own."""
    counts = count_round_trips()
    imap_port, smtp_port, user = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    client = imapclient.IMAPClient("127.0.0.1", imap_port, ssl=False)
    client._imap.debug = 0  # 5 by default: every answer is repr()'d
    client.login(user, "secret")
    client.select_folder("INBOX")
    smtp = smtplib.SMTP("127.0.0.1", smtp_port)
    uids = client.search()
    made: set[str] = set()
    replies = 0
    for start in range(0, len(uids), CHUNK):
        moves: defaultdict[str, list[int]] = defaultdict(list)
        chunk = uids[start : start + CHUNK]
        for uid, data in client.fetch(chunk, [_FIELDS, b"INTERNALDATE", b"RFC822.SIZE", b"FLAGS"]).items():
            header = next(value for key, value in data.items() if key.startswith(b"BODY"))
            match = _SENDER.search(header)
            if match is None:
                continue
            smtp.sendmail("anna@example.com", [match[1].decode()], _REPLY % (match[1], uid))
            replies += 1
            moves[f"Callbacks/floor {match[2].decode()}"].append(uid)
        for folder in moves.keys() - made:
            client.create_folder(folder)
            made.add(folder)
        for folder, moved in moves.items():
            client.move(moved, folder)
    smtp.quit()
    client.logout()
    print(json.dumps({"messages": len(uids), "replies": replies, "peak": peak_memory(), **counts}))


if __name__ == "__main__":
    main()
