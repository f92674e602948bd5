"""One file's data → its tables; every fault of form at once, in sentences, and a whole table all the same.

What is faulty is taken out, what is required and missing gets a stand-in, until the rest holds: so that the checks
which span several tables can look at everything else in the same pass. The result of a file with faults is good for
looking only.
"""

from __future__ import annotations

import copy
import types
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from responder.config.book import inside, is_list, is_table, members
from responder.config.spelling import meant, shown
from responder.config.tables import Table
from responder.config.values import OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from responder.config.lines import Path

    Report = Callable[[Path, str], None]

T = TypeVar("T", bound=Table)

#: Each round takes at least one fault out, and few faults hide others.
_ROUNDS = 100


def read(kind: type[T], data: Mapping[str, Any], report: Report) -> T:
    """Return the tables in the data, telling ``report`` of every fault with the path of its key."""
    told: list[Path] = []
    rest = copy.deepcopy(dict(data))
    for _ in range(_ROUNDS):
        try:
            return kind.model_validate(rest)
        except ValidationError as error:
            faults = [(_path(fault), fault) for fault in error.errors(include_url=False)]
        for path, fault in faults:
            # What a removal brought about is no fault of the file's.
            if not any(path[: len(each)] == each or each[: len(path)] == path for each in told):
                report(path, sentence(kind, path, fault))
        for path, _fault in faults:
            _take_out(kind, rest, path)
        _sweep(rest)
        told.extend(path for path, _fault in faults)
    raise AssertionError(f"the data of {kind.__name__} could not be mended")


def _path(fault: ErrorDetails) -> Path:
    """Return the path of the key at fault, without the marks that pydantic and plain words add to it."""
    path = fault["loc"]
    marked = len(path) > 1 and path[-1] in ("[key]", OWN) and fault["type"] != "extra_forbidden"
    return path[:-1] if marked else path


# --------------------------------------------------------------------------------------- sentences


def sentence(kind: type[Table], path: Path, fault: ErrorDetails) -> str:
    """Return what is wrong and what is allowed, as the owner would say it."""
    context = fault.get("ctx", {})
    value = fault["input"]
    match fault["type"]:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden":
            allowed = _keys(annotation_at(kind, path[:-1]))
            return f"unknown key; allowed here: {', '.join(allowed)}{meant(str(path[-1]), allowed)}"
        case "missing":
            return f"is missing: {_description(kind, path)}"
        case "literal_error":
            words = [str(word) for word in get_args(annotation_at(kind, path))]
            if not isinstance(value, str):
                return f"must be {_one_of(words)}, not {_noun(value)}"
            return f"{shown(value)} is not allowed here: it must be {_one_of(words)}{meant(value, words)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, not {shown(value)}"
        case "less_than_equal":
            return f"must be at most {context['le']}, not {shown(value)}"
        case other:
            like = f", like {shown(context['like'])}" if "like" in context else ""
            return f"must be {_WANTED.get(other, 'of another kind')}{like}, not {_noun(value)}"


_WANTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": 'a list in brackets, like ["…"]',
    "dict_type": "a table",
    "model_type": "a table",
    "date_type": "a date like 2026-09-01, without quotes",
}


def _noun(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return "a number"
        case float():
            return "a number with a point"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case datetime():
            return "a date with a time"
        case _:
            return "a date or a time"


def _one_of(words: Sequence[str]) -> str:
    *first, last = map(shown, words)
    return f"{', '.join(first)} or {last}"


# ---------------------------------------------------------------------------------- walks by path


def annotation_at(kind: object, path: Path) -> Any:
    """Return the type that stands at the path, None where there is none."""
    here: object = kind
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = next(
                (field.annotation for name, field in here.model_fields.items() if part in (name, field.alias)), None
            )
        else:
            members = get_args(here)
            here = members[-1] if members and get_origin(here) in (dict, list) else None
        here = _bare(here)
    return here


def _bare(annotation: object) -> object:
    """Return the type without its marks, and without None where it is optional."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(each for each in get_args(annotation) if each is not types.NoneType)
        else:
            return annotation


def _keys(annotation: object) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [field.alias or name for name, field in annotation.model_fields.items()]
    return []


def _description(kind: type[Table], path: Path) -> str:
    table = annotation_at(kind, path[:-1])
    for name, field in table.model_fields.items():
        if path[-1] in (name, field.alias):
            return field.description or ""
    return ""


_TAKEN = object()


def _take_out(kind: type[Table], data: dict[str, Any], path: Path) -> None:
    """Remove what stands at the path, or put its stand-in there; in lists only mark it, since positions count."""
    depth = len(path) - 1
    holder = inside(data, path[:depth])
    while not (is_table(holder) or is_list(holder)):
        depth -= 1
        holder = inside(data, path[:depth])
    key = path[depth]
    table = annotation_at(kind, path[:depth])
    if is_table(holder):
        if isinstance(table, type) and issubclass(table, Table) and key in table.stand_ins:
            holder[key] = copy.deepcopy(table.stand_ins[str(key)])
        else:
            holder.pop(key, None)
    elif isinstance(key, int):
        holder[key] = _TAKEN


def _sweep(holder: Any) -> None:
    if is_list(holder):
        holder[:] = [each for each in holder if each is not _TAKEN]
    for each in members(holder):
        _sweep(each)
