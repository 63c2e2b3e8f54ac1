"""Completion for bash: one function, from version 3.2 on.

`-o default` lets bash complete file names if the function gives nothing; where only fixed values
make sense the function takes that back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attn_cli.cli.surface import Parameter, Surface

# bash parts the line also at `=` and `@`: the word that is completed is read from the line itself,
# and of each answer only what comes behind the last `=`, or from the last `@` on, is given.
_SCRIPT = """\
_attn() {
    local line=${COMP_LINE:0:COMP_POINT} typed=${COMP_WORDS[COMP_CWORD]}
    local current=${line##*[[:space:]]} before='' command='' word head=''
    local options='' values='' list='' files='' equals=''
    local -a words
    read -ra words <<<"${line%"$current"}"
    for word in "${words[@]:1}"; do
        before=$word
        case $word in
            -*) ;;
            *) [[ $command ]] || command=$word ;;
        esac
    done
    case $current in
        --*=*) before=${current%%=*} current=${current#*=} equals=1 ;;
    esac
    case $typed in
        [=@:]) typed='' ;;
    esac
    [[ $current == *"$typed" ]] && head=${current%"$typed"} head=${head%@}

    case $command in
@cases@
        *) files=1 ;;
    esac

    COMPREPLY=()
    if [[ $current == -* && ! $equals ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
    elif [[ $files ]]; then
        return
    elif [[ $list ]]; then
        word=${current%"${current##*,}"}
        COMPREPLY=($(compgen -P "$word" -W "$list" -- "${current##*,}"))
        compopt -o nospace +o default 2>/dev/null
    elif [[ $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$current"))
        compopt +o default 2>/dev/null
    fi
    COMPREPLY=("${COMPREPLY[@]#"$head"}")
}
complete -o bashdefault -o default -F _attn attn
"""


def script(program: Surface, commands: Sequence[Surface]) -> str:
    """Return the script."""
    names = " ".join(command.name for command in commands)
    cases = [_case("''", program.options, names)]
    for command in commands:
        values = " ".join(value for argument in command.arguments for value in argument.values)
        cases.append(_case(command.name, (*command.options, *command.keys), values))
    return _SCRIPT.replace("@cases@", "\n".join(cases))


def _case(pattern: str, options: Sequence[Parameter], values: str) -> str:
    """Return what can follow a command; what an option wants decides if it is the word before."""
    names = " ".join(name for option in options for name in option.names)
    lines = [f"{pattern})", f"    options='{names}'", f"    values='{values}'"]
    wanting = [option for option in options if option.metavar is not None and not option.alone]
    free = [name for option in wanting if not option.values for name in option.names]
    fixed = [option for option in options if option.values]
    if wanting:
        lines.append("    case $before in")
        lines += [f"        {'|'.join(option.names)}) {_wanted(option)} ;;" for option in fixed]
        if free:
            lines.append(f"        {'|'.join(free)}) files=1 ;;")
        lines.append("    esac")
    return "\n".join(f"        {line}" for line in [*lines, "    ;;"])


def _wanted(option: Parameter) -> str:
    return f"{'list' if option.listed else 'values'}='{' '.join(option.values)}'"
