"""One problem for each convention, by its name: all that the name does not say is the default."""

from __future__ import annotations

from typing import Any

from tests.conformance.cases.after import AFTER
from tests.conformance.cases.embedded import EMBEDDED
from tests.conformance.cases.hiding import HIDING
from tests.conformance.cases.inputs import INPUTS
from tests.conformance.cases.positions import POSITIONS
from tests.conformance.cases.stages import STAGES
from tests.conformance.strategies import problem_of

FAMILIES: dict[str, tuple[str, ...]] = {
    "inputs": tuple(INPUTS),
    "hiding": tuple(HIDING),
    "positions": tuple(POSITIONS),
    "stages": tuple(STAGES),
    "after": tuple(AFTER),
    "embedded": tuple(EMBEDDED),
}
"""The names of the problems of a kind: tests try those of a kind in turn."""

# Made at once, so that one case has the same numbers whichever others run.
PROBLEMS: dict[str, dict[str, Any]] = {
    name: problem_of(sizes, keys)
    for name, (sizes, keys) in {**INPUTS, **HIDING, **POSITIONS, **STAGES, **AFTER}.items()
} | EMBEDDED
