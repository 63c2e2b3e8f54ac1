"""Keys of a problem as options: `--window 'keys: 3'` is `--set window='keys: 3'`.

They are no options of their own to Typer, which would spend its time on every one of them at every
start: what is written is turned into `--set` before Typer sees it.
"""

from __future__ import annotations

import re

from attn_cli.errors import AttnError
from attn_cli.reading.keys import KEYS

# Of these a part is an option already, or an argument, or nothing for a command line.
_OTHERWISE = {
    "tokens", "sequences", "lower", "embeddings", "memory", "query", "key", "value", "score",
    "scale", "causal", "normalize", "train", "dtype", "next_word", "feed_forward",
}  # fmt: skip
OPTIONS = {f"--{key.replace('_', '-')}": key for key in KEYS if key not in _OTHERWISE}
COMMANDS = ("compute", "graph", "next")  # those that have --set
NUMBER = re.compile(r"[\d.]+(e[-+]?\d+)?")  # scalars, which loads NumPy, has it in full
ALONE = ("--causal", "--rope", "--alibi")  # mean `true` where nothing follows them


def written_out(arguments: list[str]) -> list[str]:
    """Return the arguments with keys as `--set`, and `true` behind what may stand alone.

    Alone is at the end, before another option, or before what must be a file.
    """
    if not set(COMMANDS) & set(arguments[:1]):
        return arguments
    result: list[str] = []
    rest = iter(range(len(arguments)))
    for at in rest:
        option, equals, value = arguments[at].partition("=")
        following = arguments[at + 1] if at + 1 < len(arguments) else None
        if option in ALONE and not equals and _stands_alone(following):
            value = "true"
        elif option in OPTIONS and not equals:
            if following is None or following.startswith("--"):
                raise AttnError(
                    f"option '{option}' requires an argument",
                    help=f"{OPTIONS[option]} is {KEYS[OPTIONS[option]]}",
                )
            value = following
            next(rest)
        elif option not in OPTIONS:
            result.append(arguments[at])
            continue
        result += [option, value] if option not in OPTIONS else ["--set", f"{option}={value}"]
    return result


def _stands_alone(following: str | None) -> bool:
    """Whether what follows is no value: the end, an option, or what can only be a file."""
    if following is None or following.startswith("-"):
        return True
    value = following.startswith(("{", "[")) or ": " in following or NUMBER.fullmatch(following)
    return not value and bool(set(following) & set("./"))


def epilog() -> str:
    """Return what the help of a command says of keys as options."""
    width = max(map(len, OPTIONS)) + 2
    lines = [f"  {option:{width}}{KEYS[key]}" for option, key in OPTIONS.items()]
    return "\n".join(["\b", "Keys of the problem as options, their values in YAML:", *lines])
