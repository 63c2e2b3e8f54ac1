"""`attn steps`: all steps that a computation can have, from their rows."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_cli.cli.deliver import deliver
from attn_cli.cli.output import ListOptions


class StepOutput(ListOptions):
    """The options of output of steps."""

    results = ("Steps",)


def steps(
    output: StepOutput,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="The step to explain (default: list all).", show_default=False
        ),
    ] = None,
) -> int:
    """List all steps with meaning, formula and shape, or explain one.

    \b
    attn steps
    attn steps weights
    """
    output.check()
    from attn_cli.lists import Steps
    from attn_cli.maths.catalogue import catalogue, step_info

    if name is None:
        return deliver(Steps(catalogue()), output)
    return deliver(Steps((step_info(name),), explained=True), output)
