"""Usual mistakes with hidden keys: masks that are dropped, turned, filled or applied too late."""

from __future__ import annotations

from functools import partial

import numpy as np

from attn_cli.arrays import Bools
from attn_cli.dataclass import replace
from attn_cli.formula import Words
from attn_cli.lab.altered import with_steps
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.maths.adjustments import Masking
from attn_cli.maths.place import FAR, Place, near
from attn_cli.maths.problem import Problem
from attn_cli.maths.rules import Rules
from attn_cli.maths.visible.base import Scheme
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.user import Mask


def _seeing(base: Base, visible: Bools) -> Problem | None:
    """Return the problem in which exactly these keys are seen; None if that changes nothing."""
    if np.array_equal(visible, base.visible):
        return None
    mask = Mask(visible, None, Words("the variant sees it"), hides=not visible.all())
    return replace(base.problem, rules=_with_schemes(base.problem.rules, (mask,)))


def _with_schemes(rules: Rules, schemes: tuple[Scheme, ...]) -> Rules:
    """Return the rules with other schemes, also in the step that masks."""
    adjustments = [
        replace(each, hides=schemes) if isinstance(each, Masking) else each
        for each in rules.adjustments
    ]
    masks = any(isinstance(each, Masking) for each in adjustments)
    if not masks and schemes:
        adjustments.append(Masking(None, schemes))
    return replace(rules, schemes=schemes, adjustments=tuple(adjustments))


def _hides(base: Base) -> bool:
    return not base.visible.all()


def _dropped(reason: str, base: Base) -> Problem | None:
    """Return the problem without the schemes of a reason."""
    rules = base.problem.rules
    kept = tuple(scheme for scheme in rules.schemes if scheme.reason != reason)
    if len(kept) == len(rules.schemes):
        return None
    return replace(base.problem, rules=_with_schemes(rules, kept))


def _inverted(base: Base) -> Problem | None:
    return _seeing(base, ~base.visible) if _hides(base) else None


def _transposed(base: Base) -> Problem | None:
    if base.problem.n_q != base.problem.n_k:
        return None
    return _seeing(base, base.visible.swapaxes(-1, -2))


def _causal_off_by(shift: int, base: Base) -> Problem | None:
    """Return the problem whose causal order ends `shift` keys later, or earlier."""
    problem = base.problem
    causal = [scheme for scheme in problem.rules.schemes if isinstance(scheme, Causal)]
    if not causal:
        return None
    visible = np.ones_like(base.visible)
    i, j = np.arange(problem.n_q), np.arange(problem.n_k)
    for batch, head in np.ndindex(visible.shape[:2]):
        at = Place(batch, head, i, j, problem.token_positions)
        for scheme in problem.rules.schemes:
            seen = scheme.sees(at)
            if isinstance(scheme, Causal):
                seen = near(at.p_i, at.p_j, FAR, shift)
            visible[batch, head] &= seen
    return _seeing(base, visible)


def _filled_with_zero(base: Base) -> Problem | None:
    """Return the problem in which hidden scores are 0 instead of -inf."""
    if not _hides(base):
        return None
    rules = base.problem.rules
    adjustments = tuple(
        replace(each, fill=0.0, adds=False) if isinstance(each, Masking) else each
        for each in rules.adjustments
    )
    return replace(base.problem, rules=replace(rules, adjustments=adjustments, empty_rows=None))


def _after_softmax(base: Base) -> Problem | None:
    """Return the problem whose hidden weights are set to 0 after softmax, without a new sum."""
    if not _hides(base):
        return None
    unmasked = replace(base.problem, rules=_with_schemes(base.problem.rules, ()))
    weights = Base(unmasked).steps["weights"]
    visible = np.broadcast_to(base.visible, (*base.visible.shape[:2], *weights.shape[-2:]))
    return with_steps(unmasked, {"weights": weights * visible.reshape(weights.shape)})


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
