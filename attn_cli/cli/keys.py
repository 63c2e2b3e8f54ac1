"""Keys of a problem as options: `--window 'keys: 3'` is `--set window='keys: 3'`.

Typer does not know them as options, because building them takes time at every start: they are
turned into `--set` before Typer parses the arguments.
"""

from __future__ import annotations

import re

from attn_cli.errors import AttnError
from attn_cli.reading.keys import KEYS, YAML

# The commands that have --set; the help of the first lists the keys.
COMMANDS = ("compute", "check", "explain", "graph", "heatmap", "identify", "next", "stats")
FROM_FILES = (*COMMANDS, "train")  # commands whose first argument is a problem file
NUMBER = r"[\d.]+(e[-+]?\d+)?"  # the full form is in `scalars`, which imports NumPy


def options() -> dict[str, str]:
    """Return the options that are short for `--set`: option -> key."""
    return {option_of(name): name for name, key in KEYS.items() if key.option == YAML}


def option_of(key: str) -> str:
    """Return the option of a key: its name with `-` for `_`."""
    return f"--{key.replace('_', '-')}"


def written_out(arguments: list[str]) -> list[str]:
    """Return the arguments with keys as `--set`, and `true` added to options without a value.

    An option has no value if it is the last argument, or if an option or a file follows it.
    """
    if not set(COMMANDS) & set(arguments[:1]):
        return arguments
    short = options()
    alone = [option_of(name) for name, key in KEYS.items() if key.alone]
    result: list[str] = []
    rest = iter(range(len(arguments)))
    for at in rest:
        option, equals, value = arguments[at].partition("=")
        following = arguments[at + 1] if at + 1 < len(arguments) else None
        if option in alone and not equals and _stands_alone(following):
            value = "true"
        elif option in short and not equals:
            if following is None or following.startswith("--"):
                raise AttnError(
                    f"option '{option}' requires an argument",
                    help=f"{short[option]}: {KEYS[short[option]].meaning}",
                )
            value = following
            next(rest)
        elif option not in short:
            result.append(arguments[at])
            continue
        result += [option, value] if option not in short else ["--set", f"{option}={value}"]
    return result


def _stands_alone(following: str | None) -> bool:
    """Return whether the next argument is not a value: none, an option, or a file name."""
    if following is None or following.startswith("-"):
        return True
    value = following.startswith(("{", "[")) or ": " in following or re.fullmatch(NUMBER, following)
    return not value and bool(set(following) & set("./"))


def epilog() -> str:
    """Return the part of a command's help that lists the keys of a problem as options."""
    short = options()
    width = max(map(len, short)) + 2
    groups: dict[str, list[str]] = {}
    for option, name in short.items():
        key = KEYS[name]
        groups.setdefault(key.group, []).append(f"  {option:{width}}{key.meaning}")
    parts = ["Keys of the problem as options, their values in YAML."]
    parts += ["\n".join(["\b", f"{group}:", *lines]) for group, lines in groups.items()]
    return "\n\n".join(parts)
