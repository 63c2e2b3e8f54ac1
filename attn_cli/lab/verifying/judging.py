"""A function held against a preset: every case of the grid in every type, then the conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.conventions.presets import preset
from attn_cli.errors import AttnError
from attn_cli.lab.noise import EMULATIONS
from attn_cli.lab.verifying.answer import DONE, RAISED, UNSUPPORTED, Answer, Call
from attn_cli.lab.verifying.case import ALL_TYPES, Case
from attn_cli.lab.verifying.expected import Expected, differ
from attn_cli.lab.verifying.grid import CASES, NOT_ASKED
from attn_cli.lab.verifying.libraries import TRIED
from attn_cli.lab.verifying.process import Kernel
from attn_cli.lab.verifying.verified import (
    CANNOT_TELL,
    RIGHT,
    SHAPE,
    WRONG,
    Asked,
    Judged,
    Named,
    Verified,
    Worst,
    without,
)
from attn_cli.lab.verifying.verified import NOT_ASKED as SILENT_PRESET

TYPES = ("float64", *ALL_TYPES)
TIMEOUT = 10.0


class Asking:
    """What is asked of a function: cases under a preset, each computed once for all types.

    `cases` None: the whole grid. `emulations`: how many the tolerances
    come from; None: those of `lab.noise`.
    """

    def __init__(
        self, like: str, cases: Sequence[Case] | None = None, *, emulations: int | None = None
    ) -> None:
        self.preset, self.cases = preset(like), tuple(CASES if cases is None else cases)
        self.emulations = EMULATIONS if emulations is None else emulations
        self._expected: dict[tuple[str, bool], Expected | None] = {}

    def expected(self, case: Case, dtype: str) -> Expected | None:
        """Return what a case should give; None if the preset does not say it."""
        wide = dtype == "float64"
        if (case.name, wide) not in self._expected:
            self._expected[case.name, wide] = self._computed(case, wide=wide)
        return self._expected[case.name, wide]

    def _computed(self, case: Case, *, wide: bool) -> Expected | None:
        return Expected.of(case, self.preset.name, wide=wide, emulations=self.emulations)


def verify(
    kernel: Kernel,
    asking: Asking,
    *,
    arrays: str = "numpy",
    dtypes: Sequence[str] = (),
    timeout: float = TIMEOUT,
) -> Verified:
    """Return what a function does in every case, by the conventions of a preset.

    Without `dtypes`: float32, and for PyTorch and JAX those of 16 bits too, in which the first case
    raises no exception.
    """
    types, notes = _types(asking, kernel, arrays, dtypes, timeout)
    if kernel.signature.note:
        notes.append(kernel.signature.note)
    judged = [
        judge(asking, case, dtype, _answered(asking, kernel, case, dtype, timeout))
        for dtype in types
        for case in asking.cases
        if dtype in case.types or dtype == "float64"
    ]
    return verified(asking, judged, kernel.name, arrays, tuple(types), tuple(notes))


def verified(
    asking: Asking,
    judged: Sequence[Judged],
    function: str,
    arrays: str,
    types: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> Verified:
    """Return the verdict of all cases."""
    names = dict.fromkeys(each.convention for each in judged)
    counted, unnoticed = _unnoticed(asking, judged, types[0])
    return Verified(
        function=function,
        like=asking.preset.name,
        version=asking.preset.version,
        arrays=arrays,
        dtypes=types,
        conventions=tuple(
            Asked(name=name, cases=tuple(e for e in judged if e.convention == name))
            for name in names
        ),
        variants=counted,
        unnoticed=unnoticed,
        knobs=tuple(Named(knob, why) for knob, why in NOT_ASKED.items()),
        notes=notes,
    )


def _types(
    asking: Asking, kernel: Kernel, arrays: str, wanted: Sequence[str], timeout: float
) -> tuple[list[str], list[str]]:
    """Return the types to ask, and notes about those that do not work."""
    if wanted:
        return list(dict.fromkeys(wanted)), []
    types: list[str] = []
    notes: list[str] = []
    for dtype in TRIED[arrays]:
        answer = _called(asking, kernel, asking.cases[0], dtype, timeout) if types else None
        if answer is not None and answer.verdict in (RAISED, UNSUPPORTED):
            notes.append(f"{dtype} was left out: {answer.text}")
        else:
            types.append(dtype)
    return types, notes


def _answered(
    asking: Asking, kernel: Kernel, case: Case, dtype: str, timeout: float
) -> Answer | None:
    """Return what the function gives; None if the preset does not say what it should."""
    if asking.expected(case, dtype) is None:
        return None
    lacks = kernel.signature.lacks(case.needs)
    if lacks:
        return Answer(verdict=UNSUPPORTED, text=without(lacks), lacks=lacks)
    return _called(asking, kernel, case, dtype, timeout)


def _called(asking: Asking, kernel: Kernel, case: Case, dtype: str, timeout: float) -> Answer:
    expected = asking.expected(case, dtype)
    assert expected is not None
    return kernel.call(
        Call(
            arrays=dict(expected.arrays),
            options=dict(expected.options),
            dtype=dtype,
            timeout=timeout,
        )
    )


def judge(asking: Asking, case: Case, dtype: str, answer: Answer | None) -> Judged:
    """Return the verdict of one case; `answer` is None if the preset does not ask it."""
    expected = asking.expected(case, dtype)
    judged = partial(Judged, case=case.name, convention=case.convention, dtype=dtype)
    if answer is None or expected is None:
        text = f"{asking.preset.name} says nothing about it"
        return judged(verdict=SILENT_PRESET, text=text)
    if answer.verdict != DONE or answer.results is None:
        return judged(
            verdict=answer.verdict,
            text=answer.text,
            traceback=answer.traceback,
            lacks=answer.lacks,
        )
    for name, right in expected.results.items():
        shape = answer.results[name].shape
        if shape != right.shape:
            text = f"{name} is {shape}, not {right.shape}"
            return judged(verdict=SHAPE, text=text)
    if not expected.tells(dtype):
        return judged(verdict=CANNOT_TELL, text=f"the noise of {dtype} hides it")
    return _compared(judged, dtype, expected, answer.results)


def _compared(
    judged: Callable[..., Judged], dtype: str, expected: Expected, results: Mapping[str, AnyArray]
) -> Judged:
    """Return whether the numbers are right, and else which variants give them."""
    found = {name: results[name].astype(np.float64) for name in expected.results}
    wrong = expected.off(found, dtype)
    numbers = sum(each.size for each in wrong.values())
    off = sum(int(each.sum()) for each in wrong.values())
    if not off:
        return judged(verdict=RIGHT, numbers=numbers)
    return judged(
        verdict=WRONG,
        numbers=numbers,
        off=off,
        worst=_worst(expected, found, dtype),
        explained=tuple(_explained(expected, found, dtype)),
    )


def _explained(expected: Expected, found: Mapping[str, AnyArray], dtype: str) -> Iterator[Named]:
    """Yield the variants that give these numbers."""
    allowed = expected.tolerances(dtype)
    for variant, results in expected.variants():
        if not any(differ(found[n], results[n], allowed[n]).any() for n in found):
            yield Named(variant.name, variant.said(expected.base))


def _worst(expected: Expected, found: Mapping[str, AnyArray], dtype: str) -> Worst:
    """Return the cell that is off most, in tolerances; NaN against a number is most of all."""
    worst, most = None, -1.0
    for name, off in expected.off(found, dtype).items():
        here, tolerance = expected.results[name], expected.tolerances(dtype)[name]
        with np.errstate(invalid="ignore"):
            distance = np.abs(found[name] - here) / tolerance
        distance = np.where(off, np.where(np.isnan(distance), np.inf, distance), -1.0)
        at = np.unravel_index(int(distance.argmax()), distance.shape)
        if distance[at] > most:
            most = float(distance[at])
            place = tuple(int(index) for index in at)
            worst = Worst(name, place, float(found[name][at]), float(here[at]), tolerance)
    assert worst is not None
    return worst


def _unnoticed(
    asking: Asking, judged: Sequence[Judged], dtype: str
) -> tuple[int, tuple[Named, ...]]:
    """Return how many variants mean something in a case that was judged, and those not noticed."""
    met: dict[str, Named] = {}
    noticed: set[str] = set()
    cases = {case.name: case for case in asking.cases}
    for each in judged:
        if each.dtype != dtype or (each.verdict != RIGHT and not each.wrong):
            continue
        expected = asking.expected(cases[each.case], dtype)
        assert expected is not None
        for variant in expected.listed:
            found = None if variant.name in noticed else expected.notices(variant, dtype)
            if found is not None:
                met[variant.name] = Named(variant.name, variant.said(expected.base))
            if found:
                noticed.add(variant.name)
    return len(met), tuple(named for name, named in met.items() if name not in noticed)


def check_type(name: str) -> None:
    """Raise AttnError for an unknown type of numbers."""
    if name not in TYPES:
        from attn_cli.errors import did_you_mean

        raise AttnError(f"unknown type '{name}'", help=did_you_mean(name, TYPES, what="there are"))
