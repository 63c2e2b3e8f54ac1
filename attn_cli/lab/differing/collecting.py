"""What the page keeps of a step of both sides, while its rows come."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.differing.both import LEGEND, Piece, Rows
from attn_cli.lab.differing.panels import like
from attn_cli.lab.drawing import Begun, Filled, Outline, begin
from attn_cli.lab.heat_map import HeatMap
from attn_cli.lab.report.runs import Runs, joined, runs
from attn_cli.maths.stage import VECTOR

BOTH_HIDE = 1  # the code of a cell of B - A, of which neither side sees the key
ALONE = 2  # of which one side alone does
OF_APART = ("visible", "both sides", "one side")
A_ALONE, B_ALONE = 1, 2


@dataclass(frozen=True, kw_only=True)
class Largest:
    """The largest |B - A| of each row, in descending order; arrays are (leads, rows, kept).

    NaN and infinities are the largest, but of hidden keys. A column of -1: the row has no more.
    """

    columns: AnyArray
    here: AnyArray
    there: AnyArray
    apart: AnyArray


class Collecting:
    """The maps of a step, and its numbers: all, or the largest of each row."""

    def __init__(
        self, rows: Rows, *, exact: bool = False, side: int | None = None, largest: int = 0
    ) -> None:
        """`exact`: in float64; `side`: cells of a map along a side; `largest`: kept of a row."""
        self._rows = rows
        fit = None if side is None else (side, side)
        outlines = [_outline(rows, rows.step, rows.role)] * 2
        outlines.append(_outline(rows, "B - A", VECTOR))
        self._maps: list[Begun] = [begin(o, fit, pool="max", exact=True) for o in outlines]
        cells = self._maps[0].rows, self._maps[0].columns
        self._alone = np.zeros((len(rows.leads), cells[0].cells, cells[1].cells), np.uint8)
        shape = len(rows.leads), len(rows.labels[0]), len(rows.labels[1])
        type_ = np.float64 if exact else np.float32
        self._count = min(largest, shape[2])
        held = (*shape[:2], self._count) if largest else shape
        self._numbers = [np.zeros(held, type_) for _ in range(3)]
        self._columns = np.full(held, -1, np.int32) if largest else None
        self._codes: tuple[list[dict[int, Runs]], ...] = tuple(
            [{} for _ in rows.leads] for _ in range(2)
        )
        self._hides = False

    def add(self, piece: Piece) -> None:
        """Take some rows."""
        here, there = piece.here, piece.there
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.where(here == there, 0.0, there - here)
        one, other = piece.codes or (np.zeros(here.shape, np.uint8),) * 2
        hidden = np.where(one * other, BOTH_HIDE, np.where((one | other) != 0, ALONE, 0))
        for begun, values, codes in zip(
            self._maps, (here, there, apart), (one, other, hidden.astype(np.uint8)), strict=True
        ):
            for number, pool in enumerate(begun.pools.values()):
                pool.add(piece.at, values[number], codes[number] if piece.codes else None)
        if piece.codes is not None:
            self._add_codes(piece.at, one, other)
        self._keep(piece.at, (here, there, apart), hidden)

    def _add_codes(self, at: Integers, one: AnyArray, other: AnyArray) -> None:
        self._hides |= bool(one.any() or other.any())
        for kept, codes in zip(self._codes, (one, other), strict=True):
            for number, each in enumerate(codes):
                kept[number][int(at[0])] = runs(each)
        alone = np.where((one == 0) & (other != 0), A_ALONE, 0)
        alone += np.where((one != 0) & (other == 0), B_ALONE, 0)
        down, across = self._maps[0].rows.block, self._maps[0].columns.block
        for lead, each in enumerate(alone):
            row, column = np.nonzero(each)
            where: Any = at[row] // down, column // across
            np.bitwise_or.at(self._alone[lead], where, each[row, column].astype(np.uint8))

    def _keep(self, at: Integers, values: tuple[AnyArray, ...], hidden: AnyArray) -> None:
        if self._columns is None:
            for kept, each in zip(self._numbers, values, strict=True):
                with np.errstate(over="ignore"):
                    kept[:, at] = each
            return
        sizes = np.abs(values[2])
        sizes[np.isnan(sizes)] = np.inf
        sizes[(hidden == BOTH_HIDE) | ((hidden == ALONE) & np.isinf(sizes))] = -1  # said by codes
        chosen = np.argsort(-sizes, axis=-1, kind="stable")[..., : self._count]
        there_are = np.take_along_axis(sizes, chosen, -1) >= 0
        self._columns[:, at] = np.where(there_are, chosen, -1)
        for kept, each in zip(self._numbers, values, strict=True):
            with np.errstate(over="ignore"):
                kept[:, at] = np.where(there_are, np.take_along_axis(each, chosen, -1), 0)

    def maps(self) -> tuple[HeatMap, HeatMap, HeatMap]:
        """Return the maps of A and of B, on one scale, and of B - A."""
        filled = Filled(LEGEND, {}, ())
        one, other, apart = (
            begun.finished(each)
            for begun, each in zip(
                self._maps, (filled, filled, Filled(OF_APART, {}, ())), strict=True
            )
        )
        return like(one, other), like(other, one), replace(apart, command="diff")

    def alone(self) -> AnyArray:
        """Return which cells of the maps one side alone sees: bits `A_ALONE` and `B_ALONE`."""
        return self._alone

    def hidden(self) -> tuple[tuple[Runs, ...], tuple[Runs, ...]]:
        """Return the codes of the hidden keys of A and of B; none if no key is hidden."""
        if not self._hides:
            return (), ()
        one, other = (joined(kept) for kept in self._codes)
        return one, other

    def numbers(self) -> tuple[AnyArray, AnyArray, AnyArray] | None:
        """Return A, B and B - A, if they are kept."""
        if self._columns is not None:
            return None
        here, there, apart = self._numbers
        return here, there, apart

    def largest(self) -> Largest | None:
        """Return the largest of each row, if no more is kept."""
        if self._columns is None:
            return None
        here, there, apart = self._numbers
        return Largest(columns=self._columns, here=here, there=there, apart=apart)


def _outline(rows: Rows, step: str, role: str) -> Outline:
    down, across = rows.axes
    return Outline(
        step=step,
        formula=rows.formula,
        role=role,
        axes=(down, across),
        labels=rows.labels,
        lead_axes=rows.lead_axes,
        leads=rows.leads,
        rows=range(len(rows.labels[0])),
        cross=True,
        signed=False,
    )
