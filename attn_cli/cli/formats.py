"""In which format an output is: as `--format` says, or the suffix of its file."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attn_cli.errors import AttnError, did_you_mean, printable

if TYPE_CHECKING:
    from attn_cli.views import View

_PICTURES = ("svg", "png", "pdf")
_GRAPHVIZ = "Graphviz draws it: attn graph FILE --format dot | dot -Tsvg > graph.svg"


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
    if "dot" in views and output.lower().endswith(_PICTURES):
        raise AttnError(f"attn graph draws no '{printable(output)}'", help=_GRAPHVIZ)
    raise AttnError(
        f"the format of '{output}' cannot be told from its suffix",
        help=f"say it with --format, or use one of {suffixes}",
    )


def _format_meant(views: Mapping[str, View], asked: str) -> str:
    """Return what was meant by a format that there is not."""
    if "dot" in views and asked.lower() in _PICTURES:
        return _GRAPHVIZ
    if os.path.isfile(asked):
        return "--format is that of the output; name the problem file without an option"
    return did_you_mean(asked, views, what="there are")


def is_special(output: str) -> bool:
    """Return whether an output is a device or a pipe, whose name has no suffix to go by."""
    try:
        mode = os.stat(output).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
