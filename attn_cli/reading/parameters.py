"""One reader for the parameters of score functions, normalisers and rope scalings.

Each function lists its parameters as data (`attn_cli.maths.parameter`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from attn_cli.arrays import Array
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.parameter import Parameter
from attn_cli.maths.scores import SCORES
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.reading.sources import Sources
from attn_cli.registry import Registry
from attn_cli.sources.matrices.matrix import is_one_value, read_array
from attn_cli.sources.text.mappings import refuse_unknown_parameters
from attn_cli.sources.text.scalars import (
    choice,
    finite,
    flag,
    integer,
    is_number,
    kind_of,
    narrowed,
    number,
    positive,
    word,
)

Function = TypeVar("Function")
Given = Mapping[str, Any]  # parameters as they are written, by their names


def read_function(registry: Registry[Function], node: Any, path: Path) -> tuple[Function, Given]:
    """Return the function that a node names, and the parameters that it gives, not yet read.

    The node is NAME, or {function: NAME, PARAMETER: ...}.
    """
    there_are = f"there are: {', '.join(registry.names)}"
    if isinstance(node, dict):
        if "function" not in node:
            name = next(iter(node), "")
            alone = len(node) == 1 and name in registry.names  # a name in braces, {softmax}
            raise AttnError(
                f"{dotted(path)} names no function",
                path=path,
                help=f"write {dotted(path)}: {name}"
                if alone
                else f"write {{function: NAME, ...}}; {there_are}",
            )
        place = (*path, "function")
        given = {key: value for key, value in node.items() if key != "function"}
        return registry.get(word(node["function"], place), path=place), given
    if not isinstance(node, str) and not isinstance(node, np.ndarray):
        raise AttnError(
            f"{dotted(path)} must be a name or a mapping, not {kind_of(node)}",
            path=path,
            help=there_are,
        )
    return registry.get(word(node, path), path=path), {}


def note_other_name(sources: Sources, node: Any) -> None:
    """Add a warning if a score function is named by another name that is accepted."""
    name = node.get("function") if isinstance(node, dict) else node
    note = SCORES.note(name) if isinstance(name, str) else ""
    if note and note not in sources.warnings:
        sources.warnings += (note,)


def read_parameters(
    sources: Sources,
    name: str,
    parameters: Sequence[Parameter],
    given: Given,
    path: Path,
    *,
    dtype: np.dtype[Any],
    heads: int | None = None,
    named_by: str = "function",
) -> dict[str, Any]:
    """Return the parameters of the function `name` that are given, each of its kind and shape.

    `dtype` is the type that the function computes in, `heads` the number of query heads, and
    `named_by` the key in the mapping at `path` that names the function.
    """
    refuse_unknown_parameters(name, given, [p.name for p in parameters], path)
    values: dict[str, Any] = {}
    for parameter in parameters:
        place = (*path, parameter.name)
        if parameter.name in given:
            node = given[parameter.name]
            values[parameter.name] = _read(sources, node, place, parameter, dtype, heads)
        elif not parameter.optional:
            signature = ", ".join(p.signature for p in parameters)
            value = " | ".join(parameter.choices) or "..."
            example = f"{{{named_by}: {name}, {parameter.name}: {value}}}"
            raise AttnError(
                f"{dotted(place)} is missing: {name} needs {signature}",
                path=path,
                help=f"write {dotted(path)}: {example}",
            )
    return values


def _read(
    sources: Sources,
    node: Any,
    path: Path,
    parameter: Parameter,
    dtype: np.dtype[Any],
    heads: int | None,
) -> Any:
    """Return the value of one parameter, by its kind."""
    if parameter.kind == "score":
        return _inside(sources, node, path, dtype)
    if parameter.kind == "pairs":
        return read_array(sources.document, node, path)
    if parameter.kind == "choice":
        return choice(node, path, parameter.choices)
    if parameter.kind == "array":
        return _array(sources, node, path, parameter.axes, heads)
    return _number(node, path, parameter, dtype)


def _array(
    sources: Sources, node: Any, path: Path, axes: tuple[str, ...], heads: int | None
) -> Array:
    """Return an array; a single number is an array of one."""
    if axes == ("heads",):
        one = is_one_value(node) and heads is None
        return sources.of_heads([number(node, path)] if one else node, path, (), heads)
    if axes == ("1",) and is_number(node):
        node = [number(node, path)]
    return sources.array(node, path, axes)


def _number(node: Any, path: Path, parameter: Parameter, dtype: np.dtype[Any]) -> float:
    if parameter.kind == "positive":
        return narrowed(positive(node, path), path, dtype)
    if parameter.kind == "integer":
        return integer(node, path, parameter.minimum)
    if parameter.kind == "flag":
        return flag(node, path)
    return _at_least(finite(node, path), path, parameter.least)


def _at_least(value: float, path: Path, least: float | None) -> float:
    """Return a number; raise AttnError if it is below `least`."""
    if least is not None and value < least:
        raise AttnError(f"{dotted(path)} must be at least {least:g}, not {value:g}", path=path)
    return value


def _inside(
    sources: Sources, node: Any, path: Path, dtype: np.dtype[Any]
) -> tuple[ScoreFunction, dict[str, Any]]:
    """Return the score function inside another, with its parameters."""
    note_other_name(sources, node)
    function, given = read_function(SCORES, node, path)
    if function.selection is not None:
        raise AttnError(
            f"{dotted(path)} cannot be {function.name} again",
            path=path,
            help="the selections of one score are united: write them side by side",
        )
    name, parameters = function.name, function.parameters
    return function, read_parameters(sources, name, parameters, given, path, dtype=dtype)
