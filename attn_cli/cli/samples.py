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
        str | None,
        typer.Argument(metavar="[NAME]", help="The sample to print.", show_default=False),
    ] = None,
    copy: Annotated[
        str | None,
        typer.Option(
            "--copy", metavar="FOLDER", help="Copy all samples and their arrays into FOLDER."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace files that have changed since they were copied."),
    ] = False,
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
        _copy(copy, force=force)
    elif name is not None:
        write_stdout(shipped.text(name))
    else:
        width = max(map(len, shipped.names())) + 2
        lines = [f"{each:{width}}{shipped.summary(each)}\n" for each in shipped.names()]
        write_stdout("".join(lines))
    return ExitStatus.DONE


def _copy(folder: str, *, force: bool) -> None:
    """Copy all samples; raise AttnError, before any is, if that would replace what is another."""
    copies = {os.path.join(folder, path.name): path.read_bytes() for path in shipped.files()}
    others = [] if force else [path for path in copies if _is_another(path, copies[path])]
    if others:
        raise AttnError(
            f"{', '.join(others)} would be replaced",
            help="name a new folder, or add --force to replace what is there",
        )
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AttnError(f"{folder} cannot be made: {error.strerror}") from None
    for name, data in copies.items():
        write_file(name, data)


def _is_another(path: str, data: bytes) -> bool:
    """Whether there is a file of that name with anything else in it."""
    if not os.path.lexists(path):
        return False
    if not os.path.isfile(path):
        return True
    with open(path, "rb") as stream:
        return stream.read(len(data) + 1) != data
