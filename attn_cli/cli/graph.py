"""`attn graph`: the weights as a directed graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_place, emit, style_for
from attn_cli.cli.formats import choose_format
from attn_cli.cli.inputs import Force, reading_inputs
from attn_cli.cli.options import (
    Batch,
    Head,
    KeyOptions,
    Output,
    ProblemOptions,
    Quiet,
    Text,
    check_digits,
    number_of,
    say_meaningless,
)
from attn_cli.cli.resources import Memory, memory_of
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, ExitStatus
from attn_cli.views.bars import BAR
from attn_cli.views.graph import GRAPH_FORMATS, GRAPH_RENDERERS

if TYPE_CHECKING:
    from attn_cli.lab.weights_graph import Graph
    from attn_cli.maths.problem import Request


@dataclass(kw_only=True)
class EdgeOptions:
    """Which weights are edges of the graph."""

    threshold: Annotated[
        str,
        typer.Option(
            "--threshold",
            metavar="W",
            help="Leave out weights with a smaller absolute value (default: 0.01).",
            show_default=False,
        ),
    ] = "0.01"
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="N",
            help="Draw only the N strongest edges (default: 50).",
            show_default=False,
        ),
    ] = 50
    batch: Batch = None
    head: Head = None
    memory: Memory = None

    @property
    def least(self) -> float:
        """The weight below which an edge is left out."""
        return number_of("--threshold", self.threshold)

    def request(self) -> Request:
        """Return the request; raise AttnError for an option that is out of range."""
        from attn_cli.maths.problem import Request

        if self.least < 0:
            raise AttnError(
                f"--threshold must be 0 or more, not {self.least:.15g}",
                help="0 leaves out no weight but those that are 0; a negative weight counts as "
                "far as it is from 0",
            )
        if self.top < 1:
            raise AttnError(
                f"--top must be 1 or more, not {self.top}",
                help="for every weight write --threshold 0 and a --top that is large enough",
            )
        return Request(
            steps=("weights",),
            batch=self.batch,
            head=self.head,
            memory=memory_of(self.memory),
        )


@dataclass(kw_only=True)
class GraphOutputOptions:
    """How the graph is shown and where it goes."""

    format: Annotated[
        Text,
        typer.Option("--format", "-f", metavar="FORMAT", help=f"{', '.join(GRAPH_FORMATS)}."),
    ] = None
    output: Output = None
    force: Force = False
    digits: Annotated[
        int | None,
        typer.Option(
            "--digits", metavar="N", help="Decimals of weights (default: 4), not in json."
        ),
    ] = None
    quiet: Quiet = False

    @property
    def name(self) -> str:
        """The name of the format: as asked for, else by the suffix of the file, else text."""
        return choose_format(GRAPH_FORMATS, self.format, self.output)

    def check(self) -> None:
        """Raise AttnError for an unknown format or digits; warn of digits without effect."""
        given = [] if self.digits is None else ["digits"]
        say_meaningless(GRAPH_FORMATS, self.name, given, quiet=self.quiet)
        check_digits(self.digits)
        check_place(self.output)

    def deliver(self, graph: Graph) -> ExitStatus:
        """Render the graph, write it to standard output or the file, and warn."""
        if self.quiet:
            graph = replace(graph, warnings=())
        name = self.name
        style = style_for(self.output, self.digits, characters=BAR)
        rendered = GRAPH_RENDERERS.get(name)(graph, style)
        emit(rendered, graph.warnings, self.output, drawn=GRAPH_FORMATS[name].drawn)
        return ExitStatus.DONE


def graph(
    problem: ProblemOptions, keys: KeyOptions, edges: EdgeOptions, output: GraphOutputOptions
) -> int:
    """Draw which token attends to which: one edge per weight, the strongest first.

    \b
    attn graph samples/love_coding.yaml
    attn graph samples/bank.yaml --format dot -o bank.dot
    attn graph samples/cross_attention.yaml --threshold 0.2 --format mermaid
    attn samples gaussian | attn graph - --top 3 --format json
    """
    output.check()
    request = edges.request()
    from attn_cli.engine.run import run
    from attn_cli.lab.weights_graph import graph as graph_of

    with reading_inputs(output.output, force=output.force, memory=edges.memory) as inputs:
        loaded = problem.read(keys, inputs).named(edges.batch)
    record = run(loaded, request, command="graph")
    return output.deliver(graph_of(record, threshold=edges.least, top=edges.top))
