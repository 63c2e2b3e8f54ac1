"""Rotary positions: pairs of features of Q and K are turned by an angle that grows with position.

    (a, b) -> (a cos t - b sin t, a sin t + b cos t),   t = position * frequency_m

    half-split:    pairs (m, m + dims/2)      GPT-NeoX, Llama in transformers, ONNX
    interleaved:   pairs (2m, 2m + 1)         the paper, GPT-J, Meta's Llama, DeepSeek
    frequency_m = base^(-2m/dims),            m = 0 .. dims/2 - 1

Su et al. 2021 (arXiv 2104.09864). After rotation q.k depends on the two positions only by their
distance. The two layouts are the same up to a permutation of the features of Q and of K. `dims` is
even and at most d; the features from `dims` on are not rotated.

Multimodal rope has three positions for each token: temporal, height and width. `sections` (t, h, w)
with t + h + w = dims/2 are the numbers of pairs that use each:

    blocks   the first t pairs by the temporal position, the next h by the height, the last w by the
             width. Qwen2-VL (arXiv 2409.12191), section 2.1, as in transformers
    in turn  pair m by the height if m mod 3 = 1 and m < 3h, by the width if m mod 3 = 2 and
             m < 3w, else by the temporal position. Qwen3-VL, as in transformers

Scalings change the frequencies, so that a model can read longer texts than it was trained on:

    linear   frequency / factor. Chen et al. 2023 (arXiv 2306.15595)
    ntk      base' = base * factor^(dims/(dims - 2)): the fastest frequency stays, the slowest is
             divided by factor; if dims is 2, the only frequency stays. The fixed form, which does
             not depend on the length of the text
    yarn     a pair that turns beta_fast times or more within original_length stays; one that turns
             beta_slow times or less: frequency / factor; a ramp in m between the two, whose ends
             are rounded outwards to whole m, as in the authors' code and in transformers, unless
             truncate is false, as in gpt-oss. cos and sin are multiplied by attention_factor. Peng
             et al. 2023 (arXiv 2309.00071)
    llama3   a pair that turns high_freq_factor times or more stays; low_freq_factor times or less:
             frequency / factor; a ramp in the number of turns between the two. Llama 3.1
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.floats import FLOAT_TYPES, FloatType
from attn_cli.formula import Formula, Pair, Symbol, Words, number
from attn_cli.maths.parameter import Parameter, Parameters, defaults
from attn_cli.maths.precision import EXACT, RopeTypes


class Turning(NamedTuple):
    """The frequencies, (dims/2), and the factor on cos and sin."""

    frequencies: Array
    factor: float = 1.0


class Kind(NamedTuple):
    """A kind of scaling: (plain frequencies, base, parameters) -> Turning, its parameters as data.

    `ordered` names two parameters of which the first has to be above the second.
    """

    function: Callable[[Array, float, Parameters], Turning]
    parameters: tuple[Parameter, ...]
    ordered: tuple[str, str] | None = None


@dataclass(frozen=True)
class Scaling:
    """A kind of scaling, and its parameters as given."""

    kind: str
    parameters: Parameters


@dataclass(frozen=True)
class Rope:
    """How Q and K are turned. base > 0, and base > 1 for yarn."""

    base: float
    interleaved: bool
    dims: int
    scaling: Scaling | None = None
    types: RopeTypes = EXACT
    sections: tuple[int, ...] | None = None
    in_turn: bool = False

    def rows(self) -> Integers:
        """Return the index of the position row that each pair uses, (dims/2); with sections only.

        >>> Rope(10000, False, 8, sections=(2, 1, 1)).rows().tolist()
        [0, 0, 1, 2]
        >>> Rope(10000, False, 8, sections=(2, 1, 1), in_turn=True).rows().tolist()
        [0, 1, 2, 0]
        """
        assert self.sections is not None
        if not self.in_turn:
            return np.repeat(np.arange(3), self.sections)
        found = np.zeros(self.dims // 2, dtype=np.intp)
        for row in (1, 2):
            found[row : 3 * self.sections[row] : 3] = row
        return found

    def frequencies(self) -> Array:
        """Return the angle by which each pair turns per position, (dims/2) in float64."""
        return self._turning().frequencies

    @property
    def factor(self) -> float:
        """The factor on cos and sin: 1 for all scalings except yarn."""
        return self._turning().factor

    def __call__(self, x: Array, positions: Integers) -> Array:
        """Return x, (n, d), with each row rotated; leading axes are rotated alike.

        `positions` are (n), or with sections (3, n): temporal, height, width. Each operation is
        rounded to its type in `types`, float64 unless the problem sets another; the result is
        float32 if x is, else float64.
        """
        cos, sin = self._table(positions)
        first, second = self._pairs()
        rounded = self.types.rotation.round
        turned: Array = x.astype(np.float64)
        a, b = rounded(turned[..., first]), rounded(turned[..., second])
        a_cos, b_sin, a_sin, b_cos = map(rounded, (a * cos, b * sin, a * sin, b * cos))
        turned[..., first], turned[..., second] = rounded(a_cos - b_sin), rounded(a_sin + b_cos)
        return turned.astype(np.float32, copy=False) if x.dtype == np.float32 else turned

    def formula(self, x: Formula, position: Formula, depth: int | None = None) -> Formula:
        """Return the formula for rows x; `depth`, d, shows whether some features are not rotated.

        >>> str(Rope(10000, False, 4).formula(Symbol("Q"), Symbol("i") + 3))
        'Q turned by rope at i + 3, base 10000, pairs (m, m + 2)'
        """
        m = Symbol("m")
        pairs = Pair(2 @ m, 2 @ m + 1) if self.interleaved else Pair(m, m + self.dims // 2)
        base = number(float(self.base))
        rest = self._features(depth)
        found = (x, " turned by rope at ", position, ", base ", base, ", pairs ", pairs)
        return Words(*found, rest) if rest else Words(*found)

    def _features(self, depth: int | None) -> str:
        """Return the end of the formula: unrotated features, scaling and sections."""
        text = ""
        if depth is not None and self.dims < depth:
            text += f", the first {self.dims} of {depth} features"
        if self.scaling is not None:
            given = self.scaling.parameters.items()
            values = [
                f"{name} {str(value).lower() if isinstance(value, bool) else f'{value:g}'}"
                for name, value in given
                if value is not None
            ]
            text += f", {self.scaling.kind} ({', '.join(values)})"
        if self.sections is not None:
            layout = "in turn" if self.in_turn else "in blocks"
            text += f", sections {' '.join(map(str, self.sections))} {layout}"
        return text

    def _table(self, positions: Integers) -> tuple[Array, Array]:
        """Return cos and sin, (n, dims/2), as they meet x."""
        frequencies, factor = self._turning()
        rounded, stored = self.types.angles.round, self.types.table.round
        of_pairs = positions[:, None] if self.sections is None else positions[self.rows()].T
        angle = rounded(of_pairs * frequencies).astype(np.float64)
        cos, sin = (rounded(function(angle)) for function in (np.cos, np.sin))
        return stored(rounded(factor * cos)), stored(rounded(factor * sin))

    def _pairs(self) -> tuple[slice, slice]:
        """Return the features that are first in a pair, and those that are second."""
        if self.interleaved:
            return slice(0, self.dims, 2), slice(1, self.dims, 2)
        half = self.dims // 2
        return slice(half), slice(half, self.dims)

    def _turning(self) -> Turning:
        plain = _plain(self.base, self.dims, self.types.angles)
        if self.scaling is None:
            return Turning(plain)
        kind = SCALINGS[self.scaling.kind]
        given = {name: v for name, v in self.scaling.parameters.items() if v is not None}
        values = defaults(kind.parameters) | given
        frequencies, factor = kind.function(plain, self.base, values)
        return Turning(self.types.angles.round(frequencies), factor)


def _plain(base: float, dims: int, type_: FloatType = FLOAT_TYPES["float64"]) -> Array:
    """Return 1 / base^(2m/dims), each of the three operations rounded to the type."""
    exponents = type_.round(np.arange(0, dims, 2) / dims).astype(np.float64)
    powers = type_.round(base**exponents).astype(np.float64)
    return type_.round(1 / powers)


def _linear(plain: Array, _base: float, p: Parameters) -> Turning:
    return Turning(plain / p["factor"])


def _ntk(plain: Array, _base: float, p: Parameters) -> Turning:
    dims = 2 * len(plain)
    # base'^(-2m/dims) with the powers of factor collected: no division by 0 if dims = 2.
    exponent = np.arange(0, dims, 2) / max(dims - 2, 1)
    return Turning(plain / p["factor"] ** exponent)


def _yarn(plain: Array, base: float, p: Parameters) -> Turning:
    dims = 2 * len(plain)

    def pair(turns: float) -> float:
        """Return the m, not rounded, that turns so many times within the original length."""
        turned = math.log(p["original_length"] / (turns * 2 * math.pi))
        return dims * turned / (2 * math.log(base))

    # dims - 1 is a number of features, not of pairs; the authors' code has it so.
    low, high = pair(p["beta_fast"]), pair(p["beta_slow"])
    if p["truncate"]:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    width = high - low or 0.001
    ramp = np.clip((np.arange(dims // 2) - low) / width, 0, 1)
    default = 0.1 * math.log(p["factor"]) + 1 if p["factor"] > 1 else 1.0
    factor = p.get("attention_factor", default)
    return Turning(plain * (1 - ramp) + plain / p["factor"] * ramp, factor)


def _llama3(plain: Array, _base: float, p: Parameters) -> Turning:
    turns = p["original_length"] * plain / (2 * math.pi)
    low, high = p["low_freq_factor"], p["high_freq_factor"]
    stays = np.clip((turns - low) / (high - low), 0, 1)
    return Turning(stays * plain + (1 - stays) * plain / p["factor"])


_FACTOR = Parameter(name="factor", kind="positive", meaning="how many times as long a text is read")
_LENGTH = Parameter(
    name="original_length", kind="integer", minimum=1, meaning="how long the texts in training were"
)

SCALINGS: dict[str, Kind] = {
    "linear": Kind(_linear, (_FACTOR,)),
    "ntk": Kind(_ntk, (_FACTOR,)),
    "yarn": Kind(
        _yarn,
        (
            _FACTOR,
            _LENGTH,
            Parameter(
                name="beta_fast",
                kind="positive",
                meaning="a pair that turns so often or more stays as it is",
                default=32.0,
                optional=True,
            ),
            Parameter(
                name="beta_slow",
                kind="positive",
                meaning="a pair that turns so often or less turns slower by factor",
                default=1.0,
                optional=True,
            ),
            Parameter(
                name="truncate",
                kind="flag",
                meaning="whether the ends of the ramp are rounded to whole pairs",
                default=True,
                optional=True,
            ),
            Parameter(
                name="attention_factor",
                kind="positive",
                meaning="on cos and sin (default 0.1 ln(factor) + 1, or 1 if factor < 1)",
                optional=True,
            ),
        ),
        ordered=("beta_fast", "beta_slow"),
    ),
    "llama3": Kind(
        _llama3,
        (
            _FACTOR,
            Parameter(
                name="low_freq_factor",
                kind="positive",
                meaning="a pair that turns so often or less turns slower by factor",
            ),
            Parameter(
                name="high_freq_factor",
                kind="positive",
                meaning="a pair that turns so often or more stays as it is",
            ),
            _LENGTH,
        ),
        ordered=("high_freq_factor", "low_freq_factor"),
    ),
}
