"""Effects as the ledger keeps them: a word, a JSON object, and the message's bytes beside it.

It promises ``adapters/ledger.py`` that ``thaw(kind_of(effect), *freeze(effect)) == effect`` for every effect. How a
field is written follows from its type alone; a type that is not known here fails at import, not at night.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from responder.core.model import (
    Alert,
    CopySent,
    Effect,
    FileMessage,
    Flag,
    MoveFiled,
    RemoveDraft,
    RemoveFolder,
    SaveDraft,
    SendDigest,
    SendReply,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: The words in the database; they outlive the names of the classes.
KINDS: Mapping[str, type[Effect]] = {
    "send-reply": SendReply,
    "save-draft": SaveDraft,
    "remove-draft": RemoveDraft,
    "copy-sent": CopySent,
    "file-message": FileMessage,
    "move-filed": MoveFiled,
    "flag": Flag,
    "remove-folder": RemoveFolder,
    "send-digest": SendDigest,
    "alert": Alert,
}

#: ASCII only: a header's broken characters then never meet SQLite, which stores none but valid UTF-8.
to_json: Callable[[object], str] = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
from_json: Callable[[str], Any] = json.loads


class Frozen(NamedTuple):
    """An effect ready for the database; ``octets`` is its message, None where it has none."""

    payload: str
    octets: bytes | None


class _Codec(NamedTuple):
    """How values of one type are written and read; None where JSON needs no help."""

    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any] | None


def to_micros(at: datetime) -> int:
    """Return an aware instant as whole microseconds since 1970-01-01 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def kind_of(effect: Effect) -> str:
    """Return the word for that kind of effect."""
    return _WORDS[type(effect)]


def freeze(effect: Effect) -> Frozen:
    """Take an effect apart."""
    write, _ = _CODECS[_WORDS[type(effect)]]
    return Frozen(to_json(write(effect)), getattr(effect, "message", None))


def thaw(kind: str, payload: str, octets: bytes | None) -> Effect:
    """Put an effect together again; KeyError for a word or a field that this version does not know."""
    _, read = _CODECS[kind]
    values = from_json(payload)
    if octets is not None:
        values["message"] = octets
    effect: Effect = read(values)
    return effect


@lru_cache(maxsize=256)
def freeze_window(window: Window) -> str:
    """Return a window as JSON; a chunk of mail falls into few of them."""
    return to_json(_write_window(window))


def thaw_window(window: str) -> Window:
    """Return the window again."""
    made: Window = _read_window(from_json(window))
    return made


def _codec(hint: Any) -> _Codec:
    if hint in (str, int):
        return _Codec(None, None)
    if hint is bytes:  # stands beside the JSON; see _record
        return _Codec(None, None)
    if hint is datetime:
        return _Codec(to_micros, from_micros)
    if hint == tuple[str, ...]:
        return _Codec(list, tuple)
    if isinstance(hint, UnionType) and len(hint.__args__) == 2 and hint.__args__[1] is NoneType:  # noqa: PLR2004 - X | None
        write, read = _codec(hint.__args__[0])
        return _Codec(_unless_none(write), _unless_none(read))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Codec(str, hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _Codec(*_record(hint))
    raise TypeError(f"no way to store {hint!r}: add one to {__name__}")


def _unless_none(change: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    return None if change is None else lambda value: None if value is None else change(value)


def _record(made: type[Any]) -> tuple[Callable[[Any], dict[str, Any]], Callable[[dict[str, Any]], Any]]:
    """Return how values of a dataclass become a JSON object and back; its ``bytes`` are left to the caller."""
    # The model names datetime for type checkers only; its own module does not hold it when it runs.
    hints = get_type_hints(made, localns={"datetime": datetime})
    codecs = {field.name: _codec(hints[field.name]) for field in fields(made)}
    names = tuple(name for name in codecs if hints[name] is not bytes)
    values_of = attrgetter(*names)
    writers = tuple((name, codec.write) for name, codec in codecs.items() if codec.write is not None)
    readers = tuple((name, codec.read) for name, codec in codecs.items() if codec.read is not None)

    def write(value: Any) -> dict[str, Any]:
        values = dict(zip(names, values_of(value), strict=True))
        for name, writer in writers:
            values[name] = writer(values[name])
        return values

    def read(values: dict[str, Any]) -> Any:
        for name, reader in readers:
            values[name] = reader(values[name])
        return made(**values)

    return write, read


_WORDS: Mapping[type[Effect], str] = {made: kind for kind, made in KINDS.items()}
_CODECS = {kind: _record(made) for kind, made in KINDS.items()}
_write_window, _read_window = _record(Window)
