"""Scores that are given as they are.

    score(i, j) = scores[i, j]

scores (n_q x n_k). For any similarity that is computed elsewhere: q and k need not be there.
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.formula import Formula, Words
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores.base import (
    Block,
    Gradients,
    Layout,
    Parts,
    ScoreFunction,
    Steps,
    summed,
)


def prepare(_q: Array, _k: Array, p: Parameters) -> Block:
    """Return the block function: a part of the table of scores."""

    def block(rows: slice, keys: slice) -> Parts:
        return Parts(score=p["scores"][rows, keys])

    return block


def expression(_: Parameters, __: Layout) -> Formula:
    """Return words: there is no formula."""
    return Words("as given")


def backward(_q: Array, _k: Array, _: Parameters, __: Steps, dS: Array) -> Gradients:
    """Return d scores = dS; Q and K are not read."""
    return None, None, {"scores": summed(dS, 2)}


SCORE = ScoreFunction(
    name="given",
    formula=Words("as written"),
    reference="Attention(q, D) = sum_i similarity(q, k_i) v_i, with any similarity",
    explanation="A table of scores, one row per query, one column per key, from any source.",
    prepare=prepare,
    expression=expression,
    parameters=(Parameter(name="scores", kind="array", axes=("n_q", "n_k"), meaning="the scores"),),
    equal_depth=False,
    reads_q_and_k=False,
    backward=backward,
)
