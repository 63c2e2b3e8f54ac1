"""Usual mistakes with heads: split or joined by a reshape alone, or averaged."""

from __future__ import annotations

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.altered import Steps, with_steps
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.problem import Problem


def _side_by_side(heads: AnyArray) -> AnyArray:
    """Return (..., heads, n, d) as (..., n, heads d): the projection before it was split."""
    moved = heads.swapaxes(-3, -2)
    return moved.reshape(*moved.shape[:-2], -1)


def _split(base: Base) -> Problem | None:
    """Return the problem whose heads are rows of (n, heads d) cut by a reshape, not transposed."""
    problem = base.problem
    if (problem.heads or 1) < 2 or problem.past is not None:
        return None
    given = [p for p in (problem.query, problem.key, problem.value) if p is not None]
    if any(not side.letter for side in given):  # Q, K and V are given head by head
        return None
    values: Steps = {}
    for name in ("q", "k", "v"):
        if name in base.specs:
            heads = base.step(name)
            values[name] = _side_by_side(heads).reshape(heads.shape)
    return with_steps(problem, values)


def _joined(base: Base) -> Problem | None:
    """Return the problem whose contexts (heads, n, d) are reshaped to (n, heads d)."""
    if "concat" not in base.specs or (base.problem.heads or 1) < 2:
        return None
    before = base.specs["concat"].reads[0]
    return with_steps(
        base.problem, {"concat": base.step(before).reshape(base.step("concat").shape)}
    )


def _averaged(base: Base) -> Problem | None:
    """Return the problem whose output is the mean of the contexts; None if it has another size."""
    if "concat" not in base.specs or (base.problem.heads or 1) < 2:
        return None
    mean = base.step(base.specs["concat"].reads[0]).mean(axis=-3)
    if mean.shape != base.step("output").shape:
        return None
    return with_steps(base.problem, {"output": mean})


def _one_key_head(base: Base) -> Problem | None:
    """Return the problem whose query heads all read the first key head."""
    problem = base.problem
    if problem.heads is None or len(set(problem.key_heads)) < 2:
        return None
    return replace(problem, key_heads=(0,) * problem.heads)


def _one_key_head_keys(base: Base) -> Changes | None:
    grouped = base.problem.kv_heads != base.problem.heads  # of as many there is no other map
    problem = _one_key_head(base) if grouped else None
    return None if problem is None else {"grouping": [0] * len(problem.key_heads)}


HEADS = (
    Variant(
        "heads-split-by-reshape",
        "q, k and v were split into heads by a reshape alone, without the transposition after it",
        _split,
        ("FuxiCTR#30", "Chinese-Text-Classification-Pytorch#10"),
    ),
    Variant(
        "heads-joined-by-reshape",
        "the heads were joined by a reshape alone, without the transposition before it",
        _joined,
        ("jsbaan/transformer-from-scratch#6",),
    ),
    Variant(
        "heads-averaged", "the heads were averaged instead of set side by side", _averaged,
        ("ttsugriy, common mistakes, 5",),
    ),
    Variant(
        "first-key-head", "all query heads read the first key head", _one_key_head,
        keys=_one_key_head_keys,
    ),
)  # fmt: skip
