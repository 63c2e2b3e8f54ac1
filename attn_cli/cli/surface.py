"""The commands as data: their arguments, options and fixed values, read from what Typer made.

Completion scripts and man pages are written from here, so that they have what `--help` has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer import Context
from typer.main import get_command

from attn_cli.cli.app import COMMANDS, build
from attn_cli.cli.fixed_values import LISTED, of_key, of_parameter
from attn_cli.cli.keys import COMMANDS as TAKE_KEYS
from attn_cli.cli.keys import options as key_options
from attn_cli.dataclass import dataclass
from attn_cli.reading.keys import KEYS


@dataclass(frozen=True)
class Parameter:
    """An argument or an option.

    `names` of an argument is empty; `metavar` of a flag is None. `values` are all legal values; if
    there are none it is a number, a text or a file. `listed`: several values separated by commas.
    `alone`: an option that can be written without a value.
    """

    names: tuple[str, ...]
    metavar: str | None
    help: str
    values: tuple[str, ...] = ()
    listed: bool = False
    repeated: bool = False
    alone: bool = False
    group: str = ""  # of keys of a problem


@dataclass(frozen=True)
class Surface:
    """A command, or the program itself, with its arguments and options."""

    name: str  # "" for the program
    usage: str  # its usage line
    summary: str  # its line in the list of commands
    paragraphs: tuple[str, ...]  # its description
    examples: tuple[str, ...]  # lines for a shell
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    keys: tuple[Parameter, ...]  # keys of a problem as options


def program() -> Surface:
    """Return the program, whose options are written without a command."""
    command: Any = get_command(build(""))  # no command is loaded
    return _surface("", command, Context(command, info_name="attn", **command.context_settings))


def commands() -> tuple[Surface, ...]:
    """Return all commands, in the order of the help."""
    group: Any = get_command(build())
    parent = Context(group, info_name="attn", **group.context_settings)
    return tuple(
        _surface(name, each, Context(each, info_name=name, parent=parent))
        for name, each in group.commands.items()
    )


def _surface(name: str, command: Any, context: Any) -> Surface:
    parameters = command.get_params(context)
    blocks = [block.strip("\n") for block in (command.help or "").split("\n\n")]
    return Surface(
        name=name,
        usage=" ".join((context.command_path, *command.collect_usage_pieces(context))),
        summary=COMMANDS[name].help if name else _joined(blocks[0]),
        paragraphs=tuple(_joined(block) for block in blocks if not block.startswith("\b")),
        examples=tuple(
            line for block in blocks if block.startswith("\b") for line in block.split("\n")[1:]
        ),
        arguments=tuple(_parameter(name, each) for each in parameters if _is_argument(each)),
        options=tuple(_parameter(name, each) for each in parameters if not _is_argument(each)),
        keys=tuple(_keys()) if name in TAKE_KEYS else (),
    )


def _parameter(command: str, made: Any) -> Parameter:
    argument = _is_argument(made)
    meaning = made.help or ""
    return Parameter(
        names=() if argument else _names(made),
        metavar=None if not argument and made.is_flag else made.metavar,
        help=meaning,
        values=of_parameter(command, made.name, meaning),
        listed=made.name in LISTED,
        repeated=made.nargs == -1 or (not argument and made.multiple),
        alone=not argument and made.name in KEYS and KEYS[made.name].alone,
    )


def _keys() -> Iterator[Parameter]:
    for option, name in key_options().items():
        key = KEYS[name]
        yield Parameter(
            (option,), "VALUE", key.meaning, of_key(name), alone=key.alone, group=key.group
        )


def _names(made: Any) -> tuple[str, ...]:
    """Return the names of an option, and that of its opposite last: --light, --dark."""
    return (*sorted(made.opts, key=_as_in_help), *made.secondary_opts)


def _as_in_help(name: str) -> tuple[bool, str]:
    """Short names first; Typer has those of --help in a set, whose order differs by process."""
    return name.startswith("--"), name


def _is_argument(made: Any) -> bool:
    return bool(made.param_type_name == "argument")


def _joined(block: str) -> str:
    return " ".join(block.split())
