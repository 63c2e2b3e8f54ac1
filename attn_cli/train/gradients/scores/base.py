"""What the gradient of every score function is: one signature for all of them.

    backward(Q, K, parameters, steps, dS) -> Gradients

Q (n_q, d_q), K (n_k, d_k) of one head. dS (n_q, n_k) is d loss / d score, the score unscaled; it is
0 where a key is hidden or not selected. `steps` has the forward's `products` and `gate`, where the
score function makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass, field
from attn_cli.maths.parameter import Parameters

Steps = Mapping[str, Array]


class Gradients(NamedTuple):
    """d loss / d Q and d K, None where the score does not read them, and those of parameters."""

    Q: Array | None
    K: Array | None
    parameters: Mapping[str, Array] = {}


Backward = Callable[[Array, Array, Parameters, Steps, Array], Gradients]


@dataclass(frozen=True)
class ScoreGradient:
    """The gradient of a score function.

    `initial` has the parameters that training starts at a constant; the others are drawn.
    `positive` are those that depend on their absolute value alone and are kept above 0.
    """

    backward: Backward
    initial: Mapping[str, float] = field(default_factory=dict)
    positive: tuple[str, ...] = ()
