"""`attn stats`: statistics of weights, per head or per query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import KeyOptions, ProblemOptions
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.part import PartOptions, read_stored
from attn_cli.cli.resources import ResourceOptions
from attn_cli.dataclass import dataclass

if TYPE_CHECKING:
    from attn_cli.lab.drawing import Chosen
    from attn_cli.lab.statistics import Statistics
    from attn_cli.maths.problem import Problem


@dataclass(kw_only=True)
class StatisticsOptions(PartOptions):
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
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Compute all queries; of very large inputs some are taken."),
    ] = False


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

    FILE is a problem, what attn wrote (JSON, NPZ), or weights alone in an NPY of 2 to 4 axes.
    One line per head: entropy in bits and the effective number of keys, the largest weight, the
    distance from query to key, the weight on the first key, on the query's own and on the one
    before it. Values are means over queries.

    \b
    attn stats samples/two_heads.yaml
    attn stats samples/two_heads.yaml --per-query --head 0
    attn stats --query q.npy --key k.npy --value v.npy --causal --format csv
    attn compute samples/two_heads.yaml --only weights -o weights.npy
    attn stats weights.npy --tokens 'the cat drinks milk' --format json
    """
    output.check()
    check_target(output)
    chosen = which.chosen()
    with reading_inputs(output.output, force=output.force, memory=resources.memory) as inputs:
        result = read_stored(problem, keys, which.only, which, inputs)
        if result is not None:
            from attn_cli.lab.result_statistics import of_result

            found = of_result(result, chosen, per_query=which.per_query, exact=which.exact)
            return deliver(found, output)
        loaded = problem.read(keys, inputs).named(which.batch)
    return deliver(_computed(loaded, chosen, which, resources), output)


def _computed(
    problem: Problem, chosen: Chosen, which: StatisticsOptions, resources: ResourceOptions
) -> Statistics:
    """Return the statistics of a problem."""
    from attn_cli.cli.progress import computing
    from attn_cli.lab.statistics import request_of, statistics

    request, stride = request_of(
        problem, which.only, chosen, exact=which.exact, **resources.given()
    )
    with computing(problem, request, streams=True) as on_progress:
        return statistics(
            problem,
            request,
            heads=chosen.heads,
            per_query=which.per_query,
            stride=stride,
            on_progress=on_progress,
        )


def epilog() -> str:
    """Return the part of the help that lists the columns."""
    from attn_cli.lab.statistics_columns import OF_HEADS, OF_QUERIES

    per_head = "Columns per head, means over queries; p = w / sum w, of the keys that are seen:"
    parts = []
    for title, columns in ((per_head, OF_HEADS), ("Other columns per query:", OF_QUERIES)):
        known = {column.name for column in OF_HEADS} if columns is OF_QUERIES else set()
        lines = [f"  {c.name:14}{c.meaning}" for c in columns if c.name not in known]
        parts.append("\n".join(["\b", title, *lines]))
    return "\n\n".join(parts)
