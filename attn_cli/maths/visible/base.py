"""The interface of a scheme that hides keys, and how several schemes are combined.

A scheme has three methods on positions: `sees` returns which keys each query sees, `reach` ranges
outside which no query sees a key, and `open` ranges in which each query sees every key. A key is
hidden if any scheme hides it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

import numpy as np

from attn_cli.arrays import Bools
from attn_cli.formula import Formula
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Range, Ranges, intersection, joined, longest, up_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.maths.token_positions import TokenPositions

Lead = tuple[int, ...]  # which batch entry and head
Codes: TypeAlias = "NDArray[np.uint8]"

# Why a key is hidden, in the words of problem files. The index is the code in the step `visible`;
# if several schemes hide a key, the first of them here is named.
REASONS = (
    "visible", "causal", "window", "key_lengths", "documents", "sparse", "mask", "top_k",
    "key_start", "zero_key",
)  # fmt: skip
# More ranges than this, of documents whose tokens take turns, are joined if few keys are between.
MANY, GAP = 64, 64
CODES = {reason: code for code, reason in enumerate(REASONS)}


class Scheme(Protocol):
    """The interface of a scheme that hides keys."""

    reason: ClassVar[str]  # one of REASONS

    @property
    def formula(self) -> Formula:
        """The condition on i and j under which a key is seen, for the title of the step."""
        ...

    def sees(self, at: Place) -> Bools:
        """Return whether query i sees key j: (len(i) x len(j)), or one that broadcasts to it."""
        ...

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the ranges of keys outside which the queries see none, within (0, n_k).

        There is at least one query; the keys of `at` mean nothing here.
        """
        ...

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return ranges, within (0, n_k), of which each query sees every key.

        There is at least one query. The ranges need not have all keys that every query sees.
        """
        ...


def all_of(schemes: Iterable[Scheme], at: Place) -> Bools:
    """Return (len(i) x len(j)): whether every scheme lets query i see key j."""
    visible, shape = None, (len(at.i), len(at.j))
    for scheme in schemes:
        sees = scheme.sees(at)
        visible = sees if visible is None else visible & sees
    if visible is None:
        return np.ones(shape, dtype=np.bool_)
    whole = visible if visible.shape == shape else np.broadcast_to(visible, shape)
    return np.ascontiguousarray(whole)


def look_ahead(schemes: Iterable[Scheme], n: int, heads: int, positions: TokenPositions) -> bool:
    """Return whether a query of self-attention over n tokens sees a token after it, in any head."""
    i = np.arange(n)
    each = (all_of(schemes, Place(0, head, i, i, positions)) for head in range(heads))
    return any(bool(np.triu(visible, 1).any()) for visible in each)


def codes(schemes: Iterable[Scheme], at: Place) -> Codes:
    """Return (len(i) x len(j)): 0 if the key is seen, else the first reason why it is not."""
    found = np.zeros((len(at.i), len(at.j)), dtype=np.uint8)
    # The first reason is written last.
    for scheme in sorted(schemes, key=lambda s: CODES[s.reason], reverse=True):
        np.copyto(found, CODES[scheme.reason], where=~scheme.sees(at))
    return found


def common_reach(schemes: Iterable[Scheme], at: Place, n_k: int) -> Ranges:
    """Return ranges of keys outside which no query sees any key: if few, those that all reach."""
    found = up_to(n_k) if len(at.i) else ()
    for scheme in schemes if found else ():
        found = intersection(found, scheme.reach(at, n_k))
    return joined(found, GAP) if len(found) > MANY else found


def open_to_all(schemes: Iterable[Scheme], at: Place, n_k: int) -> Range:
    """Return the longest range of keys that no scheme hides from any query; (0, 0): none."""
    found = up_to(n_k)
    for scheme in schemes if len(at.i) else ():
        found = intersection(found, scheme.open(at, n_k))
    return longest(found)
