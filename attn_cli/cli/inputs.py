"""What a command may read: not the file that it replaces, and nothing that has no end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.resources import memory_of

if TYPE_CHECKING:
    from attn_cli.sources.matrices.files import Inputs

Force = Annotated[
    bool, typer.Option("--force", help="Allow -o to replace a file that this command reads.")
]


@contextmanager
def reading_inputs(
    output: str | None, *, force: bool, memory: str | None = None
) -> Iterator[Inputs]:
    """Give what opens the files of a command that writes `output`, with a bar for large ones.

    Each file is refused that is the one to be replaced, unless `force` says otherwise. `memory` is
    the option of that name, if the command has it.
    """
    from attn_cli.cli.progress import reading
    from attn_cli.sources.matrices.files import Inputs, Target

    target = None if force else Target.of(output)
    with reading() as progress:
        yield Inputs(progress, limit=memory_of(memory), target=target)
