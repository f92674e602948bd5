"""Whatever bytes arrive: nothing raises, nothing grows, nothing is answered that was silent, time stays linear.

The short run is part of the everyday tests; the long one, and the coverage-guided fuzzer, of the matrices.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from responder.adapters import imap_answers, imap_structure
from responder.core import authres, automatic, bounce, header, mime, subject, text, topics, words
from responder.core.address import normal_address, read_mailboxes, without_comments
from responder.core.compose import Text
from responder.core.decide import decide
from responder.core.facts import observe, observe_body
from responder.core.model import Body, Case, History, Part, ReplyKind
from tests.core.build import at
from tests.core.test_facts import KEY, ME, POLICY, raw
from tests.faults.pieces import BOSS, FIELD, UNITS, bodies, headers, mixed, octets
from tests.faults.readings import check_message, check_reply, check_server_line, check_whole

if TYPE_CHECKING:
    from collections.abc import Callable

NIGHT = at("2026-11-27 20:00")

SHORT = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(max_examples=3_000, suppress_health_check=[HealthCheck.too_slow])


# ------------------------------------------------------------------------------------- nothing raises


def _any_message(head: bytes, beginning: bytes) -> None:
    facts = check_message(head, beginning)
    said = facts.subject or "x"
    check_reply(facts, Text(subject=f"Auto: {said}", body=f"{facts.quotable_subject}\n{facts.topic_because}"), NIGHT)
    check_whole(head + b"\r\n" + beginning)


@SHORT
@given(head=headers(), beginning=bodies())
@example(head=b"Content-Type: text/plain; name*\r\n", beginning=b"")
@example(head=b"Message-ID: <[x@microsoft.com]>\r\nFrom: <@\r\nTo: (c):\r\n", beginning=b"")
@example(head=BOSS + b"Subject: =?UTF-8?Q?=0ABcc:_evil@x.example?=\r\n", beginning=b"")
def test_any_message_is_read_and_its_reply_stays_whole(head: bytes, beginning: bytes) -> None:
    """No header and no body raises; what is kept is small and clean; the reply has our lines and no other."""
    _any_message(head, beginning)


@pytest.mark.matrix
@LONG
@given(head=headers(), beginning=bodies())
def test_any_message_for_longer(head: bytes, beginning: bytes) -> None:
    """The same, for some minutes."""
    _any_message(head, beginning)


@SHORT
@given(line=st.one_of(mixed(10), bodies()))
def test_any_line_of_a_server_is_read(line: bytes) -> None:
    """What a server repeats of a sender's words costs one message at most: nothing raises."""
    check_server_line(line)


@pytest.mark.matrix
@LONG
@given(line=st.one_of(mixed(14), bodies()))
def test_any_line_of_a_server_for_longer(line: bytes) -> None:
    """The same, for a minute."""
    check_server_line(line)


# ------------------------------------------------------------------------- nothing causes a reply

#: What decides who is answered and where: a field of these can make a letter of what was none. All others cannot.
ADDRESSING = {b"from", b"to", b"cc", b"resent-to", b"resent-cc", b"resent-bcc", b"return-path", b"date"}
OTHERS = FIELD.filter(lambda field: field.partition(b":")[0].strip().lower() not in ADDRESSING)

SILENT = (
    b"Auto-Submitted: auto-replied\r\n",
    b"Auto-Submitted: (no)\r\n",
    b"Precedence: bulk\r\n",
    b"List-Id: <a.example>\r\n",
    b"List-Unsubscribe: <mailto:x@example.org>\r\n",
    b"X-Auto-Response-Suppress: OOF\r\n",
    b"X-Loop: x\r\n",
    b"Sender: mailer-daemon\r\n",
    b"Sender: news-bounces@vostok.example\r\n",
    b"Return-Path: <>\r\n",
    b"From: second@vostok.example\r\n",
    b"Content-Type: multipart/report; report-type=delivery-status\r\n",
    b"Content-Type: text/calendar; method=REQUEST\r\n",
)


def _is_answered(head: bytes) -> bool:
    facts = observe(raw(head), POLICY, ME)
    facts = observe_body(raw(head, body=Body(beginning=b"Hello", parts=())), facts, POLICY, ME)
    case = Case(message=KEY, facts=facts, history=History(), arrived_at=NIGHT, now_at=NIGHT, stamped_at=NIGHT)
    return decide(case, POLICY).reply is not ReplyKind.NONE


def test_the_letter_itself_is_answered() -> None:
    """The letter that the following tests spoil would be answered as it stands: they can fail."""
    assert _is_answered(BOSS + b"Subject: Hello\r\nMessage-ID: <1@vostok.example>\r\n\r\n")


@SHORT
@given(
    sign=st.sampled_from(SILENT),
    more=st.lists(
        st.one_of(FIELD, mixed(4).map(lambda value: b" " + value.replace(b"\n", b" ") + b"\r\n")), max_size=6
    ),
    where=st.integers(0, 6),
)
@example(sign=b"Sender: news-bounces@vostok.example\r\n", more=[b" a\r\n"], where=0)
def test_a_silent_message_stays_silent_whatever_is_added(sign: bytes, more: list[bytes], where: int) -> None:
    """Fields and continuation lines before and behind a machine's sign never cause a reply."""
    where = min(where, len(more))
    head = BOSS + b"".join([*more[:where], sign, *more[where:]])
    if any(not line.strip() for line in head.split(b"\n")[:-1]):
        return  # it ended the header before the sign: the server would have given another message
    assert not _is_answered(head + b"\r\n")


