"""The files being read: their data, where each key stands in them, and what was found wrong so far."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from responder.config.lines import Lines
from responder.config.settings import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    from responder.config.lines import Path

#: No table of ours is half as deep; Python's own recursion ends at some hundreds.
_DEEPEST = 20

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

#: What ``tomllib`` says, as the owner would say it.
_TOML_WORDS = (
    ("Cannot overwrite a value", "a key stands twice"),
    ("Cannot mutate immutable namespace", "a table in braces cannot be added to"),
    ("Expected '=' after a key", "a key must be followed by ="),
    ("Expected newline or end of document after a statement", "only one key on a line"),
    ("Invalid value", 'no value that TOML knows: text stands in straight quotes "…"'),
    ("Invalid statement", "neither a key nor a table; keys in other letters than a-z stand in quotes"),
    ("Unclosed array", "a list lacks its closing bracket"),
    ("Illegal character '\\n'", "the text that begins here lacks its closing quotes"),
    ("Cannot declare", "the same table stands twice"),
    ("Unterminated string", "a text lacks its closing quotes"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its data, and the lines of its keys."""

    path: FilePath
    data: Mapping[str, Any]
    lines: Lines


@dataclass(slots=True)
class Book:
    """The main file, the one with more clients and the one with absences; None where it could not be read.

    ``instead`` holds the text of files that are not written yet: it is read in place of what stands in them.
    """

    path: FilePath
    clients_path: FilePath
    absences_path: FilePath
    instead: Mapping[FilePath, str] = field(default_factory=dict["FilePath", str])
    main: Source | None = None
    clients: Source | None = None
    absences: Source | None = None
    problems: list[Problem] = field(default_factory=list[Problem])
    told: list[Path] = field(default_factory=list["Path"])
    warnings: list[Problem] = field(default_factory=list[Problem])

    def open(self, path: FilePath) -> Source | None:
        """Read a file; a fault of reading or of TOML is told, and there is no source then."""
        text = ""
        try:
            text = self.instead[path] if path in self.instead else path.read_bytes().decode("utf-8-sig")
            data = tomllib.loads(text)
        except OSError as error:
            self.file_problem(path, f"cannot be read: {error.strerror or error}")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self.file_problem(path, "is not UTF-8 text: save it as UTF-8", line)
        except RecursionError:
            self.file_problem(path, "is nested too deeply")
        except ValueError as error:  # TOMLDecodeError, and Python's own word on a number of 5,000 digits
            self._toml_problem(path, text, str(error))
        else:
            if _too_deep(data):
                self.file_problem(path, "is nested too deeply")
                return None
            return Source(path, data, Lines(text))
        return None

    def _toml_problem(self, path: FilePath, text: str, said: str) -> None:
        place = _TOML_PLACE.search(said)
        said = said[: place.start()] if place else said
        said = next((ours for theirs, ours in _TOML_WORDS if said.startswith(theirs)), said)
        if place and place[1]:
            self.file_problem(path, f"is not valid TOML: {said} (column {place[2]})", int(place[1]))
        else:
            self.file_problem(path, f"is not valid TOML: {said}", text.rstrip().count("\n") + 1)

    def file_problem(self, path: FilePath, text: str, line: int = 0) -> None:
        """Tell what is wrong with a file as a whole."""
        self.problems.append(Problem(file=str(path), line=line, path="", text=text))

    def complain(self, path: Path, text: str) -> None:
        """Tell a fault of the key at the path."""
        self.told.append(path)
        self.problems.append(self._problem(path, text))

    def complain_of_all(self, path: Path, text: str) -> None:
        """Tell a fault of the whole of what stands at the path, unless that may follow from one told already."""
        if self.trusts(path):
            self.complain(path, text)

    def trusts(self, path: Path) -> bool:
        """Tell whether nothing was found wrong at the path, above it or below it."""
        return not any(path[: len(each)] == each or each[: len(path)] == path for each in self.told)

    def warn(self, path: Path, text: str) -> None:
        """Tell what is allowed and yet probably not meant."""
        self.warnings.append(self._problem(path, text))

    def in_clients(self, path: Path, text: str) -> None:
        """Tell a fault of a key of ``clients.toml``."""
        if self.clients is not None:
            self.told.append(path)
            self.problems.append(_problem(self.clients, path, text))

    def in_absences(self, path: Path, text: str) -> None:
        """Tell a fault of a key of ``absences.toml``."""
        if self.absences is not None:
            self.told.append(path)
            self.problems.append(_problem(self.absences, path, text))

    def warn_of_absences(self, path: Path, text: str) -> None:
        """Tell what is allowed in ``absences.toml`` and yet probably not meant."""
        if self.absences is not None:
            self.warnings.append(_problem(self.absences, path, text))

    def member(self, path: Path, value: object) -> Path:
        """Return the path of a list's member: the first that is written so."""
        there = inside(self._source(path).data, path)
        return (*path, there.index(value)) if is_list(there) and value in there else path

    def line(self, path: Path) -> str:
        """Return "file:line" of a key."""
        source = self._source(path)
        return f"{source.path.name}:{source.lines.line(path)}"

    def sorted(self, problems: list[Problem]) -> tuple[Problem, ...]:
        """Return problems in the order of the files and their lines, each once."""
        files = [str(self.path), str(self.clients_path), str(self.absences_path)]

        def place(problem: Problem) -> tuple[int, int]:
            return files.index(problem.file) if problem.file in files else len(files), problem.line

        return tuple(sorted(dict.fromkeys(problems), key=place))

    def _problem(self, path: Path, text: str) -> Problem:
        return _problem(self._source(path), path, text)

    def _source(self, path: Path) -> Source:
        """Return the file that a key stands in."""
        assert self.main is not None  # noqa: S101 - nothing is asked of a file that could not be read
        ours = self.main.data.get("clients", {})
        elsewhere = path[:1] == ("clients",) and len(path) > 1 and not (isinstance(ours, dict) and path[1] in ours)
        return self.clients if elsewhere and self.clients is not None else self.main


def is_table(value: object) -> TypeGuard[dict[str | int, Any]]:
    """Tell whether the value is a table of TOML's data."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether the value is a list of TOML's data."""
    return isinstance(value, list)


def inside(data: Any, path: Path) -> Any:
    """Return what stands at the path in TOML's data, None where nothing does."""
    here: Any = data
    for part in path:
        if is_table(here):
            here = here.get(part)
        elif is_list(here) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            return None
    return here


def members(holder: object) -> list[Any]:
    """Return what a table or a list of TOML's data holds; nothing for a plain value."""
    if is_table(holder):
        return list(holder.values())
    return holder if is_list(holder) else []


def _problem(source: Source, path: Path, text: str) -> Problem:
    return Problem(file=str(source.path), line=source.lines.line(path), path=spell(path), text=text)


def spell(path: Path) -> str:
    """Return a path as TOML writes a dotted key; positions in lists are left to the line."""
    return ".".join(
        part if re.fullmatch(r"[\w-]+", part) else '"' + "".join(c if c.isprintable() else "?" for c in part) + '"'
        for part in path
        if isinstance(part, str)
    )


def _too_deep(data: object) -> bool:
    layer = [data]
    for _ in range(_DEEPEST):
        layer = [each for holder in layer for each in members(holder)]
    return bool(layer)
