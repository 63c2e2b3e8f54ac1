"""All stages, and those of a problem in the order computed.

The order is that of the table, except that a step comes after those that it reads: softcap, bias
and mask are in the problem's order, and `present_key` is after `k_rotated` if the past is rotated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.maths.exponentials import EXPONENTIALS
from attn_cli.maths.inputs import INPUTS
from attn_cli.maths.meeting import MEETING
from attn_cli.maths.next_word import NEXT_WORD
from attn_cli.maths.pairs import PAIRS
from attn_cli.maths.rows import ROW_STAGES
from attn_cli.maths.stage import Reads, Stage, StepSpec
from attn_cli.maths.weighing import WEIGHING

if TYPE_CHECKING:
    from attn_cli.maths.problem import Problem

# A new stage is one row here: behind those that it reads, and anywhere among the rest.
STAGES: list[Stage] = [*INPUTS, *MEETING, *PAIRS, *EXPONENTIALS, *WEIGHING, *ROW_STAGES, *NEXT_WORD]


def pipeline(problem: Problem) -> dict[str, StepSpec]:
    """Return the steps that a problem has by name, in the order computed."""
    found: dict[str, StepSpec] = {}
    waiting: list[tuple[Stage, Reads]] = []  # for the steps that they read
    for each in STAGES:
        given = each.reads(problem)
        if given is None:
            continue
        waiting.append((each, given))
        while (at := _first_ready(waiting, found)) is not None:
            stage, reads = waiting.pop(at)
            found[stage.name] = stage.of(problem, found, reads)
    return found  # those that wait still read steps that the problem does not have


def _first_ready(waiting: list[tuple[Stage, Reads]], found: dict[str, StepSpec]) -> int | None:
    """Return the number of the first stage of which all that it reads is there."""
    for at, (_, reads) in enumerate(waiting):
        if all(name in found for name in reads):
            return at
    return None


def names() -> tuple[str, ...]:
    """Return the names of all steps that there can be, in the usual order."""
    return tuple(stage.name for stage in STAGES)
