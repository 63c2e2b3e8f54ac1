"""`attn compute`: read, compute, render."""

from __future__ import annotations

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.options import OutputOptions, ProblemOptions, StepOptions


def compute(problem: ProblemOptions, steps: StepOptions, output: OutputOptions) -> int:
    """Compute attention and show every step, or any step as data.

    \b
    attn compute samples/love_coding.yaml
    attn compute samples/love_coding.yaml --query-token love --show scores,weights
    attn compute --query q.npy --key k.npy --value v.npy --only output -o out.npy
    attn samples additive | attn compute - --format json
    """
    output.form(steps.only)
    check_target(output)
    from attn_cli.core.run import run

    loaded = problem.read()
    return deliver(run(loaded, steps.request(loaded, output)), output)
