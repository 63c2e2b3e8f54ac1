"""Completion for zsh: one function in the words of `_arguments`, with what options mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attn_cli.cli.surface import Parameter, Surface

_SCRIPT = """\
_attn() {
    local curcontext=$curcontext state line
    typeset -A opt_args
    _arguments -C \\
@options@
        '1:command:->command' \\
        '*::argument:->argument' && return 0

    case $state in
        command)
            local -a commands
            commands=(
@commands@
            )
            _describe -t commands command commands
            ;;
        argument)
            curcontext="${curcontext%:*:*}:attn-$line[1]:"
            case $line[1] in
@cases@
            esac
            ;;
    esac
}

# Loaded from a folder of $fpath it is the function itself; sourced, it makes itself known.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _attn "$@"
else
    compdef _attn attn
fi
"""


def script(program: Surface, commands: Sequence[Surface]) -> str:
    """Return the script."""
    options = "\n".join(f"        {_option(option)} \\" for option in program.options)
    listed = "\n".join(
        f"                {_quoted(f'{command.name}:{_plain(command.summary)}')}"
        for command in commands
    )
    cases = "\n".join(_case(command) for command in commands)
    script = _SCRIPT.replace("@options@", options).replace("@commands@", listed)
    return script.replace("@cases@", cases)


def _case(command: Surface) -> str:
    """Return what can follow a command."""
    specs = [_option(option) for option in (*command.options, *command.keys)]
    for number, argument in enumerate(command.arguments, 1):
        place = "*" if argument.repeated else str(number)
        specs.append(_quoted(f"{place}:{_plain(argument.metavar or '')}:{_action(argument)}"))
    lines = [f"{command.name})", "    _arguments -s -S \\"]
    lines += [f"        {spec} \\" for spec in specs[:-1]]
    lines += [f"        {specs[-1]}", "    ;;"]
    return "\n".join(f"                {line}" for line in lines)


def _option(option: Parameter) -> str:
    """Return an option as `_arguments` reads it: its names, its meaning and its values."""
    takes = option.metavar is not None
    names = [_name(name, takes=takes) for name in option.names]
    what = f"[{_bracketed(option.help)}]"
    if takes:
        what += f"{':' * (1 + option.alone)}{_plain(option.metavar or '')}:{_action(option)}"
    if option.repeated:
        head = "'*'"
    elif len(names) > 1:
        head = _quoted(f"({' '.join(option.names)})")
    else:
        head = ""
    written = f"{{{','.join(names)}}}" if len(names) > 1 else names[0]
    return head + written + _quoted(what)


def _name(name: str, *, takes: bool) -> str:
    if not takes:
        return name
    return f"{name}=" if name.startswith("--") else f"{name}+"


def _action(parameter: Parameter) -> str:
    if not parameter.values:
        return "_files"
    values = " ".join(parameter.values)
    return f"_sequence -s , compadd - {values}" if parameter.listed else f"({values})"


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _bracketed(text: str) -> str:
    return _plain(text).replace("[", "\\[").replace("]", "\\]")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
