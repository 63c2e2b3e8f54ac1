"""The format of an output: that of `--format`, else that of the file's suffix."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attn_cli.errors import AttnError, did_you_mean, printable

if TYPE_CHECKING:
    from attn_cli.views import View

_PICTURES = ("svg", "png", "pdf")
_COMPILED = "compile LaTeX: write it with --standalone -o FILE.tex, and run pdflatex FILE.tex"
_DRAWING = "attn heatmap FILE -o weights.svg and attn graph FILE -o graph.svg draw the weights"


def choose_view(views: Mapping[str, View], asked: str | None, output: str | None) -> View:
    """Return the view of the format asked for, else that of the file's suffix, else the first."""
    if asked is not None:
        if asked not in views:
            raise AttnError(f"unknown format '{asked}'", help=_format_meant(views, asked))
        return views[asked]
    if output is None or output == "-":
        return next(iter(views.values()))
    for view in views.values():
        if output.lower().endswith(view.suffixes):
            return view
    if is_special(output):
        return next(iter(views.values()))
    suffixes = ", ".join(suffix for view in views.values() for suffix in view.suffixes)
    if not output or os.path.isdir(output):
        what = f"'{printable(output)}' is a folder" if output else "-o names no file"
        raise AttnError(what, help=f"name a file whose suffix says the format: one of {suffixes}")
    hint = _picture_meant(views, output.rpartition(".")[2])
    raise AttnError(
        f"the format of '{output}' cannot be determined from its suffix",
        help=f"{hint or 'say it with --format'}, or use one of {suffixes}",
    )


def _format_meant(views: Mapping[str, View], asked: str) -> str:
    """Return the advice for an unknown format."""
    picture = _picture_meant(views, asked)
    if picture:
        return f"{picture}; there are: {', '.join(views)}"
    if os.path.isfile(asked):
        return "--format is that of the output; name the problem file without an option"
    return did_you_mean(asked, views, what="there are")


def _picture_meant(views: Mapping[str, View], asked: str) -> str:
    """Return the command that draws a picture which these views cannot; empty if none is meant."""
    if asked.lower() not in _PICTURES:
        return ""
    kind = asked.lower()
    if "dot" in views:
        return f"Graphviz draws it: attn graph FILE --format dot | dot -T{kind} > graph.{kind}"
    if kind == "pdf" and "latex" in views:
        return _COMPILED
    of_problem = any("Record" in view.accepts for view in views.values())
    return _DRAWING if of_problem and "svg" not in views else ""


def is_special(output: str) -> bool:
    """Return whether an output is a device or a pipe, whose name has no suffix."""
    try:
        mode = os.stat(output).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
