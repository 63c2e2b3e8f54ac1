"""`attn conventions`: the points on which implementations differ, and the choice of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_cli.cli.deliver import deliver
from attn_cli.cli.output import ListOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.conventions.preset import Preset
    from attn_cli.conventions.presets import Catalogue
    from attn_cli.lab.preset_comparison import Differences


class ConventionOutput(ListOptions):
    """The options of output of conventions."""

    results = ("Catalogue", "Preset", "Differences")


def conventions(
    output: ConventionOutput,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAMES]...",
            help="One preset to explain, or several to compare.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """List the presets and the conventions that they set; explain one, or compare several.

    \b
    attn conventions
    attn conventions onnx
    attn conventions torch flash-attn onnx
    """
    output.check()
    return deliver(_shown(names or []), output)


def _shown(names: list[str]) -> Catalogue | Preset | Differences:
    from attn_cli.conventions.presets import catalogue, preset
    from attn_cli.lab.preset_comparison import compare

    presets = [preset(name) for name in dict.fromkeys(names)]
    if not presets:
        return catalogue()
    return presets[0] if len(presets) == 1 else compare(presets, _compute)


def _compute(problem: Mapping[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of steps of a problem as nested lists."""
    from attn_cli.api import compute

    record = compute(problem, steps=steps)
    return {step: record[step].tolist() for step in steps}
