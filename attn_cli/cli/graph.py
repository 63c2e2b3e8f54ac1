"""`attn graph`: the weights as a directed graph."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import (
    Batch,
    Head,
    KeyOptions,
    ProblemOptions,
    number_of,
)
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.resources import Memory, memory_of
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError

if TYPE_CHECKING:
    from attn_cli.maths.problem import Problem, Request
    from attn_cli.views import View

TOP = 50  # edges, if no option sets a number and the view has no default


@dataclass(kw_only=True)
class EdgeOptions:
    """The options that choose which weights are edges of the graph."""

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
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            help="Draw only the N strongest edges (default: 50; svg, png: all).",
            show_default=False,
        ),
    ] = None
    batch: Batch = None
    head: Head = None
    memory: Memory = None

    @property
    def least(self) -> float:
        """The weight below which an edge is left out."""
        return number_of("--threshold", self.threshold)

    def request(self, view: View) -> Request:
        """Return the request; raise AttnError for an option that is out of range."""
        from attn_cli.maths.problem import Request

        if self.least < 0:
            raise AttnError(
                f"--threshold must be 0 or more, not {self.least:.15g}",
                help="0 leaves out no weight but those that are 0; a negative weight counts as "
                "far as it is from 0",
            )
        if self.top is not None and self.top < 1:
            raise AttnError(
                f"--top must be 1 or more, not {self.top}",
                help="for every weight write --threshold 0 and a --top that is large enough",
            )
        return Request(
            steps=("weights",),
            batch=self.batch,
            head=self.head,
            memory=memory_of(self.memory),
            marks=view.bounded,
        )

    def strongest(self, view: View) -> int | None:
        """Return how many edges a view draws at most; None: all, as in a picture."""
        return TOP if self.top is None and not view.bounded else self.top

    def check_size(self, problem: Problem, view: View) -> None:
        """Raise AttnError for a problem that is too large for the view."""
        chosen = {"batch": self.batch, "head": self.head}
        entries = zip(problem.lead_axes, problem.lead, strict=True)
        panels = prod(size for axis, size in entries if chosen[axis] is None)
        view.check_size(queries=problem.n_q, keys=problem.n_k, panels=panels)


class GraphOutput(OutputOptions):
    """The options of output of the graph."""

    results = ("Graph",)


def graph(
    problem: ProblemOptions, keys: KeyOptions, edges: EdgeOptions, output: GraphOutput
) -> int:
    """Draw which token attends to which: one edge per weight, the strongest first.

    \b
    attn graph samples/love_coding.yaml
    attn graph samples/bank.yaml --format dot -o bank.dot
    attn graph samples/cross_attention.yaml --threshold 0.2 --format mermaid
    attn graph samples/two_heads.yaml -o two_heads.svg
    attn samples gaussian | attn graph - --top 3 --format json
    """
    view = output.check()
    check_target(output)
    request = edges.request(view)
    from attn_cli.engine.run import run
    from attn_cli.lab.weights_graph import graph as graph_of

    with reading_inputs(output.output, force=output.force, memory=edges.memory) as inputs:
        loaded = problem.read(keys, inputs).named(edges.batch)
    edges.check_size(loaded, view)
    record = run(loaded, request, command="graph")
    drawn = graph_of(record, threshold=edges.least, top=edges.strongest(view))
    return deliver(drawn, output)
