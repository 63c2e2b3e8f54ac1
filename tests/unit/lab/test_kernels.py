"""The variants of kernels: each against the oracle with the changed keys, or against NumPy.

A variant with changed keys is computed from the problem's parts; the oracle reads the keys.
"""

from functools import cache

import numpy as np

from attn_cli.lab.altered import Steps
from attn_cli.lab.variants import Base
from attn_cli.lab.variants.kernels import KERNELS
from attn_cli.lab.variants.shared import Sample
from attn_cli.maths.problem import Problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.oracle import attention
from tests.unit.lab.kernel_problems import PROBLEMS, merged

STEPS = ("products", "scores", "weights", "lse", "output")
BY_NAME = {variant.name: variant for variant in KERNELS}


@cache
def base_of(name: str) -> Base:
    return Base.read(from_mapping(PROBLEMS[name]))


@cache
def sample_of(name: str) -> Sample:
    base = base_of(name)
    return Sample(base, tuple(step for step in STEPS if step in base.specs))


@cache
def varied(variant: str, name: str) -> Problem | None:
    """A problem of a variant; None if the variant means nothing for it."""
    return BY_NAME[variant].of(base_of(name))


@cache
def shown(variant: str) -> tuple[str, Steps] | None:
    """The first problem whose numbers a variant changes, and its steps; None if there is none."""
    for name in PROBLEMS:
        problem = varied(variant, name)
        if problem is not None:
            steps = sample_of(name).of(problem)
            assert steps is not None or variant == "no-past"  # it has fewer keys
            if steps is None or differs(name, steps):
                return name, steps or {}
    return None


def differs(name: str, steps: Steps) -> bool:
    own = sample_of(name).own
    return any(not np.allclose(steps[s], own[s], equal_nan=True) for s in own)


def test_each_variant_changes_the_numbers_of_some_problem() -> None:
    assert [name for name in BY_NAME if shown(name) is None] == []


def test_changed_keys_say_the_same_to_the_oracle() -> None:
    """Each variant on the first problem whose numbers it changes: the oracle takes its time."""
    for variant in KERNELS:
        found = shown(variant.name)
        assert found is not None
        name, steps = found
        changes = variant.changes(base_of(name))
        if changes is None:
            continue
        expected = attention(merged(PROBLEMS[name], changes))
        for step, values in steps.items():
            np.testing.assert_allclose(
                values, np.array(expected[step], dtype=float), rtol=1e-7, atol=1e-9,
                err_msg=f"{variant.name}: {step}",
            )  # fmt: skip


def test_there_are_no_changes_without_a_variant() -> None:
    for name in PROBLEMS:
        for variant in KERNELS:
            if varied(variant.name, name) is None:
                changes = variant.changes(base_of(name))
                assert changes is None or base_of(name).read_with(changes) is None
