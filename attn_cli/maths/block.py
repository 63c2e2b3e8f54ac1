"""Attention, the definition: one block of query rows against a range of keys, stage by stage.

    products = Q K^T, or Q W K^T; none if the score is not a product
    scores   = scale * score(q, k), -inf for pairs that sparse attention does not select
    capped, biased, masked: adjustments, in the problem's order (`maths.adjustments`)
    visible  = 0 if the query sees the key, else the code of the reason
    weights  = softmax(masked), or another normaliser; exactly 0 for a key that takes no part
    lse      = log(sum(exp(masked))),  row_sums = the sum of a row of weights
    dropped  = weights keep / (1 - p)
    context  = dropped V; for this sum the weights are rounded to the type `weighted_sum` instead

The rows are in `maths.pairs` and `maths.weighing`; `maths.rows` has those after the context.
Hidden numbers are replaced, never multiplied or added: NaN or infinity in a hidden key or value
reaches no result. Every step is computed in the type in which sums run, and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers, every, part_of, some
from attn_cli.dataclass import dataclass
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, intersection
from attn_cli.maths.rules import KINDS, Kinds, Rules
from attn_cli.maths.scores.base import Block as ScoreBlock
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.maths.select import Selection, k_largest
from attn_cli.maths.stage import WEIGHT, Schedule, StepSpec
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import REASONS, Lead, all_of, codes, common_reach

SPARSE, TOP_K, ZERO_KEY = map(REASONS.index, ("sparse", "top_k", "zero_key"))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One batch entry and head, prepared for any block of its queries and range of its keys."""

    lead: Lead
    batch: int
    head: int
    i: Integers  # the numbers of the query rows
    token_positions: TokenPositions
    Q: Array  # as they meet the keys, in the wide type
    K: Array
    function: tuple[ScoreFunction, Parameters]  # the innermost, with its parameters
    score: ScoreBlock
    scale: float  # 1 if Q and K were scaled before their product
    shows_products: bool  # False if these products are scaled: they are scores already
    selection: Selection | None
    rules: Rules
    parameters: Parameters  # of the normaliser, of this head
    temperature: float | None  # of this head
    V: Array | None
    of_queries: Mapping[str, Array]  # the steps of queries that stages of blocks read, not scaled
    of_keys: Mapping[str, Array]  # and those of keys

    def queries(self, rows: slice) -> Integers:
        """Return the numbers of some of the query rows."""
        return part_of(self.i, rows)

    def place(self, rows: slice, keys: slice) -> Place:
        """Return the place of a block."""
        j = np.arange(keys.start, keys.stop, keys.step or 1)
        return Place(self.batch, self.head, self.queries(rows), j, self.token_positions)

    def reach(self, rows: slice, n_k: int) -> Ranges:
        """Return the ranges of keys outside which these queries see none."""
        at = self.place(rows, slice(0, 0))
        found = common_reach(self.rules.schemes, at, n_k)
        if self.selection is None or not found:
            return found
        return intersection(found, self.selection.reach(at.i, n_k))


class StepValues(NamedTuple):
    """One step of a block, which of its keys take part at that point, and why the others do not."""

    name: str
    values: AnyArray
    seen: Bools | None = None
    why: AnyArray | None = None  # codes; only if the step `visible` is computed
    matters: Bools | None = None  # of scores: keys that are not hidden permanently in the end
    shifted: bool = False  # whether some rows are of scores less their largest


