"""The stages of queries against keys, up to the scores as they are normalised.

`maths.block` runs them; `maths.weighing` has those that follow.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attn_cli.arrays import Array
from attn_cli.formula import Call, Formula, Product, Remark, Stack, Symbol, Where, Words, number
from attn_cli.maths.heads import named
from attn_cli.maths.meeting import key_end, query_end
from attn_cli.maths.scores.base import D_K, KEYS, QUERIES
from attn_cli.maths.stage import BLOCK, OF_PAIRS, SCORE, WEIGHT, Reads, Stage, define, of_scores

if TYPE_CHECKING:
    from attn_cli.maths.block import Block
    from attn_cli.maths.problem import Problem


def last_of_scores(problem: Problem) -> str:
    """Return the step of the scores as they are normalised."""
    adjustments = problem.rules.adjustments
    return adjustments[-1].step if adjustments else "scores"


def _meeting(problem: Problem) -> Reads:
    """Return the steps of which a product, or a score, is computed."""
    ends = (problem.query and query_end(problem), problem.key and key_end(problem))
    return tuple(name for name in ends if name)


def _products(problem: Problem) -> Reads | None:
    innermost, _ = problem.score.innermost(problem.parameters)
    there = innermost.products is not None and problem.placement == "scores"
    return _meeting(problem) if there else None


def _gate(problem: Problem) -> Reads | None:
    innermost, _ = problem.score.innermost(problem.parameters)
    return None if innermost.gate is None else _meeting(problem)


def _scores(problem: Problem) -> Reads:
    gate = () if _gate(problem) is None else ("gate",)
    products = _products(problem)
    return (*(_meeting(problem) if products is None else ("products",)), *gate)


def _adjusted(step: str, problem: Problem) -> Reads | None:
    """Return the step before an adjustment, None if the problem does not have it."""
    before = "scores"
    for adjustment in problem.rules.adjustments:
        if adjustment.step == step:
            return (before,)
        before = adjustment.step
    return None


def _met(problem: Problem, product: Formula) -> Formula:
    """Return a product of Q and K with the steps that meet, and with the scale that is on them."""
    ends = {"q": "Q", "k": "K"}
    Q: Formula = Symbol(ends.get(query_end(problem), query_end(problem)))
    K: Formula = Symbol(ends.get(key_end(problem), key_end(problem)))
    scale = named(problem.scale, "scale")
    if problem.placement == "query":
        Q = Product(scale, Q)
    elif problem.placement == "split":
        root = Call("sqrt", scale)
        Q, K = Product(root, Q), Product(root, K)
    return product.with_({QUERIES: Q, KEYS: K})


def _products_formula(problem: Problem) -> Formula:
    innermost, _ = problem.score.innermost(problem.parameters)
    assert innermost.products is not None  # this stage applies
    return define("products", _met(problem, innermost.products[problem.layout == "columns"]))


def _gate_formula(problem: Problem) -> Formula:
    innermost, parameters = problem.score.innermost(problem.parameters)
    assert innermost.gate is not None  # this stage applies
    return define("gate", innermost.gate(parameters))


def _scores_formula(problem: Problem) -> Formula:
    innermost, parameters = problem.score.innermost(problem.parameters)
    scores = _met(problem, innermost.expression(parameters, problem.layout))
    if problem.placement == "scores" and not problem.scale_given:
        if innermost.divisor is not None:
            depth = problem.key.depth if problem.key else 0
            scores = scores / innermost.divisor.with_({D_K: number(depth)})
    elif problem.placement == "scores" and problem.scale != 1:
        scores = named(problem.scale, "scale") * scores
    return define("scores", Remark(scores, "where selected") if problem.score.selection else scores)


def _adjusted_formula(step: str, problem: Problem) -> Formula:
    adjustment = next(each for each in problem.rules.adjustments if each.step == step)
    (before,) = _adjusted(step, problem) or ("scores",)
    return define(step, adjustment.formula(Symbol(before)))


def products(block: Block, *_: Array) -> Array:
    """Return Q K^T, or Q W K^T."""
    found = block.parts.products
    assert found is not None  # this stage applies
    return found


def gate(block: Block, *_: Array) -> Array:
    """Return the gate of each pair."""
    found = block.parts.gate
    assert found is not None  # this stage applies
    return found


def scores(block: Block, *_: Array) -> Array:
    """Return scale * score, and begin with which keys take part."""
    entry, parts, precision = block.entry, block.parts, block.rules.precision
    score = parts.score if parts.products is None else parts.products
    if "products" in block.values:
        score = precision.wide(block.values["products"])
    assert score is not None  # a score function gives the score, or products
    if parts.gate is not None:
        score = precision.wide(block.values["gate"]) * score
    return block.select(precision.scores.round(entry.scale * score))


def adjusted(step: str, block: Block, before: Array) -> Array:
    """Return the scores after a softcap, a bias or a mask."""
    return block.adjust(step, before)


def _n_k(problem: Problem, _: object) -> int:
    return problem.n_k


ENDS = ("q", "q_normed", "q_rotated", "k", "k_normed", "k_rotated", "present_key")
ADJUSTED = ("scores", "capped", "biased", "masked")

PAIRS = (
    Stage(
        name="products",
        meaning="products of queries and keys, not scaled",
        usual=lambda: define("products", Symbol("Q") @ Symbol("K").T),
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=SCORE,
        reads=_products,
        formula=_products_formula,
        may_read=ENDS,
        depth=_n_k,
        apply=products,
        type=of_scores,
        condition="the score is a product, scaled after it",
        aliases=("qk", "qk_t"),
    ),
    Stage(
        name="gate",
        meaning="the gate of each pair of a query and a key",
        usual=lambda: define(
            "gate", Call("sigmoid", Symbol("W_g") @ Stack(Symbol("q"), Symbol("k")) + Symbol("b_g"))
        ),
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=WEIGHT,
        reads=_gate,
        formula=_gate_formula,
        may_read=ENDS,
        depth=_n_k,
        apply=gate,
        type=of_scores,
        condition="the score function is gated",
    ),
    Stage(
        name="scores",
        meaning="how well each query matches each key",
        usual=lambda: define("scores", Symbol("scale") * (Symbol("Q") @ Symbol("K").T)),
        scope=BLOCK,
        axes=OF_PAIRS,
        shape=("n_q", "n_k"),
        role=SCORE,
        reads=_scores,
        formula=_scores_formula,
        may_read=(*ENDS, "products", "gate"),
        depth=_n_k,
        apply=scores,
        type=of_scores,
        aliases=("energy", "logits"),
        watched=True,
        marked=True,
    ),
    *(
        Stage(
            name=name,
            meaning=meaning,
            usual=usual,
            scope=BLOCK,
            axes=OF_PAIRS,
            shape=("n_q", "n_k"),
            role=SCORE,
            reads=partial(_adjusted, name),
            formula=partial(_adjusted_formula, name),
            may_read=tuple(step for step in ADJUSTED if step != name),
            depth=_n_k,
            apply=partial(adjusted, name),
            type=of_scores,
            condition=condition,
            aliases=aliases,
            marked=True,
        )
        for name, meaning, usual, condition, aliases in (
            (
                "capped",
                "scores within (-cap, cap)",
                lambda: define(
                    "capped", Symbol("cap") @ Call("tanh", Symbol("scores") / Symbol("cap"))
                ),
                "softcap is given",
                (),
            ),
            (
                "biased",
                "scores with the biases added: score_bias, alibi, relative_bias",
                lambda: define("biased", Symbol("scores") + Symbol("bias")),
                "a bias is given",
                (),
            ),
            (
                "masked",
                "scores with the mask added, -inf for hidden keys",
                lambda: define(
                    "masked",
                    Where(
                        Symbol("scores") + Symbol("mask"),
                        Words("query i sees key j"),
                        number(float("-inf")),
                    ),
                ),
                "anything is masked: mask, causal, window, lengths, documents",
                ("mask",),
            ),
        )
    ),
)
