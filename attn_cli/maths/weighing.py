"""The stages from the normalised scores to the context; `maths.block` runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.arrays import AnyArray, Array
from attn_cli.formula import Call, Elementwise, Formula, Remark, Symbol, Where, Words, number
from attn_cli.maths.heads import named
from attn_cli.maths.meeting import value_end
from attn_cli.maths.normalizers.base import SCORES
from attn_cli.maths.pairs import ADJUSTED, last_of_scores
from attn_cli.maths.stage import (
    BLOCK,
    CODE,
    OF_PAIRS,
    OF_QUERIES,
    PER_QUERY,
    SCORE,
    VECTOR,
    WEIGHT,
    Reads,
    Stage,
    define,
)

if TYPE_CHECKING:
    from attn_cli.maths.block import Block
    from attn_cli.maths.problem import Problem


def hides(problem: Problem) -> bool:
    """Return whether anything can hide a key."""
    innermost, _ = problem.score.innermost(problem.parameters)
    selects = problem.score.selection or innermost.undefined
    return bool(problem.rules.schemes or selects or problem.rules.top_k)


def _of_last(problem: Problem) -> Reads:
    return (last_of_scores(problem),)


def _visible(problem: Problem) -> Reads | None:
    # Also if a mask happens to hide nothing: which steps there are does not depend on its numbers.
    masked = any(each.step == "masked" for each in problem.rules.adjustments)
    return _of_last(problem) if hides(problem) or masked else None


def _dropped(problem: Problem) -> Reads | None:
    return None if problem.rules.dropout is None else ("weights",)


def _context(problem: Problem) -> Reads:
    return ("weights" if problem.rules.dropout is None else "dropped", value_end(problem))


def _visible_formula(_: Problem) -> Formula:
    return _usual_visible()


def _usual_visible() -> Formula:
    seen, why = Words("a query sees a key"), Words("the code of why not")
    return define("visible", Where(number(0), seen, why))


def normalised(problem: Problem) -> dict[Formula, Formula]:
    """Return the substitutes for the scores and the parameters in a normaliser's formulas."""
    rules = problem.rules
    scores: Formula = Symbol(last_of_scores(problem))
    if rules.top_k:
        scores = Words(f"the {rules.top_k} largest of ", scores)
    if rules.temperature is not None:
        scores = scores / named(rules.temperature, "temperature")
    arrays = {p.name for p in rules.normalizer.parameters if p.kind == "array"}
    numbers = {n: float(v) for n, v in rules.parameters.items() if n not in arrays}
    return {SCORES: scores, **{Symbol(name): number(value) for name, value in numbers.items()}}


def _weights_formula(problem: Problem) -> Formula:
    weights = problem.rules.normalizer.formula.with_(normalised(problem))
    columns = problem.layout == "columns"
    return define("weights", Remark(weights, "column by column") if columns else weights)


def _lse_formula(problem: Problem) -> Formula:
    lse = problem.rules.normalizer.lse
    assert lse is not None  # this stage applies
    return define("lse", lse.with_(normalised(problem)))


def _row_sums_formula(problem: Problem) -> Formula:
    line = "column" if problem.layout == "columns" else "row"
    return define("row_sums", Words(f"the sum of the weights of a {line}"))


def _dropped_formula(problem: Problem) -> Formula:
    assert problem.rules.dropout is not None  # this stage applies
    kept, p = Elementwise(Symbol("weights"), Symbol("keep")), float(problem.rules.dropout.p)
    return define("dropped", kept if p == 0 else kept / (1 - number(p)))


def _context_formula(problem: Problem) -> Formula:
    weights = Symbol("weights" if problem.rules.dropout is None else "dropped")
    V = Symbol("V" if problem.past is None else "present_value")
    return define("context", V @ weights if problem.layout == "columns" else weights @ V)


def visible(block: Block, before: Array) -> AnyArray:
    """Return the codes of why keys are hidden."""
    block.close(before)
    assert block.why is not None  # the step `visible` is computed
    return block.why


def weights(block: Block, before: Array) -> Array:
    """Return the normalised scores; rows without a visible key follow `empty_rows`."""
    entry, rules = block.entry, block.rules
    kinds = block.close(before)
    return rules.weights(before, block.seen, kinds, entry.parameters, entry.temperature)


