"""Sparse attention: another score function, on selected positions only.

    score(q_i, k_j) = inside(q_i, k_j) if (i, j) is selected; other pairs get no weight

`inside` is any score function, by default `dot`. One or more selections are united; see
`maths.select`. Child et al. 2019 (arXiv 1904.10509) for strides, Beltagy et al. 2020 (arXiv
2004.05150) for windows and global tokens. Some texts write sparse attention as one number per
query, a sum of q.k_j over the selected keys; here it is one score per pair, and the softmax runs
over the selected keys.
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.formula import Dot, Formula, Words
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores.base import KEY, QUERY, Block, Gradients, Layout, ScoreFunction, Steps
from attn_cli.maths.select import Selection


def prepare(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function of the score function inside."""
    inside, parameters = p["inside"]
    block: Block = inside.prepare(Q, K, parameters)
    return block


def expression(p: Parameters, layout: Layout) -> Formula:
    """Return the score of the function inside."""
    inside, parameters = p["inside"]
    found: Formula = inside.expression(parameters, layout)
    return found


def selection(p: Parameters) -> Selection:
    """Return which positions are selected."""
    given = {name: p[name] for name in SELECTIONS if p.get(name) is not None}
    if "pairs" in given:
        given["pairs"] = given["pairs"][given["pairs"][:, 0].argsort(kind="stable")]
    return Selection(**given)


def backward(Q: Array, K: Array, p: Parameters, steps: Steps, dS: Array) -> Gradients:
    """Return the gradients of the function inside, its parameters as `inside.NAME`.

    The selection is a constant, even if `top_k` takes it from the scores: a small enough step
    selects the same keys, unless two scores are equal.
    """
    inside, parameters = p["inside"]
    dQ, dK, of_parameters = inside.backward(Q, K, parameters, steps, dS)
    return dQ, dK, {f"inside.{name}": d for name, d in of_parameters.items()}


_PARAMETERS = (
    Parameter(
        name="inside",
        kind="score",
        meaning="the score on selected positions (default dot)",
        optional=True,
    ),
    Parameter(name="pairs", kind="pairs", meaning="these positions, from 0", optional=True),
    Parameter(name="window", kind="integer", meaning="|i - j| <= window", optional=True),
    Parameter(
        name="stride", kind="integer", minimum=1, meaning="(i - j) mod stride = 0", optional=True
    ),
    Parameter(
        name="block", kind="integer", minimum=1, meaning="i div block = j div block", optional=True
    ),
    Parameter(
        name="global_tokens",
        kind="integer",
        minimum=1,
        meaning="the first rows and the first columns",
        optional=True,
    ),
    Parameter(
        name="top_k",
        kind="integer",
        minimum=1,
        meaning="the largest visible scores of each row, ties kept",
        optional=True,
    ),
)

SELECTIONS = tuple(p.name for p in _PARAMETERS if p.name != "inside")

SCORE = ScoreFunction(
    name="sparse",
    formula=Words(Dot(QUERY, KEY), " on selected positions"),
    reference="Child et al. 2019, arXiv 1904.10509; Beltagy et al. 2020, arXiv 2004.05150",
    explanation=(
        "One or more selections, united; a position that none of them selects gets no weight. "
        "`inside` picks another score than `dot`: inside: scaled, or inside: {function: additive, "
        "W1: ...}. Some texts write sparse attention as one number per query, a sum of q.k_j over "
        "the selected keys. What is computed here is one score for each selected pair: softmax, or "
        "another normaliser, runs over the selected keys of a row, and the others weigh nothing."
    ),
    prepare=prepare,
    expression=expression,
    parameters=_PARAMETERS,
    equal_depth=False,  # the function inside decides
    selection=selection,
    backward=backward,
)
