"""Usual mistakes between the scores and the weights: over which axis, and what is summed."""

from __future__ import annotations

from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.lab.altered import with_steps
from attn_cli.lab.variants.variant import Base, Variant
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
    """Return the problem with softmax over another axis, if there is one of more than one entry."""
    problem, scores = base.problem, base.scores
    axes = (*problem.lead_axes, "query", "key")
    if problem.rules.normalizer.name not in SOFTMAX:
        return None
    if axis == "matrix":
        return _with_weights(base, _over(scores, (-2, -1))) if problem.n_q > 1 else None
    if axis not in axes or scores.shape[axes.index(axis)] < 2:
        return None
    return _with_weights(base, _over(scores, (axes.index(axis),)))


def _by_the_sum(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name not in SOFTMAX:
        return None
    seen = np.where(np.isfinite(base.scores), base.scores, 0)
    total = seen.sum(axis=-1, keepdims=True)
    if not (np.abs(total) > 0).all():
        return None
    return _with_weights(base, seen / total)


def _not_normalised(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name == "none":
        return None
    return _with_weights(base, np.where(np.isfinite(base.scores), base.scores, 0))


def _exponentials_alone(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name not in SOFTMAX:
        return None
    with np.errstate(over="ignore"):
        raised = np.exp(base.scores)
    return _with_weights(base, raised) if np.isfinite(raised).all() else None


def _other_tie(base: Base) -> Problem | None:
    """Return the problem whose argmax takes the last of equal scores instead of the first."""
    if base.problem.rules.normalizer.name != "argmax":
        return None
    scores = base.scores
    last = scores.shape[-1] - 1 - scores[..., ::-1].argmax(axis=-1)
    weights = (np.arange(scores.shape[-1]) == last[..., None]).astype(scores.dtype)
    weights[~np.isfinite(scores).any(axis=-1)] = 0
    return _with_weights(base, weights)


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
        "softmax was taken over the batch entries instead of the keys",
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
    Variant(
        "last-of-equals", "of equal scores the last was taken instead of the first", _other_tie
    ),
)
