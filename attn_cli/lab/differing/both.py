"""The steps of both sides of a comparison, a few rows at a time, with what hides their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import dataclass
from attn_cli.engine.plan import plan_unheld
from attn_cli.lab.altered import Steps
from attn_cli.lab.differing.compare import Pair
from attn_cli.lab.differing.inputs import Chosen
from attn_cli.lab.differing.names import VISIBLE
from attn_cli.lab.differing.sides import OfDump, OfProblem, Shape
from attn_cli.lab.differing.visibility import codes_here, completed, sight_there
from attn_cli.lab.drawing import LEADING
from attn_cli.maths.pipeline import STAGES, pipeline
from attn_cli.maths.problem import Request
from attn_cli.maths.stage import SCORE, VECTOR
from attn_cli.maths.visible.base import REASONS
from attn_cli.record import Labels, Numbered

LARGEST = 1 << 22  # numbers of a step that has no rows of queries, or of a dump
AT_ONCE = 1 << 18  # numbers of a step of a dump that are read at a time
OF_PAIRS = 2  # axes of a step behind those of batch entries and heads
HIDDEN = "a score of -inf, or a weight of 0"  # as a file without a problem hides keys
LEGEND = (*REASONS, HIDDEN)
OTHER = len(REASONS)  # the code of that


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A step that both sides have, without its numbers."""

    step: str
    formula: str
    role: str
    axes: tuple[str, str]
    lead_axes: tuple[str, ...]
    leads: tuple[tuple[int, ...], ...]
    labels: tuple[Labels, Labels]
    positions: tuple[int, ...] | None  # of the rows, if they are not all


@dataclass(frozen=True)
class Piece:
    """Some rows of a step: arrays are (leads, rows, columns), `at` are the numbers of the rows.

    `codes` are those of hidden keys of A and of B; None if no key is hidden.
    """

    at: Integers
    here: AnyArray
    there: AnyArray
    codes: tuple[AnyArray, AnyArray] | None


@dataclass(frozen=True)
class Both:
    """The steps of both sides, and the function that yields their rows."""

    steps: Mapping[str, Rows]
    left_out: tuple[str, ...]  # steps that are too large
    parts: Callable[[], Iterator[Mapping[str, Piece]]]


def of_pair(pair: Pair) -> Both:
    """Return the steps of a problem and of what is compared with it."""
    specs = pipeline(pair.problem)
    planned = plan_unheld(pair.problem, Request(steps=pair.names)).steps
    steps, left_out = {}, []
    for name in pair.names:
        shape, labels = pair.chosen.shapes[name], planned[name].labels
        rows = pair.rows if shape.of_queries else None
        if rows is None and int(np.prod(shape.sizes)) > LARGEST:
            left_out.append(name)
            continue
        stage = specs[name].stage
        steps[name] = _rows(name, str(specs[name].formula), stage.role, shape, labels, rows)
    return Both(steps, tuple(left_out), lambda: _of_pair(pair, steps))


def _rows(
    step: str,
    formula: str,
    role: str,
    shape: Shape,
    labels: tuple[Labels, ...],
    rows: Integers | None,
) -> Rows:
    """Return the outline of a step. One axis is down, and the one column has the step's name."""
    lead = [axis for axis in shape.axes if axis in LEADING]
    inner = shape.axes[len(lead) :]
    if not inner:  # a number per head
        lead, inner = lead[:-1], (lead[-1],)
    across = inner[1] if len(inner) == OF_PAIRS else ""
    down = labels[len(lead)]
    every = rows is None or len(rows) == len(down)
    if rows is not None and not every:
        down = down.chosen(rows.tolist()) if isinstance(down, Numbered) else [down[i] for i in rows]
    return Rows(
        step=step,
        formula=formula,
        role=role,
        axes=(inner[0], across),
        lead_axes=tuple(lead),
        leads=tuple(product(*map(range, shape.sizes[: len(lead)]))),
        labels=(down, labels[-1] if across else (step,)),
        positions=None if every or rows is None else tuple(map(int, rows)),
    )


