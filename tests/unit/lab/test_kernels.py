"""The variants of kernels: each against the oracle with the changed keys, or against NumPy.

A variant with changed keys is computed from the problem's parts; the oracle reads the keys.
"""

from functools import cache
from typing import Any

import numpy as np

from attn_cli.lab.variants import Base
from attn_cli.lab.variants.kernels import KERNELS
from attn_cli.lab.variants.shared import Sample
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
def results() -> dict[str, dict[str, Any]]:
    """Of each variant that means something for a problem: variant -> problem -> its steps."""
    found: dict[str, dict[str, Any]] = {}
    for name in PROBLEMS:
        for variant in KERNELS:
            problem = variant.of(base_of(name))
            if problem is not None:
                steps = sample_of(name).of(problem)
                assert steps is not None or variant.name == "no-past"  # it has fewer keys
                found.setdefault(variant.name, {})[name] = steps or {}
    return found


def differs(name: str, steps: dict[str, Any]) -> bool:
    own = sample_of(name).own
    return not steps or any(not np.allclose(steps[s], own[s], equal_nan=True) for s in own)


def test_each_variant_changes_the_numbers_of_some_problem() -> None:
    same = [
        variant.name
        for variant in KERNELS
        if not any(differs(*each) for each in results().get(variant.name, {}).items())
    ]
    assert not same


def test_changed_keys_say_the_same_to_the_oracle() -> None:
    """Each variant on the first problem whose numbers it changes: the oracle takes its time."""
    for variant in KERNELS:
        of_problems = results()[variant.name]
        name = next(name for name, steps in of_problems.items() if differs(name, steps))
        changes = variant.changes(base_of(name))
        if changes is None:
            continue
        expected = attention(merged(PROBLEMS[name], changes))
        for step, values in of_problems[name].items():
            np.testing.assert_allclose(
                values, np.array(expected[step], dtype=float), rtol=1e-7, atol=1e-9,
                err_msg=f"{variant.name}: {step}",
            )  # fmt: skip


def test_there_are_no_changes_without_a_variant() -> None:
    for name in PROBLEMS:
        for variant in KERNELS:
            if name not in results().get(variant.name, {}):
                changes = variant.changes(base_of(name))
                assert changes is None or base_of(name).read_with(changes) is None
