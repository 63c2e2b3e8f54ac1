"""The score function of a problem, with its parameters read and checked."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Any
from typing import cast as cast_type

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.heads import PerHead
from attn_cli.maths.precision import Precision
from attn_cli.maths.problem import Placement
from attn_cli.maths.scores import SCORES
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.parameters import (
    Given,
    note_other_name,
    read_function,
    read_parameters,
)
from attn_cli.reading.sources import Sources
from attn_cli.sources.matrices.casting import cast
from attn_cli.sources.matrices.shapes import Shapes, shape_text

PATH = ("score",)


def reads_q_and_k(function: ScoreFunction, given: Given) -> bool:
    """Return whether the function, or the one inside it, reads Q and K at all."""
    if function.selection is not None and "inside" in given:
        inside, _ = read_function(SCORES, given["inside"], (*PATH, "inside"))
        return inside.reads_q_and_k
    return function.reads_q_and_k


def read_score(sources: Sources) -> tuple[ScoreFunction, Given]:
    """Return the score function of a problem, and its parameters as they are written."""
    node = sources.document.tree.get("score", SCORES.default)
    note_other_name(sources, node)
    return read_function(SCORES, node, PATH)


def read_score_parameters(
    sources: Sources, function: ScoreFunction, given: Given
) -> dict[str, Any]:
    """Return the parameters of the score function; positions in them exist."""
    name, parameters = function.name, function.parameters
    values = read_parameters(sources, name, parameters, given, PATH, dtype=sources.dtype)
    if "pairs" in values:
        values["pairs"] = _check_pairs(values["pairs"], (*PATH, "pairs"), sources.shapes)
    return _completed(function, values)


def _completed(function: ScoreFunction, values: dict[str, Any]) -> dict[str, Any]:
    """Add the function inside a sparse score, and require at least one selection."""
    if function.selection is None:
        return values
    if not set(values) - {"inside"}:
        selections = [p.name for p in function.parameters if p.name != "inside"]
        raise AttnError(
            f"{function.name} selects nothing: it needs one or more of {', '.join(selections)}",
            path=PATH,
            help=f"write score: {{function: {function.name}, window: 2}}",
        )
    values.setdefault("inside", (SCORES.get("dot"), {}))
    return values


def read_placement(
    tree: Any,
    function: ScoreFunction,
    parameters: dict[str, Any],
    scale: PerHead,
    conventions: Conventions,
) -> Placement:
    """Return the placement of the scale: on the scores, on q, or its root on q and k."""
    innermost, _ = function.innermost(parameters)
    path: Path = ("scale_placement",)
    least = min(scale) if isinstance(scale, tuple) else scale
    placement = str(conventions.read("scale_placement"))
    if "scale_placement" not in tree:
        if not innermost.bilinear or (least < 0 and placement == "split"):
            placement = "scores"
        return cast_type(Placement, placement)
    if placement != "scores" and not innermost.bilinear:
        raise AttnError(
            f"scale_placement: {placement} scales q, and the score {innermost.name} is not "
            "a product of q with something",
            path=path,
            help="leave it out, or use one of "
            + ", ".join(each.name for each in SCORES if each.bilinear),
        )
    if placement == "split" and least < 0:
        raise AttnError(
            f"scale_placement: split takes the root of the scale, which is {least:g}",
            path=path,
            help="write scale_placement: query",
        )
    return cast_type(Placement, placement)


def check_factor(scale: PerHead, placement: Placement, precision: Precision) -> None:
    """Raise AttnError for a scale, or that of a head, that rounds to infinity or 0."""
    for each in scale if isinstance(scale, tuple) else (scale,):
        _check_factor(each, placement, precision)


def _check_factor(scale: float, placement: Placement, precision: Precision) -> None:
    root = placement == "split"
    exact, factor = sqrt(scale) if root else scale, precision.factor(scale, root=root)
    if isfinite(factor) and (factor == 0) == (exact == 0):
        return
    size, type_ = "large" if abs(exact) > 1 else "small", precision.scale.name
    raise AttnError(
        f"{'the root of scale' if root else 'scale'} = {exact:g} is too {size} for {type_}, "
        "the type of precision.scale",
        path=("scale",),
        help=f"write precision: {{scale: {precision.accumulate.name}}}",
    )


def _check_pairs(pairs: AnyArray, path: Path, shapes: Shapes) -> Integers:
    """Return pairs (number of pairs, 2) whose positions exist."""
    table = cast(pairs, path, np.dtype(np.float64), finite=True)
    if table.ndim != 2 or table.shape[1] != 2:
        raise AttnError(
            f"{dotted(path)} has shape {shape_text(table.shape)}, expected (pairs, 2)",
            path=path,
            help="write [[query, key], ...], both from 0",
        )
    for column, symbol in enumerate(("n_q", "n_k")):
        size = shapes.size(symbol) or 0
        bad = (table[:, column] != np.floor(table[:, column])) | (table[:, column] < 0)
        bad |= table[:, column] >= size
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            side = ("query", "key")[column]
            raise AttnError(
                f"{dotted((*path, at, column))} is {table[at, column]:g}, but there is no such "
                f"{side}: they are numbered from 0 to {size - 1}",
                path=(*path, at, column),
            )
    return table.astype(np.intp)
