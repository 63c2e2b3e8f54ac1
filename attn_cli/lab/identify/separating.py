"""What would separate hypotheses that give the same numbers on an input: another step of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attn_cli.lab.identify.judging import size
from attn_cli.lab.identify.observed import Part
from attn_cli.lab.noise import difference, rms
from attn_cli.lab.variants import Base
from attn_cli.lab.variants.shared import Sample
from attn_cli.maths.problem import Problem

_STEPS = ("lse", "weights", "scores", "k_rotated", "q_rotated")
_APART = 0.01  # of the size of a step: far more than noise of 16 bits


def separating(
    base: Base, part: Part, one: Problem, other: Problem, observed: Collection[str]
) -> list[str]:
    """Return the steps, of those that were not observed, in which two problems differ clearly."""
    found = []
    for name in _STEPS:
        if name in observed or name not in base.specs:
            continue
        sample = Sample(base, (name,), rows=part.rows, heads=part.heads)
        first, second = sample.of(one), sample.of(other)
        if first is None or second is None:
            continue
        left = difference(first[name], second[name])
        odd = (left != left).any()
        if odd or size(left) > _APART * (rms(first[name]) or 1.0):
            found.append(name)
    return found


def advice(steps: Sequence[str]) -> tuple[str, ...]:
    """Return what to do to separate hypotheses that differ in these steps."""
    observe = (f"observe {' or '.join(steps)}, in which they differ",) if steps else ()
    probe = "run the kernel on the probe, the fixed input that separates hypotheses"
    return (*observe, probe)
