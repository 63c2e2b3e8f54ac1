"""The interface of a normaliser: one signature for all of them.

    weights = normalize(scores, visible, parameters)   # (rows x keys) -> (rows x keys)
    lse     = log_sum(scores, visible, parameters)     # (rows x keys) -> (rows); optional
    dS      = backward(weights, visible, d_weights)    # (rows x keys) -> (rows x keys); optional

A normaliser with `backward` accepts leading axes in `normalize` and `backward`: (..., rows, keys).

`scores` are those of one batch entry and head, in float64 or float32, -inf where `visible` is
False; the weights there are exactly 0, and all 0 in a row without a visible key. `empty_rows` (the
final weights of such a row), `temperature` and `top_k` are applied outside the normaliser.
"""

from __future__ import annotations

from collections.abc import Callable

from attn_cli.arrays import Array, Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Symbol
from attn_cli.maths.parameter import Parameter, Parameters

SCORES = Symbol("scores")  # in formulas, the step that a normaliser reads


@dataclass(frozen=True, kw_only=True)
class Normalizer:
    """A normaliser: its name, the formula of the weights for a step's title, and the function.

    A normaliser whose weights are exponentials over their sum has `sinks`: it returns the further
    logits in that sum, next to those of the keys.

    An array among the parameters has the axis "heads": one number per query head. `normalize` gets
    the number of its head.
    """

    name: str
    formula: Formula  # of SCORES, and of its parameters as symbols
    reference: str
    explanation: str
    normalize: Callable[[Array, Bools, Parameters], Array]
    parameters: tuple[Parameter, ...] = ()
    sinks: Callable[[Parameters], tuple[float, ...]] | None = None
    sink: Formula | None = None  # the further logit in formulas; None: there is none
    log_sum: Callable[[Array, Bools, Parameters], Array] | None = None
    lse: Formula | None = None  # the formula of log_sum, of the same symbols
    backward: Callable[[Array, Bools, Array], Array] | None = None  # for training only

    def __reduce__(self) -> tuple[Callable[[str], Normalizer], tuple[str]]:
        """Pickle as the name: lambdas cannot be pickled."""
        return _named, (self.name,)


def _named(name: str) -> Normalizer:
    from attn_cli.maths.normalizers import NORMALIZERS

    return NORMALIZERS.get(name)
