"""`attn scores` and `attn normalizers`: what their registries hold."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_cli.cli.deliver import deliver
from attn_cli.cli.output import ListOptions

Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="The one to explain.", show_default=False)
]


class FunctionOutput(ListOptions):
    """How functions are shown and where they go."""

    results = ("Functions",)


def scores(output: FunctionOutput, name: Name = None) -> int:
    """List the score functions with formula, parameters and reference, or explain one.

    \b
    attn scores
    attn scores additive
    """
    output.check()
    from attn_cli.maths import catalogue

    return deliver(catalogue.scores(name), output)


def normalizers(output: FunctionOutput, name: Name = None) -> int:
    """List the normalisers with formula, parameters and reference, or explain one.

    \b
    attn normalizers
    attn normalizers sparsemax
    """
    output.check()
    from attn_cli.maths import catalogue

    return deliver(catalogue.normalizers(name), output)
