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
from attn_cli.record import Step


def repeats(
    problem: Problem, plans: Mapping[str, StepPlan], steps: Mapping[str, Step]
) -> dict[str, str]:
    """Return step -> the first step that it is equal to, of steps in the order computed."""
    found: dict[str, str] = {}
    before: list[str] = []
    for name, step in steps.items():
        for same in before if isinstance(step.expression, Equation) else ():
            if _same_formula(step, steps[same]) and _alike(problem, plans[name], plans[same]):
                found[name] = found.get(same, same)
                break
        before.append(name)
    return found


def _same_formula(step: Step, earlier: Step) -> bool:
    """Return whether a step is equal to an earlier one by its formula, an equation."""
    value, there = step.expression.parts[1], earlier.expression
    if step.reads == (earlier.name,) and value in _names(earlier.name, there):
        return True
    same_reads = step.reads in (earlier.reads, (earlier.name,))
    return same_reads and isinstance(there, Equation) and value == there.parts[1]


def _names(name: str, formula: Formula) -> tuple[Formula, ...]:
    """Return the symbols of a step: its name, and the letter that its formula defines."""
    letter = formula.parts[0] if isinstance(formula, Equation | Remark) else formula
    return Symbol(name), letter


def _alike(problem: Problem, step: StepPlan, earlier: StepPlan) -> bool:
    """Return whether two steps have the same shape, order of axes, type and meaning."""
    return (
        step.shape == earlier.shape
        and step.kept == earlier.kept
        and step.spec.type == earlier.spec.type
        and step.spec.stage.role == earlier.spec.stage.role
        and order_of(problem, step.spec, step.axes) == order_of(problem, earlier.spec, earlier.axes)
    )
