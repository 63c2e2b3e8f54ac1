"""Limits of a computation: threads, memory and tile size, from options or the environment.

`ATTN_THREADS`, `ATTN_MEMORY` and `ATTN_TILE` are used if the option of that name is not given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from attn_cli.dataclass import dataclass
from attn_cli.reading.resource_limits import read_memory, read_threads, read_tile

T = TypeVar("T")


def _option(name: str, metavar: str, help: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=help)


Memory = Annotated[
    str | None, _option("memory", "SIZE", "Largest size of the results in memory, e.g. 2GB.")
]


@dataclass(kw_only=True)
class ResourceOptions:
    """The options that limit a computation."""

    memory: Memory = None
    threads: Annotated[
        str | None,
        _option(
            "threads", "N", "Number of threads for large problems (default: number of processors)."
        ),
    ] = None
    tile: Annotated[
        str | None, _option("tile", "QxK", "Queries x keys computed at a time (default: 1024x512).")
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the fields of a Request that these options set; raise AttnError for bad values."""
        from attn_cli.engine.threads import processors

        given = {
            "memory": memory_of(self.memory),
            "threads": _read("threads", self.threads, read_threads) or processors(),
            "tile": _read("tile", self.tile, read_tile),
        }
        return {name: value for name, value in given.items() if value is not None}


def memory_of(option: str | None) -> int | None:
    """Return the bytes that results may take; None if neither option nor environment says."""
    return _read("memory", option, read_memory)


def _read(name: str, option: str | None, reader: Callable[[Any, str], T]) -> T | None:
    """Return the value of the option, else of the environment, else None."""
    if option is not None:
        return reader(option, f"--{name}")
    variable = f"ATTN_{name.upper()}"
    text = os.environ.get(variable)
    return reader(text, variable) if text else None
