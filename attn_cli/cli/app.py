"""The commands, and the translation of what Typer raises."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from attn_cli import __version__
from attn_cli.cli.compute import compute
from attn_cli.cli.conventions import conventions
from attn_cli.cli.graph import graph
from attn_cli.cli.keys import COMMANDS, OPTIONS, epilog, written_out
from attn_cli.cli.next import next_word
from attn_cli.cli.normalizers import normalizers
from attn_cli.cli.options import grouped
from attn_cli.cli.samples import samples
from attn_cli.cli.scores import scores
from attn_cli.cli.train import train
from attn_cli.cli.translate import translate
from attn_cli.cli.write import abandon_stdout, write_stdout
from attn_cli.errors import AttnError, ExitStatus, PipeClosed, nearest

app = typer.Typer(
    name="attn",
    add_completion=False,
    # Plain help costs half the start-up of Rich's, and is the same in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        write_stdout(f"attn {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
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
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitStatus.BAD)


app.command(short_help="Compute attention, step by step.", epilog=epilog())(grouped(compute))
app.command(short_help="Show which token attends to which.")(grouped(graph))
app.command(short_help="Translate words by attention.")(grouped(translate))
app.command("next", short_help="Say which word comes next.")(grouped(next_word))
app.command(short_help="Learn the numbers of a problem file.")(grouped(train))
app.command(short_help="List or explain the score functions.")(scores)
app.command(short_help="List, explain or compare conventions.")(conventions)
app.command(short_help="List or explain the normalisers.")(normalizers)
app.command(short_help="List, print or copy the sample problems.")(samples)


def run(arguments: list[str]) -> int:
    """Run one command line; raise AttnError for wrong usage."""
    command = typer.main.get_command(app)
    try:
        status = command.main(written_out(arguments), prog_name="attn", standalone_mode=False)
    except typer.TyperException as error:
        raise _usage(error) from None
    except SystemExit:  # how Typer ends where the reader of its help went away
        abandon_stdout()
        raise PipeClosed from None
    except OSError as error:  # Typer's own help, where it cannot be written
        abandon_stdout()
        raise AttnError(f"standard output cannot be written: {error.strerror}") from None
    except typer.Abort:
        return ExitStatus.INTERRUPTED
    return int(status or 0)


def _usage(error: typer.TyperException) -> AttnError:
    """Return Typer's complaint as ours: the same shape as every other error."""
    message = getattr(error, "format_message", lambda: str(error))().rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "attn"
    unknown = re.match(r"No such option: (--\S+)$", message)
    takes_keys = path.rpartition(" ")[2] in COMMANDS
    near = nearest(unknown[1], OPTIONS) if unknown and takes_keys else None
    if near is not None:
        message += f". Did you mean {near}?"
    return AttnError(message[:1].lower() + message[1:], help=f"{path} --help shows how it is used")
