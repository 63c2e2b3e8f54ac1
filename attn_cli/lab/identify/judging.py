"""Hypotheses against the noise of one of them: projections, their bars, and rests.

    r = observed - centre,  d = hypothesis - centre      (all in floors, of all observed steps)
    c = <r, d> / <d, d>     its bar: the largest |c| of the emulations of the centre

c is 1 if the observed numbers are those of the hypothesis, and 0 if they are those of the centre.
The bar must be measured: roundings follow the scores, so errors of cells depend on one another, and
the bar of independent errors, floor / |d|, is 5 to 20 times too small.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools
from attn_cli.lab.noise import Noise, difference

TESTED = 0.25  # the largest bar of a hypothesis that can be found
SAME = 1e-3  # rms distance, in floors, of hypotheses that give the same numbers
_ODD = 1e6  # floors between a number and one that is not finite
_LARGEST = 1e100  # floors: squares of larger ones cannot be summed
# How many times the largest of the emulations a rest may be: kernels that round to nearest have
# 0.65 of the noise in 16 bits; orders of sums differ by up to 2 in wider types.
_RMS, _ROW = {True: 1.25, False: 3.0}, {True: 1.5, False: 4.0}
_NARROWEST = 2.0**-11  # the eps of 16-bit types is larger
_QUIET = 0.25  # of the floor of a step: the least floor of one of its rows


class Test(NamedTuple):
    """How far the observed numbers went from the centre to a hypothesis, and its bar."""

    c: float
    bar: float

    @property
    def told(self) -> bool:
        """Whether the noise is small enough to tell the two."""
        return self.bar <= TESTED

    @property
    def beyond(self) -> bool:
        """Whether c is nearer to the hypothesis, and not by noise."""
        return self.told and self.c - self.bar > 0.5

    @property
    def rejected(self) -> bool:
        """Whether c is nearer to the centre, and not by noise."""
        return self.told and self.c + self.bar < 0.5


class Judge:
    """The observed steps, and the noise of one hypothesis: the centre.

    `vectors` are the steps whose last axis has the numbers of one row.
    """

    def __init__(
        self, noise: Noise, observed: Mapping[str, AnyArray], vectors: Collection[str]
    ) -> None:
        self.noise, self.steps, self._vectors = noise, tuple(observed), vectors
        self.floors = {name: noise.floor(name) for name in self.steps}
        self._left = self._off(observed)
        self.r = _flat(self._left)

    def off(self, values: Mapping[str, AnyArray]) -> Array:
        """Return values less those of the centre, in floors, of all steps one after the other."""
        return _flat(self._off(values))

    def _off(self, values: Mapping[str, AnyArray]) -> dict[str, Array]:
        return {name: self._of_step(name, values[name]) for name in self.steps}

    def _of_step(self, name: str, values: AnyArray) -> Array:
        exact = self.noise.exact[name]
        with np.errstate(over="ignore"):
            found: Array = difference(values, exact)
            found /= self.floors[name]
        if not size(found) <= _LARGEST:
            odd = ~(np.isfinite(values) & np.isfinite(exact))
            found[odd] = _code(values[odd]) - _code(exact[odd])
            np.clip(found, -_LARGEST, _LARGEST, out=found)
        return found

    @cached_property
    def _errors(self) -> tuple[dict[str, Array], ...]:
        """Each emulation less the centre."""
        return tuple(self._off(each) for each in self.noise.emulated)

    @cached_property
    def _noise(self) -> list[Array]:
        """Each emulation less the centre, all steps one after the other."""
        return [_flat(each) for each in self._errors]

    def test(self, d: Array) -> Test:
        """Return the projection of the observed numbers on a hypothesis, given by `off`."""
        dd = float(d @ d)
        if not dd:
            return Test(0.0, np.inf)
        return Test(float(self.r @ d) / dd, max(abs(float(e @ d)) for e in self._noise) / dd)

    def rest(self, d: Array | None = None) -> float:
        """Return the rms of the observed numbers less a hypothesis, in floors; None: the centre."""
        return size(self.r if d is None else self.r - d)

    @cached_property
    def rows_off(self) -> int:
        """The number of rows, over all steps, in which more than noise is left of the centre."""
        return sum(int(self.off_rows(name).sum()) for name in self.steps)

    @property
    def rows(self) -> int:
        """The number of rows, over all steps."""
        return sum(self._rows(name, self._left[name]).size for name in self.steps)

    def left(self, name: str) -> Array:
        """Return an observed step less that of the centre, in floors."""
        return self._left[name]

    def off_rows(self, name: str) -> Bools:
        """Return which rows of a step have more left than noise: its axes without the last."""
        errors = np.stack([self._rows(name, each[name]) for each in self._errors])
        spread = np.sqrt(np.mean(np.square(errors), axis=0))
        floor = np.maximum(spread, _QUIET if name in self._vectors else 1.0)
        worst = float(np.max(errors / floor))
        found: Bools = self._rows(name, self._left[name]) > floor * worst * _ROW[self._narrow(name)]
        return found

    @cached_property
    def explained(self) -> bool:
        """Whether the rest of the observed numbers is noise, in every step and every row."""
        for name in self.steps:
            largest = max(size(each[name]) for each in self._errors)
            if size(self._left[name]) > largest * _RMS[self._narrow(name)]:
                return False
        return self.rows_off == 0

    def _narrow(self, name: str) -> bool:
        """Return whether a step has 16 bits: then its own rounding is most of its noise."""
        return self.noise.eps[name] >= _NARROWEST

    def _rows(self, name: str, values: Array) -> Array:
        """Return the rms of each row; of a step that has one number per query, its size."""
        if name in self._vectors:
            return np.asarray(np.sqrt(np.mean(np.square(values), axis=-1)))
        return np.abs(values)


def _flat(steps: Mapping[str, Array]) -> Array:
    flat = [each.ravel() for each in steps.values()]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def size(x: Array) -> float:
    """Return the rms of an array: of numbers whose squares are too large, the largest of them."""
    flat = x.ravel()
    if not flat.size:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        found = float(np.sqrt(flat @ flat / flat.size))
    return float(np.max(np.abs(flat))) if found == np.inf else found


def _code(x: AnyArray) -> Array:
    """Return numbers as they are compared with others that are not finite."""
    found: Array = np.where(np.isnan(x), _ODD, np.where(np.isposinf(x), 2 * _ODD, 0.0))
    found[np.isneginf(x)] = -2 * _ODD
    return found
