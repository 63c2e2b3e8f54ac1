"""Codes of cells as run lengths: `((0, 3), (1, 2))` is 0 0 0 1 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from attn_cli.arrays import AnyArray

Runs = tuple[tuple[int, int], ...]


def runs(codes: AnyArray) -> Runs:
    """Return the runs of codes, row by row.

    >>> runs(np.array([[0, 1], [1, 1]]))
    ((0, 1), (1, 3))
    """
    flat = np.asarray(codes).reshape(-1)
    if not flat.size:
        return ()
    firsts = np.flatnonzero(np.diff(flat, prepend=flat[0] + 1))
    lengths = np.diff(firsts, append=flat.size)
    return tuple(zip(map(int, flat[firsts]), map(int, lengths), strict=True))


def joined(blocks: Sequence[Mapping[int, Runs]]) -> tuple[Runs, ...]:
    """Return the runs of each batch entry and head from those of its blocks of rows, by first row.

    >>> joined([{2: ((1, 3), (0, 1)), 0: ((0, 2), (1, 2))}])
    (((0, 2), (1, 5), (0, 1)),)
    """
    found = []
    for each in blocks:
        whole: list[tuple[int, int]] = []
        for _, part in sorted(each.items()):
            for code, count in part:
                same = whole.pop()[1] if whole and whole[-1][0] == code else 0
                whole.append((code, same + count))
        found.append(tuple(whole))
    return tuple(found[:1] if len(set(found)) == 1 else found)


def of_leads(codes: AnyArray) -> tuple[Runs, ...]:
    """Return the runs of each batch entry and head; one if all have the same codes."""
    if len(codes) and (codes == codes[:1]).all():
        codes = codes[:1]
    return tuple(runs(each) for each in codes)
