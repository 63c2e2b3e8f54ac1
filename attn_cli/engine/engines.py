"""The registry of engines, and the choice of one for a plan.

The choice is between the definition and tiles; others compute only if they are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attn_cli.dataclass import dataclass
from attn_cli.engine.plan import Plan, not_contexts_alone
from attn_cli.errors import AttnError
from attn_cli.maths.problem import Problem
from attn_cli.registry import Registry

if TYPE_CHECKING:
    from attn_cli.engine.protocol import Engine

ENGINES: Registry[Engine] = Registry(
    "engine",
    "ENGINE",
    {"definition": "attn_cli.engine.definition", "tiles": "attn_cli.engine.tiles"},
    listed=True,
)
FROM = 1 << 20  # tiles are used from this number of scores per entry on


@dataclass(frozen=True)
class EngineChoice:
    """The engine chosen for a plan, and why those before it were not."""

    engine: Engine
    refused: Mapping[str, str]


def choose(problem: Problem, plan: Plan, asked: str | Engine | None = None) -> EngineChoice:
    """Return the requested engine, given by name or as an object, or else the faster one.

    Raises AttnError if there is no engine of that name, or if it refuses the plan.
    """
    if asked is not None:
        engine = ENGINES.get(asked) if isinstance(asked, str) else asked
        why = engine.refuses(problem, plan)
        if why is not None:
            raise AttnError(
                f"the engine {engine.name} does not compute this: {why}",
                help="leave the engine out to use one that does",
            )
        return EngineChoice(engine, {})
    why = not_contexts_alone(plan)  # not None for most plans, which then import no other engine
    if why is None and len(plan.computed) * problem.n_k < FROM:
        why = "there are too few scores for it to be faster"
    if why is None:
        tiles = ENGINES.get("tiles")
        why = tiles.refuses(problem, plan)
        if why is None:
            return EngineChoice(tiles, {})
    return EngineChoice(ENGINES.get("definition"), {"tiles": why})


def engine_settings(chosen: EngineChoice) -> dict[str, object]:
    """Return the settings of a record that name its engine."""
    return {"name": chosen.engine.name, "refused": dict(chosen.refused)}
