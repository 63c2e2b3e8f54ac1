"""Usual mistakes with hidden keys: masks that are dropped, turned, filled or applied too late."""

from __future__ import annotations

from functools import partial

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import replace
from attn_cli.lab.altered import with_change
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.lab.variants.visibility import Elsewhere, seeing, shifted, with_each, with_schemes
from attn_cli.maths.adjustments import Masking
from attn_cli.maths.block import Block
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import Scheme, all_of
from attn_cli.maths.visible.causal import Causal


def _seeing(base: Base, visible: Bools) -> Problem:
    """Return the problem in which exactly these keys are seen: itself if they are the same."""
    return seeing(base, visible) or base.problem


def _dropped(reason: str, base: Base) -> Problem | None:
    """Return the problem without the schemes of a reason."""
    return with_each(base.problem, lambda scheme: None if scheme.reason == reason else scheme)


def _inverted(base: Base) -> Problem | None:
    return _seeing(base, ~base.visible) if base.small and base.hides else None


def _transposed(base: Base) -> Problem | None:
    if base.problem.n_q != base.problem.n_k or not base.small or not base.hides:
        return None
    return _seeing(base, base.visible.swapaxes(-1, -2))


def _causal_off_by(shift: int, base: Base) -> Problem | None:
    """Return the problem whose causal order ends `shift` keys later, or earlier."""
    positions = shifted(base.problem.token_positions, shift)

    def change(scheme: Scheme) -> Scheme:
        return Elsewhere(scheme, positions) if isinstance(scheme, Causal) else scheme

    return with_each(base.problem, change)


def _filled_with_zero(base: Base) -> Problem | None:
    """Return the problem in which hidden scores are 0 instead of -inf."""
    if not base.hides:
        return None
    rules = base.problem.rules
    adjustments = tuple(
        replace(each, fill=0.0, adds=False) if isinstance(each, Masking) else each
        for each in rules.adjustments
    )
    return replace(base.problem, rules=replace(rules, adjustments=adjustments, empty_rows=None))


def _after_softmax(base: Base) -> Problem | None:
    """Return the problem whose hidden weights are set to 0 after softmax, without a new sum."""
    if not base.hides:
        return None
    schemes = base.problem.rules.schemes

    def change(block: Block, weights: AnyArray) -> AnyArray:
        found: AnyArray = weights * all_of(schemes, block.at)
        return found

    return with_change(with_schemes(base.problem, ()), "weights", change)


HIDING = (
    Variant(
        "mask-after-softmax",
        "the mask was applied after softmax, and the rows were not divided by their sum again (if "
        "they are, the weights are right)",
        _after_softmax,
        ("huggingface/pytorch-image-models#2236",),
    ),
    Variant(
        "masked-with-0",
        "hidden scores were set to 0 instead of -inf",
        _filled_with_zero,
        ("harvard-edge/cs249r_book#1785",),
    ),
    Variant(
        "mask-inverted", "the hidden keys were seen, and the others hidden", _inverted,
        ("harvard-edge/cs249r_book#1785",),
    ),
    Variant(
        "mask-transposed",
        "the mask was transposed: rows were taken for columns",
        _transposed,
        ("Coursera, Natural Language Processing with Attention Models, week 2",),
    ),
    Variant(
        "causal-itself-hidden",
        "causal order hid each token from itself",
        partial(_causal_off_by, -1),
        ("pytorch/tutorials#2250, asked for",),
    ),
    Variant(
        "causal-next-visible",
        "causal order let each query see the key after it",
        partial(_causal_off_by, 1),
    ),
    Variant("no-causal", "causal order was left out", partial(_dropped, "causal")),
    Variant("no-mask", "the mask was left out", partial(_dropped, "mask")),
    Variant("no-window", "the window was left out", partial(_dropped, "window")),
    Variant("no-lengths", "the lengths were left out", partial(_dropped, "key_lengths")),
)  # fmt: skip
