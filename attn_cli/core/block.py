"""Attention, the definition: one block of query rows against a range of keys, step by step.

    products = Q K^T, or Q W K^T; none where the score is no product
    scores   = scale * score(q, k), -inf where sparse attention does not select
    masked   = scores + mask where a query sees a key, -inf elsewhere
    weights  = softmax(masked), or another normaliser; exactly 0 where a key is hidden
    context  = weights V

What is hidden is selected away, never multiplied or added to: NaN or infinity in a hidden key or
value reaches no result. What follows the context is in `core.after`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attn_cli.core.arrays import AnyArray, Array, Bools, Integers
from attn_cli.core.normalizers.base import Normalizer
from attn_cli.core.scores.base import Block
from attn_cli.core.select import Selection
from attn_cli.core.visible import Lead, Mask, Scheme, all_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One batch entry and head, prepared for any block of its queries and range of its keys."""

    lead: Lead
    positions: Integers  # where each query row stands: i
    score: Block
    scale: float
    selection: Selection | None
    schemes: tuple[Scheme, ...]
    mask: Mask | None
    normalizer: Normalizer
    V: Array | None


def steps(entry: Entry, rows: slice, keys: slice) -> Iterator[tuple[str, AnyArray]]:
    """Yield the name and values of each step, in the order computed; stop early to skip the rest.

    `rows` are rows of entry.positions, `keys` a range of keys. `visible` is among the steps: True
    where a query attends to a key.
    """
    i = entry.positions[rows]
    j = np.arange(keys.start, keys.stop)

    parts = entry.score(rows, keys)
    if parts.products is not None:
        yield "products", parts.products
    if parts.gate is not None:
        yield "gate", parts.gate

    scores = entry.scale * parts.score
    visible = all_of(entry.schemes, entry.lead, i, j)
    if entry.selection is not None:
        selected = entry.selection(i, j, scores, visible)
        scores = np.where(selected, scores, -np.inf)
        visible &= selected
    yield "visible", visible
    yield "scores", scores

    added = entry.mask.addend(entry.lead, i, j) if entry.mask is not None else None
    masked = np.where(visible, scores if added is None else scores + added, -np.inf)
    yield "masked", masked

    weights = entry.normalizer.normalize(masked, visible, {})
    yield "weights", weights

    if entry.V is not None:
        yield "context", weigh(weights, entry.V[keys], visible)


def weigh(weights: Array, V: Array, visible: Bools) -> Array:
    """Return weights V, to which a value contributes only where its key is visible.

    Where all values are finite that is the plain product. NaN and infinity are added key by key:
    0 * NaN is NaN, and must not be where the 0 stands for "hidden".
    """
    finite = np.isfinite(V)
    if finite.all():
        return weights @ V
    context = weights @ np.where(finite, V, V.dtype.type(0))
    for key in np.flatnonzero(~finite.all(axis=1)):
        seen = visible[:, key]
        wild = np.where(finite[key], V.dtype.type(0), V[key])
        wild_part = weights[seen, key, None] * wild[None, :]
        context[seen] += np.where(finite[key], V.dtype.type(0), wild_part)
    return context
