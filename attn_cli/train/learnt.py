"""What of a problem can be learnt: its arrays by their names, and a problem with others in place.

Names are key paths: `weights.query`, `score.W1`, `feed_forward.layer_norm.gamma`. `embeddings` are
the rows X that were looked up, `memory.embeddings` the rows M, `positions.learned` those in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.maths.after import After, FeedForward, LayerNorm
from attn_cli.maths.linear import Linear
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.scores.base import ScoreFunction

Values = Mapping[str, Array]
LEARNT_KINDS = ("array", "positive")  # of the parameters of a score function


def arrays_of(problem: Problem) -> dict[str, Array]:
    """Return name -> array, of those that the problem has, in a fixed order."""
    found: dict[str, Array | None] = {"embeddings": problem.embeddings}
    if problem.positions is not None:
        found["positions.learned"] = problem.positions.values
    for side in ("query", "key", "value"):
        source: Projection | None = getattr(problem, side)
        if source is None or not source.letter:
            continue
        if source.letter == "M":
            found["memory.embeddings"] = _unsplit(source)
        found |= _of_linear(source.linear, f"weights.{side}", f"biases.{side}")
    found |= _of_score(problem.score, problem.parameters, "score")
    after = problem.after
    found |= _of_linear(after.output, "weights.output", "biases.output")
    found |= _of_norm(after.layer_norm, "layer_norm")
    if after.feed_forward is not None:
        network = after.feed_forward
        found |= _of_linear(network.first, "feed_forward.W1", "feed_forward.b1")
        found |= _of_linear(network.second, "feed_forward.W2", "feed_forward.b2")
        found |= _of_norm(network.layer_norm, "feed_forward.layer_norm")
    if problem.next_word is not None:
        found |= _of_linear(problem.next_word.linear, "next_word.weights", "next_word.bias")
    return {name: array for name, array in found.items() if array is not None}


def with_arrays(problem: Problem, values: Values) -> Problem:
    """Return the problem with these arrays in place of its own, each of the same shape."""
    X = values.get("embeddings", problem.embeddings)
    positions = problem.positions
    if positions is not None and "positions.learned" in values:
        positions = replace(positions, values=values["positions.learned"])
    inputs = X if X is None or positions is None else X + positions.values
    head = problem.next_word
    if head is not None:
        linear = _linear(head.linear, "next_word.weights", "next_word.bias", values)
        head = replace(head, linear=linear)
    value = _projection(problem.value, "value", inputs, values)
    assert value is not None  # it was there
    return replace(
        problem,
        embeddings=X,
        positions=positions,
        query=_projection(problem.query, "query", inputs, values),
        key=_projection(problem.key, "key", inputs, values),
        value=value,
        parameters=_parameters(problem.parameters, "score", values),
        after=_after(problem.after, values),
        next_word=head,
    )


def _of_linear(linear: Linear, weight: str, bias: str) -> dict[str, Array | None]:
    return {weight: linear.weight, bias: linear.bias}


def _of_norm(norm: LayerNorm | None, name: str) -> dict[str, Array | None]:
    return {} if norm is None else {f"{name}.gamma": norm.gamma, f"{name}.beta": norm.beta}


def _of_score(function: ScoreFunction, given: Parameters, name: str) -> dict[str, Array | None]:
    found: dict[str, Array | None] = {}
    for parameter in function.parameters:
        value, path = given.get(parameter.name), f"{name}.{parameter.name}"
        if parameter.kind == "score" and value is not None:
            inside, inner = value
            found |= _of_score(inside, inner, path)
        elif parameter.kind in LEARNT_KINDS and value is not None:
            found[path] = np.asarray(value)
    return found


def _unsplit(source: Projection) -> Array:
    """Return the inputs (n, d), the heads' parts side by side again."""
    if not source.split:
        return source.embedded
    return source.embedded.swapaxes(-2, -3).reshape(source.count, -1)


def _projection(
    source: Projection | None, side: str, X: Array | None, values: Values
) -> Projection | None:
    if source is None or not source.letter:
        return source
    inputs = X
    if source.letter == "M":
        inputs = values.get("memory.embeddings", _unsplit(source))
    assert inputs is not None  # it was made from them
    if source.split:
        inputs = inputs.reshape(source.count, source.inputs.shape[0], -1).swapaxes(0, 1)
    linear = _linear(source.linear, f"weights.{side}", f"biases.{side}", values)
    return replace(source, inputs=inputs, linear=linear)


def _linear(linear: Linear, weight: str, bias: str, values: Values) -> Linear:
    return Linear(values.get(weight, linear.weight), values.get(bias, linear.bias))


def _norm(norm: LayerNorm | None, name: str, values: Values) -> LayerNorm | None:
    if norm is None:
        return None
    gamma, beta = values.get(f"{name}.gamma", norm.gamma), values.get(f"{name}.beta", norm.beta)
    return replace(norm, gamma=gamma, beta=beta)


def _after(after: After, values: Values) -> After:
    network: FeedForward | None = after.feed_forward
    if network is not None:
        network = replace(
            network,
            first=_linear(network.first, "feed_forward.W1", "feed_forward.b1", values),
            second=_linear(network.second, "feed_forward.W2", "feed_forward.b2", values),
            layer_norm=_norm(network.layer_norm, "feed_forward.layer_norm", values),
        )
    return replace(
        after,
        output=_linear(after.output, "weights.output", "biases.output", values),
        layer_norm=_norm(after.layer_norm, "layer_norm", values),
        feed_forward=network,
    )


def _parameters(given: Parameters, path: str, values: Values) -> Parameters:
    changed: dict[str, Any] = dict(given)
    for name, value in given.items():
        place = f"{path}.{name}"
        if isinstance(value, tuple):
            function, inner = value
            changed[name] = function, _parameters(inner, place, values)
        elif place in values:
            number = isinstance(value, float)  # a parameter that is one number
            changed[name] = float(values[place]) if number else values[place]
    return changed
