"""Every variant of four problems is identified, and each of kernels on some problem.

`tests/laws/test_identify.py` has some of them.
"""

import pytest

from attn_cli.lab.variants.kernels import KERNELS
from tests.laws.identified import (
    FURTHER,
    PROBLEMS,
    asked,
    based,
    every,
    found_again,
    kernel_of,
    right,
)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_variant_is_found(name: str) -> None:
    base = based(name)
    wrong = []
    for each in every(base):
        values = kernel_of(base, each)
        if values is not None and not right(each, asked(base, values)):
            wrong.append(each.hypotheses[0].name)
    assert not wrong


def test_every_variant_of_kernels_is_found_on_some_problem() -> None:
    left = {variant.name for variant in KERNELS}
    for name in (*PROBLEMS, *FURTHER):
        left -= set(found_again(based(name), left))
    assert not left
