"""Soft caps: left out, after the mask or the bias, of scores that are not scaled."""

from __future__ import annotations

from functools import partial

from attn_cli.conventions.knobs import text
from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import (
    adjustment,
    kernel,
    kernel_of_keys,
    with_adjustment,
)
from attn_cli.lab.variants.variant import Base, Changes
from attn_cli.maths.adjustments import Softcap
from attn_cli.maths.problem import Problem

USUAL = (20.0, 30.0, 50.0)
ORDERS = {
    "softcap-first": ["softcap", "bias", "mask"],
    "softcap-after-bias": ["bias", "softcap", "mask"],
    "softcap-after-mask": ["bias", "mask", "softcap"],
}
_SENTENCES = {
    "softcap-first": "the soft cap was applied before bias and mask",
    "softcap-after-bias": "the soft cap was applied after the bias, to the sum of score and bias",
    "softcap-after-mask": "the soft cap was applied after the mask: hidden keys got some weight",
}
_SOURCES = {
    "softcap-first": ("onnx/onnx#7867", "onnx/onnx#7913"),
    "softcap-after-bias": ("onnx/onnx#7829",),
    "softcap-after-mask": ("onnx/onnx#7865", "microsoft/onnxruntime#28370"),
}


def _off(base: Base) -> Problem | None:
    cap = adjustment(base.problem, Softcap)
    return None if cap is None else with_adjustment(base.problem, cap, None)


def _order(name: str, base: Base) -> Changes | None:
    """Return the order; None without a cap, or if the adjustments are in that order."""
    here = [each.step for each in base.problem.rules.adjustments]
    steps = {"softcap": "capped", "bias": "biased", "mask": "masked"}
    there = [steps[part] for part in ORDERS[name] if steps[part] in here]
    return None if "capped" not in here or here == there else {"order": ORDERS[name]}


def _cap(base: Base, *, times_scale: bool) -> float | None:
    """Return the cap times the scale, or divided by it.

    c tanh(q k / c) scale = (c scale) tanh(scale q k / (c scale)).
    """
    cap, scale = adjustment(base.problem, Softcap), base.problem.scale
    if cap is None or isinstance(scale, tuple) or scale in (0, 1):
        return None
    return cap.cap * scale if times_scale else cap.cap / scale


def _of_scale(base: Base, *, times_scale: bool) -> Problem | None:
    cap, number = adjustment(base.problem, Softcap), _cap(base, times_scale=times_scale)
    if cap is None or number is None or number <= 0:
        return None
    return with_adjustment(base.problem, cap, replace(cap, cap=number))


def _key(base: Base, *, times_scale: bool) -> Changes | None:
    problem = _of_scale(base, times_scale=times_scale)
    return None if problem is None else {"softcap": _cap(base, times_scale=times_scale)}


def _usual(number: float, base: Base) -> Changes | None:
    cap = adjustment(base.problem, Softcap)
    return None if cap is not None and cap.cap == number else {"softcap": number}


CAPS = (
    kernel(
        "no-softcap",
        "the soft cap was left out",
        _off,
        needs="softcap",
        keys=lambda base: None if _off(base) is None else {"softcap": None},
    ),
    *(
        kernel_of_keys(
            name, _SENTENCES[name], partial(_order, name), *_SOURCES[name],
            needs="softcap, and a bias or hidden keys",
        )
        for name in ORDERS
    ),
    kernel(
        "softcap-before-scaling",
        "the soft cap was applied to products that were scaled after it",
        partial(_of_scale, times_scale=True),
        needs="softcap, and a scale",
        keys=partial(_key, times_scale=True),
    ),
    kernel(
        "softcap-over-scale",
        "the soft cap was divided by the scale, and the scores were not",
        partial(_of_scale, times_scale=False),
        needs="softcap, and a scale",
        keys=partial(_key, times_scale=False),
    ),
    *(
        kernel_of_keys(
            f"softcap-{text(number)}",
            f"there was a soft cap of {text(number)}",
            partial(_usual, number),
            *(("google-deepmind/gemma, attn_logits_soft_cap",) if number == 50 else ()),
        )
        for number in USUAL
    ),
)  # fmt: skip
