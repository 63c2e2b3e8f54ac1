"""The weights that a wrong context was computed with, solved from its numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.lab.altered import computed
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.meeting import value_end

_MOST = 2  # weights that are named one by one, with what they would have to be


def solved_weights(base: Base, answer: Answer) -> AnyArray | None:
    """Return the weights W (..., n_q, n_k) with W V = the answer; None if they are not unique.

    V must have rank n_k. A row is solved if all its numbers are given, and NaN if not; the answer
    must be a context, or an output that equals it.
    """
    if not _is_context(base, answer.step):
        return None
    V, spec = _values(base), base.specs[answer.step]
    context = computed(base.problem, spec, answer.values)
    rows = np.asarray(computed(base.problem, spec, answer.given).all(axis=-1))
    rank = np.linalg.matrix_rank(V) if np.isfinite(V).all() else np.zeros(())
    if not rows.any() or not (rank == base.problem.n_k).all():
        return None
    if not np.isfinite(context[rows]).all():
        return None
    found: AnyArray = np.where(rows[..., None], context @ np.linalg.pinv(V), np.nan)
    return found if np.nanmax(np.abs(found @ V - context)) <= _room(answer) else None


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


class _Near:
    """Compares weights, as far as the answer determines them."""

    def __init__(self, base: Base, answer: Answer) -> None:
        inverse = np.linalg.pinv(_values(base))
        # How far weights may be off, if the answer is off by its tolerance.
        self.room = float(np.abs(inverse).sum(axis=-2).max()) * _room(answer) / 4 + 1e-9

    def same(self, solved: AnyArray, other: AnyArray) -> bool:
        """Return whether the solved rows are those of other weights."""
        rows = np.isfinite(solved)
        return solved.shape == other.shape and bool(
            (np.abs(solved - other)[rows] <= self.room).all()
        )


def changed_weights(
    base: Base, answer: Answer, solved: AnyArray
) -> tuple[tuple[float, float], ...]:
    """Return the few weights that would have to be others: the right number, and the solved one.

    Empty if there are more, or if equal weights would have to differ.
    """
    right, room = base.steps["weights"], _Near(base, answer).room
    found: dict[float, float] = {}
    for here, there in zip(right.ravel().tolist(), solved.ravel().tolist(), strict=True):
        if not abs(here - there) > room:
            continue
        of_equal = next((key for key in found if abs(key - here) <= 1e-12), here)
        if abs(found.setdefault(of_equal, there) - there) > 2 * room:
            return ()
    return tuple(found.items()) if len(found) <= _MOST else ()


def known_weights(base: Base, answer: Answer, solved: AnyArray) -> Iterator[tuple[str, str]]:
    """Yield a name and a sentence for each known matrix that the solved weights are."""
    right, near = base.steps["weights"], _Near(base, answer)
    visible = np.broadcast_to(
        base.visible.reshape(*_lead(base), *base.visible.shape[-2:]), right.shape
    )
    if near.same(solved, np.full_like(right, 1 / right.shape[-1])):
        yield "uniform-weights", "all keys were given the same weight"
    elif near.same(solved, visible / np.maximum(visible.sum(axis=-1, keepdims=True), 1)):
        yield "uniform-weights", "all keys that are seen were given the same weight"
    largest = right.argmax(axis=-1)[..., None] == np.arange(right.shape[-1])
    if near.same(solved, largest.astype(np.float64)):
        yield "largest-alone", "the key with the largest weight was given all of it"
    rows = int(np.isfinite(solved).all(axis=-1).sum())
    for query in range(right.shape[-2] if rows > 1 else 0):
        if near.same(solved, np.broadcast_to(right[..., query : query + 1, :], right.shape)):
            label = base.problem.query_tokens[query]
            yield "weights-of-one-query", f"the weights of {label} were used for every query"
    yield from _of_other_heads(base, near, solved)
    if near.same(np.sort(solved, axis=-1), np.sort(right, axis=-1)):
        yield "weights-of-other-keys", "the weights are right, but each row has them at other keys"


def _lead(base: Base) -> tuple[int, ...]:
    """Return the leading axes of `visible` that the weights have."""
    batches, heads = base.visible.shape[:2]
    lead = (batches,) if base.problem.batch else ()
    return (*lead, heads) if base.problem.heads is not None else lead


def _of_other_heads(base: Base, near: _Near, solved: AnyArray) -> Iterator[tuple[str, str]]:
    """Yield whether heads, or batch entries, have the weights of others."""
    right = base.steps["weights"]
    for number, axis in enumerate(base.problem.lead_axes):
        one, other = np.moveaxis(solved, number, 0), np.moveaxis(right, number, 0)
        for at in range(len(other)):
            if len(other) > 1 and near.same(one, np.broadcast_to(other[at], other.shape)):
                what = "both heads" if (axis, len(other)) == ("head", 2) else f"every {axis}"
                what = what.replace("every batch", "every batch entry")
                named = "head" if axis == "head" else "batch entry"
                yield "weights-of-one-head", f"the weights of {named} {at} were used in {what}"
        if len(other) == 2 and near.same(one, other[::-1]):
            named = "heads" if axis == "head" else "batch entries"
            yield "weights-of-other-head", f"the weights of the two {named} changed places"
