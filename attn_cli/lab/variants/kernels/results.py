"""What is read off at the end: another logarithm, a sum without the sink, dropout."""

from __future__ import annotations

from functools import partial
from math import log
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import in_tree, kernel, kernel_of_keys
from attn_cli.lab.variants.variant import Base, Changes
from attn_cli.maths.normalizers import softmax
from attn_cli.maths.problem import Problem

LOGARITHM = log(2)


def _lse(base: Base) -> Problem | None:
    """Return the problem whose lse is a logarithm to base 2."""
    if "lse" not in base.specs or "lse" in base.problem.altered:
        return None

    def to_base_two(_: Any, values: AnyArray) -> AnyArray:
        found: AnyArray = values / values.dtype.type(LOGARITHM)
        return found

    return replace(base.problem, altered={**base.problem.altered, "lse": to_base_two})


def _infinite(base: Base) -> Problem | None:
    """Return the problem whose lse is inf, not -inf, for a row that sees no key."""
    if "lse" not in base.specs or "lse" in base.problem.altered or not base.problem.rules.schemes:
        return None

    def positive(_: Any, values: AnyArray) -> AnyArray:
        return np.where(np.isneginf(values), values.dtype.type(np.inf), values)

    return replace(base.problem, altered={**base.problem.altered, "lse": positive})


def _without_sink(base: Base) -> Problem | None:
    rules = base.problem.rules
    if rules.normalizer.name not in ("sink_logits", "softmax1"):
        return None
    normalizer = replace(rules.normalizer, log_sum=softmax.log_sum, lse=softmax.NORMALIZER.lse)
    return replace(base.problem, rules=replace(rules, normalizer=normalizer))


def _no_dropout(base: Base, *, scaled: bool) -> Problem | None:
    """Return the problem without dropout, or with the same mask and no factor 1/(1 - p)."""
    dropout = base.problem.rules.dropout
    if dropout is None or (scaled and dropout.p == 0):
        return None
    other = replace(dropout, p=0.0) if scaled else None
    return replace(base.problem, rules=replace(base.problem.rules, dropout=other))


def _dropout_key(name: str, value: object, base: Base) -> Changes | None:
    return {name: value} if in_tree(base, "dropout") is not None else None


def _no_past(base: Base) -> Changes | None:
    return {"past": None} if base.problem.past is not None else None


RESULTS = (
    kernel(
        "lse-of-base-2",
        "lse was a logarithm to base 2: 1.4427 times that to base e",
        _lse,
        "vllm-project/vllm#43919", "lightseekorg/tokenspeed#571", "flashinfer-ai/flashinfer#4485",
        needs="lse",
    ),
    kernel(
        "lse-without-sink",
        "lse did not include the sink",
        _without_sink,
        "Dao-AILab/flash-attention, learnable_sink",
        needs="sink_logits or softmax1",
    ),
    kernel(
        "lse-of-no-key-is-inf",
        "lse was inf, not -inf, for a query that sees no key",
        _infinite,
        "Dao-AILab/flash-attention, 2, without parts",
        needs="hidden keys",
    ),
    kernel(
        "no-dropout",
        "no weight was dropped",
        partial(_no_dropout, scaled=False),
        needs="dropout",
        keys=partial(_dropout_key, "dropout", None),
    ),
    kernel(
        "dropout-not-scaled",
        "the weights that dropout keeps were not divided by 1 - p",
        partial(_no_dropout, scaled=True),
        "pytorch/pytorch#42929, about the sum",
        needs="dropout with p above 0",
        keys=partial(_dropout_key, "dropout.p", 0),
    ),
    kernel_of_keys(
        "no-past",
        "the keys and values of the cache were left out",
        _no_past,
        needs="a past",
    ),
)  # fmt: skip
