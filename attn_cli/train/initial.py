"""The values that a training starts from: as written, or drawn from a seed.

    matrices, and vectors that weigh    normal, mean 0, variance 2 / (n_in + n_out)
    embeddings, learned positions       normal, mean 0, variance 1
    biases, beta                        0
    gamma, sigma                        1

The variance is that of Glorot and Bengio 2010 ("Understanding the difficulty of training deep
feedforward neural networks", equation 12, there uniform). n_in and n_out are the sizes of a matrix,
each head's its own; it is the same for a matrix and its transpose. A vector is a matrix of one row.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameter
from attn_cli.maths.problem import Problem
from attn_cli.train.learning import Examples, Learnt
from attn_cli.train.learnt import EMBEDDINGS, POSITIONS, attribute_of
from attn_cli.train.numbered import Written

UNIT = (EMBEDDINGS, POSITIONS)
CONSTANT = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}  # by the attribute that holds the array


def at_start(
    name: str, written: Written, example: Examples, rng: np.random.Generator | None
) -> Learnt:
    """Return a parameter at its start: as written if there is no `rng`.

    A matrix is drawn as (d_in x d_out), one head after the other, in both layouts.
    """
    problem, words = example.problem, written.words
    labels = None
    if words is not None:
        labels = (words, tuple(map(str, range(written.values.shape[1]))))
    above_0 = name.startswith("score.") and score_parameter(problem, name).kind == "positive"
    if rng is None:
        return Learnt(written.values, labels, above_0)
    number = constant(problem, name)
    if number is not None:
        return Learnt(np.full_like(written.values, number), labels, above_0)
    if name == EMBEDDINGS:
        return Learnt(drawn(rng, name, written.values.shape), labels)
    if name == POSITIONS:  # the examples need not reach its last rows
        columns = problem.layout == "columns"
        shape = written.values.shape[::-1] if columns else written.values.shape
        values = drawn(rng, name, shape)
        return Learnt(values.T.copy() if columns else values)
    places = example.sources[name].places
    start = np.zeros_like(written.values)
    start.reshape(-1)[places] = drawn(rng, name, places.shape)
    return Learnt(start, labels, above_0)


def score_parameter(problem: Problem, name: str) -> Parameter:
    """Return the score function's definition of `score.NAME` or `score.inside.NAME`."""
    function = problem.score
    if name.startswith("score.inside."):
        function, _ = problem.score.innermost(problem.parameters)
    last = name.rpartition(".")[2]
    return next(parameter for parameter in function.parameters if parameter.name == last)


def constant(problem: Problem, name: str) -> float | None:
    """Return the number that a parameter starts at; None if it is drawn."""
    if name.startswith("score."):
        return score_parameter(problem, name).initial
    return CONSTANT.get(attribute_of(name) or "")


def drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    """Return normal numbers of a parameter's variance, in C order."""
    if name in UNIT:
        return rng.normal(size=shape)
    sizes = shape[-2:] if len(shape) > 1 else (*shape, 1)
    return rng.normal(0.0, (2 / sum(sizes)) ** 0.5, size=shape)
