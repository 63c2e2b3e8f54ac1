"""`attn compute`: read, compute, render."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attn_cli.cli.deliver import (
    check_sizes,
    check_target,
    deliver,
    deliver_several,
    deliver_streamed,
)
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import KeyOptions, ProblemOptions, StepOptions
from attn_cli.cli.output import PageOptions
from attn_cli.cli.resources import ResourceOptions
from attn_cli.cli.talk import say, terminal_columns
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError

if TYPE_CHECKING:
    from attn_cli.lab.compare import Expected
    from attn_cli.lab.report.result import Report
    from attn_cli.lab.report.written import Written
    from attn_cli.lab.worksheet import Worksheet
    from attn_cli.maths.problem import Problem, Request
    from attn_cli.record import Record
    from attn_cli.sources.matrices.files import Inputs

BY_HAND = 10_000  # numbers of an answer that is compared with every other step, if it differs
ONE = "choose one: --tokens WORDS"


def _note_narrow(problem: Problem) -> None:
    """Print a note, on a terminal, if inputs are narrower than float64 and no dtype is chosen."""
    if problem.narrow and terminal_columns() is not None:
        types = " and ".join(problem.narrow)
        say(f"note: inputs are {types}, computed in float64: --dtype float32 halves time and size")


def _verdict_alone(steps: StepOptions, output: PageOptions) -> bool:
    """Return whether verdicts alone are shown: no step is named, and the format shows verdicts."""
    return steps.show is None and steps.only is None and output.view().verdicts


def _compared(problem: Problem, request: Request, expected: Expected, *, alone: bool) -> Record:
    """Return the record of the steps to show, with the comparisons; no steps if `alone`."""
    from attn_cli.engine.run import run
    from attn_cli.lab.compare import compare, fitting, with_rows

    whole = run(problem, replace(request, steps=expected.steps, edge=None))
    expected = with_rows(expected, whole)
    shown = replace(whole, steps={}) if alone else run(problem, request)
    compared = compare(shown, whole, expected)
    if compared.agrees or expected.size > BY_HAND:
        return compared
    return fitting(compared, expected, run(problem, replace(request, steps=None, edge=None)))


class ComputeOutput(PageOptions):
    """The options of output: a record, or a report or a worksheet of it as a page."""

    results = ("Record", "Report", "Worksheet")

    @property
    def draws_report(self) -> bool:
        """Whether the result is shown as a report, with its problem."""
        return self.view().accepts == ("Report",)


def _emptied(record: Record, blank: tuple[str, ...], steps: StepOptions) -> Record:
    """Return the record as a worksheet, if steps are to be left empty."""
    if not blank:
        return record
    from attn_cli.lab.worksheet import worksheet

    return worksheet(record, blank, steps.steps())


def _read(
    problem: ProblemOptions, keys: KeyOptions, inputs: Inputs, output: ComputeOutput
) -> tuple[list[Problem], Written | None]:
    """Return the problem of each sequence, and for a report what the user wrote."""
    from attn_cli.reading.sequences import read_problems

    document = problem.document(keys, inputs)
    problems = read_problems(document)
    if not output.draws_report:
        return problems, None
    from attn_cli.lab.report.written import written

    return problems, written(document)


def _sheet(
    problem: Problem, request: Request, steps: StepOptions, output: ComputeOutput
) -> Worksheet:
    """Return the worksheet that is a page: all of its steps, with marks as tables have them."""
    from attn_cli.cli.progress import computing
    from attn_cli.engine.run import run
    from attn_cli.lab.worksheet import Worksheet

    request = replace(request, edge=None, asides=False, marks=True)
    with computing(problem, request) as on_progress:
        record = run(problem, request, on_progress=on_progress)
    return Worksheet(_emptied(record, steps.blanked(output), steps), output.limit)


def _report(
    problem: Problem,
    request: Request,
    expected: Expected | None,
    output: ComputeOutput,
    written: Written | None,
) -> Report:
    """Return the report, with the comparisons if values are expected."""
    from attn_cli.cli.progress import computing
    from attn_cli.lab.report.report import report

    with computing(problem, request) as on_progress:
        found = report(
            problem, request, limit=output.limit, written=written, on_progress=on_progress
        )
    if expected is None:
        return found
    compared = _compared(problem, request, expected, alone=False).comparisons
    return replace(found, record=replace(found.record, comparisons=compared))


def compute(
    problem: ProblemOptions,
    keys: KeyOptions,
    steps: StepOptions,
    resources: ResourceOptions,
    output: ComputeOutput,
) -> int:
    """Compute attention and show every step, or write steps as data.

    \b
    attn compute samples/love_coding.yaml
    attn compute samples/love_coding.yaml --query-token love --show scores,weights
    attn compute --query q.npy --key k.npy --value v.npy --only output -o out.npy
    attn samples additive | attn compute - --format json
    attn compute samples/two_heads.yaml -o report.html
    attn compute samples/scaled.yaml --check 'q=[[1, 2, 0, 1], [0, 1, 3, 1]]'
    """
    output.check_steps(steps.only)
    check_target(output)
    blank = steps.blanked(output)
    with reading_inputs(output.output, force=output.force, memory=resources.memory) as inputs:
        expected = steps.expected(inputs)
        problems, written = _read(problem, keys, inputs, output)
    if not problems[0].title:
        loaded = problems[0].named(steps.batch)
        request = steps.request(loaded, output, resources)
        if output.draws_report and blank:
            return deliver(_sheet(loaded, request, steps, output), output)
        if output.draws_report:
            return deliver(_report(loaded, request, expected, output, written), output)
        return _one(loaded, request, expected, steps, output)
    if expected is not None:
        raise AttnError("--check compares one sequence, and there are several", help=ONE)
    requests = [steps.request(each, output, resources) for each in problems]
    for each, wanted in zip(problems, requests, strict=True):  # can fail: before any output
        check_sizes(each, wanted, output)
    from attn_cli.engine.run import run

    pairs = zip(problems, requests, strict=True)
    return deliver_several((_emptied(run(*pair), blank, steps) for pair in pairs), output)


def _one(
    problem: Problem,
    request: Request,
    expected: Expected | None,
    steps: StepOptions,
    output: ComputeOutput,
) -> int:
    """Compute one sequence, stream its step if the format can, and deliver the record."""
    from attn_cli.cli.progress import computing
    from attn_cli.engine.run import run

    alone = expected is not None and _verdict_alone(steps, output)
    if not alone:
        check_sizes(problem, request, output)
    if not output.quiet:
        _note_narrow(problem)
    streams = expected is None and output.view().streams
    with computing(problem, request, streams=streams) as on_progress:
        if streams:
            from attn_cli.engine.stream import streamed

            step = streamed(problem, request)
            if step is not None:
                return deliver_streamed(
                    step.whole, partial(step.into, on_progress=on_progress), output
                )
        if expected is not None:
            record = _compared(problem, request, expected, alone=alone)
        else:
            record = run(problem, request, on_progress=on_progress)
    return deliver(_emptied(record, steps.blanked(output), steps), output)
