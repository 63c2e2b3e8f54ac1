"""Usual mistakes with the scale of the scores, and with a temperature."""

from __future__ import annotations

from functools import partial
from math import sqrt

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.altered import with_change
from attn_cli.lab.variants.variant import Base, Change, Changes, Variant
from attn_cli.maths.block import Block, steps
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import BLOCK, schedule_of


def _scaled_by(base: Base, scale: float | None) -> Problem | None:
    """Return the problem with another scale, itself if it has that scale; None without keys."""
    problem = base.problem
    if scale is None or problem.key is None:
        return None
    return problem if problem.scale == scale else replace(problem, scale=scale)


def _by_root(base: Base) -> bool:
    """Return whether the scale is 1/sqrt(d_k), and nobody chose it."""
    innermost, _ = base.problem.score.innermost(base.problem.parameters)
    return not base.problem.scale_given and innermost.name == "scaled"


def _is_scaled(base: Base) -> bool:
    return _by_root(base) or base.problem.scale != 1


def _unscaled(base: Base) -> Problem | None:
    return _scaled_by(base, 1.0) if _is_scaled(base) else None


def _by_d_k(base: Base) -> Problem | None:
    d_k = base.problem.key.depth if base.problem.key else 0
    return _scaled_by(base, 1 / d_k) if _by_root(base) and d_k else None


def _root_anyway(base: Base) -> Problem | None:
    """Return the problem scaled by 1/sqrt(d_k), if it is one of products that are not scaled."""
    problem = base.problem
    if _is_scaled(base) or problem.key is None or "products" not in base.specs:
        return None
    return _scaled_by(base, 1 / sqrt(problem.key.depth))


def _by_d_model(base: Base) -> Problem | None:
    key, heads = base.problem.key, base.problem.heads or 1
    if key is None or (key.linear.weight is None and heads == 1):  # d_k is not another size
        return None
    d_model = float(base.facts["d_model"])
    return _scaled_by(base, 1 / sqrt(d_model)) if _by_root(base) and d_model else None


def _multiplied(base: Base) -> Problem | None:
    d_k = base.problem.key.depth if base.problem.key else 0
    return _scaled_by(base, sqrt(d_k)) if _by_root(base) and d_k else None


def _twice(base: Base) -> Problem | None:
    scale = base.problem.scale
    if not _is_scaled(base):
        return None
    return _squared(base, scale) if isinstance(scale, tuple) else _scaled_by(base, scale * scale)


def _squared(base: Base, scale: tuple[float, ...]) -> Problem:
    return replace(base.problem, scale=tuple(x * x for x in scale))


def _after_softmax(base: Base) -> Problem | None:
    unscaled = _unscaled(base)
    scale = base.problem.scale
    if unscaled is None or isinstance(scale, tuple) or base.problem.placement != "scores":
        return None
    if unscaled is base.problem:  # the scale is 1
        return unscaled
    specs = [spec for spec in base.specs.values() if spec.scope == BLOCK]
    schedule = schedule_of(specs, ("weights",))

    def change(block: Block, _: AnyArray) -> AnyArray:
        entry = replace(block.entry, scale=1.0)
        made = {
            each.name: each.values for each in steps(entry, block.rows, block.at.keys, schedule)
        }
        found: AnyArray = made["weights"] * scale
        return found

    return with_change(base.problem, "weights", change)  # its scores are those of `no-scale`


def _multiplied_temperature(base: Base) -> Problem | None:
    temperature = base.problem.rules.temperature
    if temperature is None:
        return None
    turned = (
        tuple(1 / t for t in temperature) if isinstance(temperature, tuple) else 1 / temperature
    )
    return replace(base.problem, rules=replace(base.problem.rules, temperature=turned))


def _no_temperature(base: Base) -> Problem | None:
    rules = base.problem.rules
    if rules.temperature is None:
        return None
    return replace(base.problem, rules=replace(rules, temperature=None))


def _scale_key(change: Change, base: Base) -> Changes | None:
    """Return the other scale as a key."""
    problem = change(base)
    if problem is None:
        return None
    return {"scale": list(problem.scale) if isinstance(problem.scale, tuple) else problem.scale}


def _temperature_key(change: Change, base: Base) -> Changes | None:
    """Return the other temperature as a key."""
    problem = change(base)
    if problem is None:
        return None
    other = problem.rules.temperature
    return {"temperature": list(other) if isinstance(other, tuple) else other}


SCALING = (
    Variant(
        "no-scale",
        "the scores were not scaled",
        _unscaled,
        ("ttsugriy, common mistakes, 2",),
        keys=partial(_scale_key, _unscaled),
    ),
    Variant(
        "divided-by-d_k",
        "the scores were divided by d_k = {d_k} instead of sqrt(d_k) = {sqrt_d_k}",
        _by_d_k,
        ("NTK4A#3",),
        keys=partial(_scale_key, _by_d_k),
    ),
    Variant(
        "scaled-twice",
        "the scores were scaled twice",
        _twice,
        ("scaling-matrix-preconditioning#2",),
        keys=partial(_scale_key, _twice),
    ),
    Variant(
        "divided-by-sqrt-d_model",
        "the scores were divided by sqrt(d_model) = {root} instead of sqrt(d_k) = {sqrt_d_k}",
        _by_d_model,
        ("karpathy/ng-video-lecture#6", "aladdinpersson/Machine-Learning-Collection#65"),
        keys=partial(_scale_key, _by_d_model),
    ),
    Variant(
        "multiplied-by-sqrt-d_k",
        "the scores were multiplied by sqrt(d_k) = {sqrt_d_k} instead of divided by it",
        _multiplied,
        ("rasbt/LLMs-from-scratch#856",),
        keys=partial(_scale_key, _multiplied),
    ),
    Variant(
        "scaled-anyway",
        "the scores were divided by sqrt(d_k) = {sqrt_d_k}, and here they are not scaled",
        _root_anyway,
        keys=partial(_scale_key, _root_anyway),
    ),
    Variant(
        "scaled-after-softmax",
        "the weights were scaled instead of the scores",
        _after_softmax,
    ),
    Variant(
        "temperature-multiplied",
        "the scores were multiplied by the temperature instead of divided by it",
        _multiplied_temperature,
        keys=partial(_temperature_key, _multiplied_temperature),
    ),
    Variant(
        "no-temperature",
        "the temperature was left out",
        _no_temperature,
        keys=partial(_temperature_key, _no_temperature),
    ),
)
