"""Finite scores of hidden keys, and other scores of all."""

from __future__ import annotations

from functools import partial

from attn_cli.conventions.knobs import text
from attn_cli.dataclass import replace
from attn_cli.formula import number
from attn_cli.lab.variants.kernels.making import adjustment, kernel, with_adjustment
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.adjustments import Masking
from attn_cli.maths.problem import Problem

_SELECTED, _ADDED = (-1e4, -5e4, -1e9), (-100.0, -1e4, -5e4, -1e9)
_SOURCES = {
    (-1e4, True): ("google-research/bert, modeling.py",),
    (-5e4, False): ("TransformerLensOrg/TransformerLens#385, of another size",),
    (-1e9, True): ("tensorflow/tensor2tensor, attention_bias_ignore_padding",),
}


def _filled(value: float, base: Base, *, adds: bool) -> Problem | None:
    masking = adjustment(base.problem, Masking)
    if masking is None or not masking.hides or (masking.fill, masking.adds) == (value, adds):
        return None
    other = replace(masking, fill=value, adds=adds, named=number(value))
    problem = with_adjustment(base.problem, masking, other)
    return replace(problem, rules=replace(problem.rules, empty_rows=None))


def _keys(value: float, base: Base, *, adds: bool) -> Changes | None:
    if _filled(value, base, adds=adds) is None:
        return None
    fill = {"value": value, "how": "add" if adds else "select"}
    return {"mask_fill": fill, "empty_rows": None}


def _row(value: float, *, adds: bool) -> Variant:
    written = text(value)
    how = f"{written} was added to hidden scores" if adds else f"hidden scores were {written}"
    return kernel(
        f"hidden-{'plus' if adds else 'is'}{written}",
        f"{how} instead of -inf",
        partial(_filled, value, adds=adds),
        *_SOURCES.get((value, adds), ()),
        needs="hidden keys",
        keys=partial(_keys, value, adds=adds),
    )


FILLS = (
    *(_row(value, adds=False) for value in _SELECTED),
    *(_row(value, adds=True) for value in _ADDED),
)
