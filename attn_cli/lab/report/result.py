"""The report of a computation, finished: all that the page shows. A view draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.heat_map import HeatMap
from attn_cli.lab.report.recipes import Working
from attn_cli.lab.statistics import Statistics
from attn_cli.record import Comparison, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.lab.report.written import Written

Runs = tuple[tuple[int, int], ...]  # (code, how many cells in a row have it), in order


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The largest weights of each row, of a step that is too large to be kept as a whole.

    The arrays are (leads, queries, kept): keys in descending order of their weights, -1 if a row
    has fewer.
    """

    step: str  # of the scores
    keys: NDArray[np.integer]
    weights: AnyArray
    scores: AnyArray


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows of a computation.

    `rung` says what is kept: 1 all steps exactly, 2 the steps in `held` as float32, 3 of these only
    those of pairs, 4 the largest weights of each row. `tables`: whether there is room for maps as
    tables, if they are small; otherwise they are pictures.
    """

    command: str
    record: Record
    lead_axes: tuple[str, ...]
    leads: tuple[tuple[int, ...], ...]
    pairs: tuple[str, ...]  # the steps of a query and a key, in order
    main: str  # of these the one that is shown first
    maps: Mapping[str, HeatMap]  # the pictures of these steps
    rung: int
    tables: bool
    held: tuple[str, ...]  # the steps whose numbers are kept
    hidden: tuple[Runs, ...]  # why keys are hidden, of each lead; one if all agree; none if no key
    taking: tuple[Runs, ...]  # 1 for a key that takes part, if that is another than a visible one
    reasons: tuple[str, ...]  # code -> why a key is hidden
    working: Working | None  # None: only values are known
    near: float  # how far the arithmetic of rounded numbers may be from a value
    statistics: Statistics | None  # of each head
    kept: Kept | None = None
    limit: int = 0  # bytes of the page, at most
    written: Written | None = None  # the problem, for reproducing
    writes: str = ""  # what writes the step {0} to a file; empty: the command that does

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the computation."""
        return self.record.warnings

    def without_warnings(self) -> Report:
        """Return the report without warnings."""
        return replace(self, record=replace(self.record, warnings=()))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons with expected values."""
        return self.record.comparisons

    @property
    def agrees(self) -> bool:
        """Whether all comparisons agree."""
        return self.record.agrees
