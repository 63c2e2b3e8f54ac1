"""What a record from Python was computed from, to compute it again for a page or a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.run import run
from attn_cli.engine.step_plan import edges
from attn_cli.engine.threads import one_thread_of_blas
from attn_cli.errors import AttnError
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Edge, Problem, Request
from attn_cli.record import Record, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from attn_cli.arrays import AnyArray
    from attn_cli.lab.report.result import Kept, Report
    from attn_cli.lab.report.written import Written

CODES = "visible"  # the step that says why keys are hidden
FLOAT32 = 1e-4  # how far float32 may be from a value, relative to it
WRITES = 'record.save("{0}.npy", step="{0}")'  # writes a step to a file


@dataclass(frozen=True)
class Origin:
    """A problem and the request that a record answered, with the names of its steps.

    `written` is the text of the problem's file. A problem whose arrays stay in their files is held
    as it is pickled, by their paths: records would keep the files open. An origin is not pickled: a
    pickled record has numbers alone.
    """

    held: Problem | bytes
    request: Request
    names: tuple[str, ...]
    written: Written | None = None

    @property
    def problem(self) -> Problem:
        """The problem; AttnError if its files have changed."""
        if not isinstance(self.held, bytes):
            return self.held
        from pickle import loads

        problem: Problem = loads(self.held)
        return problem

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        """Pickle as None."""
        return _nothing, ()

    def report(self, record: Record, limit: int) -> Report:
        """Return the report of the steps of a record, for a page of at most `limit` bytes.

        Raises AttnError as `attn_cli.lab.report.report` does, and if arrays have changed.
        """
        from attn_cli.lab.report.report import report

        problem = self.problem
        with one_thread_of_blas(self.request.threads):
            found = report(problem, self._asked(record), limit=limit, written=self.written)
        near = _near(problem)
        _refuse_changed(record, found.record, near)
        if found.kept is not None and "weights" in record.steps:
            _refuse_other_weights(record.steps["weights"], found.kept, near)
        return replace(found, writes=WRITES)

    def table(self, record: Record, *, full: bool) -> Record:
        """Return a record as tables show it: hidden cells with reasons, large steps shortened."""
        edge = None if full else Edge()
        request = replace(self._asked(record), asides=False, marks=True, edge=edge)
        problem = self.problem
        with one_thread_of_blas(self.request.threads):
            found = run(problem, request)
        _refuse_changed(record, found, _near(problem))
        return found

    def codes(self, lead: dict[str, int]) -> Step | None:
        """Return why keys are hidden, of one batch entry and head.

        None if none can be, and if that is not known: arrays or files have changed.
        """
        chosen: dict[str, Any] = {
            axis: at for axis, at in lead.items() if getattr(self.request, axis) is None
        }
        request = replace(self.request, steps=(CODES,), answer=False, **chosen)
        try:
            problem = self.problem
            return run(problem, request).steps[CODES] if CODES in pipeline(problem) else None
        except AttnError:
            return None

    def _asked(self, record: Record) -> Request:
        """Return the request of the steps that a record has, which may be fewer than computed."""
        names = tuple(record.steps)
        return self.request if names == self.names else replace(self.request, steps=names)


def _refuse_changed(record: Record, found: Record, near: float) -> None:
    """Raise AttnError if numbers that were computed again are not those of the record."""
    for name, step in found.steps.items():
        held = step.values.size < 2 or any(step.values.strides)
        if name not in record.steps or not held:  # if not, it has one NaN for all
            continue
        before = record.steps[name]
        if before.shape != step.shape:
            raise _changed()
        _refuse_other(before.cut(step.kept).values, step.values, near)


def _refuse_other_weights(before: Step, kept: Kept, near: float) -> None:
    """Raise AttnError if the largest weights that are kept are not those of the record."""
    from attn_cli.lab.drawing import turned

    whole = before.values.transpose(turned(before.axes))
    weights = whole.reshape(-1, *whole.shape[-2:])
    there = np.take_along_axis(weights, np.maximum(kept.keys, 0), axis=-1)
    none = kept.keys < 0
    _refuse_other(np.where(none, 0, there), np.where(none, 0, kept.weights), near)


def _near(problem: Problem) -> float:
    """Return how far a number that is computed in another order may be, relative to the largest."""
    from attn_cli.lab.derivation.derive import NEAR, types_of

    return max(NEAR[type_.name] for type_ in types_of(problem))


def _refuse_other(before: AnyArray, now: AnyArray, near: float) -> None:
    """Raise AttnError for other numbers."""
    if before.shape != now.shape:
        raise _changed()
    if now.dtype == np.float32:  # in which pages hold the largest weights
        near = max(near, FLOAT32)
    most = float(np.abs(before[np.isfinite(before)]).max(initial=0.0))
    if not np.allclose(now, before, rtol=near, atol=near * most, equal_nan=True):
        raise _changed()


def origin(
    problem: Problem, request: Request, names: tuple[str, ...], written: Written | None
) -> Origin | None:
    """Return the origin of a record; None if its arrays are read from standard input."""
    sides = (problem.query, problem.key, problem.value)
    if all(side is None or isinstance(side.inputs, np.ndarray) for side in sides):
        return Origin(problem, request, names, written)
    from pickle import dumps

    try:
        return Origin(dumps(problem), request, names, written)
    except AttnError:
        return None


def shortened(record: Record, *, full: bool) -> Record:
    """Return a record that cannot be computed again, with the ends alone of its large steps."""
    edge = None if full else Edge()
    steps = {
        name: step.cut(edges(step.shape, edge)) if step.whole else step
        for name, step in record.steps.items()
    }
    return replace(record, steps=steps)


def _changed() -> AttnError:
    return AttnError(
        "the arrays of the problem have changed since the record was computed",
        help="compute it again, or give copies of arrays that will change",
    )


def _nothing(*_: Any) -> None:
    """Return None, as which an origin is pickled."""
