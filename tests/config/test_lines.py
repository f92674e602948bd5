"""Where keys stand."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from responder.config.lines import Lines

TEXT = """\
# a comment = 1
top = 1
"quoted \\u0061" = 'x = 2'   # [not.a.table]

[a.b] # a table
c.d = 2026-09-01 10:00:00
e = '''
f = 3
''quotes near the end'''''
g = [
  "one", # "no"
  [1,
   2], { h = 1, "i j" = [ '''
  x''', "last" ] },
]
k = {}
  l = -1.5e3
["a".'m n']
o = true
[[p]]
q = "\\"" # r = 1
s = 1
[[p]]
q = 2
[p.t]
u = 3
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted a",), 3),
        (("a",), 5),
        (("a", "b"), 5),
        (("a", "b", "c", "d"), 6),
        (("a", "b", "e"), 7),
        (("a", "b", "g"), 10),
        (("a", "b", "g", 0), 11),
        (("a", "b", "g", 1, 1), 13),
        (("a", "b", "g", 2, "h"), 13),
        (("a", "b", "g", 2, "i j", 1), 14),
        (("a", "b", "k"), 16),
        (("a", "b", "l"), 17),
        (("a", "m n", "o"), 19),
        (("p",), 20),
        (("p", 0), 20),
        (("p", 0, "s"), 22),
        (("p", 1), 23),
        (("p", 1, "q"), 24),
        (("p", 1, "s"), 23),
        (("p", 1, "t", "u"), 26),
        (("a", "b", "missing", "deeper"), 5),
        (("missing",), 0),
    ],
)
def test_every_key_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    """Comments, strings, arrays and inline tables do not mislead the count; a missing key has its parent's line."""
    assert tomllib.loads(TEXT)
    assert Lines(TEXT).line(path) == line
    assert Lines(TEXT.replace("\n", "\r\n")).line(path) == line


values: st.SearchStrategy[Any] = st.recursive(
    st.text() | st.integers(-9, 9) | st.booleans() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=5), st.sampled_from([{}, {"multiline_strings": True}]))
def test_every_key_that_tomllib_reads_is_found(data: dict[str, Any], options: dict[str, bool]) -> None:
    """Whatever a writer of TOML makes, each key is found, on the line where its own name stands."""
    text = tomli_w.dumps(data, **options)
    assert tomllib.loads(text) is not None
    known = Lines(text)._known
    rows = text.split("\n")
    for path in _paths(data, ()):
        assert path in known
        key = path[-1]
        if isinstance(key, str) and key.isascii() and key.isalnum():
            assert key in rows[known[path] - 1]


def _paths(data: Any, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    if not isinstance(data, dict):
        return []
    found: list[tuple[str | int, ...]] = []
    for key, value in data.items():
        found += [(*path, key), *_paths(value, (*path, key))]
    return found


@given(st.text(alphabet="ab.=[]{}\"',# \n1", max_size=40))
def test_the_scanner_comes_to_an_end_on_anything(text: str) -> None:
    """Even text that is no TOML neither hangs nor breaks it."""
    assert Lines(text).line(("a",)) <= text.count("\n") + 1
