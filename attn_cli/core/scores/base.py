"""What every score function is: one signature for all of them.

    block = function.prepare(Q, K, parameters)    # once: (n_q, d_q), (n_k, d_k)
    parts = block(rows, keys)                     # any query rows against any range of keys

Batch entries and heads are prepared one by one, so that Q and K are plain matrices here.
`scale` is not the score function's business: `core.block` multiplies by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from attn_cli.core.arrays import Array
from attn_cli.core.select import Selection

Parameters = Mapping[str, Any]
Layout = Literal["rows", "columns"]


class Parts(NamedTuple):
    """The score of one block, unscaled, and the intermediates that a reader wants to see."""

    score: Array
    products: Array | None = None
    gate: Array | None = None


Block = Callable[[slice, slice], Parts]
Prepare = Callable[[Array, Array, Parameters], Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a score function, as data: whoever reads, checks or explains it needs no more.

    `array` has the symbolic shape `axes`; `positive` is a number above 0; `integer` is a whole
    number from `minimum`; `pairs` is a list of [query, key]; `score` is another score function.
    """

    name: str
    kind: Literal["array", "positive", "integer", "pairs", "score"]
    meaning: str
    axes: tuple[str, ...] = ()
    minimum: int = 0
    optional: bool = False

    @property
    def signature(self) -> str:
        """The parameter as a list shows it: its name, its shape or kind, whether it may miss."""
        shape = {
            "array": f"({' x '.join(self.axes)})",
            "positive": "> 0",
            "integer": f"whole number >= {self.minimum}",
            "pairs": "[[query, key], ...]",
            "score": "score function",
        }[self.kind]
        return f"{self.name} {shape}{' optional' if self.optional else ''}"


def no_scale(_d_k: int) -> float:
    """Return the scale of every function but `scaled`: 1."""
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFunction:
    """A score function: its names and formulas for people, its `prepare` for the computation.

    `products` are the formulas of the step of that name in layout rows and columns, None where the
    function has no such step; `expression` writes the unscaled score with the parameters given.
    """

    name: str
    formula: str
    reference: str
    explanation: str
    prepare: Prepare
    expression: Callable[[Parameters, Layout], str]
    parameters: tuple[Parameter, ...] = ()
    products: tuple[str, str] | None = None
    gate: Callable[[Parameters], str] | None = None
    equal_depth: bool = True  # q.k needs d_q = d_k
    reads_q_and_k: bool = True
    default_scale: Callable[[int], float] = no_scale
    scale_formula: str = ""  # what the default scale adds to the expression, with {d_k}
    selection: Callable[[Parameters], Selection] | None = None

    def innermost(self, parameters: Parameters) -> tuple[ScoreFunction, Parameters]:
        """Return the function that computes the scores: itself, or the one inside `sparse`."""
        inside: tuple[ScoreFunction, Parameters] | None = parameters.get("inside")
        return (self, parameters) if inside is None else inside