def _of_pair(pair: Pair, steps: Mapping[str, Rows]) -> Iterator[Mapping[str, Piece]]:
    """Yield the rows of all steps; those of keys and tokens come with the first."""
    model = OfProblem(pair.model.name, pair.problem, exact=True)
    of_queries = tuple(n for n in steps if pair.chosen.shapes[n].of_queries)
    first = 0
    for rows in pair.parts():
        names = of_queries if first else tuple(steps)
        here, there, codes = _values(pair, model, names, rows)
        at = np.arange(first, first + len(rows))
        found = {}
        for name in names:
            own = at if name in of_queries else np.arange(len(steps[name].labels[0]))
            hides = codes if _hides(name) else None
            found[name] = _piece(steps[name], own, here[name], there[name], hides, pair.turned)
        yield found
        first += len(rows)


def _hides(step: str) -> bool:
    """Return whether keys are hidden in a step: in the masked scores, and in those that follow."""
    order = [stage.name for stage in STAGES]
    at = order.index(step)
    return STAGES[at].marked and at >= order.index("masked")


def _values(
    pair: Pair, model: OfProblem, names: tuple[str, ...], rows: Integers
) -> tuple[Steps, Steps, tuple[AnyArray, AnyArray] | None]:
    """Return rows of steps of the model and of what is observed, and the codes of hidden keys."""
    problem = pair.problem
    seen = (VISIBLE,) if VISIBLE in pair.chosen.shapes else ()
    there = pair.observed.rows((*names, *seen), rows)
    marked = any(map(_hides, names))
    asks = (VISIBLE,) if marked and VISIBLE in pipeline(problem) else ()
    here = model.rows((*names, *asks), rows)
    if not marked:
        return here, there, None
    own = codes_here(problem, here, rows)
    sight = sight_there(problem, there, here, own, pair.observed.types)
    other = own
    if sight is not None:
        sees = completed(sight, own)
        given = there[VISIBLE].reshape(own.shape) if VISIBLE in there else OTHER
        other = np.where(sees, 0, np.where(own != 0, own, given)).astype(np.uint8)
    return here, there, (own, other)


def _piece(
    rows: Rows,
    at: Integers,
    here: AnyArray,
    there: AnyArray,
    codes: tuple[AnyArray, AnyArray] | None,
    turned: bool,
) -> Piece:
    """Return rows of a step as (leads, rows, columns); A first."""
    shape = len(rows.leads), len(at), len(rows.labels[1])
    both = [np.asarray(x, np.float64).reshape(shape) for x in (here, there)]
    hides = None if codes is None else [c.reshape(shape) for c in codes]
    if turned:
        both, hides = both[::-1], None if hides is None else hides[::-1]
    return Piece(at, both[0], both[1], None if hides is None else (hides[0], hides[1]))


def of_dumps(here: OfDump, there: OfDump, chosen: Chosen, *, exact: bool) -> Both:
    """Return the arrays that two dumps have in common."""
    roles = {stage.name: stage.role for stage in STAGES}
    steps, counts = {}, {}
    for name, shape in chosen.shapes.items():
        size = int(np.prod(shape.sizes))
        count = shape.sizes[shape.axes.index("query")] if shape.of_queries else 0
        some = np.arange(count)
        if size > LARGEST and not exact:
            stride = -(-size // LARGEST)
            some = np.union1d(some[::stride], some[-1:])
        if size > LARGEST and not count:
            continue
        labels = tuple(Numbered(range(number)) for number in shape.sizes)
        rows = some if shape.of_queries else None
        steps[name] = _rows(name, "", roles.get(name, VECTOR), shape, labels, rows)
        counts[name] = some

    def parts() -> Iterator[Mapping[str, Piece]]:
        for name, rows in steps.items():
            wide = len(rows.leads) * len(rows.labels[1])
            height = max(AT_ONCE // max(wide, 1), 1)
            some = counts[name]
            for first in range(0, max(len(some), 1), height):
                part = some[first : first + height]
                one, other = (side.rows((name,), part)[name] for side in (here, there))
                at = np.arange(len(part)) + first if len(some) else np.arange(len(rows.labels[0]))
                codes = tuple(_infinite(x, rows) for x in (one, other))
                both = None if codes[0] is None else (codes[0], codes[1])
                yield {name: _piece(rows, at, one, other, both, turned=False)}  # type: ignore[arg-type]

    left_out = tuple(name for name in chosen.shapes if name not in steps)
    return Both(steps, left_out, parts)


def _infinite(values: AnyArray, rows: Rows) -> AnyArray | None:
    """Return the codes of scores that are -inf: hidden keys."""
    return (values == -np.inf).astype(np.uint8) * OTHER if rows.role == SCORE else None
