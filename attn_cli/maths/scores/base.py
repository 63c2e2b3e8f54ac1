"""What every score function is: one signature for all of them.

    block = function.prepare(Q, K, parameters)    # once: (..., n_q, d_q), (..., n_k, d_k)
    parts = block(rows, keys)                     # any query rows against any range of keys
    dQ, dK, d_parameters = function.backward(Q, K, parameters, steps, dS)       # for training only

Engines prepare batch entries and heads one by one, so that Q and K are plain matrices. Training
prepares all examples of one length together: `prepare` and `backward` accept leading axes, of which
Q or K may lack some that the other has.
`scale` is not the score function's business: `maths.block` multiplies by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Symbol
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.select import Selection

Layout = Literal["rows", "columns"]

# In formulas: one query and one key, all of them, and their length.
QUERY, KEY, QUERIES, KEYS, D_K = map(Symbol, ("q", "k", "Q", "K", "d_k"))
PRODUCTS = (QUERIES @ KEYS.T, KEYS.T @ QUERIES)  # in layout rows, in layout columns


class Parts(NamedTuple):
    """The score of one block, unscaled: itself, or the intermediates of which it is the product."""

    score: Array | None = None
    products: Array | None = None
    gate: Array | None = None


Block = Callable[[slice, slice], Parts]
Prepare = Callable[[Array, Array, Parameters], Block]
Steps = Mapping[str, Array]
# d loss / d Q (n_q, d_q) and d K (n_k, d_k), None if the score does not read them, and those of the
# parameters by name.
Gradients = tuple[Any, Any, Mapping[str, Array]]
Backward = Callable[[Array, Array, Parameters, Steps, Array], Gradients]


def no_scale(_d_k: int) -> float:
    """Return the scale of every function but `scaled`: 1."""
    return 1.0


def pairs_of(Q: Array, K: Array) -> tuple[int, ...]:
    """Return the shape of the scores of Q (..., n_q, d_q) and K (..., n_k, d_k)."""
    lead = Q.shape[:-2] if Q.ndim > K.ndim else K.shape[:-2]
    return (*lead, Q.shape[-2], K.shape[-2])


def zeros_of(rows: Array, lead: tuple[int, ...]) -> Array:
    """Return zeros for the gradient of rows (..., n, d), with all leading axes."""
    zeros: Array = np.zeros((*lead, *rows.shape[-2:]), dtype=rows.dtype)
    return zeros


def summed(gradient: Array, axes: int) -> Array:
    """Return the gradient of a parameter, summed over all axes but the last ones."""
    leading = tuple(range(gradient.ndim - axes))
    whole: Array = gradient.sum(axis=leading) if leading else gradient
    return whole


@dataclass(frozen=True, kw_only=True)
class ScoreFunction:
    """A score function: its names and formulas for people, its `prepare` for the computation.

    `products` are the formulas of the step of that name in layout rows and columns, None if the
    function has no such step; `expression` is the unscaled score with the parameters given.
    `factor` is set if the score is a product factor(Q) K^T; `by_tiles` computes the same numbers
    another way, for `engine.tiles`, and equals `prepare` up to rounding. `undefined` returns for
    which rows of Q or K there is no score at all: such a query is an error, such a key is hidden.
    `normed` is set if the score is the product normed(Q) normed(K)^T.

    `backward` is the gradient, for one head. dS (..., n_q, n_k) is d loss / d score, the score
    unscaled; it is 0 for a key that is hidden or not selected. `steps` has the `products` and the
    `gate` of the forward pass, if the function makes them. dQ and dK have all leading axes of dS;
    those of parameters are summed over them. `attn train` refuses a function without it.
    """

    name: str
    formula: Formula
    reference: str
    explanation: str
    prepare: Prepare
    expression: Callable[[Parameters, Layout], Formula]
    parameters: tuple[Parameter, ...] = ()
    products: tuple[Formula, Formula] | None = None
    gate: Callable[[Parameters], Formula] | None = None
    equal_depth: bool = True  # q.k needs d_q = d_k
    reads_q_and_k: bool = True
    default_scale: Callable[[int], float] = no_scale
    divisor: Formula | None = None  # 1 over the default scale, a formula of D_K
    selection: Callable[[Parameters], Selection] | None = None
    factor: Callable[[Array, Parameters], Array] | None = None
    by_tiles: Prepare | None = None
    undefined: Callable[[Array], Bools] | None = None
    normed: Callable[[Array], Array] | None = None
    backward: Backward | None = None

    def __reduce__(self) -> tuple[Callable[[str], ScoreFunction], tuple[str]]:
        """Pickle as the name: lambdas cannot be pickled."""
        return _named, (self.name,)

    @property
    def bilinear(self) -> bool:
        """Whether Q or K may be scaled instead of the score."""
        return self.factor is not None

    def innermost(self, parameters: Parameters) -> tuple[ScoreFunction, Parameters]:
        """Return the function that computes the scores: itself, or the one inside `sparse`."""
        inside: tuple[ScoreFunction, Parameters] | None = parameters.get("inside")
        return (self, parameters) if inside is None else inside


def _named(name: str) -> ScoreFunction:
    from attn_cli.maths.scores import SCORES

    return SCORES.get(name)
