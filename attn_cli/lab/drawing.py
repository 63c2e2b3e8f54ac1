"""The source of a heat map: a problem that is computed for it, or steps computed before.

    drawing -> draw(drawing, fit) -> HeatMap

The outline of a drawing is known before anything is computed, so that a format can say how many
cells it has room for. Then rows come a few at a time, and a pool for each panel takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import Bools
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, argument
from attn_cli.lab.heat_map import Axis, HeatMap, Panel, finished, largest_of_rows
from attn_cli.lab.pooling import Cut, How, Pool, cut
from attn_cli.lab.sampling import LIMIT
from attn_cli.record import Labels

Lead = tuple[int, ...]
FEATURES = ("dimension", "unit")
LEADING = ("batch", "head", "key head")
PER_CELL = 4  # rows that are computed of each row of cells if rows are sampled


@dataclass(frozen=True, kw_only=True)
class Outline:
    """All of a heat map but its numbers."""

    step: str
    formula: str
    role: str
    axes: tuple[str, str]  # the names of rows and columns
    labels: tuple[Labels, Labels]
    lead_axes: tuple[str, ...]  # of batch entries and heads
    leads: tuple[Lead, ...]  # one per panel
    rows: range  # positions of the rows that are drawn
    cross: bool
    signed: bool  # whether numbers can be negative
    batch: int | None = None  # the batch entry that was chosen
    named: bool = False  # whether heads were chosen: then each has its number, also if it is alone

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return len(self.rows), len(self.labels[1])

    @property
    def size(self) -> int:
        """The number of cells, if none are pooled."""
        rows, columns = self.shape
        return rows * columns * len(self.leads)

    @property
    def default_pool(self) -> How:
        """How blocks become one number, unless something else is asked for."""
        weighs = self.role == "weight" and self.axes[1] == "key"
        return "mass" if weighs else "max"


class Chosen(NamedTuple):
    """Which part of a step is drawn: one batch entry, some heads, a range of rows; None: all."""

    batch: int | None = None
    heads: tuple[int, ...] | None = None
    rows: tuple[int | None, int | None] | None = None  # from .. up to, not including


class Filled(NamedTuple):
    """What is known once all rows have come."""

    legend: tuple[str, ...]
    settings: Mapping[str, object]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """An outline, and the function that gives its rows to the pool of each panel."""

    outline: Outline
    fill: Callable[[Cut, Mapping[Lead, Pool]], Filled]


def draw(
    drawing: Drawing,
    fit: tuple[int, int] | None = None,
    *,
    colours: str = "auto",
    pool: str | None = None,
    exact: bool = False,
    many: int = LIMIT,
) -> HeatMap:
    """Return the heat map, of at most `fit` rows and columns of cells; None: all.

    Of a step of more than `many` numbers, rows are sampled, unless it is to be `exact`. Raises
    AttnError for colours or pooling that the step cannot have.
    """
    begun = begin(drawing.outline, fit, pool=pool, exact=exact, many=many)
    return begun.finished(drawing.fill(begun.rows, begun.pools), colours)


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A heat map whose rows are still to come: to the pool of each panel."""

    outline: Outline
    how: How
    rows: Cut
    columns: Cut
    pools: Mapping[Lead, Pool]

    def finished(self, filled: Filled, colours: str = "auto") -> HeatMap:
        """Return the heat map, once all rows have come."""
        outline = self.outline
        pooled = not (self.rows.whole and self.columns.whole)
        heat = HeatMap(
            command="heatmap",
            step=outline.step,
            formula=outline.formula,
            role=outline.role,
            panels=tuple(
                _panel(of, _title(outline, lead), marked=outline.role == "weight")
                for lead, of in self.pools.items()
            ),
            queries=_axis(outline, 0, self.rows),
            keys=_axis(outline, 1, self.columns),
            cross=outline.cross,
            legend=filled.legend,
            scale="linear",
            low=0.0,
            high=1.0,
            diverging=outline.signed,
            pool=self.how if pooled else None,
            settings=filled.settings,
            warnings=filled.warnings,
        )
        return finished(heat, colours)


