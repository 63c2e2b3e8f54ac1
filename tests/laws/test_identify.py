"""What a variant makes is identified as that variant; `make test-peers` asks about all of them."""

import pytest

from attn_cli.errors import ExitStatus
from tests.laws.identified import asked, based, every, kernel_of, right

FEW = 25  # of so many variants one is asked about


@pytest.mark.parametrize("name", ["plain", "lengths"])
def test_variants_are_found(name: str) -> None:
    base = based(name)
    itself, *others = every(base)
    values = kernel_of(base, itself)
    assert values is not None
    assert asked(base, values).status == ExitStatus.DONE
    tried = 0
    for candidate in others[FEW // 2 :: FEW]:
        values = kernel_of(base, candidate)
        if values is not None:
            tried += 1
            assert right(candidate, asked(base, values)), candidate.hypotheses[0].name
    assert tried
