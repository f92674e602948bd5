"""Mends what pymap 0.36.7 gets wrong, so that a client is told what a real server would tell it.

The pin in ``pyproject.toml`` is exact because of this page.
"""

from __future__ import annotations

from email.headerregistry import ContentDispositionHeader
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime


def mend() -> None:
    """Let keywords be stored, news be told, dates be missing, and dispositions be lists.

    Repeatable; for the whole process.
    """
    from pymap.backend.dict.mailbox import MailboxData  # noqa: PLC0415 - an extra
    from pymap.parsing.response import fetch  # noqa: PLC0415 - an extra
    from pymap.parsing.specials.flag import Recent, Wildcard, get_system_flags  # noqa: PLC0415 - an extra

    permanent: Any = (get_system_flags() - {Recent}) | {Wildcard}

    def permanent_flags(_: object) -> Any:
        return permanent

    patched: Any = MailboxData
    # Without the wildcard a keyword is dropped silently.
    patched.permanent_flags = property(permanent_flags)
    if patched.update_selected.__module__ != __name__:
        patched.update_selected = _prompt(patched.update_selected)
    answers: Any = fetch
    answers.DateTime = _date_time
    answers.String = _String


def _prompt(update: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """Return what lets IDLE begin with the news since the last command, which pymap keeps until the next ones."""

    async def update_selected(self: Any, selected: Any, *, wait_on: object = None) -> object:
        told = selected.mod_sequence == self._mod_sequences.highest
        return await update(self, selected, wait_on=wait_on if told else None)

    return update_selected


def _date_time(when: datetime | None) -> Any:
    """Return NIL for an unreadable Date, which would otherwise end the connection."""
    from pymap.parsing.primitives import Nil  # noqa: PLC0415 - an extra
    from pymap.parsing.specials import DateTime  # noqa: PLC0415 - an extra

    return DateTime(when) if when else Nil()


class _String:
    """Stands in for pymap's own where FETCH answers are built."""

    @staticmethod
    def build(value: object, **options: Any) -> Any:
        """Write a Content-Disposition as the list it must be, all else as it was. Source: RFC 3501, 7.4.2."""
        from pymap.parsing.primitives import List, Nil, String  # noqa: PLC0415 - an extra

        whole: Any = String
        if not isinstance(value, ContentDispositionHeader):
            return whole.build(value, **options)
        words: list[Any] = []
        for name, word in value.params.items():
            plain = word.isascii()
            words += [
                whole.build(name if plain else f"{name}*"),
                whole.build(word if plain else f"utf-8''{quote(word)}"),
            ]
        return List([whole.build(value.content_disposition or "attachment"), List(words) if words else Nil()])
