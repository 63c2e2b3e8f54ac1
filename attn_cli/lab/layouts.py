"""The order in which a file holds the axes of a step, and the step in the order of `attn`.

A layout has one letter per axis: b batch entries, h heads, s queries, keys or tokens, d features; q
and k the queries and keys of pairs. Axes in brackets are one axis of the file.

    bhsd      PyTorch SDPA, JAX            bs(hd)   heads side by side: Hugging Face, before a split
    bshd      flash-attention              (bs)hd   packed, entries of one length: (tokens, h, d)
    sbhd      Megatron, Transformer Engine

`fitting` tries all of them on a shape, `arranged` reorders the axes without reading a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import Tensor
from attn_cli.dataclass import replace
from attn_cli.sources.matrices.stored import Stored

VECTORS = (
    "bhsd", "bshd", "sbhd", "hsd", "shd", "bs(hd)", "sb(hd)", "s(hd)", "bsd", "sbd", "sd", "(bs)hd",
    "(bs)(hd)", "(bh)sd", "h(bs)d", "(bs)d", "bhds", "bdsh", "hds", "b(hd)s", "(hd)s", "bds", "ds",
)  # fmt: skip
PAIRS = (
    "bhqk", "hqk", "bqk", "qk", "(bh)qk", "bqhk", "qbhk", "qhk", "bhkq", "hkq", "bkq", "kq",
)  # fmt: skip
PER_QUERY = (
    "bhs", "bsh", "sbh", "hs", "sh", "bs", "sb", "s", "(bh)s", "h(bs)", "(bs)h", "(bs)", "bhs1",
    "hs1", "(bh)s1", "bs1", "s1",
)  # fmt: skip
PER_HEAD = ("h", "bhs1", "h1", "1h")
# The axes of a step -> their letters.
_LETTERS = {"batch": "b", "head": "h", "key head": "h", "token": "s", "dimension": "d", "unit": "d"}


class Layout(NamedTuple):
    """A layout, and the sizes of its axes."""

    name: str  # as above
    groups: tuple[str, ...]  # the letters of each axis of the file
    sizes: Mapping[str, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array in the file."""
        return tuple(prod(self.sizes[letter] for letter in group) for group in self.groups)


def letters(axes: Sequence[str]) -> str:
    """Return the letter of each axis of a step.

    >>> letters(("batch", "head", "query", "key")), letters(("key head", "key", "dimension"))
    ('bhqk', 'hsd')
    """
    pairs = {"query", "key"} <= set(axes)
    names = {**_LETTERS, "query": "q" if pairs else "s", "key": "k" if pairs else "s"}
    return "".join(names.get(axis, "d") for axis in axes)


def fitting(axes: Sequence[str], sizes: Sequence[int], shape: Sequence[int]) -> list[Layout]:
    """Return the layouts in which an array of this shape can be a step with these axes and sizes.

    Of several that give the same numbers, since they differ in axes of one entry, the first.

    >>> [each.name for each in fitting(("head", "query", "dimension"), (2, 3, 4), (3, 2, 4))]
    ['shd']
    """
    own = letters(axes)
    known = {"b": 1, "h": 1, "s": 1, "q": 1, "k": 1, "d": 1, "1": 1}
    known |= dict(zip(own, sizes, strict=True))
    found: list[Layout] = []
    for name in dict.fromkeys((own, *_candidates(own))):
        groups = tuple(_groups(name))
        left_out = set(own) - set(name)
        if all(known[letter] == 1 for letter in left_out):
            layout = Layout(name, groups, known)
            if layout.shape == tuple(shape) and not any(same(layout, each) for each in found):
                found.append(layout)
    return found


def arranged(tensor: Tensor, layout: Layout, axes: Sequence[str]) -> Tensor:
    """Return an array of a file with its axes in the order of a step."""
    there = [letter for group in layout.groups for letter in group]
    splits = tuple(tuple(layout.sizes[letter] for letter in group) for group in layout.groups)
    wanted = letters(axes)
    missing = [letter for letter in wanted if letter not in there]
    extra = [at for at, letter in enumerate(there) if letter not in wanted]
    order = [there.index(letter) for letter in wanted if letter in there]
    if isinstance(tensor, Stored):
        shape, strides = _split(tensor.shape, tensor.strides, splits)
        places = [None if letter in missing else there.index(letter) for letter in wanted]
        return replace(
            tensor,
            shape=tuple(1 if at is None else shape[at] for at in places),
            strides=tuple(0 if at is None else strides[at] for at in places),
        )
    array = np.asarray(tensor).reshape([size for sizes in splits for size in sizes])
    array = array.transpose(*order, *extra)
    array = array.reshape(array.shape[: len(order)])  # the others have one entry
    for at, letter in enumerate(wanted):
        if letter in missing:
            array = np.expand_dims(array, at)
    return array


def _split(
    shape: Sequence[int], strides: Sequence[int], splits: Sequence[Sequence[int]]
) -> tuple[list[int], list[int]]:
    """Return shape and strides of an array whose axes are split into several each."""
    sizes: list[int] = []
    steps: list[int] = []
    for _, stride, parts in zip(shape, strides, splits, strict=True):
        for at, size in enumerate(parts):
            sizes.append(size)
            steps.append(stride * prod(parts[at + 1 :]))
    return sizes, steps


def _candidates(own: str) -> tuple[str, ...]:
    if "q" in own:
        return PAIRS
    if own == "h":
        return PER_HEAD
    return VECTORS if "d" in own else PER_QUERY


def _groups(name: str) -> Iterator[str]:
    """Yield the letters of each axis of a file.

    >>> list(_groups("bs(hd)"))
    ['b', 's', 'hd']
    """
    at = 0
    while at < len(name):
        stop = name.index(")", at) if name[at] == "(" else at
        yield name[at : stop + 1].strip("()")
        at = stop + 1


def same(first: Layout, second: Layout) -> bool:
    """Return whether two layouts are the same numbers: they differ in axes of one entry only."""

    def order(layout: Layout) -> list[str]:
        return [x for group in layout.groups for x in group if layout.sizes[x] > 1]

    return order(first) == order(second)
