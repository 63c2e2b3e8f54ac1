"""Typer's usage errors as AttnError, with what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any

from attn_cli.cli.keys import COMMANDS as TAKE_KEYS
from attn_cli.cli.keys import FROM_FILES, options
from attn_cli.errors import AttnError, folded, nearest, printable

_FILE = "the file is not an option: {path} FILE"
# Other names for options -> ours; a command that has none of ours gets the usual advice.
_OPTIONS_MEANT = {
    "q": "--query",
    "k": "--key",
    "v": "--value",
    "decimals": "--digits",
    "round": "--digits",
    "normalise": "--normalize",
    "normaliser": "--normalize",
    "normalizer": "--normalize",
    "softmax": "--normalize",
    "epochs": "--steps",
    "iterations": "--steps",
    "lr": "--learning-rate",
    "steps": "--show",
    "step": "--only",
    "output_format": "--format",
    "words": "--tokens",
    "dict": "--dictionary",
}
_FILES = ("file", "input", "problem", "yaml", "json", "npz")
_COMMANDS_MEANT = {
    "run": "compute",
    "calculate": "compute",
    "attention": "compute",
    "predict": "next",
    "generate": "next",
    "fit": "train",
    "learn": "train",
    "plot": "graph",
    "draw": "graph",
    "statistics": "stats",
    "entropy": "stats",
    "examples": "samples",
    "presets": "conventions",
    "version": "--version",
    "list": "--help",
}


def usage_error(error: Any, arguments: Sequence[str], commands: Collection[str]) -> AttnError:
    """Return a usage error of Typer as AttnError."""
    message = getattr(error, "format_message", lambda: str(error))().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _path(arguments, commands)
    usual = f"{path} --help shows how it is used"
    if option := re.match(r"no such option: (-\S+)", message):
        known = (
            {name for p in context.command.params for name in (*p.opts, *p.secondary_opts)}
            if context
            else set()
        )
        if path.rpartition(" ")[2] in TAKE_KEYS:
            known |= set(options())
        if path == "attn" and (named := _path(arguments, commands)) != path:
            advice = f"options come after the command: {named} {option[1]}"
            return AttnError(f"no such option: {option[1]}", help=advice)
        return _no_option(option[1], message, path, known, usual)
    if command := re.match(r"no such command '(.*?)'", message):
        return _no_command(command[1], message.partition(". Did you mean")[0], commands, usual)
    if extra := re.match(r"got unexpected extra arguments? ?(?:\(s\) )?\((.*)\)$", message):
        return AttnError(message, help=_extra_meant(extra[1], arguments, path) or usual)
    return AttnError(message, help=usual)


def _path(arguments: Sequence[str], commands: Container[str]) -> str:
    """Return the program, and the command that is named."""
    return " ".join(("attn", *[each for each in arguments if each in commands][:1]))


def _no_option(
    option: str, message: str, path: str, known: Collection[str], usual: str
) -> AttnError:
    """Return the error for an unknown option: with the option of `known` that is nearest to it."""
    name = folded(option.lstrip("-"))
    plain = f"no such option: {option}"
    if name == "list":
        listed = (
            f"{path} alone lists all" if path.endswith("s") else "attn --help lists all commands"
        )
        return AttnError(plain, help=listed)
    if option in ("-V", "--version"):
        return AttnError(plain, help="attn --version shows the version")
    if name in _FILES and path.rpartition(" ")[2] in FROM_FILES:
        return AttnError(plain, help=_FILE.format(path=path))
    wanted = _OPTIONS_MEANT.get(name)
    if wanted in known:
        return AttnError(f"{plain}. Did you mean {wanted}?", help=usual)
    near = nearest(option, sorted(known)) if option.startswith("--") else None
    if near is not None:
        return AttnError(f"{plain}. Did you mean {near}?", help=usual)
    return AttnError(message, help=usual)


def _no_command(name: str, message: str, commands: Collection[str], usual: str) -> AttnError:
    """Return the error for an unknown command: with the likely one, or all."""
    if meant := _COMMANDS_MEANT.get(folded(name)):
        return AttnError(message, help=f"did you mean: attn {meant}")
    if near := nearest(name, commands):
        return AttnError(f"{message}. Did you mean '{near}'?", help=usual)
    return AttnError(message, help=f"there are: {', '.join(commands)}")


def _extra_meant(extra: str, arguments: Sequence[str], path: str) -> str | None:
    """Return the advice for surplus arguments."""
    words = extra.split(" ")
    options = _values_apart(arguments)
    if "--tokens" in options and options["--tokens"][1:] == words:
        text = printable(" ".join(options["--tokens"]))
        return f"put several words in quotes: --tokens '{text}'"
    if path.rpartition(" ")[2] not in ("compute", "graph"):
        return None
    from attn_cli.maths.pipeline import names

    step = words[0].strip(",")
    if step not in names() or path.endswith("graph"):
        return None
    return f"did you mean --only {step}, or --show with commas and no blanks: --show q,{step}?"


def _values_apart(arguments: Sequence[str]) -> Mapping[str, list[str]]:
    """Return option -> the arguments after it, up to the next option."""
    found: dict[str, list[str]] = {}
    behind: list[str] = []
    for argument in arguments:
        if argument.startswith("--"):
            behind = found[argument] = []
        else:
            behind.append(argument)
    return found
