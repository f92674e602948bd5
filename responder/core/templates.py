"""Templates: text that the owner may write, kept so small a language that it can do no harm.

For ``compose``. A template that ``compiled`` accepts cannot loop without end, grow without bound, reach an
attribute or name a variable that does not exist: it is read as a tree first, and only what a letter needs is let
through (output, ``if``, ``for``, comparisons, a few filters). The sandbox stands behind it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from responder.core.phrases import AWAY_VARIABLES, VARIABLES
from responder.core.words import lexicon
from responder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template

    from responder.core.model import Policy

# What each template may name. A stranger is told nothing that could be a name or an hour.
TEMPLATE_VARIABLES = {
    "full": frozenset(VARIABLES),
    "short": frozenset(VARIABLES),
    "urgent": frozenset(VARIABLES),
    "away": AWAY_VARIABLES,
    "stranger": frozenset[str](),
    "subject": frozenset({"original"}),
}

# A reply fits a phone screen; what is longer than this is a mistake, or a message that hurts its reader.
TEXT_LIMIT = 8_000
# A letter is a page of text; the longest that is built in has two thousand characters.
SOURCE_LIMIT = 20_000
# Two loops, one in the other, already print every channel for every channel.
_LOOP_DEPTH = 2
# An owner has three or four channels. Steps are the nodes that a rendering passes, each as often as its loops turn.
_LOOP_TURNS = 20
_STEP_LIMIT = 20_000
# The built-in texts nest three deep; Python itself gives up at a hundred.
_NESTING_LIMIT = 40
# The only variables that hold several things.
_LISTS = frozenset({"channels"})
# A long separator, joined into a text again and again, would grow it without bound.
_SEPARATOR_LIMIT = 20

_FILTERS = frozenset({"upper", "lower", "capitalize", "title", "trim", "join", "first", "last", "length"})
_LOOP_FIELDS = frozenset({"first", "last", "index", "index0", "length", "revindex", "revindex0"})
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.For,
    nodes.Filter,
    nodes.Test,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Concat,
    nodes.List,
    nodes.Tuple,
    nodes.Getattr,
)
_TAG_ALONE = re.compile(r"^[ \t]*(\{%[^\n]*?)(-?%\})[ \t]*\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,  # plain text, never HTML
    trim_blocks=False,
    lstrip_blocks=True,
    cache_size=0,
)
_environment.globals.clear()  # pyright: ignore[reportUnknownMemberType] - Jinja2 types it as a bare dict
_environment.filters = {name: each for name, each in _environment.filters.items() if name in _FILTERS}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that may be rendered, and the variables it names."""

    template: Template
    uses: frozenset[str]

    def render(self, values: Mapping[str, object]) -> str:
        """Return the text: no blank at a line's end, at most one empty line in a row, none at either end.

        Raises ConfigurationError when the template cannot be rendered or its text is too long.
        """
        pieces: list[str] = []
        length = 0
        try:
            for piece in self.template.generate(values):
                pieces.append(piece)
                length += len(piece)
                if length > TEXT_LIMIT:
                    raise ConfigurationError(f"its text is longer than the {TEXT_LIMIT:,} characters that are allowed")
        except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise ConfigurationError(f"it cannot be rendered: {error}") from error
        text = "".join(pieces)
        return _BLANK_LINES.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def template(policy: Policy, language: str, key: str) -> Compiled:
    """Return the owner's template of that key, or else the built-in one; ConfigurationError if it is no good."""
    own = policy.templates.get(language, {}).get(key)
    return compiled(lexicon(language).templates[key] if own is None else own, TEMPLATE_VARIABLES[key])


