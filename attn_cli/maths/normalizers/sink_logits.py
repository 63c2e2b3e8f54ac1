"""Softmax with an extra learnt logit per head, the sink, whose share of the weights is dropped.

    weights_j = exp(s_j) / (exp(sink_h) + sum_l exp(s_l)),   lse = log(exp(sink_h) + sum_l exp(s_l))

Each weight lies in [0, 1], and so does the sum of a row. A sink of 0 is `softmax1`, one of -inf
would be `softmax`. gpt-oss has one sink per query head, and appends it after scale and mask: it is
not scaled, capped or masked, nor divided by a temperature here. flash-attention's `learnable_sink`
is the same, and its LSE includes the sink, as here. These sinks are not tokens: the "sink tokens"
of StreamingLLM (Xiao et al. 2023, arXiv 2309.17453) are the first keys of a sequence, which a
window leaves visible.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Prefix, Symbol
from attn_cli.maths.normalizers import softmax
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameter, Parameters


def softmax_with_sink(scores: Array, visible: Bools, sink: float) -> Array:
    """Return exp(s_j) / (exp(sink) + sum_l exp(s_l)) of each row of (rows x keys)."""
    logit = scores.dtype.type(sink)
    # The maximum includes the sink: without it, either exponential could overflow.
    highest = scores.max(axis=1, keepdims=True, where=visible, initial=logit)
    e = np.exp(scores - highest, out=np.zeros_like(scores), where=visible)
    total = softmax.row_sums(e) + np.exp(logit - highest)
    weights: Array = np.divide(e, total, out=e, where=visible, casting="same_kind")
    return weights


def log_sum_with_sink(scores: Array, visible: Bools, sink: float) -> Array:
    """Return log(exp(sink) + sum_l exp(s_l)) of each row, exact even if one term is tiny."""
    lse: Array = np.logaddexp(softmax.log_sum(scores, visible), scores.dtype.type(sink))
    return lse


def normalize(scores: Array, visible: Bools, p: Parameters) -> Array:
    """Return the weights of each row of (rows x keys); the share of the sink is dropped."""
    return softmax_with_sink(scores, visible, p["logits"])


def log_sum(scores: Array, visible: Bools, p: Parameters) -> Array:
    """Return log(exp(sink) + sum_l exp(s_l)) of each row, the sink if no key is visible."""
    return log_sum_with_sink(scores, visible, p["logits"])


EXP = Call("exp", SCORES)

NORMALIZER = Normalizer(
    name="sink_logits",
    formula=EXP / (Call("exp", Symbol("sink")) + Prefix("sum", EXP)),
    reference="gpt-oss: OpenAI 2025, arXiv 2508.10925",
    explanation=(
        "Softmax with one more score per head that has no value: what the sink takes, the keys "
        "do not get. The step lse, the log of the sum of exponentials, includes the sink."
    ),
    normalize=normalize,
    sinks=lambda p: (float(p["logits"]),),
    sink=Symbol("sink"),
    parameters=(
        Parameter(
            name="logits", kind="array", axes=("heads",), meaning="the sink of each query head"
        ),
    ),
    log_sum=log_sum,
    lse=Call("log", Call("exp", Symbol("sink")) + Call("sum", EXP)),
)
