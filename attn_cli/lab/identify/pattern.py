"""Which rows and cells are off, in words: the places by which people find a cause.

Whole heads point to a mapping of heads, batch entries from 1 on to a stride, queries at the end of
a tile to a loop, dimensions to a layout, a constant ratio in a row to its denominator; a row
outside the range of V is not an average.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from attn_cli.arrays import Array, Bools, Integers
from attn_cli.lab.identify.judging import Judge, size
from attn_cli.lab.identify.result import Pattern

_TILES = (128, 64, 32, 16, 8)
_NAMES = {"batch": ("batch entry", "batch entries"), "query": ("query", "queries")}
_LISTED = 8  # numbers of a list
_HEADS = 64  # at most: each is compared with all others


def patterns(
    judge: Judge, name: str, axes: Sequence[str], observed: Array, values: Array | None
) -> tuple[Pattern, ...]:
    """Return the regularities of what is off in a step.

    `observed` is the step, `values` the values V of the same batch entries and heads, if the step
    is an average of them.
    """
    off = judge.off_rows(name)
    if not off.any():
        return ()
    vectors = axes[-1] != "query"
    lead = axes[:-1] if vectors else axes
    found = [*_along(off, lead)]
    with np.errstate(over="ignore", invalid="ignore"):  # observed numbers may be of any size
        if vectors:
            found += _of_rows(judge, name, off, observed)
            found += _columns(judge.left(name)[off], axes[-1])
            if values is not None:
                found += _outside(off, observed, values)
        if "head" in lead:
            found += _moved(judge, name, lead.index("head"), off, observed)
    return tuple(Pattern(sentence=f"{name}: {each}") for each in found)


def _along(off: Bools, axes: Sequence[str]) -> Iterator[str]:
    """Yield which batch entries, heads and queries the rows that are off are of."""
    places = np.nonzero(off)
    for axis, name in enumerate(axes):
        numbers, count = np.unique(places[axis]), off.shape[axis]
        if len(numbers) < count:
            one, more = _NAMES.get(name, (name, f"{name}s"))
            yield f"{more if len(numbers) > 1 else one} {_said(numbers, count)} of {count}"
    if len(places[0]) == off.size:
        yield "every row"


def _said(numbers: Integers, count: int) -> str:
    """Return some of the numbers below a count in words.

    >>> _said(np.array([48, 49, 50, 51]), 52), _said(np.array([3, 7, 11]), 12)
    ('48 to 51', '3, 7, 11')
    >>> _said(np.array([6, 7, 14, 15, 22, 23]), 24)
    'i with i mod 8 >= 6'
    """
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    for tile in _TILES:
        at = np.arange(count) % tile
        least = int((numbers % tile).min())
        if tile < count and least and np.array_equal(np.flatnonzero(at >= least), numbers):
            return f"i with i mod {tile} >= {least}"
    listed = ", ".join(map(str, numbers[:_LISTED]))
    return listed + (f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else "")


def _of_rows(judge: Judge, name: str, off: Bools, observed: Array) -> Iterator[str]:
    rows, exact = observed[off], np.asarray(judge.noise.exact[name])[off]
    empty = ~np.isfinite(rows).all(axis=-1)
    if empty.any():
        yield f"{_rows(empty.sum(), 'has', 'have')} numbers that are not finite"
    zero = ~rows.any(axis=-1)
    if zero.any():
        yield f"{_rows(zero.sum(), 'is', 'are')} 0"
    kept = ~(empty | zero)
    rows, exact = rows[kept], exact[kept]
    squares = np.square(exact).sum(axis=-1)
    if exact.shape[-1] < 2 or not len(rows) or not squares.all():
        return
    ratio = (rows * exact).sum(axis=-1) / squares
    left = (rows - ratio[:, None] * exact) / judge.floors[name]
    if size(left) < 2 * max(judge.noise.rests(name)):
        yield (
            f"each row is the expected one times a number, from {ratio.min():.4g} to "
            f"{ratio.max():.4g}: look at the sum that it is divided by"
        )


def _columns(left: Array, axis: str) -> Iterator[str]:
    """Yield the columns that are off, if the others are noise."""
    each = np.sqrt(np.mean(np.square(left), axis=0))
    wrong = np.flatnonzero(each > 4)
    if 0 < len(wrong) < len(each):
        yield f"{axis}{'s' * (len(wrong) > 1)} {_said(wrong, len(each))} of {len(each)}"


def _outside(off: Bools, observed: Array, values: Array) -> Iterator[str]:
    """Yield how many rows are outside the range of V, dimension by dimension."""
    low, high = values.min(axis=-2, keepdims=True), values.max(axis=-2, keepdims=True)
    slack = 0.01 * (high - low)
    outside = ((observed < low - slack) | (observed > high + slack)).any(axis=-1) & off
    if outside.any():
        one, more = "it is not an average", "they are not averages"
        said = one if outside.sum() == 1 else more
        yield f"{_rows(outside.sum(), 'is', 'are')} outside the range of V: {said} of it"


def _rows(count: int, one: str, more: str) -> str:
    return f"1 row {one}" if count == 1 else f"{count} rows {more}"


def _moved(judge: Judge, name: str, axis: int, off: Bools, observed: Array) -> Iterator[str]:
    """Yield the heads that have the numbers of another head."""
    exact = np.moveaxis(np.asarray(judge.noise.exact[name]), axis, 0)
    there = np.moveaxis(observed, axis, 0)
    wrong = np.flatnonzero(np.moveaxis(off, axis, 0).reshape(len(exact), -1).any(axis=1))
    if len(exact) > _HEADS:
        return
    for head in wrong:
        for other in range(len(exact)):
            left = (there[head] - exact[other]) / judge.floors[name]
            if other != head and size(np.nan_to_num(left)) < 2 * max(judge.noise.rests(name)):
                yield f"head {head} has the numbers of head {other}"
                break
