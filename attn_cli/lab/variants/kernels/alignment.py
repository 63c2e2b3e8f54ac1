"""Where the queries are among the keys: for causal order and windows alone, as kernels have it.

Rope and biases keep their positions: their own modules move those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import at_positions, in_tree, kernel, kernel_of_keys
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.lab.variants.visibility import found, moved
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.length import KeyLengths

Offsets = Callable[[Problem], "Iterable[int] | None"]  # of each batch entry, or of all


def top_left(_: Problem) -> Iterable[int]:
    """Return offset 0."""
    return (0,)


def to_the_last_key(problem: Problem) -> Iterable[int]:
    """Return n_k - n_q, whatever the lengths are."""
    return (problem.n_k - problem.n_q,)


def to_the_length(problem: Problem) -> Iterable[int] | None:
    """Return the lengths less n_q; None without lengths."""
    lengths = found(problem, KeyLengths)
    return None if lengths is None else (n - problem.n_q for n in lengths.lengths)


def twice(problem: Problem) -> Iterable[int]:
    """Return twice the offset that there is."""
    return (2 * offset for offset in problem.token_positions.offsets)


def by(shift: int, problem: Problem) -> Iterable[int]:
    """Return the offset that there is, and some more."""
    return (offset + shift for offset in problem.token_positions.offsets)


def other_offsets(offsets: Offsets, problem: Problem) -> tuple[int, ...] | None:
    """Return other offsets, as few as possible; None if they are those that there are.

    Nor are there any if the positions are not counted from an offset.
    """
    if problem.token_positions.query is not None:
        return None
    made = offsets(problem)
    chosen = None if made is None else tuple(made)
    if chosen is None:
        return None
    chosen = chosen[:1] if len(set(chosen)) == 1 else chosen
    now = problem.token_positions.offsets
    return None if chosen == (now[:1] if len(set(now)) == 1 else now) else chosen


def _aligned(offsets: Offsets, base: Base) -> Problem | None:
    chosen = other_offsets(offsets, base.problem)
    if chosen is None:
        return None
    return moved(base.problem, replace(base.problem.token_positions, offsets=chosen))


def _keys(offsets: Offsets, base: Base) -> Changes | None:
    chosen = other_offsets(offsets, base.problem)
    if chosen is None or at_positions(base) or _aligned(offsets, base) is None:
        return None
    offset = chosen[0] if len(chosen) == 1 else list(chosen)
    causal = {} if found(base.problem, Causal) is None else {"causal": True}
    return {**causal, "offset": offset}


def _added(alignment: str, base: Base) -> Changes | None:
    ordered = any(scheme.reason in {"causal", "window"} for scheme in base.problem.rules.schemes)
    same = base.problem.n_q == base.problem.n_k and found(base.problem, KeyLengths) is None
    there = in_tree(base, "documents") is not None or base.problem.past is not None
    if ordered or there or (same and alignment == "bottom-right"):
        return None
    return {"causal": alignment}


_NEEDS = "causal order or a window"


def _row(name: str, sentence: str, offsets: Offsets, *sources: str, needs: str = _NEEDS) -> Variant:
    change, keys = partial(_aligned, offsets), partial(_keys, offsets)
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


ALIGNMENT = (
    _row(
        "aligned-top-left",
        "for causal order or the window, the first query was at the first key",
        top_left,
        "microsoft/onnxruntime#29020", "pytorch/pytorch#108108", "ml-explore/mlx#2835",
    ),
    _row(
        "aligned-bottom-right",
        "for causal order or the window, the last query was at the last key of all",
        to_the_last_key,
        "Dao-AILab/flash-attention, 2.1", "microsoft/onnxruntime#28904", "apache/tvm#14907",
    ),
    _row(
        "aligned-to-the-length",
        "for causal order or the window, the last query was at the last key that key_lengths count",
        to_the_length,
        "onnx/onnx#8068",
        needs="causal order or a window, and key_lengths",
    ),
    _row(
        "offset-twice",
        "for causal order or the window, the offset of the queries was counted twice",
        twice,
        needs="causal order or a window, and an offset or a past",
    ),
    _row(
        "offset-one-more",
        "for causal order or the window, each query was one key further on",
        partial(by, 1),
    ),
    _row(
        "offset-one-less",
        "for causal order or the window, each query was one key further back",
        partial(by, -1),
    ),
    *(
        kernel_of_keys(
            f"causal-{alignment}-added",
            f"order was causal, aligned {alignment}",
            partial(_added, alignment),
            "pytorch/pytorch#108108",
            needs="neither causal order nor a window",
        )
        for alignment in ("top-left", "bottom-right")
    ),
)  # fmt: skip
