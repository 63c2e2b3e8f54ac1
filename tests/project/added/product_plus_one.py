"""The score that the test of CONTRIBUTING.md adds.

score(q, k) = q.k + 1
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.formula import Dot, Formula, number
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.scores.base import KEY, PRODUCTS, QUERY, Block, Layout, Parts, ScoreFunction


def prepare(Q: Array, K: Array, _: Parameters) -> Block:
    """Return the block function of q.k + 1."""
    return lambda rows, keys: Parts(score=Q[rows] @ K[keys].T + 1)


def expression(_: Parameters, layout: Layout) -> Formula:
    """Return the scores as a product of matrices, plus 1."""
    return PRODUCTS[layout == "columns"] + number(1)


SCORE = ScoreFunction(
    name="product_plus_one",
    formula=Dot(QUERY, KEY) + number(1),
    reference="the test of CONTRIBUTING.md",
    explanation="The product of query and key, plus 1. Only a test has it.",
    prepare=prepare,
    expression=expression,
)
