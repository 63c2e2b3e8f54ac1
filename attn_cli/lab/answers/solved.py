"""The weights that a wrong context was computed with, solved from its numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.lab.altered import computed
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.meeting import value_end


def solved_weights(base: Base, answer: Answer) -> AnyArray | None:
    """Return the weights W (..., n_q, n_k) with W V = the answer; None if they are not unique.

    V must have rank n_k, and the answer must be a whole context, or an output that equals it.
    """
    if not answer.whole or not _is_context(base, answer.step):
        return None
    V = _values(base)
    context = computed(base.problem, base.specs[answer.step], answer.values)
    rank = np.linalg.matrix_rank(V) if np.isfinite(V).all() else np.zeros(())
    if not (rank == base.problem.n_k).all() or not np.isfinite(context).all():
        return None
    found: AnyArray = context @ np.linalg.pinv(V)
    return found if np.abs(found @ V - context).max() <= _room(answer) else None


def _room(answer: Answer) -> float:
    return 4 * float(answer.allowed(answer.values).max())


def _is_context(base: Base, step: str) -> bool:
    after = base.problem.after.output
    plain = after.weight is None and after.bias is None and base.problem.gate is None
    return step == "context" or (step == "output" and plain and not base.problem.joined)


def _values(base: Base) -> AnyArray:
    """Return V as each query head reads it."""
    V = base.steps[value_end(base.problem)].astype(np.float64)
    if base.problem.heads is not None:
        V = V[..., list(base.problem.key_heads), :, :]
    return V


def known_weights(base: Base, answer: Answer, solved: AnyArray) -> Iterator[tuple[str, str]]:
    """Yield a name and a sentence for each known matrix that the solved weights are."""
    V, right = _values(base), base.steps["weights"]
    # How far weights may be off, if the answer is off by its tolerance.
    room = float(np.abs(np.linalg.pinv(V)).sum(axis=-2).max()) * _room(answer) / 4 + 1e-9

    def same(one: AnyArray, other: AnyArray) -> bool:
        return one.shape == other.shape and bool(np.abs(one - other).max() <= room)

    if same(solved, np.full_like(solved, 1 / solved.shape[-1])):
        yield "uniform-weights", "all keys were given the same weight"
    for query in range(right.shape[-2] if right.shape[-2] > 1 else 0):
        if same(solved, np.broadcast_to(right[..., query : query + 1, :], right.shape)):
            label = base.problem.query_tokens[query]
            yield "weights-of-one-query", f"the weights of {label} were used for every query"
    if base.problem.heads is not None and right.shape[-3] > 1:
        for head in range(right.shape[-3]):
            of_head = np.broadcast_to(right[..., head : head + 1, :, :], right.shape)
            if same(solved, of_head):
                yield "weights-of-one-head", f"the weights of head {head} were used in every head"
