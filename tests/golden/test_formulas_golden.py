"""The formulas of every step of every sample, of the oracle's cases and of `formula_cases.OWN`.

`tests/golden/formulas.txt` has the text of each, `latex.txt` each text and its LaTeX. After a
change that is wanted, write both again, and look at what has changed (LaTeX as it is typeset):

    python -m tests.golden.formula_cases
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.golden.formula_cases import GOLDEN, golden, golden_latex
from tests.unit.test_formula import assert_sound

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "made"), [("formulas.txt", golden), ("latex.txt", golden_latex)])
def test_golden(name: str, made: Callable[[], str]) -> None:
    expected = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    found = made().splitlines()
    for at, (here, line) in enumerate(zip(found, expected, strict=False), 1):
        assert here == line, f"{name}, line {at}"
    assert len(found) == len(expected)


def test_latex_of_every_formula_is_sound() -> None:
    lines = (GOLDEN / "latex.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) % 2 == 0
    for latex in lines[1::2]:
        assert_sound(latex.strip())
