"""`attn scores`: the score functions, from their registry."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.write import write_stdout
from attn_cli.core.scores import SCORES
from attn_cli.errors import ExitStatus

if TYPE_CHECKING:
    from attn_cli.core.scores.base import ScoreFunction


def scores(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Explain this one.", show_default=False)
    ] = None,
) -> int:
    """List the score functions with formula, parameters and reference, or explain one.

    \b
    attn scores
    attn scores additive
    """
    if name is None:
        write_stdout("\n".join(_summary(score) for score in SCORES))
    else:
        write_stdout(_explained(SCORES.get(name)))
    return ExitStatus.DONE


def _summary(score: ScoreFunction) -> str:
    lines = [f"{score.name:16}{score.formula}"]
    lines += [f"{'':16}{p.signature}" for p in score.parameters]
    lines.append(f"{'':16}[{score.reference}]")
    return "\n".join(lines) + "\n"


def _explained(score: ScoreFunction) -> str:
    lines = [f"{score.name}: {score.formula}", "", *textwrap.wrap(score.explanation, 80), ""]
    if score.parameters:
        width = max(len(p.signature) for p in score.parameters) + 2
        lines += [f"  {p.signature:{width}}{p.meaning}" for p in score.parameters] + [""]
    shape = ", ".join(f"{p.name}: ..." for p in score.parameters if not p.optional)
    example = f"{{function: {score.name}, {shape}}}" if shape else score.name
    if score.selection:
        example = f"{{function: {score.name}, window: 2}}"
    return "\n".join(
        [*lines, f"In a problem file:  score: {example}", f"Reference: {score.reference}", ""]
    )
