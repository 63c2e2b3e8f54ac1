"""Windows with other bounds, and windows for chunks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np

from attn_cli.arrays import Bools
from attn_cli.dataclass import dataclass, replace
from attn_cli.formula import Formula, Words
from attn_cli.lab.variants.kernels.making import in_tree, kernel
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.lab.variants.visibility import WindowElsewhere, found, moved, with_each
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.ranges import Ranges, union
from attn_cli.maths.visible.base import Scheme
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.document import Documents
from attn_cli.maths.visible.window import UNBOUNDED, Window, Windows

Bounds = tuple[int, int]
Other = Callable[[int, int], "Bounds | None"]  # None: this window has no such variant


def _more(left: int, right: int, *, by: Bounds) -> Bounds | None:
    """Return the bounds, changed by some keys; one that is unbounded stays so."""
    bounds = left + by[0] * (left != UNBOUNDED), right + by[1] * (right != UNBOUNDED)
    lost = [new < 0 <= old for new, old in zip(bounds, (left, right), strict=True)]
    return None if any(lost) else bounds


def _both(left: int, _: int) -> Bounds | None:
    return None if left == UNBOUNDED else (left, left)


def _before(left: int, _: int) -> Bounds | None:
    return (left, 0)


def _exchanged(left: int, right: int) -> Bounds | None:
    return (right, left)


def _total(left: int, right: int) -> Bounds | None:
    """Return half of the window on either side."""
    size = max(left, right)
    return (size // 2, size // 2) if size > 0 else None


def _changed(other: Other, window: Window) -> Window | None:
    bounds = other(window.left, window.right)
    if bounds is None or bounds == (window.left, window.right):
        return None
    return replace(window, left=bounds[0], right=bounds[1])


def _bounds(other: Other, base: Base) -> Problem | None:
    def change(scheme: Scheme) -> Scheme:
        if isinstance(scheme, Window):
            return _changed(other, scheme) or scheme
        if isinstance(scheme, Windows):
            changed = tuple(_changed(other, each) or each for each in scheme.of_heads)
            same = all(new is old for new, old in zip(changed, scheme.of_heads, strict=True))
            return scheme if same else Windows(changed)
        return scheme

    return with_each(base.problem, change)


def _keys(other: Other, base: Base) -> Changes | None:
    """Return the bounds as a key; windows without any bound are `none` there."""
    problem = _bounds(other, base)
    if problem is None:
        return None
    window, windows = found(problem, Window), found(problem, Windows)
    if windows is not None:
        return {"window": [_written(each) for each in windows.of_heads]}
    assert window is not None  # it has other bounds
    return {"window": _written(window)}


def _written(window: Window) -> dict[str, int]:
    return {"left": window.left, "right": window.right}


def _without(field: str, base: Base) -> Problem | None:
    """Return the problem whose schemes have no sink tokens, or no prefix."""

    def cleared(scheme: Scheme) -> Scheme:
        there = isinstance(scheme, Window | Causal) and bool(vars(scheme).get(field))
        return replace(scheme, **{field: 0}) if there else scheme  # type: ignore[type-var]

    def change(scheme: Scheme) -> Scheme:
        if isinstance(scheme, Windows):
            changed = tuple(map(cleared, scheme.of_heads))
            return scheme if changed == scheme.of_heads else Windows(changed)  # type: ignore[arg-type]
        return cleared(scheme)

    return with_each(base.problem, change)


def _no_key(name: str, base: Base) -> Changes | None:
    return {name: None} if in_tree(base, name) is not None else None


@dataclass(frozen=True)
class Chunks:
    """Query i sees the keys of its own chunk: floor(p_j / size) = floor(p_i / size)."""

    reason: ClassVar[str] = "window"
    size: int

    @property
    def formula(self) -> Formula:
        """The condition in words."""
        return Words(f"the same chunk of {self.size}")

    def sees(self, at: Place) -> Bools:
        """Return whether query and key are in one chunk."""
        of_queries, of_keys = at.p_i // self.size, at.p_j // self.size
        visible: Bools = of_queries[:, None] == of_keys[None, :]
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return all keys."""
        return union([(0, n_k)])

    def open(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return no key: which ones every query sees is not looked up."""
        return ()


def _chunks(base: Base) -> Problem | None:
    """Return the problem with chunks as long as its window; None if that has no left bound."""
    window = found(base.problem, Window)
    if window is None or window.left == UNBOUNDED:
        return None
    chunks = Chunks(window.left + 1)
    return with_each(base.problem, lambda scheme: chunks if scheme is window else scheme)


def _window_of_documents(base: Base) -> Problem | None:
    """Return the problem whose documents, all equally long, are a window of that length."""
    documents = found(base.problem, Documents)
    if documents is None:
        return None
    ids = documents.key_ids
    size = int((ids[0] == ids[0, 0]).sum())
    expected = np.arange(ids.shape[1]) // size
    if size == ids.shape[1] or (ids - ids[:, :1] != expected).any():
        return None
    positions = replace(
        base.problem.token_positions, query=None, key=None, query_ids=None, key_ids=None
    )
    window = WindowElsewhere(Window(size - 1, UNBOUNDED), positions)
    changed = with_each(base.problem, lambda scheme: window if scheme is documents else scheme)
    return None if changed is None else moved(changed, positions)


_NEEDS = "a window"


def _row(name: str, sentence: str, other: Other, *sources: str) -> Variant:
    change, keys = partial(_bounds, other), partial(_keys, other)
    return kernel(name, sentence, change, *sources, needs=_NEEDS, keys=keys)


WINDOWS = (
    _row(
        "window-left-one-more",
        "the window had one key more before the query",
        partial(_more, by=(1, 0)),
        "huggingface/transformers#39408", "NVIDIA-NeMo/Megatron-Bridge#2656", "zml/zml#763",
    ),
    _row(
        "window-left-one-less",
        "the window had one key less before the query",
        partial(_more, by=(-1, 0)),
        "vllm-project/vllm#3385",
    ),
    _row(
        "window-right-one-more",
        "the window had one key more after the query",
        partial(_more, by=(0, 1)),
    ),
    _row(
        "window-right-one-less",
        "the window had one key less after the query",
        partial(_more, by=(0, -1)),
    ),
    _row(
        "window-one-more",
        "the window had one key more on either side",
        partial(_more, by=(1, 1)),
    ),
    _row(
        "window-one-less",
        "the window had one key less on either side",
        partial(_more, by=(-1, -1)),
    ),
    _row(
        "window-on-both-sides",
        "the window had as many keys after the query as before it",
        _both,
        "huggingface/transformers#40163", "ModelTC/LightLLM#1311",
    ),
    _row("window-before-alone", "the window had no key after the query", _before),
    _row("window-sides-exchanged", "the two sides of the window were exchanged", _exchanged),
    _row(
        "window-in-all",
        "the size of the window was that of both sides together",
        _total,
        "allenai/longformer, attention_window",
    ),
    kernel(
        "window-as-chunks",
        "a window was taken for chunks: each query saw the keys of its own chunk",
        _chunks,
        "huggingface/transformers#37351", "Dao-AILab/flash-attention#1669",
        needs="a window with a left bound",
    ),
    kernel(
        "documents-as-window",
        "documents of one length were taken for a window: chunks for a sliding window",
        _window_of_documents,
        "huggingface/transformers#37351",
        needs="several documents of one length",
    ),
    kernel(
        "no-sink-tokens",
        "the window hid the first keys too, which sink_tokens keep",
        partial(_without, "sink_tokens"),
        needs="sink_tokens",
        keys=partial(_no_key, "sink_tokens"),
    ),
    kernel(
        "no-prefix",
        "the first keys, the prefix, were hidden like all others",
        partial(_without, "prefix"),
        needs="a prefix",
        keys=partial(_no_key, "prefix"),
    ),
)  # fmt: skip
