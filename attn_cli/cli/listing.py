"""What a registry holds, as text: a list of all, or one explained."""

from __future__ import annotations

import textwrap
from typing import Any, Protocol

from attn_cli.errors import AttnError
from attn_cli.formula import Formula
from attn_cli.maths.parameter import Parameter
from attn_cli.registry import Registry


class Entry(Protocol):
    """What score functions and normalisers have for people."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def formula(self) -> Formula:
        """Its formula."""
        ...

    @property
    def reference(self) -> str:
        """Who defined it."""
        ...

    @property
    def explanation(self) -> str:
        """What it does, in a sentence or two."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, as data."""
        ...


def refuse_other_kind(name: str, wanted: Registry[Any], other: Registry[Any], list: str) -> None:
    """Raise AttnError for the name of one of another kind, which the command `list` explains."""
    if name in other.names and name not in wanted.names:
        raise AttnError(
            f"{name} is a {other.kind}, not a {wanted.kind}", help=f"did you mean: {list} {name}"
        )


def summary(entry: Entry, default: str) -> str:
    """Return name, formula, parameters and reference, a line each; say which is the default."""
    mark = "   (default)" if entry.name == default else ""
    lines = [f"{entry.name:16}{entry.formula}{mark}"]
    lines += [f"{'':16}{p.signature}" for p in entry.parameters]
    lines.append(f"{'':16}[{entry.reference}]")
    return "\n".join(lines) + "\n"


def explained(entry: Entry, key: str, example: str, default: str) -> str:
    """Return all there is to say; `key` is that of a problem file, `example` its value."""
    lines = [f"{entry.name}: {entry.formula}", ""]
    if entry.name == default:
        lines += [f"The default: what holds without {key}.", ""]
    lines += [*textwrap.wrap(entry.explanation, 80), ""]
    if entry.parameters:
        width = max(len(p.signature) for p in entry.parameters) + 2
        lines += [f"  {p.signature:{width}}{p.meaning}" for p in entry.parameters] + [""]
    return "\n".join(
        [*lines, f"In a problem file:  {key}: {example}", f"Reference: {entry.reference}", ""]
    )


def written(entry: Entry) -> str:
    """Return how a problem file names it, with the parameters that it must have."""
    shape = ", ".join(f"{p.name}: ..." for p in entry.parameters if not p.optional)
    return f"{{function: {entry.name}, {shape}}}" if shape else entry.name
