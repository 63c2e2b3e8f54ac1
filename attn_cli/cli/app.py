"""The commands, each loaded when it is asked for, and the translation of what Typer raises."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from typing import Annotated, Any

import typer

from attn_cli import __version__
from attn_cli.cli.keys import epilog, written_out
from attn_cli.cli.slips import refuse_slips
from attn_cli.cli.talk import say
from attn_cli.cli.usage import usage_error
from attn_cli.cli.write import abandon_stdout, write_stdout
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, ExitStatus, PipeClosed


@dataclass(frozen=True)
class Command:
    """One command: where it is, and its line in the list of all."""

    module: str
    function: str
    help: str
    grouped: bool = False  # whether its options come in groups

    def load(self) -> Callable[..., Any]:
        """Return a function with the signature that Typer reads, which returns what is to be run.

        The command itself is not run inside Typer, which takes some of its exceptions for its own.
        """
        command: Callable[..., Any] = getattr(import_module(self.module), self.function)
        if self.grouped:
            from attn_cli.cli.options import grouped

            command = grouped(command)

        @wraps(command)
        def understood(**given: Any) -> Callable[[], int]:
            return partial(command, **given)

        return understood


COMMANDS = {
    "compute": Command(
        "attn_cli.cli.compute", "compute", "Compute attention, step by step.", grouped=True
    ),
    "graph": Command(
        "attn_cli.cli.graph", "graph", "Show which token attends to which.", grouped=True
    ),
    "translate": Command(
        "attn_cli.cli.translate", "translate", "Translate words by attention.", grouped=True
    ),
    "next": Command("attn_cli.cli.next", "next_word", "Say which word comes next.", grouped=True),
    "train": Command(
        "attn_cli.cli.train", "train", "Learn the numbers of a problem file.", grouped=True
    ),
    "scores": Command("attn_cli.cli.scores", "scores", "List or explain the score functions."),
    "conventions": Command(
        "attn_cli.cli.conventions", "conventions", "List, explain or compare conventions."
    ),
    "normalizers": Command(
        "attn_cli.cli.normalizers", "normalizers", "List or explain the normalisers."
    ),
    "steps": Command("attn_cli.cli.steps", "steps", "List or explain the steps of a computation."),
    "samples": Command(
        "attn_cli.cli.samples", "samples", "List, print or copy the sample problems."
    ),
}


def build(wanted: str | None = None) -> typer.Typer:
    """Return the program with all commands, or with one of them and the names of the others.

    Typer makes every option of every command at every start, which costs more than most of what
    the commands do.
    """
    app = typer.Typer(
        name="attn",
        add_completion=False,
        # Plain help costs half the start-up of Rich's, and is the same in a pipe.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(attn)
    for name, command in COMMANDS.items():
        here = wanted in (None, name)
        keys = epilog() if here and name == "compute" else None
        loaded = command.load() if here else _elsewhere
        app.command(name, short_help=command.help, epilog=keys)(loaded)
    return app


def _elsewhere() -> None:
    raise AssertionError("only the command that is asked for is run")


def _version(asked: bool) -> None:
    if asked:
        write_stdout(f"attn {__version__}\n")
        raise typer.Exit


def attn(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Compute attention, and show every step of it.

    \b
    attn samples love_coding | attn compute -
    attn compute problem.yaml --only output -o out.npy
    attn scores additive
    """
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(ExitStatus.BAD)


def run(arguments: list[str], begin: Callable[[], None] = lambda: None) -> int:
    """Run one command line, with `begin` before its command; raise AttnError for wrong usage."""
    command = _understood(arguments)
    begin()
    return int(command())


def _understood(arguments: list[str]) -> Callable[[], int]:
    """Return what a command line asks for; raise AttnError for wrong usage."""
    refuse_slips(arguments, COMMANDS)
    first = next((a for a in arguments if not a.startswith("-")), "")
    program = typer.main.get_command(build(first))
    try:
        command: Any = program.main(written_out(arguments), prog_name="attn", standalone_mode=False)
    except typer.TyperException as error:
        raise usage_error(error, arguments, COMMANDS) from None
    except SystemExit:  # how Typer ends if the reader of its help went away
        abandon_stdout()
        raise PipeClosed from None
    except OSError as error:  # Typer's own help, if it cannot be written
        abandon_stdout()
        raise AttnError(f"standard output cannot be written: {error.strerror}") from None
    if callable(command):
        return partial(command)
    if not command:  # Typer has shown help or the version: nothing of it, if that is closed
        write_stdout("")
    return lambda: int(command or 0)
