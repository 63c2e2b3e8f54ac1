"""Inputs that cannot tell conventions apart, though the problem explains what was observed.

The observed steps are the same if all scores are doubled, because

    each query sees one key, which has all the weight: refused
    the values of all keys are equal, so that any weights give them: refused
    each query gives equal weights, as all keys are equal or q is 0: masks alone can be recognised
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError
from attn_cli.lab.identify.judging import SAME, Judge, size
from attn_cli.lab.variants.shared import Sample

if TYPE_CHECKING:
    from attn_cli.lab.identify.search import Searched
    from attn_cli.maths.heads import PerHead

_OTHER_INPUTS = "observe lse or scores, or give other inputs, such as the probe of identify"


def blindness(searched: Searched, judge: Judge) -> tuple[str, ...]:
    """Return a warning if the observed steps of the problem are the same by any scale.

    `judge` is that of the problem itself, which explains them. Raises AttnError for inputs that
    show nothing but the values of V.
    """
    problem = searched.base.problem
    if problem.rules.normalizer.log_sum is None:  # argmax and others do not depend on it anyway
        return ()
    rules = replace(problem.rules, temperature=_halved(problem.rules.temperature))
    doubled = replace(problem, rules=rules)
    if searched.differ(problem, doubled, judge):  # in most problems a few rows show it
        return ()
    values = searched.judged.of(doubled)
    if values is None or not size(judge.off(values)) <= SAME:
        return ()
    part = searched.judged.part
    weights = Sample(searched.base, ("weights",), rows=part.rows, heads=part.heads).own["weights"]
    if _one_key(weights):
        raise AttnError(
            "this input cannot tell: for each query, a single key has all the weight, whatever "
            "scale, cap, bias and positions are",
            help=_OTHER_INPUTS,
        )
    if _equal_values(searched):
        raise AttnError(
            "this input cannot tell: the values of all keys are equal, so any weights give them",
            help=_OTHER_INPUTS,
        )
    if not _equal_weights(weights):
        return ()
    return (
        "this input cannot tell scales, caps and what else changes scores in proportion: all keys "
        "that a query sees have equal weights",
    )


def _halved(temperature: PerHead | None) -> PerHead:
    if temperature is None:
        return 0.5
    if isinstance(temperature, tuple):
        return tuple(each / 2 for each in temperature)
    return temperature / 2


def _one_key(weights: AnyArray) -> bool:
    """Return whether each row of weights is 1 for one key; rows without a key say nothing."""
    rows = weights.reshape(-1, weights.shape[-1])
    rows = rows[rows.any(axis=-1)]
    return len(rows) > 0 and bool((rows.max(axis=-1) == 1).all() and (rows.sum(axis=-1) == 1).all())


def _equal_weights(weights: AnyArray) -> bool:
    largest = weights.max(axis=-1, keepdims=True)
    return bool(((weights == 0) | (np.abs(weights - largest) <= 1e-12 * largest)).all())


def _equal_values(searched: Searched) -> bool:
    if "v" not in searched.base.specs:
        return False
    values = Sample(searched.base, ("v",)).own["v"]
    return bool((values == values[..., :1, :]).all())
