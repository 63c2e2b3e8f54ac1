"""`attn normalizers`: from scores to weights, from their registry."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_cli.cli.write import write_stdout
from attn_cli.errors import ExitStatus
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES


def normalizers(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The one to explain.", show_default=False)
    ] = None,
) -> int:
    """List the normalisers with formula, parameters and reference, or explain one.

    \b
    attn normalizers
    attn normalizers sparsemax
    """
    from attn_cli.cli.listing import explained, refuse_other_kind, summary, written

    if name is None:
        write_stdout("\n".join(summary(entry, NORMALIZERS.default) for entry in NORMALIZERS))
    else:
        refuse_other_kind(name, NORMALIZERS, SCORES, "attn scores")
        entry = NORMALIZERS.get(name)
        write_stdout(explained(entry, "normalize", written(entry), NORMALIZERS.default))
    return ExitStatus.DONE
