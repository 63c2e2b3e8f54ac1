"""What of a problem can be learnt: its arrays by their names, and a problem with others in place.

Names are the key paths of the file: `weights.query`, `score.W1`, `feed_forward.layer_norm.gamma`.
`embeddings` are the rows X that were looked up, `memory.embeddings` the rows M, `positions.learned`
those in use. Only `NAMES` defines which array of a `Problem` has which name. The gradient of a part
has the type of the part (that of a `Linear` is a `Linear`), so `NAMES` names gradients too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.scores.base import ScoreFunction

EMBEDDINGS, POSITIONS, MEMORY = "embeddings", "positions.learned", "memory.embeddings"
SCORE_KINDS = ("array", "positive")  # kinds of parameters of a score function that are learnt

Names = Mapping[Any, Any]  # attribute, key or index -> the name of an array, or Names below it


def _linear(weight: str, bias: str) -> Names:
    return {"weight": weight, "bias": bias}


def _norm(name: str) -> Names:
    return {"gamma": f"{name}.gamma", "beta": f"{name}.beta"}


NAMES: Names = {
    "embeddings": EMBEDDINGS,
    "positions": {"values": POSITIONS},
    "query": {"linear": _linear("weights.query", "biases.query")},
    "key": {"linear": _linear("weights.key", "biases.key")},
    "value": {"linear": _linear("weights.value", "biases.value")},
    "parameters": {},  # those of the score function: see `names_of`
    "after": {
        "output": _linear("weights.output", "biases.output"),
        "layer_norm": _norm("layer_norm"),
        "feed_forward": {
            "first": _linear("feed_forward.W1", "feed_forward.b1"),
            "second": _linear("feed_forward.W2", "feed_forward.b2"),
            "layer_norm": _norm("feed_forward.layer_norm"),
        },
    },
    "next_word": {"linear": _linear("next_word.weights", "next_word.bias")},
}


def names_of(problem: Problem) -> Names:
    """Return NAMES with the parameters of the problem's score function."""
    return {**NAMES, "parameters": _of_score(problem.score, problem.parameters, "score")}


def _of_score(function: ScoreFunction, given: Parameters, name: str) -> Names:
    found: dict[str, Any] = {}
    for parameter in function.parameters:
        path, value = f"{name}.{parameter.name}", given.get(parameter.name)
        if parameter.kind == "score" and value is not None:
            inside, inner = value
            found[parameter.name] = {1: _of_score(inside, inner, path)}  # of (function, parameters)
        elif parameter.kind in SCORE_KINDS:
            found[parameter.name] = path
    return found


def attribute_of(name: str, names: Names = NAMES) -> str | None:
    """Return the attribute that holds the array of a name: weight, bias, gamma, beta, ..."""
    for key, below in names.items():
        if below == name:
            return str(key)
        if not isinstance(below, str) and (found := attribute_of(name, below)) is not None:
            return found
    return None


def arrays_of(problem: Problem) -> dict[str, Array]:
    """Return name -> array, of those that the problem has, in a fixed order."""
    found = {name: np.asarray(array) for name, array in leaves(problem, names_of(problem))}
    M = _memory(problem)
    return found if M is None else {**found, MEMORY: M}


def with_arrays(problem: Problem, values: Mapping[str, Array]) -> Problem:
    """Return the problem with these arrays instead of its own, each of the same shape."""
    result: Problem = _with_leaves(problem, names_of(problem), values)
    if values.keys().isdisjoint((EMBEDDINGS, POSITIONS, MEMORY)):
        return result
    X = None if result.embeddings is None else result.positioned(slice(None))
    M = values.get(MEMORY, _memory(problem))
    value = _of_inputs(result.value, X, M)
    assert value is not None  # every problem has one
    query, key = _of_inputs(result.query, X, M), _of_inputs(result.key, X, M)
    return replace(result, query=query, key=key, value=value)


class Gradients(dict[str, Array]):
    """Name -> gradient. An array that no gradient reaches has no entry."""

    def add(self, name: str, gradient: Array) -> None:
        """Add to the gradient of a name."""
        self[name] = self[name] + gradient if name in self else gradient

    def add_all(self, part: Any, names: Names) -> None:
        """Add the gradients that a part of a problem has in place of its arrays."""
        for name, gradient in leaves(part, names):
            self.add(name, gradient)


def leaves(part: Any, names: Names) -> Iterator[tuple[str, Any]]:
    """Yield name and array of all that a part of a problem has."""
    for key, below in names.items():
        inner = _child(part, key)
        if inner is None:
            continue
        if isinstance(below, str):
            yield below, inner
        else:
            yield from leaves(inner, below)


def _with_leaves(part: Any, names: Names, values: Mapping[str, Array]) -> Any:
    """Return a part of a problem with these arrays instead of its own; itself if it has none."""
    new = {}
    for key, below in names.items():
        inner = _child(part, key)
        if inner is None:
            continue
        if not isinstance(below, str):
            changed = _with_leaves(inner, below, values)
        elif isinstance(inner, float) and below in values:  # a parameter that is one number
            changed = float(values[below])
        else:
            changed = values.get(below, inner)
        if changed is not inner:
            new[key] = changed
    if not new:
        return part
    if isinstance(part, tuple):
        return tuple(new.get(at, each) for at, each in enumerate(part))
    return {**part, **new} if isinstance(part, dict) else replace(part, **new)


def _child(part: Any, key: Any) -> Any:
    if isinstance(part, dict):
        return part.get(key)
    return part[key] if isinstance(part, tuple) else getattr(part, key)


def _memory(problem: Problem) -> Array | None:
    """Return M (n, d), with the columns of the heads joined; None if there is no memory."""
    for source in (problem.key, problem.value):
        if source is not None and source.letter == "M":
            split = source.embedded
            return split.swapaxes(-2, -3).reshape(source.count, -1) if source.split else split
    return None


def _of_inputs(source: Projection | None, X: Array | None, M: Array | None) -> Projection | None:
    """Return a projection of these embeddings, or itself if it is not one of embeddings."""
    if source is None or not source.letter:
        return source
    inputs = M if source.letter == "M" else X
    assert inputs is not None  # it was made from them
    if source.split:
        inputs = inputs.reshape(source.count, source.inputs.shape[0], -1).swapaxes(0, 1)
    return replace(source, inputs=inputs)
