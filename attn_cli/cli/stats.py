"""`attn stats`: statistics of weights, per head or per query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import Batch, Head, KeyOptions, ProblemOptions, Rows, rows_of
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.resources import ResourceOptions
from attn_cli.dataclass import dataclass

if TYPE_CHECKING:
    from attn_cli.maths.problem import Problem, Request


@dataclass(kw_only=True)
class StatisticsOptions:
    """Of which weights statistics are, and whether per query."""

    per_query: Annotated[
        bool, typer.Option("--per-query", help="One line per query, not per head.")
    ] = False
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="STEP",
            help="The step of weights: weights (default), dropped or gate.",
            show_default=False,
        ),
    ] = "weights"
    rows: Rows = None
    batch: Batch = None
    head: Head = None
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Compute all queries; of very large inputs some are taken."),
    ] = False

    def request(self, problem: Problem, resources: ResourceOptions) -> tuple[Request, int]:
        """Return the request, and how far apart its queries are: 1 if all are taken."""
        from attn_cli.lab.sampling import sampled
        from attn_cli.maths.problem import Request

        rows = rows_of(self.rows, problem.n_q)
        entries = 1
        for size, axis in zip(problem.lead, problem.lead_axes, strict=True):
            entries *= size if getattr(self, axis) is None else 1
        taken = range(len(rows)) if self.exact else sampled(len(rows), problem.n_k, entries)
        rows = rows[taken.start : taken.stop : taken.step]
        request = Request(
            steps=(self.only,),
            rows=None if len(rows) == problem.n_q else tuple(rows),
            batch=self.batch,
            head=self.head,
            **resources.given(),
        )
        return request, taken.step


class StatisticsOutput(OutputOptions):
    """How statistics are shown and where they go."""

    results = ("Statistics",)


def stats(
    problem: ProblemOptions,
    keys: KeyOptions,
    which: StatisticsOptions,
    resources: ResourceOptions,
    output: StatisticsOutput,
) -> int:
    """Measure where attention goes: how many keys hold the weights of a query, and which.

    One line per head: entropy in bits and the effective number of keys, the largest weight, the
    distance from query to key, the weight on the first key, on the query's own and on the one
    before it. Values are means over queries.

    \b
    attn stats samples/two_heads.yaml
    attn stats samples/two_heads.yaml --per-query --head 0
    attn stats --query q.npy --key k.npy --value v.npy --causal --format csv
    attn samples bank | attn stats - --format json
    """
    output.check()
    check_target(output)
    from attn_cli.cli.progress import computing
    from attn_cli.lab.statistics import statistics

    with reading_inputs(output.output, force=output.force, memory=resources.memory) as inputs:
        loaded = problem.read(keys, inputs).named(which.batch)
    request, stride = which.request(loaded, resources)
    with computing(loaded, request, streams=True) as on_progress:
        found = statistics(
            loaded, request, per_query=which.per_query, stride=stride, on_progress=on_progress
        )
    return deliver(found, output)
