"""`attn scores` and `attn normalizers`: the score functions and normalisers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from attn_cli.cli.deliver import deliver
from attn_cli.cli.output import ListOptions
from attn_cli.errors import AttnError
from attn_cli.registry import Registry

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="The function to explain (default: list all).",
        show_default=False,
    ),
]


class FunctionOutput(ListOptions):
    """The options of output of functions."""

    results = ("Functions",)


def scores(output: FunctionOutput, name: Name = None) -> int:
    """List the score functions with formula, parameters and reference, or explain one.

    \b
    attn scores
    attn scores additive
    """
    output.check()
    from attn_cli.maths import catalogue
    from attn_cli.maths.normalizers import NORMALIZERS
    from attn_cli.maths.scores import SCORES

    _refuse_other_kind(name, SCORES, NORMALIZERS, "attn normalizers")
    return deliver(catalogue.scores(name), output)


def normalizers(output: FunctionOutput, name: Name = None) -> int:
    """List the normalisers with formula, parameters and reference, or explain one.

    \b
    attn normalizers
    attn normalizers sparsemax
    """
    output.check()
    from attn_cli.maths import catalogue
    from attn_cli.maths.normalizers import NORMALIZERS
    from attn_cli.maths.scores import SCORES

    _refuse_other_kind(name, NORMALIZERS, SCORES, "attn scores")
    return deliver(catalogue.normalizers(name), output)


def _refuse_other_kind(
    name: str | None, wanted: Registry[Any], other: Registry[Any], command: str
) -> None:
    """Raise AttnError, naming the command to use, for a function of the other kind."""
    if name in other.names and name not in wanted.names:
        raise AttnError(
            f"{name} is a {other.kind}, not a {wanted.kind}",
            help=f"did you mean: {command} {name}",
        )