def lse(block: Block, before: Array) -> Array:
    """Return log(sum(exp(s))) of each row."""
    entry, rules = block.entry, block.rules
    block.close(before)
    assert rules.normalizer.log_sum is not None  # this stage applies
    divided = rules.divided_by_temperature(before, entry.temperature)
    return rules.normalizer.log_sum(divided, block.seen, entry.parameters)


def row_sums(block: Block, weights: Array) -> Array:
    """Return the sum of each row of weights."""
    sums: Array = block.rules.precision.wide(weights).sum(axis=1)
    return sums


def dropped(block: Block, _: Array) -> Array:
    """Return the weights that dropout leaves, made larger by 1 / (1 - p)."""
    rules, precision = block.rules, block.rules.precision
    assert rules.dropout is not None  # this stage applies
    assert block.unrounded is not None  # the weights come before
    factors = precision.weighted_sum.round(block.unrounded)
    return rules.dropout(precision.wide(factors), block.at)


def context(block: Block, *_: Array) -> Array:
    """Return weights V."""
    from attn_cli.maths.block import weigh

    precision, V = block.rules.precision, block.entry.V
    assert V is not None  # the entry is prepared for it
    assert block.unrounded is not None  # the weights come before
    factors = precision.weighted_sum.round(block.unrounded)
    return weigh(precision.wide(factors), V[block.keys], block.weighing)


def _n_k(problem: Problem, _: object) -> int:
    return problem.n_k


def _n_q(problem: Problem, _: object) -> int:
    return problem.n_q


WEIGHING = (
    Stage(
        name="visible",
        meaning="0 if the query sees the key, else the code of the reason",
        usual=_usual_visible,
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=CODE,
        reads=_visible,
        formula=_visible_formula,
        may_read=ADJUSTED,
        depth=_n_k,
        apply=visible,
        condition="anything can hide a key",
        aside=True,
    ),
    Stage(
        name="weights",
        meaning="the share of each key in the result of each query",
        usual=lambda: define("weights", Call("softmax", Symbol("scores"))),
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=WEIGHT,
        reads=_of_last,
        formula=_weights_formula,
        may_read=ADJUSTED,
        depth=_n_k,
        apply=weights,
        aliases=("softmax", "attention", "attention_weights", "alpha", "probs"),
        marked=True,
    ),
    Stage(
        name="lse",
        meaning="logarithm of the sum of the exponentials of each row of scores",
        usual=lambda: define("lse", Call("log", Call("sum", Call("exp", Symbol("scores"))))),
        scope=BLOCK,
        axes=PER_QUERY,
        shape=("n_q",),
        role=SCORE,
        reads=lambda problem: (
            None if problem.rules.normalizer.log_sum is None else _of_last(problem)
        ),
        formula=_lse_formula,
        may_read=ADJUSTED,
        depth=_n_q,
        apply=lse,
        type=lambda precision: precision.softmax,
        condition="the normaliser is a softmax",
        aside=True,
    ),
    Stage(
        name="row_sums",
        meaning="sum of the weights of each query",
        usual=lambda: define("row_sums", Words("the sum of the weights of a row")),
        scope=BLOCK,
        axes=PER_QUERY,
        shape=("n_q",),
        role=WEIGHT,
        reads=lambda _: ("weights",),
        formula=_row_sums_formula,
        may_read=("weights",),
        depth=_n_q,
        apply=row_sums,
        type=lambda precision: precision.accumulate,
        aside=True,
    ),
    Stage(
        name="dropped",
        meaning="weights after dropout",
        usual=lambda: define(
            "dropped", Elementwise(Symbol("weights"), Symbol("keep")) / (1 - Symbol("p"))
        ),
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=WEIGHT,
        reads=_dropped,
        formula=_dropped_formula,
        may_read=("weights",),
        depth=_n_k,
        apply=dropped,
        condition="dropout is given",
        marked=True,
    ),
    Stage(
        name="context",
        meaning="sum of the values, each times its weight",
        usual=lambda: define("context", Symbol("weights") @ Symbol("V")),
        scope=BLOCK,
        axes=OF_QUERIES,
        shape=("n_q", "d_v"),
        role=VECTOR,
        letter="c",
        reads=_context,
        formula=_context_formula,
        may_read=("weights", "dropped", "v", "present_value"),
        depth=lambda problem, _: problem.value.depth,
        apply=context,
    ),
)
