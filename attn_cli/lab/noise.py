"""The noise of a type: a problem computed several times, each rounding up or down at random.

    noise = Noise.of(problem, ("output",), kernel_types("bfloat16"))
    noise.floor("output")        # rms of the emulations less the exact values

Kernels of one type agree as far as their roundings do, and these depend on orders of sums that
nobody writes down. Stochastic arithmetic samples them, as CADNA (Vignes 1993) and Verrou (Fevotte
and Lathuiliere 2016) do: a number x between two neighbours a < b of its type becomes b with
probability (x - a) / (b - a), else a. So a number of the type stays as it is, no result has a bias,
and the error of a rounding is sqrt(2) times that of rounding to nearest: 1/6 of a squared unit in
the last place for 1/12. With 1/2 for each it would be twice that of rounding to nearest, and its
mean over the emulations would not be the exact number.

What is emulated: every rounding of a step and of a factor. Sums run in float64; each term of a sum
is moved by up to one unit in the last place of the type in which sums run, which covers the orders
of sums (a block of 64 products that is added one by one has about that error). Scales and tables of
rotations are the same numbers in all kernels, and are rounded to nearest.

Everything is carried in float64, so the mathematics does not know about it: `Random` is a
`FloatType`, and `RandomPrecision` the `Precision` of a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.plan import UNLIMITED, make_plan
from attn_cli.engine.run import put_into
from attn_cli.engine.sink import Store
from attn_cli.floats import FLOAT_TYPES, FloatType
from attn_cli.lab.altered import Steps, computed
from attn_cli.lab.draws import Draws
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.precision import ONE_TYPE, NormTypes, Precision
from attn_cli.maths.problem import Problem, Request

if TYPE_CHECKING:
    from attn_cli.engine.plan import Plan
    from attn_cli.engine.protocol import Engine

EMULATIONS = 8
MANY_KEYS = 1 << 11  # from which on K and V are made a piece at a time
NARROW = ("bfloat16", "float16")  # in these, sums run in float32
_CARRIER = np.dtype(np.float64)
_SMALLEST = float(np.finfo(np.float16).smallest_normal)  # of float16, with all digits
_DIGITS = 53  # of the carrier
_ALL_BITS = (1 << 64) - 1
# Of each type: the bits of the carrier that it lacks, and its largest number.
_FRACTIONS = {
    name: (1 << (_DIGITS - 1 + round(np.log2(type_.eps)))) - 1
    for name, type_ in FLOAT_TYPES.items()
}
_LARGEST = {name: -type_.lowest for name, type_ in FLOAT_TYPES.items()}
_LEAST = 1 / 64  # of a unit in the last place of a typical value: the floor of exact results

Compute = Callable[[Problem], Steps]


@dataclass(frozen=True)
class Random(FloatType):
    """A type whose roundings go up or down at random; its numbers are carried in float64."""

    draws: Draws

    @classmethod
    def like(cls, type_: FloatType, draws: Draws) -> Random:
        """Return the type of the same numbers that is rounded to at random."""
        return cls(type_.name, _CARRIER, draws)

    def round(self, x: Array) -> Array:
        """Return x, each number at one of its two neighbours in this type."""
        y = np.array(x, dtype=np.float64, order="C")
        if self.name == "float64" or not y.size:
            return y
        fraction = _FRACTIONS[self.name]
        # Infinities and NaN have no digits there: nothing is carried into them.
        bits = y.view(np.uint64)
        bits += self.draws.bits(y.shape, fraction)
        bits &= np.uint64(~fraction & _ALL_BITS)
        return self._limited(x, y)

    def number(self, x: float) -> float:
        """Return one number, a scale or its root, to nearest: kernels agree about it."""
        return FLOAT_TYPES[self.name].number(x)

    def _limited(self, x: Array, y: Array) -> Array:
        """Return y without numbers that are too large, or too small for all digits.

        Numbers below 1e-38 keep theirs: they change no sum. Those of float16 matter from 6e-5.
        """
        largest = _LARGEST[self.name]
        if not _sum_of_squares(y) <= largest**2:  # which bounds each of them
            over = np.abs(y) > largest
            y[over] = np.copysign(np.inf, y[over])
        if self.name == "float16":
            small = np.abs(y) < _SMALLEST
            if small.any():
                unit = _SMALLEST * self.eps
                units = np.abs(x[small]) / unit
                units = np.floor(units + self.draws.generator.random(units.shape))
                y[small] = np.copysign(units * unit, x[small])
        return y


@dataclass(frozen=True, kw_only=True)
class RandomPrecision(Precision):
    """Types that are rounded to at random, and sums whose terms are moved at random.

    `sums`: also those of 16-bit numbers, for steps that are kept in float32.
    """

    draws: Draws
    sums: bool = False

    def wide(self, x: Array) -> Array:
        """Return the terms of a sum, each moved by up to one unit in its last place.

        Of 16-bit numbers most stay: their own roundings are far larger than those of the sum.
        """
        if self.dtype.name in NARROW and not self.sums:
            return np.asarray(x, dtype=np.float64)
        return np.asarray(x, dtype=np.float64) * self.draws.factors(
            np.shape(x), self.accumulate.eps
        )


class Nearest(FloatType):
    """A type that is rounded to as usual, to nearest; its numbers are carried in float64."""

    def round(self, x: Array) -> Array:
        """Return x rounded to nearest."""
        return FLOAT_TYPES[self.name].round(x).astype(np.float64, copy=False)


FROM_NARROW = ("bfloat16", "float16", "float32", "float64")


def narrowest(values: AnyArray) -> FloatType:
    """Return the narrowest type that holds every finite number exactly; float64 holds all.

    >>> narrowest(np.array([1.5, 0.25])).name, narrowest(np.array([0.1])).name
    ('bfloat16', 'float64')
    """
    exact = np.asarray(values, dtype=np.float64)
    finite = exact[np.isfinite(exact)]
    with np.errstate(all="ignore"):
        found = (
            name for name in FROM_NARROW if np.array_equal(FLOAT_TYPES[name].round(finite), finite)
        )
        return FLOAT_TYPES[next(found)]


def to_nearest(precision: Precision) -> Precision:
    """Return the same types, rounded to as usual and carried in float64."""
    types: dict[str, Any] = {
        name: Nearest(getattr(precision, name).name, _CARRIER) for name in ("dtype", *ONE_TYPE)
    }
    norm = (Nearest(type_.name, _CARRIER) for type_ in (precision.norm.row, precision.norm.gain))
    return Precision(**types, norm=NormTypes(*norm), rope=precision.rope)


def at_random(precision: Precision, seed: int, *, sums: bool = False) -> RandomPrecision:
    """Return the same types, rounded to at random by a seed; `sums` as in RandomPrecision."""
    draws = Draws(seed)
    types: dict[str, Any] = {
        name: Random.like(getattr(precision, name), draws) for name in ("dtype", *ONE_TYPE)
    }
    norm = NormTypes(
        Random.like(precision.norm.row, draws), Random.like(precision.norm.gain, draws)
    )
    return RandomPrecision(**types, norm=norm, rope=precision.rope, draws=draws, sums=sums)


def kernel_types(name: str, *, scores: str = "") -> Precision:
    """Return the types of a usual kernel for arrays of one type.

    16 bits: sums, scores and softmax are in float32; the weights are rounded as they meet V.
    `scores`: another type of the scores, as kernels have that write them to memory.
    """
    dtype = FLOAT_TYPES[name]
    wide = FLOAT_TYPES["float32"] if name in NARROW else dtype
    return Precision(
        dtype=dtype,
        accumulate=wide,
        scale=wide,
        scaled=dtype,
        scores=FLOAT_TYPES[scores] if scores else wide,
        softmax=wide,
        weighted_sum=dtype,
        output=dtype,
        norm=NormTypes(wide, dtype),
    )


def exactly(problem: Problem) -> Problem:
    """Return the problem computed in float64 throughout, from the inputs as they are."""
    return in_types(problem, kernel_types("float64"))


def in_types(problem: Problem, precision: Precision) -> Problem:
    """Return the problem computed in other types; numbers that are not finite are allowed."""
    rules = replace(problem.rules, precision=precision)
    return replace(problem, rules=rules, nonfinite="allow")


def values_of(problem: Problem, names: Collection[str], rows: tuple[int, ...] | None) -> Steps:
    """Return the values of steps by their definition, in the order in which they are computed."""
    request = Request(
        steps=tuple(names), rows=rows, asides=True, memory=UNLIMITED, engine="definition"
    )
    plan = make_plan(problem, request)
    store = Store(problem, plan)
    with np.errstate(all="ignore"):
        put_into(problem, request, plan, store, engine=_by_pieces(problem, plan))
    return {
        name: computed(problem, plan.pipeline[name], step.values)
        for name, step in store.steps().items()
    }


def _by_pieces(problem: Problem, plan: Plan) -> Engine | None:
    """Return the engine for very many keys, if there are so many and it does not refuse."""
    if problem.n_k < MANY_KEYS:
        return None
    from attn_cli.lab.pieces import Pieces

    return None if Pieces().refuses(problem, plan) else Pieces()


@dataclass(frozen=True)
class Noise:
    """The exact values of some steps, and their emulations in some types.

    `eps` has the distance from 1 to the next number, in the type that each step has in the end.
    """

    exact: Mapping[str, AnyArray]
    emulated: tuple[Mapping[str, AnyArray], ...]
    types: Precision
    eps: Mapping[str, float]

    @classmethod
    def of(
        cls,
        problem: Problem,
        names: Collection[str],
        types: Precision,
        *,
        rows: tuple[int, ...] | None = None,
        stored: Mapping[str, FloatType] | None = None,
        count: int = EMULATIONS,
        compute: Compute | None = None,
        sums: bool = False,
    ) -> Noise:
        """Return the noise of the named steps of a problem, in these types.

        `rows` are the query rows that are computed, ascending; None: all. `stored` are types to
        which the values of a step are rounded once more, if its array is narrower than the step.
        `compute` returns the steps of a problem, for callers that compute in another way. `sums`:
        whether the order of sums in float32 matters, also of 16-bit numbers.
        """
        compute = compute or (lambda each: values_of(each, names, rows))
        stored = stored or {}
        specs = pipeline(in_types(problem, types))
        eps = {name: _widest(specs[name].type, stored.get(name)) for name in names}
        emulated = []
        for seed in range(count):
            precision = at_random(types, seed, sums=sums)
            steps = dict(compute(in_types(problem, precision)))
            for name, type_ in stored.items():
                if name in steps:
                    steps[name] = Random.like(type_, precision.draws).round(steps[name])
            emulated.append(steps)
        return cls(compute(exactly(problem)), tuple(emulated), types, eps)

    def errors(self, name: str) -> AnyArray:
        """Return the emulations of a step less its exact values, along a new first axis."""
        return self._errors[name]

    @cached_property
    def _errors(self) -> dict[str, AnyArray]:
        return {
            name: np.stack([difference(each[name], exact) for each in self.emulated])
            for name, exact in self.exact.items()
        }

    def floor(self, name: str) -> float:
        """Return the rms of the emulations of a step against its exact values.

        At least 1/64 of a unit in the last place of a typical value: some results are exact.
        """
        return max(rms(self.errors(name)), self._least(name))

    def _least(self, name: str) -> float:
        return _LEAST * self.eps[name] * (rms(self.exact[name]) or 1.0)

    def rests(self, name: str) -> AnyArray:
        """Return the rms of each emulation of a step against the exact values, in floors."""
        return np.array([rms(each) for each in self.errors(name)]) / self.floor(name)


def _widest(*types: FloatType | None) -> float:
    """Return the largest distance from 1 to the next number of these types."""
    return max((type_.eps for type_ in types if type_ is not None), default=0.0)


def difference(there: AnyArray, here: AnyArray) -> AnyArray:
    """Return there - here; 0 where both are the same infinity, or both NaN."""
    with np.errstate(invalid="ignore"):
        found: AnyArray = np.subtract(there, here, dtype=np.float64)
    if not all_finite(found):
        same = (there == here) | (np.isnan(there) & np.isnan(here))
        found[~np.isfinite(found) & same] = 0
    return found


def all_finite(x: AnyArray) -> bool:
    """Return whether no number of an array is infinite or NaN."""
    # The sum of squares is finite then, unless some are above 1e150.
    return bool(np.isfinite(_sum_of_squares(x)) or np.isfinite(x).all())


def _sum_of_squares(x: AnyArray) -> float:
    flat = x.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.dot(flat, flat))


def rms(x: AnyArray) -> float:
    """Return the root of the mean square of the finite numbers of an array; 0 for none."""
    flat = np.asarray(x, dtype=np.float64).ravel()
    if not all_finite(flat):
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0
    with np.errstate(over="ignore"):
        found = float(np.sqrt(flat @ flat / flat.size))
    if np.isfinite(found):
        return found
    largest = float(np.max(np.abs(flat)))  # its square is too large for float64
    return largest * rms(flat / largest)
