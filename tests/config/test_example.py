"""The example is a complete working configuration, and says what the code does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from responder.config import json_schema, load, schema
from responder.config.shapes import annotation_at
from responder.config.tables import File, Table
from tests.core import build

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")

HEADER = re.compile(r"\[([\w.]+)\]")
DEFAULT = re.compile(r"# (\w+ = .*)")
OPTION = re.compile(r"#\? ([\w.]+ = .*)")


def _lines(pattern: re.Pattern[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return the lines of that kind with the table they stand in."""
    table: tuple[str, ...] = ()
    found: list[tuple[tuple[str, ...], str]] = []
    for line in TEXT.split("\n"):
        if match := HEADER.fullmatch(line):
            table = tuple(match[1].split("."))
        elif match := pattern.fullmatch(line):
            found.append((table, match[1]))
    return found


def _table_at(path: tuple[str, ...]) -> type[BaseModel]:
    kind: type[BaseModel] = annotation_at(File, path)
    assert issubclass(kind, BaseModel)
    return kind


def _keys(kind: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in kind.model_fields.items()}


def test_it_loads_without_a_fault_or_a_warning() -> None:
    """Whoever copies it starts from something whole."""
    loaded = load(EXAMPLE)
    assert loaded.warnings == ()
    assert {client.zone.key for client in loaded.policy.clients} >= {"Asia/Vladivostok", "America/New_York"}


def test_it_is_the_contracts_example() -> None:
    """Other computations start from its values: the rules that tests build by hand are the file's."""
    ours, theirs = load(EXAMPLE).policy, build.policy()
    for each in fields(ours):
        if each.name not in ("clients", "templates"):
            assert getattr(ours, each.name) == getattr(theirs, each.name), each.name
    assert ours.client("vostok") == build.client("vostok")


@pytest.mark.parametrize(("table", "line"), _lines(DEFAULT))
def test_a_commented_key_shows_the_default(table: tuple[str, ...], line: str) -> None:
    """Taking the comment away would change nothing."""
    ((key, written),) = tomllib.loads(line).items()
    kind = _table_at(table)
    (field,) = [field for name, field in kind.model_fields.items() if key == (field.alias or name)]
    assert written == field.default


@pytest.mark.parametrize(("table", "line"), _lines(OPTION))
def test_a_commented_option_may_be_used(table: tuple[str, ...], line: str, tmp_path: Path) -> None:
    """In place of the key that stands in its table, or beside the others, it loads."""
    key = line.partition(" = ")[0]
    head = f"[{'.'.join(table)}]\n"
    before, after = TEXT.split(head)
    body, bracket, rest = after.partition("\n[")
    body = re.sub(rf"^{re.escape(key)}\s+= .*$", "", body, flags=re.MULTILINE)
    config = tmp_path / "config.toml"
    config.write_text(f"{before}{head}{line}\n{body}{bracket}{rest}", encoding="utf-8")
    assert load(config).policy.clients


def test_every_key_of_the_types_stands_in_it() -> None:
    """As a key, as a commented default or as a commented option, in a table of its kind."""
    shown: dict[type[BaseModel], set[str]] = {}

    def show(path: tuple[str, ...], value: Any) -> None:
        kind = annotation_at(File, path)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
            shown.setdefault(kind, set()).update(value)
        if isinstance(value, dict):
            for key, inner in value.items():
                show((*path, key), inner)

    show((), tomllib.loads(TEXT))
    for table, line in (*_lines(DEFAULT), *_lines(OPTION)):
        data: dict[str, Any] = tomllib.loads(line)
        shown.setdefault(_table_at(table), set()).update(data)
        for key, value in data.items():
            show((*table, key), value)
    for kind in _all_tables():
        assert shown.get(kind, set()) == _keys(kind), kind.__name__


def _all_tables() -> set[type[BaseModel]]:
    beside = ("ClientsFile", "AbsencesFile", "AbsenceTable")  # what stands in files of their own
    kinds = {kind for kind in Table.__subclasses__() if kind.__name__ not in beside}
    assert File in kinds
    return set(kinds)


def test_it_names_its_schema() -> None:
    """Editors look at the first line."""
    assert TEXT.startswith(f"#:schema ./{schema.SHIPPED.name}\n")


def test_the_shipped_schema_is_the_types_own() -> None:
    """Made anew by ``python -m responder.config.schema`` whenever a type changes."""
    assert schema.SHIPPED.read_text(encoding="utf-8") == schema.text()


def test_the_schema_describes_every_key() -> None:
    """An editor has a sentence for each, and refuses what the code refuses."""
    whole = json_schema()
    tables = [whole, *whole["$defs"].values()]
    assert len(tables) == len(_all_tables())
    for table in tables:
        assert table["additionalProperties"] is False
        for key, value in table["properties"].items():
            assert value.get("description"), key
