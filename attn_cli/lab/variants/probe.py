"""One fixed input that separates the variants: small, so that any kernel can run it.

    q 5 rows, k 7 rows, 6 query heads, 3 key heads, d 8, two batch entries with lengths 7 and 1

Numbers of queries and keys, heads and features differ, so that no two axes can be confused. V has
one prime per key and zeros: column j of the output is the weight of key j times a known prime, so
the output shows which keys were seen, and of which head. One row of the mask hides every key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.lab.altered import Steps
from attn_cli.lab.variants import hypotheses
from attn_cli.lab.variants.shared import Sample
from attn_cli.lab.variants.variant import Base

ENTRIES, HEADS, KEY_HEADS, QUERIES, KEYS, FEATURES = 2, 6, 3, 5, 7, 8
LENGTHS = (7, 1)
EMPTY_ROW = 2  # the query from which the mask of entry 0 hides every key


def probe() -> dict[str, Any]:
    """Return Q, K, V, the mask and the lengths, as keys of a problem."""
    return {
        "query": _spread((ENTRIES, HEADS, QUERIES, FEATURES), 5),
        "key": _spread((ENTRIES, KEY_HEADS, KEYS, FEATURES), 7),
        "value": _values(),
        "mask": {
            "values": _mask(),
            "true_means": "attend",
            "axes": ["batch", "head", "query", "key"],
        },
        "key_lengths": list(LENGTHS),
    }


def _spread(shape: tuple[int, ...], step: int) -> AnyArray:
    """Return numbers from -1.5 to 1.5 in quarters, which no symmetry maps to one another.

    They are exact in bfloat16. The n-th is (n^2 + step n) mod 13, less 6, over 4.
    """
    n = np.arange(int(np.prod(shape)))
    found: AnyArray = ((n * n + step * n) % 13 - 6).reshape(shape) / 4
    return found


def _values() -> AnyArray:
    """Return V: the prime of batch entry, head and key j in column j, else 0."""
    values = np.zeros((ENTRIES, KEY_HEADS, KEYS, FEATURES))
    j = np.arange(KEYS)
    primes = np.array(_primes(ENTRIES * KEY_HEADS * KEYS), dtype=np.float64)
    values[:, :, j, j] = primes.reshape(ENTRIES, KEY_HEADS, KEYS)
    return values


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _mask() -> Bools:
    """Return the mask: one key hidden from each row, another in each head; one row without any."""
    shape = (ENTRIES, HEADS, QUERIES, KEYS)
    entry, head, i, j = np.indices(shape)
    seen: Bools = j != (2 * i + head + 3 * entry + 1) % KEYS
    seen[1, :, :, 0] = True  # entry 1 has no other key
    seen[0, :, EMPTY_ROW] = False
    return seen


def alike(base: Base, steps: Sequence[str]) -> list[list[str]]:
    """Return the names of variants that give the same numbers in all these steps, by groups.

    The first group is that of the problem itself, whose name is empty.
    """
    sample = Sample(base, steps)
    with np.errstate(invalid="ignore"):
        return _groups(base, sample)


def _groups(base: Base, sample: Sample) -> list[list[str]]:
    groups: list[tuple[Steps, list[str]]] = [(sample.own, [""])]
    for variant in hypotheses(base):
        problem = variant.of(base)
        found = None if problem is None else sample.of(problem)
        if found is None:
            continue
        same = next((names for values, names in groups if _same(values, found)), None)
        if same is None:
            groups.append((found, [variant.name]))
        else:
            same.append(variant.name)
    return [names for _, names in groups]


def _same(one: Steps, other: Steps) -> bool:
    return all(_close(one[name], other[name]) for name in one)


def _close(x: AnyArray, y: AnyArray) -> bool:
    near = (np.abs(x - y) <= 1e-9 + 1e-7 * np.abs(y)) & np.isfinite(x) & np.isfinite(y)
    return bool((near | (x == y) | (np.isnan(x) & np.isnan(y))).all())