class Block:
    """The values of one block so far, and which of its keys take part.

    `seen` marks the keys that take part at this point, `matters` those that are not hidden
    permanently in the end; `why` has the code of the reason that hides a key, or is None if the
    step `visible` is not computed.
    """

    def __init__(self, entry: Entry, rows: slice, keys: slice, *, why: bool) -> None:
        self.entry, self.rows, self.keys, self.rules = entry, rows, keys, entry.rules
        self.at = entry.place(rows, keys)
        self.parts = entry.score(rows, keys)
        self.values: dict[str, AnyArray] = {}
        self.unrounded: Array | None = None  # the weights before they are rounded for display
        self.why: AnyArray | None = None
        self.shift: Array | None = None  # what `exp_scores` subtracts from each row (rows, 1)
        self.kinds: Kinds | None = None  # codes of rows without a visible key, set by `close`
        self._asks_why = why
        self._weighing: Bools | None = None

    def value(self, name: str) -> AnyArray:
        """Return the values of a step that a stage of the block reads."""
        if name in self.values:
            return self.values[name]
        if name in self.entry.of_queries:
            return self.entry.of_queries[name][self.rows]
        return self.entry.of_keys[name][self.keys]

    def select(self, scores: Array) -> Array:
        """Return the scores, -inf for unselected pairs, and initialise `seen`."""
        entry, rules = self.entry, self.rules
        self.visible = all_of(rules.schemes, self.at)
        if entry.selection is None:
            shape = self.visible.shape
            self.selected = np.ones(shape, np.bool_) if rules.schemes else self.visible
            self._shown = self.visible
        else:
            self.selected = entry.selection(self.at.i, self.at.j, scores, self.visible)
            scores = np.where(self.selected, scores, scores.dtype.type(-np.inf))
            self._shown = self.selected & self.visible
        self.seen = self.selected
        if self._asks_why:
            self.why = why_hidden(entry, self.at, self.selected)
        self.matters = self._shown if rules.hides_permanently else self.selected
        return scores

    def adjust(self, step: str, scores: Array) -> Array:
        """Return the scores after the softcap, the bias or the mask."""
        adjustment = next(each for each in self.rules.adjustments if each.step == step)
        wide = self.rules.precision.wide(scores)
        scores, self.seen = adjustment(wide, self.seen, self.visible, self.at)
        if self.entry.selection is not None:  # a cap or a mask does not select a pair
            scores, self.seen = np.where(self.selected, scores, -np.inf), self.seen & self.selected
        return scores

    def close(self, scores: Array) -> Kinds:
        """Keep only the `top_k` largest scores of each row, if it is set, and find empty rows.

        Returns a code per row: 0, or the choice for a row without a visible key.
        """
        if self.kinds is None:
            if self.rules.top_k is not None:
                kept = k_largest(scores, self.seen, self.rules.top_k)
                if self.why is not None:
                    dropped = self.seen & ~kept & (self.why == 0)
                    self.why = np.where(dropped, TOP_K, self.why).astype(self.why.dtype)
                self.seen = kept
            empty: Bools = np.logical_not((self._shown & self.seen).any(axis=1))
            self.kinds = self.rules.kinds(empty, self.at)
        return self.kinds

    @property
    def weighing(self) -> Bools:
        """Which values are weighed: those of seen keys; in empty rows, all or none."""
        rules, kinds = self.rules, self.kinds
        assert kinds is not None  # weights come after `close`
        if self._weighing is None:
            weighing, any_empty = self.seen, some(kinds)
            if any_empty and rules.gives("uniform"):
                weighing = weighing | (kinds == KINDS.index("uniform"))[:, None]
            if any_empty and rules.gives("zero"):  # also behind a finite fill: hidden keys are seen
                weighing = weighing & (kinds != KINDS.index("zero"))[:, None]
            self._weighing = weighing
        return self._weighing

    def keep(self, spec: StepSpec, exact: AnyArray) -> None:
        """Keep the values of a step; those of weights are also kept before they are rounded."""
        self.values[spec.name] = spec.rounded(exact)
        if spec.stage.role == WEIGHT and spec.stage.marked:
            self.unrounded = exact

    def made(self, spec: StepSpec) -> StepValues:
        """Return a step of the block, with the marks of its hidden keys if tables show them."""
        values = self.values[spec.name]
        if spec.stage.shifted_formula is not None and self.shift is not None:
            shifted = some(self.shift)
            return StepValues(spec.name, values, self.seen, self.why, shifted=shifted)
        if not spec.stage.marked:
            return StepValues(spec.name, values)
        if spec.stage.role == WEIGHT:
            return StepValues(spec.name, values, self.weighing, self.why)
        return StepValues(spec.name, values, self.seen, self.why, self.matters)


def steps(entry: Entry, rows: slice, keys: slice, schedule: Schedule) -> Iterator[StepValues]:
    """Yield the steps of `schedule`: the wanted steps of blocks, and the steps that they read.

    `rows` are rows of entry.i, `keys` a range of keys. A further step `empty` is not 0 for queries
    that see no key. Reasons why keys are hidden are computed only if `visible` is in `schedule`.
    """
    why = any(spec.name == "visible" for spec, _ in schedule)
    block, has_empty = Block(entry, rows, keys, why=why), False
    for spec, finished in schedule:
        block.keep(spec, spec.exact(block, *map(block.value, spec.reads)))
        if block.kinds is not None and not has_empty:
            has_empty = True
            yield StepValues("empty", block.kinds)
        yield block.made(spec)
        for name in finished:
            block.values.pop(name, None)


def score_of(entry: Entry, rows: slice, keys: slice) -> Array:
    """Return the unscaled score in the wide type."""
    precision, parts = entry.rules.precision, entry.score(rows, keys)
    score = parts.score if parts.products is None else parts.products
    assert score is not None  # a score function gives one of the two
    if parts.products is not None and entry.shows_products:
        score = precision.wide(precision.scores.round(score))
    if parts.gate is not None:
        score = precision.wide(precision.scores.round(parts.gate)) * score
    return score


def why_hidden(entry: Entry, at: Place, selected: Bools) -> AnyArray:
    """Return the code of the first reason that hides a key from a query, 0 if none does."""
    found = codes(entry.rules.schemes, at)
    defined = None if entry.selection is None else entry.selection.defined
    left_out = ~selected if defined is None else ~selected & defined[None, at.j]
    found[left_out & ((found == 0) | (found > SPARSE))] = SPARSE
    if defined is not None:
        found[(found == 0) & ~defined[None, at.j]] = ZERO_KEY
    return found


def weigh(weights: Array, V: Array, seen: Bools) -> Array:
    """Return weights V, to which a value contributes only if its key takes part.

    If all values are finite that is the plain product. NaN and infinity are added key by key:
    0 * NaN is NaN, but a hidden key, whose weight is 0, must contribute nothing.
    """
    finite = np.isfinite(V)
    if every(finite):
        return weights @ V
    context = weights @ np.where(finite, V, V.dtype.type(0))
    for key in np.flatnonzero(~finite.all(axis=1)):
        rows = seen[:, key]
        nonfinite = np.where(finite[key], V.dtype.type(0), V[key])
        products = weights[rows, key, None] * nonfinite[None, :]
        context[rows] += np.where(finite[key], V.dtype.type(0), products)
    return context
