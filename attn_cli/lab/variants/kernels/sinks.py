"""Sinks: left out, counted several times, scaled, of other heads, or added to plain softmax."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import kernel, kernel_of_keys
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.heads import of_head
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Problem

Other = Callable[[Problem, Array], "Array | None"]  # of the logits of heads
FOLD = (2, 4, 8)  # parts of the keys that each count the sink


def _logits(problem: Problem) -> Array | None:
    if problem.rules.normalizer.name != "sink_logits":
        return None
    logits: Array = problem.rules.parameters["logits"]
    return logits


def _dropped(base: Base) -> Problem | None:
    if base.problem.rules.normalizer.name not in ("sink_logits", "softmax1"):
        return None
    softmax = NORMALIZERS.get("softmax")
    return replace(
        base.problem, rules=replace(base.problem.rules, normalizer=softmax, parameters={})
    )


def _other(other: Other, base: Base) -> Problem | None:
    logits = _logits(base.problem)
    changed = None if logits is None else other(base.problem, logits)
    if logits is None or changed is None or np.array_equal(changed, logits):
        return None
    rules = base.problem.rules
    parameters = {**rules.parameters, "logits": changed.astype(logits.dtype)}
    return replace(base.problem, rules=replace(rules, parameters=parameters))


def _keys(other: Other, base: Base) -> Changes | None:
    problem = _other(other, base)
    logits = None if problem is None else _logits(problem)
    if logits is None:
        return None
    return {"normalize": {"function": "sink_logits", "logits": logits.tolist()}}


def _fold(times: int, _: Problem, logits: Array) -> Array:
    raised: Array = logits + log(times)
    return raised


def _scales(problem: Problem, logits: Array) -> Array:
    return np.array([of_head(problem.scale, head) for head in range(len(logits))])


def _scaled(problem: Problem, logits: Array) -> Array:
    return logits * _scales(problem, logits)


def _unscaled(problem: Problem, logits: Array) -> Array | None:
    scale = _scales(problem, logits)
    return logits / scale if scale.all() else None


def _negative(_: Problem, logits: Array) -> Array:
    return -logits


def _zero(_: Problem, logits: Array) -> Array:
    return np.zeros_like(logits)


def _reversed(_: Problem, logits: Array) -> Array:
    turned: Array = logits[::-1]
    return turned


def _of_first(_: Problem, logits: Array) -> Array:
    return np.broadcast_to(logits[:1], logits.shape)


def _of_key_heads(problem: Problem, logits: Array) -> Array | None:
    """Return the logit with the number of the key head that a query head reads."""
    if not problem.heads_differ:
        return None
    chosen: Array = logits[list(problem.key_heads)]
    return chosen


def _to_first_value(base: Base) -> Problem | None:
    """Return the problem that adds the share of the sink times the value of key 0."""
    if base.problem.rules.normalizer.name not in ("sink_logits", "softmax1"):
        return None
    if base.problem.rules.dropout is not None or "context" in base.problem.altered:
        return None

    def added(block: Any, context: AnyArray) -> AnyArray:
        share = 1 - block.unrounded.sum(axis=1, keepdims=True)
        found: AnyArray = context + share * block.entry.V[:1]
        return found

    return replace(base.problem, altered={**base.problem.altered, "context": added})


def _added(base: Base) -> Changes | None:
    return {"normalize": "softmax1"} if base.problem.rules.normalizer.name == "softmax" else None


_NEEDS = "sink_logits"


def _row(name: str, sentence: str, other: Other, *sources: str, needs: str = _NEEDS) -> Variant:
    change, keys = partial(_other, other), partial(_keys, other)
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


SINKS = (
    kernel(
        "no-sink",
        "the sink was left out of the sum",
        _dropped,
        "kekzl/imp#1303", "kekzl/imp#1345",
        needs="sink_logits or softmax1",
        keys=lambda base: None if _dropped(base) is None else {"normalize": "softmax"},
    ),
    *(
        _row(
            f"sink-{times}-fold",
            f"the sink was counted {times} times: once for each of {times} parts of the keys",
            partial(_fold, times),
            *(("ROCm/rocm-libraries#12227",) if times == 2 else ()),
        )
        for times in FOLD
    ),
    _row(
        "sink-times-scale",
        "the sink was multiplied by the scale, like a score",
        _scaled,
        "ROCm/rocm-libraries#12227",
        needs="sink_logits, and a scale",
    ),
    _row(
        "sink-over-scale",
        "the sink was divided by the scale",
        _unscaled,
        needs="sink_logits, and a scale",
    ),
    _row("sink-negative", "the sink had the other sign", _negative),
    _row("sink-of-0", "the sink was 0 for every head, as in softmax1", _zero),
    _row("sinks-reversed", "the sinks were in the reverse order of heads", _reversed),
    _row("sink-of-first-head", "all heads had the sink of the first", _of_first),
    _row(
        "sinks-of-key-heads",
        "the sink of a query head was that with the number of its key head",
        _of_key_heads,
        "Dao-AILab/flash-attention#2752, about the index",
        needs="sink_logits, and fewer key heads than query heads",
    ),
    kernel(
        "sink-to-first-value",
        "the share of the sink went to the value of the first key",
        _to_first_value,
        needs="sink_logits or softmax1",
    ),
    kernel_of_keys(
        "sink-added",
        "the sum had 1 more, a sink of 0",
        _added,
        "pytorch/pytorch, add_zero_attn",
        needs="softmax",
    ),
)  # fmt: skip
