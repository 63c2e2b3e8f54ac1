"""Masks of the user: inverted, added as numbers, of another head, over another axis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import in_tree, kernel
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.lab.variants.visibility import mask_of, with_mask
from attn_cli.maths.heads import PerHead
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.user import Mask

Move = Callable[[AnyArray], "AnyArray | None"]  # of (batch entries, heads, n_q, n_k)


def _with(problem: Problem, mask: Mask, visible: AnyArray, added: AnyArray | None) -> Problem:
    changed = replace(mask, visible=visible, added=added, hides=not bool(visible.all()))
    return with_mask(problem, changed)


def _dropped(base: Base) -> Problem | None:
    """Return the problem without its mask; None if `no-mask` is the same, or without a mask."""
    mask = mask_of(base.problem)
    return None if mask is None or mask.added is None else with_mask(base.problem, None)


def _inverted(base: Base) -> Problem | None:
    mask = mask_of(base.problem)
    if mask is None or mask.added is not None:
        return None
    return _with(base.problem, mask, ~mask.visible, None)


def _other_meaning(base: Base) -> Changes | None:
    """Return the other meaning of true, if the problem writes one."""
    meaning = base.problem.conventions.get("mask.true_means")
    if _inverted(base) is None or not isinstance(in_tree(base, "mask"), dict):
        return None
    other = {"attend": "ignore", "ignore": "attend"}.get(str(meaning))
    return None if other is None else {"mask.true_means": other}


def _added(base: Base, *, ones_seen: bool) -> Problem | None:
    """Return the problem that adds 1 to the scores of some keys, and 0 to those of the others."""
    mask = mask_of(base.problem)
    if mask is None or mask.added is not None:
        return None
    ones = mask.visible if ones_seen else ~mask.visible
    type_ = base.problem.precision.scores.carrier
    return _with(base.problem, mask, np.ones_like(mask.visible), ones.astype(type_))


def _as_booleans(base: Base) -> Problem | None:
    """Return the problem in which the ones of a mask of 0 and 1 are seen, and the zeros hidden."""
    mask = mask_of(base.problem)
    if mask is None or mask.added is None or not ((mask.added == 0) | (mask.added == 1)).all():
        return None
    return _with(base.problem, mask, mask.added == 1, None)


def _times_scale(base: Base) -> Problem | None:
    mask, scale = mask_of(base.problem), base.problem.scale
    if mask is None or mask.added is None or _ones(scale):
        return None
    factor = np.asarray(scale).reshape(-1, 1, 1) if isinstance(scale, tuple) else scale
    added = (mask.added * factor).astype(mask.added.dtype)
    return _with(base.problem, mask, mask.visible, added)


def _ones(scale: PerHead) -> bool:
    return all(number == 1 for number in (scale if isinstance(scale, tuple) else (scale,)))


def _moved(move: Move, base: Base) -> Problem | None:
    """Return the problem with the mask in other places; None if it is the same there."""
    mask = mask_of(base.problem)
    if mask is None:
        return None
    visible = move(mask.visible)
    added = None if mask.added is None else move(mask.added)
    if visible is None or (
        np.array_equal(visible, mask.visible)
        and (added is None or mask.added is None or np.array_equal(added, mask.added))
    ):
        return None
    return _with(base.problem, mask, visible, added)


def _turned(whole: AnyArray) -> AnyArray | None:
    return whole.swapaxes(-1, -2) if whole.shape[-1] == whole.shape[-2] else None


def _from_the_last(whole: AnyArray) -> AnyArray:
    return whole[..., ::-1]


def _first_entry(whole: AnyArray) -> AnyArray:
    return np.broadcast_to(whole[:1], whole.shape)


def _first_head(whole: AnyArray) -> AnyArray:
    return np.broadcast_to(whole[:, :1], whole.shape)


def _heads_for_entries(whole: AnyArray) -> AnyArray:
    """Return the mask whose flat (batch x heads) is read as (heads x batch)."""
    batches, heads = whole.shape[:2]
    flat = np.ascontiguousarray(whole).reshape(heads, batches, *whole.shape[2:])
    return flat.swapaxes(0, 1)


def _row(name: str, sentence: str, move: Move, *sources: str, needs: str = "a mask") -> Variant:
    return kernel(name, sentence, partial(_moved, move), *sources, needs=needs)


MASKS = (
    kernel(
        "no-numbers-of-mask",
        "the mask was left out, with the numbers that it adds",
        _dropped,
        "pytorch/pytorch#117939",
        needs="a mask of numbers",
        keys=lambda base: None if _dropped(base) is None else {"mask": None},
    ),
    kernel(
        "mask-meaning-inverted",
        "true in the mask had the other meaning: the keys that it shows were hidden",
        _inverted,
        "pytorch/pytorch#170415", "rasbt/LLMs-from-scratch#1061",
        needs="a mask of booleans",
        keys=_other_meaning,
    ),
    kernel(
        "mask-added-as-numbers",
        "the mask was added to the scores as numbers: 1 for a key that is seen, 0 for a hidden one",
        partial(_added, ones_seen=True),
        "pytorch/pytorch#21518",
        needs="a mask of booleans",
    ),
    kernel(
        "mask-added-as-numbers-inverted",
        "the mask was added to the scores as numbers: 1 for a hidden key, 0 for one that is seen",
        partial(_added, ones_seen=False),
        "pytorch/pytorch#21518",
        needs="a mask of booleans",
    ),
    kernel(
        "mask-numbers-as-booleans",
        "a mask of the numbers 0 and 1 hid the keys with 0 instead of being added",
        _as_booleans,
        "pytorch/pytorch#21518",
        needs="a mask of the numbers 0 and 1",
    ),
    kernel(
        "mask-times-scale",
        "the numbers of the mask were multiplied by the scale: it was added before scaling",
        _times_scale,
        needs="a mask of numbers, and a scale",
    ),
    _row(
        "user-mask-transposed",
        "rows of the mask were taken for columns",
        _turned,
        needs="a mask, and as many queries as keys",
    ),
    _row(
        "mask-from-the-last-key",
        "the mask was read from its last key on: padding on the other side",
        _from_the_last,
    ),
    _row(
        "mask-of-first-entry",
        "all batch entries had the mask of the first",
        _first_entry,
        "facebookresearch/xformers#761",
        needs="a mask that differs between batch entries",
    ),
    _row(
        "mask-of-first-head",
        "all heads had the mask of the first",
        _first_head,
        needs="a mask that differs between heads",
    ),
    _row(
        "mask-heads-for-entries",
        "the mask's flat axis of batch entries and heads was read as heads and batch entries",
        _heads_for_entries,
        needs="a mask that differs between batch entries or heads",
    ),
)  # fmt: skip
