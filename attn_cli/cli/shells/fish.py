"""Completion for fish: a line per command, option and argument."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attn_cli.cli.surface import Parameter, Surface

_CONDITION = """\
# Whether the command on the line is this one; without an argument: whether there is none yet.
function __attn_has
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if not string match -q -- '-*' $word
            test "$word" = "$argv"
            return
        end
    end
    test -z "$argv"
end

# Whether the word before is this option, which means something without a value too.
function __attn_after
    set -l words (commandline -opc)
    test "$words[-1]" = "$argv"
end

"""


def script(program: Surface, commands: Sequence[Surface]) -> str:
    """Return the script."""
    lines = ["complete -c attn -n __attn_has -f"]
    for option in program.options:
        lines += _option("__attn_has", option)
    lines += [
        f"complete -c attn -n __attn_has -a {each.name} -d {_quoted(each.summary)}"
        for each in commands
    ]
    for command in commands:
        condition = _quoted(f"__attn_has {command.name}")
        lines += ["", *_arguments(condition, command)]
        for option in (*command.options, *command.keys):
            lines += _option(condition, option)
    return _CONDITION + "\n".join(lines) + "\n"


def _arguments(condition: str, command: Surface) -> Iterator[str]:
    for argument in command.arguments:
        if argument.values:
            values = _quoted(" ".join(argument.values))
            yield f"complete -c attn -n {condition} -f -a {values}"


def _option(condition: str, option: Parameter) -> Iterator[str]:
    """Return the lines of an option: its names, its values or files, its meaning."""
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    yield f"complete -c attn -n {condition} {names}{_wanted(option)} -d {_quoted(option.help)}"
    if option.alone and option.values:
        after = _quoted(f"{condition.strip(chr(39))}; and __attn_after {option.names[0]}")
        yield f"complete -c attn -n {after} -a {_quoted(' '.join(option.values))}"


def _wanted(option: Parameter) -> str:
    if option.metavar is None or option.alone:
        return ""
    if not option.values:
        return " -r -F"
    values = " ".join(option.values)
    if option.listed:
        return f" -x -a {_quoted(f'(__fish_append , {values})')}"
    return f" -x -a {_quoted(values)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