@SHORT
@given(more=st.lists(OTHERS, max_size=6))
def test_no_field_turns_a_strangers_message_into_a_clients(more: list[bytes]) -> None:
    """Whatever a stranger adds to his own fields, nobody answers him."""
    stranger = BOSS.replace(b"ivan@vostok.example", b"eve@evil.example")
    assert not _is_answered(stranger + b"".join(more) + b"\r\n")


@SHORT
@given(head=headers(), other=st.sampled_from(["office", "main", "second"]), uid=st.integers(1, 9))
def test_a_message_bears_the_same_fingerprint_in_every_mailbox(head: bytes, other: str, uid: int) -> None:
    """Mailbox, UID, flags, fields that a server adds on top and another folding change nothing in it."""
    here = observe(raw(head), POLICY, ME).fingerprint
    key = dataclasses.replace(KEY, mailbox=other, uid=uid)
    moved = dataclasses.replace(raw(head, flags=frozenset({"\\Seen"})), key=key)
    identity = dataclasses.replace(ME, mailbox=other)
    assert observe(moved, POLICY, identity).fingerprint == here
    if head[:1].isalpha():
        again = dataclasses.replace(moved, header=b"Delivered-To: x@example.com\r\n" + head)
        assert observe(again, POLICY, identity).fingerprint == here


# --------------------------------------------------------------------------------- time is linear

MIXED = header.split_fields(b"Content-Type: multipart/mixed; boundary=b\r\n")
QP = header.split_fields(b"Content-Transfer-Encoding: quoted-printable\r\n")
TOPICS = topics.prepare(POLICY.topics)

#: Everything that reads what a sender wrote, given one text.
READERS: dict[str, Callable[[str], object]] = {
    "split_fields": lambda each: header.split_fields(octets(each)),
    "decoded": lambda each: header.decoded(octets(each)),
    "encoded words": header._decode_words,
    "clean": words.clean,
    "guess_text": lambda each: header.guess_text(octets(each)),
    "media_type": lambda each: header.media_type.__wrapped__(octets(each)),
    "message_ids": lambda each: header.message_ids(octets(each)),
    "instant": lambda each: header.instant(octets(each)),
    "comments": without_comments,
    "mailboxes": read_mailboxes.__wrapped__,
    "address": normal_address,
    "robot": automatic.is_robot,
    "sign in body": lambda each: automatic.sign_in_body(Body(beginning=octets(each), parts=None)),
    "results": lambda each: authres.read_block(octets(each)),
    "received": lambda each: authres._is_foreign(octets(each), "mx.example.com"),
    "html": text.html_text,
    "new text": text.new_text,
    "quotable": subject.quotable,
    "prefixes": subject.without_prefixes,
    "topic": lambda each: topics.find_topic(TOPICS, each, each, ()),
    "document": lambda each: topics.attached_document([Part(media=each, disposition="attachment", filename=each)]),
    "bounce": lambda each: bounce._failed(octets(each)),
    "first text": lambda each: mime.first_text(MIXED, octets(each)),
    "quoted-printable": lambda each: mime._untransferred(QP, octets(each)),
    "encrypted": lambda each: mime.is_encrypted(MIXED, None, each),
    "fetched": lambda each: list(imap_answers.fetched([b"1 (UID 1 " + octets(each)])),
    "structures": lambda each: imap_structure.structures([b"1 (UID 1 BODYSTRUCTURE " + octets(each)]),
    "folder": lambda each: imap_answers.folder_from_wire(octets(each), separator="/", prefix=""),
    "status": lambda each: imap_answers.status([octets(each)]),
    "wait": imap_answers.asked_to_wait,
}
#: Before and behind the repetition: what opens and never closes, what fails only at the end.
FRAMES = (("", ""), ('"', ""), ("(", ""), ("x <", ""), ("=?utf-8?q?", ""), ("", '"'), ("", "\n!"))
#: So long a text takes a linear reader some hundredths of a second.
LENGTH = 16_384


def seconds(work: Callable[[str], object], given_text: str) -> float:
    """Return the CPU that one reading takes."""
    began = time.process_time()
    work(given_text)
    return time.process_time() - began


def growth(work: Callable[[str], object], unit: str, frame: tuple[str, str]) -> tuple[float, float]:
    """Return what a pumped text takes at one length and at four times that; the best of three where it seems bad."""
    times = max(1, LENGTH // len(unit))
    small, large = (f"{frame[0]}{unit * count}{frame[1]}" for count in (times, 4 * times))
    first = seconds(work, small)
    if first < 0.005:  # even with the square of the length, four times as much would be little
        return first, first
    tries = [(first, seconds(work, large)) for _ in range(3)]
    return max(one for one, _ in tries), min(four for _, four in tries)


@pytest.mark.parametrize("name", READERS)
def test_no_repetition_costs_more_than_its_length(name: str) -> None:
    """64 KB of any repeated piece cost a reader less than a second of CPU, and not sixteen times a quarter of it."""
    work: Any = READERS[name]
    for unit in UNITS:
        for frame in FRAMES:
            quarter, whole = growth(work, unit, frame)
            assert whole < 1.0, (unit, frame, quarter, whole)
            assert whole < 0.5 or whole < 12 * quarter, (unit, frame, quarter, whole)


@pytest.mark.matrix
@pytest.mark.parametrize("name", READERS)
def test_no_repetition_of_two_pieces_costs_more_than_its_length(name: str) -> None:
    """The same for pairs of pieces, each with each."""
    work: Any = READERS[name]
    for one in UNITS[:: 1 if name in {"fetched", "structures", "mailboxes", "new text"} else 2]:
        for other in UNITS[::2]:
            quarter, whole = growth(work, one + other, ("", "!"))
            assert whole < 0.5 or whole < 12 * quarter, (one, other, quarter, whole)
