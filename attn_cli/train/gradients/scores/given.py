"""The gradient of scores that are given: d scores = dS. Q and K are not read."""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(_q: Array, _k: Array, _: Parameters, __: Steps, dS: Array) -> Gradients:
    """Return d scores (n_q, n_k)."""
    return Gradients(None, None, {"scores": dS})


GRADIENT = ScoreGradient(backward)
