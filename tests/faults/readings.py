"""What must hold of everything that is read from mail: said once, for Hypothesis and for the coverage-guided fuzzer."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from responder.adapters import imap_answers, imap_structure
from responder.core import facts as facts_room
from responder.core.compose import reply_message
from responder.core.facts import derive_message_id, observe, observe_body, read_sent, split_message, wants_body
from responder.core.model import Body
from responder.errors import PermanentError
from tests.core.test_facts import ME, POLICY, SECRET, raw

if TYPE_CHECKING:
    from responder.core.compose import Text
    from responder.core.model import Facts

#: Octets of all that is kept of a message: a hundred ids of 250 are most of it.
MOST_KEPT = 64_000
#: No reader of a message may let these through. Joiners are letters of some languages.
UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})


def strings(value: object) -> list[str]:
    """Return every text in a value, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in strings(pair)]
    if isinstance(value, (list, tuple)):
        return [text for one in value for text in strings(one)]
    return []


def is_clean(text: str) -> bool:
    """Tell whether a text could break a line, a terminal or a header."""
    return text.isprintable() or not any(unicodedata.category(char) in UNFIT for char in text)


def check_message(header: bytes, beginning: bytes) -> Facts:
    """Read one message every way there is; assert what is promised of it, and return its facts."""
    bare = observe(raw(header), POLICY, ME)
    for parts in (None, ()):
        body = Body(beginning=beginning, parts=parts)
        whole = observe(raw(header, body=body), POLICY, ME)
        assert not whole.unreadable.startswith("reading it failed"), whole.unreadable
        assert whole == observe_body(raw(header, body=body), bare, POLICY, ME) or bare.unreadable or bare.own
        for each in (bare, whole):
            kept = strings({key: value for key, value in asdict(each).items() if not isinstance(value, datetime)})
            assert sum(map(len, kept)) < MOST_KEPT
            assert all(map(is_clean, kept)), kept
        assert bare.fingerprint == whole.fingerprint == facts_room.fingerprint(header, 1000)
        assert not (bare.automatic and not whole.automatic)
        wants_body(whole, POLICY)
    sent = read_sent(header)
    assert all(map(is_clean, strings(asdict(sent) | {"dated_at": None})))
    return bare


def check_reply(facts: Facts, text: Text, now_at: datetime) -> None:
    """Write the reply to it: one recipient, no line that we did not write, seven bits."""
    own_id = derive_message_id(SECRET, "main", facts.fingerprint, "example.com")
    try:
        message = reply_message(POLICY, "main", facts, text, own_id, now_at)
    except PermanentError:
        return
    header, _, _ = message.partition(b"\r\n\r\n")
    lines = header.split(b"\r\n")
    names = [line.partition(b":")[0] for line in lines if not line.startswith(b" ")]
    assert set(names) <= ALLOWED, names
    assert len(set(names)) == len(names)
    assert b"\n" not in header.replace(b"\r\n", b"")
    assert b"\r" not in header.replace(b"\r\n", b"")
    assert header.isascii()
    assert all(32 <= octet < 127 for line in lines for octet in line)
    assert max(map(len, message.split(b"\r\n"))) <= 998


ALLOWED = {
    *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References", b"Auto-Submitted"),
    *(b"X-Auto-Response-Suppress", b"Precedence", b"X-Responder-Id", b"MIME-Version", b"Content-Type"),
    *(b"Content-Transfer-Encoding", b"Content-Language"),
}


def check_whole(raw_message: bytes) -> None:
    """Split a whole message as ``explain`` does with a file."""
    header, body = split_message(raw_message)
    check_message(header, body.beginning[:65_536])
    assert all(map(is_clean, [part.filename for part in body.parts or ()]))


def check_server_line(line: bytes) -> None:
    """Read a line of a server that repeats a sender's words: nothing raises, nothing unfit comes out."""
    records = [b"1 (UID 7 " + line, (b"1 (UID 8 BODY[HEADER] {%d}" % len(line), line), b")"]
    for one in imap_answers.fetched(records):
        assert one.uid > 0
    for parts in imap_structure.structures([b"1 (UID 7 BODYSTRUCTURE " + line + b")", *records]).values():
        for part in parts:
            assert not any(imap_answers.CONTROL.search(text) for text in strings(asdict(part)))
    imap_answers.searched([line])
    imap_answers.copied([line], [1, 2])
    imap_answers.status([line])
    imap_answers.instant(line)
    imap_answers.ids(line)
    assert is_clean(imap_answers.readable(line.decode("utf-8", "replace")))
    imap_answers.asked_to_wait(line.decode("utf-8", "replace"))
    imap_answers.folder_from_wire(line, separator="/", prefix="INBOX/")
