"""The exponentials of the scores and their sums, as softmax is worked out by hand.

    exp_scores = exp(s),   exp_sum = exp(sink) + sum_j exp(s_j),   weights = exp_scores / exp_sum

s are the last scores before the weights, divided by the temperature; `exp_scores` is 0 for a hidden
key. Both steps exist if weights are exponentials over their sum: softmax, which has no sink,
softmax1, whose sink is 0, and sink_logits. If the largest of the scores and the sink of a row, m,
is beyond the range of the type (700 in float64), both are of s - m instead, and the formulas say
so: exp(s) would be infinite, or the sum 0.
"""

from __future__ import annotations

from math import floor, log
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array
from attn_cli.floats import FloatType
from attn_cli.formula import Abs, Call, Formula, Relation, Symbol, Where, number
from attn_cli.maths.normalizers.base import SCORES
from attn_cli.maths.pairs import ADJUSTED, last_of_scores
from attn_cli.maths.precision import Precision
from attn_cli.maths.stage import BLOCK, OF_PAIRS, PER_QUERY, SCORE, Reads, Stage, define
from attn_cli.maths.weighing import normalised

if TYPE_CHECKING:
    from attn_cli.maths.block import Block
    from attn_cli.maths.problem import Problem

# The largest |m| at which exp(m) is a normal number of the type.
RANGE = {"float64": 700, "float32": 80, "bfloat16": 80, "float16": 8}
CONDITION = "the normaliser is softmax, softmax1 or sink_logits"


def limit(precision: Precision, n_k: int) -> int:
    """Return the largest |m| for which the exponentials of n_k keys, and their sum, are finite."""
    largest = min(-precision.softmax.lowest, -_of_sums(precision).lowest)
    return min(RANGE[precision.softmax.name], floor(log(largest) - log(n_k + 1)))


def _of_sums(precision: Precision) -> FloatType:
    """Return the type of the sums: that of the normaliser, or a wider one."""
    softmax, accumulate = precision.softmax, precision.accumulate
    return softmax if softmax.wider(accumulate) else accumulate


def _exp_scores(problem: Problem) -> Reads | None:
    there = problem.rules.normalizer.sinks is not None
    return (last_of_scores(problem),) if there else None


def _exp_sum(problem: Problem) -> Reads | None:
    return None if _exp_scores(problem) is None else ("exp_scores",)


def _largest(problem: Problem) -> Formula:
    sink = problem.rules.normalizer.sink
    return Call("max", normalised(problem)[SCORES], *(() if sink is None else (sink,)))


def _beyond(problem: Problem) -> Formula:
    """Return the condition under which a row is shifted."""
    most = number(limit(problem.precision, problem.n_k))
    return Relation(Abs(_largest(problem)), ">", most)


def _exp_scores_formula(problem: Problem) -> Formula:
    return define("exp_scores", Call("exp", normalised(problem)[SCORES]))


def _shifted_scores_formula(problem: Problem) -> Formula:
    scores = normalised(problem)[SCORES]
    shifted = Call("exp", scores - _largest(problem))
    return define("exp_scores", Where(shifted, _beyond(problem), Call("exp", scores)))


def _exp_sum_formula(problem: Problem) -> Formula:
    return define("exp_sum", _total(problem))


def _shifted_sum_formula(problem: Problem) -> Formula:
    sink = problem.rules.normalizer.sink
    if sink is None:
        return _exp_sum_formula(problem)
    shifted = Call("exp", sink - _largest(problem)) + _usual_total()
    return define("exp_sum", Where(shifted, _beyond(problem), _total(problem)))


def _usual_total() -> Formula:
    return Call("sum", Symbol("exp_scores"))


def _total(problem: Problem) -> Formula:
    sink, total = problem.rules.normalizer.sink, _usual_total()
    if sink is None:
        return total
    return (number(1) if sink == number(0) else Call("exp", sink)) + total


def exp_scores(block: Block, before: Array) -> Array:
    """Return exp(s), or exp(s - m) in a row whose m is beyond the range; 0 for hidden keys."""
    entry, rules = block.entry, block.rules
    block.close(before)
    s = rules.divided_by_temperature(before, entry.temperature)
    sink = max(_sinks(block), default=-np.inf)
    m = s.max(axis=1, keepdims=True, where=block.seen, initial=sink)
    beyond = np.isfinite(m) & (np.abs(m) > limit(rules.precision, len(entry.K)))
    block.shift = np.where(beyond, m, m.dtype.type(0))
    found: Array = np.exp(s - block.shift, out=np.zeros_like(s), where=block.seen)
    return found


def exp_sum(block: Block, exponentials: Array) -> Array:
    """Return the sum of each row of exponentials, with that of the sink."""
    type_, shift = _of_sums(block.rules.precision).carrier, block.shift
    assert shift is not None  # the exponentials come before
    total: Array = exponentials.sum(axis=1, dtype=type_)
    for sink in _sinks(block):
        total = total + np.exp(type_.type(sink) - shift[:, 0].astype(type_))
    return total


def _sinks(block: Block) -> tuple[float, ...]:
    sinks = block.rules.normalizer.sinks
    assert sinks is not None  # this stage applies
    return sinks(block.entry.parameters)


EXPONENTIALS = (
    Stage(
        name="exp_scores",
        meaning="exponentials of the scores as they are normalised, 0 for hidden keys",
        usual=lambda: define("exp_scores", Call("exp", Symbol("scores"))),
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=SCORE,
        reads=_exp_scores,
        formula=_exp_scores_formula,
        shifted_formula=_shifted_scores_formula,
        may_read=ADJUSTED,
        depth=lambda problem, _: problem.n_k,
        apply=exp_scores,
        type=lambda precision: precision.softmax,
        condition=CONDITION,
        aside=True,
        by_name=True,
        marked=True,
    ),
    Stage(
        name="exp_sum",
        meaning="sum of the exponentials of each query, with that of the sink",
        usual=lambda: define("exp_sum", _usual_total()),
        scope=BLOCK,
        axes=PER_QUERY,
        shape=("n_q",),
        role=SCORE,
        reads=_exp_sum,
        formula=_exp_sum_formula,
        shifted_formula=_shifted_sum_formula,
        may_read=("exp_scores",),
        depth=lambda problem, _: problem.n_q,
        apply=exp_sum,
        type=_of_sums,
        condition=CONDITION,
        aside=True,
        by_name=True,
    ),
)
