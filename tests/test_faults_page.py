"""The page of faults keeps to the tests: every fault has its row, and every test that a row names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "tests" / "FAULTS.md"
NUMBERED = 82
_PROOF = re.compile(r"`(tests/[\w/]+\.\w+)`(?:::(\w+))?")


class Row(NamedTuple):
    """One row of the page."""

    number: str
    fault: str
    servers: str
    proof: str
    remark: str


def rows() -> list[Row]:
    """Return the page's rows."""
    found: list[Row] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and re.fullmatch(r"\d+(?:\.\d+)?[a-z]?|F\d+", cells[0]):
            assert len(cells) == len(Row._fields), line
            found.append(Row(*cells))
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the test functions in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )


def test_every_fault_has_a_row() -> None:
    """The numbers run from 1 to 82 without a gap; what was found on the way stands under F."""
    numbers = {int(number[1]) for row in rows() if (number := re.match(r"(\d+)", row.number))}
    assert numbers - {0} == set(range(1, NUMBERED + 1))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_each_row_is_proved_or_says_why_not(row: Row) -> None:
    """A row names tests that exist, one by one or a file of them, or says in words why the fault does not apply."""
    proofs: list[tuple[str, str]] = _PROOF.findall(row.proof)
    assert row.fault
    assert proofs or row.remark not in ("", "–"), row
    for path, name in proofs:
        assert (ROOT / path).is_file(), path
        assert not name or name in names_in(path), f"{path} has no {name}"
