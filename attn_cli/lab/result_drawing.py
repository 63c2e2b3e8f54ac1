"""The heat map of a step that there is: of a record, or of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Tensor
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, argument, either
from attn_cli.lab.drawing import (
    Chosen,
    Drawing,
    Filled,
    Lead,
    Outline,
    drawable,
    leads_of,
    rows_of,
    turned,
)
from attn_cli.lab.heat_map import signed
from attn_cli.lab.pooling import Cut, Pool
from attn_cli.maths.stage import CODE, SCORE
from attn_cli.reading.results import MINUS_INFINITY, Result
from attn_cli.record import Record

MOST = 1.001  # weights in float16 may be a little above 1
ROWS = 256  # that are read at a time
EVERYTHING = Chosen()


def of_record(record: Record, step: str, chosen: Chosen = EVERYTHING) -> Drawing:
    """Return the drawing of a step of a record; AttnError if it has none of that name."""
    record[step]  # raises AttnError, which names the nearest
    found = record.steps[step]
    result = Result(
        file=step,
        step=step,
        formula=found.formula,
        role=found.role,
        axes=found.axes,
        labels=found.labels,
        values=found.values,
        hidden=found.hidden,
        legend=found.legend,
        cross=record.cross,
        settings=record.settings,
        warnings=record.warnings,
        checked=True,
    )
    return of_result(result, chosen)


def of_result(result: Result, chosen: Chosen = EVERYTHING) -> Drawing:
    """Return the drawing of a step that was computed before.

    Raises AttnError for one that is not a matrix, and for a batch entry or head that it lacks.
    """
    if not drawable(result.axes):
        raise AttnError(
            f"{result.step} has one axis, {result.axes[-1]}: a heat map needs two",
            help=either(
                f"attn compute shows {result.step}", f"record['{result.step}'] is its numbers"
            ),
        )
    result = _of_batch(in_order(result), chosen.batch)
    *lead_axes, down, across = result.axes
    sizes = result.values.shape[:-2]
    if chosen.heads is not None:
        for head in chosen.heads:
            refuse_beyond("head", head, lead_axes, sizes, result.step)
    outline = Outline(
        step=result.step,
        formula=result.formula,
        role=result.role,
        axes=(down, across),
        labels=(result.labels[-2], result.labels[-1]),
        lead_axes=tuple(lead_axes),
        leads=leads_of(tuple(lead_axes), sizes, chosen.heads),
        rows=rows_of(chosen.rows, down, len(result.labels[-2])),
        cross=result.cross,
        signed=signed(result.step, result.role) or _has_negative(result.values),
        batch=chosen.batch,
        named=chosen.heads is not None,
    )
    return Drawing(outline, _filling(result))


def in_order(result: Result) -> Result:
    """Return the result with batch entries and heads first, queries down and keys across."""
    order = turned(result.axes)
    if order == tuple(range(len(order))):
        return result
    values: AnyArray = np.asarray(result.values[:])
    return replace(
        result,
        axes=tuple(result.axes[at] for at in order),
        labels=tuple(result.labels[at] for at in order),
        values=values.transpose(order),
        hidden=None if result.hidden is None else result.hidden.transpose(order),
        visible=None if result.visible is None else result.visible.transpose(order),
    )


def _of_batch(result: Result, batch: int | None) -> Result:
    """Return one batch entry of a result, or all."""
    if batch is None:
        return result
    refuse_beyond("batch", batch, result.axes, result.values.shape, result.step)
    return replace(
        result,
        axes=result.axes[1:],
        labels=result.labels[1:],
        values=result.values[batch],
        hidden=None if result.hidden is None else result.hidden[batch],
    )


def refuse_beyond(name: str, index: int, axes: Any, sizes: Any, step: str) -> None:
    """Raise AttnError for a batch entry or a head that there is not."""
    if name not in axes:
        raise AttnError(
            f"{argument(name)} {index}: {step} has no {name} axis",
            help=f"leave out {argument(name)}",
        )
    size = sizes[list(axes).index(name)]
    if not 0 <= index < size:
        raise AttnError(
            f"{argument(name)} {index} is out of range: there are {size}, numbered from 0 to "
            f"{size - 1}"
        )


def _has_negative(values: Tensor) -> bool:
    """Return whether an array in memory has numbers below 0."""
    return isinstance(values, np.ndarray) and bool((values < 0).any())


def _filling(result: Result) -> Callable[[Cut, Mapping[Lead, Pool]], Filled]:
    """Return the function that reads the rows of a result into pools."""

    def fill(rows: Cut, pools: Mapping[Lead, Pool]) -> Filled:
        watch = Unchecked(result)
        for lead, pool in pools.items():
            values = result.values[lead] if lead else result.values
            hidden = None if result.hidden is None else result.hidden[lead]
            for first in range(0, len(rows.read), ROWS):
                part = rows.read[first : first + ROWS]
                at = np.array(part, dtype=np.intp)
                read = slice(part.start, part.stop) if rows.stride == 1 else at
                numbers, codes = _drawn(
                    result, values[read], None if hidden is None else hidden[at]
                )
                watch.look(lead, at, numbers, codes)
                pool.add(at, numbers, codes)
        legend = result.legend or MINUS_INFINITY
        return Filled(legend, result.settings, (*result.warnings, *watch.warnings()))

    return fill


def _drawn(
    result: Result, values: AnyArray, hidden: AnyArray | None
) -> tuple[AnyArray, AnyArray | None]:
    """Return rows as they are drawn, with the codes of hidden cells.

    Of codes: 1 for a key that is seen. Scores of -inf are hidden keys, if nothing else says which.
    """
    if values.dtype.kind in "biu":
        values = values.astype(np.float64)
    if result.role == CODE:
        return (values == 0).astype(np.float64), values
    if hidden is None and result.role == SCORE:
        return values, (values == -np.inf).astype(np.uint8)
    return values, hidden


class Unchecked:
    """Looks at the visible numbers of an array alone, of which nobody has said anything yet."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._count = 0  # of those that are not finite
        self._first: list[int] = []
        self._least, self._most = np.inf, -np.inf

    def look(self, lead: Lead, at: AnyArray, values: AnyArray, hidden: AnyArray | None) -> None:
        """Take some rows."""
        if self._result.checked:
            return
        seen = np.ones(values.shape, np.bool_) if hidden is None else hidden == 0
        finite = np.isfinite(values)
        bad, good = seen & ~finite, seen & finite
        count = int(np.count_nonzero(bad))
        if count and not self._count:
            row, column = np.unravel_index(int(bad.argmax()), bad.shape)
            self._first = [*lead, int(at[row]), int(column)]
        self._count += count
        self._least = float(np.min(values, where=good, initial=self._least))
        self._most = float(np.max(values, where=good, initial=self._most))

    def warnings(self) -> tuple[str, ...]:
        """Return what there is to say of them."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        file = self._result.file
        if self._count:
            number = "1 value" if self._count == 1 else f"{self._count} values"
            yield f"{file} is not finite at {self._first} ({number})"
        if self._result.role == "weight" and (self._least < 0 or self._most > MOST):
            yield (
                f"{file} has numbers from {self._least:.4g} to {self._most:.4g}, which few weights "
                "are: if they are scores, name that step"
            )
