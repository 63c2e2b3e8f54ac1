"""Inputs, of which nothing is computed: they differ by a rounding at most.

K and V that both sides have are compared a few keys at a time; what is computed from them reads
those of the other side only if they are other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.lab.differing.sides import OfDump, OfProblem, Shape
from attn_cli.lab.differing.tally import Tally, Values
from attn_cli.lab.differing.taps import GIVEN
from attn_cli.lab.differing.types import Kernel
from attn_cli.maths.linear import IDENTITY
from attn_cli.maths.problem import Problem

NUMBERS = 1 << 22  # of K or V that are compared at a time


def inputs_of(problem: Problem) -> frozenset[str]:
    """Return the steps that are inputs, for which nothing is computed."""
    sides = {"q": problem.query, "k": problem.key, "v": problem.value}
    plain = {n for n, side in sides.items() if side is not None and side.linear is IDENTITY}
    return frozenset({*GIVEN, *plain})


def of_input(here: AnyArray, there: AnyArray, kernel: Kernel, name: str) -> Values:
    """Return an input, which differs by the rounding to its type at most."""
    eps = kernel.stored[name].eps * kernel.scale if name in kernel.stored else 0.0
    return Values(here, here, there, np.abs(here)[None] * eps / 2, None)


class OtherKeys:
    """K or V of the other side, read where a stage needs them."""

    def __init__(self, observed: OfDump | OfProblem, name: str, shape: Shape) -> None:
        self._observed, self._name = observed, name
        self.shape, self.ndim = shape.sizes, len(shape.sizes)

    def __getitem__(self, at: tuple[Any, ...]) -> AnyArray:
        *lead, keys = at
        return self._observed.keys_of(self._name, tuple(lead), keys)


def of_keys(side: OfDump | OfProblem, name: str, shape: Shape, keys: slice) -> AnyArray:
    """Return some keys of all key heads: (*lead, keys, features)."""
    lead = shape.sizes[:-2]
    found = [side.keys_of(name, at, keys) for at in np.ndindex(*lead)]
    return np.stack(found).reshape(*lead, *found[0].shape)


def key_parts(shape: Shape) -> Iterator[slice]:
    """Yield the keys a few at a time."""
    *lead, count, width = shape.sizes
    step = max(NUMBERS // max(int(np.prod(lead)) * width, 1), 1)
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


def numbers(keys: slice) -> Integers:
    """Return the numbers of some keys."""
    return np.arange(keys.start, keys.stop)


def compared_sides(
    shapes: Mapping[str, Shape],
    here: OfProblem,
    there: OfDump | OfProblem,
    kernel: Kernel,
    tolerance: float | None,
) -> dict[str, tuple[Tally, Values]]:
    """Return the sums of K and V, and the values of their first keys."""
    found = {}
    for name, shape in shapes.items():
        eps = kernel.stored[name].eps * kernel.scale
        of = f"{here.name}: {name}"
        tally, first = Tally(shape.axes, shape.sizes, eps, tolerance, of=of), None
        for keys in key_parts(shape):
            one, other = (of_keys(side, name, shape, keys) for side in (here, there))
            values = of_input(one, other, kernel, name)
            first = first or values
            tally.add(numbers(keys), values)
        assert first is not None  # there is a key
        found[name] = tally, first
    return found