def begin(
    outline: Outline,
    fit: tuple[int, int] | None = None,
    *,
    pool: str | None = None,
    exact: bool = False,
    many: int = LIMIT,
) -> Begun:
    """Return the pools of a heat map, empty; as `draw`."""
    how = _how(outline, pool)
    most_rows, most_columns = fit or (None, None)
    sampled = None if exact or outline.size <= many else PER_CELL
    rows = cut(outline.rows, most_rows, sampled=sampled)
    square = outline.shape[0] == outline.shape[1]  # then the diagonal is one of cells too
    columns = cut(range(outline.shape[1]), most_columns, least=rows.block if square else 1)
    pools = {lead: Pool(rows, columns, how) for lead in outline.leads}
    return Begun(outline=outline, how=how, rows=rows, columns=columns, pools=pools)


def drawable(axes: tuple[str, ...]) -> bool:
    """Return whether a step with these axes, batch entries and heads included, can be drawn."""
    return len([axis for axis in axes if axis not in LEADING]) == 2


def turned(axes: tuple[str, ...]) -> tuple[int, ...]:
    """Return the order of axes as they are drawn: leading ones first, queries down, keys across.

    >>> turned(("batch", "query", "head", "dimension")), turned(("key", "query"))
    ((0, 2, 1, 3), (1, 0))
    """
    lead = [at for at, axis in enumerate(axes) if axis in LEADING]
    down, across = (at for at in range(len(axes)) if at not in lead)
    if axes[across] == "query" or axes[down] in FEATURES:
        down, across = across, down  # layout: columns
    return (*lead, down, across)


def rows_of(rows: tuple[int | None, int | None] | None, axis: str, count: int) -> range:
    """Return the positions of the rows that are drawn; AttnError if there are none."""
    first, stop = rows or (None, None)
    if rows is not None and axis == "key":
        raise AttnError(f"{argument('rows')} chooses queries, and the rows are keys here")
    found = range(count)[slice(first, stop)]
    if not len(found) or (stop is not None and stop > count):
        shown = f"{'' if first is None else first}:{'' if stop is None else stop}"
        raise AttnError(
            f"{argument('rows')} {shown} is out of range: there are {count} rows, numbered from 0",
            help=f"A:B is from A up to, not including, B; all are {argument('rows')} 0:{count}",
        )
    return found


def leads_of(
    axes: tuple[str, ...], sizes: tuple[int, ...], heads: tuple[int, ...] | None
) -> tuple[Lead, ...]:
    """Return the place of each panel along the leading axes, of all heads or of some."""
    ranges = [
        heads if heads is not None and axis == "head" else range(size)
        for axis, size in zip(axes, sizes, strict=True)
    ]
    return tuple(product(*ranges))


def _how(outline: Outline, pool: str | None) -> How:
    if pool == "mass" and outline.default_pool == "max":
        raise AttnError(
            f"{argument('pool', 'mass')} adds up weights, and {outline.step} is not a weight of "
            "keys",
            help="leave it out: a block is then its number of the largest magnitude",
        )
    return outline.default_pool if pool in (None, "mass") else "max"


def _title(outline: Outline, lead: Lead) -> str:
    """Return the title of a panel: `batch 1, head 3`.

    An axis along which all panels are alike is left out, unless it was chosen.
    """
    chosen = [] if outline.batch is None else [f"batch {outline.batch}"]
    return ", ".join(
        [
            *chosen,
            *(
                f"{axis} {at}"
                for number, (axis, at) in enumerate(zip(outline.lead_axes, lead, strict=True))
                if len({other[number] for other in outline.leads}) > 1
                or (outline.named and axis == "head")
            ),
        ]
    )


def _panel(pool: Pool, title: str, *, marked: bool) -> Panel:
    values, hidden = pool.finished()
    whole = pool.rows.whole and pool.columns.whole
    nowhere: Bools = np.zeros(values.shape, np.bool_)
    largest = largest_of_rows(values, hidden) if marked and whole else nowhere
    return Panel(title=title, values=values, hidden=hidden, largest=largest)


def _axis(outline: Outline, at: int, of: Cut) -> Axis:
    labels = outline.labels[at]
    return Axis(
        name=outline.axes[at],
        count=of.stop - of.first,
        block=of.block,
        stride=of.stride,
        starts=tuple(of.starts),
        labels=tuple(labels[position] for position in of.starts),
    )
