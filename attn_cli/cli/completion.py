"""`attn completion`: a script by which a shell completes commands, options and values."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from attn_cli import __version__
from attn_cli.cli.shells import SHELLS
from attn_cli.cli.write import write_stdout
from attn_cli.errors import AttnError, ExitStatus, did_you_mean, printable


def completion(
    shell: Annotated[
        str | None,
        typer.Argument(metavar="SHELL", help=f"{', '.join(SHELLS)}.", show_default=False),
    ] = None,
) -> int:
    """Print a script that completes commands, options and values on TAB, for one shell.

    Load it in ~/.bashrc, or in ~/.zshrc after compinit; for fish, put it into the folder
    ~/.config/fish/completions. The script contains all names, so that no program runs on TAB:
    print it again after an update.

    \b
    source <(attn completion bash)
    source <(attn completion zsh)
    attn completion fish > attn.fish
    """
    if shell is None:
        raise AttnError("SHELL is missing", help=f"write one of {', '.join(SHELLS)}")
    if shell not in SHELLS:
        raise AttnError(
            f"there is no completion for '{printable(shell)}'",
            help=did_you_mean(shell, SHELLS, what="there are", listed=True),
        )
    from attn_cli.cli.surface import commands, program

    head = f"# Completion of attn {__version__} for {shell}; written by: attn completion {shell}\n"
    script: str = import_module(SHELLS[shell]).script(program(), commands())
    if shell == "zsh":  # its first line marks it as a completion script
        head = f"#compdef attn\n{head}"
    write_stdout(f"{head}\n{script}")
    return ExitStatus.DONE
