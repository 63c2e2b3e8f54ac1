"""Mappings whose keys are known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.sources.text.meant import meant
from attn_cli.sources.text.scalars import kind_of


def mapping(node: Any, path: Path, allowed: Collection[str]) -> Mapping[str, Any]:
    """Return a mapping whose keys are all allowed; raise AttnError for the first that is not."""
    if not isinstance(node, Mapping):
        raise AttnError(
            f"{dotted(path)} must be a mapping, not {kind_of(node)}",
            path=path,
            help=f"its keys can be: {', '.join(allowed)}",
        )
    for key in node:
        if key not in allowed:
            inside = f" in {dotted(path)}" if path else ""
            raise AttnError(
                f"unknown key '{printable(str(key))}'{inside}",
                path=(*path, str(key)),
                at_key=True,
                help=advice_for_key(str(key), path, allowed),
            )
    return node


def advice_for_key(key: str, path: Path, known: Iterable[str]) -> str:
    """Return the advice for a key that the mapping at a path does not have."""
    return did_you_mean(key, known, what="the keys are", meant=meant(path))


def refuse_unknown_parameters(
    function: str, given: Iterable[str], known: Iterable[str], path: Path
) -> None:
    """Raise AttnError for the first parameter that a function does not have."""
    names = list(known)
    for name in given:
        if name not in names:
            raise AttnError(
                f"{function} has no parameter '{printable(name)}'",
                path=(*path, name),
                at_key=True,
                help=did_you_mean(name, names, what="it has")
                if names
                else f"{function} has no parameters",
            )
