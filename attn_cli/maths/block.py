"""Attention, the definition: one block of query rows against a range of keys, step by step.

    products = Q K^T, or Q W K^T; none where the score is no product
    scores   = scale * score(q, k), -inf where sparse attention does not select
    capped, biased, masked: adjustments, in the problem's order (maths.adjustments)
    visible  = 0 where a query sees a key, else the code of why not
    weights  = softmax(masked), or another normaliser; exactly 0 where a key takes no part
    lse      = log(sum(exp(masked))),  row_sums = the sum of a row of weights
    dropped  = weights keep / (1 - p)
    context  = dropped V, whose weights are rounded to the type `weighted_sum`, not to that shown

What is hidden is selected away, never multiplied or added to: NaN or infinity in a hidden key or
value reaches no result. Every step is computed in the type in which sums run, and rounded once.
What follows the context is in `maths.after`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, intersection
from attn_cli.maths.rules import KINDS, Kinds, Rules
from attn_cli.maths.scores.base import Block, ScoreFunction
from attn_cli.maths.select import Selection, k_largest
from attn_cli.maths.standing import Standing
from attn_cli.maths.visible.base import REASONS, Lead, all_of, codes, common_reach

SPARSE, TOP_K = REASONS.index("sparse"), REASONS.index("top_k")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One batch entry and head, prepared for any block of its queries and range of its keys."""

    lead: Lead
    batch: int
    head: int
    i: Integers  # the numbers of the query rows
    standing: Standing
    Q: Array  # as they meet the keys, in the wide type
    K: Array
    function: tuple[ScoreFunction, Parameters]  # the innermost, with its parameters
    score: Block
    scale: float  # 1 where Q and K were scaled before their product
    shows_products: bool  # not there, because these products are scores already
    selection: Selection | None
    rules: Rules
    parameters: Parameters  # of the normaliser, of this head
    temperature: float | None  # of this head
    V: Array | None

    def place(self, rows: slice, keys: slice) -> Place:
        """Return the place of a block."""
        j = np.arange(keys.start, keys.stop, keys.step or 1)
        return Place(self.batch, self.head, self.i[rows], j, self.standing)

    def reach(self, rows: slice, n_k: int) -> Ranges:
        """Return the ranges of keys outside which these queries see none."""
        at = self.place(rows, slice(0, 0))
        found = common_reach(self.rules.schemes, at, n_k)
        if self.selection is None or not found:
            return found
        return intersection(found, self.selection.reach(at.i, n_k))


class Made(NamedTuple):
    """One step of a block, which of its keys take part at that point, and why the others do not."""

    name: str
    values: AnyArray
    seen: Bools | None = None
    why: AnyArray | None = None  # codes; only where `visible` is among the asides
    matters: Bools | None = None  # of scores: what is not hidden for good in the end


def steps(
    entry: Entry, rows: slice, keys: slice, asides: frozenset[str] = frozenset()
) -> Iterator[Made]:
    """Yield each step in the order computed; stop early to skip the rest.

    `rows` are rows of entry.i, `keys` a range of keys. `empty` is among the steps: not 0 for the
    queries that see no key. `visible`, `lse` and `row_sums` are made only where `asides` has them.
    """
    rules, precision = entry.rules, entry.rules.precision
    at = entry.place(rows, keys)
    rounded = precision.scores.round

    score, made = score_of(entry, rows, keys)
    yield from made
    scores = rounded(entry.scale * score)
    visible = all_of(rules.schemes, at)
    seen = np.ones_like(visible)
    if entry.selection is not None:
        seen = entry.selection(at.i, at.j, scores, visible)
        scores = np.where(seen, scores, scores.dtype.type(-np.inf))
    selected = seen
    why = why_hidden(entry, at, selected) if "visible" in asides else None
    matters = selected & visible if rules.for_good else selected
    yield Made("scores", scores, seen, why, matters)

    for adjustment in rules.adjustments:
        scores, seen = adjustment(precision.wide(scores), seen, visible, at)
        if entry.selection is not None:  # what is not selected stays so
            scores, seen = np.where(selected, scores, -np.inf), seen & selected
        scores = rounded(scores)
        yield Made(adjustment.step, scores, seen, why, matters)

    if rules.top_k is not None:
        kept = k_largest(scores, seen, rules.top_k)
        if why is not None:
            why = np.where(seen & ~kept & (why == 0), TOP_K, why).astype(why.dtype)
        seen = kept
    empty: Bools = np.logical_not((visible & selected & seen).any(axis=1))
    kinds = rules.kinds(empty, at)
    yield Made("empty", kinds)
    if why is not None:
        yield Made("visible", why)
    yield from _weighed(entry, at, Made("masked", scores, seen, why), kinds, asides)


