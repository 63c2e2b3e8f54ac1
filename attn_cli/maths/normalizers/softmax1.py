"""Softmax with 1 more in the denominator: a row may weigh less than 1, and nothing at all.

    weights_j = exp(s_j) / (1 + sum_l exp(s_l)),   lse = log(1 + sum_l exp(s_l))

Each weight lies in [0, 1), as does the sum of a row. It is `sink_logits` with a sink of 0 in every
head. PyTorch's `add_zero_attn` and x-transformers' `add_zero_kv` come to the same context by
another way: they append a key and a value of zeros, whose score is 0. No shift of the scores
leaves the weights as they are, unlike softmax.
"""

from __future__ import annotations

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Prefix, number
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.normalizers.sink_logits import log_sum_with_sink, softmax_with_sink
from attn_cli.maths.parameter import Parameters


def normalize(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return the weights of each row of (rows x keys); the rest of 1 goes nowhere."""
    return softmax_with_sink(scores, visible, 0.0)


def log_sum(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return log(1 + sum_l exp(s_l)) of each row, 0 if no key is visible."""
    return log_sum_with_sink(scores, visible, 0.0)


EXP = Call("exp", SCORES)

NORMALIZER = Normalizer(
    name="softmax1",
    formula=EXP / (1 + Prefix("sum", EXP)),
    reference="Miller 2023, Attention Is Off By One",
    explanation=(
        "Softmax with one more score of 0 that has no value: if all scores are far below 0, "
        "a query gets nothing."
    ),
    normalize=normalize,
    sinks=lambda _: (0.0,),
    sink=number(0),
    log_sum=log_sum,
    lse=Call("log", 1 + Call("sum", EXP)),
)
