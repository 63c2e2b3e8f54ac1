"""May query i see key j? Causal order and masks.

Each scheme stands alone and answers the same two questions about positions: `sees`, which of these
keys these queries see, and `reach`, outside which range they see none. What several schemes hide is
hidden: their answers are joined with "and".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from attn_cli.core.arrays import Array, Bools, Integers

Reach = tuple[int, int]  # keys from .. up to, but not including
Lead = tuple[int, ...]  # which batch entry and head
Part = TypeVar("Part", Array, Bools)


class Scheme(Protocol):
    """What every scheme that hides keys can be asked."""

    @property
    def formula(self) -> str:
        """What it asks of i and j, for the title of the step."""
        ...

    def sees(self, lead: Lead, i: Integers, j: Integers) -> Bools:
        """Return (len(i) x len(j)), or what broadcasts to it: True where query i sees key j."""
        ...

    def reach(self, i: Integers, n_k: int) -> Reach:
        """Return the range of keys outside which the queries i see none."""
        ...


@dataclass(frozen=True, slots=True)
class Causal:
    """Query i sees the keys j <= i + offset.

    offset 0 is top-left alignment (PyTorch's is_causal, JAX, Keras); n_k - n_q is bottom-right
    (flash-attention from 2.1, PyTorch's causal_lower_right). With as many queries as keys they are
    the same. Where n_q > n_k, bottom-right leaves the first n_q - n_k queries without any key.
    """

    offset: int

    @property
    def formula(self) -> str:
        """The inequality, with the offset as a number."""
        sign = "-" if self.offset < 0 else "+"
        return "j <= i" if self.offset == 0 else f"j <= i {sign} {abs(self.offset)}"

    def sees(self, lead: Lead, i: Integers, j: Integers) -> Bools:  # noqa: ARG002
        """Return where j <= i + offset."""
        visible: Bools = j[None, :] <= i[:, None] + self.offset
        return visible

    def reach(self, i: Integers, n_k: int) -> Reach:
        """Return the keys up to the last query's own."""
        return 0, min(max(int(i.max()) + self.offset + 1, 0), n_k)


@dataclass(frozen=True, slots=True)
class Mask:
    """The user's mask, broadcast to (..., n_q, n_k): which keys are seen, and what is added.

    A mask of booleans has no `added`. In a mask of numbers, -inf hides and all else is added.
    """

    visible: Bools
    added: Array | None
    formula: str
    hides: bool  # whether any key is hidden at all

    def sees(self, lead: Lead, i: Integers, j: Integers) -> Bools:
        """Return the part of the mask that belongs to these positions."""
        return _part(self.visible, lead, i, j)

    def addend(self, lead: Lead, i: Integers, j: Integers) -> Array | None:
        """Return what is added to the scores at these positions, 0 where a key is hidden."""
        return None if self.added is None else _part(self.added, lead, i, j)

    def reach(self, i: Integers, n_k: int) -> Reach:  # noqa: ARG002
        """Return all keys: what a mask hides is known only by looking."""
        return 0, n_k


def _part(mask: Part, lead: Lead, i: Integers, j: Integers) -> Part:
    columns = slice(int(j[0]), int(j[-1]) + 1) if len(j) else slice(0)
    part: Part = mask[lead][i][:, columns]
    return part


def all_of(schemes: tuple[Scheme, ...], lead: Lead, i: Integers, j: Integers) -> Bools:
    """Return (len(i) x len(j)) True where every scheme lets query i see key j."""
    visible = np.ones((len(i), len(j)), dtype=np.bool_)
    for scheme in schemes:
        visible &= scheme.sees(lead, i, j)
    return visible


def common_reach(schemes: tuple[Scheme, ...], i: Integers, n_k: int) -> Reach:
    """Return the range of keys that no scheme excludes whole."""
    start, stop = 0, n_k
    for scheme in schemes:
        first, last = scheme.reach(i, n_k)
        start, stop = max(start, first), min(stop, last)
    return (start, stop) if start < stop else (0, 0)
