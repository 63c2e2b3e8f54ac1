"""Scales of other widths: of all heads together, of padded heads, of values; and of exp2."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log, sqrt

from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import kernel
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.heads import PerHead
from attn_cli.maths.problem import Problem

Scale = Callable[[Base], "PerHead | None"]
PADDED = (8, 16, 32, 64, 128)  # multiples to which kernels pad the features of a head


def _scaled(scale: Scale, base: Base) -> Problem | None:
    """Return the problem with another scale; None without Q K^T, or if it has that one."""
    found = scale(base) if base.problem.key is not None else None
    if found is None or found == base.problem.scale:
        return None
    return replace(base.problem, scale=found, scale_given=True)


def _keys(scale: Scale, base: Base) -> Changes | None:
    problem = _scaled(scale, base)
    if problem is None:
        return None
    return {"scale": list(problem.scale) if isinstance(problem.scale, tuple) else problem.scale}


def _d_k(base: Base) -> int:
    return base.problem.key.depth if base.problem.key else 0


def _given(base: Base) -> bool:
    """Return whether the scale is not the root of d_k that nobody chose."""
    return base.problem.scale_given or base.problem.scale == 1


def _usual(base: Base) -> float | None:
    return 1 / sqrt(_d_k(base)) if base.problem.scale_given else None


def _of_d_k(base: Base) -> float | None:
    return 1 / _d_k(base) if _given(base) else None


def _root(base: Base) -> float | None:
    return sqrt(_d_k(base)) if _given(base) else None


def _of_all_heads(base: Base) -> float | None:
    """Return 1/sqrt(H d_k)."""
    heads = base.problem.heads or 1
    return 1 / sqrt(heads * _d_k(base)) if heads > 1 else None


def _of_values(base: Base) -> float | None:
    d_v = base.problem.value.depth
    return 1 / sqrt(d_v) if d_v != _d_k(base) else None


def _padded(multiple: int, base: Base) -> float | None:
    """Return 1/sqrt(d_k rounded up to a multiple)."""
    d = _d_k(base)
    return 1 / sqrt(-(-d // multiple) * multiple) if d % multiple else None


def _stretched(power: int, base: Base) -> PerHead | None:
    """Return the scale times mscale^power, mscale = 0.1 ln(factor) + 1 of rope with yarn."""
    rope, scale = base.problem.qk_transform.rope, base.problem.scale
    if rope is None or rope.scaling is None or rope.scaling.kind != "yarn":
        return None
    factor = (0.1 * log(max(rope.scaling.parameters["factor"], 1)) + 1) ** power
    return tuple(n * factor for n in scale) if isinstance(scale, tuple) else scale * factor


def _base_two(factor: float, base: Base) -> Problem | None:
    """Return the problem whose scores are multiplied by a factor before softmax."""
    rules = base.problem.rules
    if rules.normalizer.name != "softmax" or rules.temperature is not None:
        return None
    return replace(base.problem, rules=replace(rules, temperature=1 / factor))


def _temperature(factor: float, base: Base) -> Changes | None:
    return None if _base_two(factor, base) is None else {"temperature": 1 / factor}


def _row(name: str, sentence: str, scale: Scale, *sources: str, needs: str = "") -> Variant:
    change, keys = partial(_scaled, scale), partial(_keys, scale)
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


SCALES = (
    _row(
        "usual-scale",
        "the scores were divided by sqrt(d_k) = {sqrt_d_k}, whatever scale is given",
        _usual,
        "TransformerLensOrg/TransformerLens#694",
        needs="a scale",
    ),
    _row(
        "scale-1/d_k", "the scores were divided by d_k = {d_k}", _of_d_k,
        needs="a scale, or scores that are not scaled",
    ),
    _row(
        "scale-sqrt-d_k",
        "the scores were multiplied by sqrt(d_k) = {sqrt_d_k}",
        _root,
        needs="a scale, or scores that are not scaled",
    ),
    _row(
        "scale-of-all-heads",
        "the scores were divided by the root of all heads' features, sqrt(H d_k)",
        _of_all_heads,
        "karpathy/ng-video-lecture#6",
        needs="several heads",
    ),
    _row(
        "scale-of-values",
        "the scores were divided by sqrt(d_v), the root of the features of a value",
        _of_values,
        needs="d_v that differs from d_k",
    ),
    *(
        _row(
            f"scale-padded-to-{multiple}",
            f"the scores were divided by the root of d_k rounded up to a multiple of {multiple}",
            partial(_padded, multiple),
            needs=f"d_k that is not a multiple of {multiple}",
        )
        for multiple in PADDED
    ),
    _row(
        "scale-times-mscale-squared",
        "the scale was multiplied by mscale^2, mscale = 0.1 ln(factor) + 1",
        partial(_stretched, 2),
        "deepseek-ai/DeepSeek-V3, inference/model.py",
        needs="rope with yarn",
    ),
    _row(
        "scale-over-mscale-squared",
        "the scale was divided by mscale^2, mscale = 0.1 ln(factor) + 1",
        partial(_stretched, -2),
        needs="rope with yarn",
    ),
    kernel(
        "exp2-for-exp",
        "powers of 2 were taken instead of e: the factor log2(e) was left out",
        partial(_base_two, log(2)),
        needs="softmax, and no temperature",
        keys=partial(_temperature, log(2)),
    ),
    kernel(
        "exp-times-log2e",
        "the factor log2(e) of powers of 2 was left on, and powers of e were taken",
        partial(_base_two, 1 / log(2)),
        needs="softmax, and no temperature",
        keys=partial(_temperature, 1 / log(2)),
    ),
)  # fmt: skip
