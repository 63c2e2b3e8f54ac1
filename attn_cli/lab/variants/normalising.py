"""Usual mistakes between the scores and the weights: over which axis, and what is summed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.lab.altered import with_change, with_steps
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.maths.block import Block
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.problem import Problem

SOFTMAX = ("softmax", "softmax1", "sink_logits")


def _over(scores: AnyArray, axes: tuple[int, ...]) -> AnyArray:
    """Return softmax over some axes; 0 for all values of which none is above -inf."""
    with np.errstate(all="ignore"):
        largest = scores.max(axis=axes, keepdims=True)
        raised = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
        total = raised.sum(axis=axes, keepdims=True)
        weights: AnyArray = np.where(total > 0, raised / np.where(total > 0, total, 1), 0)
    return weights


def _with_weights(base: Base, weights: AnyArray) -> Problem:
    return with_steps(base.problem, {"weights": weights})


def _softmax_over(axis: str, base: Base) -> Problem | None:
    """Return the problem with softmax over another axis.

    Over queries or batch entries of which there is one, all weights are 1: softmax of one number.
    """
    problem = base.problem
    axes = (*problem.lead_axes, "query", "key")
    if problem.rules.normalizer.name not in SOFTMAX or not base.small:
        return None
    sizes = (*problem.lead, problem.n_q, problem.n_k)
    if axis == "matrix":
        return _with_weights(base, _over(base.scores, (-2, -1))) if problem.n_q > 1 else problem
    if axis == "batch" and axis not in axes:
        return from_scores(base, lambda scores: np.isfinite(scores).astype(scores.dtype))
    if axis not in axes or (axis == "head" and sizes[axes.index(axis)] < 2):
        return None
    return _with_weights(base, _over(base.scores, (axes.index(axis),)))


def from_scores(base: Base, weights: Callable[[AnyArray], AnyArray]) -> Problem:
    """Return the problem whose weights are computed from rows of scores."""
    last = last_of_scores(base.problem)

    def change(block: Block, _: AnyArray) -> AnyArray:
        return weights(block.value(last))

    return with_change(base.problem, "weights", change)


def _seen(scores: AnyArray) -> AnyArray:
    return np.where(np.isfinite(scores), scores, 0)


def _by_the_sum(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name not in SOFTMAX:
        return None

    def weights(scores: AnyArray) -> AnyArray:
        seen = _seen(scores)
        found: AnyArray = seen / seen.sum(axis=-1, keepdims=True)
        return found

    if base.small and not _seen(base.scores).sum(axis=-1).all():
        return None
    return from_scores(base, weights)


def _not_normalised(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name == "none":
        return None
    return from_scores(base, _seen)


def _exponentials_alone(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name not in SOFTMAX:
        return None
    if base.small:
        with np.errstate(over="ignore"):
            if not np.isfinite(np.exp(base.scores)).all():
                return None
    return from_scores(base, np.exp)


def _uniform(base: Base) -> Problem | None:
    """Return the problem whose seen keys all have the same weight."""
    if base.problem.rules.normalizer.name == "none":
        return None

    def weights(scores: AnyArray) -> AnyArray:
        seen = np.isfinite(scores)
        found: AnyArray = seen / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
        return found

    return from_scores(base, weights)


NORMALISING = (
    Variant(
        "softmax-over-queries",
        "softmax was taken over the queries, so that columns add up to 1, not rows",
        partial(_softmax_over, "query"),
        ("labmlai/annotated_deep_learning_paper_implementations#146", "pml-book#707"),
    ),
    Variant(
        "softmax-over-heads",
        "softmax was taken over the heads instead of the keys",
        partial(_softmax_over, "head"),
    ),
    Variant(
        "softmax-over-batch",
        "softmax was taken over the batch entries, not the keys; of one entry each weight is 1",
        partial(_softmax_over, "batch"),
        ("PyTorch-NLP#2",),
    ),
    Variant(
        "softmax-over-matrix",
        "softmax was taken over the whole matrix instead of each row",
        partial(_softmax_over, "matrix"),
    ),
    Variant(
        "no-exponential",
        "each score was divided by the sum of its row, without exponentials",
        _by_the_sum,
        ("Raschka, Build a Large Language Model, 3.3.1, on purpose",),
    ),
    Variant("not-normalised", "the scores were taken as weights, without softmax", _not_normalised),
    Variant(
        "not-divided",
        "the exponentials were taken as weights, not divided by their sum",
        _exponentials_alone,
    ),
    Variant("uniform-weights", "all keys that are seen were given the same weight", _uniform),
)
