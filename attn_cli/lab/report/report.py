"""Problem + request -> report: what the page shows of a computation, as far as it fits."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.engine.plan import plan_unheld
from attn_cli.engine.run import run
from attn_cli.lab.derivation.derive import NEAR, types_of
from attn_cli.lab.drawing import draw, turned
from attn_cli.lab.report.entries import Entries
from attn_cli.lab.report.recipe import Source
from attn_cli.lab.report.recipes import Working, working
from attn_cli.lab.report.result import Report
from attn_cli.lab.report.runs import of_leads
from attn_cli.lab.report.size import USUAL, Extent, Room, holds_text, room
from attn_cli.lab.result_drawing import of_record
from attn_cli.lab.statistics import Statistics, statistics
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.select import k_largest
from attn_cli.maths.stage import CODE, OF_PAIRS
from attn_cli.maths.visible.base import REASONS, Lead
from attn_cli.record import Record, Step

if TYPE_CHECKING:
    from attn_cli.engine.threads import OnProgress
    from attn_cli.lab.report.written import Written

MAIN = "weights"
FLOAT32 = 1e-4  # how far float32 may be from a value, relative to it


def report(
    problem: Problem,
    request: Request,
    *,
    limit: int = USUAL,
    written: Written | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Return the report of the steps of a request, in at most `limit` bytes as a page.

    The page has the problem as it was `written`, if that is short.

    Raises AttnError as `run` does, and if not even the smallest page has so few bytes.
    """
    request = replace(request, asides=True, marks=True, edge=None)
    if written is not None and not holds_text(written.size, limit):
        written = replace(written, text=None)
    text = written.size if written is not None and written.text is not None else 0
    fits = room(replace(_extent(problem, request), text=text), limit)
    if fits.rung == 4:
        from attn_cli.lab.report.large import large

        near = near_of(problem, fits)
        found = large(problem, request, fits, limit=limit, near=near, on_progress=on_progress)
    else:
        record = run(problem, _with_codes(problem, request), on_progress=on_progress)
        found = _of_record(problem, request, record, fits, limit=limit)
    return replace(found, written=written)


def _with_codes(problem: Problem, request: Request) -> Request:
    """Return the request with the step that says why keys are hidden."""
    if request.steps is None or "visible" not in pipeline(problem):
        return request
    return replace(request, steps=tuple(dict.fromkeys((*request.steps, "visible"))))


def _extent(problem: Problem, request: Request) -> Extent:
    """Return how many numbers there are, before anything is computed."""
    steps = plan_unheld(problem, request).steps.values()
    pairs = [step for step in steps if step.axes[-2:] == OF_PAIRS and step.spec.stage.role != CODE]
    *lead, queries, keys = pairs[0].shape if pairs else (0, 0)
    return Extent(
        leads=prod(lead) if pairs else 0,
        queries=queries,
        keys=keys,
        pairs=len(pairs),
        vectors=sum(prod(step.shape) for step in steps if step.axes[-2:] != OF_PAIRS),
        numbers=sum(prod(step.shape) for step in steps),
    )


def _of_record(
    problem: Problem, request: Request, record: Record, fits: Room, *, limit: int
) -> Report:
    pairs = tuple(
        name
        for name, step in record.steps.items()
        if {*OF_PAIRS} <= {*step.axes} and step.role != CODE and step.values.size
    )
    codes = _codes(problem, record, pairs)
    leads = _leads(record, pairs)
    taking = _taking(problem, record, codes)
    entries = Entries(
        problem,
        places_of(problem, request, leads),
        rows_of(problem, request),
        ~(codes == 0).any(axis=-1),
        hides=bool(codes.any()) or taking is not None,
        visible=codes,
    )
    worked = working(entries) if pairs else None
    held = tuple(record.steps) if fits.rung == 1 else _held(problem, record, worked, fits)
    if request.steps is not None and "visible" not in request.steps:
        record = replace(record, steps={n: s for n, s in record.steps.items() if n != "visible"})
    return Report(
        command="compute",
        record=record,
        lead_axes=_lead_axes(record, pairs),
        leads=leads,
        pairs=pairs,
        main=MAIN if MAIN in pairs else pairs[-1] if pairs else "",
        maps={
            name: draw(of_record(record, name)) for name in pairs if fits.rung == 1 or name in held
        },
        rung=fits.rung,
        tables=fits.tables,
        held=held,
        hidden=of_leads(codes) if codes.any() else (),
        taking=() if taking is None else of_leads(taking.astype(np.uint8)),
        reasons=REASONS,
        working=worked,
        near=near_of(problem, fits),
        statistics=statistics_of(problem, request) if MAIN in pairs else None,
        limit=limit,
    )


