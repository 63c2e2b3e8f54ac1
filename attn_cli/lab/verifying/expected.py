"""What a case should give: the numbers under a preset, and how far rounding may move them.

The numbers are computed in float32, or in float64 for a function of float64: fills such as "the
lowest finite number" depend on the type. The tolerance comes from `lab.noise`: emulations of the
case in the function's type, each with random roundings, with scores in float32 and, for 16 bits,
rounded too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.conventions.presets import preset
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.noise import EMULATIONS, NARROW, Noise, kernel_types
from attn_cli.lab.variants import Base, Variant, hypotheses
from attn_cli.lab.variants.shared import Sample
from attn_cli.lab.verifying.case import Case, document
from attn_cli.maths.adjustments import Adjustment, Masking
from attn_cli.maths.precision import Precision
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem

FACTOR = 4.0  # the tolerance, in the largest errors of the emulations
UNITS = 4.0  # and in units of the last place of the largest number, for what is not emulated
OUTPUT, LSE = "output", "lse"


class Expected:
    """A call with the numbers that it should give, and those that each variant gives.

    Raises AttnError if the preset does not say what they are.
    """

    def __init__(
        self,
        like: str,
        arrays: Mapping[str, AnyArray],
        options: Mapping[str, Any],
        *,
        wide: bool = False,
        emulations: int = EMULATIONS,
    ) -> None:
        dtype = "float64" if wide else "float32"
        self.arrays, self.options, self._emulations = arrays, options, emulations
        written = document(like, dtype, arrays, options)
        self.base = Base(read_problem(written), written)
        names = (OUTPUT, LSE) if "return_lse" in options else (OUTPUT,)
        self._sample = Sample(self.base, names)
        self._tolerances: dict[str, dict[str, float]] = {}
        self._varied: dict[str, Mapping[str, AnyArray] | None] = {}
        self._noticed: dict[tuple[str, str], bool | None] = {}

    @classmethod
    def of(
        cls, case: Case, like: str, *, wide: bool = False, emulations: int = EMULATIONS
    ) -> Expected | None:
        """Return what a case should give; None if the preset does not say it."""
        chosen = preset(like)
        if case.mask in ("two", "three") and "mask.axes" not in chosen.settings:
            return None
        try:
            arrays, options = case.arrays(chosen), case.options()
            return cls(like, arrays, options, wide=wide, emulations=emulations)
        except AttnError:  # it has no answer to a knob, or reads no such mask
            return None

    @property
    def results(self) -> Mapping[str, AnyArray]:
        """The output, and the log-sum-exp if it is asked for, by name."""
        return self._sample.own

    def tolerances(self, dtype: str) -> Mapping[str, float]:
        """Return how far each result may be off in a type."""
        if dtype not in self._tolerances:
            self._tolerances[dtype] = self._emulated(dtype)
        return self._tolerances[dtype]

    def _emulated(self, dtype: str) -> dict[str, float]:
        names = tuple(self.results)
        pipelines = [kernel_types(dtype)]
        if dtype in NARROW:
            pipelines.append(kernel_types(dtype, scores=dtype))
        found = {}
        noises = [
            Noise.of(_filled(self.base.problem, types), names, types, count=self._emulations)
            for types in pipelines
        ]
        for name in names:
            error = max(_largest(noise.errors(name)) for noise in noises)
            unit = FLOAT_TYPES[dtype].eps / 2
            found[name] = FACTOR * error + UNITS * unit * _largest(self.results[name])
        return found

    def tells(self, dtype: str) -> bool:
        """Return whether the tolerance rejects an output of zeros."""
        return _largest(self.results[OUTPUT]) > 2 * self.tolerances(dtype)[OUTPUT]

    def off(self, results: Mapping[str, AnyArray], dtype: str) -> dict[str, Bools]:
        """Return which numbers of each result are off by more than the tolerance.

        A number beyond the type is right as an infinity too: -2.4e38 in float16.
        """
        allowed = self.tolerances(dtype)
        return {
            name: differ(results[name], here, allowed[name])
            & differ(results[name], FLOAT_TYPES[dtype].round(here), allowed[name])
            for name, here in self.results.items()
        }

    def variants(self) -> Iterator[tuple[Variant, Mapping[str, AnyArray]]]:
        """Yield the variants that mean something here, each with its results."""
        for variant in self.listed:
            results = self.varied(variant)
            if results is not None:
                yield variant, results

    @cached_property
    def listed(self) -> tuple[Variant, ...]:
        """All variants but whole presets, also those that mean nothing here."""
        return tuple(each for each in hypotheses(self.base) if not each.name.startswith("like: "))

    def varied(self, variant: Variant) -> Mapping[str, AnyArray] | None:
        """Return the results of a variant, computed once; None if it means nothing here."""
        if variant.name not in self._varied:
            self._varied[variant.name] = self._results_of(variant)
        return self._varied[variant.name]

    def _results_of(self, variant: Variant) -> Mapping[str, AnyArray] | None:
        with np.errstate(all="ignore"):
            problem = variant.of(self.base)
            if problem is None or self._unseen(problem):
                return None
            return self._sample.of(problem)

    def _unseen(self, problem: Problem) -> bool:
        """Return whether a variant changes the log-sum-exp alone, which is not asked for here."""
        altered = set(problem.altered) - set(self.base.problem.altered)
        return altered == {LSE} and LSE not in self.results

    def notices(self, variant: Variant, dtype: str) -> bool | None:
        """Return whether a function that does this is judged wrong, whatever its rounding.

        None if the variant means nothing here.
        """
        at = variant.name, dtype
        if at not in self._noticed:
            varied = self.varied(variant)
            self._noticed[at] = None if varied is None else self._far(varied, dtype)
        return self._noticed[at]

    def _far(self, varied: Mapping[str, AnyArray], dtype: str) -> bool:
        allowed = self.tolerances(dtype)
        return any(
            bool(differ(varied[name], here, 2 * allowed[name]).any())
            for name, here in self.results.items()
        )


def _filled(problem: Problem, types: Precision) -> Problem:
    """Return the problem whose fill of hidden scores is a number of their type: a constant.

    Otherwise each hidden score would be rounded at random, and rows that see no key would differ.
    """
    scores = types.scores

    def fill(each: Adjustment) -> Adjustment:
        if not isinstance(each, Masking) or not np.isfinite(each.fill):
            return each
        return replace(each, fill=max(scores.number(each.fill), scores.lowest))

    rules = problem.rules
    return replace(problem, rules=replace(rules, adjustments=tuple(map(fill, rules.adjustments))))


def differ(there: AnyArray, here: AnyArray, tolerance: float) -> Bools:
    """Return where two arrays differ by more; NaN equals NaN alone, an infinity itself."""
    with np.errstate(invalid="ignore"):
        near: Bools = np.abs(there - here) <= tolerance
    near |= (there == here) | (np.isnan(there) & np.isnan(here))
    return ~near


def _largest(x: AnyArray) -> float:
    finite = np.abs(x[np.isfinite(x)])
    return float(finite.max()) if finite.size else 0.0
