"""`attn conventions`: what implementations disagree about, and which does what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_cli.cli.deliver import emit, style_for
from attn_cli.cli.formats import choose_format
from attn_cli.errors import ExitStatus
from attn_cli.views.conventions import CONVENTION_FORMATS, CONVENTION_RENDERERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.conventions.preset import Preset
    from attn_cli.conventions.presets import Catalogue
    from attn_cli.lab.preset_comparison import Differences


def conventions(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAMES]...",
            help="One preset to explain, or several to compare.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="FORMAT", help=f"{', '.join(CONVENTION_FORMATS)}."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to FILE; its suffix sets the format."
        ),
    ] = None,
) -> int:
    """List the presets and the conventions that they set; explain one, or compare several.

    \b
    attn conventions
    attn conventions onnx
    attn conventions torch flash-attn onnx
    """
    name = choose_format(CONVENTION_FORMATS, format, output)
    rendered = CONVENTION_RENDERERS.get(name)(_shown(names or []), style_for(output, None))
    emit(rendered, (), output, drawn=CONVENTION_FORMATS[name].drawn)
    return ExitStatus.DONE


def _shown(names: list[str]) -> Catalogue | Preset | Differences:
    from attn_cli.conventions.presets import catalogue, preset
    from attn_cli.lab.preset_comparison import compare

    presets = [preset(name) for name in dict.fromkeys(names)]
    if not presets:
        return catalogue()
    return presets[0] if len(presets) == 1 else compare(presets, _compute)


def _compute(problem: Mapping[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
    """Return steps of a problem as nested lists."""
    from attn_cli.api import compute

    record = compute(problem, steps=steps)
    return {step: record[step].tolist() for step in steps}
