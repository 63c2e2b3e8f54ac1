"""The gradient of sparse attention: that of the score function inside.

What is selected is a constant, also where `top_k` picks it by the scores: an arbitrarily small step
selects the same keys, but where two scores are equal. dS is 0 at what is not selected.
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores import SCORE_GRADIENTS
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(Q: Array, K: Array, p: Parameters, steps: Steps, dS: Array) -> Gradients:
    """Return those of the function inside, its parameters as `inside.NAME`."""
    function, inner = p["inside"]
    found = SCORE_GRADIENTS.get(function.name).backward(Q, K, inner, steps, dS)
    return found._replace(parameters={f"inside.{n}": g for n, g in found.parameters.items()})


GRADIENT = ScoreGradient(backward)