def score_of(entry: Entry, rows: slice, keys: slice) -> tuple[Array, list[Made]]:
    """Return the unscaled score in the wide type, and the intermediates that are steps."""
    precision, parts = entry.rules.precision, entry.score(rows, keys)
    rounded, made = precision.scores.round, []
    score = parts.score
    if parts.products is not None:
        score = parts.products
        if entry.shows_products:
            products = rounded(score)
            score = precision.wide(products)
            made.append(Made("products", products))
    assert score is not None  # a score function gives one of the two
    if parts.gate is not None:
        gate = rounded(parts.gate)
        score = precision.wide(gate) * score
        made.append(Made("gate", gate))
    return score, made


def _weighed(
    entry: Entry, at: Place, last: Made, kinds: Kinds, asides: frozenset[str]
) -> Iterator[Made]:
    """Yield what follows from the last of the scores; `kinds` are those of rows without a key."""
    rules, precision, why = entry.rules, entry.rules.precision, last.why
    scores, seen = last.values, last.seen
    assert seen is not None  # the scores say who takes part
    unrounded = rules.weights(scores, seen, kinds, entry.parameters, entry.temperature)
    weights = precision.dtype.round(unrounded)
    weighing = seen
    if rules.gives("uniform"):
        weighing = seen | (kinds == KINDS.index("uniform"))[:, None]
    if rules.gives("zero"):  # also behind a finite fill, where hidden keys are seen
        weighing = weighing & (kinds != KINDS.index("zero"))[:, None]
    yield Made("weights", weights, weighing, why)
    if "lse" in asides and rules.normalizer.log_sum is not None:
        warmed = rules.warmed(scores, entry.temperature)
        lse = rules.normalizer.log_sum(warmed, seen, entry.parameters)
        yield Made("lse", precision.softmax.round(lse))
    if "row_sums" in asides:
        yield Made("row_sums", precision.wide(weights).sum(axis=1))
    factors = precision.weighted_sum.round(unrounded)
    if rules.dropout is not None:
        kept = rules.dropout(precision.wide(factors), at)
        factors = precision.weighted_sum.round(kept)
        yield Made("dropped", precision.dtype.round(kept), weighing, why)
    if entry.V is not None:
        context = weigh(precision.wide(factors), entry.V[at.keys], weighing)
        yield Made("context", precision.dtype.round(context))


def why_hidden(entry: Entry, at: Place, selected: Bools) -> AnyArray:
    """Return the code of the first reason that hides a key from a query, 0 where none does."""
    found = codes(entry.rules.schemes, at)
    found[~selected & ((found == 0) | (found > SPARSE))] = SPARSE
    return found


def weigh(weights: Array, V: Array, seen: Bools) -> Array:
    """Return weights V, to which a value contributes only where its key takes part.

    Where all values are finite that is the plain product. NaN and infinity are added key by key:
    0 * NaN is NaN, and must not be where the 0 stands for "hidden".
    """
    finite = np.isfinite(V)
    if finite.all():
        return weights @ V
    context = weights @ np.where(finite, V, V.dtype.type(0))
    for key in np.flatnonzero(~finite.all(axis=1)):
        rows = seen[:, key]
        wild = np.where(finite[key], V.dtype.type(0), V[key])
        wild_part = weights[rows, key, None] * wild[None, :]
        context[rows] += np.where(finite[key], V.dtype.type(0), wild_part)
    return context
