"""Common mistakes in command lines, and what was probably meant."""

from __future__ import annotations

import os
from collections.abc import Container
from itertools import takewhile

from attn_cli.cli.keys import FROM_FILES
from attn_cli.errors import AttnError, printable

PROBLEMS = (".yaml", ".yml", ".json", ".npz")


def refuse_slips(arguments: list[str], commands: Container[str]) -> None:
    """Raise AttnError for a file or a sample instead of a command, and for steps with blanks."""
    first = next((a for a in arguments if not a.startswith("-")), "")
    if first and first not in commands:
        _refuse_file(first)
    if arguments[1:] == ["help"] and first in FROM_FILES and not os.path.exists("help"):
        raise AttnError("help: there is no such file", help=f"did you mean: attn {first} --help")
    for option, key, value in zip(arguments, arguments[1:], arguments[2:], strict=False):
        what = {"--set": "KEY=VALUE", "--check": "STEP=MATRIX"}.get(option)
        if what and "=" not in key and not value.startswith("-"):
            quote = "'" if set(value) & set(" []{}*?&|<>") else ""
            raise AttnError(
                f"{option} needs {what}, not '{printable(key)}'",
                help=f"write {option} {quote}{printable(key)}={printable(value)}{quote}",
            )
    if arguments[:1] == ["compute"] and "--show" in arguments:
        _refuse_steps_apart(arguments[arguments.index("--show") + 1 :])


def _refuse_file(name: str) -> None:
    """Raise AttnError if the command is a problem file or a sample."""
    shown = printable(name)
    if name.lower().endswith(PROBLEMS) or os.path.isfile(name):
        raise AttnError(
            f"'{shown}' is a file, not a command", help=f"did you mean: attn compute {shown}"
        )
    from attn_cli import samples

    if name in samples.names():
        raise AttnError(
            f"'{shown}' is a sample, not a command",
            help=f"did you mean: attn samples {shown} | attn compute -",
        )


def _refuse_steps_apart(behind: list[str]) -> None:
    """Raise AttnError if --show is followed by several steps with blanks between them."""
    if len(behind) < 2 or behind[1].startswith("-") or os.path.exists(behind[1]):
        return
    from attn_cli.maths.pipeline import names

    def is_step(word: str) -> bool:
        return all(part in names() for part in word.strip(",").split(","))

    steps = list(takewhile(is_step, behind))
    if len(steps) > 1:
        joined = ",".join(step.strip(",") for step in steps)
        raise AttnError(
            "--show takes one list of steps", help=f"join them with commas: --show {joined}"
        )
