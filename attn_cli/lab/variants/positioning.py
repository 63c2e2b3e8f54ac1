"""Usual mistakes with positions that are added to embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.altered import with_steps
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.maths.positions import Positions, sinusoidal
from attn_cli.maths.problem import Problem

Table = Callable[..., "AnyArray | None"]  # (n, d, positions as they are) -> the other table


def _with_table(make: Table, base: Base) -> Problem | None:
    """Return the problem with another table of positions; None if it has none of sines."""
    problem, table = base.problem, base.problem.positions
    if table is None or table.base is None or "positions" not in base.specs:
        return None
    values = make(*base.step("positions").shape, table)
    return None if values is None else with_steps(problem, {"positions": values})


def _none(base: Base) -> Problem | None:
    if "positions" not in base.specs:
        return None
    return with_steps(base.problem, {"positions": np.zeros_like(base.step("positions"))})


def _concatenated(base: Base) -> Problem | None:
    """Return the problem whose rows are [X, P] instead of X + P; None if matrices project them."""
    problem = base.problem
    if "positioned" not in base.specs or problem.embeddings is None:
        return None
    sides = [getattr(problem, side) for side in ("query", "key", "value")]
    if any(side is None or side.letter != "X'" or side.linear.weight is not None for side in sides):
        return None
    X, P = base.step("embeddings"), base.step("positions")
    rows = np.concatenate([X, P], axis=1)
    moved = {
        name: replace(getattr(problem, name), inputs=rows) for name in ("query", "key", "value")
    }
    scale = problem.scale if problem.scale_given or problem.scale == 1 else rows.shape[1] ** -0.5
    return replace(problem, embeddings=rows, positions=None, scale=scale, **moved)


def _base(number: float, n: int, d: int, table: Positions) -> AnyArray | None:
    if table.base == number:
        return None
    return sinusoidal(n, d, number, table.layout, np.dtype(np.float64)).values


def _from_one(n: int, d: int, table: Positions) -> AnyArray:
    assert table.base is not None
    return sinusoidal(n + 1, d, table.base, table.layout, np.dtype(np.float64)).values[1:]


def _other_layout(n: int, d: int, table: Positions) -> AnyArray:
    assert table.base is not None
    other = "concatenated" if table.layout == "interleaved" else "interleaved"
    return sinusoidal(n, d, table.base, other, np.dtype(np.float64)).values


def _halves(n: int, d: int, table: Positions) -> AnyArray | None:
    """Return the interleaved table with all sines first: P[p, i] of P[p, 2i]."""
    if table.layout != "interleaved":
        return None
    values = table.values
    return np.concatenate([values[:n, 0::2], values[:n, 1::2]], axis=1).reshape(n, d)


def _exponents(step: float, shift: float, n: int, d: int, table: Positions) -> AnyArray | None:
    """Return sin(p / base^(step i / d)) in even columns i, cos with i + shift in odd ones."""
    if table.layout != "interleaved" or table.base is None:
        return None
    p, i = np.arange(n)[:, None], np.arange((d + 1) // 2)
    found = np.zeros((n, d))
    found[:, 0::2] = np.sin(p / table.base ** (step * i / d))
    found[:, 1::2] = np.cos(p / table.base ** (step * (i + shift) / d))[:, : d // 2]
    return found


def _variant(name: str, sentence: str, make: Table, *sources: str) -> Variant:
    return Variant(name, sentence, partial(_with_table, make), sources)


POSITIONING = (
    Variant("no-positions", "the positions were left out", _none),
    Variant(
        "positions-concatenated",
        "the positions were set behind the embeddings instead of added to them",
        _concatenated,
        ("ttsugriy, common mistakes, 6",),
        needs="embeddings that no matrix projects",
    ),
    _variant("positions-from-1", "positions were counted from 1 instead of 0", _from_one),
    *(
        _variant(
            f"positions-base-{number}",
            f"the positions have base {number}",
            partial(_base, number),
            "jadore801120/attention-is-all-you-need-pytorch#32",
        )
        for number in (100, 1000, 10000)
    ),
    _variant(
        "positions-cos-2(i+1)",
        "the cosines of the positions have the exponent 2(i + 1)/d instead of 2i/d",
        partial(_exponents, 2, 1),
        "SamLynnEvans/Transformer#25",
    ),
    _variant(
        "positions-i-for-2i",
        "the positions have the exponent i/d instead of 2i/d",
        partial(_exponents, 1, 0),
        "SamLynnEvans/Transformer#7",
    ),
    _variant(
        "positions-4i-for-2i",
        "the positions have the exponent 4i/d instead of 2i/d: the column, 2i, was doubled again",
        partial(_exponents, 4, 0),
        "SamLynnEvans/Transformer#7",
    ),
    _variant("positions-sines-first", "all sines come before the cosines", _halves),
    _variant(
        "positions-other-layout",
        "the positions are in the other layout: interleaved for concatenated, or the reverse",
        _other_layout,
        "maxjcohen/transformer#62",
    ),
)
