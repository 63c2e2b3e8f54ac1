"""`attn heatmap`: a step as a heat map, in the terminal or as a picture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_target, deliver, style_of
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import KeyOptions, ProblemOptions
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.part import PartOptions, read_stored
from attn_cli.cli.resources import Memory, memory_of
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, did_you_mean, printable

if TYPE_CHECKING:
    from attn_cli.lab.drawing import Chosen, Drawing
    from attn_cli.lab.heat_map import HeatMap
    from attn_cli.sources.matrices.files import Inputs
    from attn_cli.views import View

COLOURS = ("auto", "linear", "log", "row")
POOLS = ("mass", "max")


@dataclass(kw_only=True)
class HeatMapOptions(PartOptions):
    """The step that is drawn, the part of it, and how its numbers become colours."""

    only: Annotated[
        str,
        typer.Option(
            "--only", metavar="STEP", help="The step (default: weights).", show_default=False
        ),
    ] = "weights"
    colours: Annotated[
        str,
        typer.Option(
            "--colours",
            metavar="SCALE",
            help="Scale: linear, log, row (each row by its own largest), or auto: log from 65 keys "
            "on.",
            show_default=False,
        ),
    ] = "auto"
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="RULE",
            help="What a cell of many tokens shows: mass (default of weights: keys summed, mean of "
            "queries) or max (the largest).",
        ),
    ] = None
    exact: Annotated[
        bool, typer.Option("--exact", help="Compute all rows, also those of very large inputs.")
    ] = False
    memory: Memory = None

    def check(self) -> None:
        """Raise AttnError for a value that an option does not have."""
        for option, value, known in (
            ("--colours", self.colours, COLOURS),
            ("--pool", self.pool or POOLS[0], POOLS),
        ):
            if value not in known:
                raise AttnError(
                    f"{option} cannot be '{printable(value)}'",
                    help=did_you_mean(value, known, what="there are"),
                )


@dataclass(kw_only=True)
class HeatMapOutput(OutputOptions):
    """The options of output of the heat map."""

    results = ("HeatMap",)

    digits: Annotated[
        int | None,
        typer.Option(
            "--digits", metavar="N", help="Decimals of numbers in cells (default: 2; json: all)."
        ),
    ] = None


def heatmap(
    problem: ProblemOptions, keys: KeyOptions, options: HeatMapOptions, output: HeatMapOutput
) -> int:
    """Draw the weights, or another step, as a heat map: queries down, keys across.

    FILE is a problem, what attn wrote (JSON, NPZ), or weights alone in an NPY of 2 to 4 axes:
    ([batch,] [heads,] queries, keys). Large maps are pooled to what fits; the legend says how.

    \b
    attn heatmap samples/two_heads.yaml
    attn compute samples/two_heads.yaml --only weights -o weights.npy
    attn heatmap weights.npy --tokens 'the cat drinks milk' --head 0,1
    attn samples bank | attn heatmap - --only masked
    """
    view = output.check()
    options.check()
    check_target(output)
    chosen = options.chosen()
    with reading_inputs(output.output, force=output.force, memory=options.memory) as inputs:
        drawing = _drawing(problem, keys, options, chosen, inputs)
    return deliver(_drawn(drawing, options, output, view), output)


def _drawn(drawing: Drawing, options: HeatMapOptions, output: HeatMapOutput, view: View) -> HeatMap:
    """Return the heat map with as many cells as the format has room for."""
    from attn_cli.lab.drawing import draw

    style = style_of(output, view)
    fit = view.fit(drawing.outline, style)
    heat = draw(drawing, fit, colours=options.colours, pool=options.pool, exact=options.exact)
    if heat.diverging == drawing.outline.signed:
        return heat
    # Weights with negative numbers can need more room; that is known only now.
    signed = replace(drawing, outline=replace(drawing.outline, signed=True))
    other = view.fit(signed.outline, style)
    if other == fit:
        return heat
    return draw(signed, other, colours=options.colours, pool=options.pool, exact=options.exact)


def _drawing(
    problem: ProblemOptions,
    keys: KeyOptions,
    options: HeatMapOptions,
    chosen: Chosen,
    inputs: Inputs,
) -> Drawing:
    """Return the step to draw: one of a file, or one that is computed."""
    from attn_cli.lab.result_drawing import of_result

    result = read_stored(problem, keys, options.only, options, inputs)
    if result is not None:
        return of_result(result, chosen)
    from attn_cli.cli.progress import computing
    from attn_cli.lab.problem_drawing import of_problem
    from attn_cli.maths.problem import Request

    loaded = problem.read(keys, inputs).named(options.batch)
    request = Request(steps=(options.only,), memory=memory_of(options.memory))
    return of_problem(loaded, request, chosen, partial(computing, streams=True))
