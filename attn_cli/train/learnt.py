"""What of a problem can be learnt: its arrays by their names, and a problem with others in place.

Names are the key paths of the file: `weights.query`, `score.W1`, `feed_forward.layer_norm.gamma`.
`embeddings` are the rows X that were looked up, `memory.embeddings` the rows M, `positions.learned`
those in use. This module alone says which array of a `Problem` has which name. Gradients have the
form of what they belong to: that of a `Linear` is a `Linear`, and the same table names its arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.scores.base import ScoreFunction

Place = tuple[str | int, ...]  # the attributes that lead to an array, and keys of parameters
EMBEDDINGS, POSITIONS, MEMORY = "embeddings", "positions.learned", "memory.embeddings"
SCORE_KINDS = ("array", "positive")  # kinds of parameters of a score function that are learnt


def _linear(weight: str, bias: str, *place: str) -> dict[str, Place]:
    return {weight: (*place, "weight"), bias: (*place, "bias")}


def _norm(name: str, *place: str) -> dict[str, Place]:
    return {f"{name}.{last}": (*place, last) for last in ("gamma", "beta")}


BEFORE: dict[str, Place] = {
    EMBEDDINGS: ("embeddings",),
    POSITIONS: ("positions", "values"),
    **_linear("weights.query", "biases.query", "query", "linear"),
    **_linear("weights.key", "biases.key", "key", "linear"),
    **_linear("weights.value", "biases.value", "value", "linear"),
}
AFTER: dict[str, Place] = {
    **_linear("weights.output", "biases.output", "after", "output"),
    **_norm("layer_norm", "after", "layer_norm"),
    **_linear("feed_forward.W1", "feed_forward.b1", "after", "feed_forward", "first"),
    **_linear("feed_forward.W2", "feed_forward.b2", "after", "feed_forward", "second"),
    **_norm("feed_forward.layer_norm", "after", "feed_forward", "layer_norm"),
    **_linear("next_word.weights", "next_word.bias", "next_word", "linear"),
}


def places(problem: Problem) -> dict[str, Place]:
    """Return name -> place in the problem, of all arrays that are found by attributes alone."""
    score = _of_score(problem.score, problem.parameters, "score", ("parameters",))
    return {**BEFORE, **score, **AFTER}


def _of_score(
    function: ScoreFunction, given: Parameters, name: str, place: Place
) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for parameter in function.parameters:
        path, value = f"{name}.{parameter.name}", given.get(parameter.name)
        if parameter.kind == "score" and value is not None:
            inside, inner = value  # at 0 and 1 of a pair
            found |= _of_score(inside, inner, path, (*place, parameter.name, 1))
        elif parameter.kind in SCORE_KINDS:
            found[path] = (*place, parameter.name)
    return found


def arrays_of(problem: Problem) -> dict[str, Array]:
    """Return name -> array, of those that the problem has, in a fixed order."""
    found = {name: _at(problem, place) for name, place in places(problem).items()}
    found[MEMORY] = _memory(problem)
    return {name: np.asarray(array) for name, array in found.items() if array is not None}


def with_arrays(problem: Problem, values: Mapping[str, Array]) -> Problem:
    """Return the problem with these arrays in place of its own, each of the same shape."""
    known = places(problem)
    changed: Problem = _replaced(problem, {known[n]: v for n, v in values.items() if n != MEMORY})
    X = None if changed.embeddings is None else changed.positioned(slice(None))
    M = values.get(MEMORY, _memory(problem))
    value = _projection(changed.value, X, M)
    assert value is not None  # it was there
    query, key = _projection(changed.query, X, M), _projection(changed.key, X, M)
    return replace(changed, query=query, key=key, value=value)


class Gradients(dict[str, Array]):
    """Name -> gradient. What no gradient reaches has no name here."""

    def add(self, name: str, gradient: Array) -> None:
        """Add to the gradient of a name."""
        self[name] = self[name] + gradient if name in self else gradient

    def add_all(self, gradient: Any, *place: str) -> None:
        """Add the gradients of all arrays of the part of a problem at a place."""
        for name, below in _below(place):
            array = _at(gradient, below)
            if array is not None:
                self.add(name, array)


@cache
def _below(place: Place) -> list[tuple[str, Place]]:
    """Return the names of the arrays of a part of a problem, and their places in that part."""
    size = len(place)
    return [(n, p[size:]) for n, p in {**BEFORE, **AFTER}.items() if p[:size] == place]


def _at(part: Any, place: Place) -> Any:
    """Return what is at a place of a part of a problem, None if it has no such thing."""
    for key in place:
        if part is None:
            return None
        if isinstance(part, dict):
            part = part.get(key)
        else:
            part = part[key] if isinstance(key, int) else getattr(part, key)
    return part


def _replaced(part: Any, values: Mapping[Place, Any]) -> Any:
    """Return a part of a problem with other values at places in it."""
    if () in values:
        value = values[()]
        return float(value) if isinstance(part, float) else value  # sigma is one number
    inner: dict[Any, dict[Place, Any]] = {}
    for (key, *rest), value in values.items():
        inner.setdefault(key, {})[tuple(rest)] = value
    new = {key: _replaced(_at(part, (key,)), below) for key, below in inner.items()}
    if isinstance(part, tuple):
        return tuple(new.get(at, each) for at, each in enumerate(part))
    return {**part, **new} if isinstance(part, dict) else replace(part, **new)


def _memory(problem: Problem) -> Array | None:
    """Return M (n, d), the parts of the heads side by side again, None if there is no memory."""
    for source in (problem.key, problem.value):
        if source is not None and source.letter == "M":
            split = source.embedded
            return split.swapaxes(-2, -3).reshape(source.count, -1) if source.split else split
    return None


def _projection(source: Projection | None, X: Array | None, M: Array | None) -> Projection | None:
    """Return a projection of these embeddings, or itself if it is not one of embeddings."""
    if source is None or not source.letter:
        return source
    inputs = M if source.letter == "M" else X
    assert inputs is not None  # it was made from them
    if source.split:
        inputs = inputs.reshape(source.count, source.inputs.shape[0], -1).swapaxes(0, 1)
    return replace(source, inputs=inputs)
