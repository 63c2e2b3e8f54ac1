"""The parameters of score functions and normalisers, as data.

Everything needed to read, check or explain a parameter is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attn_cli.dataclass import dataclass

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: its name, the kind of its value, and its meaning.

    `array` has the symbolic shape `axes`; `number` is finite and at least `least`, if that is
    given; `positive` is a number above 0; `integer` is a whole number from `minimum`; `flag` is
    true or false; `choice` is one of `choices`; `pairs` is a list of [query, key]; `score` is
    another score function.
    """

    name: str
    kind: Literal["array", "number", "positive", "integer", "flag", "choice", "pairs", "score"]
    meaning: str
    axes: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    minimum: int = 0
    least: float | None = None
    default: float | None = None  # of an optional number
    initial: float | None = None  # the value at which training starts; None: random numbers
    optional: bool = False

    @property
    def signature(self) -> str:
        """The parameter as a list shows it: its name, its shape or kind, whether it may miss."""
        shape = {
            "array": f"({' x '.join(self.axes)})",
            "number": "number" if self.least is None else f">= {self.least:g}",
            "positive": "> 0",
            "integer": f"whole number >= {self.minimum}",
            "flag": "true or false",
            "choice": " | ".join(self.choices),
            "pairs": "[[query, key], ...]",
            "score": "score function",
        }[self.kind]
        return f"{self.name} {shape}{' optional' if self.optional else ''}"


def defaults(parameters: Iterable[Parameter]) -> dict[str, float]:
    """Return the values of optional parameters that are not given, by their names."""
    return {p.name: p.default for p in parameters if p.default is not None}
