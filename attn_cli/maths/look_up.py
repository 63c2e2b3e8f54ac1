"""Look-ups: the weights of a few queries at a time, against keys that stay the same.

    scores  = scale * score(q, k)
    weights = normalize(scores)

The numbers of `maths.plain`, for problems in which nothing else happens to the scores. What depends
on the keys alone is computed once, and never more than `BYTES` of scores are held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.maths.problem import Problem

BYTES = 52 << 20  # products of more rows are faster: of 64 rows 1.4 ms each, of 31 rows 1.7 ms
IN_CACHE = 2 << 20  # of scores that are weighed together


class LookUp:
    """The keys of a problem, ready for queries; `of` says whether a problem can be looked up."""

    def __init__(self, problem: Problem) -> None:
        types = problem.precision
        assert problem.key is not None  # `of` has checked it
        function = problem.score
        K = types.wide(types.dtype.round(problem.key.rows((), slice(None), types.wide)))
        undefined = None if function.undefined is None else function.undefined(K)
        self.seen = np.ones((1, len(K)), np.bool_) if undefined is None else ~undefined[None]
        self.problem = problem
        self._K: Array = K if function.normed is None else function.normed(K)

    @classmethod
    def of(cls, problem: Problem) -> LookUp | None:
        """Return the look-up; None if the score is not a product, or a scale is not all."""
        function, rules = problem.score, problem.rules
        product = function.normed is not None or function.factor is not None
        more = (
            rules.schemes or rules.adjustments or rules.top_k or problem.heads or problem.batch
            or function.selection or rules.temperature or problem.placement != "scores"
        )  # fmt: skip
        return None if more or not product else cls(problem)

    def weights(self, Q: Array) -> Iterator[tuple[slice, Array, Array]]:
        """Yield some rows of Q (n_q, d_q), their scores and their weights, (rows, n_k) each."""
        problem, types = self.problem, self.problem.precision
        function = problem.score
        A: Any = types.wide(types.dtype.round(types.wide(Q)))
        if function.normed is not None:
            A = function.normed(A)
        else:
            assert function.factor is not None  # checked by `of`
            A = function.factor(A, problem.parameters)
        keys = len(self._K)
        height = max(1, BYTES // max(1, keys * self._K.itemsize))
        buffer = np.empty((min(height, len(A)), keys), dtype=np.result_type(A, self._K))
        few = max(1, IN_CACHE // max(1, keys * self._K.itemsize))
        for first in range(0, len(A), height):
            some = A[first : first + height]
            products = np.matmul(some, self._K.T, out=buffer[: len(some)])
            for start in range(0, len(some), few):
                rows = slice(first + start, first + min(start + few, len(some)))
                yield rows, *self._weighed(products[start : start + few])

    def _weighed(self, score: Array) -> tuple[Array, Array]:
        """Return the scores and the weights of a few queries."""
        problem, types = self.problem, self.problem.precision
        rules = problem.rules
        if problem.score.normed is None:  # products are a step of their own, and rounded
            score = types.wide(types.scores.round(score))
        scores = types.scores.round(problem.factor(0) * score)
        seen = np.broadcast_to(self.seen, scores.shape)
        if not self.seen.all():
            scores = np.where(seen, scores, -np.inf).astype(scores.dtype, copy=False)
        kinds = np.zeros(len(scores), dtype=np.uint8)
        weights = rules.weights(scores, seen, kinds, rules.of_head(0), None)
        return scores, types.dtype.round(weights)


class Groups:
    """The group of each key, numbered from 0 by their first keys."""

    def __init__(self, numbers: Integers) -> None:
        self.numbers = numbers
        self.count = int(numbers.max()) + 1
        self.alone = self.count == len(numbers)  # each key is a group of its own


def sums_of_groups(weights: Array, groups: Groups) -> Array:
    """Return (n_q, groups): the sum of the weights of each group: weights V for a one-hot V."""
    if groups.alone:
        return weights
    sums = [np.bincount(groups.numbers, row, minlength=groups.count) for row in weights]
    return np.stack(sums).astype(weights.dtype, copy=False)
