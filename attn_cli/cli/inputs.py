"""The files that a command may read: not its own output, and none without an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.resources import memory_of

if TYPE_CHECKING:
    from attn_cli.sources.matrices.files import Inputs

NOTHING: Mapping[str, str] = {}
Force = Annotated[
    bool, typer.Option("--force", help="Allow -o to replace a file that this command reads.")
]


@contextmanager
def reading_inputs(
    output: str | None,
    *,
    force: bool,
    memory: str | None = None,
    written: Mapping[str, str] = NOTHING,
) -> Iterator[Inputs]:
    """Yield the opener of a command's input files, with a progress bar for large ones.

    It refuses the file `output`, which would be replaced, unless `force` is set, and the files of
    `written`, a file -> the option that writes it. `memory` is the
    option of that name, if the command has it.
    """
    from attn_cli.cli.progress import reading
    from attn_cli.sources.matrices.files import Inputs, Target

    targets = [] if force else [Target.of(output)]
    targets += [Target.of(name, option) for name, option in written.items()]
    with reading() as progress:
        yield Inputs(progress, limit=memory_of(memory), targets=tuple(filter(None, targets)))
