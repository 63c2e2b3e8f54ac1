"""Every resolved setting of a computation, as plain values for a reader or a JSON document."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.core.parameter import Parameters
from attn_cli.core.problem import Problem, Request
from attn_cli.core.scores.base import ScoreFunction


def settings(problem: Problem, request: Request) -> dict[str, object]:
    """Return setting -> value; arrays are described by their shape."""
    return {
        "heads": problem.heads,
        "positions": None if problem.positions is None else problem.positions.formula,
        "score": score_settings(problem.score, problem.parameters),
        "scale": problem.scale,
        "causal": None if problem.causal is None else problem.causal.formula,
        "mask": None if problem.mask is None else problem.mask.formula,
        "normalize": problem.normalizer.name,
        "layout": problem.layout,
        "dtype": str(problem.dtype),
        "nonfinite": problem.nonfinite,
        "rows": None if request.rows is None else list(request.rows),
        "batch": request.batch,
        "head": request.head,
    }


def score_settings(function: ScoreFunction, parameters: Parameters) -> dict[str, object]:
    """Return the score function's name and parameters."""
    described: dict[str, object] = {"function": function.name}
    for name, value in parameters.items():
        if value is not None:
            described[name] = _described(value)
    return described


def _described(value: Any) -> object:
    if isinstance(value, tuple):
        return score_settings(*value)
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape)}
    return value
