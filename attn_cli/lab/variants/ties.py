"""Usual mistakes with ties: of equal scores another one is chosen, or fewer of them."""

from __future__ import annotations

from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.formula import Words
from attn_cli.lab.altered import steps_of, with_steps
from attn_cli.lab.variants.normalising import from_scores
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.lab.variants.visibility import with_schemes
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.user import Mask


def _last_of_equals(base: Base) -> Problem | None:
    """Return the problem whose argmax takes the last of equal scores instead of the first."""
    if base.problem.rules.normalizer.name != "argmax":
        return None

    def weights(scores: AnyArray) -> AnyArray:
        last = scores.shape[-1] - 1 - scores[..., ::-1].argmax(axis=-1)
        found: AnyArray = (np.arange(scores.shape[-1]) == last[..., None]).astype(scores.dtype)
        found[~np.isfinite(scores).any(axis=-1)] = 0
        return found

    return from_scores(base, weights)


def _count(problem: Problem) -> int | None:
    """Return how many of the largest scores are kept; None if no number says so."""
    if problem.rules.top_k is not None:
        return problem.rules.top_k
    given = {name for name, value in problem.parameters.items() if value is not None}
    if problem.score.selection is None or given - {"inside"} != {"top_k"}:
        return None
    count: int = problem.parameters["top_k"]
    return count


def _exactly_top_k(first: bool, base: Base) -> Problem | None:
    """Return the problem that keeps `top_k` keys even if more are equal to the last of these."""
    problem, count = base.problem, _count(base.problem)
    if count is None or count >= problem.n_k or not base.small:
        return None
    scores = base.scores.astype(np.float64)
    ranked = np.where(np.isfinite(scores), scores, -np.inf)
    ranked = ranked if first else ranked[..., ::-1]
    rank = np.argsort(np.argsort(-ranked, axis=-1, kind="stable"), axis=-1)
    rank = rank if first else rank[..., ::-1]
    kept = ((rank < count) & np.isfinite(scores)).reshape(-1, *scores.shape[-2:])
    kept = kept.reshape((problem.batch or (1,))[0], problem.heads or 1, *scores.shape[-2:])
    without = replace(problem, rules=replace(problem.rules, top_k=None))
    mask = Mask(base.visible & kept, None, Words("the variant keeps it"), hides=True)
    weights = steps_of(with_schemes(without, (mask,)), ("weights",))["weights"]
    return with_steps(problem, {"weights": weights})


TIES = (
    Variant(
        "last-of-equals", "of equal scores the last was taken instead of the first", _last_of_equals
    ),
    Variant(
        "first-of-equal-top-k",
        "of equal scores at the end of top_k only the first were kept, not all of them",
        partial(_exactly_top_k, True),
    ),
    Variant(
        "last-of-equal-top-k",
        "of equal scores at the end of top_k only the last were kept, not all of them",
        partial(_exactly_top_k, False),
    ),
)
