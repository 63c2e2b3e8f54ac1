"""Attention, the definition: one block of query rows against a range of keys, stage by stage.

    products = Q K^T, or Q W K^T; none if the score is not a product
    scores   = scale * score(q, k), -inf where sparse attention does not select
    capped, biased, masked: adjustments, in the problem's order (`maths.adjustments`)
    visible  = 0 where a query sees a key, else the code of why not
    weights  = softmax(masked), or another normaliser; exactly 0 where a key takes no part
    lse      = log(sum(exp(masked))),  row_sums = the sum of a row of weights
    dropped  = weights keep / (1 - p)
    context  = dropped V, whose weights are rounded to the type `weighted_sum`, not to that shown

The rows are in `maths.pairs` and `maths.weighing`; `maths.rows` has those after the context.
Hidden numbers are selected away, never multiplied or added to: NaN or infinity in a hidden key or
value reaches no result. Every step is computed in the type in which sums run, and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, intersection
from attn_cli.maths.rules import KINDS, Kinds, Rules
from attn_cli.maths.scores.base import Block as ScoreBlock
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.maths.select import Selection, k_largest
from attn_cli.maths.stage import WEIGHT, StepSpec, Turn
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import REASONS, Lead, all_of, codes, common_reach

SPARSE, TOP_K = REASONS.index("sparse"), REASONS.index("top_k")


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
    scale: float  # 1 where Q and K were scaled before their product
    shows_products: bool  # False if these products are scaled: they are scores already
    selection: Selection | None
    rules: Rules
    parameters: Parameters  # of the normaliser, of this head
    temperature: float | None  # of this head
    V: Array | None
    sides: Mapping[str, Array]  # Q, K and V as they meet, not scaled, by the names of the steps

    def place(self, rows: slice, keys: slice) -> Place:
        """Return the place of a block."""
        j = np.arange(keys.start, keys.stop, keys.step or 1)
        return Place(self.batch, self.head, self.i[rows], j, self.token_positions)

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
    why: AnyArray | None = None  # codes; only where `visible` is among the asides
    matters: Bools | None = None  # of scores: what is not hidden permanently in the end


class Block:
    """The values of one block so far, and which of its keys take part.

    `seen` says which keys take part at this point, `matters` which are not hidden permanently at
    the end; `why` has the code of the reason that hides a key, and is None if nobody asks for it.
    """

    def __init__(self, entry: Entry, rows: slice, keys: slice, *, why: bool) -> None:
        self.entry, self.rows, self.rules = entry, rows, entry.rules
        self.at = entry.place(rows, keys)
        self.parts = entry.score(rows, keys)
        self.values: dict[str, AnyArray] = {}
        self.unrounded: Array | None = None  # the weights as they are weighed
        self.why: AnyArray | None = None
        self.kinds: Kinds | None = None  # what rows without a key get, once they are known
        self._asks_why = why
        self._weighing: Bools | None = None

    def value(self, name: str) -> AnyArray:
        """Return the values of a step that a stage of the block reads."""
        if name in self.values:
            return self.values[name]
        side = self.entry.sides[name]
        return side[self.rows] if name.startswith("q") else side[self.at.keys]

    def select(self, scores: Array) -> Array:
        """Return the scores, -inf where sparse attention does not select; `seen` begins here."""
        entry, rules = self.entry, self.rules
        self.visible = all_of(rules.schemes, self.at)
        self.selected = np.ones_like(self.visible)
        if entry.selection is not None:
            self.selected = entry.selection(self.at.i, self.at.j, scores, self.visible)
            scores = np.where(self.selected, scores, scores.dtype.type(-np.inf))
        self.seen = self.selected
        if self._asks_why:
            self.why = why_hidden(entry, self.at, self.selected)
        self.matters = self.selected & self.visible if rules.hides_permanently else self.selected
        return scores

    def adjust(self, step: str, scores: Array) -> Array:
        """Return the scores after the softcap, the bias or the mask."""
        adjustment = next(each for each in self.rules.adjustments if each.step == step)
        wide = self.rules.precision.wide(scores)
        scores, self.seen = adjustment(wide, self.seen, self.visible, self.at)
        if self.entry.selection is not None:  # what is not selected stays so
            scores, self.seen = np.where(self.selected, scores, -np.inf), self.seen & self.selected
        return scores

    def close(self, scores: Array) -> Kinds:
        """Leave the largest scores of each row if `top_k` asks for that, and find empty rows.

        Returns what each row without a key gets, as a code.
        """
        if self.kinds is None:
            if self.rules.top_k is not None:
                kept = k_largest(scores, self.seen, self.rules.top_k)
                if self.why is not None:
                    dropped = self.seen & ~kept & (self.why == 0)
                    self.why = np.where(dropped, TOP_K, self.why).astype(self.why.dtype)
                self.seen = kept
            empty: Bools = np.logical_not((self.visible & self.selected & self.seen).any(axis=1))
            self.kinds = self.rules.kinds(empty, self.at)
        return self.kinds

    @property
    def weighing(self) -> Bools:
        """Which values are weighed: those of seen keys, or what a row without a key is to get."""
        rules, kinds = self.rules, self.kinds
        assert kinds is not None  # weights come after `close`
        if self._weighing is None:
            weighing = self.seen
            if rules.gives("uniform"):
                weighing = weighing | (kinds == KINDS.index("uniform"))[:, None]
            if rules.gives("zero"):  # also behind a finite fill, where hidden keys are seen
                weighing = weighing & (kinds != KINDS.index("zero"))[:, None]
            self._weighing = weighing
        return self._weighing

    def made(self, spec: StepSpec) -> StepValues:
        """Return a step of the block, with which keys take part in it if that can be marked."""
        values = self.values[spec.name]
        if not spec.stage.marked:
            return StepValues(spec.name, values)
        if spec.stage.role == WEIGHT:
            return StepValues(spec.name, values, self.weighing, self.why)
        return StepValues(spec.name, values, self.seen, self.why, self.matters)


def steps(entry: Entry, rows: slice, keys: slice, turn: Turn) -> Iterator[StepValues]:
    """Yield the steps of `turn`, which are those of blocks that are wanted and what they read.

    `rows` are rows of entry.i, `keys` a range of keys. `empty` is among the steps: not 0 for the
    queries that see no key. Why a key is hidden is looked for only if `visible` is in turn.
    """
    why = any(spec.name == "visible" for spec, _ in turn)
    block, told = Block(entry, rows, keys, why=why), False
    for spec, over in turn:
        block.values[spec.name] = spec.apply(block, *map(block.value, spec.reads))
        if block.kinds is not None and not told:
            told = True
            yield StepValues("empty", block.kinds)
        yield block.made(spec)
        for name in over:
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
