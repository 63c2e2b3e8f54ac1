"""What a variant makes is identified as that variant; `make test-peers` asks about all of them."""

import pytest

from attn_cli.errors import ExitStatus
from tests.laws.identified import asked, based, every, found_again, kernel_of, right

FEW = 43  # of so many variants one is asked about


def test_variants_are_found() -> None:
    base = based("lengths")
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


RARE = {
    "base of rope": {"rope-base-10000"},
    "past of few tokens": {"rope-new-keys-from-0"},
    "start of few tokens": {"no-start"},
    "bias of few tokens": {"score-bias-transposed"},
    "documents of few tokens": {"documents-one-later"},
}


@pytest.mark.parametrize("name", RARE)
def test_variants_that_need_other_keys_are_found(name: str) -> None:
    assert set(found_again(based(name), RARE[name])) == RARE[name]
