"""Files that nobody would write."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder.config import ConfigProblems, Problem, load
from responder.config.tables import Table
from tests.config.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

#: Every key of every table, so that junk often falls where something is looked for.
KEYS = st.sampled_from(
    sorted({field.alias or name for table in Table.__subclasses__() for name, field in table.model_fields.items()})
) | st.sampled_from(["main", "mon-fri", "2026-12-31", "ru", "en", "inline", "[key]", "*", ""])
LEAVES = (
    st.sampled_from(
        ["", "x", "Europe/Berlin", "10:00-13:00", "ru", "1 hour", "next window", "a@b.example", "@", "{{ x }}"]
    )
    | st.text(max_size=5)
    | st.integers(-(2**40), 2**40)
    | st.booleans()
    | st.floats(allow_nan=True)
    | st.dates()
    | st.datetimes()
    | st.times()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
GOOD = tomllib.loads(SMALL)


def _places(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(data, dict):
        return [path]
    return [path, *(place for key, value in data.items() for place in _places(value, (*path, key)))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.sampled_from(_places(GOOD)), KEYS, VALUES), max_size=4),
    more=VALUES,
    away=VALUES
    | st.lists(st.dictionaries(st.sampled_from(["from", "until", "say", "deputy", "x"]), VALUES), max_size=3),
)
def test_junk_never_gives_anything_but_problems(
    tmp_path: Path, changes: list[tuple[tuple[str, ...], str, Any]], more: Any, away: Any
) -> None:
    """Whatever stands in the files, loading either succeeds or tells problems that each fit on one line."""
    data = tomllib.loads(SMALL)
    for place, key, value in changes:
        holder: Any = data
        for part in place:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[key] = value
    config = tmp_path / "config.toml"
    config.write_text(tomli_w.dumps(data), encoding="utf-8")
    (tmp_path / "clients.toml").write_text(
        tomli_w.dumps(more if isinstance(more, dict) else {"clients": more}), encoding="utf-8"
    )
    (tmp_path / "absences.toml").write_text(
        tomli_w.dumps(away if isinstance(away, dict) else {"absences": away}), encoding="utf-8"
    )
    config.chmod(0o600)
    for each in _faults(config):
        assert "\n" not in str(each)
        assert each.text
        assert "of another kind" not in each.text


def _faults(config: Path) -> tuple[Problem, ...]:
    try:
        return load(config).warnings
    except ConfigProblems as faults:
        return faults.problems
