"""Effects survive the way to the database and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.adapters.storable import (
    KINDS,
    freeze,
    freeze_window,
    from_micros,
    kind_of,
    thaw,
    thaw_window,
    to_micros,
)
from responder.core.model import (
    Alert,
    CopySent,
    Effect,
    FileMessage,
    Flag,
    MessageKey,
    MoveFiled,
    RemoveDraft,
    RemoveFolder,
    ReplyKind,
    SaveDraft,
    SendDigest,
    SendReply,
    Window,
)

#: Lone surrogates among them: a header's broken bytes may stand in a text.
words = st.text(st.characters(exclude_categories=()), max_size=30)
instants = st.datetimes(timezones=st.just(UTC))
numbers = st.integers(min_value=0, max_value=2**32)
windows = st.builds(
    Window, key=words, opens_at=instants, closes_at=instants, channels=st.lists(words, max_size=3).map(tuple)
)
common = {"fingerprint": words, "mailbox": words, "message_id": words}
replies = {
    **common,
    "kind": st.sampled_from(ReplyKind),
    "client": words,
    "address": words,
    "message": st.binary(max_size=200),
    "due_at": instants,
    "period_ends_at": instants,
    "not_after": instants,
}
keys = st.builds(MessageKey, mailbox=words, uidvalidity=numbers, uid=numbers)
by_kind: dict[type[Effect], st.SearchStrategy[Effect]] = {
    SendReply: st.builds(SendReply, sender=words, recipient=words, **replies),
    SaveDraft: st.builds(SaveDraft, **replies),
    RemoveDraft: st.builds(RemoveDraft, uidvalidity=numbers, uid=numbers, not_before=instants, **common),
    CopySent: st.builds(CopySent, message=st.binary(max_size=200), **common),
    FileMessage: st.builds(
        FileMessage,
        fingerprint=words,
        key=keys,
        message_id=words,
        folder=words,
        window=windows,
        not_after=instants,
    ),
    MoveFiled: st.builds(
        MoveFiled,
        fingerprint=words,
        key=keys,
        message_id=words,
        source=words,
        folder=words,
        window=st.none() | windows,
    ),
    Flag: st.builds(Flag, fingerprint=words, key=keys, message_id=words, folder=words),
    RemoveFolder: st.builds(RemoveFolder, mailbox=words, folder=words),
    SendDigest: st.builds(
        SendDigest,
        unique=words,
        mailbox=words,
        sender=words,
        recipient=words,
        message_id=words,
        message=st.binary(max_size=200),
        not_after=instants,
    ),
    Alert: st.builds(Alert, unique=words, text=words),
}


def test_every_kind_of_effect_can_be_stored() -> None:
    """No effect is forgotten, neither by the ledger nor by these tests."""
    assert set(KINDS.values()) == set(get_args(Effect)) == set(by_kind)


@pytest.mark.parametrize("made", list(by_kind))
@given(data=st.data())
def test_an_effect_comes_back_as_it_was(made: type[Effect], data: st.DataObject) -> None:
    """What is taken apart and put together again is equal, and its text is ASCII."""
    effect = data.draw(by_kind[made])
    payload, octets = freeze(effect)
    assert payload.isascii()
    assert thaw(kind_of(effect), payload, octets) == effect


@given(windows)
def test_a_window_comes_back_as_it_was(window: Window) -> None:
    """A window alone is stored likewise."""
    assert thaw_window(freeze_window(window)) == window


@given(instants, st.integers(min_value=-14 * 60, max_value=14 * 60))
def test_an_instant_is_exact_to_the_microsecond_whatever_its_zone(at: datetime, minutes: int) -> None:
    """Instants are stored as numbers that order as they do and lose nothing."""
    assert from_micros(to_micros(at)) == at
    later = timedelta(microseconds=1)
    if at < datetime.max.replace(tzinfo=UTC) - later:
        assert to_micros(at + later) == to_micros(at) + 1
    shifted = datetime(2026, 11, 27, 20, tzinfo=UTC) + timedelta(minutes=minutes)
    assert from_micros(to_micros(shifted)).tzinfo is UTC


def test_an_unknown_kind_is_an_error() -> None:
    """A word of a later version is not guessed at."""
    with pytest.raises(KeyError):
        thaw("teleport", "{}", None)
