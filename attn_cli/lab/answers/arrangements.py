"""What the numbers of a wrong answer are, if they are the right ones in another arrangement.

transposed                   the matrix, turned
another-step                 another step of the problem
rows-, columns-, tokens-in-another-order
row-of-another               a row has the numbers of another row
cells-in-another-order       a row has its own numbers, in other cells
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import replace
from attn_cli.errors import printable
from attn_cli.lab.answers.rounding import off
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.stage import CODE
from attn_cli.record import Step

_MOST = 5  # rows of a matrix of which every order is tried
Found = tuple[str, str]  # a name and a sentence


def arrangements(base: Base, answer: Answer, step: Step) -> Iterator[Found]:
    """Yield what the numbers are; `step` has the right ones."""
    expected = step.values
    if answer.whole and expected.ndim > 1 and expected.shape[-1] == expected.shape[-2]:
        turned = replace(answer, values=answer.values.swapaxes(-1, -2))
        if not off(turned, expected).any():
            yield "transposed", f"this is {step.name} transposed"
    for name, spec in base.specs.items():
        if name == step.name or spec.stage.role == CODE:
            continue
        values = base.shown(name)
        if values.shape == expected.shape and not off(answer, values).any():
            yield "another-step", f"these are the numbers of {name}"
    matrices = list(_wrong_matrices(answer, expected))
    if not matrices:
        return
    if answer.whole:
        yield from _orders(matrices)
    yield from _of_rows(matrices, step)


def _wrong_matrices(answer: Answer, expected: AnyArray) -> Iterator[tuple[Answer, AnyArray]]:
    """Yield each matrix of an answer in which a number is wrong, with the right one."""
    for lead in np.ndindex(expected.shape[:-2]):
        right = np.atleast_2d(expected[lead])
        values, given = np.atleast_2d(answer.values[lead]), np.atleast_2d(answer.given[lead])
        alone = replace(answer, values=values, given=given)
        if off(alone, right).any():
            yield alone, right


def _orders(matrices: Sequence[tuple[Answer, AnyArray]]) -> Iterator[Found]:
    """Yield whether each matrix has its rows, its columns, or both in another order."""
    rows = [_order(answer, right) for answer, right in matrices]
    if all(rows):
        moved = all(_is_shift(order) for order in rows if order)
        how = "but moved by one" if moved else "but in another order"
        yield "rows-in-another-order", f"the rows are right, {how}"
    columns = [_order(_turned(answer), right.T) for answer, right in matrices]
    if all(columns):
        yield "columns-in-another-order", "the columns are right, but in another order"
    if all(_tokens_reordered(answer, right) for answer, right in matrices):
        yield "tokens-in-another-order", "the numbers are right, but of the tokens in another order"


def _turned(answer: Answer) -> Answer:
    return replace(answer, values=answer.values.T, given=answer.given.T)


def _order(answer: Answer, right: AnyArray) -> tuple[int, ...]:
    """Return, for each row, the row whose numbers it has; empty if none is moved."""
    order: list[int] = []
    for row in range(len(right)):
        fits = _fits(answer, row, right)
        fits[order] = False
        if not fits.any():
            return ()
        order.append(int(fits.argmax()))
    return () if order == sorted(order) else tuple(order)


def _is_shift(order: Sequence[int]) -> bool:
    """Return whether rows are moved by one, the last to the first place or the reverse."""
    n = len(order)
    return n > 2 and any(
        all(at == (row + by) % n for row, at in enumerate(order)) for by in (1, -1)
    )


def _fits(answer: Answer, row: int, right: AnyArray) -> Bools:
    """Return which rows of a matrix have the numbers of a row of an answer."""
    alone = replace(answer, values=answer.values[row], given=answer.given[row])
    return np.asarray(~off(alone, right).any(axis=-1))


def _tokens_reordered(answer: Answer, right: AnyArray) -> bool:
    """Return whether rows and columns are in the same other order."""
    n = len(right)
    if right.shape[1] != n or not 1 < n <= _MOST:
        return False
    orders = np.array(list(permutations(range(n))))
    reordered = right[orders[:, :, None], orders[:, None, :]]
    return not off(answer, reordered).any(axis=(-2, -1)).all()


def _of_rows(matrices: Sequence[tuple[Answer, AnyArray]], step: Step) -> Iterator[Found]:
    """Yield what each wrong row is, if all of them are rows of others, or rearranged."""
    others: list[tuple[int, int]] = []
    rearranged: list[bool] = []
    for answer, right in matrices:
        for row in np.flatnonzero(off(answer, right).any(axis=1)).tolist():
            if not answer.given[row].all():
                return
            fits = _fits(answer, row, right)  # its own does not: it is wrong
            others.append((row, int(fits.argmax()) if fits.any() else -1))
            rearranged.append(_same_numbers(answer, row, right[row]))
    if all(at >= 0 for _, at in others):
        labels = step.as_matrix().labels[-2]
        given, copied = (printable(labels[n]) for n in others[0])
        more = f", and {len(others) - 1} more rows are so" if len(others) > 1 else ""
        yield "row-of-another", f"the row of {given} has the numbers of the row of {copied}{more}"
    if all(rearranged):
        which = "the row is right" if len(rearranged) == 1 else "the rows are right"
        yield "cells-in-another-order", f"{which}, but with its numbers in other cells"


def _same_numbers(answer: Answer, row: int, right: AnyArray) -> bool:
    """Return whether a row has the right numbers in other cells; equal ones say nothing."""
    ordered = replace(
        answer, values=np.sort(answer.values[row]), given=np.ones(len(right), dtype=np.bool_)
    )
    return np.ptp(right) > 0 and not off(ordered, np.sort(right)).any()
