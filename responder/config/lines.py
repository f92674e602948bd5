"""Where a key stands: TOML text → the line of every key and of every array's member.

The text has been accepted by ``tomllib`` before; this scanner only follows it and judges nothing. It knows
comments, dotted and quoted keys, the four kinds of strings, arrays over several lines and inline tables.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*+")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*'""")
# A run of one or two quotes may stand inside a multi-line string; up to five may end it.
_STRING = re.compile(
    r'''"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5}|\'\'\'(?:[^']|'{1,2}(?!'))*+'{3,5}'''
    r"""|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*\'""",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]*")


class Lines:
    """The lines of one TOML text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._known: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # how many members an array of tables has so far
        self._scan()

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line of the key, counted from 1, or of its nearest known parent; 0 if there is none."""
        for length in range(len(path), 0, -1):
            if found := self._known.get(tuple(path[:length])):
                return found
        return 0

    def _scan(self) -> None:
        table: Path = ()
        while self._skip() < len(self._text):
            if self._text[self._at] == "[":
                array = self._text.startswith("[[", self._at)
                self._at += 2 if array else 1
                table = self._header(array=array)
                self._at = self._text.find("\n", self._at) % (len(self._text) + 1)
            else:
                self._pair(table)

    def _header(self, *, array: bool) -> Path:
        """Read a table's name; below an array of tables it means the last member, and ``[[…]]`` begins a new one."""
        path = self._key(())
        if array:
            self._tables[path] = self._tables.get(path, -1) + 1
        if path in self._tables:
            path = (*path, self._tables[path])
            self._note(path)
        return path

    def _skip(self) -> int:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _note(self, path: Path) -> None:
        self._known.setdefault(path, bisect_right(self._newlines, self._at) + 1)

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self._skip()
        self._at += 1  # "="
        self._value(path)

    def _key(self, table: Path) -> Path:
        """Read a dotted key below the table, noting each of its parts."""
        path = table
        while True:
            self._skip()
            match = _KEY.match(self._text, self._at)
            if match is None:  # not TOML: take one character, so as to come to an end
                self._at += 1
                return path
            word = match.group()
            if word[0] in "\"'":
                word = tomllib.loads(f"key = {word}")["key"]
            if path in self._tables:
                path = (*path, self._tables[path])
            path = (*path, word)
            self._note(path)
            self._at = match.end()
            if not self._text.startswith(".", self._skip()):
                return path
            self._at += 1

    def _value(self, path: Path) -> None:
        start = self._text[self._skip() : self._at + 1]
        if start == "[":
            self._members(path, "]")
        elif start == "{":
            self._members(path, "}")
        else:
            match = (_STRING if start and start in "\"'" else _SCALAR).match(self._text, self._at)
            self._at = max(match.end() if match else 0, self._at + 1)

    def _members(self, path: Path, end: str) -> None:
        self._at += 1
        index = 0
        while self._skip() < len(self._text) and self._text[self._at] != end:
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                self._note((*path, index))
                self._value((*path, index))
                index += 1
        self._at += 1
