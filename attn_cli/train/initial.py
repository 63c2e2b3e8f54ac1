"""The values that a training starts from, drawn from a seed.

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

UNIT = ("embeddings", "positions.learned")
ZERO = ("beta", "bias", "b1", "b2")


def score_parameter(problem: Problem, name: str) -> Parameter:
    """Return what the score function says of its parameter, `score.NAME` or `score.inside.NAME`."""
    function = problem.score
    if name.startswith("score.inside."):
        function, _ = problem.score.innermost(problem.parameters)
    last = name.rpartition(".")[2]
    return next(parameter for parameter in function.parameters if parameter.name == last)


def constant(problem: Problem, name: str) -> float | None:
    """Return the number that a parameter starts at; None where it is drawn."""
    if name.startswith("score."):
        return score_parameter(problem, name).initial
    last = name.rpartition(".")[2]
    if last in ZERO or name.startswith("biases."):
        return 0.0
    return 1.0 if last == "gamma" else None


def drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    """Return normal numbers of a parameter's variance, in C order."""
    if name in UNIT:
        return rng.normal(size=shape)
    sizes = shape[-2:] if len(shape) > 1 else (*shape, 1)
    return rng.normal(0.0, (2 / sum(sizes)) ** 0.5, size=shape)
