"""`attn samples`: list the sample problems, print one, copy all."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from attn_cli import samples as shipped
from attn_cli.cli.write import write_file, write_stdout
from attn_cli.errors import AttnError, ExitStatus


def samples(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print this one.", show_default=False)
    ] = None,
    copy: Annotated[
        str | None,
        typer.Option("--copy", metavar="FOLDER", help="Copy all of them, arrays included."),
    ] = None,
) -> int:
    """List the sample problems, print one, or copy them all into a folder.

    \b
    attn samples
    attn samples love_coding | attn compute -
    attn samples --copy samples
    """
    if copy is not None:
        if name is not None:
            raise AttnError("--copy takes all samples, so it goes with no name")
        _copy(copy)
    elif name is not None:
        write_stdout(shipped.text(name))
    else:
        width = max(map(len, shipped.names())) + 2
        lines = [f"{each:{width}}{shipped.summary(each)}\n" for each in shipped.names()]
        write_stdout("".join(lines))
    return ExitStatus.DONE


def _copy(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AttnError(f"{folder} cannot be made: {error.strerror}") from None
    for path in shipped.files():
        write_file(os.path.join(folder, path.name), path.read_bytes())
