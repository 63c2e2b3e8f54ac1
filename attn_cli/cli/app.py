"""The commands, each imported when it is run, and the translation of Typer's exceptions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from attn_cli import __version__
from attn_cli.cli.keys import written_out
from attn_cli.cli.slips import refuse_slips
from attn_cli.cli.talk import say
from attn_cli.cli.usage import usage_error
from attn_cli.cli.write import abandon_stdout, write_stdout
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, ExitStatus, PipeClosed, printable


@dataclass(frozen=True)
class Command:
    """One command: its function, its line in the list of commands, and its group there."""

    module: str
    function: str
    help: str
    group: str
    below: str = ""  # the module whose `epilog` is the text below its options

    def load(self) -> Callable[..., Any]:
        """Return a function with the signature that Typer reads; it returns the call to make.

        The command itself is not run inside Typer, which would catch some of its exceptions.
        """
        from attn_cli.cli.options import grouped

        command = grouped(getattr(import_module(self.module), self.function))

        @wraps(command)
        def understood(**given: Any) -> Callable[[], int]:
            return partial(command, **given)

        return understood


# In the order of the help, one group after another.
COMMANDS = {
    "compute": Command(
        "attn_cli.cli.compute",
        "compute",
        "Compute attention, step by step.",
        "Compute",
        "attn_cli.cli.keys",
    ),
    "next": Command(
        "attn_cli.cli.next", "next_word", "Predict the next word of a sentence.", "Compute"
    ),
    "translate": Command(
        "attn_cli.cli.translate", "translate", "Translate words by attention.", "Compute"
    ),
    "train": Command(
        "attn_cli.cli.train", "train", "Train the weights of a problem file.", "Compute"
    ),
    "explain": Command(
        "attn_cli.cli.explain", "explain", "Work one number out, line by line.", "Look"
    ),
    "heatmap": Command("attn_cli.cli.heatmap", "heatmap", "Draw a step as a heat map.", "Look"),
    "graph": Command("attn_cli.cli.graph", "graph", "Draw which token attends to which.", "Look"),
    "stats": Command(
        "attn_cli.cli.stats",
        "stats",
        "Measure where attention goes.",
        "Look",
        "attn_cli.cli.stats",
    ),
    "check": Command("attn_cli.cli.check", "check", "Judge answers, and find mistakes.", "Ask"),
    "identify": Command(
        "attn_cli.cli.identify", "identify", "Find the convention that made an output.", "Ask"
    ),
    "diff": Command(
        "attn_cli.cli.diff", "diff", "Compare two computations, stage by stage.", "Ask"
    ),
    "verify": Command(
        "attn_cli.cli.verify", "verify", "Test a function in all its conventions.", "Ask"
    ),
    "scores": Command(
        "attn_cli.cli.functions", "scores", "List the score functions, or explain one.", "List"
    ),
    "normalizers": Command(
        "attn_cli.cli.functions", "normalizers", "List the normalisers, or explain one.", "List"
    ),
    "conventions": Command(
        "attn_cli.cli.conventions",
        "conventions",
        "List the conventions of other systems, explain or compare them.",
        "List",
    ),
    "steps": Command(
        "attn_cli.cli.steps", "steps", "List the steps of a computation, or explain one.", "List"
    ),
    "samples": Command(
        "attn_cli.cli.samples", "samples", "List, print or copy the sample problems.", "List"
    ),
    "help": Command(
        "attn_cli.cli.app", "help_about", "Show this help, or the help of a command.", "Help"
    ),
    "completion": Command(
        "attn_cli.cli.completion", "completion", "Print the completion script of a shell.", "Help"
    ),
}


class Program(TyperGroup):
    """The program: it knows the names of all commands; those that are loaded can be run."""

    def __init__(self, *, commands: Any = None, **settings: Any) -> None:
        loaded = commands or {}
        every = {name: loaded.get(name) or TyperCommand(name) for name in COMMANDS}
        super().__init__(commands=every, **settings)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands, group by group."""
        width = max(map(len, COMMANDS))
        for group in dict.fromkeys(command.group for command in COMMANDS.values()):
            with formatter.section(group):
                formatter.write_dl(
                    [
                        (f"{name:{width}}", command.help)
                        for name, command in COMMANDS.items()
                        if command.group == group
                    ]
                )


def build(wanted: str | None = None) -> typer.Typer:
    """Return the program with all commands, or with one of them and the names of the others.

    Typer builds all options of all loaded commands, which takes longer than most computations.
    """
    app = typer.Typer(
        name="attn",
        cls=Program,
        add_completion=False,
        # Plain help costs half the start-up of Rich's, and is the same in a pipe.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(attn)
    for name, command in COMMANDS.items():
        if wanted in (None, name):
            below = import_module(command.below).epilog() if command.below else None
            app.command(name, short_help=command.help, epilog=below)(command.load())
    return app


def program(wanted: str) -> Any:
    """Return the program with this one of its commands, as it is run."""
    return typer.main.get_command(build(wanted))


def _version(wanted: bool) -> None:
    if wanted:
        write_stdout(f"attn {__version__}\n")
        raise typer.Exit


def attn(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Compute attention and show every step.

    \b
    attn samples love_coding | attn compute -
    attn compute problem.yaml --only output -o out.npy
    attn scores additive
    attn help compute
    """
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(ExitStatus.BAD)


def help_about(
    command: Annotated[
        str | None,
        typer.Argument(metavar="[COMMAND]", help="The command to explain.", show_default=False),
    ] = None,
) -> int:
    """Show the help of the program, or of one command: the text of its --help.

    \b
    attn help
    attn help compute
    """
    if command is not None and command.startswith("-"):
        raise AttnError(f"no such command '{printable(command)}'", help="attn help lists them")
    return run(["--help"] if command is None else [command, "--help"])


def run(arguments: list[str], begin: Callable[[], None] = lambda: None) -> int:
    """Run one command line, with `begin` before its command; raise AttnError for wrong usage."""
    command = _understood(arguments)
    begin()
    return int(command())


def _understood(arguments: list[str]) -> Callable[[], int]:
    """Return the call that a command line asks for; raise AttnError for wrong usage."""
    refuse_slips(arguments, COMMANDS)
    first = next((a for a in arguments if not a.startswith("-")), "")
    try:
        command: Any = program(first).main(
            written_out(arguments), prog_name="attn", standalone_mode=False
        )
    except typer.TyperException as error:
        raise usage_error(error, arguments, COMMANDS) from None
    except SystemExit:  # Typer exits so if the reader of its help closed the pipe
        abandon_stdout()
        raise PipeClosed from None
    except OSError as error:  # Typer could not write its help
        abandon_stdout()
        raise AttnError(f"standard output cannot be written: {error.strerror}") from None
    if callable(command):
        return partial(command)
    if not command:  # Typer has printed help or the version; fails if standard output is closed
        write_stdout("")
    return lambda: int(command or 0)
