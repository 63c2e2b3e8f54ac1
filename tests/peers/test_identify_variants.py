"""Every variant of four problems is identified; `tests/laws/test_identify.py` has some of them."""

import pytest

from tests.laws.identified import PROBLEMS, asked, based, every, kernel_of, right


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_variant_is_found(name: str) -> None:
    base = based(name)
    wrong = []
    for each in every(base):
        values = kernel_of(base, each)
        if values is not None and not right(each, asked(base, values)):
            wrong.append(each.hypotheses[0].name)
    assert not wrong
