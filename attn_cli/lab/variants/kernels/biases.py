"""Biases that are given, and relative biases: left out, transposed, of other positions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.biasing import (
    bias_of,
    no_key,
    scales,
    with_bias,
    without,
    without_offset,
)
from attn_cli.lab.variants.kernels.making import kernel
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.bias.given import ScoreBias
from attn_cli.maths.bias.relative import RelativeBias
from attn_cli.maths.problem import Problem

OtherGiven = Callable[[Problem, ScoreBias], "ScoreBias | None"]
OtherRelative = Callable[[Problem, RelativeBias], "RelativeBias | None"]


def _given(other: OtherGiven, base: Base) -> Problem | None:
    bias = bias_of(ScoreBias, base.problem)
    changed = None if bias is None else other(base.problem, bias)
    return None if bias is None or changed is None else with_bias(base.problem, bias, changed)


def _transposed(_: Problem, bias: ScoreBias) -> ScoreBias | None:
    matrix = bias.matrix
    if matrix.shape[-1] != matrix.shape[-2]:
        return None
    return replace(bias, matrix=matrix.swapaxes(-1, -2))


def _negated(_: Problem, bias: ScoreBias) -> ScoreBias:
    return replace(bias, matrix=-bias.matrix)


def _times_scale(problem: Problem, bias: ScoreBias) -> ScoreBias | None:
    scale = scales(problem, bias.matrix.shape[1])
    if scale is None:
        return None
    scaled = bias.matrix * scale[:, None, None]
    return replace(bias, matrix=scaled.astype(bias.matrix.dtype))


def _of_first(axis: int, _: Problem, bias: ScoreBias) -> ScoreBias | None:
    first = bias.matrix[:1] if axis == 0 else bias.matrix[:, :1]
    same = np.array_equal(np.broadcast_to(first, bias.matrix.shape), bias.matrix)
    return None if same else replace(bias, matrix=np.broadcast_to(first, bias.matrix.shape))


def _relative(other: OtherRelative, base: Base) -> Problem | None:
    bias = bias_of(RelativeBias, base.problem)
    changed = None if bias is None else other(base.problem, bias)
    return None if bias is None or changed is None else with_bias(base.problem, bias, changed)


def _key(name: str, other: OtherRelative, base: Base) -> Changes | None:
    """Return what changed in a relative bias as a key."""
    problem = _relative(other, base)
    bias = None if problem is None else bias_of(RelativeBias, problem)
    if bias is None:
        return None
    value = getattr(bias, name)
    return {f"relative_bias.{name}": value.tolist() if isinstance(value, np.ndarray) else value}


def _other_direction(_: Problem, bias: RelativeBias) -> RelativeBias | None:
    sides = 2 if not bias.bidirectional else 1  # after the change
    near = len(bias.table) // (2 * sides)
    possible = near >= 1 and bias.max_distance > near and len(bias.table) % sides == 0
    return replace(bias, bidirectional=not bias.bidirectional) if possible else None


def _turned(_: Problem, bias: RelativeBias) -> RelativeBias | None:
    """Return the bias of p_i - p_j: the halves of the table exchanged, distance 0 as it is."""
    if not bias.bidirectional:
        return None
    half = len(bias.table) // 2
    table = np.roll(bias.table, half, axis=0)
    table[0] = bias.table[0]
    return replace(bias, table=table)


def _usual_distance(_: Problem, bias: RelativeBias) -> RelativeBias | None:
    return replace(bias, max_distance=128) if bias.max_distance != 128 else None


def _offset_lost(problem: Problem, bias: RelativeBias) -> RelativeBias | None:
    own = without_offset(bias.own, problem)
    return None if own is None else replace(bias, own=own)


def _table_times_scale(problem: Problem, bias: RelativeBias) -> RelativeBias | None:
    scale = scales(problem, bias.table.shape[1])
    if scale is None:
        return None
    return replace(bias, table=(bias.table * scale).astype(bias.table.dtype))


def _row(
    name: str, sentence: str, other: OtherRelative, *sources: str, key: str = "", needs: str = ""
) -> Variant:
    change, keys = partial(_relative, other), partial(_key, key, other) if key else None
    needs = f"relative_bias{needs}"
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


BIASES = (
    kernel(
        "no-score-bias",
        "the bias of the scores was left out",
        partial(without, ScoreBias),
        needs="score_bias",
        keys=partial(no_key, "score_bias"),
    ),
    kernel(
        "score-bias-transposed",
        "rows of the bias were taken for columns",
        partial(_given, _transposed),
        needs="score_bias, and as many queries as keys",
    ),
    kernel(
        "score-bias-subtracted",
        "the bias was subtracted from the scores",
        partial(_given, _negated),
        needs="score_bias",
    ),
    kernel(
        "score-bias-times-scale",
        "the bias was multiplied by the scale: it was added before scaling",
        partial(_given, _times_scale),
        "onnx/onnx#7829, about the order",
        needs="score_bias, and a scale",
    ),
    *(
        kernel(
            f"score-bias-of-first-{name}",
            f"all {names} had the bias of the first",
            partial(_given, partial(_of_first, axis)),
            needs=f"a score_bias that differs between {names}",
        )
        for axis, name, names in ((0, "entry", "batch entries"), (1, "head", "heads"))
    ),
    kernel(
        "no-relative-bias",
        "the relative bias was left out",
        partial(without, RelativeBias),
        needs="relative_bias",
        keys=partial(no_key, "relative_bias"),
    ),
    _row(
        "relative-bias-other-direction",
        "the relative bias had buckets for both directions instead of one, or the reverse",
        _other_direction,
        key="bidirectional",
    ),
    _row(
        "relative-bias-turned",
        "the relative bias was that of p_i - p_j, not of p_j - p_i",
        _turned,
        key="table",
        needs=" that is bidirectional",
    ),
    _row(
        "relative-bias-to-128",
        "distances from 128 on shared a bucket of the relative bias",
        _usual_distance,
        key="max_distance",
        needs=" with another max_distance",
    ),
    _row(
        "relative-bias-offset-lost",
        "the relative bias counted the queries from 0: their offset among the keys was lost",
        _offset_lost,
        needs=", and queries that are not at the first key",
    ),
    _row(
        "relative-bias-times-scale",
        "the relative bias was multiplied by the scale: it was added before scaling",
        _table_times_scale,
        key="table",
        needs=", and a scale",
    ),
)
