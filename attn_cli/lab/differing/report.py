"""The comparison of two computations as a page shows it: the steps of both sides, and B - A.

    A 1, B 2, and 2 - 1 = 1        of a cell of each step that both sides have

All is taken from rows while they come, as for the comparison itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.differing.both import Both, Rows, of_dumps, of_pair
from attn_cli.lab.differing.collecting import Collecting, Largest
from attn_cli.lab.differing.compare import Asked, dumps, paired
from attn_cli.lab.differing.inputs import Loaded
from attn_cli.lab.differing.report_size import PLACE, WORD, Extent, Room, fitting, with_tables
from attn_cli.lab.differing.result import Difference
from attn_cli.lab.heat_map import HeatMap
from attn_cli.lab.report.runs import Runs
from attn_cli.record import Labels, Numbered


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One step of both sides.

    Arrays are (leads, rows, columns). `hidden` has the codes of hidden keys of A and of B, each of
    which has a meaning in the legend of its map; `alone` is 1 in cells of which A alone sees a key,
    2 of B alone, 3 of both.
    """

    step: str
    formula: str
    axes: tuple[str, str]  # down and across
    lead_axes: tuple[str, ...]
    leads: tuple[tuple[int, ...], ...]
    labels: tuple[Labels, Labels]
    positions: tuple[int, ...] | None  # of the rows, if they are not all
    here: HeatMap
    there: HeatMap
    apart: HeatMap
    floor: float | None  # the noise of the stage
    alone: AnyArray  # of the cells of the maps
    hidden: tuple[tuple[Runs, ...], tuple[Runs, ...]]
    numbers: tuple[AnyArray, AnyArray, AnyArray] | None  # A, B and B - A, if they are kept
    largest: Largest | None  # else the largest B - A of each row

    @property
    def cells(self) -> int:
        """The cells of a map, of all batch entries and heads together."""
        return len(self.leads) * len(self.labels[0]) * len(self.labels[1])


@dataclass(frozen=True, kw_only=True)
class DifferenceReport:
    """A comparison, with the steps that its page shows.

    `rung`: 1 every number exactly, 2 as float32, 3 those of the main step alone, 4 pictures, and
    the largest B - A of each row.
    """

    found: Difference
    steps: Mapping[str, Compared]
    tables: frozenset[str]  # the steps whose maps are tables; those of others are pictures
    left_out: tuple[str, ...]  # steps that are too large for the page
    main: str  # the step that is shown first; empty if there is none
    rung: int
    limit: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the problem."""
        return self.found.warnings

    @property
    def agrees(self) -> bool | None:
        """Whether there is no bug; None if it cannot be decided."""
        return self.found.agrees

    def without_warnings(self) -> DifferenceReport:
        """Return the report without warnings."""
        return replace(self, found=replace(self.found, warnings=()))


def report(
    found: Difference, here: Loaded, there: Loaded, asked: Asked, *, limit: int
) -> DifferenceReport:
    """Return the comparison with the numbers of its steps, as far as they fit `limit` bytes.

    Raises AttnError if not even the smallest page has so few bytes.
    """
    if here.problem is None and there.problem is None:
        both: Both = of_dumps(*dumps(here, there, asked), exact=asked.exact)
    else:
        both = of_pair(paired(here, there, asked))
    main, names = _main(found, both), [*both.steps]
    extents = with_tables({name: _extent(rows) for name, rows in both.steps.items()}, main)
    fits, left_out = fitting(extents, main, _labels(both), limit)
    collected = {
        name: _collecting(both.steps[name], fits, first=name == main, small=extents[name].small)
        for name in names
        if name not in left_out
    }
    for part in both.parts():
        for name in part.keys() & collected.keys():
            collected[name].add(part[name])
    floors = {row.step: row.floor for row in found.steps}
    steps = {
        name: _compared(both.steps[name], each, floors.get(name))
        for name, each in collected.items()
    }
    return DifferenceReport(
        found=found,
        steps=steps,
        tables=frozenset(name for name, each in extents.items() if each.tabled),
        left_out=(*both.left_out, *left_out),
        main=main,
        rung=fits.rung,
        limit=limit,
    )


def _collecting(rows: Rows, fits: Room, *, first: bool, small: bool) -> Collecting:
    """Return what is kept of a step: all of its numbers, or the largest of each row."""
    if fits.rung <= 2 or small or (fits.rung == 3 and first):
        return Collecting(rows, exact=fits.rung == 1)
    return Collecting(rows, side=fits.side, largest=fits.kept)


def _main(found: Difference, both: Both) -> str:
    """Return the step that is shown first: the first that is more than noise, else the last."""
    if found.panels is not None and found.panels.step in both.steps:
        return found.panels.step
    if found.first is not None and found.first.step in both.steps:
        return found.first.step
    return next(reversed([*both.steps]), "")


def _labels(both: Both) -> float:
    """Return the bytes of the labels of all steps, each list of them once."""
    sizes = {
        (axis, len(labels)): len(labels) * (PLACE if isinstance(labels, Numbered) else WORD)
        for rows in both.steps.values()
        for axis, labels in zip(rows.axes, rows.labels, strict=True)
    }
    return float(sum(sizes.values()))


def _extent(rows: Rows) -> Extent:
    down, across = (len(labels) for labels in rows.labels)
    return Extent(leads=len(rows.leads), rows=down, columns=across)


def _compared(rows: Rows, made: Collecting, floor: float | None) -> Compared:
    here, there, apart = made.maps()
    return Compared(
        step=rows.step,
        formula=rows.formula,
        axes=rows.axes,
        lead_axes=rows.lead_axes,
        leads=rows.leads,
        labels=rows.labels,
        positions=rows.positions,
        here=here,
        there=there,
        apart=apart,
        floor=floor if floor is not None and np.isfinite(floor) else None,
        alone=made.alone(),
        hidden=made.hidden(),
        numbers=made.numbers(),
        largest=made.largest(),
    )
