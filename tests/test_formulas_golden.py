"""The formulas of every step of every sample, of the oracle's cases and of `formula_cases.OWN`.

`tests/golden/formulas.txt` has the text of each. After a change that is wanted:

    python -m tests.formula_cases > tests/golden/formulas.txt
"""

from __future__ import annotations

from tests.formula_cases import golden
from tests.processes import ROOT

GOLDEN = ROOT / "tests" / "golden"


def test_texts() -> None:
    expected = (GOLDEN / "formulas.txt").read_text(encoding="utf-8").splitlines()
    found = golden().splitlines()
    case = ""
    for here, line in zip(found, expected, strict=False):
        case = line if line.startswith("[") else case
        assert here == line, f"in {case}"
    assert len(found) == len(expected)