def near_of(problem: Problem, fits: Room) -> float:
    """Return how far the arithmetic of rounded numbers may be from a value."""
    near = max(NEAR[type_.name] for type_ in types_of(problem))
    return near if fits.rung == 1 else max(near, FLOAT32)


def statistics_of(problem: Problem, request: Request) -> Statistics:
    """Return the statistics of the weights of a request."""
    return statistics(problem, replace(request, steps=(MAIN,), asides=False, marks=False))


def _lead_axes(record: Record, pairs: tuple[str, ...]) -> tuple[str, ...]:
    if not pairs:
        return ()
    return tuple(axis for axis in record.steps[pairs[0]].axes if axis not in OF_PAIRS)


def _leads(record: Record, pairs: tuple[str, ...]) -> tuple[Lead, ...]:
    """Return the places of all batch entries and heads in the record."""
    if not pairs:
        return ()
    step = record.steps[pairs[0]]
    sizes = [
        size
        for size, axis in zip(step.values.shape, step.axes, strict=True)
        if axis not in OF_PAIRS
    ]
    return tuple(product(*map(range, sizes)))


def places_of(problem: Problem, request: Request, leads: tuple[Lead, ...]) -> list[Lead]:
    """Return the places in the problem: with the batch entry and the head that were chosen."""
    chosen = {"batch": request.batch, "head": request.head}
    found = []
    for lead in leads:
        left = iter(lead)
        found.append(
            tuple(
                next(left) if chosen[axis] is None else _index(chosen[axis], size)
                for axis, size in zip(problem.lead_axes, problem.lead, strict=True)
            )
        )
    return found


def _index(chosen: Any, size: int) -> int:
    return int(chosen) % size


def rows_of(problem: Problem, request: Request) -> range | tuple[int, ...]:
    """Return the positions of the queries that were requested."""
    return range(problem.n_q) if request.rows is None else request.rows


def _matrix(step: Step | None) -> AnyArray | None:
    """Return the values of a step of pairs as (leads, queries, keys)."""
    if step is None:
        return None
    values = step.values.transpose(turned(step.axes))
    return values.reshape(-1, *values.shape[-2:])


def _codes(problem: Problem, record: Record, pairs: tuple[str, ...]) -> AnyArray:
    """Return why keys are hidden, (leads, queries, keys); 0 if they are not."""
    visible = _matrix(record.steps.get("visible"))
    if not pairs:
        return np.zeros((0, 0, 0), np.uint8)
    shape = _shape(record.steps[pairs[0]])
    if visible is None or "visible" not in pipeline(problem):
        return np.zeros(shape, np.uint8)
    return np.asarray(np.broadcast_to(visible, shape), np.uint8)


def _shape(step: Step) -> tuple[int, ...]:
    matrix = _matrix(step)
    assert matrix is not None
    return matrix.shape


def _taking(problem: Problem, record: Record, codes: AnyArray) -> AnyArray | None:
    """Return which keys take part, if that is more than being visible; None if it is not."""
    rules = problem.rules
    last = _matrix(record.steps.get(last_of_scores(problem)))
    if rules.hides_permanently or last is None or not len(codes):
        return None
    taking = ~np.isneginf(last)
    if rules.top_k is not None:
        taking = np.array(
            [
                k_largest(rows.astype(np.float64), seen, rules.top_k)
                for rows, seen in zip(last, taking, strict=True)
            ]
        )
    return taking if not np.array_equal(taking, codes == 0) else None


def _held(problem: Problem, record: Record, worked: Working | None, fits: Room) -> tuple[str, ...]:
    """Return the steps whose numbers are kept as float32."""
    names = {last_of_scores(problem), MAIN, "dropped", "lse"} & record.steps.keys()
    if fits.rung == 2 and worked is not None:
        read = {
            name
            for recipe in worked.recipes
            for source in recipe.slots.values()
            for name in _names(source)
        }
        names |= {
            name
            for name in read & record.steps.keys()
            if not {*OF_PAIRS} <= {*record.steps[name].axes}
        }
    return tuple(name for name in record.steps if name in names)


def _names(source: Source) -> list[str]:
    """Return the steps and parts that a source reads."""
    if not isinstance(source, list):
        return []
    if source[0] in {"at", "seen", "taken", "values"}:
        return [source[1]]
    return [name for each in source[1:] for name in _names(each)]
