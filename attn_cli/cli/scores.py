"""`attn scores`: the score functions, from their registry."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_cli.cli.write import write_stdout
from attn_cli.errors import ExitStatus
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES


def scores(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The one to explain.", show_default=False)
    ] = None,
) -> int:
    """List the score functions with formula, parameters and reference, or explain one.

    \b
    attn scores
    attn scores additive
    """
    from attn_cli.cli.listing import explained, refuse_other_kind, summary, written

    if name is None:
        write_stdout("\n".join(summary(score, SCORES.default) for score in SCORES))
    else:
        refuse_other_kind(name, SCORES, NORMALIZERS, "attn normalizers")
        score = SCORES.get(name)
        example = written(score)
        if score.selection:  # it needs one of several
            example = f"{{function: {score.name}, window: 2}}"
        write_stdout(explained(score, "score", example, SCORES.default))
    return ExitStatus.DONE
