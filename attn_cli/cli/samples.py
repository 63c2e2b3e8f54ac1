"""`attn samples`: list the sample problems, print one, copy all."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from attn_cli import samples as shipped
from attn_cli.cli.deliver import deliver
from attn_cli.cli.output import ListOptions
from attn_cli.cli.write import write_file
from attn_cli.errors import AttnError, ExitStatus
from attn_cli.lists import Samples


class SampleOutput(ListOptions):
    """The options of output of samples."""

    results = ("Samples", "Sample")


def samples(
    output: SampleOutput,
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
        if output.format is not None or output.output is not None:
            raise AttnError(
                "--copy writes all samples as they are, so it goes with neither --format nor "
                "--output",
                help="leave out one of the two",
            )
        _copy(copy, force=force)
        return ExitStatus.DONE
    output.check("Samples" if name is None else "Sample")
    if name is not None:
        return deliver(shipped.sample(name), output)
    return deliver(Samples(tuple(map(shipped.sample, shipped.names()))), output)


def _copy(folder: str, *, force: bool) -> None:
    """Copy all samples; raise AttnError, before copying any, if that would replace another file."""
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
    """Return whether there is a file of that name with other content."""
    if not os.path.lexists(path):
        return False
    if not os.path.isfile(path):
        return True
    with open(path, "rb") as stream:
        return stream.read(len(data) + 1) != data