@lru_cache(maxsize=256)
def compiled(source: str, variables: frozenset[str]) -> Compiled:
    """Return the template; ConfigurationError says what is wrong with it.

    A tag that stands alone on its line leaves no line behind.
    """
    if len(source) > SOURCE_LIMIT:
        raise ConfigurationError(f"it has {len(source):,} characters; allowed are {SOURCE_LIMIT:,}")
    # The line break goes inside the tag: it is not printed, and line numbers in errors stay true.
    source = _TAG_ALONE.sub(r"\1\n\2", source.replace("\r\n", "\n"))
    try:
        tree = _environment.parse(source)
        uses = _Reader(variables).read(tree)
        template = _environment.from_string(tree)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ConfigurationError(f"line {line}: {error.message}" if line else str(error)) from error
    except (RecursionError, MemoryError, SyntaxError) as error:  # each is how some Python says so
        raise ConfigurationError("it is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise ConfigurationError(f"it cannot be read: {error}") from error
    return Compiled(template=template, uses=uses)


class _Reader:
    """Walks a template's tree and refuses what a letter does not need."""

    def __init__(self, variables: frozenset[str]) -> None:
        self._variables = variables
        self._uses: set[str] = set()
        self._steps = 0

    def read(self, tree: nodes.Template) -> frozenset[str]:
        """Return the variables that the tree names; ConfigurationError at the first thing that is not allowed."""
        self._read(tree, frozenset(), 0, 1, 0)
        return frozenset(self._uses)

    def _read(self, node: nodes.Node, local: frozenset[str], depth: int, turns: int, nesting: int) -> None:
        """Read a node that stands ``nesting`` deep.

        ``local`` are the names its loops give, ``depth`` is their number, ``turns`` how often they make it run.
        """
        self._count(node, turns, nesting)
        if not isinstance(node, _NODES):
            raise _refused(node, f"{type(node).__name__.lower()} is not allowed in a text")
        if isinstance(node, nodes.For):
            self._read_for(node, local, depth, turns, nesting)
            return
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in local:
            if node.name not in self._variables:
                raise _refused(node, _unknown("variable", node.name, self._variables))
            self._uses.add(node.name)
        elif isinstance(node, nodes.Filter):
            _read_filter(node)
            if node.name == "join":  # goes through the list as a loop does
                self._count(node, turns * _LOOP_TURNS, nesting)
        elif isinstance(node, nodes.Getattr):
            loop = isinstance(node.node, nodes.Name) and node.node.name == "loop"
            if not loop or node.attr not in _LOOP_FIELDS:
                raise _refused(node, f"{node.attr!r}: a variable is plain text and has no parts")
        for child in node.iter_child_nodes():
            self._read(child, local, depth, turns, nesting + 1)

    def _count(self, node: nodes.Node, turns: int, nesting: int) -> None:
        self._steps += turns
        if self._steps > _STEP_LIMIT:
            raise _refused(node, "its loops take too many steps")
        if nesting > _NESTING_LIMIT:
            raise _refused(node, "it is nested too deeply")

    def _read_for(self, node: nodes.For, local: frozenset[str], depth: int, turns: int, nesting: int) -> None:
        if depth == _LOOP_DEPTH:
            raise _refused(node, "loops are nested too deeply")
        if node.recursive:
            raise _refused(node, "a recursive loop is not allowed")
        self._read(node.iter, local, depth, turns, nesting + 1)
        turns *= _turns(node.iter)
        self._count(node, turns, nesting)  # it turns, whatever stands inside
        inside = local | {"loop"} | {name.name for name in node.find_all(nodes.Name) if name.ctx == "store"}
        for child in (*node.body, *node.else_, *([node.test] if node.test else ())):
            self._read(child, inside, depth + 1, turns, nesting + 1)


def _turns(over: nodes.Node) -> int:
    """Return how often a loop over this turns; a text is refused: nobody wants its letters one by one."""
    if isinstance(over, nodes.List | nodes.Tuple):
        return max(len(over.items), 1)
    if isinstance(over, nodes.Name) and over.name in _LISTS:
        return _LOOP_TURNS
    raise _refused(over, f"a loop is for a list: {{% for each in {', '.join(sorted(_LISTS))} %}}")


def _read_filter(node: nodes.Filter) -> None:
    if node.name not in _FILTERS:
        raise _refused(node, _unknown("filter", node.name, _FILTERS))
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise _refused(node, f"the filter {node.name!r} takes no named arguments here")
    if node.name == "join" and not isinstance(node.node, nodes.Name):
        raise _refused(node, "join is for a variable: {{ channels | join(', ') }}")
    for argument in node.args:
        if not isinstance(argument, nodes.Const) or len(str(argument.value)) > _SEPARATOR_LIMIT:
            raise _refused(node, f"the filter {node.name!r} takes a text of at most {_SEPARATOR_LIMIT} characters")


def _refused(node: nodes.Node, text: str) -> ConfigurationError:
    return ConfigurationError(f"line {node.lineno}: {text}")


def _unknown(kind: str, name: str, allowed: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, sorted(allowed), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(sorted(allowed)) or "none"
    return f"unknown {kind} {name!r}; allowed: {listed}{hint}"
