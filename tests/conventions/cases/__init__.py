"""One problem for each convention, by its name: all that the name does not say is the default."""

from __future__ import annotations

from typing import Any

from tests.conventions.cases.after import AFTER
from tests.conventions.cases.embedded import EMBEDDED
from tests.conventions.cases.hiding import HIDING
from tests.conventions.cases.inputs import INPUTS
from tests.conventions.cases.positions import POSITIONS
from tests.conventions.cases.stages import STAGES
from tests.conventions.strategies import problem_of

# Made at once, so that one case has the same numbers whichever others run.
PROBLEMS: dict[str, dict[str, Any]] = {
    name: problem_of(sizes, keys)
    for name, (sizes, keys) in {**INPUTS, **HIDING, **POSITIONS, **STAGES, **AFTER}.items()
} | EMBEDDED
