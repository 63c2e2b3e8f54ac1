"""Which steps are equal to an earlier step by definition, so that tables need only one of the two.

    output = context              the formula is the step that it reads, and nothing else
    scores = Q K^T                the formula of `products`, which it reads
    V = M                         the formula of `k`, of the same inputs

Numbers are never compared: two steps that happen to be equal are two steps.
"""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.engine.order import order_of
from attn_cli.engine.step_plan import StepPlan
from attn_cli.formula import Equation, Formula, Remark, Symbol
from attn_cli.maths.problem import Problem


def repeats(problem: Problem, steps: Mapping[str, StepPlan]) -> dict[str, str]:
    """Return step -> the first step that it is equal to, of steps in the order computed."""
    found: dict[str, str] = {}
    before: list[StepPlan] = []
    for name, step in steps.items():
        same = next((each.name for each in before if _is(problem, step, each)), None)
        if same is not None:
            found[name] = found.get(same, same)
        before.append(step)
    return found


def _is(problem: Problem, step: StepPlan, earlier: StepPlan) -> bool:
    """Return whether a step is equal to an earlier one by its formula, with the same rounding."""
    formula, reads = step.spec.formula, step.spec.reads
    alike = (
        step.shape == earlier.shape
        and _order(problem, step) == _order(problem, earlier)
        and step.kept == earlier.kept
        and step.spec.type == earlier.spec.type
        and step.spec.stage.role == earlier.spec.stage.role
    )
    if not alike or not isinstance(formula, Equation):
        return False
    value, there = formula.parts[1], earlier.spec.formula
    if reads == (earlier.name,) and value in _names(earlier.name, there):
        return True
    same_reads = reads in (earlier.spec.reads, (earlier.name,))
    return same_reads and isinstance(there, Equation) and value == there.parts[1]


def _order(problem: Problem, step: StepPlan) -> tuple[int, ...]:
    return order_of(problem, step.spec, step.axes)


def _names(name: str, formula: Formula) -> tuple[Formula, ...]:
    """Return the symbols of a step: its name, and the letter that its formula defines."""
    letter = formula.parts[0] if isinstance(formula, Equation | Remark) else formula
    return Symbol(name), letter
