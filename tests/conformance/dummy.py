"""An engine that is registered by a test: the definition, which refuses some problems."""

from __future__ import annotations

from attn_cli.engine.definition import Definition
from attn_cli.engine.plan import Plan
from attn_cli.maths.problem import Problem


class Dummy(Definition):
    """Refuses heads, and says so."""

    def refuses(self, problem: Problem, plan: Plan) -> str | None:
        """Return why not."""
        del plan
        return None if problem.heads is None else "it knows no heads"


ENGINE = Dummy(name="dummy")
