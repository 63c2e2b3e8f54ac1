"""Which key head a query head reads, and heads that are read in another layout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.altered import with_steps
from attn_cli.lab.variants.kernels.making import kernel
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.problem import Problem

Map = Callable[[int, int, int], int]  # (h, H, G) -> the key head


def _map(to: Map, problem: Problem) -> tuple[int, ...] | None:
    """Return the key head of each query head; None if there are as many, or one is not there."""
    heads, kv_heads = problem.heads or 1, problem.kv_heads or 1
    if problem.heads is None or kv_heads in (1, heads):
        return None
    found = tuple(to(head, heads, kv_heads) for head in range(heads))
    return None if max(found) >= kv_heads or found == problem.key_heads else found


def _interleaved(head: int, heads: int, kv_heads: int) -> int:
    """Return h div (H / G); a head that is not there if G does not divide H."""
    return heads if heads % kv_heads else head // (heads // kv_heads)


def _grouped(to: Map, base: Base) -> Problem | None:
    found = _map(to, base.problem)
    return None if found is None else replace(base.problem, key_heads=found)


def _keys(to: Map, base: Base) -> Changes | None:
    found = _map(to, base.problem)
    return None if found is None else {"grouping": list(found)}


def _other_layout(sides: tuple[str, ...], base: Base) -> Problem | None:
    """Return the problem whose (heads, tokens, features) are read as (tokens, heads, features)."""
    problem = base.problem
    given = problem.query is not None and not problem.query.letter
    if problem.heads is None or not given or problem.past is not None:
        return None
    values = {side: _read_across(base.step(side)) for side in sides}
    if all(np.array_equal(base.step(side), values[side]) for side in sides):
        return None
    return with_steps(problem, values)


def _read_across(x: AnyArray) -> AnyArray:
    *lead, heads, count, depth = x.shape
    return np.ascontiguousarray(x).reshape(*lead, count, heads, depth).swapaxes(-3, -2)


def _listed(sides: tuple[str, ...]) -> str:
    *others, last = sides
    return f"{', '.join(others)} and {last} were" if others else f"{last} was"


def _row(name: str, sentence: str, to: Map, *sources: str) -> Variant:
    change, keys = partial(_grouped, to), partial(_keys, to)
    needs = "several query heads for each of several key heads"
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


GROUPING = (
    _row(
        "grouping-tiled",
        "query head h read key head h mod G: key heads took turns",
        lambda head, _, kv_heads: head % kv_heads,
        "onnx/onnx#7274", "apple/axlearn#842", "apple/ml-hypercloning#1",
    ),
    _row(
        "grouping-interleaved",
        "query head h read key head h div (H / G): neighbours shared one",
        _interleaved,
        "onnx/onnx#7274",
    ),
    _row(
        "grouping-h-div-G",
        "query head h read key head h div G, not h div (H / G)",
        lambda head, _, kv_heads: head // kv_heads,
    ),
    _row(
        "grouping-one-further",
        "each query head read the key head after its own",
        lambda head, heads, kv_heads: (head * kv_heads // heads + 1) % kv_heads,
    ),
    *(
        kernel(
            f"layout-of-{'-'.join(sides)}",
            f"{_listed(sides)} read as if the axis of tokens came before that of heads",
            partial(_other_layout, sides),
            "nshepperd/flash_attn_jax#3" if len(sides) > 2 else "onnx/onnx#7118",
            needs="Q, K and V given head by head",
        )
        for sides in (("q", "k", "v"), ("k", "v"), ("q",), ("v",))
    ),
)  # fmt: skip
