"""The catalogue of steps: the properties of each that do not depend on the problem."""

from __future__ import annotations

from attn_cli.errors import AttnError, did_you_mean
from attn_cli.maths.pipeline import STAGES
from attn_cli.record import StepInfo


def catalogue() -> tuple[StepInfo, ...]:
    """Return all steps that there can be, in the usual order."""
    return tuple(
        StepInfo(
            name=stage.name,
            meaning=stage.meaning,
            expression=stage.usual(),
            axes=stage.axes,
            shape=stage.shape,
            role=stage.role,
            condition=stage.condition,
            reads=stage.may_read,
            read_by=tuple(other.name for other in STAGES if stage.name in other.may_read),
            aliases=stage.aliases,
            aside=stage.aside,
        )
        for stage in STAGES
    )


def step_info(name: str) -> StepInfo:
    """Return one step; raise AttnError, listing the names, if there is none of that name."""
    steps = {step.name: step for step in catalogue()}
    if name not in steps:
        meant = {word: step.name for step in steps.values() for word in step.aliases}
        raise AttnError(
            f"unknown step '{name}'",
            help=did_you_mean(name, steps, what="there are", meant=meant, listed=True),
        )
    return steps[name]
