"""`attn steps`: all steps that a computation can have, from their rows."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_cli.cli.deliver import emit, style_for
from attn_cli.cli.formats import choose_format
from attn_cli.errors import ExitStatus
from attn_cli.views.steps import STEP_FORMATS, STEP_RENDERERS


def steps(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The one to explain.", show_default=False)
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="FORMAT", help=f"{', '.join(STEP_FORMATS)}."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to FILE; its suffix sets the format."
        ),
    ] = None,
) -> int:
    """List all steps with meaning, formula and shape, or explain one.

    \b
    attn steps
    attn steps weights
    """
    chosen = choose_format(STEP_FORMATS, format, output)
    from attn_cli.maths.catalogue import catalogue, step_info

    shown = catalogue() if name is None else step_info(name)
    rendered = STEP_RENDERERS.get(chosen)(shown, style_for(output, None))
    emit(rendered, (), output, drawn=STEP_FORMATS[chosen].drawn)
    return ExitStatus.DONE
