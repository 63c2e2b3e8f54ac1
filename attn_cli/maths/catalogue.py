"""The catalogues: the properties of each step, score function and normaliser in all problems."""

from __future__ import annotations

from typing import Any

from attn_cli.errors import AttnError, did_you_mean
from attn_cli.lists import FunctionInfo, Functions, ParameterInfo, StepInfo
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.pipeline import STAGES
from attn_cli.maths.scores import SCORES
from attn_cli.registry import Registry


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


def scores(name: str | None = None) -> Functions:
    """Return all score functions, or the one of that name; raise AttnError if there is none."""
    return _functions("scores", "score", SCORES, name)


def normalizers(name: str | None = None) -> Functions:
    """Return all normalisers, or the one of that name; raise AttnError if there is none."""
    return _functions("normalizers", "normalize", NORMALIZERS, name)


def _functions(command: str, key: str, registry: Registry[Any], name: str | None) -> Functions:
    entries = registry if name is None else [registry.get(name)]
    return Functions(
        command=command,
        key=key,
        entries=tuple(_function_info(entry, key, registry.default) for entry in entries),
        explained=name is not None,
    )


def _function_info(entry: Any, key: str, default: str) -> FunctionInfo:
    """Return what people know of a score function or a normaliser."""
    return FunctionInfo(
        name=entry.name,
        expression=entry.formula,
        explanation=entry.explanation,
        reference=entry.reference,
        parameters=tuple(
            ParameterInfo(
                name=each.name,
                signature=each.signature,
                meaning=each.meaning,
                optional=each.optional,
            )
            for each in entry.parameters
        ),
        default=entry.name == default,
        written=f"{key}: {_written(entry)}",
    )


def _written(entry: Any) -> str:
    """Return how a problem file names it, with the parameters that it must have."""
    if getattr(entry, "selection", None):  # it needs one of several
        return f"{{function: {entry.name}, window: 2}}"
    required = ", ".join(f"{p.name}: ..." for p in entry.parameters if not p.optional)
    return f"{{function: {entry.name}, {required}}}" if required else str(entry.name)
